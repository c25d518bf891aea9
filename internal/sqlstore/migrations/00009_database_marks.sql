-- What is to be known of this one database: who it is, and whether it is being filled or left. It is no data, and is not copied with it; see marks.go.
CREATE TABLE database_marks (
	name   {{TEXT}} NOT NULL PRIMARY KEY,
	value  {{TEXT}} NOT NULL,
	note   {{TEXT}} NOT NULL,
	set_at {{INT}} NOT NULL
) {{CLUSTERED}};
