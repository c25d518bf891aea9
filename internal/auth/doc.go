// Package auth is the domain of Doorward: who may sign in where, how they prove it, and what is written down about it.
//
// [Service] holds what end users do (sign up, sign in, refresh, reset, …); [Admin] holds what operators do (projects, users, keys, mail, audit).
// Both take a [Caller] right after the context, check its permission, and leave an audit record in the same transaction as the change.
//
// The package knows no wire format: no HTTP, no SQL, no JSON tags. Surfaces translate; stores store.
package auth
