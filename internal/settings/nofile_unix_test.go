//go:build unix

package settings_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// TestAPipeIsNoConfigFile: one that nobody has named is waited for by nobody.
func TestAPipeIsNoConfigFile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	file := filepath.Join(home, "config.yaml")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	_, err := settings.Resolve(settings.Sources{Environ: func(name string) (string, bool) { return home, name == "PIPELINETUI_HOME" }})
	require.ErrorContains(t, err, "config file "+file+" cannot be read: it is a pipe")
}
