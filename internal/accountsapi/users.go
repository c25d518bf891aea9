package accountsapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// timeFormat is RFC 3339 as exact as instants are kept, so that a where with a time that was read finds it.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// attributesOf are a user's columns in the users table. Custom ones go in first, so that they can shadow nothing.
func attributesOf(u auth.User) map[string]any {
	attributes := maps.Clone(u.Attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	roles := make([]string, len(u.Roles))
	for i, r := range u.Roles {
		roles[i] = string(r)
	}
	attributes["email"] = string(u.Email)
	attributes["name"] = u.Name
	attributes["roles"] = roles
	attributes["createdAt"] = u.CreatedAt.UTC().Format(timeFormat)
	attributes["updatedAt"] = u.UpdatedAt.UTC().Format(timeFormat)
	return attributes
}

// recordOf is one user read alone: the attributes and the uid side by side.
func recordOf(u auth.User) map[string]any {
	record := attributesOf(u)
	record["uid"] = string(u.ID)
	return record
}

type listItem struct {
	UID        string         `json:"uid"`
	Attributes map[string]any `json:"attributes"`
}

type listMeta struct {
	Total         int `json:"total"`
	Limit         int `json:"limit"`
	Page          int `json:"page"`
	IncludesCount int `json:"includesCount"`
}

func (a *API) listUsers(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	q, page, err := parseUserQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	done, err := a.lists.enter(r.Context(), listKey{c.Project.ID, c.IsAdmin()})
	if err != nil {
		return err
	}
	defer done() // when the page is sent: until then it is in memory
	users, total, err := a.service.QueryUsers(r.Context(), c, q)
	if err != nil {
		return err
	}
	items := make([]listItem, len(users))
	for i, u := range users {
		items[i] = listItem{string(u.ID), attributesOf(u)}
		items[i].Attributes["author"] = string(u.Author)
	}
	return web.WriteJSON(w, http.StatusOK, struct {
		Meta listMeta   `json:"meta"`
		Data []listItem `json:"data"`
	}{listMeta{Total: total, Limit: q.Limit, Page: page}, items})
}

func (a *API) getUser(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	u, err := a.service.GetUser(r.Context(), c, auth.UserID(r.PathValue("uid")))
	if err != nil {
		return noRecord(err)
	}
	return writeData(w, recordOf(u))
}

// noRecord is the table's own answer for a record that is not there.
func noRecord(err error) error {
	if auth.CodeOf(err) == auth.CodeNoUserForID {
		return &web.Error{Status: http.StatusNotFound, Detail: answers[auth.CodeNoUserForID].detail, Cause: err}
	}
	return err
}

func (a *API) updateUser(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	uid := r.PathValue("uid")
	patch, err := decodePatch(r, uid)
	if err != nil {
		return err
	}
	u, err := a.service.UpdateUser(r.Context(), c, auth.UserID(uid), patch)
	if err != nil {
		return noRecord(err)
	}
	return writeData(w, recordOf(u))
}

// readOnly are attributes that answers show and nobody writes: a client that sends a whole record back loses nothing.
var readOnly = []string{"author", "createdAt", "updatedAt"}

// protected are what an attribute must not be called: a client that writes one of them takes it for the account's own.
var protected = []string{
	"uid", "email", "emailVerified", "disabled", "roles", "customClaims", "password", "newPassword", "oldPassword", "passwordHash",
}

// checkNames refuses custom attributes with a protected name, however it is capitalized. null is allowed: it can only remove.
func checkNames(attributes map[string]any) error {
	for name, value := range attributes {
		if value != nil && slices.ContainsFunc(protected, func(p string) bool { return strings.EqualFold(p, name) }) {
			return &web.Error{Status: http.StatusUnprocessableEntity, Detail: fmt.Sprintf("The field %q cannot be an attribute", name), Field: name}
		}
	}
	return nil
}

func decodePatch(r *http.Request, uid string) (auth.UserPatch, error) {
	var known struct {
		UID           *string   `json:"uid"`
		Name          *string   `json:"name"`
		Email         *string   `json:"email"`
		EmailVerified *bool     `json:"emailVerified"`
		Disabled      *bool     `json:"disabled"`
		Roles         *[]string `json:"roles"`
	}
	attributes := map[string]any{}
	if err := decodeTwice(r, &known, &attributes); err != nil {
		return auth.UserPatch{}, err
	}
	if known.UID != nil && *known.UID != uid {
		return auth.UserPatch{}, &web.Error{Status: http.StatusUnprocessableEntity, Detail: `The field "uid" cannot be changed`, Field: "uid"}
	}
	for _, name := range []string{"uid", "name", "email", "emailVerified", "disabled", "roles"} {
		delete(attributes, name)
	}
	for _, name := range readOnly {
		delete(attributes, name)
	}
	if err := checkNames(attributes); err != nil {
		return auth.UserPatch{}, err
	}
	return auth.UserPatch{
		Name: known.Name, Email: known.Email, EmailVerified: known.EmailVerified, Disabled: known.Disabled, Roles: known.Roles, Attributes: attributes,
	}, nil
}

func (a *API) deleteUser(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	return done(w, noRecord(a.service.DeleteUser(r.Context(), c, auth.UserID(r.PathValue("uid")))))
}
