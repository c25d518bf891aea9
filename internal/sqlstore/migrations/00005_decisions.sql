-- How refusals came about, found by the reference that was told to whom it happened. steps is JSON.
CREATE TABLE decisions (
	reference   {{TEXT}} NOT NULL,
	project     {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id          {{TEXT}} NOT NULL,
	occurred_at {{INT}} NOT NULL,
	event       {{TEXT}} NOT NULL,
	outcome     {{TEXT}} NOT NULL,
	code        {{TEXT}} NOT NULL,
	user_id     {{TEXT}} NOT NULL,
	addr        {{TEXT}} NOT NULL,
	user_agent  {{TEXT}} NOT NULL,
	steps       {{TEXT}} NOT NULL,
	PRIMARY KEY (reference, project, id)
) {{TABLE}};

CREATE INDEX decisions_by_user ON decisions (project, user_id);
CREATE INDEX decisions_by_time ON decisions (occurred_at);
