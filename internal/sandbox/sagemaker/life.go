package sagemaker

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
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
	s.live = map[string]*fleet{}
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
		err := s.step(arn)
		if err != nil && s.ctx.Err() == nil {
			s.cfg.Log.Error("endpoint transition", "endpoint", arn, "error", err.Error())
		}
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

// step takes an endpoint from where the store says it is to where it rests.
// Each transition ends in one store update, so that a crash at any point leaves
// either the state before, from which Start goes on, or the one after.
func (s *Service) step(arn string) error {
	for {
		e, err := load[endpoint](s, bucketEndpoints, kindEndpoint, arn)
		if err != nil {
			return nil //nolint:nilerr // it was deleted meanwhile
		}
		if e.serves() {
			s.ensure(&e)
		}
		if !e.moving() {
			return nil
		}
		// What an earlier process began takes no longer than what this one begins.
		if err := clock.Sleep(s.ctx, s.cfg.Clock, min(e.ReadyAt.Sub(s.cfg.Clock.Now()), s.delay())); err != nil {
			return err
		}
		switch e.Status {
		case types.EndpointStatusCreating:
			err = s.finishCreate(&e)
		case types.EndpointStatusUpdating:
			err = s.finishUpdate(&e)
		case types.EndpointStatusDeleting:
			err = s.finishDelete(&e)
		case types.EndpointStatusRollingBack, types.EndpointStatusSystemUpdating:
			err = s.settle(&e, types.EndpointStatusInService)
		case types.EndpointStatusInService, types.EndpointStatusFailed, types.EndpointStatusOutOfService, types.EndpointStatusUpdateRollbackFailed:
		}
		if err != nil {
			return err
		}
	}
}

// ensure starts the model servers of an endpoint that serves but has none, which
// is so after a restart. They run from the kept copies of the artifacts.
func (s *Service) ensure(e *endpoint) {
	s.mu.Lock()
	have := s.live[e.ARN] != nil
	s.mu.Unlock()
	if have {
		return
	}
	f, err := s.startFleet(s.ctx, e, &e.Active, true)
	if err != nil {
		s.cfg.Log.Error("restart endpoint", "endpoint", e.ARN, "error", err.Error())
		return
	}
	s.swap(e.ARN, f)
}

// swap puts a fleet into service and stops the one before it.
func (s *Service) swap(arn string, f *fleet) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		if f != nil {
			f.stop()
		}
		return
	}
	old := s.live[arn]
	if f == nil {
		delete(s.live, arn)
	} else {
		s.live[arn] = f
	}
	close(s.swapped)
	s.swapped = make(chan struct{})
	s.mu.Unlock()
	if old != nil && old != f {
		old.stop()
	}
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
	s.swap(e.ARN, f)
	e.LastDeployment = e.Deployment
	return s.settle(e, types.EndpointStatusInService)
}

// finishUpdate brings up the new fleet beside the old one. If that fails the
// endpoint rolls back and goes on with the old one, as on AWS.
func (s *Service) finishUpdate(e *endpoint) error {
	if e.Target == nil {
		return s.settle(e, types.EndpointStatusInService)
	}
	f, err := s.startFleet(s.ctx, e, e.Target, false)
	if err != nil {
		if s.ctx.Err() != nil {
			return err
		}
		e.FailureReason, e.Target = reason(err), nil
		e.ReadyAt = s.cfg.Clock.Now().Add(s.delay())
		return s.settle(e, types.EndpointStatusRollingBack)
	}
	old := e.Active.Generation
	e.Active, e.Target, e.LastDeployment = *e.Target, nil, e.Deployment
	if err := s.settle(e, types.EndpointStatusInService); err != nil {
		f.stop()
		return err
	}
	s.swap(e.ARN, f)
	return s.dropArtifacts(e.ARN, old)
}

func (s *Service) finishDelete(e *endpoint) error {
	s.swap(e.ARN, nil)
	err := s.cfg.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(bucketEndpoints, e.ARN), tx.Delete(bucketTags, e.ARN), tx.DeletePrefix(bucketArtifacts, e.ARN+"/"))
	})
	if err == nil {
		s.publish(e, "DELETED")
	}
	return err
}

// settle stores the end of a transition.
func (s *Service) settle(e *endpoint, to types.EndpointStatus) error {
	e.Status, e.Modified = to, s.cfg.Clock.Now()
	if to == types.EndpointStatusInService {
		e.Active.settle()
	}
	err := s.cfg.DB.Update(func(tx *store.Tx) error { return store.Put(tx, bucketEndpoints, e.ARN, *e) })
	if err == nil {
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
	s.cfg.Events.PutEvent(context.WithoutCancel(s.ctx), scopeOf(e.ARN), "aws.sagemaker", "SageMaker Endpoint State Change", []string{e.ARN}, detail)
}
