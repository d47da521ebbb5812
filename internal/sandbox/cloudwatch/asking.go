package cloudwatch

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch/metricmath"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// asking is a set of queries that refer to one another, of a client or of an alarm.
type asking struct {
	s          *Service
	scope      wire.Scope
	start, end time.Time
	queries    map[string]types.MetricDataQuery
	order      []string
	labels     map[string]string // of metrics, by id
	parsed     map[string]*metricmath.Expression
	period     int64 // the shortest of the metrics
	left       int   // points that expressions may still make
	searches   bool  // SEARCH may be used, which alarms may not

	done     map[string]metricmath.Value
	pending  map[string]bool
	messages map[string][]types.MessageData
}

// queryID: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
var queryID = lazyregexp.New(`^[a-z][a-zA-Z0-9_]*$`)

// asking checks queries and reads their expressions.
func (s *Service) asking(sc wire.Scope, queries []types.MetricDataQuery, start, end time.Time) (*asking, error) {
	a := &asking{
		s: s, scope: sc, start: start, end: end, left: metricmath.MaxPoints, queries: map[string]types.MetricDataQuery{}, labels: labels(queries),
		parsed: map[string]*metricmath.Expression{},
		done:   map[string]metricmath.Value{}, pending: map[string]bool{}, messages: map[string][]types.MessageData{},
	}
	for i, q := range queries {
		id, member := aws.ToString(q.Id), "MetricDataQueries.member."+strconv.Itoa(i+1)
		if _, twice := a.queries[id]; twice {
			return nil, validation("The values for parameter id in MetricDataQueries are not unique.")
		}
		if !queryID.MatchString(id) {
			return nil, validation("The value %s for parameter %s.Id is invalid: it begins with a lowercase letter and has letters, digits and underscores.", id, member)
		}
		a.queries[id], a.order = q, append(a.order, id)
		if q.Expression == nil {
			if err := a.checkMetric(member, q.MetricStat); err != nil {
				return nil, err
			}
			if p := int64(*q.MetricStat.Period); a.period == 0 || p < a.period {
				a.period = p
			}
			continue
		}
		if q.MetricStat != nil {
			return nil, exclusive(member+".Expression", member+".MetricStat")
		}
		e, err := metricmath.Parse(*q.Expression)
		if err != nil {
			return nil, inExpression(id, err)
		}
		a.parsed[id] = e
		if a.period == 0 && q.Period != nil {
			a.period = int64(*q.Period)
		}
	}
	if a.period == 0 {
		a.period = 60
	}
	return a, nil
}

func inExpression(id string, err error) error {
	var e *metricmath.Error
	if errors.As(err, &e) {
		return validation("Error in expression '%s': %s", id, e.What)
	}
	return err
}

func (a *asking) checkMetric(member string, m *types.MetricStat) error {
	switch {
	case m == nil:
		return validation("The parameter %s.MetricStat is required.\n", member)
	case m.Metric == nil || m.Metric.MetricName == nil || m.Metric.Namespace == nil:
		return validation("The parameter %s.MetricStat.Metric is required.\n", member)
	}
	if err := checkPeriod(member+".MetricStat.Period", m.Period); err != nil {
		return validation("%s", wire.AsError(err).Message)
	}
	if _, ok := parseStatistic(aws.ToString(m.Stat)); !ok {
		return validation("The value %s for parameter %s.MetricStat.Stat is not supported.", aws.ToString(m.Stat), member)
	}
	_, err := dimensionMap(m.Metric.Dimensions)
	return err
}

// labels are those that CloudWatch gives metrics: their name, with the statistic and the
// period where these are not the same in all queries. So AWS was recorded by the tests of
// https://github.com/localstack/localstack (test_cloudwatch.snapshot.json, label_generation).
func labels(queries []types.MetricDataQuery) map[string]string {
	statistics, lengths := map[string]bool{}, map[int32]bool{}
	for _, q := range queries {
		if q.MetricStat != nil {
			statistics[aws.ToString(q.MetricStat.Stat)], lengths[aws.ToInt32(q.MetricStat.Period)] = true, true
		}
	}
	out := map[string]string{}
	for _, q := range queries {
		m := q.MetricStat
		if m == nil || m.Metric == nil {
			continue
		}
		parts := []string{aws.ToString(m.Metric.MetricName)}
		if len(statistics) > 1 {
			parts = append(parts, aws.ToString(m.Stat))
		}
		if len(lengths) > 1 {
			parts = append(parts, strconv.Itoa(int(aws.ToInt32(m.Period))))
		}
		out[aws.ToString(q.Id)] = strings.Join(parts, " ")
	}
	return out
}

// value is the result of a query.
func (a *asking) value(id string) (metricmath.Value, error) {
	if v, ok := a.done[id]; ok {
		return v, nil
	}
	if a.pending[id] {
		return metricmath.Value{}, validation("Error in expression '%s': The expression refers to itself.", id)
	}
	a.pending[id] = true
	defer delete(a.pending, id)
	v, err := a.evaluate(id)
	if err == nil {
		a.done[id] = v
	}
	return v, err
}

func (a *asking) evaluate(id string) (metricmath.Value, error) {
	q := a.queries[id]
	e := a.parsed[id]
	if e == nil {
		series, err := a.metric(id, q.MetricStat)
		return metricmath.One(series), err
	}
	for _, name := range e.Names { // first, so that an error of theirs is told
		if _, known := a.queries[name]; known {
			if _, err := a.value(name); err != nil {
				return metricmath.Value{}, err
			}
		}
	}
	var failed error
	env := &metricmath.Env{
		Start: a.start.Unix(), End: a.end.Unix(), Period: a.period, Left: &a.left,
		Lookup: func(name string) (metricmath.Value, bool) {
			v, ok := a.done[name]
			return v, ok
		},
		Metrics: func(part string) (out []metricmath.Series) {
			for _, other := range a.order {
				if a.parsed[other] != nil || !strings.Contains(other, part) {
					continue
				}
				v, err := a.value(other)
				failed = errors.Join(failed, err)
				out = append(out, v.Series...)
			}
			return out
		},
	}
	if a.searches {
		env.Search = a.search
	}
	v, err := e.Eval(env)
	if failed != nil {
		return v, failed
	}
	return v, inExpression(id, err)
}

// unitOrder is which unit counts where a query names none and a metric has several.
// AWS takes one alone and says so; which was found by tests against it
// (https://github.com/localstack/localstack, test_get_metric_data_different_units_no_unit_in_query):
// unsure for units that are not in them.
var unitOrder = []string{"Count", "Bytes", "Percent", "Milliseconds", "Microseconds", "Seconds"}

func chosenUnit(units []string) string {
	for _, u := range unitOrder {
		if slices.Contains(units, u) {
			return u
		}
	}
	for _, u := range units {
		if u != "None" {
			return u
		}
	}
	return units[0]
}

// metric reads the series of a metric.
func (a *asking) metric(id string, m *types.MetricStat) (metricmath.Series, error) {
	st, _ := parseStatistic(aws.ToString(m.Stat))
	points, units, err := a.s.points(a.scope, m, a.start, a.end)
	out := metricmath.Series{Label: a.labels[id], Period: int64(*m.Period)}
	if len(units) > 1 {
		a.messages[id] = []types.MessageData{{Code: aws.String("MultipleUnits"), Value: aws.String("Multiple units returned: '[" + strings.Join(units, ", ") + "]'")}}
	}
	for _, p := range points {
		if x, ok := p.value(st); ok {
			out.Times, out.Values = append(out.Times, p.at.Unix()), append(out.Values, x)
		}
	}
	return out, err
}

// points are what a metric has of each period, in order, and the units that there are.
func (s *Service) points(sc wire.Scope, m *types.MetricStat, start, end time.Time) (out []bucket, units []string, err error) {
	dims, err := dimensionMap(m.Metric.Dimensions)
	if err != nil {
		return nil, nil, err
	}
	period := time.Duration(*m.Period) * time.Second
	buckets, err := s.read(seriesKey(sc, *m.Metric.Namespace, *m.Metric.MetricName, dims), begin(start, period), end)
	if err != nil {
		return nil, nil, err
	}
	unit := string(m.Unit)
	if unit == "" {
		for _, b := range buckets {
			units = append(units, b.Unit)
		}
		slices.Sort(units)
		if units = slices.Compact(units); len(units) > 0 {
			unit = chosenUnit(units)
		}
	}
	for _, p := range periods(buckets, period) {
		if p.Unit == unit {
			out = append(out, p)
		}
	}
	return out, units, nil
}
