package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return `Examples:

    source <(doorward completion bash)
    doorward completion zsh > "${fpath[1]}/_doorward"
    doorward completion fish > ~/.config/fish/completions/doorward.fish`
}

func (c completionCmd) Run(a *app) error {
	points := completionPoints(a.parser.Model.Node)
	switch c.Shell {
	case "bash":
		writeBash(a.stdout, points)
	case "zsh":
		writeZsh(a.stdout, points)
	case "fish":
		writeFish(a.stdout, points)
	}
	return nil
}

// completionPoint is what may follow after some words.
type completionPoint struct {
	path     string // the words, as "project create"; "" for none
	commands []completionWord
	flags    []completionWord
}

type completionWord struct{ text, help string }

func (p completionPoint) words() string {
	var words []string
	for _, w := range append(p.commands, p.flags...) {
		words = append(words, w.text)
	}
	return strings.Join(words, " ")
}

// completionPoints walks the tree of commands.
func completionPoints(root *kong.Node) []completionPoint {
	var points []completionPoint
	var walk func(n *kong.Node, path string)
	walk = func(n *kong.Node, path string) {
		p := completionPoint{path: path}
		for _, child := range n.Children {
			if !child.Hidden {
				p.commands = append(p.commands, completionWord{child.Name, child.Help})
			}
		}
		for _, group := range n.AllFlags(true) {
			for _, flag := range group {
				p.flags = append(p.flags, completionWord{"--" + flag.Name, flag.Help})
			}
		}
		points = append(points, p)
		for _, child := range n.Children {
			if !child.Hidden {
				walk(child, strings.TrimSpace(path+" "+child.Name))
			}
		}
	}
	walk(root, "")
	return points
}

// pathPattern is a shell pattern of all paths but the empty one.
func pathPattern(points []completionPoint) string {
	var patterns []string
	for _, p := range points[1:] {
		patterns = append(patterns, `"`+p.path+`"`)
	}
	return strings.Join(patterns, "|")
}

func writeBash(w io.Writer, points []completionPoint) {
	fmt.Fprintf(w, `# Completion of doorward for bash.
_doorward() {
    local at="" words="" i next
    for ((i = 1; i < COMP_CWORD; i++)); do
        next="${at:+$at }${COMP_WORDS[i]}"
        case "$next" in %s) at="$next" ;; esac
    done
    case "$at" in
`, pathPattern(points))
	for _, p := range points {
		fmt.Fprintf(w, "    \"%s\") words=\"%s\" ;;\n", p.path, p.words())
	}
	fmt.Fprint(w, `    esac
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _doorward doorward
`)
}

func writeZsh(w io.Writer, points []completionPoint) {
	fmt.Fprintf(w, `#compdef doorward
# Completion of doorward for zsh.
_doorward() {
    local at="" next i
    local -a options
    for ((i = 2; i < CURRENT; i++)); do
        next="${at:+$at }${words[i]}"
        case "$next" in (%s) at="$next" ;; esac
    done
    case "$at" in
`, pathPattern(points))
	for _, p := range points {
		fmt.Fprintf(w, "    (\"%s\") options=(", p.path)
		for _, word := range append(p.commands, p.flags...) {
			fmt.Fprintf(w, " %s", shellQuote(strings.ReplaceAll(word.text, ":", `\:`)+":"+word.help))
		}
		fmt.Fprint(w, " ) ;;\n")
	}
	fmt.Fprint(w, `    esac
    _describe doorward options
    _files
}
if [[ "$funcstack[1]" == _doorward ]]; then
    _doorward "$@" # found by its file name
else
    compdef _doorward doorward # sourced
fi
`)
}

func writeFish(w io.Writer, points []completionPoint) {
	fmt.Fprint(w, `# Completion of doorward for fish.
function __doorward_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$at $word")
        if contains -- $next $__doorward_paths
            set at $next
        end
    end
    test "$at" = "$argv"
end
`)
	fmt.Fprint(w, "set -g __doorward_paths")
	for _, p := range points[1:] {
		fmt.Fprintf(w, " '%s'", p.path)
	}
	fmt.Fprintln(w)
	for _, p := range points {
		for _, c := range p.commands {
			fmt.Fprintf(w, "complete -c doorward -f -n '__doorward_at %s' -a %s -d %s\n", p.path, c.text, fishQuote(c.help))
		}
		for _, f := range p.flags {
			fmt.Fprintf(w, "complete -c doorward -n '__doorward_at %s' -l %s -d %s\n", p.path, strings.TrimPrefix(f.text, "--"), fishQuote(f.help))
		}
	}
}

// shellQuote quotes for bash and zsh.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
