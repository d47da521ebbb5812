package report

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// A stream of Step Functions is for a machine and a time, not for an execution.
func TestExecutionsOfAnHourShareALogStream(t *testing.T) {
	t.Parallel()
	at := func(machine, region string, start time.Time) string {
		var rec record.Execution
		rec.Scope, rec.Start = wire.ScopeOf("000000000000", region), start
		return logStream(&rec, machine)
	}
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	first := at("m", "us-east-1", noon)
	require.Regexp(t, `^states/m/2026-05-01-12-00/[0-9a-f]{8}$`, first)
	require.Equal(t, first, at("m", "us-east-1", noon.Add(59*time.Minute).In(time.FixedZone("", 3600))))
	require.NotEqual(t, first, at("m", "us-east-1", noon.Add(time.Hour)))
	require.NotEqual(t, first, at("m", "eu-west-1", noon))
	require.NotEqual(t, first, at("n", "us-east-1", noon))
}

// slowLogs delivers nothing before it may.
type slowLogs struct{ may chan struct{} }

func (l slowLogs) PutLog(context.Context, wire.Scope, wire.Principal, string, string, ...wire.LogLine) error {
	<-l.may
	return nil
}

// Lines that are not delivered yet take a bounded room: who makes more waits.
func TestExecutionsWaitForTheirLines(t *testing.T) {
	t.Parallel()
	logs := slowLogs{make(chan struct{})}
	s := Reporter{Logs: logs}.Start()
	defer s.Close()
	l := &Logger{s: s}
	line := []wire.LogLine{{Message: strings.Repeat("a", maxUndelivered/2)}}
	s.queue.add(l, line)
	s.queue.add(l, line)
	s.Room(t.Context()) // there is
	s.queue.add(l, line)
	waited := make(chan struct{})
	go func() { defer close(waited); s.Room(context.Background()) }()
	require.Eventually(t, func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.room != nil
	}, time.Minute, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Room(ctx) // ends with what asks for it
	close(logs.may)
	<-waited
}
