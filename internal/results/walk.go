package results

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// walker goes through entries, one file after the other.
type walker struct {
	ctx   context.Context
	set   *Set
	parts []Part
	at    Cursor // where the next entry begins
	taken int64  // bytes that were passed

	lines *bufio.Reader // of the open file of lines
	array *arrayReader  // of the open JSON array
}

func (s *Set) walk(ctx context.Context, at Cursor, parts []Part) *walker {
	return &walker{ctx: ctx, set: s, parts: parts, at: at}
}

// ended tells whether nothing follows.
func (w *walker) ended() bool {
	for i := w.at.Part; i < len(w.parts); i++ {
		if i > w.at.Part && w.parts[i].Size > 0 || i == w.at.Part && w.at.Offset < w.parts[i].Size && !w.closes() {
			return false
		}
	}
	return true
}

// closes tells whether of the open array nothing but its end is left.
func (w *walker) closes() bool { return w.array != nil && !w.array.more() }

// next is the next entry; false at the end.
func (w *walker) next() (Item, bool, error) {
	for w.at.Part < len(w.parts) {
		if w.at.Offset >= w.parts[w.at.Part].Size {
			w.at, w.lines, w.array = Cursor{Part: w.at.Part + 1}, nil, nil
			continue
		}
		if err := w.ctx.Err(); err != nil {
			return Item{}, false, &fault.Error{Kind: fault.KindOf(err), Op: "read results", Err: err}
		}
		w.open()
		it, ok, err := w.entry()
		if err != nil || ok {
			return it, ok, err
		}
	}
	return Item{}, false, nil
}

func (w *walker) open() {
	if w.lines != nil || w.array != nil {
		return
	}
	p := w.parts[w.at.Part]
	r := read(w.ctx, w.set.API, Object{w.set.Bucket, p.Key}, w.at.Offset, p.Size)
	if p.array {
		w.array = newArrayReader(r, w.at.Offset)
		return
	}
	w.lines = bufio.NewReaderSize(r, 64<<10)
}

// entry is the next entry of the open file; false if there is none before its end.
func (w *walker) entry() (Item, bool, error) {
	if w.array != nil {
		raw, begin, end, err := w.array.next()
		if err != nil {
			return Item{}, false, err
		}
		if raw == nil {
			w.at.Offset = w.parts[w.at.Part].Size
			return Item{}, false, nil
		}
		it := decode(raw)
		it.At = Cursor{w.at.Part, begin}
		w.taken += end - w.at.Offset
		w.at.Offset = end
		return it, true, nil
	}
	text, size, err := w.line()
	if err != nil {
		return Item{}, false, err
	}
	at := w.at
	w.at.Offset += size
	w.taken += size
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 {
		return Item{}, false, nil
	}
	if size > MaxItem {
		return Item{At: at, Size: size, Head: beginning(text)}, true, nil
	}
	it := decode(text)
	it.At = at
	return it, true, nil
}

// line reads a line with its end. Of one of more than MaxItem bytes it returns the
// beginning, and passes over the rest.
func (w *walker) line() (text []byte, size int64, err error) {
	for {
		some, err := w.lines.ReadSlice('\n')
		size += int64(len(some))
		if len(text) < MaxItem {
			text = append(text, some[:min(len(some), MaxItem-len(text))]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && size > 0, err == nil:
			return text, size, nil
		case errors.Is(err, io.EOF):
			return nil, 0, changed(Object{w.set.Bucket, w.parts[w.at.Part].Key}, err)
		}
		return nil, 0, err
	}
}

// skipLine passes over what is left of a line.
func (w *walker) skipLine() error {
	w.open()
	_, size, err := w.line()
	if err != nil {
		return err
	}
	w.at.Offset += size
	if w.at.Offset >= w.parts[w.at.Part].Size {
		w.at, w.lines = Cursor{Part: w.at.Part + 1}, nil
	}
	return nil
}

// arrayReader reads the elements of a JSON array from a place between two of them on.
type arrayReader struct {
	src  *bufio.Reader
	base int64 // of the first byte of what the decoder reads
	dec  *json.Decoder
	err  error
}

func newArrayReader(r io.Reader, offset int64) *arrayReader {
	return &arrayReader{src: bufio.NewReaderSize(r, 64<<10), base: offset}
}

// open takes what stands before the first element away, and gives the decoder the
// beginning of an array in its place.
func (a *arrayReader) open() {
	if a.dec != nil || a.err != nil {
		return
	}
	passed := int64(0)
	for seen := false; ; passed++ {
		b, err := a.src.Peek(1)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				a.err = err
			}
			break
		}
		if space := b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t'; !space {
			if seen || b[0] != '[' && b[0] != ',' {
				break
			}
			seen = true
		}
		_, _ = a.src.Discard(1) // it was peeked
	}
	a.base += passed - 1 // of the bracket that is not there
	a.dec = json.NewDecoder(io.MultiReader(strings.NewReader("["), &bounded{r: a.src}))
	if _, err := a.dec.Token(); err != nil {
		a.err = err
	}
}

func (a *arrayReader) more() bool {
	a.open()
	return a.err == nil && a.dec.More()
}

// next is the next element, and where it begins (or the comma before it) and ends; nil at
// the end of the array.
func (a *arrayReader) next() (raw json.RawMessage, begin, end int64, err error) {
	if !a.more() {
		if a.err == nil || errors.Is(a.err, io.EOF) {
			return nil, 0, 0, nil
		}
		return nil, 0, 0, fault.Wrap(a.err, "read an array of results")
	}
	begin = a.base + a.dec.InputOffset()
	if err := a.dec.Decode(&raw); err != nil {
		return nil, 0, 0, fault.New(fault.Damaged, "a file of results is not JSON: %s", fault.Reason(err)).Because(err)
	}
	return raw, max(0, begin), a.base + a.dec.InputOffset(), nil
}

// bounded ends a reader whose consumer keeps what it reads until it has an element whole.
// The decoder's buffer holds one element, so that what is passed is of no matter; what is
// too long is cut by how much is asked for at once: the decoder doubles its buffer.
type bounded struct{ r io.Reader }

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if len(p) > 2*pageBudget {
		return 0, fault.New(fault.Unsupported, "an element of a file of results is longer than %d bytes", pageBudget)
	}
	return b.r.Read(p)
}
