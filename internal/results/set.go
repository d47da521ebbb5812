package results

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const (
	// MaxItem bounds one item, in bytes: a longer one is not read whole. The states of an
	// execution pass 256 KiB at most.
	MaxItem = 1 << 20
	// maxManifest bounds a manifest, of some hundred bytes for each file.
	maxManifest = 8 << 20
	// pageBudget bounds what is read for one page, in bytes.
	pageBudget = 8 << 20
)

// Part is a file of results.
type Part struct {
	Key  string
	Size int64
	// array says that it is one JSON array, not JSON lines.
	array bool
}

// Set is the results of a data set: files in S3 that a manifest lists. It is not changed
// after it was opened.
type Set struct {
	API    API
	Bucket string
	// Manifest is the key of the list of all files.
	Manifest string
	// Parts are the files of children that succeeded, one after the other. Failed and
	// Pending are those of children that failed, and that did not run: their entries are
	// whole child executions.
	Parts, Failed, Pending []Part
}

// Open reads a manifest
// (step-functions/latest/dg/input-output-resultwriter.html).
func Open(ctx context.Context, api API, manifest Object) (*Set, error) {
	raw, size, err := head(ctx, api, manifest, maxManifest)
	if err != nil {
		return nil, err
	}
	var doc struct {
		DestinationBucket string
		ResultFiles       struct {
			Succeeded []Part `json:"SUCCEEDED"`
			Failed    []Part `json:"FAILED"`
			Pending   []Part `json:"PENDING"`
		}
	}
	if size > int64(len(raw)) {
		return nil, fault.New(fault.Unsupported, "%s has %d bytes, and no more than %d are read", manifest.URI(), size, maxManifest).
			WithHint("Read its files with Athena or another tool; `pipelinetui results list` needs to know them all.")
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fault.New(fault.Damaged, "%s is no manifest of results", manifest.URI()).Because(err)
	}
	s := &Set{API: api, Bucket: doc.DestinationBucket, Manifest: manifest.Key, Parts: doc.ResultFiles.Succeeded, Failed: doc.ResultFiles.Failed, Pending: doc.ResultFiles.Pending}
	if s.Bucket == "" {
		s.Bucket = manifest.Bucket
	}
	for _, list := range [][]Part{s.Parts, s.Failed, s.Pending} {
		for i := range list {
			list[i].array = strings.HasSuffix(list[i].Key, ".json")
			if list[i].Size < 0 || list[i].Key == "" {
				return nil, fault.New(fault.Damaged, "%s names a file that can't be", manifest.URI())
			}
		}
	}
	return s, nil
}

// FindManifest looks for the manifest of an execution whose output does not tell it, for
// it has failed: below the prefix that the template batch gives it, in a folder of its
// Map Run, the newest first.
func FindManifest(ctx context.Context, api API, bucket, execution string) (Object, error) {
	prefix := "batch/" + execution + "/"
	var newest s3Object
	pages := s3.NewListObjectsV2Paginator(api, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Object{}, unread(Object{bucket, prefix}, err)
		}
		for _, folder := range page.CommonPrefixes {
			key := aws.ToString(folder.Prefix) + "manifest.json"
			out, err := api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
			if err == nil && (newest.key == "" || out.LastModified.After(*newest.modified.LastModified)) {
				newest = s3Object{key, out}
			}
			if err := unread(Object{bucket, key}, err); err != nil && !errors.Is(err, fault.NotFound) {
				return Object{}, err
			}
		}
	}
	if newest.key == "" {
		return Object{}, fault.New(fault.NotFound, "execution %s has no results of a data set", execution).
			WithHint("A data set has results once its Map Run has ended.")
	}
	return Object{bucket, newest.key}, nil
}

type s3Object struct {
	key      string
	modified *s3.HeadObjectOutput
}

// Size is of all files of what succeeded, in bytes.
func (s *Set) Size() (sum int64) {
	for _, p := range s.Parts {
		sum += p.Size
	}
	return sum
}

// Cursor is a place in a set: a file, and a byte of it at which an entry begins. Its text
// is FILE:BYTE, "0:0" for the first.
type Cursor struct {
	Part   int
	Offset int64
}

// String is the cursor as ParseCursor reads it.
func (c Cursor) String() string { return strconv.Itoa(c.Part) + ":" + strconv.FormatInt(c.Offset, 10) }

// MarshalText implements encoding.TextMarshaler.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// IsZero tells whether it is the first place.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// At finds the place that a text means: FILE:BYTE as a page tells it, a share of the whole
// as 50%, or the end (@end: the last page, which Before reads). The place is where an
// entry begins.
func (s *Set) At(ctx context.Context, text string) (Cursor, error) {
	wrong := fault.New(fault.Invalid, "%q is no place in the results", text).
		WithHint("Give a share such as 50%%, or the place that a page tells as the next (0:1048576).")
	if share, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return Cursor{}, wrong
		}
		return s.place(ctx, int64(percent/100*float64(s.Size())))
	}
	part, offset, ok := strings.Cut(text, ":")
	p, err1 := strconv.Atoi(part)
	o, err2 := strconv.ParseInt(offset, 10, 64)
	if !ok || err1 != nil || err2 != nil || p < 0 || o < 0 || p > len(s.Parts) || p == len(s.Parts) && o > 0 || p < len(s.Parts) && o > s.Parts[p].Size {
		return Cursor{}, wrong
	}
	return s.aligned(ctx, Cursor{p, o})
}

// End is the place behind the last entry.
func (s *Set) End() Cursor { return Cursor{Part: len(s.Parts)} }

// Share is how much of the whole, 0 to 1, lies before a place.
func (s *Set) Share(c Cursor) float64 {
	all := s.Size()
	if all == 0 {
		return 0
	}
	var before int64
	for _, p := range s.Parts[:min(c.Part, len(s.Parts))] {
		before += p.Size
	}
	return float64(before+c.Offset) / float64(all)
}

// place is where the first entry begins at or behind a byte of the whole.
func (s *Set) place(ctx context.Context, at int64) (Cursor, error) {
	for i, p := range s.Parts {
		if at < p.Size {
			return s.aligned(ctx, Cursor{i, at})
		}
		at -= p.Size
	}
	return s.End(), nil
}

// aligned is where the first entry begins at or behind a cursor. In a JSON array nothing
// tells where one begins, so it is the file's beginning there.
func (s *Set) aligned(ctx context.Context, c Cursor) (Cursor, error) {
	switch {
	case c.Part >= len(s.Parts) || c.Offset == 0:
		return c, nil
	case s.Parts[c.Part].array:
		return s.alignedInArray(ctx, c)
	}
	w := s.walk(ctx, Cursor{c.Part, c.Offset - 1}, s.Parts)
	if err := w.skipLine(); err != nil {
		return Cursor{}, err
	}
	return w.at, nil
}

// alignedInArray keeps a place that a page told, behind which an entry stands, and takes
// the file's beginning for any other.
func (s *Set) alignedInArray(ctx context.Context, c Cursor) (Cursor, error) {
	p := s.Parts[c.Part]
	if c.Offset >= p.Size {
		return Cursor{Part: c.Part + 1}, nil
	}
	raw, _, err := fetch(ctx, s.API, Object{s.Bucket, p.Key}, c.Offset, min(p.Size, c.Offset+headLength))
	if err != nil {
		return Cursor{}, err
	}
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && (raw[0] == ',' || raw[0] == ']') {
		return c, nil
	}
	return Cursor{Part: c.Part}, nil
}

// Page are entries that follow each other.
type Page struct {
	Items []Item
	// From is where the first begins, Next where the one behind the last does: the end
	// of the set if there is none.
	From, Next Cursor
	// More says that something follows.
	More bool
}

// From reads up to n entries from a place on. It reads 8 MiB at most: what is there has
// fewer entries then, and More.
func (s *Set) From(ctx context.Context, at Cursor, n int) (Page, error) {
	out := Page{From: at, Items: []Item{}}
	w := s.walk(ctx, at, s.Parts)
	for len(out.Items) < n && w.taken < pageBudget {
		it, ok, err := w.next()
		if err != nil {
			return out, err
		}
		if !ok {
			break
		}
		out.Items = append(out.Items, it)
	}
	out.Next, out.More = w.at, !w.ended()
	return out, nil
}

// Before reads up to n entries that end before a place.
func (s *Set) Before(ctx context.Context, at Cursor, n int) (Page, error) {
	items, from := []Item{}, at
	for from.Part > 0 || from.Offset > 0 {
		if from.Offset == 0 {
			from = Cursor{from.Part - 1, s.Parts[from.Part-1].Size}
			continue
		}
		some, start, err := s.before(ctx, from, n-len(items))
		if err != nil {
			return Page{}, err
		}
		items, from = append(some, items...), start
		if len(items) >= n {
			break
		}
	}
	return Page{Items: items, From: from, Next: at, More: s.Share(at) < 1 && at != s.End()}, nil
}

// before reads up to n entries of one file that end before a place, and where the first
// begins.
func (s *Set) before(ctx context.Context, at Cursor, n int) ([]Item, Cursor, error) {
	for window := int64(firstRange); ; window *= 4 {
		from := Cursor{at.Part, max(0, at.Offset-window)}
		begin, err := s.aligned(ctx, from)
		if err != nil {
			return nil, at, err
		}
		if begin.Offset == 0 && begin.Part == at.Part && at.Offset > pageBudget {
			return nil, at, fault.New(fault.Unsupported, "what stands before %s of %s cannot be read alone: the file is one JSON array of %d bytes", at,
				s.Parts[at.Part].Key, s.Parts[at.Part].Size).
				WithHint("Read it from its beginning (--at %d:0), or let the ResultWriter write JSONL.", at.Part)
		}
		var items []Item
		for w := s.walk(ctx, begin, s.Parts[:at.Part+1]); w.at.Part == at.Part && w.at.Offset < at.Offset; {
			it, ok, err := w.next()
			if err != nil {
				return nil, at, err
			}
			if !ok || it.At.Part != at.Part || it.At.Offset >= at.Offset {
				break
			}
			items = append(items, it)
		}
		if len(items) >= n || begin.Offset == 0 || from.Offset == 0 || window >= pageBudget {
			if len(items) > n {
				items = items[len(items)-n:]
			}
			if len(items) == 0 {
				return nil, Cursor{Part: at.Part}, nil
			}
			if begin.Offset == 0 && len(items) < n {
				return items, Cursor{Part: at.Part}, nil
			}
			return items, items[0].At, nil
		}
	}
}

// Each hands on all entries from a place on, until do returns false or an error; it returns where
// it stopped. It reads the files as a stream, whatever their size.
func (s *Set) Each(ctx context.Context, at Cursor, do func(Item) (bool, error)) (Cursor, error) {
	return each(s.walk(ctx, at, s.Parts), do)
}

// EachFailed hands on the children that failed, and then those that did not run, as Each
// does.
func (s *Set) EachFailed(ctx context.Context, do func(Item) (bool, error)) error {
	_, err := each(s.walk(ctx, Cursor{}, slices.Concat(s.Failed, s.Pending)), do)
	return err
}

func each(w *walker, do func(Item) (bool, error)) (Cursor, error) {
	for {
		it, ok, err := w.next()
		if err != nil || !ok {
			return w.at, err
		}
		if more, err := do(it); err != nil || !more {
			return w.at, err
		}
	}
}

// Find reads on from a place until n entries satisfied a condition, or so many bytes were
// read.
func (s *Set) Find(ctx context.Context, at Cursor, n int, budget int64, match func(*Item) bool) (Page, error) {
	out := Page{From: at, Items: []Item{}}
	w := s.walk(ctx, at, s.Parts)
	for len(out.Items) < n && w.taken < budget {
		it, ok, err := w.next()
		if err != nil {
			return out, err
		}
		if !ok {
			break
		}
		if match(&it) {
			out.Items = append(out.Items, it)
		}
	}
	out.Next, out.More = w.at, !w.ended()
	return out, nil
}

// Containing is a condition for Find: the text stands in the entry's id or prediction,
// whatever its case.
func Containing(text string) func(*Item) bool {
	text = strings.ToLower(text)
	return func(it *Item) bool {
		return strings.Contains(strings.ToLower(it.Key()), text) || strings.Contains(strings.ToLower(string(it.Prediction)), text) ||
			strings.Contains(strings.ToLower(it.Head), text)
	}
}

// WithID is a condition for Find: the entry has this id.
func WithID(id string) func(*Item) bool { return func(it *Item) bool { return it.Key() == id } }
