package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/blang/semver"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// MinimumVersion is the oldest CLI that knows all we use: the built-in Stash
// resource, events over gRPC, and inline programs for refresh and destroy.
const MinimumVersion = "3.220.0"

// FindOptions say where the Pulumi CLI may be; empty fields are not looked at.
type FindOptions struct {
	Explicit  string // a file (PIPELINETUI_PULUMI): if set, nothing else is tried
	BesideExe string // the folder of our own executable, or the executable
	Home      string // our home: where InstallPulumi(ctx, Home, ...) puts it
	Path      string // a PATH list
}

// FindPulumi returns the first usable Pulumi CLI and its version, in the order
// Explicit, BesideExe, Home, Path. Found versions are remembered in Home, keyed
// by path, size and modification time, so that the binary is asked once.
//
// The error is NotFound if there is none and Unsupported if all that were found
// are too old or of another major version.
func FindPulumi(ctx context.Context, opts FindOptions) (path, version string, err error) {
	var rejected error
	for _, candidate := range opts.candidates() {
		info, err := outside.Do(ctx, candidate, func() (fs.FileInfo, error) { return os.Stat(candidate) })
		if ctx.Err() != nil {
			return "", "", err
		}
		if err != nil || info.IsDir() {
			if opts.Explicit != "" {
				return "", "", fault.New(fault.NotFound, "no Pulumi CLI at %s", candidate).
					WithHint("Set PIPELINETUI_PULUMI to the file of the pulumi executable, or unset it.").Because(err)
			}
			continue
		}
		version, err := probeVersion(ctx, candidate, info, opts.Home)
		if err == nil {
			err = checkVersion(candidate, version)
		}
		if err == nil {
			return candidate, version, nil
		}
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		rejected = errors.Join(rejected, err)
	}
	if rejected != nil {
		var fe *fault.Error
		if errors.As(rejected, &fe) {
			return "", "", &fault.Error{Kind: fe.Kind, Op: "find the Pulumi CLI", Msg: rejected.Error(), Hint: fe.Hint, Err: rejected}
		}
		return "", "", rejected
	}
	return "", "", fault.New(fault.NotFound, "no Pulumi CLI found").
		WithHint("Run `pipelinetui doctor --yes` to install it, set PIPELINETUI_PULUMI to its file, or put it on the PATH.")
}

func (o FindOptions) candidates() []string {
	name := "pulumi"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if o.Explicit != "" {
		return []string{absolute(o.Explicit)}
	}
	var list []string
	if o.BesideExe != "" {
		dir := o.BesideExe
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			dir = filepath.Dir(dir)
		}
		list = append(list, absolute(filepath.Join(dir, name)))
	}
	if o.Home != "" {
		list = append(list, absolute(filepath.Join(o.Home, "bin", name)))
	}
	for _, dir := range filepath.SplitList(o.Path) {
		if filepath.IsAbs(dir) { // never run what lies in the current folder by accident
			list = append(list, filepath.Join(dir, name))
		}
	}
	return list
}

func absolute(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// checkVersion refuses a CLI of another major version or older than MinimumVersion.
func checkVersion(path, version string) error {
	minimum := semver.MustParse(MinimumVersion)
	got, err := semver.ParseTolerant(version)
	switch {
	case err != nil:
		return fault.New(fault.Unsupported, "%s says its version is %q", path, version).
			WithHint("Set PIPELINETUI_PULUMI to the file of a pulumi executable.").Because(err)
	case got.Major != minimum.Major, got.LT(minimum):
		return fault.New(fault.Unsupported, "%s is version %s, at least %s of major version %d is needed",
			path, got, minimum, minimum.Major).
			WithHint("Upgrade the Pulumi CLI, or set PIPELINETUI_PULUMI to a newer one.")
	}
	return nil
}

// probed is one remembered version.
type probed struct {
	Size    int64     `json:"size"`
	ModTime time.Time `json:"modTime"`
	Version string    `json:"version"`
}

// probedHere is the memory of this process: probed by path.
var probedHere sync.Map

// probeVersion asks the binary, unless this process or the memory in home knows the
// version of the very file: asking costs a process of a good 0.2 s.
func probeVersion(ctx context.Context, path string, info fs.FileInfo, home string) (string, error) {
	same := func(p probed) bool { return p.Size == info.Size() && p.ModTime.Equal(info.ModTime()) }
	file := filepath.Join(home, "pulumi-versions.json")
	known := map[string]probed{}
	if home != "" {
		if data, err := readRegular(file); err == nil {
			_ = json.Unmarshal(data, &known) // a broken memory is an empty one
		}
		if p, ok := known[path]; ok && same(p) {
			return p.Version, nil
		}
	}
	p := probed{Size: info.Size(), ModTime: info.ModTime()}
	if here, _ := probedHere.Load(path); here != nil && same(here.(probed)) { // nothing else is stored
		p = here.(probed) // as above
	} else {
		var err error
		if p.Version, err = askVersion(ctx, path); err != nil {
			return "", err
		}
		probedHere.Store(path, p)
	}
	if home == "" {
		return p.Version, nil
	}
	known[path] = p
	if data, err := json.MarshalIndent(known, "", "  "); err == nil {
		if os.MkdirAll(home, 0o700) == nil {
			_ = wholefile.WriteFile(file, data, 0o600) // only a memory
		}
	}
	return p.Version, nil
}

// probeLimit is for a CLI that hangs. One that starts on a machine with much else to do
// may take half a minute, and is well.
const probeLimit = 3 * time.Minute

func askVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version") // the path is the user's own choice
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		detail := err.Error()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			detail = fmt.Sprintf("`pulumi version` gave no answer within %s", probeLimit)
		} else if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			detail = firstLine(string(exit.Stderr))
		}
		return "", fault.New(fault.Unsupported, "%s does not run: %s", path, detail).
			WithHint("Set PIPELINETUI_PULUMI to the file of a working pulumi executable.").
			Because(fmt.Errorf("run %s version: %w", path, err))
	}
	return strings.TrimSpace(string(out)), nil
}

func firstLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return strings.TrimSpace(s[:i])
	}
	return s
}
