package results

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"

	"github.com/klauspost/compress/snappy"
)

// What of Parquet is needed to write a table of texts and numbers, each of which may be
// missing: one page of plain values for each column and row group, compressed with snappy.
// (parquet-format: README.md, Encodings.md, src/main/thrift/parquet.thrift; its metadata is
// Thrift's compact protocol: thrift/doc/specs/thrift-compact-protocol.md.)

// A row group ends with so many rows or bytes: it is held in memory.
const (
	groupRows  = 50_000
	groupBytes = 4 << 20
)

// Numbers of parquet.thrift.
const (
	typeDouble, typeByteArray = 5, 6
	optional                  = 1
	convertedUTF8             = 0
	encodingPlain             = 0
	encodingRLE               = 3
	codecSnappy               = 1
)

const parquetMagic = "PAR1"

// parquetWriter writes a file. The first error ends it.
type parquetWriter struct {
	out     io.Writer
	err     error
	at      int64 // bytes that were written
	columns []column
	group   []chunk
	rows    int64 // of the group that is being filled
	size    int
	all     int64
	groups  []rowGroup
	// page and packed are room that is used again.
	page, packed []byte
}

// chunk is the values of a column in a group.
type chunk struct {
	there  []bool
	values bytes.Buffer
}

type rowGroup struct {
	rows   int64
	chunks []chunkMeta
}

type chunkMeta struct{ offset, size, packed int64 }

func newParquetWriter(out io.Writer, columns []column) *parquetWriter {
	w := &parquetWriter{out: out, columns: columns, group: make([]chunk, len(columns))}
	w.write([]byte(parquetMagic))
	return w
}

func (w *parquetWriter) write(p []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(p)
		w.at += int64(len(p))
	}
}

// row adds a row; nil is no value.
func (w *parquetWriter) row(cells []json.RawMessage) error {
	for i, raw := range cells {
		c := &w.group[i]
		c.there = append(c.there, raw != nil)
		if raw == nil {
			continue
		}
		before := c.values.Len()
		if w.columns[i].kind == numbers {
			n, _ := (&Field{Value: raw}).Number() // the caller has looked
			c.values.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(n)))
		} else {
			text := string(raw)
			if w.columns[i].kind == texts {
				text = plain(raw)
			}
			c.values.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))) // an item is at most 1 MiB
			c.values.WriteString(text)
		}
		w.size += c.values.Len() - before
	}
	w.rows++
	if w.rows >= groupRows || w.size >= groupBytes {
		w.flush()
	}
	return w.err
}

// flush writes the group.
func (w *parquetWriter) flush() {
	g := rowGroup{rows: w.rows}
	for i := range w.group {
		c := &w.group[i]
		w.page = append(append(w.page[:0], levels(c.there)...), c.values.Bytes()...)
		w.packed = snappy.Encode(w.packed[:cap(w.packed)], w.page)
		page, packed := w.page, w.packed
		var head thrift
		head.i32(1, 0) // a data page
		head.i32(2, int64(len(page)))
		head.i32(3, int64(len(packed)))
		head.begin(5)
		head.i32(1, w.rows)
		head.i32(2, encodingPlain)
		head.i32(3, encodingRLE)
		head.i32(4, encodingRLE)
		head.end()
		head.stop()
		meta := chunkMeta{offset: w.at, size: int64(head.Len() + len(page)), packed: int64(head.Len() + len(packed))}
		w.write(head.Bytes())
		w.write(packed)
		g.chunks = append(g.chunks, meta)
		c.there = c.there[:0]
		c.values.Reset()
	}
	w.groups = append(w.groups, g)
	w.all += w.rows
	w.rows, w.size = 0, 0
}

// levels says which values are there: runs of one bit each, with their length before them.
func levels(there []bool) []byte {
	out := make([]byte, 4)
	for i := 0; i < len(there); {
		n := 1
		for i+n < len(there) && there[i+n] == there[i] {
			n++
		}
		out = binary.AppendUvarint(out, uint64(n)<<1)
		if there[i] {
			out = append(out, 1)
		} else {
			out = append(out, 0)
		}
		i += n
	}
	binary.LittleEndian.PutUint32(out, uint32(len(out)-4)) // three bytes a row at most
	return out
}

// close writes what is left, and the footer.
func (w *parquetWriter) close() error {
	if w.rows > 0 {
		w.flush()
	}
	var f thrift
	f.i32(1, 1) // version
	f.list(2, kindStruct, len(w.columns)+1)
	f.element()
	f.text(4, "results")
	f.i32(5, int64(len(w.columns)))
	f.end()
	for _, c := range w.columns {
		f.element()
		f.i32(1, int64(physical(c)))
		f.i32(3, optional)
		f.text(4, c.name)
		if c.kind != numbers {
			f.i32(6, convertedUTF8)
			f.begin(10) // the logical type: a string
			f.begin(1)
			f.end()
			f.end()
		}
		f.end()
	}
	f.i64(3, w.all)
	f.list(4, kindStruct, len(w.groups))
	for _, g := range w.groups {
		w.describe(&f, g)
	}
	f.text(6, "pipelinetui")
	f.stop()
	w.write(f.Bytes())
	w.write(binary.LittleEndian.AppendUint32(nil, uint32(f.Len()))) // some hundred bytes a group
	w.write([]byte(parquetMagic))
	return w.err
}

// describe writes what the footer says of a group.
func (w *parquetWriter) describe(f *thrift, g rowGroup) {
	f.element()
	f.list(1, kindStruct, len(g.chunks))
	var total int64
	for i, m := range g.chunks {
		total += m.size
		f.element()
		f.i64(2, m.offset)
		f.begin(3)
		f.i32(1, int64(physical(w.columns[i])))
		f.list(2, kindI32, 2)
		f.varint(encodingPlain)
		f.varint(encodingRLE)
		f.list(3, kindText, 1)
		f.bare(w.columns[i].name)
		f.i32(4, codecSnappy)
		f.i64(5, g.rows)
		f.i64(6, m.size)
		f.i64(7, m.packed)
		f.i64(9, m.offset)
		f.end()
		f.end()
	}
	f.i64(2, total)
	f.i64(3, g.rows)
	f.end()
}

func physical(c column) int {
	if c.kind == numbers {
		return typeDouble
	}
	return typeByteArray
}

// Types of Thrift's compact protocol.
const (
	kindI32, kindI64, kindText, kindList, kindStruct = 5, 6, 8, 9, 12
)

// thrift writes a struct in the compact protocol. Fields have to come by their numbers.
type thrift struct {
	bytes.Buffer
	last []int // of each open struct, the field that came last
	top  int
}

func (t *thrift) field(id, kind int) {
	before := &t.top
	if n := len(t.last); n > 0 {
		before = &t.last[n-1]
	}
	t.WriteByte(byte((id-*before)<<4 | kind)) // the fields that are used are less than 15 apart
	*before = id
}

func (t *thrift) varint(v int64) {
	t.Write(binary.AppendUvarint(nil, uint64(v<<1)^uint64(v>>63))) // zigzag
}

func (t *thrift) i32(id int, v int64) { t.field(id, kindI32); t.varint(v) }
func (t *thrift) i64(id int, v int64) { t.field(id, kindI64); t.varint(v) }

func (t *thrift) text(id int, s string) { t.field(id, kindText); t.bare(s) }

func (t *thrift) bare(s string) {
	t.Write(binary.AppendUvarint(nil, uint64(len(s))))
	t.WriteString(s)
}

func (t *thrift) list(id, kind, n int) {
	t.field(id, kindList)
	if n < 15 {
		t.WriteByte(byte(n<<4 | kind)) // less than 15
		return
	}
	t.WriteByte(byte(0xF0 | kind)) // a type
	t.Write(binary.AppendUvarint(nil, uint64(n)))
}

// begin opens a struct that is a field, element one that stands in a list; end closes it.
func (t *thrift) begin(id int) { t.field(id, kindStruct); t.element() }
func (t *thrift) element()     { t.last = append(t.last, 0) }
func (t *thrift) end()         { t.stop(); t.last = t.last[:len(t.last)-1] }
func (t *thrift) stop()        { t.WriteByte(0) }
