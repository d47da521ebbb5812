package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// pipelineDoc is one pipeline in machine output.
type pipelineDoc struct {
	Pipeline   string    `json:"pipeline"`
	Stack      string    `json:"stack"`
	Tenant     string    `json:"tenant"`
	Model      string    `json:"model"`
	Env        string    `json:"env"`
	Template   string    `json:"template,omitempty"`
	Region     string    `json:"region,omitempty"`
	Status     string    `json:"status"` // ready, updating, incomplete, empty, unreadable
	Resources  int       `json:"resources"`
	LastUpdate time.Time `json:"lastUpdate,omitzero"`
	Endpoint   string    `json:"endpoint,omitempty"`
	Running    *int      `json:"runningExecutions,omitempty"`
	Failed     *int      `json:"failedExecutions,omitempty"`
	Error      *errorDoc `json:"error,omitempty"`
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
running and failed executions. --quick asks the backend only.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s := selection{args: args, tenant: tenant, labels: labels}
			return e.list(cmd.Context(), &s, quick)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only pipelines of this tenant")
	cmd.Flags().StringSliceVarP(&labels, "selector", "l", nil, "only pipelines with this tag (key=value, key!=value, key)")
	cmd.Flags().BoolVar(&quick, "quick", false, "do not ask AWS for endpoints and executions")
	return reads(cmd)
}

func (e *env) list(ctx context.Context, s *selection, quick bool) error {
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	list, err := e.open().Existing(ctx, s.patterns(), s.labels)
	if err != nil {
		return err
	}
	docs := make([]pipelineDoc, len(list))
	for i, x := range list {
		docs[i] = e.newPipelineDoc(x)
	}
	if !quick && len(list) > 0 {
		e.addLive(ctx, list, docs)
	}
	doc := struct {
		header
		Backend   string        `json:"backend"`
		Pipelines []pipelineDoc `json:"pipelines"`
	}{newHeader("PipelineList"), e.open().Backend(), docs}
	return e.write(doc, func() string { return e.listText(docs, quick) })
}

func (e *env) newPipelineDoc(x app.Existing) pipelineDoc {
	d := pipelineDoc{
		Pipeline: x.ID.String(), Stack: x.ID.StackName(), Tenant: x.ID.Tenant, Model: x.ID.Model, Env: x.ID.Env,
		Status: "ready", LastUpdate: x.Summary.LastUpdate, Resources: max(0, x.Summary.Resources),
	}
	if x.Pipeline != nil {
		d.Template, d.Region = x.Pipeline.Template, x.Pipeline.Region
	}
	if x.State != nil {
		d.Resources = len(x.State.Resources)
		if !x.State.Updated.IsZero() {
			d.LastUpdate = x.State.Updated
		}
	}
	switch {
	case x.Summary.InProgress:
		d.Status = "updating"
	case x.State == nil:
		d.Status = "unreadable"
	case len(x.State.Pending) > 0:
		d.Status = "incomplete"
	case len(x.State.Resources) == 0:
		d.Status = "empty"
	case x.State.Outputs["stateMachineAliasArn"].Value == nil:
		d.Status = "incomplete"
	}
	if x.Err != nil {
		doc := e.describe(x.Err)
		d.Error = &doc
	}
	return d
}

// recentFailures is how far back failed executions are counted.
const recentFailures = 24 * time.Hour

// addLive asks AWS for what the stacks cannot know. What cannot be had is left
// out: a list must not fail because one account is out of reach.
func (e *env) addLive(ctx context.Context, list []app.Existing, docs []pipelineDoc) {
	if _, err := e.open().Target(ctx); err != nil {
		e.note("endpoints and executions are not shown: %s", err)
		return
	}
	var wg sync.WaitGroup
	for i := range list {
		if list[i].Pipeline == nil || docs[i].Status == "empty" {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			e.addLiveOne(ctx, list[i], &docs[i])
		}()
	}
	wg.Wait()
}

func (e *env) addLiveOne(ctx context.Context, x app.Existing, d *pipelineDoc) {
	if status, err := e.open().EndpointStatus(ctx, &x); err == nil {
		d.Endpoint = status
	}
	arn, _ := x.State.Outputs["stateMachineArn"].Value.(string)
	if arn == "" {
		return
	}
	c, err := e.open().Executions(ctx, x.Pipeline.Region, x.Pipeline.AssumeRole)
	if err != nil {
		return
	}
	running, err := c.List(ctx, executions.ListInput{Machine: arn, Statuses: []executions.Status{executions.Running}, Limit: 1000})
	if err != nil {
		return
	}
	failed, err := c.List(ctx, executions.ListInput{
		Machine: arn, Statuses: []executions.Status{executions.Failed, executions.TimedOut}, Since: e.now().Add(-recentFailures), Limit: 1000,
	})
	if err != nil {
		return
	}
	r, f := len(running), len(failed)
	d.Running, d.Failed = &r, &f
}

func (e *env) listText(docs []pipelineDoc, quick bool) string {
	if len(docs) == 0 {
		return "no pipelines yet: create one with `pipelinetui up -f SPEC` or `pipelinetui up TENANT/MODEL --template realtime`\n"
	}
	st, now := e.OutStyle, e.now()
	head := []string{"PIPELINE", "TEMPLATE", "STATUS", "RESOURCES", "UPDATED"}
	if !quick {
		head = append(head, "ENDPOINT", "RUNNING", "FAILED 24H")
	}
	rows := make([][]render.Cell, len(docs))
	for i, d := range docs {
		style := st.Good
		switch d.Status {
		case "incomplete", "empty", "updating":
			style = st.Warn
		case "unreadable":
			style = st.Bad
		}
		rows[i] = []render.Cell{
			render.T(d.Pipeline), render.T(render.Dash(d.Template)), render.S(d.Status, style),
			render.T(fmt.Sprint(d.Resources)), render.T(render.Age(d.LastUpdate, now)),
			render.T(render.Dash(d.Endpoint)), number(d.Running), number(d.Failed),
		}
	}
	text := render.Table(st, head, rows)
	for _, d := range docs {
		if d.Error != nil {
			text += st.Warn.Render(d.Pipeline+": "+render.Line(d.Error.Message, 0)) + "\n"
		}
	}
	return text
}

func number(n *int) render.Cell {
	if n == nil {
		return render.T("-")
	}
	if *n >= 1000 {
		return render.T("1000+")
	}
	return render.T(fmt.Sprint(*n))
}

// showDoc is a pipeline whole.
type showDoc struct {
	header
	pipelineDoc
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
	return reads(&cobra.Command{
		Use:   "show PIPELINE",
		Short: "show a pipeline: outputs, parameters, resources, history",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := spec.ParseID(args[0])
			if err != nil {
				return err
			}
			return e.show(cmd.Context(), id)
		},
	})
}

func (e *env) show(ctx context.Context, id spec.ID) error {
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	x, err := e.open().Find(ctx, id)
	if err != nil {
		return err
	}
	engine, err := e.open().Engine(ctx)
	if err != nil {
		return err
	}
	history, err := engine.History(ctx, id.StackName(), 10)
	if err != nil {
		return err
	}
	d := showDoc{
		header: newHeader("Pipeline"), pipelineDoc: e.newPipelineDoc(*x), Outputs: x.State.Outputs,
		Parameters: map[string]any{}, Tags: map[string]string{}, State: x.State.Resources, Pending: x.State.Pending, History: history,
		Spec: x.State.Spec,
	}
	if x.Pipeline != nil {
		if d.Parameters, err = e.open().ShownParameters(x.Pipeline); err != nil {
			return err
		}
		d.Tags, d.Protect = x.Pipeline.AllTags(), x.Pipeline.Protect
		live := []pipelineDoc{d.pipelineDoc}
		e.addLive(ctx, []app.Existing{*x}, live)
		d.pipelineDoc = live[0]
	}
	return e.write(d, func() string { return e.showText(d) })
}

func (e *env) showText(d showDoc) string {
	st, now := e.OutStyle, e.now()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", st.Title.Render(d.Pipeline), st.Muted.Render(strings.Join([]string{d.Status, "template " + render.Dash(d.Template), "region " + render.Dash(d.Region), "updated " + render.Age(d.LastUpdate, now)}, " · ")))
	if d.Error != nil {
		fmt.Fprintln(&b, st.Warn.Render(render.Line(d.Error.Message, 0)))
	}
	if d.Endpoint != "" {
		fmt.Fprintf(&b, "%s %s\n", st.Key.Render("Endpoint:"), d.Endpoint)
	}
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
			render.T(render.Age(u.Start, now)), render.T(render.Changes(u.Changes, true)), render.T(u.Message),
		})
	}
	b.WriteString(render.Table(st, []string{"  VERSION", "KIND", "RESULT", "STARTED", "CHANGES", "MESSAGE"}, rows))
	return b.String()
}
