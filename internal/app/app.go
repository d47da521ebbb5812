// Package app owns the wiring: settings to targets, engines and clients. It is
// the only place that decides between targets, and the only one besides the
// sandbox itself that knows there is a sandbox: it starts it and points
// credentials, endpoints and providers at it. It may import every package but
// cli and tui.
package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/version"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
	"github.com/pipelinetui/pipelinetui/templates"
)

// Project is the Pulumi project of all pipelines.
const Project = "pipelinetui"

// Options are what New needs.
type Options struct {
	Settings *settings.Settings
	Environ  func(string) (string, bool)
	// Note is told what takes time before the work begins; may be nil.
	Note func(format string, args ...any)
	// Install allows the Pulumi CLI to be downloaded if there is none.
	Install bool
	Clock   clock.Clock
}

// App builds what commands and pages need, each once, when it is first asked
// for. It is safe for concurrent use.
type App struct {
	opts Options
	log  *slog.Logger

	logMu   sync.Mutex // guards log and logFile
	logFile *os.File

	// Each is opened when it is first asked for, and no lock is held meanwhile: a
	// download, a network or a mount that does not answer holds up nobody who needs
	// something else, or who only looks.
	catalog cell[*spec.Catalog]
	pulumi  cell[string] // the file of the CLI
	engine  cell[*stack.Engine]
	target  cell[*Target]
	clients cells[clientKey, *executions.Client]
	plugged cell[struct{}]            // the official plugins are there
	checked cells[placeKey, struct{}] // whose credentials are good
	prices  cell[*costs.Prices]

	// brought are templates that are in no folder here, by the pipeline whose stack has
	// them.
	broughtMu sync.Mutex
	brought   map[spec.ID]*spec.Template
	// pinned are the templates, of another day perhaps, that pipelines of older revisions
	// are made of: *spec.Template by *spec.Pipeline.
	pinned sync.Map
	// moving are the rollouts of aliases that go on.
	moving moving
	feeds  feeds
	// ledgerTold is done when somebody was told what is wrong with a ledger of quotas.
	ledgerTold sync.Once
}

// placeKey is where and as whom AWS is asked, of a target.
type placeKey struct{ region, role string }

// clientKey is what a client talks to: not one that was another target's.
type clientKey struct {
	target *Target
	placeKey
}

// New returns an App; it does nothing yet.
func New(o Options) *App {
	if o.Note == nil {
		o.Note = func(string, ...any) {}
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	a := &App{opts: o, log: slog.New(slog.DiscardHandler), brought: map[spec.ID]*spec.Template{}}
	a.target.tidies, a.engine.tidies, a.pulumi.tidies, a.plugged.tidies = tidyPatience, tidyPatience, tidyPatience, tidyPatience
	return a
}

// With returns an App that works by other settings, given as flags (settings.With). It
// shares nothing with a: all that it needs is opened anew, while what a has begun goes on.
func (a *App) With(flags map[string]string) (*App, error) {
	s, err := a.opts.Settings.With(flags)
	if err != nil {
		return nil, err
	}
	o := a.opts
	o.Settings = s
	return New(o), nil
}

// Profiles are those of the AWS configuration files, by their names.
func (a *App) Profiles() ([]awscfg.Profile, error) { return awscfg.Profiles(a.opts.Environ) }

// Settings returns the resolved settings.
func (a *App) Settings() *settings.Settings { return a.opts.Settings }

// tidyPatience bounds the wait for what was begun and is given up: a daemon that is being
// started, a download.
const tidyPatience = 2 * time.Second

// Close releases what was opened. What is still being opened is given up, and waited for
// only if this process has to take something of it away, for tidyPatience.
func (a *App) Close() error {
	a.feeds.end() // by what the target knows
	var wg sync.WaitGroup
	for _, end := range []func(){a.target.end, a.engine.end, a.pulumi.end, a.plugged.end} {
		wg.Go(end)
	}
	wg.Wait()
	a.logMu.Lock()
	defer a.logMu.Unlock()
	if a.logFile == nil {
		return nil
	}
	err := a.logFile.Close()
	a.logFile = nil
	return err
}

// Catalog returns the built-in templates and those of the user's folders.
func (a *App) Catalog(ctx context.Context) (*spec.Catalog, error) {
	return a.catalog.get(ctx, "the templates", func(context.Context) (*spec.Catalog, error) {
		return spec.LoadCatalog(templates.FS, filepath.SplitList(a.opts.Settings.String(settings.Templates))...)
	})
}

// SpecOptions are the options for reading specs with these settings.
func (a *App) SpecOptions(set []string) spec.Options {
	given := a.opts.Settings.Get(settings.Region)
	region := given.Value
	if region == "" && a.opts.Settings.String(settings.Target) == TargetSandbox {
		region = sandboxRegion
	}
	return spec.Options{Region: region, RegionFrom: given.Source, Set: set, Environ: a.opts.Environ}
}

// Engine returns the Pulumi engine: the CLI is found (or installed, if that was
// allowed), the backend and the passphrase are settled.
func (a *App) Engine(ctx context.Context) (*stack.Engine, error) {
	return a.engine.get(ctx, "the Pulumi engine", a.openEngine)
}

func (a *App) openEngine(ctx context.Context) (*stack.Engine, error) {
	path, err := a.pulumi.get(ctx, "the Pulumi CLI", a.findPulumi)
	if err != nil {
		return nil, err
	}
	env, err := a.engineEnv(ctx)
	if err != nil {
		return nil, err
	}
	return stack.Open(ctx, stack.Options{
		PulumiPath: path, Home: a.opts.Settings.Paths.Home, Backend: a.backendURL(), Project: Project,
		SecretsProvider: a.opts.Settings.String(settings.SecretsProvider), Env: env, Secrets: a.inheritedSecrets, Log: a.logger(),
		Objects: backendObjects(a.backendURL()),
	})
}

// Backend is the URL of the Pulumi backend as it may be shown: without a password.
func (a *App) Backend() string { return fault.Masked(a.backendURL()) }

// backendURL is the URL as the engine needs it.
func (a *App) backendURL() string {
	if b := a.opts.Settings.String(settings.Backend); b != "" {
		return b
	}
	return stack.FileURL(a.opts.Settings.Paths.State())
}

// FindPulumi finds the CLI without installing it.
func (a *App) FindPulumi(ctx context.Context) (path, version string, err error) {
	s := a.opts.Settings
	exe, _ := os.Executable()
	search, _ := a.opts.Environ("PATH")
	return stack.FindPulumi(ctx, stack.FindOptions{Explicit: s.String(settings.Pulumi), BesideExe: exe, Home: s.Paths.Home, Path: search})
}

func (a *App) findPulumi(ctx context.Context) (string, error) {
	path, _, err := a.FindPulumi(ctx)
	if err == nil || !errors.Is(err, fault.NotFound) || !a.opts.Install {
		return path, err
	}
	a.opts.Note("installing the Pulumi CLI %s into %s", version.Pulumi, a.opts.Settings.Paths.Home)
	part := int64(-1)
	return stack.InstallPulumi(ctx, a.opts.Settings.Paths.Home, version.Pulumi, func(done, total int64) {
		if total > 0 && done*10/total != part {
			part = done * 10 / total
			a.opts.Note("the Pulumi CLI: %.1f of %.1f MB", float64(done)/1e6, float64(total)/1e6)
		}
	}, func() { a.opts.Note("another process is installing the Pulumi CLI: waiting for it") })
}

const logFileName = "pipelinetui.log"

// logger writes to the log file with --debug, and nowhere without.
func (a *App) logger() *slog.Logger {
	a.logMu.Lock()
	defer a.logMu.Unlock()
	if a.logFile != nil || !a.opts.Settings.Bool(settings.Debug) {
		return a.log
	}
	dir := a.opts.Settings.Paths.Logs()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return a.log
	}
	f, err := wholefile.Open(a.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return a.log
	}
	a.logFile = f
	a.log = slog.New(slog.NewJSONHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return a.log
}
