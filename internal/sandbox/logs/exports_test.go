package logs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *sandbox) write(t *testing.T, group, stream string, messages ...string) {
	t.Helper()
	c := s.admin()
	_, err := c.CreateLogStream(t.Context(), &cwl.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	require.NoError(t, err)
	in := &cwl.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Message: &m, Timestamp: aws.Int64(s.start.UnixMilli() + int64(i))})
	}
	_, err = c.PutLogEvents(t.Context(), in)
	require.NoError(t, err)
}

func TestExports(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	objects, err := s3.New(s3.Config{DB: s.DB, Dir: t.TempDir(), Auth: s.IAM})
	require.NoError(t, err)
	objects.Register(s.Router)
	buckets := awss3.NewFromConfig(s.Admin(), func(o *awss3.Options) { o.UsePathStyle = true })
	for _, name := range []string{"exports", "closed"} {
		_, err = buckets.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &name})
		require.NoError(t, err)
	}
	statement := func(action, resource string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Principal":{"Service":"logs.us-east-1.amazonaws.com"},"Action":%q,"Resource":%q,"Condition":{
			"StringEquals":{"aws:SourceAccount":"000000000000"},"ArnLike":{"aws:SourceArn":"arn:aws:logs:us-east-1:000000000000:log-group:*"}}}`, action, resource)
	}
	_, err = buckets.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: aws.String("exports"), Policy: aws.String(`{"Version":"2012-10-17","Statement":[` +
		statement("s3:GetBucketAcl", "arn:aws:s3:::exports") + "," + statement("s3:PutObject", "arn:aws:s3:::exports/*") + "]}")})
	require.NoError(t, err)
	s.group(t, "g")
	s.write(t, "g", "a/b", "one", "two", "three")
	s.write(t, "g", "c", "four")
	c := s.admin()
	create := func(group, bucket string, to int64) (*cwl.CreateExportTaskOutput, error) {
		return c.CreateExportTask(ctx, &cwl.CreateExportTaskInput{LogGroupName: &group, Destination: &bucket, From: aws.Int64(s.start.UnixMilli()), To: &to})
	}
	for bucket, want := range map[string]string{
		"nobodys": "The given bucket does not exist. Please make sure the bucket is valid.",
		"closed":  "GetBucketAcl call on the given bucket failed.",
	} {
		_, err = create("g", bucket, s.start.UnixMilli()+1)
		iamtest.RequireCode(t, err, "InvalidParameterException")
		require.ErrorContains(t, err, want)
	}
	_, err = create("none", "exports", s.start.UnixMilli()+1)
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	made, err := create("g", "exports", s.start.UnixMilli()+1)
	require.NoError(t, err)
	_, err = create("g", "exports", s.start.UnixMilli()+1)
	iamtest.RequireCode(t, err, "LimitExceededException")
	read := func(key string, packed bool) string {
		out, err := buckets.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("exports"), Key: &key})
		require.NoError(t, err)
		var r io.Reader = out.Body
		if packed {
			r, err = gzip.NewReader(out.Body)
			require.NoError(t, err)
		}
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(raw)
	}
	require.Equal(t, "Permission Check Successful", read("aws-logs-write-test", false))

	// The task outlives a crash before it has begun.
	require.NoError(t, s.svc.Start(ctx))
	defer func() { require.NoError(t, s.svc.Close()) }()
	task := func() types.ExportTask {
		out, err := c.DescribeExportTasks(ctx, &cwl.DescribeExportTasksInput{TaskId: made.TaskId})
		require.NoError(t, err)
		require.Len(t, out.ExportTasks, 1)
		return out.ExportTasks[0]
	}
	require.Eventually(t, func() bool { return task().Status.Code == types.ExportTaskStatusCodeCompleted }, time.Minute, time.Millisecond)
	require.Equal(t, "exportedlogs", *task().DestinationPrefix)
	stamp := func(i int) string {
		return s.start.Add(time.Duration(i) * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	require.Equal(t, stamp(0)+" one\n"+stamp(1)+" two\n", read("exportedlogs/"+*made.TaskId+"/a-b/000000.gz", true), "what is later is left out")
	require.Equal(t, stamp(0)+" four\n", read("exportedlogs/"+*made.TaskId+"/c/000000.gz", true))
	_, err = c.CancelExportTask(ctx, &cwl.CancelExportTaskInput{TaskId: made.TaskId})
	iamtest.RequireCode(t, err, "InvalidOperationException")
	_, err = c.CancelExportTask(ctx, &cwl.CancelExportTaskInput{TaskId: aws.String("none")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	none, err := c.DescribeExportTasks(ctx, &cwl.DescribeExportTasksInput{TaskId: aws.String("none")})
	require.NoError(t, err)
	require.Empty(t, none.ExportTasks)
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	calls := make(chan []byte, 10)
	arn := "arn:aws:lambda:us-east-1:000000000000:function:f"
	serve := func() { // stands for Lambda, which lets Logs call f alone
		s.Router.Register(wire.Service{ID: "lambda"})
		wire.Handle(s.Router, "lambda", "Invoke", func(_ context.Context, req *wire.Request, in *awslambda.InvokeInput) (*awslambda.InvokeOutput, error) {
			if *in.FunctionName != arn || req.Principal.Service != "logs.amazonaws.com" || req.Principal.Source != "arn:aws:logs:us-east-1:000000000000:log-group:g:*" {
				return nil, wire.Errorf(http.StatusForbidden, "AccessDeniedException", "no")
			}
			if in.InvocationType == "Event" {
				calls <- in.Payload
			}
			return &awslambda.InvokeOutput{StatusCode: 202}, nil
		}, wire.Free("a stand-in"))
	}
	serve()
	s.group(t, "g")
	c := s.admin()
	subscribe := func(group, name, pattern, destination string) error {
		_, err := c.PutSubscriptionFilter(ctx, &cwl.PutSubscriptionFilterInput{LogGroupName: &group, FilterName: &name, FilterPattern: &pattern, DestinationArn: &destination})
		return err
	}
	require.NoError(t, subscribe("g", "errors", "ERROR", arn))
	require.NoError(t, subscribe("g", "other", "[]", arn))
	require.NoError(t, subscribe("g", "errors", "ERROR -harmless", arn))
	iamtest.RequireCode(t, subscribe("g", "third", "", arn), "LimitExceededException")
	iamtest.RequireCode(t, subscribe("none", "errors", "", arn), "ResourceNotFoundException")
	iamtest.RequireCode(t, subscribe("g", "errors", "", "arn:aws:lambda:us-east-1:111111111111:function:f"), "AccessDeniedException")
	err := subscribe("g", "errors", "", arn+"2")
	iamtest.RequireCode(t, err, "InvalidParameterException")
	require.ErrorContains(t, err, "Make sure you have given CloudWatch Logs permission to execute your function.")
	err = subscribe("g", "errors", "", "arn:aws:kinesis:us-east-1:000000000000:stream/s")
	require.ErrorContains(t, err, "destinationArn for vendor kinesis cannot be used without roleArn")
	_, err = c.DeleteSubscriptionFilter(ctx, &cwl.DeleteSubscriptionFilterInput{LogGroupName: aws.String("g"), FilterName: aws.String("other")})
	require.NoError(t, err)
	_, err = c.DeleteSubscriptionFilter(ctx, &cwl.DeleteSubscriptionFilterInput{LogGroupName: aws.String("g"), FilterName: aws.String("other")})
	require.ErrorContains(t, err, "The specified subscription filter does not exist.")
	list, err := c.DescribeSubscriptionFilters(ctx, &cwl.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("g")})
	require.NoError(t, err)
	require.Len(t, list.SubscriptionFilters, 1)
	require.Equal(t, "ERROR -harmless", *list.SubscriptionFilters[0].FilterPattern)
	require.Equal(t, types.DistributionByLogStream, list.SubscriptionFilters[0].Distribution)

	s.write(t, "g", "s", "ERROR one", "fine", "ERROR harmless", "ERROR two")
	s.Reopen(t) // before it was sent
	serve()
	s.serve(t, logs.Config{})
	require.NoError(t, s.svc.Start(ctx))
	defer func() { require.NoError(t, s.svc.Close()) }()
	var in struct{ Awslogs struct{ Data []byte } }
	require.NoError(t, json.Unmarshal(<-calls, &in))
	z, err := gzip.NewReader(bytes.NewReader(in.Awslogs.Data))
	require.NoError(t, err)
	var doc struct {
		MessageType, Owner, LogGroup, LogStream string
		SubscriptionFilters                     []string
		LogEvents                               []struct {
			ID, Message string
			Timestamp   int64
		}
	}
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	require.Equal(t, []string{"DATA_MESSAGE", "000000000000", "g", "s", "errors"}, []string{doc.MessageType, doc.Owner, doc.LogGroup, doc.LogStream, doc.SubscriptionFilters[0]})
	require.Len(t, doc.LogEvents, 2)
	require.Equal(t, "ERROR two", doc.LogEvents[1].Message)
	require.Len(t, doc.LogEvents[1].ID, 56)
	require.Less(t, doc.LogEvents[0].ID, doc.LogEvents[1].ID)
}

// A function that is busy holds up its own events only.
func TestBusySubscriberHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	calls := make(chan string, 10)
	var free atomic.Bool
	function := func(name string) string { return "arn:aws:lambda:us-east-1:000000000000:function:" + name }
	s.Router.Register(wire.Service{ID: "lambda"})
	wire.Handle(s.Router, "lambda", "Invoke", func(_ context.Context, _ *wire.Request, in *awslambda.InvokeInput) (*awslambda.InvokeOutput, error) {
		switch {
		case in.InvocationType != "Event":
		case *in.FunctionName == function("busy") && !free.Load():
			calls <- "refused"
			return nil, wire.Errorf(http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
		default:
			calls <- *in.FunctionName
		}
		return &awslambda.InvokeOutput{StatusCode: 202}, nil
	}, wire.Free("a stand-in"))
	call := func(want string) {
		t.Helper()
		select {
		case got := <-calls:
			require.Equal(t, want, got)
		case <-time.After(time.Minute):
			t.Fatal("no call of ", want)
		}
	}
	for _, name := range []string{"busy", "idle"} {
		s.group(t, name)
		_, err := s.admin().PutSubscriptionFilter(ctx, &cwl.PutSubscriptionFilterInput{
			LogGroupName: &name, FilterName: aws.String("f"), FilterPattern: aws.String(""), DestinationArn: aws.String(function(name)),
		})
		require.NoError(t, err)
	}
	require.NoError(t, s.svc.Start(ctx))
	defer func() { require.NoError(t, s.svc.Close()) }()
	s.write(t, "busy", "s", "one")
	call("refused")
	for i := range 3 { // while the first waits, on a clock that stands
		s.write(t, "idle", fmt.Sprint("s", i), "two")
		call(function("idle"))
	}
	require.NoError(t, s.clock.WaitTimers(ctx, 1))
	s.clock.Advance(time.Second)
	call("refused")
	free.Store(true)
	require.NoError(t, s.clock.WaitTimers(ctx, 1))
	s.clock.Advance(2 * time.Second)
	call(function("busy"))
}
