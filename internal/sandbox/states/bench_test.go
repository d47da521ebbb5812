package states_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// BenchmarkTransitions measures state transitions that are on disk, with many
// executions at a time: a Pass, a Choice, a Task and a Succeed state each.
func BenchmarkTransitions(b *testing.B) {
	for _, lang := range []string{"JSONPath", "JSONata"} {
		b.Run(lang, func(b *testing.B) { benchTransitions(b, benchDefinition(lang)) })
	}
}

func benchDefinition(lang string) string {
	if lang == "JSONata" {
		return `{"QueryLanguage":"JSONata","StartAt":"P","States":{
			"P":{"Type":"Pass","Output":{"n":"{% $states.input.n %}","x":"{% $states.input.n + 1 %}"},"Next":"C"},
			"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.x > 0 %}","Next":"T"}],"Default":"S"},
			"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"echo","Payload":{"n":"{% $states.input.n %}"}},"Output":"{% $states.result.Payload %}","Next":"S"},
			"S":{"Type":"Succeed"}}}`
	}
	return `{"StartAt":"P","States":{
		"P":{"Type":"Pass","Parameters":{"n.$":"$.n","x.$":"States.MathAdd($.n, 1)"},"Next":"C"},
		"C":{"Type":"Choice","Choices":[{"Variable":"$.x","NumericGreaterThan":0,"Next":"T"}],"Default":"S"},
		"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"echo","Payload":{"n.$":"$.n"}},"OutputPath":"$.Payload","Next":"S"},
		"S":{"Type":"Succeed"}}}`
}

func benchTransitions(b *testing.B, definition string) {
	w := newWorld(b, func(w *world) {
		w.clock = clock.Real{}
		w.lambda.all["echo"] = function{}
	})
	m := w.must("CreateStateMachine", map[string]any{"name": "m", "definition": definition, "roleArn": roleARN})["stateMachineArn"]
	admin := wire.Principal{Account: account, Admin: true}
	const perRun = 4
	const parallel = 256
	b.ResetTimer()
	var wg sync.WaitGroup
	jobs := make(chan int)
	for range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range jobs {
				in := fmt.Sprintf(`{"stateMachineArn":%q,"name":"e-%d","input":"{\"n\":%d}"}`, m, i, i)
				if _, err := w.router.Invoke(b.Context(), home, admin, "sfn", "StartExecution", []byte(in)); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for i := range b.N {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	w.svc.Idle()
	b.StopTimer()
	b.ReportMetric(float64(b.N*perRun)/b.Elapsed().Seconds(), "transitions/s")
}
