package interpreter

import (
	"context"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
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
		source, length, err := ev.items()
		if err != nil {
			return err
		}
		b.step(func(s *stepper) {
			c := &b.cur
			c.Side = s.event("MapStateStarted", &history.Details{Length: &length})
			c.Phase, c.Items = phaseChildren, docOf(source)
			c.Round++
		})
	}
	all, ok := items.Of(b.cur.Items.v)
	if !ok { // recorded by evaluation.items, which returns nothing else
		return ev.runtime("The items of the Map state cannot be read.")
	}
	out := make([]any, len(all))
	var mu sync.Mutex
	var last int64
	failed, err := b.runChildren(len(all), limit, b.cur.Side, func(ctx context.Context, i int, head int64) (int64, error) {
		c, err := b.iteration(ctx, st, ev, i, all[i], head)
		if err != nil {
			return head, err
		}
		b.children[i] = c
		defer c.release()
		if out[i], err = c.run(); err != nil {
			return c.cur.Head, err
		}
		end := c.endIteration(st.Name, i)
		mu.Lock()
		last = max(last, end)
		mu.Unlock()
		return c.cur.Head, nil
	})
	if err != nil {
		return b.childrenFailed(st, failed, err)
	}
	if err := result(st.Name, out, maxBuilt); err != nil {
		return err
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
func (b *branch) iteration(ctx context.Context, st *asl.State, ev *evaluation, i int, item items.Item, head int64) (*branch, error) {
	c, err := b.newChild(ctx, st.Map.Processor, i, item.Input(), head, item.Context(i))
	if err != nil || c.cur.Head != head || c.cur.Entered != 0 || c.cur.Done {
		return c, err // goes on after a restart
	}
	if st.Map.Selector != nil {
		in, err := ev.selectItem(c.item)
		if err != nil {
			return nil, err
		}
		c.cur.Input = docOf(in)
	}
	c.step(func(s *stepper) { s.event("MapIterationStarted", &history.Details{Name: st.Name, Index: &i}) })
	return c, nil
}

// endIteration records that the iteration succeeded, once. What ends the others
// is recorded when all have stopped (childrenFailed).
func (b *branch) endIteration(name string, i int) int64 {
	if b.cur.Side == 0 {
		b.step(func(s *stepper) {
			b.cur.Side = s.side("MapIterationSucceeded", b.cur.Head, &history.Details{Name: name, Index: &i})
		})
	}
	return b.cur.Side
}

// items evaluates what a Map iterates over, an array or an object, and counts it.
func (e *evaluation) items() (source any, length int, err error) {
	if source, err = e.itemSource(); err != nil {
		return nil, 0, err
	}
	if err = e.shallow(source); err != nil {
		return nil, 0, err
	}
	switch v := source.(type) {
	case []any:
		return v, len(v), nil
	case *value.Object:
		return v, v.Len(), nil
	}
	return nil, 0, e.runtime("A Map state iterates over an array or an object, not over: %s", value.String(source))
}

func (e *evaluation) itemSource() (any, error) {
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
	switch v.(type) {
	case []any:
		return v, nil
	case *value.Object:
		if e.b.x.inspected == nil { // TestState takes arrays only (recorded in December 2025)
			return v, nil
		}
	}
	path := "$"
	if m.ItemsPath.Expr != nil {
		path = m.ItemsPath.Expr.Ref.Path.String()
	}
	return nil, e.runtime("Reference path \"%s\" must point to array.", path)
}

func (e *evaluation) jsonataItems(in any) (any, error) {
	t := e.st.Map.Items
	switch {
	case t == nil:
		if _, ok := in.([]any); !ok {
			return nil, e.query("", "Map state input must be an array but was: %s", value.String(in))
		}
		return in, nil
	case t.Expr != nil:
		v, err := e.jsonata(t.Expr)
		if _, isObject := v.(*value.Object); err != nil || isObject {
			return v, err
		}
		return v, e.expect(t.Expr, v, "array")
	default: // an array or an object, by the parser
		return e.template(t)
	}
}

// selectItem applies ItemSelector to the item of an iteration, whose "Map" of the
// context object is given.
func (e *evaluation) selectItem(item *value.Object) (any, error) {
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
