package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Route is one method on one path.
type Route struct {
	Method string
	// Pattern is a path whose segments are literal, or {name} for exactly one segment, or, as the last, {name...} for
	// one and more. A handler reads the value, unescaped, with r.PathValue(name).
	Pattern string
	Name    string // of the operation, for the log; may be empty
	Handler Handler
}

// Router serves routes exactly (P33): it never redirects, cleans or folds a path, and a literal segment matches only
// its own spelling, so that a limit or rule on a route cannot be passed by another spelling (P29). A parameter is
// never empty, "." or "..", and holds no slash, backslash or control character. Where a literal and a parameter
// both match, the literal wins, whatever the methods. GET routes answer HEAD.
type Router struct {
	root    *node
	onError ErrorWriter
}

// node is the set of routes that share the segments so far.
type node struct {
	literals map[string]*node
	param    *node
	end      *resource // of patterns that end here
	rest     *resource // of patterns that end here with {name...}
}

// resource is one pattern with its methods.
type resource struct {
	pattern string
	params  []string
	methods map[string]http.Handler
	names   map[string]string
	allow   string
}

// NewRouter returns a router that has onError write the handlers' errors, 404 and 405. It panics on routes that
// contradict each other or do not parse, since they are part of the program.
func NewRouter(routes []Route, onError ErrorWriter) *Router {
	router := &Router{root: &node{}, onError: onError}
	for _, route := range routes {
		router.add(route)
	}
	return router
}

func (router *Router) add(route Route) {
	if route.Method == "" || route.Handler == nil {
		panic(fmt.Sprintf("route %s %s: method or handler missing", route.Method, route.Pattern))
	}
	at := router.resourceFor(route.Pattern)
	if at.methods[route.Method] != nil {
		panic(fmt.Sprintf("route %s %s: declared twice", route.Method, route.Pattern))
	}
	at.methods[route.Method] = Handle(route.Handler, router.onError)
	at.names[route.Method] = route.Name
	at.allow = allowHeader(at.methods)
}

// resourceFor walks the pattern, and makes the nodes that are missing.
func (router *Router) resourceFor(pattern string) *resource {
	if !strings.HasPrefix(pattern, "/") {
		panic(fmt.Sprintf("route %q: must start with a slash", pattern))
	}
	segments := strings.Split(pattern[1:], "/")
	at, place := router.root, (**resource)(nil)
	var params []string
	for i, segment := range segments {
		last := i == len(segments)-1
		name, isParam := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		name, isRest := strings.CutSuffix(name, "...")
		switch {
		case !isParam && !strings.ContainsAny(segment, "{}") && (segment != "" || last):
			at = at.literal(segment)
		case isParam && closed && name != "" && !isRest:
			at, params = at.parameter(), append(params, name)
		case isParam && closed && name != "" && last:
			place, params = &at.rest, append(params, name)
		default:
			panic(fmt.Sprintf("route %q: segment %q does not parse", pattern, segment))
		}
	}
	if place == nil {
		place = &at.end
	}
	if *place == nil {
		*place = &resource{pattern: pattern, params: params, methods: map[string]http.Handler{}, names: map[string]string{}}
	}
	if (*place).pattern != pattern {
		panic(fmt.Sprintf("route %q: the same as %q in other words", pattern, (*place).pattern))
	}
	return *place
}

func (n *node) literal(segment string) *node {
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	if n.literals[segment] == nil {
		n.literals[segment] = &node{}
	}
	return n.literals[segment]
}

func (n *node) parameter() *node {
	if n.param == nil {
		n.param = &node{}
	}
	return n.param
}

func allowHeader(methods map[string]http.Handler) string {
	allowed := slices.Collect(maps.Keys(methods))
	if methods[http.MethodGet] != nil && methods[http.MethodHead] == nil {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	return strings.Join(allowed, ", ")
}

func (router *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, values := router.match(r.URL.EscapedPath())
	if found == nil {
		router.refuse(w, r, NotFound())
		return
	}
	rec, r := withRecord(r)
	rec.route = found.pattern
	method := r.Method
	if method == http.MethodHead && found.methods[method] == nil {
		method = http.MethodGet // net/http drops the body
	}
	handler := found.methods[method]
	if handler == nil {
		router.refuse(w, r, MethodNotAllowed(found.allow))
		return
	}
	rec.operation = found.names[method]
	for i, name := range found.params {
		r.SetPathValue(name, values[i])
	}
	handler.ServeHTTP(w, r)
}

func (router *Router) refuse(w http.ResponseWriter, r *http.Request, err error) {
	Handle(func(http.ResponseWriter, *http.Request) error { return err }, router.onError).ServeHTTP(w, r)
}

// match takes the path as the client spelled it, so that an escaped slash stays within its segment.
func (router *Router) match(escapedPath string) (*resource, []string) {
	if !strings.HasPrefix(escapedPath, "/") {
		return nil, nil
	}
	return router.root.match(strings.Split(escapedPath[1:], "/"), nil)
}

func (n *node) match(segments, values []string) (*resource, []string) {
	if len(segments) == 0 {
		return n.end, values
	}
	if next := n.literals[segments[0]]; next != nil {
		if found, all := next.match(segments[1:], values); found != nil {
			return found, all
		}
	}
	value, ok := unescapeSegment(segments[0])
	if !ok {
		return nil, nil
	}
	if n.param != nil {
		if found, all := n.param.match(segments[1:], append(slices.Clip(values), value)); found != nil {
			return found, all
		}
	}
	if n.rest == nil {
		return nil, nil
	}
	for _, segment := range segments[1:] {
		next, ok := unescapeSegment(segment)
		if !ok {
			return nil, nil
		}
		value += "/" + next
	}
	return n.rest, append(slices.Clip(values), value)
}

// unescapeSegment refuses what could change the meaning of a path that is built from the value.
func unescapeSegment(segment string) (string, bool) {
	value, err := url.PathUnescape(segment)
	if err != nil || value == "" || value == "." || value == ".." || !utf8.ValidString(value) {
		return "", false
	}
	forbidden := func(r rune) bool { return r == '/' || r == '\\' || r < 0x20 || r == 0x7f }
	return value, !strings.ContainsFunc(value, forbidden)
}

// Mount is a surface under a path prefix.
type Mount struct {
	Prefix  string // as "/admin", without a slash at its end; "" is everything
	Handler http.Handler
}

// Mounts hands each request to the mount with the longest prefix of whole segments, with its path as it came, where
// http.ServeMux would clean and redirect it. Requests outside all prefixes go to notFound.
func Mounts(mounts []Mount, notFound http.Handler) http.Handler {
	byLength := slices.Clone(mounts)
	slices.SortStableFunc(byLength, func(a, b Mount) int { return len(b.Prefix) - len(a.Prefix) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		for _, mount := range byLength {
			rest, found := strings.CutPrefix(path, mount.Prefix)
			if found && (rest == "" || rest[0] == '/') {
				mount.Handler.ServeHTTP(w, r)
				return
			}
		}
		notFound.ServeHTTP(w, r)
	})
}
