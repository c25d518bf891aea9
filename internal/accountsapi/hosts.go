package accountsapi

import (
	"net/http"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Hosts tells projects' host names from all others.
type Hosts struct {
	Domain string // a project's host is {project}.{Domain}; lower case
}

// localDomain makes project hosts work on every developer's machine: names under localhost lead to the loopback interface (RFC 6761 section 6.3).
const localDomain = "api.localhost"

// Project gives the first label of a project's host name. Every other host is bare.
func (h Hosts) Project(host string) (label string, ok bool) {
	name := hostName(host)
	for _, domain := range []string{h.Domain, localDomain} {
		if domain == "" {
			continue
		}
		if label, ok := strings.CutSuffix(name, "."+domain); ok && label != "" && !strings.Contains(label, ".") {
			return label, true
		}
	}
	return "", false
}

// hostName drops a port and the root's dot, and folds case.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ProjectOf decides which project a request is about, in this one way (P35): a project's host names it; on bare hosts X-Project-Id may, and else it is the default one.
func (h Hosts) ProjectOf(r *http.Request) (auth.ProjectID, error) {
	values := r.Header.Values("X-Project-Id")
	if len(values) > 1 {
		return "", web.Malformed("The header X-Project-Id must come once")
	}
	header := ""
	if len(values) == 1 {
		header = values[0]
	}
	label, onProjectHost := h.Project(r.Host)
	switch {
	case onProjectHost && header != "" && header != label:
		return "", web.Malformed("The header X-Project-Id contradicts the project of the host name")
	case onProjectHost:
		return auth.ProjectID(label), nil
	case header != "":
		return auth.ProjectID(header), nil
	}
	return auth.DefaultProject, nil
}
