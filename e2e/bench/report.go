package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is what is printed while it is measured, as Markdown.
type report struct {
	text bytes.Buffer
	out  io.Writer
}

func newReport(out io.Writer) *report {
	r := &report{}
	r.out = io.MultiWriter(out, &r.text)
	return r
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// machine names where it was measured.
func (r *report) machine(o options) {
	r.line("%s, %d cores, Linux %s, %s/%s, %s. Each load lasts %v; medians of %d.", processor(), runtime.NumCPU(), kernel(), runtime.GOOS, runtime.GOARCH, runtime.Version(), o.seconds, o.rounds)
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "a processor without a name"
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

// putInto replaces the tables of a section in a text.
func (r *report) putInto(file, section string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+section+" -->\n", "<!-- end of "+section+" -->"
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no section %q", file, section)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+r.text.String()+"\n"+end+after), 0o644)
}

// limits shows what the machine can do.
func (r *report) limits(o options, engine, dir string) error {
	r.line("\n## %s\n\n| limit | a second |\n|---|---|", engine)
	most, err := hashes().perSecond(o.seconds)
	if err != nil {
		return err
	}
	r.line("| password hashes, argon2id %d KiB, %d passes | %.1f |", hashMemory, hashPasses, most)
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		l, err := signatures(algorithm)
		if err != nil {
			return err
		}
		if most, err = l.perSecond(o.seconds); err != nil {
			return err
		}
		r.line("| %s | %.0f |", l.name, most)
	}
	if most, err = syncs(dir, o.seconds); err != nil {
		return err
	}
	r.line("| pages of 4 KiB written for good, one after the other | %.0f |", most)
	return nil
}

func (r *report) begin(string) {
	r.line("\n| work | load | a second | of its limit | p50 | p95 | p99 | refused | errors | CPU | peak memory | health p99 |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
}

func (r *report) row(w work, m measured) {
	limit := w.limit
	if limit == "" {
		limit = "bare"
	}
	r.line("| %s | %v | %.0f | %.2f of %.0f %s | %s | %s | %s | %d | %d | %.1f s | %.0f MB | %s |", w.name, m.load, m.perSecond(), m.ratio(), m.limit, limit,
		shown(percentile(m.waits, 0.50)), shown(percentile(m.waits, 0.95)), shown(percentile(m.waits, 0.99)), m.shed, m.errors, m.cpu.Seconds(), megabytes(m.peak), shown(percentile(m.health, 0.99)))
	if m.first != nil {
		r.line("\nan error: %v\n", m.first)
	}
}

func shown(d time.Duration) string { return fmt.Sprintf("%.3g ms", float64(d.Microseconds())/1000) }

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

// verdicts shows what was wanted and what came.
func (r *report) verdicts(engine string, byName map[string]measured) {
	r.line("\n| %s | wanted | measured |\n|---|---|---|", engine)
	for _, w := range works() {
		if m, ok := byName[fmt.Sprint(w.name, " ", judged)]; ok && w.least > 0 {
			r.verdict(fmt.Sprintf("%s, %d connections", w.name, judged), w.least, m.ratio())
		}
	}
	most, ok := byName[fmt.Sprint("sign-in ", maxConnections)]
	if m, there := byName[fmt.Sprint("sign-in ", judged)]; ok && there {
		r.verdict(fmt.Sprintf("sign-in, %d connections, of %d", maxConnections, judged), 0.90, most.perSecond()/m.perSecond())
		r.longest("p99 of the admitted", 2*time.Second, percentile(most.waits, 0.99))
		r.longest("p99 of health meanwhile", 50*time.Millisecond, percentile(most.health, 0.99))
	}
	for _, name := range []string{"sign-in", "sign-up", "refresh RS256"} {
		plain, ok := byName[fmt.Sprint(name, " ", judged)]
		if hardened, there := byName[fmt.Sprint("hardened ", name, " ", judged)]; ok && there {
			r.verdict(name+", hardened, of documented", 0.95, hardened.ratio()/plain.ratio())
		}
	}
}

func (r *report) verdict(what string, least, ratio float64) {
	r.line("| %s | %.2f | %s |", what, least, emphasized(fmt.Sprintf("%.2f", ratio), ratio >= least))
}

func (r *report) below(what string, most, value float64, unit string) {
	r.line("| %s | < %.0f %s | %s |", what, most, unit, emphasized(fmt.Sprintf("%.1f %s", value, unit), value < most))
}

func (r *report) longest(what string, most, took time.Duration) {
	r.line("| %s | < %v | %s |", what, most, emphasized(shown(took), took < most))
}

// emphasized sets off what is not as it was wanted.
func emphasized(text string, good bool) string {
	if good {
		return text
	}
	return "**" + text + "**"
}
