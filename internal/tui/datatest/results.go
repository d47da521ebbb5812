package datatest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Results implements data.Source over ResultsAPI.
func (s *Source) Results(ctx context.Context, id spec.ID) (data.Results, error) {
	m, err := s.Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	api := s.ResultsAPI
	if api == nil {
		api = &Objects{}
	}
	return &predicted{machine: m, api: api}, nil
}

type predicted struct {
	machine *pipelines.Machine
	api     results.API
}

// Newest implements data.Results: outputs are the predictions.
func (p *predicted) Newest(ctx context.Context, in executions.ListInput, had []results.Item) ([]results.Item, error) {
	in.Machine = p.machine.ARN
	list, err := p.machine.Client.List(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([]results.Item, 0, len(list))
	for _, x := range list {
		if i := slices.IndexFunc(had, func(it results.Item) bool { return it.Execution == x.Name }); i >= 0 {
			out = append(out, had[i])
			continue
		}
		d, err := p.machine.Client.Describe(ctx, x.ARN)
		if err != nil {
			return nil, err
		}
		out = append(out, results.Item{Execution: d.Name, Prediction: json.RawMessage(d.Output), Input: json.RawMessage(d.Input), Error: d.Error, Cause: d.Cause})
	}
	return out, nil
}

// Of implements data.Results.
func (p *predicted) Of(ctx context.Context, d *executions.Details) (*results.Found, error) {
	switch at := results.Locate(d.Output); {
	case at.Manifest != nil:
		set, err := results.Open(ctx, p.api, *at.Manifest)
		return &results.Found{Set: set, Object: *at.Manifest}, err
	case at.Object != nil:
		item, err := results.Read(ctx, p.api, *at.Object)
		return &results.Found{Item: &item, Object: *at.Object}, err
	case d.Status != executions.Succeeded:
		return nil, fault.New(fault.NotFound, "execution %s has no result: it ended %s", d.Name, d.Status)
	default:
		return &results.Found{Item: &results.Item{Prediction: at.Inline, Input: json.RawMessage(d.Input)}}, nil
	}
}

// DataSet implements data.Results: the key "items.jsonl" is every data set.
func (p *predicted) DataSet(ctx context.Context, _ *executions.Details) (*results.DataSet, error) {
	d, err := results.OpenDataSet(ctx, p.api, results.Object{Bucket: "data", Key: "items.jsonl"}, false)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // as data.Results has it
	}
	return d, err
}

// Link implements data.Results.
func (p *predicted) Link(_ context.Context, o results.Object, expires time.Duration) (string, time.Time, error) {
	return "https://" + o.Bucket + ".example/" + o.Key + "?signed", Recorded.Add(expires), nil
}

// Objects is S3 in memory. The zero value is empty. It is safe for concurrent use.
type Objects struct {
	results.API

	mu      sync.Mutex
	objects map[string]string
}

// Put stores an object, whatever its bucket.
func (o *Objects) Put(key, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.objects == nil {
		o.objects = map[string]string{}
	}
	o.objects[key] = text
}

// GetObject implements results.API for ranges.
func (o *Objects) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, ok := o.objects[*in.Key]
	if !ok {
		return nil, &types.NoSuchKey{}
	}
	var from, to int
	if _, err := fmt.Sscanf(aws.ToString(in.Range), "bytes=%d-%d", &from, &to); err != nil {
		return nil, err
	}
	to = min(to+1, len(text))
	return &s3.GetObjectOutput{
		Body: io.NopCloser(bytes.NewReader([]byte(text[from:to]))), ContentRange: aws.String(fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(text))),
	}, ctx.Err()
}
