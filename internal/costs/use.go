package costs

import (
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Assumed is what is taken where nothing was measured: how long a call of a function and
// an answer of a model take.
const (
	AssumedFunctionMS = 100
	AssumedModelMS    = 100
)

// expressMemory is the memory of an express execution that is counted: AWS bills it in
// chunks of 64 MB, by the size of the definition and of what is worked on, and its time in
// steps of 100 ms. (aws.amazon.com/step-functions/pricing)
const (
	expressMemory = 64
	expressStepMS = 100
)

// Workload is how a pipeline works, as far as that costs money.
type Workload struct {
	Region  string
	Machine *asl.Machine
	// Arch and Memory are those of the preprocess function. Invoker is the name of the function
	// that calls the endpoint, "" if there is none, and InvokerMemory its memory in MB.
	Arch          string
	Memory        int
	Invoker       string
	InvokerMemory int
	// Serverless is the memory of a serverless endpoint in MB, 0 if it has instances: then
	// an answer costs nothing by itself.
	Serverless int
	// FunctionMS and ModelMS are how long a call and an answer took on average; 0 if that
	// was not measured.
	FunctionMS, ModelMS float64
}

// Use is what executions cost by being run.
type Use struct {
	Region     string `json:"region"`
	Executions int64  `json:"executions"`
	// Items are those of a data set that each execution works through, 0 of one input.
	Items   int64    `json:"items,omitempty"`
	Total   Money    `json:"total"`
	Unknown []string `json:"unknown,omitempty"`
	Lines   []Line   `json:"lines"`
}

// Complete tells whether everything has a price.
func (u *Use) Complete() bool { return len(u.Unknown) == 0 }

// Text is what it costs, for a reader.
func (u *Use) Text() string {
	text := u.Total.String() + " " + Currency
	if !u.Complete() {
		text = "at least " + text
	}
	return text
}

// About is Text within a sentence.
func (u *Use) About() string {
	if u.Complete() {
		return "about " + u.Text()
	}
	return u.Text()
}

// Together is what several pipelines cost together: nil if that is known of none of them, and at
// least so much if it is not known of one, which is nil in the list.
func Together(list []*Use) *Use {
	sum, known := Use{}, 0
	for _, u := range list {
		if u != nil {
			sum.Total, known = sum.Total.Plus(u.Total), known+1
			sum.Unknown = append(sum.Unknown, u.Unknown...)
		}
	}
	if known == 0 {
		return nil
	}
	if known < len(list) {
		sum.Unknown = append(sum.Unknown, "pipelines")
	}
	return &sum
}

// Executions is what executions cost that each work through so many items. It counts the
// longest way through the definition without retries, calls of functions, answers of a
// serverless endpoint, and objects that states write. Logs, traces, storage and what
// functions do besides are not counted.
func (p *Prices) Executions(w *Workload, executions, items int64) Use {
	u := &Use{Region: w.Region, Executions: executions, Items: items, Lines: []Line{}}
	t := (&walk{items: items, invoker: w.Invoker}).workflow(&w.Machine.Workflow)
	functionMS, functionBasis := measured(w.FunctionMS, AssumedFunctionMS, "a call")
	modelMS, modelBasis := measured(w.ModelMS, AssumedModelMS, "an answer")
	n := Whole(executions)
	p.use(u, "state transitions", Transition, Whole(t.steps).Of(n), "the longest way through the definition, without retries"+t.loops())
	p.use(u, "express executions", ExpressRequest, Whole(t.express).Of(n), "")
	// The time of express children is that of the calls in them.
	ms := functionMS.Of(Whole(t.expressCalls)).And(modelMS.Of(Whole(t.expressAnswers)))
	if least := Whole(expressStepMS).Of(Whole(t.express)); ms.rat().Cmp(least.rat()) < 0 {
		ms = least
	}
	p.use(u, "time of express executions", ExpressTime, ms.Of(n).Of(Whole(expressMemory)).Per(1000*1024), "64 MB each, one call after the other")
	for _, f := range []struct {
		what   string
		calls  int64
		memory int
	}{{"calls of the preprocess function", t.calls, w.Memory}, {"calls of the invoker", t.invoker, w.InvokerMemory}} {
		p.use(u, f.what, FunctionCall(w.Arch), Whole(f.calls).Of(n), "")
		p.use(u, "time of "+f.what, FunctionTime(w.Arch), Whole(f.calls).Of(n).Of(functionMS).Of(Whole(int64(f.memory))).Per(1000*1024), functionBasis)
	}
	if w.Serverless > 0 {
		p.use(u, "answers of the serverless endpoint", Serverless(w.Serverless), Whole(t.answers+t.invoker).Of(n).Of(modelMS).Per(1000), modelBasis)
	}
	p.use(u, "objects written", ObjectPut, Whole(t.puts).Of(n), "")
	return *u
}

func measured(ms float64, otherwise int, what string) (Quantity, string) {
	if ms > 0 {
		return Measured(ms), fmt.Sprintf("%s takes %.0f ms, as measured", what, ms)
	}
	return Whole(int64(otherwise)), fmt.Sprintf("%s is assumed to take %d ms: none was measured", what, otherwise)
}

// use counts a quantity of an item; nothing costs nothing.
func (p *Prices) use(u *Use, what string, item Item, n Quantity, basis string) {
	if n.rat().Sign() == 0 {
		return
	}
	l := Line{What: what, Item: item, Quantity: n, Unit: item.Unit(), Basis: basis}
	if price, ok := p.Of(u.Region, item); ok {
		amount := price.USD.Times(n)
		l.Price, l.Amount = &price, &amount
		u.Total = u.Total.Plus(amount)
	} else {
		u.Unknown = append(u.Unknown, noPrice(what, u.Region))
	}
	u.Lines = append(u.Lines, l)
}

// tally is what one execution does.
type tally struct {
	steps, calls, invoker, answers, puts  int64
	express, expressCalls, expressAnswers int64
	// looped is set if a state comes twice: it is counted once.
	looped bool
}

func (t tally) loops() string {
	if t.looped {
		return ", each loop once"
	}
	return ""
}

func (t tally) plus(o tally) tally {
	return tally{
		t.steps + o.steps, t.calls + o.calls, t.invoker + o.invoker, t.answers + o.answers, t.puts + o.puts,
		t.express + o.express, t.expressCalls + o.expressCalls, t.expressAnswers + o.expressAnswers, t.looped || o.looped,
	}
}

func (t tally) times(n int64) tally {
	return tally{t.steps * n, t.calls * n, t.invoker * n, t.answers * n, t.puts * n, t.express * n, t.expressCalls * n, t.expressAnswers * n, t.looped}
}

// weight orders ways: what costs most first of all by its steps.
func (t tally) weight() int64 { return t.steps + t.calls + t.invoker + t.answers + t.puts + t.express }

// walk goes through a definition for so many items.
type walk struct {
	items   int64
	invoker string
}

// workflow is the dearest way through a workflow.
func (w *walk) workflow(wf *asl.Workflow) tally {
	states := map[string]*asl.State{}
	for _, s := range wf.States {
		states[s.Name] = s
	}
	done, under := map[string]tally{}, map[string]bool{}
	var from func(name string) tally
	from = func(name string) tally {
		s := states[name]
		switch t, known := done[name]; {
		case s == nil:
			return tally{}
		case known:
			return t
		case under[name]:
			return tally{looped: true}
		}
		under[name] = true
		next := []string{s.Next, s.Default}
		for _, c := range s.Choices {
			next = append(next, c.Next)
		}
		var best tally
		for _, n := range next {
			if t := from(n); t.weight() > best.weight() || best.weight() == 0 {
				t.looped = t.looped || best.looped
				best = t
			}
		}
		under[name] = false
		done[name] = w.state(s).plus(best)
		return done[name]
	}
	return from(wf.StartAt)
}

// state is what a state does once.
func (w *walk) state(s *asl.State) tally {
	t := tally{steps: 1}
	switch {
	case s.Type == asl.Task:
		w.task(s, &t)
	case s.Map != nil && s.Map.Distributed:
		t = t.plus(w.children(s.Map))
	case s.Map != nil:
		t = t.plus((&walk{items: 1, invoker: w.invoker}).workflow(s.Map.Processor).times(w.rounds(s.Map)))
	}
	for _, b := range s.Branches {
		t = t.plus(w.workflow(b))
	}
	return t
}

func (w *walk) task(s *asl.State, t *tally) {
	switch r := s.Resource; {
	case strings.Contains(r, ":lambda:"):
		if w.invoker != "" && strings.Contains(functionOf(s), ":"+w.invoker+":") {
			t.invoker++
		} else {
			t.calls++
		}
	case strings.HasSuffix(r, ":sagemakerruntime:invokeEndpoint"):
		t.answers++
	case strings.HasSuffix(r, ":s3:putObject"):
		t.puts++
	}
}

// functionOf is the function that a state calls, "" if an expression says which.
func functionOf(s *asl.State) string {
	for _, t := range []*asl.Template{s.Arguments, s.Parameters} {
		if f := t.Field("FunctionName"); f != nil && f.Static {
			name, _ := f.Literal.(string)
			return name
		}
	}
	return s.Resource
}

// children are those of a distributed Map: an execution for each batch of items. The last
// batch may be smaller than the others.
func (w *walk) children(m *asl.MapSpec) tally {
	batch := int64(1)
	if m.Batcher != nil {
		batch = max(1, whole(m.Batcher.MaxItems))
	}
	full, rest := w.items/batch, w.items%batch
	t := w.child(m, batch).times(full)
	if rest > 0 {
		t = t.plus(w.child(m, rest))
	}
	return t
}

// child is one execution of a distributed Map, over so many items. Express ones are paid by
// request and time, standard ones by transitions.
func (w *walk) child(m *asl.MapSpec, items int64) tally {
	t := (&walk{items: items, invoker: w.invoker}).workflow(m.Processor)
	if m.ExecutionType == "EXPRESS" {
		t.steps, t.express, t.expressCalls, t.expressAnswers = 0, 1, t.calls+t.invoker, t.answers
	}
	return t
}

// rounds is how often an inline Map goes round: once for each item that its execution has,
// if it works on its input; not at all if on a variable, which in batches holds what could
// not be done.
func (w *walk) rounds(m *asl.MapSpec) int64 {
	if m.Items != nil && m.Items.Expr != nil && !strings.Contains(m.Items.Expr.Text, "$states.input") && len(m.Items.Expr.Variables()) > 0 {
		return 0
	}
	return max(1, w.items)
}

// whole is a literal whole number, 0 if it is none or an expression.
func whole(s asl.Scalar) int64 {
	n, _ := s.Literal.(value.Number)
	i, _ := n.Int64()
	return i
}

// DataSet tells whether an execution works through a data set: then it is paid by its items.
func (w *Workload) DataSet() bool {
	for _, s := range w.Machine.States {
		if s.Map != nil && s.Map.Distributed {
			return true
		}
	}
	return false
}
