package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// place is one stack in one backend, with the work directory that belongs to it.
type place struct {
	stack   string
	dir     string
	backend string
	env     map[string]string // added to the engine's for every process here
}

func (e *Engine) workRoot() string { return filepath.Join(e.opts.Home, "work") }

func (e *Engine) place(stack string, env map[string]string) place {
	return place{stack: stack, dir: filepath.Join(e.workRoot(), stack+e.workSuffix()), backend: e.opts.Backend, env: env}
}

// workSuffix keeps the work directories of stacks of one name in several backends
// apart: the key to a stack's secrets lies there. "@" is in no stack's name.
func (e *Engine) workSuffix() string {
	if e.isOwn() {
		return ""
	}
	where, prefix := e.opts.Backend, ""
	if u, err := url.Parse(where); err == nil {
		where = u.Scheme + "://" + u.Host + u.Path // without keys and parameters
		if prefix = u.Query().Get("prefix"); prefix != "" {
			prefix = "?prefix=" + prefix // but for this one: it is another backend
		}
	}
	sum := sha256.Sum256([]byte(strings.TrimRight(where, "/") + prefix))
	return "@" + hex.EncodeToString(sum[:6])
}

// scratch is a place for the same stack in an empty backend of its own, for the
// preview of a stack that does not exist: so it leaves nothing in the real one.
func (p place) scratch() place {
	dir := filepath.Join(p.dir, "preview")
	env := maps.Clone(p.env)
	if env == nil {
		env = map[string]string{}
	}
	backend := FileURL(filepath.Join(dir, "state"))
	env[envBackend] = withoutSidecars(backend)
	env[envPassphrase] = scratchPassphrase
	return place{stack: p.stack, dir: dir, backend: backend, env: env}
}

func (p place) settingsFile() string { return filepath.Join(p.dir, "Pulumi."+p.stack+".yaml") }

// prepare makes the work directory and the project file.
func (e *Engine) prepare(p place) error {
	l := e.dirLock(p.dir)
	l.Lock()
	defer l.Unlock()
	err := os.MkdirAll(p.dir, 0o700)
	if err == nil {
		project := "name: " + e.opts.Project + "\nruntime: go\ndescription: inference pipelines made by pipelinetui\n"
		err = writeChanged(filepath.Join(p.dir, "Pulumi.yaml"), []byte(project))
	}
	if err != nil {
		return fault.New(fault.Internal, "prepare the work directory %s: %v", p.dir, err).
			WithHint("Make the folder writable, or set PIPELINETUI_HOME to another one.").Because(err)
	}
	return nil
}

// writeChanged replaces a file in one step, and only if its content differs.
func writeChanged(path string, data []byte) error {
	if old, err := readRegular(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return wholefile.WriteFile(path, data, 0o600)
}

// settings reads Pulumi.<stack>.yaml: the stack's config and the key to its
// secrets. A file that does not exist is an empty one.
func (e *Engine) settings(p place) (*workspace.ProjectStack, error) {
	path := p.settingsFile()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return &workspace.ProjectStack{}, nil
	}
	project := &workspace.Project{Name: tokens.PackageName(e.opts.Project)}
	s, err := workspace.LoadProjectStack(nil, project, path)
	if err != nil {
		// It holds nothing of its own: the config comes from the job and the key from
		// the state. So half of a file is as good as none.
		e.log.Warn("making the settings of a stack anew", "path", path, "error", err)
		if err := os.Remove(path); err != nil {
			return nil, fault.New(fault.Internal, "the stack's settings %s cannot be read, nor removed: %v", path, err).
				WithHint("Remove the file: it is made again from the stack's state.").Because(err)
		}
		return &workspace.ProjectStack{}, nil
	}
	return s, nil
}

// edit changes the stack's settings file; it is written only if change says so.
func (e *Engine) edit(p place, change func(*workspace.ProjectStack) (bool, error)) error {
	l := e.dirLock(p.dir)
	l.Lock()
	defer l.Unlock()
	s, err := e.settings(p)
	if err != nil {
		return err
	}
	dirty, err := change(s)
	if err != nil || !dirty {
		return err
	}
	raw, err := encoding.YAML.Marshal(s)
	if err == nil {
		err = wholefile.WriteFile(p.settingsFile(), raw, 0o600) // Save would leave half of it on a full disk
	}
	if err != nil {
		return fault.New(fault.Internal, "write the stack's settings: %v", err).
			WithHint("Check that there is space and that PIPELINETUI_HOME can be written.").Because(err)
	}
	return nil
}

// setConfig makes want the stack's config. Plain values are written to the
// file without asking the CLI. Secrets that a passphrase does not seal go through it, by
// stdin: arguments are visible to every user of the machine.
func (e *Engine) setConfig(ctx context.Context, p place, want map[string]ConfigValue) error {
	if want == nil {
		return nil
	}
	var secrets []string
	err := e.edit(p, func(s *workspace.ProjectStack) (bool, error) {
		next := config.Map{}
		for name, value := range want {
			key, err := config.ParseKey(name)
			if err != nil {
				return false, fault.New(fault.Invalid, "%q is not a config key: %v", name, err).
					WithHint("Write it as namespace:name, for example aws:region.").Because(err)
			}
			if value.Secret {
				secrets = append(secrets, name)
				if old, ok := s.Config[key]; ok && old.Secure() {
					next[key] = old // stays until the new one is set
				}
				continue
			}
			next[key] = config.NewValue(value.Value)
		}
		same := maps.EqualFunc(s.Config, next, func(a, b config.Value) bool { return a == b })
		s.Config = next
		return !same, nil
	})
	if err != nil {
		return err
	}
	for _, name := range secrets {
		if err := e.setSecret(ctx, p, name, want[name].Value); err != nil {
			return err
		}
	}
	return nil
}

// setSecret makes a value one of a place's config, encrypted.
func (e *Engine) setSecret(ctx context.Context, p place, name, value string) error {
	if sealed, ok, err := e.seal(ctx, p, value); err != nil {
		return err
	} else if ok {
		return e.setSealed(p, name, sealed)
	}
	l := e.dirLock(p.dir)
	l.Lock()
	defer l.Unlock()
	cmd := &command{engine: e}
	_, stderr, code, err := cmd.Run(ctx, p.dir, strings.NewReader(value), nil, nil, e.envList(p.env),
		"config", "set", name, "--secret", "--stack", p.stack)
	if err != nil {
		return e.classifyText("set config "+name, "", stderr, code, err)
	}
	return nil
}

// workspace is the SDK's view of a place.
func (e *Engine) workspace(ctx context.Context, p place, cmd *command, program pulumi.RunFunc) (auto.Workspace, error) {
	env := maps.Clone(e.env)
	maps.Copy(env, p.env)
	ws, err := auto.NewLocalWorkspace(ctx,
		auto.WorkDir(p.dir), auto.Pulumi(cmd), auto.Program(program),
		auto.PulumiHome(env[envHome]), auto.SecretsProvider(e.opts.SecretsProvider), auto.EnvVars(env))
	if err != nil {
		return nil, fault.New(fault.Internal, "open the workspace of %s: %v", p.stack, err).Because(err)
	}
	return ws, nil
}

// existence is what is known of a stack without asking the CLI.
type existence int

const (
	unknown existence = iota
	absent
	present
)

// exists looks for the checkpoint of a file backend. The answer is a guess that
// saves a process: if it is wrong, the CLI says so and the caller corrects it.
func (e *Engine) exists(p place) existence {
	switch _, exists, known := e.stackFileOf(p.backend, p.stack); {
	case !known:
		return unknown
	case exists:
		return present
	}
	return absent
}

// ensure makes sure that the stack exists (create) and that the settings file
// names the key of its secrets; created tells whether the stack is new.
//
// The key matters on a machine that sees the stack for the first time: without
// it the CLI would go on with a key it cannot check, and fail on the first
// secret in the middle of an update. With it, a wrong passphrase is refused
// before anything happens.
func (e *Engine) ensure(ctx context.Context, p place, create bool) (created bool, err error) {
	if err := e.prepare(p); err != nil {
		return false, err
	}
	if create {
		if err := e.makeBackend(p.backend); err != nil {
			return false, err
		}
	}
	s, err := e.settings(p)
	if err != nil {
		return false, err
	}
	hasKey := saltForm.MatchString(s.EncryptionSalt) || s.EncryptedKey != "" || s.SecretsProvider != ""
	switch known := e.exists(p); {
	case known == absent:
		file, _, _ := e.stackFileOf(p.backend, p.stack)
		if err := e.absentFault(p.backend, p.stack, file); !create || !errors.Is(err, fault.NotFound) {
			return false, err
		}
		return true, e.initStack(ctx, p)
	case hasKey:
		return false, nil
	}
	err = e.adoptKey(ctx, p)
	if errors.Is(err, fault.NotFound) && create {
		return true, e.initStack(ctx, p)
	}
	return false, err
}

// saltForm is what a passphrase's salt looks like, see saltOf. Of one that was cut off
// the engine says "malformed state value"; the state has it too.
var saltForm = lazyregexp.New(`^v1:[A-Za-z0-9+/]+=*:v1:[A-Za-z0-9+/]+=*:[A-Za-z0-9+/]+=*$`)

func notFound(stack string) error {
	return fault.New(fault.NotFound, "stack %s does not exist", stack).
		WithHint("Run `pipelinetui list` to see what there is, or `pipelinetui up` to create it.")
}

// initStack makes an empty stack. That it exists already is no error.
func (e *Engine) initStack(ctx context.Context, p place) error {
	e.initMu.Lock()
	defer e.initMu.Unlock()
	provider := e.opts.SecretsProvider
	if p.env[envBackend] != "" && p.env[envBackend] != e.opts.Backend {
		provider = passphraseProvider // a scratch place
	}
	if err := ctx.Err(); err != nil {
		return canceledBefore("create stack "+p.stack, err)
	}
	if done, err := e.initFile(ctx, p, provider); done || err != nil {
		return err
	}
	// Not to be killed half-way: it holds the stack's lock for a moment.
	stderr, err := e.finish(ctx, p, editPatience, "create stack "+p.stack, nil,
		"stack", "init", p.stack, "--no-select", "--secrets-provider", provider)
	if strings.Contains(stderr, "already exists") {
		return nil
	}
	return err
}

// adoptKey copies the key of the stack's secrets from its state to the settings
// file.
func (e *Engine) adoptKey(ctx context.Context, p place) error {
	dep, err := e.snapshot(ctx, p)
	if err != nil {
		return err
	}
	sp := dep.SecretsProviders
	if sp == nil || len(sp.State) == 0 {
		return nil
	}
	return e.edit(p, func(s *workspace.ProjectStack) (bool, error) {
		old := [3]string{s.SecretsProvider, s.EncryptedKey, s.EncryptionSalt}
		if err := applyKey(s, sp); err != nil {
			return false, err
		}
		return old != [3]string{s.SecretsProvider, s.EncryptedKey, s.EncryptionSalt}, nil
	})
}

// applyKey translates the state's form of a key into the settings file's.
func applyKey(s *workspace.ProjectStack, sp *apitype.SecretsProvidersV1) error {
	var state struct {
		Salt         string `json:"salt"`
		URL          string `json:"url"`
		EncryptedKey []byte `json:"encryptedkey"`
	}
	if err := json.Unmarshal(sp.State, &state); err != nil {
		return fault.New(fault.Internal, "read the secrets provider of the state: %v", err).Because(err)
	}
	switch sp.Type {
	case passphraseProvider:
		s.SecretsProvider, s.EncryptedKey, s.EncryptionSalt = "", "", state.Salt
	case "cloud":
		s.SecretsProvider, s.EncryptionSalt = state.URL, ""
		s.EncryptedKey = base64.StdEncoding.EncodeToString(state.EncryptedKey)
	}
	return nil
}
