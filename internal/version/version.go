// Package version owns the program's version and that of the Pulumi CLI it is
// built and tested with. It imports nothing of this module.
package version

import "runtime/debug"

// Version is set by the linker; "dev" in a plain go build.
var Version = "dev"

// Pulumi is the version of the Pulumi CLI this program is tested with.
const Pulumi = "3.256.0"

// Commit returns the revision the binary was built from, or "" if unknown.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
