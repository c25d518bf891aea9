package pages

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/web"
)

// TestReference: each page that refuses something tells what an operator can find it by, in every language, and no other page does.
func TestReference(t *testing.T) {
	s := newServer(t)
	s.project(t, "shop", "Shop")
	handler := web.Chain(s.handler, web.RequestIDs(rand.Reader))
	for _, lang := range languages {
		for path, refuses := range map[string]bool{
			"/shop/reset-password?oobCode=a&uid=b": false, "/shop/reset-password?oobCode=a": true, "/shop/reset-password": false, "/nowhere/reset-password?oobCode=a&uid=b": true,
		} {
			r := httptest.NewRequest(http.MethodGet, publicURL+path, nil)
			r.Header.Set("Accept-Language", lang)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			id := w.Header().Get("X-Request-Id")
			shown := textsByLanguage[lang].messages["reference.label"] + ` <bdi dir="ltr">` + id + `</bdi>`
			if id == "" || strings.Contains(w.Body.String(), shown) != refuses || strings.Contains(w.Body.String(), id) != refuses {
				t.Errorf("%s, %s: status %d, reference %q in %s", lang, path, w.Code, id, w.Body)
			}
		}
	}
}
