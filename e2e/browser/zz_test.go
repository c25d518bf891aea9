package browser

import (
	"os"
	"strings"
	"testing"
)

func TestZZ(t *testing.T) {
	b, err := Start(os.Getenv("AXE"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p := b.Open(t, "http://127.0.0.1:18473", "")
	for _, path := range strings.Fields(os.Getenv("PATHS")) {
		p.Visit(path)
		p.Check()
		name := strings.NewReplacer("/", "_", "?", "-", "=", "-", "&", "-").Replace(strings.TrimPrefix(path, "/console"))
		p.Screenshot("zz" + name)
	}
}
