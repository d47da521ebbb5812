package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// seeds are homes with something deployed in them, made once for all scripts that
// begin there and have nothing to say of how it came to be.
type seeds struct {
	bin, root, pulumi string
	dir               string // of all seeds; removed with the test

	iris func() (string, error)
}

func newSeeds(bin, root, pulumi, dir string) *seeds {
	s := &seeds{bin: bin, root: root, pulumi: pulumi, dir: dir}
	s.iris = sync.OnceValues(func() (string, error) {
		return s.grow("iris", "up", "-f", filepath.Join(root, "examples", "iris", "pipelines.yaml"), "--yes")
	})
	return s
}

// grow makes a home by one command and stops its sandbox. The command's output is
// part of the error.
func (s *seeds) grow(name string, args ...string) (string, error) {
	home := filepath.Join(s.dir, name)
	for _, a := range [][]string{args, {"sandbox", "stop"}} {
		cmd := exec.Command(filepath.Join(s.bin, "pipelinetui"), a...)
		cmd.Env = append(os.Environ(), "PIPELINETUI_HOME="+home, "PIPELINETUI_PULUMI="+s.pulumi, "PIPELINETUI_SANDBOX_ENDPOINT_DELAY=50ms", "NO_COLOR=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", &seedError{name, string(out), err}
		}
	}
	// Each copy listens on a port of its own.
	return home, os.Remove(filepath.Join(home, "sandbox", "address.json"))
}

type seedError struct {
	name, out string
	err       error
}

func (e *seedError) Error() string { return "seed " + e.name + ": " + e.err.Error() + "\n" + e.out }
func (e *seedError) Unwrap() error { return e.err }

// cmd begins a script in a home where acme/iris of examples/iris is deployed, its
// sandbox not running: seed iris.
func (s *seeds) cmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "iris" {
		ts.Fatalf("usage: seed iris")
	}
	home, err := s.iris()
	ts.Check(err)
	// cp keeps the modes: the keys in there are readable by their owner only.
	ts.Check(ts.Exec("cp", "-a", home, ts.Getenv("PIPELINETUI_HOME")))
}
