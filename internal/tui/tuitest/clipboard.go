package tuitest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// envClipboard says that this is a process with a clipboard of its own.
const envClipboard = "PIPELINETUI_TEST_CLIPBOARD"

// WithClipboard runs the test that calls it again in a process whose clipboard holds a
// text, for what reads the clipboard finds its program once, when a process begins. There
// it returns true; the caller is done where it returns false.
func WithClipboard(t *testing.T, text string) bool {
	t.Helper()
	if os.Getenv(envClipboard) != "" {
		return true
	}
	if runtime.GOOS != "linux" {
		t.Skip("only here a program stands for the clipboard")
	}
	dir := t.TempDir()
	require.NoError(t, wholefile.WriteProgram(filepath.Join(dir, "xclip"), []byte("#!/bin/sh\nprintf %s '"+text+"'\n")))
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), envClipboard+"=1", "WAYLAND_DISPLAY=", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	return false
}
