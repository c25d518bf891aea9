package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// world stands in for a server: it answers what its fields say, and changes nothing by itself.
type world struct {
	users  []worldUser
	tokens map[string]string // refresh token → uid
	codes  map[string]bool   // those that work
	garble bool              // answers cannot be read
}

type worldUser struct {
	adminUser
	project   string
	passwords []string
}

func (w *world) Do(_ context.Context, c Call) Answer {
	fields, _ := c.Body.(body)
	text := func(name string) string { s, _ := fields[name].(string); return s }
	switch {
	case w.garble:
		return judge(200, []byte("{"))
	case strings.Contains(c.Path, "/users?email="):
		return w.search(c)
	case strings.HasPrefix(c.Path, "/admin/v1/"):
		return judge(404, nil)
	case strings.HasSuffix(c.Path, "/sign-in/email"):
		for _, u := range w.users {
			if u.project == c.Project && u.Email == text("email") && slices.Contains(u.passwords, text("password")) && !u.Disabled {
				return session(u.UID, "signed-in-"+u.UID)
			}
		}
	case strings.HasSuffix(c.Path, "/token/refresh"):
		if uid, ok := w.tokens[c.Project+"/"+text("refresh_token")]; ok {
			return judge(200, []byte(fmt.Sprintf(`{"data":{"user_id":%q,"project_id":%q,"refreshToken":%q,"idToken":"t"}}`, uid, c.Project, text("refresh_token"))))
		}
	case strings.Contains(c.Path, "/verify/"):
		if w.codes[text("oobCode")] {
			return judge(204, nil)
		}
	}
	return judge(400, []byte(`{"errors":[{"detail":"NO"}]}`))
}

func session(uid, refresh string) Answer {
	return judge(200, []byte(fmt.Sprintf(`{"data":{"uid":%q,"refreshToken":%q,"idToken":"t"}}`, uid, refresh)))
}

func (w *world) search(c Call) Answer {
	at, err := url.Parse(c.Path)
	if err != nil {
		return judge(500, nil)
	}
	list := []adminUser{}
	for _, u := range w.users {
		if "/admin/v1/projects/"+u.project+"/users" == at.Path && u.Email == at.Query().Get("email") {
			list = append(list, u.adminUser)
		}
	}
	encoded, _ := json.Marshal(map[string]any{"users": list})
	return judge(200, encoded)
}

const (
	inP = "p"
	ada = "ada@torture.test"
)

// honestWorld is what honestLedger tells of: ada signed up, changed her password from one to two, and signed in again.
func honestWorld() *world {
	return &world{
		users:  []worldUser{{adminUser{UID: "u1", Email: ada}, inP, []string{"two"}}},
		tokens: map[string]string{"p/r2": "u1", "p/signed-in-u1": "u1"},
		codes:  map[string]bool{},
	}
}

func honestLedger() []Entry {
	return []Entry{
		{Op: SignUp, Phase: Done, UID: "u1", Password: "one", Token: "r1", IDToken: "t1"},
		{Op: ChangePassword, Phase: Done, Password: "two"},
		{Op: SignIn, Phase: Done, UID: "u1", Password: "two", Token: "r2", IDToken: "t2"},
	}
}

// checkDoctored checks ada, of whom the entries tell, in a world.
func checkDoctored(t *testing.T, w *world, entries []Entry) (map[Verdict]int, *Account) {
	t.Helper()
	ledger, err := CreateLedger(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ledger.Close() })
	for _, e := range entries {
		e.Project, e.Account = inP, ada
		if _, err := ledger.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	m, err := ReadLedger(ledger.path)
	if err != nil {
		t.Fatal(err)
	}
	findings := newFindings(io.Discard, ledger)
	c := checker{actor: &actor{caller: w, ledger: ledger, findings: findings, projects: []string{inP, "q"}}, rng: rand.New(rand.NewPCG(4, 4)), thorough: true}
	a := m.Account(inP, ada)
	for range 3 { // the password is shown to the other project in some of the checks only
		c.check(t.Context(), a)
	}
	return findings.Counts(), a
}

func TestCheckerFindsNothingInAnHonestWorld(t *testing.T) {
	if got, _ := checkDoctored(t, honestWorld(), honestLedger()); len(got) != 0 {
		t.Errorf("findings: %v", got)
	}
}

func TestCheckerFindsEachVerdict(t *testing.T) {
	code := "a-code-of-a-mail"
	for name, c := range map[string]struct {
		doctor func(w *world)
		more   []Entry // after the honest ones
		want   Verdict
	}{
		"the account is gone":        {doctor: func(w *world) { w.users = nil }, want: Lost},
		"the new password is gone":   {doctor: func(w *world) { w.users[0].passwords = []string{"one"} }, want: Lost},
		"the session is gone":        {doctor: func(w *world) { delete(w.tokens, "p/r2") }, want: Lost},
		"disabling is gone":          {more: []Entry{{Op: Disable, Phase: Done}}, want: Lost},
		"the old password works":     {doctor: func(w *world) { w.users[0].passwords = []string{"one", "two"} }, want: Revived},
		"a deleted account is there": {more: []Entry{{Op: Delete, Phase: Done}}, want: Revived},
		"an ended session refreshes": {doctor: func(w *world) { w.tokens["p/r1"] = "u1" }, want: Revived},
		"a used code works again": {
			doctor: func(w *world) { w.codes[code] = true },
			more:   []Entry{{Op: ResetPassword, Phase: Done, Password: "two", Code: code}, {Op: SignIn, Phase: Done, Token: "r2", IDToken: "t"}}, want: Revived,
		},
		"a deleted account refreshes":    {more: []Entry{{Op: AdminDelete, Phase: Done}}, doctor: func(w *world) { w.users = nil }, want: Revived},
		"two users with one address":     {doctor: func(w *world) { w.users = append(w.users, w.users[0]) }, want: Doubled},
		"another user has the address":   {doctor: func(w *world) { w.users[0].UID = "u2" }, want: Mixed},
		"the session is somebody else's": {doctor: func(w *world) { w.tokens["p/r2"] = "u2" }, want: Mixed},
		"the token works elsewhere":      {doctor: func(w *world) { w.tokens["q/r2"] = "u1" }, want: Mixed},
		"answers cannot be read":         {doctor: func(w *world) { w.garble = true }, want: Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			w := honestWorld()
			if c.more != nil && c.more[0].Op == ResetPassword {
				w.users[0].EmailVerified = true
			}
			if c.doctor != nil {
				c.doctor(w)
			}
			got, _ := checkDoctored(t, w, append(honestLedger(), c.more...))
			if got[c.want] == 0 {
				t.Errorf("findings: %v, want %q", got, c.want)
			}
		})
	}
}

// TestCheckerFindsPhantoms: a sign-up that was answered with a failure, and happened.
func TestCheckerFindsPhantoms(t *testing.T) {
	for _, phase := range []Phase{Failed, Refused} {
		got, _ := checkDoctored(t, honestWorld(), []Entry{{Op: SignUp, Phase: Intent, Password: "two"}, {Op: SignUp, Phase: phase, Password: "two"}})
		if got[Phantom] == 0 {
			t.Errorf("a %s sign-up that happened: %v", phase, got)
		}
	}
}

// TestUnknownMayBeEither: after an unknown call both outcomes are right, and the account goes on from what was found.
func TestUnknownMayBeEither(t *testing.T) {
	unknown := Entry{Op: ChangePassword, Phase: Unknown, Password: "three"}
	for name, c := range map[string]struct {
		passwords []string
		tokens    map[string]string
		want      string
		verdict   Verdict
	}{
		"it did not happen":        {[]string{"two"}, map[string]string{"p/r2": "u1", "p/signed-in-u1": "u1"}, "two", ""},
		"it happened":              {[]string{"three"}, map[string]string{"p/signed-in-u1": "u1"}, "three", ""},
		"it happened by half":      {[]string{"three"}, map[string]string{"p/r2": "u1", "p/signed-in-u1": "u1"}, "three", Revived},
		"neither password is left": {nil, map[string]string{"p/r2": "u1"}, "two", Lost},
	} {
		t.Run(name, func(t *testing.T) {
			w := honestWorld()
			w.users[0].passwords, w.tokens = c.passwords, c.tokens
			got, a := checkDoctored(t, w, append(honestLedger(), unknown))
			if c.verdict == "" && len(got) > 0 || c.verdict != "" && got[c.verdict] == 0 {
				t.Errorf("findings: %v, want %q", got, c.verdict)
			}
			if a.Password != c.want || a.Pending != nil {
				t.Errorf("the password is taken to be %q, pending %v", a.Password, a.Pending)
			}
		})
	}
	if got, a := checkDoctored(t, &world{}, []Entry{{Op: SignUp, Phase: Intent, Password: "one"}}); len(got) > 0 || a.Life != Absent {
		t.Errorf("an intent without an end, of which nothing happened: %v, %s", got, a.Life)
	}
	w := honestWorld()
	if got, a := checkDoctored(t, w, []Entry{{Op: SignUp, Phase: Intent, Password: "two"}}); len(got) > 0 || a.Life != Active || a.UID != "u1" {
		t.Errorf("an intent without an end that happened: %v, %s", got, a.Life)
	}
}

// honestFacts are what the database says where honestLedger is true.
func honestFacts() Evidence {
	at := time.Unix(1000, 0)
	return Evidence{
		Facts: Facts{
			Users:   []UserRow{{Project: inP, ID: "u1", Email: ada}},
			Living:  map[UserKey]int{{inP, "u1"}: 1},
			Records: map[RecordKey]int{{inP, "u1", "user.sign_up"}: 1, {inP, "u1", "password.change"}: 1, {inP, "u1", "user.sign_in"}: 1},
			Mails:   []MailRow{{inP, "m1", "verify-email", ada, "sent"}, {inP, "m2", "password-changed", ada, "sent"}},
		},
		Arrived: map[string][]Delivery{"m1": {{ID: "m1", To: ada, Project: inP, At: at}}, "m2": {{ID: "m2", To: ada, At: at}}},
	}
}

func compareDoctored(t *testing.T, e Evidence, more ...Entry) map[Verdict]int {
	t.Helper()
	m := NewModel()
	for _, entry := range append(honestLedger(), more...) {
		if err := m.Account(inP, ada).Apply(entry); err != nil {
			t.Fatal(err)
		}
	}
	counts := map[Verdict]int{}
	for _, f := range Compare(m, e) {
		counts[f.Verdict]++
	}
	return counts
}

func TestCompareFindsEachVerdict(t *testing.T) {
	at := time.Unix(1000, 0)
	copied := []Delivery{{ID: "m1", To: ada, Project: inP, At: at}, {ID: "m1", To: ada, Project: inP, At: at.Add(time.Minute)}}
	for name, c := range map[string]struct {
		doctor func(e *Evidence)
		more   []Entry
		want   map[Verdict]int
	}{
		"honest":                {},
		"no user":               {doctor: func(e *Evidence) { e.Facts.Users = nil }, want: map[Verdict]int{Lost: 1}},
		"no session":            {doctor: func(e *Evidence) { e.Facts.Living = nil }, want: map[Verdict]int{Lost: 1}},
		"no mail":               {doctor: func(e *Evidence) { e.Facts.Mails = e.Facts.Mails[:1]; delete(e.Arrived, "m2") }, want: map[Verdict]int{Lost: 1}},
		"a mail never arrived":  {doctor: func(e *Evidence) { delete(e.Arrived, "m1") }, want: map[Verdict]int{Lost: 1}},
		"a mail was given up":   {doctor: func(e *Evidence) { e.Facts.Mails[0].State = "dead" }, want: map[Verdict]int{Lost: 1}},
		"a mail waits too long": {doctor: func(e *Evidence) { e.Facts.Mails[0].State, e.Drained = "queued", true; delete(e.Arrived, "m1") }, want: map[Verdict]int{Lost: 1}},
		"a mail waits":          {doctor: func(e *Evidence) { e.Facts.Mails[0].State = "working"; delete(e.Arrived, "m1") }},
		"no audit record":       {doctor: func(e *Evidence) { delete(e.Facts.Records, RecordKey{inP, "u1", "password.change"}) }, want: map[Verdict]int{Lost: 1}},
		"disabling is gone": {
			more:   []Entry{{Op: Disable, Phase: Unknown}, {Op: Disable, Phase: Happened}},
			doctor: func(e *Evidence) { e.Facts.Records[RecordKey{inP, "u1", "user.disable"}] = 1; e.Facts.Living = nil }, want: map[Verdict]int{Lost: 1},
		},
		"deleted, and there": {
			more:   []Entry{{Op: Delete, Phase: Done}},
			doctor: func(e *Evidence) { e.Facts.Records[RecordKey{inP, "u1", "user.delete"}] = 1 }, want: map[Verdict]int{Revived: 1},
		},
		"an ended session lives":    {doctor: func(e *Evidence) { e.Facts.Living[UserKey{inP, "u1"}] = 2 }, want: map[Verdict]int{Revived: 1}},
		"a session of a lost reply": {more: []Entry{{Op: SignIn, Phase: Unknown}}, doctor: func(e *Evidence) { e.Facts.Living[UserKey{inP, "u1"}] = 2 }},
		"a user whom nobody made": {doctor: func(e *Evidence) {
			e.Facts.Users = append(e.Facts.Users, UserRow{Project: inP, ID: "u9", Email: "x@torture.test"})
		}, want: map[Verdict]int{Phantom: 1}},
		"a mail of no change":   {doctor: func(e *Evidence) { e.Arrived["m9"] = []Delivery{{ID: "m9", To: ada}} }, want: map[Verdict]int{Phantom: 1}},
		"a queued mail of none": {doctor: func(e *Evidence) { e.Facts.Mails = append(e.Facts.Mails, MailRow{inP, "m9", "invite", ada, "queued"}) }, want: map[Verdict]int{Phantom: 1}},
		"two rows":              {doctor: func(e *Evidence) { e.Facts.Users = append(e.Facts.Users, UserRow{Project: inP, ID: "u2", Email: ada}) }, want: map[Verdict]int{Doubled: 1}},
		"two mails of one change": {doctor: func(e *Evidence) {
			e.Facts.Mails = append(e.Facts.Mails, MailRow{inP, "m3", "password-changed", ada, "queued"})
		}, want: map[Verdict]int{Doubled: 1}},
		"two records of one change": {doctor: func(e *Evidence) { e.Facts.Records[RecordKey{inP, "u1", "password.change"}] = 2 }, want: map[Verdict]int{Doubled: 1}},
		"a mail came twice":         {doctor: func(e *Evidence) { e.Arrived["m1"] = copied }, want: map[Verdict]int{Doubled: 1}},
		"twice around a kill":       {doctor: func(e *Evidence) { e.Arrived["m1"], e.Faults = copied, []time.Time{at.Add(time.Second)} }},
		"twice after an old kill":   {doctor: func(e *Evidence) { e.Arrived["m1"], e.Faults = copied, []time.Time{at.Add(-time.Minute)} }, want: map[Verdict]int{Doubled: 1}},
		"twice before a late kill":  {doctor: func(e *Evidence) { e.Arrived["m1"], e.Faults = copied, []time.Time{at.Add(40 * time.Second)} }, want: map[Verdict]int{Doubled: 1}},
		"a mail went elsewhere":     {doctor: func(e *Evidence) { e.Arrived["m1"][0].To = "x@torture.test" }, want: map[Verdict]int{Mixed: 1}},
		"a link of another project": {doctor: func(e *Evidence) { e.Arrived["m1"][0].Project = "q" }, want: map[Verdict]int{Mixed: 1}},
		"rows of two users":         {doctor: func(e *Evidence) { e.Facts.Strays = []string{"a token of u2 in a session of u1"} }, want: map[Verdict]int{Mixed: 1}},
		"the database says so":      {doctor: func(e *Evidence) { e.Facts.Problems = []string{"row 3 missing from index"} }, want: map[Verdict]int{Corrupt: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			e := honestFacts()
			if c.doctor != nil {
				c.doctor(&e)
			}
			if got := compareDoctored(t, e, c.more...); !maps.Equal(got, c.want) {
				t.Errorf("findings: %v, want %v", got, c.want)
			}
		})
	}
}

func TestReadMail(t *testing.T) {
	raw := strings.ReplaceAll(`Message-ID: <00abc@torture.test>
Content-Type: multipart/alternative; boundary=B

--B
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

Open https://app.torture.test/rotating/reset?oobCode=3Da-b_c&uid=3Du1 within=
 an hour.
--B--
`, "\n", "\r\n")
	d, err := readMail([]byte(raw))
	want := Delivery{ID: "00abc", Project: "rotating", Kind: "reset", Code: "a-b_c", UID: "u1"}
	if err != nil || d != want {
		t.Errorf("readMail = %+v, %v", d, err)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   Phase
	}{
		{200, `{}`, Done}, {204, ``, Done}, {400, `{"errors":[{"detail":"NO"}]}`, Refused}, {500, `{"errors":[{"detail":"Error"}]}`, Unknown},
		{503, `{"errors":[{"detail":"The service is unavailable for now"}]}`, Failed}, {503, `{"errors":[{"detail":"The outcome of the request is unknown"}]}`, Unknown},
		{503, `{"error":{"code":"outcome_unknown","message":"the outcome is unknown; ask before trying again"}}`, Unknown}, {429, ``, Failed},
	} {
		if got := judge(c.status, []byte(c.body)).Phase; got != c.want {
			t.Errorf("%d %s is %s, want %s", c.status, c.body, got, c.want)
		}
	}
}

func TestClaim(t *testing.T) {
	token := "h." + base64.RawURLEncoding.EncodeToString([]byte(`{"sid":"s1"}`)) + ".s"
	if got, err := claim(token, "sid"); got != "s1" || err != nil {
		t.Errorf("claim = %q, %v", got, err)
	}
	if _, err := claim("no token", "sid"); err == nil {
		t.Error("a claim of no token")
	}
}
