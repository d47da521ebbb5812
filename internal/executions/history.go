package executions

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// History reads the events of an execution, all pages of them. With
// opts.Reverse the newest come first; events whose state AWS does not name get
// it only if the history was read back to its beginning.
func (c *Client) History(ctx context.Context, arn string, opts HistoryOptions) ([]Event, error) {
	var out []Event
	err := c.pages(ctx, arn, opts, func(page []Event) bool {
		out = append(out, page...)
		return opts.Max <= 0 || len(out) < opts.Max
	})
	if err != nil {
		return nil, err
	}
	if opts.Max > 0 && len(out) > opts.Max {
		out = out[:opts.Max]
	}
	if opts.Reverse {
		slices.Reverse(out)
		nameStates(out)
		slices.Reverse(out)
	} else {
		nameStates(out)
	}
	return out, nil
}

// EachEvent reads the events of an execution from the first on and hands them to do, which
// may end it by an error. It holds one page of them, however long the history is.
func (c *Client) EachEvent(ctx context.Context, arn string, data bool, do func(Event) error) error {
	var t Timeline
	var stop error
	err := c.pages(ctx, arn, HistoryOptions{IncludeData: data}, func(page []Event) bool {
		for i := range page {
			e := page[i]
			e.Input, e.Output = "", "" // for the name of its state they are not needed
			t.Apply(e)
			page[i].State = t.StateOf(e.ID)
			if stop = do(page[i]); stop != nil {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return stop
}

// nameStates fills in Event.State of a history that begins at its beginning.
func nameStates(events []Event) {
	if len(events) == 0 || events[0].ID != 1 {
		return
	}
	var t Timeline
	for i := range events {
		t.Apply(events[i])
		events[i].State = t.StateOf(events[i].ID)
	}
}

// pages reads a history page by page until more returns false.
func (c *Client) pages(ctx context.Context, arn string, opts HistoryOptions, more func([]Event) bool) error {
	req := &sfn.GetExecutionHistoryInput{
		ExecutionArn: &arn, ReverseOrder: opts.Reverse, IncludeExecutionData: &opts.IncludeData, MaxResults: pageSize,
	}
	if opts.Max > 0 {
		req.MaxResults = int32(min(opts.Max, pageSize)) // at most 1000
	}
	for {
		page, _, err := call(ctx, c, opHistory, func(ctx context.Context) (*sfn.GetExecutionHistoryOutput, error) {
			return c.cfg.API.GetExecutionHistory(ctx, req)
		})
		if err != nil {
			return err
		}
		events := make([]Event, len(page.Events))
		for i := range page.Events {
			events[i] = fromHistory(&page.Events[i])
		}
		if !more(events) || aws.ToString(page.NextToken) == "" {
			return nil
		}
		next := *req
		next.NextToken = page.NextToken
		req = &next
	}
}

// fromHistory flattens an event: exactly one of its detail members is set.
func fromHistory(h *types.HistoryEvent) Event {
	e := Event{ID: h.Id, Previous: h.PreviousEventId, Time: aws.ToTime(h.Timestamp), Type: string(h.Type)}
	if !executionDetails(&e, h) && !stateDetails(&e, h) && !taskDetails(&e, h) && !lambdaDetails(&e, h) {
		activityDetails(&e, h)
	}
	return e
}

func (e *Event) fail(errorName, cause *string) {
	e.Error, e.Cause = aws.ToString(errorName), aws.ToString(cause)
}

func (e *Event) input(text *string, d *types.HistoryEventExecutionDataDetails) {
	e.Input, e.InputTruncated = aws.ToString(text), d != nil && d.Truncated
}

func (e *Event) output(text *string, d *types.HistoryEventExecutionDataDetails) {
	e.Output, e.OutputTruncated = aws.ToString(text), d != nil && d.Truncated
}

func (e *Event) resource(name, service *string) {
	e.Resource, e.Service = aws.ToString(name), aws.ToString(service)
}

func executionDetails(e *Event, h *types.HistoryEvent) bool {
	switch {
	case h.ExecutionStartedEventDetails != nil:
		d := h.ExecutionStartedEventDetails
		e.input(d.Input, d.InputDetails)
		e.Role, e.Alias, e.Version = aws.ToString(d.RoleArn), aws.ToString(d.StateMachineAliasArn), aws.ToString(d.StateMachineVersionArn)
	case h.ExecutionSucceededEventDetails != nil:
		d := h.ExecutionSucceededEventDetails
		e.output(d.Output, d.OutputDetails)
	case h.ExecutionFailedEventDetails != nil:
		e.fail(h.ExecutionFailedEventDetails.Error, h.ExecutionFailedEventDetails.Cause)
	case h.ExecutionAbortedEventDetails != nil:
		e.fail(h.ExecutionAbortedEventDetails.Error, h.ExecutionAbortedEventDetails.Cause)
	case h.ExecutionTimedOutEventDetails != nil:
		e.fail(h.ExecutionTimedOutEventDetails.Error, h.ExecutionTimedOutEventDetails.Cause)
	case h.ExecutionRedrivenEventDetails != nil:
		e.Redrives = int(aws.ToInt32(h.ExecutionRedrivenEventDetails.RedriveCount))
	default:
		return false
	}
	return true
}

func stateDetails(e *Event, h *types.HistoryEvent) bool {
	iteration := func(d *types.MapIterationEventDetails) {
		i := int(d.Index)
		e.State, e.Iteration = aws.ToString(d.Name), &i
	}
	switch {
	case h.StateEnteredEventDetails != nil:
		d := h.StateEnteredEventDetails
		e.State = aws.ToString(d.Name)
		e.input(d.Input, d.InputDetails)
	case h.StateExitedEventDetails != nil:
		d := h.StateExitedEventDetails
		e.State, e.Assigned = aws.ToString(d.Name), d.AssignedVariables
		e.AssignedTruncated = d.AssignedVariablesDetails != nil && d.AssignedVariablesDetails.Truncated
		e.output(d.Output, d.OutputDetails)
	case h.EvaluationFailedEventDetails != nil:
		d := h.EvaluationFailedEventDetails
		e.State, e.Location = aws.ToString(d.State), aws.ToString(d.Location)
		e.fail(d.Error, d.Cause)
	case h.MapStateStartedEventDetails != nil:
		n := int(h.MapStateStartedEventDetails.Length)
		e.Length = &n
	case h.MapIterationStartedEventDetails != nil:
		iteration(h.MapIterationStartedEventDetails)
	case h.MapIterationSucceededEventDetails != nil:
		iteration(h.MapIterationSucceededEventDetails)
	case h.MapIterationFailedEventDetails != nil:
		iteration(h.MapIterationFailedEventDetails)
	case h.MapIterationAbortedEventDetails != nil:
		iteration(h.MapIterationAbortedEventDetails)
	case h.MapRunStartedEventDetails != nil:
		e.MapRun = aws.ToString(h.MapRunStartedEventDetails.MapRunArn)
	case h.MapRunFailedEventDetails != nil:
		e.fail(h.MapRunFailedEventDetails.Error, h.MapRunFailedEventDetails.Cause)
	case h.MapRunRedrivenEventDetails != nil:
		d := h.MapRunRedrivenEventDetails
		e.MapRun, e.Redrives = aws.ToString(d.MapRunArn), int(aws.ToInt32(d.RedriveCount))
	default:
		return false
	}
	return true
}

func taskDetails(e *Event, h *types.HistoryEvent) bool {
	switch {
	case h.TaskScheduledEventDetails != nil:
		d := h.TaskScheduledEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.Input, e.Region = aws.ToString(d.Parameters), aws.ToString(d.Region)
		e.TimeoutSeconds, e.HeartbeatSeconds = aws.ToInt64(d.TimeoutInSeconds), aws.ToInt64(d.HeartbeatInSeconds)
		if d.TaskCredentials != nil {
			e.Role = aws.ToString(d.TaskCredentials.RoleArn)
		}
	case h.TaskStartedEventDetails != nil:
		e.resource(h.TaskStartedEventDetails.Resource, h.TaskStartedEventDetails.ResourceType)
	case h.TaskSubmittedEventDetails != nil:
		d := h.TaskSubmittedEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.output(d.Output, d.OutputDetails)
	case h.TaskSucceededEventDetails != nil:
		d := h.TaskSucceededEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.output(d.Output, d.OutputDetails)
	case h.TaskFailedEventDetails != nil:
		d := h.TaskFailedEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.fail(d.Error, d.Cause)
	case h.TaskTimedOutEventDetails != nil:
		d := h.TaskTimedOutEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.fail(d.Error, d.Cause)
	case h.TaskStartFailedEventDetails != nil:
		d := h.TaskStartFailedEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.fail(d.Error, d.Cause)
	case h.TaskSubmitFailedEventDetails != nil:
		d := h.TaskSubmitFailedEventDetails
		e.resource(d.Resource, d.ResourceType)
		e.fail(d.Error, d.Cause)
	default:
		return false
	}
	return true
}

func lambdaDetails(e *Event, h *types.HistoryEvent) bool {
	switch {
	case h.LambdaFunctionScheduledEventDetails != nil:
		d := h.LambdaFunctionScheduledEventDetails
		e.Resource, e.TimeoutSeconds = aws.ToString(d.Resource), aws.ToInt64(d.TimeoutInSeconds)
		e.input(d.Input, d.InputDetails)
		if d.TaskCredentials != nil {
			e.Role = aws.ToString(d.TaskCredentials.RoleArn)
		}
	case h.LambdaFunctionSucceededEventDetails != nil:
		d := h.LambdaFunctionSucceededEventDetails
		e.output(d.Output, d.OutputDetails)
	case h.LambdaFunctionFailedEventDetails != nil:
		e.fail(h.LambdaFunctionFailedEventDetails.Error, h.LambdaFunctionFailedEventDetails.Cause)
	case h.LambdaFunctionTimedOutEventDetails != nil:
		e.fail(h.LambdaFunctionTimedOutEventDetails.Error, h.LambdaFunctionTimedOutEventDetails.Cause)
	case h.LambdaFunctionScheduleFailedEventDetails != nil:
		e.fail(h.LambdaFunctionScheduleFailedEventDetails.Error, h.LambdaFunctionScheduleFailedEventDetails.Cause)
	case h.LambdaFunctionStartFailedEventDetails != nil:
		e.fail(h.LambdaFunctionStartFailedEventDetails.Error, h.LambdaFunctionStartFailedEventDetails.Cause)
	default:
		return false
	}
	return true
}

func activityDetails(e *Event, h *types.HistoryEvent) {
	switch {
	case h.ActivityScheduledEventDetails != nil:
		d := h.ActivityScheduledEventDetails
		e.Resource = aws.ToString(d.Resource)
		e.TimeoutSeconds, e.HeartbeatSeconds = aws.ToInt64(d.TimeoutInSeconds), aws.ToInt64(d.HeartbeatInSeconds)
		e.input(d.Input, d.InputDetails)
	case h.ActivityStartedEventDetails != nil:
		e.Worker = aws.ToString(h.ActivityStartedEventDetails.WorkerName)
	case h.ActivitySucceededEventDetails != nil:
		d := h.ActivitySucceededEventDetails
		e.output(d.Output, d.OutputDetails)
	case h.ActivityFailedEventDetails != nil:
		e.fail(h.ActivityFailedEventDetails.Error, h.ActivityFailedEventDetails.Cause)
	case h.ActivityTimedOutEventDetails != nil:
		e.fail(h.ActivityTimedOutEventDetails.Error, h.ActivityTimedOutEventDetails.Cause)
	case h.ActivityScheduleFailedEventDetails != nil:
		e.fail(h.ActivityScheduleFailedEventDetails.Error, h.ActivityScheduleFailedEventDetails.Cause)
	}
}
