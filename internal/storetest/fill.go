package storetest

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// Fill puts one of everything into each project, and what belongs to the instance beside them.
func Fill(t testing.TB, s auth.Store, projects ...auth.ProjectID) {
	t.Helper()
	ctx := t.Context()
	err := s.Update(ctx, func(tx auth.Tx) error {
		for _, p := range projects {
			if err := fill(ctx, tx, p); err != nil {
				return err
			}
		}
		if err := tx.CreateProject(ctx, auth.Project{ID: "retired", CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.DeleteProject(ctx, "retired", now); err != nil {
			return err
		}
		if err := tx.CreateOperatorToken(ctx, auth.OperatorToken{Name: "deploy", Hash: []byte("operator"), CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.ReplaceSetupCode(ctx, auth.SetupCode{Hash: []byte("setup"), CreatedAt: now, ExpiresAt: after(60)}); err != nil {
			return err
		}
		if err := tx.PutTLSFile(ctx, auth.TLSFile{Path: "certificates/a.example", Sealed: []byte("sealed"), ModifiedAt: now}); err != nil {
			return err
		}
		return tx.CreateAudit(ctx, auth.AuditRecord{ID: "of-the-instance", At: now})
	})
	if err != nil {
		t.Fatalf("filling the store: %v", err)
	}
	removeDeleted(t, s, "retired")
}
