package stack

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// WriteSettings writes Pulumi.<stack>.yaml into a project folder of somebody
// else's program for the stack: values as its config, and the key of its secrets.
// The folder holds a Pulumi.yaml already. Secret values are encrypted; where no passphrase
// does that, by the CLI, one process each.
func (e *Engine) WriteSettings(ctx context.Context, stack, dir string, values map[string]ConfigValue) error {
	if err := checkName(stack); err != nil {
		return err
	}
	own := e.place(stack, nil)
	if _, err := e.ensure(ctx, own, false); err != nil {
		return err
	}
	s, err := e.settings(own)
	if err != nil {
		return err
	}
	out := &workspace.ProjectStack{
		SecretsProvider: s.SecretsProvider, EncryptedKey: s.EncryptedKey, EncryptionSalt: s.EncryptionSalt, Config: config.Map{},
	}
	var secrets []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		key, err := config.ParseKey(name)
		if err != nil {
			return fault.New(fault.Internal, "%q is not a config key: %v", name, err).Because(err)
		}
		if values[name].Secret {
			secrets = append(secrets, name)
			continue
		}
		out.Config[key] = config.NewValue(values[name].Value)
	}
	there := place{stack: stack, dir: dir, backend: e.opts.Backend}
	path := there.settingsFile()
	if err := out.Save(path); err != nil {
		return fault.New(fault.Invalid, "write %s: %v", path, err).Because(err).WithHint("Name a folder that can be written.")
	}
	for _, name := range secrets {
		if err := e.setSecret(ctx, there, name, values[name].Value); err != nil {
			return err
		}
	}
	if err := os.Chmod(path, 0o644); err != nil { // part of a project to be shared; secrets in it are encrypted
		return fault.New(fault.Invalid, "write %s: %v", path, err).Because(err).WithHint("Name a folder that can be written.")
	}
	return nil
}

// ToolEnv is the environment in which a Pulumi CLI of the user's own works on the
// stacks of this engine: backend, passphrase if it is ours, and a PATH on which
// the CLI and what lies beside it come first. path is the PATH so far.
func (e *Engine) ToolEnv(path string) map[string]string {
	env := map[string]string{
		envBackend:                 e.opts.Backend,
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		"PATH":                     filepath.Dir(e.opts.PulumiPath) + string(os.PathListSeparator) + path,
	}
	if v, ok := e.opts.Env[envPassphrase]; ok {
		env[envPassphrase] = v
	}
	return env
}
