package sagemaker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// alarmStates asks CloudWatch for alarms, as the execution role of the new fleet's model.
// "Ensure that your IAM execution role has permission to perform the
// cloudwatch:DescribeAlarms action on the auto-rollback alarms you specify."
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
func (s *Service) alarmStates(ctx context.Context, sc wire.Scope, d *deployment, arn string, names []string) (map[string]string, error) {
	if s.router == nil {
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox runs without CloudWatch")
	}
	m := d.Models[d.Variants[0].ModelName]
	p, err := s.assume(ctx, aws.ToString(m.Spec.ExecutionRoleArn), arn)
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(map[string]any{"AlarmNames": names, "AlarmTypes": []string{"MetricAlarm", "CompositeAlarm"}, "MaxRecords": 100})
	if err != nil {
		return nil, err
	}
	raw, err := s.router.Invoke(ctx, sc, p, "cloudwatch", "DescribeAlarms", in)
	if err != nil {
		return nil, err
	}
	type one struct{ AlarmName, StateValue string }
	var doc struct{ MetricAlarms, CompositeAlarms []one }
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range slices.Concat(doc.MetricAlarms, doc.CompositeAlarms) {
		out[a.AlarmName] = a.StateValue
	}
	return out, nil
}

// checkAlarms refuses alarms that are not there or that the execution role may not see.
// That AWS does so when it is asked, and not in the course of the deployment, is unsure,
// and so are the words.
func (s *Service) checkAlarms(ctx context.Context, req *wire.Request, d *deployment, arn string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	states, err := s.alarmStates(ctx, req.Scope, d, arn, names)
	if wire.Transient(err) {
		return err
	}
	if err != nil {
		return invalid("Could not describe the alarms of AutoRollbackConfiguration with the execution role of model %q: %s", d.Variants[0].ModelName, wire.AsError(err).Message)
	}
	var gone []string
	for _, name := range names {
		if _, ok := states[name]; !ok {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		return invalid("Could not find the alarm(s) %s of AutoRollbackConfiguration.", quoted(gone))
	}
	return nil
}

// tripped returns why a deployment is to be turned back, "" if no alarm says so. The words
// are ours. An error that passes is no reason: the alarms are looked at again.
func (s *Service) tripped(e *endpoint, names []string) (why string, err error) {
	if len(names) == 0 {
		return "", nil
	}
	states, err := s.alarmStates(s.ctx, scopeOf(e.ARN), e.Target, e.ARN, names)
	if s.ctx.Err() != nil {
		return "", s.ctx.Err()
	}
	if wire.Transient(err) {
		s.cfg.Log.Warn("auto-rollback alarms not described", "endpoint", e.ARN, "error", err.Error())
		return "", nil
	}
	if err != nil {
		return "The auto-rollback alarms could not be described with the execution role: " + wire.AsError(err).Message, nil
	}
	var on []string
	for _, name := range names {
		if states[name] == "ALARM" {
			on = append(on, name)
		}
	}
	if len(on) == 0 {
		return "", nil
	}
	return "The deployment was rolled back since the alarm(s) " + quoted(on) + " of AutoRollbackConfiguration are in ALARM state.", nil
}

// scaled are those of an endpoint's variants that are scalable targets of Application Auto
// Scaling.
func (s *Service) scaled(ctx context.Context, sc wire.Scope, endpoint string, variants []string) ([]string, error) {
	if s.router == nil || len(variants) == 0 {
		return nil, nil
	}
	ids := make([]string, len(variants))
	for i, v := range variants {
		ids[i] = "endpoint/" + endpoint + "/variant/" + v
	}
	in, err := json.Marshal(map[string]any{"ServiceNamespace": "sagemaker", "ScalableDimension": scaledDimension, "ResourceIds": ids})
	if err != nil {
		return nil, err
	}
	p := wire.Principal{Account: sc.Account, Admin: true, Service: servicePrinc}
	raw, err := s.router.Invoke(ctx, sc, p, scalingService, "DescribeScalableTargets", in)
	if err != nil {
		if wire.Unserved(err) {
			return nil, nil
		}
		return nil, err
	}
	var doc struct {
		ScalableTargets []struct {
			ResourceID string `json:"ResourceId"`
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	var out []string
	for _, t := range doc.ScalableTargets {
		_, name, _ := strings.Cut(t.ResourceID, "/variant/")
		out = append(out, name)
	}
	return out, nil
}

const (
	scalingService  = "applicationautoscaling"
	scaledDimension = "sagemaker:variant:DesiredInstanceCount"
)

// checkScaled refuses to change the instance type of a variant that is a scalable target,
// or to drop it.
// https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
// (The words are as users reported them, not from a recording: unsure.)
func (s *Service) checkScaled(ctx context.Context, sc wire.Scope, e *endpoint, to *deployment) error {
	var touched []string
	for i := range e.Active.Variants {
		old := &e.Active.Variants[i]
		if v := to.variant(old.Name); v == nil || v.Instance != old.Instance {
			touched = append(touched, old.Name)
		}
	}
	names, err := s.scaled(ctx, sc, e.Name, touched)
	if err != nil || len(names) == 0 {
		return err
	}
	return invalid("The variant(s) %s must be deregistered as scalable targets with AutoScaling before they can be removed or have their instance type updated.", quoted(names))
}

// unscale deregisters the variants of an endpoint that goes, with the caller's rights.
// https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-delete-with-scaling.html
// The refusal was reported in https://github.com/awslabs/stable-diffusion-aws-extension/issues/161.
func (s *Service) unscale(ctx context.Context, req *wire.Request, e *endpoint) error {
	var all []string
	for i := range e.Active.Variants {
		all = append(all, e.Active.Variants[i].Name)
	}
	names, err := s.scaled(ctx, req.Scope, e.Name, all)
	for _, name := range names {
		in, err := json.Marshal(map[string]any{"ServiceNamespace": "sagemaker", "ScalableDimension": scaledDimension, "ResourceId": "endpoint/" + e.Name + "/variant/" + name})
		if err != nil {
			return err
		}
		_, err = s.router.Invoke(ctx, req.Scope, req.Principal, scalingService, "DeregisterScalableTarget", in)
		var we *wire.Error
		switch {
		case errors.As(err, &we) && strings.HasPrefix(we.Code, "AccessDenied"):
			return invalid("An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity used to invoke DeleteEndpoint " +
				"does not have application-autoscaling:DeregisterScalableTarget permission to deregister the scalable target.")
		case errors.As(err, &we) && we.Code == "ObjectNotFoundException": // somebody else did
		case err != nil:
			return err
		}
	}
	return err
}

// judged checks what an update needs before it is accepted: asking other services is not
// possible within a change of the store.
func (s *Service) judged(ctx context.Context, req *wire.Request, arn, cfgARN string, in *sm.UpdateEndpointInput) error {
	e, err := load[endpoint](s, bucketEndpoints, kindEndpoint, arn)
	if err != nil {
		return err
	}
	d, err := s.prospect(req, &e, cfgARN, in)
	if err != nil {
		return err
	}
	if err := s.checkScaled(ctx, req.Scope, &e, &d); err != nil {
		return err
	}
	e.Deployment, e.Target = deploymentOf(&e, in), &d
	return s.checkAlarms(ctx, req, &d, arn, e.planOf().alarms)
}
