package scheduler

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/schedule"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// What a target's retry policy has where it does not say.
const (
	maxAttempts = 185
	maxAge      = 24 * 60 * 60 // seconds
)

// entry is a schedule as it is kept.
type entry struct {
	Scope             wire.Scope
	Group, Name       string
	Expression, Zone  string
	Start, End        *time.Time
	Description, Key  string
	Window            types.FlexibleTimeWindow
	State             types.ScheduleState
	Completion        types.ActionAfterCompletion
	Target            types.Target
	Created, Modified time.Time
	Since             time.Time // from when a rate without a start counts
	Made, Changed     stamp     // by whose token it was made, and changed last
	At                time.Time // the next time that it names, zero for none
	Due               time.Time // that time, moved within the window
}

// stamp tells a call that is repeated from another one.
type stamp struct{ Token, Content string }

// keyOf is the key of a schedule.
func keyOf(sc wire.Scope, group, name string) string { return sc.Key(group + "/" + name) }

func (e entry) key() string { return keyOf(e.Scope, e.Group, e.Name) }

func (e entry) arn() string { return e.Scope.ARN(id, "schedule/"+e.Group+"/"+e.Name) }

func onSchedule(req *wire.Request, in wire.Input) []string {
	group, name := in.Text("GroupName"), in.Text("Name")
	if group == "" && name == "" {
		group = "*" // a list of all
	}
	return []string{req.ARN(id, "schedule/"+cmp.Or(group, defaultGroup)+"/"+cmp.Or(name, "*"))}
}

// The texts are recorded from AWS in https://github.com/localstack/localstack
// (tests/aws/services/scheduler/test_scheduler.snapshot.json) and
// https://github.com/getmoto/moto (tests/test_scheduler/test_scheduler.py).
func noSchedule(name string) error { return missing("Schedule %s does not exist.", name) }

// window is how long after its time a target may be invoked.
func (e entry) window() time.Duration {
	return time.Duration(aws.ToInt32(e.Window.MaximumWindowInMinutes)) * time.Minute
}

// parsed is the expression of an entry, with its time zone.
func (e entry) parsed() (schedule.Schedule, error) {
	zone, err := schedule.Zone(e.Zone)
	if err != nil {
		return schedule.Schedule{}, validation("Invalid Schedule Expression Timezone %s.", e.Zone) // unsure: no recording of AWS was found
	}
	x, err := schedule.ParseLoose(e.Expression, zone)
	if err != nil {
		return x, validation("Invalid Schedule Expression %s.", e.Expression)
	}
	return x, nil
}

// next is the first time after a time that the schedule names, between its start and its
// end, which one-time schedules have none of. A rate begins with its start, or at once.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
func (e entry) next(after time.Time) (time.Time, bool) {
	x, err := e.parsed()
	if err != nil {
		return time.Time{}, false // it was checked when it was put
	}
	if x.Once() {
		return x.Next(time.Time{}, after)
	}
	since := e.Since
	if e.Start != nil {
		since = *e.Start
	}
	if before := since.Add(-time.Nanosecond); after.Before(before) {
		after = before
	}
	at, ok := x.Next(since.Add(-x.Rate()), after)
	if ok && e.End != nil && at.After(*e.End) {
		return time.Time{}, false
	}
	return at, ok
}

// plan notes the next time after a time.
func (e *entry) plan(after time.Time) {
	e.At, e.Due = time.Time{}, time.Time{}
	if at, ok := e.next(after); ok {
		e.At, e.Due = at, at
		if w := e.window(); w > 0 {
			e.Due = at.Add(time.Duration(rand.Int64N(int64(w)))) // within the window, wherever
		}
	}
}

// patience is how long after a start date a schedule may be made with it. The text is
// recorded in https://github.com/getmoto/moto/pull/8172
const patience = 5 * time.Minute

// entryOf reads and checks what CreateSchedule and UpdateSchedule are given.
func (s *Service) entryOf(ctx context.Context, req *wire.Request, in *sdk.CreateScheduleInput) (e entry, err error) {
	now := s.now()
	e = entry{
		Scope: req.Scope, Group: cmp.Or(aws.ToString(in.GroupName), defaultGroup), Name: *in.Name, Expression: *in.ScheduleExpression,
		Zone: cmp.Or(aws.ToString(in.ScheduleExpressionTimezone), "UTC"), Start: in.StartDate, End: in.EndDate,
		Description: aws.ToString(in.Description), Key: aws.ToString(in.KmsKeyArn), Window: *in.FlexibleTimeWindow,
		State: cmp.Or(in.State, types.ScheduleStateEnabled), Completion: cmp.Or(in.ActionAfterCompletion, types.ActionAfterCompletionNone), Target: *in.Target,
	}
	x, err := e.parsed()
	if err != nil {
		return e, err
	}
	flexible := e.Window.Mode == types.FlexibleTimeWindowModeFlexible
	switch {
	case !x.Once() && e.Start != nil && e.Start.Before(now.Add(-patience)):
		return e, validation("The StartDate you specify cannot be earlier than 5 minutes ago.")
	case !x.Once() && e.End != nil && e.End.Before(now):
		return e, validation("The EndDate you specify cannot be in the past.") // unsure, as the next two: no recording of AWS was found
	case !x.Once() && e.Start != nil && e.End != nil && !e.End.After(*e.Start):
		return e, validation("The EndDate you specify must be after the StartDate.")
	case flexible && e.Window.MaximumWindowInMinutes == nil:
		return e, validation("MaximumWindowInMinutes must be set when the mode of the FlexibleTimeWindow is FLEXIBLE.")
	}
	if !flexible {
		e.Window.MaximumWindowInMinutes = nil
	}
	retry := types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(maxAge), MaximumRetryAttempts: aws.Int32(maxAttempts)}
	if given := e.Target.RetryPolicy; given != nil {
		retry.MaximumEventAgeInSeconds = cmp.Or(given.MaximumEventAgeInSeconds, retry.MaximumEventAgeInSeconds)
		retry.MaximumRetryAttempts = cmp.Or(given.MaximumRetryAttempts, retry.MaximumRetryAttempts)
	}
	e.Target.RetryPolicy = &retry
	if err := s.checkTarget(ctx, req, e); err != nil {
		return e, err
	}
	if e.Key != "" { // as the caller: https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
		raw, _ := json.Marshal(map[string]string{"KeyId": e.Key}) // a map of texts
		if _, err := s.router.Invoke(ctx, req.Scope, req.Principal, "kms", "DescribeKey", raw); err != nil {
			if wire.Transient(err) {
				return e, err
			}
			return e, validation("KmsKeyArn %s can't be used: %s", e.Key, wire.AsError(err).Message) // the words are ours
		}
	}
	return e, nil
}

// stampOf is the stamp of a call.
func stampOf(token *string, in any) stamp {
	raw, _ := json.Marshal(in) // an input that was decoded
	sum := sha256.Sum256(raw)
	return stamp{aws.ToString(token), hex.EncodeToString(sum[:])}
}

// repeats tells whether a call is the one that left a stamp. A token that comes with
// another content is a conflict.
func (st stamp) repeats(old stamp) (bool, error) {
	if st.Token == "" || st.Token != old.Token {
		return false, nil
	}
	if st.Content != old.Content {
		return false, conflict("The ClientToken was used before with other parameters.") // the words are ours
	}
	return true, nil
}

func (s *Service) create(ctx context.Context, req *wire.Request, in *sdk.CreateScheduleInput) (*sdk.CreateScheduleOutput, error) {
	e, err := s.entryOf(ctx, req, in)
	if err != nil {
		return nil, err
	}
	e.Made = stampOf(in.ClientToken, in)
	e.Created = s.now()
	e.Modified, e.Since = e.Created, e.Created
	e.plan(e.Created.Add(-time.Nanosecond))
	err = s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, req.Scope, e.Group); err != nil {
			return err
		}
		old, found, err := store.Get[entry](tx, schedulesBucket, e.key())
		if err != nil {
			return err
		}
		if found {
			again, err := e.Made.repeats(old.Made)
			if err == nil && !again {
				err = conflict("Schedule %s already exists.", e.Name)
			}
			return err
		}
		return store.Put(tx, schedulesBucket, e.key(), e)
	})
	if err != nil {
		return nil, err
	}
	s.due(e)
	return &sdk.CreateScheduleOutput{ScheduleArn: aws.String(e.arn())}, nil
}

// update replaces all of a schedule: what is not given has its default. A rate that stays
// goes on counting from where it did.
func (s *Service) update(ctx context.Context, req *wire.Request, in *sdk.UpdateScheduleInput) (*sdk.UpdateScheduleOutput, error) {
	same := sdk.CreateScheduleInput{
		Name: in.Name, GroupName: in.GroupName, ScheduleExpression: in.ScheduleExpression, ScheduleExpressionTimezone: in.ScheduleExpressionTimezone,
		StartDate: in.StartDate, EndDate: in.EndDate, Description: in.Description, KmsKeyArn: in.KmsKeyArn, FlexibleTimeWindow: in.FlexibleTimeWindow,
		State: in.State, ActionAfterCompletion: in.ActionAfterCompletion, Target: in.Target,
	}
	e, err := s.entryOf(ctx, req, &same)
	if err != nil {
		return nil, err
	}
	e.Changed = stampOf(in.ClientToken, same)
	e.Modified = s.now()
	err = s.DB.Update(func(tx *store.Tx) error {
		if _, err := getGroup(tx, req.Scope, e.Group); err != nil {
			return err
		}
		old, err := store.Find[entry](tx, schedulesBucket, e.key(), noSchedule(e.Name))
		if err != nil {
			return err
		}
		if again, err := e.Changed.repeats(old.Changed); err != nil || again {
			return err
		}
		e.Created, e.Made, e.Since = old.Created, old.Made, old.Since
		after := e.Modified
		if old.Expression != e.Expression {
			e.Since, after = e.Modified, e.Modified.Add(-time.Nanosecond)
		}
		e.plan(after)
		return store.Put(tx, schedulesBucket, e.key(), e)
	})
	if err != nil {
		return nil, err
	}
	s.due(e)
	return &sdk.UpdateScheduleOutput{ScheduleArn: aws.String(e.arn())}, nil
}

// find loads the schedule of a call.
func find(tx *store.Tx, req *wire.Request, group, name *string) (entry, error) {
	g := cmp.Or(aws.ToString(group), defaultGroup)
	if _, err := getGroup(tx, req.Scope, g); err != nil {
		return entry{}, err
	}
	return store.Find[entry](tx, schedulesBucket, keyOf(req.Scope, g, *name), noSchedule(*name))
}

func (s *Service) get(_ context.Context, req *wire.Request, in *sdk.GetScheduleInput) (*sdk.GetScheduleOutput, error) {
	e, err := store.Look(s.DB, func(tx *store.Tx) (entry, error) { return find(tx, req, in.GroupName, in.Name) })
	if err != nil {
		return nil, err
	}
	return &sdk.GetScheduleOutput{
		Arn: aws.String(e.arn()), Name: &e.Name, GroupName: &e.Group, ScheduleExpression: &e.Expression, ScheduleExpressionTimezone: &e.Zone,
		StartDate: e.Start, EndDate: e.End, Description: optional.Of(e.Description), KmsKeyArn: optional.Of(e.Key), FlexibleTimeWindow: &e.Window,
		State: e.State, ActionAfterCompletion: e.Completion, Target: &e.Target, CreationDate: &e.Created, LastModificationDate: &e.Modified,
	}, nil
}

func (s *Service) remove(_ context.Context, req *wire.Request, in *sdk.DeleteScheduleInput) (*sdk.DeleteScheduleOutput, error) {
	return &sdk.DeleteScheduleOutput{}, s.DB.Update(func(tx *store.Tx) error {
		e, err := find(tx, req, in.GroupName, in.Name)
		if err != nil {
			return err
		}
		return tx.Delete(schedulesBucket, e.key())
	})
}

func (s *Service) list(_ context.Context, req *wire.Request, in *sdk.ListSchedulesInput) (*sdk.ListSchedulesOutput, error) {
	var all []entry
	err := s.DB.View(func(tx *store.Tx) error {
		prefix := req.Prefix()
		if in.GroupName != nil {
			if _, err := getGroup(tx, req.Scope, *in.GroupName); err != nil {
				return err
			}
			prefix = req.Key(*in.GroupName + "/")
		}
		return store.Each(tx, schedulesBucket, prefix, "", func(_ string, e entry) bool {
			if strings.HasPrefix(e.Name, aws.ToString(in.NamePrefix)) && (in.State == "" || in.State == e.State) {
				all = append(all, e)
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 100, entry.key)
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListSchedulesOutput{Schedules: []types.ScheduleSummary{}, NextToken: next}
	for _, e := range some {
		out.Schedules = append(out.Schedules, types.ScheduleSummary{
			Arn: aws.String(e.arn()), Name: &e.Name, GroupName: &e.Group, State: e.State, Target: &types.TargetSummary{Arn: e.Target.Arn},
			CreationDate: &e.Created, LastModificationDate: &e.Modified,
		})
	}
	return out, nil
}
