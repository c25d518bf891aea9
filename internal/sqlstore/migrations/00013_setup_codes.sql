-- The one-time code that opens the set-up of the console, as its hash. There is at most one: a new one takes the place of what was there.
CREATE TABLE setup_codes (
	hash       {{BLOB}} NOT NULL PRIMARY KEY,
	created_at {{INT}} NOT NULL,
	expires_at {{INT}} NOT NULL
) {{TABLE}};
