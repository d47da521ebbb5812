package results

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	// wholeUpTo is how large a set is whose statistics are of all of it, in bytes. Of a
	// larger one they are of a sample.
	wholeUpTo = 8 << 20
	// samples places of so many bytes each are looked at in a large set, some at a time.
	samples       = 64
	sampleBytes   = 64 << 10
	sampleReaders = 8

	// maxLabels bounds the labels of a field that are counted each.
	maxLabels = 1000
	// keptNumbers bounds the numbers of a field that are kept for quantiles: a reservoir.
	keptNumbers = 10_000
	// Bins is how many a histogram has.
	Bins = 20
)

// Stats are the statistics over predictions.
type Stats struct {
	// Count is how many were looked at. Sampled says that there are more, and Of then is
	// an estimate of how many, from their mean length.
	Count   int64 `json:"count"`
	Sampled bool  `json:"sampled"`
	Of      int64 `json:"of"`
	// Fields are those of the predictions, in the order in which they were seen. Left says
	// that there are more fields than are counted.
	Fields []FieldStats `json:"fields"`
	Left   bool         `json:"fieldsLeftOut,omitempty"`
}

// FieldStats are the statistics of one field of the predictions.
type FieldStats struct {
	Path string `json:"field"`
	// Count is how many predictions have it; Numbers of them are numbers.
	Count   int64 `json:"count"`
	Numbers int64 `json:"numbers,omitempty"`
	// Of the numbers: least, greatest, mean, quantiles (of a sample of 10,000 if they are
	// more), and a histogram of equal bins from Min to Max.
	Min       float64   `json:"min,omitempty"`
	Max       float64   `json:"max,omitempty"`
	Mean      float64   `json:"mean,omitempty"`
	Quantiles Quantiles `json:"quantiles,omitzero"`
	Histogram []int64   `json:"histogram,omitempty"`
	// Labels are the other values by how often they are there, the most frequent first;
	// Others counts those beyond the first 1,000 that were seen.
	Labels []Label `json:"labels,omitempty"`
	Others int64   `json:"otherLabels,omitempty"`
}

// Quantiles of numbers.
type Quantiles struct {
	P1  float64 `json:"p1"`
	P10 float64 `json:"p10"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// Label is a value that is no number, and how often it is there.
type Label struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// Counter counts predictions. The zero value has seen none. Its memory is bounded, however
// many there are.
type Counter struct {
	count  int64
	fields []*fieldCounter
	byPath map[string]*fieldCounter
	left   bool
	random *rand.Rand
}

type fieldCounter struct {
	path           string
	count, numbers int64
	min, max, sum  float64
	kept           []float64
	labels         map[string]int64
	others         int64
}

// Add counts a prediction.
func (c *Counter) Add(it *Item) {
	if c.byPath == nil {
		c.byPath = map[string]*fieldCounter{}
		c.random = rand.New(rand.NewPCG(1, 2)) // which numbers are kept is no secret, and the same each time
	}
	c.count++
	for _, f := range Flatten(it.Prediction) {
		x := c.byPath[f.Path]
		if x == nil {
			if len(c.fields) >= maxFields {
				c.left = true
				continue
			}
			x = &fieldCounter{path: f.Path, labels: map[string]int64{}}
			c.fields, c.byPath[f.Path] = append(c.fields, x), x
		}
		x.add(&f, c.random)
	}
}

func (x *fieldCounter) add(f *Field, random *rand.Rand) {
	x.count++
	n, ok := f.Number()
	if !ok {
		text := f.Text()
		if len(text) > headLength {
			text = beginning([]byte(text))
		}
		if _, seen := x.labels[text]; !seen && len(x.labels) >= maxLabels {
			x.others++
			return
		}
		x.labels[text]++
		return
	}
	if x.numbers == 0 || n < x.min {
		x.min = n
	}
	if x.numbers == 0 || n > x.max {
		x.max = n
	}
	x.numbers++
	x.sum += n
	if len(x.kept) < keptNumbers {
		x.kept = append(x.kept, n)
	} else if at := random.Int64N(x.numbers); at < keptNumbers {
		x.kept[at] = n
	}
}

// Stats are those of what was counted.
func (c *Counter) Stats() Stats {
	out := Stats{Count: c.count, Of: c.count, Fields: []FieldStats{}, Left: c.left}
	for _, x := range c.fields {
		out.Fields = append(out.Fields, x.stats())
	}
	return out
}

func (x *fieldCounter) stats() FieldStats {
	out := FieldStats{Path: x.path, Count: x.count, Numbers: x.numbers, Others: x.others}
	for value, count := range x.labels {
		out.Labels = append(out.Labels, Label{value, count})
	}
	slices.SortFunc(out.Labels, func(a, b Label) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	if x.numbers == 0 {
		return out
	}
	out.Min, out.Max, out.Mean = x.min, x.max, x.sum/float64(x.numbers)
	kept := slices.Sorted(slices.Values(x.kept))
	at := func(q float64) float64 { return kept[int(math.Round(q*float64(len(kept)-1)))] }
	out.Quantiles = Quantiles{at(0.01), at(0.1), at(0.5), at(0.9), at(0.99)}
	out.Histogram = histogram(kept, x.min, x.max, x.numbers)
	return out
}

// histogram counts kept numbers in bins from least to greatest, and scales them to all.
func histogram(kept []float64, least, greatest float64, all int64) []int64 {
	if !(greatest > least) || math.IsInf(greatest-least, 0) {
		return []int64{all}
	}
	bins := make([]int64, Bins)
	for _, n := range kept {
		bins[min(Bins-1, int((n-least)/(greatest-least)*Bins))]++
	}
	for i, n := range bins {
		bins[i] = int64(math.Round(float64(n) * float64(all) / float64(len(kept))))
	}
	return bins
}

// Stats are the statistics over the set: over all of a small one, over evenly spaced
// places of one of more than 8 MiB, of which at most 4 MiB are read.
func (s *Set) Stats(ctx context.Context) (Stats, error) {
	var c Counter
	if s.Size() <= wholeUpTo {
		_, err := s.Each(ctx, Cursor{}, func(it Item) (bool, error) {
			c.Add(&it)
			return true, nil
		})
		return c.Stats(), err
	}
	var mu sync.Mutex
	var bytes int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sampleReaders)
	for i := range int64(samples) {
		g.Go(func() error {
			at, err := s.place(gctx, s.Size()/samples*i)
			if err != nil {
				return err
			}
			w := s.walk(gctx, at, s.Parts)
			for w.taken < sampleBytes {
				it, ok, err := w.next()
				if err != nil || !ok {
					return err
				}
				mu.Lock()
				c.Add(&it)
				mu.Unlock()
			}
			mu.Lock()
			bytes += w.taken
			mu.Unlock()
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Stats{}, err
	}
	out := c.Stats()
	out.Sampled = true
	if bytes > 0 {
		out.Of = max(out.Count, int64(float64(s.Size())/float64(bytes)*float64(out.Count)))
	}
	return out, nil
}
