package events_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// foreignConnections are connections of another account and of another region.
func (s *setup) foreignConnections(t *testing.T) (arns []string) {
	t.Helper()
	for _, sc := range []wire.Scope{
		{Partition: "aws", Account: "111111111111", Region: iamtest.Region}, {Partition: "aws", Account: iamtest.Scope.Account, Region: "eu-west-1"},
	} {
		raw, err := s.Router.Invoke(t.Context(), sc, wire.Principal{Account: sc.Account, Admin: true}, "eventbridge", "CreateConnection", []byte(
			`{"Name":"theirs","AuthorizationType":"API_KEY","AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"X-Key","ApiKeyValue":"theirs"}}}`))
		require.NoError(t, err)
		var made struct{ ConnectionArn string }
		require.NoError(t, json.Unmarshal(raw, &made))
		arns = append(arns, made.ConnectionArn)
	}
	return arns
}

// The secret of a connection goes to destinations of its own account and region only, made
// by those who may use both:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
// (CreateApiDestination and UpdateApiDestination name api-destination and connection).
func TestConnectionsOfOthersAreNotUsed(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	own := s.destination(t, "own", func(http.ResponseWriter, *http.Request) {})
	got, err := s.bridge.DescribeApiDestination(ctx, &sdk.DescribeApiDestinationInput{Name: aws.String("own")})
	require.NoError(t, err)
	create := func(c *sdk.Client, name, connection string) error {
		_, err := c.CreateApiDestination(ctx, &sdk.CreateApiDestinationInput{
			Name: &name, ConnectionArn: &connection, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: aws.String("http://127.0.0.1:1/"),
		})
		return err
	}
	update := func(c *sdk.Client, connection string) error {
		_, err := c.UpdateApiDestination(ctx, &sdk.UpdateApiDestinationInput{Name: aws.String("own"), ConnectionArn: &connection})
		return err
	}
	theirs := s.foreignConnections(t)
	for _, arn := range theirs {
		require.Equal(t, "Connection 'theirs' does not exist.", iamtest.RequireCode(t, create(s.bridge, "d", arn), "ResourceNotFoundException").ErrorMessage())
		iamtest.RequireCode(t, update(s.bridge, arn), "ResourceNotFoundException")
	}

	_, cfg := s.User(t, "half", iamtest.Allow("events:*", "arn:aws:events:*:*:api-destination/*"))
	half := sdk.NewFromConfig(cfg)
	iamtest.RequireCode(t, create(half, "d", *got.ConnectionArn), "AccessDeniedException")
	iamtest.RequireCode(t, update(half, *got.ConnectionArn), "AccessDeniedException")
	_, err = half.UpdateApiDestination(ctx, &sdk.UpdateApiDestinationInput{Name: aws.String("own"), Description: aws.String("d")})
	require.NoError(t, err) // it names no connection

	// Nor where an older store has such a destination.
	called := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.Header.Get("X-Key") }))
	t.Cleanup(srv.Close)
	_, err = s.bridge.UpdateApiDestination(ctx, &sdk.UpdateApiDestinationInput{Name: aws.String("own"), InvocationEndpoint: &srv.URL})
	require.NoError(t, err)
	require.NoError(t, s.DB.Update(func(tx *store.Tx) error {
		key := iamtest.Scope.Key("own")
		raw := bytes.ReplaceAll(tx.GetRaw("events.destinations", key), []byte(*got.ConnectionArn), []byte(theirs[0]))
		return tx.PutRaw("events.destinations", key, raw)
	}))
	url, dead := s.queue(t, "dead", "r")
	role := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
	s.rule(t, "r", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: &own, RoleArn: &role, DeadLetterConfig: &types.DeadLetterConfig{Arn: &dead}})
	s.put(t, "default", "x", map[string]any{})
	_, attributes := s.letter(t, url)
	require.Equal(t, "NO_RESOURCE", attributes["ERROR_CODE"])
	require.Empty(t, called)
}

// What a replay reads is what the caller was asked for: the archive of that ARN. An archive
// keeps the events of a bus that the caller may archive.
func TestArchivesOfOthersAreNotRead(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	bus := busARN + "default"
	_, err := s.bridge.CreateArchive(ctx, &sdk.CreateArchiveInput{ArchiveName: aws.String("a"), EventSourceArn: &bus})
	require.NoError(t, err)
	_, cfg := s.User(t, "u", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:*","Resource":"*"},
		{"Effect":"Deny","Action":"events:*","Resource":["arn:aws:events:us-east-1:000000000000:archive/a","`+bus+`"]}]}`)
	c, now := sdk.NewFromConfig(cfg), s.Clock.Now()
	for arn, code := range map[string]string{
		"arn:aws:events:us-east-1:000000000000:archive/a": "AccessDeniedException",
		"arn:aws:events:eu-west-1:000000000000:archive/a": "ValidationException",
		"arn:aws:events:us-east-1:000000000000:a":         "ValidationException",
	} {
		_, err := c.StartReplay(ctx, &sdk.StartReplayInput{
			ReplayName: aws.String("r"), EventSourceArn: &arn, EventStartTime: aws.Time(now.Add(-1)), EventEndTime: &now, Destination: &types.ReplayDestination{Arn: &bus},
		})
		iamtest.RequireCode(t, err, code)
	}
	_, err = c.CreateArchive(ctx, &sdk.CreateArchiveInput{ArchiveName: aws.String("b"), EventSourceArn: &bus})
	iamtest.RequireCode(t, err, "AccessDeniedException")
}

// A role of another account cannot be given to a rule or a target.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
func TestRolesOfOthersAreNotPassed(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	theirs := aws.String("arn:aws:iam::111111111111:role/x")
	rule := &sdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["x"]}`), RoleArn: theirs}
	_, err := s.bridge.PutRule(ctx, rule)
	require.Equal(t, "Cross-account pass role is not allowed.", iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage())
	rule.RoleArn = nil
	_, err = s.bridge.PutRule(ctx, rule)
	require.NoError(t, err)
	_, err = s.bridge.PutTargets(ctx, &sdk.PutTargetsInput{
		Rule:    rule.Name,
		Targets: []types.Target{{Id: aws.String("t"), Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:q"), RoleArn: theirs}},
	})
	require.Equal(t, "Cross-account pass role is not allowed.", iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage())
}
