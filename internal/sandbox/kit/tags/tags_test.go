package tags

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func TestRules(t *testing.T) {
	t.Parallel()
	r := Rules{
		Max: 2, TooMany: wire.Errorf(400, "TooMany", "more than 2"), Reserved: wire.Errorf(400, "Reserved", "{key} is AWS's"),
		Duplicate: wire.Errorf(400, "Duplicate", "{key} twice"), Fold: true,
	}
	have := map[string]string{"a": "1"}
	got, err := r.Add(have, []Tag{{"a", "2"}, {"b", ""}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "2", "b": ""}, got)
	require.Equal(t, map[string]string{"a": "1"}, have)
	for want, add := range map[string][]Tag{
		"TooMany: more than 2": {{"b", ""}, {"c", ""}}, "Reserved: AWS:x is AWS's": {{"AWS:x", ""}}, "Duplicate: B twice": {{"b", ""}, {"B", ""}},
	} {
		_, err := r.Add(have, add)
		require.EqualError(t, err, want)
	}
	r = Rules{Key: wire.Errorf(400, "Key", "{key} is none"), Value: wire.Errorf(400, "Value", "{value} is none")}
	r.Value.Fields = map[string]any{"TagKey": "{key}"}
	for want, add := range map[string]Tag{
		"Key:  is none": {"", "v"}, "Key: " + strings.Repeat("é", 129) + " is none": {strings.Repeat("é", 129), ""},
		"Value: " + strings.Repeat("é", 257) + " is none": {"k", strings.Repeat("é", 257)},
	} {
		_, err := r.Add(nil, []Tag{add})
		require.EqualError(t, err, want)
		if we := wire.AsError(err); we.Code == "Value" {
			require.Equal(t, map[string]any{"TagKey": "k"}, we.Fields)
		}
	}
	_, err = r.Add(nil, []Tag{{strings.Repeat("é", 128), strings.Repeat("é", 256)}})
	require.NoError(t, err)
	require.Equal(t, "{key}", r.Value.Fields["TagKey"], "the rule stays as it is")
	got, err = Rules{}.Add(nil, []Tag{{"aws:x", "1"}, {"aws:x", "2"}})
	require.NoError(t, err, "a rule without a refusal does not hold")
	require.Equal(t, map[string]string{"aws:x": "2"}, got)
	require.Equal(t, map[string]string{"b": "2"}, Without(map[string]string{"a": "1", "b": "2"}, []string{"a", "z"}))
	require.Equal(t, []Tag{{"a", "1"}, {"b", "2"}}, OfMap(map[string]string{"b": "2", "a": "1"}))
	require.NotNil(t, OfMap(nil))
}
