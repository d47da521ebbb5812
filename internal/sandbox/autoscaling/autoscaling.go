// Package autoscaling owns the sandbox's Application Auto Scaling for SageMaker
// endpoint variants: scalable targets with their bounds, scheduled actions, the
// activities that follow from both, and scaling policies: target tracking makes its
// alarms in CloudWatch, and alarms act on policies. A variant of the sandbox is one process whatever its instance
// count; the count is what changes. SageMaker is asked through the router: as the
// caller whether a variant is there, as the service to scale it.
package autoscaling

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	targetsBucket  = "autoscaling.targets"  // scope's key of the resource id -> target
	policiesBucket = "autoscaling.policies" // target's key|name -> scalingPolicy
	actionsBucket  = "autoscaling.actions"  // target's key|name -> scheduledAction
	doneBucket     = "autoscaling.done"     // target's key|time and number -> activity
)

// Config is what the service needs. DB is required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
}

// Service is Application Auto Scaling. It is safe for concurrent use.
type Service struct {
	Config
	router  *wire.Router
	changed bell.Bell // rung when there is something to look at
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("autoscaling: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{Config: c, changed: bell.New()}, nil
}

// Register adds the service and its operations to the router, through which it
// asks SageMaker.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	const id = "applicationautoscaling"
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: policy.Tagged(s.tagsOf)})
	all, one, tagged := wire.Access{}, wire.Access{On: s.onTarget, Keys: targetKeys}, wire.On(onARN)
	wire.Handle(r, id, "RegisterScalableTarget", s.registerTarget, one.Tags("application-autoscaling:TagResource"))
	wire.Handle(r, id, "DescribeScalableTargets", s.describeTargets, all)
	wire.Handle(r, id, "DeregisterScalableTarget", s.deregisterTarget, one)
	wire.Handle(r, id, "PutScalingPolicy", s.putPolicy, one)
	wire.Handle(r, id, "DescribeScalingPolicies", s.describePolicies, all)
	wire.Handle(r, id, "DeleteScalingPolicy", s.deletePolicy, one)
	wire.Handle(r, id, "PutScheduledAction", s.putAction, one)
	wire.Handle(r, id, "DescribeScheduledActions", s.describeActions, all)
	wire.Handle(r, id, "DeleteScheduledAction", s.deleteAction, one)
	wire.Handle(r, id, "DescribeScalingActivities", s.describeActivities, all)
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
}

// targetKeys: https://docs.aws.amazon.com/service-authorization/latest/reference/list_applicationautoscaling.html
func targetKeys(_ *wire.Request, in wire.Input) map[string][]string {
	out := map[string][]string{"application-autoscaling:service-namespace": {in.Text("ServiceNamespace")}}
	if dimension := in.Text("ScalableDimension"); dimension != "" {
		out["application-autoscaling:scalable-dimension"] = []string{dimension}
	}
	return out
}

func onARN(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceARN")} }

// onTarget is the scalable target of a resource. Before there is one it has no id: what is
// asked for then is arn:aws:application-autoscaling:REGION:ACCOUNT:scalable-target/*, the resource
// type that actions require, which refusals name and AWS's own policies allow.
// (service-authorization/latest/reference/list_awsapplicationautoscaling.html,
// aws-managed-policy/latest/reference/AmazonECSInfrastructureRoleforExpressGatewayServices.html)
func (s *Service) onTarget(req *wire.Request, in wire.Input) []string {
	arns := []string{req.ARN("application-autoscaling", "scalable-target/*")}
	_ = s.DB.View(func(tx *store.Tx) error { // an error comes again where the target is read
		if t, found, err := store.Get[target](tx, targetsBucket, req.Key(in.Text("ResourceId"))); err == nil && found {
			arns = []string{t.ARN}
		}
		return nil
	})
	return arns
}

// tagsOf are the tags of the scalable target of an ARN.
func (s *Service) tagsOf(req *wire.Request, arn string) (tags map[string]string, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[target](tx, targetsBucket, req.Prefix())
		for _, t := range all {
			if t.ARN == arn {
				tags = t.Tags
			}
		}
		return err
	})
	return tags, err
}

// target is a scalable target as it is kept.
type target struct {
	Scope                 wire.Scope
	ResourceID, ARN, Role string
	Min, Max              int32
	Suspended             types.SuspendedState
	Created               time.Time
	Tags                  map[string]string
	// Unseen says that the bounds were set and nobody has looked yet whether the variant
	// is within them.
	Unseen bool `json:",omitempty"`
	// Failure is what the last scaling failed with, as it was noted.
	Failure string `json:",omitempty"`
}

// scalingPolicy is a policy as it is kept.
type scalingPolicy struct {
	Name, ARN, ResourceID string
	Type                  types.PolicyType
	Tracking              *types.TargetTrackingScalingPolicyConfiguration
	Step                  *types.StepScalingPolicyConfiguration
	Created               time.Time
	// High and Low are the names of a tracking policy's alarms, Creator is in their actions.
	High, Low, Creator string `json:",omitempty"`
	// Put tells one writing of the policy from another.
	Put string `json:",omitempty"`
	// Last is the last scaling, for the cooldowns.
	Last *scaled `json:",omitempty"`
	// In is what a tracking policy would leave of the target, when its alarm of too little
	// last acted.
	In *leaves `json:",omitempty"`
}

// leaves is a capacity that a policy would scale in to.
type leaves struct {
	At    time.Time
	Count int32
}

func validation(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

// noTarget also answers for what belongs to other services: none of it is registered.
func noTarget(namespace types.ServiceNamespace, resourceID string, dimension types.ScalableDimension) error {
	return wire.Errorf(http.StatusBadRequest, "ObjectNotFoundException",
		"No scalable target found for service namespace: %s, resource ID: %s, scalable dimension: %s", namespace, resourceID, dimension)
}

// unregistered is how PutScalingPolicy says so, alone in its words:
// https://github.com/ansible/ansible/issues/40237
func unregistered(namespace types.ServiceNamespace, resourceID string, dimension types.ScalableDimension) error {
	return wire.Errorf(http.StatusBadRequest, "ObjectNotFoundException",
		"No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s", namespace, resourceID, dimension)
}

var variant = lazyregexp.New(`^endpoint/([a-zA-Z0-9-]{1,63})/variant/([a-zA-Z0-9-]{1,63})$`)

// ours reports whether targets of a kind can be registered here.
func ours(namespace types.ServiceNamespace, dimension types.ScalableDimension) bool {
	return namespace == types.ServiceNamespaceSagemaker && (dimension == "" || dimension == types.ScalableDimensionSageMakerVariantDesiredInstanceCount)
}

// checkNew refuses to register what is no variant.
func checkNew(namespace types.ServiceNamespace, dimension types.ScalableDimension, resourceID *string) error {
	switch {
	case aws.ToString(resourceID) == "" || dimension == "":
		return validation("ResourceId and ScalableDimension are required.")
	case !ours(namespace, dimension):
		return wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox scales only %s", types.ScalableDimensionSageMakerVariantDesiredInstanceCount)
	case !variant.MatchString(*resourceID):
		return validation("Unsupported service namespace, resource type or scalable dimension: %s", *resourceID)
	}
	return nil
}

// checkOne refuses what names no target, what is another service's as absent.
func checkOne(namespace types.ServiceNamespace, dimension types.ScalableDimension, resourceID *string,
	absent func(types.ServiceNamespace, string, types.ScalableDimension) error,
) error {
	if aws.ToString(resourceID) == "" || dimension == "" {
		return validation("ResourceId and ScalableDimension are required.")
	}
	if !ours(namespace, dimension) {
		return absent(namespace, *resourceID, dimension)
	}
	return nil
}

// inService refuses a variant that is not there, as AWS does: it asks SageMaker
// with the caller's rights.
func (s *Service) inService(ctx context.Context, req *wire.Request, resourceID string) error {
	m := variant.FindStringSubmatch(resourceID)
	in, err := json.Marshal(map[string]string{"EndpointName": m[1]})
	if err != nil {
		return err
	}
	raw, err := s.router.Invoke(ctx, req.Scope, req.Principal, "sagemaker", "DescribeEndpoint", in)
	if wire.Transient(err) { // it says nothing about the variant
		return err
	}
	if err != nil {
		return validation("%s", wire.AsError(err).Message)
	}
	var endpoint struct {
		EndpointStatus     string
		ProductionVariants []struct{ VariantName string }
	}
	if err := json.Unmarshal(raw, &endpoint); err != nil {
		return err
	}
	if endpoint.EndpointStatus != "InService" {
		return validation("The endpoint %s is not InService: its status is %s.", m[1], endpoint.EndpointStatus)
	}
	for _, v := range endpoint.ProductionVariants {
		if v.VariantName == m[2] {
			return nil
		}
	}
	return validation("The endpoint %s has no production variant %s.", m[1], m[2])
}

func (s *Service) registerTarget(ctx context.Context, req *wire.Request, in *sdk.RegisterScalableTargetInput) (*sdk.RegisterScalableTargetOutput, error) {
	if err := checkNew(in.ServiceNamespace, in.ScalableDimension, in.ResourceId); err != nil {
		return nil, err
	}
	if err := s.inService(ctx, req, *in.ResourceId); err != nil {
		return nil, err
	}
	var t target
	err := s.DB.Update(func(tx *store.Tx) error {
		key := req.Key(*in.ResourceId)
		var found bool
		var err error
		if t, found, err = store.Get[target](tx, targetsBucket, key); err != nil {
			return err
		}
		if !found {
			if in.MinCapacity == nil || in.MaxCapacity == nil {
				return validation("MinCapacity and MaxCapacity are required to register a new scalable target.")
			}
			t = target{
				Scope: req.Scope, ResourceID: *in.ResourceId, Created: s.Clock.Now().UTC(), Tags: in.Tags,
				ARN:  req.ARN("application-autoscaling", "scalable-target/"+strings.ReplaceAll(wire.NewID(), "-", "")),
				Role: req.GlobalARN("iam", "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"),
			}
		} else if len(in.Tags) > 0 {
			return validation("Tags of a scalable target that is registered are changed by TagResource.")
		}
		t.apply(in)
		if t.Min < 0 || t.Max < t.Min {
			return validation("Maximum capacity cannot be less than minimum capacity")
		}
		t.Unseen = true
		return store.Put(tx, targetsBucket, key, t)
	})
	if err != nil {
		return nil, err
	}
	s.changed.Ring()
	return &sdk.RegisterScalableTargetOutput{ScalableTargetARN: &t.ARN}, nil
}

// apply sets what the request gives and leaves the rest.
func (t *target) apply(in *sdk.RegisterScalableTargetInput) {
	if in.MinCapacity != nil {
		t.Min = *in.MinCapacity
	}
	if in.MaxCapacity != nil {
		t.Max = *in.MaxCapacity
	}
	if sus := in.SuspendedState; sus != nil {
		for _, p := range []struct{ from, to **bool }{
			{&sus.DynamicScalingInSuspended, &t.Suspended.DynamicScalingInSuspended},
			{&sus.DynamicScalingOutSuspended, &t.Suspended.DynamicScalingOutSuspended},
			{&sus.ScheduledScalingSuspended, &t.Suspended.ScheduledScalingSuspended},
		} {
			if *p.from != nil {
				*p.to = *p.from
			}
		}
	}
}

func (t target) output() types.ScalableTarget {
	state := &types.SuspendedState{
		DynamicScalingInSuspended:  aws.Bool(aws.ToBool(t.Suspended.DynamicScalingInSuspended)),
		DynamicScalingOutSuspended: aws.Bool(aws.ToBool(t.Suspended.DynamicScalingOutSuspended)),
		ScheduledScalingSuspended:  aws.Bool(aws.ToBool(t.Suspended.ScheduledScalingSuspended)),
	}
	return types.ScalableTarget{
		ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: types.ScalableDimensionSageMakerVariantDesiredInstanceCount,
		ResourceId: &t.ResourceID, ScalableTargetARN: &t.ARN, RoleARN: &t.Role, MinCapacity: &t.Min, MaxCapacity: &t.Max,
		CreationTime: &t.Created, SuspendedState: state,
	}
}

func (s *Service) describeTargets(_ context.Context, req *wire.Request, in *sdk.DescribeScalableTargetsInput) (*sdk.DescribeScalableTargetsOutput, error) {
	if !ours(in.ServiceNamespace, in.ScalableDimension) {
		return &sdk.DescribeScalableTargetsOutput{ScalableTargets: []types.ScalableTarget{}}, nil
	}
	var all []types.ScalableTarget
	err := s.DB.View(func(tx *store.Tx) error {
		list, err := store.List[target](tx, targetsBucket, req.Key(""))
		for _, t := range list {
			if len(in.ResourceIds) == 0 || slices.Contains(in.ResourceIds, t.ResourceID) {
				all = append(all, t.output())
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := pageOf(all, in.NextToken, in.MaxResults, func(t types.ScalableTarget) string { return *t.ResourceId })
	return &sdk.DescribeScalableTargetsOutput{ScalableTargets: some, NextToken: next}, err
}

// deregisterTarget deletes the target with its policies and scheduled actions.
func (s *Service) deregisterTarget(ctx context.Context, req *wire.Request, in *sdk.DeregisterScalableTargetInput) (*sdk.DeregisterScalableTargetOutput, error) {
	if err := checkOne(in.ServiceNamespace, in.ScalableDimension, in.ResourceId, noTarget); err != nil {
		return nil, err
	}
	all, err := store.ReadAll[scalingPolicy](s.DB, policiesBucket, req.Key(*in.ResourceId)+"|")
	if err != nil {
		return nil, err
	}
	for _, p := range all { // first: a policy without alarms gets them again, alarms without one would stay
		if err := s.unwatch(ctx, req.Scope, p.High, p.Low); err != nil {
			return nil, err
		}
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		key := req.Key(*in.ResourceId)
		if tx.GetRaw(targetsBucket, key) == nil {
			return noTarget(in.ServiceNamespace, *in.ResourceId, in.ScalableDimension)
		}
		for _, bucket := range []string{policiesBucket, actionsBucket} {
			if err := tx.DeletePrefix(bucket, key+"|"); err != nil {
				return err
			}
		}
		return tx.Delete(targetsBucket, key)
	})
	return &sdk.DeregisterScalableTargetOutput{}, err
}

func (s *Service) putPolicy(ctx context.Context, req *wire.Request, in *sdk.PutScalingPolicyInput) (*sdk.PutScalingPolicyOutput, error) {
	if err := checkOne(in.ServiceNamespace, in.ScalableDimension, in.ResourceId, unregistered); err != nil {
		return nil, err
	}
	name := aws.ToString(in.PolicyName)
	if strings.Contains(name, "|") { // ends the store's key of a target
		return nil, validation("The policy name must not have a vertical bar.")
	}
	p := scalingPolicy{
		Name: name, ResourceID: *in.ResourceId, Created: s.Clock.Now().UTC(), Type: in.PolicyType, Put: wire.NewID(),
		Tracking: in.TargetTrackingScalingPolicyConfiguration, Step: in.StepScalingPolicyConfiguration,
	}
	if err := checkPolicy(in); err != nil {
		return nil, err
	}
	dropped, key := "", req.Key(p.ResourceID)+"|"+name
	var before *scalingPolicy
	err := s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(targetsBucket, req.Key(p.ResourceID)) == nil {
			return unregistered(in.ServiceNamespace, p.ResourceID, in.ScalableDimension)
		}
		old, found, err := store.Get[scalingPolicy](tx, policiesBucket, key)
		if err != nil {
			return err
		}
		if found {
			before = &old
			if p.Type == "" {
				p.Type = old.Type
			}
			if p.Type != old.Type {
				return validation("You cannot change the type of a scaling policy.")
			}
			p.ARN, p.Created, p.High, p.Low, p.Creator, p.Last = old.ARN, old.Created, old.High, old.Low, old.Creator, old.Last
		} else {
			p.ARN = req.ARN("autoscaling", "scalingPolicy:"+wire.NewID()+":resource/sagemaker/"+p.ResourceID+":policyName/"+name)
		}
		dropped = p.Low
		p.alarmNames()
		if p.Low != "" {
			dropped = ""
		}
		return store.Put(tx, policiesBucket, key, p)
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.watch(ctx, req.Scope, &p), s.unwatch(ctx, req.Scope, dropped)); err != nil {
		return nil, errors.Join(err, s.takeBack(ctx, req.Scope, key, &p, before))
	}
	return &sdk.PutScalingPolicyOutput{PolicyARN: &p.ARN, Alarms: p.alarms()}, nil
}

// takeBack undoes a policy whose alarms could not be made: what was before it, nil for
// nothing, is again, unless the policy was put anew meanwhile. Alarms that were made go as
// far as that is possible; the error is that of the store.
func (s *Service) takeBack(ctx context.Context, sc wire.Scope, key string, p, before *scalingPolicy) error {
	var made []string
	for _, name := range []string{p.High, p.Low} {
		if before == nil || name != before.High && name != before.Low {
			made = append(made, name)
		}
	}
	again := error(nil)
	if before != nil {
		again = s.watch(ctx, sc, before)
	}
	if err := errors.Join(s.unwatch(ctx, sc, made...), again); err != nil {
		s.Log.Warn("alarms of a scaling policy not taken back", "policy", p.ARN, "error", err.Error())
	}
	return s.DB.Update(func(tx *store.Tx) error {
		now, found, err := store.Get[scalingPolicy](tx, policiesBucket, key)
		if err != nil || !found || now.Put != p.Put {
			return err
		}
		if before == nil {
			return tx.Delete(policiesBucket, key)
		}
		was := *before
		was.Last = now.Last // it may have scaled
		return store.Put(tx, policiesBucket, key, was)
	})
}

func checkPolicy(in *sdk.PutScalingPolicyInput) error {
	track, step := in.TargetTrackingScalingPolicyConfiguration, in.StepScalingPolicyConfiguration
	switch {
	case in.PredictiveScalingPolicyConfiguration != nil || in.PolicyType == types.PolicyTypePredictiveScaling:
		return validation("Predictive scaling is not available for the service namespace sagemaker.")
	case in.PolicyType == types.PolicyTypeTargetTrackingScaling && track == nil:
		return validation("You must specify a TargetTrackingScalingPolicyConfiguration with the TargetTrackingScaling policy type.")
	case (in.PolicyType == types.PolicyTypeStepScaling || in.PolicyType == "") && step == nil:
		return validation("You must specify a StepScalingPolicyConfiguration with the StepScaling policy type.")
	case track != nil && step != nil:
		return validation("Only one kind of scaling policy configuration can be given.")
	}
	if track == nil {
		return nil
	}
	switch {
	case track.TargetValue == nil || *track.TargetValue <= 0:
		return validation("TargetValue must be greater than 0.")
	case (track.PredefinedMetricSpecification == nil) == (track.CustomizedMetricSpecification == nil):
		return validation("You must specify either a predefined metric or a customized metric.")
	case track.PredefinedMetricSpecification != nil && predefined[track.PredefinedMetricSpecification.PredefinedMetricType].name == "":
		return validation("The metric type %s is not valid for the service namespace sagemaker.", track.PredefinedMetricSpecification.PredefinedMetricType)
	}
	return nil
}

func (s *Service) describePolicies(_ context.Context, req *wire.Request, in *sdk.DescribeScalingPoliciesInput) (*sdk.DescribeScalingPoliciesOutput, error) {
	if !ours(in.ServiceNamespace, in.ScalableDimension) {
		return &sdk.DescribeScalingPoliciesOutput{ScalingPolicies: []types.ScalingPolicy{}}, nil
	}
	prefix := req.Key("")
	if in.ResourceId != nil {
		prefix = req.Key(*in.ResourceId) + "|"
	}
	var all []types.ScalingPolicy
	err := s.DB.View(func(tx *store.Tx) error {
		list, err := store.List[scalingPolicy](tx, policiesBucket, prefix)
		for _, p := range list {
			if len(in.PolicyNames) > 0 && !slices.Contains(in.PolicyNames, p.Name) {
				continue
			}
			all = append(all, types.ScalingPolicy{
				PolicyName: &p.Name, PolicyARN: &p.ARN, PolicyType: p.Type, ResourceId: &p.ResourceID, CreationTime: &p.Created, Alarms: p.alarms(),
				ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: types.ScalableDimensionSageMakerVariantDesiredInstanceCount,
				TargetTrackingScalingPolicyConfiguration: p.Tracking, StepScalingPolicyConfiguration: p.Step,
			})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := pageOf(all, in.NextToken, in.MaxResults, func(p types.ScalingPolicy) string { return *p.ResourceId + "|" + *p.PolicyName })
	return &sdk.DescribeScalingPoliciesOutput{ScalingPolicies: some, NextToken: next}, err
}

func (s *Service) deletePolicy(ctx context.Context, req *wire.Request, in *sdk.DeleteScalingPolicyInput) (*sdk.DeleteScalingPolicyOutput, error) {
	if err := checkOne(in.ServiceNamespace, in.ScalableDimension, in.ResourceId, noTarget); err != nil {
		return nil, err
	}
	p, _, err := store.Read[scalingPolicy](s.DB, policiesBucket, req.Key(*in.ResourceId)+"|"+aws.ToString(in.PolicyName))
	if err != nil {
		return nil, err
	}
	if err := s.unwatch(ctx, req.Scope, p.High, p.Low); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		key := req.Key(*in.ResourceId) + "|" + aws.ToString(in.PolicyName)
		if tx.GetRaw(policiesBucket, key) == nil {
			return wire.Errorf(http.StatusBadRequest, "ObjectNotFoundException",
				"No scaling policy found for service namespace: sagemaker, resource ID: %s, scalable dimension: %s, policy name: %s", *in.ResourceId,
				in.ScalableDimension, aws.ToString(in.PolicyName))
		}
		return tx.Delete(policiesBucket, key)
	})
	return &sdk.DeleteScalingPolicyOutput{}, err
}

// pageOf cuts one page; AWS takes limits beyond 50 as 50.
func pageOf[T any](items []T, token *string, limit *int32, id func(T) string) ([]T, *string, error) {
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	if limit != nil && *limit > 50 {
		limit = nil
	}
	some, next, err := page.Of(items, token, limit, 50, id)
	if err != nil {
		return nil, nil, wire.Errorf(http.StatusBadRequest, "InvalidNextTokenException", "The next token supplied was invalid.")
	}
	return some, next, nil
}
