package logs_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// tailing is a client for Live Tail: the SDK puts "stream-" before the host, which an
// address has not.
func tailing(t *testing.T, cfg aws.Config) *cwl.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(address, "stream-"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: transport}}
	return cwl.NewFromConfig(cfg)
}

// What is ingested while one looks on comes within a second, filtered; what was there
// before does not.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
func TestLiveTail(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := tailing(t, s.Admin())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	group := aws.String("/app")
	_, err := c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: group})
	require.NoError(t, err)
	for _, name := range []string{"a-1", "b-1"} {
		_, err = c.CreateLogStream(ctx, &cwl.CreateLogStreamInput{LogGroupName: group, LogStreamName: &name})
		require.NoError(t, err)
	}
	put := func(stream string, lines ...string) {
		var events []types.InputLogEvent
		for _, l := range lines {
			events = append(events, types.InputLogEvent{Message: aws.String(l), Timestamp: aws.Int64(s.clock.Now().UnixMilli())})
		}
		_, err := c.PutLogEvents(ctx, &cwl.PutLogEventsInput{LogGroupName: group, LogStreamName: &stream, LogEvents: events})
		require.NoError(t, err)
	}
	put("a-1", "ERROR before")
	arn := "arn:aws:logs:us-east-1:" + iamtest.Account + ":log-group:/app"
	out, err := c.StartLiveTail(ctx, &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{arn}, LogStreamNamePrefixes: []string{"a-"}, LogEventFilterPattern: aws.String("ERROR")})
	require.NoError(t, err)
	stream := out.GetStream()
	first := (<-stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionStart)
	require.Equal(t, []string{arn}, first.Value.LogGroupIdentifiers)
	require.NotEmpty(t, *first.Value.SessionId)
	next := func() types.LiveTailSessionUpdate {
		require.NoError(t, s.clock.WaitTimers(ctx, 1))
		s.clock.Advance(time.Second)
		return (<-stream.Events()).(*types.StartLiveTailResponseStreamMemberSessionUpdate).Value
	}
	require.Empty(t, next().SessionResults)
	put("a-1", "ERROR one", "fine")
	put("b-1", "ERROR elsewhere")
	got := next()
	require.False(t, got.SessionMetadata.Sampled)
	require.Len(t, got.SessionResults, 1)
	require.Equal(t, "ERROR one", *got.SessionResults[0].Message)
	require.Equal(t, iamtest.Account+":/app", *got.SessionResults[0].LogGroupIdentifier)
	require.Equal(t, "a-1", *got.SessionResults[0].LogStreamName)
	many := make([]string, 501)
	for i := range many {
		many[i] = "ERROR"
	}
	put("a-1", many...)
	got = next()
	require.True(t, got.SessionMetadata.Sampled)
	require.Len(t, got.SessionResults, 500)

	require.NoError(t, s.clock.WaitTimers(ctx, 1))
	s.clock.Advance(3 * time.Hour)
	_, more := <-stream.Events()
	require.False(t, more)
	var over *types.SessionTimeoutException
	require.ErrorAs(t, stream.Err(), &over)
	require.ErrorAs(t, stream.Close(), &over, "it says again how it ended")

	for _, bad := range []*cwl.StartLiveTailInput{
		{LogGroupIdentifiers: []string{"/app"}},
		{LogGroupIdentifiers: []string{arn + ":*"}},
		{LogGroupIdentifiers: []string{arn}, LogEventFilterPattern: aws.String("{ $.a = ")},
		{LogGroupIdentifiers: []string{arn}, LogStreamNames: []string{"a"}, LogStreamNamePrefixes: []string{"a"}},
	} {
		_, err = c.StartLiveTail(ctx, bad)
		iamtest.RequireCode(t, err, "InvalidParameterException")
	}
	_, err = c.StartLiveTail(ctx, &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{arn + "x"}})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
}

// The sixteenth session is refused by the operation and not in the stream, whose members
// are events and two exceptions, of which the limit is none; one that ends makes room.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html#API_StartLiveTail_Errors
func TestLiveTailSessions(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := tailing(t, s.Admin())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	_, err := c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: aws.String("/app")})
	require.NoError(t, err)
	begin := func() (*cwl.StartLiveTailEventStream, error) {
		out, err := c.StartLiveTail(ctx, &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"arn:aws:logs:us-east-1:" + iamtest.Account + ":log-group:/app"}})
		if err != nil {
			return nil, err
		}
		return out.GetStream(), nil
	}
	// Some streams are closed by the client itself right after they have begun ("use of closed
	// network connection"), and their place is free: no fewer than 15 are let in, and not
	// many more.
	var open []*cwl.StartLiveTailEventStream
	for err == nil && len(open) < 100 {
		var stream *cwl.StartLiveTailEventStream
		if stream, err = begin(); err == nil {
			open = append(open, stream)
		}
	}
	require.GreaterOrEqual(t, len(open), 15)
	var limit *types.LimitExceededException
	require.ErrorAs(t, err, &limit)
	var response *smithyhttp.ResponseError
	require.ErrorAs(t, err, &response)
	require.Equal(t, http.StatusBadRequest, response.HTTPStatusCode())

	for _, stream := range open {
		_ = stream.Close() // what it says then is of no interest
	}
	require.Eventually(t, func() bool {
		stream, err := begin()
		if err == nil {
			_ = stream.Close()
		}
		return err == nil
	}, 2*time.Minute, 10*time.Millisecond)
}
