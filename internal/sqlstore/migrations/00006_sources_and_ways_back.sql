-- Sources that users signed in from; nobody else's guesses use up their allowance.
CREATE TABLE known_sources (
	project {{TEXT}} NOT NULL,
	user_id {{TEXT}} NOT NULL,
	source  {{TEXT}} NOT NULL,
	seen_at {{INT}} NOT NULL,
	PRIMARY KEY (project, user_id, source),
	FOREIGN KEY (project, user_id) REFERENCES users (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX known_sources_by_age ON known_sources (seen_at);

-- What a way back undoes, as JSON; {} for codes of other purposes.
ALTER TABLE oob_codes ADD COLUMN undoes {{TEXT}} NOT NULL DEFAULT '{}';
