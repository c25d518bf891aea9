package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// SearchUsers gives a page of users in the order of their uids.
func (c *Client) SearchUsers(ctx context.Context, project string, s UserSearch) (UserList, error) {
	query := params("email", s.Email, "emailPrefix", s.EmailPrefix, "role", s.Role, "state", s.State, "provider", s.Provider,
		"emailVerified", boolParam(s.EmailVerified), "secondFactor", boolParam(s.SecondFactor), "createdSince", instantParam(s.CreatedSince),
		"createdUntil", instantParam(s.CreatedUntil), "after", s.After, "limit", limitParam(s.Limit))
	return fetchList[UserList](ctx, c, query, "projects", project, "users")
}

// CreateUser makes an account.
func (c *Client) CreateUser(ctx context.Context, project string, nu NewUser) (User, error) {
	return fetch[User](ctx, c, "POST", nu, "projects", project, "users")
}

// GetUser gives an account with its identities.
func (c *Client) GetUser(ctx context.Context, project, uid string) (UserDetails, error) {
	return fetch[UserDetails](ctx, c, "GET", nil, "projects", project, "users", uid)
}

// UpdateUser changes an account.
func (c *Client) UpdateUser(ctx context.Context, project, uid string, patch UserPatch) (User, error) {
	return fetch[User](ctx, c, "PATCH", patch, "projects", project, "users", uid)
}

// DeleteUser removes an account and everything of it.
func (c *Client) DeleteUser(ctx context.Context, project, uid string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "users", uid)
}

// DisableUser keeps an account from signing in, and ends its sessions.
func (c *Client) DisableUser(ctx context.Context, project, uid string) (User, error) {
	return fetch[User](ctx, c, "POST", nil, "projects", project, "users", uid, "disable")
}

// EnableUser undoes DisableUser; the sessions stay ended.
func (c *Client) EnableUser(ctx context.Context, project, uid string) (User, error) {
	return fetch[User](ctx, c, "POST", nil, "projects", project, "users", uid, "enable")
}

// SendPasswordReset mails a user a password reset link.
func (c *Client) SendPasswordReset(ctx context.Context, project, uid string) error {
	return c.do(ctx, "POST", nil, "projects", project, "users", uid, "send-password-reset")
}

// SendVerification mails a user the link that proves the address.
func (c *Client) SendVerification(ctx context.Context, project, uid string) error {
	return c.do(ctx, "POST", nil, "projects", project, "users", uid, "send-verification")
}

// BulkUsers does the same to up to 1000 users.
func (c *Client) BulkUsers(ctx context.Context, project string, bulk Bulk) (BulkReport, error) {
	return fetch[BulkReport](ctx, c, "POST", bulk, "projects", project, "users", "bulk")
}

// UserSessions gives the page of a user's living sessions after a cursor, "" for the first. limit 0 is 50.
func (c *Client) UserSessions(ctx context.Context, project, uid, after string, limit int) (SessionList, error) {
	query := params("after", after, "limit", limitParam(limit))
	return fetchList[SessionList](ctx, c, query, "projects", project, "users", uid, "sessions")
}

// RevokeUserSessions ends all sessions of a user.
func (c *Client) RevokeUserSessions(ctx context.Context, project, uid string) (RevokedSessions, error) {
	return fetch[RevokedSessions](ctx, c, "DELETE", nil, "projects", project, "users", uid, "sessions")
}

// SecondFactors lists a user's confirmed second factors.
func (c *Client) SecondFactors(ctx context.Context, project, uid string) (SecondFactorList, error) {
	return fetch[SecondFactorList](ctx, c, "GET", nil, "projects", project, "users", uid, "second-factors")
}

// ResetSecondFactors removes all second factors and recovery codes of a user who lost them, and ends the user's sessions.
func (c *Client) ResetSecondFactors(ctx context.Context, project, uid string) (RemovedSecondFactors, error) {
	return fetch[RemovedSecondFactors](ctx, c, "DELETE", nil, "projects", project, "users", uid, "second-factors")
}

// AssignRole gives a user a role, by name or uid.
func (c *Client) AssignRole(ctx context.Context, project, uid, role string) (User, error) {
	return fetch[User](ctx, c, "POST", RoleRef{role}, "projects", project, "users", uid, "roles")
}

// UnassignRole takes a role, by name or uid, from a user.
func (c *Client) UnassignRole(ctx context.Context, project, uid, role string) (User, error) {
	return fetch[User](ctx, c, "DELETE", nil, "projects", project, "users", uid, "roles", role)
}

// InviteUser creates an account that waits for its owner, and mails the invite.
func (c *Client) InviteUser(ctx context.Context, project string, invite Invite) (User, error) {
	return fetch[User](ctx, c, "POST", invite, "projects", project, "invites")
}

// ImportOptions say how the lines of an import are to be read.
type ImportOptions struct {
	DryRun     bool
	Format     string              // FormatDoorward, which "" is too, or FormatFirebase
	HashConfig *FirebaseHashConfig // of FormatFirebase, where users have passwords
}

// ImportUsers sends one batch: up to MaxImportLines users, one a line, of at most MaxImportBytes altogether. The report counts lines from 1.
func (c *Client) ImportUsers(ctx context.Context, project string, o ImportOptions, lines io.Reader) (ImportReport, error) {
	query := params("format", o.Format)
	if o.DryRun {
		query.Set("dryRun", "true")
	}
	if o.HashConfig != nil {
		head, err := json.Marshal(HashConfigLine{HashConfig: *o.HashConfig})
		if err != nil {
			return ImportReport{}, fmt.Errorf("encode hashConfig: %w", err)
		}
		lines = io.MultiReader(bytes.NewReader(append(head, '\n')), lines)
	}
	var report ImportReport
	err := c.decode(ctx, call{
		method: http.MethodPost, path: []string{"projects", project, "users", "import"}, query: query, contentType: ndjson, body: lines,
	}, &report)
	return report, err
}

// ExportUsers writes one batch of up to limit users to w, one PortableUser a line, and gives the cursor for the next batch, "" after the last. after "" is the
// first batch; limit 0 is 50, and 1000 the most. The lines hold password hashes.
func (c *Client) ExportUsers(ctx context.Context, project, after string, limit int, w io.Writer) (next string, err error) {
	query := params("after", after, "limit", limitParam(limit))
	resp, err := c.send(ctx, call{method: "GET", path: []string{"projects", project, "users", "export"}, query: query})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	return resp.Header.Get(NextHeader), nil
}
