package api

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// deleteStateMachine answers when the machine is gone, as a rule: "This is an asynchronous
// operation." What cannot be removed now, since the disk is full, goes when there is room.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
func (s *Handlers) deleteStateMachine(_ context.Context, req *wire.Request, in *sfn.DeleteStateMachineInput) (*sfn.DeleteStateMachineOutput, error) {
	arn := aws.ToString(in.StateMachineArn)
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if ref.Qualifier != "" {
		return nil, validation("Unsupported state machine version or alias ARN: %s", arn)
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		m, found, err := store.Get[record.Machine](tx, record.BucketMachines, ref.Key())
		if err != nil || !found {
			return err
		}
		m.Deleting = true
		return store.Put(tx, record.BucketMachines, ref.Key(), m)
	})
	if err != nil {
		return nil, err
	}
	if err := s.purge(ref.Key()); err != nil {
		s.Executions.Insist("the deletion of a state machine", func() error { return s.purge(ref.Key()) })
	}
	return &sfn.DeleteStateMachineOutput{}, nil
}

func errDeleting(arn string) error {
	return wire.Errorf(400, "StateMachineDeleting", "State Machine is being deleted: '%s'", arn)
}

// FinishDeletions removes what a crash left of deleted state machines.
func (s *Handlers) FinishDeletions() error {
	var keys []string
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[record.Machine](tx, record.BucketMachines, "")
		for _, m := range all {
			if m.Deleting {
				keys = append(keys, m.Key())
			}
		}
		return err
	})
	for _, key := range keys {
		err = errors.Join(err, s.purge(key))
	}
	return err
}

// purge removes a deleted state machine with its versions, aliases and
// executions, so that a machine of the same name begins anew. Running executions
// are aborted first. It may be repeated after a crash.
func (s *Handlers) purge(key string) error {
	s.Executions.StopAll(key)
	arn := record.ARNOfKey("stateMachine", key)
	prefixes := []journal.Put{
		{Bucket: record.BucketVersions, Key: key + "/"},
		{Bucket: record.BucketAliases, Key: key + "/"},
		{Bucket: record.BucketRevisions, Key: key + "/"},
		{Bucket: record.BucketRuns, Key: key + "/"},
	}
	for _, bucket := range []string{record.BucketExecutions, record.BucketIndex, record.BucketEvents, record.BucketCursors, record.BucketRunning, record.BucketExpress} {
		prefixes = append(prefixes, journal.Put{Bucket: bucket, Key: key + ":"}, journal.Put{Bucket: bucket, Key: key + "/"})
	}
	for _, p := range prefixes { // one transaction each, so that others get their turn
		if err := s.DB.Update(func(tx *store.Tx) error { return tx.DeletePrefix(p.Bucket, p.Key) }); err != nil {
			return err
		}
	}
	return s.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(record.BucketTags, arn), tx.DeletePrefix(record.BucketTags, arn+":"), tx.Delete(record.BucketMachines, key))
	})
}
