package mail

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/language"

	"github.com/doorward/doorward/internal/auth"
)

const maxSource = 64 << 10 // bytes of one part of a project's own template

// TemplateError says what is wrong with a project's own template.
type TemplateError struct {
	Part   string // subject, text or html
	Line   int    // within the part, from 1; 0 where the whole part is meant
	Reason string
}

// Error gives "html, line 3: …".
func (e *TemplateError) Error() string {
	if e.Line == 0 {
		return e.Part + ": " + e.Reason
	}
	return fmt.Sprintf("%s, line %d: %s", e.Part, e.Line, e.Reason)
}

// Check tells what is wrong with a project's own template, by reading it as Render does and rendering it with sample data of every shape. A broken part
// gives a *TemplateError.
func (r *Renderer) Check(t auth.MailTemplate) error {
	if !slices.Contains(auth.MailKinds(), t.Kind) {
		return fmt.Errorf("there is no mail of the kind %q", t.Kind)
	}
	tag, err := language.Parse(t.Language)
	if err != nil {
		return errors.New("the language is not a BCP 47 tag such as en or pt-BR")
	}
	if t.Subject == "" && t.Text == "" && t.HTML == "" {
		return errors.New("a template needs a subject, a text or an HTML part")
	}
	for _, p := range []part{subjectPart, textPart, htmlPart} {
		if overridePart(t, p) == "" {
			continue
		}
		for _, data := range sampleData() {
			if _, err := renderOverride(t, p, newValues(tag, data)); err != nil {
				return err
			}
		}
	}
	return nil
}

func overridePart(t auth.MailTemplate, p part) string {
	switch p {
	case subjectPart:
		return t.Subject
	case textPart:
		return t.Text
	default:
		return t.HTML
	}
}

// renderOverride renders one part of a project's own template. All its errors are *TemplateError.
func renderOverride(t auth.MailTemplate, p part, v values) (string, error) {
	parsed, err := parseOverride(p, overridePart(t, p))
	if err != nil {
		return "", asTemplateError(p, err)
	}
	out, err := run(parsed, p, v)
	if err != nil {
		return "", asTemplateError(p, err)
	}
	if p == htmlPart {
		if err := checkHTML(out); err != nil {
			return "", asTemplateError(p, err)
		}
	}
	return out, nil
}

// parseOverride refuses whatever is not on the list of allowed constructs before anything is executed (P42).
func parseOverride(p part, source string) (executor, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("longer than %d KiB", maxSource>>10)
	}
	if !utf8.ValidString(source) || strings.ContainsRune(source, 0) {
		return nil, errors.New("not UTF-8 text")
	}
	plain, err := texttemplate.New(string(p)).Parse(source)
	if err != nil {
		return nil, err
	}
	for _, t := range plain.Templates() {
		if t.Name() != string(p) {
			return nil, errors.New("define and block are not allowed")
		}
	}
	if plain.Tree == nil { // nothing but comments
		return nil, errors.New("comes out empty")
	}
	if err := (walk{tree: plain.Tree}).list(plain.Root); err != nil {
		return nil, err
	}
	if p != htmlPart {
		return plain, nil
	}
	return htmltemplate.New(string(p)).Parse(source)
}

var allowedFields = []string{"ProjectName", "UserName", "Email", "NewEmail", "Methods", "Link", "ExpiresIn", "Code", "CodePage"}

// allowedFunctions with the arguments that they take, so that no call can fail while a mail is rendered.
var allowedFunctions = map[string]struct {
	fewest, most    int
	comparesStrings bool
}{
	"and": {fewest: 1, most: 16},
	"or":  {fewest: 1, most: 16},
	"not": {fewest: 1, most: 1},
	"eq":  {fewest: 2, most: 16, comparesStrings: true},
	"ne":  {fewest: 2, most: 2, comparesStrings: true},
}

// walk goes over the parse tree and allows a short list of nodes: text, comments, fields, if and with, and comparisons. There is no way to loop, to call,
// to define or to format, so the time and the size of a rendering are bounded by those of the source.
type walk struct {
	tree   *parse.Tree
	inWith bool // dot is a string, not the values
}

func (w walk) refuse(n parse.Node, reason string, args ...any) error {
	location, _ := w.tree.ErrorContext(n)
	return fmt.Errorf("template: %s: %s", location, fmt.Sprintf(reason, args...))
}

func (w walk) list(l *parse.ListNode) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := w.node(n); err != nil {
			return err
		}
	}
	return nil
}

func (w walk) node(n parse.Node) error {
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return w.pipe(n.Pipe)
	case *parse.IfNode:
		return w.branch(&n.BranchNode, w)
	case *parse.WithNode:
		return w.branch(&n.BranchNode, walk{tree: w.tree, inWith: true})
	default:
		return w.refuse(n, "%s is not allowed; use fields, if, with, and, or, not, eq, ne", firstWord(n))
	}
}

// branch checks if and with: then is how to walk what the condition guards.
func (w walk) branch(b *parse.BranchNode, then walk) error {
	if err := w.pipe(b.Pipe); err != nil {
		return err
	}
	if err := then.list(b.List); err != nil {
		return err
	}
	return w.list(b.ElseList)
}

func (w walk) pipe(p *parse.PipeNode) error {
	if len(p.Decl) > 0 {
		return w.refuse(p, "variables are not allowed")
	}
	if len(p.Cmds) != 1 {
		return w.refuse(p, "pipelines with | are not allowed")
	}
	args := p.Cmds[0].Args
	if id, ok := args[0].(*parse.IdentifierNode); ok {
		return w.call(id, args[1:])
	}
	if len(args) > 1 {
		return w.refuse(p, "a value takes no arguments")
	}
	return w.value(args[0])
}

func (w walk) call(function *parse.IdentifierNode, args []parse.Node) error {
	allowed, ok := allowedFunctions[function.Ident]
	if !ok {
		return w.refuse(function, "the function %s is not allowed; only and, or, not, eq and ne are", function.Ident)
	}
	if len(args) < allowed.fewest || len(args) > allowed.most {
		return w.refuse(function, "wrong number of arguments for %s", function.Ident)
	}
	for _, arg := range args {
		if _, nested := arg.(*parse.PipeNode); nested && allowed.comparesStrings {
			return w.refuse(arg, "%s compares fields and quoted strings only", function.Ident)
		}
		if err := w.value(arg); err != nil {
			return err
		}
	}
	return nil
}

func (w walk) value(n parse.Node) error {
	switch n := n.(type) {
	case *parse.StringNode:
		return nil
	case *parse.PipeNode:
		return w.pipe(n)
	case *parse.FieldNode:
		if w.inWith {
			return w.refuse(n, "inside with, the dot is the value itself; write $%s", n)
		}
		return w.field(n, n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] != "$" || len(n.Ident) == 1 {
			return w.refuse(n, "%s is not allowed; write $.Field", n)
		}
		return w.field(n, n.Ident[1:])
	case *parse.DotNode:
		if !w.inWith {
			return w.refuse(n, "the dot alone is allowed only inside with")
		}
		return nil
	default:
		return w.refuse(n, "%s is not allowed here", n)
	}
}

func (w walk) field(n parse.Node, path []string) error {
	if len(path) != 1 || !slices.Contains(allowedFields, path[0]) {
		return w.refuse(n, "there is no field .%s; there are .%s", strings.Join(path, "."), strings.Join(allowedFields, ", ."))
	}
	return nil
}

// firstWord names a construct by its keyword, as in "range".
func firstWord(n parse.Node) string {
	word, _, _ := strings.Cut(strings.TrimLeft(n.String(), "{- "), " ")
	return strings.TrimRight(word, "-}")
}

// located matches the place in the errors of text/template and html/template: "template: html:3:7: …", "html/template:html:3:7: …", "html/template:html: …".
var located = regexp.MustCompile(`^(?:html/)?template: ?(?:subject|text|html)(?::(\d+))?(?::\d+)?: (?s:(.*))$`)

func asTemplateError(p part, err error) error {
	e := &TemplateError{Part: string(p), Reason: err.Error()}
	var output *outputError
	if errors.As(err, &output) {
		e.Line = output.line
	}
	if m := located.FindStringSubmatch(e.Reason); m != nil {
		e.Line, _ = strconv.Atoi(m[1]) // digits or nothing, as matched
		e.Reason = m[2]
	}
	return e
}

// outputError is about the rendered HTML, whose lines are about those of the template.
type outputError struct {
	line   int
	reason string
}

func (e *outputError) Error() string { return e.reason }

// deniedElements run code, load documents, send forms or move links elsewhere: none has a place in a mail.
var deniedElements = []string{"applet", "audio", "base", "button", "embed", "form", "frame", "frameset", "iframe", "input", "link", "math", "noembed", "noframes", "noscript", "object", "plaintext",
	"script", "select", "svg", "template", "textarea", "video", "xmp"}

// checkHTML refuses what contextual escaping does not: active content that the template itself holds, and links that are not http(s) or mailto (P40).
func checkHTML(document string) error {
	line := 1
	tokens := html.NewTokenizer(strings.NewReader(document))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				return &outputError{line, "not HTML: " + err.Error()}
			}
			return nil
		}
		raw := strings.Count(string(tokens.Raw()), "\n")
		if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
			if err := checkElement(tokens.Token()); err != nil {
				return &outputError{line, err.Error()}
			}
		}
		line += raw
	}
}

func checkElement(t html.Token) error {
	if slices.Contains(deniedElements, t.Data) {
		return fmt.Errorf("the element %s is not allowed in mails", t.Data)
	}
	for _, a := range t.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"):
			return fmt.Errorf("the attribute %s is not allowed in mails", a.Key)
		case t.Data == "meta" && a.Key == "http-equiv" && !strings.EqualFold(a.Val, "content-type") && !strings.EqualFold(a.Val, "x-ua-compatible"):
			return errors.New("meta http-equiv takes content-type and x-ua-compatible only")
		case a.Key == "href" && a.Val != "" && !isWebLink(a.Val) && !strings.HasPrefix(a.Val, "mailto:"):
			return errors.New("href takes http, https and mailto URLs only")
		case (a.Key == "src" || a.Key == "background") && !isWebLink(a.Val):
			return fmt.Errorf("%s takes http and https URLs only", a.Key)
		case a.Key == "srcset" || a.Key == "srcdoc" || a.Key == "action" || a.Key == "formaction":
			return fmt.Errorf("the attribute %s is not allowed in mails", a.Key)
		}
	}
	return nil
}
