package interpreter

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
)

// afterFailure decides about a failure: another attempt, a catcher, or the end
// of the branch.
func (b *branch) afterFailure(st *asl.State, ev *evaluation, f *failure.Failure) error {
	retried, err := b.retry(st, ev, f)
	if retried || err != nil {
		return err
	}
	if f.Error != failure.Runtime && !f.StateFailed {
		switch st.Type {
		case asl.Map:
			b.step(func(s *stepper) { s.event("MapStateFailed", nil); f.StateFailed = true })
		case asl.Parallel:
			b.step(func(s *stepper) { s.event("ParallelStateFailed", nil); f.StateFailed = true })
		}
	}
	for i := range st.Catch {
		if !caught(st.Catch[i].ErrorEquals, f) {
			continue
		}
		return b.catch(st, ev, &st.Catch[i], f)
	}
	return f.Err()
}

// caught reports whether a list of error names holds the failure's. Nothing
// catches States.Runtime, not even its own name.
func caught(names []string, f *failure.Failure) bool {
	if f.Error == failure.Runtime {
		return false
	}
	for _, name := range names {
		switch name {
		case f.Error:
			if !f.NoError {
				return true
			}
		case "States.ALL":
			return true
		case failure.TaskFailed:
			if !strings.HasPrefix(f.Error, "States.") || f.Error == failure.Permissions || f.Error == failure.TaskFailed {
				return true
			}
		case failure.HeartbeatTimeout:
			if f.Heartbeat {
				return true
			}
		}
	}
	return false
}

// retry schedules another attempt if a retrier matches and has attempts left.
func (b *branch) retry(st *asl.State, ev *evaluation, f *failure.Failure) (bool, error) {
	i := slices.IndexFunc(st.Retry, func(r asl.Retrier) bool { return caught(r.ErrorEquals, f) })
	if i < 0 {
		return false, nil
	}
	r := &st.Retry[i]
	limit, err := ev.number(r.MaxAttempts)
	if err != nil {
		return false, err
	}
	used := 0
	if i < len(b.cur.Attempts) {
		used = b.cur.Attempts[i]
	}
	if float64(used) >= limit {
		return false, nil
	}
	interval, err := ev.number(r.IntervalSeconds)
	if err != nil {
		return false, err
	}
	backoff, err := ev.number(r.BackoffRate)
	if err != nil {
		return false, err
	}
	seconds := interval * math.Pow(backoff, float64(used))
	if r.MaxDelaySeconds > 0 {
		seconds = min(seconds, float64(r.MaxDelaySeconds))
	}
	seconds = min(seconds, maxSeconds)
	if r.FullJitter {
		seconds *= rand.Float64() // jitter
	}
	until := b.x.s.now().Add(time.Duration(seconds * float64(time.Second)))
	b.step(func(*stepper) {
		attempts := make([]int, len(st.Retry))
		copy(attempts, b.cur.Attempts)
		attempts[i]++
		c := &b.cur
		c.Attempts, c.Retries = attempts, c.Retries+1
		c.Phase, c.Until, c.Failure = phaseRetry, until, nil
		c.Token, c.Job, c.Result, c.Items = "", "", doc{}, doc{}
	})
	return true, nil
}

// number evaluates a retrier's field.
func (e *evaluation) number(s asl.Scalar) (float64, error) {
	v := s.Literal
	if s.Expr != nil {
		var err error
		if v, err = e.typed(s.Expr, "number"); err != nil {
			return 0, err
		}
	}
	n, ok := v.(value.Number)
	if !ok { // literals are numbers by the parser
		return 0, e.wrongType(s.Name, "number", v)
	}
	return n.Float64(), nil
}

// catch records the exit of a failed state towards a catcher's target.
func (b *branch) catch(st *asl.State, ev *evaluation, c *asl.Catcher, f *failure.Failure) error {
	var out any = f.Output()
	var vars *value.Object
	var err error
	if st.QueryLanguage == asl.JSONata {
		ev = ev.withError(out)
		if vars, err = ev.assign(c.Assign); err == nil && c.Output != nil {
			out, err = ev.template(c.Output)
		}
	} else {
		if vars, err = ev.with(out).assign(c.Assign); err == nil {
			out, err = ev.place(c.ResultPath, out)
		}
	}
	if err == nil {
		err = b.exit(st, out, vars, c.Next)
	}
	if f2, failed := failure.Of(err); failed && f2.Evaluation {
		b.step(func(s *stepper) {
			b.cur.Head = s.side("EvaluationFailed", b.cur.Head, (&history.Details{Location: f2.Location, State: f2.State}).WithFailure(f2.ErrorText(), f2.CauseText()))
		})
	}
	return err
}
