package main

import (
	"errors"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/backup"
)

func setBackupTo(s *settings, v string) error {
	s.server.Backup.To = v
	if v == "" {
		return nil
	}
	_, name, err := backup.ParsePlace(v, time.Now)
	if err == nil && name != "" {
		return errors.New("it names one file; many backups need a directory or a prefix")
	}
	return err
}

func setBackupEvery(s *settings, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Minute || d > 366*24*time.Hour {
		s.server.Backup.Every = 24 * time.Hour
		return errors.New("it is not a duration from 1m to 8784h, as 24h")
	}
	s.server.Backup.Every = d
	return nil
}

func setBackupRecipients(s *settings, v string) error {
	s.server.Backup.Recipients = nil
	for text := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, err := backup.ParseRecipient(text); err != nil {
			return err
		}
		s.server.Backup.Recipients = append(s.server.Backup.Recipients, text)
	}
	return nil
}

func setBackupPassphrase(s *settings, v string) error {
	s.server.Backup.Passphrase = v
	switch {
	case v == "":
		return nil
	case len(s.server.Backup.Recipients) > 0:
		return errors.New("backups have recipients already; a backup is sealed for recipients or with a passphrase, not both")
	case len(v) < 12:
		return errors.New("it has fewer than 12 characters; whoever finds a backup can try as many as they like")
	}
	return nil
}

// backupNotes tell where this user can write no backup; a server tells in its log.
func (c *configuration) backupNotes() []problem {
	place, _, err := backup.ParsePlace(c.server.Backup.To, time.Now)
	if err != nil {
		return nil // none is wanted, or that is a problem already
	}
	if err := backup.CheckWritable(place); err != nil {
		return []problem{{"backup-to", c.values["backup-to"].source, err.Error()}}
	}
	return nil
}
