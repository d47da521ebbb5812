package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Handlers) listExecutions(ctx context.Context, req *wire.Request, in *sfn.ListExecutionsInput) (*sfn.ListExecutionsOutput, error) {
	limit := pageSize(in.MaxResults)
	if f := in.StatusFilter; f != "" && !slices.Contains(f.Values(), f) {
		return nil, validation("1 validation error detected: Value '%s' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: "+
			"[SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]", f)
	}
	if (in.StateMachineArn == nil) == (in.MapRunArn == nil) {
		return nil, validation("Must specify exactly one of: [stateMachineArn, mapRunArn]")
	}
	prefix, keep, err := s.listFilter(ctx, req, in)
	if err != nil {
		return nil, err
	}
	from, err := place(executionList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListExecutionsOutput{}
	err = s.DB.View(func(tx *store.Tx) error {
		out.Executions, out.NextToken, err = page.Scan(tx, executionList, record.BucketIndex, prefix, from, limit, func(_ string, m record.Summary) (types.ExecutionListItem, bool) {
			if !keep(&m) {
				return types.ExecutionListItem{}, false
			}
			return s.listItem(&m), true
		})
		return err
	})
	return out, err
}

// listFilter turns a ListExecutions request into a prefix of the index and a
// predicate.
func (s *Handlers) listFilter(_ context.Context, req *wire.Request, in *sfn.ListExecutionsInput) (string, func(*record.Summary) bool, error) {
	status := func(m *record.Summary) bool { return in.StatusFilter == "" || m.Status == string(in.StatusFilter) }
	if in.MapRunArn != nil {
		run, err := record.ReadMapRun(s.DB, req.Scope, *in.MapRunArn)
		if err != nil {
			return "", nil, err
		}
		return run.ChildPrefix() + ":", func(m *record.Summary) bool {
			redriven := in.RedriveFilter == "" || (in.RedriveFilter == types.ExecutionRedriveFilterRedriven) == (m.RedriveCount > 0)
			return status(m) && redriven && m.MapRun == *in.MapRunArn
		}, nil
	}
	arn := *in.StateMachineArn
	ref, err := record.ParseMachine(req.Scope, arn)
	if err != nil {
		return "", nil, err
	}
	err = s.DB.View(func(tx *store.Tx) error {
		m, err := record.ReadMachine(tx, ref.Key(), arn)
		if err != nil {
			return err
		}
		if m.Type == record.Express {
			return wire.Errorf(400, "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
		}
		if ref.Qualifier == "" {
			return nil
		}
		_, err = record.ReadVersion(tx, ref, arn)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	return ref.Key() + ":", func(m *record.Summary) bool {
		switch {
		case ref.Qualifier == "":
		case ref.IsVersion():
			if strconv.Itoa(m.Version) != ref.Qualifier {
				return false
			}
		case m.Alias != ref.Qualifier:
			return false
		}
		return status(m)
	}, nil
}

func (s *Handlers) listItem(m *record.Summary) types.ExecutionListItem {
	item := types.ExecutionListItem{
		ExecutionArn: aws.String(m.ARN()), StateMachineArn: aws.String(m.MachineARN()), Name: aws.String(m.Name),
		Status: types.ExecutionStatus(m.Status), StartDate: &m.Start, StopDate: m.Stop, RedriveCount: aws.Int32(int32(m.RedriveCount)), RedriveDate: m.RedriveAt, // few
	}
	if m.Version > 0 {
		item.StateMachineVersionArn = aws.String(m.VersionARN())
	}
	if m.Alias != "" {
		item.StateMachineAliasArn = aws.String(m.AliasARN())
	}
	if m.MapRun != "" {
		item.MapRunArn = aws.String(m.MapRun)
		item.ItemCount = aws.Int32(int32(m.Items)) // bounded by the batch
	}
	return item
}
