package sagemaker

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Start brings back the endpoints that the store holds: it starts the model
// servers of those in service and goes on with transitions that were cut off. It
// returns before that is done; ctx bounds nothing after the return. It is to be
// called once, when all other services are registered.
func (s *Service) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var all []endpoint
	err := s.cfg.DB.View(func(tx *store.Tx) error {
		var err error
		all, err = store.List[endpoint](tx, bucketEndpoints, "")
		return err
	})
	if err != nil {
		return err
	}
	s.work.Go(guard.Func(s.cfg.Log, "the logs of endpoints", s.writeLogs))
	for i := range all {
		if all[i].moving() || all[i].serves() {
			s.drive(all[i].ARN)
		}
	}
	return nil
}

// Close stops all model servers and background work and waits for them. What is
// stored stays; a new Service goes on from there.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	fleets := s.live
	s.live = map[fleetID]*fleet{}
	s.mu.Unlock()
	s.cancel()
	for _, f := range fleets {
		f.stop()
	}
	s.work.Wait()
	s.client.CloseIdleConnections()
	return nil
}

// drive runs an endpoint's transitions in the background, once per endpoint.
func (s *Service) drive(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.moving[arn] {
		s.again[arn] = true
		return
	}
	s.moving[arn] = true
	s.work.Go(guard.Func(s.cfg.Log, "an endpoint", func() { s.run(arn) }))
}

func (s *Service) run(arn string) {
	for {
		err := s.persist(arn, func() error { return s.step(arn) })
		s.mu.Lock()
		again := s.again[arn] && err == nil && !s.closed
		delete(s.again, arn)
		if !again {
			delete(s.moving, arn)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// persist writes what becomes of an endpoint until it is on disk or the service ends.
func (s *Service) persist(arn string, write func() error) error {
	return persist.Until(s.ctx, s.cfg.Clock, s.cfg.Log, "an endpoint's transition", write, "endpoint", arn)
}

// step takes an endpoint from where the store says it is to where it rests.
// Each transition ends in one store update, so that a crash at any point leaves
// either the state before, from which Start goes on, or the one after.
func (s *Service) step(arn string) error {
	for {
		e, found, err := store.Read[endpoint](s.cfg.DB, bucketEndpoints, arn)
		if err != nil || !found { // it was deleted meanwhile
			return err
		}
		if e.serves() {
			s.ensure(&e)
		}
		if !e.moving() {
			return nil
		}
		if err := s.advance(&e); err != nil {
			return err
		}
	}
}

// advance takes an endpoint that is on its way one step on.
func (s *Service) advance(e *endpoint) error {
	switch {
	case e.Status == types.EndpointStatusUpdating && e.Target != nil:
		return s.roll(e)
	case e.Status == types.EndpointStatusRollingBack && e.Rollout != nil:
		return s.rollBack(e)
	}
	// What an earlier process began takes no longer than what this one begins.
	if err := clock.Sleep(s.ctx, s.cfg.Clock, min(e.ReadyAt.Sub(s.cfg.Clock.Now()), s.delay())); err != nil {
		return err
	}
	switch e.Status {
	case types.EndpointStatusCreating:
		return s.finishCreate(e)
	case types.EndpointStatusDeleting:
		return s.finishDelete(e)
	case types.EndpointStatusUpdating, types.EndpointStatusRollingBack, types.EndpointStatusSystemUpdating:
		return s.settle(e, types.EndpointStatusInService)
	case types.EndpointStatusInService, types.EndpointStatusFailed, types.EndpointStatusOutOfService, types.EndpointStatusUpdateRollbackFailed:
	}
	return nil
}

// ensure starts the model servers of an endpoint that serves but has none, which
// is so after a restart. They run from the kept copies of the artifacts.
func (s *Service) ensure(e *endpoint) {
	all := []*deployment{&e.Active}
	if e.Target != nil && e.Rollout != nil && e.Rollout.Up {
		all = append(all, e.Target)
	}
	for _, d := range all {
		id := fleetID{e.ARN, d.Generation}
		s.mu.Lock()
		have := s.live[id] != nil
		s.mu.Unlock()
		if have {
			continue
		}
		f, err := s.startFleet(s.ctx, e, d, true)
		if err != nil {
			s.cfg.Log.Error("restart endpoint", "endpoint", e.ARN, "error", err.Error())
			continue
		}
		s.enlist(id, f)
	}
}

// enlist puts a fleet into service.
func (s *Service) enlist(id fleetID, f *fleet) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		f.stop()
		return
	}
	old := s.live[id]
	s.live[id] = f
	s.announce()
	s.mu.Unlock()
	if old != nil && old != f {
		old.stop()
	}
}

// announce wakes who waits for a fleet; s.mu is held.
func (s *Service) announce() {
	close(s.swapped)
	s.swapped = make(chan struct{})
}

// hold returns a running fleet and counts the caller in, who has to release it: a fleet
// that is retired stops behind its last request. It returns nil if the fleet does not run.
func (s *Service) hold(id fleetID) *fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.live[id]
	if f != nil {
		f.users.Add(1)
	}
	return f
}

// retire stops the fleets of an endpoint but that of one generation (0: all), each when
// its last request is answered.
func (s *Service) retire(arn string, but int) {
	s.mu.Lock()
	var old []*fleet
	for id, f := range s.live {
		if id.endpoint == arn && id.generation != but {
			delete(s.live, id)
			old = append(old, f)
		}
	}
	if s.closed {
		s.mu.Unlock()
		for _, f := range old {
			f.stop()
		}
		return
	}
	s.announce()
	for _, f := range old {
		s.work.Go(guard.Func(s.cfg.Log, "a fleet that is done", func() {
			idle := make(chan struct{})
			guard.Go(s.cfg.Log, "a fleet that is done", func() { f.users.Wait(); close(idle) }, nil)
			select {
			case <-idle:
			case <-s.ctx.Done():
			}
			f.stop()
		}))
	}
	s.mu.Unlock()
}

func (s *Service) finishCreate(e *endpoint) error {
	f, err := s.startFleet(s.ctx, e, &e.Active, false)
	if err != nil {
		if s.ctx.Err() != nil {
			return err
		}
		e.FailureReason = reason(err)
		return s.settle(e, types.EndpointStatusFailed)
	}
	s.enlist(fleetID{e.ARN, e.Active.Generation}, f)
	e.LastDeployment = e.Deployment
	return s.settle(e, types.EndpointStatusInService)
}

func (s *Service) finishDelete(e *endpoint) error {
	s.retire(e.ARN, 0)
	err := s.persist(e.ARN, func() error {
		return s.cfg.DB.Update(func(tx *store.Tx) error {
			return errors.Join(tx.Delete(bucketEndpoints, e.ARN), tx.Delete(bucketTags, e.ARN), tx.DeletePrefix(bucketArtifacts, e.ARN+"/"))
		})
	})
	if err == nil {
		s.publish(e, "DELETED")
	}
	return err
}

// settle stores the end of a transition.
func (s *Service) settle(e *endpoint, to types.EndpointStatus) error {
	same := e.Status == to
	e.Status, e.Modified = to, s.cfg.Clock.Now()
	if to == types.EndpointStatusInService {
		e.Active.settle()
	}
	err := s.persist(e.ARN, func() error {
		return s.cfg.DB.Update(func(tx *store.Tx) error { return store.Put(tx, bucketEndpoints, e.ARN, *e) })
	})
	if err == nil && !same {
		s.changed(e)
	}
	return err
}

// changed logs and publishes an endpoint's status.
func (s *Service) changed(e *endpoint) {
	s.cfg.Log.Info("endpoint", "endpoint", e.Name, "status", string(e.Status), "reason", e.FailureReason)
	s.publish(e, statusWord(e.Status))
}

// statusWord is the status as events spell it: IN_SERVICE.
func statusWord(st types.EndpointStatus) string {
	var b strings.Builder
	for i, r := range string(st) {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// publish sends the state change event of
// https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html.
func (s *Service) publish(e *endpoint, status string) {
	if s.cfg.Events == nil {
		return
	}
	detail := map[string]any{
		"EndpointName": e.Name, "EndpointArn": e.ARN, "EndpointConfigName": e.Active.ConfigName, "EndpointStatus": status,
		"CreationTime": e.Created.UnixMilli(), "LastModifiedTime": e.Modified.UnixMilli(),
	}
	if e.FailureReason != "" {
		detail["FailureReason"] = e.FailureReason
	}
	s.event(e, "SageMaker Endpoint State Change", detail)
}

func (s *Service) event(e *endpoint, kind string, detail map[string]any) {
	s.cfg.Events.PutEvent(context.WithoutCancel(s.ctx), scopeOf(e.ARN), "aws.sagemaker", kind, []string{e.ARN}, detail)
}
