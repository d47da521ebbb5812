package tui

import (
	"context"
	"errors"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// verb is a command of the palette that takes pipelines as arguments, called as the
// command line calls it.
type verb struct {
	name, help string
	// several says that it takes any number of pipelines, and patterns.
	several bool
	// input says that what follows the pipeline is an execution's input.
	input bool
	// query says that what follows chooses executions of any number of pipelines, with the
	// options that the command line has.
	query bool
	// changes says that it is refused in a read-only session.
	changes bool
	// line are the arguments of the equal command line; nil if there is none.
	line func(ids []string, input string) []string
	// open is the request that it comes to; exactly one of open and work is set.
	open func(id spec.ID, input string) tea.Msg
	// operation is what is to be done with the pipelines.
	operation stack.Operation
}

func verbs() []verb {
	operation := func(op stack.Operation, help string, changes bool) verb {
		return verb{
			name: string(op), help: help, several: true, changes: changes, operation: op,
			line: func(ids []string, _ string) []string { return append([]string{string(op)}, ids...) },
		}
	}
	one := func(args ...string) func([]string, string) []string {
		return func(ids []string, _ string) []string { return append(slices.Clone(args), ids...) }
	}
	return []verb{
		operation(stack.OperationUp, "create or update pipelines: up acme/fraud 'acme/*'; shows a preview and asks first", true),
		operation(stack.OperationPreview, "what an update of pipelines would change", false),
		operation(stack.OperationRefresh, "read the real resources of pipelines", true),
		operation(stack.OperationDestroy, "delete pipelines and all in them; asks first", true),
		{
			name: "run", help: "start an execution: run acme/fraud @order.json; shows the input first", input: true, changes: true,
			line: func(ids []string, input string) []string {
				if input == "" {
					return append([]string{"run"}, ids...)
				}
				return append(append([]string{"run"}, ids...), "--input", input)
			},
			open: func(id spec.ID, input string) tea.Msg { return ui.OpenPipeline{ID: id, Tab: "run", Input: input} },
		},
		{name: "show", help: "open a pipeline", line: one("show"), open: func(id spec.ID, _ string) tea.Msg { return ui.OpenPipeline{ID: id} }},
		{
			name: "executions", help: "of one pipeline, or of many as one list: executions 'acme/*' --failed --since 24h --group", query: true,
			line: one("executions", "list"),
			open: func(id spec.ID, _ string) tea.Msg { return ui.OpenPipeline{ID: id, Tab: "executions"} },
		},
		{
			name: "change", help: "change a pipeline in the form it was made with", changes: true,
			open: func(id spec.ID, _ string) tea.Msg { return ui.OpenWizard{Change: &id} },
		},
		{
			name: "like", help: "a new pipeline that begins with the answers of another", changes: true,
			open: func(id spec.ID, _ string) tea.Msg { return ui.OpenWizard{Like: &id} },
		},
	}
}

// verbOf is the verb that a line begins with, and what follows it; ok is false as long
// as the verb itself is typed.
func verbOf(line string) (v verb, rest string, ok bool) {
	name, rest, spaced := strings.Cut(strings.TrimLeft(line, " "), " ")
	if !spaced {
		return verb{}, "", false
	}
	i := slices.IndexFunc(verbs(), func(v verb) bool { return strings.EqualFold(v.name, name) })
	if i < 0 {
		return verb{}, "", false
	}
	return verbs()[i], rest, true
}

// words splits what follows a verb: the words that are whole, and the last one, which is
// still typed.
func words(rest string) (whole []string, last string) {
	whole = strings.Fields(rest)
	if len(whole) > 0 && !strings.HasSuffix(rest, " ") {
		last = whole[len(whole)-1]
		whole = whole[:len(whole)-1]
	}
	for i := range whole {
		whole[i] = unquoted(whole[i])
	}
	return whole, unquoted(last)
}

// unquoted takes away the quotes that a pattern has in a shell.
func unquoted(word string) string { return strings.Trim(word, `'"`) }

// complete are the commands that a verb with its arguments may become.
func (p *palette) complete(v verb, rest string) []command {
	whole, last := words(rest)
	if v.query && (len(whole) > 0 || strings.HasPrefix(last, "-") || strings.ContainsAny(last, "*?['\"")) {
		return p.withQuery(v, rest)
	}
	if v.input && len(whole) > 0 {
		return p.withInput(v, rest)
	}
	if !v.several && len(whole) > 0 {
		return nil
	}
	chosen, err := p.choose(whole)
	if err != nil {
		p.hint = render.Line(err.Error(), 0)
		return nil
	}
	var out []command
	if strings.ContainsAny(last, "*?[") {
		if more, err := p.choose([]string{last}); err == nil {
			out = append(out, p.order(v, append(whole, last), union(chosen, more), ""))
		}
		return out
	}
	if last == "" && len(chosen) > 0 {
		out = append(out, p.order(v, whole, chosen, ""))
	}
	if v.query && last == "" {
		out = append(out, p.withQuery(v, "--all")...)
	}
	var rest2 []ranked
	for _, x := range p.list {
		if n := score(last, x.ID.String()); (last == "" || n > 0) && !slices.ContainsFunc(chosen, func(c pipelines.Pipeline) bool { return c.ID == x.ID }) {
			rest2 = append(rest2, ranked{p.order(v, append(slices.Clone(whole), x.ID.String()), union(chosen, []pipelines.Pipeline{x}), ""), n})
		}
	}
	return append(out, sorted(rest2)...)
}

// withInput is a command whose arguments are a pipeline and an input, which may have
// blanks in it.
func (p *palette) withInput(v verb, rest string) []command {
	name, input, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	chosen, err := p.choose([]string{unquoted(name)})
	if err != nil || len(chosen) != 1 {
		p.hint = "an execution is of one pipeline"
		if err != nil {
			p.hint = render.Line(err.Error(), 0)
		}
		return nil
	}
	return []command{p.order(v, []string{chosen[0].ID.String()}, chosen, strings.TrimSpace(input))}
}

// withQuery is a command whose arguments choose executions.
func (p *palette) withQuery(v verb, rest string) []command {
	args, err := fleet.Words(rest)
	var q fleet.Query
	if err == nil {
		q, err = fleet.ParseQuery(args)
	}
	if err == nil {
		_, err = q.Choice(p.Env.Now())
	}
	if err == nil && len(q.Patterns) > 0 {
		_, err = p.choose(q.Patterns)
	}
	if err != nil {
		p.hint = render.Line(err.Error(), 0)
		return nil
	}
	line := append([]string{"executions", "list"}, q.Args()...)
	if q.Group {
		line = append(line, "--group")
	}
	return []command{{
		name: v.name + " " + strings.TrimSpace(rest), help: "one list over all of them", line: p.Env.CommandLine(line...), msg: ui.OpenExecutions{Query: q},
	}}
}

// choose are the pipelines that words name, each at least one.
func (p *palette) choose(words []string) ([]pipelines.Pipeline, error) {
	var out []pipelines.Pipeline
	for _, w := range words {
		var found []pipelines.Pipeline
		for _, x := range p.list {
			ok, err := spec.Match(w, x.ID)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, x)
			}
		}
		if len(found) == 0 {
			return nil, errors.New("no pipeline matches " + w)
		}
		out = union(out, found)
	}
	return out, nil
}

func union(a, b []pipelines.Pipeline) []pipelines.Pipeline {
	out := slices.Clone(a)
	for _, x := range b {
		if !slices.ContainsFunc(out, func(y pipelines.Pipeline) bool { return y.ID == x.ID }) {
			out = append(out, x)
		}
	}
	return out
}

// order is a verb with all that it needs.
func (p *palette) order(v verb, args []string, list []pipelines.Pipeline, input string) command {
	c := command{name: strings.TrimRight(v.name+" "+strings.Join(args, " ")+" "+input, " ")}
	c.help = "enter does it"
	if len(list) > 1 {
		c.help = render.Count(len(list), "pipeline", "pipelines")
	}
	if v.changes {
		c.off = p.Env.ReadOnly()
	}
	if v.line != nil {
		c.line = p.Env.CommandLine(v.line(args, input)...)
	}
	if v.open != nil {
		c.msg = v.open(list[0].ID, input)
		return c
	}
	c.work = p.operate(v.operation, list)
	return c
}

// operate makes the request of an operation; up and preview are of pipelines that were
// checked by the rules of today.
func (p *palette) operate(op stack.Operation, list []pipelines.Pipeline) func(context.Context) (tea.Msg, error) {
	source, region := p.Env.Source, p.Env.Place().Region
	return func(ctx context.Context) (tea.Msg, error) {
		if op == stack.OperationUp || op == stack.OperationPreview {
			checked, err := data.Again(ctx, source, list)
			return ui.OpenDeploy{Request: pipelines.Request{Operation: op, Pipelines: checked}}, err
		}
		reached := make([]*spec.Pipeline, len(list))
		for i, x := range list {
			reached[i] = x.Reach(region)
		}
		return ui.OpenDeploy{Request: pipelines.Request{Operation: op, Pipelines: reached}}, nil
	}
}
