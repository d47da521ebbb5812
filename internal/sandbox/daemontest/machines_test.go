//go:build unix

package daemontest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"time"
)

const (
	bucketName = "crash"
	roleARN    = "arn:aws:iam::000000000000:role/crash"
	// retry is what every Task has: a call under way when the daemon is killed
	// fails as it does on AWS when the connection to a service is lost.
	retry = `"Retry":[{"ErrorEquals":["S3.SdkClientException","Lambda.SdkClientException","StepFunctions.SdkClientException","States.Timeout"],` +
		`"IntervalSeconds":1,"MaxAttempts":1000,"BackoffRate":1}]`
)

// machine is a state machine with what its executions must come to.
type machine struct {
	name, definition string
	// input makes an execution's input; n is different each time.
	input func(r *rand.Rand, name string, n int) map[string]any
	// status is how executions end.
	status string
	// output is the output for an input; nil if the error says it all.
	output func(in map[string]any) any
	// failure is the error's name.
	failure string
	// objects are the keys that an execution writes.
	objects func(in map[string]any) []string
	// ordered says that the history's order does not depend on timing; otherwise
	// entries tells how often which events are there.
	ordered bool
	entries func(in map[string]any) map[string]int
	arn     string
}

func put(key, body string) string {
	return fmt.Sprintf(`"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:putObject",%s,"Parameters":{"Bucket":%q,%s,%s},"ResultPath":null`, retry, bucketName, key, body)
}

func numbered(_ *rand.Rand, name string, n int) map[string]any {
	return map[string]any{"name": name, "n": float64(n)}
}

func same(in map[string]any) any { return in }

func ownKey(in map[string]any) []string { return []string{in["name"].(string)} }

// until adds a moment that is some time ahead.
func until(r *rand.Rand, name string, n int) map[string]any {
	in := numbered(r, name, n)
	in["until"] = time.Now().Add(time.Duration(r.IntN(1500)) * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
	return in
}

// machines are what the daemon is given to do.
func machines() []*machine {
	all := []*machine{
		{
			name: "loop", status: "SUCCEEDED", ordered: true,
			definition: `{"StartAt":"Zero","States":{
				"Zero":{"Type":"Pass","Result":0,"ResultPath":"$.i","Next":"More"},
				"More":{"Type":"Choice","Choices":[{"Variable":"$.i","NumericLessThan":60,"Next":"Add"}],"Default":"End"},
				"Add":{"Type":"Pass","Parameters":{"name.$":"$.name","n.$":"$.n","i.$":"States.MathAdd($.i, 1)"},"Next":"More"},
				"End":{"Type":"Succeed"}}}`,
			input:  numbered,
			output: func(in map[string]any) any { return map[string]any{"name": in["name"], "n": in["n"], "i": 60.0} },
		},
		{
			name: "jsonata", status: "SUCCEEDED", ordered: true,
			definition: `{"QueryLanguage":"JSONata","StartAt":"A","States":{
				"A":{"Type":"Pass","Assign":{"sum":"{% $states.input.n %}","k":0},"Next":"B"},
				"B":{"Type":"Choice","Choices":[{"Condition":"{% $k < 20 %}","Next":"C"}],"Default":"D"},
				"C":{"Type":"Pass","Assign":{"sum":"{% $sum + 1 %}","k":"{% $k + 1 %}"},"Next":"B"},
				"D":{"Type":"Pass","Output":{"sum":"{% $sum %}"},"End":true}}}`,
			input:  numbered,
			output: func(in map[string]any) any { return map[string]any{"sum": in["n"].(float64) + 20} },
		},
		{
			name: "wait", status: "SUCCEEDED", ordered: true,
			definition: `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"W"},"W":{"Type":"Wait","TimestampPath":"$.until","Next":"B"},"B":{"Type":"Pass","End":true}}}`,
			input:      until, output: same,
		},
		{
			name: "put", status: "SUCCEEDED", ordered: true,
			definition: `{"StartAt":"Put","States":{"Put":{` + put(`"Key.$":"$.name"`, `"Body.$":"$"`) + `,"Next":"End"},"End":{"Type":"Pass","End":true}}}`,
			input:      numbered, output: same, objects: ownKey,
		},
		{
			name: "fails", status: "FAILED", failure: "Own.Error", ordered: true,
			definition: `{"StartAt":"Put","States":{"Put":{` + put(`"Key.$":"$.name"`, `"Body.$":"$"`) + `,"Next":"No"},"No":{"Type":"Fail","Error":"Own.Error","Cause":"as it should"}}}`,
			input:      numbered, objects: ownKey,
		},
		{
			name: "caught", status: "SUCCEEDED", ordered: true,
			definition: `{"StartAt":"Get","States":{
				"Get":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:getObject","Parameters":{"Bucket":"crash","Key":"there-is-none"},` + retry + `,
					"Catch":[{"ErrorEquals":["S3.NoSuchKeyException"],"ResultPath":null,"Next":"Put"}],"End":true},
				"Put":{` + put(`"Key.$":"$.name"`, `"Body.$":"$"`) + `,"End":true}}}`,
			input: numbered, output: same, objects: ownKey,
		},
		parallel(), inlineMap(), distributed(), nested(), activity(),
	}
	if _, err := exec.LookPath("python3"); err == nil {
		all = append(all, function())
	}
	return all
}

func parallel() *machine {
	return &machine{
		name: "parallel", status: "SUCCEEDED",
		definition: `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
			{"StartAt":"PutA","States":{"PutA":{` + put(`"Key.$":"States.Format('{}/a', $.name)"`, `"Body":"a"`) + `,"End":true}}},
			{"StartAt":"W","States":{"W":{"Type":"Wait","TimestampPath":"$.until","Next":"PutB"},"PutB":{` + put(`"Key.$":"States.Format('{}/b', $.name)"`, `"Body":"b"`) + `,"End":true}}},
			{"StartAt":"X","States":{"X":{"Type":"Pass","Next":"Y"},"Y":{"Type":"Pass","Next":"Z"},"Z":{"Type":"Pass","End":true}}}]}}}`,
		input:   until,
		output:  func(in map[string]any) any { return []any{in, in, in} },
		objects: func(in map[string]any) []string { n := in["name"].(string); return []string{n + "/a", n + "/b"} },
		entries: func(map[string]any) map[string]int {
			out := map[string]int{"ParallelStateEntered P": 1, "ParallelStateStarted": 1, "ParallelStateSucceeded": 1, "WaitStateEntered W": 1}
			for _, name := range []string{"PassStateEntered X", "PassStateEntered Y", "PassStateEntered Z", "TaskStateEntered PutA", "TaskStateEntered PutB"} {
				out[name] = 1
			}
			out["TaskScheduled"], out["TaskSucceeded"] = 2, 2
			return out
		},
	}
}

func items(r *rand.Rand, name string, n int) map[string]any {
	in := numbered(r, name, n)
	list := make([]any, 5+r.IntN(10))
	for i := range list {
		list[i] = map[string]any{"key": fmt.Sprintf("%s/%d", name, i)}
	}
	in["items"] = list
	return in
}

func itemKeys(in map[string]any) []string {
	var out []string
	for _, i := range in["items"].([]any) {
		out = append(out, i.(map[string]any)["key"].(string))
	}
	return out
}

func inlineMap() *machine {
	return &machine{
		name: "map", status: "SUCCEEDED",
		definition: `{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":3,"End":true,"ItemProcessor":{"StartAt":"A","States":{
			"A":{"Type":"Pass","Next":"Put"},"Put":{` + put(`"Key.$":"$.key"`, `"Body.$":"$"`) + `,"End":true}}}}}}`,
		input: items, output: func(in map[string]any) any { return in["items"] }, objects: itemKeys,
		entries: func(in map[string]any) map[string]int {
			n := len(in["items"].([]any))
			return map[string]int{
				"MapStateEntered M": 1, "MapStateStarted": 1, "MapStateSucceeded": 1, "MapIterationStarted": n, "MapIterationSucceeded": n,
				"PassStateEntered A": n, "TaskStateEntered Put": n, "TaskScheduled": n, "TaskSucceeded": n,
			}
		},
	}
}

func distributed() *machine {
	return &machine{
		name: "distributed", status: "SUCCEEDED",
		definition: `{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":4,"Label":"D","End":true,"ItemProcessor":{
			"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"A","States":{
			"A":{"Type":"Pass","Next":"Put"},"Put":{` + put(`"Key.$":"$.key"`, `"Body.$":"$"`) + `,"End":true}}}}}}`,
		input: items, output: func(in map[string]any) any { return in["items"] }, objects: itemKeys, ordered: true,
	}
}

func nested() *machine {
	return &machine{
		name: "nested", status: "SUCCEEDED",
		definition: `{"StartAt":"Run","States":{"Run":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",` + retry + `,
			"Parameters":{"StateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:wait","Input.$":"$"},"OutputPath":"$.Output","End":true}}}`,
		input: until, output: same, ordered: true,
	}
}

const activityARN = "arn:aws:states:us-east-1:000000000000:activity:crash"

func activity() *machine {
	return &machine{
		name: "activity", status: "SUCCEEDED",
		definition: `{"StartAt":"Do","States":{"Do":{"Type":"Task","Resource":"` + activityARN + `","TimeoutSeconds":3,` + retry + `,"End":true}}}`,
		input:      numbered, output: func(in map[string]any) any { return map[string]any{"done": in["name"]} },
		ordered: true,
	}
}

const functionCode = `
def handler(event, context):
    return {"twice": event["n"] * 2}
`

func function() *machine {
	return &machine{
		name: "lambda", status: "SUCCEEDED", ordered: true,
		definition: `{"StartAt":"Call","States":{
			"Call":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",` + retry + `,"Parameters":{"FunctionName":"crash","Payload.$":"$"},"ResultSelector":{"v.$":"$.Payload.twice"},"ResultPath":"$.r","Next":"Put"},
			"Put":{` + put(`"Key.$":"$.name"`, `"Body.$":"$"`) + `,"End":true}}}`,
		input: numbered, objects: ownKey,
		output: func(in map[string]any) any {
			return map[string]any{"name": in["name"], "n": in["n"], "r": map[string]any{"v": in["n"].(float64) * 2}}
		},
	}
}

// policy lets the machines do what they do.
const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","lambda:InvokeFunction","states:*","events:*","logs:*"],"Resource":"*"}]}`

var trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["states.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`

func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // maps of strings and numbers
	}
	return strings.TrimSuffix(b.String(), "\n")
}
