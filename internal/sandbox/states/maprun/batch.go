package maprun

import (
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Batching is how items are put together: as ItemBatcher says, evaluated.
type Batching struct {
	MaxItems, MaxBytes int64
	Common             *any // BatchInput, if there is one
}

// batcher groups items as ItemBatcher says.
type batcher struct {
	Batching
	head  []byte // what a batch begins with
	batch []byte
	items int64
	yield func(childInput) error
}

func (m *Run) batcher() (*batcher, error) {
	how, err := m.Parent.Batching()
	if err != nil {
		return nil, err
	}
	b := &batcher{Batching: how, head: []byte(`{"Items":[`)}
	if how.Common != nil {
		b.head = append(value.Append([]byte(`{"BatchInput":`), *how.Common), `,"Items":[`...)
	}
	return b, nil
}

func (b *batcher) add(item any) error {
	text := value.Encode(item)
	size := int64(len(b.batch) + len(text) + len(`,]}`))
	if b.items == b.MaxItems || b.items > 0 && size > b.MaxBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	if b.items == 0 {
		b.batch = append(b.batch[:0], b.head...)
	} else {
		b.batch = append(b.batch, ',')
	}
	b.batch = append(b.batch, text...)
	b.items++
	return nil
}

func (b *batcher) flush() error {
	if b.items == 0 {
		return nil
	}
	in := childInput{string(append(b.batch, "]}"...)), int(b.items)}
	b.batch, b.items = b.batch[:0], 0
	return b.yield(in)
}
