package results

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

const (
	// joinMemory bounds the items of a data set that wait for their results, in bytes;
	// joinItem is what one takes beside its text: its id, its places in map and order.
	joinMemory = 40 << 20
	joinItem   = 128
	// joinSlack is how many that do not wait any more are kept in their order at least.
	joinSlack = 10_000
	// besidePage is how much of a data set is read around a page's place, in bytes, to
	// either side.
	besidePage = 2 << 20
)

// DataSet is what an execution read its items from: one object of JSON lines or CSV.
type DataSet struct {
	API    API
	Object Object
	Size   int64
	CSV    bool
	header []string // of CSV
}

// OpenDataSet looks for the object of a data set.
func OpenDataSet(ctx context.Context, api API, o Object, isCSV bool) (*DataSet, error) {
	raw, size, err := head(ctx, api, o, firstRange)
	if err != nil {
		return nil, err
	}
	d := &DataSet{API: api, Object: o, Size: size, CSV: isCSV}
	if isCSV && size > 0 {
		d.header, err = csv.NewReader(bytes.NewReader(raw)).Read()
		if err != nil {
			return nil, changed(o, err)
		}
	}
	return d, nil
}

// Fill gives the results of a page their inputs, by their ids, as far as these stand in the
// data set about where the page stands in the results: children end about in the order in
// which they begin. Of a data set of up to 4 MiB all is read.
func (d *DataSet) Fill(ctx context.Context, items []Item, share float64) error {
	want := map[string][]int{}
	for i := range items {
		if items[i].ID != nil && items[i].Input == nil {
			want[items[i].Key()] = append(want[items[i].Key()], i)
		}
	}
	if len(want) == 0 {
		return nil
	}
	middle := int64(share * float64(d.Size))
	j := d.join(ctx, max(0, middle-besidePage), min(d.Size, middle+besidePage))
	for len(want) > 0 {
		id, input, err := j.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, i := range want[id] {
			items[i].Input = input
		}
		delete(want, id)
	}
	return nil
}

// Joiner gives results their inputs while both are read from their beginning to their end. It
// keeps at most 40 MiB of inputs whose results have not come; what is dropped has none.
type Joiner struct {
	src     *items
	waiting map[string]json.RawMessage
	order   []string // of waiting, some of which are gone
	size    int
	ended   bool
}

// Join begins at the beginning of the data set.
func (d *DataSet) Join(ctx context.Context) *Joiner {
	return &Joiner{src: d.join(ctx, 0, d.Size), waiting: map[string]json.RawMessage{}}
}

// Fill gives a result its input, if that is found.
func (j *Joiner) Fill(it *Item) error {
	if it.ID == nil || it.Input != nil {
		return nil
	}
	key := it.Key()
	for {
		if input, ok := j.waiting[key]; ok {
			it.Input = input
			delete(j.waiting, key)
			j.size -= len(input) + joinItem
			return nil
		}
		if j.ended {
			return nil
		}
		// What it looks for may not be there at all: then the rest is not read for it alone.
		if j.size >= joinMemory {
			j.drop()
			return nil
		}
		id, input, err := j.src.next()
		if errors.Is(err, io.EOF) {
			j.ended = true
			continue
		}
		if err != nil {
			return err
		}
		if _, twice := j.waiting[id]; !twice {
			j.waiting[id] = input
			j.order = append(j.order, id)
			j.size += len(input) + joinItem
			if len(j.order) > 2*len(j.waiting)+joinSlack {
				j.compact()
			}
		}
	}
}

// compact forgets the order of what does not wait any more: most of a data set.
func (j *Joiner) compact() {
	j.order = slices.DeleteFunc(j.order, func(id string) bool { _, ok := j.waiting[id]; return !ok })
}

// drop gives up the oldest half of what waits.
func (j *Joiner) drop() {
	for i, id := range j.order {
		if j.size < joinMemory/2 {
			j.order = append([]string(nil), j.order[i:]...)
			return
		}
		if input, ok := j.waiting[id]; ok {
			j.size -= len(input) + joinItem
			delete(j.waiting, id)
		}
	}
	j.order = nil
}

// items reads the items of a part of a data set.
type items struct {
	lines  *bufio.Reader
	rows   *csv.Reader
	header []string
}

func (d *DataSet) join(ctx context.Context, from, end int64) *items {
	it := &items{lines: bufio.NewReaderSize(read(ctx, d.API, d.Object, from, end), 64<<10), header: d.header}
	if from > 0 || d.CSV {
		_, _ = it.lines.ReadSlice('\n') // half a line, or the header
	}
	if d.CSV {
		it.rows = csv.NewReader(it.lines)
		it.rows.FieldsPerRecord, it.rows.LazyQuotes = -1, true // a field may have begun before
	}
	return it
}

// next is the next item and its id; io.EOF at the end. What is no item, or has no id, is
// passed over.
func (i *items) next() (id string, input json.RawMessage, err error) {
	for {
		input, err = i.item()
		if err != nil {
			return "", nil, err
		}
		var own struct {
			ID json.RawMessage `json:"id"`
		}
		if json.Unmarshal(input, &own) == nil && len(own.ID) > 0 {
			return plain(own.ID), input, nil
		}
	}
}

func (i *items) item() (json.RawMessage, error) {
	if i.rows == nil {
		text, err := i.line()
		return bytes.TrimSpace(text), err
	}
	row, err := i.rows.Read()
	var malformed *csv.ParseError
	if errors.As(err, &malformed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for at, name := range i.header {
		if at < len(row) {
			fields[name] = row[at]
		}
	}
	return json.Marshal(fields)
}

// line is a line of up to MaxItem bytes; the rest of a longer one is passed over.
func (i *items) line() ([]byte, error) {
	var text []byte
	for {
		some, err := i.lines.ReadSlice('\n')
		if len(text) < MaxItem {
			text = append(text, some...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(text) > 0:
			return text, nil
		}
		return text, err
	}
}
