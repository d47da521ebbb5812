package lambda

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

//go:embed bootstrap/bootstrap.py bootstrap/bootstrap.mjs
var bootstraps embed.FS

// runner is a family of runtimes that the sandbox can run.
type runner struct {
	// ours says that the bootstrap is the sandbox's own.
	ours bool
	// command returns what to execute. Its errors are shown to the caller of the
	// function, so they say what to do.
	command func(ctx context.Context, s *Service, trees []string) ([]string, error)
}

// runtimeOf returns nil for a runtime that the sandbox cannot run. The version
// in the name is not held to: the interpreter is the machine's.
func runtimeOf(name types.Runtime) *runner {
	switch n := string(name); {
	case strings.HasPrefix(n, "python3."):
		return &runner{true, python}
	case strings.HasPrefix(n, "nodejs") && strings.HasSuffix(n, ".x"):
		return &runner{true, node}
	case strings.HasPrefix(n, "provided"):
		return &runner{false, provided}
	default:
		return nil
	}
}

// interpreters remembers the interpreters that were found.
type interpreters struct {
	mu    sync.Mutex
	found map[string]string
}

// find returns the interpreter's executable. `ask` is a program that prints its
// own interpreter's path: what is on PATH may be a slow wrapper around it.
func (i *interpreters) find(ctx context.Context, configured, name, flag, ask, hint string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.found[name]; p != "" {
		return p, nil
	}
	start := configured
	if start == "" {
		start = name
	}
	path, err := exec.LookPath(start)
	if err != nil {
		return "", fmt.Errorf("%s not found on PATH: %s", start, hint)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, flag, ask).Output() // the user's interpreter
	if real := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(real) {
		path = real
	} else if err != nil {
		return "", fmt.Errorf("%s does not run (%w): %s", path, err, hint)
	}
	if i.found == nil {
		i.found = map[string]string{}
	}
	i.found[name] = path
	return path, nil
}

func python(ctx context.Context, s *Service, _ []string) ([]string, error) {
	p, err := s.interpreters.find(ctx, s.Python, "python3", "-c", "import sys; print(sys.executable)", "install Python 3")
	if err != nil {
		return nil, err
	}
	return []string{p, "-u", s.packages.path("bootstrap", "bootstrap.py")}, nil
}

func node(ctx context.Context, s *Service, _ []string) ([]string, error) {
	p, err := s.interpreters.find(ctx, s.Node, "node", "-p", "process.execPath", "install Node.js 18 or newer")
	if err != nil {
		return nil, err
	}
	return []string{p, s.packages.path("bootstrap", "bootstrap.mjs")}, nil
}

// provided runs the bootstrap of the package or, if it has none, of a layer.
func provided(_ context.Context, _ *Service, trees []string) ([]string, error) {
	for i, tree := range trees {
		p := filepath.Join(tree, "bootstrap")
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		if info.Mode().Perm()&0o111 == 0 {
			return nil, fmt.Errorf("fork/exec %s/bootstrap: permission denied", map[bool]string{true: "/var/task", false: "/opt"}[i == 0])
		}
		return []string{p}, nil
	}
	return nil, errors.New("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
}

// installBootstraps writes the embedded bootstraps into the service's folder.
func (p *packages) installBootstraps() error {
	if err := os.RemoveAll(p.path("bootstrap")); err != nil {
		return err
	}
	sub, err := fs.Sub(bootstraps, "bootstrap")
	if err != nil {
		return err
	}
	return os.CopyFS(p.path("bootstrap"), sub)
}
