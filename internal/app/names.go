package app

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Names are the pipeline's own, but nobody keeps others from using them: somebody's hand, a
// pipeline of the same name on another backend, or a stack that was lost. An update would make
// what comes first and fail in the middle, or, of what AWS makes again without a word (queues,
// topics, alarms, rules), write over it. So they are asked for before anything is made.

// namedByUs are the kinds whose name is the pipeline's choice, and whose tags tell whose they
// are. What belongs to one of them (an alias of a function, a policy of a role) is there only
// where that is.
var namedByUs = []string{
	kinds.Bucket, kinds.KeyAlias, kinds.Role, kinds.Queue, kinds.Topic, kinds.EventRule, kinds.LogGroup, kinds.MetricAlarm, kinds.Function,
	kinds.Model, kinds.EndpointConfig, kinds.Endpoint, kinds.StateMachine,
}

// unmade are the names that a pipeline would give to what its stack does not have. A creation
// that was cut off is the repair's: it knows the name, and takes over what is its own.
func unmade(planned []program.Planned, state *stack.State) (out []preflight.Name) {
	if state == nil { // it can't be read: nobody knows what it has
		return nil
	}
	for _, x := range planned {
		if x.AWSName == "" || !slices.Contains(namedByUs, x.Type) ||
			slices.ContainsFunc(state.Resources, func(r stack.Resource) bool { return r.Name == x.Name && r.Type == x.Type || isNamed(r.ID, x.AWSName) }) ||
			slices.ContainsFunc(state.Pending, func(op stack.PendingOperation) bool { return op.Name == x.Name && op.Type == x.Type }) {
			continue
		}
		code := preflight.CodeNames
		switch x.Type {
		case kinds.Bucket:
			code = preflight.CodeBucketName
		case kinds.Endpoint:
			code = preflight.CodeEndpointName
		}
		kind, _ := kinds.Of(x.Type)
		out = append(out, preflight.Name{Code: code, Type: x.Type, What: kind.Title, Name: x.AWSName})
	}
	return out
}

// isNamed tells whether an id is a name, or an ARN or URL of it.
func isNamed(id, name string) bool {
	rest, ok := strings.CutSuffix(id, name)
	return ok && (rest == "" || strings.HasSuffix(rest, ":") || strings.HasSuffix(rest, "/"))
}

// asksAtOnce bounds the questions about the names of one pipeline.
const asksAtOnce = 8

// Held implements preflight.Account by the tags of what has the names.
func (q *asker) Held(ctx context.Context, names []preflight.Name) ([]preflight.Held, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return nil, err
	}
	partition, _ := spec.Partition(q.place.Region)
	s := &settler{pipeline: &spec.Pipeline{}, cfg: cfg, env: program.Env{Account: q.place.Account, Region: q.place.Region, Partition: partition}}
	all := make([]preflight.Held, len(names))
	alarms := sync.OnceValues(func() (map[string]bool, error) { return alarmsOf(ctx, cfg, names) })
	var g errgroup.Group
	g.SetLimit(asksAtOnce)
	for i, n := range names {
		g.Go(func() error {
			all[i] = s.held(ctx, n, alarms)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return slices.DeleteFunc(all, func(h preflight.Held) bool { return h.State == preflight.Absent && h.Err == nil }), nil
}

// alarmsOf are the alarms that there are of the names, by one question: CloudWatch answers few a
// second. (AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html)
func alarmsOf(ctx context.Context, cfg aws.Config, names []preflight.Name) (map[string]bool, error) {
	in := &cloudwatch.DescribeAlarmsInput{AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm}}
	for _, n := range names {
		if n.Type == kinds.MetricAlarm {
			in.AlarmNames = append(in.AlarmNames, n.Name)
		}
	}
	out, err := cloudwatch.NewFromConfig(cfg).DescribeAlarms(ctx, in)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for i := range out.MetricAlarms {
		there[aws.ToString(out.MetricAlarms[i].AlarmName)] = true
	}
	for i := range out.CompositeAlarms {
		there[aws.ToString(out.CompositeAlarms[i].AlarmName)] = true
	}
	return there, nil
}

// held asks who has a name.
func (s *settler) held(ctx context.Context, n preflight.Name, alarms func() (map[string]bool, error)) preflight.Held {
	h := preflight.Held{Name: n}
	var id string
	if h.State, id, h.Err = s.seen(ctx, n, alarms); id == "" || h.Err != nil || h.State == preflight.Denied {
		return h
	}
	tags, err := s.tagsOf(ctx, n.Type, id)
	switch {
	case err == nil:
		h.State, h.Owner = preflight.Present, ownerIn(tags)
	case h.State == preflight.Present && refused(err):
		h.Untold = true
	case isAPI(err, goneCodes...):
		h.State = preflight.Absent
	default:
		h.State, h.Err = preflight.Absent, awscfg.Classify(err)
	}
	return h
}

// seen looks for what has a name, and returns its id, "" if there is nothing. Where a question
// about tags tells as well whether there is anything, it is Absent, and has an id.
func (s *settler) seen(ctx context.Context, n preflight.Name, alarms func() (map[string]bool, error)) (there preflight.State, id string, err error) {
	kind, _ := kinds.Of(n.Type)
	id = kind.ID(map[string]any{"name": n.Name, "bucket": n.Name, "stateMachineName": n.Name, "endpointName": n.Name}, s.place())
	var is bool
	switch n.Type {
	case kinds.Queue:
		id, err = s.queue(ctx, n.Name)
		is = id != ""
	case kinds.MetricAlarm:
		var all map[string]bool
		all, err = alarms()
		is = all[n.Name]
	case kinds.KeyAlias: // who may use the pipelines' keys only may not ask for the key of an alias that there is not
		is, err = aliasThere(ctx, s.cfg, n.Name)
	case kinds.Bucket: // names of buckets are those of all accounts
		_, err = artifacts.Client(s.cfg).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &n.Name})
		there, err = state(err, goneCodes...)
		is = there != preflight.Absent
	case kinds.Endpoint:
		_, err = sagemaker.NewFromConfig(s.cfg).DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &n.Name})
		if is = err == nil; code(err) == notFoundInSageMaker {
			err = nil
		}
	default:
		return preflight.Absent, id, nil
	}
	switch {
	case !is || err != nil:
		return preflight.Absent, "", err
	case there == preflight.Denied:
		return there, id, nil
	}
	return preflight.Present, id, nil
}

// goneCodes are those with which AWS says that there is nothing of a name.
var goneCodes = []string{
	"NoSuchEntity", "NoSuchBucket", "NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException", "StateMachineDoesNotExist",
	notFoundInSageMaker,
}

// aliasThere tells whether there is an alias of a key. (kms/latest/APIReference/API_ListAliases.html)
func aliasThere(ctx context.Context, cfg aws.Config, name string) (bool, error) {
	pages := kms.NewListAliasesPaginator(kms.NewFromConfig(cfg), &kms.ListAliasesInput{Limit: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.Aliases, func(a kmstypes.AliasListEntry) bool { return aws.ToString(a.AliasName) == name }) {
			return true, nil
		}
	}
	return false, nil
}

// ownerIn is the pipeline that tags name.
func ownerIn(tags map[string]string) string {
	owner := tags[spec.StackTag]
	if id, err := spec.ParseStackName(owner); err == nil {
		return id.String()
	}
	return owner
}

// NamesFree refuses pipelines whose names another one of ours has, and those of which names are taken that their stacks don't have, before
// anything is made. What may not be asked is not known, and refuses nothing; nor does what is
// of the codes in ignore.
func (a *App) NamesFree(ctx context.Context, pipelines []*spec.Pipeline, ignore ...preflight.Code) error {
	t, err := a.Target(ctx)
	if err != nil {
		return err
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return err
	}
	if err := a.claimNames(ctx, t, e, pipelines); err != nil {
		return err
	}
	var errs fault.List
	for _, found := range a.takenNames(ctx, t, pipelines, ignore) {
		for _, f := range found {
			if f.Severity == preflight.Error {
				errs = append(errs, fault.New(fault.NotReady, "%s: %s", f.Pipelines[0], f.Message).WithHint("%s", f.Hint))
			}
		}
	}
	return errs.OrNil()
}

// noteTaken has who previews pipelines told of names that are taken: an up of them is refused.
func (a *App) noteTaken(ctx context.Context, t *Target, pipelines []*spec.Pipeline, notices map[spec.ID][]string) {
	for i, found := range a.takenNames(ctx, t, pipelines, nil) {
		for _, f := range found {
			notices[pipelines[i].ID] = append(notices[pipelines[i].ID], f.Message+". "+f.Hint)
		}
	}
}

// takenNames are the findings about the names of each pipeline, whatever their codes, but for
// those in ignore.
func (a *App) takenNames(ctx context.Context, t *Target, pipelines []*spec.Pipeline, ignore []preflight.Code) [][]preflight.Finding {
	ctx, cancel := context.WithTimeout(ctx, preflightPatience)
	defer cancel()
	found := make([][]preflight.Finding, len(pipelines))
	var g errgroup.Group
	g.SetLimit(readers)
	for i, p := range pipelines {
		g.Go(func() error {
			found[i] = a.takenNamesOf(ctx, t, p, ignore)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return found
}

func (a *App) takenNamesOf(ctx context.Context, t *Target, p *spec.Pipeline, ignore []preflight.Code) []preflight.Finding {
	before, _ := a.made(ctx, p)
	if before == nil || p.Region == "" {
		return nil
	}
	tmpl, err := a.TemplateOf(ctx, p)
	if err != nil {
		return nil // the operation says it
	}
	planned, err := program.Describe(ctx, p, tmpl, t.programEnv(p))
	if err != nil {
		return nil // likewise
	}
	names := slices.DeleteFunc(unmade(planned, before), func(n preflight.Name) bool { return slices.Contains(ignore, n.Code) })
	if len(names) == 0 {
		return nil
	}
	for i := range names {
		names[i].Code = preflight.CodeNames
	}
	q := &asker{target: t, place: preflight.Place{Account: t.accountOf(p), Region: p.Region, Role: p.AssumeRole}, clock: a.opts.Clock}
	held, err := q.Held(ctx, names)
	found := preflight.Taken(p.ID.String(), held)
	if err != nil || len(found) == 0 || a.atWork(ctx, p, before) {
		return nil
	}
	return found
}

// atWork tells whether somebody works on a stack, or has since its state was read: what is
// there then may be what they have made. The operation sees the lock.
func (a *App) atWork(ctx context.Context, p *spec.Pipeline, before *stack.State) bool {
	e, err := a.Engine(ctx)
	if err != nil {
		return true
	}
	if len(e.HeldBy(ctx, p.StackName())[p.StackName()]) > 0 {
		return true
	}
	now, _ := a.made(ctx, p)
	return now == nil || now.Basis != before.Basis
}
