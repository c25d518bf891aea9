package auth

import (
	"strings"

	"github.com/doorward/doorward/internal/secret"
)

// SealedKinds lists every sealed column.
func SealedKinds() []SealedKind {
	return []SealedKind{SealedSigningKey, SealedMail, SealedProjectSecrets, SealedProvider, SealedFlow, SealedWebhook, SealedSecondFactor, SealedTLSFile, SealedShortCode, SealedImport}
}

// AD is the associated data that a value of this kind is sealed with: a value copied to another place does not open (P18).
func (k SealedKind) AD(p ProjectID, row string) secret.AD {
	table, column, _ := strings.Cut(string(k), ".")
	return secret.AD{Project: string(p), Table: table, Column: column, Row: row}
}
