package console

import (
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

func TestZZServe(t *testing.T) {
	addr := os.Getenv("ZZ_ADDR")
	if addr == "" {
		t.Skip()
	}
	r := newRig(t)
	acme := r.project("acme", "Acme", "callbackURLs", "https://app.example.com/signed-in")
	id, issuer := "client-1", map[string]string{"issuer": "https://id.example.com"}
	_, err := r.admin.PutProvider(t.Context(), acme, "oidc.corp", auth.ProviderChange{ClientID: &id, ClientSecret: &id, Endpoints: &issuer})
	r.must(err)
	_, err = r.admin.SendTestMail(t.Context(), acme, auth.MailResetPassword, "en", "reader@example.com")
	r.must(err)
	url := "https://app.example.com/hook"
	_, _, err = r.admin.CreateWebhook(t.Context(), acme, auth.WebhookChange{URL: &url})
	r.must(err)
	_, err = r.admin.SignUp(t.Context(), auth.Caller{Project: acme.Project}, auth.SignUpParams{Email: "ann@example.com", Password: "copper lantern 97"})
	r.must(err)
	assets := web.NewRouter(ui.AssetRoutes(), func(w http.ResponseWriter, _ *http.Request, err error) { w.WriteHeader(404) })
	l, err := net.Listen("tcp", addr)
	r.must(err)
	h := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if len(q.URL.Path) > 8 && q.URL.Path[:8] == "/assets/" {
			assets.ServeHTTP(w, q)
			return
		}
		q.AddCookie(&http.Cookie{Name: "__Host-doorward-console", Value: r.session})
		r.handler.ServeHTTP(w, q)
	})
	go func() { _ = http.Serve(l, h) }()
	time.Sleep(90 * time.Second)
}
