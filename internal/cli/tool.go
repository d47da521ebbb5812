package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

func newVersion(e *env) *cobra.Command {
	return reads(&cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := struct {
				header
				Version string `json:"version"`
				Commit  string `json:"commit,omitempty"`
				Go      string `json:"go"`
				Pulumi  string `json:"pulumi,omitempty"`
			}{newHeader("Version"), version.Version, version.Commit(), runtime.Version(), ""}
			if _, v, err := e.open().FindPulumi(cmd.Context()); err == nil {
				d.Pulumi = v
			}
			return e.write(d, func() string {
				return fmt.Sprintf("pipelinetui %s (%s, Pulumi CLI %s)\n", d.Version, d.Go, render.Dash(d.Pulumi))
			})
		},
	})
}

func newDoctor(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "check what the tool needs and show where each setting comes from",
		Long: `Checks the Pulumi CLI, the backend, the sandbox or the AWS credentials, Python and
Node, and shows every setting with its source. With --yes a missing Pulumi CLI is
installed, and for AWS the provider plugins.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := e.interruptible(cmd.Context())
			defer cancel()
			return e.doctor(ctx)
		},
	}
	e.yesFlag(cmd)
	return has(cmd, changingWithYes)
}

func (e *env) doctor(ctx context.Context) error {
	checks := e.open().Doctor(ctx)
	var bad error
	for _, c := range checks {
		if c.Err != nil && c.Required {
			bad = errors.Join(bad, fault.Wrap(c.Err, "%s", c.Name))
		}
	}
	type checkDoc struct {
		Name   string    `json:"name"`
		OK     bool      `json:"ok"`
		Detail string    `json:"detail,omitempty"`
		Error  *errorDoc `json:"error,omitempty"`
	}
	d := struct {
		header
		Checks   []checkDoc        `json:"checks"`
		Settings []settings.Value  `json:"settings"`
		Paths    map[string]string `json:"paths"`
	}{header: newHeader("Doctor"), Settings: e.settings.List(), Paths: map[string]string{
		"home": e.settings.Paths.Home, "config": e.settings.Paths.Config, "logs": e.settings.Paths.Logs(),
	}}
	for _, c := range checks {
		one := checkDoc{Name: c.Name, OK: c.Err == nil, Detail: c.Detail}
		if c.Err != nil {
			x := e.describe(c.Err)
			one.Error = &x
		}
		d.Checks = append(d.Checks, one)
	}
	if err := e.write(d, func() string { return e.doctorText(checks) }); err != nil {
		return err
	}
	return bad
}

func (e *env) doctorText(checks []app.Check) string {
	st := e.OutStyle
	var b strings.Builder
	for _, c := range checks {
		switch {
		case c.Err == nil:
			fmt.Fprintf(&b, "%s %s  %s\n", st.Good.Render("✔"), c.Name, st.Muted.Render(render.Line(c.Detail, 0)))
		case c.Required:
			fmt.Fprintf(&b, "%s %s  %s\n", st.Bad.Render("✘"), c.Name, st.Bad.Render(render.Line(c.Err.Error(), 0)))
		default:
			fmt.Fprintf(&b, "%s %s  %s\n", st.Warn.Render("!"), c.Name, st.Warn.Render(render.Line(c.Err.Error(), 0)))
		}
		if h := fault.HintOf(c.Err); h != "" && !c.Required {
			fmt.Fprintf(&b, "    %s\n", h)
		}
	}
	b.WriteString("\n")
	rows := [][]render.Cell{
		{render.T("home"), render.T(e.settings.Paths.Home), render.T(e.settings.Paths.HomeSource)},
		{render.T("config"), render.T(e.settings.Paths.Config), render.T("")},
	}
	for _, v := range e.settings.List() {
		rows = append(rows, []render.Cell{render.T(v.Name), render.T(render.Dash(v.Value)), render.T(v.Source)})
	}
	b.WriteString(render.Table(st, []string{"SETTING", "VALUE", "SOURCE"}, rows))
	return b.String()
}

func newCancel(e *env) *cobra.Command {
	var restore bool
	cmd := &cobra.Command{
		Use:   "cancel PIPELINE",
		Short: "clear the lock that a killed operation left behind, and repair its stack",
		Long: `Shows who holds the lock of a pipeline's stack, and clears it. It does not stop the
other process: clear a lock only if its owner is gone. Then it finds out what became
of the resources that were being made, changed or deleted: what is there is taken
into the stack, what is not is forgotten.

up, destroy and refresh repair a stack by themselves; with --yes they also clear a
lock whose owner has plainly gone.

--restore is for a stack whose state is damaged, on a file backend: it puts the newest
good copy that the engine has left (x.json.bak, the history, or what can be read of
the file itself) in its place, and keeps the damaged file beside it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := spec.ParseID(args[0])
			if err != nil {
				return err
			}
			return e.cancelLock(cmd.Context(), id, restore)
		},
	}
	cmd.Flags().BoolVar(&restore, "restore", false, "put a good copy in the place of a damaged state")
	e.yesFlag(cmd)
	return changes(cmd)
}

func (e *env) cancelLock(ctx context.Context, id spec.ID, restore bool) error {
	if err := e.mutating("cancel"); err != nil {
		return err
	}
	engine, err := e.open().Engine(ctx)
	if err != nil {
		return err
	}
	locks, err := engine.Locks(ctx, id.StackName())
	if err != nil {
		return err
	}
	d := cancelDoc{header: newHeader("Cancel"), Pipeline: id.String(), Locks: locks, Recovered: []stack.PendingOperation{}}
	for _, l := range locks {
		e.noteLock(id, l)
	}
	if len(locks) > 0 {
		if !e.yes {
			if err := e.yesNo(ctx, "Clear the lock?", nil); err != nil {
				return err
			}
		}
		if err := engine.Unlock(ctx, id.StackName()); err != nil {
			return err
		}
		d.Cleared = true
	}
	if restore {
		if err := e.restore(ctx, engine, id, &d); err != nil {
			return err
		}
	}
	if err := e.repair(ctx, id, &d); err != nil {
		return err
	}
	return e.write(d, d.text)
}

// cancelDoc is the document of cancel.
type cancelDoc struct {
	header
	Pipeline string       `json:"pipeline"`
	Locks    []stack.Lock `json:"locks"`
	Cleared  bool         `json:"cleared"`
	// Recovered are the operations that were cut off and are settled now.
	Recovered []stack.PendingOperation `json:"recovered"`
	// Restored is what took the place of a damaged state, which is kept in Aside.
	Restored *stack.Copy `json:"restored,omitempty"`
	Aside    string      `json:"aside,omitempty"`
}

// restore puts a copy in the place of a damaged state.
func (e *env) restore(ctx context.Context, engine *stack.Engine, id spec.ID, d *cancelDoc) error {
	copies, err := engine.Copies(ctx, id.StackName())
	if err != nil {
		return err
	}
	if !e.yes && len(copies) > 0 {
		c := copies[0]
		e.note("What was made since then still exists, but is not recorded: `pipelinetui refresh` and AWS's own errors will tell.")
		if err := e.yesNo(ctx, fmt.Sprintf("Put %s in the place of the damaged state?", c), nil); err != nil {
			return err
		}
	}
	c, aside, err := engine.Restore(ctx, id.StackName())
	if err != nil {
		return err
	}
	d.Restored, d.Aside = &c, aside
	return nil
}

func (d *cancelDoc) text() string {
	var b strings.Builder
	if d.Restored != nil {
		fmt.Fprintf(&b, "the state of %s is restored: %s\n  from %s\n  the damaged file is kept in %s\n", d.Pipeline, d.Restored, d.Restored.File, d.Aside)
		fmt.Fprintf(&b, "run `pipelinetui refresh %s` to see what is really there\n", d.Pipeline)
	}
	if d.Cleared {
		fmt.Fprintf(&b, "the lock of %s is cleared\n", d.Pipeline)
	} else {
		fmt.Fprintf(&b, "%s is not locked\n", d.Pipeline)
	}
	for _, op := range d.Recovered {
		fmt.Fprintf(&b, "settled: %s was cut off while %s\n", render.Line(op.Name, 0), op.Kind)
	}
	if d.Cleared || len(d.Recovered) > 0 {
		fmt.Fprintf(&b, "run `pipelinetui up %s` to finish what was cut off, or destroy it\n", d.Pipeline)
	}
	return b.String()
}

// repair settles a stack's pending operations, if it has any.
func (e *env) repair(ctx context.Context, id spec.ID, d *cancelDoc) error {
	x, err := e.open().Find(ctx, id)
	if errors.Is(err, fault.NotFound) && d.Cleared {
		return nil // a stack whose creation was cut off
	}
	if err != nil {
		return err
	}
	if len(x.State.Pending) == 0 {
		return nil
	}
	p := x.Pipeline
	if p == nil {
		p = &spec.Pipeline{ID: id}
	}
	e.note("%s was cut off: looking what became of it", render.Count(len(x.State.Pending), "operation", "operations"))
	v, err := e.newView(true, 1, false)
	if err != nil {
		return err
	}
	results, err := e.operate(ctx, app.Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{p}}, v)
	if err != nil {
		return err
	}
	d.Recovered = append(d.Recovered, results[0].Result.Recovered...)
	return results[0].Err
}

// newDocs writes the reference that docs/ holds, from the commands themselves.
func newDocs(e *env, root *cobra.Command) *cobra.Command {
	var dir, man string
	cmd := &cobra.Command{
		Use: "docs", Short: "write the command reference and man pages", Args: cobra.NoArgs, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			root.DisableAutoGenTag = true
			if man != "" {
				if err := os.MkdirAll(man, 0o755); err != nil {
					return err
				}
				if err := doc.GenManTree(root, &doc.GenManHeader{Title: "PIPELINETUI", Section: "1", Source: "pipelinetui"}, man); err != nil {
					return err
				}
			}
			if dir == "" {
				return nil
			}
			if err := os.WriteFile(filepath.Join(dir, "keys.md"), []byte(keyReference()), 0o644); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "cli.md"), []byte(reference(root)), 0o644)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder for cli.md and keys.md")
	cmd.Flags().StringVar(&man, "man", "", "folder for man pages")
	return reads(cmd)
}

// reference is the command reference as one page of Markdown.
func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Command reference\n\nGenerated by `make docs` from the commands themselves.\n\n## Global flags\n\n```\n" +
		root.PersistentFlags().FlagUsages() + "```\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || (!c.IsAvailableCommand() && c != root) {
			return
		}
		if c != root {
			text := c.Long
			if text == "" {
				text = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
			}
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n```\n", c.CommandPath(), text, c.UseLine())
			if c.HasExample() {
				fmt.Fprintf(&b, "\n```\n%s\n```\n", c.Example)
			}
			if c.HasAvailableLocalFlags() {
				fmt.Fprintf(&b, "\n```\n%s```\n", c.LocalNonPersistentFlags().FlagUsages())
			}
		}
		for _, s := range c.Commands() {
			if root.Name() == c.Name() && s.Name() == "completion" {
				continue
			}
			walk(s)
		}
	}
	walk(root)
	return b.String()
}
