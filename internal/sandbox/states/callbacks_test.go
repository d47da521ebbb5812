package states_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func TestTaskTokens(t *testing.T) {
	t.Parallel()
	tokens := make(chan string, 10)
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) {
		w.clock = fake
		w.lambda.all["f"] = function{handle: func(event json.RawMessage) (string, error) {
			var in struct{ Token string }
			err := json.Unmarshal(event, &in)
			tokens <- in.Token
			return `"ignored"`, err
		}}
	})
	m := w.machine("m", `{"QueryLanguage":"JSONata","StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Arguments":{"FunctionName":"f","Payload":{"token":"{% $states.context.Task.Token %}"}},"HeartbeatSeconds":60,"TimeoutSeconds":600,"End":true,
		"Retry":[{"ErrorEquals":["Again"],"MaxAttempts":1,"IntervalSeconds":1}]}}}`)
	c := w.client()

	arn := w.start(m, "success", "{}")
	token := <-tokens
	require.NoError(t, fake.WaitTimers(t.Context(), 2)) // heartbeat and time-out
	fake.Advance(50 * time.Second)
	_, err := c.SendTaskHeartbeat(t.Context(), &sfn.SendTaskHeartbeatInput{TaskToken: &token})
	require.NoError(t, err)
	w.close() // the token outlives the process
	w.open()
	c = w.client()
	require.NoError(t, fake.WaitTimers(t.Context(), 2))
	fake.Advance(50 * time.Second)
	_, err = c.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"done": true}`)})
	require.NoError(t, err)
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	require.JSONEq(t, `{"done":true}`, got["output"].(string))
	require.Equal(t, []string{
		"ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
		"TaskStateExited", "ExecutionSucceeded",
	}, w.eventTypes(arn))
	_, err = c.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`1`)})
	var gone *sfntypes.TaskTimedOut
	require.ErrorAs(t, err, &gone)
	_, err = c.SendTaskFailure(t.Context(), &sfn.SendTaskFailureInput{TaskToken: aws.String("nonsense")})
	var bad *sfntypes.InvalidToken
	require.ErrorAs(t, err, &bad)

	arn = w.start(m, "heartbeat", "{}")
	<-tokens
	require.NoError(t, fake.WaitTimers(t.Context(), 2))
	fake.Advance(61 * time.Second)
	require.Equal(t, "States.Timeout", w.await(arn)["error"])

	arn = w.start(m, "failure", "{}")
	token = <-tokens
	_, err = c.SendTaskFailure(t.Context(), &sfn.SendTaskFailureInput{TaskToken: &token, Error: aws.String("Again")})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(w.eventTypes(arn)) == 6 && fake.WaitTimers(t.Context(), 1) == nil }, time.Minute, time.Millisecond)
	fake.Advance(2 * time.Second)
	second := <-tokens
	require.NotEqual(t, token, second)
	_, err = c.SendTaskFailure(t.Context(), &sfn.SendTaskFailureInput{TaskToken: &second, Error: aws.String("Again"), Cause: aws.String("twice")})
	require.NoError(t, err)
	got = w.await(arn)
	require.Equal(t, "Again", got["error"])
	require.Equal(t, "twice", got["cause"])
}

func TestNestedExecutions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inner := w.machine("inner", `{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"got.$":"$.x"},"End":true}}}`)
	outer := w.machine("outer", `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",
		"Parameters":{"StateMachineArn":"`+inner+`","Name":"child","Input":{"x.$":"$.n"}},"OutputPath":"$.Output","End":true}}}`)
	got := w.await(w.start(outer, "e", `{"n":[1,2]}`))
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	require.JSONEq(t, `{"got":[1,2]}`, got["output"].(string))
	again := w.await(w.start(outer, "f", `{"n":3}`))
	require.Equal(t, "StepFunctions.ExecutionAlreadyExistsException", again["error"])
}

func TestMessagesAreText(t *testing.T) {
	t.Parallel()
	var sent, put string
	w := newWorld(t, func(w *world) {
		w.extra = func(r *wire.Router) {
			r.Handle("sqs", "SendMessage", func(_ context.Context, _ *wire.Request, in []byte) (any, error) {
				sent = string(in)
				return map[string]any{"MessageId": "1"}, nil
			})
			r.Handle("eventbridge", "PutEvents", func(_ context.Context, _ *wire.Request, in []byte) (any, error) {
				put = string(in)
				return nil, wire.Errorf(400, "AccessDeniedException", "no")
			})
		}
	})
	got := w.await(w.start(w.machine("m", `{"StartAt":"A","States":{
		"A":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","Parameters":{"QueueUrl":"http://sqs/q","MessageBody":{"x.$":"$.n"}},"ResultPath":null,"Next":"B"},
		"B":{"Type":"Task","Resource":"arn:aws:states:::events:putEvents","Parameters":{"Entries":[{"Detail":{"y":1},"Source":"s"}]},"End":true}}}`), "e", `{"n":1}`))
	require.JSONEq(t, `{"QueueUrl":"http://sqs/q","MessageBody":"{\"x\":1}"}`, sent)
	require.JSONEq(t, `{"Entries":[{"Detail":"{\"y\":1}","Source":"s","Resources":["arn:aws:states:us-east-1:000000000000:stateMachine:m",`+
		`"arn:aws:states:us-east-1:000000000000:execution:m:e"]}]}`, put)
	require.Equal(t, "EventBridge.AmazonCloudWatchEventsException", got["error"])
}

func TestExpressTimeLimit(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	out, err := w.client().CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("x"), RoleArn: aws.String(roleARN), Type: sfntypes.StateMachineTypeExpress,
		Definition: aws.String(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1000,"End":true}}}`),
	})
	require.NoError(t, err)
	go func() {
		if fake.WaitTimers(t.Context(), 2) == nil { // the limit and the wait
			fake.Advance(5 * time.Minute)
		}
	}()
	got := w.must("StartSyncExecution", map[string]any{"stateMachineArn": *out.StateMachineArn})
	require.Equal(t, "TIMED_OUT", got["status"], "five minutes are the limit")
}

// TestExpressRunsAgainAfterCrash: express executions run at least once.
func TestExpressRunsAgainAfterCrash(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 2)
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) {
		w.clock = fake
		w.lambda.all["f"] = function{handle: func(json.RawMessage) (string, error) { entered <- struct{}{}; return "1", nil }}
	})
	out, err := w.client().CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("x"), RoleArn: aws.String(roleARN), Type: sfntypes.StateMachineTypeExpress,
		Definition: aws.String(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Next":"W"},` +
			`"W":{"Type":"Wait","Seconds":60,"End":true}}}`),
	})
	require.NoError(t, err)
	w.must("StartExecution", map[string]any{"stateMachineArn": *out.StateMachineArn})
	<-entered
	require.NoError(t, fake.WaitTimers(t.Context(), 2))
	w.close()
	w.open()
	<-entered
	require.NoError(t, fake.WaitTimers(t.Context(), 2))
	fake.Advance(61 * time.Second)
	w.svc.Idle()
	w.close()
	w.open()
	w.svc.Idle()
	require.Empty(t, entered, "what ended does not run again")
}

// A task that waits for an execution has a token as well: SendTaskSuccess ends it
// before the execution does. Source: a recording of AWS of July 2024.
func TestTokenEndsASync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inner := w.machine("inner", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":99999,"End":true}}}`)
	outer := w.machine("outer", `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync",
		"Parameters":{"StateMachineArn":"`+inner+`","Name":"child","Input":{"token.$":"$$.Task.Token"}},"End":true}}}`)
	arn := w.start(outer, "e", "{}")
	child := strings.Replace(inner, ":stateMachine:", ":execution:", 1) + ":child"
	var in struct{ Token string }
	require.Eventually(t, func() bool {
		r := w.call("DescribeExecution", map[string]any{"executionArn": child})
		return r.status == 200 && json.Unmarshal([]byte(r.body["input"].(string)), &in) == nil
	}, time.Minute, time.Millisecond)
	require.NotEmpty(t, in.Token)
	c := w.client()
	_, err := c.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &in.Token, Output: aws.String(`"by token"`)})
	require.NoError(t, err)
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	require.Equal(t, `"by token"`, got["output"])
	require.Equal(t, []string{
		"ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded",
	}, w.eventTypes(arn))
	_, err = c.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &child})
	require.NoError(t, err)
}

// A share stays a decimal in replies, as AWS writes it: 1.0, not 1.
func TestFloatsStayFloats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.must("TestState", map[string]any{
		"definition": `{"Type":"Map","ToleratedFailurePercentage":1,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},` +
			`"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`,
		"input": "[1]", "mock": map[string]any{"result": "[1]"}, "inspectionLevel": "TRACE",
	})
	require.Equal(t, json.Number("1.0"), r["inspectionData"].(map[string]any)["toleratedFailurePercentage"])
}

// TestState refuses a context and mocks that AWS refuses. Source: recordings of AWS
// of December 2025.
func TestStateRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct{ resource, context, result, says string }{
		"token without a pattern": {
			"arn:aws:states:::lambda:invoke", `{"Task":{"Token":"t"}}`, `{}`,
			"Invalid Context object provided: Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern",
		},
		"token": {"arn:aws:states:::sqs:sendMessage.waitForTaskToken", `{"Task":{"Token":"t"}}`, `{}`, ""},
		"empty blob": {
			"arn:aws:states:::aws-sdk:kms:encrypt", `{}`, `{"CiphertextBlob":""}`,
			"Mock result schema validation error: Field 'CiphertextBlob' is smaller than the minimum length",
		},
		"text as number": {
			"arn:aws:states:::dynamodb:putItem", `{}`, `{"ConsumedCapacity":{"CapacityUnits":"1.5"}}`,
			"Mock result schema validation error: Field 'CapacityUnits' must be a number",
		},
		"number": {"arn:aws:states:::dynamodb:putItem", `{}`, `{"ConsumedCapacity":{"CapacityUnits":1.5}}`, ""},
	} {
		r := w.call("TestState", map[string]any{
			"definition": `{"Type":"Task","Resource":"` + c.resource + `","Parameters":{},"End":true}`, "input": "{}", "context": c.context, "mock": map[string]any{"result": c.result},
		})
		if c.says == "" {
			require.Equal(t, 200, r.status, "%s: %v", name, r.body)
			continue
		}
		require.Equal(t, "ValidationException", r.body["__type"], name)
		require.Equal(t, c.says, r.body["message"], name)
	}
}
