package program

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPluginsAreThoseOfTheLinkedSDKs(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	version := func(re string) string {
		m := regexp.MustCompile(re + ` v(\S+)`).FindSubmatch(mod)
		require.NotNil(t, m, re)
		return string(m[1])
	}
	got, err := Plugins(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Plugin{
		{Name: "aws", Version: version(`pulumi-aws/sdk/v6`)},
		{Name: "aws-native", Version: version(`pulumi-aws-native/sdk`)},
	}, got)
}
