package logs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// What a live tail is bound by.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
const (
	tailEvery    = time.Second
	tailBatch    = 500 // events in an update; more are sampled
	tailFor      = 3 * time.Hour
	tailSessions = 15 // at once in an account and region
)

// tail is a session of StartLiveTail.
type tail struct {
	groups            []ref
	streams, prefixes []string
	holds             func(message string) bool

	mu      sync.Mutex
	waiting []types.LiveTailSessionLogEvent
	sampled bool
}

// tails are the sessions that there are.
type tails struct {
	mu   sync.Mutex
	open map[*tail]wire.Scope
}

// tell hands what was ingested to who looks on. It is called when the lines are on disk.
func (t *tails) tell(group ref, stream string, lines []wire.LogLine, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.open {
		if slices.Contains(s.groups, group) && s.follows(stream) {
			s.take(group, stream, lines, now)
		}
	}
}

func (s *tail) follows(stream string) bool {
	return len(s.streams) == 0 && len(s.prefixes) == 0 || slices.Contains(s.streams, stream) ||
		slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(stream, p) })
}

func (s *tail) take(group ref, stream string, lines []wire.LogLine, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lines {
		switch {
		case !s.holds(l.Message):
		case len(s.waiting) == tailBatch:
			s.sampled = true
		default:
			s.waiting = append(s.waiting, types.LiveTailSessionLogEvent{
				LogGroupIdentifier: aws.String(group.scope.Account + ":" + group.name), LogStreamName: &stream, Message: aws.String(l.Message),
				Timestamp: aws.Int64(l.Time.UnixMilli()), IngestionTime: aws.Int64(now.UnixMilli()),
			})
		}
	}
}

// update is what came since the last one.
func (s *tail) update() types.LiveTailSessionUpdate {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := types.LiveTailSessionUpdate{SessionMetadata: &types.LiveTailSessionMetadata{Sampled: s.sampled}, SessionResults: s.waiting}
	if out.SessionResults == nil {
		out.SessionResults = []types.LiveTailSessionLogEvent{}
	}
	s.waiting, s.sampled = nil, false
	return out
}

func onGroups(req *wire.Request, in wire.Input) (arns []string) {
	for _, text := range in.Texts("logGroupIdentifiers") {
		if g, err := groupOf(req.Scope, text); err == nil {
			arns = append(arns, g.arn())
		}
	}
	return arns
}

// startTail shows what is ingested from now on, each second. Groups are named by their
// ARNs; streams only where there is one group.
func (s *Service) startTail(_ context.Context, req *wire.Request, in *cwl.StartLiveTailInput) (*wire.EventStream, error) {
	t := &tail{streams: in.LogStreamNames, prefixes: in.LogStreamNamePrefixes, holds: func(string) bool { return true }}
	for _, text := range in.LogGroupIdentifiers {
		if !wire.MeansARN(text) || strings.HasSuffix(text, ":*") {
			return nil, errInvalid("Log group identifiers must be ARNs that do not end with an asterisk: %s", text)
		}
		g, err := groupOf(req.Scope, text)
		if err != nil {
			return nil, err
		}
		t.groups = append(t.groups, g)
	}
	switch {
	case len(t.streams) > 0 && len(t.prefixes) > 0:
		return nil, errInvalid("logStreamNames and logStreamNamePrefixes are mutually exclusive.")
	case len(t.groups) != 1 && len(t.streams)+len(t.prefixes) > 0:
		return nil, errInvalid("Log streams can be given for one log group only.")
	}
	if text := aws.ToString(in.LogEventFilterPattern); text != "" {
		p, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		t.holds = p.holds
	}
	err := s.DB.View(func(tx *store.Tx) error {
		for _, g := range t.groups {
			if _, err := getGroup(tx, g); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.EventStream{
		Enter: func() (func(), error) { return s.tails.enter(t, req.Scope) },
		Run:   func(ctx context.Context, send func(string, any) error) error { return s.runTail(ctx, req, t, in, send) },
	}, nil
}

func (s *Service) runTail(ctx context.Context, req *wire.Request, t *tail, in *cwl.StartLiveTailInput, send func(string, any) error) error {
	began := s.Clock.Now()
	err := send("sessionStart", types.LiveTailSessionStart{
		RequestId: &req.ID, SessionId: aws.String(wire.NewID()), LogGroupIdentifiers: in.LogGroupIdentifiers, LogStreamNames: in.LogStreamNames,
		LogStreamNamePrefixes: in.LogStreamNamePrefixes, LogEventFilterPattern: in.LogEventFilterPattern,
	})
	for err == nil {
		if err = clock.Sleep(ctx, s.Clock, tailEvery); err != nil {
			return err
		}
		if s.Clock.Now().Sub(began) >= tailFor {
			return wire.Errorf(400, "SessionTimeoutException", "The session has timed out.")
		}
		err = send("sessionUpdate", t.update())
	}
	return err
}

// enter lets a session in if there are not too many, and returns what ends it. A session
// too many is refused as the operation itself: LimitExceededException is an error of
// StartLiveTail and no member of its stream.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html#API_StartLiveTail_Errors
func (t *tails) enter(s *tail, sc wire.Scope) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, other := range t.open {
		if other == sc {
			n++
		}
	}
	if n >= tailSessions {
		return nil, wire.Errorf(400, "LimitExceededException", "There are %d Live Tail sessions, as many as may be.", n)
	}
	if t.open == nil {
		t.open = map[*tail]wire.Scope{}
	}
	t.open[s] = sc
	return func() { t.leave(s) }, nil
}

func (t *tails) leave(s *tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, s)
}
