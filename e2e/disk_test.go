//go:build unix

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// diskBytes holds a home with a sandbox, and is filled at once.
const diskBytes = "size=96m"

// cmdTmpfs makes the folder of a script a file system of its own, in memory: tmpfs
// DIR.
func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tmpfs DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(mountTmpfs(dir))
	home := ts.Getenv("PIPELINETUI_HOME")
	ts.Defer(func() {
		stopSandbox(home)
		ts.Check(unmount(dir))
	})
}

// mayMount tells whether this process may mount a file system.
func mayMount(dir string) bool {
	if mountTmpfs(dir) != nil {
		return false
	}
	return unmount(dir) == nil
}

// cmdFill writes a file "filler" into a folder until its disk is full but for some
// kilobytes: fill DIR [KIB].
func cmdFill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: fill DIR [KIB]")
	}
	left := int64(0)
	if len(args) == 2 {
		n, err := strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
		left = n << 10
	}
	f, err := os.Create(filepath.Join(ts.MkAbs(args[0]), "filler"))
	ts.Check(err)
	defer f.Close()
	block := make([]byte, 4096)
	size := int64(0)
	for {
		n, err := f.Write(block)
		size += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		ts.Check(err)
	}
	ts.Check(f.Truncate(max(0, size-left)))
}
