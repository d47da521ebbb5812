package fleet

import (
	"context"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Choice says which executions are meant. The zero value is all of all pipelines.
type Choice struct {
	// Patterns name pipelines ('acme/*'); none are all.
	Patterns []string
	// Statuses are those that are chosen, all without any.
	Statuses []executions.Status
	// Since is when the oldest one may have begun, the zero time for any.
	Since time.Time
	// Name is the beginning of names or a pattern of them; Batch the name of a batch.
	Name, Batch string
	// Error is the name of an error, a pattern of such names, or a part of a cause.
	Error string
	// Input is a JSONata condition on $input.
	Input string
	// Limit bounds the list; 0 does not.
	Limit int
	// Described asks for errors whatever is chosen: a call for each execution.
	Described bool
	// Had are executions of an earlier answer: the errors of those that have ended, and not
	// gone on since, are taken from it and not asked for again.
	Had []*Execution
}

// Failures are the statuses of what --failed means.
func Failures() []executions.Status {
	return []executions.Status{executions.Failed, executions.TimedOut}
}

// Redrivable are the statuses of what can be redriven.
func Redrivable() []executions.Status { return append(Failures(), executions.Aborted) }

// Check refuses what cannot be meant: a malformed pattern, a batch that none can have as a
// name, an expression that is none. The error is an *OptionError.
func (c Choice) Check() error {
	_, _, err := c.parse()
	return err
}

// matcher tells whether an execution that was described, and its input, are asked for.
type matcher func(ctx context.Context, x *Execution, input string) bool

// parse reads what was chosen. match is nil if what a list tells is enough.
func (c Choice) parse() (in executions.ListInput, match matcher, err error) {
	in = executions.ListInput{Name: c.Name, Batch: c.Batch, Since: c.Since, Statuses: c.Statuses}
	if c.Error != "" && len(in.Statuses) == 0 {
		// What runs or has succeeded has no error, and to ask each costs a call.
		in.Statuses = Redrivable()
	}
	if c.Batch != "" {
		if err := executions.ValidateBatch(c.Batch); err != nil { // else each pipeline would tell it
			return in, nil, &OptionError{"batch", c.Batch, err}
		}
	}
	if err := pattern("name", c.Name); err != nil {
		return in, nil, err
	}
	if c.Error == "" && c.Input == "" {
		in.Limit = c.Limit
		if in.Limit > 0 {
			in.Limit++ // whether there are more
		}
		return in, nil, nil
	}
	if err := pattern("error", c.Error); err != nil {
		return in, nil, err
	}
	inputs, err := inputFilter(c.Input)
	if err != nil {
		return in, nil, err
	}
	return in, func(ctx context.Context, x *Execution, input string) bool {
		return c.ended(x) && inputs(ctx, input)
	}, nil
}

// pattern refuses a pattern that is malformed.
func pattern(option, text string) error {
	if _, err := path.Match(text, ""); err != nil {
		return &OptionError{option, text, fault.New(fault.Invalid, "the pattern %q is malformed", text).Because(err).WithHint("Use * and ? as wildcards and close every [.")}
	}
	return nil
}

// ended tells whether an execution has the error that was asked for: by its name, or
// something that its cause says.
func (c Choice) ended(x *Execution) bool {
	if c.Error == "" {
		return true
	}
	ok, _ := path.Match(c.Error, x.Error) // the pattern was checked
	return ok || x.Error != "" && strings.Contains(x.Error+": "+x.Cause, c.Error)
}

// inputFilter compiles a condition on inputs. An input of which it can't be told does not
// satisfy it.
func inputFilter(text string) (func(ctx context.Context, input string) bool, error) {
	if text == "" {
		return func(context.Context, string) bool { return true }, nil
	}
	expr, err := jsonata.Compile(text)
	if err != nil {
		return nil, &OptionError{"input", text, fault.New(fault.Invalid, "it is no JSONata expression: %s", err).Because(err).
			WithHint("Write a condition on $input: '$input.amount > 100'.")}
	}
	if names := expr.TopLevel(); len(names) > 0 {
		return nil, &OptionError{"input", text, fault.New(fault.Invalid, "it reads %s of nothing", names[0]).WithHint("The input is $input: $input.%s.", names[0])}
	}
	engine := jsonata.NewEngine(jsonata.Env{UUID: func() string { return "" }, Random: rand.Float64})
	return func(ctx context.Context, input string) bool {
		v, err := value.Parse(input)
		if err != nil {
			return false
		}
		out, err := engine.Eval(ctx, expr, map[string]jsonata.Bound{"input": jsonata.Bind(v)})
		yes, isBool := out.(bool)
		return err == nil && isBool && yes
	}, nil
}
