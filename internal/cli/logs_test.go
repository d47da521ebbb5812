package cli

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// logLines puts lines into a log group.
func (w *world) logLines(t *testing.T, group string, create bool, lines ...string) {
	t.Helper()
	c := cloudwatchlogs.NewFromConfig(w.aws())
	stream := aws.String("2026/01/31/[1]abc")
	if create {
		_, err := c.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group})
		require.NoError(t, err)
		_, err = c.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: stream})
		require.NoError(t, err)
	}
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: stream}
	for i, l := range lines {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Message: aws.String(l), Timestamp: aws.Int64(time.Now().Add(time.Duration(i-len(lines)) * time.Millisecond).UnixMilli())})
	}
	_, err := c.PutLogEvents(t.Context(), in)
	require.NoError(t, err)
}

func TestLogs(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "logs/flowers")
	spelled := spec.Pipeline{ID: id, Region: "us-east-1"}
	group := spelled.Names(sandbox.Account).FunctionLogs
	w.logLines(t, group, true,
		`{"level":"ERROR","message":"no petal\u001b[2J","flower":{"id":7}}`, "[INFO]\t2026-01-31T08:00:00.000Z\tabc\tfine", "START RequestId: 1")
	doc := w.run(t, "logs", id.String(), "-o", "json").ends(t, ExitOK, "there is no log group").doc(t, "Logs")
	lines := doc["lines"].([]any)
	require.Len(t, lines, 3)
	first := lines[0].(map[string]any)
	require.Equal(t, "ERROR", first["level"])
	require.Equal(t, map[string]any{"flower": `{"id":7}`}, first["fields"])
	require.Equal(t, "INFO", lines[1].(map[string]any)["level"])
	shown := w.run(t, "logs", id.String(), "--function", "--level", "warn").ends(t, ExitOK, "no petal", `flower={"id":7}`)
	require.NotContains(t, shown.out.String(), "\x1b")
	require.NotContains(t, shown.out.String(), "fine")
	w.run(t, "logs", id.String(), "--grep", "f[i]ne", "--limit", "1").ends(t, ExitOK, "fine")
	w.run(t, "logs", id.String(), "--limit", "1").ends(t, ExitOK, "2 older lines are left out")

	// Lines of an execution are not those in which its name stands as well.
	w.run(t, "run", id.String(), "--input", `{}`, "--name", "day", "--wait").ends(t, ExitOK)
	shownAs := w.run(t, "executions", "show", id.String(), "day", "-o", "json").ends(t, ExitOK).doc(t, "Execution")
	arn, ok := shownAs["arn"].(string)
	require.True(t, ok, shownAs)
	w.logLines(t, spelled.Names(sandbox.Account).StatesLogs, true,
		`{"id":"1","type":"Own","details":{},"execution_arn":"`+arn+`"}`, `{"id":"1","type":"Longer","details":{},"execution_arn":"`+arn+`-2"}`,
		`{"id":"1","type":"Other","details":{"input":"day"},"execution_arn":"`+arn[:len(arn)-3]+`x"}`)
	own := w.run(t, "logs", id.String(), "--states", "--execution", "day").ends(t, ExitOK, "Own")
	require.NotContains(t, own.out.String(), "Longer")
	require.NotContains(t, own.out.String(), "Other")

	w.run(t, "logs", id.String(), "--grep", "[").ends(t, ExitUsage, "no regular expression")
	w.run(t, "logs", id.String(), "--level", "loud").ends(t, ExitUsage, "is none")
	w.run(t, "logs", id.String(), "--follow", "-o", "json").ends(t, ExitUsage, "jsonl")
}
