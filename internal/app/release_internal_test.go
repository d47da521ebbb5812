package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that was built from commits after a release is no older than that release,
// though `git describe` writes it as semantic versioning writes what comes before one.
func TestNewer(t *testing.T) {
	t.Parallel()
	is, not := true, false
	for _, tt := range []struct {
		release, own string
		want         *bool
	}{
		{"v1.2.3", "v1.2.2", &is},
		{"v1.2.3", "v1.2.3", &not},
		{"v1.2.3", "1.2.3", &not},
		{"v1.2.3", "v1.10.0", &not},
		{"v1.2.3", "v1.2.3-4-gabcdef0", &not},
		{"v1.2.3", "v1.2.3-4-gabcdef0-dirty", &not},
		{"v1.2.3", "v1.2.3-dirty", &not},
		{"v1.2.4", "v1.2.3-4-gabcdef0-dirty", &is},
		{"v1.2.3", "v1.2.3-rc.1", &is},
		{"v1.2.3", "v1.2.3-rc.1-4-gabcdef0", &is},
		{"v1.2.3", "dev", nil},
		{"v1.2.3", "1234567", nil},
		{"v1.2.3", "1234567-dirty", nil},
	} {
		require.Equal(t, tt.want, newer(tt.release, tt.own), "%s %s", tt.release, tt.own)
	}
}
