// Package backup is the file of a backup, and the places where backups are kept. It knows tables and rows, and nothing of what they mean.
//
// A backup is one file: an age file (age-encryption.org/v1), in it a Zstandard stream (RFC 8878), in that frames:
//
//	header             JSON: the format's number, the schema's, the instant of the snapshot, who wrote it, the tables with their columns and number of rows
//	master key         the text of the key file; absent where the backup is sealed with the master key itself
//	table, row …       the table's name, then each row in the order of the primary key; once for every table, parents before children
//	trailer            JSON: the number of rows and the digest of every table
//
// A frame is a byte that says what it is, the length of its content (unsigned varint), and the content. A row is its values one after the other, each a byte for its
// kind and then: nothing (null), 8 bytes, the bits of a double, or a length and bytes. A table's digest is the SHA-256 over its rows, each behind its length as 8 bytes.
//
// age authenticates every 64 KiB and the end, so a file that is cut off or changed is noticed where it happens; the digests are for what comes after: that the database
// which was restored holds what the backup had.
package backup
