// Package sandbox owns the embedded AWS of one machine as a whole: the daemon
// that serves it (Serve) and what a program does with the daemon from outside
// (Start, Status, Stop, Reset, Env). The services live in its sub-packages; this
// package puts them together. Nothing imports it but internal/app.
//
// One daemon serves one folder. Which one that is, and whether it lives, is told
// by a lock that the kernel drops when the process ends in whatever way; files
// that say so are never trusted alone.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/process"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Account is the id of the sandbox's account, Region where its resources live
// unless a request says otherwise.
const (
	Account = "000000000000"
	Region  = "us-east-1"
)

// Info describes a daemon that takes requests.
type Info struct {
	// ID is new for each run of the daemon.
	ID       string
	Endpoint string // http://127.0.0.1:PORT
	PID      int
	Started  time.Time
	Version  string
	Account  string
	Region   string
	// AccessKeyID and SecretAccessKey belong to the account's user, who may do
	// everything.
	AccessKeyID, SecretAccessKey string
	// Settings is what the daemon was started with; nil of a version that does not tell.
	Settings *Settings
}

// Settings are those that hold as long as a daemon runs.
type Settings struct {
	// Haste is how many times faster than on AWS the waits of deployments pass.
	Haste         int               `json:"haste"`
	EndpointDelay time.Duration     `json:"endpoint_delay"`
	MaxItemBytes  int64             `json:"max_item_bytes"`
	Images        map[string]string `json:"images,omitempty"`
}

// KV is one environment variable.
type KV struct{ Key, Value string }

// Env returns the variables that point the aws CLI, any AWS SDK or Terraform at
// the daemon.
func Env(i Info) []KV {
	return []KV{
		{"AWS_ENDPOINT_URL", i.Endpoint},
		{"AWS_ACCESS_KEY_ID", i.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", i.SecretAccessKey},
		{"AWS_REGION", i.Region},
		{"AWS_DEFAULT_REGION", i.Region},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false"},
	}
}

// Misleading returns the names of the variables in an environment ("NAME=value") that
// would lead a client elsewhere than Env does: endpoints of single services, which win
// over the one of all (docs.aws.amazon.com/sdkref, feature-ss-endpoints), profiles,
// tokens and roles. credentials tells whether the client is to keep its own.
func Misleading(environ []string, credentials bool) []string {
	var names []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch rest, ours := strings.CutPrefix(name, "AWS_"); {
		case !ours, slices.Contains(harmless, rest), strings.HasPrefix(rest, "CLI_"), strings.HasPrefix(rest, "SDK_"):
		case credentials && !strings.HasPrefix(rest, "ENDPOINT_URL") && rest != "IGNORE_CONFIGURED_ENDPOINT_URLS":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// harmless are variables that change how a client works, not where.
var harmless = []string{"PAGER", "DEFAULT_OUTPUT", "RETRY_MODE", "MAX_ATTEMPTS", "METADATA_SERVICE_TIMEOUT"}

// Direct returns the variables that keep a client from asking a proxy for the sandbox, none
// if the environment has no proxy. (Go leaves loopback out by itself, Python does not.)
func Direct(environ []string) []KV {
	proxy, except := false, ""
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "all_proxy":
			proxy = proxy || value != ""
		case "no_proxy":
			except = value
		}
	}
	if !proxy {
		return nil
	}
	if except != "" {
		except += ","
	}
	except += "127.0.0.1,localhost"
	return []KV{{"NO_PROXY", except}, {"no_proxy", except}}
}

// LogPath is the daemon's log: one JSON object a line. What is older is in the
// file of the same name with .1 at its end.
func LogPath(dir string) string { return filepath.Join(dir, "sandbox.log") }

func lockPath(dir string) string        { return filepath.Join(dir, "lock") }
func startLockPath(dir string) string   { return filepath.Join(dir, "start.lock") }
func statePath(dir string) string       { return filepath.Join(dir, "state.json") }
func credentialsPath(dir string) string { return filepath.Join(dir, "credentials.json") }
func addressPath(dir string) string     { return filepath.Join(dir, "address.json") }
func dataPath(dir string) string        { return filepath.Join(dir, "data") }
func mailPath(dir string) string        { return filepath.Join(dataPath(dir), "mail") }

// state is what the daemon writes once it takes requests, and removes when it
// ends in good order. It means nothing unless the lock is held. The lock's own
// file says the same, from the moment on at which the lock is taken; there the
// endpoint is missing at first.
type state struct {
	ID       string    `json:"id"`
	PID      int       `json:"pid"`
	Endpoint string    `json:"endpoint"`
	Started  time.Time `json:"started"`
	Version  string    `json:"version"`
	Account  string    `json:"account"`
	Region   string    `json:"region"`
	// Process tells the daemon from every other process.
	Process process.ID `json:"process"`
	// Token lets its bearer end the daemon.
	Token string `json:"token"`
	// Settings are nil in the state of a version that does not tell.
	Settings *Settings `json:"settings,omitempty"`
}

// keyFile holds the key of the account's user.
type keyFile struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// address is where the daemon listened last.
type address struct {
	Port int `json:"port"`
}

// readJSON reports found false if the file is not there.
func readJSON(path string, into any) (found bool, err error) {
	raw, err := wholefile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return true, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}

// writeJSON replaces the file as a whole, readable by its owner only.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		_ = os.Remove(path) // an empty folder is nobody's; another one is told below
	}
	if err := wholefile.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		return fault.New(fault.Damaged, "%s cannot be written: %s", path, fault.Reason(err)).Because(err).
			WithHint("Move away what lies there, and see that the disk has space.")
	}
	return nil
}

// readState returns what the daemon that holds the lock says of itself: in
// state.json or, if that is damaged, in the lock's file. An endpoint is in it once
// requests are taken.
func readState(dir string) (s state, found bool, err error) {
	if found, err = readJSON(statePath(dir), &s); err == nil {
		return s, found, nil
	}
	held, noted, lockErr := lockHolder(lockPath(dir))
	if lockErr != nil || !held || noted.Endpoint == "" {
		return state{}, false, damaged(statePath(dir), "where the sandbox listens", err,
			"Run `pipelinetui sandbox stop`, then `pipelinetui sandbox start`: what is in the sandbox stays.")
	}
	return noted, true, nil
}

func readInfo(dir string) (info Info, found bool, err error) {
	s, found, err := readState(dir)
	if err != nil || !found {
		return Info{}, false, err
	}
	keys, err := readKeys(dir)
	if err != nil {
		return Info{}, false, err
	}
	return s.info(keys), true, nil
}

func (s *state) info(keys wire.Credentials) Info {
	return Info{
		ID: s.ID, Endpoint: s.Endpoint, PID: s.PID, Started: s.Started, Version: s.Version, Account: s.Account, Region: s.Region,
		AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, Settings: s.Settings,
	}
}

// damaged is a file of the folder that is not what was written; lost is what only
// it held, and hint how that is had again. One that may not be read is well, for all that
// is known.
func damaged(path, lost string, err error, hint string) *fault.Error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.New(fault.Denied, "%s cannot be read: %v", path, fault.Reason(err)).Because(err).
			WithHint("Make it readable for this user (`ls -l %s` shows whose it is): the sandbox's folder has to belong to you.", path)
	}
	return fault.New(fault.Internal, "%s is damaged (%s): %s cannot be told", path, reasonOf(path, err), lost).Because(err).WithHint("%s", hint)
}

// reasonOf is an error's text without the path, which the message has already.
func reasonOf(path string, err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(fault.Reason(err).Error(), path), ": ")
	if text == "unexpected end of JSON input" {
		return "it is cut short"
	}
	return text
}

var (
	errNoKey = errors.New("no key in it")
	// keyShape is what NewCredentials makes. Anything else was not written by us,
	// and may not fit into a header.
	keyShape = lazyregexp.New(`^[A-Z0-9]{16,128} [A-Za-z0-9+/]{32,128}$`)
)

// readKeys reads the key of the account's user. An error is a *fault.Error that
// says how to get a new one.
func readKeys(dir string) (wire.Credentials, error) {
	var k keyFile
	found, err := readJSON(credentialsPath(dir), &k)
	if err == nil && (!found || !keyShape.MatchString(k.AccessKeyID+" "+k.SecretAccessKey)) {
		err = errNoKey
	}
	if err != nil {
		return wire.Credentials{}, damaged(credentialsPath(dir), "the key of the sandbox's user", err,
			"Run `pipelinetui sandbox reset --keys` for a new key: what is in the sandbox stays. Shells that have the old one need `pipelinetui sandbox env` again.")
	}
	return wire.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey}, nil
}

// ensureKeys generates the key once.
func ensureKeys(dir string) (wire.Credentials, error) {
	if _, err := os.Stat(credentialsPath(dir)); err == nil {
		return readKeys(dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return wire.Credentials{}, err
	}
	c := iam.NewCredentials()
	return c, writeJSON(credentialsPath(dir), keyFile{c.AccessKeyID, c.SecretAccessKey})
}

// startFault turns what kept the daemon from starting into an error that names the
// file, what is lost and the way out.
func startFault(err error, doing string) error {
	var known *fault.Error
	var damage *store.DamageError
	var no wholefile.NoFile
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &damage):
		return fault.New(fault.Internal, "%s; what was made in the sandbox cannot be relied on: buckets, functions, endpoints, machines, executions", damage).Because(err).
			WithHint("Run `pipelinetui sandbox reset` to begin with an empty sandbox, or put a copy of the file back. Pulumi stacks need `pipelinetui up --refresh` afterwards.")
	case errors.As(err, &no):
		place := doing
		var at *fs.PathError
		if errors.As(err, &at) {
			place = at.Path
		}
		return fault.New(fault.Damaged, "%s: %s cannot be used: %s", doing, place, no).Because(err).
			WithHint("Move it away (`mv %s %s.away`) and try again: a file is made in its place, and nothing of the sandbox is lost.", place, place)
	case errors.Is(err, store.ErrInUse):
		return fault.New(fault.Locked, "%s: %s", doing, err).Because(err).WithHint("End the program that has the sandbox's store open, and try again.")
	case isFull(err):
		return fault.New(fault.Internal, "%s: %s", doing, err).Because(err).WithHint("Free space on the disk and try again: nothing is lost.")
	case errors.Is(err, syscall.EROFS):
		return fault.New(fault.Denied, "%s: %s", doing, err).Because(err).WithHint("Make the file system writable, or set PIPELINETUI_HOME to a folder on one that is.")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "%s: %s", doing, err).Because(err).WithHint("See to it that you may read and write the sandbox's folder; it has to belong to you.")
	}
	return fault.New(fault.Internal, "%s: %s", doing, err).Because(err)
}
