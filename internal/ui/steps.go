package ui

import (
	"net/http"
	"time"
)

// maxStep bounds what a step's cookie holds, in bytes: browsers keep 4096 with the name.
const maxStep = 3800

// SetStep gives the browser what the next step of something with a project needs, as a sign-in that waits for its second factor. It tells whether the value
// fits into a cookie.
func (s *Site) SetStep(w http.ResponseWriter, project, step, value string, maxAge time.Duration) bool {
	if len(value) > maxStep {
		return false
	}
	s.setCookie(w, stepCookie(project, step), value, int(maxAge/time.Second))
	return true
}

// Step gives what SetStep has set, or "".
func (s *Site) Step(r *http.Request, project, step string) string {
	return s.boundedCookie(r, stepCookie(project, step), maxStep)
}

// ClearStep has the browser forget it.
func (s *Site) ClearStep(w http.ResponseWriter, project, step string) {
	s.setCookie(w, stepCookie(project, step), "", -1)
}

// stepCookie has a dot, which no project's id has: a step is never taken for a session.
func stepCookie(project, step string) string { return "doorward-" + project + "." + step }
