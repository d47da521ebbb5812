package sagemaker_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"
)

// fullDisk lets a transition meet a disk without room, several times, and then makes room.
func (w *world) fullDisk() {
	w.t.Helper()
	free, refused := w.around.FillDisk()
	defer free()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for refused() < 4 { // what is refused is tried again after a while
		require.NoError(w.t, w.clock.WaitTimers(ctx, 1), "nobody tries again")
		w.clock.Advance(250 * time.Millisecond)
	}
}

// A transition whose end cannot be written, since the disk is full, ends when there is room.
func TestTransitionsOutliveAFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		require.NoError(t, w.model("iris", image, "s3://models/iris/model.tar.gz"))
		require.NoError(t, w.config("c1", nil))
		require.NoError(t, w.endpoint("iris", "c1"))
		w.fullDisk()
		out := w.settle("iris")
		require.Equal(t, types.EndpointStatusInService, out.EndpointStatus, "%v", out.FailureReason)
		_, err := w.invoke("iris", "application/json", `{"instances":[[1,2]]}`)
		require.NoError(t, err)
	})
	t.Run("update", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(w *world) { w.haste = 60 })
		fleets(t, w)
		require.NoError(t, w.update("new", routed(types.TrafficRoutingConfigTypeCanary, percent(25))))
		phase := func(out *sagemaker.DescribeEndpointOutput) string {
			if out.PendingDeploymentSummary == nil {
				return ""
			}
			return *out.PendingDeploymentSummary.ProductionVariants[0].VariantStatus[0].StatusMessage
		}
		for range 4 { // at the end of each of its phases
			before := phase(w.describe("iris"))
			w.fullDisk()
			require.Equal(t, before, phase(w.describe("iris")))
			w.until("the next phase", func(out *sagemaker.DescribeEndpointOutput) bool { return phase(out) != before })
		}
		out := w.rest()
		require.Equal(t, types.EndpointStatusInService, out.EndpointStatus, "%v", out.FailureReason)
		require.Equal(t, "new", *out.EndpointConfigName)
		require.InDelta(t, 1, w.share(10), 0)
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.ready()
		_, err := w.ctl.DeleteEndpoint(t.Context(), &sagemaker.DeleteEndpointInput{EndpointName: aws.String("iris")})
		require.NoError(t, err)
		w.fullDisk()
		require.Eventually(t, func() bool {
			w.pass(time.Second)
			_, err := w.ctl.DescribeEndpoint(t.Context(), &sagemaker.DescribeEndpointInput{EndpointName: aws.String("iris")})
			return err != nil
		}, time.Minute, 5*time.Millisecond)
	})
}
