package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		program pulumi.RunFunc
		message string // all of it
		row     string // the row that failed
	}{
		{
			name:    "the program fails",
			program: func(*pulumi.Context) error { return errors.New("no such thing") },
			message: "up acme.iris.dev: no such thing",
		},
		{
			name:    "the program panics",
			program: func(*pulumi.Context) error { panic("at the disco") },
			message: "up acme.iris.dev: panic in the program: at the disco",
		},
		{
			name:    "a creation fails",
			program: things(map[string]pulumi.Map{"bad": {"fail": pulumi.String("quota used up")}}),
			message: "up acme.iris.dev: ptest:index:Thing bad: quota used up",
			row:     "bad",
		},
		{
			name:    "an input is refused",
			program: things(map[string]pulumi.Map{"bad": {"invalid": pulumi.String("must be blue")}}),
			message: "up acme.iris.dev: ptest:index:Thing bad: property invalid value {must be blue} has a problem: must be blue",
			row:     "bad",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, p := open(t, ""), serveProvider(t)
			run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: func(ctx *pulumi.Context) error {
				spec, err := pulumi.NewStash(ctx, specName, &pulumi.StashArgs{Input: pulumi.Any("kept")})
				if err != nil {
					return err
				}
				// Registrations are concurrent: only who waits comes after.
				recorded := make(chan struct{})
				spec.URN().ApplyT(func(pulumi.URN) error { close(recorded); return nil })
				<-recorded
				return tt.program(ctx)
			}})
			res, events, err := wait(t, run, err)
			require.ErrorIs(t, err, fault.Deployment)
			require.Equal(t, tt.message, err.Error())
			require.Equal(t, Failed, res.Outcome)
			requireOrdered(t, events)
			require.Equal(t, tt.message, events[len(events)-1].End.Error)

			var progress Progress
			for _, e := range events {
				progress.Apply(e)
			}
			for _, row := range progress.Rows() {
				if row.Name == tt.row {
					require.Equal(t, StatusFailed, row.Status)
					require.NotEmpty(t, row.Error())
				}
				require.NotEqual(t, StatusRunning, row.Status, row.URN)
			}
			state, err := f.State(t.Context(), testStack)
			require.NoError(t, err)
			require.Equal(t, "kept", string(state.Spec), "the spec survives a failed first update")
		})
	}
}

func TestPanicKeepsItsTrace(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	run, err := f.Preview(t.Context(), Job{Stack: testStack, Program: func(*pulumi.Context) error { panic("at the disco") }})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Deployment)
	require.Contains(t, fmt.Sprint(errors.Unwrap(err)), "failures_test.go")
}

func TestSecretsOpenOnAnotherMachine(t *testing.T) {
	t.Parallel()
	one := open(t, "")
	job := Job{Stack: testStack, Program: stashes("s", "one")}
	run, err := one.Up(t.Context(), job)
	_, _ = must(t, run, err)

	two := open(t, one.backend)
	run, err = two.Up(t.Context(), job)
	res, _ := must(t, run, err)
	require.False(t, res.HasChanges())
	require.Equal(t, []string{"up"}, two.Spawned(), "the first contact reads the key from the file of the state")
	run, err = two.Up(t.Context(), job)
	_, _ = must(t, run, err)
	require.Equal(t, []string{"up", "up"}, two.Spawned())

	revealed, err := two.Reveal(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, "hunter2", revealed.Outputs["password"].Value)
	require.Equal(t, salt(t, one), salt(t, two))
}

func salt(t *testing.T, f *fixture) string {
	t.Helper()
	s, err := f.settings(f.place(testStack, nil))
	require.NoError(t, err)
	require.NotEmpty(t, s.EncryptionSalt)
	return s.EncryptionSalt
}

func TestWrongPassphraseChangesNothing(t *testing.T) {
	t.Parallel()
	// Once with a secret in the state, once without: the CLI itself would let
	// the second one through.
	for name, program := range map[string]pulumi.RunFunc{
		"secret in state": stashes("s"),
		"no secret":       func(*pulumi.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := open(t, "")
			run, err := one.Up(t.Context(), Job{Stack: testStack, Program: program})
			_, _ = must(t, run, err)
			before := checkpoint(t, one)

			wrong := func(o *Options) { o.Env = map[string]string{envPassphrase: "battery staple"} }
			two := open(t, one.backend, wrong)
			for _, op := range []func() (*Run, error){
				func() (*Run, error) {
					return two.Up(t.Context(), Job{Stack: testStack, Program: stashes("s", "more")})
				},
				func() (*Run, error) {
					return two.Preview(t.Context(), Job{Stack: testStack, Program: stashes("s", "more")})
				},
				func() (*Run, error) { return two.Destroy(t.Context(), Job{Stack: testStack}) },
			} {
				run, err := op()
				_, _, err = wait(t, run, err)
				require.ErrorIs(t, err, fault.Invalid)
				require.Contains(t, err.Error(), "the passphrase does not open the secrets of this stack")
				require.Contains(t, fault.HintOf(err), "PULUMI_CONFIG_PASSPHRASE")
			}
			require.Equal(t, before, checkpoint(t, one))
			locks, err := one.Locks(t.Context(), testStack)
			require.NoError(t, err)
			require.Empty(t, locks)
		})
	}
}

func checkpoint(t *testing.T, f *fixture) string {
	t.Helper()
	dir, ok := f.backendDir()
	require.True(t, ok)
	data, err := os.ReadFile(filepath.Join(dir, ".pulumi", "stacks", "pipelinetui", testStack+".json"))
	require.NoError(t, err)
	return string(data)
}

func TestStackMadeAnewElsewhere(t *testing.T) {
	t.Parallel()
	// Machine one knows a stack that machine two removes and makes again with
	// another passphrase, which then is given to machine one as well.
	one := open(t, "")
	run, err := one.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)
	other := func(o *Options) { o.Env = map[string]string{envPassphrase: "battery staple"} }
	two := open(t, one.backend)
	run, err = two.Destroy(t.Context(), Job{Stack: testStack, Remove: true})
	_, _ = must(t, run, err)

	three := open(t, one.backend, other)
	run, err = three.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)

	again, err := Open(t.Context(), Options{
		PulumiPath: pulumiPath(t), Home: one.home, Backend: one.backend,
		Env: map[string]string{envPassphrase: "battery staple"},
	})
	require.NoError(t, err)
	run, err = again.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	res, _ := must(t, run, err)
	require.False(t, res.HasChanges())
	require.Equal(t, salt(t, three), salt(t, one))
}

func TestNoPassphrase(t *testing.T) {
	t.Setenv(envPassphrase, "")
	require.NoError(t, os.Unsetenv(envPassphrase))
	f := open(t, "", func(o *Options) { o.Env = nil })
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "no passphrase")
}

func TestOwnPassphraseWinsOverAnInheritedOne(t *testing.T) {
	t.Setenv(envPassphrase, "inherited")
	file := filepath.Join(t.TempDir(), "passphrase")
	require.NoError(t, os.WriteFile(file, []byte("correct horse\n"), 0o600))
	f := open(t, "", func(o *Options) { o.Env = map[string]string{envPassphraseFile: file} })
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)
	two := open(t, f.backend) // has "correct horse" itself
	_, err = two.Reveal(t.Context(), testStack)
	require.NoError(t, err)
}

func TestUnreachableBackend(t *testing.T) {
	t.Parallel()
	f := open(t, "s3://bucket?endpoint=http://127.0.0.1:1&region=us-east-1&s3ForcePathStyle=true", func(o *Options) {
		o.Env["AWS_ACCESS_KEY_ID"], o.Env["AWS_SECRET_ACCESS_KEY"] = "x", "y"
		o.Env["AWS_MAX_ATTEMPTS"] = "1"
	})
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, events, err := wait(t, run, err)
	require.ErrorIs(t, err, fault.Unreachable)
	require.Contains(t, err.Error(), "the state backend cannot be reached")
	require.Contains(t, err.Error(), "connection refused")
	require.Contains(t, fault.HintOf(err), "--backend")
	require.Len(t, events, 1)
	_, err = f.List(t.Context())
	require.Contains(t, err.Error(), "the state backend cannot be reached")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	path := pulumiPath(t)
	_, err := Open(t.Context(), Options{PulumiPath: path, Home: t.TempDir(), Backend: "not a url"})
	require.ErrorIs(t, err, fault.Invalid)
	_, err = Open(t.Context(), Options{PulumiPath: filepath.Join(t.TempDir(), "pulumi"), Home: t.TempDir(), Backend: "file:///tmp"})
	require.ErrorIs(t, err, fault.NotFound)
	require.Contains(t, fault.HintOf(err), "PIPELINETUI_PULUMI")

	f := open(t, "")
	_, err = f.Up(t.Context(), Job{Stack: "a/b", Program: stashes("s")})
	require.ErrorIs(t, err, fault.Invalid)
}
