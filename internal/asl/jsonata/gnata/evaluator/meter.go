package evaluator

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
)

// Bounds of one evaluation. Those of memory and depth are Step Functions' own,
// as measured with TestState (github.com/floci-io/floci, issue 2737): a sequence
// of 873,782 numbers and a text of 2^22 characters are accepted, one number more
// and 2^23 characters are refused, and so are expressions that nest deeper than
// 100 evaluations.
const (
	// MaxDepth bounds evaluations inside evaluations, and calls inside calls.
	MaxDepth = 100
	// MaxBytes bounds a text, and a sequence at eight bytes an element.
	MaxBytes = 6_990_256
	// MaxElements bounds a sequence, and the number of parts of a value.
	MaxElements = MaxBytes / 8
	// MaxNesting bounds arrays and objects inside each other, as JSON readers do.
	MaxNesting = 1000
	// maxTuples bounds the contexts of a path with joins or positions.
	maxTuples = MaxElements / 8
	// maxSteps ends what runs without an end. AWS measures time; steps do not
	// depend on the machine.
	maxSteps = 5_000_000
	// bytesPerStep is what is copied in about the time of a step, the collector's part included.
	bytesPerStep = 512
)

// What ends an evaluation that is beyond its bounds, in Step Functions' words.
var (
	ErrMemory = &LimitError{"Expression evaluation memory limit exceeded: Check for excessive memory usage"}
	ErrDepth  = &LimitError{"Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive."}
	ErrSteps  = &LimitError{"Expression evaluation timeout: Check for infinite loop"}
)

// ErrInternal is what AWS itself has no words for.
var ErrInternal = errors.New("an internal error")

// LimitError says which bound of an evaluation was passed. It has no code.
type LimitError struct{ text string }

// Error is Step Functions' text.
func (e *LimitError) Error() string { return e.text }

// Meter counts what one evaluation uses. One goroutine owns it.
type Meter struct {
	ctx          context.Context //nolint:containedctx // it lives as long as the evaluation
	depth, calls int
	steps        int

	// What was allocated so far decides only when the heap is looked at: most of
	// it is garbage, and only the collector knows how much.
	allocated, checkAt int
	heavy              bool
	base               uint64
}

// NewMeter returns the meter of an evaluation that ctx may end. Done must be
// called after it.
func NewMeter(ctx context.Context) *Meter { return &Meter{ctx: ctx, checkAt: lightBytes} }

// Done gives back what the meter holds.
func (m *Meter) Done() {
	if m.heavy {
		m.heavy = false
		<-heavySlot
	}
}

func (m *Meter) enter() error {
	if m.depth >= MaxDepth {
		return ErrDepth
	}
	m.depth++
	return m.Spend(1)
}

func (m *Meter) leave() { m.depth-- }

// Spend counts n steps of work.
func (m *Meter) Spend(n int) error {
	before := m.steps
	m.steps += n
	if n < 0 || m.steps > maxSteps {
		return ErrSteps
	}
	if before>>8 != m.steps>>8 && m.ctx != nil {
		return m.ctx.Err()
	}
	return nil
}

// Room says whether a text or a sequence of that many bytes may be made.
func (m *Meter) Room(bytes int) error {
	if bytes < 0 || bytes > MaxBytes {
		return ErrMemory
	}
	m.allocated += bytes
	if m.allocated > m.checkAt {
		if err := m.weigh(); err != nil {
			return err
		}
	}
	// What is made is copied: a text to which a loop appends takes the square of its length.
	return m.Spend(bytes / bytesPerStep)
}

// Compare pays for the comparison of two values that may be long texts.
func (m *Meter) Compare(a, b any) error {
	x, _ := a.(string)
	y, _ := b.(string)
	return m.Spend(min(len(x), len(y)) / bytesPerStep)
}

// Elements says whether a sequence of that many elements may be made.
func (m *Meter) Elements(n int) error {
	if n < 0 || n > MaxElements {
		return ErrMemory
	}
	return m.Room(8 * n)
}

// made checks what a function returned.
func (m *Meter) made(v any) error {
	switch x := v.(type) {
	case string:
		return m.Room(len(x))
	case []any:
		return m.Elements(len(x))
	case *Sequence:
		return m.Elements(len(x.Values))
	}
	return nil
}

// An evaluation that allocates more than lightBytes waits until no other one
// does so, and may keep heavyBytes of it: together with the bound on values that
// keeps the process small whatever expressions do.
const (
	lightBytes = 32 << 20
	heavyBytes = 128 << 20
	checkEvery = 64 << 20
)

var heavySlot = make(chan struct{}, 1)

// weigh looks at the heap.
func (m *Meter) weigh() error {
	m.checkAt = m.allocated + checkEvery
	if !m.heavy {
		select {
		case heavySlot <- struct{}{}:
			m.heavy = true
		case <-m.ctx.Done():
			return m.ctx.Err()
		}
		runtime.GC()
		m.base = liveHeap()
		return nil
	}
	runtime.GC()
	if live := liveHeap(); live > m.base+heavyBytes {
		return ErrMemory
	}
	return nil
}

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// Tree says whether values may be walked to their leaves. Parts may be shared:
// forty doublings of an array are small, and a trillion leaves.
func (m *Meter) Tree(values ...any) error {
	w := treeWalk{left: MaxElements}
	for _, v := range values {
		if err := w.walk(v, 0); err != nil {
			return err
		}
	}
	return m.Spend((MaxElements - w.left) / 16)
}

type treeWalk struct{ left int }

func (w *treeWalk) walk(v any, depth int) error {
	if depth > MaxNesting {
		return ErrDepth
	}
	if w.left--; w.left < 0 {
		return ErrMemory
	}
	switch x := v.(type) {
	case string:
		w.left -= len(x) / 8
	case []any:
		return w.all(x, depth)
	case *Sequence:
		return w.all(x.Values, depth)
	case *OrderedMap:
		for _, k := range x.keys {
			w.left -= len(k) / 8
			if err := w.walk(x.data[k], depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range x {
			w.left -= len(k) / 8
			if err := w.walk(e, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *treeWalk) all(list []any, depth int) error {
	for _, e := range list {
		if err := w.walk(e, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Truth is the boolean cast of a value that may be large.
func (m *Meter) Truth(v any) (bool, error) {
	switch v.(type) {
	case []any, *Sequence:
		if err := m.Tree(v); err != nil {
			return false, err
		}
	}
	return ToBoolean(v), nil
}

// grow appends to a sequence that is being made.
func (m *Meter) grow(seq *Sequence, values ...any) error {
	if len(seq.Values)+len(values) > MaxElements {
		return ErrMemory
	}
	before := cap(seq.Values)
	seq.Values = append(seq.Values, values...)
	if cap(seq.Values) == before {
		return nil
	}
	return m.Room(8 * cap(seq.Values) / 2)
}
