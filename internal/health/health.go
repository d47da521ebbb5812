// Package health owns what CloudWatch tells of pipelines: how often endpoint, function and
// state machine were asked, how often they failed, and how long they took. All metrics of
// all pipelines are asked for in as few calls as there may be.
//
// It talks to CloudWatch only, prints nothing, and knows nothing of stacks.
package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const (
	// maxQueries and maxPoints bound one call
	// (AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
	maxQueries = 500
	maxPoints  = 100_800
	// points is about how many a series has: as many as a line of a terminal shows.
	points = 48
)

// API is the part of the CloudWatch client that is used. *cloudwatch.Client implements
// it.
type API interface {
	GetMetricData(ctx context.Context, in *cloudwatch.GetMetricDataInput, opts ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
}

var _ API = (*cloudwatch.Client)(nil)

// Subject is what of a pipeline has metrics; what it has not is empty.
type Subject struct {
	Endpoint, Variant string
	Function          string // its name
	Machine           string // its ARN
	Queue             string // the name of that of failures
}

// Unit is what a value counts.
type Unit string

// The units.
const (
	Count        Unit = "count"
	Milliseconds Unit = "ms"
	Seconds      Unit = "s"
)

// Metric is one metric of a pipeline over a time.
type Metric struct {
	// Name is "endpoint.invocations", "endpoint.modelLatency.p90" and so on.
	Name string `json:"name"`
	Unit Unit   `json:"unit"`
	// Total is the sum of a count; Last and Worst the newest and the greatest value. Each
	// is nil if CloudWatch knows none.
	Total *float64 `json:"total,omitempty"`
	Last  *float64 `json:"last,omitempty"`
	Worst *float64 `json:"worst,omitempty"`
	// Points are the values of each period from the first on, nil where there is none.
	Points []*float64 `json:"points"`
}

// Series are the points for drawing: 0 where nothing is known.
func (m *Metric) Series() []float64 {
	out := make([]float64, len(m.Points))
	for i, p := range m.Points {
		if p != nil {
			out[i] = *p
		}
	}
	return out
}

// Report is the metrics of one pipeline.
type Report struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Seconds int       `json:"periodSeconds"`
	Metrics []Metric  `json:"metrics"`
}

// Of is a metric by its name, nil if it was not asked for.
func (r *Report) Of(name string) *Metric {
	if i := slices.IndexFunc(r.Metrics, func(m Metric) bool { return m.Name == name }); i >= 0 {
		return &r.Metrics[i]
	}
	return nil
}

// definition is a metric as CloudWatch knows it. Its dimensions follow from the subject;
// without them there is no such metric.
type definition struct {
	name, namespace, metric, stat string
	unit                          Unit
	scale                         float64 // 0 is 1
	brief                         bool    // one of the few that a list shows
	use                           bool    // one of those that money is paid by
	paid                          bool    // of those, one that nobody wants to see otherwise
	of                            func(Subject) map[string]string
}

func endpoint(s Subject) map[string]string {
	if s.Endpoint == "" {
		return nil
	}
	return map[string]string{"EndpointName": s.Endpoint, "VariantName": s.Variant}
}

func function(s Subject) map[string]string { return one("FunctionName", s.Function) }
func machine(s Subject) map[string]string  { return one("StateMachineArn", s.Machine) }
func queue(s Subject) map[string]string    { return one("QueueName", s.Queue) }

func one(name, value string) map[string]string {
	if value == "" {
		return nil
	}
	return map[string]string{name: value}
}

// Names of metrics that others ask for.
const (
	Invocations = "endpoint.invocations"
	ServerFails = "endpoint.errors5xx"
	ModelP50    = "endpoint.modelLatency.p50"
	ModelP99    = "endpoint.modelLatency.p99"
	Started     = "executions.started"
	// Calls are those of the function. ModelTime and CallTime are what answers and calls
	// took in all.
	Calls     = "function.invocations"
	ModelTime = "endpoint.modelLatency.sum"
	CallTime  = "function.duration.sum"
	NotWell   = "executions.failed"
)

// definitions are all metrics, in the order in which they are shown.
// (sagemaker/latest/dg/monitoring-cloudwatch.html, lambda/latest/dg/monitoring-metrics-types.html,
// step-functions/latest/dg/procedure-cw-metrics.html,
// AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html)
func definitions(q Question) []definition {
	const sagemaker, lambda, states, sqs = "AWS/SageMaker", "AWS/Lambda", "AWS/States", "AWS/SQS"
	all := []definition{
		{name: Invocations, namespace: sagemaker, metric: "Invocations", stat: "Sum", unit: Count, brief: true, use: true, of: endpoint},
		{name: "endpoint.errors4xx", namespace: sagemaker, metric: "Invocation4XXErrors", stat: "Sum", unit: Count, of: endpoint},
		{name: ServerFails, namespace: sagemaker, metric: "Invocation5XXErrors", stat: "Sum", unit: Count, brief: true, of: endpoint},
		{name: "endpoint.modelLatency", namespace: sagemaker, metric: "ModelLatency", unit: Milliseconds, scale: 1e-3, brief: true, of: endpoint},
		{name: "endpoint.overheadLatency", namespace: sagemaker, metric: "OverheadLatency", unit: Milliseconds, scale: 1e-3, of: endpoint},
		{name: "endpoint.perInstance", namespace: sagemaker, metric: "InvocationsPerInstance", stat: "Sum", unit: Count, of: endpoint},
		{name: "endpoint.concurrency", namespace: sagemaker, metric: "ConcurrentRequestsPerModel", stat: "Maximum", unit: Count, of: endpoint},
		{name: Calls, namespace: lambda, metric: "Invocations", stat: "Sum", unit: Count, use: true, of: function},
		{name: "function.errors", namespace: lambda, metric: "Errors", stat: "Sum", unit: Count, of: function},
		{name: "function.throttles", namespace: lambda, metric: "Throttles", stat: "Sum", unit: Count, of: function},
		{name: "function.duration", namespace: lambda, metric: "Duration", unit: Milliseconds, of: function},
		{name: "function.concurrency", namespace: lambda, metric: "ConcurrentExecutions", stat: "Maximum", unit: Count, of: function},
		{name: ModelTime, namespace: sagemaker, metric: "ModelLatency", stat: "Sum", unit: Milliseconds, scale: 1e-3, use: true, paid: true, of: endpoint},
		{name: CallTime, namespace: lambda, metric: "Duration", stat: "Sum", unit: Milliseconds, use: true, paid: true, of: function},
		{name: Started, namespace: states, metric: "ExecutionsStarted", stat: "Sum", unit: Count, brief: true, use: true, of: machine},
		{name: "executions.succeeded", namespace: states, metric: "ExecutionsSucceeded", stat: "Sum", unit: Count, of: machine},
		{name: NotWell, namespace: states, metric: "ExecutionsFailed", stat: "Sum", unit: Count, brief: true, of: machine},
		{name: "executions.timedOut", namespace: states, metric: "ExecutionsTimedOut", stat: "Sum", unit: Count, of: machine},
		{name: "executions.aborted", namespace: states, metric: "ExecutionsAborted", stat: "Sum", unit: Count, of: machine},
		{name: "executions.throttled", namespace: states, metric: "ExecutionThrottled", stat: "Sum", unit: Count, of: machine},
		{name: "executions.time", namespace: states, metric: "ExecutionTime", unit: Milliseconds, of: machine},
		{name: "failures.waiting", namespace: sqs, metric: "ApproximateNumberOfMessagesVisible", stat: "Maximum", unit: Count, of: queue},
		{name: "failures.oldest", namespace: sqs, metric: "ApproximateAgeOfOldestMessage", stat: "Maximum", unit: Seconds, of: queue},
	}
	var out []definition
	for _, d := range all {
		if q.Brief && !q.Paid && !d.brief || q.Paid && !d.use || !q.Paid && d.paid {
			continue
		}
		if d.stat != "" {
			out = append(out, d)
			continue
		}
		for _, p := range []string{"p50", "p90", "p99"} {
			if q.Brief && p == "p90" {
				continue
			}
			x := d
			x.name, x.stat = d.name+"."+p, p
			out = append(out, x)
		}
	}
	return out
}

// Question is which metrics are asked for: brief ones are those of a list.
type Question struct {
	Since, Until time.Time
	Brief        bool
	// Paid asks only for those that money is paid by: 5 of a subject that has all.
	Paid bool
	// Bare leaves it at metrics: endpoints are not asked, nor when they were invoked last.
	Bare bool
}

// period is the length of a period: whole minutes, and as long as CloudWatch keeps periods
// of that length (15 days of a minute, 63 of five, 455 of an hour).
func (q Question) period(now time.Time) time.Duration {
	least := time.Minute
	switch age := now.Sub(q.Since); {
	case age > 63*24*time.Hour:
		least = time.Hour
	case age > 15*24*time.Hour:
		least = 5 * time.Minute
	}
	p := q.Until.Sub(q.Since) / points
	return max(least, (p + least - 1).Truncate(least))
}

// Ask asks for the metrics of several subjects of one account and region, in their order.
// It costs a call for each 500 metrics: 32 for each subject that has all, 7 if it is
// brief. calls is how many it took. AWS wants 0.01 USD for 1,000 metrics.
func Ask(ctx context.Context, api API, subjects []Subject, q Question, now time.Time) (reports []Report, calls int, err error) {
	period := q.period(now)
	q.Since, q.Until = q.Since.Truncate(period), q.Until.Truncate(period).Add(period)
	a := &asking{api: api, from: q.Since, to: q.Until, period: period}
	reports = make([]Report, len(subjects))
	var where []*Metric
	for i, s := range subjects {
		reports[i] = Report{Since: q.Since.UTC(), Until: q.Until.UTC(), Seconds: int(period.Seconds()), Metrics: []Metric{}}
		var mine []definition
		for _, d := range definitions(q) {
			if d.of(s) != nil {
				mine = append(mine, d)
				reports[i].Metrics = append(reports[i].Metrics, Metric{Name: d.name, Unit: d.unit})
			}
		}
		for j, d := range mine {
			a.add(d, d.of(s))
			where = append(where, &reports[i].Metrics[j])
		}
	}
	values, err := a.all(ctx)
	if err != nil {
		return nil, a.calls, err
	}
	for i, m := range where {
		m.fill(values[i], a.definitions[i])
	}
	return reports, a.calls, nil
}

// fill takes in the points of a metric.
func (m *Metric) fill(values []*float64, d definition) {
	m.Points = values
	var sum float64
	for _, v := range values {
		if v == nil {
			continue
		}
		if d.scale != 0 {
			*v *= d.scale
		}
		sum += *v
		m.Last = v
		if m.Worst == nil || *v > *m.Worst {
			m.Worst = v
		}
	}
	if d.stat == "Sum" && m.Last != nil {
		m.Total = &sum
	}
}

// idleLook is how far back a last invocation is looked for.
const idleLook = 15 * 24 * time.Hour

// LastInvocations are when endpoints were invoked last, to the hour, in their order; zero
// if that is longer ago than 15 days. It costs a call for each 279 endpoints.
func LastInvocations(ctx context.Context, api API, subjects []Subject, now time.Time) ([]time.Time, error) {
	to := now.Truncate(time.Hour).Add(time.Hour)
	a := &asking{api: api, from: to.Add(-idleLook), to: to, period: time.Hour}
	d := definitions(Question{Brief: true})[0]
	for _, s := range subjects {
		a.add(d, d.of(s))
	}
	values, err := a.all(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]time.Time, len(subjects))
	for i, list := range values {
		for j, v := range list {
			if v != nil && *v > 0 {
				out[i] = a.from.Add(time.Duration(j+1) * time.Hour)
			}
		}
		if out[i].After(now) {
			out[i] = now
		}
	}
	return out, nil
}

// asking is metrics that are asked for, a call for as many as there may be in one.
type asking struct {
	api         API
	from, to    time.Time
	period      time.Duration
	definitions []definition
	queries     []types.MetricDataQuery
	calls       int
}

func (a *asking) add(d definition, dimensions map[string]string) {
	m := types.Metric{Namespace: aws.String(d.namespace), MetricName: aws.String(d.metric)}
	for _, name := range slices.Sorted(keysOf(dimensions)) {
		m.Dimensions = append(m.Dimensions, types.Dimension{Name: aws.String(name), Value: aws.String(dimensions[name])})
	}
	a.definitions = append(a.definitions, d)
	a.queries = append(a.queries, types.MetricDataQuery{
		Id:         aws.String(fmt.Sprintf("m%d", len(a.queries))),
		MetricStat: &types.MetricStat{Metric: &m, Period: aws.Int32(int32(a.period.Seconds())), Stat: aws.String(d.stat)}, // days at most
	})
}

func keysOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// unanswered is why CloudWatch has no values for a query, which is not that there are none.
// (AmazonCloudWatch/latest/APIReference/API_MetricDataResult.html, StatusCode)
func unanswered(r types.MetricDataResult) error {
	var why []string
	for _, m := range r.Messages {
		why = append(why, aws.ToString(m.Value))
	}
	switch r.StatusCode {
	case types.StatusCodeForbidden:
		return fault.New(fault.Denied, "CloudWatch does not tell %s: %s", aws.ToString(r.Label), strings.Join(why, "; ")).
			WithHint("Ask for cloudwatch:GetMetricData (`pipelinetui permissions`).")
	case types.StatusCodeInternalError:
		return fault.New(fault.Internal, "CloudWatch can't tell %s now: %s", aws.ToString(r.Label), strings.Join(why, "; ")).WithHint("Try again in a moment.")
	}
	return nil
}

// all asks for everything. The values of each query are by period, nil where there is
// none.
func (a *asking) all(ctx context.Context) ([][]*float64, error) {
	length := int(a.to.Sub(a.from) / a.period)
	out := make([][]*float64, len(a.queries))
	byID := make(map[string]int, len(a.queries))
	for i := range a.queries {
		out[i] = make([]*float64, length)
		byID[*a.queries[i].Id] = i
	}
	for some := range slices.Chunk(a.queries, max(1, min(maxQueries, maxPoints/max(1, length)))) {
		in := &cloudwatch.GetMetricDataInput{MetricDataQueries: some, StartTime: &a.from, EndTime: &a.to, ScanBy: types.ScanByTimestampAscending}
		for {
			a.calls++
			page, err := a.api.GetMetricData(ctx, in)
			if err != nil {
				return nil, fault.Wrap(awscfg.Classify(err), "ask CloudWatch for metrics")
			}
			for _, r := range page.MetricDataResults {
				if err := unanswered(r); err != nil {
					return nil, err
				}
				i, known := byID[aws.ToString(r.Id)]
				if !known {
					continue
				}
				for j, at := range r.Timestamps {
					if k := int(at.Sub(a.from) / a.period); k >= 0 && k < length && !at.Before(a.from) && j < len(r.Values) {
						out[i][k] = aws.Float64(r.Values[j])
					}
				}
			}
			if aws.ToString(page.NextToken) == "" {
				break
			}
			in.NextToken = page.NextToken
		}
	}
	return out, nil
}
