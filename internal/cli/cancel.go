package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// cancelOptions are those of cancel.
type cancelOptions struct {
	pipeline string
	restore  bool
	force    bool
	yes      bool
}

func newCancel(deps *Deps, do action[cancelOptions]) *cobra.Command {
	o := &cancelOptions{}
	cmd := &cobra.Command{
		Use:   "cancel PIPELINE",
		Short: "clear the lock that a killed operation left behind, and repair its stack",
		Long: `Shows who holds the lock of a pipeline's stack, and clears it. It does not stop the
other process: clear a lock only if its owner is gone. One whose process runs on this
machine is not cleared, but with --force. Then it finds out what became
of the resources that were being made, changed or deleted: what is there is taken
into the stack, what is not is forgotten.

up, destroy and refresh repair a stack by themselves; with --yes they also clear a
lock whose owner has plainly gone.

--restore is for a stack whose state is damaged or missing, on a file backend or in S3: it puts the newest
good copy that the engine has left (x.json.bak, the history, or what can be read of
the file itself) in its place, and keeps the damaged file beside it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().BoolVar(&o.restore, "restore", false, "put a good copy in the place of a damaged state")
	cmd.Flags().BoolVar(&o.force, "force", false, "clear the lock of a process that runs, too")
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	return changes(cmd)
}

func runCancel(ctx context.Context, deps *Deps, o *cancelOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	if err := deps.Consent(o.yes); err != nil {
		return err
	}
	engine, err := deps.app().Engine(ctx)
	if err != nil {
		return err
	}
	locks, err := engine.Locks(ctx, id.StackName())
	if err != nil {
		return err
	}
	d := cancelDoc{Header: console.NewHeader("Cancel"), Pipeline: id.String(), Locks: locks, Recovered: []stack.PendingOperation{}}
	if len(locks) == 0 {
		d.Locks = []stack.Lock{}
		if err := refuseBegun(ctx, deps, o, engine, id); err != nil {
			return err
		}
	}
	for _, l := range locks {
		noteLock(deps, id, l)
		if l.Alive() && !o.force {
			return fault.New(fault.Locked, "process %d, which holds the lock of %s, runs on this machine", l.PID, id).
				WithHint("Wait for it, or interrupt it with `kill -INT %d`: it ends in good order. If that process is another one, or does nothing any more, give --force.", l.PID)
		}
	}
	if len(locks) > 0 {
		if !o.yes {
			if err := deps.YesNo(ctx, "Clear the lock?", nil); err != nil {
				return err
			}
		}
		if err := engine.Unlock(ctx, id.StackName(), locks); err != nil {
			return err
		}
		d.Cleared = true
	}
	if o.restore {
		if err := restoreState(ctx, deps, o, engine, id, &d); err != nil {
			return err
		}
	}
	if err := repairStack(ctx, deps, id, &d); err != nil {
		return err
	}
	return deps.Write(d, d.text)
}

// refuseBegun refuses to look after a stack on which an operation of this machine has begun that
// has not come to its lock yet: it is at work all the same.
func refuseBegun(ctx context.Context, deps *Deps, o *cancelOptions, engine *stack.Engine, id spec.ID) error {
	for _, l := range engine.HeldBy(ctx, id.StackName())[id.StackName()] {
		if !l.Alive() || o.force {
			continue
		}
		noteLock(deps, id, l)
		return fault.New(fault.Locked, "process %d, which has begun to work on %s and is about to lock it, runs on this machine", l.PID, id).
			WithHint("Wait for it, or interrupt it with `kill -INT %d`: it ends in good order. If that process is another one, or does nothing any more, give --force.", l.PID)
	}
	return nil
}

// cancelDoc is the document of cancel.
type cancelDoc struct {
	console.Header
	Pipeline string       `json:"pipeline"`
	Locks    []stack.Lock `json:"locks"`
	Cleared  bool         `json:"cleared"`
	// Recovered are the operations that were cut off and are settled now.
	Recovered []stack.PendingOperation `json:"recovered"`
	// Restored is what took the place of a damaged state, which is kept in Aside.
	Restored *stack.Copy `json:"restored,omitempty"`
	Aside    string      `json:"aside,omitempty"`
	// Found are resources that were made after the copy, and are in the state again.
	Found []foundDoc `json:"found,omitempty"`
	// Foreign says what has the name of one, and was left since it is somebody else's.
	Foreign []string `json:"foreign,omitempty"`
}

type foundDoc struct {
	URN  string `json:"urn"`
	Type string `json:"type"`
	Name string `json:"name"`
	ID   string `json:"id,omitempty"`
}

// restoreState puts a copy in the place of a damaged state.
func restoreState(ctx context.Context, deps *Deps, o *cancelOptions, engine *stack.Engine, id spec.ID, d *cancelDoc) error {
	copies, err := engine.Copies(ctx, id.StackName())
	if err != nil {
		return err
	}
	if !o.yes && len(copies) > 0 {
		c := copies[0]
		deps.Note("What was made since then still exists, but is not recorded: it is looked for by the names that the pipeline's resources have.")
		if err := deps.YesNo(ctx, fmt.Sprintf("Put %s in the place of the damaged state?", c), nil); err != nil {
			return err
		}
	}
	r, err := deps.app().Restore(ctx, id)
	if err != nil {
		return err
	}
	d.Restored, d.Aside = &r.Copy, r.Aside
	for _, x := range r.Found {
		d.Found = append(d.Found, foundDoc{x.URN, x.Type, x.Name, x.ID})
	}
	d.Foreign = r.Foreign
	for _, x := range r.Foreign {
		deps.Note("warning: %s. It is not taken over, and stands in the way of the next up", x)
	}
	if r.Unsure != nil {
		deps.Note("warning: what was made after the copy was not looked for to the end, and may exist: %s", fault.Reason(r.Unsure))
	}
	return nil
}

func (d *cancelDoc) text() string {
	var b strings.Builder
	if d.Restored != nil {
		fmt.Fprintf(&b, "the state of %s is restored: %s\n  from %s\n", d.Pipeline, d.Restored, d.Restored.File)
		if d.Aside != "" {
			fmt.Fprintf(&b, "  the damaged file is kept in %s\n", d.Aside)
		}
		for _, x := range d.Found {
			fmt.Fprintf(&b, "  made since then, and taken over: %s (%s)\n", render.Line(x.Name, 0), render.PlainType(x.Type))
		}
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

// repairStack settles a stack's pending operations, if it has any.
func repairStack(ctx context.Context, deps *Deps, id spec.ID, d *cancelDoc) error {
	x, err := deps.app().Find(ctx, id)
	if errors.Is(err, fault.NotFound) && d.Cleared {
		return nil // a stack whose creation was cut off
	}
	if err != nil {
		return err
	}
	if len(x.State.Pending) == 0 {
		return nil
	}
	p := x.Spec
	if p == nil {
		p = &spec.Pipeline{ID: id}
	}
	deps.Note("looking what became of %s", render.Count(len(x.State.Pending), "operation that was cut off", "operations that were cut off"))
	v, err := newView(deps, true, 1, false)
	if err != nil {
		return err
	}
	results, err := operate(ctx, deps, app.Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{p}}, v)
	if err != nil {
		return err
	}
	d.Recovered = append(d.Recovered, results[0].Result.Recovered...)
	return results[0].Err
}
