-- What certificate management keeps: certificates, their private keys, the account at the CA, challenges. path has components divided by slashes.
CREATE TABLE tls_files (
	path        {{TEXT}} NOT NULL PRIMARY KEY,
	sealed      {{BLOB}} NOT NULL,
	modified_at {{INT}} NOT NULL
) {{TABLE}};
