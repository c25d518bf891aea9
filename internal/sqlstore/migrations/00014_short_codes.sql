-- The short code of a mail, for who reads it on another device: purpose and address that it is looked up by ('' where there is none), the code itself, sealed, and how
-- often it was tried.
ALTER TABLE oob_codes ADD COLUMN short_id {{TEXT}} NOT NULL DEFAULT '';
ALTER TABLE oob_codes ADD COLUMN short_sealed {{BLOB}};
ALTER TABLE oob_codes ADD COLUMN short_tries {{INT}} NOT NULL DEFAULT 0;

CREATE INDEX oob_codes_by_short_id ON oob_codes (project, short_id) WHERE short_id <> '';
