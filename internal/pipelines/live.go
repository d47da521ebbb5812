package pipelines

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// LiveLimit is the most executions that are counted: more take more than a page of
// ListExecutions, of which an account has 2 to 5 a second for everybody.
const LiveLimit = 1000

// RecentFailures is how far back failed executions are counted.
const RecentFailures = 24 * time.Hour

// EndpointGone stands in place of the status of an endpoint that should be there, and
// is not.
const EndpointGone = "gone"

// askers bounds the pipelines that AWS is asked about at the same time.
const askers = 8

// Live is what AWS tells of a pipeline at a moment. What was not asked or not answered
// is unknown, and the zero value is all unknown.
type Live struct {
	// At is when AWS was asked; zero if it was not.
	At time.Time
	// Elsewhere is the account it is in, if that is not the target's: then AWS was not
	// asked about it.
	Elsewhere string
	// Endpoint is the endpoint's status ("InService", or EndpointGone); "" if there is
	// none, or if EndpointErr says why it is not known.
	Endpoint    string
	EndpointErr error
	// Running and Failed count executions, failed ones of RecentFailures. Of a pipeline
	// without a state machine they are not known, and ExecutionsErr is nil.
	Running, Failed Count
	// Last is the newest execution, nil if there is none, if it is not known or was not
	// asked for.
	Last          *executions.Execution
	ExecutionsErr error
	// Shared are the aliases whose calls two versions share: their rollout goes on, or was
	// cut off. It is not asked of a pipeline that is ready, of which there are none. SharedErr
	// is why not all of them are known.
	Shared    []Shared
	SharedErr error
}

// Shared is an alias whose calls two versions share.
type Shared struct {
	// Of is what it is of: "state machine" or "function".
	Of string `json:"of"`
	// Alias is its ARN.
	Alias  string  `json:"alias"`
	Routes []Route `json:"routes"`
}

// Route is a version, by its number, and the percent of the calls that it takes.
type Route struct {
	Version string `json:"version"`
	Percent int    `json:"percent"`
}

// String is "state machine: version 6 takes 90% of the calls, version 7 takes 10%".
func (s Shared) String() string {
	text := s.Of + ": "
	for i, r := range s.Routes {
		if i > 0 {
			text += ", "
		}
		text += "version " + r.Version + " takes " + strconv.Itoa(r.Percent) + "%"
		if i == 0 {
			text += " of the calls"
		}
	}
	return text
}

// Asked tells whether AWS was asked.
func (l *Live) Asked() bool { return !l.At.IsZero() }

// Complete tells whether all was asked and answered.
func (l *Live) Complete() bool {
	return l.Asked() && (l.EndpointErr == nil || l.Endpoint != "") && l.ExecutionsErr == nil && l.SharedErr == nil
}

// Useful tells whether anything was answered.
func (l *Live) Useful() bool {
	return l.Asked() && (l.EndpointErr == nil || l.Endpoint != "" || l.ExecutionsErr == nil)
}

// Err is why less is known, or less is there, than should be; nil if all is well.
func (l *Live) Err() error { return cmp.Or(l.EndpointErr, l.ExecutionsErr, l.SharedErr) }

// Executions tells whether there is something to say of executions: how many, or that it
// is not known.
func (l *Live) Executions() bool {
	return l.Asked() && (l.Running.Known || l.Failed.Known || l.ExecutionsErr != nil)
}

// Text is a count of l for a reader: "12", "1000+", "-" if there can be none, "?" if
// it is not known.
func (l *Live) Text(c Count) string {
	if !c.Known && l.Asked() && l.ExecutionsErr == nil {
		return "-"
	}
	return c.String()
}

// Moving tells whether something of it is under way: an execution, or a change of the
// endpoint.
func (l *Live) Moving() bool { return l.Running.N > 0 || EndpointBusy(l.Endpoint) }

// EndpointBusy tells whether an endpoint with a status is on its way to another one
// (SageMaker API_DescribeEndpoint, EndpointStatus).
func EndpointBusy(status string) bool {
	switch status {
	case "Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting":
		return true
	}
	return false
}

// Count is how many there are, as far as that is known. The zero value is not known.
type Count struct {
	N     int
	Known bool
	// More says that there may be more: counting has stopped at N.
	More bool
}

// Counted is a count that has stopped at LiveLimit.
func Counted(n int) Count { return Count{N: n, Known: true, More: n >= LiveLimit} }

// Plus is a count of both. What is not known adds nothing: it is for who says of how
// many it is the sum.
func (c Count) Plus(o Count) Count {
	return Count{N: c.N + o.N, Known: c.Known || o.Known, More: c.More || o.More}
}

// String is "12", "1000+", or "?" if it is not known.
func (c Count) String() string {
	switch {
	case !c.Known:
		return "?"
	case c.More:
		return strconv.Itoa(c.N) + "+"
	default:
		return strconv.Itoa(c.N)
	}
}

// Running says how many executions run: "12 executions are running".
func (c Count) Running() string {
	if c.N == 1 {
		return "1 execution is running"
	}
	return c.String() + " executions are running"
}

// World is who can be asked about pipelines. Its methods are safe for concurrent use.
type World interface {
	// Elsewhere is the account that a pipeline is in, and why nobody there can be asked;
	// "" and nil if it is at home here, or if nothing is known.
	Elsewhere(p *Pipeline) (account string, err error)
	// Endpoint is the status of the pipeline's endpoint, "" if it has none. That it is
	// not there though it should be is fault.NotFound.
	Endpoint(ctx context.Context, p *Pipeline) (string, error)
	// Shared are the pipeline's aliases whose calls two versions share, as far as an error lets
	// it know them. One that is gone has no calls.
	Shared(ctx context.Context, p *Pipeline) ([]Shared, error)
	// Executions is a client for where the pipeline's state machine is.
	Executions(ctx context.Context, p *Pipeline) (*executions.Client, error)
}

// Askable tells whether there is anything to ask AWS about a pipeline, and whom.
func (p *Pipeline) Askable() bool {
	return p.State != nil && p.Spec != nil && len(p.State.Resources)+len(p.State.Outputs) > 0
}

// Question is what AWS is asked about a pipeline.
type Question int

const (
	// Counts asks for all but Live.Last: three ListExecutions. They are counted by
	// status, and failed and timed out are two.
	Counts Question = iota
	// CountsAndLast asks for the newest execution first: one ListExecutions more, and
	// none beside it if nothing was ever executed.
	CountsAndLast
)

// Look asks AWS about one pipeline, at a time: a DescribeEndpoint, the ListExecutions of
// the question, and of one that is not ready where its aliases lead. What could not be asked is told in the result.
func Look(ctx context.Context, world World, p *Pipeline, ask Question, now time.Time) Live {
	var l Live
	if !p.Askable() {
		return l
	}
	l.At = now
	var err error
	if l.Elsewhere, err = world.Elsewhere(p); err != nil {
		l.EndpointErr, l.ExecutionsErr = err, err
		return l
	}
	l.Endpoint, l.EndpointErr = world.Endpoint(ctx, p)
	if fault.KindOf(l.EndpointErr) == fault.NotFound {
		l.Endpoint = EndpointGone // its executions are there all the same
	} else if l.EndpointErr != nil {
		l.EndpointErr = fault.Wrap(l.EndpointErr, "endpoint")
	}
	l.ExecutionsErr = l.count(ctx, world, p, ask)
	if p.Condition().Status != Ready && len(p.State.Resources) > 0 {
		if l.Shared, l.SharedErr = world.Shared(ctx, p); l.SharedErr != nil {
			l.SharedErr = fault.Wrap(l.SharedErr, "rollout")
		}
	}
	l.EndpointErr, l.ExecutionsErr = p.goneWith(l.EndpointErr), p.goneWith(l.ExecutionsErr)
	return l
}

// goneWith is an error about what is not there, of a pipeline that was destroyed in part:
// nobody is to make that anew.
func (p *Pipeline) goneWith(err error) error {
	if fault.KindOf(err) != fault.NotFound || !p.HalfDestroyed() {
		return err
	}
	return fault.New(fault.NotFound, "%v", err).Because(err).
		WithHint("The destroy that did not get to its end has deleted it: `pipelinetui destroy %s` deletes the rest.", p.ID)
}

// count asks for the executions.
func (l *Live) count(ctx context.Context, world World, p *Pipeline, ask Question) error {
	machine, err := p.State.Text("stateMachineArn")
	if err != nil || machine == "" {
		return err
	}
	c, err := world.Executions(ctx, p)
	if err != nil {
		return err
	}
	if ask == CountsAndLast {
		newest, err := c.List(ctx, executions.ListInput{Machine: machine, Limit: 1})
		if err != nil {
			return err
		}
		if len(newest) == 0 {
			l.Running, l.Failed = Counted(0), Counted(0)
			return nil
		}
		l.Last = &newest[0]
	}
	running, err := c.List(ctx, executions.ListInput{Machine: machine, Statuses: []executions.Status{executions.Running}, Limit: LiveLimit})
	if err != nil {
		return err
	}
	l.Running = Counted(len(running))
	failed, err := c.List(ctx, executions.ListInput{
		Machine: machine, Statuses: []executions.Status{executions.Failed, executions.TimedOut}, Since: l.At.Add(-RecentFailures), Limit: LiveLimit,
	})
	if err != nil {
		return err
	}
	l.Failed = Counted(len(failed))
	return nil
}

// LookAll is Look for several pipelines, some at a time, in the order of the list. Of
// those that it did not come to before ctx ended nothing is known.
func LookAll(ctx context.Context, world World, list []Pipeline, ask Question, now time.Time) []Live {
	out := make([]Live, len(list))
	var g errgroup.Group
	g.SetLimit(askers)
	for i := range list {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			out[i] = Look(ctx, world, &list[i], ask, now)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return out
}
