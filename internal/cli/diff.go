package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// diffDoc is the document of diff.
type diffDoc struct {
	console.Header
	From        diffSide               `json:"from"`
	To          diffSide               `json:"to"`
	Differences []revisions.Difference `json:"differences"`
}

// diffSide is a revision that was compared.
type diffSide struct {
	Pipeline string `json:"pipeline"`
	Revision int    `json:"revision"`
}

// diffOptions are those of diff.
type diffOptions struct{ args []string }

func newDiff(deps *Deps, do action[diffOptions]) *cobra.Command {
	o := &diffOptions{}
	cmd := &cobra.Command{
		Use:   "diff PIPELINE [A [B]] | PIPELINE OTHER",
		Short: "compare two revisions, or what two pipelines run",
		Long: `Compares two revisions of a pipeline, property by property: parameters, tags, template,
and code and model by digest. Without B it is the one in service, without A the one
before. With two pipelines, such as those of two envs, the revisions in service are
compared. Secrets are not shown, nor whether they differ.`,
		Example: `  pipelinetui diff acme/fraud 3 5
  pipelinetui diff acme/fraud/dev acme/fraud/prod`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.ValidArgsFunction = deps.completes(arguments(onePipeline, revisionsOrPipelines, revisionNumbers))
	return reads(cmd)
}

func runDiff(ctx context.Context, deps *Deps, o *diffOptions) error {
	from, to, err := deps.sides(ctx, o.args)
	if err != nil {
		return err
	}
	d := diffDoc{
		Header: console.NewHeader("Difference"), Differences: revisions.Diff(from.content, to.content),
		From: from.diffSide, To: to.diffSide,
	}
	if d.Differences == nil {
		d.Differences = []revisions.Difference{}
	}
	return deps.Write(d, func() string { return differences(deps.OutStyle, d) })
}

// side is a revision with what it was made from.
type side struct {
	diffSide
	content revisions.Content
}

func (deps *Deps) sides(ctx context.Context, args []string) (from, to side, err error) {
	if len(args) == 2 && strings.Contains(args[1], "/") {
		if from, err = deps.inService(ctx, args[0]); err != nil {
			return from, to, err
		}
		to, err = deps.inService(ctx, args[1])
		return from, to, err
	}
	id, ledger, err := deps.ledger(ctx, args[0])
	if err != nil {
		return from, to, err
	}
	numbers := [2]int{0, ledger.Current}
	for i, text := range args[1:] {
		if numbers[i], err = strconv.Atoi(text); err != nil || numbers[i] < 1 {
			return from, to, fault.New(fault.Invalid, "%q is no revision of %s", text, id).
				WithHint("Name revisions by their numbers: `pipelinetui history %s` shows them.", id)
		}
	}
	if len(args) == 1 {
		if numbers[0], numbers[1], err = lastStep(ledger); err != nil {
			return from, to, fault.Wrap(err, "%s", id)
		}
	}
	sides := [2]side{}
	for i, n := range numbers {
		r, err := ledger.Get(n)
		if err != nil {
			return from, to, fault.Wrap(err, "%s", id)
		}
		sides[i] = side{diffSide{id.String(), n}, r.Content}
	}
	return sides[0], sides[1], nil
}

// lastStep are the revisions that the last update went from and to, also if it failed: what
// would it have changed.
func lastStep(l *revisions.Ledger) (from, to int, err error) {
	from, to = l.Before(), l.Current
	if last := l.Last(); last != nil && last.Number > l.Current {
		from, to = l.Current, last.Number
	}
	if from == 0 {
		return 0, 0, fault.New(fault.NotFound, "there is no revision before %d to compare with", to).WithHint("`pipelinetui history PIPELINE` shows what is kept.")
	}
	return from, to, nil
}

// ledger is what is known of a pipeline's revisions.
func (deps *Deps) ledger(ctx context.Context, name string) (spec.ID, *revisions.Ledger, error) {
	id, err := spec.ParseID(name)
	if err != nil {
		return id, nil, err
	}
	x, err := deps.app().Find(ctx, id)
	if err != nil {
		return id, nil, err
	}
	ledger, err := pipelines.Ledger(x.State)
	return id, ledger, err
}

// inService is the revision that a pipeline runs.
func (deps *Deps) inService(ctx context.Context, name string) (side, error) {
	id, ledger, err := deps.ledger(ctx, name)
	if err != nil {
		return side{}, err
	}
	r, err := ledger.Get(ledger.Current)
	if err != nil {
		return side{}, fault.Wrap(err, "%s", id)
	}
	return side{diffSide{id.String(), r.Number}, r.Content}, nil
}

func (s diffSide) String() string { return fmt.Sprintf("%s revision %d", s.Pipeline, s.Revision) }

func differences(st theme.Styles, d diffDoc) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s → %s\n", st.Title.Render(d.From.String()), st.Title.Render(d.To.String()))
	if len(d.Differences) == 0 {
		b.WriteString("no difference but secrets, if any\n")
	}
	for _, x := range d.Differences {
		switch {
		case x.Old == nil:
			fmt.Fprintf(&b, "%s\n", st.Create.Render(fmt.Sprintf("  + %s: %s", render.Line(x.Path, 0), shownValue(x.New))))
		case x.New == nil:
			fmt.Fprintf(&b, "%s\n", st.Delete.Render(fmt.Sprintf("  - %s: %s", render.Line(x.Path, 0), shownValue(x.Old))))
		default:
			fmt.Fprintf(&b, "%s\n", st.Update.Render(fmt.Sprintf("  ~ %s: %s → %s", render.Line(x.Path, 0), shownValue(x.Old), shownValue(x.New))))
		}
	}
	return b.String()
}

// shownValue is a JSON value on one line.
func shownValue(v any) string {
	const wide = 80
	if s, ok := v.(string); ok {
		return render.Line(revisions.Short(s), wide)
	}
	return render.Line(fmt.Sprint(v), wide)
}
