-- The due mails of one project, for workers that give each project its share.
CREATE INDEX outbox_due_by_project ON outbox (project, due_at) WHERE due_at IS NOT NULL;

DROP INDEX outbox_due;
