package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// DamageError says that the database's file is not what was written to it. What
// the rest of the file holds cannot be relied on.
type DamageError struct {
	Path string // the file
	What string // what is wrong with it
}

// Error names the file and what is wrong with it.
func (e *DamageError) Error() string { return e.Path + " is damaged: " + e.What }

// note is what Close leaves beside the file, and whoever is idle: as long as it fits,
// nobody has written to the file since, and it needs no inspection. The next commit has
// another transaction, so that a note need not go before it.
type note struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Txid     uint64    `json:"transaction"`
}

func notePath(path string) string { return path + ".closed" }

// keepNote notes how the file looks while nobody writes to it.
func keepNote(path string) error {
	f, err := wholefile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	head, err := readHeader(f)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(note{Size: st.Size(), Modified: st.ModTime(), Txid: head.txid})
	if err != nil {
		return err
	}
	return os.WriteFile(notePath(path), raw, 0o600)
}

func readNote(path string) (n note, found bool) {
	raw, err := wholefile.Read(notePath(path))
	return n, err == nil && json.Unmarshal(raw, &n) == nil
}

// inspect looks at a file that nobody has open. Its headers and its size are
// always checked; every page and record of it only if it was neither closed in good
// order nor idle, or has changed since. It reads the file itself, with every number
// checked before it is used: bbolt ends the process on a file that points
// outside of itself.
func inspect(f *os.File, opaque []string) (doubtful bool, err error) {
	path := f.Name()
	kept, noted := readNote(path)
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	head, err := readHeader(f)
	if err != nil {
		return true, &DamageError{Path: path, What: err.Error()}
	}
	if least := mulSat(head.high, uint64(head.pageSize)); uint64(st.Size()) < least { // sizes are positive
		return true, &DamageError{Path: path, What: fmt.Sprintf("it ends after %d of at least %d bytes", st.Size(), least)}
	}
	if noted && !head.torn && kept.Size == st.Size() && kept.Modified.Equal(st.ModTime()) && kept.Txid == head.txid {
		return false, nil
	}
	w := &walker{f: f, head: head, opaque: opaque, used: make([]bool, head.high)}
	if err := w.all(); err != nil {
		return true, &DamageError{Path: path, What: err.Error()}
	}
	return true, nil
}

// The format of bbolt's files (internal/common of its source): pages of equal
// size, the first two of which are headers that take turns.
const (
	pageHead    = 16 // id, flags, count, overflow
	elementSize = 16 // of branches and leaves alike
	bucketHead  = 16 // root page, sequence
	metaSize    = 64

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketValue = 0x01 // flag of a leaf's element

	magic       = 0xED0CDAED
	fileVersion = 2

	smallestPage, largestPage = 1024, 1 << 16
)

// header is the newer of the file's two headers that can be read.
type header struct {
	pageSize             int
	root, freelist, high uint64
	txid                 uint64
	torn                 bool // the other one cannot be read
}

var errHeaders = errors.New("neither of its two headers can be read")

func readHeader(f io.ReaderAt) (header, error) {
	if n, err := f.ReadAt(make([]byte, 1), 0); n == 0 && errors.Is(err, io.EOF) {
		return header{}, errors.New("it is empty")
	}
	first, ok := headerAt(f, 0)
	sizes := []int{first.pageSize}
	if !ok {
		sizes = sizes[:0]
		for size := smallestPage; size <= largestPage; size *= 2 {
			sizes = append(sizes, size)
		}
	}
	for _, size := range sizes {
		second, found := headerAt(f, int64(size))
		switch {
		case found && second.pageSize == size && (!ok || second.txid > first.txid):
			second.torn = !ok
			return second, nil
		case ok:
			first.torn = !found
			return first, nil
		}
	}
	return header{}, errHeaders
}

func headerAt(f io.ReaderAt, at int64) (h header, ok bool) {
	var raw [pageHead + metaSize]byte
	if _, err := f.ReadAt(raw[:], at); err != nil {
		return h, false
	}
	m := raw[pageHead:]
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSize-8]) // never fails
	o := binary.NativeEndian
	if o.Uint16(raw[8:])&metaPage == 0 || o.Uint32(m) != magic || o.Uint32(m[4:]) != fileVersion || o.Uint64(m[metaSize-8:]) != sum.Sum64() {
		return h, false
	}
	h = header{pageSize: int(o.Uint32(m[8:])), root: o.Uint64(m[16:]), freelist: o.Uint64(m[32:]), high: o.Uint64(m[40:]), txid: o.Uint64(m[48:])}
	return h, h.pageSize >= smallestPage && h.pageSize <= largestPage
}

// mulSat multiplies without overflow.
func mulSat(a, b uint64) uint64 {
	if b != 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// walker visits every page that the file's root leads to.
type walker struct {
	f      io.ReaderAt
	head   header
	opaque []string
	used   []bool // by page
}

func (w *walker) all() error {
	if err := w.tree(w.head.root, "", nil, nil, true); err != nil {
		return err
	}
	const none = math.MaxUint64
	if w.head.freelist == none {
		return nil
	}
	return w.free()
}

// page reads a page with those that belong to it, and takes note of it.
func (w *walker) page(id uint64) (flags uint16, count int, raw []byte, err error) {
	size := uint64(w.head.pageSize) // small and positive
	if id < 2 || id >= w.head.high {
		return 0, 0, nil, fmt.Errorf("it points to page %d of %d", id, w.head.high)
	}
	raw = make([]byte, size)
	if _, err := w.f.ReadAt(raw, int64(id*size)); err != nil { // within the file
		return 0, 0, nil, err
	}
	o := binary.NativeEndian
	more := uint64(o.Uint32(raw[12:]))
	if o.Uint64(raw) != id || id+more >= w.head.high {
		return 0, 0, nil, fmt.Errorf("page %d is not what it was", id)
	}
	for p := id; p <= id+more; p++ {
		if w.used[p] {
			return 0, 0, nil, fmt.Errorf("page %d is in use twice", p)
		}
		w.used[p] = true
	}
	if more > 0 {
		raw = append(raw, make([]byte, more*size)...)
		if _, err := w.f.ReadAt(raw[size:], int64((id+1)*size)); err != nil { // within the file
			return 0, 0, nil, err
		}
	}
	return o.Uint16(raw[8:]), int(o.Uint16(raw[10:])), raw, nil
}

// tree walks through the pages of a bucket, whose keys are from low to below high.
// The root bucket has no name, and buckets for values.
func (w *walker) tree(id uint64, bucket string, low, high []byte, root bool) error {
	flags, count, raw, err := w.page(id)
	if err != nil {
		return err
	}
	switch {
	case flags == leafPage:
		if err := w.leaf(raw, count, bucket, low, high, root); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		return nil
	case flags != branchPage || count == 0:
		return fmt.Errorf("page %d is not what it was", id)
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range count {
		if keys[i], children[i], err = branch(raw, i); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	if err := ordered(keys, low, high); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for i, child := range children {
		next := high
		if i+1 < count {
			next = keys[i+1]
		}
		if err := w.tree(child, bucket, keys[i], next, root); err != nil {
			return err
		}
	}
	return nil
}

var errOutside = errors.New("an element points outside of its page")

// part cuts n bytes out of raw.
func part(raw []byte, at, n uint64) ([]byte, error) {
	if at > uint64(len(raw)) || n > uint64(len(raw))-at {
		return nil, errOutside
	}
	return raw[at : at+n], nil
}

func branch(raw []byte, i int) (key []byte, child uint64, err error) {
	at := uint64(pageHead + i*elementSize) // positive
	e, err := part(raw, at, elementSize)
	if err != nil {
		return nil, 0, err
	}
	o := binary.NativeEndian
	key, err = part(raw, at+uint64(o.Uint32(e)), uint64(o.Uint32(e[4:])))
	return key, o.Uint64(e[8:]), err
}

// leaf checks a page of keys and values.
func (w *walker) leaf(raw []byte, count int, bucket string, low, high []byte, root bool) error {
	o := binary.NativeEndian
	keys := make([][]byte, count)
	for i := range count {
		at := uint64(pageHead + i*elementSize) // positive
		e, err := part(raw, at, elementSize)
		if err != nil {
			return err
		}
		flags, from, size := o.Uint32(e), at+uint64(o.Uint32(e[4:])), uint64(o.Uint32(e[8:]))
		if keys[i], err = part(raw, from, size); err != nil {
			return err
		}
		value, err := part(raw, from+size, uint64(o.Uint32(e[12:])))
		if err != nil {
			return err
		}
		switch {
		case flags == bucketValue:
			err = w.bucket(string(keys[i]), value)
		case flags != 0 || root:
			err = errors.New("a record is not what it was")
		case len(value) > 0 && !json.Valid(value) && !slices.Contains(w.opaque, bucket):
			err = fmt.Errorf("record %.200q of %s cannot be read", keys[i], bucket)
		}
		if err != nil {
			return err
		}
	}
	return ordered(keys, low, high)
}

// bucket checks what a bucket's value leads to. A small one holds its only page
// itself.
func (w *walker) bucket(name string, value []byte) error {
	if len(value) < bucketHead {
		return fmt.Errorf("bucket %.200q is not what it was", name)
	}
	o := binary.NativeEndian
	if id := o.Uint64(value); id != 0 {
		return w.tree(id, name, nil, nil, false)
	}
	raw := value[bucketHead:]
	if len(raw) < pageHead || o.Uint16(raw[8:]) != leafPage {
		return fmt.Errorf("bucket %.200q is not what it was", name)
	}
	return w.leaf(raw, int(o.Uint16(raw[10:])), name, nil, nil, false)
}

// ordered wants keys that ascend, from low (nil is the first) to below high (nil
// is no end).
func ordered(keys [][]byte, low, high []byte) error {
	for i, k := range keys {
		if i == 0 && low != nil && bytes.Compare(k, low) < 0 ||
			i > 0 && bytes.Compare(keys[i-1], k) >= 0 || high != nil && bytes.Compare(k, high) >= 0 {
			return fmt.Errorf("key %.200q is not in its place", k)
		}
	}
	return nil
}

// free checks the list of free pages.
func (w *walker) free() error {
	flags, count, raw, err := w.page(w.head.freelist)
	if err != nil {
		return err
	}
	o := binary.NativeEndian
	at, n := uint64(pageHead), uint64(count) // positive
	if count == math.MaxUint16 {             // the number did not fit: it comes first in the list
		long, err := part(raw, at, 8)
		if err != nil {
			return err
		}
		at, n = at+8, o.Uint64(long)
	}
	list, err := part(raw, at, mulSat(n, 8))
	if flags != freelistPage || err != nil {
		return fmt.Errorf("page %d is not what it was", w.head.freelist)
	}
	for ; len(list) > 0; list = list[8:] {
		id := o.Uint64(list)
		if id < 2 || id >= w.head.high || w.used[id] {
			return fmt.Errorf("the list of free pages names page %d of %d, which is not free", id, w.head.high)
		}
		w.used[id] = true
	}
	return nil
}
