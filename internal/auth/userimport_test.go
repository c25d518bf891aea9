package auth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// importLines are n users with passwords.
func importLines(n int) iter.Seq2[auth.ImportLine, error] {
	return func(yield func(auth.ImportLine, error) bool) {
		for i := range n {
			user := auth.User{ID: auth.UserID(fmt.Sprint("u", i)), Email: auth.Email(fmt.Sprintf("u%d@example.com", i)), PasswordHash: importedHashes["bcrypt"]}
			if !yield(auth.ImportLine{Number: i + 1, User: auth.PortableUser{User: user}}, nil) {
				return
			}
		}
	}
}

func (h *harness) receive(lines iter.Seq2[auth.ImportLine, error]) auth.UserImport {
	h.t.Helper()
	i, err := h.admin.ReceiveImport(h.ctx, h.asAdmin(), "users.json", lines)
	h.must(err)
	return i
}

// work lets the server do what there is to do, and gives the import as it is then.
func (h *harness) work(id auth.UserImportID) auth.UserImport {
	h.t.Helper()
	h.must(h.admin.WorkImports(h.ctx))
	i, err := h.admin.UserImportOf(h.ctx, h.asAdmin(), id)
	h.must(err)
	return i
}

// parts is how many parts of the file are left.
func (h *harness) parts(id auth.UserImportID) (n int) {
	h.t.Helper()
	for after := ""; ; n++ {
		part, err := h.store.NextUserImportPart(h.ctx, h.id, id, after)
		if errors.Is(err, auth.ErrNotFound) {
			return n
		}
		h.must(err)
		after = part.ID
	}
}

// A file is checked, and once somebody starts it, imported; what of it cannot be used is told, and nothing of it is left.
func TestImportInTheBackground(t *testing.T) {
	h := newHarness(t, documented)
	h.importUser("u5@example.com") // with another uid
	lines := func(yield func(auth.ImportLine, error) bool) {
		for line, err := range importLines(450) {
			if line.Number == 3 {
				line = auth.ImportLine{Number: 3, Refused: "no user"}
			}
			if line.Number == 440 { // as in another part
				line.User.User.Email = "u7@example.com"
			}
			if !yield(line, err) {
				return
			}
		}
	}
	i := h.receive(lines)
	if i.State != auth.ImportChecking || i.Lines != 450 || h.parts(i.ID) != 3 {
		t.Fatalf("%+v with %d parts", i, h.parts(i.ID))
	}
	want := func(i auth.UserImport, state auth.UserImportState) {
		t.Helper()
		var failed []int
		for _, f := range i.Report.Failed {
			failed = append(failed, f.Index)
		}
		if i.State != state || i.Done != 450 || i.Refused != 3 || i.Report.Created != 447 || i.Report.CanSignIn != 447 || !slices.Equal(failed, []int{3, 6, 440}) {
			t.Errorf("%+v", i)
		}
	}
	want(h.work(i.ID), auth.ImportChecked)
	if n := h.count(); n != 1 || h.parts(i.ID) != 3 {
		t.Errorf("the dry run left %d users and %d parts", n, h.parts(i.ID))
	}
	h.must(h.admin.StartImport(h.ctx, h.asAdmin(), i.ID))
	h.want(h.admin.StartImport(h.ctx, h.asAdmin(), i.ID), auth.CodeConflict)
	_, err := h.admin.ReceiveImport(h.ctx, h.asAdmin(), "other", importLines(1))
	h.want(err, auth.CodeConflict)
	done := h.work(i.ID)
	want(done, auth.ImportDone)
	if n := h.count(); n != 448 || h.parts(i.ID) != 0 || done.FinishedAt.IsZero() {
		t.Errorf("%d users, %d parts left", n, h.parts(i.ID))
	}
	if _, err := h.signIn("u449@example.com", "correct horse"); err != nil {
		t.Errorf("an imported user: %v", err)
	}
	created := 0
	for _, record := range h.audits(auth.EventUsersImported) {
		var n int
		_, _ = fmt.Sscan(record.Detail["created"], &n)
		if created += n; record.Actor != auth.ActorAdmin || record.Detail["import"] != string(i.ID) {
			t.Errorf("record %+v", record)
		}
	}
	if created != 447 || len(h.audits(auth.EventImportStarted)) != 1 {
		t.Errorf("the records tell of %d users", created)
	}
	h.want(h.admin.StopImport(h.ctx, h.asAdmin(), i.ID), auth.CodeConflict)
	h.clock.Advance(31 * 24 * time.Hour)
	_, err = h.admin.Sweep(h.ctx)
	h.must(err)
	_, err = h.admin.UserImportOf(h.ctx, h.asAdmin(), i.ID)
	h.want(err, auth.CodeNotFound)
}

func (h *harness) count() int {
	h.t.Helper()
	n, err := h.store.CountUsers(h.ctx, h.id)
	h.must(err)
	return n
}

// Whatever breaks off, another process goes on with, and no user comes in twice or not at all.
func TestImportGoesOn(t *testing.T) {
	h := newHarness(t, documented)
	i := h.receive(importLines(450))
	breakOff := func(after int) {
		t.Helper()
		ctx, cancel := context.WithCancel(h.ctx)
		defer cancel()
		changes := 0
		wrap := func(tx auth.Tx) auth.Tx {
			if changes++; changes > after {
				cancel()
			}
			return tx
		}
		h.store.tx.Store(&wrap)
		defer h.store.tx.Store(nil)
		if err := h.admin.WorkImports(ctx); err == nil {
			t.Error("the work came to its end")
		}
		h.clock.Advance(time.Minute) // the lease ends
	}
	breakOff(6)
	if i := h.work(i.ID); i.State != auth.ImportChecked || i.Report.Created != 450 {
		t.Fatalf("checked: %+v", i)
	}
	h.must(h.admin.StartImport(h.ctx, h.asAdmin(), i.ID))
	breakOff(8)
	if n := h.count(); n == 0 || n == 450 {
		t.Errorf("%d users came in before it broke off", n)
	}
	if i := h.work(i.ID); i.State != auth.ImportDone || i.Report.Created != 450 || i.Done != 450 || h.count() != 450 {
		t.Errorf("done: %+v, %d users", i, h.count())
	}
}

// One process at a time is at it.
func TestImportLease(t *testing.T) {
	h := newHarness(t, documented)
	i := h.receive(importLines(3))
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error {
		return tx.TakeLease(h.ctx, "user imports", "another process", h.clock.Now(), h.clock.Now().Add(time.Minute))
	}))
	if i := h.work(i.ID); i.State != auth.ImportChecking {
		t.Errorf("%+v", i)
	}
	h.clock.Advance(time.Minute)
	if i := h.work(i.ID); i.State != auth.ImportChecked {
		t.Errorf("after the lease: %+v", i)
	}
}

func TestImportRefused(t *testing.T) {
	h := newHarness(t, documented)
	in := h.signUp(ada)
	_, err := h.admin.ReceiveImport(h.ctx, h.as(in.IDToken), "f", importLines(1))
	h.want(err, auth.CodeAdminRequired)
	_, err = h.admin.ReceiveImport(h.ctx, h.asAdmin(), "f", importLines(0))
	h.want(err, auth.CodeInvalidArgument)
	broken := errors.New("the upload broke off")
	_, err = h.admin.ReceiveImport(h.ctx, h.asAdmin(), "f", func(yield func(auth.ImportLine, error) bool) {
		for line := range importLines(300) {
			yield(line, nil)
		}
		yield(auth.ImportLine{}, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("a broken file: %v", err)
	}
	imports, err := h.admin.UserImports(h.ctx, h.asAdmin(), 9)
	h.must(err)
	if len(imports) != 0 {
		t.Errorf("left: %+v", imports)
	}

	// A file takes the place of one that waits.
	first := h.receive(importLines(3))
	h.work(first.ID)
	_, err = h.admin.ReceiveImport(h.ctx, h.asAdmin(), "f", importLines(0))
	h.want(err, auth.CodeInvalidArgument)
	if i := h.work(first.ID); i.State != auth.ImportChecked || h.parts(first.ID) != 1 {
		t.Errorf("after a bad upload: %+v", i)
	}
	second := h.receive(importLines(4))
	h.want(h.admin.StartImport(h.ctx, h.asAdmin(), first.ID), auth.CodeNotFound)
	received := h.audits(auth.EventImportReceived)
	told := func(r auth.AuditRecord) bool {
		return r.Detail["import"] == string(second.ID) && r.Detail["replaced"] == string(first.ID) && r.Detail["lines"] == "4"
	}
	if len(received) != 2 || !slices.ContainsFunc(received, told) {
		t.Errorf("records %+v", received)
	}
	h.want(h.admin.StartImport(h.ctx, h.asAdmin(), second.ID), auth.CodeConflict) // not checked yet
	h.must(h.admin.StopImport(h.ctx, h.asAdmin(), second.ID))
	if i := h.work(second.ID); i.State != auth.ImportStopped || h.parts(second.ID) != 0 || h.count() != 1 {
		t.Errorf("stopped: %+v", i)
	}

	// What nobody starts is forgotten.
	third := h.receive(importLines(3))
	h.work(third.ID)
	h.clock.Advance(25 * time.Hour)
	_, err = h.admin.Sweep(h.ctx)
	h.must(err)
	if n := h.parts(third.ID); n != 0 {
		t.Errorf("%d parts are left of what nobody started", n)
	}
}

// A part that does not open ends the import, which says so.
func TestImportPartDoesNotOpen(t *testing.T) {
	h := newHarness(t, documented)
	i := h.receive(importLines(3))
	part, err := h.store.NextUserImportPart(h.ctx, h.id, i.ID, "")
	h.must(err)
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error {
		return tx.ReplaceSealed(h.ctx, auth.SealedImport, auth.SealedValue{Project: h.id, Row: part.ID, Sealed: part.Sealed}, []byte("nonsense"))
	}))
	if err := h.admin.WorkImports(h.ctx); err == nil {
		t.Error("no error for the log")
	}
	if i := h.work(i.ID); i.State != auth.ImportBroken || i.Failure == "" {
		t.Errorf("%+v", i)
	}
}

// Somebody starts what waited while another file arrives: that one is refused, and the import stays.
func TestImportStartedWhileReceiving(t *testing.T) {
	h := newHarness(t, documented)
	first := h.receive(importLines(3))
	h.work(first.ID)
	_, err := h.admin.ReceiveImport(h.ctx, h.asAdmin(), "f", func(yield func(auth.ImportLine, error) bool) {
		h.must(h.admin.StartImport(h.ctx, h.asAdmin(), first.ID))
		importLines(3)(yield)
	})
	h.want(err, auth.CodeConflict)
	if i := h.work(first.ID); i.State != auth.ImportDone || h.count() != 3 {
		t.Errorf("%+v", i)
	}
	imports, err := h.admin.UserImports(h.ctx, h.asAdmin(), 9)
	h.must(err)
	if len(imports) != 1 {
		t.Errorf("%d imports", len(imports))
	}
}

// However a user is made up, a part stays within its bound, and opens.
func TestImportPartsAreBounded(t *testing.T) {
	h := newHarness(t, documented)
	text := func(n int) string { return strings.Repeat("<", n) } // six bytes of JSON
	users := []auth.PortableUser{
		{Identities: make([]auth.Identity, 2000)},
		{RoleNames: slices.Repeat([]string{text(10)}, 1000)},
		{User: auth.User{Name: text(60_000)}},
		{User: auth.User{CustomClaims: map[string]any{"x": text(60_000)}}},
		{User: auth.User{Attributes: map[string]any{"x": text(60_000)}}},
		{User: auth.User{Name: text(400_000)}}, // no part has room
	}
	i := h.receive(func(yield func(auth.ImportLine, error) bool) {
		for n := range 100 {
			if !yield(auth.ImportLine{Number: n, User: users[n%len(users)]}, nil) {
				return
			}
		}
	})
	lines := 0
	for after := ""; ; {
		part, err := h.store.NextUserImportPart(h.ctx, h.id, i.ID, after)
		if errors.Is(err, auth.ErrNotFound) {
			break
		}
		h.must(err)
		after = part.ID
		packed, err := h.keyring.Open(part.Sealed, auth.SealedImport.AD(h.id, part.ID))
		h.must(err)
		zip, err := gzip.NewReader(bytes.NewReader(packed))
		h.must(err)
		encoded, err := io.ReadAll(zip)
		h.must(err)
		var held []auth.ImportLine
		h.must(json.Unmarshal(encoded, &held))
		for _, line := range held {
			if (line.Refused != "") != (line.Number%len(users) == len(users)-1) {
				t.Errorf("line %d: %q", line.Number, line.Refused)
			}
		}
		if lines += len(held); len(encoded) > 1<<20+1<<12 {
			t.Errorf("a part of %d lines takes %d bytes", len(held), len(encoded))
		}
	}
	if i := h.work(i.ID); lines != 100 || i.State != auth.ImportChecked || i.Done != 100 {
		t.Errorf("%d lines; %+v", lines, i)
	}
}

// An import that fails again and again does not keep another waiting, and ends after some tries.
func TestImportFailsAgainAndAgain(t *testing.T) {
	h := newHarness(t, documented)
	first := h.receive(importLines(3))
	h.work(first.ID)
	h.must(h.admin.StartImport(h.ctx, h.asAdmin(), first.ID))
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", DisplayName: "Other", Preset: auth.PresetDocumented, Settings: fast()})
	h.must(err)
	other := h.anyoneOf("other").AsActor(auth.ActorAdmin)
	h.clock.Advance(time.Second) // the oldest comes first
	second, err := h.admin.ReceiveImport(h.ctx, other, "f", importLines(2))
	h.must(err)

	broken := errors.New("the disk is full")
	heal := h.fail("CreateAudit", broken)
	fail := func() {
		t.Helper()
		if err := h.admin.WorkImports(h.ctx); !errors.Is(err, broken) {
			t.Fatalf("the work ends with %v", err)
		}
	}
	fail()
	h.must(h.admin.WorkImports(h.ctx)) // the other: a dry run writes no record
	if i, err := h.admin.UserImportOf(h.ctx, other, second.ID); err != nil || i.State != auth.ImportChecked {
		t.Errorf("the other: %+v, %v", i, err)
	}
	h.must(h.admin.WorkImports(h.ctx)) // the first waits
	wait := 10 * time.Second
	for range 3 {
		h.clock.Advance(wait - time.Second)
		h.must(h.admin.WorkImports(h.ctx))
		h.clock.Advance(time.Second)
		fail()
		wait *= 4
	}
	if i, err := h.admin.UserImportOf(h.ctx, h.asAdmin(), first.ID); err != nil || i.State != auth.ImportRunning {
		t.Errorf("after four tries: %+v, %v", i, err)
	}
	h.clock.Advance(wait)
	fail()
	heal()
	if i := h.work(first.ID); i.State != auth.ImportBroken || i.Failure == "" || h.parts(first.ID) != 0 || h.count() != 0 {
		t.Errorf("after five tries: %+v", i)
	}
}

// panickingTx panics at a record.
type panickingTx struct{ auth.Tx }

func (panickingTx) CreateAudit(context.Context, auth.AuditRecord) error { panic("at work") }

// What passes is got over, a panic, too.
func TestImportGetsOver(t *testing.T) {
	h := newHarness(t, documented)
	i := h.receive(importLines(3))
	h.work(i.ID)
	h.must(h.admin.StartImport(h.ctx, h.asAdmin(), i.ID))
	panics := func(tx auth.Tx) auth.Tx { return panickingTx{tx} }
	for range 2 {
		h.store.tx.Store(&panics)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic for the log")
				}
			}()
			_ = h.admin.WorkImports(h.ctx)
		}()
		h.store.tx.Store(nil)
		h.clock.Advance(16 * time.Second) // the lease ends, and the first wait
	}
	if i := h.work(i.ID); i.State != auth.ImportRunning {
		t.Errorf("it does not wait: %+v", i)
	}
	h.clock.Advance(time.Minute)
	if i := h.work(i.ID); i.State != auth.ImportDone || h.count() != 3 {
		t.Errorf("%+v", i)
	}
}
