package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the Makefile through -ldflags -X. A plain go build leaves them empty and the build information is used.
var (
	stampVersion string
	stampCommit  string
)

// versionInfo is what version --json prints.
type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // "unknown" when built outside a checkout or with -buildvcs=false
	Go      string `json:"go"`
	Target  string `json:"target"` // GOOS/GOARCH and, where one exists, the architecture level
}

func newVersionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "print version, commit, Go version and target",
		Example: "  wayside version\n  wayside version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := buildVersion()
			if asJSON {
				return printJSON(cmd, v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "wayside %s\ncommit  %s\ngo      %s\ntarget  %s\n", v.Version, v.Commit, v.Go, v.Target)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// buildVersion prefers what the Makefile stamped over what the toolchain recorded.
func buildVersion() versionInfo {
	v := versionInfo{Version: "devel", Commit: "unknown", Go: runtime.Version(), Target: runtime.GOOS + "/" + runtime.GOARCH}
	if bi, ok := debug.ReadBuildInfo(); ok {
		dirty := ""
		for _, s := range bi.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				if s.Value == "true" {
					dirty = "-dirty"
				}
			case "GOARM", "GOAMD64", "GOARM64":
				v.Target += " (" + s.Key + "=" + s.Value + ")"
			}
		}
		v.Commit += dirty
	}
	if stampVersion != "" {
		v.Version = stampVersion
	}
	if stampCommit != "" {
		v.Commit = stampCommit
	}
	return v
}
