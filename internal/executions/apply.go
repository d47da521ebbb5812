package executions

import (
	"strings"
	"time"
)

// Apply takes the next event. Events must come in the order of their ids;
// earlier and repeated ones are ignored.
func (t *Timeline) Apply(e Event) {
	if e.ID <= t.LastID {
		return
	}
	t.LastID = e.ID
	if t.at == nil {
		t.at = map[int64]place{}
	}
	from, ok := t.at[e.Previous]
	if !ok {
		from = nowhere
	}
	switch {
	case strings.HasPrefix(e.Type, "Execution"):
		t.at[e.ID] = t.execution(e, from)
	case strings.HasSuffix(e.Type, "StateEntered"):
		t.at[e.ID] = t.entered(e, from)
	case strings.HasSuffix(e.Type, "StateExited"):
		t.at[e.ID] = t.exited(e, from)
	case strings.HasPrefix(e.Type, "MapIteration"):
		t.at[e.ID] = t.iteration(e, from)
	case e.Type == "EvaluationFailed":
		t.at[e.ID] = t.evaluation(e, from)
	case strings.HasPrefix(e.Type, "MapState"), strings.HasPrefix(e.Type, "ParallelState"), strings.HasPrefix(e.Type, "MapRun"):
		t.at[e.ID] = t.group(e, from)
	case strings.HasSuffix(e.Type, "StateAborted"):
		t.at[e.ID] = t.aborted(e, from)
	default:
		t.at[e.ID] = t.task(e, from)
	}
}

func (t *Timeline) entered(e Event, from place) place {
	v := Visit{
		Index: len(t.Visits), State: e.State, Type: strings.TrimSuffix(e.Type, "StateEntered"), Parent: -1,
		Status: VisitRunning, Entered: e.Time, Input: e.Input, InputBytes: e.InputBytes, enteredAfter: e.Previous,
	}
	switch {
	case from.inner:
		v.Parent, v.Iteration = from.visit, from.iteration
	case from.visit >= 0:
		v.Parent, v.Iteration = t.Visits[from.visit].Parent, t.Visits[from.visit].Iteration
	}
	if v.Parent >= 0 {
		v.Depth = t.Visits[v.Parent].Depth + 1
	}
	if v.Type == "Fail" {
		v.Status, v.Exited = VisitFailed, e.Time
	}
	t.Visits = append(t.Visits, v)
	return place{visit: v.Index, iteration: v.Iteration}
}

func (t *Timeline) exited(e Event, from place) place {
	i := t.climb(from, func(v *Visit) bool { return v.State == e.State && v.Exited.IsZero() })
	if i < 0 {
		return from
	}
	v := &t.Visits[i]
	v.Exited, v.Output, v.OutputBytes, v.Status = e.Time, e.Output, e.OutputBytes, VisitSucceeded
	switch last := len(v.Attempts) - 1; {
	case v.groupFailed, v.Error != "":
		v.Status = VisitCaught
	case last >= 0 && v.Attempts[last].Status != VisitSucceeded && !v.Attempts[last].Status.Open():
		v.Status = VisitCaught
		v.Error, v.Cause = v.Attempts[last].Error, v.Attempts[last].Cause
	}
	t.abandon(i, e.Time)
	return place{visit: i, iteration: v.Iteration}
}

// abandon closes what still runs inside a visit that has ended.
func (t *Timeline) abandon(parent int, at time.Time) {
	if kind := t.Visits[parent].Type; kind != "Map" && kind != "Parallel" {
		return
	}
	for i := parent + 1; i < len(t.Visits); i++ {
		v := &t.Visits[i]
		if !v.Status.Open() || !t.within(i, parent) {
			continue
		}
		v.Status, v.Exited = VisitAborted, at
		if n := len(v.Attempts); n > 0 && v.Attempts[n-1].Status == VisitFailed {
			v.Status, v.Error, v.Cause = VisitFailed, v.Attempts[n-1].Error, v.Attempts[n-1].Cause
		}
	}
}

func (t *Timeline) within(i, parent int) bool {
	for i >= 0 {
		if i = t.Visits[i].Parent; i == parent {
			return true
		}
	}
	return false
}

// climb goes from a place outward to the first visit that fits, or -1.
func (t *Timeline) climb(from place, fits func(*Visit) bool) int {
	for i := from.visit; i >= 0; i = t.Visits[i].Parent {
		if fits(&t.Visits[i]) {
			return i
		}
	}
	return -1
}

func (t *Timeline) iteration(e Event, from place) place {
	i := t.climb(from, func(v *Visit) bool { return v.Type == "Map" && (e.State == "" || v.State == e.State) })
	if i < 0 {
		return from
	}
	v := &t.Visits[i]
	if v.Map == nil {
		v.Map = &MapProgress{}
	}
	switch e.Type {
	case "MapIterationStarted":
		v.Map.Started++
		return place{visit: i, iteration: e.Iteration, inner: true}
	case "MapIterationSucceeded":
		v.Map.Succeeded++
	case "MapIterationFailed":
		v.Map.Failed++
		t.closeIteration(i, e, VisitFailed)
	case "MapIterationAborted":
		v.Map.Aborted++
		t.closeIteration(i, e, VisitAborted)
	}
	return place{visit: i, iteration: v.Iteration}
}

// closeIteration ends what still runs inside an iteration that failed: the
// state that failed last has failed, the others were aborted.
func (t *Timeline) closeIteration(parent int, e Event, last VisitStatus) {
	for i := len(t.Visits) - 1; i > parent; i-- {
		v := &t.Visits[i]
		if !v.Status.Open() || !t.within(i, parent) || !sameIteration(t.iterationIn(i, parent), e.Iteration) {
			continue
		}
		v.Status, v.Exited = last, e.Time
		if last == VisitFailed && len(v.Attempts) > 0 && v.Error == "" {
			a := v.Attempts[len(v.Attempts)-1]
			v.Error, v.Cause = a.Error, a.Cause
		}
	}
}

// iterationIn is the iteration of parent in which visit i lies.
func (t *Timeline) iterationIn(i, parent int) *int {
	for t.Visits[i].Parent != parent {
		i = t.Visits[i].Parent
	}
	return t.Visits[i].Iteration
}

func sameIteration(a, b *int) bool { return a != nil && b != nil && *a == *b }

func (t *Timeline) evaluation(e Event, from place) place {
	// AWS gives the id before the state was entered, so look for the entry that
	// followed the same event.
	for i := len(t.Visits) - 1; i >= 0; i-- {
		v := &t.Visits[i]
		if v.State == e.State && v.Exited.IsZero() && (v.enteredAfter == e.Previous || t.climb(from, func(x *Visit) bool { return x.Index == i }) == i) {
			v.Error, v.Cause = e.Error, e.Cause
			return place{visit: i, iteration: v.Iteration}
		}
	}
	return from
}

func (t *Timeline) group(e Event, from place) place {
	kind := "Map"
	if strings.HasPrefix(e.Type, "Parallel") {
		kind = "Parallel"
	}
	// A redrive goes on in a visit that had ended.
	redriven := e.Type == "MapRunRedriven"
	i := t.climb(from, func(v *Visit) bool { return v.Type == kind && (v.Exited.IsZero() || redriven) })
	if i < 0 {
		return from
	}
	if redriven {
		t.reopen(i)
	}
	v := &t.Visits[i]
	if kind == "Map" && v.Map == nil {
		v.Map = &MapProgress{}
	}
	p := place{visit: i, iteration: v.Iteration}
	switch e.Type {
	case "MapStateStarted", "ParallelStateStarted":
		v.groupFailed = false
		if kind == "Map" && e.Length != nil {
			*v.Map = MapProgress{Total: *e.Length, Run: v.Map.Run}
		}
		if n := len(v.Attempts); n > 0 && v.Attempts[n-1].Status.Open() { // a retry
			v.closeAttempt(e, VisitFailed)
		}
		v.Attempts = append(v.Attempts, Attempt{Status: VisitRunning, Scheduled: e.Time, Started: e.Time})
		p.inner = true
	case "MapRunStarted":
		v.Map.Run = e.MapRun
	case "MapRunRedriven":
		v.Map.Run = e.MapRun
		v.Attempts = append(v.Attempts, Attempt{Status: VisitRunning, Scheduled: e.Time, Started: e.Time})
	case "MapRunFailed":
		v.Error, v.Cause = e.Error, e.Cause
	case "MapStateSucceeded", "ParallelStateSucceeded":
		v.closeAttempt(e, VisitSucceeded)
	case "MapStateFailed", "ParallelStateFailed":
		v.groupFailed = true
		v.closeAttempt(e, VisitFailed)
	case "MapStateAborted", "ParallelStateAborted":
		return t.aborted(e, from)
	}
	return p
}

func (t *Timeline) aborted(e Event, from place) place {
	kind := strings.TrimSuffix(e.Type, "StateAborted")
	i := t.climb(from, func(v *Visit) bool { return v.Type == kind && v.Exited.IsZero() })
	if i < 0 {
		return from
	}
	v := &t.Visits[i]
	if n := len(v.Attempts); n > 0 && v.Attempts[n-1].Status.Open() {
		v.closeAttempt(e, VisitAborted)
	}
	v.Status, v.Exited = VisitAborted, e.Time
	return place{visit: i, iteration: v.Iteration}
}

// task takes the events of one attempt: TaskScheduled, LambdaFunctionFailed,
// ActivityStarted and the like.
func (t *Timeline) task(e Event, from place) place {
	if from.visit < 0 {
		return from
	}
	v := &t.Visits[from.visit]
	p := place{visit: from.visit, iteration: v.Iteration}
	switch {
	case strings.HasSuffix(e.Type, "Scheduled"):
		if v.Status != VisitRunning { // redriven
			v.Status, v.Exited, v.Error, v.Cause = VisitRunning, time.Time{}, "", ""
			t.reopen(v.Parent)
		}
		v.Attempts = append(v.Attempts, Attempt{
			Status: VisitRunning, Resource: e.Resource, Service: e.Service, Scheduled: e.Time, Input: e.Input,
		})
	case strings.HasSuffix(e.Type, "Submitted"):
		v.attempt(e).Output = e.Output
	case strings.HasSuffix(e.Type, "Started"):
		v.attempt(e).Started = e.Time
	case strings.HasSuffix(e.Type, "Succeeded"):
		v.closeAttempt(e, VisitSucceeded)
	case strings.HasSuffix(e.Type, "TimedOut"):
		v.closeAttempt(e, VisitTimedOut)
	case strings.HasSuffix(e.Type, "Failed"):
		v.closeAttempt(e, VisitFailed)
	}
	return p
}

// reopen makes the visits around a redriven one run again.
func (t *Timeline) reopen(i int) {
	for ; i >= 0; i = t.Visits[i].Parent {
		v := &t.Visits[i]
		v.Status, v.Exited, v.Error, v.Cause, v.groupFailed = VisitRunning, time.Time{}, "", "", false
	}
}

// attempt is the attempt under way; an event without a Scheduled before it (a
// schedule that failed) begins one.
func (v *Visit) attempt(e Event) *Attempt {
	if n := len(v.Attempts); n > 0 && v.Attempts[n-1].Status.Open() {
		return &v.Attempts[n-1]
	}
	v.Attempts = append(v.Attempts, Attempt{Status: VisitRunning, Resource: e.Resource, Service: e.Service, Scheduled: e.Time})
	return &v.Attempts[len(v.Attempts)-1]
}

func (v *Visit) closeAttempt(e Event, s VisitStatus) {
	a := v.attempt(e)
	a.Status, a.Ended, a.Error, a.Cause = s, e.Time, e.Error, e.Cause
	if e.Output != "" {
		a.Output = e.Output
	}
}

func (t *Timeline) execution(e Event, from place) place {
	switch e.Type {
	case "ExecutionStarted":
		t.Status, t.Start, t.Input = Running, e.Time, e.Input
	case "ExecutionRedriven":
		failed := t.FailedVisit
		t.Status, t.Stop, t.Error, t.Cause, t.Redrives = Running, time.Time{}, "", "", max(t.Redrives+1, e.Redrives)
		t.FailedVisit = nil
		if failed != nil { // the redrive goes on where it failed
			if v := &t.Visits[*failed]; len(v.Attempts) > 0 {
				v.redriven++
			}
			return place{visit: *failed, iteration: t.Visits[*failed].Iteration}
		}
		if from.visit >= 0 {
			return from
		}
	case "ExecutionSucceeded":
		t.end(e, Succeeded, VisitAborted)
		t.Output = e.Output
	case "ExecutionFailed":
		t.fail(e, from)
		t.end(e, Failed, VisitAborted)
	case "ExecutionAborted":
		t.end(e, Aborted, VisitAborted)
	case "ExecutionTimedOut":
		if cur := t.Current(); len(cur) > 0 {
			t.FailedVisit = &cur[len(cur)-1].Index
		}
		t.end(e, TimedOut, VisitTimedOut)
	}
	return nowhere
}

func (t *Timeline) end(e Event, s Status, open VisitStatus) {
	t.Status, t.Stop, t.Error, t.Cause = s, e.Time, e.Error, e.Cause
	for i := range t.Visits {
		v := &t.Visits[i]
		if v.Status.Open() {
			v.Status, v.Exited = open, e.Time
			if n := len(v.Attempts); n > 0 && v.Attempts[n-1].Status.Open() {
				v.Attempts[n-1].Status, v.Attempts[n-1].Ended = open, e.Time
			}
		}
	}
}

// fail finds the visit that brought the execution down: the innermost one below
// where the last event was that failed and was not caught.
func (t *Timeline) fail(e Event, from place) {
	i := from.visit
	if i < 0 {
		cur := t.Current()
		if len(cur) == 0 {
			return
		}
		i = cur[len(cur)-1].Index
	}
	// The Map or Parallel around it has failed with it.
	root := i
	for t.Visits[root].Parent >= 0 {
		root = t.Visits[root].Parent
	}
	if j := t.deepestFailure(root); j >= 0 {
		i = j
	}
	t.FailedVisit = &i
	for j := i; j >= 0; j = t.Visits[j].Parent {
		v := &t.Visits[j]
		v.Status = VisitFailed
		if n := len(v.Attempts); n > 0 && v.Attempts[n-1].Status.Open() {
			v.closeAttempt(e, VisitFailed)
		}
		if v.Exited.IsZero() {
			v.Exited = e.Time
		}
		if v.Error == "" {
			v.Error, v.Cause = e.Error, e.Cause
		}
	}
}

// deepestFailure is the newest visit inside root (or root) that failed itself.
func (t *Timeline) deepestFailure(root int) int {
	failed := func(v *Visit) bool {
		n := len(v.Attempts)
		bad := n > 0 && (v.Attempts[n-1].Status == VisitFailed || v.Attempts[n-1].Status == VisitTimedOut)
		return v.Status == VisitFailed || v.Status == VisitTimedOut || v.Status.Open() && (bad || v.Error != "")
	}
	best := -1
	for i := root; i < len(t.Visits); i++ {
		v := &t.Visits[i]
		if !failed(v) || i != root && !t.within(i, root) {
			continue
		}
		if best < 0 || v.Depth >= t.Visits[best].Depth {
			best = i
		}
	}
	return best
}
