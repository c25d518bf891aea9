package auth_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// TestBackupsAreForOperators: nobody else has one made, settles a restored instance or has keys sign; and what is done is in the audit log.
func TestBackupsAreForOperators(t *testing.T) {
	h := newHarness(t)
	admin := h.asAdmin()
	taken := 0
	take := func() (string, error) { taken++; return "the-name", nil }
	h.want(h.admin.Backup(h.ctx, admin, take), auth.CodeAdminRequired)
	h.want(h.admin.SettleRestored(h.ctx, admin, auth.Restored{}), auth.CodeAdminRequired)
	_, err := h.admin.SignProbes(h.ctx, admin)
	h.want(err, auth.CodeAdminRequired)
	if taken > 0 {
		t.Error("a project's admin had a backup made")
	}
	h.must(h.admin.Backup(h.ctx, h.operator(), take))
	h.must(h.admin.BackupBySchedule(h.ctx, take))
	failed := errors.New("no room")
	if err := h.admin.Backup(h.ctx, h.operator(), func() (string, error) { return "", failed }); !errors.Is(err, failed) {
		t.Errorf("a backup that failed: %v", err)
	}
	heal := h.fail("CreateAudit", failed)
	if err := h.admin.Backup(h.ctx, h.operator(), take); !errors.Is(err, auth.ErrBackupNotRecorded) || !errors.Is(err, failed) {
		t.Errorf("a backup that was made and not recorded: %v", err)
	}
	heal()
	records, err := h.admin.Audit(h.ctx, h.operator(), auth.AuditFilter{Limit: 100})
	h.must(err)
	var actors []auth.ActorKind
	for _, r := range records {
		if r.Event == auth.EventBackup && r.Detail["name"] == "the-name" && r.Project == "" {
			actors = append(actors, r.Actor)
		}
	}
	slices.Sort(actors) // they are of one instant
	if !slices.Equal(actors, []auth.ActorKind{auth.ActorOperator, auth.ActorSystem}) {
		t.Errorf("recorded of %v", actors)
	}
}

// TestSettleRestored: every project has one key, a new one, unless the source was stopped.
func TestSettleRestored(t *testing.T) {
	h := newHarness(t)
	signer := func() string {
		t.Helper()
		probes, err := h.admin.SignProbes(h.ctx, h.operator())
		h.must(err)
		set, _, err := h.JWKS(h.ctx, probes[0].Project)
		h.must(err)
		h.must(h.admin.CheckProbe(probes[0], set))
		keys, err := h.store.ListSigningKeys(h.ctx, probes[0].Project)
		h.must(err)
		if len(keys) != 1 {
			t.Errorf("%d keys", len(keys))
		}
		return string(keys[0].ID)
	}
	before := signer()
	h.must(h.admin.SettleRestored(h.ctx, h.operator(), auth.Restored{Name: "b", SourceStopped: true}))
	if signer() != before {
		t.Error("the key changed though the source was stopped")
	}
	h.must(h.admin.SettleRestored(h.ctx, h.operator(), auth.Restored{Name: "b"}))
	if signer() == before {
		t.Error("the key of before signs")
	}
}
