package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

func newSandbox(deps *Deps) *cobra.Command {
	plain := func(what effect, use, short string, run func(ctx context.Context, deps *Deps) error) *cobra.Command {
		return has(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), deps)
		}}, what)
	}
	return group("sandbox", "control the sandbox: AWS in miniature on this machine",
		plain(reading, "start", "start the sandbox (other commands do it by themselves)", runSandboxStart),
		plain(reading, "status", "tell whether the sandbox runs, and where", runSandboxStatus),
		plain(changing, "stop", "stop the sandbox; its data stay", runSandboxStop),
		newSandboxReset(deps, runSandboxReset), newSandboxEnv(deps, runSandboxEnv), newSandboxAccount(deps), newSandboxExec(deps, runSandboxExec),
		plain(reading, "logs", "print the sandbox's log", runSandboxLogs), newSandboxMail(deps, runSandboxMail), newSandboxFaults(deps),
		newSandboxQuotas(deps), newSandboxImages(deps), newSandboxServe(deps, runSandboxServe))
}

func runSandboxStart(ctx context.Context, deps *Deps) error {
	info, err := deps.app().SandboxStart(ctx)
	if err != nil {
		return err
	}
	return writeSandbox(deps, info)
}

func runSandboxStatus(_ context.Context, deps *Deps) error {
	info, err := deps.app().SandboxStatus()
	if err != nil {
		return err
	}
	return writeSandbox(deps, info)
}

func runSandboxStop(ctx context.Context, deps *Deps) error {
	info, err := deps.app().SandboxStop(ctx)
	if err != nil {
		return err
	}
	return writeSandbox(deps, info)
}

// sandboxDoc is what programs are told of the sandbox.
type sandboxDoc struct {
	console.Header
	app.SandboxInfo
}

func writeSandbox(deps *Deps, info app.SandboxInfo) error {
	return deps.Write(sandboxDoc{console.NewHeader("Sandbox"), info}, func() string {
		switch {
		case info.Stopped:
			return "the sandbox was stopped; what is in it stays\n"
		case !info.Running:
			return "the sandbox is not running\n"
		}
		return sandboxText(deps, info)
	})
}

// sandboxText says where the sandbox runs and how, and what was asked for in vain.
func sandboxText(deps *Deps, info app.SandboxInfo) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the sandbox runs at %s (process %d, started %s)\n", info.Endpoint, info.PID, render.Age(info.Started, deps.now()))
	if s := info.Settings; s != nil {
		fmt.Fprintf(&b, "haste %d, endpoint delay %s\n", s.Haste, s.EndpointDelay)
	}
	for _, d := range info.Differs {
		fmt.Fprintf(&b, "%s\n", deps.OutStyle.Warn.Render(render.Line("! "+d.Text(), 0)))
	}
	if len(info.Differs) > 0 {
		fmt.Fprintln(&b, app.SandboxAnew)
	}
	return b.String()
}

// sandboxResetOptions are those of sandbox reset.
type sandboxResetOptions struct {
	keysOnly bool
	yes      bool
}

func newSandboxReset(deps *Deps, do action[sandboxResetOptions]) *cobra.Command {
	o := &sandboxResetOptions{}
	cmd := &cobra.Command{
		Use: "reset", Short: "stop the sandbox and delete everything in it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context(), deps, o) },
	}
	cmd.Flags().BoolVar(&o.keysOnly, "keys", false, "make a new key for the sandbox's user, and keep everything else")
	yesFlag(cmd, &o.yes)
	return changes(cmd)
}

func runSandboxReset(ctx context.Context, deps *Deps, o *sandboxResetOptions) error {
	if err := deps.Consent(o.yes); err != nil {
		return err
	}
	question := "Delete everything in the sandbox? Pulumi stacks that live there will have nothing behind them."
	if o.keysOnly {
		question = "Make a new key for the sandbox's user? The sandbox stops, and what has the old key needs the new one."
	}
	if !o.yes {
		if err := deps.YesNo(ctx, question, nil); err != nil {
			return err
		}
	}
	if err := deps.app().SandboxReset(ctx, o.keysOnly); err != nil {
		return err
	}
	info, err := deps.app().SandboxStatus()
	if err != nil {
		return err
	}
	text := "everything in the sandbox is deleted\n"
	if o.keysOnly {
		text = "the key of the sandbox's user is deleted: the next start makes another\n"
	}
	return deps.Write(sandboxDoc{console.NewHeader("Sandbox"), info}, func() string { return text })
}

// sandboxEnvOptions are those of sandbox env.
type sandboxEnvOptions struct{ account string }

func newSandboxEnv(deps *Deps, do action[sandboxEnvOptions]) *cobra.Command {
	o := &sandboxEnvOptions{}
	cmd := &cobra.Command{
		Use:     "env",
		Short:   "print the variables that point the aws CLI, boto3 or Terraform at the sandbox",
		Example: `  eval "$(pipelinetui sandbox env)"; aws stepfunctions list-state-machines`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return do(cmd.Context(), deps, o) },
	}
	accountFlag(deps, cmd, &o.account)
	return reads(cmd)
}

func runSandboxEnv(ctx context.Context, deps *Deps, o *sandboxEnvOptions) error {
	tool, err := deps.app().SandboxEnv(ctx, deps.environment(), o.account)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Variables []app.Variable `json:"variables"`
		Unset     []string       `json:"unset,omitempty"`
	}{console.NewHeader("SandboxEnv"), tool.Variables, tool.Without}
	return deps.Write(doc, func() string {
		var b strings.Builder
		for _, name := range tool.Without { // they would lead elsewhere
			fmt.Fprintf(&b, "unset %s\n", name)
		}
		for _, v := range tool.Variables {
			fmt.Fprintf(&b, "export %s=%s\n", v.Key, fault.Shell(v.Value))
		}
		return b.String()
	})
}

func runSandboxLogs(ctx context.Context, deps *Deps) error {
	info, err := deps.app().SandboxStatus()
	if err != nil {
		return err
	}
	f, err := wholefile.Open(info.Log, os.O_RDONLY, 0)
	if err != nil {
		return fault.New(fault.NotFound, "there is no log yet: %s", fault.Reason(err)).Because(err).
			WithHint("Run `pipelinetui sandbox start` first.")
	}
	defer f.Close()
	return writeLog(ctx, deps, f)
}

// writeLog writes a log line by line. Each is JSON of its own, or text.
func writeLog(ctx context.Context, deps *Deps, log io.Reader) error {
	l, err := deps.Stream()
	if err != nil {
		return err
	}
	all := []json.RawMessage{}
	lines := bufio.NewReader(log)
	for {
		text, err := outside.Do(ctx, "the log", func() (string, error) { return lines.ReadString('\n') })
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.Wrap(err, "read the log")
		}
		if line := strings.TrimSpace(text); line != "" {
			switch {
			case l != nil:
				if err := l.Emit(logLine{"line", rawJSON(line)}); err != nil {
					return err
				}
			case deps.Machine():
				all = append(all, rawJSON(line))
			default:
				fmt.Fprintln(deps.Out, line)
			}
		}
		if err != nil {
			break
		}
	}
	return deps.Write(struct {
		console.Header
		Lines []json.RawMessage `json:"lines"`
	}{console.NewHeader("SandboxLogs"), all}, nil)
}

// logLine is a line of the sandbox's log among lines.
type logLine struct {
	Type string          `json:"type"`
	Line json.RawMessage `json:"line"`
}

// newSandboxServe is what the daemon runs as; people use `sandbox start`.
func newSandboxServe(deps *Deps, do action[app.SandboxServing]) *cobra.Command {
	s := &app.SandboxServing{}
	cmd := &cobra.Command{
		Use: "serve", Short: "run the sandbox in the foreground", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context(), deps, s) },
	}
	f := cmd.Flags()
	f.StringVar(&s.Dir, "dir", "", "folder of the sandbox")
	countFlag(f, &s.Port, "port", 0, 0, 65535, "port to listen on; 0 for any free one")
	durationFlag(f, &s.Delay, "endpoint-delay", 2*time.Second, "how long an endpoint takes to be created")
	countFlag(f, &s.Haste, "haste", 1, 1, 3600, "how many times faster than on AWS the waits of deployments pass")
	countFlag(f, &s.MaxItemBytes, "max-item-bytes", 0, 0, math.MaxInt, "bytes that the objects of one Map Run may unpack to; 0 for 2 GiB")
	f.StringVar(&s.Images, "images", "", "IMAGE=URL,... model servers of your own")
	f.StringVar(&s.Account, "account", "", "id of the first account")
	return changes(cmd)
}

func runSandboxServe(ctx context.Context, deps *Deps, s *app.SandboxServing) error {
	signals, release := deps.signals.Hold() // it ends in good order, however often it is told
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	if s.Dir == "" {
		s.Dir = deps.settings.Paths.Sandbox()
	}
	s.Debug = deps.debug()
	return app.SandboxServe(ctx, *s)
}
