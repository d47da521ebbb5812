package lambda_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/leaktest"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	account = iamtest.Account
	role    = "arn:aws:iam::" + account + ":role/fn"
)

var home = iamtest.Scope

func TestMain(m *testing.M) { leaktest.Main(m) }

// objects is one object: code in S3.
type objects struct{ zip []byte }

func (o objects) GetObject(_ context.Context, _ wire.Scope, _ wire.Principal, bucket, key, _ string) (io.ReadCloser, wire.ObjectInfo, error) {
	if bucket != "code" || key != "fn.zip" {
		return nil, wire.ObjectInfo{}, wire.Errorf(404, "NoSuchKey", "The specified key does not exist.")
	}
	return io.NopCloser(bytes.NewReader(o.zip)), wire.ObjectInfo{Size: int64(len(o.zip))}, nil
}

func (objects) PutObject(context.Context, wire.Scope, wire.Principal, string, string, string, io.Reader) (wire.ObjectInfo, error) {
	return wire.ObjectInfo{}, wire.Errorf(501, "NotImplemented", "")
}

func (objects) ListObjects(context.Context, wire.Scope, wire.Principal, string, string, func(wire.ObjectInfo) bool) error {
	return wire.Errorf(501, "NotImplemented", "")
}

// logs keeps what was written, by group.
type logs struct {
	mu    sync.Mutex
	lines map[string][]string
	who   map[string]bool
}

func (l *logs) PutLog(_ context.Context, _ wire.Scope, p wire.Principal, group, _ string, lines ...wire.LogLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.who[p.ARN] = true
	for _, x := range lines {
		l.lines[group] = append(l.lines[group], x.Message)
	}
	return nil
}

func (l *logs) text(group string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[group], "\n")
}

// admin is the sandbox's own user.
func admin() wire.Principal { return wire.Principal{Account: account, ARN: home.Root(), Admin: true} }

// sandbox is Lambda with real IAM around it.
type sandbox struct {
	world  *iamtest.World
	mu     sync.Mutex
	users  map[string]aws.Config
	svc    *lambda.Service
	router *wire.Router
	logs   *logs
	url    string
	close  func()
}

func open(t testing.TB, dir string, edit func(*lambda.Config)) *sandbox {
	t.Helper()
	w := iamtest.At(t, filepath.Join(dir, "db"), clock.Real{})
	if !w.Has(t, "fn") {
		w.Role(t, "fn", "")
	}
	l := &logs{lines: map[string][]string{}, who: map[string]bool{}}
	sb := &sandbox{world: w, users: map[string]aws.Config{}, router: w.Router, url: w.URL, logs: l}
	cfg := lambda.Config{DB: w.DB, Dir: filepath.Join(dir, "lambda"), Roles: w.IAM, Objects: objects{}, Logs: l, Endpoint: func() string { return w.URL }}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	sb.svc, err = lambda.New(cfg)
	require.NoError(t, err)
	sb.svc.Register(sb.router)
	require.NoError(t, sb.svc.Start(t.Context()))
	var once sync.Once
	sb.close = func() {
		once.Do(func() {
			_ = sb.svc.Close()
			w.Close()
		})
	}
	t.Cleanup(sb.close)
	return sb
}

func arn(name string) string { return "arn:aws:lambda:us-east-1:" + account + ":function:" + name }

func (s *sandbox) as(t testing.TB, name string) *awslambda.Client {
	cfg := s.world.Admin()
	if name != "admin" { // a user at its first use
		s.mu.Lock()
		known, ok := s.users[name]
		if !ok {
			_, known = s.world.User(t, name, "")
			s.users[name] = known
		}
		s.mu.Unlock()
		cfg = known
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: tr}}
	return awslambda.NewFromConfig(cfg)
}

func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, body := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		require.NoError(t, err)
		_, err = io.WriteString(w, body)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func needs(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not on PATH: functions of this runtime cannot run here", program)
	}
}

// python creates function "fn" from handler.py.
func (s *sandbox) python(t testing.TB, source string, edit func(*awslambda.CreateFunctionInput)) {
	t.Helper()
	needs(t, "python3")
	in := &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimePython313, Handler: str("handler.handler"), Timeout: aws.Int32(30),
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"handler.py": source})},
	}
	if edit != nil {
		edit(in)
	}
	_, err := s.as(t, "admin").CreateFunction(t.Context(), in)
	require.NoError(t, err)
}

func (s *sandbox) invoke(t testing.TB, payload string) *awslambda.InvokeOutput {
	t.Helper()
	out, err := s.as(t, "admin").Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: str("fn"), Payload: []byte(payload), LogType: types.LogTypeTail})
	require.NoError(t, err)
	return out
}

func str(s string) *string { return &s }

func code(t testing.TB, err error) string {
	t.Helper()
	var e smithy.APIError
	require.ErrorAs(t, err, &e)
	return e.ErrorCode()
}

func TestPythonInvoke(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.python(t, `
import os, sys
count = 0
def handler(event, context):
    global count
    count += 1
    print("out", event)
    print("err\nsecond", file=sys.stderr)
    return {"n": count, "event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn, "fn": context.function_name,
            "version": context.function_version, "left": context.get_remaining_time_in_millis(), "memory": context.memory_limit_in_mb,
            "env": {k: os.environ.get(k) for k in ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "MODE", "HOSTLEAK", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "_RUNTIME_TOKEN")},
            "root": os.path.exists(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "handler.py"))}
`, func(in *awslambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"MODE": "fast"}}
	})
	for n := 1; n <= 3; n++ {
		out := s.invoke(t, `{"x":"ü"}`)
		require.Nil(t, out.FunctionError)
		require.Equal(t, "$LATEST", *out.ExecutedVersion)
		require.EqualValues(t, 200, out.StatusCode)
		var got struct {
			N                    int
			Event                map[string]string
			ID, ARN, Fn, Version string
			Left                 int
			Memory               string
			Env                  map[string]*string
			Root                 bool
		}
		require.NoError(t, json.Unmarshal(out.Payload, &got))
		require.Equal(t, n, got.N, "the environment is used again")
		require.Equal(t, "ü", got.Event["x"])
		require.Equal(t, arn("fn"), got.ARN)
		require.Equal(t, "$LATEST", got.Version)
		require.Greater(t, got.Left, 20_000)
		require.Equal(t, "128", got.Memory)
		require.Equal(t, "us-east-1", *got.Env["AWS_REGION"])
		require.Equal(t, s.url, *got.Env["AWS_ENDPOINT_URL"])
		require.Regexp(t, "^ASIA", *got.Env["AWS_ACCESS_KEY_ID"])
		require.Equal(t, "fast", *got.Env["MODE"])
		require.Equal(t, "handler.handler", *got.Env["_HANDLER"])
		require.Nil(t, got.Env["_RUNTIME_TOKEN"])
		require.True(t, got.Root)
		tail := logTail(t, out)
		require.Contains(t, tail, "START RequestId: "+got.ID+" Version: $LATEST\nout {'x': 'ü'}\nerr\nsecond\nEND RequestId: "+got.ID+"\nREPORT RequestId: "+got.ID+"\tDuration: ")
		require.Equal(t, n == 1, strings.Contains(tail, "Init Duration"))
		require.NotContains(t, tail, "Max Memory Used: 0 MB")
	}
	s.close()
	require.Equal(t, 3, strings.Count(s.logs.text("/aws/lambda/fn"), "END RequestId"))
	require.True(t, s.logs.who["arn:aws:sts::000000000000:assumed-role/fn/fn"], "the function's own role writes")
}

// What the bootstrap imports is compiled with the interpreter already: compiling it for each
// package was most of a cold start. The function's own modules are compiled where the
// sandbox keeps them, never beside its code.
func TestPythonsOwnModulesAreNotCompiledAgain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.python(t, `
import os, subprocess, sys
def handler(event, context):
    compiled = [name for _, _, files in os.walk(sys.pycache_prefix) for name in files]
    inner = subprocess.run([sys.executable, "-c", "import sys; print(sys.pycache_prefix)"], capture_output=True, text=True).stdout.strip()
    return {"compiled": sorted({name.split(".")[0] for name in compiled}), "left": [k for k in os.environ if k.startswith("_RUNTIME")],
            "inner": inner == sys.pycache_prefix, "beside": os.listdir(os.environ["LAMBDA_TASK_ROOT"])}
`, nil)
	var got struct {
		Compiled, Left, Beside []string
		Inner                  bool
	}
	require.NoError(t, json.Unmarshal(s.invoke(t, "{}").Payload, &got))
	require.Contains(t, got.Compiled, "handler")
	for _, own := range []string{"client", "parser", "decoder", "traceback"} { // of http, email, json
		require.NotContains(t, got.Compiled, own)
	}
	require.Empty(t, got.Left)
	require.True(t, got.Inner, "a program that the function runs keeps to it")
	require.Equal(t, []string{"handler.py"}, got.Beside)
}

func logTail(t *testing.T, out *awslambda.InvokeOutput) string {
	t.Helper()
	raw, err := decode64(*out.LogResult)
	require.NoError(t, err)
	return string(raw)
}

// What AWS's Python runtime answers when something is wrong.
func TestPythonFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		source, handler string
		timeout         int32
		want            string // %s: the request id
		log             string
	}{
		"exception": {
			source: "def handler(event, context):\n    raise Exception(\"Some exception was raised.\")\n",
			want: `{"errorMessage": "Some exception was raised.", "errorType": "Exception", "requestId": "%s", "stackTrace": ["  File ` +
				`\"/var/task/handler.py\", line 2, in handler\n    raise Exception(\"Some exception was raised.\")\n"]}`,
			log: "[ERROR] Exception: Some exception was raised.\nTraceback (most recent call last):\n  File \"/var/task/handler.py\", line 2, in handler",
		},
		"custom exception": {
			source: "class Custom(Exception):\n    pass\ndef handler(event, context):\n    raise Custom()\n",
			want:   `{"errorMessage": "", "errorType": "Custom", "requestId": "%s", "stackTrace": ["  File \"/var/task/handler.py\", line 4, in handler\n    raise Custom()\n"]}`,
		},
		"no handler": {
			source: "x = 1\n", want: `{"errorMessage": "Handler 'handler' missing on module 'handler'", "errorType": "Runtime.HandlerNotFound", "requestId": "%s", "stackTrace": []}`,
			log: "[ERROR] Runtime.HandlerNotFound: Handler 'handler' missing on module 'handler'",
		},
		"import error": {
			source: "import nothere\n", want: `{"errorMessage": "Unable to import module 'handler': No module named 'nothere'", "errorType": ` +
				`"Runtime.ImportModuleError", "requestId": "%s", "stackTrace": []}`,
		},
		"bad handler name": {
			source: "", handler: "handler", want: `{"errorMessage": "Bad handler 'handler': not enough values to unpack (expected 2, got 1)", "errorType": ` +
				`"Runtime.MalformedHandlerName", "requestId": "%s", "stackTrace": []}`,
		},
		"not serialisable": {
			source: "def handler(event, context):\n    return {1, 2}\n",
			want:   `{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "%s", "stackTrace": []}`,
		},
		"exit": {
			source: "import os\ndef handler(event, context):\n    os._exit(3)\n",
			want:   `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: %s Error: Runtime exited with error: exit status 3"}`,
		},
		"killed": {
			source: "import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
			want:   `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: %s Error: Runtime exited with error: signal: killed"}`,
		},
		"timeout": {
			source: "import time\ndef handler(event, context):\n    time.sleep(60)\n", timeout: 1,
			want: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: %s Error: Task timed out after 1.00 seconds"}`,
			log:  "Task timed out after 1.00 seconds",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), nil)
			s.python(t, tt.source, func(in *awslambda.CreateFunctionInput) {
				if tt.handler != "" {
					in.Handler = &tt.handler
				}
				if tt.timeout > 0 {
					in.Timeout = &tt.timeout
				}
			})
			for range 2 { // a failed environment does not spoil the next invocation
				out := s.invoke(t, `{}`)
				require.Equal(t, "Unhandled", *out.FunctionError)
				id := requestID(t, logTail(t, out))
				require.Equal(t, fmt.Sprintf(tt.want, id), string(out.Payload))
				require.Contains(t, logTail(t, out), tt.log)
			}
		})
	}
}

func requestID(t *testing.T, log string) string {
	t.Helper()
	_, rest, ok := strings.Cut(log, "END RequestId: ")
	require.True(t, ok, log)
	return rest[:36]
}

func TestNodeInvoke(t *testing.T) {
	t.Parallel()
	needs(t, "node")
	for name, tt := range map[string]struct{ file, source, want, fail string }{
		"async": {"index.mjs", `export const handler = async (event, context) => { console.log("hi", event.x); return {x: event.x, id: ` +
			`context.awsRequestId.length, left: context.getRemainingTimeInMillis() > 1000}; };`, `{"x":1,"id":36,"left":true}`, ""},
		"callback":  {"index.js", `exports.handler = (event, context, cb) => setTimeout(() => cb(null, [event.x]), 5);`, `[1]`, ""},
		"undefined": {"index.js", `exports.handler = async () => {};`, `null`, ""},
		"throws": {
			"index.js", "exports.handler = async () => { throw new TypeError('no good'); };",
			`"errorType":"TypeError","errorMessage":"no good","trace":["TypeError: no good","    at `, "Unhandled",
		},
		"missing": {"index.js", "exports.other = 1;", `"errorType":"Runtime.HandlerNotFound","errorMessage":"index.handler is undefined or not exported"`, "Unhandled"},
		"import":  {"index.js", "require('./nothere');", `"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module './nothere'`, "Unhandled"},
		"rejection": {
			"index.js", "exports.handler = () => new Promise(() => { Promise.reject(new Error('lost')); });",
			`"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost"`, "Unhandled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), nil)
			_, err := s.as(t, "admin").CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
				FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimeNodejs22x, Handler: str("index.handler"), Timeout: aws.Int32(30),
				Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{tt.file: tt.source})},
			})
			require.NoError(t, err)
			out := s.invoke(t, `{"x":1}`)
			require.Equal(t, tt.fail, aws.ToString(out.FunctionError), string(out.Payload))
			require.Contains(t, string(out.Payload), tt.want)
			if name == "async" {
				require.Regexp(t, `\tINFO\thi 1\n`, logTail(t, out))
			}
			if name == "throws" {
				require.Contains(t, string(out.Payload), "/var/task/index.js:1:")
			}
		})
	}
}

// A runtime of the user's own: a shell script that speaks the Runtime API.
func TestProvidedInvoke(t *testing.T) {
	t.Parallel()
	needs(t, "curl")
	s := open(t, t.TempDir(), nil)
	script := `#!/bin/sh
while true; do
  body=$(curl -sS -D "$TMPDIR/headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next") || exit 1
  id=$(grep -i lambda-runtime-aws-request-id "$TMPDIR/headers" | tr -d '\r' | cut -d' ' -f2)
  echo "working on $_HANDLER"
  curl -sS -o /dev/null -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "{\"got\":$body}"
done
`
	_, err := s.as(t, "admin").CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimeProvidedal2023, Handler: str("any"), Timeout: aws.Int32(30),
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"bootstrap": script})},
	})
	require.NoError(t, err)
	for range 2 {
		out := s.invoke(t, `[1, 2]`)
		require.Nil(t, out.FunctionError)
		require.JSONEq(t, `{"got":[1,2]}`, string(out.Payload))
	}
	s.close()
	require.Equal(t, 2, strings.Count(s.logs.text("/aws/lambda/fn"), "working on any"))
}

func TestInterpreterMissing(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), func(c *lambda.Config) { c.Python = "no-such-python" })
	_, err := s.as(t, "admin").CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimePython312, Handler: str("handler.handler"),
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"handler.py": ""})},
	})
	require.NoError(t, err)
	out := s.invoke(t, `{}`)
	require.Equal(t, "Unhandled", *out.FunctionError)
	require.JSONEq(t, `{"errorType":"Runtime.InvalidRuntime","errorMessage":"no-such-python not found on PATH: install Python 3"}`, string(out.Payload))
}

// What Step Functions gets.
func TestInvokeFromInside(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.python(t, "def handler(event, context):\n    return b'\"HelloWorld!\"' if event == 'bytes' else event\n", nil)
	call := func(p wire.Principal, in string) (map[string]any, error) {
		raw, err := s.router.Invoke(t.Context(), home, p, "lambda", "Invoke", []byte(in))
		var out map[string]any
		if err == nil {
			require.NoError(t, json.Unmarshal(raw, &out))
		}
		return out, err
	}
	blob := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	bob, _ := s.world.User(t, "bob", iamtest.Allow("lambda:InvokeFunction", arn("fn")))
	eve, _ := s.world.User(t, "eve", "")
	out, err := call(bob, `{"FunctionName":"`+arn("fn")+`","Payload":"`+blob(`{"foo": "foo-1"}`)+`"}`)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"Payload": blob(`{"foo": "foo-1"}`), "ExecutedVersion": "$LATEST", "StatusCode": 200.0}, out)
	out, err = call(bob, `{"FunctionName":"fn","Payload":"`+blob(`"bytes"`)+`"}`)
	require.NoError(t, err)
	require.Equal(t, blob(`"HelloWorld!"`), out["Payload"])

	_, err = call(eve, `{"FunctionName":"fn"}`)
	require.ErrorContains(t, err, "AccessDeniedException")
	_, err = call(bob, `{"FunctionName":"fn:live"}`)
	require.ErrorContains(t, err, "AccessDeniedException", "the permission is asked for the ARN as given")
	_, err = call(admin(), `{"FunctionName":"nothere"}`)
	require.ErrorContains(t, err, "ResourceNotFoundException")
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), func(c *lambda.Config) { c.MaxEnvironments = 2 })
	gate := t.TempDir()
	s.python(t, `
import os, time
def handler(event, context):
    open(os.path.join(event["gate"], context.aws_request_id), "w").close()
    while not os.path.exists(os.path.join(event["gate"], "go")):
        time.sleep(0.01)
    return os.getpid()
`, nil)
	c := s.as(t, "admin")
	_, err := c.PutFunctionConcurrency(t.Context(), &awslambda.PutFunctionConcurrencyInput{FunctionName: str("fn"), ReservedConcurrentExecutions: aws.Int32(3)})
	require.NoError(t, err)
	payload := []byte(`{"gate":"` + gate + `"}`)
	var wg sync.WaitGroup
	answers := make(chan error, 5)
	pids := make(chan string, 5)
	invoke := func() {
		wg.Go(func() {
			out, err := c.Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: str("fn"), Payload: payload})
			if err == nil {
				pids <- string(out.Payload)
			}
			answers <- err
		})
	}
	invoke()
	invoke()
	started := func() int {
		found, err := filepath.Glob(filepath.Join(gate, "*-*"))
		require.NoError(t, err)
		return len(found)
	}
	require.Eventually(t, func() bool { return started() == 2 }, time.Minute, 5*time.Millisecond)
	// Of two more, whichever comes first waits for an environment, and the other is refused.
	invoke()
	invoke()
	require.Equal(t, "TooManyRequestsException", code(t, <-answers))
	require.Equal(t, 2, started(), "the third waits for an environment")
	require.NoError(t, writeFile(filepath.Join(gate, "go")))
	wg.Wait()
	close(pids)
	distinct := map[string]int{}
	for p := range pids {
		distinct[p]++
	}
	require.Len(t, distinct, 2)
	for range 3 {
		require.NoError(t, <-answers)
	}
}

func TestVersionsAndAliases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, nil)
	source := func(n int) string {
		return fmt.Sprintf("def handler(event, context):\n    return [%d, context.function_version]\n", n)
	}
	s.python(t, source(1), func(in *awslambda.CreateFunctionInput) { in.Publish = true })
	c, ctx := s.as(t, "admin"), t.Context()
	_, err := c.CreateAlias(ctx, &awslambda.CreateAliasInput{FunctionName: str("fn"), Name: str("live"), FunctionVersion: str("1")})
	require.NoError(t, err)
	same, err := c.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Equal(t, "1", *same.Version, "nothing changed, nothing new")
	require.Equal(t, `[1, "$LATEST"]`, string(s.invoke(t, `{}`).Payload))

	up, err := c.UpdateFunctionCode(ctx, &awslambda.UpdateFunctionCodeInput{FunctionName: str("fn"), ZipFile: pack(t, map[string]string{"handler.py": source(2)})})
	require.NoError(t, err)
	require.Equal(t, types.LastUpdateStatusInProgress, up.LastUpdateStatus)
	conf, err := c.GetFunctionConfiguration(ctx, &awslambda.GetFunctionConfigurationInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Equal(t, types.LastUpdateStatusSuccessful, conf.LastUpdateStatus)
	require.Equal(t, `[2, "$LATEST"]`, string(s.invoke(t, `{}`).Payload), "an update replaces warm environments")
	qualified := func(q string) string {
		out, err := s.as(t, "admin").Invoke(ctx, &awslambda.InvokeInput{FunctionName: str(arn("fn")), Qualifier: &q})
		require.NoError(t, err)
		return string(out.Payload)
	}
	require.Equal(t, `[1, "1"]`, qualified("live"))
	v2, err := c.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Equal(t, "2", *v2.Version)
	require.Equal(t, arn("fn:2"), *v2.FunctionArn)
	_, err = c.UpdateAlias(ctx, &awslambda.UpdateAliasInput{FunctionName: str("fn"), Name: str("live"), FunctionVersion: str("2")})
	require.NoError(t, err)
	require.Equal(t, `[2, "2"]`, qualified("live"))
	_, err = c.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: str("fn"), Qualifier: str("2")})
	require.Equal(t, "ResourceConflictException", code(t, err))
	s.close()

	s = open(t, dir, nil)
	c = s.as(t, "admin")
	list, err := c.ListVersionsByFunction(ctx, &awslambda.ListVersionsByFunctionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Len(t, list.Versions, 3)
	require.Equal(t, `[2, "2"]`, qualified("live"), "code and aliases outlive a restart")
	_, err = c.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	_, err = c.GetAlias(ctx, &awslambda.GetAliasInput{FunctionName: str("fn"), Name: str("live")})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
}

func TestConfigurationRoundTrip(t *testing.T) {
	t.Parallel()
	pkg := pack(t, map[string]string{"handler.py": ""})
	s := open(t, t.TempDir(), func(c *lambda.Config) { c.Objects = objects{pkg} })
	c, ctx := s.as(t, "admin"), t.Context()
	created, err := c.CreateFunction(ctx, &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimePython313, Handler: str("handler.handler"), Timeout: aws.Int32(30), MemorySize: aws.Int32(256),
		Architectures: []types.Architecture{types.ArchitectureArm64}, Code: &types.FunctionCode{S3Bucket: str("code"), S3Key: str("fn.zip")},
		DeadLetterConfig: &types.DeadLetterConfig{TargetArn: str("arn:aws:sqs:us-east-1:000000000000:dlq")}, TracingConfig: &types.TracingConfig{Mode: types.TracingModeActive},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatJson, LogGroup: str("/aws/lambda/fn"), ApplicationLogLevel: types.ApplicationLogLevelWarn},
		KMSKeyArn:     str("arn:aws:kms:us-east-1:000000000000:key/1"), Tags: map[string]string{"a": "b"}, Description: str("d"),
		VpcConfig:   &types.VpcConfig{SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1"}},
		Environment: &types.Environment{Variables: map[string]string{"K": "v", "AB": "c"}},
	})
	require.Error(t, err)
	require.Equal(t, "ValidationException", code(t, err), "variable names have two characters at least")
	_ = created
	in := &awslambda.CreateFunctionInput{
		FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimePython313, Handler: str("handler.handler"), Timeout: aws.Int32(30), MemorySize: aws.Int32(256),
		Architectures: []types.Architecture{types.ArchitectureArm64}, Code: &types.FunctionCode{S3Bucket: str("code"), S3Key: str("fn.zip")},
		DeadLetterConfig: &types.DeadLetterConfig{TargetArn: str("arn:aws:sqs:us-east-1:000000000000:dlq")}, TracingConfig: &types.TracingConfig{Mode: types.TracingModeActive},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatJson, LogGroup: str("/aws/lambda/fn"), ApplicationLogLevel: types.ApplicationLogLevelWarn},
		KMSKeyArn:     str("arn:aws:kms:us-east-1:000000000000:key/1"), Tags: map[string]string{"a": "b"}, Description: str("d"),
		VpcConfig:   &types.VpcConfig{SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1"}},
		Environment: &types.Environment{Variables: map[string]string{"AB": "c"}},
	}
	created, err = c.CreateFunction(ctx, in)
	require.NoError(t, err)
	require.Equal(t, types.StatePending, created.State)
	_, err = c.CreateFunction(ctx, in)
	require.Equal(t, "ResourceConflictException", code(t, err))
	got, err := c.GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: str("fn")})
	require.NoError(t, err)
	conf := got.Configuration
	require.Equal(t, types.StateActive, conf.State)
	require.Equal(t, map[string]string{"a": "b"}, got.Tags)
	require.Equal(t, "arn:aws:sqs:us-east-1:000000000000:dlq", *conf.DeadLetterConfig.TargetArn)
	require.Equal(t, types.ApplicationLogLevelWarn, conf.LoggingConfig.ApplicationLogLevel)
	require.Equal(t, types.SystemLogLevelInfo, conf.LoggingConfig.SystemLogLevel)
	require.Equal(t, types.TracingModeActive, conf.TracingConfig.Mode)
	require.Equal(t, []string{"subnet-1"}, conf.VpcConfig.SubnetIds)
	require.Equal(t, sum64(pkg), *conf.CodeSha256)
	require.EqualValues(t, len(pkg), conf.CodeSize)
	require.Equal(t, "arn:aws:kms:us-east-1:000000000000:key/1", *conf.KMSKeyArn)
	require.Equal(t, []types.Architecture{types.ArchitectureArm64}, conf.Architectures)

	_, err = c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{
		FunctionName: str("fn"), MemorySize: aws.Int32(512),
		Environment: &types.Environment{}, DeadLetterConfig: &types.DeadLetterConfig{TargetArn: str("")},
	})
	require.NoError(t, err)
	after, err := c.GetFunctionConfiguration(ctx, &awslambda.GetFunctionConfigurationInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.EqualValues(t, 512, *after.MemorySize)
	require.Nil(t, after.Environment)
	require.Nil(t, after.DeadLetterConfig)
	require.Equal(t, "d", *after.Description)
	_, err = c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: str("fn"), RevisionId: conf.RevisionId})
	require.Equal(t, "PreconditionFailedException", code(t, err))

	_, err = c.TagResource(ctx, &awslambda.TagResourceInput{Resource: conf.FunctionArn, Tags: map[string]string{"x": "y"}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &awslambda.UntagResourceInput{Resource: conf.FunctionArn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	tags, err := c.ListTags(ctx, &awslambda.ListTagsInput{Resource: conf.FunctionArn})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"x": "y"}, tags.Tags)
	// "Lambda returns tag data only if you have explicit allow permissions for lambda:ListTags."
	// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
	for user, may := range map[string]string{"reader": "lambda:GetFunction", "tagger": "lambda:*"} {
		_, cfg := s.world.User(t, user, iamtest.Allow(may, *conf.FunctionArn))
		got, err := awslambda.NewFromConfig(cfg).GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: str("fn")})
		require.NoError(t, err)
		if user == "tagger" {
			require.Equal(t, tags.Tags, got.Tags)
			require.Nil(t, got.TagsError)
			continue
		}
		require.Nil(t, got.Tags)
		require.Contains(t, *got.TagsError.Message, "lambda:ListTags")
	}
	_, err = c.GetPolicy(ctx, &awslambda.GetPolicyInput{FunctionName: str("fn")})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
	_, err = c.AddPermission(ctx, &awslambda.AddPermissionInput{
		FunctionName: str("fn"), StatementId: str("s1"), Action: str("lambda:InvokeFunction"),
		Principal: str("events.amazonaws.com"), SourceArn: str("arn:aws:events:us-east-1:000000000000:rule/r"),
	})
	require.NoError(t, err)
	policy, err := c.GetPolicy(ctx, &awslambda.GetPolicyInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Contains(t, *policy.Policy, `"Service":"events.amazonaws.com"`)
	_, err = c.RemovePermission(ctx, &awslambda.RemovePermissionInput{FunctionName: str("fn"), StatementId: str("s1")})
	require.NoError(t, err)
	signing, err := c.GetFunctionCodeSigningConfig(ctx, &awslambda.GetFunctionCodeSigningConfigInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Empty(t, *signing.CodeSigningConfigArn)
	_, err = c.PutFunctionEventInvokeConfig(ctx, &awslambda.PutFunctionEventInvokeConfigInput{FunctionName: str("fn"), MaximumRetryAttempts: aws.Int32(0)})
	require.NoError(t, err)
	ev, err := c.GetFunctionEventInvokeConfig(ctx, &awslambda.GetFunctionEventInvokeConfigInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.EqualValues(t, 0, *ev.MaximumRetryAttempts)
	require.Equal(t, arn("fn:$LATEST"), *ev.FunctionArn)
	_, err = c.DeleteFunctionEventInvokeConfig(ctx, &awslambda.DeleteFunctionEventInvokeConfigInput{FunctionName: str("fn")})
	require.NoError(t, err)
	_, err = c.PutFunctionConcurrency(ctx, &awslambda.PutFunctionConcurrencyInput{FunctionName: str("fn"), ReservedConcurrentExecutions: aws.Int32(5)})
	require.NoError(t, err)
	_, err = c.DeleteFunctionConcurrency(ctx, &awslambda.DeleteFunctionConcurrencyInput{FunctionName: str("fn")})
	require.NoError(t, err)
	all, err := c.ListFunctions(ctx, &awslambda.ListFunctionsInput{})
	require.NoError(t, err)
	require.Len(t, all.Functions, 1)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	good := func() *awslambda.CreateFunctionInput {
		return &awslambda.CreateFunctionInput{
			FunctionName: str("fn"), Role: str(role), Runtime: types.RuntimePython313, Handler: str("handler.handler"),
			Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"handler.py": ""})},
		}
	}
	for name, tt := range map[string]struct {
		edit func(*awslambda.CreateFunctionInput)
		code string
	}{
		"runtime":    {func(in *awslambda.CreateFunctionInput) { in.Runtime = types.RuntimeJava21 }, "InvalidParameterValueException"},
		"memory":     {func(in *awslambda.CreateFunctionInput) { in.MemorySize = aws.Int32(64) }, "ValidationException"},
		"timeout":    {func(in *awslambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, "ValidationException"},
		"role":       {func(in *awslambda.CreateFunctionInput) { in.Role = str("arn:aws:iam::000000000000:role/other") }, "InvalidParameterValueException"},
		"not a role": {func(in *awslambda.CreateFunctionInput) { in.Role = str("fn") }, "ValidationException"},
		"not a zip":  {func(in *awslambda.CreateFunctionInput) { in.Code.ZipFile = []byte("hello") }, "InvalidParameterValueException"},
		"zip slip": {func(in *awslambda.CreateFunctionInput) {
			in.Code.ZipFile = pack(t, map[string]string{"../../evil": ""})
		}, "InvalidParameterValueException"},
		"no code": {func(in *awslambda.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, "InvalidParameterValueException"},
		"no object": {func(in *awslambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: str("bucket"), S3Key: str("k")}
		}, "InvalidParameterValueException"},
		"layers": {func(in *awslambda.CreateFunctionInput) {
			in.Layers = []string{"arn:aws:lambda:us-east-1:000000000000:layer:x:1"}
		}, "InvalidParameterValueException"},
		"reserved key": {func(in *awslambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}}
		}, "InvalidParameterValueException"},
		"image": {func(in *awslambda.CreateFunctionInput) { in.PackageType = types.PackageTypeImage }, "InvalidParameterValueException"},
		"name":  {func(in *awslambda.CreateFunctionInput) { in.FunctionName = str("no spaces") }, "ValidationException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := good()
			tt.edit(in)
			_, err := s.as(t, "admin").CreateFunction(t.Context(), in)
			require.Equal(t, tt.code, code(t, err))
		})
	}
	_, err := s.as(t, "admin").Invoke(t.Context(), &awslambda.InvokeInput{FunctionName: str("nothere")})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
	_, err = s.as(t, "eve").CreateFunction(t.Context(), good())
	require.Equal(t, "AccessDeniedException", code(t, err))
}

// An accepted event is retried, and goes to the dead-letter queue in the end.
func TestAsynchronous(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s := open(t, t.TempDir(), func(c *lambda.Config) { c.Clock = fake; c.IdleTimeout = 1000 * time.Hour })
	sent := make(chan map[string]any, 1)
	s.router.Register(wire.Service{ID: "sqs", Scope: "sqs"})
	s.router.Handle("sqs", "SendMessage", func(_ context.Context, req *wire.Request, in []byte) (any, error) {
		var m map[string]any
		if err := json.Unmarshal(in, &m); err != nil {
			return nil, err
		}
		m["who"] = req.Principal.ARN
		sent <- m
		return map[string]any{}, nil
	})
	marks := t.TempDir()
	s.python(t, `
import os, uuid
def handler(event, context):
    open(os.path.join(event["dir"], uuid.uuid4().hex), "w").close()
    raise ValueError("always")
`, func(in *awslambda.CreateFunctionInput) {
		in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: str("arn:aws:sqs:us-east-1:000000000000:dlq")}
	})
	out, err := s.as(t, "admin").Invoke(t.Context(), &awslambda.InvokeInput{
		FunctionName: str("fn"), InvocationType: types.InvocationTypeEvent,
		Payload: []byte(`{"dir":"` + marks + `"}`),
	})
	require.NoError(t, err)
	require.EqualValues(t, 202, out.StatusCode)
	runs := func() int {
		found, err := filepath.Glob(filepath.Join(marks, "*"))
		require.NoError(t, err)
		return len(found)
	}
	for n, wait := range []time.Duration{0, time.Minute, 2 * time.Minute} {
		if wait > 0 {
			// One timer is the reaper's, the other the retry's.
			require.NoError(t, fake.WaitTimers(t.Context(), 2))
			fake.Advance(wait)
		}
		require.Eventually(t, func() bool { return runs() == n+1 }, time.Minute, 5*time.Millisecond)
	}
	select {
	case m := <-sent:
		require.Equal(t, `{"dir":"`+marks+`"}`, m["MessageBody"])
		require.True(t, strings.HasSuffix(m["QueueUrl"].(string), "/000000000000/dlq")) // test
		require.Equal(t, "arn:aws:sts::000000000000:assumed-role/fn/fn", m["who"])
	case <-time.After(time.Minute):
		t.Fatal("no dead letter")
	}
}

// An event that was accepted but not run before a stop runs after the start.
func TestAsynchronousResumes(t *testing.T) {
	t.Parallel()
	dir, marks := t.TempDir(), t.TempDir()
	s := open(t, dir, nil)
	s.python(t, `
import os, time
def handler(event, context):
    open(os.path.join(event["dir"], "began"), "w").close()
    while not os.path.exists(os.path.join(event["dir"], "go")):
        time.sleep(0.01)
    open(os.path.join(event["dir"], "done"), "w").close()
`, nil)
	_, err := s.as(t, "admin").Invoke(t.Context(), &awslambda.InvokeInput{
		FunctionName: str("fn"), InvocationType: types.InvocationTypeEvent,
		Payload: []byte(`{"dir":"` + marks + `"}`),
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return exists(filepath.Join(marks, "began")) }, time.Minute, 5*time.Millisecond)
	s.close()
	require.NoError(t, writeFile(filepath.Join(marks, "go")))
	require.False(t, exists(filepath.Join(marks, "done")))
	open(t, dir, nil)
	require.Eventually(t, func() bool { return exists(filepath.Join(marks, "done")) }, time.Minute, 5*time.Millisecond)
}

func TestIdleEnvironmentsEnd(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s := open(t, t.TempDir(), func(c *lambda.Config) { c.Clock = fake; c.IdleTimeout = time.Minute })
	s.python(t, "import os\ndef handler(event, context):\n    return os.getpid()\n", nil)
	first := string(s.invoke(t, `{}`).Payload)
	require.Equal(t, first, string(s.invoke(t, `{}`).Payload))
	for range 6 {
		require.NoError(t, fake.WaitTimers(t.Context(), 1))
		fake.Advance(15 * time.Second)
	}
	require.NoError(t, fake.WaitTimers(t.Context(), 1))
	require.NotEqual(t, first, string(s.invoke(t, `{}`).Payload))
}

func TestJSONLogs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.python(t, "import logging\ndef handler(event, context):\n    logging.info('hidden')\n    logging.warning('seen')\n    raise ValueError('x')\n",
		func(in *awslambda.CreateFunctionInput) {
			in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelWarn}
		})
	lines := strings.Split(strings.TrimSpace(logTail(t, s.invoke(t, `{}`))), "\n")
	require.Len(t, lines, 4)
	for _, l := range lines {
		require.True(t, json.Valid([]byte(l)), l)
	}
	require.Contains(t, lines[0], `"type":"platform.start"`)
	require.Contains(t, lines[1], `"message": "seen"`)
	require.Contains(t, lines[2], `"errorType": "ValueError"`)
	require.Contains(t, lines[3], `"status":"error"`)
}

func BenchmarkWarmInvoke(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	s.python(b, "def handler(event, context):\n    return event\n", nil)
	in := []byte(`{"FunctionName":"fn","Payload":{"x":1}}`)
	call := func() {
		if _, err := s.router.Invoke(b.Context(), home, admin(), "lambda", "Invoke", in); err != nil {
			b.Fatal(err)
		}
	}
	call()
	for b.Loop() {
		call()
	}
}
