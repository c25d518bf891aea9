package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// maxPageBytes bounds one page of the users table: it is held whole until it is sent (P54).
const maxPageBytes = 8 << 20

// QueryUsers gives one page of the users table and the number of all records that match, to whom usersListPermission lets. With author, users see only themselves.
// It fails with CodeInvalidArgument where the page takes more than 8 MiB.
func (s *Service) QueryUsers(ctx context.Context, c Caller, q UserQuery) ([]User, int, error) {
	permission := c.Project.Settings.UsersListPermission
	if permission.Kind == PermitAuthor && !c.IsAdmin() {
		user, _, err := c.requireUser()
		if err != nil {
			return nil, 0, err
		}
		q.Only = user.ID
	} else if err := s.permit(ctx, c, EventUserRead, "", permission); err != nil {
		return nil, 0, err
	}
	q.MaxBytes = maxPageBytes
	users, total, err := s.store.QueryUsers(ctx, c.Project.ID, q)
	if errors.Is(err, ErrTooLarge) {
		return nil, 0, invalidArgument("limit", "the page is too large; ask for fewer with limit")
	}
	return users, total, err
}

func (s *Service) rolesOf(ctx context.Context, c Caller) func() ([]Role, error) {
	return func() ([]Role, error) { return s.store.ListRoles(ctx, c.Project.ID) }
}

// permit checks a permission about one record, and writes a refusal down.
func (s *Service) permit(ctx context.Context, c Caller, event Event, id UserID, permission Permission) error {
	err := permission.check(c, id, s.rolesOf(ctx, c))
	switch CodeOf(err) {
	case CodePermissionDenied, CodeAdminRequired:
		return s.deny(ctx, c, event, id, AsError(err))
	}
	return err
}

// GetUser gives one record of the users table, to whom usersGetPermission lets. It fails with CodeNoUserForID.
func (s *Service) GetUser(ctx context.Context, c Caller, id UserID) (User, error) {
	if err := s.permit(ctx, c, EventUserRead, id, c.Project.Settings.UsersGetPermission); err != nil {
		return User{}, err
	}
	if c.user != nil && c.user.ID == id { // read when the caller was authenticated
		return *c.user, nil
	}
	return s.userByID(ctx, c, id)
}

// UserPatch is what shall change; nil fields stay. Attributes are merged: a nil value removes one (RFC 7396).
// Everything but Name, Picture, Locale and Attributes changes only by admin; a value that is already so is no change.
type UserPatch struct {
	Name          *string
	Picture       *string
	Locale        *string
	Attributes    map[string]any
	Email         *string // as typed; "" removes it
	EmailVerified *bool
	Disabled      *bool
	Roles         *[]string // names or uids
	AddRoles      []string  // likewise; with RemoveRoles, for changes that must not lose each other
	RemoveRoles   []string
	CustomClaims  *map[string]any
	Password      *string
}

// UpdateUser changes one record of the users table, for whom usersUpdatePermission lets. It fails with CodeNoUserForID, CodeAdminRequired, CodeInvalidArgument, CodeInvalidEmail,
// CodeEmailInUse, CodeWeakPassword, CodeTooManyAttempts and CodeUnavailable.
func (s *Service) UpdateUser(ctx context.Context, c Caller, id UserID, patch UserPatch) (User, error) {
	if err := c.notConsole(); err != nil && c.IsAdmin() {
		return User{}, err
	}
	if err := s.permit(ctx, c, EventUserUpdated, id, c.Project.Settings.UsersUpdatePermission); err != nil {
		return User{}, err
	}
	before, err := s.userByID(ctx, c, id)
	if err != nil {
		return User{}, err
	}
	hash, err := s.patchedPassword(ctx, c, before, patch)
	if err != nil {
		return User{}, err
	}
	var u User
	err = s.commitMail(ctx, func(tx Tx) error {
		if err := s.takeChange(ctx, tx, c, id); err != nil {
			return err
		}
		stored, err := tx.GetUser(ctx, c.Project.ID, id)
		if errors.Is(err, ErrNotFound) {
			return newError(CodeNoUserForID, "there is no such user")
		}
		if err != nil {
			return err
		}
		patch, err := ownRoles(c, stored, patch)
		if err != nil {
			return err
		}
		if u, err = s.applyPatch(ctx, tx, stored, patch); err != nil {
			return err
		}
		if hash != "" {
			u.PasswordHash, u.PasswordUpdatedAt = hash, s.now()
		}
		u, err = s.writePatched(ctx, tx, c, stored, u)
		return err
	})
	if errors.Is(err, ErrConflict) {
		return User{}, s.deny(ctx, c, EventUserUpdated, id, errEmailInUse)
	}
	if CodeOf(err) == CodeAdminRequired {
		return User{}, s.deny(ctx, c, EventUserUpdated, id, AsError(err))
	}
	return u, s.limited(ctx, c, EventUserUpdated, err)
}

// takeChange counts one change of a record by one caller, since each is a durable write and may write a user's whole index anew (P54). An admin's are not limited.
func (s *Service) takeChange(ctx context.Context, tx Tx, c Caller, id UserID) error {
	if c.IsAdmin() {
		return nil
	}
	by := cmp.Or(c.actorID(), source(c.Addr))
	return takeLimit(ctx, tx, c.Project.ID, "change/"+string(id)+"/"+by, s.now(), 100*time.Millisecond, 1000)
}

// ownRoles refuses a user's change of roles before any name is looked up, so that names cannot be probed; the same roles again are no change.
func ownRoles(c Caller, u User, patch UserPatch) (UserPatch, error) {
	if c.IsAdmin() {
		return patch, nil
	}
	same := patch.Roles == nil || slices.EqualFunc(*patch.Roles, u.Roles, func(a string, b RoleID) bool { return a == string(b) })
	if !same || len(patch.AddRoles) > 0 || len(patch.RemoveRoles) > 0 {
		return patch, newError(CodeAdminRequired, "roles change only by admin")
	}
	patch.Roles = nil
	return patch, nil
}

func (s *Service) patchedPassword(ctx context.Context, c Caller, u User, patch UserPatch) (string, error) {
	if patch.Password == nil {
		return "", nil
	}
	if err := c.requireAdmin(); err != nil {
		return "", s.deny(ctx, c, EventUserUpdated, u.ID, AsError(err))
	}
	return s.hashPassword(ctx, c.Project, u.Email, *patch.Password, u.Name)
}

// applyPatch gives the user as the patch would have it, checked.
func (s *Service) applyPatch(ctx context.Context, r Reader, u User, patch UserPatch) (User, error) {
	setString(&u.Name, patch.Name)
	setString(&u.Picture, patch.Picture)
	setString(&u.Locale, patch.Locale)
	if err := checkProfile(u); err != nil {
		return User{}, err
	}
	if patch.Email != nil && *patch.Email != string(u.Email) {
		email, err := optionalEmail(*patch.Email)
		if err != nil {
			return User{}, err
		}
		if email != u.Email {
			u.Email, u.EmailVerified = email, false
		}
	}
	if patch.EmailVerified != nil {
		u.EmailVerified = *patch.EmailVerified && !u.Email.IsZero()
	}
	if patch.Disabled != nil {
		u.Disabled = *patch.Disabled
	}
	if patch.Roles != nil {
		roles, err := resolveRoles(ctx, r, u.Project, *patch.Roles)
		if err != nil {
			return User{}, err
		}
		u.Roles = roles
	}
	roles, err := changeRoles(ctx, r, u, patch.AddRoles, patch.RemoveRoles)
	if err != nil {
		return User{}, err
	}
	u.Roles = roles
	if patch.CustomClaims != nil {
		if err := checkClaims(*patch.CustomClaims); err != nil {
			return User{}, err
		}
		u.CustomClaims = *patch.CustomClaims
	}
	attributes, err := mergeAttributes(u.Attributes, patch.Attributes)
	u.Attributes = attributes
	return u, err
}

func changeRoles(ctx context.Context, r Reader, u User, add, remove []string) ([]RoleID, error) {
	added, err := resolveRoles(ctx, r, u.Project, add)
	if err != nil {
		return nil, err
	}
	removed, err := resolveRoles(ctx, r, u.Project, remove)
	if err != nil {
		return nil, err
	}
	roles := slices.DeleteFunc(slices.Clone(u.Roles), func(id RoleID) bool { return slices.Contains(removed, id) })
	for _, id := range added {
		if !slices.Contains(roles, id) {
			roles = append(roles, id)
		}
	}
	return roles, nil
}

func setString(field *string, value *string) {
	if value != nil {
		*field = *value
	}
}

func optionalEmail(typed string) (Email, error) {
	if typed == "" {
		return "", nil
	}
	return ParseEmail(typed)
}

// writePatched stores a patched user with all that follows from the change, and gives it as stored.
func (s *Service) writePatched(ctx context.Context, tx Tx, c Caller, before, u User) (User, error) {
	protected := before.Email != u.Email || before.EmailVerified != u.EmailVerified || before.Disabled != u.Disabled || before.PasswordHash != u.PasswordHash ||
		!slices.Equal(before.Roles, u.Roles) || !sameJSON(before.CustomClaims, u.CustomClaims)
	if protected {
		if err := c.requireAdmin(); err != nil {
			return User{}, newError(CodeAdminRequired, "roles, email, disabled, emailVerified, claims and password change only by admin")
		}
	}
	if u.EmailVerified {
		u.VerificationRequired = false
	}
	u.UpdatedAt = s.now()
	if err := tx.UpdateUser(ctx, u); err != nil {
		return User{}, err
	}
	if before.Email != u.Email || before.PasswordHash != u.PasswordHash || (u.Disabled && !before.Disabled) {
		if err := s.endSessions(ctx, tx, u, ""); err != nil {
			return User{}, err
		}
		if c.IsAdmin() { // a rescue must not be undone by links that went to others before (P7)
			if err := tx.VoidOOBCodes(ctx, u.Project, u.ID); err != nil {
				return User{}, err
			}
		}
		if err := s.tellPatched(ctx, tx, c, before, u); err != nil {
			return User{}, err
		}
	}
	event := EventUserUpdated
	switch {
	case u.Disabled && !before.Disabled:
		event = EventUserDisabled
	case !u.Disabled && before.Disabled:
		event = EventUserEnabled
	}
	return u, s.audit(ctx, tx, c, event, OutcomeAllowed, u.ID)
}

// tellPatched mails the user what an admin changed of its ways in, at the address that it had.
func (s *Service) tellPatched(ctx context.Context, tx Tx, c Caller, before, u User) error {
	if before.Email.IsZero() {
		return nil
	}
	if before.PasswordHash != u.PasswordHash {
		if err := s.tellOwner(ctx, tx, c, MailPasswordChanged, before, nil); err != nil {
			return err
		}
	}
	if before.Email != u.Email {
		return s.queueUnlimited(ctx, tx, c, MailEmailChanged, before.Email, before, MailData{NewEmail: string(u.Email)})
	}
	return nil
}

func sameJSON(a, b map[string]any) bool {
	return (len(a) == 0 && len(b) == 0) || reflect.DeepEqual(a, b)
}

// DeleteUser removes a user and everything of it, for whom usersDeletePermission lets. It fails with CodeNoUserForID.
func (s *Service) DeleteUser(ctx context.Context, c Caller, id UserID) error {
	if err := c.notConsole(); err != nil {
		return err
	}
	if err := s.permit(ctx, c, EventUserDeleted, id, c.Project.Settings.UsersDeletePermission); err != nil {
		return err
	}
	err := s.store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteUser(ctx, c.Project.ID, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventUserDeleted, OutcomeAllowed, id)
	})
	if errors.Is(err, ErrNotFound) {
		return newError(CodeNoUserForID, "there is no such user")
	}
	return err
}

// Bounds of what is kept beside an account.
const (
	maxProfileBytes    = 1024 // name and picture, each
	maxAttributeName   = 64
	maxUserID          = 128 // imported ones; ours have userIDChars
	maxAttributes      = 100
	maxAttributesBytes = 32 << 10
	maxArrayElements   = 500  // of one attribute
	maxIndexedValues   = 1000 // attributes and the elements of their arrays: each is a row that queries look at
	maxClaimsBytes     = 1000 // as in the service that tokens are shaped after
)

func checkProfile(u User) error {
	for field, value := range map[string]string{"name": u.Name, "picture": u.Picture, "locale": u.Locale} {
		if err := checkText(field, value, maxProfileBytes); err != nil {
			return err
		}
	}
	return nil
}

// checkClaims refuses reserved names and what would make tokens too large (P24).
func checkClaims(claims map[string]any) error {
	for name := range claims {
		if name == "" || token.Reserved(name) {
			return invalidArgument("customClaims", fmt.Sprintf("the claim name %q is reserved", clip(name, 60)))
		}
	}
	if b, err := json.Marshal(claims); err != nil || len(b) > maxClaimsBytes {
		return invalidArgument("customClaims", fmt.Sprintf("custom claims take more than %d bytes of JSON", maxClaimsBytes))
	}
	return checkTexts("customClaims", claims)
}

func mergeAttributes(stored, patch map[string]any) (map[string]any, error) {
	if len(patch) == 0 {
		return stored, nil
	}
	merged := maps.Clone(stored)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, value := range patch {
		if name == "" || len(name) > maxAttributeName {
			return nil, invalidArgument(clip(name, maxAttributeName), fmt.Sprintf("an attribute's name has 1 to %d bytes", maxAttributeName))
		}
		if value == nil {
			delete(merged, name)
			continue
		}
		merged[name] = value
	}
	if len(merged) > maxAttributes {
		return nil, invalidArgument("attributes", fmt.Sprintf("a user has at most %d attributes", maxAttributes))
	}
	if b, err := json.Marshal(merged); err != nil || len(b) > maxAttributesBytes {
		return nil, invalidArgument("attributes", fmt.Sprintf("a user's attributes take more than %d bytes of JSON", maxAttributesBytes))
	}
	if err := checkIndexed(merged); err != nil {
		return nil, err
	}
	return merged, checkTexts("attributes", merged)
}

// checkIndexed bounds what one change writes into the index of the attributes, while everybody else's changes wait.
func checkIndexed(attributes map[string]any) error {
	values := len(attributes)
	for name, value := range attributes {
		elements, _ := value.([]any)
		if len(elements) > maxArrayElements {
			return invalidArgument(name, fmt.Sprintf("the array %q has more than %d elements", name, maxArrayElements))
		}
		values += len(elements)
	}
	if values > maxIndexedValues {
		return invalidArgument("attributes", fmt.Sprintf("a user's attributes and the elements of their arrays are more than %d", maxIndexedValues))
	}
	return nil
}
