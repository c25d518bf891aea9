package mail

import (
	"strings"

	"golang.org/x/text/language"
)

// The names that people know providers by. As domains they would become links in mail programs.
var methodNames = map[string]string{
	"google.com": "Google", "facebook.com": "Facebook", "github.com": "GitHub", "microsoft.com": "Microsoft", "apple.com": "Apple",
}

var passwordInWords = map[string]string{"en": "password", "de": "Passwort", "fr": "mot de passe", "es": "contraseña", "pt": "senha", "ja": "パスワード", "ar": "كلمة المرور"}

// methodsInWords gives the ways to sign in, as auth.MailData lists them, in the words of the language.
func methodsInWords(tag language.Tag, methods string) string {
	if methods == "" {
		return ""
	}
	base, _ := tag.Base()
	var words []string
	for method := range strings.SplitSeq(methods, ", ") {
		switch name, known := methodNames[method]; {
		case known:
			words = append(words, name)
		case method == "password" && passwordInWords[base.String()] != "":
			words = append(words, passwordInWords[base.String()])
		default:
			words = append(words, presentableName(clean(strings.TrimPrefix(method, "oidc."))))
		}
	}
	return strings.Join(words, ", ")
}
