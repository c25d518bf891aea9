package console

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/explain"
)

func auditPages() []page {
	return []page{
		{path: "/projects/{project}/audit", room: roomAudit, entry: true, show: (*visit).auditLog},
		{path: "/projects/{project}/explain", room: roomAudit, show: (*visit).explain},
		{path: "/instance/audit", room: roomInstance, show: (*visit).auditLog},
		{path: "/instance/explain", room: roomInstance, show: (*visit).explain},
	}
}

// recordsOnPage is how many audit records one page has.
const recordsOnPage = 50

// The parameters of the search.
const (
	paramEvent, paramOutcome, paramActor, paramActorID   = "event", "outcome", "actor", "actorId"
	paramUser, paramAddress, paramReference, paramBefore = "user", "address", "reference", "before"
	paramSince, paramUntil                               = "since", "until"
)

// auditSearch is what the form of the search shows.
type auditSearch struct {
	Path     string
	Explain  string // path of the page that explains a reference
	Given    map[string]string
	Any      bool // something is searched for
	Wrong    map[string]string
	Events   []auth.Event
	Outcomes []auth.Outcome
	Actors   []auth.ActorKind
	Records  []auditRecord
	Older    string // path with query, or ""
	Newest   string
}

// auditRecord is a record with where it leads.
type auditRecord struct {
	auth.AuditRecord
	Details []fact
	UserURL string
	Explain string
}

type fact struct{ Name, Value string }

// logPath is the path of one of the pages that a project and the instance both have.
func (v *visit) logPath(name string) string {
	if v.caller.Project != nil {
		return v.projectPath(name)
	}
	return v.path("instance", name)
}

// auditLog shows the records that are searched for, newest first.
func (v *visit) auditLog() error {
	shown := auditSearch{
		Path: v.logPath("audit"), Explain: v.logPath("explain"), Given: map[string]string{}, Wrong: map[string]string{}, Events: auth.Events(),
		Outcomes: []auth.Outcome{auth.OutcomeAllowed, auth.OutcomeDenied},
		Actors:   []auth.ActorKind{auth.ActorAnonymous, auth.ActorUser, auth.ActorAdmin, auth.ActorOperator, auth.ActorSystem},
	}
	for _, name := range []string{paramEvent, paramOutcome, paramActor, paramActorID, paramUser, paramAddress, paramReference, paramSince, paramUntil} {
		if value := strings.TrimSpace(v.query(name)); value != "" {
			shown.Given[name], shown.Any = value, true
		}
	}
	filter := shown.filter()
	if len(shown.Wrong) > 0 {
		return v.render("audit", "Audit log", shown)
	}
	filter.Before, filter.Limit = auth.AuditID(v.query(paramBefore)), recordsOnPage+1
	records, err := v.Admin.Audit(v.r.Context(), v.caller, filter)
	if err != nil {
		return err
	}
	if filter.Before != "" {
		shown.Newest = shown.path("")
	}
	if len(records) > recordsOnPage {
		records = records[:recordsOnPage]
		shown.Older = shown.path(records[recordsOnPage-1].ID)
	}
	for _, r := range records {
		shown.Records = append(shown.Records, v.auditRecord(r))
	}
	return v.render("audit", "Audit log", shown)
}

// filter reads what is searched for, and notes what cannot be.
func (s *auditSearch) filter() auth.AuditFilter {
	f := auth.AuditFilter{
		Event: auth.Event(s.Given[paramEvent]), Outcome: auth.Outcome(s.Given[paramOutcome]), Actor: auth.ActorKind(s.Given[paramActor]), ActorID: s.Given[paramActorID],
		User: auth.UserID(s.Given[paramUser]),
	}
	if text := s.Given[paramAddress]; text != "" {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			s.Wrong[paramAddress] = "This is no IP address."
		}
		f.Addr = addr.Unmap().WithZone("")
	}
	if text := s.Given[paramReference]; text != "" {
		var err error
		if f.Request, err = auth.ParseReference(text); err != nil {
			s.Wrong[paramReference] = sentence(auth.AsError(err).Message)
		}
	}
	f.Since, f.Until = s.instant(paramSince), s.instant(paramUntil)
	return f
}

// instant reads a moment in UTC as browsers send it (HTML, section "local dates and times"), or as RFC 3339 has it.
func (s *auditSearch) instant(name string) time.Time {
	text := s.Given[name]
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	s.Wrong[name] = "This is no date and time."
	return time.Time{}
}

// path is the same search, of records older than one.
func (s *auditSearch) path(before auth.AuditID) string {
	query := url.Values{}
	for name, value := range s.Given {
		query.Set(name, value)
	}
	if before != "" {
		query.Set(paramBefore, string(before))
	}
	if len(query) == 0 {
		return s.Path
	}
	return s.Path + "?" + query.Encode()
}

// auditRecord adds where a record leads: to the user, and where the request was refused to how that came about.
func (v *visit) auditRecord(r auth.AuditRecord) auditRecord {
	shown := auditRecord{AuditRecord: r, Details: facts(r.Detail), UserURL: v.userPath(r.Project, r.User)}
	if r.Outcome == auth.OutcomeDenied && r.RequestID != "" {
		shown.Explain = v.logPath("explain") + "?" + url.Values{paramReference: {r.RequestID}}.Encode()
	}
	return shown
}

// userPath is the page of a user; "" where there is none, as of operators, who have a room of their own.
func (v *visit) userPath(p auth.ProjectID, u auth.UserID) string {
	if p == "" || u == "" || p == auth.ConsoleProject {
		return ""
	}
	return v.path("projects", string(p), "users", string(u))
}

// facts puts names and values in an order.
func facts(of map[string]string) []fact {
	var list []fact
	for _, name := range slices.Sorted(maps.Keys(of)) {
		list = append(list, fact{name, of[name]})
	}
	return list
}

// explained is how one refusal came about.
type explained struct {
	auth.Decision
	Asked, Why, Do string
	Steps          []explainedStep
	UserURL        string
}

type explainedStep struct {
	Name, Outcome, Found string
	Class                string // of the mark beside it
	Facts                []fact
}

// explain tells how the refusals of one request came about, step by step. Reading it is audited, by the domain.
func (v *visit) explain() error {
	shown := struct {
		Log, Path, Reference, Wrong string
		Decisions                   []explained
	}{Log: v.logPath("audit"), Path: v.logPath("explain"), Reference: v.query(paramReference)}
	if shown.Reference != "" {
		found, err := v.Admin.Explain(v.r.Context(), v.caller, shown.Reference)
		switch auth.CodeOf(err) {
		case "":
		case auth.CodeNotFound:
			shown.Wrong = "Nothing is kept under this reference. Refusals are kept for 30 days, and not all of them from a source that has a thousand in a row. What succeeded and what was malformed is not kept " +
				"here at all, but the server's log has the reference as request_id."
		case auth.CodeInvalidArgument:
			shown.Wrong = sentence(auth.AsError(err).Message)
		default:
			return err
		}
		for _, d := range found {
			shown.Decisions = append(shown.Decisions, v.explained(d))
		}
	}
	return v.render("explain", "Explain a refusal", shown)
}

func (v *visit) explained(d auth.Decision) explained {
	e := explained{Decision: d, Asked: explain.Asked(d.Event), UserURL: v.userPath(d.Project, d.User)}
	e.Why, e.Do = explain.Verdict(d)
	classes := map[auth.StepOutcome]string{auth.OutcomePassed: "good", auth.OutcomeFound: "good", auth.OutcomeRefused: "bad", auth.OutcomeNotFound: "bad"}
	for _, s := range d.Steps {
		e.Steps = append(e.Steps, explainedStep{
			Name: sentenceOf(string(s.Name)), Outcome: strings.ReplaceAll(string(s.Outcome), "_", " "), Found: explain.Found(s), Class: classes[s.Outcome], Facts: facts(s.Facts),
		})
	}
	return e
}

// sentenceOf makes a heading of a name with underscores.
func sentenceOf(name string) string {
	return strings.TrimSuffix(sentence(strings.ReplaceAll(name, "_", " ")), ".")
}
