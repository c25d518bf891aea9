package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

func usersPages() []page {
	return []page{
		{path: "/projects/{project}/users", room: roomUsers, entry: true, show: (*visit).users,
			forms:   map[string]func(*visit) error{"bulk": (*visit).bulkUsers, "bulk-delete": (*visit).bulkDelete},
			rules:   ui.FormRules{Repeated: []string{"uid"}, MaxBytes: 64 << 10},
			notices: map[string]string{"done": "Done, for everybody you chose.", "deleted": "The user is deleted."}},
		{path: "/projects/{project}/new-user", room: roomUsers, show: (*visit).newUser,
			forms: map[string]func(*visit) error{"create": (*visit).createUser, "invite": (*visit).inviteUser},
			rules: ui.FormRules{Repeated: []string{"roles", "inviteRoles"}}},
		{path: "/projects/{project}/users/{user}", room: roomUsers, show: (*visit).user,
			forms: map[string]func(*visit) error{
				"profile": (*visit).changeProfile, "roles": (*visit).changeRoles, "claims": (*visit).changeClaims,
				"disable": userForm("disabled", func(v *visit) error { return v.setDisabled(true) }), "enable": userForm("enabled", func(v *visit) error { return v.setDisabled(false) }),
				"reset": userForm("reset", (*visit).sendReset), "verify": userForm("verify", (*visit).sendVerification),
				"end-session": userForm("ended", (*visit).endSession), "end-sessions": userForm("ended", (*visit).endSessions),
				"reset-factors": userForm("factors", (*visit).resetFactors), "delete": (*visit).deleteUser,
			},
			rules: ui.FormRules{Repeated: []string{"roles", fieldWas + "roles"}},
			notices: map[string]string{
				"created": "The user is made.", "invited": "The user is invited; the mail is on its way.", "saved": "Saved.", "disabled": "The user is disabled, and signed out everywhere.",
				"enabled": "The user may sign in again.", "reset": "A mail with a link to a new password is on its way.", "verify": "A mail to prove the address is on its way.",
				"ended": "Signed out.", "factors": "The second factors are removed, and the user is signed out everywhere.",
			}},
	}
}

// usersOnPage is how many users one page of the list has.
const usersOnPage = 50

// userFilter is what the list is restricted to, as its form has it.
type userFilter struct{ Email, Role, State, Provider, Verified, Factor, Since, Until string }

// userList is what the list of users shows.
type userList struct {
	Filter    userFilter
	Filtered  bool
	Users     []userRow
	Roles     []auth.Role
	Providers []string
	Next      string // the query of the next page, or ""
	First     string // that of the first; "?" where this is it
	Chosen    map[auth.UserID]bool
}

// userRow is a user with roles by name.
type userRow struct {
	auth.User
	RoleNames []string
}

// State is the one word for the facts that keep a user from signing in.
func (u userRow) State() string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.InvitePending:
		return "invited"
	case u.VerificationRequired && !u.EmailVerified:
		return "unverified"
	}
	return "active"
}

// Label is what people call the user.
func (u userRow) Label() string { return cmp.Or(string(u.Email), u.Name, string(u.ID)) }

// users lists the project's users, the newest first.
func (v *visit) users() error {
	if err := v.notOperators(); err != nil {
		return err
	}
	roles, err := v.Admin.Roles(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	list := userList{Roles: roles, Chosen: map[auth.UserID]bool{}}
	for _, id := range v.fields["uid"] {
		list.Chosen[auth.UserID(id)] = true
	}
	providers, err := v.Admin.Providers(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	for _, p := range providers {
		list.Providers = append(list.Providers, p.ID)
	}
	search, err := v.userSearch(&list)
	if err != nil {
		if v.problem == nil {
			v.problem = problemOf(err, v.w.Header())
		}
		return v.render("users", "Users", list)
	}
	found, err := v.Admin.SearchUsers(v.r.Context(), v.caller, search)
	if err != nil {
		return err
	}
	if len(found) > usersOnPage {
		found = found[:usersOnPage]
		last := found[usersOnPage-1]
		query := v.filterQuery()
		query.Set("after", strconv.FormatInt(last.CreatedAt.UnixMilli(), 10)+"."+string(last.ID))
		list.Next = "?" + query.Encode()
	}
	if search.After != "" {
		list.First = "?" + v.filterQuery().Encode()
	}
	for _, u := range found {
		list.Users = append(list.Users, rowOf(u, roles))
	}
	return v.render("users", "Users", list)
}

// notOperators keeps the instance's own users to the room for operators.
func (v *visit) notOperators() error {
	if v.caller.Project.ID == auth.ConsoleProject {
		return &auth.Error{Code: auth.CodeNotFound, Message: "operators have a room of their own"}
	}
	return nil
}

func rowOf(u auth.User, roles []auth.Role) userRow {
	row := userRow{User: u}
	for _, r := range roles {
		if u.HasRole(r.ID) {
			row.RoleNames = append(row.RoleNames, r.Name)
		}
	}
	return row
}

// filterNames are the fields of the list's search form.
var filterNames = []string{"email", "role", "state", "provider", "verified", "factor", "since", "until"}

// filterQuery keeps what the list is restricted to, for links to other pages of it.
func (v *visit) filterQuery() url.Values {
	query := url.Values{}
	for _, name := range filterNames {
		if value := v.query(name); value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// userSearch reads the search form.
func (v *visit) userSearch(list *userList) (auth.UserSearch, error) {
	list.Filter = userFilter{v.query("email"), v.query("role"), v.query("state"), v.query("provider"), v.query("verified"), v.query("factor"), v.query("since"), v.query("until")}
	list.Filtered = list.Filter != userFilter{}
	f := list.Filter
	search := auth.UserSearch{
		EmailPrefix: strings.ToLower(strings.TrimSpace(f.Email)), Role: auth.RoleID(f.Role), State: auth.UserState(f.State), Provider: f.Provider,
		EmailVerified: yesOrNo(f.Verified), SecondFactor: yesOrNo(f.Factor), NewestFirst: true, Limit: usersOnPage + 1,
	}
	if !slices.Contains([]auth.UserState{auth.StateAny, auth.StateActive, auth.StateDisabled, auth.StateInvited, auth.StateUnverified}, search.State) {
		return search, badField("state", "there is no such state")
	}
	var err error
	if search.CreatedSince, err = day("since", f.Since); err != nil {
		return search, err
	}
	if search.CreatedUntil, err = day("until", f.Until); err != nil {
		return search, err
	}
	if !search.CreatedUntil.IsZero() {
		search.CreatedUntil = search.CreatedUntil.AddDate(0, 0, 1) // the day itself counts
	}
	if after := v.query("after"); after != "" {
		ms, id, _ := strings.Cut(after, ".")
		created, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return search, badField("after", "this page of the list is not known")
		}
		search.AfterCreated, search.After = time.UnixMilli(created), auth.UserID(id)
	}
	return search, nil
}

func yesOrNo(value string) *bool {
	switch value {
	case "yes":
		return new(true)
	case "no":
		return new(false)
	}
	return nil
}

// day reads what a field for dates gives.
func day(field, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return time.Time{}, badField(field, "a day is written as 2026-01-31")
	}
	return t, nil
}

func badField(field, message string) *auth.Error {
	return &auth.Error{Code: auth.CodeInvalidArgument, Field: field, Message: message}
}

// bulkDone is what the page after a bulk action shows where somebody was refused, or what is asked before one.
type bulkDone struct {
	Action  string
	Users   []auth.UserID // to be deleted
	Done    int
	Refused []auth.BulkResult
	Back    string
}

// bulkNames are the actions in words.
var bulkNames = []struct{ Value, Label string }{
	{string(auth.BulkDisable), "Disable"}, {string(auth.BulkEnable), "Enable"}, {string(auth.BulkEndSessions), "Sign out everywhere"},
	{string(auth.BulkSendReset), "Send a link to a new password"}, {string(auth.BulkSendVerification), "Send a mail to prove the address"},
	{string(auth.BulkAddRole), "Give the role"}, {string(auth.BulkRemoveRole), "Take the role away"}, {string(auth.BulkDelete), "Delete"},
}

// Actions are what can be done to many users.
func (userList) Actions() any { return bulkNames }

// bulkUsers does the chosen action to the chosen users. Deleting is asked about once more.
func (v *visit) bulkUsers() error {
	users := v.chosenUsers()
	if len(users) == 0 {
		return badField("uid", "choose the users first")
	}
	action := auth.BulkAction(v.field("action"))
	if action == auth.BulkDelete {
		return v.render("usersbulk", fmt.Sprintf("Delete %d users?", len(users)), bulkDone{Users: users, Back: "?" + v.r.URL.RawQuery})
	}
	params := auth.BulkParams{Action: action, Users: users}
	if action == auth.BulkAddRole || action == auth.BulkRemoveRole {
		if params.Role = v.field("role"); params.Role == "" {
			return badField("role", "choose the role")
		}
	}
	return v.bulk(params)
}

func (v *visit) chosenUsers() []auth.UserID {
	var users []auth.UserID
	for _, id := range v.fields["uid"] {
		users = append(users, auth.UserID(id))
	}
	return users
}

// bulkDelete deletes the users that the page before asked about.
func (v *visit) bulkDelete() error {
	return v.bulk(auth.BulkParams{Action: auth.BulkDelete, Users: v.chosenUsers()})
}

func (v *visit) bulk(params auth.BulkParams) error {
	results, err := v.Admin.BulkUsers(v.r.Context(), v.caller, params)
	if err != nil {
		return err
	}
	shown := bulkDone{Action: string(params.Action), Back: "?" + v.r.URL.RawQuery}
	for _, r := range results {
		if r.Refused == nil {
			shown.Done++
			continue
		}
		shown.Refused = append(shown.Refused, r)
	}
	if len(shown.Refused) > 0 {
		return v.render("usersbulk", "Not for everybody", shown)
	}
	return v.back(v.projectPath("users")+"?"+v.filterQuery().Encode(), "done")
}

// newUserPage is what the page that makes users shows.
type newUserPage struct{ Roles []auth.Role }

func (v *visit) newUser() error {
	if err := v.notOperators(); err != nil {
		return err
	}
	roles, err := v.Admin.Roles(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	return v.render("newuser", "New user", newUserPage{roles})
}

func (v *visit) createUser() error {
	verified, roles := v.fields.Has("emailVerified"), v.fields["roles"]
	params := auth.CreateUserParams{Email: v.field("email"), Password: v.fields.Get("password"), UserPatch: auth.UserPatch{
		Name: new(v.field("name")), Locale: new(v.field("locale")), EmailVerified: &verified, Roles: &roles,
	}}
	u, err := v.Admin.CreateUser(v.r.Context(), v.caller, params)
	if err != nil {
		return onField(err, "email")
	}
	return v.back(v.projectPath("users", string(u.ID)), "created")
}

func (v *visit) inviteUser() error {
	u, err := v.Admin.Invite(v.r.Context(), v.caller, auth.InviteParams{Email: v.field("inviteEmail"), Roles: v.fields["inviteRoles"]})
	if err != nil {
		return onField(err, "inviteEmail")
	}
	return v.back(v.projectPath("users", string(u.ID)), "invited")
}

// onField ties what the domain says of an address or a password to the form's field.
func onField(err error, email string) error {
	var e *auth.Error
	if !errors.As(err, &e) || e.Field != "" {
		return err
	}
	tied := *e
	switch e.Code {
	case auth.CodeInvalidEmail, auth.CodeMissingEmail, auth.CodeEmailInUse:
		tied.Field = email
	case auth.CodeWeakPassword:
		tied.Field = "password"
	}
	return &tied
}

// userPage is what the page of a user shows.
type userPage struct {
	User          userRow
	Roles         []auth.Role
	Claims        string
	WasClaims     string // the same, as the form has it hidden
	Attributes    string // "" for none
	Sessions      []auth.Session
	Factors       []auth.SecondFactor
	RecoveryCodes int
	Identities    []auth.Identity
	Timeline      []auth.AuditRecord
}

func (v *visit) uid() auth.UserID { return auth.UserID(v.r.PathValue("user")) }

// sessionsShown and recordsShown bound what the page of a user lists.
const (
	sessionsShown = 50
	recordsShown  = 30
)

func (v *visit) user() error {
	if err := v.notOperators(); err != nil {
		return err
	}
	ctx, id := v.r.Context(), v.uid()
	u, err := v.Admin.GetUser(ctx, v.caller, id)
	if err != nil {
		return err
	}
	shown := userPage{Claims: indented(u.CustomClaims), WasClaims: compact(u.CustomClaims), Attributes: indented(u.Attributes)}
	if shown.Roles, err = v.Admin.Roles(ctx, v.caller); err != nil {
		return err
	}
	shown.User = rowOf(u, shown.Roles)
	if shown.Sessions, err = v.Admin.Sessions(ctx, v.caller, id, "", sessionsShown); err != nil {
		return err
	}
	if shown.Factors, shown.RecoveryCodes, err = v.Admin.SecondFactorsOf(ctx, v.caller, id); err != nil {
		return err
	}
	if shown.Identities, err = v.Admin.UserIdentities(ctx, v.caller, id); err != nil {
		return err
	}
	if shown.Timeline, err = v.Admin.Audit(ctx, v.caller, auth.AuditFilter{User: id, Limit: recordsShown}); err != nil {
		return err
	}
	return v.render("user", shown.User.Label(), shown)
}

// indented is JSON for people; "" where there is nothing.
func indented(values map[string]any) string {
	if len(values) == 0 {
		return ""
	}
	text, _ := json.MarshalIndent(values, "", "  ") // came from JSON
	return string(text)
}

// compact is JSON on one line, the same for the same claims.
func compact(values map[string]any) string {
	if len(values) == 0 {
		return ""
	}
	text, _ := json.Marshal(values) // came from JSON
	return string(text)
}

// userForm is a form that does one thing to the user and leads back to it.
func userForm(notice string, do func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if err := do(v); err != nil {
			return err
		}
		return v.back(v.projectPath("users", v.r.PathValue("user")), notice)
	}
}

func (v *visit) patchUser(patch auth.UserPatch) error {
	if _, err := v.Admin.UpdateUser(v.r.Context(), v.caller, v.uid(), patch); err != nil {
		return onField(err, "email")
	}
	return v.back(v.projectPath("users", v.r.PathValue("user")), "saved")
}

// changeProfile changes what differs from what the page showed, so that an old page undoes nothing. An address that was changed is one that nobody has proven: the
// box beside it was about the one before, unless it was not checked then (P3).
func (v *visit) changeProfile() error {
	patch := auth.UserPatch{Email: v.changed("email"), Name: v.changed("name"), Picture: v.changed("picture"), Locale: v.changed("locale")}
	verified, was := v.fields.Has("emailVerified"), v.field("was-emailVerified") == "true"
	if verified != was {
		patch.EmailVerified = &verified
	}
	return v.patchUser(patch)
}

// changed gives what was submitted in a field where it is not what the page showed, and else nil.
func (v *visit) changed(name string) *string {
	value := v.field(name)
	if value == v.field(fieldWas+name) {
		return nil
	}
	return &value
}

// changeRoles gives and takes what was ticked and unticked, and nothing else: what somebody else changed meanwhile stays.
func (v *visit) changeRoles() error {
	roles, was := v.fields["roles"], v.fields[fieldWas+"roles"]
	return v.patchUser(auth.UserPatch{AddRoles: without(roles, was), RemoveRoles: without(was, roles)})
}

// without gives those of all that are not among the others.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

func (v *visit) changeClaims() error {
	u, err := v.Admin.GetUser(v.r.Context(), v.caller, v.uid())
	if err != nil {
		return err
	}
	if err := v.wantStill("customClaims", compact(u.CustomClaims), "these claims"); err != nil {
		return err
	}
	claims, err := parseClaims(v.field("customClaims"))
	if err != nil {
		return err
	}
	return v.patchUser(auth.UserPatch{CustomClaims: &claims})
}

// parseClaims reads a JSON object as strictly as the APIs do; "" is none.
func parseClaims(text string) (map[string]any, error) {
	claims := map[string]any{}
	if text == "" {
		return claims, nil
	}
	var broken *json.SyntaxError
	if err := json.Unmarshal([]byte(text), &claims); errors.As(err, &broken) {
		line := 1 + strings.Count(text[:min(int(broken.Offset), len(text))], "\n")
		return nil, badField("customClaims", fmt.Sprintf("this is no JSON: line %d: %s", line, broken.Error()))
	}
	claims = map[string]any{}
	as := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text))}
	var refused *web.Error
	if err := web.DecodeJSON(as, &claims, web.DecodeOptions{MaxBytes: int64(len(text))}); errors.As(err, &refused) {
		return nil, badField("customClaims", strings.Replace(refused.Detail, "The request body", "What is in this field", 1))
	} else if err != nil {
		return nil, err
	}
	return claims, nil
}

func (v *visit) setDisabled(disabled bool) error {
	_, err := v.Admin.UpdateUser(v.r.Context(), v.caller, v.uid(), auth.UserPatch{Disabled: &disabled})
	return err
}

func (v *visit) sendReset() error { return v.Admin.SendReset(v.r.Context(), v.caller, v.uid()) }

func (v *visit) sendVerification() error {
	return v.Admin.SendVerificationTo(v.r.Context(), v.caller, v.uid())
}

func (v *visit) endSession() error {
	return v.Admin.RevokeSession(v.r.Context(), v.caller, auth.SessionID(v.field("session")))
}

func (v *visit) endSessions() error {
	_, err := v.Admin.RevokeUserSessions(v.r.Context(), v.caller, v.uid())
	return err
}

func (v *visit) resetFactors() error {
	_, err := v.Admin.ResetSecondFactors(v.r.Context(), v.caller, v.uid())
	return err
}

// deleteUser deletes the user whose address, or uid where there is none, was typed.
func (v *visit) deleteUser() error {
	u, err := v.Admin.GetUser(v.r.Context(), v.caller, v.uid())
	if err != nil {
		return err
	}
	if v.field("confirm") != typedName(u) {
		return badField("confirm", "what you typed is not the user's address")
	}
	if err := v.Admin.DeleteUser(v.r.Context(), v.caller, u.ID); err != nil {
		return err
	}
	return v.back(v.projectPath("users"), "deleted")
}

func typedName(u auth.User) string { return cmp.Or(string(u.Email), string(u.ID)) }

// Confirmation is what has to be typed before the user is deleted.
func (u userRow) Confirmation() string { return typedName(u.User) }

// boxes are check boxes for roles.
type boxes struct {
	Name         string
	Roles        []auth.Role
	checked, was []string
}

// Boxes are check boxes of a name for roles, in the form with the button do: those are checked that the user has now. A form that was refused keeps what was sent, and
// what was so when it was made, so that it still says what was changed on it.
func (v view) Boxes(do, name string, roles []auth.Role, now []auth.RoleID) boxes {
	if v.refused(do) {
		return boxes{name, roles, v.visit.fields[name], v.visit.fields[fieldWas+name]}
	}
	var has []string
	for _, role := range now {
		has = append(has, string(role))
	}
	return boxes{name, roles, has, has}
}

// Checked tells whether the box of a role is.
func (b boxes) Checked(role auth.RoleID) bool { return slices.Contains(b.checked, string(role)) }

// Was tells whether the user had the role when the form was made.
func (b boxes) Was(role auth.RoleID) bool { return slices.Contains(b.was, string(role)) }

// eventName makes words of an event's name.
func eventName(e auth.Event) string {
	about, what, _ := strings.Cut(strings.ReplaceAll(string(e), "_", " "), ".")
	if about == "" {
		return ""
	}
	return strings.ToUpper(about[:1]) + about[1:] + ": " + what
}
