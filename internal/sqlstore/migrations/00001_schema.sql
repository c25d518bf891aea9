-- {{TEXT}}, {{INT}}, {{REAL}}, {{BLOB}}, {{TABLE}} and {{CLUSTERED}} are replaced for the engine; see migrate.go.
-- {{CLUSTERED}} is only for tables with no second way in: SQLite prefers a clustered key, even its first column alone, to a better index.
-- Instants are unix milliseconds, 0 for none. Truth values are 0 and 1.

CREATE TABLE projects (
	id               {{TEXT}} NOT NULL PRIMARY KEY,
	display_name     {{TEXT}} NOT NULL,
	preset           {{TEXT}} NOT NULL,
	overrides        {{TEXT}} NOT NULL,
	secrets_sealed   {{BLOB}},
	admin_token_hash {{BLOB}},
	created_at       {{INT}} NOT NULL,
	updated_at       {{INT}} NOT NULL,
	version          {{INT}} NOT NULL
) {{CLUSTERED}};

-- Ids of deleted projects: they are never given out again.
CREATE TABLE retired_projects (
	id         {{TEXT}} NOT NULL PRIMARY KEY,
	retired_at {{INT}} NOT NULL
) {{CLUSTERED}};

CREATE TABLE users (
	project               {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id                    {{TEXT}} NOT NULL,
	email                 {{TEXT}},
	email_verified        {{INT}} NOT NULL,
	name                  {{TEXT}} NOT NULL,
	picture               {{TEXT}} NOT NULL,
	locale                {{TEXT}} NOT NULL,
	password_hash         {{TEXT}} NOT NULL,
	password_updated_at   {{INT}} NOT NULL,
	disabled              {{INT}} NOT NULL,
	invite_pending        {{INT}} NOT NULL,
	verification_required {{INT}} NOT NULL,
	roles                 {{TEXT}} NOT NULL,
	custom_claims         {{TEXT}} NOT NULL,
	attributes            {{TEXT}} NOT NULL,
	created_at            {{INT}} NOT NULL,
	updated_at            {{INT}} NOT NULL,
	last_sign_in_at       {{INT}} NOT NULL,
	author                {{TEXT}} NOT NULL,
	PRIMARY KEY (project, id),
	UNIQUE (project, email)
) {{TABLE}};

CREATE INDEX users_by_creation ON users (project, created_at, id);

CREATE TABLE roles (
	project    {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id         {{TEXT}} NOT NULL,
	name       {{TEXT}} NOT NULL,
	created_at {{INT}} NOT NULL,
	PRIMARY KEY (project, id),
	UNIQUE (project, name)
) {{TABLE}};

-- An index of users.roles.
CREATE TABLE user_roles (
	project {{TEXT}} NOT NULL,
	role_id {{TEXT}} NOT NULL,
	user_id {{TEXT}} NOT NULL,
	PRIMARY KEY (project, role_id, user_id),
	FOREIGN KEY (project, role_id) REFERENCES roles (project, id) ON DELETE CASCADE,
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX user_roles_by_user ON user_roles (project, user_id);

-- An index of the top level of users.attributes. place is -1 for the attribute itself and counts the elements of an array.
-- kind is z (null), b (0 or 1 in number_value), n (number_value), s (text_value), a (array) or o (object).
-- text_key is the beginning of text_value, short enough for an index entry.
CREATE TABLE user_attributes (
	project      {{TEXT}} NOT NULL,
	user_id      {{TEXT}} NOT NULL,
	name         {{TEXT}} NOT NULL,
	place        {{INT}} NOT NULL,
	kind         {{TEXT}} NOT NULL,
	text_key     {{TEXT}},
	text_value   {{TEXT}},
	number_value {{REAL}},
	PRIMARY KEY (project, user_id, name, place),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX user_attributes_by_text ON user_attributes (project, name, kind, text_key) WHERE text_key IS NOT NULL;
CREATE INDEX user_attributes_by_number ON user_attributes (project, name, kind, number_value) WHERE number_value IS NOT NULL;

CREATE TABLE identities (
	project         {{TEXT}} NOT NULL,
	provider_id     {{TEXT}} NOT NULL,
	subject         {{TEXT}} NOT NULL,
	user_id         {{TEXT}} NOT NULL,
	email           {{TEXT}} NOT NULL,
	email_verified  {{INT}} NOT NULL,
	created_at      {{INT}} NOT NULL,
	last_sign_in_at {{INT}} NOT NULL,
	PRIMARY KEY (project, provider_id, subject),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX identities_by_user ON identities (project, user_id, provider_id, subject);

CREATE TABLE sessions (
	project      {{TEXT}} NOT NULL,
	id           {{TEXT}} NOT NULL,
	user_id      {{TEXT}} NOT NULL,
	provider_id  {{TEXT}} NOT NULL,
	created_at   {{INT}} NOT NULL,
	last_used_at {{INT}} NOT NULL,
	revoked_at   {{INT}} NOT NULL,
	addr         {{TEXT}} NOT NULL,
	user_agent   {{TEXT}} NOT NULL,
	PRIMARY KEY (project, id),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX sessions_by_user ON sessions (project, user_id, created_at, id);
CREATE INDEX sessions_living ON sessions (project, created_at, id) WHERE revoked_at = 0;
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at > 0;

CREATE TABLE refresh_tokens (
	project        {{TEXT}} NOT NULL,
	hash           {{BLOB}} NOT NULL,
	session_id     {{TEXT}} NOT NULL,
	user_id        {{TEXT}} NOT NULL,
	created_at     {{INT}} NOT NULL,
	rotated_at     {{INT}} NOT NULL,
	successor_hash {{BLOB}},
	successor_salt {{BLOB}},
	PRIMARY KEY (project, hash),
	FOREIGN KEY (project, session_id) REFERENCES sessions (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (project, session_id);

CREATE TABLE oob_codes (
	project     {{TEXT}} NOT NULL,
	hash        {{BLOB}} NOT NULL,
	user_id     {{TEXT}} NOT NULL,
	purpose     {{TEXT}} NOT NULL,
	email       {{TEXT}} NOT NULL,
	new_email   {{TEXT}} NOT NULL,
	created_at  {{INT}} NOT NULL,
	expires_at  {{INT}} NOT NULL,
	consumed_at {{INT}} NOT NULL,
	PRIMARY KEY (project, hash),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX oob_codes_by_user ON oob_codes (project, user_id, purpose);
CREATE INDEX oob_codes_by_expiry ON oob_codes (expires_at);

CREATE TABLE signing_keys (
	project        {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id             {{TEXT}} NOT NULL,
	algorithm      {{TEXT}} NOT NULL,
	public_jwk     {{BLOB}} NOT NULL,
	private_sealed {{BLOB}} NOT NULL,
	created_at     {{INT}} NOT NULL,
	retired_at     {{INT}} NOT NULL,
	expires_at     {{INT}} NOT NULL,
	PRIMARY KEY (project, id)
) {{TABLE}};

CREATE INDEX signing_keys_by_expiry ON signing_keys (expires_at) WHERE expires_at > 0;

CREATE TABLE mail_templates (
	project    {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	kind       {{TEXT}} NOT NULL,
	language   {{TEXT}} NOT NULL,
	subject    {{TEXT}} NOT NULL,
	body_text  {{TEXT}} NOT NULL,
	body_html  {{TEXT}} NOT NULL,
	updated_at {{INT}} NOT NULL,
	PRIMARY KEY (project, kind, language)
) {{TABLE}};

-- due_at is next_attempt_at of a queued mail and lease_until of a leased one; NULL for the others, which no worker looks at.
CREATE TABLE outbox (
	project         {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id              {{TEXT}} NOT NULL,
	kind            {{TEXT}} NOT NULL,
	recipient       {{TEXT}} NOT NULL,
	state           {{TEXT}} NOT NULL,
	sealed          {{BLOB}},
	attempts        {{INT}} NOT NULL,
	created_at      {{INT}} NOT NULL,
	next_attempt_at {{INT}} NOT NULL,
	lease_until     {{INT}} NOT NULL,
	lease_token     {{TEXT}} NOT NULL,
	finished_at     {{INT}} NOT NULL,
	last_error      {{TEXT}} NOT NULL,
	due_at          {{INT}},
	PRIMARY KEY (project, id)
) {{TABLE}};

CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_by_id ON outbox (id);
CREATE INDEX outbox_by_state ON outbox (state, id);
CREATE INDEX outbox_by_end ON outbox (state, finished_at);

-- project is '' for the instance, so there is no reference.
CREATE TABLE audit (
	project     {{TEXT}} NOT NULL,
	id          {{TEXT}} NOT NULL,
	occurred_at {{INT}} NOT NULL,
	event       {{TEXT}} NOT NULL,
	outcome     {{TEXT}} NOT NULL,
	actor       {{TEXT}} NOT NULL,
	actor_id    {{TEXT}} NOT NULL,
	user_id     {{TEXT}} NOT NULL,
	addr        {{TEXT}} NOT NULL,
	request_id  {{TEXT}} NOT NULL,
	detail      {{TEXT}} NOT NULL,
	PRIMARY KEY (project, id)
) {{TABLE}};

CREATE INDEX audit_by_id ON audit (id);
CREATE INDEX audit_by_user ON audit (project, user_id, id) WHERE user_id <> '';

-- arrival is the theoretical arrival time of GCRA.
CREATE TABLE limits (
	project   {{TEXT}} NOT NULL,
	limit_key {{TEXT}} NOT NULL,
	arrival   {{INT}} NOT NULL,
	PRIMARY KEY (project, limit_key)
) {{CLUSTERED}};

CREATE INDEX limits_by_arrival ON limits (arrival);

CREATE TABLE operator_tokens (
	name       {{TEXT}} NOT NULL PRIMARY KEY,
	hash       {{BLOB}} NOT NULL UNIQUE,
	created_at {{INT}} NOT NULL
) {{TABLE}};
