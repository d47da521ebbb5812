package stack

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blang/semver"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// DefaultProject is the Pulumi project of all stacks.
const DefaultProject = "pipelinetui"

const (
	envHome           = "PULUMI_HOME"
	envBackend        = "PULUMI_BACKEND_URL"
	envPassphrase     = "PULUMI_CONFIG_PASSPHRASE"
	envPassphraseFile = "PULUMI_CONFIG_PASSPHRASE_FILE"
	envLogSize        = "PULUMI_LOG_ROTATION_MAX_TOTAL_MB"
)

// Engine runs operations on the stacks of one backend. It is safe for
// concurrent use; operations on different stacks run in parallel, two on the
// same stack are for the backend's lock to keep apart.
type Engine struct {
	opts          Options
	version       semver.Version
	log           *slog.Logger
	env           map[string]string // added to every process
	ownPassphrase bool
	// interruptGrace is how long an early Cancel waits for the engine to be
	// ready for a signal, see Run.Cancel.
	interruptGrace time.Duration
	// link is os.Link.
	link func(from, to string) error
	// free is freeBytes.
	free func(dir string) (int64, error)
	// touch is called before the backend's files are, and beforeImport before a state that was
	// edited is looked at again and written, in tests.
	touch, beforeImport func()

	secretsMu sync.Mutex        // held while opened is being read
	opened    map[string]string // Options.Secrets; nil before

	// initMu serialises `stack init`: it rewrites files of PULUMI_HOME that
	// all stacks share.
	initMu sync.Mutex
	// salts are the keys of new stacks by passphrase, guarded by initMu.
	salts map[string]string
	keys  keys

	mu      sync.Mutex
	spawned []string
	dirs    map[string]*sync.Mutex // guards the files of one work directory
	// fileStacks are the stacks of a file backend as they were listed last.
	fileStacks map[string]fileStack
	// objectStacks are those of an object store, by the object's name.
	objectStacks map[string]objectSummary
	// byProject is set once the object store is known to keep its stacks by project.
	byProject atomic.Bool
}

// Open checks the CLI's version and prepares the folders. It starts at most one
// process (`pulumi version`, and that only if the binary is new to Home).
func Open(ctx context.Context, opts Options) (*Engine, error) {
	if opts.Project == "" {
		opts.Project = DefaultProject
	}
	if opts.SecretsProvider == "" {
		opts.SecretsProvider = "passphrase"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Home == "" || opts.Backend == "" {
		return nil, fault.New(fault.Internal, "stack.Open needs a home and a backend")
	}
	e := &Engine{
		opts: opts, log: opts.Log, dirs: map[string]*sync.Mutex{}, fileStacks: map[string]fileStack{},
		interruptGrace: 15 * time.Second,
		link:           os.Link,
		free:           freeBytes,
	}
	var err error
	if e.opts.Home, err = filepath.Abs(opts.Home); err != nil {
		return nil, fault.New(fault.Internal, "find %s: %v", opts.Home, err).Because(err)
	}
	path, version, err := FindPulumi(ctx, FindOptions{Explicit: opts.PulumiPath, Home: e.opts.Home})
	if err != nil {
		return nil, err
	}
	e.opts.PulumiPath = path
	if e.version, err = semver.ParseTolerant(version); err != nil {
		return nil, fault.New(fault.Unsupported, "parse version %q of %s: %v", version, path, err).Because(err)
	}
	if _, err := onDisk(ctx, e, func() (struct{}, error) { return struct{}{}, e.prepareBackend() }); err != nil {
		return nil, err
	}
	e.prepareEnv()
	for _, dir := range []string{e.workRoot(), e.env[envHome]} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.New(fault.Internal, "make %s: %v", dir, err).
				WithHint("Make the folder writable, or set PIPELINETUI_HOME to another one.").Because(err)
		}
	}
	return e, nil
}

// isCloud tells whether the backend is Pulumi Cloud or a service like it.
func (e *Engine) isCloud() bool {
	return strings.HasPrefix(e.opts.Backend, "https://") || strings.HasPrefix(e.opts.Backend, "http://")
}

func (e *Engine) prepareEnv() {
	env := maps.Clone(e.opts.Env)
	if env == nil {
		env = map[string]string{}
	}
	_, phrase := env[envPassphrase]
	_, file := env[envPassphraseFile]
	e.ownPassphrase = phrase || file
	env[envBackend] = withoutSidecars(e.opts.Backend)
	if env[envHome] == "" {
		env[envHome] = e.pulumiHome()
	}
	if os.Getenv(envLogSize) == "" {
		// The CLI logs every command there and keeps 500 MB of it by default.
		env[envLogSize] = "50"
	}
	e.env = env
}

// pulumiHome is where plugins and credentials are kept.
func (e *Engine) pulumiHome() string {
	if dir := os.Getenv(envHome); dir != "" {
		return dir
	}
	if e.isCloud() && os.Getenv("PULUMI_ACCESS_TOKEN") == "" && e.opts.Env["PULUMI_ACCESS_TOKEN"] == "" {
		// `pulumi login` was done in the user's own home.
		if home, err := os.UserHomeDir(); err == nil {
			dir := filepath.Join(home, ".pulumi")
			if _, err := os.Stat(filepath.Join(dir, "credentials.json")); err == nil {
				return dir
			}
		}
	}
	return filepath.Join(e.opts.Home, "pulumi-home")
}

// Version is the CLI's version, "3.256.0".
func (e *Engine) Version() string { return e.version.String() }

// Backend is the URL of the backend without a password.
func (e *Engine) Backend() string { return fault.Masked(e.opts.Backend) }

// Spawned lists the subcommand of every CLI process started so far, in order:
// "stack init", "up", "stack export".
func (e *Engine) Spawned() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.spawned)
}

func (e *Engine) noteSpawn(args []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spawned = append(e.spawned, subcommand(args))
}

// stackName is what every backend takes as the name of a stack.
var stackName = lazyregexp.New(`^[A-Za-z0-9_.-]{1,100}$`)

func checkName(name string) error {
	if !stackName.MatchString(name) || strings.Trim(name, ".") == "" {
		return fault.New(fault.Invalid, "%q cannot be the name of a stack", name).
			WithHint("Use letters, digits, dots, hyphens and underscores, at most 100.")
	}
	return nil
}

// dirLock returns the mutex that guards one work directory's files.
func (e *Engine) dirLock(dir string) *sync.Mutex {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.dirs[dir]
	if l == nil {
		l = &sync.Mutex{}
		e.dirs[dir] = l
	}
	return l
}

// envList is the environment for one process: the engine's and the job's.
func (e *Engine) envList(more map[string]string) []string {
	env := maps.Clone(e.env)
	maps.Copy(env, more)
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, fmt.Sprintf("%s=%s", k, v))
	}
	slices.Sort(list)
	return list
}
