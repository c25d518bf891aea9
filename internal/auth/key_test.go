package auth_test

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
)

func kidsOf(t *testing.T, h *harness) (kids, algorithms []string) {
	t.Helper()
	set, algorithms, err := h.JWKS(h.ctx, h.id)
	h.must(err)
	var parsed struct{ Keys []map[string]any }
	if err := json.Unmarshal(set, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, k := range parsed.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if k[private] != nil {
				t.Errorf("the set has the private member %q", private)
			}
		}
		kids = append(kids, k["kid"].(string))
	}
	return kids, algorithms
}

func TestKeyRotation(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			h := newHarness(t, documented, with("idTokenTTL", "24h", "refreshTokenIdleTTL", "0"))
			old := h.signUp(ada)
			oldKids, _ := kidsOf(t, h)
			h.set("signingAlgorithm", algorithm)
			key, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin())
			h.must(err)
			if key.Algorithm != algorithm || key.PrivateSealed != nil {
				t.Errorf("new key %s, private half given: %v", key.Algorithm, key.PrivateSealed != nil)
			}
			fresh, err := h.refresh(old.RefreshToken)
			h.must(err)
			h.as(old.IDToken)
			h.as(fresh.IDToken)
			kids, algorithms := kidsOf(t, h)
			if len(kids) != 2 || !slices.Contains(kids, oldKids[0]) || !slices.Contains(kids, string(key.ID)) || !slices.Contains(algorithms, algorithm) {
				t.Errorf("published %v %v", kids, algorithms)
			}
			h.clock.Advance(24*time.Hour - time.Second) // the last moment of the last token of the old key
			h.as(old.IDToken)
			h.clock.Advance(2 * time.Minute)
			if kids, _ = kidsOf(t, h); !slices.Equal(kids, []string{string(key.ID)}) {
				t.Errorf("published %v, want %v", kids, key.ID)
			}
			if _, err := h.admin.Sweep(h.ctx); err != nil {
				t.Fatal(err)
			}
			again, err := h.refresh(old.RefreshToken)
			h.must(err)
			h.as(again.IDToken)
			keys, err := h.admin.SigningKeys(h.ctx, h.asAdmin())
			if err != nil || len(keys) != 1 || keys[0].PrivateSealed != nil {
				t.Errorf("%d keys are stored, %v", len(keys), err)
			}
		})
	}
}

func TestAlgorithmsAreListedOnce(t *testing.T) {
	h := newHarness(t)
	for _, algorithm := range []string{"EdDSA", "ES256", "EdDSA"} {
		h.clock.Advance(time.Minute)
		h.set("signingAlgorithm", algorithm)
		_, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin())
		h.must(err)
	}
	_, algorithms := kidsOf(t, h)
	slices.Sort(algorithms)
	if !slices.Equal(algorithms, []string{"ES256", "EdDSA"}) {
		t.Errorf("algorithms %v", algorithms)
	}
}

func TestWithdrawnKey(t *testing.T) {
	h := newHarness(t, documented)
	up := h.signUp(ada)
	kids, _ := kidsOf(t, h)
	h.want(h.admin.WithdrawSigningKey(h.ctx, h.asAdmin(), auth.KeyID(kids[0])), auth.CodeInvalidArgument)
	_, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin())
	h.must(err)
	h.as(up.IDToken)
	h.must(h.admin.WithdrawSigningKey(h.ctx, h.asAdmin(), auth.KeyID(kids[0])))
	_, err = h.AuthenticateUser(h.ctx, h.anyone(), up.IDToken)
	h.want(err, auth.CodeTokenInvalid)
	h.want(h.admin.WithdrawSigningKey(h.ctx, h.asAdmin(), auth.KeyID(kids[0])), auth.CodeNotFound)
	h.want(h.admin.WithdrawSigningKey(h.ctx, h.asAdmin(), ""), auth.CodeNotFound)
	fresh, err := h.refresh(up.RefreshToken)
	h.must(err)
	h.as(fresh.IDToken)
}

func TestKeysRotateByAge(t *testing.T) {
	h := newHarness(t, documented, with("signingKeyRotation", "24h"))
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "never", Settings: map[string]string{"signingKeyRotation": "0", "signingAlgorithm": "EdDSA"}})
	h.must(err)
	count := func(want int) {
		t.Helper()
		if n, err := h.admin.RotateDueKeys(h.ctx); err != nil || n != want {
			t.Errorf("%d keys rotated, %v; want %d", n, err, want)
		}
	}
	count(0)
	h.clock.Advance(24 * time.Hour)
	count(0)
	h.clock.Advance(time.Second)
	h.store.once.Store(true)
	results := make([]int, 8)
	each(len(results), func(i int) { results[i], _ = h.admin.RotateDueKeys(h.ctx) })
	total := 0
	for _, n := range results {
		total += n
	}
	if kids, _ := kidsOf(t, h); total != 1 || len(kids) != 2 {
		t.Errorf("rotated %d times at once, %d keys published", total, len(kids))
	}
	count(0)
	records := h.audits(auth.EventKeyRotated)
	if len(records) != 1 || records[0].Actor != auth.ActorSystem || records[0].Detail["kid"] == "" {
		t.Errorf("audit %+v", records)
	}
}

// A rotation that broke off is finished by the next, without another key: that one would be on no other machine, and a staged one stays staged.
func TestMasterKeyRotationThatBrokeOff(t *testing.T) {
	h := newHarness(t, documented)
	h.signUp(ada)
	second, err := h.keyring.Add(rand.Reader) // all that one does that fails at its first value
	h.must(err)
	staged, err := h.admin.StageMasterKey(h.ctx, h.operator())
	h.must(err)
	id, finished, err := h.admin.RotateMasterKey(h.ctx, h.operator(), func(int) {})
	if h.must(err); id != second || !finished || h.keyring.Staged() != staged {
		t.Errorf("finished %v with %s, and not %s; %s is staged", finished, id, second, h.keyring.Staged())
	}
	id, finished, err = h.admin.RotateMasterKey(h.ctx, h.operator(), func(int) {})
	if h.must(err); id != staged || finished {
		t.Errorf("then rotated to %s, and not to %s, finished %v", id, staged, finished)
	}
	id, finished, err = h.admin.RotateMasterKey(h.ctx, h.operator(), func(int) {})
	if h.must(err); id == staged || finished {
		t.Errorf("a third time: %s, finished %v", id, finished)
	}
}

// Rotating the master key seals everything anew; the old key can go, and everything still opens (P18).
// A staged key survives pruning and is the next to seal.
func TestStagedMasterKey(t *testing.T) {
	h := newHarness(t, documented)
	old := h.keyring.Current()
	staged, err := h.admin.StageMasterKey(h.ctx, h.operator())
	h.must(err)
	removed, err := h.admin.PruneMasterKeys(h.ctx, h.operator())
	if h.must(err); len(removed) != 0 || h.keyring.Current() != old {
		t.Errorf("removed %v, and %s seals", removed, h.keyring.Current())
	}
	id, _, err := h.admin.RotateMasterKey(h.ctx, h.operator(), func(int) {})
	if h.must(err); id != staged {
		t.Errorf("rotated to %s and not to %s, which was staged", id, staged)
	}
	if records, err := h.store.ListAudit(h.ctx, "", auth.AuditFilter{Event: auth.EventMasterKeyStaged, Limit: 9}); err != nil || len(records) != 1 {
		t.Errorf("the audit log has %v, %v", records, err)
	}
}

func TestMasterKeyRotation(t *testing.T) {
	h := newHarness(t, documented, with("smtp", "smtps://user:the-smtp-password@mail.example.com"))
	h.secret("the-smtp-password")
	up := h.signUp(ada)
	_, _, err := h.admin.CreateProject(h.ctx, h.operator(), auth.NewProject{ID: "other", Settings: fast()})
	h.must(err)
	_, err = h.admin.RotateSigningKey(h.ctx, h.asAdmin())
	h.must(err)
	h.must(h.store.Update(h.ctx, func(tx auth.Tx) error { return sealedForProviders(h, tx) }))
	h.receive(importLines(3))
	phone, _ := h.enrollApp(h.as(h.signUp(grace).IDToken))
	if removed, err := h.admin.PruneMasterKeys(h.ctx, h.operator()); err != nil || len(removed) != 0 {
		t.Errorf("pruned the key in use: %v, %v", removed, err)
	}
	old := h.keyring.Current()
	done := 0
	id, _, err := h.admin.RotateMasterKey(h.ctx, h.operator(), func(n int) { done = max(done, n) })
	h.must(err)
	if id == old || h.keyring.Current() != id || done < 5 {
		t.Errorf("new key %s after %s, %d values", id, old, done)
	}
	total := 0
	for _, kind := range auth.SealedKinds() {
		values, err := h.store.ListSealed(h.ctx, kind, auth.SealedValue{}, 1000)
		h.must(err)
		total += len(values)
		if len(values) == 0 {
			t.Errorf("no %s in this test", kind)
		}
		for _, v := range values {
			if by, err := secret.KeyID(v.Sealed); err != nil || by != id {
				t.Errorf("%s of %s/%s is sealed by %s, %v", kind, v.Project, v.Row, by, err)
			}
		}
	}
	if done != total {
		t.Errorf("progress told %d of %d", done, total)
	}
	removed, err := h.admin.PruneMasterKeys(h.ctx, h.operator())
	if err != nil || !slices.Equal(removed, []string{old}) {
		t.Errorf("pruned %v, %v", removed, err)
	}
	h.open(smallQueue()) // a new process, with nothing parsed yet
	in, err := h.signIn(ada, goodPW)
	h.must(err)
	h.as(in.IDToken)
	h.as(up.IDToken)
	if code := h.code(auth.MailVerifyEmail, ada); code == "" {
		t.Error("the mail does not open")
	}
	if call, err := h.DeliveryCall(h.ctx, auth.WebhookDelivery{Project: h.id, Webhook: "hook"}); err != nil || call.Secrets[0] != "whsec_AAAA" {
		t.Errorf("the webhook's secret does not open: %v", err)
	}
	_, err = h.complete(h.pending(grace, goodPW), code(phone.code()))
	h.must(err)
	smtp, _, _, err := h.MailSettings(h.ctx, h.id)
	if err != nil || !strings.Contains(smtp, "the-smtp-password") {
		t.Errorf("the smtp secret does not open: %v", err)
	}
}

// A sealed value that was moved to another row does not open there.
func TestSealedValuesStayInPlace(t *testing.T) {
	h := newHarness(t, documented)
	h.signUp(ada)
	h.signUp(grace)
	mails, err := h.store.ListMail(h.ctx, h.id, "", "", 2)
	h.must(err)
	moved := mails[0]
	moved.Sealed = mails[1].Sealed
	if msg, err := h.OpenMail(moved); err == nil {
		t.Errorf("a mail to %s opened as one to %s", msg.To, moved.To)
	}
	elsewhere := mails[0]
	elsewhere.Project = "other"
	if _, err := h.OpenMail(elsewhere); err == nil {
		t.Error("a mail opened in another project")
	}
}

// A key that another process replaced after this one looked is not replaced again.
func TestDueKeyIsLookedAtAgain(t *testing.T) {
	h := newHarness(t, with("signingKeyRotation", "24h"))
	h.clock.Advance(25 * time.Hour)
	h.meanwhile(func() {
		_, err := h.admin.RotateSigningKey(h.ctx, h.asAdmin())
		h.must(err)
	})
	if n, err := h.admin.RotateDueKeys(h.ctx); n != 0 || err != nil {
		t.Errorf("%d keys rotated, %v", n, err)
	}
	if kids, _ := kidsOf(t, h); len(kids) != 2 {
		t.Errorf("%d keys published, want 2", len(kids))
	}
}

// sealedForProviders puts a provider's secret and a flow's verifier into the store.
func sealedForProviders(h *harness, tx auth.Tx) error {
	secrets, err := h.keyring.Seal([]byte("{}"), auth.SealedProvider.AD(h.id, "google.com"))
	if err != nil {
		return err
	}
	verifier, err := h.keyring.Seal([]byte("verifier"), auth.SealedFlow.AD(h.id, "flow"))
	if err != nil {
		return err
	}
	if err := tx.PutIdentityProvider(h.ctx, auth.IdentityProvider{Project: h.id, ID: "google.com", SecretSealed: secrets}); err != nil {
		return err
	}
	file, err := h.keyring.Seal([]byte("private key"), auth.SealedTLSFile.AD("", "certificates/a.key"))
	if err != nil {
		return err
	}
	if err := tx.PutTLSFile(h.ctx, auth.TLSFile{Path: "certificates/a.key", Sealed: file}); err != nil {
		return err
	}
	hook, err := h.keyring.Seal([]byte(`{"Current":"whsec_AAAA"}`), auth.SealedWebhook.AD(h.id, "hook"))
	if err != nil {
		return err
	}
	if err := tx.CreateWebhook(h.ctx, auth.Webhook{Project: h.id, ID: "hook", Kind: auth.WebhookEvents, SecretSealed: hook}); err != nil {
		return err
	}
	return tx.CreateSignInFlow(h.ctx, auth.SignInFlow{
		Project: h.id, ID: "flow", SessionHash: []byte("session"), StateHash: []byte("state"), NonceHash: []byte("nonce"), VerifierSealed: verifier,
		ExpiresAt: h.clock.Now().Add(time.Hour),
	})
}
