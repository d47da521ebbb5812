package stack

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// What a passphrase seals is opened, and made, here with the engine's own crypter: the
// CLI takes a process and half a second of a processor for each value. Keys of other
// kinds (a cloud's, Pulumi Cloud's) are left to the CLI.

// keys are crypters by passphrase and salt. Stretching a passphrase takes a fifth of a
// second, so each is made once.
type keys struct {
	mu    sync.Mutex
	known map[[2]string]config.Crypter
}

// errWrongPassphrase says that a passphrase is not the one of a salt.
var errWrongPassphrase = errors.New("incorrect passphrase")

// of is the crypter of a passphrase and a salt of saltForm.
func (k *keys) of(phrase, salt string) (config.Crypter, error) {
	parts := strings.SplitN(salt, ":", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("the salt of its secrets is damaged: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	id := [2]string{phrase, salt}
	if c := k.known[id]; c != nil {
		return c, nil
	}
	c := config.NewSymmetricCrypterFromPassphrase(phrase, raw)
	if word, err := c.DecryptValue(context.Background(), parts[2]); err != nil || word != checkWord {
		return nil, errWrongPassphrase
	}
	if k.known == nil {
		k.known = map[[2]string]config.Crypter{}
	}
	k.known[id] = c
	return c, nil
}

// phraseOf is the passphrase that the CLI would use, "" if it is in no variable.
func (e *Engine) phraseOf(ctx context.Context, p place) (string, error) {
	env, err := e.withSecrets(ctx, e.envList(p.env))
	if err != nil {
		return "", err
	}
	phrase := ""
	for _, kv := range e.environ(env) {
		if name, value, _ := strings.Cut(kv, "="); name == envPassphrase {
			phrase = value
		}
	}
	return phrase, nil
}

// keyTo is what opens a state's secrets; nil if only the CLI can tell. The error is
// errWrongPassphrase, or why the passphrase cannot be read.
func (e *Engine) keyTo(ctx context.Context, p place, dep *apitype.DeploymentV3) (config.Crypter, error) {
	sp := dep.SecretsProviders
	if sp == nil || sp.Type != passphraseProvider {
		return nil, nil
	}
	var state struct{ Salt string }
	if err := json.Unmarshal(sp.State, &state); err != nil || !saltForm.MatchString(state.Salt) {
		return nil, nil //nolint:nilerr // the CLI says what is wrong
	}
	phrase, err := e.phraseOf(ctx, p)
	if err != nil || phrase == "" {
		return nil, err
	}
	return e.keys.of(phrase, state.Salt)
}

// unsealed opens all secrets of a state in it; done is false if that is for the CLI to do.
func (e *Engine) unsealed(ctx context.Context, p place, dep *apitype.DeploymentV3) (done bool, err error) {
	key, err := e.keyTo(ctx, p, dep)
	if errors.Is(err, errWrongPassphrase) {
		rule := textRules[0]
		return false, &fault.Error{Kind: rule.kind, Op: "read the state of " + p.stack, Msg: rule.msg, Hint: rule.hint, Err: err}
	}
	if key == nil || err != nil {
		return false, err
	}
	if err := openAll(ctx, key, dep); err != nil {
		return false, e.sealDamage(ctx, p, err)
	}
	return true, nil
}

// openAll opens the secrets of a state's resources. The error says which cannot be.
func openAll(ctx context.Context, key config.Decrypter, dep *apitype.DeploymentV3) error {
	for i := range dep.Resources {
		r := &dep.Resources[i]
		for _, props := range []map[string]any{r.Inputs, r.Outputs} {
			if at, err := openValue(ctx, key, props, nil); err != nil {
				return fmt.Errorf("the secret %s of %s cannot be opened: %w", at, nameOf(string(r.URN)), err)
			}
		}
	}
	return nil
}

// openValue opens the secrets of a serialised value in it; at is the one that cannot be.
func openValue(ctx context.Context, key config.Decrypter, v any, path resource.PropertyPath) (at resource.PropertyPath, err error) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if at, err := openValue(ctx, key, e, append(slices.Clip(path), i)); err != nil {
				return at, err
			}
		}
	case map[string]any:
		if sealed, ok := v["ciphertext"].(string); ok && v[sig.Key] == sig.Secret {
			text, err := key.DecryptValue(ctx, sealed)
			if err == nil && !json.Valid([]byte(text)) {
				err = errors.New("it does not hold a value")
			}
			if err != nil {
				return path, err
			}
			delete(v, "ciphertext")
			v["plaintext"] = text
			return nil, nil
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if at, err := openValue(ctx, key, v[name], append(slices.Clip(path), name)); err != nil {
				return at, err
			}
		}
	}
	return nil, nil
}

// sealedText is what the engine says of a secret that it cannot open.
var sealedText = lazyregexp.New(`(?i)bad value|unknown value version|message authentication failed|failed to decrypt`)

// unsealable is the error about a state of which a secret cannot be opened although the
// passphrase is the right one; nil if there is none, or it cannot be told.
func (e *Engine) unsealable(ctx context.Context, p place) error {
	dep, err := e.snapshot(ctx, p)
	if err != nil {
		return nil //nolint:nilerr // the error that was there before says more
	}
	if err := e.opens(ctx, p)(dep); err != nil {
		return e.sealDamage(ctx, p, err)
	}
	return nil
}

// sealDamage is the error about a secret that cannot be opened with the right key.
func (e *Engine) sealDamage(ctx context.Context, p place, why error) error {
	file, _, known := e.stackFileOf(p.backend, p.stack)
	if !known {
		if store, err := e.objects(ctx); err == nil {
			return e.damagedObject(ctx, store, p.stack, e.objectFolder()+p.stack+".json", why)
		}
		file = strings.TrimSuffix(e.Backend(), "/") + "/" + e.objectFolder() + p.stack + ".json"
	}
	err := fault.New(fault.Damaged, "the state of %s is damaged: %s: %v. The passphrase is the right one", p.stack, file, why).Because(why)
	name := pipelineName(p.stack)
	if copies := e.copies(p.stack, e.opens(ctx, p)); len(copies) > 0 {
		return err.WithHint("Run `pipelinetui cancel %s --restore` to put %s in its place, then `pipelinetui refresh %s` to see what has changed since.", name, copies[0], name)
	}
	return err.WithHint("There is no copy of it that can be used: restore the file from a backup of your own.")
}

// opens accepts a state whose secrets can be opened, or of which that cannot be told.
func (e *Engine) opens(ctx context.Context, p place) func(*apitype.DeploymentV3) error {
	return func(dep *apitype.DeploymentV3) error {
		key, err := e.keyTo(ctx, p, dep)
		if key == nil || err != nil {
			return nil //nolint:nilerr // not known
		}
		return openAll(ctx, key, dep)
	}
}

// seal encrypts a value for a place's settings; ok is false if that is for the CLI to do.
func (e *Engine) seal(ctx context.Context, p place, value string) (sealed string, ok bool, err error) {
	s, err := e.settings(p)
	if err != nil {
		return "", false, err
	}
	if s.SecretsProvider != "" && s.SecretsProvider != passphraseProvider || s.EncryptedKey != "" || !saltForm.MatchString(s.EncryptionSalt) {
		return "", false, nil
	}
	phrase, err := e.phraseOf(ctx, p)
	if err != nil || phrase == "" {
		return "", false, err
	}
	key, err := e.keys.of(phrase, s.EncryptionSalt)
	if err != nil {
		return "", false, nil //nolint:nilerr // the CLI says what is wrong
	}
	sealed, err = key.EncryptValue(ctx, value)
	return sealed, err == nil, err
}

// setSealed puts a value that is encrypted into a place's settings.
func (e *Engine) setSealed(p place, name, sealed string) error {
	key, err := config.ParseKey(name)
	if err != nil {
		return fault.New(fault.Internal, "%q is not a config key: %v", name, err).Because(err)
	}
	return e.edit(p, func(s *workspace.ProjectStack) (bool, error) {
		if s.Config == nil {
			s.Config = config.Map{}
		}
		s.Config[key] = config.NewSecureValue(sealed)
		return true, nil
	})
}
