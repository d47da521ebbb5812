package cloudwatch

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerMetrics(r *wire.Router) {
	wire.Handle(r, id, "PutMetricData", s.putMetricData, wire.Access{Keys: namespaceKeys})
	wire.Handle(r, id, "GetMetricStatistics", s.getStatistics, wire.Access{})
	wire.Handle(r, id, "GetMetricData", s.getMetricData, wire.Access{})
	wire.Handle(r, id, "ListMetrics", s.listMetrics, wire.Access{})
}

// namespaceKeys: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
func namespaceKeys(_ *wire.Request, in wire.Input) map[string][]string {
	return map[string][]string{"cloudwatch:namespace": {in.Text("Namespace")}}
}

func badRequest(code, query, format string, args ...any) *wire.Error {
	e := wire.Errorf(http.StatusBadRequest, code, format, args...)
	e.QueryCode = query
	if strings.HasPrefix(code, "ResourceNotFound") { // as the API's model has it
		e.Status = http.StatusNotFound
	}
	return e
}

func badValue(format string, args ...any) error {
	return badRequest("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

func missing(name string) error {
	return badRequest("MissingRequiredParameterException", "MissingParameter", "The parameter %s is required.", name)
}

func validation(format string, args ...any) error {
	return badRequest("ValidationException", "ValidationError", format, args...)
}

func unsupported(format string, args ...any) error {
	return wire.Errorf(http.StatusNotImplemented, "NotImplemented", format, args...)
}

func dimensionMap(list []types.Dimension) (map[string]string, error) {
	out := map[string]string{}
	for _, d := range list {
		if aws.ToString(d.Name) == "" || aws.ToString(d.Value) == "" {
			return nil, badValue("The parameters of a dimension must not be empty.")
		}
		out[*d.Name] = *d.Value
	}
	if len(out) > 30 {
		return nil, badValue("The collection Dimensions must not have a size greater than 30.")
	}
	return out, nil
}

func (s *Service) putMetricData(_ context.Context, req *wire.Request, in *sdk.PutMetricDataInput) (*sdk.PutMetricDataOutput, error) {
	namespace := aws.ToString(in.Namespace)
	switch {
	case namespace == "":
		return nil, missing("Namespace")
	case len(in.EntityMetricData) > 0:
		return nil, unsupported("the sandbox does not take EntityMetricData")
	case req.HTTP != nil && strings.HasPrefix(namespace, "AWS/"):
		return nil, badValue("The value %s for parameter Namespace is invalid: namespaces of AWS are for its services.", namespace)
	}
	points := map[string]stat{}
	for i, d := range in.MetricData {
		member := "MetricData.member." + strconv.Itoa(i+1)
		if aws.ToString(d.MetricName) == "" {
			return nil, missing(member + ".MetricName")
		}
		dims, err := dimensionMap(d.Dimensions)
		if err != nil {
			return nil, err
		}
		v, err := datum(member, d)
		if err != nil {
			return nil, err
		}
		at := s.Clock.Now()
		if d.Timestamp != nil {
			at = *d.Timestamp
			if at.Before(s.Clock.Now().Add(-14*24*time.Hour)) || at.After(s.Clock.Now().Add(2*time.Hour)) {
				return nil, badValue("The parameter %s.Timestamp must specify a time within the past two weeks and the next two hours.", member)
			}
		}
		key := dataKey(seriesKey(req.Scope, namespace, *d.MetricName, dims), at)
		points[key] = points[key].merge(v)
	}
	if err := s.keep(points); err != nil {
		return nil, err
	}
	s.evaluate()
	return &sdk.PutMetricDataOutput{}, nil
}

// exclusive refuses two members that are each other's alternative.
func exclusive(one, other string) error {
	return badRequest("InvalidParameterCombinationException", "InvalidParameterCombination", "The parameters %s and %s are mutually exclusive and you have specified both.", one, other)
}

// finite refuses what is no number; CloudWatch takes no infinities either.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
func finite(name string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return badValue("The value %v for parameter %s is invalid.", v, name)
		}
	}
	return nil
}

// datum reads the three forms of a point: a value, a set of statistics, values
// with counts. member is what the point is called in refusals.
func datum(member string, d types.MetricDatum) (stat, error) {
	if d.Value != nil && len(d.Values) > 0 {
		return stat{}, badValue("The parameters %[1]s.Value and %[1]s.Values are mutually exclusive and you have specified both.", member)
	}
	if d.Value != nil && d.StatisticValues != nil {
		return stat{}, exclusive(member+".Value", member+".StatisticValues")
	}
	unit := string(d.Unit)
	if unit == "" {
		unit = "None"
	}
	one := func(v, n float64) stat { return stat{Count: n, Sum: v * n, Min: v, Max: v, Unit: unit} }
	switch {
	case d.StatisticValues != nil:
		v := d.StatisticValues
		if v.SampleCount == nil || v.Sum == nil || v.Minimum == nil || v.Maximum == nil {
			return stat{}, missing(member + ".StatisticValues")
		}
		return stat{Count: *v.SampleCount, Sum: *v.Sum, Min: *v.Minimum, Max: *v.Maximum, Unit: unit},
			finite(member+".StatisticValues", *v.SampleCount, *v.Sum, *v.Minimum, *v.Maximum)
	case d.Value != nil:
		return one(*d.Value, 1), finite(member+".Value", *d.Value)
	case len(d.Values) > 0:
		if len(d.Counts) > 0 && len(d.Counts) != len(d.Values) {
			return stat{}, badValue("The parameters %[1]s.Values and %[1]s.Counts must be of the same size.", member)
		}
		var sum stat
		for i, v := range d.Values {
			n := 1.0
			if len(d.Counts) > 0 {
				n = d.Counts[i]
			}
			sum = sum.merge(one(v, n))
		}
		return sum, finite(member+".Values", d.Values...)
	}
	return stat{}, missing(member + ".Value")
}

func (s *Service) getStatistics(_ context.Context, req *wire.Request, in *sdk.GetMetricStatisticsInput) (*sdk.GetMetricStatisticsOutput, error) {
	switch {
	case in.Namespace == nil:
		return nil, missing("Namespace")
	case in.MetricName == nil:
		return nil, missing("MetricName")
	case in.StartTime == nil || in.EndTime == nil || !in.StartTime.Before(*in.EndTime):
		return nil, badValue("The parameter StartTime must be less than the parameter EndTime.")
	case in.Period == nil || *in.Period < 60 || *in.Period%60 != 0:
		return nil, badValue("The parameter Period must be a multiple of 60.")
	case len(in.ExtendedStatistics) > 0:
		return nil, unsupported("the sandbox keeps no percentiles")
	case len(in.Statistics) == 0:
		return nil, badRequest("InvalidParameterCombinationException", "InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
	}
	dims, err := dimensionMap(in.Dimensions)
	if err != nil {
		return nil, err
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	minutes, err := s.read(seriesKey(req.Scope, *in.Namespace, *in.MetricName, dims), *in.StartTime, *in.EndTime)
	if err != nil {
		return nil, err
	}
	out := &sdk.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []types.Datapoint{}}
	for at, v := range periods(minutes, time.Duration(*in.Period)*time.Second) {
		if in.Unit != "" && string(in.Unit) != v.Unit {
			continue
		}
		p := types.Datapoint{Timestamp: aws.Time(at), Unit: types.StandardUnit(v.Unit)}
		for _, name := range in.Statistics {
			x := aws.Float64(v.value(string(name)))
			switch name {
			case types.StatisticAverage:
				p.Average = x
			case types.StatisticSum:
				p.Sum = x
			case types.StatisticMinimum:
				p.Minimum = x
			case types.StatisticMaximum:
				p.Maximum = x
			case types.StatisticSampleCount:
				p.SampleCount = x
			default:
				return nil, badValue("The value %s for parameter Statistics is invalid.", name)
			}
		}
		out.Datapoints = append(out.Datapoints, p)
	}
	slices.SortFunc(out.Datapoints, func(a, b types.Datapoint) int { return a.Timestamp.Compare(*b.Timestamp) })
	return out, nil
}

func (s *Service) listMetrics(_ context.Context, req *wire.Request, in *sdk.ListMetricsInput) (*sdk.ListMetricsOutput, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(aws.ToString(in.NextToken))
	if err != nil || len(after) > 0 && !strings.HasPrefix(string(after), "[") {
		return nil, badValue("Request parameter NextToken is invalid")
	}
	out := &sdk.ListMetricsOutput{Metrics: []types.Metric{}}
	last, given := "", ""
	err = s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dataBucket, "", string(after), func(key string, _ []byte) (bool, error) {
			series, _, _ := strings.Cut(key, "\x00")
			if series == last || series == string(after) {
				return true, nil
			}
			last = series
			var parts []string
			if err := json.Unmarshal([]byte(series), &parts); err != nil {
				return false, err
			}
			m, ok := wanted(parts, req.Scope, in)
			switch {
			case !ok:
			case len(out.Metrics) == pageOfMetrics:
				out.NextToken = aws.String(base64.RawURLEncoding.EncodeToString([]byte(given)))
				return false, nil
			default:
				out.Metrics, given = append(out.Metrics, m), series
			}
			return true, nil
		})
	})
	return out, err
}

// pageOfMetrics is how many metrics one answer has.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
const pageOfMetrics = 500

// wanted turns the parts of a series key into a metric if the filters let it.
func wanted(parts []string, sc wire.Scope, in *sdk.ListMetricsInput) (types.Metric, bool) {
	m := types.Metric{Namespace: &parts[2], MetricName: &parts[3], Dimensions: []types.Dimension{}}
	if parts[0] != sc.Account || parts[1] != sc.Region || (in.Namespace != nil && *in.Namespace != parts[2]) || (in.MetricName != nil && *in.MetricName != parts[3]) {
		return m, false
	}
	for i := 4; i+1 < len(parts); i += 2 {
		m.Dimensions = append(m.Dimensions, types.Dimension{Name: &parts[i], Value: &parts[i+1]})
	}
	for _, f := range in.Dimensions {
		if !slices.ContainsFunc(m.Dimensions, func(d types.Dimension) bool {
			return *d.Name == aws.ToString(f.Name) && (f.Value == nil || *f.Value == *d.Value)
		}) {
			return m, false
		}
	}
	return m, true
}
