//go:build unix

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// seeds are homes with something in them, made once for all scripts that begin there
// and have nothing to say of how it came to be.
type seeds struct {
	bin, root, pulumi string
	dir               string // of all seeds; removed with the test

	named map[string]func() (string, error)
	bare  func() (string, error)
}

func newSeeds(bin, root, pulumi, dir string) *seeds {
	s := &seeds{bin: bin, root: root, pulumi: pulumi, dir: dir}
	up := func(name, spec string, set ...string) func() (string, error) {
		return sync.OnceValues(func() (string, error) {
			return s.grow(name, append([]string{"up", "-f", filepath.Join(root, "examples", spec), "--yes"}, set...), []string{"sandbox", "stop"})
		})
	}
	s.named = map[string]func() (string, error){
		"iris":  up("iris", "iris/pipelines.yaml"),
		"batch": up("batch", "iris-batch/pipelines.yaml", "--set", "batchSize=20", "--set", "maxConcurrency=8"),
	}
	s.bare = sync.OnceValues(func() (string, error) { return s.grow("bare", []string{"list", "--quick"}) })
	return s
}

// grow makes a home by commands; it may hold no sandbox that runs. The command's
// output is part of the error.
func (s *seeds) grow(name string, commands ...[]string) (string, error) {
	home := filepath.Join(s.dir, name)
	for _, a := range commands {
		cmd := exec.Command(filepath.Join(s.bin, "pipelinetui"), a...)
		cmd.Env = append(os.Environ(), "PIPELINETUI_HOME="+home, "PIPELINETUI_PULUMI="+s.pulumi, "PIPELINETUI_SANDBOX_ENDPOINT_DELAY=50ms", "NO_COLOR=1", seldomGC[0]+"="+seldomGC[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", &seedError{name, string(out), err}
		}
	}
	// Each copy listens on a port of its own.
	err := os.Remove(filepath.Join(home, "sandbox", "address.json"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return home, err
}

type seedError struct {
	name, out string
	err       error
}

func (e *seedError) Error() string { return "seed " + e.name + ": " + e.err.Error() + "\n" + e.out }
func (e *seedError) Unwrap() error { return e.err }

// sow begins a home in which nothing is known but the version of the Pulumi CLI, which
// costs a process to ask. The seeds themselves begin without.
func (s *seeds) sow(home string) error {
	bare, err := s.bare()
	if err != nil {
		return err
	}
	const known = "pulumi-versions.json"
	raw, err := os.ReadFile(filepath.Join(bare, known))
	if err != nil {
		return err
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(home, known), raw, 0o600)
}

// cmd begins a script in a home where a pipeline is deployed, its sandbox not running:
// seed iris for acme/iris of examples/iris, seed batch for acme/iris-batch of
// examples/iris-batch in batches of 20, eight at a time: each child that runs beside
// others has a function's process of its own, which costs more than what it does.
func (s *seeds) cmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || s.named[args[0]] == nil {
		ts.Fatalf("usage: seed iris|batch")
	}
	seed, err := s.named[args[0]]()
	ts.Check(err)
	home := ts.Getenv("PIPELINETUI_HOME")
	ts.Check(os.RemoveAll(home))
	// cp keeps the modes: the keys in there are readable by their owner only.
	ts.Check(ts.Exec("cp", "-a", seed, home))
}
