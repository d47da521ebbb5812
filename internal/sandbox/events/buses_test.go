package events_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

const busARN = "arn:aws:events:us-east-1:000000000000:event-bus/"

// The answers are recorded from AWS in https://github.com/localstack/localstack
// (tests/aws/services/events/test_events.snapshot.json, TestEventBus and TestEventRule).
func TestBuses(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	made, err := s.bridge.CreateEventBus(ctx, &sdk.CreateEventBusInput{
		Name: aws.String("orders"), Description: aws.String("d"),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
	})
	require.NoError(t, err)
	require.Equal(t, busARN+"orders", *made.EventBusArn)
	_, err = s.bridge.CreateEventBus(ctx, &sdk.CreateEventBusInput{Name: aws.String("orders")})
	require.Equal(t, "Event bus orders already exists.", iamtest.RequireCode(t, err, "ResourceAlreadyExistsException").ErrorMessage())
	got, err := s.bridge.DescribeEventBus(ctx, &sdk.DescribeEventBusInput{Name: made.EventBusArn})
	require.NoError(t, err)
	require.Equal(t, []string{"orders", "d"}, []string{*got.Name, *got.Description})
	require.Nil(t, got.Policy)
	_, err = s.bridge.UpdateEventBus(ctx, &sdk.UpdateEventBusInput{Name: aws.String("orders"), Description: aws.String("e")})
	require.NoError(t, err)
	_, err = s.bridge.DescribeEventBus(ctx, &sdk.DescribeEventBusInput{Name: aws.String("none")})
	require.Equal(t, "Event bus none does not exist.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	list, err := s.bridge.ListEventBuses(ctx, &sdk.ListEventBusesInput{Limit: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, "default", *list.EventBuses[0].Name)
	list, err = s.bridge.ListEventBuses(ctx, &sdk.ListEventBusesInput{NextToken: list.NextToken})
	require.NoError(t, err)
	require.Len(t, list.EventBuses, 1)
	require.Equal(t, "e", *list.EventBuses[0].Description)

	// The same name on two buses is two rules; schedules are of the default bus only.
	put := func(bus, pattern, expression string) (*sdk.PutRuleOutput, error) {
		return s.bridge.PutRule(ctx, &sdk.PutRuleInput{Name: aws.String("r"), EventBusName: &bus, EventPattern: &pattern, ScheduleExpression: &expression})
	}
	out, err := put("orders", `{"source":["x"]}`, "")
	require.NoError(t, err)
	require.Equal(t, "arn:aws:events:us-east-1:000000000000:rule/orders/r", *out.RuleArn)
	_, err = put("orders", "", "rate(5 minutes)")
	require.Equal(t, "ScheduleExpression is supported only on the default event bus.", iamtest.RequireCode(t, err, "ValidationException").ErrorMessage())
	_, err = s.bridge.DescribeRule(ctx, &sdk.DescribeRuleInput{Name: aws.String("r")})
	require.Equal(t, "Rule r does not exist on EventBus default.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	_, err = put("default", "", "rate(5 minutes)")
	require.NoError(t, err)
	rules, err := s.bridge.ListRules(ctx, &sdk.ListRulesInput{})
	require.NoError(t, err)
	require.Len(t, rules.Rules, 1)
	require.Equal(t, "rate(5 minutes)", *rules.Rules[0].ScheduleExpression)
	require.Nil(t, rules.Rules[0].EventPattern)

	for _, arn := range []string{*made.EventBusArn, *out.RuleArn} {
		_, err = s.bridge.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: &arn, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}})
		require.NoError(t, err)
		_, err = s.bridge.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: &arn, TagKeys: []string{"a"}})
		require.NoError(t, err)
		tags, err := s.bridge.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: &arn})
		require.NoError(t, err)
		require.Len(t, tags.Tags, 1)
	}
	_, err = s.bridge.DeleteEventBus(ctx, &sdk.DeleteEventBusInput{Name: aws.String("orders")})
	iamtest.RequireCode(t, err, "ValidationException")
	_, err = s.bridge.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: aws.String("r"), EventBusName: aws.String("orders")})
	require.NoError(t, err)
	_, err = s.bridge.DeleteEventBus(ctx, &sdk.DeleteEventBusInput{Name: aws.String("default")})
	require.Equal(t, "Cannot delete event bus default.", iamtest.RequireCode(t, err, "ValidationException").ErrorMessage())
	for _, name := range []string{"orders", "none"} {
		_, err = s.bridge.DeleteEventBus(ctx, &sdk.DeleteEventBusInput{Name: &name})
		require.NoError(t, err)
	}
}

// Statements are recorded from AWS there too (test_put_permission, test_remove_permission).
func TestPermissions(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	policyOf := func() *string {
		out, err := s.bridge.DescribeEventBus(ctx, &sdk.DescribeEventBusInput{})
		require.NoError(t, err)
		return out.Policy
	}
	remove := func(sid string) error {
		_, err := s.bridge.RemovePermission(ctx, &sdk.RemovePermissionInput{StatementId: &sid})
		return err
	}
	require.Equal(t, "EventBus does not have a policy.", iamtest.RequireCode(t, remove("a"), "ResourceNotFoundException").ErrorMessage())
	put := func(sid, who, action string) error {
		_, err := s.bridge.PutPermission(ctx, &sdk.PutPermissionInput{StatementId: &sid, Principal: &who, Action: &action})
		return err
	}
	require.NoError(t, put("a", "111122223333", "events:PutEvents"))
	require.NoError(t, put("b", "*", "events:PutEvents"))
	require.Equal(t, "Provided value in parameter 'action' is not supported.", iamtest.RequireCode(t, put("c", "*", "events:PutRule"), "ValidationException").ErrorMessage())
	require.JSONEq(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"events:PutEvents","Resource":"`+busARN+`default"},
		{"Sid":"b","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"`+busARN+`default"}]}`, *policyOf())
	require.NoError(t, remove("a"))
	require.NotContains(t, *policyOf(), "111122223333")
	require.Equal(t, "Statement with the provided id does not exist.", iamtest.RequireCode(t, remove("a"), "ResourceNotFoundException").ErrorMessage())
	require.NoError(t, remove("b"))
	require.Nil(t, policyOf())
	_, err := s.bridge.PutPermission(ctx, &sdk.PutPermissionInput{Policy: aws.String(`{"Statement":[{"Effect":"n/a"}]}`)})
	iamtest.RequireCode(t, err, "ValidationException")

	// A bus's own Deny is stronger than what the caller's policies allow.
	_, err = s.bridge.PutPermission(ctx, &sdk.PutPermissionInput{Policy: aws.String(`{"Version":"2012-10-17","Id":"mine","Statement":{"Sid":"d",` +
		`"Effect":"Deny","Principal":"*","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"events:source":"secret"}}}}`)})
	require.NoError(t, err)
	_, cfg := s.Role(t, "sender", iamtest.Allow("events:PutEvents", "*"))
	send := func(source string) error {
		_, err := sdk.NewFromConfig(cfg).PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
			Source:     &source,
			DetailType: aws.String("t"), Detail: aws.String("{}"),
		}}})
		return err
	}
	require.NoError(t, send("open"))
	require.NoError(t, put("e", "111122223333", "events:PutEvents"))
	require.NoError(t, remove("e"))
	require.Contains(t, *policyOf(), `"Id":"mine"`, "what a policy is called stays")
	iamtest.RequireCode(t, send("secret"), "AccessDeniedException")
	require.NoError(t, remove("d"))
	require.NoError(t, send("secret"))
}

// Events for a bus that does not exist are acknowledged and dropped (recorded there,
// test_put_events_nonexistent_event_bus); rules see those of their own bus, and a bus
// passes an event on as it is.
func TestBusToBus(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	url, arn := s.queue(t, "q", "b/take")
	for _, name := range []string{"a", "b"} {
		_, err := s.bridge.CreateEventBus(ctx, &sdk.CreateEventBusInput{Name: &name})
		require.NoError(t, err)
	}
	role := s.service(t, "forward", iamtest.Allow("events:PutEvents", busARN+"b"))
	s.ruleOn(t, "a", "pass", `{"source":["x"]}`, types.Target{Id: aws.String("b"), Arn: aws.String(busARN + "b"), RoleArn: &role})
	s.ruleOn(t, "b", "take", `{"source":["x"]}`, types.Target{Id: aws.String("q"), Arn: &arn, InputPath: aws.String("$.detail.n")})
	names, err := s.bridge.ListRuleNamesByTarget(ctx, &sdk.ListRuleNamesByTargetInput{TargetArn: &arn, EventBusName: aws.String("b")})
	require.NoError(t, err)
	require.Equal(t, []string{"take"}, names.RuleNames)
	for n, bus := range []string{"none", "default", "a", busARN + "b"} {
		s.put(t, bus, "x", map[string]any{"n": n})
	}
	require.ElementsMatch(t, []string{"2", "3"}, []string{s.next(t, url), s.next(t, url)})
}
