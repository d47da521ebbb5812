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
	"time"

	"github.com/google/renameio/v2"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
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

// LogPath is the daemon's log: one JSON object a line. What is older is in the
// file of the same name with .1 at its end.
func LogPath(dir string) string { return filepath.Join(dir, "sandbox.log") }

func lockPath(dir string) string        { return filepath.Join(dir, "lock") }
func startLockPath(dir string) string   { return filepath.Join(dir, "start.lock") }
func statePath(dir string) string       { return filepath.Join(dir, "state.json") }
func credentialsPath(dir string) string { return filepath.Join(dir, "credentials.json") }
func addressPath(dir string) string     { return filepath.Join(dir, "address.json") }
func dataPath(dir string) string        { return filepath.Join(dir, "data") }

// state is what the daemon writes once it takes requests, and removes when it
// ends in good order. It means nothing unless the lock is held.
type state struct {
	ID       string    `json:"id"`
	PID      int       `json:"pid"`
	Endpoint string    `json:"endpoint"`
	Started  time.Time `json:"started"`
	Version  string    `json:"version"`
	Account  string    `json:"account"`
	Region   string    `json:"region"`
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
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}

// writeJSON replaces the file as a whole, readable by its owner only.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(raw, '\n'), 0o600)
}

func readInfo(dir string) (info Info, found bool, err error) {
	var s state
	if found, err = readJSON(statePath(dir), &s); err != nil || !found {
		return Info{}, false, err
	}
	keys, err := readKeys(dir)
	if err != nil {
		return Info{}, false, err
	}
	return Info{
		ID: s.ID, Endpoint: s.Endpoint, PID: s.PID, Started: s.Started, Version: s.Version, Account: s.Account, Region: s.Region,
		AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey,
	}, true, nil
}

func readKeys(dir string) (wire.Credentials, error) {
	var k keyFile
	found, err := readJSON(credentialsPath(dir), &k)
	if err == nil && (!found || k.AccessKeyID == "" || k.SecretAccessKey == "") {
		err = fmt.Errorf("%s: no key in it", credentialsPath(dir))
	}
	return wire.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey}, err
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
