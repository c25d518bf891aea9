-- How often things happened in an hour of a project, counted from its audit records; they are kept for longer than a chart needs.
CREATE TABLE activity (
	project   {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	hour_at   {{INT}} NOT NULL,
	sign_ups  {{INT}} NOT NULL,
	sign_ins  {{INT}} NOT NULL,
	refreshes {{INT}} NOT NULL,
	resets    {{INT}} NOT NULL,
	deletions {{INT}} NOT NULL,
	refusals  {{INT}} NOT NULL,
	PRIMARY KEY (project, hour_at)
) {{TABLE}};

CREATE INDEX activity_by_age ON activity (hour_at);

-- Up to which audit record of a project the hours are counted.
CREATE TABLE activity_marks (
	project {{TEXT}} NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
	counted {{TEXT}} NOT NULL
) {{TABLE}};

-- What was said to the SMTP server at the last attempt, and what it answered.
ALTER TABLE outbox ADD COLUMN transcript {{TEXT}} NOT NULL DEFAULT '';
