package app

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// lookAgain makes an up or a preview of a pipeline that was destroyed in part read the real
// state first. What such a destroy was at when it was cancelled goes on in AWS, and the state
// says that it is there: an update would leave it to that. An endpoint is waited for, too.
func (a *App) lookAgain(ctx context.Context, e *stack.Engine, pipelines []*spec.Pipeline, jobs []stack.Job) {
	for i, p := range pipelines {
		x := Existing{ID: p.ID}
		var err error
		// Refreshes may have come after it.
		if x.History, err = e.History(ctx, p.StackName(), lookBack); err != nil {
			continue // there is none yet, or the operation itself will say what is wrong
		}
		if last := x.LastChange(); last == nil || last.Kind != string(stack.OperationDestroy) {
			continue
		}
		if x.State, err = e.State(ctx, p.StackName()); err != nil || !x.HalfDestroyed() {
			continue
		}
		a.opts.Note("%s: the last destroy did not get to its end: reading the real state first", p.ID)
		jobs[i].Refresh = true
		if jobs[i].Recovery != nil {
			jobs[i].Recovery.Unsure = func(typ string) bool {
				kind, ok := kinds.Of(typ)
				return ok && kind.Rest == kinds.InService
			}
		}
	}
}

// lookBack is how many updates of a pipeline are looked at for the last that changed it.
const lookBack = 10

// refreshGone makes an up or a preview read the real state first where the sandbox
// no longer has what the stack records: it was reset, and the stacks, which lie
// elsewhere, know nothing of it. Without that an update would find nothing to do.
// On AWS nobody resets an account: there it is for --refresh to say.
func (a *App) refreshGone(ctx context.Context, t *Target, e *stack.Engine, pipelines []*spec.Pipeline, jobs []stack.Job) {
	if !t.attached {
		return
	}
	for i, p := range pipelines {
		if jobs[i].Refresh {
			continue
		}
		state, err := e.State(ctx, p.StackName())
		if err != nil {
			continue // there is none yet, or the operation itself will say what is wrong
		}
		if bucket := bucketOf(state); bucket != "" && a.isGone(ctx, t, p, bucket) {
			a.opts.Note("%s: what the stack records is not in the sandbox any more: reading the real state first", p.ID)
			jobs[i].Refresh = true
		}
	}
}

// bucketOf is the name of the bucket that a state records, "" if it has none. It is
// made first and deleted last.
func bucketOf(s *stack.State) string {
	for _, r := range s.Resources {
		if r.Custom && !r.PendingDelete && r.Type == kinds.Bucket && !strings.Contains(r.ID, "/") {
			return r.ID
		}
	}
	return ""
}

// isGone tells whether it is plain that there is no such bucket.
func (a *App) isGone(ctx context.Context, t *Target, p *spec.Pipeline, bucket string) bool {
	cfg, err := t.awsConfig(ctx, p.Region, "")
	if err != nil {
		return false
	}
	_, err = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	return isAPI(err, "NotFound", "NoSuchBucket")
}
