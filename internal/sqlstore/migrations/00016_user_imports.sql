-- Files of users on their way into a project, in the background. report is JSON: what was made of the lines so far.
CREATE TABLE user_imports (
	project       {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id            {{TEXT}} NOT NULL,
	state         {{TEXT}} NOT NULL,
	file_name     {{TEXT}} NOT NULL,
	line_count    {{INT}} NOT NULL,
	done_count    {{INT}} NOT NULL,
	refused_count {{INT}} NOT NULL,
	report        {{TEXT}} NOT NULL,
	failure       {{TEXT}} NOT NULL,
	actor         {{TEXT}} NOT NULL,
	actor_id      {{TEXT}} NOT NULL,
	addr          {{TEXT}} NOT NULL,
	created_at    {{INT}} NOT NULL,
	started_at    {{INT}} NOT NULL,
	finished_at   {{INT}} NOT NULL,
	expires_at    {{INT}} NOT NULL,
	PRIMARY KEY (project, id)
) {{TABLE}};

CREATE INDEX user_imports_at_work ON user_imports (id) WHERE state IN ('checking', 'running');
CREATE INDEX user_imports_by_expiry ON user_imports (expires_at) WHERE expires_at > 0;

-- Their lines, sealed; what is imported is deleted.
CREATE TABLE user_import_parts (
	project   {{TEXT}} NOT NULL,
	id        {{TEXT}} NOT NULL,
	import_id {{TEXT}} NOT NULL,
	sealed    {{BLOB}} NOT NULL,
	PRIMARY KEY (project, id),
	FOREIGN KEY (project, import_id) REFERENCES user_imports (project, id) ON DELETE CASCADE
) {{TABLE}};

CREATE INDEX user_import_parts_by_import ON user_import_parts (project, import_id, id);
