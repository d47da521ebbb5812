package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// All that the official plugins are told comes by the stack's config and, for the
// profile, by the environment: so both are compared as a whole.
func TestWhatTheEngineIsGivenOnAWS(t *testing.T) {
	t.Parallel()
	const endpoint = "http://127.0.0.1:4566"
	each := func(services ...string) string {
		fields := make([]string, 0, len(services))
		for _, s := range services {
			fields = append(fields, fmt.Sprintf("%q:%q", s, endpoint))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	role := "arn:aws:iam::444455556666:role/deploy"
	assumed := `{"roleArn":"` + role + `","sessionName":"ptui-acme-iris-dev"}`
	for name, c := range map[string]struct {
		load    awscfg.Options
		at      string
		region  string
		role    string
		config  map[string]string
		env     map[string]string
		account string
		part    string
	}{
		"plain": {
			region: "us-east-1", account: "111122223333", part: "aws", env: map[string]string{},
			config: map[string]string{"aws:region": "us-east-1", "aws-native:region": "us-east-1"},
		},
		"profile": {
			load:   awscfg.Options{Profile: "work"},
			region: "eu-central-1", account: "111122223333", part: "aws", env: map[string]string{"AWS_PROFILE": "work"},
			config: map[string]string{"aws:region": "eu-central-1", "aws-native:region": "eu-central-1"},
		},
		"assumed role": {
			region: "us-east-1", role: role, account: "444455556666", part: "aws", env: map[string]string{},
			config: map[string]string{
				"aws:region": "us-east-1", "aws-native:region": "us-east-1",
				"aws:assumeRole": assumed, "aws-native:assumeRole": assumed,
			},
		},
		"another endpoint": {
			at:     endpoint,
			region: "us-east-1", account: "111122223333", part: "aws", env: map[string]string{},
			config: map[string]string{
				"aws:region": "us-east-1", "aws-native:region": "us-east-1",
				"aws:endpoints": "[" + each("appautoscaling", "cloudwatch", "cloudwatchlogs", "events", "iam", "kms", "lambda",
					"s3", "sagemaker", "scheduler", "sfn", "sns", "sqs", "sts") + "]",
				"aws:s3UsePathStyle": "true", "aws:skipMetadataApiCheck": "true", "aws:skipRegionValidation": "true",
				"aws-native:endpoints": each("cloudcontrol", "sts"), "aws-native:skipMetadataApiCheck": "true",
			},
		},
		"another partition": {
			region: "cn-north-1", account: "111122223333", part: "aws-cn", env: map[string]string{},
			config: map[string]string{"aws:region": "cn-north-1", "aws-native:region": "cn-north-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := Target{Name: TargetAWS, Account: "111122223333", Endpoint: c.at, load: c.load}
			p := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Region: c.region, AssumeRole: c.role}
			got := map[string]string{}
			for k, v := range target.config(p) {
				require.False(t, v.Secret, k)
				got[k] = v.Value
			}
			require.Equal(t, c.config, got)

			env, done, err := newTestApp(t, nil, nil).serveProviders(t.Context(), &target, c.region)
			require.NoError(t, err)
			done()
			require.Equal(t, c.env, env, "no provider of ours may be attached")

			program := target.programEnv(p)
			require.Equal(t, c.account, program.Account)
			require.Equal(t, c.part, program.Partition)
			require.Equal(t, c.at != "", program.PlainHTTP)
		})
	}
}

// recorder stands between the tool and a sandbox and takes down who asks whom for
// what: key, region, service and action.
type recorder struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string
}

var scope = regexp.MustCompile(`Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request`)

func record(t *testing.T, behind string) *recorder {
	t.Helper()
	to, err := url.Parse(behind)
	require.NoError(t, err)
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	rec := &recorder{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := "unsigned"
		if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
			call = strings.Join(m[1:], " ")
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(raw)))
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if form, err := url.ParseQuery(string(raw)); err == nil && action == "" {
			action = form.Get("Action")
		}
		if action == "" {
			action = r.Method
		}
		rec.mu.Lock()
		rec.calls = append(rec.calls, call+" "+action)
		rec.mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.calls
	r.calls = nil
	return out
}

// startTestSandbox serves a sandbox in this process until the test ends.
func startTestSandbox(t *testing.T, with ...func(*sandbox.ServeOptions)) sandbox.Info {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan sandbox.Info, 1), make(chan error, 1)
	o := sandbox.ServeOptions{Dir: t.TempDir(), Ready: func(i sandbox.Info) { ready <- i }}
	for _, f := range with {
		f(&o)
	}
	go func() {
		ended <- sandbox.Serve(ctx, o)
	}()
	select {
	case info := <-ready:
		t.Cleanup(func() {
			stop()
			require.NoError(t, <-ended)
		})
		return info
	case err := <-ended:
		stop()
		require.NoError(t, err)
		return sandbox.Info{}
	}
}

// useAWS makes the process's environment that of somebody with a key and nothing
// else. No test with it may be parallel: the SDK reads the environment.
func useAWS(t *testing.T, key, secret string) {
	t.Helper()
	dir := t.TempDir()
	for k, v := range map[string]string{
		"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "",
	} {
		t.Setenv(k, v)
	}
}

func TestTheToolsOwnCallsGoToTheEndpoint(t *testing.T) { // see useAWS
	info := startTestSandbox(t)
	rec := record(t, info.Endpoint)
	useAWS(t, info.AccessKeyID, info.SecretAccessKey)
	a := newTestApp(t, nil, map[string]string{"target": "aws", "region": "eu-west-1", "endpoint-url": rec.URL})
	key := info.AccessKeyID

	target, err := a.Target(t.Context())
	require.NoError(t, err)
	require.Equal(t, info.Account, target.Account)
	require.Equal(t, []string{key + " eu-west-1 sts GetCallerIdentity"}, rec.take())

	// A pipeline in a region of its own, of which nothing exists: each service says
	// so, after it has checked the signature.
	outputs := map[string]stack.Output{"endpointName": {Value: "none-ep"}, "bucketName": {Value: "none-bucket"}}
	p := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "none", Env: "dev"}, Region: "us-west-2"}
	m := &Machine{ID: p.ID, Pipeline: &Existing{ID: p.ID, Spec: p, State: &stack.State{
		Outputs: outputs, Resources: []stack.Resource{{Type: kinds.Endpoint, ID: "none-ep"}},
	}}}

	_, err = world{a, target}.Endpoint(t.Context(), m.Pipeline)
	require.ErrorContains(t, err, "none-ep")
	require.Equal(t, []string{key + " us-west-2 sagemaker DescribeEndpoint"}, rec.take())

	client, err := a.Executions(t.Context(), p.Region, "")
	require.NoError(t, err)
	_, err = client.Describe(t.Context(), "arn:aws:states:us-west-2:"+info.Account+":execution:none:none")
	require.ErrorIs(t, err, fault.NotFound)
	require.Equal(t, []string{key + " us-west-2 states DescribeExecution"}, rec.take())

	_, err = a.Logs(t.Context(), m, pipelines.LogQuery{Group: pipelines.LogsFunction})
	require.ErrorContains(t, err, "ResourceNotFoundException")
	require.Equal(t, []string{key + " us-west-2 logs FilterLogEvents"}, rec.take())

	store, err := a.storeOf(t.Context(), m)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{}\n"), 0o600))
	files, err := artifacts.Files(file, "in/")
	require.NoError(t, err)
	require.ErrorContains(t, store.Upload(t.Context(), files, nil), "NoSuchBucket")
	calls := rec.take()
	require.NotEmpty(t, calls)
	for _, call := range calls {
		require.Regexp(t, "^"+key+" us-west-2 s3 ", call)
	}
}

func TestTheCallsAreSignedWithTheGivenKey(t *testing.T) { // see useAWS
	info := startTestSandbox(t)
	rec := record(t, info.Endpoint)
	useAWS(t, info.AccessKeyID, "not the secret")
	a := newTestApp(t, nil, map[string]string{"target": "aws", "region": "eu-west-1", "endpoint-url": rec.URL})
	_, err := a.Target(t.Context())
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Len(t, rec.take(), 1)
}

// sts answers as STS does: everybody is ann, and nobody may assume a role.
func sts(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		if r.FormValue("Action") == "GetCallerIdentity" {
			_, _ = fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ann</Arn>`+
				`<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::111122223333:user/ann is not `+
			`authorized to perform: sts:AssumeRole on resource: `+r.FormValue("RoleArn")+`</Message></Error></ErrorResponse>`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// pulumiPath is the CLI that `make pulumi` built; without one the test is skipped.
func pulumiPath(t *testing.T) string {
	t.Helper()
	path, _, err := stack.FindPulumi(t.Context(), stack.FindOptions{
		Explicit: os.Getenv("PIPELINETUI_PULUMI"), BesideExe: filepath.Join("..", "..", "bin"), Path: os.Getenv("PATH"),
	})
	if fault.KindOf(err) == fault.NotFound {
		t.Skip("no Pulumi CLI: run `make pulumi`, or set PIPELINETUI_PULUMI")
	}
	require.NoError(t, err)
	return path
}

func TestNothingBeginsBeforeAllIsReady(t *testing.T) { // see useAWS
	useAWS(t, "AKIDEXAMPLE", "secret")
	t.Setenv("PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES", ".*=http://127.0.0.1:1")
	t.Setenv("PULUMI_HOME", "")
	a := newTestApp(t, map[string]string{"PIPELINETUI_HOME": t.TempDir(), "PIPELINETUI_PULUMI": pulumiPath(t)},
		map[string]string{"target": "aws", "region": "us-east-1", "endpoint-url": sts(t)})
	e, err := a.Engine(t.Context())
	require.NoError(t, err)
	iris := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Region: "us-east-1"}
	fraud := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}, Region: "us-east-1", AssumeRole: "arn:aws:iam::444455556666:role/deploy"}

	_, err = a.Operate(t.Context(), Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{iris, fraud}})
	require.ErrorIs(t, err, fault.Denied)
	require.ErrorContains(t, err, "acme/fraud")
	require.Contains(t, fault.HintOf(err), "trust policy")
	require.Empty(t, e.Spawned(), "no process may have been started")

	_, err = a.Operate(t.Context(), Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{iris}})
	require.ErrorContains(t, err, "install the plugin aws ")
	require.Contains(t, fault.HintOf(err), "pulumi plugin install resource aws v")
	require.Empty(t, e.Spawned(), "what cannot be downloaded is not installed")
}

func TestClientsAreKeptByRegionAndRole(t *testing.T) { // see useAWS
	useAWS(t, "AKIDEXAMPLE", "secret")
	a := newTestApp(t, nil, map[string]string{"target": "aws", "region": "us-east-1", "endpoint-url": sts(t)})
	get := func(region, role string) *executions.Client {
		c, err := a.Executions(t.Context(), region, role)
		require.NoError(t, err)
		return c
	}
	require.Same(t, get("us-east-1", ""), get("us-east-1", ""))
	require.NotSame(t, get("us-east-1", ""), get("us-west-2", ""))
	require.NotSame(t, get("us-east-1", ""), get("us-east-1", "arn:aws:iam::444455556666:role/deploy"))
}
