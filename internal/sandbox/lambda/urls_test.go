package lambda_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Errors and members are those of the recordings that urls.go names.
func TestFunctionURLs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, func(c *lambda.Config) {
		require.NoError(t, c.DB.Update(func(tx *store.Tx) error {
			return store.Put(tx, "lambda.urlport", "port", strconv.Itoa(iamtest.QuietPort(t)))
		}))
	})
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, `
def handler(event, context):
    if event["rawPath"] == "/fail":
        raise ValueError("x")
    if event["rawPath"] == "/plain":
        return {"echo": event.get("body"), "q": event.get("queryStringParameters"), "c": event.get("cookies"), "m": event["requestContext"]["http"]["method"], "b64": event["isBase64Encoded"]}
    return {"statusCode": 201, "headers": {"X-Mine": "yes", "Content-Type": "text/plain"}, "cookies": ["a=b"], "body": "aGVsbG8=", "isBase64Encoded": True}
`, nil)
	made, err := c.CreateFunctionUrlConfig(ctx, &awslambda.CreateFunctionUrlConfigInput{
		FunctionName: str("fn"), AuthType: types.FunctionUrlAuthTypeNone,
		Cors: &types.Cors{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"POST"}},
	})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(*made.FunctionUrl, "http://127.0.0.1:"), *made.FunctionUrl)
	_, err = c.CreateFunctionUrlConfig(ctx, &awslambda.CreateFunctionUrlConfigInput{FunctionName: str("fn"), AuthType: types.FunctionUrlAuthTypeNone})
	require.ErrorContains(t, err, "FunctionUrlConfig exists for this Lambda function")
	_, err = c.CreateFunctionUrlConfig(ctx, &awslambda.CreateFunctionUrlConfigInput{FunctionName: str("none"), AuthType: types.FunctionUrlAuthTypeNone})
	require.ErrorContains(t, err, "ResourceNotFoundException: Function does not exist")
	_, err = c.GetFunctionUrlConfig(ctx, &awslambda.GetFunctionUrlConfigInput{FunctionName: str("none")})
	require.ErrorContains(t, err, "ResourceNotFoundException: The resource you requested does not exist.")
	_, err = c.CreateFunctionUrlConfig(ctx, &awslambda.CreateFunctionUrlConfigInput{FunctionName: str("fn"), Qualifier: str("1"), AuthType: types.FunctionUrlAuthTypeNone})
	require.Equal(t, "ValidationException", code(t, err))

	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	ask := func(method, path, body string, headers ...string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(*made.FunctionUrl, "/")+path, strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := (&http.Client{Transport: tr}).Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, string(raw)
	}
	res, body := ask(http.MethodGet, "/", "")
	require.Equal(t, http.StatusForbidden, res.StatusCode, "without a permission nobody may")
	require.JSONEq(t, `{"Message":"Forbidden"}`, body)
	_, err = c.AddPermission(ctx, &awslambda.AddPermissionInput{
		FunctionName: str("fn"), StatementId: str("url"),
		Action: str("lambda:InvokeFunctionUrl"), Principal: str("*"), FunctionUrlAuthType: types.FunctionUrlAuthTypeNone,
	})
	require.NoError(t, err)
	res, _ = ask(http.MethodGet, "/", "")
	require.Equal(t, http.StatusForbidden, res.StatusCode, "both actions are needed")
	_, err = c.AddPermission(ctx, &awslambda.AddPermissionInput{
		FunctionName: str("fn"), StatementId: str("call"), Action: str("lambda:InvokeFunction"),
		Principal: str("*"), InvokedViaFunctionUrl: aws.Bool(true),
	})
	require.NoError(t, err)
	res, body = ask(http.MethodGet, "/", "")
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.Equal(t, "hello", body)
	require.Equal(t, []string{"yes", "text/plain", "a=b"}, []string{res.Header.Get("X-Mine"), res.Header.Get("Content-Type"), res.Header.Get("Set-Cookie")})
	res, body = ask(http.MethodPost, "/plain?x=1&x=2", "in", "Cookie", "k=v", "Origin", "https://a.example")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.JSONEq(t, `{"echo":"in","q":{"x":"1,2"},"c":["k=v"],"m":"POST","b64":false}`, body)
	require.Equal(t, "https://a.example", res.Header.Get("Access-Control-Allow-Origin"))
	res, _ = ask(http.MethodOptions, "/", "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, "POST", res.Header.Get("Access-Control-Allow-Methods"))
	res, body = ask(http.MethodGet, "/fail", "")
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.JSONEq(t, `{"Message":"Internal Server Error"}`, body)

	// The same address after a restart.
	s.close()
	s = open(t, dir, nil)
	c = s.as(t, "admin")
	got, err := c.GetFunctionUrlConfig(ctx, &awslambda.GetFunctionUrlConfigInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Equal(t, *made.FunctionUrl, *got.FunctionUrl)
	require.Equal(t, types.InvokeModeBuffered, got.InvokeMode)
	res, _ = ask(http.MethodGet, "/", "")
	require.Equal(t, http.StatusCreated, res.StatusCode)
	updated, err := c.UpdateFunctionUrlConfig(ctx, &awslambda.UpdateFunctionUrlConfigInput{
		FunctionName: str("fn"),
		AuthType:     types.FunctionUrlAuthTypeAwsIam, Cors: &types.Cors{AllowCredentials: aws.Bool(false)},
	})
	require.NoError(t, err)
	raw, err := json.Marshal(updated.Cors)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "a.example")
	res, _ = ask(http.MethodGet, "/", "")
	require.Equal(t, http.StatusForbidden, res.StatusCode, "nobody checks signatures here")
	list, err := c.ListFunctionUrlConfigs(ctx, &awslambda.ListFunctionUrlConfigsInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Len(t, list.FunctionUrlConfigs, 1)
	_, err = c.DeleteFunctionUrlConfig(ctx, &awslambda.DeleteFunctionUrlConfigInput{FunctionName: str("fn")})
	require.NoError(t, err)
	res, _ = ask(http.MethodGet, "/", "")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	_, err = c.GetFunctionUrlConfig(ctx, &awslambda.GetFunctionUrlConfigInput{FunctionName: str("fn")})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
}

// What a request to a URL becomes may be 6 MB, base64 and all, and its body may not take
// for ever.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
func TestBodiesOfFunctionURLs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), func(c *lambda.Config) {
		c.Doorstep = func(_ http.ResponseWriter, r *http.Request) *http.Request {
			if r.URL.Query().Has("slow") {
				r.Body = io.NopCloser(iotest.ErrReader(wire.Errorf(http.StatusBadRequest, "RequestTimeout", "too slow")))
			}
			return r
		}
	})
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, "def handler(event, context): return len(event['body'])", nil)
	made, err := c.CreateFunctionUrlConfig(ctx, &awslambda.CreateFunctionUrlConfigInput{FunctionName: str("fn"), AuthType: types.FunctionUrlAuthTypeNone})
	require.NoError(t, err)
	for action, via := range map[string]*bool{"lambda:InvokeFunctionUrl": nil, "lambda:InvokeFunction": aws.Bool(true)} {
		in := &awslambda.AddPermissionInput{
			FunctionName: str("fn"), StatementId: str(strings.ReplaceAll(action, ":", "")), Action: &action,
			Principal: str("*"), InvokedViaFunctionUrl: via,
		}
		if via == nil {
			in.FunctionUrlAuthType = types.FunctionUrlAuthTypeNone
		}
		_, err = c.AddPermission(ctx, in)
		require.NoError(t, err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	ask := func(query string, size int) int {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, *made.FunctionUrl+query, strings.NewReader(strings.Repeat("\xff", size)))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/octet-stream")
		res, err := (&http.Client{Transport: tr}).Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, ask("", 4<<20))
	require.Equal(t, http.StatusRequestEntityTooLarge, ask("", 5<<20), "by base64 it is larger than 6 MB")
	require.Equal(t, http.StatusBadRequest, ask("?slow", 1))
}
