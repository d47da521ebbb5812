// Command verify reads the predictions of an execution back from S3 and compares
// each with one that it computes itself, from the records, the scaler and the
// weights. It fails unless every record is there exactly once: with the right
// prediction, in a child execution that failed, or among the items that failed alone.
//
//	pipelinetui run acme/iris-batch --input-file flowers.jsonl --wait -o json > run.json
//	eval "$(pipelinetui sandbox env)"; go run ./examples/iris-batch/verify flowers.jsonl run.json
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// closeEnough is how far a probability may be off: two ways to add the same numbers.
const closeEnough = 1e-9

func main() {
	example := flag.String("example", "examples", "the folder that iris and iris-batch are in")
	failed := flag.Int("failed", 0, "how many records are expected in failed children or failed alone")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: verify [-example DIR] [-failed N] RECORDS.jsonl RUN.json")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), *example, flag.Arg(0), flag.Arg(1), *failed, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, examples, records, document string, failed int, out io.Writer) error {
	m, err := readModel(examples)
	if err != nil {
		return err
	}
	want, err := expected(records, m)
	if err != nil {
		return err
	}
	var doc struct {
		Status string `json:"status"`
		Output struct {
			ManifestURI string `json:"manifestUri"`
			ErrorsURI   string `json:"itemErrorsUri"`
		} `json:"output"`
	}
	if err := readJSON(document, &doc); err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	store := results{s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })}
	t, err := store.compare(ctx, doc.Output.ManifestURI, want)
	if err != nil {
		return err
	}
	if doc.Output.ErrorsURI != "" {
		if err := store.alone(ctx, doc.Output.ErrorsURI, t, want); err != nil {
			return err
		}
	}
	for id := range want {
		if t.seen[id] == 0 {
			t.bad("record %d is in no result", id)
		}
	}
	fmt.Fprintf(out, "%d records: %d predictions read back from S3 are equal to those computed here, %d records are in failed children or failed alone, "+
		"%d are wrong, missing or doubled\n",
		len(want), t.equal, t.failed, t.wrong)
	for _, line := range t.notes {
		fmt.Fprintln(out, "  "+line)
	}
	switch {
	case t.wrong > 0:
		return fmt.Errorf("%d records are not as they should be", t.wrong)
	case t.failed != failed:
		return fmt.Errorf("%d records are in failed children or failed alone, expected %d", t.failed, failed)
	}
	return nil
}

// model is what predictions are computed from.
type model struct {
	Classes  []string    `json:"classes"`
	Features []string    `json:"features"`
	Weights  [][]float64 `json:"weights"`
	Bias     []float64   `json:"bias"`
	Mean     []float64   `json:"mean"`
	Std      []float64   `json:"std"`
}

// readModel reads weights and scaler as the training wrote them.
func readModel(examples string) (model, error) {
	var m model
	err := readJSON(filepath.Join(examples, "iris", "model", "model.json"), &m)
	return m, errors.Join(err, readJSON(filepath.Join(examples, "iris", "preprocess", "scaler.json"), &m))
}

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// prediction is a label and the probability of each.
type prediction struct {
	Label         string             `json:"label"`
	Probabilities map[string]float64 `json:"probabilities"`
}

// predict is multinomial logistic regression on scaled features.
func (m model) predict(features []float64) prediction {
	scores := make([]float64, len(m.Classes))
	top, total := math.Inf(-1), 0.0
	for c := range m.Classes {
		scores[c] = m.Bias[c]
		for j, x := range features {
			scores[c] += m.Weights[c][j] * (x - m.Mean[j]) / m.Std[j]
		}
		top = math.Max(top, scores[c])
	}
	for c := range scores {
		scores[c] = math.Exp(scores[c] - top)
		total += scores[c]
	}
	p := prediction{Probabilities: map[string]float64{}}
	best := -1.0
	for c, name := range m.Classes {
		p.Probabilities[name] = scores[c] / total
		if scores[c] > best {
			best, p.Label = scores[c], name
		}
	}
	return p
}

// expected is the prediction for each record. One that can't be measured has
// none: a "5.1 cm" is read as 5.1, the rest is nil.
func expected(path string, m model) (map[int]*prediction, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[int]*prediction{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var rec map[string]any
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(out)+1, err)
		}
		id, _ := rec["id"].(float64)
		out[int(id)] = nil
		features := make([]float64, 0, len(m.Features))
		for _, name := range m.Features {
			x, ok := rec[name].(float64)
			if text, isText := rec[name].(string); isText {
				var err error
				x, err = strconv.ParseFloat(strings.TrimSuffix(text, " cm"), 64)
				ok = err == nil
			}
			if ok && x > 0 {
				features = append(features, x)
			}
		}
		if len(features) == len(m.Features) {
			p := m.predict(features)
			out[int(id)] = &p
		}
	}
	return out, lines.Err()
}

// tally counts what was found.
type tally struct {
	seen                 map[int]int
	equal, failed, wrong int
	notes                []string
}

const maxNotes = 10

func (t *tally) bad(format string, args ...any) {
	t.wrong++
	if len(t.notes) < maxNotes {
		t.notes = append(t.notes, fmt.Sprintf(format, args...))
	}
}

// once notes that a record was found.
func (t *tally) once(id int, want map[int]*prediction) bool {
	t.seen[id]++
	_, known := want[id]
	switch {
	case !known:
		t.bad("record %d was never sent", id)
	case t.seen[id] > 1:
		t.bad("record %d is there %d times", id, t.seen[id])
	default:
		return true
	}
	return false
}

// results reads what a Map Run wrote.
type results struct{ client *s3.Client }

func (r results) compare(ctx context.Context, manifestURI string, want map[int]*prediction) (*tally, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(manifestURI, "s3://"), "/")
	if !ok {
		return nil, fmt.Errorf("the execution has no manifest of results: %q", manifestURI)
	}
	var manifest struct {
		ResultFiles map[string][]struct{ Key string }
	}
	raw, err := r.get(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestURI, err)
	}
	t := &tally{seen: map[int]int{}}
	for _, file := range manifest.ResultFiles["SUCCEEDED"] {
		if raw, err = r.get(ctx, bucket, file.Key); err == nil {
			err = t.succeeded(raw, want)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Key, err)
		}
	}
	for _, file := range manifest.ResultFiles["FAILED"] {
		if raw, err = r.get(ctx, bucket, file.Key); err == nil {
			err = t.unsuccessful(raw, want)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Key, err)
		}
	}
	return t, nil
}

// alone reads the items that failed while the rest of their batch went on: below
// uri are objects with lists of them.
func (r results) alone(ctx context.Context, uri string, t *tally, want map[int]*prediction) error {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	pages := s3.NewListObjectsV2Paginator(r.client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for i := range page.Contents {
			raw, err := r.get(ctx, bucket, *page.Contents[i].Key)
			if err != nil {
				return err
			}
			var list []struct{ ID int }
			if err := json.Unmarshal(raw, &list); err != nil {
				return fmt.Errorf("%s: %w", *page.Contents[i].Key, err)
			}
			for _, item := range list {
				if t.once(item.ID, want) {
					t.failed++
				}
			}
		}
	}
	return nil
}

func (r results) get(ctx context.Context, bucket, key string) ([]byte, error) {
	obj, err := r.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(obj.Body)
	return raw, errors.Join(err, obj.Body.Close())
}

// succeeded reads a file with one prediction a line.
func (t *tally) succeeded(raw []byte, want map[int]*prediction) error {
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		var got struct {
			ID         int
			Prediction struct{ Predictions []prediction }
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if !t.once(got.ID, want) {
			continue
		}
		if len(got.Prediction.Predictions) != 1 || want[got.ID] == nil || !same(got.Prediction.Predictions[0], *want[got.ID]) {
			t.bad("record %d: %+v, expected %+v", got.ID, got.Prediction.Predictions, want[got.ID])
			continue
		}
		t.equal++
	}
	return nil
}

// unsuccessful reads a file with the children that failed: JSON values, in a
// list or one a line.
func (t *tally) unsuccessful(raw []byte, want map[int]*prediction) error {
	type child struct{ Input string }
	for dec := json.NewDecoder(strings.NewReader(string(raw))); ; {
		var value json.RawMessage
		if err := dec.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var children []child
		if json.Unmarshal(value, &children) != nil {
			var one child
			if err := json.Unmarshal(value, &one); err != nil {
				return err
			}
			children = []child{one}
		}
		for _, c := range children {
			var input struct{ Items []struct{ ID int } }
			if err := json.Unmarshal([]byte(c.Input), &input); err != nil {
				return err
			}
			for _, item := range input.Items {
				if t.once(item.ID, want) {
					t.failed++
				}
			}
		}
	}
}

func same(a, b prediction) bool {
	if a.Label != b.Label || len(a.Probabilities) != len(b.Probabilities) {
		return false
	}
	for name, p := range b.Probabilities {
		if got, ok := a.Probabilities[name]; !ok || math.Abs(got-p) > closeEnough {
			return false
		}
	}
	return true
}
