-- What the cookies of hosted pages hold, as hashes: each names a session.
CREATE TABLE browser_tokens (
	project    {{TEXT}} NOT NULL,
	hash       {{BLOB}} NOT NULL,
	session_id {{TEXT}} NOT NULL,
	created_at {{INT}} NOT NULL,
	PRIMARY KEY (project, hash),
	FOREIGN KEY (project, session_id) REFERENCES sessions (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX browser_tokens_by_session ON browser_tokens (project, session_id);

-- One-time codes that apps exchange for tokens. session_id is the browser's session, made_session the one that the exchange began.
CREATE TABLE sign_in_codes (
	project        {{TEXT}} NOT NULL,
	hash           {{BLOB}} NOT NULL,
	session_id     {{TEXT}} NOT NULL,
	redirect_uri   {{TEXT}} NOT NULL,
	code_challenge {{TEXT}} NOT NULL,
	created_at     {{INT}} NOT NULL,
	expires_at     {{INT}} NOT NULL,
	consumed_at    {{INT}} NOT NULL,
	made_session   {{TEXT}} NOT NULL,
	PRIMARY KEY (project, hash),
	FOREIGN KEY (project, session_id) REFERENCES sessions (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX sign_in_codes_by_session ON sign_in_codes (project, session_id);
CREATE INDEX sign_in_codes_by_expiry ON sign_in_codes (expires_at);
