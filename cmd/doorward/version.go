package main

import (
	"fmt"
	"io"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Help() string {
	return `Example:

    doorward version --json`
}

// versionInfo is what the build wrote into the binary.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source, with "+changes" where it had some
	Built    string `json:"built,omitempty"`    // time of the revision, RFC 3339
	Go       string `json:"go"`
}

func currentVersion() versionInfo {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return versionInfo{Version: "unknown"}
	}
	v := versionInfo{Version: build.Main.Version, Go: build.GoVersion}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	changed := ""
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Built = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+changes"
			}
		}
	}
	if v.Revision != "" {
		v.Revision += changed
	}
	return v
}

func (versionCmd) Run(a *app) error {
	v := currentVersion()
	return a.print(v, func(w io.Writer) {
		fmt.Fprintln(w, "doorward "+v.Version)
		pairs(w, "revision", v.Revision, "built", v.Built, "go", v.Go)
	})
}
