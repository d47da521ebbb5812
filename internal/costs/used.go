package costs

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Measures are what a pipeline did over a time, as CloudWatch and SageMaker tell it.
type Measures struct {
	// Hours is how long the pipeline was there in that time, and EndpointHours how much of it the endpoint was there.
	Hours, EndpointHours float64
	// Instances is how many the endpoint has now: how many it had is not told.
	Instances int
	// Unseen is set if the endpoint did not tell that, or since when it is there: it is not
	// counted then.
	Unseen bool
	// Executions were started; Calls of the preprocess function took CallMS in all, Answers
	// of the endpoint's model AnswerMS.
	Executions, Calls, CallMS, Answers, AnswerMS float64
}

// Time gives a workload, which may be nil, the times of calls and answers on average.
func (m Measures) Time(w *Workload) {
	if w == nil {
		return
	}
	if m.Calls > 0 {
		w.FunctionMS = m.CallMS / m.Calls
	}
	if m.Answers > 0 {
		w.ModelMS = m.AnswerMS / m.Answers
	}
}

// Used is what a pipeline has cost over a time, by what was measured. Instances are counted
// as they are now for as long as the endpoint is there, state transitions by executions and,
// of data sets, by calls and answers.
func (p *Prices) Used(parts Parts, w *Workload, m Measures) Use {
	u := &Use{Region: parts.Region, Executions: int64(m.Executions), Lines: []Line{}}
	if m.Unseen && (parts.Instance != "" || parts.Kept > 0) {
		u.Unknown = append(u.Unknown, "the endpoint does not tell how many instances it has, or since when: what it has cost is not counted")
		parts.Instance, parts.Kept = "", 0
	}
	hours := Measured(m.EndpointHours)
	if n := Whole(int64(m.Instances)); parts.Instance != "" {
		p.use(u, fmt.Sprintf("%d x %s", m.Instances, parts.Instance), Hosting(parts.Instance), n.Of(hours), fmt.Sprintf("as many as now, for %s hours", hours.rounded()))
		p.use(u, "storage of instances", EndpointStorage, n.Of(Whole(int64(parts.VolumeGB))).Of(hours).Per(HoursAMonth), "")
	}
	if parts.Kept > 0 {
		p.use(u, "kept capacity for "+fault.Count(parts.Kept, "request", "requests"), Kept(parts.Memory), Whole(int64(parts.Kept)).Of(hours).Of(Whole(3600)), "")
	}
	months := Measured(m.Hours).Per(HoursAMonth)
	alarms := parts.Alarms
	if parts.Max > 0 {
		alarms += scalingAlarms
	}
	p.use(u, count(alarms, "alarm"), Alarm, Whole(int64(alarms)).Of(months), "")
	p.use(u, count(parts.Keys, "KMS key"), Key, Whole(int64(parts.Keys)).Of(months), "")
	if w == nil {
		return *u
	}
	n, calls := Measured(m.Executions), Measured(m.Calls)
	outer, each, item := w.shape()
	steps := n.Of(Whole(outer.steps)).And(calls.Of(Whole(each.steps))).And(Measured(m.Answers).Of(Whole(item.steps)))
	p.use(u, "state transitions", Transition, steps, "by executions, the longest way through the definition, without retries")
	p.use(u, "express executions", ExpressRequest, calls.Of(Whole(each.express)), "by calls of the function")
	p.use(u, "calls of the preprocess function", FunctionCall(w.Arch), calls, "")
	p.use(u, "time of calls of the preprocess function", FunctionTime(w.Arch), Measured(m.CallMS).Of(Whole(int64(w.Memory))).Per(1000*1024), "")
	p.use(u, "calls of the invoker", FunctionCall(w.Arch), n.Of(Whole(outer.invoker)), "by executions; their time is not counted")
	if w.Serverless > 0 {
		p.use(u, "answers of the serverless endpoint", Serverless(w.Serverless), Measured(m.AnswerMS).Per(1000), "")
	}
	p.use(u, "objects written", ObjectPut, n.Of(Whole(outer.puts)), "by executions")
	return *u
}

// shape is what an execution does by itself, and of a data set what each batch does and
// each item in it.
func (w *Workload) shape() (outer, batch, item tally) {
	of := func(items int64) tally {
		return (&walk{items: items, invoker: w.Invoker}).workflow(&w.Machine.Workflow)
	}
	if outer = of(0); !w.DataSet() {
		return outer, tally{}, tally{}
	}
	for _, s := range w.Machine.States {
		if s.Map == nil || !s.Map.Distributed {
			continue
		}
		in := &walk{invoker: w.Invoker}
		one, two := in.child(s.Map, 1), in.child(s.Map, 2)
		item.steps = two.steps - one.steps
		batch = one
		batch.steps -= item.steps
		break
	}
	return outer, batch, item
}

// rounded has a decimal at most.
func (q Quantity) rounded() string { return trimmed(q.rat().FloatString(1)) }
