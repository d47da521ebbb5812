// Command screenshots draws docs/screenshots: it creates pipelines in a sandbox of
// its own with the real program, runs executions, and photographs the terminal's
// pages at two sizes. Nothing is drawn by hand.
//
//	go run ./e2e/screenshots -bin bin/pipelinetui -out docs/screenshots
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/e2e/terminal"
)

// patience bounds every wait.
const patience = 40 * time.Second

func main() {
	bin := flag.String("bin", "bin/pipelinetui", "the program")
	out := flag.String("out", "docs/screenshots", "folder for the pictures")
	keep := flag.String("home", "", "a home to keep between runs; without it a new one is made and removed")
	flag.Parse()
	if err := run(*bin, *out, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

// studio is where pictures are taken.
type studio struct {
	bin, root, home, out string
}

func run(bin, out, keep string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	s := &studio{bin: abs(root, bin), root: root, home: keep, out: abs(root, out)}
	if s.home == "" {
		if s.home, err = os.MkdirTemp("", "ptui"); err != nil {
			return err
		}
		defer os.RemoveAll(s.home)
		defer func() { _ = s.command("sandbox", "stop").Run() }()
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	var errs []error
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}} {
		for _, scene := range scenes() {
			if err := s.shoot(scene, size.w, size.h); err != nil {
				errs = append(errs, fmt.Errorf("scene %s at %dx%d: %w", scene.name, size.w, size.h, err))
			}
		}
	}
	return errors.Join(errs...)
}

func abs(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

func (s *studio) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "CI=") || strings.HasPrefix(kv, "NO_COLOR=") || strings.HasPrefix(kv, "PIPELINETUI_HOME=")
	})
	pulumi := os.Getenv("PIPELINETUI_PULUMI")
	if pulumi == "" {
		pulumi = filepath.Join(s.root, "bin", "pulumi")
	}
	return append(env, "PIPELINETUI_HOME="+s.home, "PIPELINETUI_PULUMI="+pulumi, "PIPELINETUI_SANDBOX_ENDPOINT_DELAY=1s", "PIPELINETUI_BACKGROUND=dark", "LANG=C.UTF-8")
}

func (s *studio) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), s.bin, args...)
	cmd.Dir, cmd.Env = s.root, s.environ()
	return cmd
}

// do runs the program; codes are the exit codes that are fine besides 0.
func (s *studio) do(codes []int, args ...string) error {
	out, err := s.command(args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && slices.Contains(codes, exit.ExitCode()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pipelinetui %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// specFile makes pipelines of both templates. The function of acme/flowers lets one bad item fail
// its whole batch, so that there are children that have failed; the image of globex/churn is none
// that the sandbox runs.
const specFile = `apiVersion: pipelinetui/v1
defaults: {template: realtime, tags: {team: ml}}
tenants:
  acme: {tags: {tier: gold}}
  globex: {tags: {tier: silver}}
pipelines:
  - {tenant: acme, model: fraud, env: prod, parameters: &iris {image: sandbox/linear, modelDataUrl: ROOT/iris/model.tar.gz, preprocess: {code: ROOT/iris/preprocess, handler: index.handler}}}
  - {tenant: acme, model: iris, parameters: *iris}
  - {tenant: acme, model: flowers, template: batch, parameters: {image: sandbox/linear, modelDataUrl: ROOT/iris/model.tar.gz, batchSize: 20, preprocess: {code: ROOT/iris-batch/preprocess, handler: index.handler, environment: {STRICT: batch}}}}
  - {tenant: globex, model: churn, parameters: {image: 111122223333.dkr.ecr.us-east-1.amazonaws.com/churn:1, modelDataUrl: ROOT/iris/model.tar.gz, preprocess: {code: ROOT/iris/preprocess, handler: index.handler}}}
  - {tenant: globex, model: ranking, parameters: *iris}
`

// prepare makes what there is to see.
func (s *studio) prepare() error {
	if _, err := os.Stat(filepath.Join(s.home, "ready")); err == nil {
		return nil
	}
	examples := filepath.Join(s.root, "examples")
	file := filepath.Join(s.home, "pipelines.yaml")
	if err := os.MkdirAll(s.home, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(specFile, "ROOT", examples)), 0o600); err != nil {
		return err
	}
	flowers := filepath.Join(s.home, "flowers.jsonl")
	make := exec.CommandContext(context.Background(), "python3", filepath.Join(examples, "iris-batch", "generate.py"), "--count", "2000", "--broken",
		"8", "--kind", "missing", "--out", flowers)
	if out, err := make.CombinedOutput(); err != nil {
		return fmt.Errorf("generate.py: %w\n%s", err, out)
	}
	order := "@" + filepath.Join(examples, "iris", "one.json")
	for _, step := range []struct {
		codes []int
		args  []string
	}{
		{[]int{4}, []string{"up", "-f", file, "--yes"}}, // globex/churn fails on purpose
		{nil, []string{"run", "acme/iris", "--input", order, "--name", "order-1041", "--wait"}},
		{nil, []string{"run", "acme/iris", "--input", order, "--name", "order-1042", "--wait"}},
		{[]int{10}, []string{"run", "acme/iris", "--input", `{"sepal_width": 3.1, "petal_length": 4.9}`, "--name", "order-1043", "--wait"}},
		{nil, []string{"run", "acme/iris", "--input", order, "--name", "order-1044", "--wait"}},
		{nil, []string{"run", "acme/fraud/prod", "--input", order, "--name", "claim-77", "--wait"}},
		{[]int{10}, []string{"run", "acme/flowers", "--input-file", flowers, "--name", "flowers-nov", "--wait"}},
	} {
		if err := s.do(step.codes, step.args...); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.home, "ready"), nil, 0o600)
}

// scene is a walk through the terminal with a picture now and then.
type scene struct {
	name  string
	steps []step
	// after are the arguments of a command that takes back what the scene did.
	after []string
}

// step waits for a text, presses keys, types, or takes a picture.
type step struct {
	until, gone, text, shot string
	press                   []string
}

func until(re string) step      { return step{until: re} }
func gone(re string) step       { return step{gone: re} }
func press(keys ...string) step { return step{press: keys} }
func typed(text string) step    { return step{text: text} }
func picture(name string) step  { return step{shot: name} }

func (s *studio) shoot(sc scene, w, h int) (err error) {
	cmd := s.command()
	t, err := terminal.Start(cmd, w, h)
	if err != nil {
		return err
	}
	defer t.Close()
	if len(sc.after) > 0 {
		defer func() {
			t.Close()
			err = errors.Join(err, s.do([]int{6}, sc.after...))
		}()
	}
	for i, st := range sc.steps {
		if err := s.play(t, st, w, h); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *studio) play(t *terminal.Terminal, st step, w, h int) error {
	switch {
	case st.until != "":
		return t.Until(regexp.MustCompile("(?m)"+st.until), patience)
	case st.gone != "":
		return t.UntilGone(regexp.MustCompile("(?m)"+st.gone), patience)
	case st.text != "":
		return t.Send(st.text)
	case st.shot != "":
		t.Settle(80 * time.Millisecond) // less than a turn of the spinner
		name := fmt.Sprintf("%s-%dx%d.svg", st.shot, w, h)
		return os.WriteFile(filepath.Join(s.out, name), []byte(t.SVG("pipelinetui: "+st.shot)), 0o644) // a file of the repository
	default:
		return t.Press(st.press...)
	}
}
