package mail

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseURL(t *testing.T) {
	tests := []struct {
		url  string
		want Config
	}{
		{"smtp://mail.example.com", Config{Host: "mail.example.com", Port: 587, TLS: TLSStartTLS}},
		{"smtp://mail.example.com:25/", Config{Host: "mail.example.com", Port: 25, TLS: TLSStartTLS}},
		{"smtp://ann%40example.com:p%40ss%3Aw%2Frd@mail.example.com", Config{Host: "mail.example.com", Port: 587, User: "ann@example.com", Password: "p@ss:w/rd", TLS: TLSStartTLS}},
		{"smtps://mail.example.com", Config{Host: "mail.example.com", Port: 465, TLS: TLSImplicit}},
		{"smtps://mail.example.com?ca=/etc/ca.pem", Config{Host: "mail.example.com", Port: 465, TLS: TLSImplicit, CAFile: "/etc/ca.pem"}},
		{"smtp://mail.example.com?tls=starttls", Config{Host: "mail.example.com", Port: 587, TLS: TLSStartTLS}},
		{"smtp://localhost:1025", Config{Host: "localhost", Port: 1025, TLS: TLSOpportunistic}},
		{"smtp://127.0.0.5:1025?tls=none", Config{Host: "127.0.0.5", Port: 1025, TLS: TLSNone}},
		{"smtp://[::1]:1025?tls=starttls&ca=ca.pem", Config{Host: "::1", Port: 1025, TLS: TLSStartTLS, CAFile: "ca.pem"}},
	}
	for _, tc := range tests {
		got, err := ParseURL(tc.url)
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
		} else if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.url, diff)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, url := range []string{
		"",
		"mail.example.com:25",
		"http://u:SECRET@mail.example.com",
		"smtp://u:SECRET@",
		"smtp://u:SECRET@mail.example.com:0",
		"smtp://u:SECRET@mail.example.com:65536",
		"smtp://u:SECRET@mail.example.com:port",
		"smtp://u:SECRET/x@mail.example.com",
		"smtp://u:SECRET#x@mail.example.com",
		"smtp://u:SECRET%zz@mail.example.com",
		"smtp://u:SECRET%0d%0aX@mail.example.com",
		"smtp://u:SECRET@mail.example.com/path",
		"smtp://u:SECRET@mail.example.com?tls=none",
		"smtp://u:SECRET@mail.example.com?tls=opportunistic",
		"smtp://u:SECRET@localhost.example.com?tls=none",
		"smtp://u:SECRET@10.0.0.1?tls=none",
		"smtp://u:SECRET@mail.example.com?tls=starttls&tls=none",
		"smtp://u:SECRET@localhost?tls=",
		"smtp://u:SECRET@mail.example.com?ca=",
		"smtp://u:SECRET@mail.example.com?SECRET=1",
		"smtp://u:SECRET@mail.example.com?a=%zz",
		"smtps://u:SECRET@mail.example.com?tls=none",
		"smtps://u:SECRET@localhost?tls=starttls",
		"smtp://user@mail.example.com",
		"smtp://:SECRET@mail.example.com",
	} {
		_, err := ParseURL(url)
		if err == nil {
			t.Errorf("%s: accepted", url)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error quotes the password: %v", url, err)
		}
	}
}

// A Config built by hand cannot go round the rules.
func TestNewSMTPRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"clear text":       {Host: "mail.example.com", Port: 25, TLS: TLSNone},
		"opportunistic":    {Host: "mail.example.com", Port: 25, TLS: TLSOpportunistic},
		"no mode":          {Host: "mail.example.com", Port: 25},
		"missing CA file":  {Host: "mail.example.com", Port: 25, TLS: TLSStartTLS, CAFile: t.TempDir() + "/none.pem"},
		"CA file is a dir": {Host: "mail.example.com", Port: 25, TLS: TLSStartTLS, CAFile: t.TempDir()},
		"negative timeout": {Host: "mail.example.com", Port: 25, TLS: TLSStartTLS, SendTimeout: -1},
	} {
		if _, err := NewSMTP(c, testClock); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConfigHidesItsPassword(t *testing.T) {
	c, err := ParseURL("smtp://ann:SECRET@mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c)
	for _, printed := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), c.String(), fmt.Sprint(&c), log.String()} {
		if strings.Contains(printed, "SECRET") || !strings.Contains(printed, "mail.example.com:587") {
			t.Errorf("printed as %s", printed)
		}
	}
}
