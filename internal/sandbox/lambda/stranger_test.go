//go:build unix

package lambda_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/peer/peertest"
)

// The runtime API gives the function's events away and takes its answers: another
// user of the machine is not let in, whatever the runtime.
func TestRuntimeAPIRefusesStrangers(t *testing.T) {
	t.Parallel()
	needs(t, "curl")
	s := open(t, t.TempDir(), nil)
	file := filepath.Join(t.TempDir(), "api")
	script := `#!/bin/sh
printf %s "$AWS_LAMBDA_RUNTIME_API" > "$FILE"
curl -sS -D "$TMPDIR/headers" -o "$TMPDIR/body" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" || exit 1
id=$(grep -i lambda-runtime-aws-request-id "$TMPDIR/headers" | tr -d '\r' | cut -d' ' -f2)
curl -sS -o /dev/null -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d '"mine"'
curl -sS "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
`
	_, err := s.as(t, "admin").CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimeProvidedal2023, Handler: str("any"), Timeout: aws.Int32(30),
		Code:        &types.FunctionCode{ZipFile: pack(t, map[string]string{"bootstrap": script})},
		Environment: &types.Environment{Variables: map[string]string{"FILE": file}},
	})
	require.NoError(t, err)
	require.JSONEq(t, `"mine"`, string(s.invoke(t, `{"secret": 1}`).Payload))
	api, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, uid := range []uint32{peertest.Nobody, 0} {
		answer := peertest.Ask(t, uid, string(api), `POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`)
		require.Equal(t, uid == 0, answer != "", "uid %d: %s", uid, answer)
	}
}
