package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/password"
)

// PortableUser is one account as it leaves and enters a project whole.
type PortableUser struct {
	User       User       // on import ID may be "": then one is made; Roles is ignored
	RoleNames  []string   // roles that the project lacks are created
	Identities []Identity // only ProviderID, Subject, Email, EmailVerified and CreatedAt count
}

// ImportReport says what an import did, or in a dry run would do.
type ImportReport struct {
	Created       int
	Existing      int            // the uid is there already: nothing was changed, so an import can be run again
	Failed        []ImportFailed // lines that were left out
	CanSignIn     int            // of those created
	CannotSignIn  map[string]int // of those created, by reason
	PasswordKinds map[string]int // of those created, by hash format
}

// ImportFailed is a line that was left out, counted from 0 within its batch.
type ImportFailed struct {
	Index  int
	Reason string
}

// MaxImportBatch bounds one call of ImportUsers.
const MaxImportBatch = 1000

// ImportUsers takes a batch of accounts in, in one transaction. A bad or conflicting one is left out and told; the others come in.
// Password hashes are kept as they are and upgraded at the first sign-in.
func (a *Admin) ImportUsers(ctx context.Context, c Caller, batch []PortableUser, dryRun bool) (ImportReport, error) {
	if err := c.requireAdmin(); err != nil {
		return ImportReport{}, err
	}
	if err := c.notConsole(); err != nil {
		return ImportReport{}, err
	}
	if len(batch) > MaxImportBatch {
		return ImportReport{}, invalidArgument("users", fmt.Sprintf("at most %d users at once", MaxImportBatch))
	}
	var report ImportReport
	err := a.store.Update(ctx, func(tx Tx) error {
		report = newImportReport()
		seen := newImportSeen()
		for i, pu := range batch {
			if err := report.refuse(i, a.importUser(ctx, tx, c, pu, dryRun, seen, &report)); err != nil {
				return err
			}
		}
		if dryRun {
			return nil
		}
		return a.audit(ctx, tx, c, EventUsersImported, OutcomeAllowed, "", "created", fmt.Sprint(report.Created), "existing", fmt.Sprint(report.Existing), "failed", fmt.Sprint(len(report.Failed)))
	})
	return report, err
}

// importSeen finds what is twice within one batch, which a dry run's store cannot.
type importSeen struct {
	ids        map[UserID]bool
	emails     map[Email]bool
	identities map[[2]string]bool
}

func newImportSeen() importSeen {
	return importSeen{ids: map[UserID]bool{}, emails: map[Email]bool{}, identities: map[[2]string]bool{}}
}

func newImportReport() ImportReport {
	return ImportReport{CannotSignIn: map[string]int{}, PasswordKinds: map[string]int{}}
}

func (a *Admin) importUser(ctx context.Context, tx Tx, c Caller, pu PortableUser, dryRun bool, seen importSeen, report *ImportReport) error {
	u, err := a.examine(ctx, tx, c, pu, seen, report)
	if err != nil || u.ID == "" || dryRun {
		return err
	}
	return a.createImported(ctx, tx, u, pu)
}

// examine counts what an account would be, and gives it as it is to be created; the zero User where it is there already.
func (a *Admin) examine(ctx context.Context, r Reader, c Caller, pu PortableUser, seen importSeen, report *ImportReport) (User, error) {
	u, err := a.importable(c, pu)
	if err != nil {
		return User{}, err
	}
	exists, err := importConflict(ctx, r, u, seen)
	if err != nil {
		return User{}, err
	}
	if exists {
		report.Existing++
		return User{}, nil
	}
	for _, name := range pu.RoleNames {
		if !isRoleName(name) {
			return User{}, invalidArgument("roles", fmt.Sprintf("%q is no role name", clip(name, 60)))
		}
	}
	for _, i := range pu.Identities {
		if err := checkIdentity(i); err != nil {
			return User{}, err
		}
		key := [2]string{i.ProviderID, i.Subject}
		if seen.identities[key] {
			return User{}, newError(CodeConflict, "one of its identities stands twice in the file")
		}
		seen.identities[key] = true
		if _, err := r.GetIdentity(ctx, u.Project, i.ProviderID, i.Subject); err == nil {
			return User{}, newError(CodeConflict, "one of its identities belongs to another user")
		} else if !errors.Is(err, ErrNotFound) {
			return User{}, err
		}
	}
	seen.ids[u.ID] = true
	if !u.Email.IsZero() {
		seen.emails[u.Email] = true
	}
	countImported(report, c.Project, u, len(pu.Identities))
	return u, nil
}

func checkIdentity(i Identity) error {
	if i.ProviderID == "" || i.Subject == "" {
		return invalidArgument("providers", "an identity needs providerId and subject")
	}
	for _, text := range []string{i.ProviderID, i.Subject, i.Email} {
		if err := checkText("providers", text, 512); err != nil {
			return err
		}
	}
	return nil
}

// importable checks everything of an account that does not need the store.
func (a *Admin) importable(c Caller, pu PortableUser) (User, error) {
	u := pu.User
	if u.ID == "" {
		id, err := a.newID()
		if err != nil {
			return User{}, err
		}
		u.ID = UserID(id)
	}
	if len(u.ID) > maxUserID || hasControl(string(u.ID)) || !utf8.ValidString(string(u.ID)) || strings.ContainsAny(string(u.ID), `/\`) || strings.Trim(string(u.ID), ".") == "" {
		return User{}, invalidArgument("uid", "a uid has at most 128 bytes, no slash and no control characters, and is not only dots") // it is a path segment
	}
	email, err := optionalEmail(string(u.Email))
	if err != nil {
		return User{}, newError(CodeInvalidEmail, "the email address is not valid")
	}
	if u.PasswordHash != "" {
		if _, err := password.Parse(u.PasswordHash); err != nil {
			return User{}, invalidArgument("passwordHash", "the password hash cannot be used: "+err.Error())
		}
	}
	if err := checkProfile(u); err != nil {
		return User{}, err
	}
	if err := checkClaims(u.CustomClaims); err != nil {
		return User{}, err
	}
	if u.Attributes, err = mergeAttributes(nil, u.Attributes); err != nil {
		return User{}, err
	}
	now := a.now()
	u.Project, u.Author, u.Email, u.Roles, u.UpdatedAt = c.Project.ID, u.ID, email, nil, now
	if u.CreatedAt.IsZero() || u.CreatedAt.After(now) {
		u.CreatedAt = now
	}
	u.EmailVerified = u.EmailVerified && !email.IsZero()
	return u, nil
}

// importConflict tells whether the very user is there already, or fails with CodeConflict where something else has its uid or email.
func importConflict(ctx context.Context, r Reader, u User, seen importSeen) (exists bool, err error) {
	if seen.ids[u.ID] {
		return false, newError(CodeConflict, "the uid stands twice in the file")
	}
	stored, err := r.GetUser(ctx, u.Project, u.ID)
	if err == nil && stored.Email == u.Email {
		return true, nil
	}
	if err == nil {
		return false, newError(CodeConflict, "the uid belongs to a user with another email address")
	}
	if !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if u.Email.IsZero() {
		return false, nil
	}
	if seen.emails[u.Email] {
		return false, newError(CodeConflict, "the email address stands twice in the file")
	}
	if _, err := r.GetUserByEmail(ctx, u.Project, u.Email); err == nil {
		return false, newError(CodeConflict, "the email address is in use by another user")
	} else if !errors.Is(err, ErrNotFound) {
		return false, err
	}
	return false, nil
}

func (a *Admin) createImported(ctx context.Context, tx Tx, u User, pu PortableUser) error {
	for _, name := range pu.RoleNames {
		role, err := a.roleByName(ctx, tx, u.Project, name)
		if err != nil {
			return err
		}
		if !u.HasRole(role) {
			u.Roles = append(u.Roles, role)
		}
	}
	if err := tx.CreateUser(ctx, u); err != nil {
		return err
	}
	for _, i := range pu.Identities {
		i.Project, i.User = u.Project, u.ID
		if i.CreatedAt.IsZero() {
			i.CreatedAt = u.CreatedAt
		}
		if err := tx.CreateIdentity(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (a *Admin) roleByName(ctx context.Context, tx Tx, p ProjectID, name string) (RoleID, error) {
	role, err := tx.GetRoleByName(ctx, p, name)
	if err == nil {
		return role.ID, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	id, err := a.newID()
	if err != nil {
		return "", err
	}
	return RoleID(id), tx.CreateRole(ctx, Role{Project: p, ID: RoleID(id), Name: name, CreatedAt: a.now()})
}

func countImported(report *ImportReport, p *Project, u User, identities int) {
	report.Created++
	if u.PasswordHash != "" {
		if e, err := password.Parse(u.PasswordHash); err == nil {
			report.PasswordKinds[e.Format()]++
		}
	}
	switch {
	case u.Blocked():
		report.CannotSignIn["disabled"]++
	case u.PasswordHash == "" && identities == 0:
		report.CannotSignIn["no password and no identity"]++
	case u.PasswordHash != "" && u.Email.IsZero() && identities == 0:
		report.CannotSignIn["a password but no email address"]++
	case identities == 0 && !p.Settings.PasswordProvider:
		report.CannotSignIn["only a password, and the password provider is off"]++
	default:
		report.CanSignIn++
	}
}

// ExportUsers gives up to limit accounts whole, with their password hashes, in the order of their uids after the given one.
func (a *Admin) ExportUsers(ctx context.Context, c Caller, after UserID, limit int) ([]PortableUser, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	if err := c.notConsole(); err != nil {
		return nil, err
	}
	users, err := a.store.SearchUsers(ctx, c.Project.ID, UserSearch{After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	roles, err := a.store.ListRoles(ctx, c.Project.ID)
	if err != nil {
		return nil, err
	}
	names := make(map[RoleID]string, len(roles))
	for _, r := range roles {
		names[r.ID] = r.Name
	}
	batch := make([]PortableUser, len(users))
	for i, u := range users {
		batch[i].User = u
		for _, r := range u.Roles {
			batch[i].RoleNames = append(batch[i].RoleNames, names[r])
		}
		if batch[i].Identities, err = a.store.ListIdentities(ctx, u.Project, u.ID); err != nil {
			return nil, err
		}
	}
	err = a.store.Update(ctx, func(tx Tx) error {
		return a.audit(ctx, tx, c, EventUsersExported, OutcomeAllowed, "", "users", fmt.Sprint(len(batch)))
	})
	if err != nil {
		return nil, err
	}
	return batch, nil
}

// SendReset mails a user a password reset link in an admin's name. It fails with CodeNoUserForID, CodePasswordProviderOff and CodeTooManyAttempts.
func (a *Admin) SendReset(ctx context.Context, c Caller, id UserID) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	if !c.Project.Settings.PasswordProvider {
		return errPasswordProviderOff
	}
	u, err := a.userByID(ctx, c, id)
	if err != nil {
		return err
	}
	if u.Email.IsZero() {
		return invalidArgument("uid", "the user has no email address")
	}
	return a.commitMail(ctx, func(tx Tx) error {
		if err := a.queueReset(ctx, tx, c, u); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventResetRequested, OutcomeAllowed, u.ID)
	})
}

// Stats is a project in numbers.
type Stats struct {
	Users     int
	CreatedAt time.Time
}

// ProjectStats counts.
func (a *Admin) ProjectStats(ctx context.Context, c Caller) (Stats, error) {
	if err := c.requireAdmin(); err != nil {
		return Stats{}, err
	}
	n, err := a.store.CountUsers(ctx, c.Project.ID)
	return Stats{Users: n, CreatedAt: c.Project.CreatedAt}, err
}
