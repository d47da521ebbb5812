package results

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"hash/maphash"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// maxCompared bounds the results of each side that are compared: what is remembered of
// one are 40 bytes.
const maxCompared = 2_000_000

// Change is how one field of a prediction differs. A value that is nil is not there.
type Change struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Changes are the fields in which two predictions differ. Numbers that differ by no more
// than the tolerance do not, however deep or in how long a list they stand; whole numbers
// are compared as they are written if there is no tolerance.
func Changes(before, after json.RawMessage, tolerance float64) []Change {
	if same(before, after, tolerance) {
		return nil
	}
	var out []Change
	later := map[string]Field{}
	for _, f := range Flatten(after) {
		later[f.Path] = f
	}
	seen := map[string]bool{}
	for _, f := range Flatten(before) {
		seen[f.Path] = true
		if g, ok := later[f.Path]; !ok || !same(f.Value, g.Value, tolerance) {
			out = append(out, Change{f.Path, f.Value, g.Value})
		}
	}
	for _, g := range Flatten(after) {
		if !seen[g.Path] {
			out = append(out, Change{Field: g.Path, After: g.Value})
		}
	}
	return out
}

// same tells whether two JSON values say the same. The order of an object's members says
// nothing.
func same(a, b json.RawMessage, tolerance float64) bool {
	if bytes.Equal(compact(a), compact(b)) {
		return true
	}
	x, err1 := decoded(a)
	y, err2 := decoded(b)
	return err1 == nil && err2 == nil && alike(x, y, tolerance)
}

// decoded is a JSON value with its numbers as they are written.
func decoded(raw json.RawMessage) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

func alike(a, b any, tolerance float64) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && near(x, y, tolerance)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, func(m, n any) bool { return alike(m, n, tolerance) })
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, func(m, n any) bool { return alike(m, n, tolerance) })
	}
	return a == b // a text, a truth or null
}

// near tells whether two numbers differ by no more than the tolerance. Whole numbers beyond
// 2^53 are often ids, and many share one float64.
func near(a, b json.Number, tolerance float64) bool {
	if a == b {
		return true
	}
	x, err1 := a.Float64()
	y, err2 := b.Float64()
	if err1 != nil || err2 != nil {
		return false
	}
	if x == y && math.Abs(x) >= 1<<53 && whole(a) && whole(b) {
		return exactly(a, b, tolerance)
	}
	return math.Abs(x-y) <= tolerance
}

// whole tells whether a number is written without a fraction and an exponent.
func whole(n json.Number) bool { return !strings.ContainsAny(string(n), ".eE") }

// exactly is near for two whole numbers that share one float64.
func exactly(a, b json.Number, tolerance float64) bool {
	x, ok1 := new(big.Int).SetString(string(a), 10)
	y, ok2 := new(big.Int).SetString(string(b), 10)
	if !ok1 || !ok2 {
		return false
	}
	by, _ := new(big.Float).SetInt(x.Sub(x, y)).Float64()
	return math.Abs(by) <= tolerance
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// Difference is one item whose predictions differ.
type Difference struct {
	ID      json.RawMessage `json:"id"`
	Changes []Change        `json:"changes"`
}

// Comparison is how the results of two data sets differ.
type Comparison struct {
	Same      int64 `json:"same"`
	Different int64 `json:"different"`
	// OnlyBefore and OnlyAfter count items that one of them has.
	OnlyBefore int64 `json:"onlyBefore"`
	OnlyAfter  int64 `json:"onlyAfter"`
	// Moves are the most frequent changes of a field from one text to another.
	Moves []Move `json:"moves"`
	// Numbers are how much numbers have changed, of the items that differ.
	Numbers []NumberChange `json:"numbers"`
	// First are the first items that differ.
	First []Difference `json:"first"`
}

// Move is a change of a field from one value to another, and how often it is there.
type Move struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Count  int64           `json:"count"`
}

// NumberChange is how much a field that is a number has changed.
type NumberChange struct {
	Field    string  `json:"field"`
	Count    int64   `json:"count"`
	MeanAbs  float64 `json:"meanAbsolute"`
	GreatAbs float64 `json:"greatestAbsolute"`
}

// remembered is one item of the side that is read first.
type remembered struct {
	id, prediction uint64 // hashes
	at             Cursor
	used           bool
}

// waiting is an item of the second side whose prediction is another one.
type waiting struct {
	at    Cursor // of what it was
	id    json.RawMessage
	after json.RawMessage
}

const (
	// waitingMemory bounds the items that differ and wait to be compared, in bytes: what
	// they were is read in one go, for a request each would be one for every item where a
	// new model gives each another score.
	waitingMemory = 16 << 20
	// readOn is how far ahead the next of them may stand, in bytes, to be read on to.
	readOn = 1 << 20
)

// Compare compares the results of two data sets by their ids. It reads both whole, as
// streams, and the first again as far as it differs: of it it remembers 40 bytes an item. Items without an id can't be
// compared, and of several with one id the first is.
func Compare(ctx context.Context, before, after *Set, tolerance float64, first int) (*Comparison, error) {
	c := &comparer{
		out: &Comparison{Moves: []Move{}, Numbers: []NumberChange{}, First: []Difference{}}, seed: maphash.MakeSeed(),
		moves: map[string]*Move{}, numbers: map[string]*NumberChange{}, first: first, tolerance: tolerance, before: before,
	}
	if err := c.remember(ctx); err != nil {
		return nil, err
	}
	_, err := after.Each(ctx, Cursor{}, func(it Item) (bool, error) {
		if it.ID == nil {
			return false, withoutID()
		}
		return true, c.meet(ctx, &it)
	})
	if err == nil {
		err = c.settle(ctx)
	}
	if err != nil {
		return nil, err
	}
	for i := range c.list {
		if !c.list[i].used {
			c.out.OnlyBefore++
		}
	}
	return c.result(), nil
}

func withoutID() error {
	return fault.New(fault.Unsupported, "the results have no ids: nothing tells which belong together").
		WithHint("Let the pipeline's function return ids beside the records.")
}

type comparer struct {
	out       *Comparison
	before    *Set
	seed      maphash.Seed
	list      []remembered // by id
	first     int
	tolerance float64
	moves     map[string]*Move
	numbers   map[string]*NumberChange
	order     []string
	waiting   []waiting
	size      int64 // of waiting, in bytes
}

func (c *comparer) hash(raw []byte) uint64 { return maphash.Bytes(c.seed, raw) }

func (c *comparer) remember(ctx context.Context) error {
	_, err := c.before.Each(ctx, Cursor{}, func(it Item) (bool, error) {
		if it.ID == nil {
			return false, withoutID()
		}
		if len(c.list) >= maxCompared {
			return false, fault.New(fault.Unsupported, "there are more than %d results: they can't be compared here", maxCompared).
				WithHint("Write both with `pipelinetui results get --format parquet` and compare these.")
		}
		c.list = append(c.list, remembered{id: c.hash([]byte(it.Key())), prediction: c.hash(compact(it.Prediction)), at: it.At})
		return true, nil
	})
	slices.SortStableFunc(c.list, func(a, b remembered) int { return cmp.Compare(a.id, b.id) })
	c.list = slices.CompactFunc(c.list, func(a, b remembered) bool { return a.id == b.id })
	return err
}

// meet compares an item of the second side with that of the first.
func (c *comparer) meet(ctx context.Context, it *Item) error {
	i, found := slices.BinarySearchFunc(c.list, c.hash([]byte(it.Key())), func(r remembered, id uint64) int { return cmp.Compare(r.id, id) })
	if !found {
		c.out.OnlyAfter++
		return nil
	}
	r := &c.list[i]
	if r.used {
		return nil
	}
	r.used = true
	if r.prediction == c.hash(compact(it.Prediction)) {
		c.out.Same++
		return nil
	}
	c.waiting = append(c.waiting, waiting{at: r.at, id: it.ID, after: it.Prediction})
	if c.size += it.Size; c.size < waitingMemory {
		return nil
	}
	return c.settle(ctx)
}

// settle compares the items that wait with what they were, which is read in the order in
// which it stands.
func (c *comparer) settle(ctx context.Context) error {
	list := c.waiting
	c.waiting, c.size = nil, 0
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(list[a].at.Part, list[b].at.Part), cmp.Compare(list[a].at.Offset, list[b].at.Offset))
	})
	w := c.before.walk(ctx, Cursor{}, c.before.Parts)
	var first []settled
	room := c.first - len(c.out.First)
	for _, i := range order {
		to := list[i].at
		if w.at.Part != to.Part || to.Offset-w.at.Offset > readOn {
			w = c.before.walk(ctx, to, c.before.Parts)
		}
		was, err := w.reach(to)
		if err != nil {
			return err
		}
		changes := Changes(was.Prediction, list[i].after, c.tolerance)
		if len(changes) == 0 {
			c.out.Same++
			continue
		}
		c.out.Different++
		for _, ch := range changes {
			c.count(ch)
		}
		if first = append(first, settled{i, Difference{list[i].id, changes}}); len(first) > 2*room {
			first = firstOf(first, room)
		}
	}
	for _, x := range firstOf(first, room) {
		c.out.First = append(c.out.First, x.Difference)
	}
	return nil
}

// settled is an item that differs, and which of those that waited it is.
type settled struct {
	i int
	Difference
}

func firstOf(list []settled, n int) []settled {
	slices.SortFunc(list, func(a, b settled) int { return cmp.Compare(a.i, b.i) })
	return list[:min(n, len(list))]
}

// reach is the entry at a place that lies ahead in the same file. (Of an array the place is
// where the comma before it stands, or behind that.)
func (w *walker) reach(to Cursor) (Item, error) {
	for {
		it, ok, err := w.next()
		if err != nil {
			return it, err
		}
		if !ok || it.At.Part != to.Part {
			return it, changed(Object{w.set.Bucket, w.parts[to.Part].Key}, nil)
		}
		if it.At.Offset >= to.Offset {
			return it, nil
		}
	}
}

func (c *comparer) count(ch Change) {
	a, b := Field{Value: ch.Before}, Field{Value: ch.After}
	x, isNumber := a.Number()
	if y, both := b.Number(); isNumber && both {
		n := c.numbers[ch.Field]
		if n == nil {
			if len(c.numbers) >= maxFields {
				return
			}
			n = &NumberChange{Field: ch.Field}
			c.numbers[ch.Field] = n
			c.order = append(c.order, ch.Field)
		}
		n.Count++
		n.MeanAbs += math.Abs(x - y) // divided at the end
		n.GreatAbs = max(n.GreatAbs, math.Abs(x-y))
		return
	}
	key := ch.Field + "\x00" + string(ch.Before) + "\x00" + string(ch.After)
	m := c.moves[key]
	if m == nil {
		if len(c.moves) >= maxLabels || len(key) > headLength {
			return
		}
		m = &Move{Field: ch.Field, Before: ch.Before, After: ch.After}
		c.moves[key] = m
	}
	m.Count++
}

func (c *comparer) result() *Comparison {
	for _, m := range c.moves {
		c.out.Moves = append(c.out.Moves, *m)
	}
	slices.SortFunc(c.out.Moves, func(a, b Move) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Field, b.Field), bytes.Compare(a.Before, b.Before), bytes.Compare(a.After, b.After))
	})
	if len(c.out.Moves) > Bins {
		c.out.Moves = c.out.Moves[:Bins]
	}
	for _, name := range c.order {
		n := *c.numbers[name]
		n.MeanAbs /= float64(n.Count)
		c.out.Numbers = append(c.out.Numbers, n)
	}
	return c.out
}
