package sagemaker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) createEndpoint(_ context.Context, req *wire.Request, in *sm.CreateEndpointInput) (*sm.CreateEndpointOutput, error) {
	name := aws.ToString(in.EndpointName)
	cfgName := aws.ToString(in.EndpointConfigName)
	arn, cfgARN := arnOf(req, kindEndpoint, name), arnOf(req, kindConfig, cfgName)
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	now := s.cfg.Clock.Now()
	e := endpoint{
		Name: name, ARN: arn, Created: now, Modified: now, Status: types.EndpointStatusCreating,
		Deployment: in.DeploymentConfig, ReadyAt: now.Add(s.delay()), Generation: 1,
	}
	err := s.cfg.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(bucketEndpoints, arn) != nil {
			return exists(kindEndpoint, arn)
		}
		cfg, err := configOf(tx, cfgARN)
		if err != nil {
			return err
		}
		if e.Active, err = newDeployment(tx, arnMaker(req), cfg, 1, now); err != nil {
			return err
		}
		if err := checkDeployment(in.DeploymentConfig, &e.Active); err != nil {
			return err
		}
		if err := s.room(tx, req.Scope, arn, machinesOf(&e.Active)); err != nil {
			return err
		}
		if err := putTags(tx, arn, in.Tags); err != nil {
			return err
		}
		return store.Put(tx, bucketEndpoints, arn, e)
	})
	if err != nil {
		return nil, err
	}
	s.changed(&e)
	s.drive(arn)
	return &sm.CreateEndpointOutput{EndpointArn: &arn}, nil
}

func arnMaker(req *wire.Request) func(kind, name string) string {
	return func(kind, name string) string { return arnOf(req, kind, name) }
}

func configOf(tx *store.Tx, arn string) (config, error) {
	return store.Find[config](tx, bucketConfigs, arn, notFound(kindConfig, arn))
}

// change updates an endpoint that is at rest and lets its transition run.
func (s *Service) change(arn string, fn func(tx *store.Tx, e *endpoint) error) error {
	var e endpoint
	err := s.cfg.DB.Update(func(tx *store.Tx) error {
		var found bool
		var err error
		if e, found, err = store.Get[endpoint](tx, bucketEndpoints, arn); err != nil {
			return err
		}
		if !found {
			return notFound(kindEndpoint, arn)
		}
		if e.moving() {
			return inProgress(arn)
		}
		if err := fn(tx, &e); err != nil {
			return err
		}
		e.Modified = s.cfg.Clock.Now()
		return store.Put(tx, bucketEndpoints, arn, e)
	})
	if err != nil {
		return err
	}
	s.changed(&e)
	s.drive(arn)
	return nil
}

func (s *Service) updateEndpoint(ctx context.Context, req *wire.Request, in *sm.UpdateEndpointInput) (*sm.UpdateEndpointOutput, error) {
	name := aws.ToString(in.EndpointName)
	cfgName := aws.ToString(in.EndpointConfigName)
	arn, cfgARN := arnOf(req, kindEndpoint, name), arnOf(req, kindConfig, cfgName)
	if in.DeploymentConfig != nil && aws.ToBool(in.RetainDeploymentConfig) {
		return nil, invalid("DeploymentConfig cannot be specified when RetainDeploymentConfig is true.")
	}
	if err := s.judged(ctx, req, arn, cfgARN, in); err != nil {
		return nil, err
	}
	err := s.change(arn, func(tx *store.Tx, e *endpoint) error {
		d, err := s.prospectIn(tx, req, e, cfgARN, in)
		if err != nil {
			return err
		}
		if err := s.room(tx, req.Scope, "", beside(deploymentOf(e, in), &e.Active, &d)); err != nil {
			return err
		}
		now := s.cfg.Clock.Now()
		e.Deployment = deploymentOf(e, in)
		e.Generation, e.LastDeployment = d.Generation, e.Deployment
		e.Status, e.Target, e.FailureReason = types.EndpointStatusUpdating, &d, ""
		e.Rollout = &rollout{Phase: launching, Began: now, Since: now, Until: now.Add(s.delay())}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sm.UpdateEndpointOutput{EndpointArn: &arn}, nil
}

// deploymentOf is the deployment configuration of an update.
func deploymentOf(e *endpoint, in *sm.UpdateEndpointInput) *types.DeploymentConfig {
	if aws.ToBool(in.RetainDeploymentConfig) {
		return e.Deployment
	}
	return in.DeploymentConfig
}

// prospect is what an update would make of an endpoint, or why it is refused.
func (s *Service) prospect(req *wire.Request, e *endpoint, cfgARN string, in *sm.UpdateEndpointInput) (d deployment, err error) {
	err = s.cfg.DB.View(func(tx *store.Tx) (err error) {
		d, err = s.prospectIn(tx, req, e, cfgARN, in)
		return err
	})
	return d, err
}

func (s *Service) prospectIn(tx *store.Tx, req *wire.Request, e *endpoint, cfgARN string, in *sm.UpdateEndpointInput) (deployment, error) {
	switch {
	case e.moving():
		return deployment{}, inProgress(e.ARN)
	case e.Status == types.EndpointStatusFailed:
		return deployment{}, invalid("Cannot update endpoint %q in status Failed: delete it and create it anew.", e.ARN)
	}
	cfg, err := configOf(tx, cfgARN)
	if err != nil {
		return deployment{}, err
	}
	d, err := newDeployment(tx, arnMaker(req), cfg, e.Generation+1, s.cfg.Clock.Now())
	if err != nil {
		return d, err
	}
	if err := checkKinds(e, &d); err != nil {
		return d, err
	}
	for _, p := range in.ExcludeRetainedVariantProperties {
		if p.VariantPropertyType == types.VariantPropertyTypeDataCaptureConfig {
			// "(Not currently supported.)": sagemaker/latest/APIReference/API_VariantProperty.html. The words are ours.
			return d, invalid("VariantPropertyType DataCaptureConfig of ExcludeRetainedVariantProperties is not currently supported.")
		}
	}
	retain(&e.Active, &d, in)
	dc := deploymentOf(e, in)
	if err := checkDeployment(dc, &d); err != nil {
		return d, err
	}
	return d, checkNames(dc, &e.Active, &d)
}

// checkNames refuses other variants in a deployment with a policy: "your new endpoint
// configuration must have the same variant name as the old endpoint configuration".
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
// Without a policy variants may come and go, as they could before there were policies.
func checkNames(dc *types.DeploymentConfig, from, to *deployment) error {
	if dc == nil || dc.BlueGreenUpdatePolicy == nil && dc.RollingUpdatePolicy == nil {
		return nil
	}
	same := len(from.Variants) == len(to.Variants)
	for i := range to.Variants {
		same = same && from.variant(to.Variants[i].Name) != nil
	}
	if same {
		return nil
	}
	return invalid("The variant names of endpoint configuration %q must be those of endpoint configuration %q when a deployment policy is used.", to.ConfigName, from.ConfigName)
}

func inProgress(arn string) error { return invalid("Cannot update in-progress endpoint %q.", arn) }

// checkKinds refuses to make an instance-backed endpoint serverless, as AWS does
// (the other way is allowed).
func checkKinds(e *endpoint, to *deployment) error {
	for i := range to.Variants {
		if v := e.Active.variant(to.Variants[i].Name); v != nil && to.Variants[i].Serverless && !v.Serverless {
			return invalid("Cannot update endpoint %q: an instance-based variant cannot be converted to a serverless one.", e.ARN)
		}
	}
	return nil
}

// retain keeps weights and counts of variants that stay, where the caller wants.
func retain(from, to *deployment, in *sm.UpdateEndpointInput) {
	if !aws.ToBool(in.RetainAllVariantProperties) {
		return
	}
	excluded := func(t types.VariantPropertyType) bool {
		return slices.ContainsFunc(in.ExcludeRetainedVariantProperties, func(p types.VariantProperty) bool { return p.VariantPropertyType == t })
	}
	for i := range to.Variants {
		v := &to.Variants[i]
		old := from.variant(v.Name)
		if old == nil {
			continue
		}
		if !excluded(types.VariantPropertyTypeDesiredWeight) {
			v.DesiredWeight = old.DesiredWeight
		}
		if !excluded(types.VariantPropertyTypeDesiredInstanceCount) && !v.Serverless && !old.Serverless {
			v.DesiredCount = old.DesiredCount
		}
	}
}

func (s *Service) updateWeights(_ context.Context, req *wire.Request, in *sm.UpdateEndpointWeightsAndCapacitiesInput) (*sm.UpdateEndpointWeightsAndCapacitiesOutput, error) {
	name := aws.ToString(in.EndpointName)
	arn := arnOf(req, kindEndpoint, name)
	err := s.change(arn, func(tx *store.Tx, e *endpoint) error {
		switch e.Status {
		case types.EndpointStatusFailed:
			return invalid("Cannot update endpoint %q in status Failed.", arn)
		case types.EndpointStatusUpdateRollbackFailed:
			// Two fleets serve, and which of them has a variant's instances is not told apart:
			// the way out is UpdateEndpoint. The words are ours.
			// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html
			return invalid("Cannot update weights and capacities of endpoint %q in status UpdateRollbackFailed: update it to an endpoint configuration first.", arn)
		case types.EndpointStatusCreating, types.EndpointStatusUpdating, types.EndpointStatusRollingBack, types.EndpointStatusDeleting, types.EndpointStatusSystemUpdating,
			types.EndpointStatusInService, types.EndpointStatusOutOfService:
		}
		before := machinesOf(&e.Active)
		for _, w := range in.DesiredWeightsAndCapacities {
			if err := e.Active.scale(w); err != nil {
				return err
			}
		}
		if err := s.room(tx, req.Scope, "", before.more(machinesOf(&e.Active))); err != nil {
			return err
		}
		e.Status, e.Target, e.Rollout, e.ReadyAt, e.FailureReason = types.EndpointStatusUpdating, nil, nil, s.cfg.Clock.Now().Add(s.delay()), ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sm.UpdateEndpointWeightsAndCapacitiesOutput{EndpointArn: &arn}, nil
}

func (d *deployment) scale(w types.DesiredWeightAndCapacity) error {
	v := d.variant(aws.ToString(w.VariantName))
	if v == nil {
		return invalid("The variant name(s) %q is/are not present within endpoint configuration %q.", aws.ToString(w.VariantName), d.Config.ARN)
	}
	if w.DesiredWeight != nil {
		if *w.DesiredWeight < 0 {
			return violation(fmt.Sprint(*w.DesiredWeight), "desiredWeightsAndCapacities.member.desiredWeight", "Member must have value greater than or equal to 0")
		}
		v.DesiredWeight = *w.DesiredWeight
	}
	if w.DesiredInstanceCount != nil {
		if v.Serverless {
			return invalid("DesiredInstanceCount cannot be set for the serverless variant %q.", v.Name)
		}
		if *w.DesiredInstanceCount < 1 {
			return violation(fmt.Sprint(*w.DesiredInstanceCount), "desiredWeightsAndCapacities.member.desiredInstanceCount", "Member must have value greater than or equal to 1")
		}
		v.DesiredCount = *w.DesiredInstanceCount
	}
	if u := w.ServerlessUpdateConfig; u != nil {
		if !v.Serverless {
			return invalid("ServerlessUpdateConfig cannot be set for the instance-based variant %q.", v.Name)
		}
		c := *v.DesiredServer
		if u.MaxConcurrency != nil {
			c.MaxConcurrency = u.MaxConcurrency
		}
		if u.ProvisionedConcurrency != nil {
			c.ProvisionedConcurrency = u.ProvisionedConcurrency
		}
		if err := checkServerless(&types.ProductionVariant{ServerlessConfig: &c}, "desiredWeightsAndCapacities.member."); err != nil {
			return err
		}
		v.DesiredServer = &c
	}
	return nil
}

func (s *Service) deleteEndpoint(ctx context.Context, req *wire.Request, in *sm.DeleteEndpointInput) (*sm.DeleteEndpointOutput, error) {
	name := aws.ToString(in.EndpointName)
	arn := arnOf(req, kindEndpoint, name)
	e, err := load[endpoint](s, bucketEndpoints, kindEndpoint, arn)
	if err != nil {
		return nil, err
	}
	if e.moving() {
		return nil, inProgress(arn)
	}
	if err := s.unscale(ctx, req, &e); err != nil {
		return nil, err
	}
	err = s.change(arn, func(_ *store.Tx, e *endpoint) error {
		e.Status, e.Target, e.Rollout, e.ReadyAt = types.EndpointStatusDeleting, nil, nil, s.cfg.Clock.Now().Add(s.delay()/4)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sm.DeleteEndpointOutput{}, nil
}

func (s *Service) describeEndpoint(_ context.Context, req *wire.Request, in *sm.DescribeEndpointInput) (*sm.DescribeEndpointOutput, error) {
	name := aws.ToString(in.EndpointName)
	arn := arnOf(req, kindEndpoint, name)
	e, err := load[endpoint](s, bucketEndpoints, kindEndpoint, arn)
	if err != nil {
		return nil, err
	}
	out := &sm.DescribeEndpointOutput{
		EndpointName: &e.Name, EndpointArn: &e.ARN, EndpointStatus: e.Status, EndpointConfigName: &e.Active.ConfigName,
		CreationTime: &e.Created, LastModifiedTime: &e.Modified, LastDeploymentConfig: e.LastDeployment,
	}
	if e.FailureReason != "" {
		out.FailureReason = &e.FailureReason
	}
	if e.Status != types.EndpointStatusCreating && e.Status != types.EndpointStatusFailed {
		out.ProductionVariants = summaries(&e)
		out.DataCaptureConfig = captureSummary(&e)
	}
	if e.Target != nil && e.moving() {
		out.PendingDeploymentSummary = pending(&e)
	}
	return out, nil
}

func summaries(e *endpoint) []types.ProductionVariantSummary {
	out := make([]types.ProductionVariantSummary, 0, len(e.Active.Variants))
	for i := range e.Active.Variants {
		v := &e.Active.Variants[i]
		count := e.current(v)
		sum := types.ProductionVariantSummary{
			VariantName: &v.Name, DeployedImages: v.Images,
			CurrentWeight: &v.CurrentWeight, DesiredWeight: &v.DesiredWeight,
			CurrentInstanceCount: &count, DesiredInstanceCount: &v.DesiredCount,
			CurrentServerlessConfig: v.CurrentServer, DesiredServerlessConfig: v.DesiredServer,
		}
		if v.Serverless {
			sum.DesiredInstanceCount = nil
		}
		for j := range e.Active.Config.Spec.ProductionVariants {
			if pv := &e.Active.Config.Spec.ProductionVariants[j]; aws.ToString(pv.VariantName) == v.Name {
				sum.RoutingConfig = pv.RoutingConfig
			}
		}
		out = append(out, sum)
	}
	return out
}

// pending is the deployment under way: what of it takes traffic is current.
func pending(e *endpoint) *types.PendingDeploymentSummary {
	r := e.progress()
	p := &types.PendingDeploymentSummary{EndpointConfigName: &e.Target.ConfigName, StartTime: &r.Began}
	for i := range e.Target.Variants {
		v := &e.Target.Variants[i]
		count, weight := active(v.DesiredCount, r.Share), float32(0)
		sum := types.PendingProductionVariantSummary{
			VariantName: &v.Name, DeployedImages: v.Images, DesiredWeight: &v.DesiredWeight, DesiredInstanceCount: &v.DesiredCount,
			InstanceType: types.ProductionVariantInstanceType(v.Instance), DesiredServerlessConfig: v.DesiredServer,
			CurrentInstanceCount: &count, CurrentWeight: &weight, VariantStatus: []types.ProductionVariantStatus{e.variantStatus(v)},
		}
		if r.Share > 0 {
			weight = v.DesiredWeight
			sum.CurrentServerlessConfig = v.DesiredServer
		}
		p.ProductionVariants = append(p.ProductionVariants, sum)
	}
	return p
}

func captureSummary(e *endpoint) *types.DataCaptureConfigSummary {
	c := e.Active.Config.Spec.DataCaptureConfig
	if c == nil {
		return nil
	}
	status := types.CaptureStatusStopped
	if aws.ToBool(c.EnableCapture) {
		status = types.CaptureStatusStarted
	}
	enabled := aws.ToBool(c.EnableCapture)
	return &types.DataCaptureConfigSummary{
		EnableCapture: &enabled, CaptureStatus: status, CurrentSamplingPercentage: c.InitialSamplingPercentage,
		DestinationS3Uri: c.DestinationS3Uri, KmsKeyId: aws.String(aws.ToString(c.KmsKeyId)),
	}
}

func (s *Service) listEndpoints(_ context.Context, req *wire.Request, in *sm.ListEndpointsInput) (*sm.ListEndpointsOutput, error) {
	var rows []row[types.EndpointSummary]
	err := scan(s, req, bucketEndpoints, kindEndpoint, func(e endpoint) {
		rows = append(rows, row[types.EndpointSummary]{
			name: e.Name, status: string(e.Status), created: e.Created, modified: e.Modified,
			out: types.EndpointSummary{
				EndpointName: aws.String(e.Name), EndpointArn: aws.String(e.ARN), EndpointStatus: e.Status,
				CreationTime: aws.Time(e.Created), LastModifiedTime: aws.Time(e.Modified),
			},
		})
	})
	if err != nil {
		return nil, err
	}
	some, next, err := list(rows, query{
		nameContains: in.NameContains, createdAfter: in.CreationTimeAfter, createdBefore: in.CreationTimeBefore,
		modifiedAfter: in.LastModifiedTimeAfter, modifiedBefore: in.LastModifiedTimeBefore, status: string(in.StatusEquals),
		sortBy: string(in.SortBy), order: in.SortOrder, max: in.MaxResults, token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	return &sm.ListEndpointsOutput{Endpoints: some, NextToken: next}, nil
}

// delay is how long a transition takes.
func (s *Service) delay() time.Duration { return max(0, s.cfg.CreateDelay) }
