package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func testSigningKeys(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	old := auth.SigningKey{Project: one, ID: "z-old", Algorithm: "RS256", PublicJWK: []byte(`{"kty":"RSA"}`), PrivateSealed: []byte{1, 0, 2}, CreatedAt: now}
	young := auth.SigningKey{Project: one, ID: "a-new", Algorithm: "ES256", PublicJWK: []byte(`{}`), PrivateSealed: []byte{3}, CreatedAt: after(1)}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateSigningKey(ctx, old), tx.CreateSigningKey(ctx, young), tx.RetireSigningKey(ctx, one, old.ID, after(1), after(3600)))
	})
	old.RetiredAt, old.ExpiresAt = after(1), after(3600)
	wantEqual(t, "keys", must[[]auth.SigningKey](t)(s.ListSigningKeys(ctx, one)), []auth.SigningKey{young, old})
	wantError(t, "CreateSigningKey of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateSigningKey(ctx, old) }), auth.ErrConflict)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteSigningKey(ctx, one, old.ID) })
	wantEqual(t, "keys", must[[]auth.SigningKey](t)(s.ListSigningKeys(ctx, one)), []auth.SigningKey{young})
	wantError(t, "RetireSigningKey of none", s.Update(ctx, func(tx auth.Tx) error { return tx.RetireSigningKey(ctx, one, old.ID, now, now) }), auth.ErrNotFound)
	wantError(t, "DeleteSigningKey of none", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteSigningKey(ctx, one, old.ID) }), auth.ErrNotFound)
}

func testMailTemplates(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	german := auth.MailTemplate{Project: one, Kind: auth.MailInvite, Language: "de", Subject: "Hallo", Text: "Text", HTML: "<p>", UpdatedAt: now}
	english := auth.MailTemplate{Project: one, Kind: auth.MailInvite, Language: "en", Subject: "Hello", UpdatedAt: now}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.PutMailTemplate(ctx, english), tx.PutMailTemplate(ctx, auth.MailTemplate{Project: one, Kind: auth.MailInvite, Language: "de"}), tx.PutMailTemplate(ctx, german))
	})
	wantEqual(t, "templates", must[[]auth.MailTemplate](t)(s.ListMailTemplates(ctx, one)), []auth.MailTemplate{german, english})
	update(t, s, func(tx auth.Tx) error { return tx.DeleteMailTemplate(ctx, one, auth.MailInvite, "de") })
	wantEqual(t, "templates", must[[]auth.MailTemplate](t)(s.ListMailTemplates(ctx, one)), []auth.MailTemplate{english})
	wantError(t, "DeleteMailTemplate of none", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteMailTemplate(ctx, one, auth.MailInvite, "de") }), auth.ErrNotFound)
}

func mailIDs(mails []auth.OutboxMail) []string {
	return ids(mails, func(m auth.OutboxMail) auth.MailID { return m.ID })
}

func testOutbox(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	full := auth.OutboxMail{
		Project: one, ID: "m1", Kind: auth.MailInvite, To: "a@example.com", State: auth.MailDead, Sealed: []byte("sealed"), Attempts: 3, CreatedAt: now,
		NextAttemptAt: after(1), FinishedAt: after(2), LastError: "550 no such user",
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateMail(ctx, full),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "m2", State: auth.MailKept}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: two, ID: "m3", State: auth.MailKept}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "m4", State: auth.MailSent}))
	})
	wantEqual(t, "mail", must[auth.OutboxMail](t)(s.GetMail(ctx, one, "m1")), full)
	wantError(t, "CreateMail of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateMail(ctx, full) }), auth.ErrConflict)
	list := func(p auth.ProjectID, state auth.MailState, before auth.MailID, limit int) []string {
		t.Helper()
		return mailIDs(must[[]auth.OutboxMail](t)(s.ListMail(ctx, p, state, before, limit)))
	}
	wantEqual(t, "the project's", list(one, "", "", 9), []string{"m4", "m2", "m1"})
	wantEqual(t, "first page", list(one, "", "", 2), []string{"m4", "m2"})
	wantEqual(t, "second page", list(one, "", "m2", 2), []string{"m1"})
	wantEqual(t, "of all projects", list("", "", "", 9), []string{"m4", "m3", "m2", "m1"})
	wantEqual(t, "kept in all projects", list("", auth.MailKept, "m3", 9), []string{"m2"})
	wantEqual(t, "counts", must[map[auth.MailState]int](t)(s.CountMail(ctx)), map[auth.MailState]int{auth.MailDead: 1, auth.MailKept: 2, auth.MailSent: 1})
	wantEqual(t, "oldest waiting of none", must[time.Time](t)(s.OldestWaitingMail(ctx)), time.Time{})

	update(t, s, func(tx auth.Tx) error { return tx.RequeueMail(ctx, one, "m1", after(9)) })
	wantEqual(t, "oldest waiting", must[time.Time](t)(s.OldestWaitingMail(ctx)), full.CreatedAt)
	requeued := must[auth.OutboxMail](t)(s.GetMail(ctx, one, "m1"))
	if requeued.State != auth.MailQueued || requeued.Attempts != 0 || !requeued.NextAttemptAt.Equal(after(9)) || !requeued.FinishedAt.IsZero() {
		t.Errorf("requeued mail: %+v", requeued)
	}
	for _, id := range []auth.MailID{"m1", "m4", "nosuch"} { // queued, sent, unknown
		wantError(t, "RequeueMail of "+string(id), s.Update(ctx, func(tx auth.Tx) error { return tx.RequeueMail(ctx, one, id, now) }), auth.ErrNotFound)
	}
	update(t, s, func(tx auth.Tx) error { return tx.DeleteMail(ctx, one, "m1") })
	wantError(t, "DeleteMail of none", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteMail(ctx, one, "m1") }), auth.ErrNotFound)
}

func testOutboxLeases(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "m1", State: auth.MailQueued, NextAttemptAt: now, Sealed: []byte("x")}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "m2", State: auth.MailQueued, NextAttemptAt: after(-1), Sealed: []byte("x")}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "m3", State: auth.MailQueued, NextAttemptAt: after(1)}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "m4", State: auth.MailKept, NextAttemptAt: after(-9)}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: two, ID: "m1", State: auth.MailQueued, NextAttemptAt: after(-1)}))
	})
	claim := func(token string, at, until time.Time, limit int) (mails []auth.OutboxMail) {
		t.Helper()
		update(t, s, func(tx auth.Tx) (err error) {
			mails, err = tx.ClaimMail(ctx, one, token, at, until, limit, true)
			return err
		})
		return mails
	}
	due := func(at time.Time) []auth.ProjectID {
		t.Helper()
		return must[[]auth.ProjectID](t)(s.DueMail(ctx, at))
	}
	wantEqual(t, "not due yet", len(due(after(-2))), 0)
	wantEqual(t, "projects with a due mail", due(now), []auth.ProjectID{one, two})
	first := claim("worker1", now, after(60), 1)
	wantEqual(t, "first claim", first, []auth.OutboxMail{{Project: one, ID: "m2", State: auth.MailWorking, NextAttemptAt: after(-1), Sealed: []byte("x"), Attempts: 1, LeaseUntil: after(60), LeaseToken: "worker1"}})
	wantEqual(t, "second claim", mailIDs(claim("worker2", now, after(60), 9)), []string{"m1"})
	wantEqual(t, "nothing due", mailIDs(claim("worker3", now, after(60), 9)), nil)
	wantEqual(t, "the other project's", must[auth.OutboxMail](t)(s.GetMail(ctx, two, "m1")).State, auth.MailQueued)
	wantEqual(t, "projects with a due mail after the claims", due(now), []auth.ProjectID{two})
	wantEqual(t, "projects with a lease that ran out", due(after(60)), []auth.ProjectID{one, two})

	finish := func(m auth.OutboxMail) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.FinishMail(ctx, m) })
	}
	wantError(t, "FinishMail with a wrong token", finish(auth.OutboxMail{Project: one, ID: "m2", State: auth.MailSent, LeaseToken: "worker2"}), auth.ErrNotFound)
	wantError(t, "FinishMail without a token", finish(auth.OutboxMail{Project: one, ID: "m3", State: auth.MailSent}), auth.ErrNotFound)
	wantError(t, "FinishMail", finish(auth.OutboxMail{Project: one, ID: "m2", State: auth.MailSent, LeaseToken: "worker1", FinishedAt: after(2), Transcript: "S: 250 ok"}), nil)
	wantError(t, "FinishMail again", finish(auth.OutboxMail{Project: one, ID: "m2", State: auth.MailSent, LeaseToken: "worker1"}), auth.ErrNotFound)
	wantEqual(t, "sent mail", must[auth.OutboxMail](t)(s.GetMail(ctx, one, "m2")),
		auth.OutboxMail{Project: one, ID: "m2", State: auth.MailSent, NextAttemptAt: time.Time{}, Attempts: 1, Transcript: "S: 250 ok", FinishedAt: after(2)})

	var own, others []auth.OutboxMail
	update(t, s, func(tx auth.Tx) (err error) { // not taken over: what waits in the queue, and nothing that another has leased
		others, err = tx.ClaimMail(ctx, one, "worker5", after(60), after(60), 9, false)
		return errors.Join(err, tx.FinishMail(ctx, auth.OutboxMail{Project: one, ID: "m3", State: auth.MailQueued, NextAttemptAt: after(1), LeaseToken: "worker5"}))
	})
	wantEqual(t, "without a take-over", mailIDs(others), []string{"m3"})
	update(t, s, func(tx auth.Tx) (err error) {
		own, err = tx.ClaimMail(ctx, one, "worker2", after(60), after(60), 9, false)
		return err
	})
	wantEqual(t, "its own, and the queue", mailIDs(own), []string{"m1", "m3"})
	again := claim("worker4", after(60), after(120), 9) // the lease of m1 ran out, m3 is due
	wantEqual(t, "after the lease", mailIDs(again), []string{"m1", "m3"})
	wantEqual(t, "attempts", []int{again[0].Attempts, again[1].Attempts}, []int{3, 3})
	wantError(t, "FinishMail of the late worker", finish(auth.OutboxMail{Project: one, ID: "m1", State: auth.MailSent, LeaseToken: "worker2"}), auth.ErrNotFound)
	retry := auth.OutboxMail{Project: one, ID: "m1", State: auth.MailQueued, LeaseToken: "worker4", NextAttemptAt: after(300), LastError: "timeout", Sealed: []byte("x")}
	wantError(t, "FinishMail for a retry", finish(retry), nil)
	wantEqual(t, "not due yet", mailIDs(claim("worker5", after(299), after(999), 9)), []string{"m3"})
	wantEqual(t, "due", mailIDs(claim("worker5", after(300), after(999), 9)), []string{"m1"})
}

func testAudit(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	full := auth.AuditRecord{
		Project: one, ID: "a1", At: now, Event: "user.signed_up", Outcome: auth.OutcomeAllowed, Actor: auth.ActorUser, ActorID: string(anna), User: anna,
		Addr: netip.MustParseAddr("192.0.2.1"), RequestID: "r1", Detail: map[string]string{"provider": "password"},
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateAudit(ctx, full),
			tx.CreateAudit(ctx, auth.AuditRecord{Project: one, ID: "a2", At: after(1), Event: "user.signed_in", Outcome: auth.OutcomeDenied, User: bert}),
			tx.CreateAudit(ctx, auth.AuditRecord{Project: two, ID: "a3", At: after(2), Event: "user.signed_in", Outcome: auth.OutcomeAllowed, User: anna}),
			tx.CreateAudit(ctx, auth.AuditRecord{ID: "a4", At: after(3), Event: "project.created", Outcome: auth.OutcomeAllowed}))
	})
	wantError(t, "CreateAudit of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateAudit(ctx, full) }), auth.ErrConflict)
	tests := []struct {
		name    string
		project auth.ProjectID
		filter  auth.AuditFilter
		want    []string
	}{
		{"the project's", one, auth.AuditFilter{Limit: 9}, []string{"a2", "a1"}},
		{"all", "", auth.AuditFilter{Limit: 9}, []string{"a4", "a3", "a2", "a1"}},
		{"first page", "", auth.AuditFilter{Limit: 2}, []string{"a4", "a3"}},
		{"second page", "", auth.AuditFilter{Limit: 2, Before: "a3"}, []string{"a2", "a1"}},
		{"event", "", auth.AuditFilter{Limit: 9, Event: "user.signed_in"}, []string{"a3", "a2"}},
		{"user", "", auth.AuditFilter{Limit: 9, User: anna}, []string{"a3", "a1"}},
		{"outcome", one, auth.AuditFilter{Limit: 9, Outcome: auth.OutcomeDenied}, []string{"a2"}},
		{"actor", "", auth.AuditFilter{Limit: 9, Actor: auth.ActorUser}, []string{"a1"}},
		{"actor id", "", auth.AuditFilter{Limit: 9, ActorID: string(anna)}, []string{"a1"}},
		{"address", "", auth.AuditFilter{Limit: 9, Addr: netip.MustParseAddr("192.0.2.1")}, []string{"a1"}},
		{"other address", "", auth.AuditFilter{Limit: 9, Addr: netip.MustParseAddr("192.0.2.2")}, nil},
		{"reference", "", auth.AuditFilter{Limit: 9, Request: "r1"}, []string{"a1"}},
		{"from an id", "", auth.AuditFilter{Limit: 9, From: "a3"}, []string{"a4", "a3"}},
		{"since", "", auth.AuditFilter{Limit: 9, Since: after(2)}, []string{"a4", "a3"}},
		{"until", "", auth.AuditFilter{Limit: 9, Until: after(2)}, []string{"a2", "a1"}},
	}
	for _, test := range tests {
		records := must[[]auth.AuditRecord](t)(s.ListAudit(ctx, test.project, test.filter))
		wantEqual(t, test.name, ids(records, func(r auth.AuditRecord) auth.AuditID { return r.ID }), test.want)
	}
	wantEqual(t, "record", must[[]auth.AuditRecord](t)(s.ListAudit(ctx, one, auth.AuditFilter{Limit: 1, Before: "a2"})), []auth.AuditRecord{full})
}

// testAuditLong: what is searched for is found however far back it lies, all of it and each once.
func testAuditLong(t *testing.T, s auth.Store) {
	ctx := t.Context()
	const length, every = 12_000, 3_000
	addProjects(t, s, one, two)
	update(t, s, func(tx auth.Tx) (err error) {
		for i := range length {
			r := auth.AuditRecord{Project: one, ID: auth.AuditID(fmt.Sprintf("a%05d", i)), At: now, Event: auth.EventRefresh, Outcome: auth.OutcomeAllowed}
			if i%every == 0 {
				r.Outcome = auth.OutcomeDenied
			}
			err = errors.Join(err, tx.CreateAudit(ctx, r))
		}
		return errors.Join(err, tx.CreateAudit(ctx, auth.AuditRecord{Project: two, ID: "a00000", At: now, Event: auth.EventRefresh, Outcome: auth.OutcomeDenied}))
	})
	denied := []string{"a09000", "a06000", "a03000", "a00000"}
	for _, test := range []struct {
		name    string
		project auth.ProjectID
		filter  auth.AuditFilter
		want    []string
	}{
		{"the project's", one, auth.AuditFilter{Limit: 9}, denied},
		{"all", "", auth.AuditFilter{Limit: 9}, append(denied, "a00000")},
		{"a page", one, auth.AuditFilter{Limit: 3}, denied[:3]},
		{"a page that ends with a stretch", one, auth.AuditFilter{Limit: 2, Before: "a08001"}, denied[1:3]},
		{"since", one, auth.AuditFilter{Limit: 9, From: "a03000"}, denied[:3]},
		{"after a page", one, auth.AuditFilter{Limit: 9, Before: "a03000"}, denied[3:]},
	} {
		test.filter.Outcome = auth.OutcomeDenied
		records := must[[]auth.AuditRecord](t)(s.ListAudit(ctx, test.project, test.filter))
		wantEqual(t, test.name, ids(records, func(r auth.AuditRecord) auth.AuditID { return r.ID }), test.want)
	}
}

func take(t *testing.T, s auth.Store, p auth.ProjectID, key string, at time.Time, interval time.Duration, burst int) (wait time.Duration) {
	t.Helper()
	update(t, s, func(tx auth.Tx) (err error) {
		wait, err = tx.TakeLimit(t.Context(), p, key, at, interval, burst)
		return err
	})
	return wait
}

func testLimits(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	for i := range 3 {
		wantEqual(t, fmt.Sprintf("use %d of the burst", i), take(t, s, one, "k", now, 10*time.Second, 3), time.Duration(0))
	}
	wantEqual(t, "spent", take(t, s, one, "k", now, 10*time.Second, 3), 10*time.Second)
	wantEqual(t, "spent for 4 s more", take(t, s, one, "k", after(6), 10*time.Second, 3), 4*time.Second)
	wantEqual(t, "spent for 1 ms more", take(t, s, one, "k", after(10).Add(-time.Millisecond), 10*time.Second, 3), time.Millisecond)
	wantEqual(t, "another key", take(t, s, one, "other", now, 10*time.Second, 3), time.Duration(0))
	wantEqual(t, "another project", take(t, s, two, "k", now, 10*time.Second, 3), time.Duration(0))
	wantEqual(t, "refilled by one", take(t, s, one, "k", after(10), 10*time.Second, 3), time.Duration(0))
	wantEqual(t, "spent again", take(t, s, one, "k", after(10), 10*time.Second, 3), 10*time.Second)
	update(t, s, func(tx auth.Tx) error { return tx.RefundLimit(ctx, one, "k", 10*time.Second) })
	wantEqual(t, "refunded", take(t, s, one, "k", after(10), 10*time.Second, 3), time.Duration(0))
	for i := range 3 { // a long pause refills no more than the burst
		wantEqual(t, fmt.Sprintf("use %d after a pause", i), take(t, s, one, "k", after(9999), 10*time.Second, 3), time.Duration(0))
	}
	wantEqual(t, "spent after a pause", take(t, s, one, "k", after(9999), 10*time.Second, 3), 10*time.Second)
	wantEqual(t, "spent, by a clock that is a little behind", take(t, s, one, "k", after(9998), 10*time.Second, 3), 11*time.Second)
	wantEqual(t, "when the clock was set back by an hour", take(t, s, one, "k", after(9999-3600), 10*time.Second, 3), time.Duration(0))
	wantEqual(t, "spent after that", take(t, s, one, "k", after(9999-3600), 10*time.Second, 3), 10*time.Second)
	update(t, s, func(tx auth.Tx) error { return tx.RefundLimit(ctx, one, "nosuch", time.Second) })
	if err := s.Update(ctx, func(tx auth.Tx) error { _, err := tx.TakeLimit(ctx, one, "zero", now, time.Second, 0); return err }); err == nil {
		t.Error("a burst of 0 gives no error")
	}
}

func testOperatorTokens(t *testing.T, s auth.Store) {
	ctx := t.Context()
	b := auth.OperatorToken{Name: "b", Hash: []byte("hb"), CreatedAt: now}
	a := auth.OperatorToken{Name: "a", Hash: []byte("ha"), CreatedAt: after(1)}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateOperatorToken(ctx, b), tx.CreateOperatorToken(ctx, a))
	})
	wantEqual(t, "tokens", must[[]auth.OperatorToken](t)(s.ListOperatorTokens(ctx)), []auth.OperatorToken{a, b})
	wantEqual(t, "token by hash", must[auth.OperatorToken](t)(s.GetOperatorTokenByHash(ctx, b.Hash)), b)
	wantError(t, "CreateOperatorToken of a taken name", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateOperatorToken(ctx, auth.OperatorToken{Name: "a", Hash: []byte("new")})
	}), auth.ErrConflict)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteOperatorToken(ctx, "b") })
	_, err := s.GetOperatorTokenByHash(ctx, b.Hash)
	wantError(t, "GetOperatorTokenByHash", err, auth.ErrNotFound)
	wantError(t, "DeleteOperatorToken of none", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteOperatorToken(ctx, "b") }), auth.ErrNotFound)
}

func testSealed(t *testing.T, s auth.Store) {
	ctx := t.Context()
	update(t, s, func(tx auth.Tx) error {
		for _, p := range []auth.ProjectID{"b", "a", "c"} {
			err := errors.Join(
				tx.CreateProject(ctx, auth.Project{ID: p, SecretsSealed: []byte("secrets of " + p)}),
				tx.CreateSigningKey(ctx, auth.SigningKey{Project: p, ID: "k2", PublicJWK: []byte("{}"), PrivateSealed: []byte("key 2 of " + p)}),
				tx.CreateSigningKey(ctx, auth.SigningKey{Project: p, ID: "k1", PublicJWK: []byte("{}"), PrivateSealed: []byte("key 1 of " + p)}),
				tx.CreateMail(ctx, auth.OutboxMail{Project: p, ID: "m1", State: auth.MailKept, Sealed: []byte("mail of " + p)}),
				tx.CreateMail(ctx, auth.OutboxMail{Project: p, ID: "m2", State: auth.MailSent}),
				tx.CreateWebhook(ctx, auth.Webhook{Project: p, ID: "w1", SecretSealed: []byte("hook of " + p)}),
				tx.CreateWebhook(ctx, auth.Webhook{Project: p, ID: "w2"}),
				tx.CreateUser(ctx, auth.User{Project: p, ID: anna}),
				tx.CreateOOBCode(ctx, auth.OOBCode{Project: p, Hash: []byte("c1"), User: anna, ShortID: "s1", ShortSealed: []byte("short of " + p)}),
				tx.CreateOOBCode(ctx, auth.OOBCode{Project: p, Hash: []byte("c2"), User: anna}),
				tx.CreateUserImport(ctx, importOf(p)),
				tx.CreateUserImportPart(ctx, auth.UserImportPart{Project: p, ID: "part", Import: "i1", Sealed: []byte("lines of " + p)}))
			if err != nil {
				return err
			}
		}
		return errors.Join(tx.CreateProject(ctx, auth.Project{ID: "d"}),
			tx.PutTLSFile(ctx, auth.TLSFile{Path: "a/b", Sealed: []byte("file a/b")}), tx.PutTLSFile(ctx, auth.TLSFile{Path: "a/c", Sealed: []byte("file a/c")}),
			tx.PutTLSFile(ctx, auth.TLSFile{Path: "d", Sealed: []byte("file d")}))
	})
	for kind, want := range map[auth.SealedKind][]string{
		auth.SealedSigningKey:     {"a k1 key 1 of a", "a k2 key 2 of a", "b k1 key 1 of b", "b k2 key 2 of b", "c k1 key 1 of c", "c k2 key 2 of c"},
		auth.SealedMail:           {"a m1 mail of a", "b m1 mail of b", "c m1 mail of c"},
		auth.SealedWebhook:        {"a w1 hook of a", "b w1 hook of b", "c w1 hook of c"},
		auth.SealedImport:         {"a part lines of a", "b part lines of b", "c part lines of c"},
		auth.SealedShortCode:      {"a s1 short of a", "b s1 short of b", "c s1 short of c"},
		auth.SealedTLSFile:        {" a/b file a/b", " a/c file a/c", " d file d"},
		auth.SealedProjectSecrets: {"a a secrets of a", "b b secrets of b", "c c secrets of c"},
	} {
		var got []string
		last := auth.SealedValue{}
		for page := must[[]auth.SealedValue](t)(s.ListSealed(ctx, kind, last, 2)); len(page) > 0; page = must[[]auth.SealedValue](t)(s.ListSealed(ctx, kind, last, 2)) {
			for _, v := range page {
				got = append(got, fmt.Sprintf("%s %s %s", v.Project, v.Row, v.Sealed))
			}
			last = page[len(page)-1]
		}
		wantEqual(t, string(kind), got, want)
		replace := func(tx auth.Tx) error { return tx.ReplaceSealed(ctx, kind, last, []byte("new")) }
		update(t, s, replace)
		wantError(t, "ReplaceSealed of a changed value", s.Update(ctx, replace), auth.ErrNotFound)
		all := must[[]auth.SealedValue](t)(s.ListSealed(ctx, kind, auth.SealedValue{}, 99))
		wantEqual(t, "replaced value", string(all[len(all)-1].Sealed), "new")
		wantEqual(t, "untouched value", string(all[0].Sealed), want[0][len(all[0].Project)+len(all[0].Row)+2:])
	}
	if _, err := s.ListSealed(ctx, "users.password_hash", auth.SealedValue{}, 1); err == nil {
		t.Error("an unknown kind gives no error")
	}
}

func testSweep(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	retention := auth.Retention{Codes: 10 * time.Second, Sessions: 20 * time.Second, Mail: 30 * time.Second, Audit: 40 * time.Second, Decisions: 50 * time.Second}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateOOBCode(ctx, auth.OOBCode{Project: one, Hash: []byte("gone"), User: anna, ExpiresAt: after(-11)}),
			tx.CreateOOBCode(ctx, auth.OOBCode{Project: one, Hash: []byte("kept"), User: anna, ExpiresAt: after(-9)}),
			tx.CreateSession(ctx, auth.Session{Project: one, ID: "gone", User: anna, RevokedAt: after(-21)}),
			tx.CreateRefreshToken(ctx, auth.RefreshToken{Project: one, Hash: []byte("gone"), Session: "gone", User: anna}),
			tx.CreateBrowserToken(ctx, auth.BrowserToken{Project: one, Hash: []byte("gone"), Session: "gone"}),
			tx.CreateSignInCode(ctx, auth.SignInCode{Project: one, Hash: []byte("with its session"), Session: "gone", ExpiresAt: after(60)}),
			tx.CreateSession(ctx, auth.Session{Project: one, ID: "kept", User: anna, RevokedAt: after(-19)}),
			tx.CreateSignInCode(ctx, auth.SignInCode{Project: one, Hash: []byte("gone"), Session: "kept", ExpiresAt: after(-11)}),
			tx.CreateSignInCode(ctx, auth.SignInCode{Project: one, Hash: []byte("kept"), Session: "kept", ExpiresAt: after(-9)}),
			tx.CreateSigningKey(ctx, auth.SigningKey{Project: one, ID: "gone", PublicJWK: []byte("{}"), PrivateSealed: []byte("x"), RetiredAt: after(-9), ExpiresAt: now}),
			tx.CreateSigningKey(ctx, auth.SigningKey{Project: one, ID: "kept", PublicJWK: []byte("{}"), PrivateSealed: []byte("x"), RetiredAt: after(-9), ExpiresAt: after(1)}),
			tx.CreateSigningKey(ctx, auth.SigningKey{Project: one, ID: "active", PublicJWK: []byte("{}"), PrivateSealed: []byte("x")}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "gone", State: auth.MailSent, FinishedAt: after(-31)}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "kept", State: auth.MailSent, FinishedAt: after(-29)}),
			tx.CreateMail(ctx, auth.OutboxMail{Project: one, ID: "dead", State: auth.MailDead, FinishedAt: after(-99)}),
			tx.CreateDecision(ctx, auth.Decision{Project: one, ID: "gone", Reference: "R", At: after(-51)}),
			tx.CreateDecision(ctx, auth.Decision{Project: one, ID: "kept", Reference: "R", At: after(-49)}),
			tx.CreateAudit(ctx, auth.AuditRecord{Project: one, ID: "0gone", At: after(-41)}),
			tx.CreateAudit(ctx, auth.AuditRecord{ID: "1kept", At: after(-39)}),
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "gone", User: anna, CreatedAt: now.Add(-auth.UnconfirmedFor - time.Second)}),
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "young", User: anna, CreatedAt: now}),
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "confirmed", User: anna, ConfirmedAt: after(-99)}),
			tx.CreatePendingSignIn(ctx, auth.PendingSignIn{Project: one, Hash: []byte("gone"), User: anna, ExpiresAt: after(-1)}),
			tx.CreatePendingSignIn(ctx, auth.PendingSignIn{Project: one, Hash: []byte("kept"), User: anna, ExpiresAt: after(1)}),
			tx.PutPasskeyChallenge(ctx, auth.PasskeyChallenge{Project: one, Purpose: "first", Hash: []byte("gone"), State: []byte("s"), ExpiresAt: after(-1)}),
			tx.PutPasskeyChallenge(ctx, auth.PasskeyChallenge{Project: one, Purpose: "first", Hash: []byte("kept"), State: []byte("s"), ExpiresAt: after(1)}))
	})
	take(t, s, one, "gone", after(-99), time.Second, 5)
	for range 5 {
		take(t, s, one, "kept", now, time.Second, 5)
	}
	sweep := func(at time.Time, r auth.Retention, limit int) (n int) {
		t.Helper()
		update(t, s, func(tx auth.Tx) (err error) {
			n, err = tx.Sweep(ctx, at, r, limit)
			return err
		})
		return n
	}
	wantEqual(t, "swept", sweep(now, retention, 100), 11)
	wantEqual(t, "swept again", sweep(now, retention, 100), 0)
	wantEqual(t, "decisions", decisionIDs(must[[]auth.Decision](t)(s.ListDecisions(ctx, one, "R", 9))), []string{"kept"})
	_, err := s.GetOOBCode(ctx, one, []byte("gone"))
	wantError(t, "old code", err, auth.ErrNotFound)
	_, err = s.GetOOBCode(ctx, one, []byte("kept"))
	wantError(t, "young code", err, nil)
	_, err = s.GetSession(ctx, one, "gone")
	wantError(t, "old session", err, auth.ErrNotFound)
	_, err = s.GetRefreshToken(ctx, one, []byte("gone"))
	wantError(t, "its token", err, auth.ErrNotFound)
	_, err = s.GetBrowserToken(ctx, one, []byte("gone"))
	wantError(t, "its browser token", err, auth.ErrNotFound)
	for hash, want := range map[string]error{"with its session": auth.ErrNotFound, "gone": auth.ErrNotFound, "kept": nil} {
		_, err = s.GetSignInCode(ctx, one, []byte(hash))
		wantError(t, "sign-in code "+hash, err, want)
	}
	_, err = s.GetSession(ctx, one, "kept")
	wantError(t, "young session", err, nil)
	wantEqual(t, "keys", ids(must[[]auth.SigningKey](t)(s.ListSigningKeys(ctx, one)), func(k auth.SigningKey) auth.KeyID { return k.ID }), []string{"kept", "active"})
	wantEqual(t, "mails", mailIDs(must[[]auth.OutboxMail](t)(s.ListMail(ctx, "", "", "", 9))), []string{"kept", "dead"})
	wantEqual(t, "factors", ids(must[[]auth.SecondFactor](t)(s.ListSecondFactors(ctx, one, anna)), func(f auth.SecondFactor) auth.SecondFactorID { return f.ID }), []string{"confirmed", "young"})
	_, err = s.GetPendingSignIn(ctx, one, []byte("kept"), now)
	wantError(t, "young pending sign-in", err, nil)
	update(t, s, func(tx auth.Tx) error {
		_, err := tx.UsePasskeyChallenge(ctx, one, "first", []byte("kept"), now)
		return err
	})
	wantEqual(t, "spent limit", take(t, s, one, "kept", now, time.Second, 5), time.Second)

	records := func() []string {
		t.Helper()
		return ids(must[[]auth.AuditRecord](t)(s.ListAudit(ctx, "", auth.AuditFilter{Limit: 9})), func(r auth.AuditRecord) auth.AuditID { return r.ID })
	}
	wantEqual(t, "records", records(), []string{"1kept"})
	sweep(after(9999), auth.Retention{}, 100)
	wantEqual(t, "records kept for ever", records(), []string{"1kept"})

	update(t, s, func(tx auth.Tx) error {
		for i := range 5 {
			if err := tx.CreateOOBCode(ctx, auth.OOBCode{Project: one, Hash: []byte{byte(i + 1)}, User: anna, ExpiresAt: now}); err != nil {
				return err
			}
		}
		return nil
	})
	wantEqual(t, "bounded", sweep(after(9999), auth.Retention{}, 3), 3)
	wantEqual(t, "the rest", sweep(after(9999), auth.Retention{}, 3), 2)
}
