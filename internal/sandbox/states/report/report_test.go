package report

import (
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
