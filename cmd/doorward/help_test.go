package main

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func commandTree(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := newParser(&cli{}, &app{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// TestEveryCommandHasAnExample: the help of each command shows how it is called, and every flag and argument has an explanation.
func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	leaves := commandTree(t).Model.Leaves(false)
	if len(leaves) < 40 {
		t.Errorf("only %d commands", len(leaves))
	}
	for _, leaf := range leaves {
		path := leaf.FullPath()
		if !strings.Contains(leaf.Detail, "Example") || !strings.Contains(leaf.Detail, "    "+path) && !strings.Contains(leaf.Detail, "("+path) {
			t.Errorf("the help of %q has no example", path)
		}
		if leaf.Help == "" {
			t.Errorf("%q is not explained", path)
		}
		for _, group := range leaf.AllFlags(false) {
			for _, flag := range group {
				if flag.Help == "" {
					t.Errorf("%s: --%s is not explained", path, flag.Name)
				}
			}
		}
		for _, argument := range leaf.Positional {
			if argument.Help == "" {
				t.Errorf("%s: %s is not explained", path, argument.Name)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"nothing", nil, []string{"Usage: doorward <command>", "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found."}},
		{"help", []string{"help"}, []string{"Usage: doorward <command>"}},
		{"flag", []string{"--help"}, []string{"Usage: doorward <command>"}},
		{"help of a command", []string{"help", "project", "create"}, []string{"Usage: doorward project create <id>", "doorward project create shop"}},
		{"flag of a command", []string{"serve", "--help"}, []string{"--public-url=URL", "DOORWARD_SMTP_FILE", "Address to serve on, as HOST:PORT."}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(context.Background(), test.args, nil, strings.NewReader(""), &stdout, &stderr); code != exitDone {
				t.Errorf("exit code %d: %s", code, stderr.String())
			}
			for _, want := range test.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("no %q in\n%s", want, stdout.String())
				}
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if code := run(context.Background(), []string{"version"}, nil, strings.NewReader(""), &stdout, io.Discard); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if out := stdout.String(); !strings.HasPrefix(out, "doorward ") || !strings.Contains(out, "go1.") {
		t.Errorf("version prints %q", out)
	}
}

func completionScript(t *testing.T, shell string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), []string{"completion", shell}, nil, strings.NewReader(""), &stdout, &stderr); code != exitDone {
		t.Fatalf("completion %s: exit code %d: %s", shell, code, stderr.String())
	}
	return stdout.String()
}

// TestCompletionNamesEverything: each shell's script has every command and every flag.
func TestCompletionNamesEverything(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := completionScript(t, shell)
		for _, point := range completionPoints(commandTree(t).Model.Node) {
			if !strings.Contains(script, point.path) {
				t.Errorf("%s: no %q", shell, point.path)
			}
			for _, word := range append(point.commands, point.flags...) {
				if !strings.Contains(script, strings.TrimPrefix(word.text, "--")) {
					t.Errorf("%s: no %q", shell, word.text)
				}
			}
		}
	}
}

func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	script := completionScript(t, "bash")
	tests := []struct{ line, want string }{
		{"doorward proj", "project"},
		{"doorward project ro", "rotate-admin-token"},
		{"doorward mail template s", "set"},
		{"doorward --json user list --st", "--state"},
		{"doorward user --project shop dis", "disable"},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			ask := script + "\nCOMP_WORDS=(" + test.line + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_doorward\necho \"${COMPREPLY[*]}\"\n"
			out, err := exec.Command("bash", "-c", ask).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != test.want {
				t.Errorf("%v: %q, want %q", err, out, test.want)
			}
		})
	}
}
