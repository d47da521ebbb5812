package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// pipelineDoc is one pipeline in machine output.
type pipelineDoc struct {
	Pipeline string `json:"pipeline"`
	Stack    string `json:"stack"`
	Tenant   string `json:"tenant"`
	Model    string `json:"model"`
	Env      string `json:"env"`
	Template string `json:"template,omitempty"`
	Region   string `json:"region,omitempty"`
	// Status is that of pipelines.Condition, Note a remark about it.
	Status pipelines.Status `json:"status"`
	Note   string           `json:"note,omitempty"`
	Lock   *stack.Lock      `json:"lock,omitempty"`
	// LastOperation is the newest that was to change it.
	LastOperation *stack.Update `json:"lastOperation,omitempty"`
	// Live tells whether AWS was asked for what follows. What was not asked is not
	// there: it is unknown.
	Live bool `json:"live"`
	// Elsewhere is the account it is in, if that is not the target's.
	Elsewhere  string    `json:"elsewhere,omitempty"`
	Resources  int       `json:"resources"`
	LastUpdate time.Time `json:"lastUpdate,omitzero"`
	Endpoint   string    `json:"endpoint,omitempty"`
	// Shared are the aliases whose calls two versions share, of a pipeline that is not ready.
	Shared  []pipelines.Shared `json:"shared,omitempty"`
	Running *int               `json:"runningExecutions,omitempty"`
	Failed  *int               `json:"failedExecutions,omitempty"`
	Error   *errorDoc          `json:"error,omitempty"`
	// Costs are of --cost and of show, by its state; Idle and LastInvoked of an endpoint that
	// was not invoked for a day, if AWS was asked.
	Costs       *costsDoc  `json:"costs,omitempty"`
	Idle        bool       `json:"idle,omitempty"`
	LastInvoked *time.Time `json:"lastInvoked,omitempty"`

	// live is what Live, Elsewhere, Endpoint, Running and Failed are made from.
	live pipelines.Live
}

// listOptions are those of list.
type listOptions struct {
	patterns []string
	tenant   string
	labels   []string
	quick    bool
	cost     bool
}

func newList(deps *Deps, do action[listOptions]) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use:     "list [PATTERN...]",
		Aliases: []string{"ls"},
		Short:   "list pipelines with their state",
		Long: `Lists the pipelines of the backend: template, status, last update, endpoint, and
running and failed executions. --quick asks the backend only; without it, what AWS
could not be asked is an error (3 without credentials), and told in warnings.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.patterns = args
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.tenant, "tenant", "", "only pipelines of this tenant")
	f.StringSliceVarP(&o.labels, "selector", "l", nil, "only pipelines with this tag (key=value, key!=value, key)")
	f.BoolVar(&o.quick, "quick", false, "do not ask AWS for endpoints and executions")
	f.BoolVar(&o.cost, "cost", false, "what each costs in a month by being there (an estimate), and endpoints that nobody asks")
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	deps.flag(cmd, "tenant", tenants)
	return reads(columns(cmd, listColumns))
}

// listColumns are the columns of list: those that the backend knows, those that AWS is asked
// for, and those that are shown if they are asked for.
var listColumns = []string{
	"PIPELINE", "TEMPLATE", "STATUS", "RESOURCES", "UPDATED", "ENDPOINT", "RUNNING", "FAILED 24H", "TENANT", "MODEL", "ENV", "REGION", "STACK", "USD A MONTH", "IDLE",
}

func runList(ctx context.Context, deps *Deps, o *listOptions) error {
	s := &selection{args: o.patterns, tenant: o.tenant, labels: o.labels}
	if err := s.narrow(); err != nil {
		return err
	}
	list, err := deps.app().Existing(ctx, s.patterns(), s.labels)
	if err != nil {
		return err
	}
	if len(list) == 0 && s.chooses() {
		return errNothingSelected(s)
	}
	docs, err := deps.pipelineDocs(ctx, list)
	if err != nil {
		return err
	}
	l := asking{asked: !o.quick && len(list) > 0}
	if l.asked {
		deps.addLive(ctx, list, docs, &l)
	}
	if o.cost {
		if err := deps.addCosts(ctx, list, docs, &l); err != nil {
			return err
		}
	}
	l.lookAtBackend(ctx, deps)
	for i, x := range list {
		if x.Undecided != nil {
			l.warnings = append(l.warnings, warningDoc{docs[i].Pipeline, describe(deps, x.Undecided)})
			deps.Note("%s: %v", x.ID, x.Undecided)
		}
	}
	doc := struct {
		console.Header
		Backend string `json:"backend"`
		// Live tells whether everything that runs was asked of AWS.
		Live      bool          `json:"live"`
		Warnings  []warningDoc  `json:"warnings"`
		Pipelines []pipelineDoc `json:"pipelines"`
	}{console.NewHeader("PipelineList"), deps.app().Backend(), l.complete(), l.docs(), docs}
	if err := deps.Write(doc, func() string { return deps.listText(docs, &l) }); err != nil {
		return err
	}
	return l.err
}

// pipelineDocs are the documents of pipelines, without what only AWS knows. It reads
// their histories, into the list.
func (deps *Deps) pipelineDocs(ctx context.Context, list []pipelines.Pipeline) ([]pipelineDoc, error) {
	if err := deps.app().Histories(ctx, list); err != nil {
		return nil, err
	}
	docs := make([]pipelineDoc, len(list))
	for i := range list {
		docs[i] = deps.newPipelineDoc(&list[i])
	}
	return docs, nil
}

func (deps *Deps) newPipelineDoc(x *pipelines.Pipeline) pipelineDoc {
	cond := x.Condition()
	d := pipelineDoc{
		Pipeline: x.ID.String(), Stack: x.ID.StackName(), Tenant: x.ID.Tenant, Model: x.ID.Model, Env: x.ID.Env,
		Template: x.Template(), Region: x.Region(),
		Status: cond.Status, Note: cond.Note, Lock: cond.Lock, LastOperation: x.LastChange(),
		LastUpdate: x.Updated(), Resources: x.Resources(),
	}
	// How it is counts more than what may be wrong with its spec.
	if err := cmp.Or(cond.Err, x.Err); err != nil {
		doc := describe(deps, err)
		d.Error = &doc
	}
	return d
}

// take takes in what AWS tells.
func (d *pipelineDoc) take(l pipelines.Live) {
	d.live, d.Live, d.Elsewhere, d.Endpoint, d.Shared = l, l.Complete(), l.Elsewhere, l.Endpoint, l.Shared
	for _, c := range []struct {
		of pipelines.Count
		to **int
	}{{l.Running, &d.Running}, {l.Failed, &d.Failed}} {
		if c.of.Known {
			*c.to = &c.of.N
		}
	}
}

func (deps *Deps) listText(docs []pipelineDoc, l *asking) string {
	if len(docs) == 0 {
		return "no pipelines yet: create one with `pipelinetui up -f SPEC` or `pipelinetui up TENANT/MODEL --template realtime`\n"
	}
	st, now := deps.OutStyle, deps.now()
	shown := 5
	if l.asked {
		shown = 8
	}
	head := slices.Clone(listColumns)
	rows := make([][]render.Cell, len(docs))
	cost := slices.ContainsFunc(docs, func(d pipelineDoc) bool { return d.Costs != nil })
	for i, d := range docs {
		endpoint := render.Dash(d.Endpoint)
		switch {
		case d.Elsewhere != "":
			endpoint = "in account " + d.Elsewhere
		case d.Endpoint == "" && (!d.live.Asked() || d.live.EndpointErr != nil):
			endpoint = "?"
		}
		rows[i] = []render.Cell{
			render.T(d.Pipeline), render.T(render.Dash(d.Template)), render.S(string(d.Status), statusStyle(st, d.Status)),
			render.T(fmt.Sprint(d.Resources)), render.T(render.Age(d.LastUpdate, now)),
			render.T(endpoint), render.T(d.live.Text(d.live.Running)), render.T(d.live.Text(d.live.Failed)),
			render.T(d.Tenant), render.T(d.Model), render.T(d.Env), render.T(render.Dash(d.Region)), render.T(d.Stack),
			render.T(d.monthText()), render.S(d.idleText(now), st.Warn),
		}
	}
	if cost {
		// They come behind what the backend knows, before what AWS is asked.
		shown += 2
		move := func(row []render.Cell) []render.Cell {
			n := len(row) - 2
			return slices.Concat(row[:5], row[n:], row[5:n])
		}
		for i := range rows {
			rows[i] = move(rows[i])
		}
		n := len(head) - 2
		head = slices.Concat(head[:5], head[n:], head[5:n])
	}
	text := deps.Tabulate(console.Listing{Head: head, Rows: rows, Shown: shown})
	for _, d := range docs {
		for _, s := range d.Shared {
			text += st.Warn.Render(d.Pipeline+": "+render.Line(s.String(), 0)) + "\n"
		}
		if d.Note != "" {
			text += st.Muted.Render(d.Pipeline+": "+render.Line(d.Note, 0)) + "\n"
		}
		if d.Error != nil {
			text += statusStyle(st, d.Status).Render(d.Pipeline+": "+render.Line(d.Error.Message, 0)) + "\n"
			if d.Error.Hint != "" && d.Status != pipelines.Ready {
				text += "  " + st.Muted.Render(render.Line(d.Error.Hint, 0)) + "\n"
			}
		}
	}
	return text + l.text(st)
}

// statusStyle is how urgent a status looks.
func statusStyle(st theme.Styles, s pipelines.Status) lipgloss.Style {
	switch s {
	case pipelines.Ready:
		return st.Good
	case pipelines.Failed, pipelines.Damaged, pipelines.Unreadable:
		return st.Bad
	default:
		return st.Warn
	}
}
