package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// recovery says how operations on a pipeline deal with what a killed one left
// behind. See docs/decisions/0005-what-a-crash-leaves-behind.md.
func (a *App) recovery(t *Target, p *spec.Pipeline, clearDeadLocks bool) *stack.Recovery {
	return &stack.Recovery{
		ClearDeadLocks: clearDeadLocks,
		Settle: func(ctx context.Context, op stack.PendingOperation, tell func(stack.Event)) (string, error) {
			s, err := a.settler(ctx, t, p)
			if err != nil {
				return "", err
			}
			s.tell = tell
			return s.settle(ctx, op)
		},
	}
}

// settler finds out what became of the resources of a cut off operation.
type settler struct {
	pipeline *spec.Pipeline
	env      program.Env
	cfg      aws.Config
	poll     time.Duration
	haste    int
	// tell takes what is waited for.
	tell func(stack.Event)
}

func (a *App) settler(ctx context.Context, t *Target, p *spec.Pipeline) (*settler, error) {
	where := *p
	if where.Region == "" { // the stack holds no spec
		where.Region = t.Region
	}
	cfg, err := t.awsConfig(ctx, where.Region, where.AssumeRole)
	if err != nil {
		return nil, err
	}
	poll := 10 * time.Second
	if t.attached {
		poll = 200 * time.Millisecond
	}
	return &settler{pipeline: p, env: t.programEnv(&where), cfg: cfg, poll: poll, haste: a.haste(t), tell: func(stack.Event) {}}, nil
}

// settle returns the provider's id of the resource, "" if nothing is lost by
// forgetting it, after it has come to rest.
func (s *settler) settle(ctx context.Context, op stack.PendingOperation) (string, error) {
	kind, ok := kinds.Of(op.Type)
	if !ok && op.Creating() {
		return "", fault.New(fault.Unsupported, "the creation of %s was cut off, and this version of pipelinetui does not know its type, %s: it is not "+
			"known whether it exists", op.Name, op.Type).
			WithHint("Use the version that made the pipeline, or a newer one; or look for the resource and delete it, then %s.", s.forget())
	}
	id := op.ID
	if op.Creating() {
		var err error
		if id, err = s.find(ctx, kind, op); err != nil || id == "" {
			return "", err
		}
		if whose := s.foreign(ctx, op, id); whose != "" {
			s.tell(stack.Event{Type: stack.EventDiagnostic, Diagnostic: &stack.Diagnostic{
				URN: op.URN, Severity: stack.SeverityWarning, Message: whose + ". It is not taken over",
			}})
			return "", nil // nothing of ours is lost
		}
	}
	if kind.Rest == kinds.InService && id != "" {
		return id, s.endpoint(ctx, op, kinds.EndpointName(id))
	}
	return id, nil
}

// place is where the pipeline's resources are.
func (s *settler) place() kinds.Place {
	return kinds.Place{Partition: s.env.Partition, Region: s.env.Region, Account: s.env.Account, Machine: s.pipeline.Names(s.env.Account).StateMachine}
}

// knows tells whether a resource that was perhaps created can be found, and is lost if it is
// not.
func (s *settler) knows(op stack.PendingOperation) bool {
	kind, ok := kinds.Of(op.Type)
	text := func(key string) bool { v, _ := op.Inputs[key].(string); return v != "" }
	switch kind.Lost.How {
	case kinds.ByTag:
		return ok
	case kinds.ByQueue:
		return ok && text("name")
	case kinds.BySource:
		return ok && text("functionName") && text("eventSourceArn")
	case kinds.ByRevision:
		return ok && text("stateMachineArn") && text("stateMachineRevisionId")
	case kinds.ByInputs:
		return ok && kind.ID(op.Inputs, s.place()) != ""
	}
	return false
}

// forget is the way out for who has looked by hand.
func (s *settler) forget() string {
	return fmt.Sprintf("run `pipelinetui refresh %s --clear-pending-creates`", s.pipeline.ID)
}

// find returns the id of a resource whose creation was cut off, "" if nothing is lost by
// forgetting it. What cannot be found for want of a name is an error: to forget it would
// leave it behind unseen.
func (s *settler) find(ctx context.Context, kind kinds.Kind, op stack.PendingOperation) (string, error) {
	id := ""
	var err error
	switch kind.Lost.How {
	case kinds.Forgetting:
		return "", nil
	case kinds.ByTag:
		return s.key(ctx)
	case kinds.ByQueue:
		if id, _ = op.Inputs["name"].(string); id != "" {
			return s.queue(ctx, id)
		}
	case kinds.BySource:
		function, _ := op.Inputs["functionName"].(string)
		source, _ := op.Inputs["eventSourceArn"].(string)
		if function != "" && source != "" {
			return s.source(ctx, function, source)
		}
	case kinds.ByRevision:
		machine, _ := op.Inputs["stateMachineArn"].(string)
		revision, _ := op.Inputs["stateMachineRevisionId"].(string)
		if machine != "" && revision != "" {
			return executions.NewVersions(s.cfg, machine).Newest(ctx, revision)
		}
	case kinds.ByInputs:
		id = kind.ID(op.Inputs, s.place())
	}
	if id == "" {
		err = fault.New(fault.Damaged, "the %s whose creation was cut off (%s) has no name in the state: it is not known whether it exists", kind.Title, op.Name).
			WithHint("Look for one of the pipeline's name and delete it, then %s.", s.forget())
	}
	return id, err
}

// endpoint waits until an endpoint is not on its way any more: SageMaker refuses
// to change or delete it until then. One that failed while it was made is
// deleted: it can serve nothing, and would be in the way. What it waits for may take an
// hour: it tells how far that is.
func (s *settler) endpoint(ctx context.Context, op stack.PendingOperation, name string) error {
	client := sagemaker.NewFromConfig(s.cfg)
	var last stack.Rollout
	for told := false; ; told = true {
		out, err := client.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &name})
		if isAPI(err, "ValidationException") { // "Could not find endpoint"
			return nil
		}
		if err != nil {
			return awscfg.Classify(err)
		}
		switch out.EndpointStatus {
		case smtypes.EndpointStatusCreating, smtypes.EndpointStatusUpdating, smtypes.EndpointStatusSystemUpdating,
			smtypes.EndpointStatusRollingBack, smtypes.EndpointStatusDeleting:
		case smtypes.EndpointStatusFailed:
			if !op.Creating() {
				return nil
			}
			if _, err := client.DeleteEndpoint(ctx, &sagemaker.DeleteEndpointInput{EndpointName: &name}); err != nil {
				return awscfg.Classify(err)
			}
		default:
			return nil
		}
		if !told {
			s.tell(s.waits(name, out))
		}
		if out.PendingDeploymentSummary != nil {
			if r := rolloutOf(s.pipeline, out, s.haste); !reflect.DeepEqual(*r, last) {
				last = *r
				r.URN = op.URN
				s.tell(stack.Event{Type: stack.EventRollout, Rollout: r})
			}
		}
		select {
		case <-ctx.Done():
			return &fault.Error{Kind: fault.Canceled, Msg: "cancelled while the endpoint " + name + " is " + string(out.EndpointStatus), Err: ctx.Err()}
		case <-time.After(s.poll):
		}
	}
}

// waits says that an endpoint is on its way, and how that is ended sooner.
func (s *settler) waits(name string, out *sagemaker.DescribeEndpointOutput) stack.Event {
	text := fmt.Sprintf("the endpoint %s is %s: waiting until it has come to rest, since SageMaker changes and deletes none before", name, out.EndpointStatus)
	if out.PendingDeploymentSummary != nil && out.EndpointStatus != smtypes.EndpointStatusRollingBack {
		text += fmt.Sprintf("; `pipelinetui rollback %s --abort` turns its rollout back", s.pipeline.ID)
	}
	return stack.Event{Type: stack.EventDiagnostic, Diagnostic: &stack.Diagnostic{Severity: stack.SeverityInfo, Message: text}}
}

// source is the id of what calls a function with the messages of a queue, "" if nothing does:
// there is one at most.
func (s *settler) source(ctx context.Context, function, queue string) (string, error) {
	out, err := lambda.NewFromConfig(s.cfg).ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &function, EventSourceArn: &queue})
	switch {
	case isAPI(err, "ResourceNotFoundException"):
		return "", nil
	case err != nil:
		return "", awscfg.Classify(err)
	case len(out.EventSourceMappings) == 0:
		return "", nil
	}
	return aws.ToString(out.EventSourceMappings[0].UUID), nil
}

func (s *settler) queue(ctx context.Context, name string) (string, error) {
	out, err := sqs.NewFromConfig(s.cfg).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if isAPI(err, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist") {
		return "", nil
	}
	if err != nil {
		return "", awscfg.Classify(err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// key looks for the pipeline's key by its tags: a key has no name, and its alias
// comes after it.
func (s *settler) key(ctx context.Context) (string, error) {
	want := map[string]string{spec.StackTag: s.pipeline.StackName()}
	client := kms.NewFromConfig(s.cfg)
	pages := kms.NewListKeysPaginator(client, &kms.ListKeysInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", awscfg.Classify(err)
		}
		for _, k := range page.Keys {
			found, err := keyWith(ctx, client, aws.ToString(k.KeyId), want)
			if err != nil {
				return "", err
			}
			if found {
				return aws.ToString(k.KeyId), nil
			}
		}
	}
	return "", nil
}

// keyWith tells whether a key that is not being deleted has the tags. Keys that
// others have closed to us are none of ours.
func keyWith(ctx context.Context, client *kms.Client, id string, want map[string]string) (bool, error) {
	tags, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &id})
	if isAPI(err, "AccessDeniedException", "NotFoundException") {
		return false, nil
	}
	if err != nil {
		return false, awscfg.Classify(err)
	}
	have := map[string]string{}
	for _, t := range tags.Tags {
		have[aws.ToString(t.TagKey)] = aws.ToString(t.TagValue)
	}
	for k, v := range want {
		if have[k] != v {
			return false, nil
		}
	}
	key, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		return false, awscfg.Classify(err)
	}
	return key.KeyMetadata.DeletionDate == nil, nil
}

// isAPI tells whether AWS answered with one of the codes.
func isAPI(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode() == c {
			return true
		}
	}
	return false
}
