package stack

import (
	"context"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// agent names us in the stack's history.
const agent = "pipelinetui"

// Preview finds out what Up would do and changes nothing. For a stack that does
// not exist yet, the preview runs against an empty state of its own, so that
// nothing is left in the backend.
func (e *Engine) Preview(ctx context.Context, job Job) (*Run, error) {
	return e.launch(ctx, OperationPreview, job)
}

// Up creates or updates the stack's resources; the stack is made if it does not
// exist.
func (e *Engine) Up(ctx context.Context, job Job) (*Run, error) {
	if job.DryRun {
		return e.launch(ctx, OperationPreview, job)
	}
	return e.launch(ctx, OperationUp, job)
}

// Refresh reads the real state of the resources and records it; Result.Drift
// tells what differed. With DryRun it only tells.
func (e *Engine) Refresh(ctx context.Context, job Job) (*Run, error) {
	return e.launch(ctx, OperationRefresh, job)
}

// Destroy deletes the stack's resources and, with Remove, the stack and its
// history.
func (e *Engine) Destroy(ctx context.Context, job Job) (*Run, error) {
	return e.launch(ctx, OperationDestroy, job)
}

// launch starts an operation in the background. The end of ctx is a Cancel, not
// a Kill. The error is only ever about the job itself.
func (e *Engine) launch(ctx context.Context, op Operation, job Job) (*Run, error) {
	if err := checkName(job.Stack); err != nil {
		return nil, err
	}
	if job.Program == nil && (op == OperationUp || op == OperationPreview) {
		return nil, fault.New(fault.Internal, "%s %s: no program", op, job.Stack)
	}
	alive, kill := withLife(context.WithoutCancel(ctx))
	setup, cancel := context.WithCancel(alive)
	r := &Run{
		engine: e, op: op, job: job, place: e.place(job.Stack, job.Env),
		relay: newRelay(), done: make(chan struct{}),
		alive: alive, kill: kill, setup: setup, cancelSetup: cancel,
	}
	r.progress.Stack = job.Stack
	if ctx.Err() != nil {
		r.canceled = true
		cancel()
	}
	go r.execute(ctx)
	return r, nil
}

// operate runs the one CLI process of the operation through the SDK.
func (r *Run) operate() error {
	server, err := serveEvents(r.receive)
	if err != nil {
		return err
	}
	defer server.close()
	r.mu.Lock()
	r.events = server
	r.mu.Unlock()
	// Never the caller's context: its end must not kill.
	ctx := context.WithoutCancel(r.setup)
	cmd := &command{engine: r.engine, run: r}
	ws, err := r.engine.workspace(ctx, r.place, cmd, r.guard(r.job.Program))
	if err != nil {
		return err
	}
	s, err := auto.SelectStack(ctx, r.job.Stack, ws)
	if err != nil {
		return err
	}
	switch r.op {
	case OperationRefresh:
		_, err = s.Refresh(ctx, r.refreshOptions()...)
	case OperationDestroy:
		_, err = s.Destroy(ctx, r.destroyOptions()...)
	default:
		_, err = s.Up(ctx, r.upOptions()...)
	}
	return err
}

func (r *Run) upOptions() []optup.Option {
	opts := []optup.Option{optup.UserAgent(agent)}
	if r.job.Parallel > 0 {
		opts = append(opts, optup.Parallel(r.job.Parallel))
	}
	if r.job.Refresh {
		opts = append(opts, optup.Refresh())
	}
	if r.job.ContinueOnError && r.op == OperationUp {
		opts = append(opts, optup.ContinueOnError())
	}
	if len(r.job.PolicyPacks) > 0 {
		opts = append(opts, optup.PolicyPacks(r.job.PolicyPacks...))
	}
	if len(r.job.PolicyConfigs) > 0 {
		opts = append(opts, optup.PolicyPackConfigs(r.job.PolicyConfigs...))
	}
	if len(r.job.Targets) > 0 {
		opts = append(opts, optup.Target(r.job.Targets), optup.TargetDependents())
	}
	return opts
}

func (r *Run) refreshOptions() []optrefresh.Option {
	opts := []optrefresh.Option{optrefresh.UserAgent(agent)}
	if r.job.Parallel > 0 {
		opts = append(opts, optrefresh.Parallel(r.job.Parallel))
	}
	if len(r.job.Targets) > 0 {
		opts = append(opts, optrefresh.Target(r.job.Targets))
	}
	if r.job.ClearPendingCreates {
		opts = append(opts, optrefresh.ClearPendingCreates())
	}
	return opts
}

func (r *Run) destroyOptions() []optdestroy.Option {
	opts := []optdestroy.Option{optdestroy.UserAgent(agent)}
	if r.job.Parallel > 0 {
		opts = append(opts, optdestroy.Parallel(r.job.Parallel))
	}
	if r.job.Refresh {
		opts = append(opts, optdestroy.Refresh())
	}
	if r.job.ContinueOnError {
		opts = append(opts, optdestroy.ContinueOnError())
	}
	if len(r.job.Targets) > 0 {
		opts = append(opts, optdestroy.Target(r.job.Targets), optdestroy.TargetDependents())
	}
	return opts
}

// discard removes a scratch place.
func (e *Engine) discard(p place) {
	if err := os.RemoveAll(p.dir); err != nil {
		e.log.Warn("could not remove a preview's folder", "dir", p.dir, "error", err)
	}
}
