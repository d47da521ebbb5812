package executions

import (
	"cmp"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Version is one that was published of a state machine.
type Version struct {
	ARN  string
	Made time.Time
}

// Versions are those of a state machine. It is safe for concurrent use.
type Versions struct {
	machine string
	api     *sfn.Client
}

// NewVersions returns the versions of the state machine that an ARN names. As those of an
// Alias its calls are few, and the SDK repeats them.
func NewVersions(cfg aws.Config, machine string) *Versions {
	return &Versions{machineOf(machine), sfn.NewFromConfig(cfg)}
}

// List returns all of them, the newest first, and the time by the clock of Step Functions. A
// machine has 1,000 at most.
// (step-functions/latest/apireference/API_ListStateMachineVersions.html)
func (v *Versions) List(ctx context.Context) (list []Version, now time.Time, err error) {
	in := &sfn.ListStateMachineVersionsInput{StateMachineArn: &v.machine, MaxResults: pageSize}
	for {
		page, err := v.api.ListStateMachineVersions(ctx, in)
		if err != nil {
			return nil, now, classify("ListStateMachineVersions", err)
		}
		if at, told := awsmiddleware.GetServerTime(page.ResultMetadata); told {
			now = at
		}
		for _, one := range page.StateMachineVersions {
			list = append(list, Version{aws.ToString(one.StateMachineVersionArn), aws.ToTime(one.CreationDate)})
		}
		if aws.ToString(page.NextToken) == "" {
			return list, now, nil
		}
		in.NextToken = page.NextToken
	}
}

// initialRevision is how the providers call the revision of a machine that was never updated,
// for which the API has no id.
const initialRevision = "INITIAL"

// Newest is the ARN of the newest version if it is of a revision, else "".
// (step-functions/latest/apireference/API_DescribeStateMachine.html)
func (v *Versions) Newest(ctx context.Context, revision string) (string, error) {
	page, err := v.api.ListStateMachineVersions(ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: &v.machine, MaxResults: 1})
	switch {
	case codeOf(err) == "StateMachineDoesNotExist":
		return "", nil
	case err != nil:
		return "", classify("ListStateMachineVersions", err)
	case len(page.StateMachineVersions) == 0:
		return "", nil
	}
	arn := page.StateMachineVersions[0].StateMachineVersionArn
	out, err := v.api.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: arn})
	if err != nil {
		return "", classify("DescribeStateMachine", err)
	}
	if cmp.Or(aws.ToString(out.RevisionId), initialRevision) != revision {
		return "", nil
	}
	return aws.ToString(arn), nil
}

// Delete deletes one, unless an alias leads to it: that one stays.
// (step-functions/latest/apireference/API_DeleteStateMachineVersion.html)
func (v *Versions) Delete(ctx context.Context, arn string) error {
	_, err := v.api.DeleteStateMachineVersion(ctx, &sfn.DeleteStateMachineVersionInput{StateMachineVersionArn: &arn})
	if codeOf(err) == "ConflictException" {
		return nil
	}
	if err != nil {
		return classify("DeleteStateMachineVersion", err)
	}
	return nil
}

// RedriveWindow is for how long an execution that did not succeed can be redriven.
// (step-functions/latest/dg/redrive-executions.html)
const RedriveWindow = 14 * 24 * time.Hour

// MayGoOn tells whether an execution of a version runs, or may be redriven now. Where there
// are more than can be looked at in a few calls it says so too: it is for those who want to
// take the version away.
func (c *Client) MayGoOn(ctx context.Context, version string, now time.Time) (bool, error) {
	for _, status := range []types.ExecutionStatus{"", types.ExecutionStatusRunning, types.ExecutionStatusFailed, types.ExecutionStatusTimedOut, types.ExecutionStatusAborted} {
		in := &sfn.ListExecutionsInput{StateMachineArn: &version, StatusFilter: status, MaxResults: pageSize}
		page, _, err := call(ctx, c, opList, func(ctx context.Context) (*sfn.ListExecutionsOutput, error) { return c.cfg.API.ListExecutions(ctx, in) })
		if fault.KindOf(err) == fault.NotFound { // somebody else was faster
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for i := range page.Executions {
			if fromItem(&page.Executions[i]).mayGoOn(now) {
				return true, nil
			}
		}
		switch whole := aws.ToString(page.NextToken) == ""; {
		case whole && status == "":
			return false, nil
		case !whole && status != "":
			return true, nil
		}
	}
	return false, nil
}

func (e Execution) mayGoOn(now time.Time) bool {
	return e.Status != Succeeded && (e.Stop.IsZero() || now.Sub(e.Stop) < RedriveWindow)
}
