package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// engineEnv is what every Pulumi process gets: the passphrase, unless the
// environment has one already or another secrets provider is used.
func (a *App) engineEnv(ctx context.Context) (map[string]string, error) {
	if a.opts.Settings.String(settings.SecretsProvider) != "passphrase" {
		return map[string]string{}, nil
	}
	if a.inheritsPassphrase() {
		return map[string]string{}, nil
	}
	path := a.opts.Settings.Paths.Passphrase()
	pass, err := outside.Do(ctx, path, func() (string, error) { return passphrase(path) })
	if err != nil {
		return nil, err
	}
	return map[string]string{"PULUMI_CONFIG_PASSPHRASE": pass}, nil
}

// inheritsPassphrase tells whether the environment has a passphrase.
func (a *App) inheritsPassphrase() bool {
	for _, name := range []string{"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} {
		if _, ok := a.opts.Environ(name); ok {
			return true
		}
	}
	return false
}

// maxPassphrase bounds the file of a passphrase, in bytes.
const maxPassphrase = 64 << 10

// inheritedSecrets are those of the environment that lie in a file. The CLI would read it
// itself, once in every process and from the stack's work directory, and cannot be
// interrupted at it: a pipe ("<(pass show x)") is empty the second time.
func (a *App) inheritedSecrets(ctx context.Context) (map[string]string, error) {
	path, _ := a.opts.Environ("PULUMI_CONFIG_PASSPHRASE_FILE")
	if _, given := a.opts.Environ("PULUMI_CONFIG_PASSPHRASE"); given || path == "" || a.opts.Settings.String(settings.SecretsProvider) != "passphrase" {
		return nil, nil
	}
	raw, err := outside.ReadFile(ctx, "the file of PULUMI_CONFIG_PASSPHRASE_FILE,", path, maxPassphrase)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxPassphrase {
		return nil, fault.New(fault.Invalid, "the file of PULUMI_CONFIG_PASSPHRASE_FILE, %s, has more than %d KiB", path, maxPassphrase>>10).
			WithHint("Name the file that holds the passphrase, and nothing else.")
	}
	return map[string]string{"PULUMI_CONFIG_PASSPHRASE": strings.TrimSpace(string(raw))}, nil
}

// passphrase reads the generated passphrase, or makes it: 32 random bytes, kept
// in a file that only its owner can read. Of two processes that make it at the
// same time one wins and both use its value.
func passphrase(path string) (string, error) {
	read := func() (string, error) {
		raw, err := wholefile.Read(path)
		if err != nil {
			return "", err
		}
		if s := strings.TrimSpace(string(raw)); s != "" {
			return s, nil
		}
		return "", fault.New(fault.Invalid, "the passphrase file %s is empty", path).
			WithHint("Put the passphrase of your stacks there, or set PULUMI_CONFIG_PASSPHRASE. A new one cannot open existing stacks.")
	}
	s, err := read()
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return s, asFile(err, path)
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", asFile(err, path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".passphrase-*")
	if err != nil {
		return "", asFile(err, path)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.RawURLEncoding.EncodeToString(b[:]) + "\n")
	if err = errors.Join(err, tmp.Chmod(0o600), tmp.Sync(), tmp.Close()); err != nil {
		return "", asFile(err, path)
	}
	// Link refuses to replace a file that another process made meanwhile.
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", asFile(err, path)
	}
	s, err = read()
	return s, asFile(err, path)
}

func asFile(err error, path string) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fault.New(fault.Invalid, "the passphrase file %s cannot be used: %s", path, err).Because(err).
		WithHint("Check the permissions of PIPELINETUI_HOME, or set PULUMI_CONFIG_PASSPHRASE.")
}
