package execution_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/frametest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/execution"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// most is how many events AWS keeps of an execution.
const most = 25_000

const mapDefinition = `{"StartAt":"First","States":{"First":{"Type":"Pass","Next":"All"},"All":{"Type":"Map","End":true,` +
	`"ItemProcessor":{"StartAt":"Item","States":{"Item":{"Type":"Pass","End":true}}}}}}`

// longExecution adds an execution with as many events as there may be: an inline
// Map.
func longExecution(t testing.TB, s *datatest.Source) (arn string) {
	t.Helper()
	machine := ""
	s.API.Change("order-1", func(r *datatest.Record) { machine = r.Machine })
	arn = strings.Replace(machine, "stateMachine", "execution", 1) + ":long"
	at := tuitest.Start.Add(-time.Hour)
	var events []types.HistoryEvent
	add := func(e types.HistoryEvent, previous int64) int64 {
		e.Id, e.PreviousEventId = int64(len(events)+1), previous
		when := at.Add(time.Duration(len(events)) * time.Millisecond)
		e.Timestamp = &when
		events = append(events, e)
		return e.Id
	}
	iterations := (most - 8) / 4
	last := add(types.HistoryEvent{Type: "ExecutionStarted", ExecutionStartedEventDetails: &types.ExecutionStartedEventDetails{Input: aws.String("[]")}}, 0)
	last = add(types.HistoryEvent{Type: "PassStateEntered", StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: aws.String("First"), Input: aws.String("[]")}}, last)
	last = add(types.HistoryEvent{Type: "PassStateExited", StateExitedEventDetails: &types.StateExitedEventDetails{Name: aws.String("First"), Output: aws.String("[]")}}, last)
	last = add(types.HistoryEvent{Type: "MapStateEntered", StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: aws.String("All"), Input: aws.String("[]")}}, last)
	begun := add(types.HistoryEvent{Type: "MapStateStarted", MapStateStartedEventDetails: &types.MapStateStartedEventDetails{Length: int32(iterations)}}, last)
	for i := range iterations {
		it := &types.MapIterationEventDetails{Index: int32(i), Name: aws.String("All")}
		n := add(types.HistoryEvent{Type: "MapIterationStarted", MapIterationStartedEventDetails: it}, begun)
		n = add(types.HistoryEvent{Type: "PassStateEntered", StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: aws.String("Item"), Input: aws.String(`{"id":1}`)}}, n)
		n = add(types.HistoryEvent{Type: "PassStateExited", StateExitedEventDetails: &types.StateExitedEventDetails{Name: aws.String("Item"), Output: aws.String(`{"id":1}`)}}, n)
		last = add(types.HistoryEvent{Type: "MapIterationSucceeded", MapIterationSucceededEventDetails: it}, n)
	}
	last = add(types.HistoryEvent{Type: "MapStateSucceeded"}, last)
	last = add(types.HistoryEvent{Type: "MapStateExited", StateExitedEventDetails: &types.StateExitedEventDetails{Name: aws.String("All"), Output: aws.String("[]")}}, last)
	add(types.HistoryEvent{Type: "ExecutionSucceeded", ExecutionSucceededEventDetails: &types.ExecutionSucceededEventDetails{Output: aws.String("[]")}}, last)
	stop := *events[len(events)-1].Timestamp
	s.API.Add(&datatest.Record{Machine: machine, Events: events, Describe: &sfn.DescribeExecutionOutput{
		ExecutionArn: &arn, Name: aws.String("long"), StateMachineArn: &machine, Status: types.ExecutionStatusSucceeded, StartDate: events[0].Timestamp, StopDate: &stop,
		Output: aws.String("[]"),
	}})
	return arn
}

func openLong(t testing.TB) *tuitest.Session {
	t.Helper()
	s := datatest.New(t)
	arn := longExecution(t, s)
	m, err := s.Machine(t.Context(), datatest.Iris)
	require.NoError(t, err)
	m.Definition = mapDefinition
	x := tuitest.Open(t, machined{s, m}, func(h *ui.Host) ui.Page { return execution.New(h, datatest.Iris, arn) }, tuitest.Size(120, 40), tuitest.Color("dark"))
	x.Until("25,000 events")
	return x
}

func TestTwentyFiveThousandEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("much text, and no goroutine that others have not: runs without -short")
	}
	t.Parallel()
	x := openLong(t)
	x.Until("6,248/6,248")
	x.Press("3", "G")
	x.Until("ExecutionSucceeded")
	x.Press("/")
	x.Type("24999")
	x.Until("1 of 25,000 events")
	x.Press("esc", "2", "g", "j", "l", "G")
	x.Until("6247 Item")
	x.Press("v")
	x.Type("3000")
	x.Press("enter")
	x.Until("2999 Item")
}

// BenchmarkFrame is a key and the frame after it, on each tab.
func BenchmarkFrame(b *testing.B) {
	for _, tab := range []string{"1 graph", "2 timeline", "3 events", "4 data"} {
		b.Run(tab[2:], func(b *testing.B) {
			x := openLong(b)
			x.Press("2", "g", "j", "l", "1", tab[:1])
			down := keys.Msg("j")
			b.ResetTimer()
			meter := frametest.Start()
			for b.Loop() {
				x.App.Update(down)
				_ = x.App.View()
			}
			meter.Report(b, b.N)
		})
	}
}

// BenchmarkArrival is the last batch of events of the longest execution and the
// frame after it.
func BenchmarkArrival(b *testing.B) {
	s := datatest.New(b)
	arn := longExecution(b, s)
	m, err := s.Machine(b.Context(), datatest.Iris)
	require.NoError(b, err)
	events, err := m.Client.History(b.Context(), arn, executions.HistoryOptions{})
	require.NoError(b, err)
	x := tuitest.Open(b, s, func(h *ui.Host) ui.Page { return execution.New(h, datatest.Iris, arnOf(b, s, "order-1")) }, tuitest.Size(120, 40))
	// The page's own watch must not read the history again beside what is measured.
	s.API.Before = func(op string) error {
		if op == "GetExecutionHistory" {
			return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not now"}
		}
		return nil
	}
	for b.Loop() {
		b.StopTimer()
		h := ui.NewHost(x.App.Env())
		m.Definition = mapDefinition
		p := execution.New(h, datatest.Iris, arn)
		p.Update(execution.Known(m))
		for batch := range slices.Chunk(events[:len(events)-pump.Max], pump.Max) {
			p.Update(execution.Arrived(batch))
		}
		p.View(120, 37)
		runtime.GC() // what the set-up left behind is not this batch's
		b.StartTimer()
		p.Update(execution.Arrived(events[len(events)-pump.Max:]))
		p.View(120, 37)
		b.StopTimer()
		h.Close()
		b.StartTimer()
	}
}

// machined is a source whose pipelines have one state machine.
type machined struct {
	*datatest.Source
	machine *pipelines.Machine
}

func (m machined) Machine(context.Context, spec.ID) (*pipelines.Machine, error) {
	return m.machine, nil
}
