package app

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// ItemError is an item of a data set that the pipeline's function could not take,
// as the template batch writes it (docs/decisions/0010-item-errors.md).
type ItemError struct {
	ID    json.RawMessage `json:"id"`
	Error string          `json:"error"`
	Cause string          `json:"cause,omitempty"`
	// Item is the item itself, as the execution read it.
	Item json.RawMessage `json:"item,omitempty"`
}

// ItemErrorCount is how many items have the same error.
type ItemErrorCount struct {
	Error string `json:"error"`
	Count int64  `json:"count"`
}

// ItemErrors is where the item errors of one execution lie in S3. Its children
// write an object for each error that occurred in their batch,
// ERROR/COUNT-CHILD.json below Prefix, so that counting costs no reading.
type ItemErrors struct {
	Bucket, Prefix string
	// Count is of all items, Counts by their errors in the order of their names.
	Count  int64
	Counts []ItemErrorCount

	api  *s3.Client
	keys []string
}

// URI is the folder of the objects.
func (x *ItemErrors) URI() string { return "s3://" + x.Bucket + "/" + x.Prefix }

// ItemErrorsOf counts the item errors of the execution called name.
func (a *App) ItemErrorsOf(ctx context.Context, m *Machine, name string) (*ItemErrors, error) {
	bucket, err := m.Pipeline.State.Text("bucketName")
	if err != nil {
		return nil, err
	}
	if bucket == "" {
		return &ItemErrors{}, nil // nothing can be there
	}
	return a.itemErrors(ctx, m.Pipeline.Spec.Region, m.Pipeline.Spec.AssumeRole, bucket, "batch/"+name+"/errors/")
}

// ItemErrorsAt counts the item errors in the folder that the output of an
// execution, named by its ARN, gives.
func (a *App) ItemErrorsAt(ctx context.Context, execution, uri string) (*ItemErrors, error) {
	bucket, prefix, ok := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	at, err := arn.Parse(execution)
	if !ok || bucket == "" || prefix == "" || err != nil {
		return nil, fault.New(fault.Invalid, "%q is no folder in S3", uri)
	}
	return a.itemErrors(ctx, at.Region, a.roleTo(ctx, at), bucket, prefix)
}

func (a *App) itemErrors(ctx context.Context, region, role, bucket, prefix string) (*ItemErrors, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, region, role)
	if err != nil {
		return nil, err
	}
	x := &ItemErrors{Bucket: bucket, Prefix: prefix, api: artifacts.Client(cfg)}
	pages := s3.NewListObjectsV2Paginator(x.api, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fault.Wrap(awscfg.Classify(err), "list %s", x.URI())
		}
		for i := range page.Contents {
			x.add(*page.Contents[i].Key)
		}
	}
	return x, nil
}

// add counts an object; one whose name is none of ours is left alone.
func (x *ItemErrors) add(key string) {
	name, file, ok := strings.Cut(strings.TrimPrefix(key, x.Prefix), "/")
	number, _, dashed := strings.Cut(file, "-")
	count, err := strconv.ParseInt(number, 10, 64)
	if !ok || !dashed || err != nil || count < 1 {
		return
	}
	x.keys = append(x.keys, key)
	x.Count += count
	if n := len(x.Counts); n == 0 || x.Counts[n-1].Error != name { // S3 lists in the order of keys
		x.Counts = append(x.Counts, ItemErrorCount{Error: name})
	}
	x.Counts[len(x.Counts)-1].Count += count
}

// Each reads item errors and hands them on, in the order of errors and children,
// until do returns false or an error. It costs a call to S3 for each child and
// error.
func (x *ItemErrors) Each(ctx context.Context, do func(ItemError) (bool, error)) error {
	for _, key := range x.keys {
		list, err := x.read(ctx, key)
		if err != nil {
			return err
		}
		for _, e := range list {
			if more, err := do(e); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func (x *ItemErrors) read(ctx context.Context, key string) ([]ItemError, error) {
	out, err := x.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &x.Bucket, Key: &key})
	if err != nil {
		return nil, fault.Wrap(awscfg.Classify(err), "read s3://%s/%s", x.Bucket, key)
	}
	defer out.Body.Close()
	var list []ItemError
	if err := json.NewDecoder(out.Body).Decode(&list); err != nil {
		return nil, fault.New(fault.Invalid, "s3://%s/%s is not a list of item errors: %s", x.Bucket, key, err).Because(err).
			WithHint("Something else has written it; delete it, or read the rest with the AWS command line.")
	}
	return list, nil
}
