package states_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/leaktest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func TestMain(m *testing.M) {
	leaktest.Main(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("internal/poll.runtime_pollWait"))
}

const roleARN = "arn:aws:iam::000000000000:role/states"

func (w *world) client() *sfn.Client {
	return sfn.NewFromConfig(w.around.Admin())
}

// machine creates a state machine and returns its ARN.
func (w *world) machine(name, definition string) string {
	w.t.Helper()
	out, err := w.client().CreateStateMachine(w.t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String(name), Definition: aws.String(definition), RoleArn: aws.String(roleARN),
	})
	require.NoError(w.t, err)
	return *out.StateMachineArn
}

func (w *world) start(machine, name, input string) string {
	w.t.Helper()
	out, err := w.client().StartExecution(w.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: aws.String(machine), Name: aws.String(name), Input: aws.String(input),
	})
	require.NoError(w.t, err)
	return *out.ExecutionArn
}

// eventTypes lists the types of a history's events.
func (w *world) eventTypes(arn string) []string {
	w.t.Helper()
	var out []string
	p := sfn.NewGetExecutionHistoryPaginator(w.client(), &sfn.GetExecutionHistoryInput{ExecutionArn: aws.String(arn), MaxResults: 7})
	for p.HasMorePages() {
		page, err := p.NextPage(w.t.Context())
		require.NoError(w.t, err)
		for _, e := range page.Events {
			require.EqualValues(w.t, len(out)+1, e.Id)
			out = append(out, string(e.Type))
		}
	}
	return out
}

// endpoint plays SageMaker Runtime: it answers from a list of replies.
type endpoint struct {
	mu      sync.Mutex
	replies []any // error or body text
	seen    []string
}

func (e *endpoint) invoke(_ context.Context, _ *wire.Request, in []byte) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, string(in))
	r := e.replies[0]
	if len(e.replies) > 1 {
		e.replies = e.replies[1:]
	}
	if err, ok := r.(error); ok {
		return nil, err
	}
	return map[string]any{"Body": r, "ContentType": "application/json", "InvokedProductionVariant": "AllTraffic"}, nil
}

func realtime(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/templates/realtime.asl.json")
	require.NoError(t, err)
	return string(raw)
}

// realtimeWorld has the function and the endpoint that the realtime template
// calls.
func realtimeWorld(t *testing.T, pre func(json.RawMessage) (string, error), replies ...any) (*world, *endpoint) {
	t.Helper()
	ep := &endpoint{replies: replies}
	w := newWorld(t, func(w *world) {
		w.lambda.all["ptui-acme-churn-dev-pre"] = function{handle: pre}
		w.extra = func(r *wire.Router) { r.Handle("sagemakerruntime", "InvokeEndpoint", withBlob("Body", ep.invoke)) }
	})
	return w, ep
}

func TestRealtimeTemplate(t *testing.T) {
	t.Parallel()
	w, ep := realtimeWorld(t, func(event json.RawMessage) (string, error) {
		var in struct {
			Input struct {
				Features []float64 `json:"features"`
			} `json:"input"`
			Execution struct {
				Name         string `json:"name"`
				RedriveCount int    `json:"redriveCount"`
			} `json:"execution"`
		}
		if err := json.Unmarshal(event, &in); err != nil {
			return "", err
		}
		return fmt.Sprintf(`{"body": {"instances": %d, "of": %q}}`, len(in.Input.Features), in.Execution.Name), nil
	}, wire.Errorf(503, "ServiceUnavailable", "busy"), `{"predictions": [0.25, 1.0, 12345678901234567890]}`)
	arn := w.start(w.machine("realtime", realtime(t)), "run-1", `{"features": [1, 2.5, 3]}`)
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)

	var out struct{ ResultUri, Etag, Variant string }
	require.NoError(t, json.Unmarshal([]byte(got["output"].(string)), &out))
	require.Equal(t, "AllTraffic", out.Variant)
	key := strings.TrimPrefix(out.ResultUri, "s3://ptui-acme-churn-dev-123456789012-use1/")
	require.Contains(t, string(w.s3.all["ptui-acme-churn-dev-123456789012-use1"][key]), `"prediction":{"predictions":[0.25,1.0,12345678901234567890]}`)
	require.Len(t, ep.seen, 2)
	require.Contains(t, ep.seen[0], `"Body":{"instances":3,"of":"run-1"}`)
	want := []string{
		"ExecutionStarted",
		"TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
		"ChoiceStateEntered", "ChoiceStateExited",
		"TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
		"TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited",
		"ExecutionSucceeded",
	}
	require.Empty(t, cmp.Diff(want, w.eventTypes(arn)))
}

func TestRealtimeFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload     string
		reply       any
		name, cause string
		calls       int // of the endpoint
	}{
		"no body": {`{"other": 1}`, "{}", "Pipeline.PreprocessContract", "must return a JSON object with a 'body' field", 0},
		"refused input": {
			`{"body": 1}`, wire.Errorf(424, "ModelError", "Received client error (400) from primary"), "SageMakerRuntime.ModelErrorException",
			"Received client error (400)", 3,
		},
		"too large": {`{"body": "` + strings.Repeat("x", 210_000) + `"}`, "{}", "Pipeline.PayloadTooLarge", "over 200000 characters", 0},
		"model error": {
			`{"body": 1}`, wire.Errorf(400, "ValidationError", "Endpoint x not found"), "SageMakerRuntime.ValidationErrorException",
			"Endpoint x not found (Service: SageMakerRuntime, Status Code: 400, Request ID: ", 1,
		},
		"broken answer": {`{"body": 1}`, "not json", "States.QueryEvaluationError", "specified for the field 'Assign/prediction' threw an error during evaluation", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ep := realtimeWorld(t, func(json.RawMessage) (string, error) { return c.payload, nil }, c.reply)
			arn := w.start(w.machine("realtime", realtime(t)), "run", `{}`)
			got := w.await(arn)
			require.Equal(t, "FAILED", got["status"])
			require.Equal(t, c.name, got["error"])
			require.Contains(t, got["cause"], c.cause)
			require.Equal(t, "REDRIVABLE", got["redriveStatus"])
			ep.mu.Lock()
			defer ep.mu.Unlock()
			require.Len(t, ep.seen, c.calls)
		})
	}
}

// TestResumeAfterCrash stops the service while a task is under way: what was
// recorded stays, the task counts as lost and is retried, and nothing is done
// twice besides.
func TestResumeAfterCrash(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	calls := 0
	ep := &endpoint{replies: []any{`{"p": 1}`}}
	w := newWorld(t, func(w *world) {
		w.lambda.all["ptui-acme-churn-dev-pre"] = function{handle: func(json.RawMessage) (string, error) { calls++; return `{"body": 1}`, nil }}
		w.extra = func(r *wire.Router) {
			r.Handle("sagemakerruntime", "InvokeEndpoint", withBlob("Body", func(ctx context.Context, req *wire.Request, in []byte) (any, error) {
				entered <- struct{}{}
				if len(ep.seen) == 0 {
					ep.seen = append(ep.seen, string(in))
					<-ctx.Done() // never answers before the crash
					return nil, ctx.Err()
				}
				return ep.invoke(ctx, req, in)
			}))
		}
	})
	arn := w.start(w.machine("realtime", realtime(t)), "run", `{"a": 1}`)
	<-entered
	before := w.eventTypes(arn)
	require.Equal(t, []string{"TaskStateEntered", "TaskScheduled", "TaskStarted"}, before[len(before)-3:])
	w.close()

	w.open()
	again := w.start("arn:aws:states:us-east-1:000000000000:stateMachine:realtime", "run", `{"a": 1}`)
	require.Equal(t, arn, again, "the same start while it runs is the same execution")
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	after := w.eventTypes(arn)
	require.Equal(t, before, after[:len(before)])
	require.Equal(t, []string{"TaskFailed", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"}, after[len(before):len(before)+5])
	require.Equal(t, 1, calls, "the first task's result was recorded")
}

func TestResumeWaitsAndBranches(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	arn := w.start(w.machine("m", `{"StartAt":"P","QueryLanguage":"JSONata","States":{
		"P":{"Type":"Parallel","Assign":{"r":"{% $states.result %}"},"Next":"End","Branches":[
			{"StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"x":7},"Next":"W"},"W":{"Type":"Wait","Seconds":3600,"Next":"B"},"B":{"Type":"Pass","Output":"{% $x + $states.input.n %}","End":true}}},
			{"StartAt":"M","States":{"M":{"Type":"Map","Items":[1,2,3],"MaxConcurrency":2,"End":true,"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Wait","Seconds":60,"Output":"{% $states.context.Map.Item.Index %}","End":true}}}}}}]},
		"End":{"Type":"Pass","Output":"{% $r %}","End":true}}}`), "e", `{"n": 1}`)
	require.NoError(t, fake.WaitTimers(t.Context(), 3)) // the wait and two iterations
	fake.Advance(61 * time.Second)                      // ends two iterations, starts the third
	require.Eventually(t, func() bool { return strings.Count(strings.Join(w.eventTypes(arn), " "), "MapIterationStarted") == 3 }, time.Minute, time.Millisecond)
	require.NoError(t, fake.WaitTimers(t.Context(), 2))
	before := w.eventTypes(arn)
	w.close()

	fake.Advance(59 * time.Minute) // nobody is there
	w.open()
	fake.Advance(2 * time.Minute)
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	require.JSONEq(t, `[8,[0,1,2]]`, got["output"].(string))
	types := w.eventTypes(arn)
	require.Equal(t, before, types[:len(before)])
	count := map[string]int{}
	for _, typ := range types {
		count[typ]++
	}
	require.Equal(t, 3, count["MapIterationSucceeded"])
	require.Equal(t, 3, count["MapIterationStarted"])
	require.Equal(t, 4, count["WaitStateExited"])
}

func TestStartExecutionRules(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	m := w.machine("m", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10,"End":true}}}`)
	arn := w.start(m, "one", `{"a":1}`)
	require.Equal(t, arn, w.start(m, "one", `{"a":1}`))
	_, err := w.client().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(m), Name: aws.String("one"), Input: aws.String(`{"a":2}`)})
	var exists *sfntypes.ExecutionAlreadyExists
	require.ErrorAs(t, err, &exists)
	require.NoError(t, fake.WaitTimers(t.Context(), 1))
	fake.Advance(11 * time.Second)
	require.Equal(t, "SUCCEEDED", w.await(arn)["status"])
	_, err = w.client().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(m), Name: aws.String("one"), Input: aws.String(`{"a":1}`)})
	require.ErrorAs(t, err, &exists)
	_, err = w.client().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(m), Name: aws.String("a b")})
	var name *sfntypes.InvalidName
	require.ErrorAs(t, err, &name)
	_, err = w.client().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(m + "x")})
	var none *sfntypes.StateMachineDoesNotExist
	require.ErrorAs(t, err, &none)
}

func TestStopExecution(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	m := w.machine("m", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10,"End":true}}}`)
	arn := w.start(m, "one", `{}`)
	require.NoError(t, fake.WaitTimers(t.Context(), 1))
	out, err := w.client().StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: aws.String(arn), Error: aws.String("E"), Cause: aws.String("C")})
	require.NoError(t, err)
	require.True(t, out.StopDate.Equal(fake.Now()), "%s", out.StopDate)
	got, err := w.client().DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: aws.String(arn)})
	require.NoError(t, err)
	require.Equal(t, sfntypes.ExecutionStatusAborted, got.Status)
	require.Equal(t, "E", *got.Error)
	require.Equal(t, []string{"ExecutionStarted", "WaitStateEntered", "ExecutionAborted"}, w.eventTypes(arn))
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) {
		w.clock = fake
		w.lambda.all["slow"] = function{sleep: time.Hour}
	})
	begun := func(machine string) (arn string) {
		before := w.lambda.calls("slow")
		arn = w.start(machine, "e", `{}`)
		require.Eventually(t, func() bool { return w.lambda.calls("slow") > before && len(w.eventTypes(arn)) == 4 }, time.Minute, time.Millisecond)
		return arn
	}
	got := w.pass(fake, begun(w.machine("task", `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":2,`+
		`"Parameters":{"FunctionName":"slow"},"End":true}}}`)))
	require.Equal(t, "FAILED", got["status"])
	require.Equal(t, "States.Timeout", got["error"])
	arn := begun(w.machine("whole", `{"TimeoutSeconds":2,"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",`+
		`"Parameters":{"FunctionName":"slow"},"End":true}}}`))
	got = w.pass(fake, arn)
	require.Equal(t, "TIMED_OUT", got["status"])
	require.NotContains(t, got, "error")
	require.Equal(t, "ExecutionTimedOut", w.eventTypes(arn)[4])
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	var fail sync.Map
	calls := map[string]int{}
	var mu sync.Mutex
	play := func(name string) function {
		return function{handle: func(json.RawMessage) (string, error) {
			mu.Lock()
			calls[name]++
			mu.Unlock()
			if _, bad := fail.Load(name); bad {
				return "", wire.Errorf(429, "TooManyRequestsException", "Rate Exceeded.")
			}
			return `"` + name + `"`, nil
		}}
	}
	w := newWorld(t, func(w *world) {
		for _, n := range []string{"first", "good", "bad", "item"} {
			w.lambda.all[n] = play(n)
		}
	})
	task := func(name string) string {
		return `{"StartAt":"` + name + `","States":{"` + name + `":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:` + name + `","End":true}}}`
	}
	m := w.machine("m", `{"StartAt":"first","States":{
		"first":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:first","ResultPath":"$.first","Next":"both"},
		"both":{"Type":"Parallel","Branches":[`+task("good")+`,`+task("bad")+`],"ResultPath":"$.both","Next":"map"},
		"map":{"Type":"Map","ItemsPath":"$.items","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`+strings.TrimPrefix(task("item"), "{")+`,"End":true}}}`)
	fail.Store("bad", true)
	arn := w.start(m, "e", `{"items":[1,2,3]}`)
	got := w.await(arn)
	require.Equal(t, "Lambda.TooManyRequestsException", got["error"])
	events := len(w.eventTypes(arn))
	// The sibling of the branch that failed may have been cut short by it. A state
	// that was left is not run again, one that was not left is.
	good := 2
	left := 0
	for _, e := range w.eventTypes(arn) {
		if e == "TaskStateExited" {
			left++
		}
	}
	if left == 2 { // first, and good
		good = 1
	}

	redrive := func() {
		_, err := w.client().RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: aws.String(arn), ClientToken: aws.String(fmt.Sprint(events))})
		require.NoError(t, err)
	}
	fail.Delete("bad")
	fail.Store("item", true)
	redrive()
	got = w.await(arn)
	require.Equal(t, "States.ExceedToleratedFailureThreshold", got["error"], "%v", got)
	mu.Lock()
	require.Equal(t, []int{1, good, 2}, []int{calls["first"], calls["good"], calls["bad"]})
	mu.Unlock()
	types := w.eventTypes(arn)
	require.Equal(t, "ExecutionRedriven", types[events])

	events = len(types)
	fail.Delete("item")
	redrive()
	got = w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	require.JSONEq(t, `["item","item","item"]`, got["output"].(string))
	require.EqualValues(t, "2", fmt.Sprint(got["redriveCount"]))
	require.Equal(t, []string{"ExecutionRedriven", "MapRunRedriven", "MapRunSucceeded"}, w.eventTypes(arn)[events:events+3])
	runs, err := w.client().ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: aws.String(arn)})
	require.NoError(t, err)
	require.Len(t, runs.MapRuns, 1)
	run, err := w.client().DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	require.NoError(t, err)
	require.EqualValues(t, 3, run.ItemCounts.Succeeded)
	require.EqualValues(t, 3, run.ExecutionCounts.Total)
	require.EqualValues(t, 1, *run.RedriveCount)
	children, err := w.client().ListExecutions(t.Context(), &sfn.ListExecutionsInput{MapRunArn: run.MapRunArn})
	require.NoError(t, err)
	require.Len(t, children.Executions, 3)

	_, err = w.client().RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: aws.String(arn)})
	var no *sfntypes.ExecutionNotRedrivable
	require.ErrorAs(t, err, &no)
}

// refuse is an authorizer that denies one action.
type refuse string

func (r refuse) Authorize(_ context.Context, p wire.Principal, action, resource string, _ map[string][]string) error {
	if action == string(r) {
		return wire.Errorf(403, "AccessDeniedException", "User: %s is not authorized to perform: %s on resource: %s", p.ARN, action, resource)
	}
	return nil
}

type user struct{}

func (user) Verify(anyRequest) (wire.Principal, string, string, error) {
	return wire.Principal{Account: account, ARN: "arn:aws:iam::000000000000:user/u"}, region, "states", nil
}

func TestEveryOperationIsAuthorised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.machine("m", `{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}`)
	exec := w.start(m, "e", "{}")
	w.await(exec)
	activity := "arn:aws:states:us-east-1:000000000000:activity:a"
	w.must("CreateActivity", map[string]any{"name": "a"})
	for op, params := range map[string]map[string]any{
		"CreateStateMachine":             {"name": "n", "definition": "{}", "roleArn": roleARN},
		"UpdateStateMachine":             {"stateMachineArn": m, "roleArn": roleARN},
		"DescribeStateMachine":           {"stateMachineArn": m},
		"DeleteStateMachine":             {"stateMachineArn": m},
		"ListStateMachines":              {},
		"ValidateStateMachineDefinition": {"definition": "{}"},
		"PublishStateMachineVersion":     {"stateMachineArn": m},
		"ListStateMachineVersions":       {"stateMachineArn": m},
		"DeleteStateMachineVersion":      {"stateMachineVersionArn": m + ":1"},
		"UpdateStateMachineAlias":        {"stateMachineAliasArn": m + ":live"},
		"DescribeStateMachineAlias":      {"stateMachineAliasArn": m + ":live"},
		"DeleteStateMachineAlias":        {"stateMachineAliasArn": m + ":live"},
		"ListStateMachineAliases":        {"stateMachineArn": m},
		"TagResource":                    {"resourceArn": m, "tags": []any{}},
		"UntagResource":                  {"resourceArn": m, "tagKeys": []any{}},
		"ListTagsForResource":            {"resourceArn": m},
		"StartExecution":                 {"stateMachineArn": m},
		"StartSyncExecution":             {"stateMachineArn": m},
		"StopExecution":                  {"executionArn": exec},
		"DescribeExecution":              {"executionArn": exec},
		"ListExecutions":                 {"stateMachineArn": m},
		"GetExecutionHistory":            {"executionArn": exec},
		"SendTaskSuccess":                {"taskToken": "t", "output": "{}"},
		"SendTaskFailure":                {"taskToken": "t"},
		"SendTaskHeartbeat":              {"taskToken": "t"},
		"CreateActivity":                 {"name": "b"},
		"DescribeActivity":               {"activityArn": activity},
		"DeleteActivity":                 {"activityArn": activity},
		"ListActivities":                 {},
		"GetActivityTask":                {"activityArn": activity},
	} {
		w.router.SetSecurity(user{}, refuse("states:"+op))
		r := w.call(op, params)
		require.Equal(t, "AccessDeniedException", r.body["__type"], "%s: %v", op, r.body)
	}
	w.router.SetSecurity(user{}, refuse("iam:PassRole"))
	r := w.call("CreateStateMachine", map[string]any{"name": "n", "definition": "{}", "roleArn": roleARN})
	require.Equal(t, "AccessDeniedException", r.body["__type"])
}

// roles records who was assumed, and can refuse.
type roles struct {
	mu    sync.Mutex
	calls []string
	err   error
}

func (r *roles) AssumeServiceRole(_ context.Context, _ wire.Scope, service, role, source, session string) (wire.Principal, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, service+" "+role+" "+source+" "+session)
	return wire.Principal{Account: account, ARN: "arn:aws:sts::000000000000:assumed-role/states/" + session, Role: "states", Service: service}, r.err
}

func (r *roles) SessionCredentials(context.Context, wire.Principal, time.Duration) (wire.Credentials, error) {
	return wire.Credentials{}, errors.New("not used")
}

func TestTasksActAsTheRole(t *testing.T) {
	t.Parallel()
	rs := &roles{}
	var seen wire.Principal
	w := newWorld(t, func(w *world) {
		w.config.Roles = rs
		w.extra = func(r *wire.Router) {
			r.Handle("sqs", "SendMessage", func(_ context.Context, req *wire.Request, _ []byte) (any, error) {
				seen = req.Principal
				return map[string]any{"MessageId": "1"}, nil
			})
		}
	})
	def := `{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:sqs:sendMessage","Parameters":{},"Next":"B"},` +
		`"B":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:sqs:sendMessage","Parameters":{},"End":true}}}`
	m := w.machine("m", def)
	require.Equal(t, "SUCCEEDED", w.await(w.start(m, "e", "{}"))["status"])
	require.Equal(t, []string{"states.amazonaws.com " + roleARN + " " + m + " check", "states.amazonaws.com " + roleARN + " " + m + " e"}, rs.calls,
		"once for the machine, once for an execution")
	require.Equal(t, "states", seen.Role)
	rs.err = wire.Errorf(403, "AccessDenied", "the role does not trust states.amazonaws.com")
	got := w.await(w.start(m, "f", "{}"))
	require.Equal(t, "States.Permissions", got["error"])
}

func TestAliasesRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := func(v string) string {
		return `{"StartAt":"A","States":{"A":{"Type":"Pass","Result":"` + v + `","End":true}}}`
	}
	m := w.machine("m", def("one"))
	v1 := w.must("PublishStateMachineVersion", map[string]any{"stateMachineArn": m})["stateMachineVersionArn"].(string)
	require.Equal(t, v1, w.must("PublishStateMachineVersion", map[string]any{"stateMachineArn": m})["stateMachineVersionArn"], "the same revision is the same version")
	v2 := w.must("UpdateStateMachine", map[string]any{"stateMachineArn": m, "definition": def("two"), "publish": true})["stateMachineVersionArn"].(string)
	live := w.must("CreateStateMachineAlias", map[string]any{"name": "live", "routingConfiguration": []any{
		map[string]any{"stateMachineVersionArn": v1, "weight": 100},
	}})["stateMachineAliasArn"].(string)
	first := w.await(w.start(live, "a", "{}"))
	require.Equal(t, `"one"`, first["output"])
	require.Equal(t, live, first["stateMachineAliasArn"])
	require.Equal(t, v1, first["stateMachineVersionArn"])
	w.must("UpdateStateMachineAlias", map[string]any{"stateMachineAliasArn": live, "routingConfiguration": []any{
		map[string]any{"stateMachineVersionArn": v2, "weight": 100},
	}})
	require.Equal(t, "ValidationException", w.call("UpdateStateMachineAlias", map[string]any{"stateMachineAliasArn": live}).body["__type"], "of nothing")
	require.Equal(t, `"two"`, w.await(w.start(live, "b", "{}"))["output"])
	list := w.must("ListExecutions", map[string]any{"stateMachineArn": v1})["executions"].([]any)
	require.Len(t, list, 1)

	// Two versions have their shares of the executions, each of which names its own.
	w.must("CreateStateMachineAlias", map[string]any{"name": "canary", "routingConfiguration": []any{
		map[string]any{"stateMachineVersionArn": v1, "weight": 70}, map[string]any{"stateMachineVersionArn": v2, "weight": 30},
	}})
	canary, shares := m+":canary", map[string]int{}
	for i := range 200 {
		got := w.await(w.start(canary, fmt.Sprint("canary-", i), "{}"))
		version := got["stateMachineVersionArn"].(string)
		shares[version]++
		require.Equal(t, version == v2, got["output"] == `"two"`)
		require.Equal(t, canary, got["stateMachineAliasArn"])
	}
	require.InDelta(t, 60, shares[v2], 35)
	w.must("DeleteStateMachineAlias", map[string]any{"stateMachineAliasArn": canary})
	list = w.must("ListExecutions", map[string]any{"stateMachineArn": live, "maxResults": 1})["executions"].([]any)
	require.Equal(t, "b", list[0].(map[string]any)["name"], "newest first")
	require.Equal(t, "ConflictException", w.call("DeleteStateMachineVersion", map[string]any{"stateMachineVersionArn": v2}).body["__type"])
	w.must("DeleteStateMachine", map[string]any{"stateMachineArn": m})
	require.Equal(t, "StateMachineDoesNotExist", w.call("DescribeStateMachine", map[string]any{"stateMachineArn": m}).body["__type"])
	require.Equal(t, "ResourceNotFound", w.call("DescribeStateMachineAlias", map[string]any{"stateMachineAliasArn": live}).body["__type"])
}

func TestDeletedMachineBeginsAnew(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	def := `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10,"End":true}}}`
	m := w.machine("m", def)
	other := w.machine("m2", def)
	arn := w.start(m, "e", "{}")
	kept := w.start(other, "e", "{}")
	require.NoError(t, fake.WaitTimers(t.Context(), 2))
	w.must("DeleteStateMachine", map[string]any{"stateMachineArn": m})
	require.Equal(t, "ExecutionDoesNotExist", w.call("DescribeExecution", map[string]any{"executionArn": arn}).body["__type"])
	require.Equal(t, "RUNNING", w.must("DescribeExecution", map[string]any{"executionArn": kept})["status"])
	require.Equal(t, m, w.machine("m", def))
	require.Equal(t, arn, w.start(m, "e", `{"other":true}`))
	require.Len(t, w.must("ListExecutions", map[string]any{"stateMachineArn": m})["executions"], 1)
}

func TestHistoryLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arn := w.start(w.machine("m", `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"C"},"C":{"Type":"Choice","Choices":[{"Variable":"$.x",`+
		`"IsPresent":true,"Next":"E"}],"Default":"A"},"E":{"Type":"Succeed"}}}`), "e", "{}")
	got := w.await(arn)
	require.Equal(t, "FAILED", got["status"])
	require.Contains(t, got["cause"], "25000")
	last := w.must("GetExecutionHistory", map[string]any{"executionArn": arn, "reverseOrder": true, "maxResults": 1})["events"].([]any)[0].(map[string]any)
	require.Equal(t, "ExecutionFailed", last["type"])
	require.Equal(t, "25000", fmt.Sprint(last["id"]))
}
