package cloudcontrol_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// gate hears of the calls of operations.
type gate func(operation string)

func (g gate) Admit(_ context.Context, req *wire.Request) error {
	g(req.Operation)
	return nil
}

// A request whose end cannot be written, since the disk is full, ends when there is room.
func TestRequestsOutliveAFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	w.clock = w.Clock
	w.Reopen(t)
	full := make(chan func(), 8)
	var refused func() int64
	w.Router.SetGate(gate(func(operation string) {
		if operation == "ListTagsForResource" { // the last that the creation does
			free, n := w.FillDisk()
			refused = n
			full <- free
		}
	}))
	w.start()
	e, err := w.create(machineType, map[string]any{"StateMachineName": "m", "RoleArn": role, "DefinitionString": one})
	require.NoError(t, err)
	w.OutliveFullDisk(t, <-full, refused)
	require.Eventually(t, func() bool {
		w.Clock.Advance(time.Second)
		out, err := w.c.GetResourceRequestStatus(t.Context(), &cloudcontrol.GetResourceRequestStatusInput{RequestToken: e.RequestToken})
		require.NoError(t, err)
		return out.ProgressEvent.OperationStatus == types.OperationStatusSuccess
	}, time.Minute, 5*time.Millisecond)
}
