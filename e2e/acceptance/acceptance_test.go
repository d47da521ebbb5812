// Package acceptance holds the sandbox, the embedded providers and the programs
// of the templates against AWS's other clients: the real Terraform provider that
// pulumi-aws embeds, and Terraform itself. They are not part of this project and
// not on every machine, so the variables below say where they are; a test whose
// programs are not there says so and is skipped. `make acceptance` sets them.
//
//	ACCEPTANCE_BRIDGE     folder with the Go source of a program that serves Pulumi's
//	                      provider protocol for the package aws by driving the binary
//	                      named by TF_AWS_PROVIDER, and prints its port first; or that
//	                      program, built with what it lacks (lacking, bridge_test.go)
//	ACCEPTANCE_PROVIDER   the binary of hashicorp/aws 5.100.0
//	ACCEPTANCE_TERRAFORM  the terraform program; what is on PATH unless given
//	ACCEPTANCE_ALL        any value: all templates, not only the first, and Terraform
//	ACCEPTANCE_TOOL       the program under test, else PIPELINETUI_BINARY; built unless given
package acceptance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/signaltest"
)

// nativePlugin is the name under which this test program serves our own provider
// aws-native, of which there is no real counterpart that works offline.
const nativePlugin = "pulumi-resource-aws-native"

func TestMain(m *testing.M) {
	signaltest.Reset()
	if filepath.Base(os.Args[0]) == nativePlugin {
		if err := serveNative(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// fileFrom is a file or folder that a variable names; the test is skipped where
// it is not set.
func fileFrom(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("%s is not set: see `make help` for acceptance", variable)
	}
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.NoError(t, err, variable)
	return path
}

// tool is the program under test, built once for all tests here.
var tool = sync.OnceValues(func() (string, error) {
	if bin := cmp.Or(os.Getenv("ACCEPTANCE_TOOL"), os.Getenv("PIPELINETUI_BINARY")); bin != "" {
		return filepath.Abs(bin)
	}
	dir, err := os.MkdirTemp("", "acceptance")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "pipelinetui")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "./cmd/pipelinetui")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})

// home is a sandbox of its own, and what commands that use it are told.
type home struct {
	t    *testing.T
	dir  string
	work string // where commands run
	bin  string
	env  []string
}

func newHome(t *testing.T) *home {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	pulumi := os.Getenv("PIPELINETUI_PULUMI")
	if pulumi == "" {
		pulumi = filepath.Join(root, "bin", "pulumi")
	}
	if _, err := os.Stat(pulumi); err != nil {
		t.Skip("no Pulumi CLI: run `make pulumi` first")
	}
	bin, err := tool()
	require.NoError(t, err)
	h := &home{t: t, dir: filepath.Join(t.TempDir(), "home"), work: t.TempDir(), bin: bin}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "PIPELINETUI_") && !strings.HasPrefix(v, "PULUMI_") {
			h.env = append(h.env, v)
		}
	}
	h.env = append(
		h.env, "PIPELINETUI_HOME="+h.dir, "PIPELINETUI_PULUMI="+pulumi, "NO_COLOR=1",
		"PIPELINETUI_SANDBOX_ENDPOINT_DELAY=50ms", "PIPELINETUI_SANDBOX_HASTE=200",
	)
	t.Cleanup(func() {
		cmd := exec.Command(h.bin, "sandbox", "stop")
		cmd.Env = h.env
		_ = cmd.Run() // it may never have run
	})
	return h
}

// patience bounds one command. Terraform's provider waits as long as AWS makes it
// wait, whatever answers: a minute for a rule of a bucket, half of one for a queue.
const patience = 15 * time.Minute

// run runs a command and returns what it wrote, and its exit code.
func (h *home) run(extra []string, name string, args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, problems bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = h.work, &out, &problems
	cmd.Env = append(append([]string{}, h.env...), extra...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Errorf("%s %s: %v", filepath.Base(name), strings.Join(args, " "), err)
		return "", err.Error(), -1
	}
	return out.String(), problems.String(), cmd.ProcessState.ExitCode()
}

// must is run for commands that have to succeed.
func (h *home) must(extra []string, name string, args ...string) string {
	h.t.Helper()
	out, problems, code := h.run(extra, name, args...)
	if code != 0 {
		h.t.Fatalf("%s %s: exit code %d\n%s\n%s", filepath.Base(name), strings.Join(args, " "), code, out, problems)
	}
	return out
}

// variables are those that point AWS's clients at the home's sandbox, which is
// started if need be.
func (h *home) variables(args ...string) []string {
	h.t.Helper()
	h.must(nil, h.bin, "sandbox", "start")
	var doc struct {
		Variables []struct{ Name, Value string } `json:"variables"`
	}
	out := h.must(nil, h.bin, append([]string{"sandbox", "env", "-o", "json"}, args...)...)
	require.NoError(h.t, json.Unmarshal([]byte(out), &doc), "%s", out)
	require.NotEmpty(h.t, doc.Variables, "%s", out)
	var vars []string
	for _, v := range doc.Variables {
		vars = append(vars, v.Name+"="+v.Value)
	}
	return vars
}
