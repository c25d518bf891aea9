package pages

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

//go:embed messages
var messageFiles embed.FS

// languages are those of the message files; the first is for everyone whom no other suits.
var languages = []string{"en", "de", "fr", "es", "pt", "ja", "ar"}

// texts are the messages of one language.
type texts struct {
	lang     string // BCP 47
	messages map[string]string
}

var textsByLanguage = func() map[string]*texts {
	all := make(map[string]*texts, len(languages))
	for _, lang := range languages {
		all[lang] = mustLoadTexts(lang)
	}
	return all
}()

// mustLoadTexts panics where the program was built with a broken message file.
func mustLoadTexts(lang string) *texts {
	content, err := messageFiles.ReadFile("messages/" + lang + ".json")
	if err != nil {
		panic(err)
	}
	t := &texts{lang: lang}
	if err := json.Unmarshal(content, &t.messages); err != nil {
		panic(fmt.Sprintf("messages in %s: %v", lang, err))
	}
	return t
}

// get gives the message, or its key where there is none: a test holds that this never shows.
func (t *texts) get(key string) string {
	if message, ok := t.messages[key]; ok {
		return message
	}
	return key
}

// number gives the message with n in place of {n}.
func (t *texts) number(key string, n int) string {
	return strings.ReplaceAll(t.get(key), "{n}", strconv.Itoa(n))
}

// chooseTexts takes the best language of Accept-Language (RFC 9110 section 12.5.4) that there are messages in, then the project's, then English.
func chooseTexts(r *http.Request, projectLanguage string) *texts {
	// An unreadable header is as good as none.
	wanted, _, _ := language.ParseAcceptLanguage(strings.Join(r.Header.Values("Accept-Language"), ","))
	if tag, err := language.Parse(projectLanguage); err == nil {
		wanted = append(wanted, tag)
	}
	for _, tag := range wanted {
		base, confidence := tag.Base()
		if t, ok := textsByLanguage[base.String()]; ok && confidence == language.Exact { // * has a guessed base
			return t
		}
	}
	return textsByLanguage[languages[0]]
}
