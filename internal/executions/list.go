package executions

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const pageSize = 1000 // the most AWS gives, and what costs least of the quota

// List returns executions newest first. AWS filters by one status only, so that
// several statuses are several lists; time and name are filtered here, and
// reading stops at the first execution that started before in.Since. A new
// execution may be missing for a moment (eventual consistency).
func (c *Client) List(ctx context.Context, in ListInput) ([]Execution, error) {
	match, err := in.matcher()
	if err != nil {
		return nil, err
	}
	filters := []types.ExecutionStatus{""}
	if len(in.Statuses) > 0 {
		filters = nil
		for _, s := range slices.Compact(slices.Sorted(slices.Values(in.Statuses))) {
			if !slices.Contains([]Status{Running, Succeeded, Failed, TimedOut, Aborted}, s) {
				return nil, fault.New(fault.Invalid, "cannot list executions by status %q", s).
					WithHint("Use RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.")
			}
			filters = append(filters, types.ExecutionStatus(s))
		}
	}
	var all []Execution
	if len(filters) > 1 {
		some, whole, err := c.glance(ctx, in, filters, match)
		if err != nil {
			return nil, err
		}
		if whole {
			all, filters = some, nil
		}
	}
	for _, f := range filters {
		some, err := c.listOne(ctx, in, f, match)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	// An execution that ended between two lists may be in both: the later list is
	// nearer the truth.
	seen := make(map[string]bool, len(all))
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(e Execution) bool {
		dup := seen[e.ARN]
		seen[e.ARN] = true
		return dup
	})
	slices.SortStableFunc(all, func(a, b Execution) int {
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(a.Name, b.Name))
	})
	if in.Limit > 0 && len(all) > in.Limit {
		all = all[:in.Limit]
	}
	return all, nil
}

// glance reads one page of executions of any status and keeps those of the wanted ones. Most
// machines have no more, or none that are older and wanted: then it has spared a list for each
// status but one, of which an account has 2 to 5 a second. whole tells whether it is so.
func (c *Client) glance(ctx context.Context, in ListInput, wanted []types.ExecutionStatus, match func(string) bool) (found []Execution, whole bool, err error) {
	page, _, err := call(ctx, c, opList, func(ctx context.Context) (*sfn.ListExecutionsOutput, error) {
		return c.cfg.API.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &in.Machine, MaxResults: pageSize})
	})
	if err != nil {
		return nil, false, err
	}
	if in.Passed != nil {
		in.Passed(len(page.Executions))
	}
	for i := range page.Executions {
		e := fromItem(&page.Executions[i])
		switch {
		case !in.Since.IsZero() && e.Start.Before(in.Since):
			return found, true, nil
		case slices.Contains(wanted, types.ExecutionStatus(e.Status)) && match(e.Name):
			found = append(found, e)
		}
		if in.Limit > 0 && len(found) >= in.Limit {
			return found, true, nil
		}
	}
	return found, aws.ToString(page.NextToken) == "", nil
}

func (c *Client) listOne(ctx context.Context, in ListInput, status types.ExecutionStatus, match func(string) bool) ([]Execution, error) {
	req := &sfn.ListExecutionsInput{StateMachineArn: &in.Machine, StatusFilter: status, MaxResults: pageSize}
	if in.Limit > 0 && in.Name == "" && in.Batch == "" {
		req.MaxResults = int32(min(in.Limit, pageSize)) // at most 1000
	}
	var out []Execution
	for {
		page, _, err := call(ctx, c, opList, func(ctx context.Context) (*sfn.ListExecutionsOutput, error) {
			return c.cfg.API.ListExecutions(ctx, req)
		})
		if err != nil {
			return nil, err
		}
		if in.Passed != nil {
			in.Passed(len(page.Executions))
		}
		for i := range page.Executions {
			e := fromItem(&page.Executions[i])
			if !in.Since.IsZero() && e.Start.Before(in.Since) {
				return out, nil
			}
			if match(e.Name) {
				out = append(out, e)
			}
			if in.Limit > 0 && len(out) >= in.Limit {
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

// matcher tells by its name whether an execution is asked for.
func (in *ListInput) matcher() (func(string) bool, error) {
	named, err := nameMatcher(in.Name)
	if err != nil || in.Batch == "" {
		return named, err
	}
	if err := ValidateBatch(in.Batch); err != nil {
		return nil, err
	}
	return func(name string) bool { return OfBatch(in.Batch, name) && named(name) }, nil
}

func nameMatcher(pattern string) (func(string) bool, error) {
	switch {
	case pattern == "":
		return func(string) bool { return true }, nil
	case !strings.ContainsAny(pattern, "*?["):
		return func(name string) bool { return strings.HasPrefix(name, pattern) }, nil
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fault.New(fault.Invalid, "name pattern %q is malformed", pattern).
			WithHint("Use * and ? as wildcards and close every [.").Because(err)
	}
	return func(name string) bool {
		ok, _ := path.Match(pattern, name) // the pattern was checked above
		return ok
	}, nil
}

func fromItem(it *types.ExecutionListItem) Execution {
	// What 100,000 rows have in common is kept once.
	same := func(s *string) string { return unique.Make(aws.ToString(s)).Value() }
	return Execution{
		ARN: aws.ToString(it.ExecutionArn), Name: aws.ToString(it.Name), Machine: same(it.StateMachineArn),
		Version: same(it.StateMachineVersionArn), Alias: same(it.StateMachineAliasArn), MapRun: same(it.MapRunArn),
		Status: Status(it.Status), Start: aws.ToTime(it.StartDate), Stop: aws.ToTime(it.StopDate),
		Redrives: int(aws.ToInt32(it.RedriveCount)), RedriveDate: aws.ToTime(it.RedriveDate),
	}
}

// Describe returns what is known of one execution, with input and output.
func (c *Client) Describe(ctx context.Context, arn string) (*Details, error) {
	out, _, err := call(ctx, c, opDescribe, func(ctx context.Context) (*sfn.DescribeExecutionOutput, error) {
		return c.cfg.API.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	})
	if err != nil {
		return nil, err
	}
	return &Details{
		Execution: Execution{
			ARN: aws.ToString(out.ExecutionArn), Name: aws.ToString(out.Name), Machine: aws.ToString(out.StateMachineArn),
			Version: aws.ToString(out.StateMachineVersionArn), Alias: aws.ToString(out.StateMachineAliasArn), MapRun: aws.ToString(out.MapRunArn),
			Status: Status(out.Status), Start: aws.ToTime(out.StartDate), Stop: aws.ToTime(out.StopDate),
			Redrives: int(aws.ToInt32(out.RedriveCount)), RedriveDate: aws.ToTime(out.RedriveDate),
		},
		Input: aws.ToString(out.Input), Output: aws.ToString(out.Output), Error: aws.ToString(out.Error), Cause: aws.ToString(out.Cause),
		RedriveStatus: string(out.RedriveStatus), RedriveReason: aws.ToString(out.RedriveStatusReason), TraceHeader: aws.ToString(out.TraceHeader),
	}, nil
}

// Definition returns the Amazon States Language text that an execution runs, or
// ran: that of its state machine when it was started. AWS has none of express
// executions (Unsupported). It costs one DescribeStateMachineForExecution, of
// which an account has one a second.
func (c *Client) Definition(ctx context.Context, execution string) (string, error) {
	out, _, err := call(ctx, c, opMachine, func(ctx context.Context) (*sfn.DescribeStateMachineForExecutionOutput, error) {
		return c.cfg.API.DescribeStateMachineForExecution(ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: &execution})
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Definition), nil
}

// Latest is the reference that Resolve takes for the newest execution.
const Latest = "@latest"

// Resolve turns a reference into an execution's ARN: Latest, a name within the
// machine (given by its ARN or that of a version or alias), or an ARN, which is
// taken as it is. A name that does not exist is NotFound.
func (c *Client) Resolve(ctx context.Context, machine, ref string) (string, error) {
	const hint = "Run `pipelinetui executions list PIPELINE` to see the names; AWS keeps executions for 90 days."
	switch {
	case strings.HasPrefix(ref, "arn:"):
		if p := strings.Split(ref, ":"); len(p) < 8 || p[2] != "states" || p[5] != "execution" {
			return "", fault.New(fault.Invalid, "%q is not the ARN of an execution", ref).WithHint(hint)
		}
		return ref, nil
	case ref == Latest:
		return c.latest(ctx, machine)
	}
	if err := ValidateName(ref); err != nil {
		return "", err
	}
	arn, err := ExecutionARN(machine, ref)
	if err != nil {
		return "", err
	}
	if s, ok := c.recall(machine); ok && s.ARN == arn {
		return arn, nil
	}
	if _, err := c.Describe(ctx, arn); err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return "", fault.New(fault.NotFound, "there is no execution %q", ref).WithHint(hint).Because(err)
		}
		return "", err
	}
	return arn, nil
}

// latest prefers what this Client started itself, since a list may lag.
func (c *Client) latest(ctx context.Context, machine string) (string, error) {
	list, err := c.List(ctx, ListInput{Machine: machine, Limit: 1})
	if err != nil {
		return "", err
	}
	own, ok := c.recall(machine)
	switch {
	case ok && (len(list) == 0 || own.Start.After(list[0].Start)):
		return own.ARN, nil
	case len(list) == 0:
		return "", fault.New(fault.NotFound, "there are no executions yet").WithHint("Run `pipelinetui run PIPELINE` to start one.")
	}
	return list[0].ARN, nil
}

func (c *Client) remember(machine string, s Started) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.started[machineOf(machine)]; !ok || !s.Start.Before(old.Start) {
		c.started[machineOf(machine)] = s
	}
}

func (c *Client) recall(machine string) (Started, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.started[machineOf(machine)]
	return s, ok
}

// ParseSince reads a duration before now (90m, 24h) or a time (2026-01-31,
// 2026-01-31T08:00:00Z; in local time without a zone). Empty is the zero time.
func ParseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, ok := duration(s); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "%q is neither a duration nor a time", s).
		WithHint("Write 90m, 24h, 7d, 2026-01-31 or 2026-01-31T08:00:00Z.")
}

// duration reads a time before now: as Go writes it, or in days ("7d").
func duration(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16) // 65,535 days are 179 years
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}
