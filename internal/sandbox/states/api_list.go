package states

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) listExecutions(ctx context.Context, req *wire.Request, in *sfn.ListExecutionsInput) (*sfn.ListExecutionsOutput, error) {
	limit := pageSize(in.MaxResults)
	if f := in.StatusFilter; f != "" && !slices.Contains(f.Values(), f) {
		return nil, validation("1 validation error detected: Value '%s' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]", f)
	}
	if (in.StateMachineArn == nil) == (in.MapRunArn == nil) {
		return nil, validation("Must specify exactly one of: [stateMachineArn, mapRunArn]")
	}
	prefix, keep, err := s.listFilter(ctx, req, in)
	if err != nil {
		return nil, err
	}
	from, err := decodeToken(in.NextToken, "executions")
	if err != nil {
		return nil, err
	}
	out := &sfn.ListExecutionsOutput{Executions: []types.ExecutionListItem{}}
	err = s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(bucketIndex, prefix, from, func(key string, raw []byte) (bool, error) {
			var m summary
			if err := json.Unmarshal(raw, &m); err != nil {
				return false, err
			}
			if !keep(&m) {
				return true, nil
			}
			if len(out.Executions) == limit {
				out.NextToken = encodeToken("executions", key)
				return false, nil
			}
			out.Executions = append(out.Executions, s.listItem(&m))
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// listFilter turns a ListExecutions request into a prefix of the index and a
// predicate.
func (s *Service) listFilter(_ context.Context, req *wire.Request, in *sfn.ListExecutionsInput) (string, func(*summary) bool, error) {
	status := func(m *summary) bool { return in.StatusFilter == "" || m.Status == string(in.StatusFilter) }
	if in.MapRunArn != nil {
		run, err := s.mapRun(req, *in.MapRunArn)
		if err != nil {
			return "", nil, err
		}
		return run.children() + ":", func(m *summary) bool {
			redriven := in.RedriveFilter == "" || (in.RedriveFilter == types.ExecutionRedriveFilterRedriven) == (m.RedriveCount > 0)
			return status(m) && redriven && m.MapRun == *in.MapRunArn
		}, nil
	}
	arn := *in.StateMachineArn
	ref, err := parseMachineARN(req.Scope, arn)
	if err != nil {
		return "", nil, err
	}
	err = s.DB.View(func(tx *store.Tx) error {
		m, err := machine(tx, ref.key(), arn)
		if err != nil {
			return err
		}
		if m.Type == typeExpress {
			return wire.Errorf(400, "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
		}
		if ref.qualifier == "" {
			return nil
		}
		_, err = qualified(tx, ref, arn)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	return ref.key() + ":", func(m *summary) bool {
		switch {
		case ref.qualifier == "":
		case ref.version():
			if strconv.Itoa(m.Version) != ref.qualifier {
				return false
			}
		case m.Alias != ref.qualifier:
			return false
		}
		return status(m)
	}, nil
}

func (s *Service) listItem(m *summary) types.ExecutionListItem {
	item := types.ExecutionListItem{
		ExecutionArn: aws.String(m.arn()), StateMachineArn: aws.String(m.machineARN()), Name: aws.String(m.Name),
		Status: types.ExecutionStatus(m.Status), StartDate: &m.Start, StopDate: m.Stop, RedriveCount: aws.Int32(int32(m.RedriveCount)), RedriveDate: m.RedriveAt, //nolint:gosec // few
	}
	if m.Version > 0 {
		item.StateMachineVersionArn = aws.String(m.versionARN())
	}
	if m.Alias != "" {
		item.StateMachineAliasArn = aws.String(m.aliasARN())
	}
	if m.MapRun != "" {
		item.MapRunArn = aws.String(m.MapRun)
		item.ItemCount = aws.Int32(int32(m.Items)) //nolint:gosec // bounded by the batch
	}
	return item
}
