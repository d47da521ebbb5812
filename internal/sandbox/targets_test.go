package sandbox

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func zipOf(t *testing.T, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// messages are those of a log group.
func (w *inside) messages(group string) string {
	w.Helper()
	out, err := json.Marshal(w.call("cloudwatchlogs", "FilterLogEvents", map[string]any{"logGroupName": group})["events"])
	require.NoError(w, err)
	return string(out)
}

// An event of a rule starts a state machine as the target's role, invokes a function that
// lets EventBridge do so, and is written to a log group whose account does.
func TestEventsReachTheirTargets(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not on PATH")
	}
	w := newInside(t)
	require.NoError(t, w.start(t.Context()))
	const arn = "arn:aws:%s:" + Region + ":" + Account + ":"
	role := func(name, service, action string) string {
		out := w.call("iam", "CreateRole", map[string]any{"RoleName": name, "AssumeRolePolicyDocument": fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s.amazonaws.com"},"Action":"sts:AssumeRole"}]}`, service)})
		w.call("iam", "PutRolePolicy", map[string]any{"RoleName": name, "PolicyName": "p", "PolicyDocument": fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":"*"}]}`, action)})
		made, _ := out["Role"].(map[string]any)
		return fmt.Sprint(made["Arn"])
	}
	machine := fmt.Sprint(w.call("sfn", "CreateStateMachine", map[string]any{
		"name": "m", "roleArn": role("machine", "states", "logs:PutLogEvents"), "definition": `{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`,
	})["stateMachineArn"])
	function := fmt.Sprint(w.call("lambda", "CreateFunction", map[string]any{
		"FunctionName": "f", "Runtime": "python3.12", "Handler": "f.h", "Role": role("function", "lambda", "logs:*"),
		"Code": map[string]any{"ZipFile": zipOf(t, "f.py", "import json\ndef h(event, context):\n    print('GOT ' + json.dumps(event))\n")},
	})["FunctionArn"])
	w.call("cloudwatchlogs", "CreateLogGroup", map[string]any{"logGroupName": "/aws/events/x"})
	w.call("eventbridge", "PutRule", map[string]any{"Name": "r", "EventPattern": `{"source":["my.app"]}`})
	rule := fmt.Sprintf(arn, "events") + "rule/r"
	w.call("lambda", "AddPermission", map[string]any{
		"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction",
		"Principal": "events.amazonaws.com", "SourceArn": rule,
	})
	w.call("cloudwatchlogs", "PutResourcePolicy", map[string]any{"PolicyName": "p", "PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Service":["events.amazonaws.com","delivery.logs.amazonaws.com"]},"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"` + fmt.Sprintf(arn, "logs") + `log-group:/aws/events/*:*"}]}`})
	starter := role("starter", "events", "states:StartExecution")
	w.call("eventbridge", "PutTargets", map[string]any{"Rule": "r", "Targets": []any{
		map[string]any{"Id": "machine", "Arn": machine, "RoleArn": starter, "InputPath": "$.detail"},
		map[string]any{"Id": "function", "Arn": function, "InputTransformer": map[string]any{"InputPathsMap": map[string]any{"n": "$.detail.n"}, "InputTemplate": `{"number": <n>}`}},
		map[string]any{"Id": "logs", "Arn": fmt.Sprintf(arn, "logs") + "log-group:/aws/events/x"},
		map[string]any{
			"Id": "words", "Arn": fmt.Sprintf(arn, "logs") + "log-group:/aws/events/x",
			"InputTransformer": map[string]any{"InputTemplate": `{"timestamp": ` + fmt.Sprint(time.Now().UnixMilli()) + `, "message": "in words"}`},
		},
	}})
	put := w.call("eventbridge", "PutEvents", map[string]any{"Entries": []any{map[string]any{"Source": "my.app", "DetailType": "t", "Detail": `{"n":7}`}}})
	entry, _ := put["Entries"].([]any)[0].(map[string]any)
	var executions []any
	require.Eventually(t, func() bool {
		executions, _ = w.call("sfn", "ListExecutions", map[string]any{"stateMachineArn": machine, "statusFilter": "SUCCEEDED"})["executions"].([]any)
		log := w.messages("/aws/events/x")
		return len(executions) == 1 && strings.Contains(log, `\"detail\":{\"n\":7}`) && strings.Contains(log, `"message":"in words"`)
	}, time.Minute, 10*time.Millisecond)
	first, _ := executions[0].(map[string]any)
	require.True(t, strings.HasPrefix(fmt.Sprint(first["name"]), fmt.Sprint(entry["EventId"])+"_"))
	require.Equal(t, `{"n":7}`, w.call("sfn", "DescribeExecution", map[string]any{"executionArn": first["executionArn"]})["input"])
	require.Eventually(t, func() bool {
		groups, _ := json.Marshal(w.call("cloudwatchlogs", "DescribeLogGroups", map[string]any{"logGroupNamePrefix": "/aws/lambda/f"}))
		return strings.Contains(string(groups), "/aws/lambda/f") && strings.Contains(w.messages("/aws/lambda/f"), `GOT {\"number\": 7}`)
	}, 2*time.Minute, 10*time.Millisecond)
}
