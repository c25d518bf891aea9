package accountsapi

import (
	"sync"

	"github.com/doorward/doorward/internal/apidocs"
)

// Docs gives the API's document, for pages that show it. It is read at the first call.
var Docs = sync.OnceValue(func() *apidocs.Document {
	d, err := apidocs.Parse(openAPIDocument)
	if err != nil {
		panic(err) // the program was built with a broken document
	}
	return d
})

// Postman says how the API becomes a Postman collection for the project with the id. It runs from an empty project: what needs a mailbox, a provider, an
// authenticator or the admin token lies in folders of its own, and is skipped until the variables that it needs have values.
func Postman(project string) apidocs.Collection {
	return apidocs.Collection{
		Description: "Run the folder “An account from sign-up to its end” as it is: each run makes an account of its own and deletes it in the end, and requests keep the tokens for the next ones. " +
			"In a project that lets nobody in before a mail was read, or is closed to sign-up, set the variables email and password to an account that can sign in, and begin there.\n\n" +
			"The other folders need what a run cannot have by itself. Fill the variables that they name; until then their requests are skipped.",
		Bearer: "idToken",
		Scripts: apidocs.Scripts{
			Before: []string{
				"if (!pm.collectionVariables.get('email')) pm.collectionVariables.set('email', 'postman-' + pm.variables.replaceIn('{{$guid}}') + '@example.com')",
				"if (!pm.collectionVariables.get('password')) pm.collectionVariables.set('password', pm.variables.replaceIn('{{$guid}}'))",
			},
			After: []string{"pm.test('succeeds', () => pm.expect(pm.response.code, pm.response.text()).to.be.within(200, 299))"},
		},
		Variables: []apidocs.Variable{
			{Name: "projectId", Value: project, Description: "The project."},
			{Name: "email", Description: "Of the account. Empty: made up at the first request."},
			{Name: "password", Description: "Of the account. Empty: made up at the first request."},
			{Name: "newPassword", Description: "Filled by the request that changes the password."},
			{Name: "uid", Description: "Filled by sign-up and sign-in."},
			{Name: "idToken", Description: "Filled by sign-up, sign-in and refresh."},
			{Name: "refreshToken", Description: "Filled by sign-up, sign-in and refresh."},
			{Name: "session", Description: "A session to end. Filled by the list of sessions."},
			{Name: "mailbox", Description: "An address whose mails you read. Mails go there."},
			{Name: "oobCode", Description: "The oobCode of the link in a mail."},
			{Name: "oobUid", Description: "The uid of the link in a mail."},
			{Name: "providerId", Description: "A provider of the project, as google.com."},
			{Name: "callBackUri", Value: "http://localhost/callback", Description: "On the project's list of callback URLs."},
			{Name: "providerSession", Description: "Filled by the request that begins a sign-in at a provider."},
			{Name: "providerCode", Description: "The code that the browser came back with from the provider."},
			{Name: "signInCode", Description: "The code that the app was called back with from the hosted sign-in page."},
			{Name: "codeVerifier", Description: "Whose SHA-256 the app sent its user to that page with (PKCE)."},
			{Name: "mfaEnrollmentId", Description: "Filled by the request that begins to add a second factor."},
			{Name: "mfaPendingCredential", Description: "Filled by a sign-in that waits for a second factor."},
			{Name: "mfaCode", Description: "Six digits of an authenticator app."},
			{Name: "passkeySession", Description: "Filled by the request that begins a sign-in with a passkey."},
			{Name: "passkeyCredential", Description: "The JSON that a browser makes of a passkey's answer."},
			{Name: "adminToken", Description: "The project's admin token."},
			{Name: "otherUid", Description: "A user for the admin to delete."},
		},
		Members: map[string]string{
			"email": `"{{email}}"`, "password": `"{{password}}"`, "refresh_token": `"{{refreshToken}}"`, "oldPassword": `"{{password}}"`, "newPassword": `"{{newPassword}}"`,
			"oobCode": `"{{oobCode}}"`, "uid": `"{{oobUid}}"`, "providerId": `"{{providerId}}"`, "callBackUri": `"{{callBackUri}}"`, "sessionId": `"{{providerSession}}"`,
			"code": `"{{providerCode}}"`, "mfaEnrollmentId": `"{{mfaEnrollmentId}}"`, "mfaPendingCredential": `"{{mfaPendingCredential}}"`, "credential": `{{passkeyCredential}}`,
		},
		Folders: []apidocs.Folder{accountFolder, mailFolder, providerFolder, hostedFolder, secondFactorFolder, adminFolder},
	}
}

// Lines for Postman's sandbox that keep parts of an answer.
var (
	keepAccount = []string{
		"for (const name of ['uid', 'idToken', 'refreshToken', 'mfaPendingCredential']) {",
		"  if (answer.data && answer.data[name]) pm.collectionVariables.set(name, answer.data[name])",
		"}",
	}
	keepNewPassword = []string{"pm.collectionVariables.set('password', pm.collectionVariables.get('newPassword'))"}
	forgetAccount   = []string{"for (const name of ['uid', 'idToken', 'refreshToken', 'email', 'password', 'newPassword']) pm.collectionVariables.set(name, '')"}
)

func keep(variable, expression string) []string {
	return []string{"pm.collectionVariables.set('" + variable + "', " + expression + " || '')"}
}

var accountFolder = apidocs.Folder{
	Name:        "An account from sign-up to its end",
	Description: "Runs as it is, in this order.",
	Steps: []apidocs.Step{
		{Operation: "openAPI"},
		{Operation: "discovery"},
		{Operation: "jwks"},
		{Operation: "signUp", After: keepAccount},
		{Operation: "emailProviders"},
		{Operation: "signInEmail", After: keepAccount},
		{Operation: "getUser", Path: map[string]string{"uid": "{{uid}}"}},
		{Operation: "updateUser", Path: map[string]string{"uid": "{{uid}}"}},
		{Operation: "refreshToken", After: keepAccount},
		{Operation: "listSessions", After: keep("session", "(answer.data.find(one => !one.current) || {}).id")},
		{Operation: "signOut", Path: map[string]string{"id": "{{session}}"}, Needs: []string{"session"}},
		{Operation: "updatePassword", Before: []string{"pm.collectionVariables.set('newPassword', pm.variables.replaceIn('{{$guid}}'))"}, After: keepNewPassword},
		{Operation: "signInEmail", Name: "Sign in with the new password", After: keepAccount},
		{Operation: "listSecondFactors"},
		{Operation: "startEnrollment", After: keep("mfaEnrollmentId", "answer.data.mfaEnrollmentId")},
		{Operation: "signOutEverywhere"},
		{Operation: "signInEmail", Name: "Sign in once more", After: keepAccount},
		{Operation: "deleteAccount", After: forgetAccount},
	},
}

var mailFolder = apidocs.Folder{
	Name:        "What needs a mailbox",
	Description: "Needs mailbox, an address whose mails you read; then oobCode and oobUid of the link in the mail, and newPassword.",
	Steps: []apidocs.Step{
		{Operation: "passwordReset", Needs: []string{"mailbox"}, Body: map[string]string{"email": `"{{mailbox}}"`}},
		{Operation: "verifyPasswordReset", Needs: []string{"oobCode", "newPassword"}},
		{Operation: "verifyEmail", Name: "Send the verification mail again", Needs: []string{"mailbox"}, Body: map[string]string{"email": `"{{mailbox}}"`}},
		{Operation: "verifyEmail", Needs: []string{"oobCode", "oobUid"}},
		{Operation: "updateEmail", Needs: []string{"idToken", "mailbox"}, Body: map[string]string{"email": `"{{mailbox}}"`}},
		{Operation: "invite", Needs: []string{"mailbox", "adminToken"}, Scheme: "adminToken", Body: map[string]string{"email": `"{{mailbox}}"`}},
		{Operation: "verifyInvite", Needs: []string{"oobCode", "oobUid", "newPassword"}},
	},
}

var providerFolder = apidocs.Folder{
	Name:        "What needs an identity provider",
	Description: "Needs providerId and callBackUri; send the browser to the authUri of the first answer, and put the code that it comes back with into providerCode.",
	Steps: []apidocs.Step{
		{Operation: "authURL", Needs: []string{"providerId"}, After: keep("providerSession", "answer.data.sessionId")},
		{Operation: "signInIDP", Needs: []string{"providerSession", "providerCode"}, After: []string{
			"for (const [name, part] of [['uid', 'localId'], ['idToken', 'idToken'], ['refreshToken', 'refreshToken'], ['mfaPendingCredential', 'mfaPendingCredential']]) {",
			"  if (answer.data[part]) pm.collectionVariables.set(name, answer.data[part])",
			"}",
			"pm.collectionVariables.set('providerCode', '')",
		}},
		{Operation: "linkIDP", Needs: []string{"idToken", "providerSession", "providerCode"}, After: keep("providerCode", "''")},
		{Operation: "unlink", Needs: []string{"idToken", "providerId"}},
	},
}

var hostedFolder = apidocs.Folder{
	Name:        "What needs the hosted sign-in page",
	Description: "Needs callBackUri, the codeVerifier that the sign-in was begun with, and the code of the answer in signInCode. It works once, within a minute.",
	Steps: []apidocs.Step{
		{Operation: "signInCode", Needs: []string{"signInCode", "codeVerifier"}, Body: map[string]string{"code": `"{{signInCode}}"`, "codeVerifier": `"{{codeVerifier}}"`}, After: keepAccount},
	},
}

var secondFactorFolder = apidocs.Folder{
	Name:        "What needs a second factor or a passkey",
	Description: "Needs mfaCode, of the authenticator app that a request for a new second factor was typed into; or passkeyCredential, of a browser.",
	Steps: []apidocs.Step{
		{Operation: "finalizeEnrollment", Needs: []string{"idToken", "mfaEnrollmentId", "mfaCode"}, Body: map[string]string{"code": `"{{mfaCode}}"`}},
		{Operation: "startSecondFactor", Needs: []string{"mfaPendingCredential", "mfaEnrollmentId"}},
		{Operation: "finalizeSecondFactor", Needs: []string{"mfaPendingCredential", "mfaCode"}, Body: map[string]string{"code": `"{{mfaCode}}"`}, After: keepAccount},
		{Operation: "renewRecoveryCodes", Needs: []string{"idToken", "mfaCode"}, Body: map[string]string{"code": `"{{mfaCode}}"`}},
		{
			Operation: "removeSecondFactor", Needs: []string{"idToken", "mfaEnrollmentId", "mfaCode"}, Path: map[string]string{"id": "{{mfaEnrollmentId}}"},
			Body: map[string]string{"code": `"{{mfaCode}}"`},
		},
		{Operation: "startPasskeySignIn", Needs: []string{"passkeyCredential"}, After: keep("passkeySession", "answer.data.sessionId")},
		{Operation: "signInPasskey", Needs: []string{"passkeyCredential"}, Body: map[string]string{"sessionId": `"{{passkeySession}}"`}, After: keepAccount},
	},
}

var adminFolder = apidocs.Folder{
	Name:        "What needs the admin token",
	Description: "Needs adminToken; to delete a user, also otherUid.",
	Steps: []apidocs.Step{
		{Operation: "listRoles", Needs: []string{"adminToken"}},
		{Operation: "listUsers", Needs: []string{"adminToken"}, Scheme: "adminToken"},
		{Operation: "deleteUser", Needs: []string{"adminToken", "otherUid"}, Scheme: "adminToken", Path: map[string]string{"uid": "{{otherUid}}"}},
	},
}
