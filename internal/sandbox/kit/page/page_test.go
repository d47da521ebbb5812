package page

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPages(t *testing.T) {
	t.Parallel()
	items := []string{"a", "b", "c", "d", "e"}
	two := int32(2)
	self := func(s string) string { return s }
	for name, cut := range map[string]func(*string) ([]string, *string, error){
		"by key":   func(token *string) ([]string, *string, error) { return Of(items, token, &two, 10, self) },
		"by place": func(token *string) ([]string, *string, error) { return At(items, token, &two, 10) },
	} {
		var got [][]string
		var token *string
		for {
			some, next, err := cut(token)
			require.NoError(t, err, name)
			got = append(got, some)
			if token = next; token == nil {
				break
			}
		}
		require.Equal(t, [][]string{{"a", "b"}, {"c", "d"}, {"e"}}, got, name)
		bad := "?"
		_, _, err := cut(&bad)
		require.ErrorIs(t, err, ErrToken, name)
	}
	// an item that goes away moves no others
	_, next, err := Of(items, nil, &two, 10, self)
	require.NoError(t, err)
	some, _, err := Of([]string{"a", "c", "d"}, next, &two, 10, self)
	require.NoError(t, err)
	require.Equal(t, []string{"c", "d"}, some)
	some, next, err = At([]string{}, Token("3"), nil, 10)
	require.NoError(t, err)
	require.Empty(t, some)
	require.Nil(t, next)
	_, _, err = At(items, Token("-1"), nil, 10)
	require.ErrorIs(t, err, ErrToken)
}
