package stack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
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
// starts no process and uses no network. One that the user's own ~/.pulumi has is
// taken over from there. A download goes on where an earlier one was cut off.
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

// hasPlugin tells whether an engine finds a plugin as things are: attached, in the folder
// of plugins, or on the PATH, which the CLI takes before all others whatever its version
// (workspace.GetPluginPath of the SDK).
func (e *Engine) hasPlugin(p Plugin) bool {
	return e.attached(p.Name) || pluginIn(e.env[envHome], p) || e.ambient(p.Name)
}

// attached tells whether PULUMI_DEBUG_PROVIDERS ("aws:1234,aws-native:1235") names it.
func (e *Engine) attached(name string) bool {
	for entry := range strings.SplitSeq(e.variable("PULUMI_DEBUG_PROVIDERS"), ",") {
		if n, _, ok := strings.Cut(strings.TrimSpace(entry), ":"); ok && n == name {
			return true
		}
	}
	return false
}

// ambient tells whether the CLI finds it on the PATH, and looks there.
func (e *Engine) ambient(name string) bool {
	if cmdutil.IsTruthy(e.variable("PULUMI_IGNORE_AMBIENT_PLUGINS")) {
		return false
	}
	_, err := exec.LookPath("pulumi-resource-" + name)
	return err == nil
}

// variable is what a process of the CLI sees.
func (e *Engine) variable(name string) string {
	if v, ok := e.env[name]; ok {
		return v
	}
	return os.Getenv(name)
}

// pluginDir is where the CLI keeps a plugin.
func pluginDir(home string, p Plugin) string {
	return filepath.Join(home, "plugins", "resource-"+p.Name+"-v"+p.Version)
}

func (p Plugin) executable() string {
	if runtime.GOOS == "windows" {
		return "pulumi-resource-" + p.Name + ".exe"
	}
	return "pulumi-resource-" + p.Name
}

// pluginIn looks where the CLI looks. It unpacks in place, and a .partial file
// stands beside the folder until it is done.
func pluginIn(home string, p Plugin) bool {
	dir := pluginDir(home, p)
	if _, err := os.Lstat(dir + ".partial"); !errors.Is(err, os.ErrNotExist) {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, p.executable()))
	return err == nil && info.Mode().IsRegular()
}

// pluginLock keeps installers apart.
const pluginLock = "pipelinetui-plugins.lock"

// lockPatience is after what time the user is told that somebody else installs.
const lockPatience = 500 * time.Millisecond

func (e *Engine) lockPlugins(ctx context.Context, progress func(Download)) (unlock func(), err error) {
	return lockInstall(ctx, filepath.Join(e.env[envHome], pluginLock), "install plugins", func() {
		progress(Download{Kind: pluginInstall, ID: "plugins", Message: "another process is installing: waiting for it"})
	})
}

// lockInstall takes the lock on a file for an installation. waits is told if another has it.
// The file stays where it is: a lock on one that was replaced would lock nobody out.
func lockInstall(ctx context.Context, file, op string, waits func()) (unlock func(), err error) {
	mutex := fsutil.NewFileMutex(file)
	release := func() { _ = mutex.Unlock() } // what has been installed is there all the same
	got := make(chan error, 1)
	go func() { got <- mutex.Lock() }()
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	for {
		select {
		case err := <-got:
			if err != nil {
				return nil, fault.New(fault.Internal, "%s: lock %s: %v", op, file, fault.Reason(err)).Because(err).
					WithHint("Make the folder writable, or set PULUMI_HOME or PIPELINETUI_HOME to another one.")
			}
			return release, nil
		case <-patience.C:
			waits()
		case <-ctx.Done():
			go func() { // the wait itself can't be ended
				if <-got == nil {
					release()
				}
			}()
			return nil, canceledBefore(op, ctx.Err())
		}
	}
}

// pluginInstall is the engine's own word, see Download.Kind.
const pluginInstall = "plugin-install"

func (e *Engine) installPlugin(ctx context.Context, p Plugin, progress func(Download)) error {
	began := time.Now()
	told := Download{Kind: pluginInstall, ID: p.String()}
	say := func(line string) {
		told.Message = line
		progress(told)
	}
	if from, ok := e.adoptPlugin(p); ok {
		told.Done = true
		say("taken over from " + from)
		return nil
	}
	archive, err := e.fetchPlugin(ctx, p, progress)
	if err != nil {
		return err
	}
	say("installing into " + e.env[envHome])
	// --exact, for the engine will ask for just this version. The registry of
	// Pulumi Cloud has nothing to add to a name and a version: where it cannot be
	// reached, asking it costs seconds.
	args := []string{"plugin", "install", "resource", p.Name, "v" + p.Version, "--exact"}
	switch {
	case archive != "":
		args = append(args, "--file", archive)
		defer func() { _ = os.Remove(archive) }() // it is unpacked, or unusable
	case p.ServerURL != "":
		args = append(args, "--server", p.ServerURL)
	}
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
		kind := fault.Internal
		if ofNetwork.MatchString(stderr) {
			kind = fault.Unreachable
		}
		return (&fault.Error{
			Kind: kind, Op: op, Msg: msg,
			Err: &cliError{Err: err, Code: code, Stderr: stderr},
		}).WithHint(pluginHint, e.env[envHome], p.Name, p.Version)
	}
	told.Done = true
	say("installed in " + time.Since(began).Round(100*time.Millisecond).String())
	return nil
}

// pluginHint is the way out where a plugin cannot be had.
const pluginHint = "Check the network and HTTPS_PROXY, name a mirror in PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES, " +
	"or put it there yourself with `PULUMI_HOME=%s pulumi plugin install resource %s v%s`; --file takes an archive."

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
