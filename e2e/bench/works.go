package main

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
)

// work is one kind of request.
type work struct {
	name    string
	limit   string  // the sum that dominates: the name of a limit, or "" for the bare handler
	least   float64 // of the limit, with 32 connections
	senders func(*site) ([]sender, error)
}

const (
	limitHashes = "hashes"
	limitRS256  = "RS256 signatures"
)

func works() []work {
	return []work{
		{"sign-in", limitHashes, 0.95, func(*site) ([]sender, error) { return signIns(projectRS256), nil }},
		{"sign-up", limitHashes, 0.90, func(*site) ([]sender, error) { return signUps(projectRS256), nil }},
		{"refresh RS256", limitRS256, 0.90, func(t *site) ([]sender, error) { return refreshes(t, projectRS256) }},
		{"refresh ES256", "", 0.50, func(t *site) ([]sender, error) { return refreshes(t, projectES256) }},
		{"profile", "", 0.50, profiles},
		{"JWKS", "", 0.90, same("/"+projectRS256+"/.well-known/jwks.json", `"keys"`)},
		{"discovery", "", 0.90, same("/"+projectRS256+"/.well-known/openid-configuration", `"issuer"`)},
		{"hardened sign-in", limitHashes, 0, func(*site) ([]sender, error) { return signIns(projectHardened), nil }},
		{"hardened sign-up", limitHashes, 0, func(*site) ([]sender, error) { return signUps(projectHardened), nil }},
		{"hardened refresh RS256", limitRS256, 0, func(t *site) ([]sender, error) { return refreshes(t, projectHardened) }},
	}
}

// fixed sends the same request again and again.
type fixed struct {
	raw []byte
	has string // in every good answer
}

func (f fixed) next() []byte                           { return f.raw }
func (f fixed) answered(status int, body []byte) error { return wantAnswer(status, body, f.has) }

func each(make func(i int) (sender, error)) (all []sender, err error) {
	for i := range maxConnections {
		s, err := make(i)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func same(path, has string) func(*site) ([]sender, error) {
	return func(*site) ([]sender, error) {
		raw := request{method: "GET", path: path}.bytes()
		return each(func(int) (sender, error) { return fixed{raw, has}, nil })
	}
}

// signIns sign a user of each connection's own in. Nobody signs in from two places at once, as a load test of one account would.
func signIns(project string) []sender {
	all, _ := each(func(i int) (sender, error) { return signIn(project, i+1), nil })
	return all
}

func signIn(project string, user int) sender {
	body, _ := json.Marshal(map[string]string{"email": email(user), "password": password})
	return fixed{request{method: "POST", path: "/api/v1/auth/accounts/sign-in/email", project: project, body: body}.bytes(), `"refreshToken"`}
}

// signUps make new users.
type signUp struct{ project string }

var newUsers atomic.Int64

func signUps(project string) []sender {
	all, _ := each(func(int) (sender, error) { return signUp{project}, nil })
	return all
}

func (s signUp) next() []byte {
	body, _ := json.Marshal(map[string]string{"email": fmt.Sprintf("new%d@example.com", newUsers.Add(1)), "password": password})
	return request{method: "POST", path: "/api/v1/auth/accounts/signup", project: s.project, body: body}.bytes()
}

func (s signUp) answered(status int, body []byte) error { return wantAnswer(status, body, `"email"`) }

// refresher uses the refresh token that it was given last.
type refresher struct {
	project string
	token   string
	raw     []byte
}

func refreshes(t *site, project string) ([]sender, error) {
	return each(func(i int) (sender, error) { return newRefresher(t, project, i+1) })
}

func newRefresher(t *site, project string, user int) (*refresher, error) {
	signedIn, err := t.signIn(project, email(user))
	return &refresher{project: project, token: signedIn.RefreshToken}, err
}

func (r *refresher) next() []byte {
	if r.raw == nil {
		body, _ := json.Marshal(map[string]string{"refresh_token": r.token})
		r.raw = request{method: "POST", path: "/api/v1/auth/accounts/token/refresh", project: r.project, body: body}.bytes()
	}
	return r.raw
}

func (r *refresher) answered(status int, body []byte) error {
	if err := wantAnswer(status, body, `"id_token"`); err != nil || r.project != projectHardened {
		return err
	}
	var answer struct {
		Data tokens `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	r.token, r.raw = answer.Data.RefreshToken, nil
	return nil
}

// profiles read the user's own record with an id token.
func profiles(t *site) ([]sender, error) {
	return each(func(i int) (sender, error) {
		signedIn, err := t.signIn(projectRS256, email(i+1))
		path := "/api/v1/rest/collections/users/" + signedIn.UID
		return fixed{request{method: "GET", path: path, project: projectRS256, bearer: signedIn.IDToken}.bytes(), `"email"`}, err
	})
}
