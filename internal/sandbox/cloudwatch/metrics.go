package cloudwatch

import (
	"cmp"
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
		return nil, badValue("The value AWS/ for parameter Namespace is invalid.") // https://github.com/boto/boto3/issues/1847
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
		grain := time.Minute
		if aws.ToInt32(d.StorageResolution) == 1 {
			grain = time.Second
		}
		key := dataKey(seriesKey(req.Scope, namespace, *d.MetricName, dims), at.Truncate(grain), v.Unit)
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
	return badRequest("InvalidParameterCombinationException", "InvalidParameterCombination",
		"The parameters %s and %s are mutually exclusive and you have specified both.", one, other)
}

// greatest bounds values on both sides of zero; CloudWatch takes neither what is beyond nor
// what is no number. Sums of what it takes are never infinite.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
var greatest = math.Ldexp(1, 360)

// finite refuses what is no value of a metric.
func finite(name string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > greatest {
			return badValue("The value %v for parameter %s is invalid.", v, name)
		}
	}
	return nil
}

// some refuses what is no number of samples. That AWS refuses none is unsure; of none
// there is no average.
func some(name string, counts ...float64) error {
	for _, n := range counts {
		if n <= 0 {
			return badValue("The value %v for parameter %s is invalid.", n, name)
		}
	}
	return finite(name, counts...)
}

// datum reads the three forms of a point: a value, a set of statistics, values
// with counts. member is what the point is called in refusals.
func datum(member string, d types.MetricDatum) (stat, error) {
	if d.Value != nil && len(d.Values) > 0 {
		return stat{}, exclusive(member+".Value", member+".Values")
	}
	if d.Value != nil && d.StatisticValues != nil {
		return stat{}, exclusive(member+".Value", member+".StatisticValues")
	}
	unit := string(d.Unit)
	if unit == "" {
		unit = "None"
	}
	switch {
	case d.StatisticValues != nil:
		v := d.StatisticValues
		if v.SampleCount == nil || v.Sum == nil || v.Minimum == nil || v.Maximum == nil {
			return stat{}, missing(member + ".StatisticValues")
		}
		return set(*v.SampleCount, *v.Sum, *v.Minimum, *v.Maximum, unit),
			cmp.Or(some(member+".StatisticValues.SampleCount", *v.SampleCount), finite(member+".StatisticValues", *v.Sum, *v.Minimum, *v.Maximum))
	case d.Value != nil:
		return values(*d.Value, 1, unit), finite(member+".Value", *d.Value)
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
			sum = sum.merge(values(v, n, unit))
		}
		return sum, cmp.Or(finite(member+".Values", d.Values...), some(member+".Counts", d.Counts...))
	}
	return stat{}, missing(member + ".Value")
}

// checkPeriod demands a period that CloudWatch has.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
func checkPeriod(member string, period *int32) error {
	switch p := aws.ToInt32(period); {
	case p == 1, p == 5, p == 10, p == 20, p == 30, p >= 60 && p%60 == 0:
		return nil
	default:
		return badValue("The parameter %s must be 1, 5, 10, 20, 30 or a multiple of 60.", member)
	}
}

// maxPoints is how many data points GetMetricStatistics gives out, by the same page.
const maxPoints = 1440

func checkStatistics(in *sdk.GetMetricStatisticsInput) error {
	switch {
	case in.Namespace == nil:
		return missing("Namespace")
	case in.MetricName == nil:
		return missing("MetricName")
	case in.StartTime == nil || in.EndTime == nil || !in.StartTime.Before(*in.EndTime):
		return badValue("The parameter StartTime must be less than the parameter EndTime.")
	case len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0:
		return badRequest("InvalidParameterCombinationException", "InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
	case len(in.Statistics) > 0 && len(in.ExtendedStatistics) > 0:
		return badRequest("InvalidParameterCombinationException", "InvalidParameterCombination", "Cannot specify both Statistics and ExtendedStatistics.")
	}
	if err := checkPeriod("Period", in.Period); err != nil {
		return err
	}
	if n := int64(in.EndTime.Sub(*in.StartTime).Seconds()) / int64(*in.Period); n > maxPoints {
		return badRequest("InvalidParameterCombinationException", "InvalidParameterCombination",
			"You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or "+
				"decreasing the time range.", n, maxPoints)
	}
	for _, name := range in.ExtendedStatistics {
		if st, ok := parseStatistic(name); !ok || slices.Contains(plain, st.kind) {
			return badValue("The value %s for parameter ExtendedStatistics.member.1 is not supported.", name)
		}
	}
	return nil
}

// getStatistics gives a point for each period and unit.
func (s *Service) getStatistics(_ context.Context, req *wire.Request, in *sdk.GetMetricStatisticsInput) (*sdk.GetMetricStatisticsOutput, error) {
	if err := checkStatistics(in); err != nil {
		return nil, err
	}
	dims, err := dimensionMap(in.Dimensions)
	if err != nil {
		return nil, err
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	period := time.Duration(*in.Period) * time.Second
	buckets, err := s.read(seriesKey(req.Scope, *in.Namespace, *in.MetricName, dims), begin(*in.StartTime, period), *in.EndTime)
	if err != nil {
		return nil, err
	}
	out := &sdk.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []types.Datapoint{}}
	for _, b := range periods(buckets, period) {
		if in.Unit == "" || string(in.Unit) == b.Unit {
			out.Datapoints = append(out.Datapoints, b.datapoint(in))
		}
	}
	return out, nil
}

// begin is the time from which data count, by the period that is asked for: that of the
// minute, or of the shorter period, in which the time lies.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
func begin(start time.Time, period time.Duration) time.Time {
	return start.UTC().Truncate(min(period, time.Minute))
}

// periods puts buckets together that lie between two multiples of period, those of each
// unit apart, in order.
func periods(buckets []bucket, period time.Duration) (out []bucket) {
	place := map[time.Time]map[string]int{}
	for _, b := range buckets {
		at := b.at.Truncate(period)
		if place[at] == nil {
			place[at] = map[string]int{}
		}
		i, ok := place[at][b.Unit]
		if !ok {
			i = len(out)
			place[at][b.Unit] = i
			out = append(out, bucket{at: at})
		}
		out[i].stat = out[i].merge(b.stat)
	}
	return out
}

// datapoint is a bucket with the statistics that a client asks for.
func (b bucket) datapoint(in *sdk.GetMetricStatisticsInput) types.Datapoint {
	p := types.Datapoint{Timestamp: aws.Time(b.at), Unit: types.StandardUnit(b.Unit)}
	into := map[types.Statistic]**float64{
		types.StatisticAverage: &p.Average, types.StatisticSum: &p.Sum, types.StatisticMinimum: &p.Minimum, types.StatisticMaximum: &p.Maximum,
		types.StatisticSampleCount: &p.SampleCount,
	}
	for _, name := range in.Statistics {
		x, _ := b.value(statistic{kind: string(name)})
		*into[name] = &x
	}
	for _, name := range in.ExtendedStatistics {
		st, _ := parseStatistic(name)
		if x, ok := b.value(st); ok {
			if p.ExtendedStatistics == nil {
				p.ExtendedStatistics = map[string]float64{}
			}
			p.ExtendedStatistics[name] = x
		}
	}
	return p
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
