package kinds

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var here = Place{Partition: "aws", Region: "eu-west-1", Account: "123456789012"}

// TestEveryRowIsWhole: a row answers every question. That every type has a row is tested
// where the types are made, in internal/program.
func TestEveryRowIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range All() {
		require.False(t, seen[k.Type], "%s has two rows", k.Type)
		seen[k.Type] = true
		require.Regexp(t, `^aws(-native)?:[a-z0-9]+[/:]\S+$`, k.Type)
		require.NotEmpty(t, k.Title, k.Type)
		require.NotZero(t, k.Lost.How, k.Type)
		require.NotEmpty(t, k.Lost.Why, k.Type)
		require.Equal(t, k.Lost.How == ByInputs, k.Lost.id != nil, k.Type)
		require.NotZero(t, k.Rest, k.Type)
		require.NotZero(t, k.Idle, k.Type)
		require.NotZero(t, k.Footing, k.Type)
		require.NotZero(t, k.Others.Sharing, k.Type)
		require.NotNil(t, k.console, k.Type)
		require.Equal(t, k.Patience.Create == "", k.Patience.Update == "", k.Type)
		texts := []string{k.Title, k.Lost.Why, k.Replaced.Text, k.Deleted.Text, k.Others.Text}
		require.NotZero(t, k.Replaced.Weight, k.Type)
		require.NotZero(t, k.Deleted.Weight, k.Type)
		for _, text := range texts {
			require.NotEmpty(t, text, k.Type)
			require.NotRegexp(t, `[.|\n]$|\|`, text, "%s: it stands in lines and in tables", k.Type)
		}
		found, ok := Of(k.Type)
		require.True(t, ok)
		require.Equal(t, k.Title, found.Title)
	}
	require.GreaterOrEqual(t, len(seen), 30)
}

// TestUnknownTypes: what this version does not know is never harmless. The engine's own
// types are nothing in AWS.
func TestUnknownTypes(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"aws:s3/bucket:Bucket", "aws:sagemaker/featureGroup:FeatureGroup", "aws-native:stepfunctions:Activity", "", "nonsense"} {
		_, ok := Of(typ)
		require.False(t, ok, typ)
		for _, e := range []Effect{OnReplace(typ), OnDelete(typ)} {
			require.Equal(t, Grave, e.Weight, typ)
			require.Contains(t, e.Text, "does not know", typ)
		}
		require.True(t, UnderExecutions(typ), typ)
		require.Empty(t, Console(typ, here, "x"), typ)
	}
	for _, typ := range []string{"pulumi:pulumi:Stack", "pulumi:providers:aws", "pulumi:index:Stash"} {
		require.Equal(t, Effect{Weight: Harmless}, OnReplace(typ), typ)
		require.Equal(t, Effect{Weight: Harmless}, OnDelete(typ), typ)
		require.False(t, UnderExecutions(typ), typ)
	}
}

// TestID: the ids that the providers give, from inputs as the engine writes them down.
func TestID(t *testing.T) {
	t.Parallel()
	version := "arn:aws:states:eu-west-1:123456789012:stateMachine:m:7"
	for _, c := range []struct {
		typ    string
		inputs map[string]any
		want   string
	}{
		{Bucket, map[string]any{"bucket": "b"}, "b"},
		{Role, map[string]any{"name": "r"}, "r"},
		{RolePolicy, map[string]any{"role": "r", "name": "p"}, "r:p"},
		{KeyAlias, map[string]any{"name": "alias/k"}, "alias/k"},
		{ScalingTarget, map[string]any{"resourceId": "endpoint/e/variant/v"}, "endpoint/e/variant/v"},
		{EventTarget, map[string]any{"rule": "r", "targetId": "dlq"}, "r-dlq"},
		{FunctionAlias, map[string]any{"functionName": "f", "name": "live"}, "arn:aws:lambda:eu-west-1:123456789012:function:f:live"},
		{FunctionAlias, map[string]any{"functionName": "arn:aws:lambda:x:1:function:f", "name": "live"}, "arn:aws:lambda:x:1:function:f:live"},
		{Endpoint, map[string]any{"endpointName": "e"}, "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/e"},
		{FormerEndpoint, map[string]any{"name": "e"}, "e"},
		{StateMachine, map[string]any{"stateMachineName": "m"}, "arn:aws:states:eu-west-1:123456789012:stateMachine:m"},
		{
			StateMachineAlias,
			map[string]any{"name": "live", "routingConfiguration": []any{map[string]any{"stateMachineVersionArn": version}}},
			"arn:aws:states:eu-west-1:123456789012:stateMachine:m:live",
		},
		{
			StateMachineAlias,
			map[string]any{"name": "live", "deploymentPreference": map[string]any{"stateMachineVersionArn": version}},
			"arn:aws:states:eu-west-1:123456789012:stateMachine:m:live",
		},
	} {
		k, ok := Of(c.typ)
		require.True(t, ok, c.typ)
		require.Equal(t, c.want, k.ID(c.inputs, here), c.typ)
		// Without one of its inputs nothing is known, rather than half.
		for name := range c.inputs {
			less := map[string]any{}
			for k, v := range c.inputs {
				if k != name {
					less[k] = v
				}
			}
			require.Empty(t, k.ID(less, here), "%s without %s", c.typ, name)
		}
	}
	for _, k := range All() {
		require.Empty(t, k.ID(nil, here), k.Type)
		require.Empty(t, k.ID(map[string]any{"name": 7, "bucket": nil, "routingConfiguration": "x"}, here), k.Type)
	}
}

// TestConsole: every page is an address of the region's console with the id whole in it.
func TestConsole(t *testing.T) {
	t.Parallel()
	const id = "a/b:c d#e"
	pages := 0
	for _, k := range append(All(), Kind{Type: Execution}) {
		for partition, host := range map[string]string{
			"aws": "https://eu-west-1.console.aws.amazon.com/", "": "https://eu-west-1.console.aws.amazon.com/",
			"aws-cn": "https://eu-west-1.console.amazonaws.cn/", "aws-us-gov": "https://eu-west-1.console.amazonaws-us-gov.com/",
		} {
			text := Console(k.Type, Place{Partition: partition, Region: "eu-west-1"}, id)
			if text == "" {
				continue
			}
			pages++
			require.True(t, strings.HasPrefix(text, host), "%s: %s", k.Type, text)
			u, err := url.Parse(text)
			require.NoError(t, err, k.Type)
			if k.Type != LogGroup { // escaped twice
				whole, err := url.QueryUnescape(u.EscapedFragment() + u.EscapedPath())
				require.NoError(t, err)
				require.Contains(t, whole, id, text)
			}
		}
		require.Empty(t, Console(k.Type, here, ""), k.Type)
	}
	require.Greater(t, pages, 40)
	require.Equal(t, "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Ff",
		Console(LogGroup, here, "/aws/lambda/f"))
	require.Equal(t, "https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/endpoints/e",
		Console(Endpoint, here, "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/e"))
	require.Equal(t, "https://eu-west-1.console.aws.amazon.com/s3/buckets/b?region=eu-west-1", Console(Bucket, here, "b"))
}
