package stack

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

const (
	passphraseProvider = "passphrase"
	// scratchPassphrase protects nothing: the state of a preview is thrown away.
	scratchPassphrase = "preview"
	// scratchSalt is the key of scratchPassphrase, as the engine writes one: deriving
	// it takes a quarter of a second.
	scratchSalt = "v1:Vql1/oWiSEk=:v1:dy0CfYFCJI4XBxys:jbgIublEFP5zedJzChEMw0AYRx9hSQ=="
	// checkWord is encrypted beside a salt, to tell a wrong passphrase from the right one.
	checkWord = "pulumi"
	// layout is what meta.yaml holds where stacks are kept by project
	// (pkg/backend/diy/meta.go).
	layout = "version: 1\n"
)

// initFile makes an empty stack in a file backend, as `pulumi stack init` does
// (CreateStack of pkg/cmd/pulumi/stack/io.go and pkg/backend/diy/backend.go): a
// process of it costs half a second of a processor, and a preview of a new pipeline
// needs one, too. Whatever is not the common case is left to the CLI, then done is
// false: other backends, layouts, forms of the state or kinds of key, file systems
// without hard links, and a stack that is locked.
func (e *Engine) initFile(ctx context.Context, p place, provider string) (done bool, err error) {
	root, ok := fileBackend(p.backend)
	if !ok || provider != passphraseProvider || e.ownForm(p) {
		return false, nil
	}
	if p.backend == e.opts.Backend {
		if locks, known, err := e.locksNow(ctx, p.stack); err != nil || !known || len(locks) > 0 {
			return false, err
		}
	}
	salt, ok, err := e.saltOf(ctx, p)
	if !ok || err != nil {
		return false, err
	}
	if ok, err := projectLayout(root); !ok || err != nil {
		return false, err
	}
	key, err := json.Marshal(map[string]string{"salt": salt})
	if err != nil {
		return false, err
	}
	providers := &apitype.SecretsProvidersV1{Type: passphraseProvider, State: key}
	dir, _ := e.stacksDirOf(p.backend)
	switch err := writeEmpty(dir, e.opts.Project, p.stack, "v"+e.Version(), providers, e.link); {
	case errors.Is(err, errNoLink):
		return false, nil
	case errors.Is(err, fs.ErrExist): // somebody was faster, and has made the key
		return true, e.adoptKey(ctx, p)
	case err != nil:
		return false, err
	}
	return true, e.edit(p, func(s *workspace.ProjectStack) (bool, error) { return true, applyKey(s, providers) })
}

// formOfState is what the engine's variables for that are called
// (sdk/go/common/env/env.go), older names included.
var formOfState = lazyregexp.New(`^PULUMI_.*(LEGACY_LAYOUT|GZIP|COMPRESSION)`)

// ownForm tells whether the environment asks for another layout, or for compressed
// states.
func (e *Engine) ownForm(p place) bool {
	for _, kv := range e.environ(e.envList(p.env)) {
		if name, value, _ := strings.Cut(kv, "="); value != "" && formOfState.MatchString(name) {
			return true
		}
	}
	return false
}

// saltOf is the key of a new stack: the salt that the passphrase is stretched with, and
// a word encrypted by it that tells a wrong passphrase from the right one
// (pkg/secrets/passphrase/manager.go). The stacks that one process makes have one salt,
// as they have one passphrase; each secret is encrypted with a nonce of its own. ok is
// false if the passphrase is not in a variable.
func (e *Engine) saltOf(ctx context.Context, p place) (salt string, ok bool, err error) {
	phrase, err := e.phraseOf(ctx, p)
	switch {
	case phrase == "" || err != nil:
		return "", false, err
	case p.backend != e.opts.Backend && phrase == scratchPassphrase:
		return scratchSalt, true, nil
	case e.salts[phrase] != "":
		return e.salts[phrase], true, nil
	}
	raw := make([]byte, 8)
	_, _ = rand.Read(raw) // never fails
	word, err := config.NewSymmetricCrypterFromPassphrase(phrase, raw).EncryptValue(context.Background(), checkWord)
	if err != nil {
		return "", false, fault.New(fault.Internal, "make the key of a new stack: %v", err).Because(err)
	}
	salt = fmt.Sprintf("v1:%s:%s", base64.StdEncoding.EncodeToString(raw), word)
	if e.salts == nil {
		e.salts = map[string]string{}
	}
	e.salts[phrase] = salt
	return salt, true, nil
}

// projectLayout tells whether a backend keeps its stacks by project. An empty one does
// from here on.
func projectLayout(root string) (bool, error) {
	file := filepath.Join(root, ".pulumi", "meta.yaml")
	switch raw, err := readRegular(file); {
	case err == nil:
		return string(raw) == layout, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, nil // the CLI says what is wrong
	}
	// Stacks without that file are those of an old layout.
	if entries, err := os.ReadDir(filepath.Join(root, ".pulumi", "stacks")); err == nil && len(entries) > 0 {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return false, notMade(file, err)
	}
	if err := wholefile.WriteFile(file, []byte(layout), 0o600); err != nil {
		return false, notMade(file, err)
	}
	return true, nil
}

// errNoLink says that a file system has no hard links: FAT, some shares and bind mounts.
var errNoLink = errors.New("no hard links")

// writeEmpty writes the checkpoint of a stack without resources, in one step and never
// over another: then the error is fs.ErrExist. link is os.Link; where that fails the
// error is errNoLink, and nothing is left.
func writeEmpty(dir, project, stack, version string, key *apitype.SecretsProvidersV1, link func(from, to string) error) error {
	magic := sha256.Sum256([]byte(version)) // Manifest.NewMagic of pkg/resource/deploy
	raw, err := json.Marshal(map[string]any{"version": 3, "checkpoint": apitype.CheckpointV3{
		Stack: tokens.QName("organization/" + project + "/" + stack),
		Latest: &apitype.DeploymentV3{
			Manifest:         apitype.ManifestV1{Time: time.Now().UTC(), Magic: hex.EncodeToString(magic[:]), Version: version},
			SecretsProviders: key,
		},
	}})
	if err != nil {
		return fault.New(fault.Internal, "write the state of the new stack %s: %v", stack, err).Because(err)
	}
	file := filepath.Join(dir, stack+".json")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return notMade(file, err)
	}
	tmp, err := wholefile.New(file, 0o600)
	if err != nil {
		return notMade(file, err)
	}
	defer tmp.Cleanup() //nolint:errcheck // its other name stays
	if _, err := tmp.Write(append(raw, '\n')); err != nil {
		return notMade(file, err)
	}
	if err := tmp.Sync(); err != nil {
		return notMade(file, err)
	}
	switch err := link(tmp.Name(), file); {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return notMade(file, err)
	default:
		return fmt.Errorf("%w: %w", errNoLink, err)
	}
}

func notMade(file string, err error) error {
	return fault.New(fault.Invalid, "make a new stack: write %s: %v", file, err).
		WithHint("Make the backend's folder writable, or set --backend to another one.").Because(err)
}
