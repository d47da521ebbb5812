package settings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithOtherFlags(t *testing.T) {
	t.Parallel()
	given := environ(map[string]string{"PIPELINETUI_HOME": t.TempDir(), "AWS_REGION": "eu-west-1", "AWS_PROFILE": "mine"})
	s, err := Resolve(Sources{Flags: map[string]string{"region": "us-east-1", "target": "aws"}, Environ: given})
	require.NoError(t, err)
	other, err := s.With(map[string]string{"region": "", "profile": "prod", "target": "aws"})
	require.NoError(t, err)
	require.Equal(t, "eu-west-1", other.String(Region), "without the flag it is the environment's")
	require.Equal(t, "prod", other.String(Profile))
	require.Equal(t, []string{"--target=aws", "--profile=prod"}, other.Flags())
	require.Equal(t, "us-east-1", s.String(Region), "the first ones are as they were")
	require.Equal(t, []string{"--target=aws", "--region=us-east-1"}, s.Flags())
	_, err = s.With(map[string]string{"target": "moon"})
	require.ErrorContains(t, err, "moon")
}
