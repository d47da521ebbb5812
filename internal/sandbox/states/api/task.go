package api

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/tokens"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// tokenError turns tokens.ErrUnknown into AWS's answers: a token that never was is
// invalid, one whose task has ended is timed out.
func tokenError(token string, err error) error {
	if !errors.Is(err, tokens.ErrUnknown) {
		return err
	}
	if !tokens.Valid(token) {
		return errBadToken()
	}
	return wire.Errorf(400, "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
}

func (s *Handlers) sendTaskSuccess(_ context.Context, _ *wire.Request, in *sfn.SendTaskSuccessInput) (*sfn.SendTaskSuccessOutput, error) {
	text := aws.ToString(in.Output)
	if !tokens.Valid(aws.ToString(in.TaskToken)) {
		return nil, tokenError(aws.ToString(in.TaskToken), tokens.ErrUnknown)
	}
	if _, err := value.Parse(text); err != nil {
		return nil, wire.Errorf(400, "InvalidOutput", "Invalid Output: '%s'", err)
	}
	if len(text) > record.MaxData {
		return nil, wire.Errorf(400, "InvalidOutput", "Invalid Output: 'The output exceeds %d bytes'", record.MaxData)
	}
	err := s.Desk.Settle(aws.ToString(in.TaskToken), func(rec *tokens.Record) error {
		rec.Done, rec.Output = true, &text
		return nil
	})
	if err != nil {
		return nil, tokenError(aws.ToString(in.TaskToken), err)
	}
	return &sfn.SendTaskSuccessOutput{}, nil
}

func (s *Handlers) sendTaskFailure(_ context.Context, _ *wire.Request, in *sfn.SendTaskFailureInput) (*sfn.SendTaskFailureOutput, error) {
	err := s.Desk.Settle(aws.ToString(in.TaskToken), func(rec *tokens.Record) error {
		rec.Done, rec.Error, rec.Cause = true, in.Error, in.Cause
		return nil
	})
	if err != nil {
		return nil, tokenError(aws.ToString(in.TaskToken), err)
	}
	return &sfn.SendTaskFailureOutput{}, nil
}

func (s *Handlers) sendTaskHeartbeat(_ context.Context, _ *wire.Request, in *sfn.SendTaskHeartbeatInput) (*sfn.SendTaskHeartbeatOutput, error) {
	err := s.Desk.Settle(aws.ToString(in.TaskToken), func(rec *tokens.Record) error {
		rec.Beat = s.now()
		return nil
	})
	if err != nil {
		return nil, tokenError(aws.ToString(in.TaskToken), err)
	}
	return &sfn.SendTaskHeartbeatOutput{}, nil
}

func (s *Handlers) createActivity(_ context.Context, req *wire.Request, in *sfn.CreateActivityInput) (*sfn.CreateActivityOutput, error) {
	name := aws.ToString(in.Name)
	if err := checkName(name); err != nil {
		return nil, err
	}
	arn := record.ARN(req.Scope, "activity", name)
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	enc, err := encodeEncryption(in.EncryptionConfiguration)
	if err != nil {
		return nil, err
	}
	a := record.Activity{Name: name, Created: s.now(), Encryption: enc}
	err = s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[record.Activity](tx, record.BucketActivities, req.Key(name))
		if err != nil {
			return err
		}
		if found {
			if string(old.Encryption) != string(enc) {
				return wire.Errorf(400, "ActivityAlreadyExists", "Activity Already Exists: '%s'", arn)
			}
			a = old
			return nil
		}
		if err := putTags(tx, arn, in.Tags); err != nil {
			return err
		}
		return store.Put(tx, record.BucketActivities, req.Key(name), a)
	})
	if err != nil {
		return nil, err
	}
	return &sfn.CreateActivityOutput{ActivityArn: aws.String(arn), CreationDate: &a.Created}, nil
}

// activity reads the activity that an ARN names.
func (s *Handlers) activity(req *wire.Request, arn string) (record.Activity, error) {
	named, err := record.ParseARN(req.Scope, arn, "activity")
	if err != nil {
		return record.Activity{}, err
	}
	var a record.Activity
	err = s.DB.View(func(tx *store.Tx) error {
		var found bool
		a, found, err = store.Get[record.Activity](tx, record.BucketActivities, named.Key())
		if err == nil && !found {
			err = wire.Errorf(400, "ActivityDoesNotExist", "Activity Does Not Exist: '%s'", arn)
		}
		return err
	})
	return a, err
}

func (s *Handlers) describeActivity(_ context.Context, req *wire.Request, in *sfn.DescribeActivityInput) (*sfn.DescribeActivityOutput, error) {
	a, err := s.activity(req, aws.ToString(in.ActivityArn))
	if err != nil {
		return nil, err
	}
	return &sfn.DescribeActivityOutput{
		ActivityArn: in.ActivityArn, Name: aws.String(a.Name), CreationDate: &a.Created, EncryptionConfiguration: record.Encryption(a.Encryption),
	}, nil
}

func (s *Handlers) deleteActivity(_ context.Context, req *wire.Request, in *sfn.DeleteActivityInput) (*sfn.DeleteActivityOutput, error) {
	arn := aws.ToString(in.ActivityArn)
	named, err := record.ParseARN(req.Scope, arn, "activity")
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(record.BucketActivities, named.Key()), tx.Delete(record.BucketTags, arn))
	})
	if err != nil {
		return nil, err
	}
	return &sfn.DeleteActivityOutput{}, nil
}

func (s *Handlers) listActivities(_ context.Context, req *wire.Request, in *sfn.ListActivitiesInput) (*sfn.ListActivitiesOutput, error) {
	limit := pageSize(in.MaxResults)
	from, err := place(activityList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListActivitiesOutput{}
	err = s.DB.View(func(tx *store.Tx) error {
		out.Activities, out.NextToken, err = page.Scan(tx, activityList, record.BucketActivities, req.Prefix(), from, limit,
			func(_ string, a record.Activity) (types.ActivityListItem, bool) {
				return types.ActivityListItem{ActivityArn: aws.String(record.ARN(req.Scope, "activity", a.Name)), Name: aws.String(a.Name), CreationDate: &a.Created}, true
			})
		return err
	})
	return out, err
}

// pollTime is how long GetActivityTask waits for a task.
const pollTime = 60 * time.Second

func (s *Handlers) getActivityTask(ctx context.Context, req *wire.Request, in *sfn.GetActivityTaskInput) (*sfn.GetActivityTaskOutput, error) {
	arn := aws.ToString(in.ActivityArn)
	if _, err := s.activity(req, arn); err != nil {
		return nil, err
	}
	timer := s.Clock.NewTimer(pollTime)
	defer timer.Stop()
	for {
		token, wake := s.Desk.Take(arn)
		if token != "" {
			input := ""
			err := s.Desk.Settle(token, func(rec *tokens.Record) error {
				rec.Started, rec.Worker, rec.Beat = true, aws.ToString(in.WorkerName), s.now()
				input = rec.Input
				return nil
			})
			if errors.Is(err, tokens.ErrUnknown) {
				continue // its execution has ended
			}
			if err != nil {
				return nil, err
			}
			return &sfn.GetActivityTaskOutput{TaskToken: aws.String(token), Input: aws.String(input)}, nil
		}
		select {
		case <-wake:
		case <-timer.C():
			return &sfn.GetActivityTaskOutput{}, nil
		case <-ctx.Done():
			return &sfn.GetActivityTaskOutput{}, nil
		case <-s.Executions.Done():
			return &sfn.GetActivityTaskOutput{}, nil
		}
	}
}
