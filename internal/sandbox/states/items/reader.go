package items

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items/delimited"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Most bounds what one Map Run reads: AWS's own limit.
const Most = 100_000_000

// errEnough ends the reading at MaxItems.
var errEnough = errors.New("enough items")

// Error says why something cannot be read; an ItemReader fails with it.
type Error struct{ Text string }

func (e *Error) Error() string { return e.Text }

func failed(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Feed gives the items of a Map Run in order, each time it is called: nothing is
// kept of them, however many there are. It ends with the error of yield, if there is
// one, or with that of the source. With check set, the items need only be counted:
// their values may be missing.
type Feed func(ctx context.Context, check bool, yield func(Item) error) error

// Source says where an ItemReader reads: an object, or what lies under a prefix.
type Source struct{ Bucket, Key, Version, Prefix string }

// Reader reads what an ItemReader names, on behalf of a principal. It may be used by
// one goroutine at a time.
type Reader struct {
	Objects   wire.Objects
	Scope     wire.Scope
	Principal wire.Principal
	Spec      *asl.ItemReader
	Limit     int64 // of items; more are left out
	MaxBytes  int64 // that all objects together may have when they are unpacked
	// ETag is that of the one object that is read; "" before it has been. An object
	// with another one is refused.
	ETag string
}

// Read gives the items to yield; see Feed. Errors are an *Error, one of yield, one of
// the objects (which may be a *wire.Error), or that of ctx.
func (r *Reader) Read(ctx context.Context, at Source, check bool, yield func(Item) error) error {
	s := &reading{
		ctx: ctx, scope: r.Scope, p: r.Principal, objects: r.Objects, reader: r.Spec, limit: r.Limit, check: check, yield: yield,
		room: r.MaxBytes, most: r.MaxBytes, etag: r.ETag,
	}
	err := s.readAll(at)
	r.ETag = s.etag
	var stopped *yieldError
	switch {
	case errors.Is(err, errEnough):
		return nil
	case errors.As(err, &stopped):
		return stopped.err
	}
	return err
}

// settled reports whether an error has its words already, or ends the reading.
func settled(err error) bool {
	var said *Error
	var stopped *yieldError
	return errors.As(err, &said) || errors.As(err, &stopped) || errors.Is(err, errEnough)
}

// yieldError is an error of who takes the items, on its way through the readers.
type yieldError struct{ err error }

func (e *yieldError) Error() string { return e.err.Error() }

// Readable refuses what the sandbox cannot read when a machine is made, rather
// than in each of its executions.
func Readable(inputType string) error {
	if inputType == "PARQUET" {
		return errors.New("The sandbox does not read PARQUET; use CSV, JSON or JSONL there")
	}
	return nil
}

// reading gives the items of objects, one after the other.
type reading struct {
	ctx     context.Context
	p       wire.Principal
	objects wire.Objects
	scope   wire.Scope
	reader  *asl.ItemReader
	limit   int64
	check   bool
	yield   func(Item) error
	given   int64
	from    string // the source of the items that are being read
	// room is what is left of most, the bytes that all objects together may have
	// when they are unpacked; item what the item that is being read has had of them.
	room, most, item int64
	// etag is that of the one object that is read; "" before it has been.
	etag string
}

func (s *reading) add(v any) error { return s.append(Item{Value: v}) }

func (s *reading) append(item Item) error {
	if s.given >= s.limit {
		return errEnough
	}
	s.given++
	s.item = 0
	item.Source = s.from
	if err := s.yield(item); err != nil {
		return &yieldError{err}
	}
	return nil
}

func (s *reading) readAll(at Source) error {
	i, _ := asl.ParseIntegration(s.reader.Resource) // the parser of definitions refuses others
	if i.Operation == "listObjectsV2" {
		return s.list(at.Bucket, at.Prefix)
	}
	inputType := s.reader.InputType
	switch s.reader.Manifest {
	case "S3_INVENTORY":
		inputType = "MANIFEST"
	case "ATHENA_DATA":
		inputType = "ATHENA_DATA"
	}
	return s.object(at.Bucket, at.Key, at.Version, inputType)
}

// unchanged refuses an object that is not the one that was read before: its items
// would be other ones than those that were counted, or that children have done.
func (s *reading) unchanged(info wire.ObjectInfo) error {
	if s.etag == "" {
		s.etag = info.ETag
	}
	if s.etag != info.ETag {
		return failed("The object %s has changed since the Map Run began to read it.", info.Key)
	}
	return nil
}

// list makes an item of each object, or reads the objects themselves if they are
// to be flattened.
func (s *reading) list(bucket, prefix string) error {
	var inner error
	s.from = "s3://" + bucket
	err := s.objects.ListObjects(s.ctx, s.scope, s.p, bucket, prefix, func(info wire.ObjectInfo) bool {
		if s.reader.Transform == "LOAD_AND_FLATTEN" {
			inner = s.object(bucket, info.Key, "", s.reader.InputType)
		} else {
			inner = s.add(value.Of("Etag", info.ETag, "Key", info.Key, "LastModified", value.Int(info.LastModified.Unix()),
				"Size", value.Int(info.Size), "StorageClass", storageClass(info.StorageClass)))
		}
		return inner == nil
	})
	return errors.Join(inner, err)
}

func storageClass(c string) string {
	if c == "" {
		return "STANDARD"
	}
	return c
}

func (s *reading) object(bucket, key, version, inputType string) error {
	body, info, err := s.objects.GetObject(s.ctx, s.scope, s.p, bucket, key, version)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if s.from == "" { // the object that the definition names
		if err := s.unchanged(info); err != nil {
			return err
		}
	}
	s.from = "s3://" + bucket + "/" + key
	from := &source{r: body}
	text := bufio.NewReaderSize(from, 64<<10)
	if err := plainText(key, text); err != nil {
		return err
	}
	var r io.Reader = text
	if strings.HasSuffix(key, ".gz") {
		zr, err := gzip.NewReader(r)
		if err != nil {
			return failed("The object %s is not valid gzip.", key)
		}
		defer func() { _ = zr.Close() }()
		r = &unpacked{zr, from, key, "gzip"}
	}
	if strings.HasSuffix(key, ".zst") {
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return failed("The object %s is not valid zstd.", key)
		}
		defer zr.Close()
		r = &unpacked{zr, from, key, "zstd"}
	}
	err = s.decode(&bounded{r: r, s: s, key: key}, inputType)
	if err != nil && !settled(err) {
		err = fmt.Errorf("the object %s cannot be read: %w", key, err)
	}
	return err
}

// compressions are told by how they begin, and by the end of the key: Step Functions
// unpacks what is called so.
var compressions = []struct{ magic, suffix, name string }{
	{"\x1f\x8b", ".gz", "gzip"}, {"\x28\xb5\x2f\xfd", ".zst", "zstd"},
}

// plainText refuses what is compressed and not called so, in words about that: read as
// text it would be no JSON, or one column of a CSV.
func plainText(key string, text *bufio.Reader) error {
	begin, _ := text.Peek(4) // what there is; an error comes again with the reading
	for _, c := range compressions {
		if strings.HasPrefix(string(begin), c.magic) && !strings.HasSuffix(key, c.suffix) {
			return failed("The object %s is compressed with %s, but its key does not end with %s.", key, c.name, c.suffix)
		}
	}
	return nil
}

// source remembers the error of an object's text.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// unpacked is what a compressed object holds. What is wrong with the compression is said
// in words about the object; an error of the source is passed on.
type unpacked struct {
	r         io.Reader
	from      *source
	key, name string
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && u.from.err == nil {
		err = failed("The object %s is not valid %s: it is damaged, or not all of it is there.", u.key, u.name)
	}
	return n, err
}

// bounded ends a text that goes on too long: a few kilobytes may unpack to
// gigabytes, of items or of a single one.
type bounded struct {
	r    io.Reader
	s    *reading
	key  string
	over error
}

// maxItemText is how much of a text is read for one item, which is in memory as a
// whole: a line of AWS's 8 MB and what is read ahead of it.
const maxItemText = 8<<20 + 128<<10

func (b *bounded) Read(p []byte) (int, error) {
	if b.over != nil {
		return 0, b.over
	}
	n, err := b.r.Read(p)
	b.s.room -= int64(n)
	b.s.item += int64(n)
	switch {
	case b.s.room < 0:
		b.over = failed("The items of %s are more than the sandbox reads for one Map Run. Set PIPELINETUI_SANDBOX_MAX_ITEM_BYTES (now %d) and start the "+
			"sandbox again, or split the object.", b.key, b.s.most)
	case b.s.item > maxItemText:
		b.over = failed("An item of %s is larger than 8 MB.", b.key)
	}
	if b.over != nil {
		return 0, b.over
	}
	return n, err
}

// decode adds the items that a text holds.
func (s *reading) decode(r io.Reader, inputType string) error {
	switch inputType {
	case "CSV":
		return s.csv(r)
	case "JSONL":
		return s.lines(r)
	case "MANIFEST":
		return s.manifest(r)
	case "ATHENA_DATA":
		return s.listed(r)
	default:
		return s.json(r)
	}
}

// byteOrderMark begins the files of some editors; it is no part of the text.
const byteOrderMark = "\ufeff"

func (s *reading) lines(r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 8<<20) // AWS takes lines of up to 8 MB
	n := 1
	for ; sc.Scan(); n++ {
		text := sc.Text()
		if n == 1 {
			text = strings.TrimPrefix(text, byteOrderMark)
		}
		line := strings.TrimSpace(text)
		if line == "" {
			continue
		}
		var v any
		if !s.check || !json.Valid([]byte(line)) {
			var err error
			if v, err = value.Parse(line); err != nil {
				return failed("Line %d is not valid JSON: %s", n, err)
			}
		}
		if err := s.add(v); err != nil {
			return err
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return failed("Line %d of %s is larger than 8 MB.", n, s.from)
	}
	return sc.Err()
}

// delimiters are the values of CSVDelimiter; the parser of definitions refuses
// others.
var delimiters = map[string]byte{"COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "SPACE": ' ', "TAB": '\t'}

func (s *reading) csv(r io.Reader) error {
	rows := delimited.NewReader(r, delimiters[s.reader.Delimiter])
	headers := s.reader.Headers
	if s.reader.HeaderFromRow {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return failed("The CSV file has no header row.")
		}
		if err != nil {
			return unreadable(err)
		}
		headers = row
	}
	if len(headers) == 0 {
		return failed("The CSV file has no headers: neither CSVHeaderLocation nor CSVHeaders names any.")
	}
	if sorted := slices.Sorted(slices.Values(headers)); len(slices.Compact(sorted)) != len(headers) {
		return failed("CSV headers cannot contain duplicates.")
	}
	order := hashOrder(headers)
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		o := value.NewObject(len(headers))
		for _, i := range order {
			cell := "" // AWS fills short rows, and leaves out what is beyond the headers
			if i < len(row) {
				cell = row[i]
			}
			o.Set(headers[i], cell)
		}
		if err := s.add(o); err != nil {
			return err
		}
	}
}

// hashOrder returns the indices of headers in the order in which AWS writes the members of
// a row's object: that of a java.util.HashMap (a table of a power of two, at least 16 and
// no more than three quarters full; in a bucket as they came). Recorded against AWS:
// headers "0", "True" and "{}" come out as "0", "{}", "True", and "H1" and "" as "", "H1"
// (LocalStack, test_map_item_reader_base_json_max_items_jsonata and
// test_map_item_reader_csv_first_row_extra_fields). A program that relies on an order
// relies on this one.
func hashOrder(headers []string) []int {
	table := uint32(16)
	for uint32(len(headers)) > table/4*3 {
		table *= 2
	}
	bucket, order := make([]uint32, len(headers)), make([]int, len(headers))
	for i, h := range headers {
		hash := uint32(0)
		for _, unit := range utf16.Encode([]rune(h)) {
			hash = 31*hash + uint32(unit)
		}
		bucket[i], order[i] = (hash^hash>>16)&(table-1), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(bucket[a], bucket[b]) })
	return order
}

// unreadable words what is wrong with a CSV file; an error of its source is
// passed on.
func unreadable(err error) error {
	var bad *delimited.Error
	if errors.As(err, &bad) {
		return failed("The CSV file cannot be read: %s", bad)
	}
	return err
}

// listed reads a manifest of Athena: each line is the URI of an object that holds
// items.
func (s *reading) listed(r io.Reader) error {
	sc := bufio.NewScanner(r)
	n := 1
	for ; sc.Scan(); n++ {
		s.item = 0
		uri := strings.Trim(strings.TrimSpace(sc.Text()), `"`)
		if uri == "" {
			continue
		}
		rest, isURI := strings.CutPrefix(uri, "s3://")
		bucket, key, ok := strings.Cut(rest, "/")
		if !isURI || !ok {
			return failed("Line %d of the manifest is not the URI of an object.", n)
		}
		if err := s.object(bucket, key, "", s.reader.InputType); err != nil {
			return err
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return failed("Line %d of the manifest is not the URI of an object: it is longer than one can be.", n)
	}
	return sc.Err()
}

// manifest reads an S3 inventory: the manifest names CSV files whose rows are
// the items.
func (s *reading) manifest(r io.Reader) error {
	var man struct {
		SourceBucket, DestinationBucket, FileFormat, FileSchema string
		Files                                                   []struct{ Key string }
	}
	if err := json.NewDecoder(r).Decode(&man); err != nil {
		return failed("The manifest is not valid JSON: %s", err)
	}
	if man.FileFormat != "CSV" {
		return failed("Only S3 inventory reports in CSV format are supported, not %s.", man.FileFormat)
	}
	bucket := man.DestinationBucket[strings.LastIndexByte(man.DestinationBucket, ':')+1:]
	var headers []string
	for _, h := range strings.Split(man.FileSchema, ",") {
		headers = append(headers, strings.TrimSpace(h))
	}
	inner := *s.reader
	inner.InputType, inner.HeaderFromRow, inner.Headers, inner.Delimiter = "CSV", false, headers, "COMMA"
	outer := s.reader
	defer func() { s.reader = outer }()
	s.reader = &inner
	for _, f := range man.Files {
		if err := s.object(bucket, path.Clean(f.Key), "", "CSV"); err != nil {
			return err
		}
	}
	return nil
}
