//go:build unix

package daemontest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// outcome is an execution as the API shows it at the end.
type outcome struct {
	*started
	desc   *sfn.DescribeExecutionOutput
	events []types.HistoryEvent
}

func (c *clients) history(ctx context.Context, arn string) ([]types.HistoryEvent, error) {
	var out []types.HistoryEvent
	pages := sfn.NewGetExecutionHistoryPaginator(c.sfn, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, IncludeExecutionData: aws.Bool(true), MaxResults: 1000})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Events...)
	}
	return out, nil
}

func (c *clients) list(ctx context.Context, in *sfn.ListExecutionsInput) ([]types.ExecutionListItem, error) {
	var out []types.ExecutionListItem
	pages := sfn.NewListExecutionsPaginator(c.sfn, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Executions...)
	}
	return out, nil
}

func ends(t types.HistoryEventType) bool {
	switch t {
	case types.HistoryEventTypeExecutionSucceeded, types.HistoryEventTypeExecutionFailed, types.HistoryEventTypeExecutionAborted, types.HistoryEventTypeExecutionTimedOut:
		return true
	}
	return false
}

// wellFormed checks what holds for every history of an execution that ended.
func wellFormed(events []types.HistoryEvent) error {
	followers := map[int64][]string{}
	for i, e := range events {
		last := i == len(events)-1
		switch {
		case e.Id != int64(i+1):
			return fmt.Errorf("event %d has the id %d", i+1, e.Id)
		case e.PreviousEventId >= e.Id || e.PreviousEventId < 0:
			return fmt.Errorf("event %d follows %d", e.Id, e.PreviousEventId)
		case e.PreviousEventId == 0 && e.Id > 2:
			return fmt.Errorf("event %d (%s) follows nothing", e.Id, e.Type)
		case (e.Type == types.HistoryEventTypeExecutionStarted) != (i == 0):
			return fmt.Errorf("event %d is %s", e.Id, e.Type)
		case ends(e.Type) != last:
			return fmt.Errorf("event %d of %d is %s", e.Id, len(events), e.Type)
		case i > 0 && e.Timestamp.Before(*events[i-1].Timestamp):
			return fmt.Errorf("event %d is earlier than the one before", e.Id)
		}
		if e.PreviousEventId > 0 {
			followers[e.PreviousEventId] = append(followers[e.PreviousEventId], string(e.Type))
		}
	}
	for _, e := range events {
		if f := followers[e.Id]; len(f) > 1 && !forks(string(e.Type)) {
			return fmt.Errorf("event %d (%s) has followers %v", e.Id, e.Type, f)
		}
	}
	return nil
}

// forks reports whether more than one event may follow an event of the type:
// where branches begin and where they end.
func forks(typ string) bool {
	return strings.HasSuffix(typ, "StateStarted") || strings.HasSuffix(typ, "StateExited") || strings.HasPrefix(typ, "MapIteration") || typ == "MapRunSucceeded"
}

func stateOf(e types.HistoryEvent) string {
	switch {
	case e.StateEnteredEventDetails != nil:
		return *e.StateEnteredEventDetails.Name
	case e.StateExitedEventDetails != nil:
		return *e.StateExitedEventDetails.Name
	}
	return ""
}

// skeleton is the history without the attempts that failed: what an undisturbed
// execution shows.
func skeleton(events []types.HistoryEvent) []string {
	drop := map[int64]bool{}
	byID := map[int64]types.HistoryEvent{}
	for _, e := range events {
		byID[e.Id] = e
		if e.Type != types.HistoryEventTypeTaskFailed && e.Type != types.HistoryEventTypeTaskTimedOut &&
			e.Type != types.HistoryEventTypeActivityFailed && e.Type != types.HistoryEventTypeActivityTimedOut {
			continue
		}
		if d := e.TaskFailedEventDetails; d != nil && d.Error != nil && !strings.HasSuffix(*d.Error, "SdkClientException") {
			continue // the machine's own
		}
		for at := e; ; at = byID[at.PreviousEventId] {
			drop[at.Id] = true
			if strings.HasSuffix(string(at.Type), "Scheduled") || at.Id <= 1 {
				break
			}
		}
	}
	var out []string
	for _, e := range events {
		if !drop[e.Id] {
			out = append(out, strings.TrimSpace(string(e.Type)+" "+stateOf(e)))
		}
	}
	return out
}

// scheduled counts the attempts to write each object.
func scheduled(into map[string]int, events []types.HistoryEvent) {
	for _, e := range events {
		d := e.TaskScheduledEventDetails
		if d == nil || *d.Resource != "putObject" {
			continue
		}
		var p struct{ Key string }
		if json.Unmarshal([]byte(*d.Parameters), &p) == nil {
			into[p.Key]++
		}
	}
}

// check compares one execution with what it must come to. reference are the
// skeletons of undisturbed executions.
func (o *outcome) check(reference map[string][]string) error {
	if got := string(o.desc.Status); got != o.m.status {
		return fmt.Errorf("status is %s (%s: %s)", got, aws.ToString(o.desc.Error), aws.ToString(o.desc.Cause))
	}
	if err := wellFormed(o.events); err != nil {
		return err
	}
	if o.m.output != nil {
		var got any
		if err := json.Unmarshal([]byte(aws.ToString(o.desc.Output)), &got); err != nil {
			return err
		}
		if want := encode(o.m.output(o.input)); encode(got) != want {
			return fmt.Errorf("output is %s, not %s", encode(got), want)
		}
	}
	if got := aws.ToString(o.desc.Error); got != o.m.failure {
		return fmt.Errorf("error is %q", got)
	}
	if encode(o.input) != aws.ToString(o.desc.Input) {
		return fmt.Errorf("input is %s", *o.desc.Input)
	}
	got := skeleton(o.events)
	if o.m.ordered {
		if want := reference[o.m.name]; !slices.Equal(got, want) {
			return fmt.Errorf("history is\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	}
	return o.entries(got)
}

// entries checks that every state was entered and left as often as it must be.
func (o *outcome) entries(skeleton []string) error {
	got := map[string]int{}
	for _, line := range skeleton {
		got[line]++
	}
	for line, n := range got {
		if typ, name, ok := strings.Cut(line, " "); ok && strings.HasSuffix(typ, "Entered") {
			if left := got[strings.Replace(line, "Entered", "Exited", 1)]; left != n {
				return fmt.Errorf("state %s was entered %d times and left %d times", name, n, left)
			}
		}
	}
	want := o.m.entries(o.input)
	for line, n := range want {
		if got[line] != n {
			return fmt.Errorf("%q is there %d times, not %d", line, got[line], n)
		}
	}
	return nil
}

// verdict is what the checks found.
type verdict struct {
	lost, doubled, stuck, wrong []string
}

// judge checks everything that the book has.
func (w *world) judge(ctx context.Context, t testing.TB, c *clients, reference map[string][]string) ([]*outcome, *verdict) {
	t.Helper()
	v := &verdict{wrong: w.wrong}
	attempts := map[string]int{}
	var all []*outcome
	children := w.lists(ctx, t, c, v)
	ran := 0
	for _, s := range w.executions {
		id := s.m.name + " " + s.name
		desc, err := c.sfn.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &s.arn})
		if err != nil {
			v.lost = append(v.lost, id+": "+err.Error())
			continue
		}
		o := &outcome{started: s, desc: desc}
		o.events, err = c.history(ctx, s.arn)
		require.NoError(t, err, id)
		if desc.Status == types.ExecutionStatusRunning {
			v.stuck = append(v.stuck, fmt.Sprintf("%s after %v", id, skeleton(o.events)))
			continue
		}
		if err := o.check(reference); err != nil {
			v.wrong = append(v.wrong, id+": "+err.Error())
		}
		if s.m.name == "distributed" {
			w.mapRun(ctx, t, c, o, attempts, v)
		}
		if s.m.name == "nested" {
			for _, e := range o.events {
				if e.Type == types.HistoryEventTypeTaskScheduled {
					ran++
				}
			}
		}
		scheduled(attempts, o.events)
		all = append(all, o)
	}
	if children > ran+1 { // one is the reference's
		v.doubled = append(v.doubled, fmt.Sprintf("%d nested executions for %d scheduled tasks", children, ran))
	}
	for name, n := range w.finished {
		if n > 1 {
			v.doubled = append(v.doubled, fmt.Sprintf("the activity's task of %s succeeded %d times", name, n))
		}
	}
	w.effects(ctx, t, c, attempts, v)
	w.others(ctx, t, c, v)
	return all, v
}

// lists checks that each machine's list has every execution once and no other.
// It returns how many executions there are that a Task started.
func (w *world) lists(ctx context.Context, t testing.TB, c *clients, v *verdict) (children int) {
	t.Helper()
	for _, m := range w.machines {
		got, err := c.list(ctx, &sfn.ListExecutionsInput{StateMachineArn: &m.arn, MaxResults: 1000})
		require.NoError(t, err)
		seen := map[string]int{}
		for _, e := range got {
			seen[*e.Name]++
		}
		for _, s := range w.executions {
			if s.m == m {
				switch seen[s.name] {
				case 0:
					v.lost = append(v.lost, m.name+" "+s.name+" is not in the list")
				case 1:
					delete(seen, s.name)
				default:
					v.doubled = append(v.doubled, m.name+" "+s.name)
				}
			}
		}
		for _, e := range got {
			if seen[*e.Name] == 0 || strings.HasPrefix(*e.Name, "reference") {
				continue
			}
			if m.name != "wait" {
				v.doubled = append(v.doubled, m.name+" "+*e.Name+" that nobody asked for")
				continue
			}
			children++
			if e.Status != types.ExecutionStatusSucceeded {
				v.wrong = append(v.wrong, fmt.Sprintf("nested %s is %s", *e.Name, e.Status))
			}
		}
	}
	return children
}

// mapRun checks the children of a distributed Map.
func (w *world) mapRun(ctx context.Context, t testing.TB, c *clients, o *outcome, attempts map[string]int, v *verdict) {
	t.Helper()
	id := "distributed " + o.name
	want := len(o.input["items"].([]any))
	i := slices.IndexFunc(o.events, func(e types.HistoryEvent) bool { return e.MapRunStartedEventDetails != nil })
	if i < 0 {
		return // told already
	}
	arn := o.events[i].MapRunStartedEventDetails.MapRunArn
	run, err := c.sfn.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: arn})
	require.NoError(t, err)
	if run.Status != types.MapRunStatusSucceeded || int(run.ItemCounts.Succeeded) != want || int(run.ExecutionCounts.Total) != want {
		v.wrong = append(v.wrong, fmt.Sprintf("%s: the run is %s with %+v", id, run.Status, run.ItemCounts))
	}
	list, err := c.list(ctx, &sfn.ListExecutionsInput{MapRunArn: arn, MaxResults: 1000})
	require.NoError(t, err)
	if len(list) != want {
		v.doubled = append(v.doubled, fmt.Sprintf("%s has %d children for %d items", id, len(list), want))
	}
	for _, e := range list {
		events, err := c.history(ctx, *e.ExecutionArn)
		require.NoError(t, err)
		err = wellFormed(events)
		if e.Status != types.ExecutionStatusSucceeded {
			err = fmt.Errorf("status is %s", e.Status)
		}
		if err != nil {
			v.wrong = append(v.wrong, fmt.Sprintf("%s: child %s: %v", id, *e.Name, err))
		}
		scheduled(attempts, events)
	}
}

// effects checks the objects that executions wrote: there, and not written more
// often than the histories tell.
func (w *world) effects(ctx context.Context, t testing.TB, c *clients, attempts map[string]int, v *verdict) {
	t.Helper()
	versions := map[string]int{}
	pages := s3.NewListObjectVersionsPaginator(c.s3, &s3.ListObjectVersionsInput{Bucket: aws.String(bucketName)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, o := range page.Versions {
			versions[*o.Key]++
		}
	}
	for _, s := range w.executions {
		if s.m.objects == nil {
			continue
		}
		for _, key := range s.m.objects(s.input) {
			switch n := versions[key]; {
			case n == 0:
				v.lost = append(v.lost, "object "+key)
			case n > attempts[key]:
				v.doubled = append(v.doubled, fmt.Sprintf("object %s was written %d times in %d attempts", key, n, attempts[key]))
			}
		}
	}
	for key, body := range w.objects {
		out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key})
		if err != nil {
			v.lost = append(v.lost, "object "+key+": "+err.Error())
			continue
		}
		got, err := io.ReadAll(out.Body)
		_ = out.Body.Close()
		if err != nil || string(got) != body {
			v.wrong = append(v.wrong, "object "+key+" has another content")
		}
		if versions[key] != 1 {
			v.doubled = append(v.doubled, "object "+key)
		}
	}
}

// others checks what was acknowledged by SQS and IAM.
func (w *world) others(ctx context.Context, t testing.TB, c *clients, v *verdict) {
	t.Helper()
	got := map[string]int{}
	for {
		out, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &w.queue, MaxNumberOfMessages: 10})
		require.NoError(t, err)
		if len(out.Messages) == 0 {
			break
		}
		var done []sqstypes.DeleteMessageBatchRequestEntry
		for i, m := range out.Messages {
			got[*m.Body]++
			done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		_, err = c.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &w.queue, Entries: done})
		require.NoError(t, err)
	}
	for body, acknowledged := range w.messages {
		if acknowledged && got[body] == 0 {
			v.lost = append(v.lost, body)
		}
	}
	for body, n := range maps.All(got) {
		if n > 1 {
			v.doubled = append(v.doubled, body)
		}
	}
	for name := range w.roles {
		if _, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}); err != nil {
			v.lost = append(v.lost, "role "+name+": "+err.Error())
		}
	}
}
