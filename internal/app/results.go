package app

import (
	"context"
	"encoding/json"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/results"
)

// Results are the results of one pipeline's executions. They are safe for concurrent use.
type Results struct {
	machine *Machine
	bucket  string
	api     *s3.Client
	clock   clock.Clock
}

// Results opens where the results of a pipeline's executions are. It asks nobody yet.
func (a *App) Results(ctx context.Context, m *Machine) (*Results, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, m.Pipeline.Spec.Region, m.Pipeline.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	bucket, err := m.Pipeline.State.Text("bucketName")
	return &Results{machine: m, bucket: bucket, api: artifacts.Client(cfg), clock: a.opts.Clock}, err
}

// Result is what one execution has predicted.
type Result = results.Found

// Of finds the result of an execution. One that has not succeeded may have that of a data
// set; else it is NotFound.
func (r *Results) Of(ctx context.Context, d *executions.Details) (*Result, error) {
	at := results.Locate(d.Output)
	switch {
	case d.Status == executions.Running || d.Status == executions.PendingRedrive:
		return nil, fault.New(fault.NotFound, "execution %s is still running", d.Name).WithHint("Wait for its end: `pipelinetui executions watch %s %s`.", r.machine.ID, d.Name)
	case at.Manifest != nil:
		set, err := results.Open(ctx, r.api, *at.Manifest)
		return &Result{Set: set, Object: *at.Manifest}, err
	case d.Status != executions.Succeeded:
		return r.ofFailed(ctx, d)
	case at.Object != nil:
		item, err := results.Read(ctx, r.api, *at.Object)
		if err != nil {
			return nil, err
		}
		item.Execution, item.Input = d.Name, json.RawMessage(d.Input)
		return &Result{Item: &item, Object: *at.Object}, nil
	}
	item := results.Item{Execution: d.Name, Prediction: at.Inline, Input: json.RawMessage(d.Input), Size: int64(len(at.Inline))}
	return &Result{Item: &item}, nil
}

// ofFailed looks for what an execution that failed has written before.
func (r *Results) ofFailed(ctx context.Context, d *executions.Details) (*Result, error) {
	none := fault.New(fault.NotFound, "execution %s has no result: it ended %s", d.Name, d.Status).
		WithHint("Run `pipelinetui executions show %s %s` for the reason.", r.machine.ID, d.Name)
	if r.bucket == "" {
		return nil, none
	}
	manifest, err := results.FindManifest(ctx, r.api, r.bucket, d.Name)
	if fault.KindOf(err) == fault.NotFound {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	set, err := results.Open(ctx, r.api, manifest)
	return &Result{Set: set, Object: manifest}, err
}

// DataSet is what an execution read its items from, nil if that is no file of lines or
// rows in the pipeline's bucket.
func (r *Results) DataSet(ctx context.Context, d *executions.Details) (*results.DataSet, error) {
	var in struct {
		InputKey string `json:"inputKey"`
	}
	format, _ := r.machine.Parameters["inputFormat"].(string)
	_ = json.Unmarshal([]byte(d.Input), &in) // another input names no file
	if in.InputKey == "" || r.bucket == "" || format != "JSONL" && format != "CSV" || path.Ext(in.InputKey) == ".gz" {
		return nil, nil // documented
	}
	data, err := results.OpenDataSet(ctx, r.api, results.Object{Bucket: r.bucket, Key: in.InputKey}, format == "CSV")
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // it was removed since
	}
	return data, err
}

// Link is an address from which anybody can download an object until it expires, and when
// that is: with temporary credentials, when these do at the latest
// (AmazonS3/latest/userguide/using-presigned-url.html).
func (r *Results) Link(ctx context.Context, o results.Object, expires time.Duration) (url string, until time.Time, err error) {
	keys, err := r.api.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return "", until, fault.Wrap(awscfg.Classify(err), "sign a link to %s", o.URI())
	}
	now := r.clock.Now()
	until = now.Add(expires)
	if keys.CanExpire && keys.Expires.Before(until) {
		until = keys.Expires.UTC()
		expires = max(time.Second, until.Sub(now)) // the least that S3 takes
	}
	signed, err := s3.NewPresignClient(r.api).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}, s3.WithPresignExpires(expires))
	if err != nil {
		return "", until, fault.Wrap(awscfg.Classify(err), "sign a link to %s", o.URI())
	}
	return signed.URL, until, nil
}

// Newest are the rows of the newest executions that in selects: their predictions, why they
// have none, or that they worked through a data set. It costs a DescribeExecution for each,
// and a read for each prediction that was stored; had are rows of before, which are taken for
// executions that had ended.
func (r *Results) Newest(ctx context.Context, in executions.ListInput, had []results.Item) ([]results.Item, error) {
	in.Machine = r.machine.ARN
	list, err := r.machine.Client.List(ctx, in)
	if err != nil {
		return nil, err
	}
	known := map[string]results.Item{}
	for _, it := range had {
		if it.Error != string(executions.Running) {
			known[it.Execution] = it
		}
	}
	out := make([]results.Item, len(list))
	for i := range list {
		if it, ok := known[list[i].Name]; ok && list[i].Status.Terminal() {
			out[i] = it
			continue
		}
		if out[i], err = r.row(ctx, list[i].ARN); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Results) row(ctx context.Context, execution string) (results.Item, error) {
	d, err := r.machine.Client.Describe(ctx, execution)
	if err != nil {
		return results.Item{}, err
	}
	it := results.Item{Execution: d.Name, Error: d.Error, Cause: executions.MessageOf(d.Cause)}
	if at := results.Locate(d.Output); at.Manifest == nil && d.Status == executions.Succeeded {
		found, err := r.Of(ctx, d)
		switch {
		case err == nil:
			it = *found.Item
		case fault.KindOf(err) == fault.NotFound:
			it.Error, it.Cause = "Gone", err.Error()
		default:
			return it, err
		}
	} else if at.Manifest != nil {
		it.Prediction = json.RawMessage(d.Output)
	} else if it.Error == "" {
		it.Error = string(d.Status)
	}
	it.Input = json.RawMessage(d.Input)
	return it, nil
}
