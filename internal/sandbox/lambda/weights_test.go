package lambda_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// points sums what a service tells, by metric, unit and dimensions.
type points struct {
	mu  sync.Mutex
	sum map[string]float64
}

func (p *points) PutPoint(_ context.Context, _ wire.Scope, m wire.MetricPoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum[fmt.Sprint(m.Namespace, " ", m.Name, " ", m.Unit, " ", m.Dimensions)] += m.Value
}

// snapshot is what was told up to now.
func (p *points) snapshot() map[string]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.sum)
}

// An alias with weights leads to each of its versions by its share, which the answer names,
// and metrics tell them apart.
// https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
func TestAliasWeights(t *testing.T) {
	t.Parallel()
	told := &points{sum: map[string]float64{}}
	s := open(t, t.TempDir(), func(c *lambda.Config) { c.Metrics = told })
	s.python(t, "def handler(event, context):\n    if context.function_version == '2':\n        raise ValueError('two')\n    return 1\n",
		func(in *awslambda.CreateFunctionInput) { in.Publish = true })
	c, ctx := s.as(t, "admin"), t.Context()
	_, err := c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: str("fn"), Description: str("second")})
	require.NoError(t, err)
	_, err = c.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	weights := func(v string, w float64) *types.AliasRoutingConfiguration {
		return &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{v: w}}
	}
	_, err = c.CreateAlias(ctx, &awslambda.CreateAliasInput{FunctionName: str("fn"), Name: str("live"), FunctionVersion: str("1"), RoutingConfig: weights("2", 0.3)})
	require.NoError(t, err)
	const n = 200
	ran := map[string]int{}
	for range n {
		out, err := c.Invoke(ctx, &awslambda.InvokeInput{FunctionName: str("fn:live")})
		require.NoError(t, err)
		ran[*out.ExecutedVersion]++
		require.Equal(t, *out.ExecutedVersion == "2", out.FunctionError != nil)
	}
	require.InDelta(t, 0.3*n, ran["2"], 35)
	sum := told.snapshot()
	for key, want := range map[string]float64{
		"Invocations Count map[]":                                                   n,
		"Invocations Count map[FunctionName:fn]":                                    n,
		"Errors Count map[FunctionName:fn Resource:fn:live]":                        float64(ran["2"]),
		"Errors Count map[ExecutedVersion:2 FunctionName:fn Resource:fn:live]":      float64(ran["2"]),
		"Errors Count map[ExecutedVersion:1 FunctionName:fn Resource:fn:live]":      0,
		"Invocations Count map[ExecutedVersion:1 FunctionName:fn Resource:fn:live]": float64(ran["1"]),
	} {
		got, ok := sum["AWS/Lambda "+key]
		require.True(t, ok, key)
		require.InDelta(t, want, got, 0, key)
	}
	require.Contains(t, sum, "AWS/Lambda Duration Milliseconds map[FunctionName:fn]")

	s.world.Role(t, "other", "")
	_, err = c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{
		FunctionName: str("fn"),
		Role:         aws.String("arn:aws:iam::" + iamtest.Account + ":role/other"),
	})
	require.NoError(t, err)
	_, err = c.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	_, err = c.UpdateAlias(ctx, &awslambda.UpdateAliasInput{FunctionName: str("fn"), Name: str("live"), RoutingConfig: weights("3", 0.5)})
	require.Equal(t, "InvalidParameterValueException", code(t, err))
	_, err = c.UpdateAlias(ctx, &awslambda.UpdateAliasInput{FunctionName: str("fn"), Name: str("live"), FunctionVersion: str("2"), RoutingConfig: &types.AliasRoutingConfiguration{}})
	require.NoError(t, err)
	out, err := c.Invoke(ctx, &awslambda.InvokeInput{FunctionName: str("fn:live")})
	require.NoError(t, err)
	require.Equal(t, "2", *out.ExecutedVersion)
}
