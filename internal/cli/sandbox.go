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
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

func newSandbox(e *env) *cobra.Command {
	plain := func(what effect, use, short string, run func(ctx context.Context) error) *cobra.Command {
		return has(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context())
		}}, what)
	}
	var keysOnly bool
	reset := plain(changing, "reset", "stop the sandbox and delete everything in it", func(ctx context.Context) error { return e.sandboxReset(ctx, keysOnly) })
	reset.Flags().BoolVar(&keysOnly, "keys", false, "make a new key for the sandbox's user, and keep everything else")
	e.yesFlag(reset)
	return group("sandbox", "control the sandbox: AWS in miniature on this machine",
		plain(reading, "start", "start the sandbox (other commands do it by themselves)", func(ctx context.Context) error {
			info, err := e.open().SandboxStart(ctx)
			if err != nil {
				return err
			}
			return e.writeSandbox(info)
		}),
		plain(reading, "status", "tell whether the sandbox runs, and where", func(context.Context) error {
			info, err := e.open().SandboxStatus()
			if err != nil {
				return err
			}
			return e.writeSandbox(info)
		}),
		plain(changing, "stop", "stop the sandbox; its data stay", func(ctx context.Context) error {
			if err := e.open().SandboxStop(ctx); err != nil {
				return err
			}
			return e.writeSandbox(app.SandboxInfo{})
		}),
		reset, newSandboxEnv(e), newSandboxAccount(e), newSandboxExec(e), newSandboxLogs(e), newSandboxFaults(e), newSandboxServe(e))
}

func (e *env) writeSandbox(info app.SandboxInfo) error {
	doc := struct {
		header
		app.SandboxInfo
	}{newHeader("Sandbox"), info}
	return e.write(doc, func() string {
		if !info.Running {
			return "the sandbox is not running\n"
		}
		return fmt.Sprintf("the sandbox runs at %s (process %d, started %s)\n", info.Endpoint, info.PID, render.Age(info.Started, e.now()))
	})
}

func (e *env) sandboxReset(ctx context.Context, keysOnly bool) error {
	if err := e.mutating("sandbox reset"); err != nil {
		return err
	}
	question := "Delete everything in the sandbox? Pulumi stacks that live there will have nothing behind them."
	if keysOnly {
		question = "Make a new key for the sandbox's user? The sandbox stops, and what has the old key needs the new one."
	}
	if !e.yes {
		if err := e.yesNo(ctx, question, nil); err != nil {
			return err
		}
	}
	if err := e.open().SandboxReset(ctx, keysOnly); err != nil {
		return err
	}
	return e.writeSandbox(app.SandboxInfo{})
}

func newSandboxEnv(e *env) *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:     "env",
		Short:   "print the variables that point the aws CLI, boto3 or Terraform at the sandbox",
		Example: `  eval "$(pipelinetui sandbox env)"; aws stepfunctions list-state-machines`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tool, err := e.open().SandboxEnv(cmd.Context(), os.Environ(), account)
			if err != nil {
				return err
			}
			doc := struct {
				header
				Variables []app.Variable `json:"variables"`
				Unset     []string       `json:"unset,omitempty"`
			}{newHeader("SandboxEnv"), tool.Variables, tool.Without}
			return e.write(doc, func() string {
				var b strings.Builder
				for _, name := range tool.Without { // they would lead elsewhere
					fmt.Fprintf(&b, "unset %s\n", name)
				}
				for _, v := range tool.Variables {
					fmt.Fprintf(&b, "export %s=%s\n", v.Key, fault.Shell(v.Value))
				}
				return b.String()
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "id of the account whose user they are of; the first one if not given")
	return reads(cmd)
}

func newSandboxLogs(e *env) *cobra.Command {
	return reads(&cobra.Command{
		Use:   "logs",
		Short: "print the sandbox's log",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := e.open().SandboxStatus()
			if err != nil {
				return err
			}
			f, err := os.Open(info.Log)
			if err != nil {
				return fault.New(fault.NotFound, "there is no log yet: %s", fault.Reason(err)).Because(err).
					WithHint("Run `pipelinetui sandbox start` first.")
			}
			defer f.Close()
			return e.writeLog(cmd.Context(), f)
		},
	})
}

// writeLog writes a log line by line. Each is JSON of its own, or text.
func (e *env) writeLog(ctx context.Context, log io.Reader) error {
	l, err := e.newLines()
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
				if err := l.emit(logLine{"line", rawJSON(line)}); err != nil {
					return err
				}
			case e.machine():
				all = append(all, rawJSON(line))
			default:
				fmt.Fprintln(e.Out, line)
			}
		}
		if err != nil {
			break
		}
	}
	return e.write(struct {
		header
		Lines []json.RawMessage `json:"lines"`
	}{newHeader("SandboxLogs"), all}, nil)
}

// logLine is a line of the sandbox's log among lines.
type logLine struct {
	Type string          `json:"type"`
	Line json.RawMessage `json:"line"`
}

// newSandboxServe is what the daemon runs as; people use `sandbox start`.
func newSandboxServe(e *env) *cobra.Command {
	var s app.SandboxServing
	cmd := &cobra.Command{
		Use: "serve", Short: "run the sandbox in the foreground", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signals, release := e.desk.hold() // it ends in good order, however often it is told
			defer release()
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() {
				select {
				case <-signals:
					cancel()
				case <-ctx.Done():
				}
			}()
			if s.Dir == "" {
				s.Dir = e.settings.Paths.Sandbox()
			}
			s.Debug = e.debug()
			return app.SandboxServe(ctx, s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.Dir, "dir", "", "folder of the sandbox")
	countFlag(f, &s.Port, "port", 0, 0, 65535, "port to listen on; 0 for any free one")
	durationFlag(f, &s.Delay, "endpoint-delay", 2*time.Second, "how long an endpoint takes to be created")
	countFlag(f, &s.MaxItemBytes, "max-item-bytes", 0, 0, math.MaxInt, "bytes that the objects of one Map Run may unpack to; 0 for 2 GiB")
	f.StringVar(&s.Images, "images", "", "IMAGE=URL,... model servers of your own")
	f.StringVar(&s.Account, "account", "", "id of the first account")
	return changes(cmd)
}
