package pages

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// The names of the fields that keep where a sign-in leads to, in queries and hidden in forms.
const (
	fieldCallback        = "callBackUri"
	fieldState           = "state"
	fieldChallenge       = "codeChallenge"
	fieldChallengeMethod = "codeChallengeMethod"
	fieldNext            = "next"
)

var (
	appFields         = []string{fieldCallback, fieldState, fieldChallenge, fieldChallengeMethod}
	destinationFields = append([]string{fieldNext}, appFields...)
)

// destination is where a sign-in leads to: back to an app that asked for it, or to a page of the project's own.
type destination struct {
	app  *auth.AppRequest // checked; nil where no app asked
	next string           // path below the public URL; "" where an app asked
}

// destinationOf reads and checks where a sign-in leads to. Where an app's request is not in order nobody is sent to its callback (P13).
func (v *visit) destinationOf(r *http.Request, fields url.Values) (destination, error) {
	d, err := v.checkDestination(r, fields)
	if err == nil {
		v.to = &d
	}
	return d, err
}

func (v *visit) checkDestination(r *http.Request, fields url.Values) (destination, error) {
	asked := false
	for _, name := range destinationFields {
		if len(fields[name]) > 1 || !ui.IsText(fields.Get(name)) {
			return destination{}, &web.Error{Status: http.StatusBadRequest, Detail: "A part of the address is there twice, or no text"}
		}
		asked = asked || name != fieldNext && fields.Get(name) != ""
	}
	if !asked {
		return destination{next: v.localPath(fields.Get(fieldNext))}, nil
	}
	app := &auth.AppRequest{
		RedirectURI: fields.Get(fieldCallback), State: fields.Get(fieldState), CodeChallenge: fields.Get(fieldChallenge),
		CodeChallengeMethod: fields.Get(fieldChallengeMethod),
	}
	if err := v.service.CheckAppRequest(r.Context(), v.pageCaller(r), *app); err != nil {
		if code := auth.CodeOf(err); code == auth.CodeInvalidArgument || code == auth.CodeRedirectNotAllowed {
			err = told{err, answerApp}
		}
		return destination{}, err
	}
	return destination{app: app}, nil
}

// values keep the destination through the steps of a sign-in.
func (d destination) values() url.Values {
	if d.app == nil {
		return url.Values{fieldNext: {d.next}}
	}
	values := url.Values{
		fieldCallback: {d.app.RedirectURI}, fieldChallenge: {d.app.CodeChallenge}, fieldChallengeMethod: {d.app.CodeChallengeMethod},
	}
	if d.app.State != "" {
		values.Set(fieldState, d.app.State)
	}
	return values
}

// policy lets the answers to a page's forms redirect to the app.
func (d destination) policy() ui.Policy {
	if d.app == nil {
		return ui.Policy{}
	}
	return ui.Policy{FormTargets: []string{d.formTarget()}}
}

func (d destination) formTarget() string { return strings.TrimSuffix(d.app.Origin(), ":") }

// localPattern is a path of plain segments, and a query of plain characters: nothing in it can be read as another host.
var localPattern = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+(\?[A-Za-z0-9._~=&%+:,-]*)?$`)

// localPath gives the path of one of the project's own pages, with or without the path of the public URL, or where the target is none the page that a sign-in
// leads to by itself.
func (v *visit) localPath(target string) string {
	home := "/" + string(v.project.ID)
	target = strings.TrimPrefix(target, v.site.Path(""))
	own := strings.HasPrefix(target, home+"/") || v.project.ID == auth.ConsoleProject && target == home
	if own && len(target) <= 1024 && localPattern.MatchString(target) {
		return target
	}
	if v.project.ID == auth.ConsoleProject {
		return home
	}
	return home + "/account"
}
