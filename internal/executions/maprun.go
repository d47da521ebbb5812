package executions

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// MapRun is one run of a Distributed Map state: the child executions that work
// through one data set. A redrive of the execution continues the same run.
type MapRun struct {
	ARN       string `json:"arn"`
	Execution string `json:"executionArn"`
	// Label is the Map state's label, or what the service made up for it.
	Label  string    `json:"label"`
	Status Status    `json:"status"` // RUNNING, SUCCEEDED, FAILED or ABORTED
	Start  time.Time `json:"startDate"`
	Stop   time.Time `json:"stopDate,omitzero"`
	// MaxConcurrency is how many children may run at the same time.
	MaxConcurrency int `json:"maxConcurrency"`
	// The run fails when more items than this have failed.
	ToleratedFailures       int64     `json:"toleratedFailureCount"`
	ToleratedFailurePercent float64   `json:"toleratedFailurePercentage"`
	Items                   Counts    `json:"items"`
	Children                Counts    `json:"executions"`
	Redrives                int       `json:"redriveCount,omitempty"`
	RedriveDate             time.Time `json:"redriveDate,omitzero"`
}

// Counts tells how many items, or child executions, of a Map Run are in which
// state. They lag behind a little, and stay 0 while the run waits to begin.
type Counts struct {
	Total          int64 `json:"total"`
	Pending        int64 `json:"pending"`
	Running        int64 `json:"running"`
	Succeeded      int64 `json:"succeeded"`
	Failed         int64 `json:"failed"`
	TimedOut       int64 `json:"timedOut"`
	Aborted        int64 `json:"aborted"`
	ResultsWritten int64 `json:"resultsWritten"`
	PendingRedrive int64 `json:"pendingRedrive,omitempty"`
	NotRedrivable  int64 `json:"failuresNotRedrivable,omitempty"`
}

// Ended is how many have come to an end, whichever.
func (c Counts) Ended() int64 { return c.Succeeded + c.Unsuccessful() }

// Unsuccessful is how many have ended other than well.
func (c Counts) Unsuccessful() int64 { return c.Failed + c.TimedOut + c.Aborted }

// Duration is how long the run took, or has taken until now, since its last
// redrive.
func (r *MapRun) Duration(now time.Time) time.Duration {
	from := r.Start
	if r.RedriveDate.After(from) {
		from = r.RedriveDate
	}
	if r.Stop.After(from) {
		return r.Stop.Sub(from)
	}
	return max(0, now.Sub(from))
}

// MapRuns returns the Map Runs of an execution, the oldest first. It costs one
// ListMapRuns and one DescribeMapRun a run, of which an account has one a second.
func (c *Client) MapRuns(ctx context.Context, execution string) ([]MapRun, error) {
	req := &sfn.ListMapRunsInput{ExecutionArn: &execution, MaxResults: pageSize}
	var arns []string
	for {
		page, _, err := call(ctx, c, opMapRuns, func(ctx context.Context) (*sfn.ListMapRunsOutput, error) {
			return c.cfg.API.ListMapRuns(ctx, req)
		})
		if err != nil {
			return nil, err
		}
		for i := range page.MapRuns {
			arns = append(arns, aws.ToString(page.MapRuns[i].MapRunArn))
		}
		if aws.ToString(page.NextToken) == "" {
			break
		}
		next := *req
		next.NextToken = page.NextToken
		req = &next
	}
	runs := make([]MapRun, 0, len(arns))
	for _, arn := range arns {
		r, err := c.DescribeMapRun(ctx, arn)
		if err != nil {
			return nil, err
		}
		runs = append(runs, *r)
	}
	slices.SortStableFunc(runs, func(a, b MapRun) int { return a.Start.Compare(b.Start) })
	return runs, nil
}

// DescribeMapRun returns what is known of one Map Run.
func (c *Client) DescribeMapRun(ctx context.Context, arn string) (*MapRun, error) {
	out, _, err := call(ctx, c, opMapRun, func(ctx context.Context) (*sfn.DescribeMapRunOutput, error) {
		return c.cfg.API.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: &arn})
	})
	if err != nil {
		return nil, err
	}
	r := &MapRun{
		ARN: aws.ToString(out.MapRunArn), Execution: aws.ToString(out.ExecutionArn), Label: labelOf(arn), Status: Status(out.Status),
		Start: aws.ToTime(out.StartDate), Stop: aws.ToTime(out.StopDate), MaxConcurrency: int(out.MaxConcurrency),
		ToleratedFailures: out.ToleratedFailureCount, ToleratedFailurePercent: float64(out.ToleratedFailurePercentage),
		Redrives: int(aws.ToInt32(out.RedriveCount)), RedriveDate: aws.ToTime(out.RedriveDate),
	}
	if n := out.ItemCounts; n != nil {
		r.Items = Counts{
			Total: n.Total, Pending: n.Pending, Running: n.Running, Succeeded: n.Succeeded, Failed: n.Failed, TimedOut: n.TimedOut, Aborted: n.Aborted,
			ResultsWritten: n.ResultsWritten, PendingRedrive: aws.ToInt64(n.PendingRedrive), NotRedrivable: aws.ToInt64(n.FailuresNotRedrivable),
		}
	}
	if n := out.ExecutionCounts; n != nil {
		r.Children = Counts{
			Total: n.Total, Pending: n.Pending, Running: n.Running, Succeeded: n.Succeeded, Failed: n.Failed, TimedOut: n.TimedOut, Aborted: n.Aborted,
			ResultsWritten: n.ResultsWritten, PendingRedrive: aws.ToInt64(n.PendingRedrive), NotRedrivable: aws.ToInt64(n.FailuresNotRedrivable),
		}
	}
	return r, nil
}

// labelOf takes the label out of arn:...:mapRun:MACHINE/LABEL:ID.
func labelOf(arn string) string {
	_, rest, _ := strings.Cut(arn, ":mapRun:")
	_, rest, _ = strings.Cut(rest, "/")
	label, _, _ := strings.Cut(rest, ":")
	return label
}

// Children returns the child executions of a Map Run that are in one of the
// states (none given: in any), the newest first of each state; limit bounds how
// many of each state, 0 means all.
func (c *Client) Children(ctx context.Context, mapRun string, statuses []Status, limit int) ([]Execution, error) {
	filters := []types.ExecutionStatus{""}
	if len(statuses) > 0 {
		filters = nil
		for _, s := range statuses {
			if !slices.Contains(types.ExecutionStatus("").Values(), types.ExecutionStatus(s)) {
				return nil, fault.New(fault.Invalid, "cannot list child executions by status %q", s).
					WithHint("Use RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or PENDING_REDRIVE.")
			}
			filters = append(filters, types.ExecutionStatus(s))
		}
	}
	var all []Execution
	for _, f := range filters {
		some, err := c.childrenOf(ctx, mapRun, f, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (c *Client) childrenOf(ctx context.Context, mapRun string, status types.ExecutionStatus, limit int) ([]Execution, error) {
	req := &sfn.ListExecutionsInput{MapRunArn: &mapRun, StatusFilter: status, MaxResults: pageSize}
	if limit > 0 {
		req.MaxResults = int32(min(limit, pageSize)) // at most 1000
	}
	var out []Execution
	for {
		page, _, err := call(ctx, c, opList, func(ctx context.Context) (*sfn.ListExecutionsOutput, error) {
			return c.cfg.API.ListExecutions(ctx, req)
		})
		if err != nil {
			return nil, err
		}
		for i := range page.Executions {
			out = append(out, fromItem(&page.Executions[i]))
			if limit > 0 && len(out) == limit {
				return out, nil
			}
		}
		if aws.ToString(page.NextToken) == "" {
			return out, nil
		}
		next := *req
		next.NextToken = page.NextToken
		req = &next
	}
}
