-- The second factors of users. A factor that is not confirmed yet proves nothing. counter is the last step (TOTP) or signature count (passkey) that was used.
CREATE TABLE second_factors (
	project         {{TEXT}} NOT NULL,
	id              {{TEXT}} NOT NULL,
	user_id         {{TEXT}} NOT NULL,
	kind            {{TEXT}} NOT NULL,
	name            {{TEXT}} NOT NULL,
	secret_sealed   {{BLOB}},
	credential_hash {{BLOB}},
	credential      {{BLOB}},
	counter         {{INT}} NOT NULL,
	created_at      {{INT}} NOT NULL,
	confirmed_at    {{INT}} NOT NULL,
	last_used_at    {{INT}} NOT NULL,
	PRIMARY KEY (project, id),
	UNIQUE (project, credential_hash),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX second_factors_by_user ON second_factors (project, user_id, created_at, id);
CREATE INDEX second_factors_unconfirmed ON second_factors (created_at) WHERE confirmed_at = 0;

CREATE TABLE recovery_codes (
	project    {{TEXT}} NOT NULL,
	user_id    {{TEXT}} NOT NULL,
	hash       {{BLOB}} NOT NULL,
	created_at {{INT}} NOT NULL,
	PRIMARY KEY (project, user_id, hash),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

-- Sign-ins that wait for their second factor. email and password_updated_at are the user's when the first one was proven.
CREATE TABLE pending_sign_ins (
	project             {{TEXT}} NOT NULL,
	hash                {{BLOB}} NOT NULL,
	user_id             {{TEXT}} NOT NULL,
	provider_id         {{TEXT}} NOT NULL,
	email               {{TEXT}} NOT NULL,
	password_updated_at {{INT}} NOT NULL,
	tries               {{INT}} NOT NULL,
	created_at          {{INT}} NOT NULL,
	expires_at          {{INT}} NOT NULL,
	PRIMARY KEY (project, hash),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX pending_sign_ins_by_user ON pending_sign_ins (project, user_id);
CREATE INDEX pending_sign_ins_by_expiry ON pending_sign_ins (expires_at);

-- Challenges that an authenticator has not answered yet. user_id is NULL where anybody may sign in.
CREATE TABLE passkey_challenges (
	project    {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	purpose    {{TEXT}} NOT NULL,
	hash       {{BLOB}} NOT NULL,
	user_id    {{TEXT}},
	state      {{BLOB}} NOT NULL,
	expires_at {{INT}} NOT NULL,
	PRIMARY KEY (project, purpose, hash),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX passkey_challenges_by_user ON passkey_challenges (project, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX passkey_challenges_by_expiry ON passkey_challenges (expires_at);

ALTER TABLE sessions ADD COLUMN second_factor {{TEXT}} NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN second_factor_id {{TEXT}} NOT NULL DEFAULT '';
