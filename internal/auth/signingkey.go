package auth

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// keyRef names a key within the instance.
type keyRef struct {
	project ProjectID
	id      KeyID
}

// newSigningKey generates a key pair as the project's settings say, sealed and ready to be stored.
func (s *Service) newSigningKey(p *Project) (SigningKey, error) {
	k, err := token.Generate(token.Algorithm(p.Settings.SigningAlgorithm), p.Settings.RSAKeyBits, s.rand)
	for err == nil && strings.HasPrefix(k.ID, "-") { // on a command line it would read as a flag
		k, err = token.Generate(token.Algorithm(p.Settings.SigningAlgorithm), p.Settings.RSAKeyBits, s.rand)
	}
	if err != nil {
		return SigningKey{}, err
	}
	der, err := k.MarshalPKCS8()
	if err != nil {
		return SigningKey{}, err
	}
	jwk, err := k.PublicJWK()
	if err != nil {
		return SigningKey{}, err
	}
	sealed, err := s.keyring.Seal(der, SealedSigningKey.AD(p.ID, k.ID))
	if err != nil {
		return SigningKey{}, fmt.Errorf("seal signing key: %w", err)
	}
	return SigningKey{Project: p.ID, ID: KeyID(k.ID), Algorithm: string(k.Algorithm), PublicJWK: jwk, PrivateSealed: sealed, CreatedAt: s.now()}, nil
}

// signer gives the project's newest key that signs.
func (s *Service) signer(ctx context.Context, p ProjectID) (*token.SigningKey, error) {
	keys, err := s.store.ListSigningKeys(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	for _, k := range keys {
		if !k.RetiredAt.IsZero() {
			continue
		}
		return s.privateKeys.get(keyRef{p, k.ID}, func() (*token.SigningKey, error) {
			der, err := s.keyring.Open(k.PrivateSealed, SealedSigningKey.AD(p, string(k.ID)))
			if err != nil {
				return nil, fmt.Errorf("open signing key %s of project %s: %w", k.ID, p, err)
			}
			return token.ParsePKCS8(string(k.ID), der)
		})
	}
	return nil, fmt.Errorf("project %s has no signing key; `doorward key rotate --project %s` makes one", p, p)
}

// published gives the keys that tokens of the project may be verified with now.
func (s *Service) published(ctx context.Context, p ProjectID) ([]SigningKey, error) {
	keys, err := s.store.ListSigningKeys(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	now, live := s.now(), keys[:0]
	for _, k := range keys {
		if k.ExpiresAt.IsZero() || k.ExpiresAt.After(now) {
			live = append(live, k)
		}
	}
	return live, nil
}

func (s *Service) verificationKeys(ctx context.Context, p ProjectID) ([]token.PublicKey, error) {
	keys, err := s.published(ctx, p)
	if err != nil {
		return nil, err
	}
	parsed := make([]token.PublicKey, 0, len(keys))
	for _, k := range keys {
		key, err := s.publicKeys.get(keyRef{p, k.ID}, func() (token.PublicKey, error) { return token.ParsePublicJWK(k.PublicJWK) })
		if err != nil {
			return nil, fmt.Errorf("public key %s of project %s: %w", k.ID, p, err)
		}
		parsed = append(parsed, key)
	}
	return parsed, nil
}

// JWKS gives the project's public keys as a JSON Web Key Set (RFC 7517 section 5), and the algorithms they are for.
func (s *Service) JWKS(ctx context.Context, p ProjectID) (set []byte, algorithms []string, err error) {
	keys, err := s.published(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	jwks := make([][]byte, len(keys))
	for i, k := range keys {
		jwks[i] = k.PublicJWK
		if !slices.Contains(algorithms, k.Algorithm) {
			algorithms = append(algorithms, k.Algorithm)
		}
	}
	set, err = s.keySets.get(string(bytes.Join(jwks, []byte{'\n'})), func() ([]byte, error) { return token.JWKS(jwks...) })
	return set, algorithms, err
}

// rotateSigningKey makes a new key the one that signs, and retires those before it: they stay published until the last token they signed has expired (P25).
func (s *Service) rotateSigningKey(ctx context.Context, tx Tx, p *Project, fresh SigningKey) error {
	keys, err := tx.ListSigningKeys(ctx, p.ID)
	if err != nil {
		return err
	}
	now := s.now()
	for _, k := range keys {
		if !k.RetiredAt.IsZero() {
			continue
		}
		if err := tx.RetireSigningKey(ctx, p.ID, k.ID, now, now.Add(keyPublication)); err != nil {
			return err
		}
	}
	return tx.CreateSigningKey(ctx, fresh)
}

// keyPublication is how long a retired key stays published: the longest that idTokenTTL can be, since it may have been lowered a moment ago, and a
// minute for tokens that are being signed with it right now.
const keyPublication = day + time.Minute
