// Package cli owns the command line: commands, flags, exit codes, human and
// machine output. It holds no truth of its own: what it shows comes from the
// streams and results of app, stack and executions. It may not import an AWS or
// Pulumi SDK, program, the sandbox or the TUI's internals.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/early"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// Main runs the program with the process's own streams and environment and
// returns its exit code.
func Main(args []string) ExitCode {
	early.Restore()
	signals, release := systemSignals()
	defer release()
	return Run(context.Background(), args, systemIO(), os.LookupEnv, signals)
}

// Run is Main with everything impure given. signals carries the user's requests
// to stop: the first one is a polite one.
func Run(ctx context.Context, args []string, streams *IO, environ func(string) (string, bool), signals <-chan os.Signal) ExitCode {
	e := newEnv(streams, environ)
	ctx, stop := e.desk.open(ctx, signals)
	defer stop()
	e.args = args
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	ended := make(chan error, 1)
	go func() { ended <- e.execute(ctx, root) }()
	var err error
	select {
	case err = <-ended:
	case <-e.desk.givenUp:
		err = fault.New(fault.Canceled, "interrupted, without waiting for what does not answer")
	}
	if err == nil {
		err = e.stdout.lost()
	}
	if err != nil {
		e.printError(err)
	}
	return codeOf(err)
}

// execute runs the command line. A panic is an error like another: what is open is
// closed, and the reader of machine output gets a document.
func (e *env) execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "the program has a fault: %v", p).Because(fmt.Errorf("%s", debug.Stack())).
				WithHint("Please report it, with what --debug shows.")
		}
		if e.app != nil {
			err = errors.Join(err, e.app.Close())
		}
	}()
	_, err = root.ExecuteContextC(ctx)
	return err
}

// env is what every command is given.
type env struct {
	*IO           // guarded: nothing of it ends an operation, nothing raw passes
	raw     *IO   // as they were given, for a program or a screen that takes them over
	stdout  *sink // of IO.Out, for machine output
	args    []string
	command string // its path: "executions list"; the program's name where none was found
	environ func(string) (string, bool)
	desk    *desk
	now     func() time.Time
	global  *pflag.FlagSet
	config  string

	settings *settings.Settings
	app      *app.App
	yes      bool
	reader   *bufio.Reader // answers to questions; one for all, as it reads ahead
	// begun says that the version line of a stream of lines has been written, printed
	// that the document or the result has, so that an error must not add a second one.
	begun, printed bool
}

func newEnv(streams *IO, environ func(string) (string, bool)) *env {
	e := &env{command: "pipelinetui", raw: streams, environ: environ, desk: newDesk(), now: time.Now, stdout: &sink{w: streams.Out}}
	guarded := *streams
	guarded.Out = guard{e.stdout, func() bool { return e.OutColor }}
	guarded.Err = guard{&sink{w: streams.Err}, func() bool { return e.ErrColor }}
	e.IO = &guarded
	e.setColor(colorNever, environ, true)
	return e
}

// resolve reads the settings; every command runs it first.
func (e *env) resolve(ctx context.Context) error {
	given := map[string]string{}
	// Visit would tell only of flags that stood before the subcommand.
	e.global.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			given[f.Name] = f.Value.String()
		}
	})
	s, err := outside.Do(ctx, "the configuration", func() (*settings.Settings, error) {
		return settings.Resolve(settings.Sources{Flags: given, Environ: e.environ, Config: e.config})
	})
	if s != nil {
		e.settings = s
		e.setColor(s.String(settings.Color), e.environ, e.dark())
	}
	return err
}

// open returns the application, built on first use.
func (e *env) open() *app.App {
	if e.app == nil {
		e.app = app.New(app.Options{Settings: e.settings, Environ: e.environ, Note: e.note, Install: e.yes})
	}
	return e.app
}

// note tells the user what takes time before the work itself begins. What it is
// given may come from outside.
func (e *env) note(format string, args ...any) {
	fmt.Fprintln(e.Err, e.ErrStyle.Muted.Render(render.Safe(fmt.Sprintf(format, args...))))
}

func (e *env) output() string {
	if e.settings == nil {
		return outputTable
	}
	switch form := e.settings.String(settings.Output); form {
	case outputJSON, outputYAML, outputLines:
		return form
	}
	return outputTable // also where it is none: the settings have been refused then
}
func (e *env) machine() bool { return e.output() != outputTable }
func (e *env) debug() bool   { return e.settings != nil && e.settings.Bool(settings.Debug) }

// mutating refuses what changes something when nobody can be asked and --yes was
// not given.
func (e *env) mutating(what string) error {
	if !e.yes && (!e.canPrompt() || e.machine()) {
		return fault.New(fault.Invalid, "%s needs a confirmation and nobody can be asked here", what).
			WithHint("Add --yes to go ahead without asking.")
	}
	return nil
}

const (
	groupDeploy  = "deploy"
	groupRun     = "run"
	groupInspect = "inspect"
	groupTool    = "tool"
)

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "pipelinetui",
		Short: "ML inference pipelines on AWS: create, run, watch",
		Long: `pipelinetui creates one inference pipeline per model and tenant on AWS with Pulumi,
runs it (Step Functions executions) and shows what happens.

On a terminal and without a command it opens the full-screen view of everything.
Without a target it works on the sandbox: AWS in miniature on this machine, offline and free.`,
		Example: `  pipelinetui up -f pipelines.yaml
  pipelinetui run acme/fraud --input @order.json --watch
  pipelinetui executions list acme/fraud --status FAILED`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			e.command = nameOf(cmd)
			if err := e.resolve(cmd.Context()); err != nil {
				return err
			}
			if err := e.permitted(cmd); err != nil {
				return err
			}
			if err := cmd.ValidateFlagGroups(); err != nil {
				return &usageError{err: err, command: cmd.CommandPath()}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			why := e.cannotShow()
			if why == "" {
				return e.terminal(cmd.Context())
			}
			if !e.machine() {
				if err := cmd.Help(); err != nil {
					return err
				}
			}
			return &usageError{err: fmt.Errorf("no command was given, and the full-screen view cannot be shown: %s", why), command: cmd.CommandPath()}
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, command: cmd.CommandPath()}
	})
	e.global = root.PersistentFlags()
	e.global.String("target", "sandbox", "where pipelines run: sandbox or aws")
	e.global.String("endpoint-url", "", "AWS-compatible endpoint in place of the target's own")
	e.global.String("profile", "", "profile of the AWS configuration files")
	e.global.String("region", "", "AWS region where the spec names none")
	e.global.String("backend", "", "Pulumi backend URL (file://, s3://, https://...)")
	e.global.StringP("output", "o", "table", "form of the output: table, json, yaml or jsonl")
	e.global.Bool("no-color", false, "no colours")
	e.global.Bool("read-only", false, "refuse every command that changes pipelines, executions or the sandbox")
	e.global.Bool("debug", false, "show the causes of errors")
	e.global.StringVar(&e.config, "config", "", "config file in place of the default one")
	root.AddGroup(
		&cobra.Group{ID: groupDeploy, Title: "Create and change:"},
		&cobra.Group{ID: groupRun, Title: "Run and watch:"},
		&cobra.Group{ID: groupInspect, Title: "Look:"},
		&cobra.Group{ID: groupTool, Title: "The tool itself:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupDeploy, newNew(e), newUp(e), newPreview(e), newDestroy(e), newRefresh(e), newCancel(e))
	add(groupRun, newRun(e), newExecutions(e))
	add(groupInspect, newList(e), newShow(e), newTemplates(e), newSchema(e), newEject(e))
	add(groupTool, newSandbox(e), newDoctor(e), newVersion(e), newDocs(e, root))
	reads(root)
	root.SetHelpFunc(e.help(root.HelpFunc()))
	root.SetHelpCommandGroupID(groupTool)
	root.SetCompletionCommandGroupID(groupTool)
	wrapUsage(root)
	return root
}

// wrapUsage makes wrong arguments usage errors, wherever cobra finds them.
func wrapUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{err: err, command: c.CommandPath()}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapUsage(sub)
	}
}

// yesFlag adds --yes to a command that changes something.
func (e *env) yesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&e.yes, "yes", "y", false, "go ahead without asking")
}

// group returns a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs, Annotations: map[string]string{effectKey: string(reading)},
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]string, 0, len(subs))
			for _, s := range subs {
				names = append(names, s.Name())
			}
			if len(args) == 0 {
				return &usageError{err: fmt.Errorf("%s needs one of: %s", cmd.CommandPath(), strings.Join(names, ", ")), command: cmd.CommandPath()}
			}
			return &usageError{err: fmt.Errorf("unknown command %q: %s knows %s", args[0], cmd.CommandPath(), strings.Join(names, ", ")), command: cmd.CommandPath()}
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}
