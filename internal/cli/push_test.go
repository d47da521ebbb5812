package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// telling makes a pipeline that tells of ends of its executions, as events: push does.
func (w *world) telling(t *testing.T, name string) spec.ID {
	t.Helper()
	id, err := spec.ParseID(name)
	require.NoError(t, err)
	outputs := w.machineOf(t, id)
	events := id.BaseName() + "-events"
	topics := sns.NewFromConfig(w.aws())
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &events})
	require.NoError(t, err)
	_, err = topics.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{
		TopicArn: topic.TopicArn, AttributeName: aws.String("Policy"),
		AttributeValue: aws.String(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"` + *topic.TopicArn + `"}]}`),
	})
	require.NoError(t, err)
	bus := eventbridge.NewFromConfig(w.aws())
	_, err = bus.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &events, EventPattern: aws.String(fmt.Sprintf(
		`{"source":["aws.states"],"detail":{"stateMachineArn":[%q],"status":["SUCCEEDED","FAILED","TIMED_OUT","ABORTED"]}}`, outputs["stateMachineArn"]))})
	require.NoError(t, err)
	put, err := bus.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &events, Targets: []types.Target{{Id: &events, Arn: topic.TopicArn}}})
	require.NoError(t, err)
	require.Zero(t, put.FailedEntryCount)
	outputs["eventsTopicArn"] = *topic.TopicArn
	w.plant(t, id, outputs, nil)
	return id
}

// watchers are the queues of who watches a pipeline.
func (w *world) watchers(t *testing.T, id spec.ID) []string {
	t.Helper()
	list, err := sqs.NewFromConfig(w.aws()).ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String(id.BaseName() + "-w-")})
	require.NoError(t, err)
	return list.QueueUrls
}

// halt ends an execution.
func (w *world) halt(t *testing.T, id spec.ID, name string) {
	t.Helper()
	_, err := sfn.NewFromConfig(w.aws()).StopExecution(t.Context(), &sfn.StopExecutionInput{
		ExecutionArn: aws.String("arn:aws:states:us-east-1:000000000000:execution:" + id.BaseName() + ":" + name),
	})
	require.NoError(t, err)
}

// Watches of one execution and of a batch hear of ends by queues of their own, which go with
// them.
func TestExecutionsWatchHears(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.telling(t, "told/iris")
	inputs := filepath.Join(t.TempDir(), "three.jsonl")
	require.NoError(t, os.WriteFile(inputs, []byte(strings.Repeat(`{"do": "wait"}`+"\n", 3)), 0o600))
	w.run(t, "run", "told/iris", "--inputs", inputs, "--batch", "b").ends(t, ExitOK)
	w.run(t, "run", "told/iris", "--input", `{"do": "wait"}`, "--name", "one").ends(t, ExitOK)
	for what, args := range map[string][]string{"one": {"told/iris", "one"}, "a batch": {"told/iris", "--batch", "b"}} {
		ended := make(chan *line, 1)
		go func() { ended <- w.run(t, append([]string{"executions", "watch"}, args...)...) }()
		require.Eventually(t, func() bool { return len(w.watchers(t, id)) == 1 }, time.Minute, 10*time.Millisecond, what)
		if what == "one" {
			w.halt(t, id, "one")
		} else {
			for i := range 3 {
				w.halt(t, id, fmt.Sprintf("b-%06d", i+1))
			}
		}
		began := time.Now()
		l := <-ended
		t.Logf("%s: seen after %s", what, time.Since(began))
		l.ends(t, ExitExecution, "ABORTED")
		require.NotContains(t, l.errs.String(), "not heard of")
		require.Empty(t, w.watchers(t, id), what)
	}
	w.run(t, "executions", "watch", "told/iris", "one", "--batch", "b").ends(t, ExitUsage, "--batch")
	w.run(t, "executions", "watch", "told/iris", "--batch", "none").ends(t, ExitNotFound, "batches list told/iris")
	w.run(t, "executions", "watch", "told/iris", "one").ends(t, ExitExecution)
	require.Empty(t, w.watchers(t, id), "what has ended is not listened for")
}

// Where there is no topic, the watch says so and polls.
func TestExecutionsWatchSaysThatItPolls(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id, err := spec.ParseID("untold/iris")
	require.NoError(t, err)
	outputs := w.machineOf(t, id)
	outputs["eventsTopicArn"] = "arn:aws:sns:us-east-1:000000000000:" + id.BaseName() + "-events"
	w.plant(t, id, outputs, nil)
	w.run(t, "run", "untold/iris", "--input", `{"do": "wait"}`, "--name", "one").ends(t, ExitOK)
	ended := make(chan *line, 1)
	l := &line{w: w, hears: make(chan string, 100)}
	go func() { ended <- l.run(t, "executions", "watch", "untold/iris", "one") }()
	for !strings.Contains(<-l.hears, "looked for instead") {
		require.Empty(t, ended, "it has ended without a word")
	}
	w.halt(t, id, "one")
	(<-ended).ends(t, ExitExecution, "ABORTED", "Topic does not exist")
	require.Empty(t, w.watchers(t, id))
}
