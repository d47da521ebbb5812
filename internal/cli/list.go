package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
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
	Running    *int      `json:"runningExecutions,omitempty"`
	Failed     *int      `json:"failedExecutions,omitempty"`
	Error      *errorDoc `json:"error,omitempty"`

	// live is what Live, Elsewhere, Endpoint, Running and Failed are made from.
	live pipelines.Live
}

func newList(e *env) *cobra.Command {
	var labels []string
	var tenant string
	var quick bool
	cmd := &cobra.Command{
		Use:     "list [PATTERN...]",
		Aliases: []string{"ls"},
		Short:   "list pipelines with their state",
		Long: `Lists the pipelines of the backend: template, status, last update, endpoint, and
running and failed executions. --quick asks the backend only; without it, what AWS
could not be asked is an error (3 without credentials), and told in warnings.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s := selection{args: args, tenant: tenant, labels: labels}
			return e.list(cmd.Context(), &s, quick)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only pipelines of this tenant")
	cmd.Flags().StringSliceVarP(&labels, "selector", "l", nil, "only pipelines with this tag (key=value, key!=value, key)")
	cmd.Flags().BoolVar(&quick, "quick", false, "do not ask AWS for endpoints and executions")
	cmd.ValidArgsFunction = e.completes(manyPipelines)
	e.flag(cmd, "tenant", tenants)
	return reads(cmd)
}

func (e *env) list(ctx context.Context, s *selection, quick bool) error {
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	if err := s.narrow(); err != nil {
		return err
	}
	list, err := e.open().Existing(ctx, s.patterns(), s.labels)
	if err != nil {
		return err
	}
	if len(list) == 0 && s.chooses() {
		return errNothingSelected(s)
	}
	docs, err := e.pipelineDocs(ctx, list)
	if err != nil {
		return err
	}
	l := asking{asked: !quick && len(list) > 0}
	if l.asked {
		e.addLive(ctx, list, docs, &l)
	}
	for i, x := range list {
		if x.Undecided != nil {
			l.warnings = append(l.warnings, warningDoc{docs[i].Pipeline, e.describe(x.Undecided)})
			e.note("%s: %v", x.ID, x.Undecided)
		}
	}
	doc := struct {
		header
		Backend string `json:"backend"`
		// Live tells whether everything that runs was asked of AWS.
		Live      bool          `json:"live"`
		Warnings  []warningDoc  `json:"warnings"`
		Pipelines []pipelineDoc `json:"pipelines"`
	}{newHeader("PipelineList"), e.open().Backend(), l.complete(), l.docs(), docs}
	if err := e.write(doc, func() string { return e.listText(docs, &l) }); err != nil {
		return err
	}
	return l.err
}

// pipelineDocs are the documents of pipelines, without what only AWS knows. It reads
// their histories, into the list.
func (e *env) pipelineDocs(ctx context.Context, list []pipelines.Pipeline) ([]pipelineDoc, error) {
	if err := e.open().Histories(ctx, list); err != nil {
		return nil, err
	}
	docs := make([]pipelineDoc, len(list))
	for i := range list {
		docs[i] = e.newPipelineDoc(&list[i])
	}
	return docs, nil
}

func (e *env) newPipelineDoc(x *pipelines.Pipeline) pipelineDoc {
	cond := x.Condition()
	d := pipelineDoc{
		Pipeline: x.ID.String(), Stack: x.ID.StackName(), Tenant: x.ID.Tenant, Model: x.ID.Model, Env: x.ID.Env,
		Template: x.Template(), Region: x.Region(),
		Status: cond.Status, Note: cond.Note, Lock: cond.Lock, LastOperation: x.LastChange(),
		LastUpdate: x.Updated(), Resources: x.Resources(),
	}
	// How it is counts more than what may be wrong with its spec.
	if err := cmp.Or(cond.Err, x.Err); err != nil {
		doc := e.describe(err)
		d.Error = &doc
	}
	return d
}

// take takes in what AWS tells.
func (d *pipelineDoc) take(l pipelines.Live) {
	d.live, d.Live, d.Elsewhere, d.Endpoint = l, l.Complete(), l.Elsewhere, l.Endpoint
	for _, c := range []struct {
		of pipelines.Count
		to **int
	}{{l.Running, &d.Running}, {l.Failed, &d.Failed}} {
		if c.of.Known {
			*c.to = &c.of.N
		}
	}
}

func (e *env) listText(docs []pipelineDoc, l *asking) string {
	if len(docs) == 0 {
		return "no pipelines yet: create one with `pipelinetui up -f SPEC` or `pipelinetui up TENANT/MODEL --template realtime`\n"
	}
	st, now := e.OutStyle, e.now()
	head := []string{"PIPELINE", "TEMPLATE", "STATUS", "RESOURCES", "UPDATED"}
	if l.asked {
		head = append(head, "ENDPOINT", "RUNNING", "FAILED 24H")
	}
	rows := make([][]render.Cell, len(docs))
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
		}
	}
	text := render.Table(st, head, rows)
	for _, d := range docs {
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

// showDoc is a pipeline whole.
type showDoc struct {
	header
	pipelineDoc
	Warnings   []warningDoc             `json:"warnings"`
	Outputs    map[string]stack.Output  `json:"outputs"`
	Parameters map[string]any           `json:"parameters"`
	Tags       map[string]string        `json:"tags"`
	Protect    bool                     `json:"protect"`
	Spec       json.RawMessage          `json:"spec,omitempty"`
	State      []stack.Resource         `json:"state"`
	Pending    []stack.PendingOperation `json:"pendingOperations,omitempty"`
	History    []stack.Update           `json:"history"`
}

func newShow(e *env) *cobra.Command {
	var quick bool
	cmd := reads(&cobra.Command{
		Use:   "show PIPELINE",
		Short: "show a pipeline: outputs, parameters, resources, history",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := spec.ParseID(args[0])
			if err != nil {
				return err
			}
			return e.show(cmd.Context(), id, quick)
		},
	})
	cmd.Flags().BoolVar(&quick, "quick", false, "do not ask AWS for the endpoint and executions")
	cmd.ValidArgsFunction = e.completes(onePipeline)
	return cmd
}

func (e *env) show(ctx context.Context, id spec.ID, quick bool) error {
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	x, err := e.open().Find(ctx, id)
	if err != nil {
		return err
	}
	list := []pipelines.Pipeline{*x}
	docs, err := e.pipelineDocs(ctx, list)
	if err != nil {
		return err
	}
	if x = &list[0]; x.HistoryErr != nil {
		return x.HistoryErr
	}
	d := showDoc{
		header: newHeader("Pipeline"), pipelineDoc: docs[0], Warnings: []warningDoc{}, Outputs: x.State.Outputs,
		Parameters: map[string]any{}, Tags: map[string]string{}, State: x.State.Resources, Pending: x.State.Pending, History: x.History,
		Spec: x.State.Spec,
	}
	if x.Spec != nil {
		if d.Parameters, err = e.open().ShownParameters(ctx, x.Spec); err != nil {
			return err
		}
		d.Tags, d.Protect = x.Spec.AllTags(), x.Protected()
	}
	l := asking{asked: !quick}
	if l.asked {
		e.addLive(ctx, list, docs, &l)
		d.pipelineDoc, d.Warnings = docs[0], l.docs()
	}
	if err := e.write(d, func() string { return e.showText(d, l.text(e.OutStyle)) }); err != nil {
		return err
	}
	return l.err
}

// showText is a pipeline for a reader, with what could not be asked.
func (e *env) showText(d showDoc, unasked string) string {
	st, now := e.OutStyle, e.now()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", st.Title.Render(d.Pipeline), st.Muted.Render(strings.Join([]string{string(d.Status), "template " + render.Dash(d.Template), "region " + render.Dash(d.Region), "updated " + render.Age(d.LastUpdate, now)}, " · ")))
	if d.Note != "" {
		fmt.Fprintln(&b, st.Warn.Render(render.Line(d.Note, 0)))
	}
	if d.Error != nil {
		fmt.Fprintln(&b, statusStyle(st, d.Status).Render(render.Line(d.Error.Message, 0)))
		if d.Error.Hint != "" {
			fmt.Fprintln(&b, "  "+st.Muted.Render(render.Line(d.Error.Hint, 0)))
		}
	}
	if d.Elsewhere != "" {
		fmt.Fprintln(&b, st.Warn.Render("it is in account "+d.Elsewhere+", which is not that of the target"))
	}
	if d.Endpoint != "" {
		fmt.Fprintf(&b, "%s %s\n", st.Key.Render("Endpoint:"), d.Endpoint)
	}
	b.WriteString(unasked)
	if len(d.Outputs) > 0 {
		fmt.Fprintf(&b, "%s\n%s", st.Key.Render("Outputs"), render.Outputs(st, d.Outputs))
	}
	if len(d.Parameters) > 0 {
		b.WriteString(st.Key.Render("Parameters") + "\n")
		values := map[string]stack.Output{}
		for k, v := range d.Parameters {
			values[k] = stack.Output{Value: v}
		}
		b.WriteString(render.Outputs(st, values))
	}
	b.WriteString(st.Key.Render("Resources") + "\n")
	rows := make([][]render.Cell, 0, len(d.State))
	for _, r := range d.State {
		if r.Custom && !strings.HasPrefix(r.Type, "pulumi:providers:") {
			rows = append(rows, []render.Cell{render.T("  " + r.Name), render.T(render.ShortType(r.Type)), render.T(r.ID)})
		}
	}
	b.WriteString(render.Table(st, []string{"  NAME", "TYPE", "ID"}, rows))
	for _, p := range d.Pending {
		if d.Status == pipelines.Updating {
			continue // it is under way
		}
		fmt.Fprintln(&b, st.Warn.Render(fmt.Sprintf("pending: %s %s was cut off", render.Line(p.Name, 0), p.Kind)))
	}
	b.WriteString(st.Key.Render("History") + "\n")
	rows = rows[:0]
	for _, u := range d.History {
		style := st.Good
		if u.Result != "succeeded" {
			style = st.Bad
		}
		rows = append(rows, []render.Cell{
			render.T(fmt.Sprintf("  %d", u.Version)), render.T(u.Kind), render.S(u.Result, style),
			render.T(render.Age(u.Start, now)), render.T(render.Changes(u.Changes, true)), render.T(cmp.Or(u.Error, u.Message)),
		})
	}
	b.WriteString(render.Table(st, []string{"  VERSION", "KIND", "RESULT", "STARTED", "CHANGES", "MESSAGE"}, rows))
	return b.String()
}
