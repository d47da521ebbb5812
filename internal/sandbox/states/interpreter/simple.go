package interpreter

import (
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
)

// input applies InputPath to the state's raw input (JSONPath states).
func (e *evaluation) input() (any, error) {
	p := e.st.InputPath
	v := e.b.cur.Input.v
	var err error
	switch {
	case e.st.QueryLanguage == asl.JSONata || !p.Set:
	case p.Null:
		v = value.NewObject(0)
	default:
		if v, err = e.with(v).path(p.Expr); err != nil {
			return nil, err
		}
	}
	e.b.x.inspected.set(func(d *types.InspectionData) **string { return &d.AfterInputPath }, v)
	return v, nil
}

// parameters returns what a task or the branches of a state are given.
func (e *evaluation) parameters() (any, error) {
	in, err := e.input()
	if err != nil {
		return nil, err
	}
	t := e.st.Parameters
	if e.st.QueryLanguage == asl.JSONata {
		t = e.st.Arguments
	}
	if t != nil {
		if in, err = e.with(in).template(t); err != nil {
			return nil, err
		}
	}
	e.b.x.inspected.set(func(d *types.InspectionData) **string {
		if e.st.QueryLanguage == asl.JSONata {
			return &d.AfterArguments
		}
		return &d.AfterParameters
	}, in)
	return in, nil
}

// output applies OutputPath.
func (e *evaluation) output(v any) (any, error) {
	p := e.st.OutputPath
	switch {
	case !p.Set:
		return v, nil
	case p.Null:
		return value.NewObject(0), nil
	}
	return e.with(v).path(p.Expr)
}

// place puts a result into the state's raw input as ResultPath says.
func (e *evaluation) place(p asl.Path, result any) (any, error) {
	in := e.b.cur.Input.v
	switch {
	case !p.Set:
		return result, nil
	case p.Null:
		return in, nil
	}
	out, ok := p.Expr.Ref.Path.Set(in, result)
	if !ok {
		return nil, failure.New(failure.ResultPath, e.prefix()+"Unable to apply step \""+p.Expr.Text+"\" to input "+value.String(in)).Err()
	}
	if value.Deep(out) { // of the catchable failures this is the one of the field
		return nil, failure.New(failure.ResultPath, e.prefix()+"Unable to apply the ResultPath to the input: what it makes "+failure.Nested).Err()
	}
	return out, nil
}

// leave turns a state's result into its output and its variables and records
// the exit. It serves Pass, Task, Parallel and Map.
func (b *branch) leave(st *asl.State, ev *evaluation, result any) error {
	var out any
	var vars *value.Object
	var err error
	ins := b.x.inspected
	ins.set(func(d *types.InspectionData) **string { return &d.Result }, result)
	if st.QueryLanguage == asl.JSONata {
		r := ev
		if st.Type != asl.Pass {
			r = ev.withResult(result)
		}
		out = result
		if st.Output != nil {
			if out, err = r.template(st.Output); err != nil {
				return err
			}
		}
		if vars, err = r.assign(st.Assign); err != nil {
			return err
		}
		return b.exit(st, out, vars, st.Next)
	}
	if st.ResultSelector != nil {
		if result, err = ev.with(result).template(st.ResultSelector); err != nil {
			return err
		}
	}
	ins.set(func(d *types.InspectionData) **string { return &d.AfterResultSelector }, result)
	if vars, err = ev.with(result).assign(st.Assign); err != nil {
		return err
	}
	if out, err = ev.place(st.ResultPath, result); err != nil {
		return err
	}
	ins.set(func(d *types.InspectionData) **string { return &d.AfterResultPath }, out)
	if out, err = ev.output(out); err != nil {
		return err
	}
	return b.exit(st, out, vars, st.Next)
}

func (b *branch) pass(st *asl.State, ev *evaluation) error {
	result, err := ev.parameters()
	if err != nil {
		return err
	}
	if st.Result != nil {
		result = st.Result.Value
	}
	return b.leave(st, ev, result)
}

// through records the exit of a state that hands its input on: Wait, Succeed
// and Choice.
func (b *branch) through(st *asl.State, ev *evaluation, output, assign *asl.Template, next string) error {
	out, err := ev.input()
	if err != nil {
		return err
	}
	vars, err := ev.with(out).assign(assign)
	if err != nil {
		return err
	}
	if st.QueryLanguage == asl.JSONata {
		if output != nil {
			out, err = ev.template(output)
		}
	} else {
		out, err = ev.output(out)
	}
	if err != nil {
		return err
	}
	return b.exit(st, out, vars, next)
}

func (b *branch) succeed(st *asl.State, ev *evaluation) error {
	return b.through(st, ev, st.Output, nil, "")
}

func (b *branch) failState(st *asl.State, ev *evaluation) error {
	in, err := ev.input()
	if err != nil {
		return err
	}
	ev = ev.with(in)
	f := &failure.Failure{NoError: !st.Error.IsSet(), NoCause: !st.Cause.IsSet()}
	if f.Error, err = ev.text(st.Error); err != nil {
		return err
	}
	if f.Cause, err = ev.text(st.Cause); err != nil {
		return err
	}
	return f.Err()
}

// text evaluates a scalar field that is a string.
func (e *evaluation) text(s asl.Scalar) (string, error) {
	v := s.Literal
	if s.Expr != nil {
		var err error
		if s.Expr.Kind == asl.KindJSONata {
			v, err = e.typed(s.Expr, "string")
		} else {
			v, err = e.expr(s.Expr)
		}
		if err != nil {
			return "", err
		}
	}
	text, ok := v.(string)
	if !ok && s.IsSet() {
		return "", e.runtime("The %s field refers to value \"%s\" which is not a string: %s", s.Name, value.String(v), s.Expr.Text)
	}
	return text, nil
}

func (b *branch) wait(st *asl.State, ev *evaluation) error {
	if b.cur.Phase != phaseWait {
		until, err := ev.waitUntil()
		if err != nil {
			return err
		}
		b.step(func(*stepper) { b.cur.Phase, b.cur.Until = phaseWait, until })
	}
	if err := b.sleepUntil(b.cur.Until); err != nil {
		return err
	}
	return b.through(st, ev, st.Output, st.Assign, st.Next)
}

// waitUntil computes the end of a Wait state.
func (e *evaluation) waitUntil() (time.Time, error) {
	in, err := e.input()
	if err != nil {
		return time.Time{}, err
	}
	e = e.with(in)
	for _, s := range []asl.Scalar{e.st.Seconds, e.st.Timestamp} {
		if s.Expr == nil || s.Expr.Kind != asl.KindRef {
			continue
		}
		if _, err := s.Expr.Ref.Eval(e); err != nil {
			return time.Time{}, e.runtime("The %s parameter does not reference an input value: %s", s.Name, s.Expr.Text)
		}
	}
	if e.st.Seconds.IsSet() {
		n, _, err := e.integer(e.st.Seconds, 0, maxSeconds)
		return e.b.cur.EnteredAt.Add(time.Duration(n) * time.Second), err
	}
	s := e.st.Timestamp
	v := s.Literal
	switch {
	case s.Expr == nil:
	case s.Expr.Kind == asl.KindJSONata:
		v, err = e.typed(s.Expr, "string")
	default:
		v, err = e.path(s.Expr)
	}
	if err != nil {
		return time.Time{}, err
	}
	text, isText := v.(string)
	if isText {
		if t, err := asl.ParseTimestamp(text); err == nil {
			if t.Sub(e.b.cur.EnteredAt) > maxWait {
				return time.Time{}, e.runtime("Wait state delay is too long.")
			}
			return t, nil
		}
	} else {
		text = value.String(v)
	}
	if s.Expr != nil && s.Expr.Kind == asl.KindJSONata {
		err := e.query("Timestamp", "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: %s", text)
		f, _ := failure.Of(err)
		f.AtEntry = false
		return time.Time{}, err
	}
	return time.Time{}, e.runtime("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: %s == %s", s.Expr.Text, text)
}

// maxWait is the longest time that AWS waits: 2^31-1 seconds, some 68 years.
const maxWait = math.MaxInt32 * time.Second

// maxSeconds is the largest time that a state may give.
const maxSeconds = 99_999_999
