package sandbox_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// unpack lays out a sandbox's folder that was kept as an archive.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(h.Name), h.Name)
		path := filepath.Join(dir, h.Name)
		if h.FileInfo().IsDir() {
			require.NoError(t, os.MkdirAll(path, 0o700))
			continue
		}
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, raw, 0o600))
	}
}

// testdata/unscoped.tar.gz is the folder of a sandbox from before its state was
// kept by account and region, as kill -9 left it: one of everything named "kept",
// an execution that waits for a token, and a Map Run of two children that do.
// What it holds is found where it was, and what ran goes on.
func TestOlderStoreOpens(t *testing.T) {
	t.Setenv(childEnv, "serve")
	dir, ctx := filepath.Join(t.TempDir(), "sandbox"), t.Context()
	unpack(t, filepath.Join("testdata", "unscoped.tar.gz"), dir)
	info, err := start(t, dir)
	require.NoError(t, err)
	keptResources(t, config(info))
	keptExecutions(t, config(info))

	// In another region there is none of it.
	other := config(info)
	other.Region = "eu-west-1"
	none, err := sfn.NewFromConfig(other).ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
	require.NoError(t, err)
	require.Empty(t, none.StateMachines)

	// The second start finds nothing to bring into form.
	stopped(ctx, t, dir)
	info, err = start(t, dir)
	require.NoError(t, err)
	keptResources(t, config(info))
}

func keptResources(t *testing.T, cfg aws.Config) {
	t.Helper()
	ctx, kept := t.Context(), aws.String("kept")
	role, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("machine")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:role/machine", *role.Role.Arn)
	policies, err := iam.NewFromConfig(cfg).ListPolicies(ctx, &iam.ListPoliciesInput{Scope: "Local"})
	require.NoError(t, err)
	require.Len(t, policies.Policies, 1)

	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	list, err := buckets.ListBuckets(ctx, &s3.ListBucketsInput{})
	require.NoError(t, err)
	require.Len(t, list.Buckets, 1)
	object, err := buckets.GetObject(ctx, &s3.GetObjectInput{Bucket: kept, Key: aws.String("a/b.txt")})
	require.NoError(t, err)
	body, err := io.ReadAll(object.Body)
	require.NoError(t, err)
	require.Equal(t, "kept", string(body))

	queues := sqs.NewFromConfig(cfg)
	url, err := queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: kept})
	require.NoError(t, err)
	message, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, VisibilityTimeout: 0})
	require.NoError(t, err)
	require.Len(t, message.Messages, 1)
	require.Equal(t, "kept", *message.Messages[0].Body)
	_, err = queues.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url.QueueUrl, ReceiptHandle: message.Messages[0].ReceiptHandle})
	require.NoError(t, err)

	targets, err := eventbridge.NewFromConfig(cfg).ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: kept})
	require.NoError(t, err)
	require.Len(t, targets.Targets, 1)
	alarms, err := cloudwatch.NewFromConfig(cfg).DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"kept"}})
	require.NoError(t, err)
	require.Len(t, alarms.MetricAlarms, 1)
	metrics, err := cloudwatch.NewFromConfig(cfg).ListMetrics(ctx, &cloudwatch.ListMetricsInput{Namespace: aws.String("N")})
	require.NoError(t, err)
	require.Len(t, metrics.Metrics, 1)
	lines, err := cloudwatchlogs.NewFromConfig(cfg).GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("/kept"), LogStreamName: aws.String("s")})
	require.NoError(t, err)
	require.Len(t, lines.Events, 1)
	key, err := kms.NewFromConfig(cfg).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/kept")})
	require.NoError(t, err)
	require.Equal(t, "000000000000", *key.KeyMetadata.AWSAccountId)
	fn, err := lambda.NewFromConfig(cfg).GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: kept, Qualifier: aws.String("live")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:lambda:us-east-1:000000000000:function:kept:live", *fn.Configuration.FunctionArn)
	activities, err := sfn.NewFromConfig(cfg).ListActivities(ctx, &sfn.ListActivitiesInput{})
	require.NoError(t, err)
	require.Len(t, activities.Activities, 1)
}

// keptExecutions answers the tokens that were sent before, and sees the
// executions that wait for them succeed.
func keptExecutions(t *testing.T, cfg aws.Config) {
	t.Helper()
	ctx, steps, queues := t.Context(), sfn.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	arn := func(kind, rest string) *string {
		return aws.String("arn:aws:states:us-east-1:000000000000:" + kind + ":" + rest)
	}
	done, err := steps.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: arn("stateMachine", "done")})
	require.NoError(t, err)
	require.Len(t, done.Executions, 1)
	history, err := steps.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: done.Executions[0].ExecutionArn})
	require.NoError(t, err)
	require.Len(t, history.Events, 4)
	alias, err := steps.DescribeStateMachineAlias(ctx, &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: arn("stateMachine", "asks:live")})
	require.NoError(t, err)
	require.Equal(t, "live", *alias.Name)

	url, err := queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("tokens")})
	require.NoError(t, err)
	for answered := 0; answered < 3; {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20})
		require.NoError(t, err)
		for _, m := range out.Messages {
			_, err := steps.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: m.Body, Output: aws.String(`"answered"`)})
			require.NoError(t, err)
			answered++
		}
	}
	for name, output := range map[string]string{"asks": `"answered"`, "maps": `["answered","answered"]`} {
		out := ended(ctx, t, steps, *arn("execution", name+":kept"))
		require.Equal(t, sfntypes.ExecutionStatusSucceeded, out.Status, "%s: %s", name, aws.ToString(out.Cause))
		require.JSONEq(t, output, *out.Output)
	}
	runs, err := steps.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: arn("execution", "maps:kept")})
	require.NoError(t, err)
	require.Len(t, runs.MapRuns, 1)
	run, err := steps.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	require.NoError(t, err)
	require.EqualValues(t, 2, run.ItemCounts.Succeeded)
}

// ended waits for the end of an execution.
func ended(ctx context.Context, t *testing.T, steps *sfn.Client, arn string) (out *sfn.DescribeExecutionOutput) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		out, err = steps.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		return err == nil && out.Status != sfntypes.ExecutionStatusRunning
	}, time.Minute, 20*time.Millisecond)
	return out
}
