package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestWhatIAMSaysUntilItHasSpread(t *testing.T) {
	t.Parallel()
	for msg, want := range map[string]bool{
		"api error AccessDeniedException: Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.": true,
		"The state machine IAM Role is not authorized to access the Log Destination":                                                                                  true,
		"InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda.":                                                              true,
		"ValidationException: Could not assume role arn:aws:iam::1:role/x":                                                                                            true,
		"AccessDenied: User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole on resource: y":                                                       false,
	} {
		require.Equal(t, want, notSpreadYet(fault.New(fault.Deployment, "%s", msg)), msg)
		require.False(t, notSpreadYet(fault.New(fault.Denied, "%s", msg)))
	}
	require.False(t, notSpreadYet(nil))
}
