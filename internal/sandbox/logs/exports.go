package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbExports has the export tasks: scope's key of the id.
const dbExports = "logs.exports"

// export is an export task.
type export struct {
	Scope             wire.Scope
	ID, Name, Group   string
	Streams           string // prefix of their names
	From, To          int64
	Bucket, Prefix    string
	Status            types.ExportTaskStatusCode
	Message           string
	Created, Finished int64
}

func (e export) key() string { return e.Scope.Key(e.ID) }

func (e export) over() bool {
	return e.Status != types.ExportTaskStatusCodePending && e.Status != types.ExportTaskStatusCodeRunning
}

func (s *Service) registerExports(r *wire.Router) {
	wire.Handle(r, id, "CreateExportTask", s.createExport, wire.On(onGroup))
	wire.Handle(r, id, "DescribeExportTasks", s.describeExports, wire.Access{})
	wire.Handle(r, id, "CancelExportTask", s.cancelExport, wire.Access{})
}

// writeTest is what Logs writes first to see whether it may, with its name.
const (
	writeTest     = "aws-logs-write-test"
	writeTestText = "Permission Check Successful"
	exportPrefix  = "exportedlogs"
)

// createExport begins an export to a bucket whose policy lets Logs write. One may be
// under way at a time.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html; the texts
// are recordings (https://github.com/localstack/localstack, test_logs_export_tasks.snapshot.json).
func (s *Service) createExport(ctx context.Context, req *wire.Request, in *cwl.CreateExportTaskInput) (*cwl.CreateExportTaskOutput, error) {
	e := export{
		Scope: req.Scope, ID: wire.NewID(), Name: aws.ToString(in.TaskName), Group: *in.LogGroupName, Streams: aws.ToString(in.LogStreamNamePrefix), From: *in.From, To: *in.To,
		Bucket: *in.Destination, Prefix: aws.ToString(in.DestinationPrefix), Status: types.ExportTaskStatusCodePending, Created: s.Clock.Now().UnixMilli(),
	}
	if e.Prefix == "" {
		e.Prefix = exportPrefix
	}
	if e.From > e.To {
		return nil, errInvalid("The specified time range is invalid: from is after to.")
	}
	group := ref{req.Scope, e.Group}
	if err := s.DB.View(func(tx *store.Tx) error {
		_, err := getGroup(tx, group)
		return err
	}); err != nil {
		return nil, err
	}
	if err := s.mayExport(ctx, group, e, in.DestinationPrefix != nil); err != nil {
		return nil, err
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		busy := false
		err := store.Each(tx, dbExports, req.Prefix(), "", func(_ string, o export) bool { busy = busy || !o.over(); return true })
		if err == nil && busy {
			err = wire.Errorf(http.StatusBadRequest, "LimitExceededException", "Resource limit exceeded.")
		}
		if err != nil {
			return err
		}
		return store.Put(tx, dbExports, e.key(), e)
	})
	s.exports.Ring()
	return &cwl.CreateExportTaskOutput{TaskId: &e.ID}, err
}

// mayExport writes a first object.
func (s *Service) mayExport(ctx context.Context, group ref, e export, prefixed bool) error {
	err := s.asService(ctx, group, e.Scope, "s3", "GetBucketAcl", map[string]any{"Bucket": e.Bucket})
	var refused *wire.Error
	switch errors.As(err, &refused); {
	case err == nil:
	case refused != nil && refused.Code == "NoSuchBucket":
		return errInvalid("The given bucket does not exist. Please make sure the bucket is valid.")
	default:
		return errInvalid("GetBucketAcl call on the given bucket failed. Please check if CloudWatch Logs has been granted permission to perform this operation.")
	}
	key := writeTest
	if prefixed {
		key = e.Prefix + "/" + writeTest
	}
	if err := s.putExported(ctx, group, e, key, []byte(writeTestText)); err != nil {
		return errInvalid("PutObject call on the given bucket failed. Please check if CloudWatch Logs has been granted permission to perform this operation.")
	}
	return nil
}

func (s *Service) putExported(ctx context.Context, group ref, e export, key string, body []byte) error {
	return s.asService(ctx, group, e.Scope, "s3", "PutObject", map[string]any{"Bucket": e.Bucket, "Key": key, "Body": body, "ACL": "bucket-owner-full-control"})
}

func (s *Service) describeExports(_ context.Context, req *wire.Request, in *cwl.DescribeExportTasksInput) (*cwl.DescribeExportTasksOutput, error) {
	all, err := store.Select(s.DB, dbExports, req.Prefix(), func(e export) bool {
		return (in.TaskId == nil || *in.TaskId == e.ID) && (in.StatusCode == "" || in.StatusCode == e.Status)
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 50, func(e export) string { return e.ID })
	if err != nil {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	out := &cwl.DescribeExportTasksOutput{ExportTasks: []types.ExportTask{}, NextToken: next}
	for _, e := range some {
		t := types.ExportTask{
			TaskId: &e.ID, LogGroupName: &e.Group, From: &e.From, To: &e.To, Destination: &e.Bucket, DestinationPrefix: &e.Prefix,
			ExecutionInfo: &types.ExportTaskExecutionInfo{CreationTime: &e.Created}, Status: &types.ExportTaskStatus{Code: e.Status},
		}
		if e.Name != "" {
			t.TaskName = &e.Name
		}
		if e.Finished > 0 {
			t.ExecutionInfo.CompletionTime = &e.Finished
		}
		if e.Message != "" {
			t.Status.Message = &e.Message
		}
		out.ExportTasks = append(out.ExportTasks, t)
	}
	return out, nil
}

func (s *Service) cancelExport(_ context.Context, req *wire.Request, in *cwl.CancelExportTaskInput) (*cwl.CancelExportTaskOutput, error) {
	return &cwl.CancelExportTaskOutput{}, s.DB.Update(func(tx *store.Tx) error {
		e, found, err := store.Get[export](tx, dbExports, req.Key(*in.TaskId))
		switch {
		case err != nil:
			return err
		case !found:
			return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "The specified export task does not exist.")
		case e.over():
			return wire.Errorf(http.StatusBadRequest, "InvalidOperationException", "The specified export task has already finished")
		}
		e.Status, e.Message, e.Finished = types.ExportTaskStatusCodeCancelled, "Cancelled by user", s.Clock.Now().UnixMilli()
		return store.Put(tx, dbExports, e.key(), e)
	})
}

// exportAll runs the tasks that are not over. One that a stop cut off begins anew and
// writes the same objects; one whose end cannot be kept holds up no other.
func (s *Service) exportAll(ctx context.Context) (time.Duration, error) {
	all, err := store.Select(s.DB, dbExports, "", func(e export) bool {
		return !e.over()
	})
	for _, e := range all {
		if ctx.Err() != nil {
			break
		}
		err = errors.Join(err, s.runExport(ctx, e))
	}
	return bell.Forever, err
}

// runExport runs a task to its end.
func (s *Service) runExport(ctx context.Context, e export) error {
	if err := s.setExport(e, types.ExportTaskStatusCodeRunning, "Started successfully"); err != nil {
		return err
	}
	failed := guard.Run(s.Log, "an export of logs", func() error { return s.export(ctx, e) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		return s.setExport(e, types.ExportTaskStatusCodeFailed, wire.AsError(failed).Message)
	}
	return s.setExport(e, types.ExportTaskStatusCodeCompleted, "Completed successfully")
}

// setExport tells how far a task is, unless it was cancelled.
func (s *Service) setExport(e export, status types.ExportTaskStatusCode, message string) error {
	return s.DB.Update(func(tx *store.Tx) error {
		now, found, err := store.Get[export](tx, dbExports, e.key())
		if err != nil || !found || now.over() {
			return err
		}
		now.Status, now.Message = status, message
		if now.over() {
			now.Finished = s.Clock.Now().UnixMilli()
		}
		return store.Put(tx, dbExports, e.key(), now)
	})
}

// exportChunk is how many bytes of text one object has.
const exportChunk = 32 << 20

// export writes the events of each stream as compressed lines, with their times.
func (s *Service) export(ctx context.Context, e export) error {
	group := ref{e.Scope, e.Group}
	var streams []stream
	err := s.DB.View(func(tx *store.Tx) (err error) {
		if _, err = getGroup(tx, group); err == nil {
			streams, err = store.List[stream](tx, dbStreams, group.streamKey(e.Streams))
		}
		return err
	})
	for _, st := range streams {
		after := ""
		for number := 0; err == nil && ctx.Err() == nil; number++ {
			var body bytes.Buffer
			z := gzip.NewWriter(&body)
			var size int
			if size, after, err = s.exportLines(z, group, st.Name, e, after); err != nil {
				return err
			}
			if err := z.Close(); err != nil {
				return err
			}
			if size == 0 {
				break
			}
			key := fmt.Sprintf("%s/%s/%s/%06d.gz", e.Prefix, e.ID, strings.ReplaceAll(st.Name, "/", "-"), number)
			err = s.putExported(ctx, group, e, key, body.Bytes())
		}
	}
	return err
}

// exportLines writes the next lines of a stream, and returns how many bytes these were
// and behind which event the others are.
func (s *Service) exportLines(z *gzip.Writer, group ref, name string, e export, after string) (size int, last string, err error) {
	last = after
	end := e.To
	if end < math.MaxInt64 {
		end++ // the time itself is still in
	}
	var failed error
	err = s.DB.View(func(tx *store.Tx) error {
		return events(tx, group, name, span{start: e.From, end: end, after: after}, func(f found) bool {
			n, err := fmt.Fprintf(z, "%s %s\n", time.UnixMilli(f.ms).UTC().Format("2006-01-02T15:04:05.000Z"), f.Message)
			size, last, failed = size+n, f.String(), err
			return err == nil && size < exportChunk
		})
	})
	return size, last, errors.Join(err, failed)
}
