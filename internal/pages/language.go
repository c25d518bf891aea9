package pages

import (
	"net/http"
	"net/url"
)

// fieldLanguage is the language that the reader has chosen, in the query and in forms; without it the browser's counts.
const fieldLanguage = "lang"

// languageLink leads to the same page in another language.
type languageLink struct {
	Lang, Name, URL string
	Current         bool
}

// chooseLanguage shows the visit in a language that the reader asked for, if there are messages in it.
func (v *visit) chooseLanguage(lang string) {
	if t, ok := textsByLanguage[lang]; ok {
		v.texts, v.language = t, lang
	}
}

// languageLinks are those of a page that can be opened again in another language: one that a link leads to, or its form after a try.
func (v *visit) languageLinks(form *formView) []languageLink {
	query, path := url.Values{}, v.request.URL.EscapedPath()
	switch {
	case v.page.name == pageCallback: // a provider's answer is taken once
		return nil
	case v.request.Method != http.MethodPost:
		query = v.request.URL.Query()
	case v.reopen != nil:
		query = v.reopen
		if v.reopenPath != "" {
			path = v.reopenPath
		}
	case form != nil && form.Code != "":
		query.Set(fieldCode, form.Code)
		query.Set(fieldUser, form.User)
	default:
		return nil
	}
	links := make([]languageLink, 0, len(languages))
	for _, lang := range languages {
		query.Set(fieldLanguage, lang)
		links = append(links, languageLink{lang, textsByLanguage[lang].get("language.name"), v.site.Path(path) + "?" + query.Encode(), lang == v.texts.lang})
	}
	return links
}
