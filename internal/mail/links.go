package mail

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/auth"
)

var linkInText = regexp.MustCompile(`(?i)https?://[^\s<>"]+`)

// sentenceEnds are characters that end a sentence or bracket around a link rather than the link.
const sentenceEnds = ".,;:!?)]}'»”、。）」؟،؛"

// Links gives the http and https links of a message, in order, each once: those of the text first, then those that only the HTML has.
func Links(msg auth.Message) []string {
	var links []string
	for _, link := range append(linksInText(msg.Text), linksInHTML(msg.HTML)...) {
		if !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	return links
}

func linksInText(text string) []string {
	links := linkInText.FindAllString(text, -1)
	for i := range links {
		links[i] = strings.TrimRight(links[i], sentenceEnds)
	}
	return links
}

func linksInHTML(document string) []string {
	var links []string
	tokens := html.NewTokenizer(strings.NewReader(document))
	for tokens.Next() != html.ErrorToken {
		for _, a := range tokens.Token().Attr {
			if a.Key == "href" && isWebLink(a.Val) {
				links = append(links, strings.TrimSpace(a.Val))
			}
		}
	}
	return links
}
