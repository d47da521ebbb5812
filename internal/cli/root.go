// Package cli owns the command line: commands, flags, exit codes, human and
// machine output. It holds no truth of its own: what it shows comes from the
// streams and results of app, stack and executions. It may not import an AWS or
// Pulumi SDK, program, the sandbox or the TUI's internals.
package cli

import (
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
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/early"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// Main runs the program with the process's own streams and environment and
// returns its exit code.
func Main(args []string) ExitCode {
	early.Restore()
	signals, release := console.SystemSignals()
	defer release()
	return Run(context.Background(), args, console.System(), os.LookupEnv, signals)
}

// Run is Main with everything impure given. signals carries the user's requests
// to stop: the first one is a polite one.
func Run(ctx context.Context, args []string, streams *console.Streams, environ func(string) (string, bool), signals <-chan os.Signal) ExitCode {
	return newSession(args, streams, environ).run(ctx, signals)
}

// run executes the command line of a session.
func (s *session) run(ctx context.Context, signals <-chan os.Signal) ExitCode {
	ctx, stop := s.deps.signals.Open(ctx, signals)
	defer stop()
	root := newRoot(s)
	root.SetArgs(s.args)
	ended := make(chan error, 1)
	go func() { ended <- s.execute(ctx, root) }()
	var err error
	select {
	case err = <-ended:
	case <-s.deps.signals.GivenUp():
		err = fault.New(fault.Canceled, "interrupted, without waiting for what does not answer")
	}
	if err == nil {
		err = s.deps.Lost()
	}
	if err != nil {
		s.fail(err)
	}
	return codeOf(err)
}

// session is one run of the program, as only the root command knows it: what was typed,
// and the application that was opened for it.
type session struct {
	deps   *Deps
	args   []string
	global *pflag.FlagSet
	config string // --config
	yes    bool   // --yes, of whichever command
	// viewing is what is to be seen of results.
	viewing viewing
	// version is --version, of the program without a command.
	version bool
	opened  *app.App
	// note is told what takes time; the full screen takes it over.
	note func(format string, args ...any)
}

func newSession(args []string, streams *console.Streams, environ func(string) (string, bool)) *session {
	out := console.New(streams, environ)
	out.SetCommand("pipelinetui") // where none is found
	s := &session{args: args, note: out.Note}
	s.deps = &Deps{Console: out, environ: environ, environment: os.Environ, now: time.Now, signals: console.NewDesk(), app: s.open}
	s.deps.ready, s.deps.patience = s.quietly, tabPatience
	s.deps.prepare = func(ctx context.Context, request app.Request) (func() pipelines.Operation, error) {
		p, err := s.open().Prepare(ctx, request)
		if err != nil {
			return nil, err
		}
		return func() pipelines.Operation { return p.Begin() }, nil
	}
	return s
}

// open returns the application, made on first use.
func (s *session) open() *app.App {
	if s.opened == nil {
		s.opened = app.New(app.Options{
			Settings: s.deps.settings, Environ: s.deps.environ, Install: s.yes,
			Note: func(format string, args ...any) { s.note(format, args...) },
		})
	}
	return s.opened
}

// execute runs the command line. A panic is an error like another: what is open is
// closed, and the reader of machine output gets a document.
func (s *session) execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "the program has a fault: %v", p).Because(fmt.Errorf("%s", debug.Stack())).
				WithHint("Please report it, with what --debug shows.")
		}
		if s.opened != nil {
			err = errors.Join(err, s.opened.Close())
		}
	}()
	_, err = root.ExecuteContextC(ctx)
	return err
}

// resolve reads the settings; every command runs it first.
func (s *session) resolve(ctx context.Context) error {
	return s.resolveWith(ctx, false)
}

// withoutFile leaves a broken config file out for a command that tells of it, if nothing else
// is wrong.
func (s *session) withoutFile(cmd *cobra.Command, broken error) bool {
	if cmd.Annotations[sparesConfigKey] == "" || s.resolveWith(cmd.Context(), true) != nil {
		return false
	}
	s.deps.brokenConfig = broken
	return true
}

// sparesConfigKey is the annotation of a command that runs with a broken config file.
const sparesConfigKey = "sparesConfig"

func (s *session) resolveWith(ctx context.Context, noFile bool) error {
	given := map[string]string{}
	// Visit would tell only of flags that stood before the subcommand.
	s.global.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			given[f.Name] = f.Value.String()
		}
	})
	resolved, err := outside.Do(ctx, "the configuration", func() (*settings.Settings, error) {
		return settings.Resolve(settings.Sources{Flags: given, Environ: s.deps.environ, Config: s.config, NoFile: noFile})
	})
	if resolved != nil {
		s.take(resolved)
		s.deps.SetColor(resolved.String(settings.Color), s.deps.environ, dark(s.deps))
	}
	return err
}

// take takes settings over. A form of output that is none is a table, or the last one that was
// asked for as well: the settings have been refused then, and a program reads that.
func (s *session) take(resolved *settings.Settings) {
	s.deps.settings = resolved
	form := resolved.String(settings.Output)
	for _, asked := range outputsIn(s.args) {
		if !console.IsForm(resolved.String(settings.Output)) && console.IsForm(asked) {
			form = asked
		}
	}
	s.deps.SetForm(form)
	s.deps.SetHints(resolved.Bool(settings.Hints))
}

// before runs before every command: it resolves the settings and refuses what may not be.
func (s *session) before(cmd *cobra.Command, _ []string) error {
	if isCompletion(cmd) {
		return nil // what is typed has not been parsed yet
	}
	s.deps.SetCommand(nameOf(cmd))
	s.yes = saidYes(cmd)
	if err := s.resolve(cmd.Context()); err != nil && !s.withoutFile(cmd, err) {
		return err
	}
	if err := s.look(cmd); err != nil {
		return err
	}
	if err := s.comments(cmd); err != nil {
		return err
	}
	if err := permitted(s.deps, cmd); err != nil {
		return err
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return &usageError{err: err, command: cmd.CommandPath(), flags: true}
	}
	return nil
}

// bare is the program without a command: the full screen, or help where it can't be shown;
// with --version the version.
func (s *session) bare(cmd *cobra.Command, _ []string) error {
	if s.version {
		return runVersion(cmd.Context(), s.deps, false)
	}
	why := cannotShow(s.deps)
	if why == "" {
		return showTerminal(cmd.Context(), s)
	}
	if !s.deps.Machine() {
		if err := cmd.Help(); err != nil {
			return err
		}
	}
	return &usageError{err: fmt.Errorf("no command was given, and the full-screen view cannot be shown: %s", why), command: cmd.CommandPath()}
}

const (
	groupDeploy  = "deploy"
	groupRun     = "run"
	groupInspect = "inspect"
	groupTool    = "tool"
)

func newRoot(s *session) *cobra.Command {
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
		Args:              cobra.NoArgs,
		PersistentPreRunE: s.before,
		RunE:              s.bare,
	}
	root.SetIn(s.deps.In)
	root.SetOut(s.deps.Out)
	root.SetErr(s.deps.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, command: cmd.CommandPath(), flags: true}
	})
	s.flags(root)
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
	deps := s.deps
	add(
		groupDeploy, newInit(deps, runInit), newNew(deps), newUp(deps, runDeploy), newPreview(deps, runDeploy), newRollback(deps, runRollback),
		newPromote(deps, runPromote), newDestroy(deps, runDeploy),
		newRefresh(deps, runDeploy), newCancel(deps, runCancel),
	)
	add(groupRun, newRun(deps, runExecution), newCheck(deps, runChecks), newExecutions(deps), newBatches(deps), newResults(deps))
	add(groupInspect, newList(deps, runList), newShow(deps, runShow), newHistory(deps, runHistory), newDiff(deps, runDiff), newMetrics(deps, runMetrics),
		newCosts(deps, runCosts, runCostsRefresh), newLogs(deps, runLogs), newTemplates(deps), newSchema(deps), newEject(deps, runEject))
	add(groupTool, newSandbox(deps), newDoctor(deps), newPermissions(deps, runPermissions), newExplain(deps, runExplain), newVersion(deps), newDocs(root))
	reads(root)
	s.completions(root)
	root.SetHelpFunc(s.help(root.HelpFunc()))
	root.SetHelpCommandGroupID(groupTool)
	root.SetCompletionCommandGroupID(groupTool)
	strictHelp(root)
	strictCompletion(root)
	wrapUsage(root)
	refuseEmpty(root)
	return root
}

// flags are the global ones, and those of the program without a command.
func (s *session) flags(root *cobra.Command) {
	root.Flags().BoolVar(&s.version, "version", false, "print the version, as the command version does")
	s.global = root.PersistentFlags()
	s.global.String("target", "sandbox", "where pipelines run: sandbox or aws")
	s.global.String("endpoint-url", "", "AWS-compatible endpoint in place of the target's own")
	s.global.String("profile", "", "profile of the AWS configuration files")
	s.global.String("region", "", "AWS region where the spec names none")
	s.global.String("backend", "", "Pulumi backend URL (file://, s3://, https://...)")
	s.global.StringP("output", "o", "table", "form of the output: table, json, yaml, jsonl, or markdown of up, preview, refresh and destroy")
	s.global.Bool("no-color", false, "no colours")
	s.global.Bool("read-only", false, "refuse every command that changes pipelines, executions or the sandbox")
	s.global.Bool("debug", false, "show the causes of errors")
	s.viewing.flags(s.global)
	s.global.StringVar(&s.config, "config", "", "config file in place of the default one")
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

// group returns a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs, Annotations: map[string]string{effectKey: string(reading)},
		RunE: oneOf(subs),
	}
	cmd.AddCommand(subs...)
	return cmd
}

// oneOf is what a command does that only holds others: it refuses, with what there is.
func oneOf(subs []*cobra.Command) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		names := make([]string, 0, len(subs))
		for _, s := range subs {
			names = append(names, s.Name())
		}
		known, path := strings.Join(names, ", "), cmd.CommandPath()
		if len(args) == 0 {
			return &usageError{err: fmt.Errorf("%s needs one of: %s", path, known), command: path}
		}
		return &usageError{err: fmt.Errorf("unknown command %q: %s knows %s", args[0], path, known), command: path}
	}
}
