package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// stream describes a log stream. Times are Unix milliseconds; First and Last are
// event times, nil before the first event.
type stream struct {
	Name        string
	Created     int64
	First, Last *int64
	Ingested    int64
	Stored      int64 // bytes
}

// event is a log event; its time is in its key.
type event struct {
	Message  string `json:"m"`
	Ingested int64  `json:"i"`
}

var streamName = lazyregexp.New(`^[^:*\x00]+$`)

func checkStreamName(name string) error {
	if utf8.RuneCountInString(name) > maxName || !streamName.MatchString(name) {
		return errInvalid("%q is no name of a log stream.", name)
	}
	return nil
}

// position is where an event stands in its stream: by time, then by arrival.
type position struct {
	ms  int64
	seq uint64
}

func (p position) String() string { return fmt.Sprintf("%016x%016x", p.ms, p.seq) }

func parsePosition(s string) (position, bool) {
	if len(s) != 32 {
		return position{}, false
	}
	ms, err := strconv.ParseInt(s[:16], 16, 64)
	seq, err2 := strconv.ParseUint(s[16:], 16, 64)
	return position{ms, seq}, err == nil && err2 == nil
}

func (s *Service) createStream(_ context.Context, req *wire.Request, in *cwl.CreateLogStreamInput) (*cwl.CreateLogStreamOutput, error) {
	name, st := ref{req.Scope, aws.ToString(in.LogGroupName)}, aws.ToString(in.LogStreamName)
	return &cwl.CreateLogStreamOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, name); err != nil {
			return err
		}
		if tx.GetRaw(dbStreams, name.streamKey(st)) != nil {
			return errExists("log stream")
		}
		return store.Put(tx, dbStreams, name.streamKey(st), stream{Name: st, Created: s.Clock.Now().UnixMilli()})
	})
}

func (s *Service) deleteStream(_ context.Context, req *wire.Request, in *cwl.DeleteLogStreamInput) (*cwl.DeleteLogStreamOutput, error) {
	name, st := ref{req.Scope, aws.ToString(in.LogGroupName)}, aws.ToString(in.LogStreamName)
	return &cwl.DeleteLogStreamOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if err := mustStream(tx, name, st); err != nil {
			return err
		}
		if err := tx.DeletePrefix(dbEvents, name.eventPrefix(st)); err != nil {
			return err
		}
		return tx.Delete(dbStreams, name.streamKey(st))
	})
}

// mustStream is the error of a stream that does not exist.
func mustStream(tx *store.Tx, group ref, name string) error {
	if _, err := getGroup(tx, group); err != nil {
		return err
	}
	_, ok, err := store.Get[stream](tx, dbStreams, group.streamKey(name))
	if err == nil && !ok {
		err = errNotFound("log stream")
	}
	return err
}

func (s *Service) describeStreams(_ context.Context, req *wire.Request, in *cwl.DescribeLogStreamsInput) (*cwl.DescribeLogStreamsOutput, error) {
	name, err := target(req.Scope, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := in.OrderBy == types.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, errInvalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	var all []stream
	err = s.DB.View(func(tx *store.Tx) error {
		if _, err := getGroup(tx, name); err != nil {
			return err
		}
		all, err = store.List[stream](tx, dbStreams, name.streamKey(aws.ToString(in.LogStreamNamePrefix)))
		return err
	})
	if err != nil {
		return nil, err
	}
	if byTime {
		slices.SortStableFunc(all, func(a, b stream) int { return cmp.Compare(aws.ToInt64(a.Last), aws.ToInt64(b.Last)) })
	}
	if aws.ToBool(in.Descending) {
		slices.Reverse(all)
	}
	some, next, err := page.At(all, in.NextToken, in.Limit, 50)
	if err != nil {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	out := &cwl.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}, NextToken: next}
	for _, st := range some {
		d := types.LogStream{
			Arn: aws.String(name.streamARN(st.Name)), CreationTime: aws.Int64(st.Created), LogStreamName: aws.String(st.Name),
			FirstEventTimestamp: st.First, LastEventTimestamp: st.Last, StoredBytes: aws.Int64(0),
		}
		if st.Ingested > 0 {
			d.UploadSequenceToken = aws.String(sequenceToken) // there is none before the first event
			d.LastIngestionTime = aws.Int64(st.Ingested)
		}
		out.LogStreams = append(out.LogStreams, d)
	}
	return out, nil
}

func target(sc wire.Scope, name, identifier *string) (ref, error) {
	switch {
	case name != nil && identifier != nil:
		return ref{}, errValidation("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	case identifier != nil:
		return groupOf(sc, *identifier)
	case name == nil:
		return ref{}, errInvalid("At least one of logGroupName or logGroupIdentifier must be given.")
	}
	return ref{sc, *name}, nil
}

// sequenceToken stands where clients of old want one. CloudWatch Logs still gives
// them, takes none into account, and has 56 digits for them.
const sequenceToken = "49039859627658766398000000000000000000000000000000000001"

// Limits of a batch (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html).
const (
	maxBatchBytes = 1_048_576
	eventOverhead = 26
	maxPast       = 14 * 24 * time.Hour
	maxFuture     = 2 * time.Hour
)

func (s *Service) putEvents(ctx context.Context, req *wire.Request, in *cwl.PutLogEventsInput) (*cwl.PutLogEventsOutput, error) {
	name, st := ref{req.Scope, aws.ToString(in.LogGroupName)}, aws.ToString(in.LogStreamName)
	size, last := 0, int64(0)
	for _, e := range in.LogEvents {
		if *e.Timestamp < last {
			return nil, errInvalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		last = *e.Timestamp
		size += len(*e.Message) + eventOverhead
	}
	switch {
	case size > maxBatchBytes:
		return nil, errInvalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatchBytes)
	case last-*in.LogEvents[0].Timestamp > (24 * time.Hour).Milliseconds():
		return nil, errInvalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	out := &cwl.PutLogEventsOutput{NextSequenceToken: aws.String(sequenceToken)}
	var points []wire.MetricPoint
	var lines []wire.LogLine
	queued := false
	err := s.DB.Batch(func(tx *store.Tx) error {
		g, err := getGroup(tx, name)
		if err != nil {
			return err
		}
		if err := mustStream(tx, name, st); err != nil {
			return err
		}
		lines, out.RejectedLogEventsInfo = s.accept(g, in.LogEvents)
		if points, err = s.points(tx, name, lines); err != nil {
			return err
		}
		queued, err = s.append(tx, name, st, lines)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.emit(ctx, req.Scope, points)
	s.tails.tell(name, st, lines, s.Clock.Now())
	if queued {
		s.parcels.Ring()
	}
	return out, nil
}

// accept sorts out events that are too old, expired or too new.
func (s *Service) accept(g group, events []types.InputLogEvent) ([]wire.LogLine, *types.RejectedLogEventsInfo) {
	now := s.Clock.Now()
	expired := s.cutoff(g)
	var lines []wire.LogLine
	var r types.RejectedLogEventsInfo
	for i, e := range events {
		at := time.UnixMilli(*e.Timestamp)
		switch {
		case at.UnixMilli() < expired:
			r.ExpiredLogEventEndIndex = aws.Int32(int32(i + 1)) // at most 10000
		case at.Before(now.Add(-maxPast)):
			r.TooOldLogEventEndIndex = aws.Int32(int32(i + 1)) // at most 10000
		case at.After(now.Add(maxFuture)):
			if r.TooNewLogEventStartIndex == nil {
				r.TooNewLogEventStartIndex = aws.Int32(int32(i)) // at most 10000
			}
		default:
			lines = append(lines, wire.LogLine{Time: at, Message: *e.Message})
		}
	}
	if r == (types.RejectedLogEventsInfo{}) {
		return lines, nil
	}
	return lines, &r
}

// cutoff is the time before which events have expired.
func (s *Service) cutoff(g group) int64 {
	if g.Retention == nil {
		return 0
	}
	return s.Clock.Now().AddDate(0, 0, -int(*g.Retention)).UnixMilli()
}

// append writes lines to a stream, which it creates if need be, and removes
// expired events of the stream. It tells whether there is something to be sent.
func (s *Service) append(tx *store.Tx, group ref, name string, lines []wire.LogLine) (queued bool, err error) {
	now := s.Clock.Now().UnixMilli()
	st, ok, err := store.Get[stream](tx, dbStreams, group.streamKey(name))
	if err != nil {
		return false, err
	}
	if !ok {
		st = stream{Name: name, Created: now}
	}
	prefix := group.eventPrefix(name)
	places := make([]position, 0, len(lines))
	for _, l := range lines {
		seq, err := tx.NextSequence(dbEvents)
		if err != nil {
			return false, err
		}
		ms := l.Time.UnixMilli()
		places = append(places, position{ms, seq})
		if err := store.Put(tx, dbEvents, prefix+position{ms, seq}.String(), event{l.Message, now}); err != nil {
			return false, err
		}
		if st.First == nil || ms < *st.First {
			st.First = &ms
		}
		if st.Last == nil || ms > *st.Last {
			st.Last = &ms
		}
		st.Stored += int64(len(l.Message) + eventOverhead)
	}
	if len(lines) > 0 {
		st.Ingested = now
	}
	if queued, err = s.queueFor(tx, group, name, lines, places); err != nil {
		return queued, err
	}
	if err := s.expire(tx, group, &st); err != nil {
		return queued, err
	}
	return queued, store.Put(tx, dbStreams, group.streamKey(name), st)
}

// maxExpire bounds how many expired events one write removes.
const maxExpire = 1000

func (s *Service) expire(tx *store.Tx, group ref, st *stream) error {
	g, err := getGroup(tx, group)
	if err != nil || g.Retention == nil || st.First == nil || *st.First >= s.cutoff(g) {
		return err
	}
	prefix, limit := group.eventPrefix(st.Name), position{ms: s.cutoff(g)}.String()
	var old []string
	err = store.Each(tx, dbEvents, prefix, "", func(key string, e event) bool {
		pos := strings.TrimPrefix(key, prefix)
		if pos >= limit || len(old) == maxExpire {
			if p, ok := parsePosition(pos); ok {
				st.First = &p.ms
			}
			return false
		}
		old = append(old, key)
		st.Stored -= int64(len(e.Message) + eventOverhead)
		return true
	})
	for _, key := range old {
		if err == nil {
			err = tx.Delete(dbEvents, key)
		}
	}
	return err
}

// PutLog implements wire.Logs. Lines need not be in order of time; empty lines
// are left out, since CloudWatch Logs has no empty events.
func (s *Service) PutLog(ctx context.Context, sc wire.Scope, p wire.Principal, groupName, stream string, lines ...wire.LogLine) error {
	if err := checkStreamName(stream); err != nil {
		return err
	}
	group := ref{sc, groupName}
	lines = slices.DeleteFunc(slices.Clone(lines), func(l wire.LogLine) bool { return l.Message == "" })
	req := wire.Inside(s.Auth, sc, p, s.Clock.Now())
	may := func(action string) error { return s.guard(ctx, req, action, group.streamARN(stream), nil) }
	fresh := false
	err := s.DB.View(func(tx *store.Tx) error {
		if _, err := getGroup(tx, group); err != nil {
			return err
		}
		fresh = tx.GetRaw(dbStreams, group.streamKey(stream)) == nil
		return nil
	})
	if err == nil && fresh {
		err = may("logs:CreateLogStream")
	}
	if err == nil {
		err = may("logs:PutLogEvents")
	}
	if err != nil {
		return err
	}
	var points []wire.MetricPoint
	queued := false
	err = s.DB.Batch(func(tx *store.Tx) error {
		if _, err := getGroup(tx, group); err != nil {
			return err
		}
		if points, err = s.points(tx, group, lines); err != nil {
			return err
		}
		queued, err = s.append(tx, group, stream, lines)
		return err
	})
	if err == nil {
		s.emit(ctx, sc, points)
		s.tails.tell(group, stream, lines, s.Clock.Now())
	}
	if err == nil && queued {
		s.parcels.Ring()
	}
	return err
}
