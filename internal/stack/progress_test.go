package stack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"
	"github.com/stretchr/testify/require"
)

// recorded reads a stream that the real engine produced (RECORD=dir go test).
func recorded(t *testing.T, file string) []Event {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var events []Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Event
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		require.NoError(t, dec.Decode(&e))
		events = append(events, e)
	}
	require.NoError(t, lines.Err())
	return events
}

// describe writes all that a Progress tells.
func describe(p *Progress, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "stack %s planning=%v elapsed=%s\n", p.Stack, p.Planning, p.Elapsed(now).Round(time.Millisecond))
	for _, r := range p.Rows() {
		fmt.Fprintf(&b, "%-8s %-8s %-8s %s %s id=%q %s\n", r.Status, r.Op, r.Step, r.Type, r.Name, r.ID, r.Elapsed(now).Round(time.Millisecond))
		for _, d := range r.Diff {
			fmt.Fprintf(&b, "    %s %s replace=%v %v -> %v\n", d.Kind, d.Path, d.Replace, d.Old, d.New)
		}
		for _, d := range r.Diagnostics {
			fmt.Fprintf(&b, "    %s: %s\n", d.Severity, d.Message)
		}
		if r.Info != "" {
			fmt.Fprintf(&b, "    %s\n", r.Info)
		}
	}
	for _, m := range p.Messages {
		fmt.Fprintf(&b, "%s: %s\n", m.Severity, m.Message)
	}
	fmt.Fprintf(&b, "counts %+v\nchanges %s\n", p.Counts(), ChangeLine(p.Changes(), p.Planning))
	if d, ok := p.FirstError(); ok {
		fmt.Fprintf(&b, "first error: %s: %s\n", nameOf(d.URN), d.Message)
	}
	if p.End != nil {
		fmt.Fprintf(&b, "end %+v\n", *p.End)
	}
	return b.String()
}

func TestProgressOfRecordedStreams(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			events := recorded(t, file)
			var b strings.Builder
			var p Progress
			half := len(events) / 2
			for i, e := range events {
				if i == half && half > 0 {
					fmt.Fprintf(&b, "-- after %d of %d events\n%s-- at the end\n", half, len(events), describe(&p, events[half-1].Time))
				}
				p.Apply(e)
			}
			b.WriteString(describe(&p, events[len(events)-1].Time.Add(time.Hour)))
			golden.RequireEqual(t, []byte(b.String()))

			var again Progress
			for _, e := range events {
				again.Apply(e)
			}
			end := events[len(events)-1].Time
			require.Equal(t, describe(&p, end), describe(&again, end), "the same events give the same Progress")
		})
	}
}

func TestProgressKnowsWhatIsStillToCome(t *testing.T) {
	t.Parallel()
	var preview Progress
	for _, name := range []string{"slow", "later"} {
		preview.Apply(Event{Type: EventResourcePre, Planning: true, Resource: &Step{URN: urn(thingType, name), Type: thingType, Name: name, Op: OpCreate}})
		preview.Apply(Event{Type: EventResourceOutputs, Planning: true, Resource: &Step{URN: urn(thingType, name), Type: thingType, Name: name, Op: OpCreate}})
	}
	var p Progress
	p.Expect(preview.Rows())
	require.Equal(t, map[Op]int{OpCreate: 2}, p.Planned)
	require.Equal(t, Counts{Pending: 2}, p.Counts())
	for _, e := range recorded(t, "testdata/canceled.jsonl") {
		p.Apply(e)
	}
	later, ok := p.Row(urn(thingType, "later"))
	require.True(t, ok)
	require.Equal(t, StatusSkipped, later.Status)
	require.Equal(t, OpCreate, later.Op)
	require.Zero(t, later.Elapsed(time.Now()))
	slow, ok := p.Row(urn(thingType, "slow"))
	require.True(t, ok)
	require.Equal(t, StatusDone, slow.Status)
}

func TestProgressFollowsDownloadsAndEphemeralMessages(t *testing.T) {
	t.Parallel()
	var p Progress
	p.Apply(Event{Type: EventProgress, Download: &Download{Kind: "plugin-download", ID: "aws", Completed: 1, Total: 2}})
	require.Len(t, p.Downloads(), 1)
	p.Apply(Event{Type: EventProgress, Download: &Download{Kind: "plugin-download", ID: "aws", Completed: 2, Total: 2, Done: true}})
	require.Empty(t, p.Downloads())

	thing := urn(thingType, "a")
	p.Apply(Event{Type: EventDiagnostic, Diagnostic: &Diagnostic{URN: thing, Severity: SeverityInfo, Message: "waiting", Ephemeral: true}})
	row, _ := p.Row(thing)
	require.Equal(t, "waiting", row.Info)
	require.Empty(t, row.Diagnostics)
	p.Apply(Event{Type: EventResourceFailed, Resource: &Step{URN: thing, Type: thingType, Name: "a", Op: OpUpdate}})
	row, _ = p.Row(thing)
	require.Empty(t, row.Info)
	require.Equal(t, StatusFailed, row.Status)
	p.Apply(Event{Type: EventResourceOutputs, Resource: &Step{URN: thing, Type: thingType, Name: "a", Op: OpUpdate}})
	row, _ = p.Row(thing)
	require.Equal(t, StatusFailed, row.Status, "outputs after a failure do not mend it")
}

func TestFirstErrorTellsTheReason(t *testing.T) {
	t.Parallel()
	stackURN := urn(rootType, "pipelinetui-"+testStack)
	closing := Diagnostic{URN: stackURN, Severity: SeverityError, Message: "update failed"}
	program := Diagnostic{Severity: SeverityError, Message: "no such thing"}
	resource := Diagnostic{URN: urn(thingType, "a"), Severity: SeverityError, Message: "quota"}
	second := Diagnostic{URN: urn(thingType, "b"), Severity: SeverityError, Message: "consequence"}
	warning := Diagnostic{URN: urn(thingType, "c"), Severity: SeverityWarning, Message: "beware"}
	tests := []struct {
		name  string
		diags []Diagnostic
		want  string
	}{
		{"only the closing line", []Diagnostic{warning, closing}, "update failed"},
		{"closing line first", []Diagnostic{closing, program}, "no such thing"},
		{"a resource rather than the program", []Diagnostic{program, resource, closing}, "quota"},
		{"the first of two resources", []Diagnostic{resource, second}, "quota"},
		{"the program after a resource", []Diagnostic{resource, program}, "quota"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var p Progress
			for _, d := range tt.diags {
				p.Apply(Event{Type: EventDiagnostic, Diagnostic: &d})
			}
			got, ok := p.FirstError()
			require.True(t, ok)
			require.Equal(t, tt.want, got.Message)
		})
	}
}

func TestChangeLine(t *testing.T) {
	t.Parallel()
	changes := map[Op]int{OpSame: 5, OpCreate: 3, OpReplace: 1, OpDelete: 2}
	require.Equal(t, "3 to create, 1 to replace, 2 to delete, 5 unchanged", ChangeLine(changes, true))
	require.Equal(t, "3 created, 1 replaced, 2 deleted, 5 unchanged", ChangeLine(changes, false))
	require.Equal(t, "no resources", ChangeLine(nil, false))
}
