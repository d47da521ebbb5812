package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// checkedObject is where it is noted which revisions have passed their checks: with the
// pipeline, so that every machine knows.
const checkedObject = program.ArtifactPrefix + "checked.json"

// notedRevisions is how many are noted: more than are kept.
const notedRevisions = 50

// notes are what is noted of the checks of a pipeline's revisions, by number.
type notes map[int]revisions.Verdict

// verdicts tells what is known of the checks of a pipeline's revisions. What is noted is read
// once, and only if a revision is asked for that had checks.
func (a *App) verdicts(ctx context.Context, x *Existing) func(number int) (revisions.Verdict, error) {
	read := sync.OnceValues(func() (notes, error) { return a.notesOf(ctx, x) })
	return func(number int) (revisions.Verdict, error) {
		if a.hadNone(ctx, x, number) {
			return revisions.HadNone, nil
		}
		noted, err := read()
		return noted[number], err
	}
}

// notesOf reads what is noted of an existing pipeline's revisions.
func (a *App) notesOf(ctx context.Context, x *Existing) (notes, error) {
	if x.Spec == nil {
		return nil, x.Err
	}
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, x.Spec.Region, x.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	noted, _, err := readNotes(ctx, artifacts.Client(cfg), x.Spec.Names(t.accountOf(x.Spec)).Bucket)
	return noted, err
}

// hadNone tells that a revision had no checks, so that nobody could ask it.
func (a *App) hadNone(ctx context.Context, x *Existing, number int) bool {
	ledger, err := pipelines.Ledger(x.State)
	if err != nil {
		return false
	}
	r := ledger.Find(number)
	if r == nil {
		return false
	}
	doc, err := json.Marshal(r.Document)
	if err != nil {
		return false
	}
	// Its template may be in the bucket only: not asked for in vain.
	if own, err := spec.ChecksIn(doc, nil); err != nil || len(own) > 0 {
		return false
	}
	_, tmpl, err := a.templateAt(ctx, x, r, doc)
	if err != nil {
		return false
	}
	list, err := spec.ChecksIn(doc, tmpl)
	return err == nil && len(list) == 0
}

// WayBack is the revision of a pipeline that a rollback without a number goes to: see
// revisions.Ledger.Back. The error is NotFound if there is none.
func (a *App) WayBack(ctx context.Context, x *Existing) (int, error) {
	ledger, err := pipelines.Ledger(x.State)
	if err != nil {
		return 0, err
	}
	return ledger.Back(a.verdicts(ctx, x))
}

// GoBack is a sentence of a hint, with a space behind it, that names the command which goes
// back; "" if there is no revision to go back to, or that is not known.
func (a *App) GoBack(ctx context.Context, id spec.ID) string {
	x, err := a.Find(ctx, id)
	if err != nil {
		return ""
	}
	to, err := a.WayBack(ctx, x)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("`pipelinetui rollback %s` goes back to revision %d. ", id, to)
}

// readNotes reads what is noted: nothing where nothing ever was. The tag is that of what was
// read, nil of nothing. An error says that it is not known what is noted.
func readNotes(ctx context.Context, api *s3.Client, bucket string) (out notes, tag *string, err error) {
	out = notes{}
	got, err := api.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(checkedObject)})
	var none *s3types.NoSuchKey
	if errors.As(err, &none) {
		return out, nil, nil
	}
	if err != nil {
		return notes{}, nil, fault.Wrap(awscfg.Classify(err), "read s3://%s/%s", bucket, checkedObject)
	}
	defer got.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(got.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return notes{}, nil, fault.New(fault.Damaged, "s3://%s/%s can't be read: %v", bucket, checkedObject, err).Because(err).
			WithHint("If it is damaged, delete it: the next up asks the checks anew.")
	}
	return out, got.ETag, nil
}

// noteTries bounds how often a note is written anew because somebody else has written one.
const noteTries = 10

// writeNote notes what is known of one revision, and nothing of others: what somebody else
// has noted meanwhile stays. (AmazonS3/latest/userguide/conditional-writes.html)
func writeNote(ctx context.Context, api *s3.Client, bucket string, number int, v revisions.Verdict) error {
	for try := 1; ; try++ {
		noted, tag, err := readNotes(ctx, api, bucket)
		if err != nil {
			return err
		}
		noted[number] = v
		for n := range noted {
			if n <= number-notedRevisions {
				delete(noted, n)
			}
		}
		raw, err := json.Marshal(noted)
		if err != nil {
			return err
		}
		in := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(checkedObject), Body: bytes.NewReader(raw), ContentType: aws.String("application/json"), IfMatch: tag}
		if tag == nil {
			in.IfNoneMatch = aws.String("*")
		}
		_, err = api.PutObject(ctx, in)
		var api smithy.APIError
		if errors.As(err, &api) && (api.ErrorCode() == "PreconditionFailed" || api.ErrorCode() == "ConditionalRequestConflict") && try < noteTries {
			continue
		}
		return awscfg.Classify(err)
	}
}

// read is what is noted of the pipeline's revisions; it is never nil.
func (t *proving) read(ctx context.Context) (notes, error) {
	api, bucket, err := t.bucket(ctx)
	if err != nil {
		return notes{}, err
	}
	noted, _, err := readNotes(ctx, api, bucket)
	return noted, err
}

func (t *proving) write(ctx context.Context, number int, v revisions.Verdict) error {
	api, bucket, err := t.bucket(ctx)
	if err != nil {
		return err
	}
	return writeNote(ctx, api, bucket, number, v)
}

func (t *proving) bucket(ctx context.Context) (*s3.Client, string, error) {
	cfg, err := t.target.awsConfig(ctx, t.p.Region, t.p.AssumeRole)
	if err != nil {
		return nil, "", err
	}
	return artifacts.Client(cfg), t.p.Names(t.target.accountOf(t.p)).Bucket, nil
}
