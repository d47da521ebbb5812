package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A profile is whose account the screen shows: no keys of the environment may win over it
// in what the user runs from there.
func TestAProfileTakesKeysOut(t *testing.T) {
	t.Parallel()
	set, without := toolEnviron("prod", "eu-west-1", "")
	require.Equal(t, []string{"AWS_PROFILE=prod", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1"}, set)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_DEFAULT_PROFILE"} {
		require.Contains(t, without, name)
	}
	set, without = toolEnviron("", "eu-west-1", "http://127.0.0.1:1")
	require.Equal(t, []string{"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_ENDPOINT_URL=http://127.0.0.1:1"}, set)
	require.Empty(t, without, "the keys of the environment are who the session is")
}
