package logs

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbFilters has the metric filters: group's key NUL name.
const dbFilters = "logs.metricfilters"

// Limits of metric filters
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html).
const (
	maxFilters          = 100 // a group
	maxFilterDimensions = 3
)

// metricFilter makes data points of a group's events.
type metricFilter struct {
	Name, Pattern string
	Created       int64
	Transform     types.MetricTransformation
}

func (s *Service) putMetricFilter(_ context.Context, req *wire.Request, in *cwl.PutMetricFilterInput) (*cwl.PutMetricFilterOutput, error) {
	name := ref{req.Scope, aws.ToString(in.LogGroupName)}
	if _, err := parsePattern(aws.ToString(in.FilterPattern)); err != nil {
		return nil, err
	}
	if in.ApplyOnTransformedLogs || in.FieldSelectionCriteria != nil || len(in.EmitSystemFieldDimensions) > 0 {
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve metric filters on transformed logs or system fields")
	}
	transform := in.MetricTransformations[0] // one, by the API's model
	if err := checkTransform(transform); err != nil {
		return nil, err
	}
	f := metricFilter{Name: *in.FilterName, Pattern: *in.FilterPattern, Created: s.Clock.Now().UnixMilli(), Transform: transform}
	return &cwl.PutMetricFilterOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, name); err != nil {
			return err
		}
		key := name.streamKey(f.Name)
		if tx.GetRaw(dbFilters, key) == nil {
			old, err := store.List[metricFilter](tx, dbFilters, name.streams())
			if err != nil {
				return err
			}
			if len(old) >= maxFilters {
				return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "Resource limit exceeded.")
			}
		}
		return store.Put(tx, dbFilters, key, f)
	})
}

// checkTransform checks what the API's model does not say of a transformation.
func checkTransform(t types.MetricTransformation) error {
	value := aws.ToString(t.MetricValue)
	if _, err := strconv.ParseFloat(value, 64); err != nil && !strings.HasPrefix(value, "$") {
		return errInvalid("Invalid metric transformation: metricValue must be a number or a field of the filter pattern.")
	}
	switch {
	case len(t.Dimensions) > 0 && t.DefaultValue != nil:
		return errInvalid("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")
	case len(t.Dimensions) > maxFilterDimensions:
		return errInvalid("Invalid metric transformation: at most %d dimensions are allowed.", maxFilterDimensions)
	}
	return nil
}

func (s *Service) describeMetricFilters(_ context.Context, req *wire.Request, in *cwl.DescribeMetricFiltersInput) (*cwl.DescribeMetricFiltersOutput, error) {
	name := ref{req.Scope, aws.ToString(in.LogGroupName)}
	if (in.MetricName == nil) != (in.MetricNamespace == nil) {
		return nil, errInvalid("Both metricName and metricNamespace must be given, or neither.")
	}
	limit := limitOf(in.Limit, 50)
	from, err := place(in.NextToken)
	if err != nil {
		return nil, err
	}
	prefix := req.Key("")
	if in.LogGroupName != nil {
		prefix = name.streamKey(aws.ToString(in.FilterNamePrefix))
	}
	out := &cwl.DescribeMetricFiltersOutput{MetricFilters: []types.MetricFilter{}}
	err = s.DB.View(func(tx *store.Tx) error {
		if in.LogGroupName != nil {
			if _, err := getGroup(tx, name); err != nil {
				return err
			}
		}
		return store.Each(tx, dbFilters, prefix, from, func(key string, f metricFilter) bool {
			if in.MetricName != nil && (*in.MetricName != *f.Transform.MetricName || *in.MetricNamespace != *f.Transform.MetricNamespace) {
				return true
			}
			if len(out.MetricFilters) == limit {
				out.NextToken = page.Token(key)
				return false
			}
			group := strings.TrimSuffix(strings.TrimPrefix(key, req.Key("")), "\x00"+f.Name)
			out.MetricFilters = append(out.MetricFilters, types.MetricFilter{
				FilterName: &f.Name, FilterPattern: &f.Pattern, LogGroupName: &group, CreationTime: &f.Created,
				MetricTransformations: []types.MetricTransformation{f.Transform},
			})
			return true
		})
	})
	return out, err
}

func (s *Service) deleteMetricFilter(_ context.Context, req *wire.Request, in *cwl.DeleteMetricFilterInput) (*cwl.DeleteMetricFilterOutput, error) {
	name := ref{req.Scope, aws.ToString(in.LogGroupName)}
	return &cwl.DeleteMetricFilterOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, name); err != nil {
			return err
		}
		key := name.streamKey(aws.ToString(in.FilterName))
		if tx.GetRaw(dbFilters, key) == nil {
			return errNotFound("metric filter")
		}
		return tx.Delete(dbFilters, key)
	})
}

func (s *Service) testMetricFilter(_ context.Context, _ *wire.Request, in *cwl.TestMetricFilterInput) (*cwl.TestMetricFilterOutput, error) {
	p, err := parsePattern(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	out := &cwl.TestMetricFilterOutput{Matches: []types.MetricFilterMatchRecord{}}
	for i, m := range in.LogEventMessages {
		if p.holds(m) {
			out.Matches = append(out.Matches, types.MetricFilterMatchRecord{EventNumber: int64(i) + 1, EventMessage: aws.String(m), ExtractedValues: p.values(m)})
		}
	}
	return out, nil
}

// points are the data points that the group's metric filters make of lines. The
// default value is for times in which lines come and none matches; here each write
// is such a time.
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html)
func (s *Service) points(tx *store.Tx, group ref, lines []wire.LogLine) ([]wire.MetricPoint, error) {
	if s.Metrics == nil || len(lines) == 0 {
		return nil, nil
	}
	filters, err := store.List[metricFilter](tx, dbFilters, group.streams())
	var out []wire.MetricPoint
	for _, f := range filters {
		p, err := parsePattern(f.Pattern)
		if err != nil {
			return nil, err
		}
		matched := false
		for _, l := range lines {
			if !p.holds(l.Message) {
				continue
			}
			matched = true
			if point, ok := f.point(p, l.Message, l.Time); ok {
				out = append(out, point)
			}
		}
		if t := f.Transform; !matched && t.DefaultValue != nil {
			out = append(out, wire.MetricPoint{Namespace: *t.MetricNamespace, Name: *t.MetricName, Value: *t.DefaultValue, Unit: string(t.Unit), Time: lines[len(lines)-1].Time})
		}
	}
	return out, err
}

// point is what the filter makes of one message. A message without the value, or
// without one of the dimensions, makes none.
func (f *metricFilter) point(p pattern, message string, at time.Time) (wire.MetricPoint, bool) {
	t := f.Transform
	text := *t.MetricValue
	if strings.HasPrefix(text, "$") {
		var ok bool
		if text, ok = p.value(message, text); !ok {
			return wire.MetricPoint{}, false
		}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return wire.MetricPoint{}, false
	}
	out := wire.MetricPoint{Namespace: *t.MetricNamespace, Name: *t.MetricName, Value: value, Unit: string(t.Unit), Time: at, Dimensions: map[string]string{}}
	for name, selector := range t.Dimensions {
		if out.Dimensions[name], _ = p.value(message, selector); out.Dimensions[name] == "" {
			return wire.MetricPoint{}, false
		}
	}
	return out, true
}

// emit hands points on, once the lines that they were made of are kept.
func (s *Service) emit(ctx context.Context, sc wire.Scope, points []wire.MetricPoint) {
	for _, p := range points {
		s.Metrics.PutPoint(ctx, sc, p)
	}
}
