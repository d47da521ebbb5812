package lambda_test

import (
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"
)

// What CreateFunction with Publish, the lists and the messages say of versions on
// AWS, by localstack's recordings of it.
func TestPublishOnCreate(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c, ctx := s.as(t, "admin"), t.Context()
	made, err := c.CreateFunction(ctx, &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Runtime: types.RuntimePython312, Handler: str("h.f"), Role: str(role), Publish: true,
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"h.py": "def f(e, c): return e"})},
	})
	require.NoError(t, err)
	require.Equal(t, arn("fn"), *made.FunctionArn, "unqualified")
	require.Equal(t, "1", *made.Version)
	all, err := c.ListFunctions(ctx, &awslambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll})
	require.NoError(t, err)
	require.Len(t, all.Functions, 2)
	require.Equal(t, arn("fn")+":$LATEST", *all.Functions[0].FunctionArn)
	require.Equal(t, arn("fn")+":1", *all.Functions[1].FunctionArn)
	_, err = c.GetFunctionEventInvokeConfig(ctx, &awslambda.GetFunctionEventInvokeConfigInput{FunctionName: str("fn")})
	require.ErrorContains(t, err, "The function "+arn("fn")+":$LATEST doesn't have an EventInvokeConfig")
	_, err = c.UpdateFunctionCode(ctx, &awslambda.UpdateFunctionCodeInput{FunctionName: str("fn"), Architectures: []types.Architecture{"X86_64"}})
	require.ErrorContains(t, err, "ValidationException: 1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: "+
		"Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
	_, err = c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: str("fn"), Role: str("arn:aws:iam::111111111111:role/fn")})
	require.ErrorContains(t, err, "AccessDeniedException: Cross-account pass role is not allowed.")
}

// InvokeAsync is deprecated and still there
// (https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html).
func TestInvokeAsync(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.python(t, "def handler(e, c): print('got', e)", nil)
	out, err := s.as(t, "admin").InvokeAsync(t.Context(), &awslambda.InvokeAsyncInput{FunctionName: str("fn"), InvokeArgs: strings.NewReader(`{"n":7}`)})
	require.NoError(t, err)
	require.EqualValues(t, 202, out.Status)
	require.Eventually(t, func() bool { return strings.Contains(s.logs.text("/aws/lambda/fn"), "got {'n': 7}") }, time.Minute, 5*time.Millisecond)
}
