package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

func newExecutionsMapRun(deps *Deps) *cobra.Command {
	return group("map-run", "change Map Runs while they run", newMapRunSet(deps, runMapRunSet))
}

// mapRunSetOptions are those of "executions map-run set".
type mapRunSetOptions struct {
	executionOptions
	yes         bool
	label       string
	concurrency int
	failures    int
	percent     float64
	settings    executions.MapRunSettings
}

func newMapRunSet(deps *Deps, do action[mapRunSetOptions]) *cobra.Command {
	o := &mapRunSetOptions{}
	cmd := &cobra.Command{
		Use:   "set " + executionArgs,
		Short: "change how many children of a Map Run run at once, and how many may fail",
		Long: `Changes the Map Run of an execution while it runs: how many children run at the same
time, and how many of its items may fail before it fails. What runs already goes on.` + executionHelp,
		Example: "  pipelinetui executions map-run set acme/iris-batch @latest --concurrency 40 --tolerated-percent 5",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			f := cmd.Flags()
			if f.Changed("concurrency") {
				o.settings.MaxConcurrency = &o.concurrency
			}
			if n := int64(o.failures); f.Changed("tolerated-failures") {
				o.settings.ToleratedFailures = &n
			}
			if f.Changed("tolerated-percent") {
				o.settings.ToleratedFailurePercent = &o.percent
			}
			if o.settings == (executions.MapRunSettings{}) {
				return wrongFlag("concurrency", nil, "%s was not told what to set", cmd.CommandPath()).
					WithHint("Give --concurrency, --tolerated-failures or --tolerated-percent.")
			}
			return do(cmd.Context(), deps, o)
		},
	}
	countFlag(cmd.Flags(), &o.concurrency, "concurrency", 0, 0, 10_000, "children that run at the same time; 0 for no bound")
	countFlag(cmd.Flags(), &o.failures, "tolerated-failures", 0, 0, math.MaxInt32, "items that may fail")
	percentFlag(cmd.Flags(), &o.percent, "tolerated-percent", "part of the items that may fail, 0 to 100")
	cmd.Flags().StringVar(&o.label, "label", "", "label of the Map Run's state, if several run")
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return changes(cmd)
}

func runMapRunSet(ctx context.Context, deps *Deps, o *mapRunSetOptions) error {
	if _, err := executions.ParseMapRunSettings(o.settings.Text()); err != nil {
		return err // before anybody is asked anything
	}
	if err := deps.Consent(o.yes); err != nil {
		return err
	}
	c, _, arn, err := findExecution(ctx, deps, o.args)
	if err != nil {
		return err
	}
	all, err := c.MapRuns(ctx, arn)
	if err != nil {
		return err
	}
	run, err := theMapRun(all, o.label)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("Set %s of the Map Run %s (now %s)?", o.settings.Text(), render.Line(run.Label, 0), run.Settings().Text())
	if err := agreeOn(ctx, deps, o.yes, slices.Values([]string{arn}), question, nil); err != nil {
		return err
	}
	if err := c.SetMapRun(ctx, run.ARN, o.settings); err != nil {
		return fault.Wrap(err, "set the Map Run %s", run.Label)
	}
	if run, err = c.DescribeMapRun(ctx, run.ARN); err != nil {
		return err
	}
	doc := struct {
		console.Header
		*executions.MapRun
	}{console.NewHeader("MapRun"), run}
	return deps.Write(doc, func() string {
		return fmt.Sprintf("%s  %s\n", render.Line(run.Label, 0), run.Settings().Text())
	})
}

// theMapRun is the one Map Run that runs, or that of a label.
func theMapRun(all []executions.MapRun, label string) (*executions.MapRun, error) {
	var found []*executions.MapRun
	var labels []string
	for i := range all {
		if r := &all[i]; !r.Status.Terminal() && (label == "" || r.Label == label) {
			found, labels = append(found, r), append(labels, r.Label)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, wrongFlag("label", nil, "%d Map Runs of the execution are running", len(found)).
			WithHint("Say which with --label: %s.", strings.Join(labels, ", "))
	case label != "":
		return nil, fault.New(fault.NotFound, "no Map Run with the label %q is running", label)
	}
	return nil, fault.New(fault.NotFound, "no Map Run of the execution is running").
		WithHint("A Map Run can be changed only while it runs; `pipelinetui executions show` tells how it ended.")
}
