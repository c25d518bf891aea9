package pages

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
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
	t := &texts{lang: lang}
	for _, file := range messageFileNames(lang) {
		content, err := messageFiles.ReadFile(file)
		if err != nil {
			panic(err)
		}
		if err := json.Unmarshal(content, &t.messages); err != nil { // adds to those that are there
			panic(fmt.Sprintf("messages in %s: %v", file, err))
		}
	}
	return t
}

// messageFileNames are those of a language: one for the links of mails, and one in the folder of each other kind of page.
func messageFileNames(lang string) []string {
	more, _ := fs.Glob(messageFiles, "messages/*/"+lang+".json") // the pattern is well formed
	return append([]string{"messages/" + lang + ".json"}, more...)
}

// has tells whether there is such a message.
func (t *texts) has(key string) bool {
	_, ok := t.messages[key]
	return ok
}

// get gives the message, or its key where there is none: a test holds that this never shows.
func (t *texts) get(key string) string {
	if message, ok := t.messages[key]; ok {
		return message
	}
	return key
}

// with gives the message with the value in place of {name}.
func (t *texts) with(key, name, value string) string {
	if t.get("dir") == "rtl" {
		value = "\u2068" + value + "\u2069" // isolates what is written in another direction
	}
	return strings.ReplaceAll(t.get(key), "{"+name+"}", value)
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
