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

// read reads the items that ItemReader names.
func (m *mapRunner) read(ctx context.Context, p wire.Principal) ([]mapItem, error) {
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
	s := &itemSource{ctx: ctx, scope: m.run.Scope, p: p, objects: m.b.x.s.Objects, reader: r, limit: int(limit), room: m.b.x.s.MaxItemBytes, most: m.b.x.s.MaxItemBytes}
	if s.objects == nil {
		return nil, readFailed("The sandbox runs without S3.")
	}
	var at source
	if at, err = e.source(params); err != nil {
		return nil, err
	}
	end := e.watched()
	err = s.readAll(at)
	end()
	if err != nil && !errors.Is(err, errEnough) {
		if _, failed := failureOf(err); failed || ctx.Err() != nil {
			return nil, err
		}
		var we *wire.Error
		if errors.As(err, &we) {
			return nil, readFailed("%s", cause("s3", we))
		}
		return nil, readFailed("%s", err)
	}
	return s.items, nil
}

// readable refuses what the sandbox cannot read when a machine is made, rather
// than in each of its executions.
func readable(inputType string) error {
	if inputType == "PARQUET" {
		return errors.New("The sandbox does not read PARQUET; use CSV, JSON or JSONL there")
	}
	return nil
}

// itemSource collects items from objects.
type itemSource struct {
	ctx     context.Context
	p       wire.Principal
	objects wire.Objects
	scope   wire.Scope
	reader  *asl.ItemReader
	limit   int
	items   []mapItem
	// room is what is left of most, the memory that all objects together may take.
	room, most int64
}

func (s *itemSource) add(v any) error { return s.append(mapItem{value: v}) }

func (s *itemSource) append(item mapItem) error {
	if len(s.items) >= s.limit {
		return errEnough
	}
	s.items = append(s.items, item)
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

// list makes an item of each object, or reads the objects themselves if they are
// to be flattened.
func (s *itemSource) list(bucket, prefix string) error {
	var inner error
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
	body, _, err := s.objects.GetObject(s.ctx, s.scope, s.p, bucket, key, version)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
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
	if _, failed := failureOf(err); err != nil && !failed && !errors.Is(err, errEnough) {
		err = fmt.Errorf("the object %s cannot be read: %w", key, err)
	}
	return err
}

// bounded ends a text that would take more memory than the items of one Map Run
// may: a few kilobytes may unpack to gigabytes of numbers and commas.
type bounded struct {
	r    io.Reader
	s    *itemSource
	key  string
	over error
}

// What a text takes once it is read, beside twice its bytes: a value for each
// comma and bracket, an item for each line.
const (
	valueBytes = 48
	itemBytes  = 96
)

func (b *bounded) Read(p []byte) (int, error) {
	if b.over != nil {
		return 0, b.over
	}
	n, err := b.r.Read(p)
	weight := 2 * n
	for _, c := range p[:n] {
		switch c {
		case ',', '[', '{':
			weight += valueBytes
		case '\n':
			weight += itemBytes
		}
	}
	if b.s.room -= int64(weight); b.s.room < 0 {
		b.over = readFailed("The items of %s take more memory than the sandbox gives to one Map Run. Set PIPELINETUI_SANDBOX_MAX_ITEM_BYTES (now %d) and start the sandbox again, or split the object.", b.key, b.s.most)
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

func (s *itemSource) json(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v, err := value.Parse(strings.TrimPrefix(string(raw), byteOrderMark))
	if err != nil {
		return readFailed("Attempting to map over invalid JSON: %s", err)
	}
	if s.reader.ItemsPointer != "" {
		if v, err = pointer(v, s.reader.ItemsPointer); err != nil {
			return err
		}
	}
	items, ok := mapItems(v)
	if !ok {
		return readFailed("Attempting to map over non-iterable node.")
	}
	for _, item := range items {
		if err := s.append(item); err != nil {
			return err
		}
	}
	return nil
}

// pointer resolves a JSON pointer of object members.
func pointer(v any, ptr string) (any, error) {
	for _, part := range strings.Split(strings.TrimPrefix(ptr, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		o, ok := v.(*value.Object)
		if !ok {
			return nil, readFailed("The ItemsPointer '%s' does not lead to an array.", ptr)
		}
		if v, ok = o.Get(part); !ok {
			return nil, readFailed("The ItemsPointer '%s' does not lead to an array.", ptr)
		}
	}
	return v, nil
}

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
		v, err := value.Parse(line)
		if err != nil {
			return readFailed("Line %d is not valid JSON: %s", n, err)
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
