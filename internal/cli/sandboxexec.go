package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// sandboxExecOptions are those of sandbox exec.
type sandboxExecOptions struct{ program []string }

func newSandboxExec(deps *Deps, do action[sandboxExecOptions]) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec [--] COMMAND [ARG...]",
		Short: "run another program on the sandbox: pulumi, aws, a script",
		Long: `Runs a program with the sandbox's AWS variables and, for the Pulumi CLI, with the
backend, the passphrase and providers that know the sandbox. The exit code is that
of the program. Variables of yours that would lead it to AWS or elsewhere are left out
(AWS_PROFILE, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL_S3 and their like).

The aws CLI of version 1 sends SQS to the real AWS unless it gets --endpoint-url, so
"aws sqs" of it is refused here; in scripts it cannot be seen.

Relative paths in a Pulumi program start from the folder in which the command is
run (or that of pulumi's -C).`,
		Example: `  pipelinetui sandbox exec -- pulumi preview --stack acme.fraud.dev
  pipelinetui sandbox exec -- aws stepfunctions list-state-machines`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd.Context(), deps, &sandboxExecOptions{args})
		},
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault // the program's own
	}
	cmd.Flags().SetInterspersed(false) // what follows the program's name is its own
	return changes(cmd)
}

// childExit is the exit code of a program that was run for the user; it said
// itself what was wrong.
type childExit struct{ code int }

func (c *childExit) Error() string { return fmt.Sprintf("the program ended with exit code %d", c.code) }

func runSandboxExec(ctx context.Context, deps *Deps, o *sandboxExecOptions) error {
	args := o.program
	work, err := workDirOf(args)
	if err != nil {
		return err
	}
	tool, closeAll, err := deps.app().SandboxTool(ctx, deps.environment(), work)
	if err != nil {
		return err
	}
	defer closeAll()
	signals, release := deps.signals.Hold() // they are the program's from here on
	defer release()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) // the user's own command
	cmd.Env = slices.DeleteFunc(deps.environment(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(tool.Without, name)
	})
	for _, v := range tool.Variables {
		cmd.Env = append(cmd.Env, v.Key+"="+v.Value)
		if v.Key == "PATH" {
			if found := onPath(args[0], v.Value); found != "" {
				cmd.Path, cmd.Err = found, nil
			}
		}
	}
	if err := leavesSandbox(ctx, cmd); err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = deps.Raw.In, deps.Raw.Out, deps.Raw.Err
	if err := cmd.Start(); err != nil {
		return fault.New(fault.NotFound, "%s can't be started: %s", args[0], fault.Reason(err)).Because(err).
			WithHint("Name a program on the PATH, or the path of one.")
	}
	return attend(deps, cmd, signals)
}

// leavesSandbox refuses a command that would go to the real AWS in spite of the
// variables: the aws CLI of version 1 makes up SQS's host name by itself unless it
// is told --endpoint-url.
func leavesSandbox(ctx context.Context, cmd *exec.Cmd) error {
	name := strings.TrimSuffix(filepath.Base(cmd.Args[0]), ".exe")
	if name != "aws" || !asksSQS(cmd.Args[1:]) {
		return nil
	}
	ask := exec.CommandContext(ctx, cmd.Path, "--version") // the user's own command
	ask.Env = cmd.Env
	out, _ := ask.CombinedOutput() // old versions write it to standard error
	if !strings.HasPrefix(string(out), "aws-cli/1.") {
		return nil
	}
	return fault.New(fault.Unsupported, "the aws CLI of version 1 sends requests for SQS to the real AWS: it takes no notice of AWS_ENDPOINT_URL there").
		WithHint("Use version 2, or add --endpoint-url \"$AWS_ENDPOINT_URL\" (in a shell that `pipelinetui sandbox exec` runs: sh -c 'aws --endpoint-url " +
			"\"$AWS_ENDPOINT_URL\" sqs ...').")
}

// asksSQS tells whether arguments of the aws CLI are a command of SQS that leaves
// the endpoint open.
func asksSQS(args []string) bool {
	service := ""
	for i := 0; i < len(args); i++ {
		flag, _, given := strings.Cut(args[i], "=")
		switch flag {
		case "--endpoint-url", "--version", "--generate-cli-skeleton":
			return false
		case "--profile", "--region", "--output", "--query", "--color", "--ca-bundle", "--cli-read-timeout", "--cli-connect-timeout", "--cli-binary-format":
			if !given {
				i++ // its value
			}
		default:
			if service == "" && !strings.HasPrefix(flag, "-") {
				service = flag
			}
		}
	}
	return service == "sqs"
}

// attend waits for a program and passes on what it ends with.
func attend(deps *Deps, cmd *exec.Cmd, signals <-chan os.Signal) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deps.GiveAway() // standard output belongs to the program
	for {
		select {
		case sig := <-signals:
			// A terminal's ctrl-C has reached the program already: it shares our
			// process group, and a second one would mean "at once" to Pulumi.
			if sig != os.Interrupt || !deps.InTTY {
				_ = cmd.Process.Signal(sig) // it may have ended just now
			}
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				return err
			}
			code := exit.ExitCode()
			if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				code = 128 + int(status.Signal()) // as shells say it
			}
			return &childExit{code}
		}
	}
}

// onPath finds a program by name on a PATH, "" if it is not there.
func onPath(name, path string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		return ""
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(file) {
			return file
		}
	}
	return ""
}

// workDirOf is the folder of the Pulumi program that a command is about: ours, or
// what pulumi is told with -C.
func workDirOf(args []string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fault.New(fault.Internal, "find the current folder: %v", err).Because(err)
	}
	if filepath.Base(args[0]) != "pulumi" {
		return dir, nil
	}
	given := ""
	for i, a := range args {
		switch {
		case (a == "-C" || a == "--cwd") && i+1 < len(args):
			given = args[i+1]
		case strings.HasPrefix(a, "--cwd="):
			given = strings.TrimPrefix(a, "--cwd=")
		case strings.HasPrefix(a, "-C") && len(a) > 2:
			given = strings.TrimPrefix(a[2:], "=")
		}
	}
	if given == "" {
		return dir, nil
	}
	return filepath.Abs(given)
}
