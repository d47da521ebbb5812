package page

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

func TestPages(t *testing.T) {
	t.Parallel()
	items := []string{"a", "b", "c", "d", "e"}
	two := int32(2)
	self := func(s string) string { return s }
	for name, cut := range map[string]func(*string) ([]string, *string, error){
		"by key":   func(token *string) ([]string, *string, error) { return Of(items, token, &two, 10, self) },
		"by last":  func(token *string) ([]string, *string, error) { return Behind(items, token, &two, 10, self) },
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

func TestTokensAreOfOneKind(t *testing.T) {
	t.Parallel()
	token := Kind("a").Token("x")
	place, err := Kind("a").Place(token)
	require.NoError(t, err)
	require.Equal(t, "x", place)
	_, err = Kind("b").Place(token)
	require.ErrorIs(t, err, ErrToken)
	_, err = Kind("a").Place(Token("x"))
	require.ErrorIs(t, err, ErrToken)
	_, _, err = Behind([]string{"a"}, Token("gone"), nil, 10, func(s string) string { return s })
	require.ErrorIs(t, err, ErrToken)
}

func TestScan(t *testing.T) {
	t.Parallel()
	db, err := store.Open(filepath.Join(t.TempDir(), "store.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Update(func(tx *store.Tx) error {
		for i := range 7 {
			if err := store.Put(tx, "b", fmt.Sprintf("p%d", i), i); err != nil {
				return err
			}
		}
		return store.Put(tx, "b", "q", 9)
	}))
	var got [][]int
	var token *string
	for {
		require.NoError(t, db.View(func(tx *store.Tx) error {
			place, err := Kind("k").Place(token)
			require.NoError(t, err)
			some, next, err := Scan(tx, "k", "b", "p", place, 2, func(_ string, v int) (int, bool) { return v, v != 1 })
			got, token = append(got, some), next
			return err
		}))
		if token == nil {
			break
		}
	}
	require.Equal(t, [][]int{{0, 2}, {3, 4}, {5, 6}}, got, "nothing is left out or shown twice, and no page is empty")
}
