package app

import (
	"context"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Health is how a pipeline is.
type Health = pipelines.Health

// newestWithMapRuns bounds the executions whose Map Runs are looked at.
const newestWithMapRuns = 3

// Health asks CloudWatch about pipelines, all of one account and region together, in the
// order of the list; detailed also asks the endpoint for its instances and Step Functions
// for Map Runs. calls is how many GetMetricData it took.
func (a *App) Health(ctx context.Context, list []Existing, q health.Question) (out []Health, calls int, err error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, 0, err
	}
	out = make([]Health, len(list))
	places := map[placeKey][]int{}
	subjects := make([]health.Subject, len(list))
	for i := range list {
		x := &list[i]
		out[i].ID = x.ID
		if x.Spec == nil || x.State == nil {
			out[i].Err = x.Err
			continue
		}
		if out[i].Err = t.NotHere(x); out[i].Err != nil {
			continue
		}
		if subjects[i], out[i].Err = subjectOf(x); out[i].Err == nil {
			at := placeKey{x.Spec.Region, x.Spec.AssumeRole}
			places[at] = append(places[at], i)
		}
	}
	for at, which := range places {
		n, err := a.healthAt(ctx, t, at, which, subjects, out, q)
		calls += n
		if ctx.Err() != nil {
			return nil, calls, err
		}
		for _, i := range which {
			if err != nil {
				out[i].Err = err
			}
		}
	}
	if q.Brief {
		for i := range out {
			out[i].Created = list[i].Created() // no endpoint was asked
		}
	}
	if err := a.priceIdleOnes(ctx, list, out); err != nil {
		return nil, calls, err
	}
	return out, calls, nil
}

// priceIdleOnes adds what endpoints cost that nobody invokes.
func (a *App) priceIdleOnes(ctx context.Context, list []Existing, out []Health) error {
	var idle []int
	var of []Existing
	for i := range out {
		if out[i].Idle {
			idle, of = append(idle, i), append(of, list[i])
		}
	}
	if len(of) == 0 {
		return nil
	}
	month, err := a.CostsOf(ctx, of)
	if err != nil {
		return err
	}
	for k, i := range idle {
		if c := month[k]; c != nil && c.Fixed.Complete() && c.Fixed.Month.Sign() > 0 {
			out[i].Month = c.Fixed.Month.String() + " " + costs.Currency
		}
	}
	return nil
}

func subjectOf(x *Existing) (s health.Subject, err error) {
	var function, queue string
	for name, to := range map[string]*string{"endpointName": &s.Endpoint, "stateMachineArn": &s.Machine, "preprocessFunctionArn": &function, "dlqUrl": &queue} {
		if *to, err = x.State.Text(name); err != nil {
			return s, err
		}
	}
	s.Variant = spec.Variant
	if function != "" {
		s.Function = functionName(function)
	}
	if queue != "" {
		s.Queue = path.Base(queue)
	}
	return s, nil
}

// healthAt asks about the pipelines of one place.
func (a *App) healthAt(ctx context.Context, t *Target, at placeKey, which []int, subjects []health.Subject, out []Health, q health.Question) (int, error) {
	cfg, err := t.awsConfig(ctx, at.region, at.role)
	if err != nil {
		return 0, err
	}
	api, now := cloudwatch.NewFromConfig(cfg), a.opts.Clock.Now()
	mine := make([]health.Subject, len(which))
	for j, i := range which {
		mine[j] = subjects[i]
	}
	reports, calls, err := health.Ask(ctx, api, mine, q, now)
	if err != nil {
		return calls, err
	}
	var quiet []int
	var still []health.Subject
	for j, i := range which {
		out[i].Report = reports[j]
		if m := reports[j].Of(health.Invocations); m != nil && (m.Total == nil || *m.Total == 0) {
			quiet, still = append(quiet, i), append(still, mine[j])
		}
	}
	if len(still) > 0 && !q.Bare {
		last, err := health.LastInvocations(ctx, api, still, now)
		if err != nil {
			return calls, err
		}
		calls++
		for k, i := range quiet {
			out[i].LastInvoked, out[i].Idle = last[k], true
		}
	}
	if !q.Brief && !q.Bare {
		for _, i := range which {
			out[i].Err = a.detail(ctx, cfg, at, &out[i], subjects[i], q.Paid)
		}
	}
	return calls, nil
}

// detail asks for what no metric tells, of the endpoint only if no more is wanted.
func (a *App) detail(ctx context.Context, cfg aws.Config, at placeKey, h *Health, s health.Subject, endpoint bool) error {
	if s.Endpoint != "" {
		e, err := sagemaker.NewFromConfig(cfg).DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &s.Endpoint})
		if err != nil {
			return fault.Wrap(endpointErr(h.ID, s.Endpoint, err), "endpoint")
		}
		h.Status, h.Created = string(e.EndpointStatus), aws.ToTime(e.CreationTime)
		for _, v := range e.ProductionVariants {
			h.Instances, h.Wanted = v.CurrentInstanceCount, v.DesiredInstanceCount
		}
	}
	if s.Machine == "" || endpoint {
		return nil
	}
	c, err := a.Executions(ctx, at.region, at.role)
	if err != nil {
		return err
	}
	running, err := c.List(ctx, executions.ListInput{Machine: s.Machine, Statuses: []executions.Status{executions.Running}, Limit: newestWithMapRuns})
	if err != nil {
		return err
	}
	for _, x := range running {
		runs, err := c.MapRuns(ctx, x.ARN)
		if err != nil {
			return err
		}
		for i := range runs {
			r, err := c.DescribeMapRun(ctx, runs[i].ARN)
			if err != nil {
				return err
			}
			h.MapRuns = append(h.MapRuns, *r)
		}
	}
	return nil
}
