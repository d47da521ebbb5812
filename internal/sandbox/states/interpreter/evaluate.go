package interpreter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/intrinsic"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonpath"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// evaluation resolves the expressions of one state. It implements
// jsonpath.Scope.
type evaluation struct {
	b  *branch
	st *asl.State

	data  any // what "$" is
	token string
	// states are the members of $states besides input and context.
	result, errorOutput doc
	item                *value.Object // overrides the branch's, while a Map selects items

	contextObject *value.Object
	bound         map[string]jsonata.Bound
	watching      bool // inside a template or an expression
}

// watched notes that the execution is being evaluated until the returned function
// is called.
func (e *evaluation) watched() func() {
	if e.watching || e.b.x.inspected != nil {
		return func() {}
	}
	e.watching = true
	end := e.b.x.s.evaluating.Mark(e.b.x.rec.RunKey(), e.b.path, e.b.x.deaths > 0)
	return func() { e.watching = false; end() }
}

func (b *branch) evaluation(st *asl.State) *evaluation {
	return &evaluation{b: b, st: st, data: b.cur.Input.v, item: b.item, token: b.cur.Token}
}

// with returns an evaluation whose "$" is data.
func (e *evaluation) with(data any) *evaluation {
	c := *e
	c.data = data
	return &c
}

// withResult returns an evaluation in which $states.result is set.
func (e *evaluation) withResult(v any) *evaluation {
	c := *e
	c.result, c.bound = docOf(v), nil
	return &c
}

// withError returns an evaluation in which $states.errorOutput is set.
func (e *evaluation) withError(v any) *evaluation {
	c := *e
	c.errorOutput, c.bound = docOf(v), nil
	return &c
}

// withItem returns an evaluation inside a Map's item.
func (e *evaluation) withItem(item *value.Object) *evaluation {
	c := *e
	c.item, c.contextObject, c.bound = item, nil, nil
	return &c
}

// withToken returns an evaluation in which the context object has a task token.
func (e *evaluation) withToken(token string) *evaluation {
	c := *e
	c.token, c.contextObject, c.bound = token, nil, nil
	return &c
}

// Data is "$".
func (e *evaluation) Data() any { return e.data }

// Variable finds a workflow variable.
func (e *evaluation) Variable(name string) (any, bool) { return e.b.lookup(name) }

// Context is "$$".
func (e *evaluation) Context() any {
	if e.contextObject != nil {
		return e.contextObject
	}
	b := e.b
	if b.x.inspected != nil { // a test brings its own
		return b.x.context
	}
	c := b.x.context.Clone()
	state := value.Of("Name", e.st.Name, "EnteredTime", asl.Timestamp(b.cur.EnteredAt))
	switch e.st.Type {
	case asl.Task, asl.Parallel, asl.Map:
		state.Set("RetryCount", value.Int(int64(b.cur.Retries)))
	}
	c.Set("State", state)
	if e.item != nil {
		c.Set("Map", e.item)
	}
	if e.token != "" {
		c.Set("Task", value.Of("Token", e.token))
	}
	e.contextObject = c
	return c
}

// prefix begins the cause of every error inside a state.
func (e *evaluation) prefix() string {
	if e.b.x.inspected != nil { // TestState does not name the place
		return ""
	}
	return fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). ", e.st.Name, e.b.cur.Entered)
}

// runtime is an error of JSONPath data flow, which nothing catches.
func (e *evaluation) runtime(format string, args ...any) error {
	return failure.New(failure.Runtime, e.prefix()+fmt.Sprintf(format, args...)).Err()
}

// query is an error of JSONata data flow.
func (e *evaluation) query(field, format string, args ...any) error {
	return (&failure.Failure{
		Error: failure.QueryEvaluation, Cause: e.prefix() + fmt.Sprintf(format, args...),
		Evaluation: true, Location: field, State: e.st.Name, AtEntry: true,
	}).Err()
}

// tooLarge says that a state makes more data than it may have.
func (e *evaluation) tooLarge() error { return failure.TooLarge(e.st.Name) }

// template evaluates a payload template.
func (e *evaluation) template(t *asl.Template) (any, error) {
	if t.Static {
		return t.Literal, nil
	}
	defer e.watched()()
	left := maxBuilt
	v, err := e.build(t, &left)
	if err != nil {
		return nil, err
	}
	return v, e.shallow(v)
}

// build is template; left is what all of it may still hold.
func (e *evaluation) build(t *asl.Template, left *int) (any, error) {
	switch {
	case t.Static:
		return t.Literal, nil
	case t.Expr != nil:
		v, err := e.expr(t.Expr)
		if err != nil {
			return nil, err
		}
		if *left = value.Room(v, *left); *left < 0 {
			return nil, e.tooLarge()
		}
		return v, nil
	case t.List:
		out := make([]any, len(t.Elems))
		for i, el := range t.Elems {
			v, err := e.build(el, left)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	default:
		out := value.NewObject(len(t.Keys))
		for i, k := range t.Keys {
			v, err := e.build(t.Elems[i], left)
			if err != nil {
				return nil, err
			}
			out.Set(k, v)
		}
		return out, nil
	}
}

// expr evaluates one expression.
func (e *evaluation) expr(x *asl.Expr) (any, error) {
	switch x.Kind {
	case asl.KindJSONata:
		return e.jsonata(x)
	case asl.KindIntrinsic:
		v, err := x.Intrinsic.Eval(e, intrinsicEnv)
		if err == nil {
			return v, nil
		}
		if errors.Is(err, intrinsic.ErrTooLarge) {
			return nil, e.tooLarge()
		}
		var ref *intrinsic.RefError
		if errors.As(err, &ref) {
			return nil, e.notFound(ref.Ref, x.Field)
		}
		return nil, e.runtime("%s", err)
	default:
		v, err := x.Ref.Eval(e)
		if err != nil {
			return nil, e.notFound(x.Ref, x.Field)
		}
		return v, nil
	}
}

// notFound words a reference of a template that leads nowhere.
func (e *evaluation) notFound(r *jsonpath.Ref, field string) error {
	var in any
	switch r.Source {
	case jsonpath.FromContext:
		in = e.Context()
	case jsonpath.FromVariable:
		in, _ = e.b.lookup(r.Variable)
	default:
		in = e.data
	}
	return e.runtime("The JSONPath '%s' specified for the field '%s' could not be found in the input '%s'", r.Text, field, value.String(in))
}

// path evaluates a field that is a path itself (InputPath, SecondsPath), which
// has a wording of its own.
func (e *evaluation) path(x *asl.Expr) (any, error) {
	if x.Kind != asl.KindRef {
		return e.expr(x)
	}
	defer e.watched()()
	v, err := x.Ref.Eval(e)
	if err != nil {
		return nil, e.runtime("Invalid path '%s' : %s", x.Text, err)
	}
	return v, nil
}

var intrinsicEnv = intrinsic.Env{UUID: wire.NewID, Random: rand.Float64}

// jsonata evaluates an expression of JSONata.
func (e *evaluation) jsonata(x *asl.Expr) (any, error) {
	defer e.watched()()
	v, err := e.b.x.s.JSONata.Eval(e.b.ctx, x.JSONata, e.bindings())
	what := fmt.Sprintf("The JSONata expression '%s' specified for the field '%s' ", x.Text, x.Field)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, jsonata.ErrUndefined):
		return nil, e.query(x.Field, "%sreturned nothing (undefined).", what)
	case errors.Is(err, jsonata.ErrUnsupported):
		return nil, e.query(x.Field, "%sreturned an unsupported result type.", what)
	case errors.Is(err, jsonata.ErrInternal):
		id := wire.NewID()
		var crash *gnata.PanicError
		if errors.As(err, &crash) {
			e.b.x.s.Log.Error("panic in an evaluation", "execution", e.b.x.rec.Key(), "state", e.st.Name, "expression", x.Text, "id", id, "panic", crash.Value, "stack", string(crash.Stack))
		}
		return nil, e.query(x.Field, "%sthrew an internal error during evaluation. %s", what, id)
	}
	var limit *jsonata.LimitError
	if errors.As(err, &limit) {
		return nil, e.query(x.Field, "%sthrew an error during evaluation: %s", what, err)
	}
	return nil, e.query(x.Field, "%sthrew an error during evaluation. %s", what, err)
}

// bindings are $states and the variables.
func (e *evaluation) bindings() map[string]jsonata.Bound {
	if e.bound != nil {
		return e.bound
	}
	vars := e.b.bindings()
	out := make(map[string]jsonata.Bound, len(vars)+1)
	for k, v := range vars {
		out[k] = v
	}
	states := value.Of("input", e.b.cur.Input.v, "context", e.Context())
	if e.result.set {
		states.Set("result", e.result.v)
	}
	if e.errorOutput.set {
		states.Set("errorOutput", e.errorOutput.v)
	}
	out["states"] = jsonata.Bind(states)
	e.bound = out
	return out
}

// typed evaluates an expression of JSONata that must yield a type.
func (e *evaluation) typed(x *asl.Expr, want string) (any, error) {
	v, err := e.jsonata(x)
	if err != nil {
		return nil, err
	}
	return v, e.expect(x, v, want)
}

// expect refuses what an expression yielded if it is not of the type.
func (e *evaluation) expect(x *asl.Expr, v any, want string) error {
	got := value.TypeName(v)
	if got == want {
		return nil
	}
	return e.query(x.Field, "The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. Expected '%s', but was '%s' for value: %s",
		x.Text, x.Field, want, got, value.String(v))
}

// textOf takes a member that must be a text out of a template's value. Where it may
// be left out, it is "".
func (e *evaluation) textOf(v any, field, key string, required bool) (string, error) {
	o, ok := v.(*value.Object)
	if !ok {
		return "", e.wrongType(field, "object", v)
	}
	member, given := o.Get(key)
	if !given && !required {
		return "", nil
	}
	text, ok := member.(string)
	if !ok {
		return "", e.wrongType(field+"/"+key, "string", member)
	}
	return text, nil
}

// wrongType is the error of a field whose value has another type than it must.
func (e *evaluation) wrongType(field, want string, v any) error {
	const format = "The field '%s' must be of type '%s', but was '%s' for value: %s"
	if e.st.QueryLanguage == asl.JSONata {
		return e.query(field, format, field, want, value.TypeName(v), value.String(v))
	}
	return e.runtime(format, field, want, value.TypeName(v), value.String(v))
}

// integer evaluates a scalar field that is a whole number. ok is false if the
// field is not set.
func (e *evaluation) integer(s asl.Scalar, lo, hi int64) (n int64, ok bool, err error) {
	if !s.IsSet() {
		return 0, false, nil
	}
	v := s.Literal
	if s.Expr != nil {
		if s.Expr.Kind == asl.KindJSONata {
			v, err = e.typed(s.Expr, "number")
		} else {
			v, err = e.path(s.Expr)
		}
		if err != nil {
			return 0, false, err
		}
	}
	num, isNumber := v.(value.Number)
	if text, isText := v.(string); isText && s.Expr != nil && s.Expr.Kind != asl.KindJSONata {
		if parsed, err := value.Parse(text); err == nil { // Step Functions takes digits in a text
			num, isNumber = parsed.(value.Number)
		}
	}
	n, whole := num.Int64()
	if !isNumber || !whole {
		return 0, false, e.notInteger(s, v)
	}
	if n < lo || n > hi {
		return 0, false, e.outOfRange(s, v, lo, hi)
	}
	return n, true, nil
}

// bareTexts are the fields of JSONata states whose errors do not name the
// expression (measured on AWS: github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/Feature.JSONataValidation-008 and -010).
var bareTexts = []string{"TimeoutSeconds", "HeartbeatSeconds"}

func (e *evaluation) notInteger(s asl.Scalar, v any) error {
	if s.Expr != nil && s.Expr.Kind == asl.KindJSONata {
		if slices.Contains(bareTexts, s.Name) {
			return e.query(s.Name, "The %s field cannot be parsed as an integer: %s", s.Name, value.String(v))
		}
		return e.query(s.Name, "The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. Expected 'integer', but was 'number' for value: %s",
			s.Expr.Text, s.Name, value.String(v))
	}
	text := ""
	if s.Expr != nil {
		text = s.Expr.Text
	}
	if s.Name == "SecondsPath" {
		return e.runtime("The SecondsPath parameter cannot be parsed as a long value: %s == %s", text, value.String(v))
	}
	return e.runtime("The %s field refers to value \"%s\" which is not a valid integer: %s", s.Name, plain(v), text)
}

// plain is a value inside a message: a text has no quotes of its own there.
func plain(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return value.String(v)
}

func (e *evaluation) outOfRange(s asl.Scalar, v any, lo, hi int64) error {
	if s.Expr != nil && s.Expr.Kind == asl.KindJSONata {
		if slices.Contains(bareTexts, s.Name) {
			return e.query(s.Name, "%s must be between %d and %d but was: %s", s.Name, lo, hi, value.String(v))
		}
		return e.query(s.Name, "The value returned by the JSONata expression '%s' specified for the field '%s' must be between %d and %d, but was %s",
			s.Expr.Text, s.Name, lo, hi, value.String(v))
	}
	switch {
	case s.Name == "SecondsPath" && lo == 0 && strings.HasPrefix(value.String(v), "-"):
		return e.runtime("The SecondsPath parameter references a negative value: %s == %s", s.Expr.Text, value.String(v))
	case s.Name == "MaxConcurrencyPath":
		return e.runtime("Expected non-negative integer for MaxConcurrency, got '%s' instead.", value.String(v))
	case s.Name == "ToleratedFailureCountPath":
		return e.runtime("ToleratedFailureCount cannot be negative.")
	}
	return e.runtime("The %s field refers to value \"%s\" which is not between %d and %d", s.Name, value.String(v), lo, hi)
}

// assign evaluates Assign; the result may be empty.
func (e *evaluation) assign(t *asl.Template) (*value.Object, error) {
	if t == nil {
		return nil, nil
	}
	v, err := e.template(t)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*value.Object)
	if !ok {
		return nil, e.query("Assign", "The field 'Assign' must be an object, but was '%s'", value.TypeName(v))
	}
	return o, nil
}
