package stack

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

var sealedValue = regexp.MustCompile(`("ciphertext": *")(v1:[^:"]*:)([^"]*)"`)

// Secrets that a passphrase seals are opened and made without a process, and the CLI opens
// what was made here (TestConfigIsWrittenAndReplaced gives a program one).
func TestSecretsCostNoProcess(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	job := Job{Stack: testStack, Program: stashes("s"), Config: map[string]ConfigValue{"pipelinetui:token": {Value: "hunter2", Secret: true}}}
	run, err := f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	state, err := f.Reveal(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, Output{Value: "hunter2", Secret: true}, state.Outputs["password"])
	require.Equal(t, []string{"up"}, f.Spawned())

	wrong := open(t, f.backend, func(o *Options) { o.Env[envPassphrase] = "wrong" })
	_, err = wrong.Reveal(t.Context(), testStack)
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "the passphrase does not open")
	require.Empty(t, wrong.Spawned())
}

// Of a secret that is damaged the engine says "bad value", or what it says of a wrong
// passphrase, and not where.
func TestADamagedSecretIsNamed(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	job := Job{Stack: testStack, Program: stashes("s")}
	for range 2 { // the second leaves a copy of the state
		run, err := f.Up(t.Context(), job)
		_, _ = must(t, run, err)
		job.Program = stashes("s", "more")
	}
	file := filepath.Join(f.home, ownState, ".pulumi", "stacks", DefaultProject, testStack+".json")
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Regexp(t, sealedValue, string(good))
	for name, to := range map[string]string{
		"no form":         `${1}garbled"`,
		"another version": `${1}v9:AAAA:AAAA"`,
		"other bytes":     `${1}${2}AAAAAAAAAAAAAAAAAAAAAAAAAAAA"`,
		"no base64":       `${1}${2}%%%"`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(sealedValue.ReplaceAllString(string(good), to)), 0o600))
		_, err := f.Reveal(t.Context(), testStack)
		requireSealDamage(t, err, file, name)
		preview, err := f.Preview(t.Context(), job)
		_, _, err = wait(t, preview, err)
		requireSealDamage(t, err, file, name)
		destroy, err := f.Destroy(t.Context(), Job{Stack: testStack})
		_, _, err = wait(t, destroy, err)
		requireSealDamage(t, err, file, name)
	}
	_, err = f.State(t.Context(), testStack)
	require.NoError(t, err, "without its secrets it can be looked at")

	// The way out that is told is one.
	copied, aside, err := f.Restore(t.Context(), testStack)
	require.NoError(t, err)
	require.FileExists(t, aside)
	require.Positive(t, copied.Resources)
	run, err := f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	_, _, err = f.Restore(t.Context(), testStack)
	require.ErrorIs(t, err, fault.Conflict, "nothing is damaged any more")
}

func requireSealDamage(t *testing.T, err error, file, name string) {
	t.Helper()
	require.ErrorIs(t, err, fault.Damaged, name)
	require.ErrorContains(t, err, file, name)
	require.ErrorContains(t, err, "the secret password of pipelinetui-"+testStack+" cannot be opened", name)
	require.Contains(t, fault.HintOf(err), "pipelinetui cancel acme/iris/dev --restore", name)
}

// A copy whose secrets are damaged as well takes nothing's place.
func TestADamagedCopyIsNoCopy(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)
	root := filepath.Join(f.home, ownState, ".pulumi")
	file := filepath.Join(root, "stacks", DefaultProject, testStack+".json")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "history")))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "backups")))
	require.NoError(t, os.WriteFile(file+".bak", raw, 0o600))
	copies, err := f.Copies(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, copies, 1)

	raw = sealedValue.ReplaceAll(raw, []byte(`${1}garbled"`))
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	require.NoError(t, os.WriteFile(file+".bak", raw, 0o600))
	copies, err = f.Copies(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, copies)
	_, err = f.Reveal(t.Context(), testStack)
	require.ErrorIs(t, err, fault.Damaged)
	require.NotContains(t, fault.HintOf(err), "cancel")
}
