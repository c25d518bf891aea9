package adminapi

import (
	"encoding/json"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Key is the public half of a signing key.
type Key struct {
	KID       string          `json:"kid"`
	Algorithm string          `json:"algorithm"`
	Signing   bool            `json:"signing"`   // false: retired, and published until ExpiresAt
	PublicJWK json.RawMessage `json:"publicJwk"` // RFC 7517
	CreatedAt time.Time       `json:"createdAt"`
	RetiredAt time.Time       `json:"retiredAt,omitzero"`
	ExpiresAt time.Time       `json:"expiresAt,omitzero"`
}

// KeyList is the project's signing keys, the newest first.
type KeyList struct {
	Keys []Key `json:"keys"`
}

// StagedMasterKey names the master key that is to seal next.
type StagedMasterKey struct {
	KeyID string `json:"keyId"`
}

// RotatedMasterKey names the master key that seals from now on.
type RotatedMasterKey struct {
	KeyID    string `json:"keyId"`
	Finished bool   `json:"finished"` // an earlier rotation that broke off; no key was added
}

// PrunedMasterKeys names the master keys that were removed.
type PrunedMasterKeys struct {
	Removed []string `json:"removed"`
}

func (a *API) listKeys(q request) (KeyList, error) {
	keys, err := a.admin.SigningKeys(q.ctx, q.caller)
	if err != nil {
		return KeyList{}, err
	}
	list := KeyList{Keys: []Key{}}
	for _, k := range keys {
		list.Keys = append(list.Keys, keyOf(k))
	}
	return list, nil
}

func keyOf(k auth.SigningKey) Key {
	return Key{string(k.ID), k.Algorithm, k.RetiredAt.IsZero(), k.PublicJWK, k.CreatedAt, k.RetiredAt, k.ExpiresAt}
}

func (a *API) rotateKey(q request) (Key, error) {
	key, err := a.admin.RotateSigningKey(q.ctx, q.caller)
	return keyOf(key), err
}

func (a *API) withdrawKey(q request) error {
	return a.admin.WithdrawSigningKey(q.ctx, q.caller, auth.KeyID(q.path("kid")))
}

func (a *API) stageMasterKey(q request) (StagedMasterKey, error) {
	id, err := a.admin.StageMasterKey(q.ctx, q.caller)
	return StagedMasterKey{id}, err
}

func (a *API) rotateMasterKey(q request) (RotatedMasterKey, error) {
	id, finished, err := a.admin.RotateMasterKey(q.ctx, q.caller, func(int) {})
	return RotatedMasterKey{id, finished}, err
}

func (a *API) pruneMasterKeys(q request) (PrunedMasterKeys, error) {
	removed, err := a.admin.PruneMasterKeys(q.ctx, q.caller)
	if removed == nil {
		removed = []string{}
	}
	return PrunedMasterKeys{removed}, err
}
