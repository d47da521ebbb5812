package sandbox_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
)

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Faults reach clients in the words of each service's protocol.
func TestFaultsReachClients(t *testing.T) {
	t.Parallel()
	info, _ := serve(t, sandbox.ServeOptions{Dir: t.TempDir()})
	c, ctx := config(info), t.Context()
	objects := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
	list := func() error {
		_, err := sfn.NewFromConfig(c).ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
		return err
	}
	require.NoError(t, list())
	got, err := sandbox.SetFaults(ctx, info, faults.Config{Rules: []faults.Rule{
		{Service: "sfn", Operation: "List*", Throttle: true, Times: 1},
		{Service: "s3", Operation: "PutObject", Throttle: true},
		{Service: "lambda", Operation: "Invoke", Error: "ServiceException", Status: 500},
		{Service: "sagemakerruntime", Error: "ModelError", Status: 424, Message: "the model is tired"},
		{Service: "sts", Throttle: true},
		{Service: "kms", LatencyMs: 5},
	}})
	require.NoError(t, err)
	require.Len(t, got.Hits, 6)

	require.Equal(t, "ThrottlingException", errorCode(list()))
	require.NoError(t, list(), "once is once")
	_, err = objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("faults")})
	require.NoError(t, err)
	_, err = objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("faults"), Key: aws.String("k"), Body: strings.NewReader("x")})
	require.Equal(t, "SlowDown", errorCode(err))
	_, err = lambda.NewFromConfig(c).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f")})
	require.Equal(t, "ServiceException", errorCode(err))
	_, err = lambda.NewFromConfig(c).GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("f")})
	require.Equal(t, "ResourceNotFoundException", errorCode(err))
	_, err = sagemakerruntime.NewFromConfig(c).InvokeEndpoint(ctx, &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("e"), Body: []byte("x")})
	require.Equal(t, "ModelError", errorCode(err))
	require.ErrorContains(t, err, "the model is tired")
	_, err = sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.Equal(t, "Throttling", errorCode(err))

	got, err = sandbox.Faults(ctx, info)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 1, 1, 1, 0}, got.Hits)
	_, err = sandbox.SetFaults(ctx, info, faults.Config{})
	require.NoError(t, err)
	_, err = sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
}

func TestFaultsAreChecked(t *testing.T) {
	t.Parallel()
	info, _ := serve(t, sandbox.ServeOptions{Dir: t.TempDir(), Faults: faults.Config{Rules: []faults.Rule{{Service: "sqs", Throttle: true}}}})
	_, err := sandbox.SetFaults(t.Context(), info, faults.Config{Rules: []faults.Rule{{Share: 7, Throttle: true}}})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "rule 1: share is 7")
	now, err := sandbox.Faults(t.Context(), info)
	require.NoError(t, err)
	require.Equal(t, "sqs", now.Rules[0].Service, "the options' faults are still there")
	stranger := info
	stranger.SecretAccessKey = "wrong"
	_, err = sandbox.Faults(t.Context(), stranger)
	require.ErrorContains(t, err, "signature")
	err = sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: t.TempDir(), Faults: faults.Config{Rules: []faults.Rule{{}}}})
	require.ErrorContains(t, err, "it does nothing")
}

// Quotas throttle a caller that polls too fast, and let it through as the bucket
// fills again. The clock is the test's, so that no machine is too slow to be
// throttled (ListStateMachines: a bucket of 100, 5 a second).
func TestQuotasThrottle(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(time.Now().UTC())
	info, _ := serve(t, sandbox.ServeOptions{Dir: t.TempDir(), Clock: clk, Faults: faults.Config{Quotas: true}})
	client := sfn.NewFromConfig(config(info))
	list := func() error {
		_, err := client.ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})
		return err
	}
	for range 100 {
		require.NoError(t, list())
	}
	require.Equal(t, "ThrottlingException", errorCode(list()))
	clk.Advance(time.Second)
	for range 5 {
		require.NoError(t, list())
	}
	require.Equal(t, "ThrottlingException", errorCode(list()))
	st, err := sandbox.Faults(t.Context(), info)
	require.NoError(t, err)
	require.EqualValues(t, 2, st.Throttled["sfn.ListStateMachines"])
}
