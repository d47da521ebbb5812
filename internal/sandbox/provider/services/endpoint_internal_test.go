package services

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An endpoint of which the way back failed serves still: an update brings it back, and
// replacing it would be an outage (docs/rollouts.md).
func TestWhichEndpointsAreReplaced(t *testing.T) {
	t.Parallel()
	for status, replaced := range map[string]bool{"Failed": true, "UpdateRollbackFailed": false, "InService": false, "Updating": false} {
		require.Equal(t, replaced, brokenEndpoint(status) != "", status)
	}
}
