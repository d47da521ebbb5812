package logs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// points takes what metric filters make.
type points struct {
	mu   sync.Mutex
	list []wire.MetricPoint
}

func (p *points) PutPoint(_ context.Context, _ wire.Scope, point wire.MetricPoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, point)
}

func (p *points) take() []wire.MetricPoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.list
	p.list = nil
	return out
}

func TestMetricFilters(t *testing.T) {
	t.Parallel()
	s := open(t)
	got := &points{}
	s.svc.Metrics = got
	c := s.admin()
	ctx := t.Context()
	_, err := c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: aws.String("g")})
	require.NoError(t, err)
	_, err = c.CreateLogStream(ctx, &cwl.CreateLogStreamInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")})
	require.NoError(t, err)
	put := func(name, pattern string, m types.MetricTransformation) error {
		m.MetricNamespace = aws.String("own")
		_, err := c.PutMetricFilter(ctx, &cwl.PutMetricFilterInput{
			LogGroupName: aws.String("g"), FilterName: &name, FilterPattern: &pattern,
			MetricTransformations: []types.MetricTransformation{m},
		})
		return err
	}
	require.NoError(t, put("took", `{ $.level = "ERROR" }`, types.MetricTransformation{
		MetricName: aws.String("Took"), MetricValue: aws.String("$.took"), Unit: types.StandardUnitMilliseconds, Dimensions: map[string]string{"Tenant": "$.tenant"},
	}))
	require.NoError(t, put("bytes", `[ip, status = 4*, size]`, types.MetricTransformation{MetricName: aws.String("Bytes"), MetricValue: aws.String("$size")}))
	require.NoError(t, put("errors", `ERROR`, types.MetricTransformation{MetricName: aws.String("Errors"), MetricValue: aws.String("1"), DefaultValue: aws.Float64(0)}))

	write := func(messages ...string) {
		var events []types.InputLogEvent
		for _, m := range messages {
			events = append(events, types.InputLogEvent{Timestamp: aws.Int64(s.start.Add(-time.Minute).UnixMilli()), Message: aws.String(m)})
		}
		_, err := c.PutLogEvents(ctx, &cwl.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), LogEvents: events})
		require.NoError(t, err)
	}
	at := s.start.Add(-time.Minute)
	write(`{"level":"ERROR","took":12.5,"tenant":"acme"}`, `{"level":"ERROR","tenant":"acme"}`, `{"level":"ERROR","took":1}`, `::1 404 17`)
	list := got.take()
	for i := range list {
		require.True(t, list[i].Time.Equal(at), "a point is about the time of its event")
		list[i].Time = time.Time{}
	}
	require.ElementsMatch(t, []wire.MetricPoint{
		{Namespace: "own", Name: "Took", Value: 12.5, Unit: "Milliseconds", Dimensions: map[string]string{"Tenant": "acme"}},
		{Namespace: "own", Name: "Bytes", Value: 17, Dimensions: map[string]string{}},
		{Namespace: "own", Name: "Errors", Value: 1, Dimensions: map[string]string{}},
		{Namespace: "own", Name: "Errors", Value: 1, Dimensions: map[string]string{}},
		{Namespace: "own", Name: "Errors", Value: 1, Dimensions: map[string]string{}},
	}, list, "without its value or a dimension an event makes no point")

	// What services write counts as well; where nothing matches there is the default.
	require.NoError(t, s.svc.PutLog(ctx, home, wire.Principal{Admin: true}, "g", "t", wire.LogLine{Time: s.start, Message: "all well"}))
	require.Equal(t, []wire.MetricPoint{{Namespace: "own", Name: "Errors", Value: 0, Time: s.start}}, got.take())

	out, err := c.DescribeMetricFilters(ctx, &cwl.DescribeMetricFiltersInput{LogGroupName: aws.String("g")})
	require.NoError(t, err)
	require.Len(t, out.MetricFilters, 3)
	require.Equal(t, "bytes", *out.MetricFilters[0].FilterName)
	require.Equal(t, "g", *out.MetricFilters[0].LogGroupName)
	require.Equal(t, "$size", *out.MetricFilters[0].MetricTransformations[0].MetricValue)
	out, err = c.DescribeMetricFilters(ctx, &cwl.DescribeMetricFiltersInput{MetricName: aws.String("Took"), MetricNamespace: aws.String("own")})
	require.NoError(t, err)
	require.Len(t, out.MetricFilters, 1)
	require.Equal(t, map[string]string{"Tenant": "$.tenant"}, out.MetricFilters[0].MetricTransformations[0].Dimensions)
	groups, err := c.DescribeLogGroups(ctx, &cwl.DescribeLogGroupsInput{})
	require.NoError(t, err)
	require.Equal(t, int32(3), *groups.LogGroups[0].MetricFilterCount)

	// What is not right is refused.
	require.ErrorContains(t, put("bad", `{ $.a = `, types.MetricTransformation{MetricName: aws.String("m"), MetricValue: aws.String("1")}), "Invalid filter pattern")
	require.ErrorContains(t, put("bad", "x", types.MetricTransformation{MetricName: aws.String("m"), MetricValue: aws.String("much")}), "InvalidParameterException")
	require.ErrorContains(t, put("bad", "x", types.MetricTransformation{
		MetricName: aws.String("m"), MetricValue: aws.String("1"), DefaultValue: aws.Float64(1), Dimensions: map[string]string{"a": "$.a"},
	}), "mutually exclusive")
	_, err = c.DescribeMetricFilters(ctx, &cwl.DescribeMetricFiltersInput{LogGroupName: aws.String("nope")})
	require.ErrorContains(t, err, "The specified log group does not exist.")

	_, err = c.DeleteMetricFilter(ctx, &cwl.DeleteMetricFilterInput{LogGroupName: aws.String("g"), FilterName: aws.String("took")})
	require.NoError(t, err)
	_, err = c.DeleteMetricFilter(ctx, &cwl.DeleteMetricFilterInput{LogGroupName: aws.String("g"), FilterName: aws.String("took")})
	require.ErrorContains(t, err, "The specified metric filter does not exist.")

	// A group takes its filters with it.
	_, err = c.DeleteLogGroup(ctx, &cwl.DeleteLogGroupInput{LogGroupName: aws.String("g")})
	require.NoError(t, err)
	_, err = c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: aws.String("g")})
	require.NoError(t, err)
	out, err = c.DescribeMetricFilters(ctx, &cwl.DescribeMetricFiltersInput{})
	require.NoError(t, err)
	require.Empty(t, out.MetricFilters)
}

// The example of the API's documentation.
func TestTestMetricFilter(t *testing.T) {
	t.Parallel()
	c := open(t).admin()
	out, err := c.TestMetricFilter(t.Context(), &cwl.TestMetricFilterInput{
		FilterPattern:    aws.String("[..., status = 404, size]"),
		LogEventMessages: []string{`127.0.0.1 - ann [10/Oct/2025:13:25:15 -0700] "GET /a HTTP/1.0" 200 7`, `127.0.0.1 - ann [10/Oct/2025:13:25:15 -0700] "GET /b HTTP/1.0" 404 9`},
	})
	require.NoError(t, err)
	require.Len(t, out.Matches, 1)
	require.Equal(t, int64(2), out.Matches[0].EventNumber)
	require.Equal(t, "GET /b HTTP/1.0", out.Matches[0].ExtractedValues["$5"])
	require.Equal(t, "9", out.Matches[0].ExtractedValues["$size"])
}
