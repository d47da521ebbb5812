package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// rollbackOptions are those of rollback: an up of what was.
type rollbackOptions struct {
	deployOptions
	to    int
	abort bool
}

// turnedBackDoc is the document of rollback --abort.
type turnedBackDoc struct {
	console.Header
	Pipeline string `json:"pipeline"`
	Endpoint string `json:"endpoint"`
	// Alarm is what was brought to ALARM, Phase how far the rollout was.
	Alarm string `json:"alarm"`
	Phase string `json:"phase"`
}

func newRollback(deps *Deps, do action[rollbackOptions]) *cobra.Command {
	o := &rollbackOptions{deployOptions: deployOptions{operation: stack.OperationUp}}
	cmd := &cobra.Command{
		Use:   "rollback PIPELINE... [--to N | --abort]",
		Short: "bring older revisions of pipelines back",
		Long: `Brings back exactly what a revision was made from: its spec, its template, its code and
its model, by digest. They are taken from the stack and from the pipeline's bucket, so
that any machine with the same backend can do it, without the files of the first.

It is an up like any other: it shows what will change and asks, it makes a revision of
its own, and one that is cut off is gone on with by the same command. Without --to it
goes to the newest revision that is known to be good (it has passed its checks, or has
none) and is not what runs now; not to one that a rollback, or a failed check, has taken
out of service. If the last update failed, that is the one in service.

Several pipelines ('acme/*') are shown, asked about and summed up as ` + "`up`" + ` does. Each
goes back to its own newest revision that is known to be good; where there is none the
pipeline stays as it is, and counts as failed.

The endpoint goes back by the rollout of that revision, or by the one that --rollout says:
all-at-once is the quickest way away from a bad model, and of this rollback only: the
revision comes back with the rollout and the alarms that it had. Aliases do not wait where an alarm
of theirs rings already.

--abort is for an update that is still under way, here or on another machine: the rollout of
the endpoint is turned back, all traffic goes to what answered before, and that update
ends as turned back (exit code 4). AWS has no call for that: an alarm of the pipeline's own
is brought to ALARM. It waits for nothing and takes no lock. What moves the aliases of the
function and of the state machine is the update itself: they are turned back where it
runs, by Ctrl-C there, and --abort says who that is.

Values that a spec only refers to (environment, Secrets Manager, Systems Manager) are
those of today.`,
		Example: `  pipelinetui rollback acme/fraud
  pipelinetui rollback acme/fraud --rollout all-at-once --yes
  pipelinetui rollback 'acme/*' --yes -m "the new model answers nonsense"
  pipelinetui rollback acme/fraud --abort --yes
  pipelinetui rollback acme/fraud --to 3 --yes -m "the new model answers nonsense"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.of(cmd, args)
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	countFlag(f, &o.to, "to", 0, 1, noLimit, "the revision to bring back")
	f.StringVarP(&o.message, "message", "m", "", "message for the history")
	o.rolloutFlag(cmd)
	o.refreshFlag(cmd)
	o.runningFlag(cmd, "on what is replaced")
	yesFlag(cmd, &o.yes)
	f.BoolVar(&o.abort, "abort", false, "turn the rollout back that is under way, and change nothing else")
	for _, other := range []string{"to", "message", "rollout", "refresh", "running"} {
		cmd.MarkFlagsMutuallyExclusive("abort", other)
	}
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	deps.flag(cmd, "to", revisionNumbers)
	deps.flag(cmd, "running", howRunning)
	return instead(changes(cmd), "diff")
}

func runRollback(ctx context.Context, deps *Deps, o *rollbackOptions) error {
	if o.abort && o.one() {
		return abortRollout(ctx, deps, o)
	}
	if err := o.check(deps); err != nil {
		return err
	}
	if o.rollout == string(spec.AllAtOnce) { // of this way back only: the revision is to be exactly what it was
		o.rollout, o.atOnce = "", true
	}
	f := &finder{selection: o.selection, deps: deps}
	f.seen, o.origin = map[spec.ID]string{}, map[spec.ID]*revisions.Origin{}
	if o.one() {
		id, err := spec.ParseID(o.args[0])
		if err != nil {
			return err
		}
		x, err := deps.app().Find(ctx, id)
		if err != nil {
			return err
		}
		if err := f.bringBack(ctx, x, o); err != nil {
			return err
		}
	} else if err := f.bringAllBack(ctx, o); err != nil {
		return err
	}
	f.all = len(f.pipelines)
	return deploy(ctx, deps, &o.deployOptions, &f.chosen)
}

// one tells whether one pipeline is named.
func (o *rollbackOptions) one() bool {
	return len(o.args) == 1 && !strings.ContainsAny(o.args[0], "*?[")
}

// bringAllBack chooses the pipelines that were named, or that patterns stand for. One that
// has nowhere to go fails by itself.
func (f *finder) bringAllBack(ctx context.Context, o *rollbackOptions) error {
	for name, given := range map[string]bool{"to": o.to != 0, "abort": o.abort} {
		if given {
			return wrongFlag(name, nil, "it takes one pipeline").WithHint("Name one. Without it each goes back to its own newest revision that is known to be good.")
		}
	}
	list, err := f.stacks(ctx, o.args)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errNothingSelected(&f.selection)
	}
	for i := range list {
		x := &list[i]
		err := cmp.Or(x.Undecided, x.Err)
		if err == nil {
			err = f.bringBack(ctx, x, o)
		}
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			f.aside = append(f.aside, app.PipelineResult{ID: x.ID, Err: err})
		}
	}
	return f.alone()
}

// bringBack chooses a pipeline as a revision of it was.
func (f *finder) bringBack(ctx context.Context, x *app.Existing, o *rollbackOptions) error {
	to := o.to
	if to == 0 {
		way, err := f.deps.app().WayBack(ctx, x)
		if err != nil {
			return fault.Wrap(err, "%s", x.ID)
		}
		to = way
	}
	p, record, err := f.deps.app().RebuildAt(ctx, x, to, o.overrides())
	if err != nil {
		return err
	}
	f.deps.Note("%s goes back to revision %d%s", x.ID, to, madeBy(f.deps, record))
	f.pipelines, f.seen[x.ID], o.origin[x.ID] = append(f.pipelines, p), x.State.Basis, &revisions.Origin{RollbackTo: to}
	return nil
}

// abortRollout turns the rollout of a pipeline back that is under way.
func abortRollout(ctx context.Context, deps *Deps, o *rollbackOptions) error {
	if err := deps.Consent(o.yes); err != nil {
		return err
	}
	id, err := spec.ParseID(o.args[0])
	if err != nil {
		return err
	}
	x, err := deps.app().Find(ctx, id)
	if err != nil {
		return err
	}
	if x.Spec == nil {
		return x.Err
	}
	r, err := deps.app().Turnable(ctx, x.Spec, "")
	if err != nil {
		return err
	}
	err = agree(ctx, deps, o.yes, []*spec.Pipeline{x.Spec}, fmt.Sprintf("Turn the rollout of %s back?", id), func() {
		deps.Note("all traffic goes back to the fleet that answered before: the alarm %s is brought to ALARM, which whoever is told of it will hear of", render.Line(r.Brake, 0))
	})
	if err != nil {
		return err
	}
	if err := deps.app().TurnBack(ctx, x.Spec, r.Endpoint); err != nil {
		return fault.Wrap(err, "%s", id)
	}
	return deps.Write(turnedBackDoc{console.NewHeader("RolloutTurnedBack"), id.String(), r.Endpoint, r.Brake, r.Phase}, func() string {
		return fmt.Sprintf("%s: the rollout is being turned back, by the alarm %s. `pipelinetui history %s` tells how the update ends.\n", id, render.Line(r.Brake, 0), id)
	})
}

// madeBy says when a revision was made, and by whom.
func madeBy(deps *Deps, r *revisions.Record) string {
	text := ", of " + render.Age(r.Begun, deps.now())
	if r.By != "" {
		text += " by " + render.Line(r.By, 0)
	}
	if r.Message != "" {
		text += ": " + render.Line(r.Message, 0)
	}
	return text
}
