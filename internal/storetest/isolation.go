package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// fill puts one of everything into a project, with the same ids in each.
func fill(ctx context.Context, tx auth.Tx, p auth.ProjectID) error {
	return errors.Join(
		tx.CreateProject(ctx, auth.Project{ID: p, SecretsSealed: []byte("secrets"), CreatedAt: now}),
		tx.CreateRole(ctx, auth.Role{Project: p, ID: "role", Name: "editor"}),
		tx.CreateUser(ctx, auth.User{Project: p, ID: anna, Email: "anna@example.com", Roles: []auth.RoleID{"role"}, Attributes: map[string]any{"a": 1.0}, CreatedAt: now}),
		tx.CreateIdentity(ctx, auth.Identity{Project: p, User: anna, ProviderID: "google.com", Subject: "1"}),
		tx.CreateSession(ctx, auth.Session{Project: p, ID: "session", User: anna, CreatedAt: now}),
		tx.AddKnownSource(ctx, p, anna, "192.0.2.7", now),
		tx.CreateRefreshToken(ctx, auth.RefreshToken{Project: p, Hash: []byte("token"), Session: "session", User: anna}),
		tx.CreateBrowserToken(ctx, auth.BrowserToken{Project: p, Hash: []byte("cookie"), Session: "session", CreatedAt: now}),
		tx.CreateSignInCode(ctx, auth.SignInCode{Project: p, Hash: []byte("sign-in"), Session: "session", RedirectURI: "https://app.example/in", ExpiresAt: after(60)}),
		tx.CreateOOBCode(ctx, auth.OOBCode{Project: p, Hash: []byte("code"), User: anna, Purpose: auth.PurposeInvite, ExpiresAt: after(60), ShortID: "typed", ShortSealed: []byte("short")}),
		tx.PutIdentityProvider(ctx, auth.IdentityProvider{Project: p, ID: "google.com", ClientID: "client", SecretSealed: []byte("secret")}),
		tx.CreateSignInFlow(ctx, flowOf(p)),
		tx.CreateSecondFactor(ctx, factorOf(p, "factor", "credential")),
		tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: p, ID: "unconfirmed", User: anna, Kind: auth.FactorTOTP, SecretSealed: []byte("secret"), CreatedAt: now}),
		tx.ReplaceRecoveryCodes(ctx, p, anna, [][]byte{[]byte("recovery")}, now),
		tx.CreatePendingSignIn(ctx, auth.PendingSignIn{Project: p, Hash: []byte("pending"), User: anna, CreatedAt: now, ExpiresAt: after(60)}),
		tx.PutPasskeyChallenge(ctx, challengeOf(p, anna)),
		tx.CreateSigningKey(ctx, auth.SigningKey{Project: p, ID: "key", PublicJWK: []byte("{}"), PrivateSealed: []byte("private")}),
		tx.PutMailTemplate(ctx, auth.MailTemplate{Project: p, Kind: auth.MailInvite, Language: "en", Subject: "Hello"}),
		tx.CreateMail(ctx, auth.OutboxMail{Project: p, ID: "mail", State: auth.MailKept, Sealed: []byte("message")}),
		tx.CreateMail(ctx, auth.OutboxMail{Project: p, ID: "leased", State: auth.MailWorking, LeaseToken: "worker", LeaseUntil: after(60)}),
		tx.CreateWebhook(ctx, auth.Webhook{Project: p, ID: "hook", Kind: auth.WebhookBlocking, URL: "https://app.example/hook", Enabled: true, SecretSealed: []byte("secret")}),
		tx.CreateWebhookDelivery(ctx, auth.WebhookDelivery{Project: p, ID: "event", Webhook: "hook", User: anna, State: auth.DeliveryDead, Payload: "{}"}),
		tx.CreateWebhookDelivery(ctx, auth.WebhookDelivery{Project: p, ID: "leased", Webhook: "hook", User: anna, State: auth.DeliveryWorking, LeaseToken: "worker", LeaseUntil: after(60)}),
		tx.CreateUserImport(ctx, importOf(p)),
		tx.CreateUserImportPart(ctx, auth.UserImportPart{Project: p, ID: "part", Import: "i1", Sealed: []byte("lines")}),
		tx.CreateAudit(ctx, auth.AuditRecord{Project: p, ID: "record", At: now, User: anna}),
		tx.CreateDecision(ctx, decisionOf(p, "decision", anna)),
		tx.CreateDecision(ctx, decisionOf(p, "other", "")),
		second(tx.TakeLimit(ctx, p, "limit", now, time.Hour, 1)),
		second(tx.CountActivity(ctx, p, "recorded", 9)),
	)
}

func flowOf(p auth.ProjectID) auth.SignInFlow {
	return auth.SignInFlow{
		Project: p, ID: "flow", SessionHash: []byte("session"), StateHash: []byte("state"), NonceHash: []byte("nonce"), VerifierSealed: []byte("verifier"),
		ProviderID: "google.com", RedirectURI: "https://app.example/back", CreatedAt: now, ExpiresAt: after(600),
	}
}

func decisionOf(p auth.ProjectID, id auth.AuditID, user auth.UserID) auth.Decision {
	return auth.Decision{Project: p, ID: id, Reference: auth.Reference("REFERENCE-OF-" + id), At: now, Event: auth.EventSignIn, Outcome: auth.OutcomeDenied, User: user}
}

// factorOf is a confirmed passkey of Anna's.
func factorOf(p auth.ProjectID, id auth.SecondFactorID, credential string) auth.SecondFactor {
	return auth.SecondFactor{
		Project: p, ID: id, User: anna, Kind: auth.FactorPasskey, Name: "key", CredentialHash: []byte(credential), Credential: []byte("{}"), Counter: 1, CreatedAt: now,
		ConfirmedAt: after(1), LastUsedAt: after(2),
	}
}

func challengeOf(p auth.ProjectID, user auth.UserID) auth.PasskeyChallenge {
	return auth.PasskeyChallenge{Project: p, Purpose: "second", Hash: []byte("challenge"), User: user, State: []byte("state"), ExpiresAt: after(60)}
}

func second[T any](_ T, err error) error { return err }

// snapshot reads everything of a project.
func snapshot(ctx context.Context, r auth.Reader, p auth.ProjectID) (map[string]any, error) {
	all := map[string]any{}
	var failures []error
	put := func(name string, v any, err error) {
		all[name] = v
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			failures = append(failures, err)
		}
	}
	project, err := r.GetProject(ctx, p)
	put("project", project, err)
	users, err := r.SearchUsers(ctx, p, auth.UserSearch{Limit: 99})
	put("users", users, err)
	holders, err := r.SearchUsers(ctx, p, auth.UserSearch{Role: "role", Limit: 99})
	put("holders", holders, err)
	found, _, err := r.QueryUsers(ctx, p, auth.UserQuery{Where: []auth.Condition{{Attribute: "a", Operator: auth.OpEqual, Values: []any{1.0}}}, Limit: 99})
	put("found", found, err)
	identities, err := r.ListIdentities(ctx, p, anna)
	put("identities", identities, err)
	roles, err := r.ListRoles(ctx, p)
	put("roles", roles, err)
	session, err := r.GetSession(ctx, p, "session")
	put("session", session, err)
	signedIn, err := r.GetSignedIn(ctx, p, "session")
	put("signed in", signedIn, err)
	token, err := r.GetRefreshToken(ctx, p, []byte("token"))
	put("token", token, err)
	refreshable, err := r.GetRefreshable(ctx, p, []byte("token"))
	put("refreshable", refreshable, err)
	browser, err := r.GetBrowserToken(ctx, p, []byte("cookie"))
	put("browser token", browser, err)
	signIn, err := r.GetSignInCode(ctx, p, []byte("sign-in"))
	put("sign-in code", signIn, err)
	known, err := r.IsKnownSource(ctx, p, "anna@example.com", "192.0.2.7")
	put("source", known, err)
	code, err := r.GetOOBCode(ctx, p, []byte("code"))
	put("code", code, err)
	factors, err := r.ListSecondFactors(ctx, p, anna)
	put("factors", factors, err)
	passkey, err := r.GetPasskey(ctx, p, []byte("credential"))
	put("passkey", passkey, err)
	recovery, err := r.CountRecoveryCodes(ctx, p, anna)
	put("recovery codes", recovery, err)
	pending, err := r.GetPendingSignIn(ctx, p, []byte("pending"), now)
	put("pending", pending, err)
	providers, err := r.ListIdentityProviders(ctx, p)
	put("providers", providers, err)
	flow, err := r.GetSignInFlow(ctx, p, []byte("session"))
	put("flow", flow, err)
	keys, err := r.ListSigningKeys(ctx, p)
	put("keys", keys, err)
	templates, err := r.ListMailTemplates(ctx, p)
	put("templates", templates, err)
	mails, err := r.ListMail(ctx, p, "", "", 99)
	put("mails", mails, err)
	webhooks, err := r.ListWebhooks(ctx, p)
	put("webhooks", webhooks, err)
	deliveries, err := r.ListWebhookDeliveries(ctx, p, auth.DeliveryFilter{Limit: 99})
	put("deliveries", deliveries, err)
	imports, err := r.ListUserImports(ctx, p, 99)
	put("imports", imports, err)
	part, err := r.NextUserImportPart(ctx, p, "i1", "")
	put("import part", part, err)
	records, err := r.ListAudit(ctx, p, auth.AuditFilter{Limit: 99})
	put("records", records, err)
	activity, err := r.Activity(ctx, p, "", now.Add(-time.Hour), after(3600), time.Hour)
	put("activity", activity, err)
	decisions, err := r.ListDecisions(ctx, p, "REFERENCE-OF-decision", 9)
	put("decisions", decisions, err)
	others, err := r.ListDecisions(ctx, p, "REFERENCE-OF-other", 9)
	put("other decisions", others, err)
	return all, errors.Join(failures...)
}

// isolationCases call each method with a project that is empty, while another one holds what the other arguments name. A case gives what it found.
// nil, a zero value or ErrNotFound is nothing. Creations under the same id find nothing either: they succeed, unless they hang on to another row.
var isolationCases = map[string]func(ctx context.Context, tx auth.Tx) (any, error){
	"GetUser": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetUser(ctx, two, anna) },
	"GetUserByEmail": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetUserByEmail(ctx, two, "anna@example.com")
	},
	"SearchUsers": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.SearchUsers(ctx, two, auth.UserSearch{Limit: 9})
	},
	"QueryUsers":      queryOther,
	"CountUsers":      func(ctx context.Context, tx auth.Tx) (any, error) { return tx.CountUsers(ctx, two) },
	"GetIdentity":     func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetIdentity(ctx, two, "google.com", "1") },
	"ListIdentities":  func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListIdentities(ctx, two, anna) },
	"GetRole":         func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetRole(ctx, two, "role") },
	"GetRoleByName":   func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetRoleByName(ctx, two, "editor") },
	"GetUserImport":   func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetUserImport(ctx, two, "i1") },
	"ListUserImports": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListUserImports(ctx, two, 9) },
	"NextUserImportPart": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.NextUserImportPart(ctx, two, "i1", "")
	},
	"CreateUserImport": only(func(ctx context.Context, tx auth.Tx) error { return tx.CreateUserImport(ctx, importOf(two)) }),
	"UpdateUserImport": found(func(ctx context.Context, tx auth.Tx) error { return tx.UpdateUserImport(ctx, importOf(two)) }),
	"DeleteUserImport": found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteUserImport(ctx, two, "i1") }),
	"CreateUserImportPart": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateUserImportPart(ctx, auth.UserImportPart{Project: two, ID: "new", Import: "i1", Sealed: []byte("lines")})
	}),
	"DeleteUserImportPart":  found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteUserImportPart(ctx, two, "part") }),
	"DeleteUserImportParts": only(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteUserImportParts(ctx, two, "i1") }),
	"ListRoles":             func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListRoles(ctx, two) },
	"GetSession":            func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetSession(ctx, two, "session") },
	"GetSignedIn":           func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetSignedIn(ctx, two, "session") },
	"GetRefreshable": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetRefreshable(ctx, two, []byte("token"))
	},
	"ListSessions": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListSessions(ctx, two, "", "", 9) },
	"GetBrowserToken": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetBrowserToken(ctx, two, []byte("cookie"))
	},
	"GetSignInCode": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetSignInCode(ctx, two, []byte("sign-in"))
	},
	"CreateBrowserToken": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateBrowserToken(ctx, auth.BrowserToken{Project: two, Hash: []byte("new"), Session: "session"})
	}),
	"CreateSignInCode": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateSignInCode(ctx, auth.SignInCode{Project: two, Hash: []byte("new"), Session: "session", ExpiresAt: after(60)})
	}),
	"ConsumeSignInCode": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.ConsumeSignInCode(ctx, two, []byte("sign-in"), "made", now)
	}),
	"GetRefreshToken": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetRefreshToken(ctx, two, []byte("token"))
	},
	"IsKnownSource": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.IsKnownSource(ctx, two, "anna@example.com", "192.0.2.7")
	},
	"DeleteKnownSources": only(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteKnownSources(ctx, two, anna) }),
	"AddKnownSource": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.AddKnownSource(ctx, two, anna, "192.0.2.8", now)
	}),
	"GetOOBCode": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetOOBCode(ctx, two, []byte("code")) },
	"GetIdentityProvider": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetIdentityProvider(ctx, two, "google.com")
	},
	"ListIdentityProviders": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListIdentityProviders(ctx, two) },
	"GetSignInFlow": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetSignInFlow(ctx, two, []byte("session"))
	},
	"PutIdentityProvider": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.PutIdentityProvider(ctx, auth.IdentityProvider{Project: two, ID: "google.com", ClientID: "other"})
	}),
	"DeleteIdentityProvider": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.DeleteIdentityProvider(ctx, two, "google.com")
	}),
	"CreateSignInFlow": only(func(ctx context.Context, tx auth.Tx) error { return tx.CreateSignInFlow(ctx, flowOf(two)) }),
	"ConsumeSignInFlow": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ConsumeSignInFlow(ctx, two, []byte("session"), now)
	},
	"ListOOBCodes": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ListOOBCodes(ctx, two, anna, auth.PurposeInvite)
	},
	"ListSecondFactors": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListSecondFactors(ctx, two, anna) },
	"GetPasskey": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetPasskey(ctx, two, []byte("credential"))
	},
	"CountRecoveryCodes": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.CountRecoveryCodes(ctx, two, anna) },
	"GetPendingSignIn": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.GetPendingSignIn(ctx, two, []byte("pending"), now)
	},
	"StrengthenSession": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.StrengthenSession(ctx, two, "session", auth.FactorTOTP, "factor")
	}),
	"CreateSecondFactor": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateSecondFactor(ctx, factorOf(two, "new", "new"))
	}),
	"ConfirmSecondFactor": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.ConfirmSecondFactor(ctx, auth.SecondFactor{Project: two, ID: "unconfirmed", User: anna, ConfirmedAt: now})
	}),
	"UseSecondFactor": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.UseSecondFactor(ctx, two, "factor", 9, nil, now)
	}),
	"DeleteSecondFactor": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.DeleteSecondFactor(ctx, two, anna, "factor")
	}),
	"DeleteUnconfirmedSecondFactors": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.DeleteUnconfirmedSecondFactors(ctx, two, anna)
	}),
	"DeleteSecondFactors": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.DeleteSecondFactors(ctx, two, anna) },
	"ReplaceRecoveryCodes": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.ReplaceRecoveryCodes(ctx, two, anna, nil, now)
	}),
	"UseRecoveryCode": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.UseRecoveryCode(ctx, two, anna, []byte("recovery"))
	}),
	"CreatePendingSignIn": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreatePendingSignIn(ctx, auth.PendingSignIn{Project: two, Hash: []byte("new"), User: anna, ExpiresAt: after(60)})
	}),
	"TryPendingSignIn": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.TryPendingSignIn(ctx, two, []byte("pending"), 5, now)
	},
	"ConsumePendingSignIn": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ConsumePendingSignIn(ctx, two, []byte("pending"), now)
	},
	"VoidPendingSignIns": only(func(ctx context.Context, tx auth.Tx) error { return tx.VoidPendingSignIns(ctx, two, anna) }),
	"PutPasskeyChallenge": func(ctx context.Context, tx auth.Tx) (any, error) {
		if err := tx.PutPasskeyChallenge(ctx, challengeOf(two, "")); err != nil {
			return nil, err
		}
		still, err := tx.UsePasskeyChallenge(ctx, one, "second", []byte("challenge"), now)
		return still.User != anna, err // it replaced the wrong project's
	},
	"UsePasskeyChallenge": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.UsePasskeyChallenge(ctx, two, "second", []byte("challenge"), now)
	},
	"ListSigningKeys":   func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListSigningKeys(ctx, two) },
	"ListMailTemplates": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListMailTemplates(ctx, two) },
	"GetMail":           func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetMail(ctx, two, "mail") },
	"ListMail":          func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListMail(ctx, two, "", "", 9) },
	"ListAudit": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ListAudit(ctx, two, auth.AuditFilter{Limit: 9})
	},
	"ListDecisions": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ListDecisions(ctx, two, "REFERENCE-OF-decision", 9)
	},

	"CreateUser": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateUser(ctx, auth.User{Project: two, ID: anna, Email: "anna@example.com"})
	}),
	"UpdateUser": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.UpdateUser(ctx, auth.User{Project: two, ID: anna})
	}),
	"DeleteUser": found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteUser(ctx, two, anna) }),
	"CreateIdentity": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateIdentity(ctx, auth.Identity{Project: two, User: anna, ProviderID: "google.com", Subject: "2"})
	}),
	"UpdateIdentity": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.UpdateIdentity(ctx, auth.Identity{Project: two, User: anna, ProviderID: "google.com", Subject: "1"})
	}),
	"DeleteIdentity": found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteIdentity(ctx, two, "google.com", "1") }),
	"CreateRole": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateRole(ctx, auth.Role{Project: two, ID: "role", Name: "editor"})
	}),
	"DeleteRole": found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteRole(ctx, two, "role") }),
	"CreateSession": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateSession(ctx, auth.Session{Project: two, ID: "new", User: anna})
	}),
	"TouchSession":  found(func(ctx context.Context, tx auth.Tx) error { return tx.TouchSession(ctx, two, "session", after(1)) }),
	"RevokeSession": found(func(ctx context.Context, tx auth.Tx) error { return tx.RevokeSession(ctx, two, "session", after(1)) }),
	"RevokeUserSessions": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.RevokeUserSessions(ctx, two, anna, "", after(1))
	},
	"CreateRefreshToken": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateRefreshToken(ctx, auth.RefreshToken{Project: two, Hash: []byte("new"), Session: "session", User: anna})
	}),
	"RotateRefreshToken": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.RotateRefreshToken(ctx, two, []byte("token"), []byte("next"), []byte("salt"), after(1))
	}),
	"CreateOOBCode": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateOOBCode(ctx, auth.OOBCode{Project: two, Hash: []byte("new"), User: anna, Purpose: auth.PurposeInvite})
	}),
	"ConsumeOOBCode": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ConsumeOOBCode(ctx, two, []byte("code"), auth.PurposeInvite, now)
	},
	"TakeShortCodeTry": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.TakeShortCodeTry(ctx, two, "typed", now, 5)
	},
	"RefundShortCodeTry": only(func(ctx context.Context, tx auth.Tx) error { return tx.RefundShortCodeTry(ctx, two, []byte("code")) }),
	"VoidOOBCodes":       only(func(ctx context.Context, tx auth.Tx) error { return tx.VoidOOBCodes(ctx, two, anna) }),
	"VoidLaterOOBCodes": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.VoidLaterOOBCodes(ctx, two, anna, auth.PurposeInvite, time.Time{})
	}),
	"CreateSigningKey": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateSigningKey(ctx, auth.SigningKey{Project: two, ID: "key", PublicJWK: []byte("{}"), PrivateSealed: []byte("x")})
	}),
	"RetireSigningKey": found(func(ctx context.Context, tx auth.Tx) error { return tx.RetireSigningKey(ctx, two, "key", now, now) }),
	"DeleteSigningKey": found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteSigningKey(ctx, two, "key") }),
	"PutMailTemplate": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.PutMailTemplate(ctx, auth.MailTemplate{Project: two, Kind: auth.MailInvite, Language: "en", Subject: "Other"})
	}),
	"DeleteMailTemplate": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.DeleteMailTemplate(ctx, two, auth.MailInvite, "en")
	}),
	"CreateMail": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateMail(ctx, auth.OutboxMail{Project: two, ID: "mail", State: auth.MailKept})
	}),
	"FinishMail": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.FinishMail(ctx, auth.OutboxMail{Project: two, ID: "leased", State: auth.MailSent, LeaseToken: "worker"})
	}),
	"RequeueMail": found(func(ctx context.Context, tx auth.Tx) error { return tx.RequeueMail(ctx, two, "mail", now) }),
	"DeleteMail":  found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteMail(ctx, two, "mail") }),
	"Activity": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.Activity(ctx, two, "", now.Add(-time.Hour), after(3600), time.Hour)
	},
	"CountActivity": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.CountActivity(ctx, two, "z", 9) },
	"RecountActivity": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.RecountActivity(ctx, two, now.Truncate(time.Hour), "a", "b")
	}),
	"CreateAudit": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateAudit(ctx, auth.AuditRecord{Project: two, ID: "record"})
	}),
	"CreateDecision": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateDecision(ctx, decisionOf(two, "decision", anna))
	}),
	"TakeLimit": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.TakeLimit(ctx, two, "limit", now, time.Hour, 1)
	},
	"RefundLimit": func(ctx context.Context, tx auth.Tx) (any, error) {
		if err := tx.RefundLimit(ctx, two, "limit", time.Hour); err != nil {
			return nil, err
		}
		wait, err := tx.TakeLimit(ctx, one, "limit", now, time.Hour, 1)
		return wait == 0, err // refunded to the wrong project
	},
	"GetWebhook":   func(ctx context.Context, tx auth.Tx) (any, error) { return tx.GetWebhook(ctx, two, "hook") },
	"ListWebhooks": func(ctx context.Context, tx auth.Tx) (any, error) { return tx.ListWebhooks(ctx, two) },
	"ListWebhookDeliveries": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ListWebhookDeliveries(ctx, two, auth.DeliveryFilter{Limit: 9})
	},
	"CountWaitingDeliveries": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.CountWaitingDeliveries(ctx, two, "hook", 9)
	},
	"CreateWebhook": only(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateWebhook(ctx, auth.Webhook{Project: two, ID: "hook", Kind: auth.WebhookBlocking})
	}),
	"UpdateWebhook": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.UpdateWebhook(ctx, auth.Webhook{Project: two, ID: "hook"})
	}),
	"DeleteWebhook": found(func(ctx context.Context, tx auth.Tx) error { return tx.DeleteWebhook(ctx, two, "hook") }),
	"CreateWebhookDelivery": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.CreateWebhookDelivery(ctx, auth.WebhookDelivery{Project: two, ID: "new", Webhook: "hook", State: auth.DeliveryQueued})
	}),
	"ClaimMail": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ClaimMail(ctx, two, "thief", after(99), after(199), 9, true)
	},
	"ClaimWebhookDeliveries": func(ctx context.Context, tx auth.Tx) (any, error) {
		return tx.ClaimWebhookDeliveries(ctx, two, "hook", "thief", after(99), after(199), 9, true)
	},
	"FinishWebhookDelivery": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.FinishWebhookDelivery(ctx, auth.WebhookDelivery{Project: two, ID: "leased", State: auth.DeliveryDelivered, LeaseToken: "worker"})
	}),
	"RequeueWebhookDelivery": found(func(ctx context.Context, tx auth.Tx) error { return tx.RequeueWebhookDelivery(ctx, two, "event", now) }),
	"ReplaceSealed": found(func(ctx context.Context, tx auth.Tx) error {
		return tx.ReplaceSealed(ctx, auth.SealedSigningKey, auth.SealedValue{Project: two, Row: "key", Sealed: []byte("private")}, []byte("new"))
	}),
}

func queryOther(ctx context.Context, tx auth.Tx) (any, error) {
	total := 0
	for _, q := range []auth.UserQuery{
		{Limit: 9},
		{Limit: 9, SortBy: "a"},
		{Limit: 9, Where: []auth.Condition{{Attribute: "a", Operator: auth.OpEqual, Values: []any{1.0}}}},
		{Limit: 9, Where: []auth.Condition{{Attribute: "roles", Operator: auth.OpArrayContains, Values: []any{"role"}}}},
	} {
		users, n, err := tx.QueryUsers(ctx, two, q)
		if err != nil {
			return nil, err
		}
		total += n + len(users)
	}
	return total, nil
}

// only is a case whose call may succeed: it must not touch the other project.
func only(call func(context.Context, auth.Tx) error) func(context.Context, auth.Tx) (any, error) {
	return func(ctx context.Context, tx auth.Tx) (any, error) { return nil, call(ctx, tx) }
}

// found is a case whose call must find nothing.
func found(call func(context.Context, auth.Tx) error) func(context.Context, auth.Tx) (any, error) {
	return func(ctx context.Context, tx auth.Tx) (any, error) {
		err := call(ctx, tx)
		return err == nil, err
	}
}

// takesProject tells whether a method is asked about one project: by a ProjectID of its own or by a field Project of what it writes.
// ListProjects and the methods that make or end projects name the project itself, and ListSealed goes through all.
func takesProject(m reflect.Method) bool {
	switch m.Name {
	case "GetProject", "ListProjects", "CreateProject", "UpdateProject", "DeleteProject", "ListSealed":
		return false
	}
	id := reflect.TypeFor[auth.ProjectID]()
	for i := range m.Type.NumIn() {
		in := m.Type.In(i)
		if in == id {
			return true
		}
		if in.Kind() == reflect.Struct {
			if field, ok := in.FieldByName("Project"); ok && field.Type == id {
				return true
			}
		}
	}
	return false
}

// testIsolation: nothing of a project is found or changed by way of another one.
func testIsolation(t *testing.T, s auth.Store) {
	ctx := t.Context()
	update(t, s, func(tx auth.Tx) error { return fill(ctx, tx, one) })
	addProjects(t, s, two)
	before := must[map[string]any](t)(snapshot(ctx, s, one))

	methods := reflect.TypeFor[auth.Tx]()
	for i := range methods.NumMethod() {
		method := methods.Method(i)
		test := isolationCases[method.Name]
		if !takesProject(method) {
			continue
		}
		if test == nil {
			t.Errorf("%s takes a project and has no case here", method.Name)
			continue
		}
		errUndo := errors.New("undo")
		err := s.Update(ctx, func(tx auth.Tx) error {
			got, err := test(ctx, tx)
			if err != nil {
				return err
			}
			if v := reflect.ValueOf(got); got != nil && !v.IsZero() {
				t.Errorf("%s finds %+v of another project", method.Name, got)
			}
			afterwards, err := snapshot(ctx, tx, one)
			if err != nil {
				return err
			}
			wantEqual(t, method.Name+" changes another project", afterwards, before)
			return errUndo
		})
		if !errors.Is(err, errUndo) && !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%s: %v", method.Name, err)
		}
	}
}

func testDeleteUserCascades(t *testing.T, s auth.Store) {
	ctx := t.Context()
	update(t, s, func(tx auth.Tx) error { return errors.Join(fill(ctx, tx, one), fill(ctx, tx, two)) })
	other := must[map[string]any](t)(snapshot(ctx, s, two))
	update(t, s, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, anna) })
	left := must[map[string]any](t)(snapshot(ctx, s, one))
	for _, name := range []string{"users", "holders", "found", "identities", "session", "token", "browser token", "sign-in code", "source", "code", "decisions", "factors", "passkey", "recovery codes", "pending"} {
		if v := reflect.ValueOf(left[name]); !v.IsZero() {
			t.Errorf("%s left: %+v", name, v)
		}
	}
	for _, name := range []string{"project", "roles", "providers", "flow", "keys", "templates", "mails", "webhooks", "deliveries", "records", "other decisions"} {
		if v := reflect.ValueOf(left[name]); v.IsZero() {
			t.Errorf("%s went with the user", name)
		}
	}
	wantEqual(t, "the other project", must[map[string]any](t)(snapshot(ctx, s, two)), other)
}

// removeDeleted removes the rows that a deleted project left.
func removeDeleted(t testing.TB, s auth.Store, p auth.ProjectID) {
	t.Helper()
	if err := s.(auth.ProjectRows).AbandonProject(t.Context(), p, ""); err != nil {
		t.Fatalf("removing the rows of %s: %v", p, err)
	}
}

func testDeleteProjectCascades(t *testing.T, s auth.Store) {
	ctx := t.Context()
	update(t, s, func(tx auth.Tx) error { return errors.Join(fill(ctx, tx, one), fill(ctx, tx, two)) })
	other := must[map[string]any](t)(snapshot(ctx, s, two))
	update(t, s, func(tx auth.Tx) error { return tx.DeleteProject(ctx, one, now) })
	hidden(t, s, one)
	wantEqual(t, "projects with due mails", must[[]auth.ProjectID](t)(s.DueMail(ctx, after(1000))), []auth.ProjectID{two})
	for _, due := range must[[]auth.DueWebhook](t)(s.DueWebhooks(ctx, after(1000))) {
		if due.Project == one {
			t.Error("a deleted project's webhook is due")
		}
	}
	removeDeleted(t, s, one)
	for name, v := range must[map[string]any](t)(snapshot(ctx, s, one)) {
		if v := reflect.ValueOf(v); !v.IsZero() {
			t.Errorf("%s left: %+v", name, v)
		}
	}
	wantEqual(t, "its limit", take(t, s, one, "limit", now, time.Hour, 1), time.Duration(0))
	wantEqual(t, "the other project", must[map[string]any](t)(snapshot(ctx, s, two)), other)
	wantEqual(t, "the other limit", take(t, s, two, "limit", now, time.Hour, 1), time.Hour)
}
