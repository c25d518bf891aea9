package mail

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

func TestLinks(t *testing.T) {
	tests := []struct {
		name string
		msg  auth.Message
		want []string
	}{
		{"none", auth.Message{Text: "no link, not even www.example.com", HTML: "<p>none</p>"}, nil},
		{"text", auth.Message{Text: "go to\nhttps://a.example/x?c=1&d=2_-\nnow"}, []string{"https://a.example/x?c=1&d=2_-"}},
		{"punctuation around", auth.Message{Text: "(https://a.example/x), \"http://b.example\"; https://c.example/。"}, []string{"https://a.example/x", "http://b.example", "https://c.example/"}},
		{"once, text first", auth.Message{
			Text: "https://a.example/?x=1&y=2",
			HTML: `<a href="https://b.example">b</a><a href="https://a.example/?x=1&amp;y=2">a</a><a href='https://b.example'>b</a>`,
		}, []string{"https://a.example/?x=1&y=2", "https://b.example"}},
		{"only http and https", auth.Message{Text: "ftp://a.example", HTML: `<a href="mailto:x@example.com">m</a><a href="javascript:x">j</a><img src="https://a.example/i.png">`}, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Links(tc.msg)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
