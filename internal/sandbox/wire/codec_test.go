package wire

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

type color string

type inner struct {
	Names []string
	Tags  map[string]string
}

type sample struct {
	RoleArn     *string
	CreatedDate *time.Time
	Stopped     time.Time
	Status      color
	Blob        []byte
	Count       int32
	Ratio       *float64
	On          *bool
	Inner       *inner
	Items       []inner
}

func ptr[T any](v T) *T { return &v }

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_700_000_000_123).UTC()
	in := sample{
		RoleArn: ptr("a"), CreatedDate: &at, Stopped: at, Status: "RED", Blob: []byte("hi"), Count: 3, Ratio: ptr(1.5), On: ptr(false),
		Inner: &inner{Names: []string{"x"}, Tags: map[string]string{"k": "v"}}, Items: []inner{{}},
	}
	raw, err := Encode(&in, Casing{Lower: true})
	require.NoError(t, err)
	require.JSONEq(t, `{"roleArn":"a","createdDate":1700000000.123,"stopped":1700000000.123,"status":"RED","blob":"aGk=","count":3,
		"ratio":1.5,"on":false,"inner":{"names":["x"],"tags":{"k":"v"}},"items":[{}]}`, string(raw))
	var out sample
	require.NoError(t, Decode(raw, &out))
	require.Empty(t, cmp.Diff(in, out))
}

func TestEncodeLeavesOutWhatIsUnset(t *testing.T) {
	t.Parallel()
	raw, err := Encode(struct {
		A *string
		B []string
		C map[string]string
		D color
	}{}, Casing{})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(raw))
}

func TestDecodeErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"count":"many"}`:          `count: want int32, got "many"`,
		`{"items":[{"names":[1]}]}`: `items[0].names[0]: want string`,
		`{"inner":[]}`:              "inner: want struct, got a list",
		`[1`:                        "not a JSON document",
	} {
		require.ErrorContains(t, Decode([]byte(in), &sample{}), want)
	}
	require.NoError(t, Decode([]byte(`{"unknown":1,"count":"7","on":"true"}`), &sample{}), "query values are strings")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"roleArn":"a","createdDate":1.5,"items":[{"tags":{"a":"b"}}]}`))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		var s sample
		_ = Decode(raw, &s) // must not panic
	})
}
