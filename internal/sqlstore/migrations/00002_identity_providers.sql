-- The settings of each project's identity providers. Lists and maps are JSON.
CREATE TABLE identity_providers (
	project       {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id            {{TEXT}} NOT NULL,
	enabled       {{INT}} NOT NULL,
	client_id     {{TEXT}} NOT NULL,
	secret_sealed {{BLOB}},
	scopes        {{TEXT}} NOT NULL,
	parameters    {{TEXT}} NOT NULL,
	endpoints     {{TEXT}} NOT NULL,
	allow_hosts   {{TEXT}} NOT NULL,
	implicit      {{INT}} NOT NULL,
	team_id       {{TEXT}} NOT NULL,
	key_id        {{TEXT}} NOT NULL,
	created_at    {{INT}} NOT NULL,
	updated_at    {{INT}} NOT NULL,
	PRIMARY KEY (project, id)
) {{TABLE}};

-- Sign-ins at a provider between their two steps.
CREATE TABLE sign_in_flows (
	project         {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id              {{TEXT}} NOT NULL,
	session_hash    {{BLOB}} NOT NULL,
	state_hash      {{BLOB}} NOT NULL,
	nonce_hash      {{BLOB}} NOT NULL,
	verifier_sealed {{BLOB}} NOT NULL,
	provider_id     {{TEXT}} NOT NULL,
	redirect_uri    {{TEXT}} NOT NULL,
	created_at      {{INT}} NOT NULL,
	expires_at      {{INT}} NOT NULL,
	consumed_at     {{INT}} NOT NULL,
	PRIMARY KEY (project, id),
	UNIQUE (project, session_hash)
) {{TABLE}};

CREATE INDEX sign_in_flows_by_expiry ON sign_in_flows (expires_at);
