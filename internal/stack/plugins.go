package stack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/fsutil"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Plugin is a resource provider's plugin.
type Plugin struct {
	Name    string // "aws"
	Version string // "6.83.2"
	// ServerURL is where to download it from; "" is the CLI's own choice.
	ServerURL string
}

func (p Plugin) String() string { return p.Name + " " + p.Version }

// InstallPlugins puts the plugins that are missing into PULUMI_HOME, one after the
// other: engines that start at the same time would each download the same
// hundreds of megabytes and get in one another's way. If none is missing it
// starts no process and uses no network.
//
// progress may be nil. It is told when an installation begins, what the CLI says
// of it, and, with Done, that it has ended. Of several processes that share the
// PULUMI_HOME one installs and the others wait. The end of ctx stops a download.
func (e *Engine) InstallPlugins(ctx context.Context, plugins []Plugin, progress func(Download)) error {
	if progress == nil {
		progress = func(Download) {}
	}
	if len(e.MissingPlugins(plugins)) == 0 {
		return nil
	}
	unlock, err := e.lockPlugins(ctx, progress)
	if err != nil {
		return err
	}
	defer unlock()
	for _, p := range e.MissingPlugins(plugins) { // anew: another process may have been here
		if err := e.installPlugin(ctx, p, progress); err != nil {
			return err
		}
	}
	return nil
}

// MissingPlugins are those that InstallPlugins would install.
func (e *Engine) MissingPlugins(plugins []Plugin) []Plugin {
	var out []Plugin
	for _, p := range plugins {
		if !e.hasPlugin(p) {
			out = append(out, p)
		}
	}
	return out
}

// hasPlugin looks where the CLI looks. It unpacks in place, and a .partial file
// stands beside the folder until it is done.
func (e *Engine) hasPlugin(p Plugin) bool {
	dir := filepath.Join(e.env[envHome], "plugins", "resource-"+p.Name+"-v"+p.Version)
	if _, err := os.Lstat(dir + ".partial"); !errors.Is(err, os.ErrNotExist) {
		return false
	}
	exe := "pulumi-resource-" + p.Name
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	info, err := os.Stat(filepath.Join(dir, exe))
	return err == nil && info.Mode().IsRegular()
}

// pluginLock keeps installers apart. It stays where it is: a lock on a file that
// was replaced would lock nobody out.
const pluginLock = "pipelinetui-plugins.lock"

// lockPatience is after what time the user is told that somebody else installs.
const lockPatience = 500 * time.Millisecond

func (e *Engine) lockPlugins(ctx context.Context, progress func(Download)) (unlock func(), err error) {
	mutex := fsutil.NewFileMutex(filepath.Join(e.env[envHome], pluginLock))
	release := func() {
		if err := mutex.Unlock(); err != nil {
			e.log.Warn("could not release the lock on the plugins", "error", err)
		}
	}
	got := make(chan error, 1)
	go func() { got <- mutex.Lock() }()
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	for {
		select {
		case err := <-got:
			if err != nil {
				return nil, fault.New(fault.Internal, "lock the plugins of %s: %v", e.env[envHome], err).Because(err).
					WithHint("Make the folder writable, or set PULUMI_HOME or PIPELINETUI_HOME to another one.")
			}
			return release, nil
		case <-patience.C:
			progress(Download{Kind: pluginInstall, ID: "plugins", Message: "another process is installing: waiting for it"})
		case <-ctx.Done():
			go func() { // the wait itself can't be ended
				if <-got == nil {
					release()
				}
			}()
			return nil, canceledBefore("install plugins", ctx.Err())
		}
	}
}

// pluginInstall is the engine's own word, see Download.Kind.
const pluginInstall = "plugin-install"

func (e *Engine) installPlugin(ctx context.Context, p Plugin, progress func(Download)) error {
	told := Download{Kind: pluginInstall, ID: p.String()}
	say := func(line string) {
		told.Message = line
		progress(told)
	}
	say("installing into " + e.env[envHome])
	// --exact, for the engine will ask for just this version. The registry of
	// Pulumi Cloud has nothing to add to a name and a version: where it cannot be
	// reached, asking it costs seconds.
	args := []string{"plugin", "install", "resource", p.Name, "v" + p.Version, "--exact"}
	if p.ServerURL != "" {
		args = append(args, "--server", p.ServerURL)
	}
	began := time.Now()
	cmd := &command{engine: e}
	lines := &lineWriter{each: say}
	env := e.envList(map[string]string{"PULUMI_DISABLE_REGISTRY_RESOLVE": "true"})
	_, stderr, code, err := cmd.Run(ctx, e.workRoot(), nil, []io.Writer{lines}, []io.Writer{lines}, env, args...)
	op := "install the plugin " + p.String()
	switch {
	case ctx.Err() != nil:
		return canceledBefore(op, ctx.Err())
	case err == nil && !e.hasPlugin(p):
		err = errors.New("the CLI says that it is installed, but it is not there")
	}
	if err != nil {
		msg := lastError(stderr)
		if msg == "" {
			msg = err.Error()
		}
		return (&fault.Error{
			Kind: fault.Internal, Op: op, Msg: msg,
			Err: &cliError{Err: err, Code: code, Stderr: stderr},
		}).WithHint("Check the network and HTTPS_PROXY, or put it there yourself with `PULUMI_HOME=%s pulumi plugin install resource %s v%s`; --file takes an archive.",
			e.env[envHome], p.Name, p.Version)
	}
	told.Done = true
	say("installed in " + time.Since(began).Round(100*time.Millisecond).String())
	return nil
}

// lineWriter hands on whole lines, without control characters. The CLI's two
// outputs write to it at once.
type lineWriter struct {
	each func(string)

	mu   sync.Mutex
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		i := bytes.IndexAny(w.rest, "\r\n")
		if i < 0 {
			return len(b), nil
		}
		line := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, strings.TrimSpace(text(string(w.rest[:i]))))
		w.rest = w.rest[i+1:]
		if line != "" {
			w.each(line)
		}
	}
}
