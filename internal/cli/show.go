package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// showDoc is a pipeline whole.
type showDoc struct {
	console.Header
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

// showOptions are those of show.
type showOptions struct {
	pipeline string
	quick    bool
}

func newShow(deps *Deps, do action[showOptions]) *cobra.Command {
	o := &showOptions{}
	cmd := &cobra.Command{
		Use:   "show PIPELINE",
		Short: "show a pipeline: outputs, parameters, resources, history",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().BoolVar(&o.quick, "quick", false, "do not ask AWS for the endpoint and executions")
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	return reads(cmd)
}

func runShow(ctx context.Context, deps *Deps, o *showOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	x, err := deps.app().Find(ctx, id)
	if err != nil {
		return err
	}
	list := []pipelines.Pipeline{*x}
	docs, err := deps.pipelineDocs(ctx, list)
	if err != nil {
		return err
	}
	if x = &list[0]; x.HistoryErr != nil {
		return x.HistoryErr
	}
	d := showDoc{
		Header: console.NewHeader("Pipeline"), pipelineDoc: docs[0], Warnings: []warningDoc{}, Outputs: x.State.Outputs,
		Parameters: map[string]any{}, Tags: map[string]string{}, State: x.State.Resources, Pending: x.State.Pending, History: x.History,
		Spec: x.State.Spec,
	}
	if x.Spec != nil {
		if d.Parameters, err = deps.app().ShownParameters(ctx, x.Spec); err != nil {
			return err
		}
		d.Tags, d.Protect = x.Spec.AllTags(), x.Protected()
	}
	l := asking{asked: !o.quick}
	if l.asked {
		deps.addLive(ctx, list, docs, &l)
	}
	l.lookAtBackend(ctx, deps)
	if err := deps.addCosts(ctx, list, docs, &asking{}); err != nil {
		deps.Note("it is not known what it costs: %s", render.Line(err.Error(), 0))
	}
	d.pipelineDoc, d.Warnings = docs[0], l.docs()
	if err := deps.Write(d, func() string { return deps.showText(d, l.text(deps.OutStyle)) }); err != nil {
		return err
	}
	return l.err
}

// showText is a pipeline for a reader, with what could not be asked.
func (deps *Deps) showText(d showDoc, unasked string) string {
	st, now := deps.OutStyle, deps.now()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", st.Title.Render(d.Pipeline),
		st.Muted.Render(strings.Join([]string{string(d.Status), "template " + render.Dash(d.Template), "region " + render.Dash(d.Region), "updated " +
			render.Age(d.LastUpdate, now)}, " · ")))
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
	for _, s := range d.Shared {
		fmt.Fprintf(&b, "%s %s\n", st.Key.Render("Alias:"), st.Warn.Render(render.Line(s.String(), 0)))
	}
	if d.Endpoint != "" {
		fmt.Fprintf(&b, "%s %s\n", st.Key.Render("Endpoint:"), d.Endpoint)
	}
	b.WriteString(unasked)
	if d.Costs != nil {
		b.WriteString(d.Costs.text(st))
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
		if r.Custom && stack.Counted(r.Type) {
			rows = append(rows, []render.Cell{render.T(r.Name), render.T(render.ShortType(r.Type)), render.T(r.ID)})
		}
	}
	b.WriteString(render.TableBelow(st, []string{"NAME", "TYPE", "ID"}, rows))
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
			render.T(strconv.Itoa(u.Version)), render.T(u.Kind), render.S(u.Result, style),
			render.T(render.Age(u.Start, now)), render.T(render.Changes(u.Changes, true)), render.T(cmp.Or(u.Error, u.Message)),
		})
	}
	b.WriteString(render.TableBelow(st, []string{"VERSION", "KIND", "RESULT", "STARTED", "CHANGES", "MESSAGE"}, rows))
	return b.String()
}
