package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Existing is a pipeline that has a stack on the backend.
type Existing = pipelines.Pipeline

// readers bounds the Pulumi processes that only read state: each costs about
// 100 MB.
const readers = 4

// Stacks lists the pipelines of the backend whose names match the patterns, by
// name, without reading their states.
func (a *App) Stacks(ctx context.Context, patterns []string) ([]Existing, error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	list, err := e.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []Existing
	for _, s := range list {
		id, err := spec.ParseStackName(s.Name)
		if err != nil {
			continue // somebody else's stack in our project
		}
		named := len(patterns) == 0
		for _, p := range patterns {
			ok, err := spec.Match(p, id)
			if err != nil {
				return nil, err
			}
			named = named || ok
		}
		if named {
			out = append(out, Existing{ID: id, Summary: s})
		}
	}
	slices.SortFunc(out, func(a, b Existing) int { return a.ID.Compare(b.ID) })
	return out, nil
}

// Existing lists pipelines with their states. What cannot be read is reported
// in the row, not as an error of the whole; where labels are asked for that row is
// there too, with Undecided. If anything matches, every pattern has to.
func (a *App) Existing(ctx context.Context, patterns, labels []string) ([]Existing, error) {
	list, err := a.Stacks(ctx, patterns)
	if err == nil && len(list) > 0 {
		err = allMatch(list, patterns)
	}
	if err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range list {
		g.Go(func() error {
			a.read(gctx, &list[i])
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(labels) == 0 {
		return list, nil
	}
	return withLabels(list, labels)
}

// allMatch refuses patterns that select nothing: one of several is a mistyped name.
func allMatch(list []Existing, patterns []string) error {
	var errs fault.List
	for _, pattern := range patterns {
		if !slices.ContainsFunc(list, func(x Existing) bool {
			ok, err := spec.Match(pattern, x.ID)
			return err == nil && ok // Stacks has refused what is no pattern
		}) {
			errs = append(errs, fault.New(fault.NotFound, "no pipeline on this backend matches %s", pattern).
				WithHint("Run `pipelinetui list` to see what there is."))
		}
	}
	return errs.OrNil()
}

// withLabels keeps the pipelines whose tags match all labels, and those whose tags
// nobody can read.
func withLabels(list []Existing, labels []string) ([]Existing, error) {
	known := make([]spec.Pipeline, 0, len(list))
	for i := range list {
		switch x := &list[i]; {
		case x.Spec != nil:
			known = append(known, *x.Spec)
		case fault.KindOf(x.Err) == fault.NotFound && x.State == nil:
			// destroyed while the list was read
		default:
			x.Undecided = fault.New(fault.Damaged, "it is not known whether it has the tag %s: %v", strings.Join(labels, ", "), x.Err).
				Because(x.Err).WithHint("%s", fault.HintOf(x.Err))
		}
	}
	chosen, err := spec.Select(known, nil, labels)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(x Existing) bool {
		return x.Undecided == nil && !slices.ContainsFunc(chosen, func(p spec.Pipeline) bool { return p.ID == x.ID })
	}), nil
}

// Find reads one pipeline by its exact name.
func (a *App) Find(ctx context.Context, id spec.ID) (*Existing, error) {
	x := Existing{ID: id}
	a.read(ctx, &x)
	if x.State == nil {
		if errors.Is(x.Err, fault.NotFound) {
			return nil, fault.New(fault.NotFound, "there is no pipeline %s on this backend", id).Because(x.Err).
				WithHint("Run `pipelinetui list` to see what there is, or create it with `pipelinetui up %s`.", id)
		}
		return nil, x.Err
	}
	return &x, nil
}

// Named reads pipelines by their exact names, without asking the backend for a list
// of all: that is a process. What does not exist is an error; a state that can't be
// read is reported in its row.
func (a *App) Named(ctx context.Context, ids []spec.ID) ([]Existing, error) {
	list := make([]Existing, len(ids))
	errs := make(fault.List, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, id := range ids {
		g.Go(func() error {
			x, err := a.Find(gctx, id)
			switch {
			case x != nil:
				list[i] = *x
			case fault.KindOf(err) == fault.Damaged:
				list[i] = Existing{ID: id, Err: err}
			default:
				errs[i] = err
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	return list, errs.OrNil()
}

// withoutSpec says why a stack holds no spec.
func withoutSpec(id spec.ID, held []stack.Lock) error {
	for _, l := range held {
		if !l.Stale && !l.Broken {
			return fault.New(fault.Locked, "the stack %s holds no spec yet: it is being updated by %s", id.StackName(), pipelines.Holder(l)).
				WithHint("Wait for that to end.")
		}
	}
	return fault.New(fault.NotFound, "the stack %s holds no spec: its first update never got that far", id.StackName()).
		WithHint("Run `pipelinetui up` for it again, or `pipelinetui destroy %s` to clear it away.", id)
}

func (a *App) read(ctx context.Context, x *Existing) {
	e, err := a.Engine(ctx)
	if err == nil {
		x.State, err = e.State(ctx, x.ID.StackName())
	}
	if err == nil && x.State.Spec == nil {
		err = withoutSpec(x.ID, e.HeldBy(ctx, x.ID.StackName())[x.ID.StackName()])
	}
	var cat *spec.Catalog
	if err == nil {
		cat, err = a.catalogFor(ctx, x)
	}
	if err == nil {
		o := a.SpecOptions(nil)
		o.SkipFiles = true
		x.Spec, err = spec.FromDocument(x.State.Spec, cat, o)
	}
	if err != nil && x.State != nil && x.State.Spec != nil {
		// The template is gone or its rules are stricter now: the pipeline can
		// still be run, refreshed and destroyed.
		if p, rerr := spec.ReadDocument(x.State.Spec); rerr == nil {
			x.Spec = p
		}
	}
	x.Err = err
}

// Spec is the whole document that a pipeline was made from, to make it again:
// secret values are read with the key to them.
func (a *App) Spec(ctx context.Context, x *Existing) ([]byte, error) {
	if x.State == nil || x.State.Spec == nil {
		return nil, x.Err
	}
	if !x.State.SpecHidden {
		return x.State.Spec, nil
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.Reveal(ctx, x.ID.StackName())
	if err != nil {
		return nil, err
	}
	return s.Spec, nil
}

// Machine is a pipeline's state machine, ready for executions.
type Machine = pipelines.Machine

// Machine finds the state machine of a pipeline.
func (a *App) Machine(ctx context.Context, id spec.ID) (*Machine, error) {
	x, err := a.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := pipelines.NewMachine(x)
	if err != nil {
		return nil, err
	}
	if t, err := a.TemplateOf(ctx, x.Spec); err == nil {
		m.Template = t
	}
	if m.Client, err = a.Executions(ctx, x.Spec.Region, x.Spec.AssumeRole); err != nil {
		return nil, err
	}
	return m, nil
}

// Ends opens a feed of the ends of a pipeline's executions at once, nil if the pipeline has none
// (events: push). Close of it has to be called.
func (a *App) Ends(ctx context.Context, x *Existing) (*executions.Push, error) {
	if !tells(x) {
		return nil, nil
	}
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, x.Spec.Region, x.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	return executions.OpenPush(ctx, cfg, x.Output(eventsTopic), a.opts.Clock)
}

// tells is whether a pipeline tells of the ends of its executions.
func tells(x *Existing) bool { return x != nil && x.Spec != nil && x.Output(eventsTopic) != "" }

// eventsTopic is the output of a pipeline whose ends of executions are told.
const eventsTopic = "eventsTopicArn"

// topicOf is the topic that tells of a pipeline's ends of executions, "" if there is none. After
// an update that failed the stack may have it without its output.
func topicOf(x *Existing) string {
	if topic := x.Output(eventsTopic); topic != "" || x.State == nil {
		return topic
	}
	for _, r := range x.State.Resources {
		if r.Type == kinds.Topic && strings.HasSuffix(r.ID, "-events") {
			return r.ID
		}
	}
	return ""
}

// unwatch is to be called before an operation; what it returns takes away, when the operation
// has taken the topic of a pipeline's executions away, the queues that watches of it have left,
// which are no part of its stack: an update without events: push, or a destroy, after which
// nobody would find them again.
func (a *App) unwatch(ctx context.Context, t *Target, op stack.Operation, p *spec.Pipeline) func(context.Context) error {
	nothing := func(context.Context) error { return nil }
	x, err := a.Find(ctx, p.ID)
	if err != nil {
		return nothing
	}
	topic := topicOf(x)
	if topic == "" {
		return nothing
	}
	return func(ctx context.Context) error {
		if op != stack.OperationDestroy {
			if now, err := a.Find(ctx, p.ID); err != nil || topicOf(now) != "" {
				return err
			}
		}
		cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
		if err != nil {
			return err
		}
		return executions.SweepPush(ctx, cfg, topic, a.opts.Clock)
	}
}

// ClientFor returns the client for an execution that is named by its ARN.
func (a *App) ClientFor(ctx context.Context, text string) (*executions.Client, error) {
	of, err := arn.Parse(text)
	if err != nil || of.Service != "states" || strings.Count(of.Resource, ":") < 2 {
		return nil, fault.New(fault.Invalid, "%q is not the ARN of an execution", text).
			WithHint("Name the pipeline and the execution: acme/fraud @latest.")
	}
	return a.Executions(ctx, of.Region, a.roleTo(ctx, of))
}

// roleTo is the role by which the pipeline is reached that an execution is of, as far as it is one
// of this backend's; a stranger's is asked for with the user's own credentials.
func (a *App) roleTo(ctx context.Context, execution arn.ARN) string {
	parts := strings.Split(execution.Resource, ":") // execution:MACHINE:NAME, express:MACHINE:NAME:ID
	ids, err := a.Names(ctx)
	if err != nil || len(parts) < 3 {
		return ""
	}
	for _, id := range ids {
		if id.BaseName() != parts[1] {
			continue
		}
		x, err := a.Find(ctx, id)
		if err != nil || x.Spec == nil {
			continue
		}
		m, err := pipelines.NewMachine(x)
		if err != nil {
			continue
		}
		if of, err := arn.Parse(m.ARN); err == nil && of.Region == execution.Region && of.AccountID == execution.AccountID {
			return x.Spec.AssumeRole
		}
	}
	return ""
}

// ShownParameters are a pipeline's parameters with secret ones blinded.
func (a *App) ShownParameters(ctx context.Context, p *spec.Pipeline) (map[string]any, error) {
	t, err := a.TemplateOf(ctx, p)
	if err != nil {
		return nil, err
	}
	return p.Shown(t, stack.SecretValue), nil
}

// BatchJournal is the file in which a batch's launch is recorded, so that one
// that was cut off goes on without asking AWS for every execution.
func (a *App) BatchJournal(id spec.ID, batch string) string {
	return filepath.Join(a.batchesOf(id), batch+".journal")
}

// batchesOf is the folder of the journals of a pipeline's batches.
func (a *App) batchesOf(id spec.ID) string {
	return filepath.Join(a.opts.Settings.Paths.Home, "batches", id.StackName())
}

// forgetBatches takes away what is known of the batches of a pipeline that is no more: the next
// one of its name has started none of them. With them goes why its executions ended.
func (a *App) forgetBatches(id spec.ID) error {
	if dir := a.EndsDir(); dir != "" {
		_ = os.Remove(filepath.Join(dir, id.StackName()+".jsonl")) // nothing of it is believed of others
	}
	return os.RemoveAll(a.batchesOf(id))
}

// EndsDir is the folder of what was read of executions that ended badly; "" without a home.
func (a *App) EndsDir() string {
	home := a.opts.Settings.Paths.Home
	if home == "" {
		return ""
	}
	return filepath.Join(home, "ends")
}
