package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// What became of a queue whose creation was cut off is asked by its name. Without one
// nothing is known: it is not forgotten, which would leave it behind unseen.
func TestAQueueWhoseCreationWasCutOff(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var tags atomic.Pointer[map[string]string]
	tags.Store(&map[string]string{spec.StackTag: "acme.fraud.dev"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		switch string(body) {
		case `{"QueueName":"made"}`:
			_, _ = w.Write([]byte(`{"QueueUrl":"http://sqs/1/made"}`))
			return
		case `{"QueueUrl":"http://sqs/1/made"}`:
			_ = json.NewEncoder(w).Encode(map[string]any{"Tags": *tags.Load()})
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`))
	}))
	t.Cleanup(server.Close)
	s := &settler{pipeline: &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}}, cfg: aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}}
	cut := func(inputs map[string]any) stack.PendingOperation {
		return stack.PendingOperation{Kind: "creating", Type: kinds.Queue, Name: "dlq", Inputs: inputs}
	}
	id, err := s.settle(t.Context(), cut(map[string]any{"name": "made"}))
	require.NoError(t, err)
	require.Equal(t, "http://sqs/1/made", id)
	id, err = s.settle(t.Context(), cut(map[string]any{"name": "never"}))
	require.NoError(t, err)
	require.Empty(t, id, "nothing is lost by forgetting it")
	require.EqualValues(t, 3, asked.Load())
	for _, inputs := range []map[string]any{nil, {}, {"name": ""}, {"name": 7}, {"namePrefix": "x"}} {
		_, err = s.settle(t.Context(), cut(inputs))
		require.ErrorIs(t, err, fault.Damaged, "%v", inputs)
		require.ErrorContains(t, err, "dlq")
		require.Contains(t, fault.HintOf(err), "`pipelinetui refresh acme/fraud --clear-pending-creates`")
	}
	require.EqualValues(t, 3, asked.Load(), "no call without a name")

	// what has the name and is somebody else's is not taken over, which is told
	for want, foreign := range map[string]map[string]string{
		"it is not this pipeline's: its tag pipelinetui:stack is globex.fraud.dev": {spec.StackTag: "globex.fraud.dev"},
		"it is not this pipeline's: it has no tag pipelinetui:stack":               {"team": "shop"},
	} {
		tags.Store(&foreign)
		var told []stack.Event
		s.tell = func(e stack.Event) { told = append(told, e) }
		id, err = s.settle(t.Context(), cut(map[string]any{"name": "made"}))
		require.NoError(t, err)
		require.Empty(t, id)
		require.Len(t, told, 1)
		require.Contains(t, told[0].Diagnostic.Message, want)
	}
}

// TestWhatCannotBeFoundIsNotForgotten: of every kind that something is lost with, a creation
// that was cut off and whose inputs do not tell the name is an error, and so is one of a
// type that this version does not know. Nothing is asked of AWS then.
func TestWhatCannotBeFoundIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := &settler{pipeline: &spec.Pipeline{}, cfg: aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), RetryMaxAttempts: 1}}
	cut := func(typ string) stack.PendingOperation {
		return stack.PendingOperation{Kind: "creating", Type: typ, Name: "it", Inputs: map[string]any{"tags": map[string]any{}}}
	}
	for _, k := range kinds.All() {
		id, err := s.settle(t.Context(), cut(k.Type))
		require.Empty(t, id, k.Type)
		switch k.Lost.How {
		case kinds.Forgetting:
			require.NoError(t, err, k.Type)
		case kinds.ByTag:
			require.Error(t, err, "it asks, and nobody is there")
		case kinds.ByInputs, kinds.ByQueue, kinds.BySource, kinds.ByRevision:
			require.ErrorIs(t, err, fault.Damaged, k.Type)
			require.ErrorContains(t, err, k.Title)
			require.Contains(t, fault.HintOf(err), "--clear-pending-creates")
		}
	}
	_, err := s.settle(t.Context(), cut("aws:sagemaker/featureGroup:FeatureGroup"))
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorContains(t, err, "aws:sagemaker/featureGroup:FeatureGroup")
	changed := cut("aws:sagemaker/featureGroup:FeatureGroup")
	changed.Kind, changed.ID = "updating", "known"
	id, err := s.settle(t.Context(), changed)
	require.NoError(t, err, "the state has it: nothing is forgotten")
	require.Equal(t, "known", id)
}

// A version that was made before the end of the process is found by its revision: AWS refuses
// to make another of it. Of another revision none was made.
func TestAVersionWhoseCreationWasCutOff(t *testing.T) {
	t.Parallel()
	const machine = "arn:aws:states:us-east-1:111122223333:stateMachine:m"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListStateMachineVersions") {
			_, _ = w.Write([]byte(`{"stateMachineVersions":[{"stateMachineVersionArn":"` + machine + `:7","creationDate":1}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"stateMachineArn":"` + machine + `:7","revisionId":"r"}`))
	}))
	defer server.Close()
	s := &settler{pipeline: &spec.Pipeline{}, cfg: aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}}
	for revision, want := range map[string]string{"r": machine + ":7", "INITIAL": ""} {
		id, err := s.settle(t.Context(), stack.PendingOperation{
			Kind: "creating", Type: kinds.StateMachineVersion, Name: "version", Inputs: map[string]any{"stateMachineArn": machine, "stateMachineRevisionId": revision},
		})
		require.NoError(t, err)
		require.Equal(t, want, id)
	}
}

// What is waited for before anything begins is told, with how far it is and what ends it sooner.
func TestAnEndpointOnItsWayIsWaitedForInWords(t *testing.T) {
	t.Parallel()
	var looks atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		baking := `{"EndpointName":"ep","EndpointStatus":"Updating","PendingDeploymentSummary":{"EndpointConfigName":"c","ProductionVariants":[` +
			`{"VariantName":"AllTraffic","CurrentInstanceCount":1,"DesiredInstanceCount":%d,"VariantStatus":[{"Status":"Baking"}]}]}}`
		switch looks.Add(1) {
		case 1, 2:
			fmt.Fprintf(w, baking, 2)
		case 3:
			fmt.Fprintf(w, baking, 3)
		default:
			fmt.Fprint(w, `{"EndpointName":"ep","EndpointStatus":"InService"}`)
		}
	}))
	t.Cleanup(server.Close)
	var told []stack.Event
	s := &settler{
		pipeline: &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}}, poll: time.Millisecond, haste: 1,
		tell: func(ev stack.Event) { told = append(told, ev) },
		cfg: aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		},
	}
	id, err := s.settle(t.Context(), stack.PendingOperation{Kind: "updating", Type: kinds.Endpoint, URN: "urn", Name: "endpoint", ID: "ep"})
	require.NoError(t, err)
	require.Equal(t, "ep", id)
	require.Len(t, told, 3)
	require.Contains(t, told[0].Diagnostic.Message, "the endpoint ep is Updating: waiting until")
	require.Contains(t, told[0].Diagnostic.Message, "`pipelinetui rollback acme/fraud --abort`")
	require.Equal(t, stack.EventRollout, told[1].Type)
	require.Equal(t, "urn", told[1].Rollout.URN)
	require.Equal(t, []int{2, 3}, []int{told[1].Rollout.Wanted, told[2].Rollout.Wanted}, "said once as long as it stays as it is")
}
