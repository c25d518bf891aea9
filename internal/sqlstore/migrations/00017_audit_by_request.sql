-- What an end user was told leads to its records, and a user's id to theirs, also where the project is not said.
CREATE INDEX audit_by_request ON audit (request_id) WHERE request_id <> '';
DROP INDEX audit_by_user;
CREATE INDEX audit_by_user ON audit (user_id, project, id) WHERE user_id <> '';
