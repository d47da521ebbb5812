// Package fleet is executions of several pipelines as one list: choosing them, grouping
// those that failed alike, doing something to many of them, and exporting them. Both faces
// work by it. It knows pipelines and executions; who they are and how AWS is reached it is
// told by a World.
package fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// Askers bounds the pipelines, and the executions, that are asked about at a time; how fast
// is what the quotas allow.
const Askers = 8

// World is what there is to choose from. It is safe for concurrent use.
type World interface {
	// Existing lists the pipelines that patterns name, all without any, with their states.
	Existing(ctx context.Context, patterns, labels []string) ([]pipelines.Pipeline, error)
	// Executions is the client for a region and a role.
	Executions(ctx context.Context, region, role string) (*executions.Client, error)
	// EndsDir is the folder in which it is kept why executions ended as they did; "" keeps
	// nothing.
	EndsDir() string
}

// Far is told how far long work is. It is called by one goroutine at a time, often, and
// calls what makes the words only if it wants them.
type Far func(words func() string)

// Execution is an execution and whose it is.
type Execution struct {
	Pipeline string `json:"pipeline"`
	executions.Execution
	// Error and Cause are why it ended as it did, once that was asked for.
	Error string `json:"error,omitempty"`
	Cause string `json:"cause,omitempty"`

	// Client is that of its account, region and role.
	Client *executions.Client `json:"-"`
	chosen bool               // it satisfies what was asked for
	looked bool               // its error was asked for
}

// Notice is that a pipeline could not be asked, or not whole.
type Notice struct {
	Pipeline string
	Err      error
}

// Found is what was chosen.
type Found struct {
	// List is the newest first.
	List []*Execution
	// More says that there are more than the limit.
	More bool
	// Asked is how many pipelines were, and Pipelines are these.
	Asked     int
	Pipelines []pipelines.Pipeline
	// Notices are by pipeline.
	Notices []Notice

	memory memory
}

// Unasked is the error of what could not be asked, nil if all was: what was found is not all
// that there is, and who does not read the notices has to hear of it.
func (f *Found) Unasked() error {
	if len(f.Notices) == 0 {
		return nil
	}
	of := map[string]bool{}
	for _, w := range f.Notices {
		of[w.Pipeline] = true
	}
	return fault.New(fault.KindOf(f.Notices[0].Err), "%d of %s could not be asked, or not whole", len(of), render.Count(f.Asked, "pipeline", "pipelines")).
		WithHint("The warnings say why. Run it again when they can be, or choose without them.")
}

// Gather lists the executions that are chosen. The error is that none could be: a pipeline
// that could not be asked is a notice. Canceled if ctx ends before all were listed.
func Gather(ctx context.Context, w World, c Choice, far Far) (*Found, error) {
	in, match, err := c.parse()
	if err != nil {
		return nil, err
	}
	known, err := w.Existing(ctx, c.Patterns, nil)
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, fault.New(fault.NotFound, "no pipeline matches").WithHint("Run `pipelinetui list` to see what there is.")
	}
	f := &Found{Asked: len(known), Pipelines: known, memory: memory{w.EndsDir()}}
	var mu sync.Mutex
	listed := 0
	in.Passed = func(n int) {
		mu.Lock()
		defer mu.Unlock()
		listed += n
		far(func() string { return render.Number(int64(listed)) + " executions listed" })
	}
	var g errgroup.Group
	g.SetLimit(Askers)
	for i := range known {
		g.Go(func() error {
			mu.Lock()
			its := in
			mu.Unlock()
			some, err := executionsOf(ctx, w, &known[i], its)
			mu.Lock()
			defer mu.Unlock()
			f.List = append(f.List, some...)
			if match == nil {
				// What is older than enough that was found already is not in the answer.
				if oldest := f.newest(in.Limit); oldest.After(in.Since) {
					in.Since = oldest
				}
			}
			if err != nil {
				f.Notices = append(f.Notices, Notice{known[i].ID.String(), err})
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fault.New(fault.Canceled, "stopped while executions were listed").Because(err)
	}
	f.sort()
	if match == nil {
		f.bound(c.Limit)
	}
	if c.Described || match != nil {
		left := f.List
		if c.Input == "" { // an input is not kept
			left = recall(ctx, f.List, c.Had, match)
			left = recall(ctx, left, f.memory.of(left), match)
		}
		if err := f.describe(ctx, left, match, far); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(f.Notices, func(a, b Notice) int { return cmp.Compare(a.Pipeline, b.Pipeline) })
	if match != nil {
		f.List = slices.DeleteFunc(f.List, func(x *Execution) bool { return !x.chosen })
		f.bound(c.Limit)
	}
	return f, nil
}

// Hear takes in ends that pipelines tell of: executions of the list have ended so, and those
// whose status is none of statuses (all without any) are not in it any more. It reports
// whether others have ended so, which another look may find. The list and what is in it are
// other ones then: who works on the old ones goes on with these.
func (f *Found) Hear(ends []executions.Ended, statuses []executions.Status) (others bool) {
	wanted := func(s executions.Status) bool { return len(statuses) == 0 || slices.Contains(statuses, s) }
	at := make(map[string]*executions.Ended, len(ends))
	for i := range ends {
		at[ends[i].ARN] = &ends[i]
	}
	list := make([]*Execution, 0, len(f.List))
	for _, x := range f.List {
		e := at[x.ARN]
		delete(at, x.ARN)
		if e == nil || e.Redrives < x.Redrives || x.Status.Terminal() && e.Redrives == x.Redrives {
			list = append(list, x) // or it is told once more
			continue
		}
		y := *x
		y.Status, y.Stop, y.Redrives = e.Status, e.Stop, e.Redrives
		y.Error, y.Cause, y.looked = e.Error, executions.MessageOf(e.Cause), true
		if wanted(y.Status) {
			list = append(list, &y)
		}
	}
	f.List = list
	for _, e := range at {
		others = others || wanted(e.Status)
	}
	return others
}

// sort puts the newest first.
func (f *Found) sort() {
	slices.SortFunc(f.List, func(a, b *Execution) int {
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Name, b.Name))
	})
}

// newest keeps the newest of the list, and tells when the oldest of so many began: the zero
// time if there are not so many. 0 keeps all.
func (f *Found) newest(n int) time.Time {
	if n == 0 || len(f.List) < n {
		return time.Time{}
	}
	f.sort()
	clear(f.List[n:]) // for the collector
	f.List = f.List[:n]
	return f.List[n-1].Start
}

// recall takes the errors of executions of a list from an earlier answer, as far as they
// ended then as they have now, and returns the others.
func recall(ctx context.Context, list, had []*Execution, match matcher) (left []*Execution) {
	known := make(map[string]*Execution, len(had))
	for _, x := range had {
		if x.looked && x.Status.Terminal() {
			known[x.ARN] = x
		}
	}
	for _, x := range list {
		was := known[x.ARN]
		if was == nil || was.Status != x.Status || was.Redrives != x.Redrives || !was.Stop.Equal(x.Stop) {
			left = append(left, x)
			continue
		}
		x.Error, x.Cause, x.looked = was.Error, was.Cause, true
		if match != nil {
			x.chosen = match(ctx, x, "")
		}
	}
	return left
}

// bound cuts the list at a limit; 0 is none.
func (f *Found) bound(limit int) {
	if limit > 0 && len(f.List) > limit {
		f.List, f.More = f.List[:limit], true
	}
}

// executionsOf lists the executions of one pipeline.
func executionsOf(ctx context.Context, w World, x *pipelines.Pipeline, in executions.ListInput) ([]*Execution, error) {
	if x.State == nil || x.Spec == nil {
		return nil, x.Err
	}
	m, err := pipelines.NewMachine(x)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // it has none yet, and no executions
	}
	if err != nil {
		return nil, err
	}
	c, err := w.Executions(ctx, x.Spec.Region, x.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	in.Machine = m.ARN
	list, err := c.List(ctx, in)
	out := make([]*Execution, len(list))
	for i := range list {
		out[i] = &Execution{Pipeline: x.ID.String(), Execution: list[i], Client: c}
	}
	return out, err
}

// Describe asks for the errors of executions of the list. The error is that of ctx alone:
// those that AWS does not tell of are a notice of their pipeline.
func (f *Found) Describe(ctx context.Context, list []*Execution, far Far) error {
	return f.describe(ctx, recall(ctx, list, f.memory.of(list), nil), nil, far)
}

// describe asks for the errors and inputs of executions, and notes which ones match. An
// input is held no longer than it takes to look at it. It says how far it is. Those that AWS
// does not tell of, as one past its 90 days, do not match and are a notice of their pipeline;
// the error is that of ctx alone.
func (f *Found) describe(ctx context.Context, list []*Execution, match matcher, far Far) error {
	var mu sync.Mutex // over match, which evaluates expressions, and over failed
	failed := map[string][]error{}
	var g errgroup.Group
	g.SetLimit(Askers)
	for i, x := range list {
		far(func() string {
			return fmt.Sprintf("%s of %s executions looked at", render.Number(int64(i)), render.Number(int64(len(list))))
		})
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			d, err := x.Client.Describe(ctx, x.ARN)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[x.Pipeline] = append(failed[x.Pipeline], err)
				return nil
			}
			x.Execution, x.looked, x.Error, x.Cause = d.Execution, true, d.Error, executions.MessageOf(d.Cause)
			if match != nil {
				mu.Lock()
				defer mu.Unlock()
				x.chosen = match(ctx, x, d.Input)
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	f.memory.keep(list)
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Canceled, "stopped while executions were looked at").Because(err)
	}
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		errs := failed[name]
		err := fault.Wrap(errs[0], "%s could not be looked at", render.Count(len(errs), "execution", "executions"))
		f.Notices = append(f.Notices, Notice{name, err})
	}
	return nil
}

// Failed is an execution to which something could not be done.
type Failed struct {
	Execution *Execution
	Err       error
}

// Do does something to all of list, some at a time, at the pace of the quotas; verb says in
// far what it is. What ctx cut off is neither done nor failed.
func Do(ctx context.Context, list []*Execution, verb string, far Far, do func(context.Context, *Execution) error) (done int, failed []Failed) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(Askers)
	for _, x := range list {
		if ctx.Err() != nil {
			break
		}
		mu.Lock()
		far(func() string { return fmt.Sprintf("%s: %d of %d", verb, done, len(list)) })
		mu.Unlock()
		g.Go(func() error {
			err := do(ctx, x)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case ctx.Err() == nil:
				failed = append(failed, Failed{x, err})
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return done, failed
}
