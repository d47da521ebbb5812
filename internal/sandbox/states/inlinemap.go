package states

import (
	"context"
	"errors"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// inlineConcurrency is how many iterations of an inline Map run at a time where
// nothing is said.
const inlineConcurrency = 40

// mapState runs a Map state's iterations.
func (b *branch) mapState(st *asl.State, ev *evaluation) error {
	if st.Map.Distributed {
		return b.distributed(st, ev)
	}
	limit, err := ev.concurrency()
	if err != nil {
		return err
	}
	if b.cur.Phase != phaseChildren {
		items, err := ev.items()
		if err != nil {
			return err
		}
		length := len(items)
		b.step(func(s *stepper) {
			c := &b.cur
			c.Side = s.event("MapStateStarted", &details{Length: &length})
			c.Phase, c.Items = phaseChildren, docOf(items)
			c.Round++
		})
	}
	items, _ := b.cur.Items.v.([]any)
	out := make([]any, len(items))
	var mu sync.Mutex
	var last int64
	failed, err := b.runChildren(len(items), limit, b.cur.Side, func(ctx context.Context, i int, head int64) (int64, error) {
		c, err := b.iteration(ctx, st, ev, i, items[i], head)
		if err != nil {
			return head, err
		}
		out[i], err = c.run()
		end := b.endIteration(c, st.Name, i, err)
		mu.Lock()
		last = max(last, end)
		mu.Unlock()
		return c.cur.Head, err
	})
	if err != nil {
		return b.childrenFailed(st, "MapStateAborted", failed, err)
	}
	b.step(func(s *stepper) {
		if last == 0 {
			last = b.cur.Side
		}
		b.cur.Head = last
		s.side("MapStateSucceeded", last, nil)
		b.childrenDone(out)
	})
	return nil
}

// iteration makes the branch of one item and records its start.
func (b *branch) iteration(ctx context.Context, st *asl.State, ev *evaluation, i int, item any, head int64) (*branch, error) {
	c, err := b.newChild(ctx, st.Map.Processor, i, item, head, itemContext(i, "", item))
	if err != nil || c.cur.Head != head || c.cur.Entered != 0 || c.cur.Done {
		return c, err // goes on after a restart
	}
	if st.Map.Selector != nil {
		in, err := ev.selectItem(c.item, item)
		if err != nil {
			return nil, err
		}
		c.cur.Input = docOf(in)
	}
	c.step(func(s *stepper) { s.event("MapIterationStarted", &details{Name: st.Name, Index: &i}) })
	return c, nil
}

// endIteration records the end of an iteration, once.
func (b *branch) endIteration(c *branch, name string, i int, err error) int64 {
	typ := "MapIterationSucceeded"
	if err != nil {
		typ = "MapIterationAborted"
		if _, failed := failureOf(err); failed {
			typ = "MapIterationFailed"
		} else if !errors.Is(c.interrupted(), errBranchTo) {
			return c.cur.Head
		}
	}
	if c.cur.Side == 0 {
		c.step(func(s *stepper) { c.cur.Side = s.side(typ, c.cur.Head, &details{Name: name, Index: &i}) })
	}
	return c.cur.Side
}

// items evaluates what a Map iterates over.
func (e *evaluation) items() ([]any, error) {
	in, err := e.input()
	if err != nil {
		return nil, err
	}
	m := e.st.Map
	if e.st.QueryLanguage == asl.JSONata {
		return e.jsonataItems(in)
	}
	v := in
	if m.ItemsPath.Set && !m.ItemsPath.Null {
		if v, err = e.with(in).path(m.ItemsPath.Expr); err != nil {
			return nil, err
		}
	}
	list, ok := v.([]any)
	if !ok {
		path := "$"
		if m.ItemsPath.Expr != nil {
			path = m.ItemsPath.Expr.Ref.Path.String()
		}
		return nil, e.runtime("Reference path \"%s\" must point to array.", path)
	}
	return list, nil
}

func (e *evaluation) jsonataItems(in any) ([]any, error) {
	t := e.st.Map.Items
	switch {
	case t == nil:
		list, ok := in.([]any)
		if !ok {
			return nil, e.query("", "Map state input must be an array but was: %s", value.String(in))
		}
		return list, nil
	case t.Expr != nil:
		v, err := e.typed(t.Expr, "array")
		list, _ := v.([]any)
		return list, err
	default:
		v, err := e.template(t)
		list, _ := v.([]any)
		return list, err
	}
}

// selectItem applies ItemSelector to one item.
func (e *evaluation) selectItem(item *value.Object, _ any) (any, error) {
	in, err := e.input()
	if err != nil {
		return nil, err
	}
	return e.withItem(item).with(in).template(e.st.Map.Selector)
}

// concurrency is how many iterations may run at a time.
func (e *evaluation) concurrency() (int, error) {
	in, err := e.input()
	if err != nil {
		return 0, err
	}
	n, _, err := e.with(in).integer(e.st.Map.MaxConcurrency, 0, maxSeconds)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		n = inlineConcurrency
	}
	return int(n), nil
}
