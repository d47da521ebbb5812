package interpreter

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func readFailed(format string, args ...any) error {
	return failure.New(failure.ItemReader, fmt.Sprintf(format, args...)).Err()
}

// reader prepares to read what the ItemReader names.
func (d *distributed) reader(p wire.Principal) (items.Feed, error) {
	r := d.st.Map.Reader
	in, err := d.ev.input()
	if err != nil {
		return nil, err
	}
	e := d.ev.with(in)
	limit, _, err := e.integer(r.MaxItems, -maxSeconds, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	switch {
	case limit < 0:
		return nil, readFailed("field MaxItems must be positive")
	case limit == 0 || limit > items.Most:
		limit = items.Most
	}
	var params any = value.NewObject(0)
	if r.Parameters != nil {
		if params, err = e.template(r.Parameters); err != nil {
			return nil, err
		}
	}
	objects := d.b.x.s.Objects
	if objects == nil {
		return nil, readFailed("The sandbox runs without S3.")
	}
	at, err := e.source(params)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, check bool, yield func(items.Item) error) error {
		from := items.Reader{
			Objects: objects, Scope: d.b.x.rec.Scope, Principal: p, Spec: r, Limit: limit, MaxBytes: d.b.x.s.MaxItemBytes, ETag: d.run.ETag(""),
		}
		end := func() {}
		if check { // a text may be hard to read, too; the second time the children are what is evaluated
			end = e.watched()
		}
		var taken error // of who takes the items; it is no error of the reader
		err := from.Read(ctx, at, check, func(item items.Item) error {
			taken = yield(item)
			return taken
		})
		end()
		d.run.ETag(from.ETag)
		if err == nil || taken != nil || ctx.Err() != nil {
			return err
		}
		var we *wire.Error
		if errors.As(err, &we) {
			return readFailed("%s", integration.Cause("s3", we))
		}
		return readFailed("%s", err)
	}, nil
}

// source takes the parameters of the ItemReader apart.
func (e *evaluation) source(params any) (items.Source, error) {
	var s items.Source
	for _, f := range []struct {
		to  *string
		key string
	}{{&s.Bucket, "Bucket"}, {&s.Key, "Key"}, {&s.Version, "VersionId"}, {&s.Prefix, "Prefix"}} {
		var err error
		if *f.to, err = e.textOf(params, "ItemReader", f.key, f.key == "Bucket"); err != nil {
			return s, err
		}
	}
	return s, nil
}
