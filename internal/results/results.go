// Package results owns what executions have predicted: where the predictions of one
// execution or of a data set lie in S3, a page of them at any place, the statistics over
// them, how two of them differ, and tables of them as files. Objects are read in ranges,
// so that one of any size costs the memory of a page.
//
// It talks to S3 only, prints nothing, and knows nothing of pipelines.
package results

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// API is the part of the S3 client that is used. *s3.Client implements it.
type API interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	s3.ListObjectsV2APIClient
}

var _ API = (*s3.Client)(nil)

// Object is something in S3.
type Object struct{ Bucket, Key string }

// URI is the object as s3://BUCKET/KEY.
func (o Object) URI() string { return "s3://" + o.Bucket + "/" + o.Key }

// ParseURI reads s3://BUCKET/KEY.
func ParseURI(uri string) (Object, bool) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, cut := strings.Cut(rest, "/")
	return Object{bucket, key}, ok && cut && bucket != "" && key != ""
}

// Location is where the result of an execution is, as its output tells. One of the three
// is set: Object for a prediction that was stored, Manifest for those of a data set, and
// Inline for an output that is the prediction itself.
type Location struct {
	Object   *Object
	Manifest *Object
	Inline   json.RawMessage
}

// Locate reads the output of an execution that succeeded: resultUri and manifestUri are
// the words of the built-in templates, ResultWriterDetails those of a Distributed Map
// whose result is the output (step-functions/latest/dg/input-output-resultwriter.html).
func Locate(output string) Location {
	var out struct {
		ResultURI           string `json:"resultUri"`
		ManifestURI         string `json:"manifestUri"`
		ResultWriterDetails struct{ Bucket, Key string }
	}
	if json.Unmarshal([]byte(output), &out) == nil {
		if o, ok := ParseURI(out.ManifestURI); ok {
			return Location{Manifest: &o}
		}
		if d := out.ResultWriterDetails; d.Bucket != "" && d.Key != "" {
			return Location{Manifest: &Object{d.Bucket, d.Key}}
		}
		if o, ok := ParseURI(out.ResultURI); ok {
			return Location{Object: &o}
		}
	}
	if !json.Valid([]byte(output)) {
		return Location{}
	}
	return Location{Inline: json.RawMessage(output)}
}

// Found is what one execution has predicted: one item, or the set of a data set's. One of
// the two is set.
type Found struct {
	Item *Item
	Set  *Set
	// Object is where an item, or the manifest of a set, lies; empty if the execution's
	// output is the prediction itself.
	Object Object
}

// Item is one result: a prediction, and what is known of what it was made from.
type Item struct {
	// Execution is the name of its own, where the results of several are told of.
	Execution string `json:"execution,omitempty"`
	// ID is the item's, as JSON; nil if its file says none.
	ID json.RawMessage `json:"id,omitempty"`
	// Input is what the prediction was made from, nil if it is not known.
	Input      json.RawMessage `json:"input,omitempty"`
	Prediction json.RawMessage `json:"prediction,omitempty"`
	Error      string          `json:"error,omitempty"`
	Cause      string          `json:"cause,omitempty"`
	// At is where it stands.
	At Cursor `json:"at,omitzero"`
	// Size is of all of it in bytes. One of more than MaxItem is not read whole: it has
	// no Prediction, and Head is its beginning.
	Size int64  `json:"size,omitempty"`
	Head string `json:"head,omitempty"`
}

// Key is the item's id as one reads it, "" if there is none.
func (i *Item) Key() string { return plain(i.ID) }

// plain is a JSON value as one reads it: a text without its quotes.
func plain(raw json.RawMessage) string {
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// decode reads an entry of a file of results: {id, prediction} as the template batch
// writes it, a child execution as a ResultWriter without a transformation does, or the
// prediction alone. What is no JSON is a text.
func decode(text []byte) Item {
	text = bytes.TrimSpace(text)
	it := Item{Size: int64(len(text))}
	if !json.Valid(text) {
		it.Prediction, _ = json.Marshal(string(text)) // a text is always JSON
		return it
	}
	text = bytes.Clone(text)
	if text[0] != '{' {
		it.Prediction = text
		return it
	}
	var entry map[string]json.RawMessage
	if json.Unmarshal(text, &entry) != nil {
		it.Prediction = text
		return it
	}
	switch prediction, has := entry["prediction"]; {
	case has && len(entry) == 2 && entry["id"] != nil:
		it.ID, it.Prediction = entry["id"], prediction
	case has && entry["executionArn"] != nil:
		it.Prediction = prediction // the template realtime
	case entry["ExecutionArn"] != nil && entry["Status"] != nil:
		it.ID, it.Input, it.Prediction = entry["Name"], unquoted(entry["Input"]), unquoted(entry["Output"])
		it.Error, it.Cause = plain(entry["Error"]), plain(entry["Cause"])
	default:
		it.Prediction = text
	}
	return it
}

// unquoted is a JSON document that stands as a text in another, as JSON.
func unquoted(raw json.RawMessage) json.RawMessage {
	if text := plain(raw); len(raw) > 0 && raw[0] == '"' && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return raw
}

// Read reads the stored result of one execution. Of one of more than MaxItem bytes the
// beginning is read.
func Read(ctx context.Context, api API, o Object) (Item, error) {
	raw, size, err := head(ctx, api, o, MaxItem)
	if err != nil {
		return Item{}, err
	}
	if size > int64(len(raw)) {
		return Item{Size: size, Head: beginning(raw)}, nil
	}
	it := decode(raw)
	it.Size = size
	return it, nil
}

// headLength is how much is shown of what is not read whole.
const headLength = 1000

// beginning is the text of the first bytes of something long.
func beginning(raw []byte) string {
	return strings.ToValidUTF8(string(raw[:min(headLength, len(raw))]), "\uFFFD")
}

// gone says that there is nothing at a place.
func gone(o Object, err error) error {
	return fault.New(fault.NotFound, "there is no %s", o.URI()).Because(err).
		WithHint("Results are kept as long as the pipeline's parameter retention.resultsDays says.")
}
