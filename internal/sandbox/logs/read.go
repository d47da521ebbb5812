package logs

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	maxPage      = 10_000
	maxPageBytes = 1 << 20
)

// found is an event that a read returns.
type found struct {
	event
	position
	stream string
}

func (f found) size() int { return len(f.Message) + eventOverhead }

// span limits a read to times [start, end) and to positions behind `after` (if
// any) or before `before` (if any).
type span struct {
	start, end    int64
	after, before string
}

func (s *Service) span(g group, start, end *int64) span {
	out := span{start: max(aws.ToInt64(start), s.cutoff(g)), end: math.MaxInt64}
	if end != nil {
		out.end = *end
	}
	return out
}

// events calls fn for the events of a stream in the span, in order.
func events(tx *store.Tx, group ref, name string, sp span, fn func(found) bool) error {
	prefix := group.eventPrefix(name)
	from := max(position{ms: max(sp.start, 0)}.String(), sp.after)
	return tx.Scan(dbEvents, prefix, prefix+from, func(key string, raw []byte) (bool, error) {
		at := strings.TrimPrefix(key, prefix)
		pos, ok := parsePosition(at)
		if !ok || at == sp.after {
			return true, nil
		}
		if pos.ms >= sp.end || sp.before != "" && at >= sp.before {
			return false, nil
		}
		f := found{position: pos, stream: name}
		if err := json.Unmarshal(raw, &f.event); err != nil {
			return false, err
		}
		return fn(f), nil
	})
}

// getEvents reads a stream in pages, in both directions. Tokens name a position
// ("f/..." the events behind it, "b/..." those before); at the end of the stream
// the forward token stays the same, by which clients know that they have all.
func (s *Service) getEvents(_ context.Context, req *wire.Request, in *cwl.GetLogEventsInput) (*cwl.GetLogEventsOutput, error) {
	name, err := target(req.Scope, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	st := aws.ToString(in.LogStreamName)
	limit := limitOf(in.Limit, maxPage)
	forward, at, err := direction(in)
	if err != nil {
		return nil, err
	}
	var page []found
	err = s.DB.View(func(tx *store.Tx) error {
		g, err := getGroup(tx, name)
		if err != nil {
			return err
		}
		if err := mustStream(tx, name, st); err != nil {
			return err
		}
		sp := s.span(g, in.StartTime, in.EndTime)
		if forward {
			sp.after = at
		} else {
			sp.before = at
		}
		page, err = readPage(tx, name, st, sp, limit, forward)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &cwl.GetLogEventsOutput{Events: []types.OutputLogEvent{}}
	for _, f := range page {
		out.Events = append(out.Events, types.OutputLogEvent{Message: aws.String(f.Message), Timestamp: aws.Int64(f.ms), IngestionTime: aws.Int64(f.Ingested)})
	}
	first, last := at, at
	if len(page) > 0 {
		first, last = page[0].String(), page[len(page)-1].String()
	}
	if first == "" { // an empty stream
		first, last = position{}.String(), position{}.String()
	}
	out.NextForwardToken, out.NextBackwardToken = aws.String("f/"+last), aws.String("b/"+first)
	return out, nil
}

func direction(in *cwl.GetLogEventsInput) (forward bool, at string, err error) {
	token := aws.ToString(in.NextToken)
	if token == "" {
		return aws.ToBool(in.StartFromHead), "", nil
	}
	kind, at, _ := strings.Cut(token, "/")
	if _, ok := parsePosition(at); !ok || kind != "f" && kind != "b" {
		return false, "", errInvalid("The specified nextToken is invalid.")
	}
	return kind == "f", at, nil
}

// readPage returns the first events of the span, or the last.
func readPage(tx *store.Tx, group ref, name string, sp span, limit int, first bool) ([]found, error) {
	var page []found
	size := 0
	err := events(tx, group, name, sp, func(f found) bool {
		if first && (len(page) == limit || size+f.size() > maxPageBytes) {
			return false
		}
		page = append(page, f)
		size += f.size()
		for !first && (len(page) > limit || size > maxPageBytes && len(page) > 1) {
			size -= page[0].size()
			page = page[1:]
		}
		return true
	})
	return page, err
}

// filterEvents searches the streams of a group. Events come in order of time.
func (s *Service) filterEvents(_ context.Context, req *wire.Request, in *cwl.FilterLogEventsInput) (*cwl.FilterLogEventsOutput, error) {
	name, err := target(req.Scope, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, errInvalid("logStreamNamePrefix and logStreamNames are mutually exclusive.")
	}
	limit := limitOf(in.Limit, maxPage)
	wanted, err := parsePattern(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	after := aws.ToString(in.NextToken)
	if _, ok := parsePosition(after); after != "" && !ok {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	var all []found
	err = s.DB.View(func(tx *store.Tx) error {
		g, err := getGroup(tx, name)
		if err != nil {
			return err
		}
		streams, err := store.List[stream](tx, dbStreams, name.streamKey(aws.ToString(in.LogStreamNamePrefix)))
		if err != nil {
			return err
		}
		sp := s.span(g, in.StartTime, in.EndTime)
		sp.after = after
		for _, st := range streams {
			if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, st.Name) || st.Last == nil || *st.Last < sp.start {
				continue
			}
			n := 0
			err := events(tx, name, st.Name, sp, func(f found) bool {
				if wanted.holds(f.Message) {
					all = append(all, f)
					n++
				}
				return n <= limit
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return filterPage(all, limit), nil
}

func filterPage(all []found, limit int) *cwl.FilterLogEventsOutput {
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.String(), b.String()) })
	out := &cwl.FilterLogEventsOutput{Events: []types.FilteredLogEvent{}, SearchedLogStreams: []types.SearchedLogStream{}}
	size := 0
	for i, f := range all {
		if i == limit || size+f.size() > maxPageBytes && i > 0 {
			out.NextToken = aws.String(all[i-1].String())
			break
		}
		size += f.size()
		out.Events = append(out.Events, types.FilteredLogEvent{
			EventId: aws.String(f.String()), LogStreamName: aws.String(f.stream), Message: aws.String(f.Message), Timestamp: aws.Int64(f.ms), IngestionTime: aws.Int64(f.Ingested),
		})
	}
	return out
}
