package token

import (
	"crypto/rand"
	"testing"
	"testing/synctest"
)

// TestRSATurns: RSA signatures wait while as many as may are computed; others do not. It runs alone, since it takes all turns.
func TestRSATurns(t *testing.T) {
	slow, err := Generate(RS256, 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := Generate(ES256, 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	before := rsaTurns
	defer func() { rsaTurns = before }()
	synctest.Test(t, func(t *testing.T) {
		turns := make(chan struct{}, 1)
		rsaTurns = func() chan struct{} { return turns }
		turns <- struct{}{}
		if _, err := fast.Sign(map[string]any{"sub": "u"}); err != nil {
			t.Error(err)
		}
		signed := false
		go func() {
			_, err := slow.Sign(map[string]any{"sub": "u"})
			if signed = true; err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if signed {
			t.Error("signed without a turn")
		}
		<-turns
		synctest.Wait()
		if !signed || len(turns) != 0 {
			t.Errorf("signed %v with a turn; %d are taken afterwards", signed, len(turns))
		}
	})
}
