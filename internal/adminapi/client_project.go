package adminapi

import (
	"context"
	"time"
)

// GetProject gives a project with its numbers.
func (c *Client) GetProject(ctx context.Context, project string) (ProjectDetails, error) {
	return fetch[ProjectDetails](ctx, c, "GET", nil, "projects", project)
}

// UpdateProject changes a project's name, preset and settings.
func (c *Client) UpdateProject(ctx context.Context, project string, patch ProjectPatch) (Project, error) {
	return fetch[Project](ctx, c, "PATCH", patch, "projects", project)
}

// DeleteProject removes a project and everything of it.
func (c *Client) DeleteProject(ctx context.Context, project string) error {
	return c.do(ctx, "DELETE", nil, "projects", project)
}

// RotateAdminToken replaces the project's admin token.
func (c *Client) RotateAdminToken(ctx context.Context, project string) (AdminToken, error) {
	return fetch[AdminToken](ctx, c, "POST", nil, "projects", project, "admin-token")
}

// ProjectSettings lists every setting as it stands in the project.
func (c *Client) ProjectSettings(ctx context.Context, project string) (ProjectSettingList, error) {
	return fetch[ProjectSettingList](ctx, c, "GET", nil, "projects", project, "settings")
}

// ListRoles lists the project's roles by name.
func (c *Client) ListRoles(ctx context.Context, project string) (RoleList, error) {
	return fetch[RoleList](ctx, c, "GET", nil, "projects", project, "roles")
}

// CreateRole makes a role.
func (c *Client) CreateRole(ctx context.Context, project, name string) (Role, error) {
	return fetch[Role](ctx, c, "POST", NewRole{name}, "projects", project, "roles")
}

// DeleteRole takes a role, by name or uid, from the project and its users.
func (c *Client) DeleteRole(ctx context.Context, project, role string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "roles", role)
}

// ListSessions gives the page of the project's living sessions after a cursor, "" for the first. limit 0 is 50.
func (c *Client) ListSessions(ctx context.Context, project, after string, limit int) (SessionList, error) {
	return fetchList[SessionList](ctx, c, params("after", after, "limit", limitParam(limit)), "projects", project, "sessions")
}

// RevokeSession ends one session.
func (c *Client) RevokeSession(ctx context.Context, project, session string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "sessions", session)
}

// ListKeys lists the project's signing keys, the newest first.
func (c *Client) ListKeys(ctx context.Context, project string) (KeyList, error) {
	return fetch[KeyList](ctx, c, "GET", nil, "projects", project, "keys")
}

// RotateKey makes a new key the one that signs, and gives it.
func (c *Client) RotateKey(ctx context.Context, project string) (Key, error) {
	return fetch[Key](ctx, c, "POST", nil, "projects", project, "keys")
}

// WithdrawKey removes a retired key at once.
func (c *Client) WithdrawKey(ctx context.Context, project, kid string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "keys", kid)
}

// ListProviders lists the project's identity providers by id.
func (c *Client) ListProviders(ctx context.Context, project string) (ProviderList, error) {
	return fetch[ProviderList](ctx, c, "GET", nil, "projects", project, "providers")
}

// GetProvider gives one identity provider, such as google.com.
func (c *Client) GetProvider(ctx context.Context, project, id string) (Provider, error) {
	return fetch[Provider](ctx, c, "GET", nil, "projects", project, "providers", id)
}

// PutProvider configures an identity provider: one that is there is changed, one that is not is made.
func (c *Client) PutProvider(ctx context.Context, project, id string, change ProviderChange) (Provider, error) {
	return fetch[Provider](ctx, c, "PUT", change, "projects", project, "providers", id)
}

// DeleteProvider ends signing in at an identity provider.
func (c *Client) DeleteProvider(ctx context.Context, project, id string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "providers", id)
}

// CheckProvider tries what can be tried of an identity provider's settings without a user.
func (c *Client) CheckProvider(ctx context.Context, project, id string) (ProviderCheck, error) {
	return fetch[ProviderCheck](ctx, c, "POST", nil, "projects", project, "providers", id, "check")
}

// MailFilter restricts a list of mails. Empty fields do not.
type MailFilter struct {
	State   string // queued, working, sent, kept or dead
	Content bool   // with the mails' messages, which is written to the audit log
	Before  string // the Next of the page before
	Limit   int    // 0: 50; at most 1000
}

// ListMail gives a page of a project's mails, newest first; with project "" of the whole instance.
func (c *Client) ListMail(ctx context.Context, project string, f MailFilter) (MailList, error) {
	query := params("state", f.State, "before", f.Before, "limit", limitParam(f.Limit))
	if f.Content {
		query.Set("content", "true")
	}
	return fetchList[MailList](ctx, c, query, scoped(project, "mail")...)
}

// scoped is the path of something that projects have, and the instance too.
func scoped(project, what string) []string {
	if project == "" {
		return []string{what}
	}
	return []string{"projects", project, what}
}

// ReadMail gives a mail with its content.
func (c *Client) ReadMail(ctx context.Context, project, id string) (MailMessage, error) {
	return fetch[MailMessage](ctx, c, "GET", nil, "projects", project, "mail", id)
}

// RetryMail sends a kept or dead mail (again).
func (c *Client) RetryMail(ctx context.Context, project, id string) error {
	return c.do(ctx, "POST", nil, "projects", project, "mail", id, "retry")
}

// DeleteMail removes a mail.
func (c *Client) DeleteMail(ctx context.Context, project, id string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "mail", id)
}

// ListMailTemplates lists the project's own templates.
func (c *Client) ListMailTemplates(ctx context.Context, project string) (MailTemplateList, error) {
	return fetch[MailTemplateList](ctx, c, "GET", nil, "projects", project, "mail-templates")
}

// PutMailTemplate creates or replaces one of the project's templates.
func (c *Client) PutMailTemplate(ctx context.Context, project, kind, language string, parts MailTemplateParts) error {
	return c.do(ctx, "PUT", parts, "projects", project, "mail-templates", kind, language)
}

// DeleteMailTemplate goes back to the built-in template.
func (c *Client) DeleteMailTemplate(ctx context.Context, project, kind, language string) error {
	return c.do(ctx, "DELETE", nil, "projects", project, "mail-templates", kind, language)
}

// AuditFilter restricts a list of audit records. Empty fields do not.
type AuditFilter struct {
	Event   string // noun.verb, such as user.sign_in
	User    string // uid whom it is about
	Outcome string // allowed or denied

	Actor     string // anonymous, user, admin, operator or system
	ActorID   string // uid, or the operator token's name
	Address   string // IP address
	Reference string // that was told to whom it happened

	Since  time.Time
	Until  time.Time
	Before string // the Next of the page before
	Limit  int    // 0: 50; at most 1000
}

// ListAudit gives a page of a project's audit records, newest first; with project "" of the whole instance.
func (c *Client) ListAudit(ctx context.Context, project string, f AuditFilter) (AuditList, error) {
	query := params("event", f.Event, "user", f.User, "outcome", f.Outcome, "since", instantParam(f.Since), "until", instantParam(f.Until),
		"actor", f.Actor, "actorId", f.ActorID, "address", f.Address, "reference", f.Reference,
		"before", f.Before, "limit", limitParam(f.Limit))
	return fetchList[AuditList](ctx, c, query, scoped(project, "audit")...)
}

// Explain gives the decisions of the request that a reference names, oldest first: about a project, or with project "" about whichever it was.
func (c *Client) Explain(ctx context.Context, project, reference string) (DecisionList, error) {
	return fetch[DecisionList](ctx, c, "GET", nil, append(scoped(project, "decisions"), reference)...)
}
