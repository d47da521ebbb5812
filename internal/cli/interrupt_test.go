package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// awsEnv is the environment of a command whose AWS is a server of this test's. No
// test with it may be parallel: the SDK reads the process's environment.
func awsEnv(t *testing.T, serve http.HandlerFunc) *Deps {
	t.Helper()
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is seen only behind the body
		serve(w, r)
	}))
	t.Cleanup(aws.Close)
	dir := t.TempDir()
	for k, v := range map[string]string{
		"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "",
	} {
		t.Setenv(k, v)
	}
	own := map[string]string{
		"PIPELINETUI_HOME": dir, "PIPELINETUI_TARGET": "aws", "PIPELINETUI_ENDPOINT_URL": aws.URL, "PIPELINETUI_REGION": "us-east-1",
	}
	environ := func(k string) (string, bool) { v, ok := own[k]; return v, ok }
	streams, _, _ := console.Buffers("")
	e := newSession(nil, streams, environ).deps
	s, err := settings.Resolve(settings.Sources{Environ: environ})
	require.NoError(t, err)
	e.settings = s
	t.Cleanup(func() { require.NoError(t, e.app().Close()) })
	return e
}

// identify answers GetCallerIdentity.
func identify(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ann</Arn>`+
		`<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
}

// existing is a pipeline that was brought up, and its document.
func existing() ([]pipelines.Pipeline, []pipelineDoc) {
	id := spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}
	x := pipelines.Pipeline{
		ID: id, Spec: &spec.Pipeline{ID: id, Region: "us-east-1"},
		State: &stack.State{Stack: id.StackName(), Outputs: map[string]stack.Output{
			"endpointName":    {Value: "acme-iris-dev"},
			"stateMachineArn": {Value: "arn:aws:states:us-east-1:111122223333:stateMachine:acme-iris-dev"},
		}, Resources: []stack.Resource{{Type: kinds.Endpoint, ID: "acme-iris-dev"}}},
	}
	return []pipelines.Pipeline{x}, []pipelineDoc{{Pipeline: id.String(), Status: pipelines.Ready}}
}

func TestASignalEndsThePreparationOfAnOperation(t *testing.T) { // see awsEnv
	asked := make(chan struct{}, 1)
	e := awsEnv(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done() // a service that does not answer
	})
	signals := make(chan os.Signal)
	ctx, stop := e.signals.Open(t.Context(), signals)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := operate(ctx, e, app.Request{Operation: stack.OperationRefresh}, &view{deps: e})
		ended <- err
	}()
	<-asked
	signals <- os.Interrupt
	err := <-ended
	require.ErrorIs(t, err, fault.Canceled)
	require.ErrorContains(t, err, "before anything was begun")
}

func TestAnEndpointThatIsGoneHidesNoExecutions(t *testing.T) { // see awsEnv
	e := awsEnv(t, func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		switch {
		case r.FormValue("Action") == "GetCallerIdentity":
			identify(w)
		case target == "SageMaker.DescribeEndpoint":
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ValidationException","message":"Could not find endpoint \"arn:aws:sagemaker:us-east-1:111122223333:endpoint/acme-iris-dev\"."}`)
		default:
			fmt.Fprint(w, `{"executions":[]}`)
		}
	})
	list, docs := existing()
	l := asking{asked: true}
	e.addLive(t.Context(), list, docs, &l)
	require.NoError(t, l.err)
	require.Equal(t, pipelines.EndpointGone, docs[0].Endpoint)
	require.True(t, docs[0].Live)
	require.NotNil(t, docs[0].Running)
	require.Zero(t, *docs[0].Running)
	require.False(t, l.complete())
	// Both texts say why something is not known.
	require.Contains(t, e.listText(docs, &l), "the endpoint acme-iris-dev is gone")
	show := showDoc{pipelineDoc: docs[0]}
	require.Contains(t, e.showText(show, l.text(e.OutStyle)), "the endpoint acme-iris-dev is gone")
}

func TestOnePlanThatFailsStopsNoOther(t *testing.T) {
	t.Parallel()
	p := func(model string) *spec.Pipeline {
		return &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: model, Env: "dev"}}
	}
	good, bad := p("good"), p("bad")
	list := []*spec.Pipeline{good, bad}
	ok := app.PipelineResult{ID: good.ID}
	failed := app.PipelineResult{ID: bad.ID, Err: fault.New(fault.Deployment, "no such image")}
	whole := fault.New(fault.Deployment, "preview failed")

	plan := func(o deployOptions) *question {
		return &question{o: &o, chosen: chosen{pipelines: list}}
	}
	q := plan(deployOptions{})
	require.NoError(t, q.leaveOut([]app.PipelineResult{ok, failed}, whole))
	require.Equal(t, []*spec.Pipeline{good}, q.pipelines)
	require.Len(t, q.aside, 1, "it is reported")
	require.Equal(t, ExitDeployment, codeOf(verdict(q.o, append([]app.PipelineResult{ok}, q.aside...))))

	for name, tt := range map[string]struct {
		o       deployOptions
		results []app.PipelineResult
	}{
		"nothing was planned": {results: nil},
		"all failed":          {results: []app.PipelineResult{{ID: good.ID, Err: whole}, failed}},
		"fail fast":           {o: deployOptions{failFast: true}, results: []app.PipelineResult{ok, failed}},
		"interrupted":         {results: []app.PipelineResult{ok, {ID: bad.ID, Err: fault.New(fault.Canceled, "x")}}},
	} {
		q := plan(tt.o)
		require.ErrorIs(t, q.leaveOut(tt.results, whole), whole, name)
		require.Empty(t, q.aside, name)
	}
}

func TestAnInterruptedListIsNoHealthyOne(t *testing.T) { // see awsEnv
	ctx, interrupt := context.WithCancel(t.Context())
	e := awsEnv(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") == "GetCallerIdentity" {
			identify(w)
			return
		}
		interrupt()
		<-r.Context().Done()
	})
	list, docs := existing()
	l := asking{asked: true}
	e.addLive(ctx, list, docs, &l)
	require.Equal(t, ExitCancelled, codeOf(l.err))
	require.False(t, l.complete())
	require.False(t, docs[0].Live)
}
