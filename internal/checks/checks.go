// Package checks asks a pipeline questions of which it is known what a good answer is, and
// tells good answers from bad ones.
//
// A check is asked as a user asks: by an execution of the pipeline's own state machine, so
// that what is judged is the whole way from the input to the prediction
// (docs/decisions/0022-checks.md). The package talks to Step Functions and S3, and knows
// nothing of stacks.
package checks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Target is whom checks are asked.
type Target struct {
	Client *executions.Client
	// Machine is the ARN of the alias or version that executions are started through.
	Machine string
	// Results reads where predictions are stored.
	Results results.API
	Clock   clock.Clock
}

// Answer is what came of one question.
type Answer struct {
	// Execution is its name, Status how it ended; "" if it was stopped since it took too long.
	Execution string
	Status    executions.Status
	// Output is the execution's own, Prediction what it says or stores, as JSON.
	Output, Prediction json.RawMessage
	// Error and Cause say why it did not succeed.
	Error, Cause string
	// Unread says why the prediction could not be had from where the output says that it is.
	Unread string
	// Took is the time from its start to its end, by the clock of Step Functions.
	Took time.Duration
}

// Result is an answer, and what was found of it.
type Result struct {
	Check     string          `json:"check"`
	Passed    bool            `json:"passed"`
	Execution string          `json:"execution"`
	Input     json.RawMessage `json:"input"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Condition string          `json:"condition,omitempty"`
	// Seconds is how long it took, LatencySeconds how long it might.
	Seconds        float64 `json:"seconds"`
	LatencySeconds float64 `json:"latencySeconds,omitempty"`
	// Why says what is wrong with it.
	Why string `json:"why,omitempty"`
	// Wrong is set if there is an answer, and it is not as it should be: what fails since it
	// took too long, or since the execution did not succeed, tells nothing of the model.
	Wrong bool `json:"-"`
}

// Asked is how many checks are asked at a time.
const asked = 4

// grace is how long after its bound a check is given up.
const grace = 10 * time.Second

// MostWait bounds a check without a latency: an execution may wait for a callback for a year.
const MostWait = time.Hour

// Run asks all checks, some at a time, and returns what came of each in their order. told,
// which may be nil, hears of each as it comes, one at a time. An error says that something
// could not be asked; a check that failed is none. What came before an error is returned
// too: a result without a name is of a check that was not answered.
func (t *Target) Run(ctx context.Context, list spec.Checks, told func(Result)) ([]Result, error) {
	out := make([]Result, len(list))
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(asked)
	for i, c := range list {
		g.Go(func() error {
			a, err := t.Ask(gctx, c)
			if err != nil {
				return fault.Wrap(err, "check %s", c.Name)
			}
			out[i] = Judge(gctx, c, a)
			if told != nil {
				mu.Lock()
				defer mu.Unlock()
				told(out[i])
			}
			return nil
		})
	}
	return out, g.Wait()
}

// Ask asks one check and waits for the answer. One that takes longer than it may is stopped.
func (t *Target) Ask(ctx context.Context, c spec.Check) (Answer, error) {
	started, err := t.Client.Start(ctx, executions.StartInput{
		Machine: t.Machine, Name: "check-" + c.Name + "-" + executions.NewName(t.Clock.Now()), Input: c.Input,
	})
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Execution: started.Name}
	most := MostWait
	if c.Latency > 0 {
		most = c.Latency + grace
	}
	waiting, enough := context.WithCancel(ctx)
	defer enough()
	go func() {
		if clock.Sleep(waiting, t.Clock, most) == nil {
			enough()
		}
	}()
	w := t.Client.Watch(waiting, started.ARN, nil)
	defer w.Cancel()
	end, err := w.Wait()
	if err != nil && waiting.Err() != nil {
		var ended bool
		if end, ended, err = t.late(ctx, started.ARN); err == nil && !ended {
			a.Took = t.Clock.Now().Sub(started.Start)
			return a, nil
		}
	}
	if err != nil {
		return a, err
	}
	a.Status, a.Error, a.Cause, a.Took = end.Status, end.Error, executions.MessageOf(end.Cause), end.Stop.Sub(end.Start)
	if end.Status != executions.Succeeded {
		return a, nil
	}
	a.Output = json.RawMessage(end.Output)
	a.Prediction, err = t.prediction(ctx, end.Output)
	if err != nil && saysNothingOfTheAnswer(err) {
		return a, err
	}
	if err != nil {
		a.Unread = err.Error()
	}
	return a, nil
}

// late is how an execution has ended that was given up here, and whether it has; if not, it is
// stopped. A watch that had to wait for its turn under the quotas hears of an end long after
// it, which is not for the execution to answer for.
func (t *Target) late(ctx context.Context, arn string) (end executions.Outcome, ended bool, err error) {
	d, err := t.Client.Describe(ctx, arn)
	if err == nil && d.Status.Terminal() {
		return executions.Outcome{Status: d.Status, Output: d.Output, Error: d.Error, Cause: d.Cause, Start: d.Start, Stop: d.Stop}, true, nil
	}
	_ = t.Client.Stop(context.WithoutCancel(ctx), arn, "Pipelinetui.Check", "nobody waits for this check any more") // it goes on at worst
	if ctx.Err() != nil {
		return end, false, ctx.Err()
	}
	return end, false, err
}

// saysNothingOfTheAnswer tells that S3 could not be asked. That it has no such object, or
// shows it to nobody, or that it is too long, is how the answer is.
func saysNothingOfTheAnswer(err error) bool {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Denied, fault.Invalid, fault.Unsupported:
		return false
	}
	return true
}

// prediction is what an output tells of the prediction: itself, what is stored where it
// says, or of a data set what it says of that.
func (t *Target) prediction(ctx context.Context, output string) (json.RawMessage, error) {
	at := results.Locate(output)
	if at.Object == nil {
		return json.RawMessage(output), nil
	}
	item, err := results.Read(ctx, t.Results, *at.Object)
	if err != nil {
		return nil, err
	}
	if item.Prediction == nil {
		return nil, fault.New(fault.Unsupported, "%s has %d bytes, which is more than a condition can be held against", at.Object.URI(), item.Size).
			WithHint("Ask for less in the input of the check.")
	}
	return item.Prediction, nil
}

// Judge tells whether an answer is as a check wants it.
func Judge(ctx context.Context, c spec.Check, a Answer) Result {
	r := Result{
		Check: c.Name, Execution: a.Execution, Input: c.Input, Answer: a.Prediction, Condition: c.Condition,
		Seconds: a.Took.Seconds(), LatencySeconds: c.Latency.Seconds(),
	}
	switch {
	case a.Status == "":
		r.Why = fmt.Sprintf("it took longer than %s and was stopped", cmp.Or(c.Latency, MostWait))
	case a.Status != executions.Succeeded:
		r.Why = "the execution ended " + string(a.Status)
		if said := strings.TrimSuffix(a.Error+": "+a.Cause, ": "); said != "" {
			r.Why += ": " + said
		}
	case c.Latency > 0 && a.Took > c.Latency:
		r.Why = fmt.Sprintf("it took %s, and may take %s", a.Took, c.Latency)
	case c.Condition != "" && a.Unread != "":
		r.Why, r.Wrong = "its answer can't be read: "+a.Unread, true
	case c.Condition != "":
		r.Why = broken(ctx, c, a)
		r.Wrong = r.Why != ""
	}
	r.Passed = r.Why == ""
	return r
}

// engine evaluates conditions. Two evaluations of one are to say the same, but for what
// it draws itself.
var engine = sync.OnceValue(func() *jsonata.Engine {
	return jsonata.NewEngine(jsonata.Env{UUID: func() string { return "00000000-0000-4000-8000-000000000000" }, Random: rand.Float64})
})

// broken says why an answer does not meet the condition, "" if it does.
func broken(ctx context.Context, c spec.Check, a Answer) string {
	expr, err := jsonata.Compile(c.Condition)
	if err != nil {
		return "its condition is no JSONata: " + err.Error()
	}
	bound := map[string]jsonata.Bound{}
	for name, raw := range map[string]json.RawMessage{"answer": a.Prediction, "output": a.Output, "input": c.Input} {
		v, err := value.Parse(string(raw))
		if err != nil {
			return "its " + name + " is no JSON"
		}
		bound[name] = jsonata.Bind(v)
	}
	switch got, err := engine().Eval(ctx, expr, bound); {
	case errors.Is(err, jsonata.ErrUndefined):
		return "its condition found nothing to look at"
	case err != nil:
		return "its condition can't be computed: " + err.Error()
	case got == true:
		return ""
	case got == false:
		return "its condition is false"
	default:
		return "its condition is neither true nor false: it is " + string(value.Encode(got))
	}
}

// Failed are the results that are not as they should be.
func Failed(list []Result) []Result {
	var out []Result
	for _, r := range list {
		if !r.Passed && r.Check != "" {
			out = append(out, r)
		}
	}
	return out
}

// shown is how much of a document stands in a message.
const shown = 200

// String is a line on a result that failed: the check, what it asked, what it was told, and
// what is wrong with that.
func (r Result) String() string {
	text := fmt.Sprintf("check %s failed: %s. It asked %s", r.Check, r.Why, clip(r.Input))
	if r.Answer != nil {
		text += " and was answered " + clip(r.Answer)
	}
	if r.Condition != "" {
		text += "; its condition is " + r.Condition
	}
	return text + " (execution " + r.Execution + ")"
}

// clip is a JSON document in one line that is not too long.
func clip(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		b.Reset()
		b.Write(raw)
	}
	text := strings.ToValidUTF8(b.String(), "\uFFFD")
	if r := []rune(text); len(r) > shown {
		return string(r[:shown]) + "…"
	}
	return text
}
