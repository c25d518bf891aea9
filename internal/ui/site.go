package ui

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Site is the public URL, as pages need it. It is safe for concurrent use.
type Site struct {
	basePath    string
	https       bool
	random      io.Reader
	crossOrigin *http.CrossOriginProtection
}

// NewSite makes the site at the public URL, which has no trailing slash; all paths, cookies and checks come from it alone (P12). random is nil for
// crypto/rand. It panics where the URL has no scheme or host, since no page could work.
func NewSite(publicURL *url.URL, random io.Reader) *Site {
	if random == nil {
		random = rand.Reader
	}
	s := &Site{basePath: publicURL.EscapedPath(), https: publicURL.Scheme == "https", random: random, crossOrigin: http.NewCrossOriginProtection()}
	// A proxy may send another Host than the one that the browser knows.
	if err := s.crossOrigin.AddTrustedOrigin(publicURL.Scheme + "://" + publicURL.Host); err != nil {
		panic(fmt.Sprintf("ui: public URL: %v", err))
	}
	return s
}

// Path gives the path that a page has to name for one of the server's, which begins with a slash: the public URL may have a path of its own.
func (s *Site) Path(path string) string { return s.basePath + path }

// HTTPS tells whether browsers come over TLS.
func (s *Site) HTTPS() bool { return s.https }
