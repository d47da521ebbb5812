package states

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) deleteStateMachine(ctx context.Context, req *wire.Request, in *sfn.DeleteStateMachineInput) (*sfn.DeleteStateMachineOutput, error) {
	arn := str(in.StateMachineArn)
	ref, err := parseMachineARN(arn)
	if err != nil {
		return nil, err
	}
	if ref.qualifier != "" {
		return nil, validation("Unsupported state machine version or alias ARN: %s", arn)
	}
	if err := allow(ctx, req, "DeleteStateMachine", arn); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		m, found, err := store.Get[machineRecord](tx, bucketMachines, ref.name)
		if err != nil || !found {
			return err
		}
		m.Deleting = true
		return store.Put(tx, bucketMachines, ref.name, m)
	})
	if err != nil {
		return nil, err
	}
	if err := s.purge(ref.name); err != nil {
		return nil, err
	}
	return &sfn.DeleteStateMachineOutput{}, nil
}

func errDeleting(arn string) error {
	return wire.Errorf(400, "StateMachineDeleting", "State Machine is being deleted: '%s'", arn)
}

// purge removes a deleted state machine with its versions, aliases and
// executions, so that a machine of the same name begins anew. Running executions
// are aborted first. It may be repeated after a crash.
func (s *Service) purge(name string) error {
	for _, x := range s.stopAll(name) {
		<-x.done
	}
	arn := s.arn("stateMachine", name)
	prefixes := []put{
		{bucket: bucketVersions, key: name + "/"},
		{bucket: bucketAliases, key: name + "/"},
		{bucket: bucketRevisions, key: name + "/"},
		{bucket: bucketRuns, key: name + "/"},
	}
	for _, bucket := range []string{bucketExecutions, bucketIndex, bucketEvents, bucketCursors, bucketRunning, bucketExpress} {
		prefixes = append(prefixes, put{bucket: bucket, key: name + ":"}, put{bucket: bucket, key: name + "/"})
	}
	for _, p := range prefixes { // one transaction each, so that others get their turn
		if err := s.DB.Update(func(tx *store.Tx) error { return tx.DeletePrefix(p.bucket, p.key) }); err != nil {
			return err
		}
	}
	return s.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(bucketTags, arn), tx.DeletePrefix(bucketTags, arn+":"), tx.Delete(bucketMachines, name))
	})
}

// stopAll aborts the running executions of a deleted state machine and returns
// them.
func (s *Service) stopAll(machine string) []*execution {
	s.mu.Lock()
	var running []*execution
	for _, x := range s.live {
		if name, _, _ := strings.Cut(x.rec.Machine, "/"); name == machine {
			running = append(running, x)
		}
	}
	s.mu.Unlock()
	for _, x := range running {
		x.cancel(stopError{})
	}
	return running
}
