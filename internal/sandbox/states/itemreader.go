package states

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/delimited"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxItems bounds what one Map Run reads: AWS's own limit.
const maxItems = 100_000_000

// errEnough ends the reading at MaxItems.
var errEnough = errors.New("enough items")

func readFailed(format string, args ...any) error {
	return fail(errItemReader, fmt.Sprintf(format, args...)).err()
}

// itemFeed gives the items of a Map Run in order, each time it is called: nothing is
// kept of them, however many there are. It ends with the error of yield, if there is
// one, or with that of the source. With check set, the items need only be counted:
// their values may be missing.
type itemFeed func(ctx context.Context, check bool, yield func(mapItem) error) error

// reader prepares to read what the ItemReader names.
func (m *mapRunner) reader(p wire.Principal) (itemFeed, error) {
	r := m.st.Map.Reader
	in, err := m.ev.input()
	if err != nil {
		return nil, err
	}
	e := m.ev.with(in)
	limit, _, err := e.integer(r.MaxItems, -maxSeconds, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	switch {
	case limit < 0:
		return nil, readFailed("field MaxItems must be positive")
	case limit == 0 || limit > maxItems:
		limit = maxItems
	}
	var params any = value.NewObject(0)
	if r.Parameters != nil {
		if params, err = e.template(r.Parameters); err != nil {
			return nil, err
		}
	}
	objects := m.b.x.s.Objects
	if objects == nil {
		return nil, readFailed("The sandbox runs without S3.")
	}
	at, err := e.source(params)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, check bool, yield func(mapItem) error) error {
		s := &itemSource{
			ctx: ctx, scope: m.run.Scope, p: p, objects: objects, reader: r, limit: limit, check: check, yield: yield,
			room: m.b.x.s.MaxItemBytes, most: m.b.x.s.MaxItemBytes, etag: m.etag(""),
		}
		end := func() {}
		if check { // a text may be hard to read, too; the second time the children are what is evaluated
			end = e.watched()
		}
		err := s.readAll(at)
		end()
		m.etag(s.etag)
		var stopped *yieldError
		switch {
		case err == nil || errors.Is(err, errEnough):
			return nil
		case errors.As(err, &stopped):
			return stopped.err
		case ctx.Err() != nil:
			return err
		}
		if _, failed := failureOf(err); failed {
			return err
		}
		var we *wire.Error
		if errors.As(err, &we) {
			return readFailed("%s", cause("s3", we))
		}
		return readFailed("%s", err)
	}, nil
}

// yieldError is an error of who takes the items, on its way through the readers.
type yieldError struct{ err error }

func (e *yieldError) Error() string { return e.err.Error() }

// readable refuses what the sandbox cannot read when a machine is made, rather
// than in each of its executions.
func readable(inputType string) error {
	if inputType == "PARQUET" {
		return errors.New("The sandbox does not read PARQUET; use CSV, JSON or JSONL there")
	}
	return nil
}

// itemSource gives the items of objects, one after the other.
type itemSource struct {
	ctx     context.Context
	p       wire.Principal
	objects wire.Objects
	scope   wire.Scope
	reader  *asl.ItemReader
	limit   int64
	check   bool
	yield   func(mapItem) error
	given   int64
	from    string // the source of the items that are being read
	// room is what is left of most, the bytes that all objects together may have
	// when they are unpacked; item what the item that is being read has had of them.
	room, most, item int64
	// etag is that of the one object that is read; "" before it has been.
	etag string
}

func (s *itemSource) add(v any) error { return s.append(mapItem{value: v}) }

func (s *itemSource) append(item mapItem) error {
	if s.given >= s.limit {
		return errEnough
	}
	s.given++
	s.item = 0
	item.source = s.from
	if err := s.yield(item); err != nil {
		return &yieldError{err}
	}
	return nil
}

// source says where an ItemReader reads: an object, or what lies under a prefix.
type source struct{ bucket, key, version, prefix string }

// source takes the parameters of the ItemReader apart.
func (e *evaluation) source(params any) (source, error) {
	var s source
	for _, f := range []struct {
		to  *string
		key string
	}{{&s.bucket, "Bucket"}, {&s.key, "Key"}, {&s.version, "VersionId"}, {&s.prefix, "Prefix"}} {
		var err error
		if *f.to, err = e.textOf(params, "ItemReader", f.key, f.key == "Bucket"); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *itemSource) readAll(at source) error {
	i, _ := asl.ParseIntegration(s.reader.Resource) // the parser of definitions refuses others
	if i.Operation == "listObjectsV2" {
		return s.list(at.bucket, at.prefix)
	}
	inputType := s.reader.InputType
	switch s.reader.Manifest {
	case "S3_INVENTORY":
		inputType = "MANIFEST"
	case "ATHENA_DATA":
		inputType = "ATHENA_DATA"
	}
	return s.object(at.bucket, at.key, at.version, inputType)
}

// unchanged refuses an object that is not the one that was read before: its items
// would be other ones than those that were counted, or that children have done.
func (s *itemSource) unchanged(info wire.ObjectInfo) error {
	if s.etag == "" {
		s.etag = info.ETag
	}
	if s.etag != info.ETag {
		return readFailed("The object %s has changed since the Map Run began to read it.", info.Key)
	}
	return nil
}

// list makes an item of each object, or reads the objects themselves if they are
// to be flattened.
func (s *itemSource) list(bucket, prefix string) error {
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

func (s *itemSource) object(bucket, key, version, inputType string) error {
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
	var r io.Reader = bufio.NewReaderSize(body, 64<<10)
	if strings.HasSuffix(key, ".gz") {
		zr, err := gzip.NewReader(r)
		if err != nil {
			return readFailed("The object %s is not valid gzip.", key)
		}
		defer func() { _ = zr.Close() }()
		r = zr
	}
	if strings.HasSuffix(key, ".zst") {
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return readFailed("The object %s is not valid zstd.", key)
		}
		defer zr.Close()
		r = zr
	}
	err = s.decode(&bounded{r: r, s: s, key: key}, inputType)
	var stopped *yieldError
	if _, failed := failureOf(err); err != nil && !failed && !errors.Is(err, errEnough) && !errors.As(err, &stopped) {
		err = fmt.Errorf("the object %s cannot be read: %w", key, err)
	}
	return err
}

// bounded ends a text that goes on too long: a few kilobytes may unpack to
// gigabytes, of items or of a single one.
type bounded struct {
	r    io.Reader
	s    *itemSource
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
		b.over = readFailed("The items of %s are more than the sandbox reads for one Map Run. Set PIPELINETUI_SANDBOX_MAX_ITEM_BYTES (now %d) and start the sandbox again, or split the object.", b.key, b.s.most)
	case b.s.item > maxItemText:
		b.over = readFailed("An item of %s is larger than 8 MB.", b.key)
	}
	if b.over != nil {
		return 0, b.over
	}
	return n, err
}

// decode adds the items that a text holds.
func (s *itemSource) decode(r io.Reader, inputType string) error {
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

func (s *itemSource) lines(r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 8<<20) // AWS takes lines of up to 8 MB
	for n := 1; sc.Scan(); n++ {
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
				return readFailed("Line %d is not valid JSON: %s", n, err)
			}
		}
		if err := s.add(v); err != nil {
			return err
		}
	}
	return sc.Err()
}

// delimiters are the values of CSVDelimiter; the parser of definitions refuses
// others.
var delimiters = map[string]byte{"COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "SPACE": ' ', "TAB": '\t'}

func (s *itemSource) csv(r io.Reader) error {
	rows := delimited.NewReader(r, delimiters[s.reader.Delimiter])
	headers := s.reader.Headers
	if s.reader.HeaderFromRow {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return readFailed("The CSV file has no header row.")
		}
		if err != nil {
			return unreadable(err)
		}
		headers = row
	}
	if len(headers) == 0 {
		return readFailed("The CSV file has no headers: neither CSVHeaderLocation nor CSVHeaders names any.")
	}
	if sorted := slices.Sorted(slices.Values(headers)); len(slices.Compact(sorted)) != len(headers) {
		return readFailed("CSV headers cannot contain duplicates.")
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		o := value.NewObject(len(headers))
		for i, h := range headers {
			cell := "" // AWS fills short rows, and leaves out what is beyond the headers
			if i < len(row) {
				cell = row[i]
			}
			o.Set(h, cell)
		}
		if err := s.add(o); err != nil {
			return err
		}
	}
}

// unreadable words what is wrong with a CSV file; an error of its source is
// passed on.
func unreadable(err error) error {
	var bad *delimited.Error
	if errors.As(err, &bad) {
		return readFailed("The CSV file cannot be read: %s", bad)
	}
	return err
}

// listed reads a manifest of Athena: each line is the URI of an object that holds
// items.
func (s *itemSource) listed(r io.Reader) error {
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		s.item = 0
		uri := strings.Trim(strings.TrimSpace(sc.Text()), `"`)
		if uri == "" {
			continue
		}
		rest, isURI := strings.CutPrefix(uri, "s3://")
		bucket, key, ok := strings.Cut(rest, "/")
		if !isURI || !ok {
			return readFailed("Line %d of the manifest is not the URI of an object.", n)
		}
		if err := s.object(bucket, key, "", s.reader.InputType); err != nil {
			return err
		}
	}
	return sc.Err()
}

// manifest reads an S3 inventory: the manifest names CSV files whose rows are
// the items.
func (s *itemSource) manifest(r io.Reader) error {
	var man struct {
		SourceBucket, DestinationBucket, FileFormat, FileSchema string
		Files                                                   []struct{ Key string }
	}
	if err := json.NewDecoder(r).Decode(&man); err != nil {
		return readFailed("The manifest is not valid JSON: %s", err)
	}
	if man.FileFormat != "CSV" {
		return readFailed("Only S3 inventory reports in CSV format are supported, not %s.", man.FileFormat)
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
