package events

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerReplays(r *wire.Router) {
	one := wire.On(on("replay", "ReplayName"))
	wire.Handle(r, id, "StartReplay", s.startReplay, wire.Access{On: onReplayed})
	wire.Handle(r, id, "DescribeReplay", s.describeReplay, one)
	wire.Handle(r, id, "CancelReplay", s.cancelReplay, one)
	wire.Handle(r, id, "ListReplays", s.listReplays, wire.Access{})
}

// onReplayed is the archive that a replay reads.
func onReplayed(_ *wire.Request, in wire.Input) []string { return []string{in.Text("EventSourceArn")} }

// startup is how long a replay is STARTING: on AWS it takes minutes, here long enough that
// it can be cancelled.
const startup = 500 * time.Millisecond

// together bounds the events that a replay takes in one step.
const together = 100

// replay is a replay as it is kept.
type replay struct {
	Scope                                wire.Scope
	Name, ARN, Description, Archive, Bus string // Archive and Bus are ARNs
	Rules                                []string
	From, To                             time.Time
	Began, Ended, Last                   time.Time
	State                                types.ReplayState
	Reason                               string `json:",omitempty"`
	Place                                string // key of the event that was replayed last
}

func (r replay) key() string { return r.Scope.Key(r.Name) }

func (r replay) active() bool {
	return r.State == types.ReplayStateStarting || r.State == types.ReplayStateRunning || r.State == types.ReplayStateCancelling
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func getReplay(tx *store.Tx, sc wire.Scope, name string) (replay, error) {
	return store.Find[replay](tx, replaysBucket, sc.Key(name), missing("Replay %s does not exist.", name))
}

// checkReplay refuses what cannot be replayed. That the bus is looked for first, and that
// it must be the archive's, is recorded in https://github.com/localstack/localstack
// (tests/aws/services/events/test_archive_and_replay.snapshot.json); the other texts are
// those of https://github.com/getmoto/moto.
func (s *Service) checkReplay(req *wire.Request, in *sdk.StartReplayInput) error {
	to := aws.ToString(in.Destination.Arn)
	if a, ok := wire.ParseARN(to); !ok || !strings.HasPrefix(a.Resource, "event-bus/") {
		return validation("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
	}
	if _, _, err := s.busOf(req, &to); err != nil {
		return err
	}
	name := archiveName(*in.EventSourceArn)
	a, err := s.readArchive(req.Scope, name)
	var e *wire.Error
	// The permission was asked for the ARN that the caller wrote: it must be the archive's.
	if errors.As(err, &e) || err == nil && a.ARN != *in.EventSourceArn {
		return validation("Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", name)
	}
	switch {
	case err != nil:
		return err
	case a.Source != to:
		return validation("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	case !in.EventStartTime.Before(*in.EventEndTime):
		return validation("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	}
	return nil
}

func (s *Service) startReplay(_ context.Context, req *wire.Request, in *sdk.StartReplayInput) (*sdk.StartReplayOutput, error) {
	if err := s.checkReplay(req, in); err != nil {
		return nil, err
	}
	r := replay{
		Scope: req.Scope, Name: *in.ReplayName, ARN: req.ARN("events", "replay/"+*in.ReplayName), Description: aws.ToString(in.Description),
		Archive: *in.EventSourceArn, Bus: *in.Destination.Arn, Rules: in.Destination.FilterArns, From: *in.EventStartTime, To: *in.EventEndTime,
		Began: s.Clock.Now().UTC(), State: types.ReplayStateStarting,
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(replaysBucket, r.key()) != nil {
			return fail("ResourceAlreadyExistsException", "Replay %s already exists.", r.Name)
		}
		return store.Put(tx, replaysBucket, r.key(), r)
	})
	if err != nil {
		return nil, err
	}
	s.replaying.Ring()
	return &sdk.StartReplayOutput{ReplayArn: &r.ARN, ReplayStartTime: &r.Began, State: r.State}, nil
}

func (s *Service) describeReplay(_ context.Context, req *wire.Request, in *sdk.DescribeReplayInput) (*sdk.DescribeReplayOutput, error) {
	r, err := store.Look(s.DB, func(tx *store.Tx) (replay, error) { return getReplay(tx, req.Scope, *in.ReplayName) })
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeReplayOutput{
		ReplayName: &r.Name, ReplayArn: &r.ARN, Description: optional.Of(r.Description), EventSourceArn: &r.Archive, State: r.State, StateReason: optional.Of(r.Reason),
		Destination:    &types.ReplayDestination{Arn: &r.Bus, FilterArns: r.Rules},
		EventStartTime: &r.From, EventEndTime: &r.To, ReplayStartTime: &r.Began, ReplayEndTime: moment(r.Ended), EventLastReplayedTime: moment(r.Last),
	}, nil
}

func (s *Service) cancelReplay(_ context.Context, req *wire.Request, in *sdk.CancelReplayInput) (*sdk.CancelReplayOutput, error) {
	var r replay
	err := s.DB.Update(func(tx *store.Tx) (err error) {
		if r, err = getReplay(tx, req.Scope, *in.ReplayName); err != nil {
			return err
		}
		if r.State != types.ReplayStateStarting && r.State != types.ReplayStateRunning {
			return fail("IllegalStatusException", "Replay %s is not in a valid state for this operation.", r.Name)
		}
		r.State = types.ReplayStateCancelling
		return store.Put(tx, replaysBucket, r.key(), r)
	})
	if err != nil {
		return nil, err
	}
	s.replaying.Ring()
	return &sdk.CancelReplayOutput{ReplayArn: &r.ARN, State: r.State}, nil
}

func (s *Service) listReplays(_ context.Context, req *wire.Request, in *sdk.ListReplaysInput) (*sdk.ListReplaysOutput, error) {
	if err := oneFilter("ListReplays", in.State != "", in.EventSourceArn != nil, in.NamePrefix != nil); err != nil {
		return nil, err
	}
	all, err := store.Select(s.DB, replaysBucket, req.Key(aws.ToString(in.NamePrefix)), func(r replay) bool {
		return (in.EventSourceArn == nil || *in.EventSourceArn == r.Archive) && (in.State == "" || in.State == r.State)
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(r replay) string { return r.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListReplaysOutput{Replays: []types.Replay{}, NextToken: next}
	for _, r := range some {
		out.Replays = append(out.Replays, types.Replay{
			ReplayName: &r.Name, EventSourceArn: &r.Archive, State: r.State, StateReason: optional.Of(r.Reason),
			EventStartTime: &r.From, EventEndTime: &r.To, ReplayStartTime: &r.Began, ReplayEndTime: moment(r.Ended), EventLastReplayedTime: moment(r.Last),
		})
	}
	return out, nil
}

// runReplays works at replays until ctx is done. Without one it waits to be told. One that
// cannot go on is tried again by and by, and holds up no other.
func (s *Service) runReplays(ctx context.Context) {
	var reading bell.Retry
	resting := map[string]*rest{} // by the replay's key
	for ctx.Err() == nil {
		todo, err := s.activeReplays()
		if err != nil {
			s.Log.Error("replays cannot be read", "error", err.Error())
		}
		wait := reading.Wait(err, bell.Forever)
		kept := map[string]*rest{}
		for _, r := range todo {
			at := resting[r.key()]
			if at == nil {
				at = &rest{}
			}
			kept[r.key()] = at
			left := at.until.Sub(s.Clock.Now())
			if left <= 0 || r.State == types.ReplayStateCancelling {
				left = s.advance(r, at)
			}
			if wait == bell.Forever || left < wait {
				wait = left
			}
		}
		resting = kept
		if wait != 0 && !s.replaying.Wait(ctx, s.Clock, wait) {
			return
		}
	}
}

// rest is when a replay that has failed is looked at again.
type rest struct {
	retry bell.Retry
	until time.Time
}

func (s *Service) activeReplays() (todo []replay, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, replaysBucket, "", "", func(_ string, r replay) bool {
			if r.active() {
				todo = append(todo, r)
			}
			return true
		})
	})
	return todo, err
}

// advance does one step of a replay and returns how long to wait for the next.
func (s *Service) advance(r replay, at *rest) time.Duration {
	now := s.Clock.Now()
	if left := r.Began.Add(startup).Sub(now); r.State == types.ReplayStateStarting && left > 0 {
		return left
	}
	err := s.replaySome(r.key())
	if err != nil {
		s.Log.Error("a replay cannot go on", "replay", r.ARN, "error", err.Error())
	}
	wait := at.retry.Wait(err, bell.Forever)
	if wait == bell.Forever {
		return 0
	}
	at.until = now.Add(wait)
	return wait
}

// replaySome does one step of a replay: the events and the note of where it stands are one
// change, so that no crash doubles or loses an event.
func (s *Service) replaySome(key string) error {
	var list []courier.Ticket
	err := s.DB.Update(func(tx *store.Tx) error {
		r, found, err := store.Get[replay](tx, replaysBucket, key)
		if err != nil || !found || !r.active() {
			return err
		}
		end := func(state types.ReplayState, reason string) error {
			r.State, r.Reason, r.Ended = state, reason, s.now()
			return store.Put(tx, replaysBucket, key, r)
		}
		if r.State == types.ReplayStateCancelling {
			return end(types.ReplayStateCancelled, "")
		}
		a, err := getArchive(tx, r.Scope, archiveName(r.Archive))
		var gone *wire.Error
		if errors.As(err, &gone) {
			return end(types.ReplayStateFailed, gone.Message)
		}
		if err != nil {
			return err
		}
		m, more, err := s.replayStep(tx, &r, a)
		if err != nil {
			return err
		}
		if list, err = s.store(tx, m, s.now()); err != nil {
			return err
		}
		if !more {
			return end(types.ReplayStateCompleted, "")
		}
		r.State = types.ReplayStateRunning
		return store.Put(tx, replaysBucket, key, r)
	})
	if err == nil {
		s.courier.Begin(list...)
	}
	return err
}

// replayStep takes the next events of an archive. Replayed ones have ids of their own
// (unsure: AWS does not document it) and tell the replay's name.
func (s *Service) replayStep(tx *store.Tx, r *replay, a archive) (m matched, more bool, err error) {
	ref, err := busNamed(r.Scope, r.Bus)
	if err != nil {
		return m, false, err
	}
	from, end := placeOf(a, r.From), placeOf(a, r.To)
	if r.Place != "" {
		from = r.Place + "\x00" // the one after
	}
	n := 0
	scan := store.Each(tx, archivedBucket, archivedPrefix(a), from, func(key string, e archived) bool {
		if key >= end {
			return false
		}
		if n == together {
			more = true
			return false
		}
		n++
		var p posting
		if p, r.Last, err = replayed(ref, e, r.Name); err == nil {
			p.only = r.Rules
			err = s.match(&m, p)
		}
		r.Place = key
		return err == nil
	})
	return m, more, errors.Join(scan, err)
}

func replayed(ref busRef, e archived, name string) (p posting, at time.Time, err error) {
	var x struct {
		envelope
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(e.Event, &x); err != nil {
		return p, at, err
	}
	if at, err = time.Parse(time.RFC3339, x.Time); err != nil {
		return p, at, err
	}
	env := x.envelope
	env.ID, env.Replay, env.Detail = wire.NewID(), name, x.Detail
	text, err := marshal(env)
	return posting{bus: ref, id: env.ID, text: string(text)}, at, err
}
