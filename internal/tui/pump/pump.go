// Package pump carries a channel into the terminal's program in batches, so that a
// burst of thousands of events costs a few frames and typing stays smooth. It
// imports nothing of this module.
package pump

import (
	"context"
	"time"
)

// Window is how long a batch gathers after its first item, Max how many items it
// takes at most.
const (
	Window = 33 * time.Millisecond
	Max    = 256
)

// Batch is what came in a window.
type Batch[T any] struct {
	Items []T
	// Closed is set with the last batch: the channel is closed, or ctx is done.
	Closed bool
}

// Next waits for the next batch of ch: the first receive blocks, then items
// gather until the window or the maximum is reached. Keep one outstanding per
// channel and call it again from the handler unless the batch is the last one.
// arrived is called once, when the waiting for the first one is over.
func Next[T any](ctx context.Context, ch <-chan T, arrived func()) Batch[T] {
	var b Batch[T]
	select {
	case v, ok := <-ch:
		arrived()
		if !ok {
			b.Closed = true
			return b
		}
		b.Items = append(b.Items, v)
	case <-ctx.Done():
		arrived()
		b.Closed = true
		return b
	}
	window := time.NewTimer(Window)
	defer window.Stop()
	for len(b.Items) < Max {
		select {
		case v, ok := <-ch:
			if !ok {
				b.Closed = true
				return b
			}
			b.Items = append(b.Items, v)
		case <-window.C:
			return b
		case <-ctx.Done():
			b.Closed = true
			return b
		}
	}
	return b
}
