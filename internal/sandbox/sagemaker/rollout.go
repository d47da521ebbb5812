package sagemaker

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// phase is what an update is doing.
type phase string

const (
	launching  phase = "launching"  // the new fleet, or the next batch of it, comes up
	activating phase = "activating" // it is given its share of the traffic
	baking     phase = "baking"     // alarms are watched
	returning  phase = "returning"  // the traffic goes back to the old fleet
)

// rollout is how far an update has come. Each phase begins and ends with one change of the
// store, so that a restart goes on from there.
type rollout struct {
	Phase phase
	Step  int // of the plan
	// Share is the part of the traffic that the new fleet has.
	Share float64
	// Up says that the new fleet runs.
	Up                  bool
	Began, Since, Until time.Time
}

const (
	// alarmEvery is how often alarms are looked at while a fleet bakes.
	alarmEvery = time.Second
	// activationPart is the part of the delay of a transition that a shift of traffic takes.
	activationPart = 4
)

// hasten is how long a wait of a deployment takes here.
func (s *Service) hasten(d time.Duration) time.Duration {
	return d / time.Duration(max(s.cfg.Haste, 1))
}

// enter begins a phase and stores it.
func (s *Service) enter(e *endpoint, to phase, length time.Duration) error {
	return s.enterAs(e, e.Status, to, length)
}

// enterAs begins a phase in a status, which it tells of if it is another.
func (s *Service) enterAs(e *endpoint, status types.EndpointStatus, to phase, length time.Duration) error {
	r, now := e.Rollout, s.cfg.Clock.Now()
	r.Phase, r.Since, r.Until = to, now, now.Add(length)
	if err := s.settle(e, status); err != nil {
		return err
	}
	s.publishDeployment(e)
	return nil
}

// progress is how far an update has come; one that a version without roll-outs began is at
// its beginning.
func (e *endpoint) progress() *rollout {
	if e.Rollout == nil {
		return &rollout{Phase: launching, Began: e.Modified, Since: e.Modified, Until: e.ReadyAt}
	}
	return e.Rollout
}

// roll takes an update one phase on.
func (s *Service) roll(e *endpoint) error {
	e.Rollout = e.progress()
	p, r := e.planOf(), e.Rollout
	why, err := s.await(e, &p)
	switch {
	case err != nil:
		return err
	case why != "":
		return s.turnBack(e, &p, why)
	}
	switch r.Phase {
	case launching:
		if !r.Up {
			if err := s.launch(e); err != nil {
				if s.ctx.Err() != nil {
					return err
				}
				return s.turnBack(e, &p, reason(err))
			}
		}
		return s.shift(e, &p)
	case activating:
		return s.enter(e, baking, s.hasten(p.steps[r.Step].bake))
	case baking:
		r.Step++
		switch {
		case r.Step >= len(p.steps):
			return s.finish(e)
		case p.rolling:
			return s.enter(e, launching, s.delay())
		}
		return s.shift(e, &p)
	case returning: // a status of its own
	}
	return nil
}

// launch starts the new fleet beside the old one.
func (s *Service) launch(e *endpoint) error {
	s.retire(e.ARN, e.Active.Generation) // what an update that could not be rolled back has left
	f, err := s.startFleet(s.ctx, e, e.Target, false)
	if err != nil {
		return err
	}
	s.enlist(fleetID{e.ARN, e.Target.Generation}, f)
	e.Rollout.Up = true
	return nil
}

// shift gives the new fleet the share of the step.
func (s *Service) shift(e *endpoint, p *plan) error {
	e.Rollout.Share = p.steps[e.Rollout.Step].share
	length := time.Duration(0)
	if p.guarded {
		length = s.delay() / activationPart
	}
	return s.enter(e, activating, length)
}

// await waits for the end of the phase under way. It returns early with what turns the
// deployment back: an alarm, or its time that is over. What an earlier process began
// takes no longer than what this one begins.
func (s *Service) await(e *endpoint, p *plan) (why string, err error) {
	r := e.Rollout
	until := s.cfg.Clock.Now().Add(r.Until.Sub(r.Since))
	if r.Until.Before(until) {
		until = r.Until
	}
	for {
		if r.Up && r.Phase != returning {
			if why, err := s.tripped(e, p.alarms); why != "" || err != nil {
				return why, err
			}
		}
		now := s.cfg.Clock.Now()
		limit := s.hasten(p.timeout)
		if p.timeout > 0 && r.Phase != returning && now.Sub(r.Began) >= limit {
			return fmt.Sprintf("The deployment did not complete within the MaximumExecutionTimeoutInSeconds of %d seconds.", int(p.timeout.Seconds())), nil
		}
		left := until.Sub(now)
		if left <= 0 {
			return "", nil
		}
		if p.timeout > 0 && r.Phase != returning {
			left = min(left, max(limit-now.Sub(r.Began), time.Millisecond))
		}
		if len(p.alarms) > 0 && r.Up {
			left = min(left, alarmEvery)
		}
		if err := clock.Sleep(s.ctx, s.cfg.Clock, left); err != nil {
			return "", err
		}
	}
}

// finish ends an update: the new fleet is the endpoint's.
func (s *Service) finish(e *endpoint) error {
	e.Active, e.Target, e.Rollout = *e.Target, nil, nil
	if err := s.settle(e, types.EndpointStatusInService); err != nil {
		return err
	}
	s.retire(e.ARN, e.Active.Generation)
	return s.persist(e.ARN, func() error { return s.keepArtifacts(e.ARN, e.Active.Generation) })
}

// turnBack begins the rollback of an update. A blue/green deployment has its old fleet
// whole and gives it all traffic at once; a rolling one has to bring it back first.
func (s *Service) turnBack(e *endpoint, p *plan, why string) error {
	e.FailureReason = why
	if !p.rolling {
		e.Rollout.Share = 0
	}
	return s.enterAs(e, types.EndpointStatusRollingBack, returning, s.delay())
}

// rollBack takes a rollback one batch on.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html
func (s *Service) rollBack(e *endpoint) error {
	p, r := e.planOf(), e.Rollout
	if _, err := s.await(e, &p); err != nil {
		return err
	}
	if r.Share > 0 {
		if err := s.relaunchable(e); err != nil {
			if s.ctx.Err() != nil {
				return err
			}
			if busy(err) {
				return s.enter(e, returning, max(s.delay(), again))
			}
			e.FailureReason += " The rollback failed: " + reason(err)
			return s.settle(e, types.EndpointStatusUpdateRollbackFailed)
		}
		if r.Share = math.Max(0, r.Share-p.back); r.Share > 1e-9 {
			return s.enter(e, returning, s.delay())
		}
	}
	e.Target, e.Rollout = nil, nil
	if err := s.settle(e, types.EndpointStatusInService); err != nil {
		return err
	}
	s.retire(e.ARN, e.Active.Generation)
	return s.persist(e.ARN, func() error { return s.keepArtifacts(e.ARN, e.Active.Generation) })
}

// again is after how long is asked anew who was too busy to answer.
const again = time.Second

// relaunchable reports whether instances of the old fleet can be launched again: they
// need the role and the model data anew, and their containers have to answer.
func (s *Service) relaunchable(e *endpoint) error {
	for _, m := range e.Active.Models {
		if err := s.probeModel(s.ctx, &m); busy(err) {
			return err
		} else if err != nil {
			return failf("%s", wire.AsError(err).Message)
		}
	}
	f := s.hold(fleetID{e.ARN, e.Active.Generation})
	if f == nil {
		return failf("the old fleet does not run")
	}
	defer f.release()
	for name, r := range f.variants {
		for _, c := range r.containers {
			if err := s.ping(s.ctx, c); err != nil {
				return failf("The %s container for production variant %s did not pass the ping health check. Please check CloudWatch logs for this endpoint.", c.host, name)
			}
		}
	}
	return nil
}

// active is how many of a variant's instances a share of the traffic needs.
func active(count int32, share float64) int32 {
	return int32(math.Ceil(float64(count)*share - 1e-9))
}

// current are the counts of a variant of the old and of the new fleet in an update.
func (e *endpoint) current(v *variant) int32 {
	if e.Rollout == nil || e.Target == nil || !e.planOf().rolling {
		return v.CurrentCount
	}
	return max(0, v.CurrentCount-active(v.CurrentCount, e.Rollout.Share))
}

// variantStatus is what DescribeEndpoint tells of a variant of the new fleet, in the words
// of the events in
// https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
// ("Endpoint deployment state change"); what the parts of a linear and of a rolling
// deployment are called there is not said: unsure.
func (e *endpoint) variantStatus(v *variant) types.ProductionVariantStatus {
	r, p := e.progress(), e.planOf()
	st := p.steps[min(r.Step, len(p.steps)-1)]
	n := active(v.DesiredCount, st.share)
	out := types.ProductionVariantStatus{StartTime: &r.Since}
	say := func(status types.VariantStatus, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		out.Status, out.StatusMessage = status, &text
	}
	switch r.Phase {
	case launching:
		if r.Step > 0 {
			say(types.VariantStatusUpdating, "Launching %d instance(s).", n-active(v.DesiredCount, r.Share))
			break
		}
		if !p.rolling {
			n = v.DesiredCount
		}
		say(types.VariantStatusCreating, "Launching %d instance(s).", n)
	case activating:
		say(types.VariantStatusActivatingTraffic, "Activating traffic on %s of %d instance(s).", st.capacity, n)
	case baking:
		say(types.VariantStatusBaking, "Baking for %d seconds (%s) with traffic enabled on %s of %d instance(s).", int(st.bake.Seconds()), st.wait, st.capacity, n)
	case returning:
		say(types.VariantStatusDeleting, "Terminating %d instance(s).", max(1, v.DesiredCount))
	}
	return out
}

// publishDeployment sends the event of a deployment's change, by the same page.
func (s *Service) publishDeployment(e *endpoint) {
	if s.cfg.Events == nil || e.Target == nil {
		return
	}
	var old, next []map[string]any
	for _, v := range summaries(e) {
		old = append(old, map[string]any{
			"VariantName": v.VariantName, "CurrentWeight": v.CurrentWeight, "DesiredWeight": v.DesiredWeight,
			"CurrentInstanceCount": v.CurrentInstanceCount, "DesiredInstanceCount": v.DesiredInstanceCount,
		})
	}
	sum := pending(e)
	for _, v := range sum.ProductionVariants {
		one := map[string]any{
			"VariantName": v.VariantName, "CurrentWeight": v.CurrentWeight, "DesiredWeight": v.DesiredWeight,
			"CurrentInstanceCount": v.CurrentInstanceCount, "DesiredInstanceCount": v.DesiredInstanceCount,
		}
		var states []map[string]any
		for _, st := range v.VariantStatus {
			states = append(states, map[string]any{"Status": st.Status, "StatusMessage": st.StatusMessage, "StartTime": st.StartTime.UnixMilli()})
		}
		one["VariantStatus"] = states
		next = append(next, one)
	}
	s.event(e, "SageMaker Endpoint Deployment State Change", map[string]any{
		"EndpointName": e.Name, "EndpointArn": e.ARN, "EndpointConfigName": e.Active.ConfigName, "ProductionVariants": old,
		"EndpointStatus": statusWord(e.Status), "CreationTime": e.Created.UnixMilli(), "LastModifiedTime": e.Modified.UnixMilli(), "Tags": map[string]string{},
		"PendingDeploymentSummary": map[string]any{"EndpointConfigName": sum.EndpointConfigName, "StartTime": sum.StartTime.UnixMilli(), "ProductionVariants": next},
	})
}

// quoted lists names for a message.
func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
