package results_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/results"
)

// bucket answers ranges of objects that it holds, or makes up as they are asked for.
type bucket struct {
	results.API
	objects map[string]string
	made    map[string]func(from, to int64) []byte
	sizes   map[string]int64
	read    atomic.Int64 // bytes that were given out
	calls   atomic.Int64
}

func (b *bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	size, made := b.sizes[*in.Key]
	text, held := b.objects[*in.Key]
	if !made && !held {
		return nil, &types.NoSuchKey{}
	}
	if held {
		size = int64(len(text))
	}
	var from, to int64
	if _, err := fmt.Sscanf(*in.Range, "bytes=%d-%d", &from, &to); err != nil {
		return nil, err
	}
	to = min(to+1, size)
	var raw []byte
	if held {
		raw = []byte(text[from:to])
	} else {
		raw = b.made[*in.Key](from, to)
	}
	b.read.Add(to - from)
	b.calls.Add(1)
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(raw)), ContentRange: aws.String(fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))}, nil
}

func (b *bucket) open(t testing.TB) *results.Set {
	t.Helper()
	s, err := results.Open(t.Context(), b, results.Object{Bucket: "b", Key: "manifest.json"})
	require.NoError(t, err)
	b.read.Store(0)
	b.calls.Store(0)
	return s
}

// lineOf is the line of item n, each as long as the others.
func lineOf(n int64) string {
	return fmt.Sprintf(`{"id":%7d,"prediction":{"label":"%c","score":0.%06d}}`+"\n", n, 'a'+rune(n%3), n%1_000_000)
}

// million holds so many items in three files.
func million(t testing.TB, n int64) *bucket {
	t.Helper()
	width := int64(len(lineOf(0)))
	b := &bucket{objects: map[string]string{}, made: map[string]func(int64, int64) []byte{}, sizes: map[string]int64{}}
	var files []string
	each := (n + 2) / 3
	for part := range int64(3) {
		first := part * each
		key := fmt.Sprintf("SUCCEEDED_%d.jsonl", part)
		count := min(each, n-first)
		b.sizes[key] = count * width
		b.made[key] = func(from, to int64) []byte {
			var out bytes.Buffer
			for i := from / width; i*width < to; i++ {
				out.WriteString(lineOf(first + i))
			}
			return out.Bytes()[from%width:][:to-from]
		}
		files = append(files, fmt.Sprintf(`{"Key":%q,"Size":%d}`, key, count*width))
	}
	b.objects["manifest.json"] = `{"DestinationBucket":"b","MapRunArn":"arn","ResultFiles":{"FAILED":[],"PENDING":[],"SUCCEEDED":[` + strings.Join(files, ",") + `]}}`
	return b
}

func keys(items []results.Item) (out []string) {
	for i := range items {
		out = append(out, strings.TrimSpace(items[i].Key()))
	}
	return out
}

// A page at any place of a million items costs the reading of a little, forward and back,
// and the pages fit together.
func TestPagesOfAMillion(t *testing.T) {
	t.Parallel()
	b := million(t, 1_000_000)
	s := b.open(t)
	for _, place := range []string{"0%", "33.3333%", "50%", "66.66669%", "99.999%"} {
		b.read.Store(0)
		at, err := s.At(t.Context(), place)
		require.NoError(t, err)
		page, err := s.From(t.Context(), at, 50)
		require.NoError(t, err)
		require.LessOrEqual(t, b.read.Load(), int64(1<<20), place)
		require.LessOrEqual(t, len(page.Items), 50)
		first, err := strconv.Atoi(keys(page.Items)[0])
		require.NoError(t, err)
		percent, err := strconv.ParseFloat(strings.TrimSuffix(place, "%"), 64)
		require.NoError(t, err)
		require.InDelta(t, percent*10_000, first, 2, place)
		for i, key := range keys(page.Items) {
			require.Equal(t, strconv.Itoa(first+i), key, place)
		}
		if page.More {
			next, err := s.From(t.Context(), page.Next, 1)
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(first+50), keys(next.Items)[0])
		}
		back, err := s.Before(t.Context(), at, 50)
		require.NoError(t, err)
		require.Len(t, back.Items, min(50, first))
		for i, key := range keys(back.Items) {
			require.Equal(t, strconv.Itoa(first-len(back.Items)+i), key, place)
		}
	}
	last, err := s.Before(t.Context(), s.End(), 3)
	require.NoError(t, err)
	require.Equal(t, []string{"999997", "999998", "999999"}, keys(last.Items))
	require.False(t, last.More)
	for _, bad := range []string{"", "101%", "x", "9:0", "0:99999999999", "-1:0", "NaN%"} {
		_, err := s.At(t.Context(), bad)
		require.ErrorIs(t, err, fault.Invalid, bad)
	}

	b.read.Store(0)
	found, err := s.Find(t.Context(), results.Cursor{}, 1, 1<<20, results.WithID("nobody"))
	require.NoError(t, err)
	require.Empty(t, found.Items)
	require.True(t, found.More, "it gave up")
	require.Less(t, b.read.Load(), int64(6<<20))

	b.read.Store(0)
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.True(t, stats.Sampled)
	require.LessOrEqual(t, b.read.Load(), int64(32<<20))
	require.InDelta(t, 1_000_000, stats.Of, 20_000)
	require.Equal(t, "label", stats.Fields[0].Path)
	require.Len(t, stats.Fields[0].Labels, 3)
	require.Equal(t, "score", stats.Fields[1].Path)
	require.InDelta(t, 0.5, stats.Fields[1].Quantiles.P50, 0.05)
	require.Len(t, stats.Fields[1].Histogram, results.Bins)
}

// held is a set of one file, of the entries given.
func held(t *testing.T, name, text string) (*bucket, *results.Set) {
	t.Helper()
	b := &bucket{objects: map[string]string{
		name:            text,
		"manifest.json": fmt.Sprintf(`{"DestinationBucket":"b","ResultFiles":{"SUCCEEDED":[{"Key":%q,"Size":%d}]}}`, name, len(text)),
	}}
	return b, b.open(t)
}

func TestForms(t *testing.T) {
	t.Parallel()
	long := `{"id":"long","prediction":"` + strings.Repeat("x", results.MaxItem) + `"}`
	_, s := held(t, "r.jsonl", "\n"+`{"id":"a","prediction":1.50}`+"\n"+`[1,2]`+"\r\n"+long+"\nnot json\x1b[2J\n"+
		`{"ExecutionArn":"arn","Name":"child","Status":"FAILED","Input":"{\"Items\":[1]}","Error":"E","Cause":"why"}`)
	page, err := s.From(t.Context(), results.Cursor{}, 10)
	require.NoError(t, err)
	require.Len(t, page.Items, 5)
	require.False(t, page.More)
	require.Equal(t, "1.50", string(page.Items[0].Prediction), "a number stays as it was written")
	require.JSONEq(t, `[1,2]`, string(page.Items[1].Prediction))
	require.Empty(t, page.Items[2].Prediction)
	require.Greater(t, page.Items[2].Size, int64(results.MaxItem))
	require.Contains(t, page.Items[2].Head, `{"id":"long"`)
	require.True(t, json.Valid(page.Items[3].Prediction))
	require.Equal(t, "E", page.Items[4].Error)
	require.JSONEq(t, `{"Items":[1]}`, string(page.Items[4].Input))

	for _, text := range []string{`[{"a":1},{"a":2},{"a":3}]`, " [\n{\"a\":1} ,\n {\"a\":2},{\"a\":3}\n]\n"} {
		_, s = held(t, "r.json", text)
		var got []string
		at := results.Cursor{}
		for {
			page, err := s.From(t.Context(), at, 1)
			require.NoError(t, err)
			if len(page.Items) == 0 {
				break
			}
			got = append(got, string(page.Items[0].Prediction))
			if !page.More {
				break
			}
			at, err = s.At(t.Context(), page.Next.String())
			require.NoError(t, err)
		}
		require.Equal(t, []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}, got, text)
		back, err := s.Before(t.Context(), s.End(), 2)
		require.NoError(t, err)
		require.Len(t, back.Items, 2)
		require.JSONEq(t, `{"a":3}`, string(back.Items[1].Prediction))
	}
	_, s = held(t, "r.jsonl", "")
	page, err = s.From(t.Context(), results.Cursor{}, 10)
	require.NoError(t, err)
	require.Empty(t, page.Items)
	_, err = results.Open(t.Context(), &bucket{objects: map[string]string{"m": "<html>"}}, results.Object{Bucket: "b", Key: "m"})
	require.ErrorIs(t, err, fault.Damaged)
	_, err = results.Open(t.Context(), &bucket{}, results.Object{Bucket: "b", Key: "m"})
	require.ErrorIs(t, err, fault.NotFound)
}

func TestLocate(t *testing.T) {
	t.Parallel()
	require.Equal(t, &results.Object{Bucket: "b", Key: "results/x.json"}, results.Locate(`{"resultUri":"s3://b/results/x.json","etag":"e"}`).Object)
	require.Equal(t, &results.Object{Bucket: "b", Key: "batch/m.json"}, results.Locate(`{"manifestUri":"s3://b/batch/m.json"}`).Manifest)
	require.Equal(t, &results.Object{Bucket: "b", Key: "k"}, results.Locate(`{"ResultWriterDetails":{"Bucket":"b","Key":"k"}}`).Manifest)
	require.JSONEq(t, `{"resultUri":"ftp://x"}`, string(results.Locate(`{"resultUri":"ftp://x"}`).Inline))
	require.Equal(t, results.Location{}, results.Locate(`{"cut`))
}

// rows are results whose kinds change after the columns are decided, with cells that a
// spreadsheet would run.
func rows() []results.Item {
	var out []results.Item
	for i := range 1500 {
		out = append(out, results.Item{ID: json.RawMessage(strconv.Itoa(i)), Prediction: json.RawMessage(fmt.Sprintf(`{"label":"=1+1","score":%d.5,"more":{"deep":[true,null]}}`, -i))})
	}
	return append(out,
		results.Item{ID: json.RawMessage(`"text"`), Prediction: json.RawMessage(`{"label":7,"score":"high","late":1}`)},
		results.Item{ID: json.RawMessage(`9007199254740993`), Prediction: json.RawMessage(`{"label":"","score":9007199254740993}`)},
		results.Item{ID: json.RawMessage(`1`), Prediction: json.RawMessage(`{"label":"'quoted","score":1e2}`), Error: "E\n2"},
	)
}

// Whatever a prediction says is in the row: in its column, or in rest.
func TestCSVLosesNothing(t *testing.T) {
	t.Parallel()
	for _, sheet := range []bool{false, true} {
		var b bytes.Buffer
		w := results.NewWriter(&b, results.CSV, sheet)
		for _, it := range rows() {
			require.NoError(t, w.Add(it))
		}
		require.NoError(t, w.Close())
		all, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		require.Equal(t, []string{"id", "prediction.label", "prediction.score", "prediction.more.deep[0]", "prediction.more.deep[1]", "rest"}, all[0])
		require.Len(t, all, 1+len(rows()))
		formula := "=1+1"
		if sheet {
			formula = "'=1+1"
		}
		require.Equal(t, []string{"2", formula, "-2.5", "true", "null", ""}, all[3])
		n := len(all)
		require.Equal(t, []string{"", "", ""}, all[n-3][:3])
		require.JSONEq(t, `{"id":"text","prediction.label":7,"prediction.score":"high","prediction.late":1}`, all[n-3][5])
		require.JSONEq(t, `{"id":9007199254740993,"prediction.label":"","prediction.score":9007199254740993}`, all[n-2][5])
		require.JSONEq(t, `{"error":"E\n2"}`, all[n-1][5])
		label := all[n-1][1]
		if sheet {
			require.Equal(t, "''quoted", label, "one apostrophe less is what was said")
		} else {
			require.Equal(t, "'quoted", label)
		}
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := results.NewWriter(&b, results.JSONL, false)
	require.NoError(t, w.Add(results.Item{ID: json.RawMessage(`1`), Prediction: json.RawMessage(`{"a": "<b>", "n": 1.50}`), Size: 9}))
	require.NoError(t, w.Close())
	require.Equal(t, `{"id":1,"prediction":{"a":"<b>","n":1.50}}`+"\n", b.String())
}

func TestCompare(t *testing.T) {
	t.Parallel()
	_, before := held(t, "r.jsonl", `{"id":1,"prediction":{"label":"a","score":0.5}}`+"\n"+`{"id":2,"prediction":{"label":"a","score":0.5}}`+"\n"+`{"id":3,"prediction":{"label":"b","score":0.1}}`+"\n")
	_, after := held(t, "r.jsonl", `{"id":3,"prediction":{"label":"b","score":0.1001}}`+"\n"+`{"id":2,"prediction":{"label":"c","score":0.7}}`+"\n"+`{"id":9,"prediction":{}}`+"\n")
	c, err := results.Compare(t.Context(), before, after, 0.001, 10)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 1, 1, 1}, []int64{c.Same, c.Different, c.OnlyBefore, c.OnlyAfter})
	require.Equal(t, "2", string(c.First[0].ID))
	require.Equal(t, []results.Move{{Field: "label", Before: json.RawMessage(`"a"`), After: json.RawMessage(`"c"`), Count: 1}}, c.Moves)
	require.Len(t, c.Numbers, 1)
	require.InDelta(t, 0.2, c.Numbers[0].GreatAbs, 1e-9)
	_, bare := held(t, "r.jsonl", "1\n")
	_, err = results.Compare(t.Context(), bare, after, 0, 10)
	require.ErrorIs(t, err, fault.Unsupported)
}

// Predictions find the items that they were made from, in a part of the data set about
// where they stand, or while both are read.
func TestInputs(t *testing.T) {
	t.Parallel()
	for _, isCSV := range []bool{false, true} {
		var text strings.Builder
		if isCSV {
			text.WriteString("id,x\n")
		}
		const n = 5000
		for i := range n {
			if isCSV {
				fmt.Fprintf(&text, "%d,\"a, %d\"\n", i, i)
			} else {
				fmt.Fprintf(&text, `{"id":"%d","x":"a, %d"}`+"\n", i, i)
			}
		}
		b := &bucket{objects: map[string]string{"in": text.String()}}
		d, err := results.OpenDataSet(t.Context(), b, results.Object{Bucket: "b", Key: "in"}, isCSV)
		require.NoError(t, err)
		items := []results.Item{{ID: json.RawMessage(`4321`)}, {ID: json.RawMessage(`"17"`)}, {ID: json.RawMessage(`"none"`)}, {}}
		require.NoError(t, d.Fill(t.Context(), items, 0.9))
		require.JSONEq(t, `{"id":"4321","x":"a, 4321"}`, string(items[0].Input))
		require.JSONEq(t, `{"id":"17","x":"a, 17"}`, string(items[1].Input))
		require.Nil(t, items[2].Input)
		j := d.Join(t.Context())
		for i := n - 1; i >= 0; i-- {
			it := results.Item{ID: json.RawMessage(strconv.Itoa(i))}
			require.NoError(t, j.Fill(&it))
			require.JSONEq(t, fmt.Sprintf(`{"id":"%d","x":"a, %d"}`, i, i), string(it.Input))
		}
	}
}

func TestStatsOfOddNumbers(t *testing.T) {
	t.Parallel()
	_, s := held(t, "r.jsonl", "1e308\n-1e308\n1e999\n\"x\"\nnull\n")
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, stats.Count)
	_, err = json.Marshal(stats)
	require.NoError(t, err, "nothing of it is infinite: %v", stats)
	for _, f := range stats.Fields {
		require.False(t, math.IsInf(f.Mean, 0))
	}
}

// Every item of two large data sets differs, in another order: what they were is read in a
// few requests, not in one for each.
func TestCompareReadsLittle(t *testing.T) {
	t.Parallel()
	const n = 20_000
	b := million(t, n)
	before := b.open(t)
	var text strings.Builder
	for i := range int64(n) {
		at := i ^ 7 // children end about in the order in which they begin
		fmt.Fprintf(&text, `{"id":%7d,"prediction":{"label":"z","score":2}}`+"\n", at)
	}
	_, after := held(t, "r.jsonl", text.String())
	b.calls.Store(0)
	c, err := results.Compare(t.Context(), before, after, 0, 2)
	require.NoError(t, err)
	require.Equal(t, []int64{0, n, 0, 0}, []int64{c.Same, c.Different, c.OnlyBefore, c.OnlyAfter})
	require.Equal(t, "7", string(c.First[0].ID), "the order of the second is kept")
	require.Equal(t, `"b"`, string(c.First[0].Changes[0].Before))
	require.LessOrEqual(t, b.calls.Load(), int64(30))
}

// What an array of JSON holds is found again at its place.
func TestCompareArrays(t *testing.T) {
	t.Parallel()
	_, before := held(t, "r.json", `[ {"id":1,"prediction":1} , {"id":2,"prediction":2},`+"\n"+` {"id":3,"prediction":3} ]`)
	_, after := held(t, "r.json", `[{"id":3,"prediction":30},{"id":2,"prediction":2},{"id":1,"prediction":10}]`)
	c, err := results.Compare(t.Context(), before, after, 0, 9)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, []int64{c.Same, c.Different})
	require.Equal(t, []results.Change{{Before: json.RawMessage("3"), After: json.RawMessage("30")}}, c.First[0].Changes)
	require.Equal(t, []results.Change{{Before: json.RawMessage("1"), After: json.RawMessage("10")}}, c.First[1].Changes)
}

// The tolerance holds in vectors and wherever numbers stand, and whole numbers that share
// one float64 are two.
func TestChangesOfNumbers(t *testing.T) {
	t.Parallel()
	vector := "[" + strings.Repeat("0.5,", 20) + "0.25]"
	wide := "{" // more members than fields
	for i := range 70 {
		wide += fmt.Sprintf(`"k%d":1.5,`, i)
	}
	for name, tt := range map[string]struct {
		before, after string
		tolerance     float64
		equal         bool
	}{
		"a vector":                    {vector, strings.ReplaceAll(vector, "0.5", "0.5001"), 0.001, true},
		"a vector that differs":       {vector, strings.ReplaceAll(vector, "0.25", "0.26"), 0.001, false},
		"a longer vector":             {vector, strings.ReplaceAll(vector, "0.25", "0.25,0"), 0.001, false},
		"a vector of a member":        {`{"v":` + vector + `}`, `{"v":` + strings.ReplaceAll(vector, "0.5", "0.5001") + `}`, 0.001, true},
		"vectors of vectors":          {`[` + vector + `,[1,2]]`, `[` + vector + `,[1,2.0005]]`, 0.001, true},
		"many members":                {wide + `"x":1}`, wide + `"x":1.0005}`, 0.001, true},
		"many members that differ":    {wide + `"x":1}`, wide + `"x":1.5}`, 0.001, false},
		"large whole numbers":         {"9007199254740993", "9007199254740992", 0, false},
		"large whole ones of vectors": {"[1,2,3,4,5,6,7,8,9007199254740993]", "[1,2,3,4,5,6,7,8,9007199254740992]", 0, false},
		"large ones that are near":    {"9007199254740993", "9007199254740992", 1, true},
		"one number in two forms":     {"[1,1.0,100]", "[1.0,1,1e2]", 0, true},
		"a number and a text":         {"1", `"1"`, 5, false},
		"names that hold dots":        {`{"a.b":2,"a":{"b":2}}`, `{"a.b":3,"a":{"b":2}}`, 0, false},
		"nothing and something":       {"", "1", 5, false},
	} {
		changes := results.Changes(json.RawMessage(tt.before), json.RawMessage(tt.after), tt.tolerance)
		require.Equal(t, tt.equal, len(changes) == 0, "%s: %v", name, changes)
	}
}

// Members whose paths would be one are all in the row.
func TestOnePathOfTwoLosesNothing(t *testing.T) {
	t.Parallel()
	for _, prediction := range []string{`{"a.b":1,"a":{"b":2}}`, `{"a[0]":1,"a":[2]}`} {
		var b bytes.Buffer
		w := results.NewWriter(&b, results.CSV, false)
		require.NoError(t, w.Add(results.Item{ID: json.RawMessage("1"), Prediction: json.RawMessage(prediction)}))
		require.NoError(t, w.Close())
		all, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		require.Contains(t, strings.Join(all[1], " "), prediction)
	}
}
