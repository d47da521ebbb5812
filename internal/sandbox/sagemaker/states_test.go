package sagemaker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
)

const inference = `{
  "QueryLanguage": "JSONata", "StartAt": "Invoke",
  "States": {"Invoke": {
    "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint",
    "Arguments": {"EndpointName": "{% $states.input.endpoint %}", "ContentType": "application/json", "Accept": "application/json", "Body": "{% $states.input.body %}"},
    "Output": {"prediction": "{% $parse($states.result.Body).predictions[0].label %}", "variant": "{% $states.result.InvokedProductionVariant %}"},
    "End": true
  }}
}`

// TestStepFunctionsInvokesTheEndpoint is the way of an inference pipeline: the
// SDK integration of Step Functions, with its encoding of blobs and its names of
// errors.
func TestStepFunctionsInvokesTheEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	svc, err := states.New(states.Config{DB: w.db, Router: w.router})
	require.NoError(t, err)
	svc.Register(w.router)
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
	cfg := w.around.Admin()
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: w.transport}}
	client := sfn.NewFromConfig(cfg)
	m, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), Definition: aws.String(inference), RoleArn: aws.String("arn:aws:iam::000000000000:role/states"),
	})
	require.NoError(t, err)
	run := func(input string) *sfn.DescribeExecutionOutput {
		s, err := client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: m.StateMachineArn, Input: &input})
		require.NoError(t, err)
		var out *sfn.DescribeExecutionOutput
		require.Eventually(t, func() bool {
			out, err = client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: s.ExecutionArn})
			return err == nil && out.Status != types.ExecutionStatusRunning
		}, time.Minute, 10*time.Millisecond)
		return out
	}
	good := run(`{"endpoint": "iris", "body": {"instances": [[1, 0]]}}`)
	require.Equal(t, types.ExecutionStatusSucceeded, good.Status, aws.ToString(good.Cause))
	require.JSONEq(t, `{"prediction":"setosa","variant":"AllTraffic"}`, *good.Output)

	wrong := run(`{"endpoint": "iris", "body": {"instances": [[1, 0, 3]]}}`)
	require.Equal(t, "SageMakerRuntime.ModelErrorException", aws.ToString(wrong.Error))
	require.Contains(t, *wrong.Cause, "expected 2 features, got 3")
	none := run(`{"endpoint": "none", "body": {}}`)
	require.Equal(t, "SageMakerRuntime.ValidationErrorException", aws.ToString(none.Error))
	require.Contains(t, *none.Cause, "Endpoint none of account 000000000000 not found.")
}
