package results_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// items is how many predictions the data set of flowers-2 has, in two files.
const items = 12_000

// predicted is a pipeline one of whose executions has worked through a data set.
func predicted(t *testing.T) *datatest.Source {
	t.Helper()
	source, s3 := datatest.New(t), &datatest.Objects{}
	source.ResultsAPI = s3
	var files [2]strings.Builder
	var inputs strings.Builder
	for i := range items {
		label := []string{"setosa", "versicolor", "virginica"}[i%3]
		fmt.Fprintf(&files[i*2/items], `{"id":"flower-%05d","prediction":{"label":"%s","score":%.3f}}`+"\n", i, label, float64(i%100)/100)
		fmt.Fprintf(&inputs, `{"id":"flower-%05d","petal":%d}`+"\n", i, i)
	}
	s3.Put("a.jsonl", files[0].String())
	s3.Put("b.jsonl", files[1].String())
	s3.Put("items.jsonl", inputs.String())
	s3.Put("m/manifest.json", fmt.Sprintf(`{"DestinationBucket":"data","ResultFiles":{"SUCCEEDED":[{"Key":"a.jsonl","Size":%d},{"Key":"b.jsonl",`+
		`"Size":%d}],"FAILED":[],"PENDING":[]}}`, files[0].Len(), files[1].Len()))
	source.API.Change("flowers-2", func(r *datatest.Record) {
		r.Describe.Output = aws.String(`{"manifestUri":"s3://data/m/manifest.json"}`)
	})
	return source
}

func open(t *testing.T, source *datatest.Source, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	opts = append([]tuitest.Option{tuitest.Now(datatest.Recorded)}, opts...)
	s := tuitest.Open(t, source, func(h *ui.Host) ui.Page { return pipeline.New(h, datatest.IrisBatch, "results") }, opts...)
	s.Until("flowers-2")
	return s
}

func openSet(t *testing.T, source *datatest.Source, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	s := open(t, source, opts...)
	s.Press("/")
	s.Type("flowers-2")
	s.Press("enter", "enter")
	s.Until("flower-00000")
	return s
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	source := predicted(t)
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 60}} {
		name := fmt.Sprintf("results-%dx%d", size[0], size[1])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openSet(t, source, tuitest.Size(size[0], size[1]))
			s.Golden(name)
			colour := openSet(t, source, tuitest.Size(size[0], size[1]), tuitest.Color("light"))
			require.Equal(t, s.Screen(), colour.Screen())
			require.NotEqual(t, s.Styled(), colour.Styled())
		})
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		s := openSet(t, source, tuitest.ASCII(), tuitest.Size(120, 40))
		s.Press("i")
		s.Until("virginica")
		for _, r := range s.Screen() {
			require.Less(t, r, rune(0x80), s.Screen())
		}
	})
}

// Any place of a data set is a page away.
func TestPagesAtAnyPlace(t *testing.T) {
	t.Parallel()
	source := predicted(t)
	s := openSet(t, source, tuitest.Size(140, 30))
	require.Contains(t, s.Screen(), "label=setosa score=0")
	require.Contains(t, s.Screen(), `{"id":"flower-00000","petal":0}`)
	s.Press("%")
	s.Press("enter") // 50%
	s.Until("flower-06000")
	require.Contains(t, s.Screen(), `"petal":6000`)
	s.Press("G", "down")
	s.Until("flower-06200")
	s.Press("up")
	s.Until("flower-06199")
	s.Press("%", "ctrl+u")
	s.Type("@end")
	s.Press("enter")
	s.Until("flower-11999")
	s.Press("%", "ctrl+u")
	s.Type("50%")
	s.Press("enter")
	s.Until("flower-06000")
	s.Press("%", "ctrl+u")
	s.Type("100%")
	s.Press("enter")
	s.Until("flower-11810")
	s.Press("%", "ctrl+u")
	s.Type("nonsense")
	s.Press("enter")
	s.Until("is no place in the results")
	require.Contains(t, s.Screen(), "flower-11810", "what is known stays")
}

func TestSearchSummaryViewerAndLink(t *testing.T) {
	t.Parallel()
	source := predicted(t)
	s := openSet(t, source, tuitest.Size(140, 40))
	s.Press("/")
	s.Type("FLOWER-0456")
	s.Press("enter")
	s.Until("flower-04569")
	require.NotContains(t, s.Screen(), "flower-00000")
	s.Press("enter")
	s.Until(`"petal": 4560`)
	s.Press("esc", "y")
	require.JSONEq(t, `{"label":"setosa","score":0.6}`, s.Copied()[0])
	s.Press("C")
	require.Equal(t, "https://data.example/a.jsonl?signed", s.Copied()[1])
	s.Press("i")
	s.Until("score: 12,000")
	require.Contains(t, s.Screen(), "p50 0.5")
	s.Press("esc", "esc")
	s.Until("of the newest")
	require.False(t, s.Quit())
}

// An execution without a result says why; one with a single prediction shows it whole.
func TestSingleResults(t *testing.T) {
	t.Parallel()
	source := predicted(t)
	s := open(t, source, tuitest.Size(140, 30))
	s.Press("/")
	s.Type("flowers-1")
	s.Press("enter", "enter")
	s.Until("Result of flowers-1")
	s.Press("esc", "C")
	s.Until("flowers-1 has no result")
}

// slow is S3 whose answer for one object is held back, whatever became of who asked.
type slow struct {
	results.API
	key  string
	hold <-chan struct{}
	fail error
}

func (s *slow) GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	if *in.Key == s.key {
		if <-s.hold; s.fail != nil {
			return nil, s.fail
		}
		ctx = context.WithoutCancel(ctx)
	}
	return s.API.GetObject(ctx, in, opts...)
}

// The answer for a data set that was left comes too late for the next one.
func TestALateAnswerIsNotTheNextSets(t *testing.T) {
	t.Parallel()
	source, hold := predicted(t), make(chan struct{})
	s3 := source.ResultsAPI.(*datatest.Objects)
	const late = `{"id":"late-1","prediction":"old"}` + "\n"
	s3.Put("late.jsonl", late)
	s3.Put("late/manifest.json", fmt.Sprintf(`{"DestinationBucket":"data","ResultFiles":{"SUCCEEDED":[{"Key":"late.jsonl","Size":%d}],"FAILED":[],"PENDING":[]}}`, len(late)))
	source.API.Change("flowers-1", func(r *datatest.Record) {
		r.Describe.Output = aws.String(`{"manifestUri":"s3://data/late/manifest.json"}`)
	})
	source.ResultsAPI = &slow{API: s3, key: "late/manifest.json", hold: hold}
	s := open(t, source, tuitest.Size(140, 30))
	s.Press("/")
	s.Type("flowers-1")
	s.Press("enter")
	s.Hit("enter", "esc")
	s.Hit("/", "ctrl+u")
	for _, r := range "flowers-2" {
		s.Hit(string(r))
	}
	s.Hit("enter", "enter")
	s.Until("flower-00000")
	close(hold)
	s.Idle()
	require.Contains(t, s.Screen(), "flower-00000")
	require.NotContains(t, s.Screen(), "late-1")
}

// ctrl+r opens again what could not be opened, and keeps a search.
func TestReadingAgain(t *testing.T) {
	t.Parallel()
	source, hold := predicted(t), make(chan struct{})
	close(hold)
	api := &slow{API: source.ResultsAPI, key: "m/manifest.json", hold: hold, fail: errors.New("no answer today")}
	source.ResultsAPI = api
	s := open(t, source, tuitest.Size(140, 30))
	s.Press("/")
	s.Type("flowers-2")
	s.Press("enter", "enter")
	s.Until("ctrl+r tries again")
	api.fail = nil
	s.Press("ctrl+r")
	s.Until("flower-00000")
	s.Press("/")
	s.Type("FLOWER-0456")
	s.Press("enter")
	s.Until("flower-04569")
	s.Press("ctrl+r")
	require.Contains(t, s.Screen(), `with "FLOWER-0456"`)
	require.NotContains(t, s.Screen(), "flower-00000")
}

// A data set of one page has no page before it and none behind.
func TestKeysOfASinglePage(t *testing.T) {
	t.Parallel()
	source := predicted(t)
	const one = `{"id":"only-1","prediction":"setosa"}` + "\n"
	s3 := source.ResultsAPI.(*datatest.Objects)
	s3.Put("one.jsonl", one)
	s3.Put("m/manifest.json", fmt.Sprintf(`{"DestinationBucket":"data","ResultFiles":{"SUCCEEDED":[{"Key":"one.jsonl","Size":%d}],"FAILED":[],"PENDING":[]}}`, len(one)))
	s := open(t, source, tuitest.Size(200, 60))
	s.Press("/")
	s.Type("flowers-2")
	s.Press("enter", "enter")
	s.Until("only-1")
	s.Press("?")
	s.Until("this is the end")
	require.Contains(t, s.Screen(), "to the page of predictions before this one (not now: ")
}

// What happened while a data set was open is there behind it; more rows cost what they are
// alone.
func TestTheListIsReadAgainBehindASet(t *testing.T) {
	t.Parallel()
	source := predicted(t)
	s := openSet(t, source, tuitest.Size(140, 30))
	source.API.Change("flowers-2", func(r *datatest.Record) { r.Describe.Output = aws.String(`"another answer"`) })
	s.Send(ui.Changed{IDs: []spec.ID{datatest.IrisBatch}})
	s.Press("esc")
	s.Until("another answer")
}
