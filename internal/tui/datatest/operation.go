package datatest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// The recorded event logs: PreviewCreate is of a pipeline that does not exist,
// PreviewReplace of a change of the endpoint's kind, UpMany creates three
// pipelines of which globex/churn fails, Refresh finds nothing, Destroy deletes.
const (
	PreviewCreate  = "preview-create"
	PreviewReplace = "preview-replace"
	UpMany         = "up-many"
	Refresh        = "refresh"
	Destroy        = "destroy"
)

// Events returns the events of one recorded pipeline of a log, as if they were
// another pipeline's.
func Events(log, of string, as spec.ID) ([]stack.Event, error) {
	raw, err := recorded.ReadFile("recorded/" + log + ".jsonl")
	if err != nil {
		return nil, err
	}
	id, err := spec.ParseID(of)
	if err != nil {
		return nil, err
	}
	rename := strings.NewReplacer(id.StackName(), as.StackName(), id.BaseName(), as.BaseName())
	var out []stack.Event
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct {
			Pipeline string      `json:"pipeline"`
			Event    stack.Event `json:"event"`
		}
		if err := json.Unmarshal([]byte(rename.Replace(lines.Text())), &l); err != nil {
			return nil, fmt.Errorf("%s: %w", log, err)
		}
		if l.Pipeline == of {
			out = append(out, l.Event)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("log %s has nothing of %s", log, of)
	}
	return out, lines.Err()
}

// eventsFor are the events that play an operation on a pipeline.
func (s *Source) eventsFor(op stack.Operation, id spec.ID) ([]stack.Event, error) {
	s.mu.Lock()
	_, exists := s.pipelines[id]
	s.mu.Unlock()
	switch op {
	case stack.OperationPreview:
		if exists {
			return Events(PreviewReplace, "acme/iris", id)
		}
		return Events(PreviewCreate, "acme/iris", id)
	case stack.OperationUp:
		if id == Churn {
			return Events(UpMany, "globex/churn", id)
		}
		return Events(UpMany, "globex/flowers", id)
	case stack.OperationRefresh:
		return Events(Refresh, "acme/iris", id)
	default:
		return Events(Destroy, "globex/flowers", id)
	}
}

// Operate implements data.Source: it plays recorded logs.
func (s *Source) Operate(ctx context.Context, req pipelines.Request) (pipelines.Operation, error) {
	s.mu.Lock()
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	if s.OperateFunc != nil {
		return s.OperateFunc(ctx, req)
	}
	o := &Operation{source: s, req: req, updates: make(chan pipelines.Update), done: make(chan struct{})}
	logs := make([][]stack.Event, len(req.Pipelines))
	for i, p := range req.Pipelines {
		var err error
		if logs[i], err = s.eventsFor(req.Operation, p.ID); err != nil {
			return nil, err
		}
		for j := range logs[i] {
			if s.EventFunc != nil {
				s.EventFunc(&logs[i][j])
			}
		}
	}
	s.playing.Add(1)
	go o.play(logs)
	return o, nil
}

// Operation plays recorded events. It implements pipelines.Operation.
type Operation struct {
	source  *Source
	req     pipelines.Request
	updates chan pipelines.Update
	done    chan struct{}
	results []pipelines.Outcome

	mu        sync.Mutex
	cancelled bool
	killed    bool
}

// play interleaves the logs as a parallel operation would.
func (o *Operation) play(logs [][]stack.Event) {
	defer o.source.playing.Add(-1)
	defer close(o.done)
	defer close(o.updates)
	for step := 0; ; step++ {
		left := false
		if o.source.HoldAfter > 0 && step == o.source.HoldAfter {
			o.source.playing.Add(-1)
			<-o.source.release
			o.source.playing.Add(1)
		}
		for i, log := range logs {
			if step < len(log) {
				left = true
				o.updates <- pipelines.Update{ID: o.req.Pipelines[i].ID, Event: log[step]}
			}
		}
		if !left {
			break
		}
	}
	for i, log := range logs {
		o.results = append(o.results, o.end(o.req.Pipelines[i], log))
	}
}

func (o *Operation) end(p *spec.Pipeline, log []stack.Event) pipelines.Outcome {
	var progress stack.Progress
	for _, e := range log {
		progress.Apply(e)
	}
	res := pipelines.Outcome{ID: p.ID, Result: stack.Result{
		Basis:     "1",
		Operation: o.req.Operation, Stack: p.StackName(), Outcome: progress.End.Outcome, Changes: progress.Changes(),
		Started: progress.Started, Duration: progress.Updated.Sub(progress.Started),
	}}
	if progress.End.Outcome == stack.Failed {
		res.Err = fault.New(fault.Deployment, "%s", progress.End.Error).WithHint("%s", progress.End.Hint)
	}
	o.mu.Lock()
	if o.cancelled || o.killed {
		res.Err = fault.New(fault.Canceled, "cancelled")
	}
	o.mu.Unlock()
	s := o.source
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case o.req.Operation == stack.OperationDestroy && res.Err == nil:
		delete(s.pipelines, p.ID)
	case o.req.Operation == stack.OperationUp:
		made := s.pipelines[Fraud]
		made.ID, made.Spec, made.Summary.Name = p.ID, p, p.StackName()
		s.pipelines[p.ID] = made
		res.Result.Outputs = made.State.Outputs
	}
	return res
}

// Updates implements pipelines.Operation.
func (o *Operation) Updates() <-chan pipelines.Update { return o.updates }

// Wait implements pipelines.Operation.
func (o *Operation) Wait() []pipelines.Outcome {
	<-o.done
	return slices.Clone(o.results)
}

// Cancel implements pipelines.Operation: what is held goes on, and counts as cancelled.
func (o *Operation) Cancel() {
	o.mu.Lock()
	o.cancelled = true
	o.mu.Unlock()
	o.source.Release()
}

// Kill implements pipelines.Operation.
func (o *Operation) Kill() {
	o.mu.Lock()
	o.killed = true
	o.mu.Unlock()
	o.source.Release()
}

// Running implements pipelines.Operation.
func (o *Operation) Running() []spec.ID {
	select {
	case <-o.done:
		return nil
	default:
	}
	out := make([]spec.ID, len(o.req.Pipelines))
	for i, p := range o.req.Pipelines {
		out[i] = p.ID
	}
	return out
}

// TurnBack implements data.Source.
func (s *Source) TurnBack(ctx context.Context, p *spec.Pipeline, endpoint string) error {
	if s.TurnBackFunc != nil {
		return s.TurnBackFunc(p, endpoint)
	}
	return ctx.Err()
}
