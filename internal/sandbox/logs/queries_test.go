package logs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
)

// Members are those of recordings (https://github.com/localstack/localstack,
// test_logs_queries.snapshot.json).
func TestInsights(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	for _, g := range []string{"g", "h"} {
		s.group(t, g)
		s.write(t, g, "s", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	}
	start := func(edit func(*cwl.StartQueryInput)) (*cwl.StartQueryOutput, error) {
		in := &cwl.StartQueryInput{
			LogGroupName: aws.String("g"), QueryString: aws.String("fields n | filter n >= 2"), StartTime: aws.Int64(s.start.Unix() - 10), EndTime: aws.Int64(s.start.Unix() + 10),
		}
		edit(in)
		return s.admin().StartQuery(ctx, in)
	}
	// Nothing runs yet: a query is under way as soon as it is asked, and can be stopped.
	made, err := start(func(*cwl.StartQueryInput) {})
	require.NoError(t, err)
	c := s.admin()
	out, err := c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: made.QueryId})
	require.NoError(t, err)
	require.Equal(t, types.QueryStatusRunning, out.Status)
	require.Empty(t, out.Results)
	stopped, err := start(func(*cwl.StartQueryInput) {})
	require.NoError(t, err)
	stop, err := c.StopQuery(ctx, &cwl.StopQueryInput{QueryId: stopped.QueryId})
	require.NoError(t, err)
	require.True(t, stop.Success)

	// It goes on where the sandbox has died and begins again.
	s.Reopen(t)
	s.serve(t, logs.Config{})
	s.work(t)
	c = s.admin()
	out = s.results(t, made.QueryId)
	require.Equal(t, types.QueryStatusComplete, out.Status)
	require.Equal(t, types.QueryStatusCancelled, s.results(t, stopped.QueryId).Status)
	require.Len(t, out.Results, 2)
	require.Equal(t, "n", *out.Results[0][0].Field)
	require.Equal(t, "3", *out.Results[0][0].Value, "the newest first")
	require.Equal(t, "@ptr", *out.Results[0][1].Field)
	require.InDelta(t, 3, out.Statistics.RecordsScanned, 0)
	require.InDelta(t, 2, out.Statistics.RecordsMatched, 0)
	list, err := c.DescribeQueries(ctx, &cwl.DescribeQueriesInput{LogGroupName: aws.String("g"), Status: types.QueryStatusComplete})
	require.NoError(t, err)
	require.Len(t, list.Queries, 1)
	require.Contains(t, *list.Queries[0].QueryString, `SOURCE "g" START=`)
	require.Contains(t, *list.Queries[0].QueryString, ` | fields n | filter n >= 2`)
	list, err = c.DescribeQueries(ctx, &cwl.DescribeQueriesInput{Status: types.QueryStatusScheduled})
	require.NoError(t, err)
	require.Empty(t, list.Queries)

	made, err = start(func(in *cwl.StartQueryInput) {
		in.LogGroupName, in.LogGroupNames, in.QueryString, in.Limit = nil, []string{"g", "h"}, aws.String("stats count(*) as n by @log | sort @log"), aws.Int32(1)
	})
	require.NoError(t, err)
	out = s.results(t, made.QueryId)
	require.Len(t, out.Results, 1)
	require.Equal(t, "000000000000:g", *out.Results[0][0].Value)

	for want, edit := range map[string]func(*cwl.StartQueryInput){
		"MalformedQueryException":   func(in *cwl.StartQueryInput) { in.QueryString = aws.String("test") },
		"ResourceNotFoundException": func(in *cwl.StartQueryInput) { in.LogGroupName = aws.String("none") },
		"InvalidParameterException": func(in *cwl.StartQueryInput) { in.LogGroupName = nil },
		"NotImplemented":            func(in *cwl.StartQueryInput) { in.QueryLanguage = types.QueryLanguageSql },
	} {
		_, err = start(edit)
		iamtest.RequireCode(t, err, want)
	}
	_, err = c.StopQuery(ctx, &cwl.StopQueryInput{QueryId: made.QueryId})
	iamtest.RequireCode(t, err, "InvalidParameterException")
	_, err = c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: aws.String("none")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")

	// Old results are dropped.
	s.clock.Advance(8 * 24 * time.Hour)
	_, err = start(func(*cwl.StartQueryInput) {})
	require.NoError(t, err)
	_, err = c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: made.QueryId})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
}

// work begins the service's work.
func (s *sandbox) work(t *testing.T) {
	t.Helper()
	svc := s.svc
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
}

// results are those of a query when it has ended.
func (s *sandbox) results(t *testing.T, id *string) (out *cwl.GetQueryResultsOutput) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		out, err = s.admin().GetQueryResults(t.Context(), &cwl.GetQueryResultsInput{QueryId: id})
		return err == nil && out.Status != types.QueryStatusRunning
	}, time.Minute, time.Millisecond)
	return out
}

// Rows are given in pages; a query that cannot go on ends as failed.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetQueryResults.html
func TestQueryResultsInPages(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	s.work(t)
	c := s.admin()
	s.group(t, "g")
	var lines []string
	for i := range 250 {
		lines = append(lines, fmt.Sprintf(`{"n":%d,"f":"NaN"}`, i))
	}
	s.put(t, "g", "s", lines...)
	run := func(query string) *string {
		out, err := c.StartQuery(ctx, &cwl.StartQueryInput{
			LogGroupName: aws.String("g"), QueryString: &query, StartTime: aws.Int64(s.start.Unix() - 10), EndTime: aws.Int64(s.start.Unix() + 1000),
		})
		require.NoError(t, err)
		s.results(t, out.QueryId)
		return out.QueryId
	}
	id := run("display n | sort n")
	var got []string
	in := &cwl.GetQueryResultsInput{QueryId: id, MaxItems: aws.Int32(70)}
	for {
		out, err := c.GetQueryResults(ctx, in)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.Results), 70)
		for _, row := range out.Results {
			got = append(got, *row[0].Value)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	require.Len(t, got, 250)
	for i, n := range got {
		require.Equal(t, fmt.Sprint(i), n)
	}
	out, err := c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: id})
	require.NoError(t, err)
	require.Len(t, out.Results, 250)
	_, err = c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: id, NextToken: aws.String("none")})
	iamtest.RequireCode(t, err, "InvalidParameterException")

	out, err = c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: run(`stats pct(n, "NaN") as p, count(*) as n`)})
	require.NoError(t, err)
	require.Equal(t, "n", *out.Results[0][0].Field)
	require.InDelta(t, 250, out.Statistics.RecordsMatched, 0)

	failed := run("fields concat(@message,@message,@message,@message) as a" + strings.Repeat(" | fields concat(a,a,a,a) as a", 30))
	out, err = c.GetQueryResults(ctx, &cwl.GetQueryResultsInput{QueryId: failed})
	require.NoError(t, err)
	require.Equal(t, types.QueryStatusFailed, out.Status)
	require.Empty(t, out.Results)
	list, err := c.DescribeQueries(ctx, &cwl.DescribeQueriesInput{Status: types.QueryStatusFailed})
	require.NoError(t, err)
	require.Len(t, list.Queries, 1)
}
