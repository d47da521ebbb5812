package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked performs a request of Cloud Control and returns its end.
func (w *inside) asked(operation string, in map[string]any) (end map[string]any) {
	w.Helper()
	in["TypeName"] = "AWS::SageMaker::Endpoint"
	event, _ := w.call("cloudcontrol", operation, in)["ProgressEvent"].(map[string]any)
	w.until("the end of "+operation, func() bool {
		end, _ = w.call("cloudcontrol", "GetResourceRequestStatus", map[string]any{"RequestToken": event["RequestToken"]})["ProgressEvent"].(map[string]any)
		return end["OperationStatus"] != "IN_PROGRESS"
	})
	return end
}

// An endpoint is made, read, updated, listed and removed by Cloud Control.
func TestEndpointsOfCloudControl(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer model.Close()
	w := newInside(t, func(o *ServeOptions) {
		o.EndpointDelay, o.Haste, o.Images = 20*time.Millisecond, 100, map[string]string{"sandbox/echo": model.URL}
	})
	require.NoError(t, w.start(t.Context()))
	role := w.role("r", "sagemaker.amazonaws.com")
	w.call("sagemaker", "CreateModel", map[string]any{
		"ModelName": "m", "ExecutionRoleArn": role, "PrimaryContainer": map[string]any{"Image": "sandbox/echo"},
	})
	for i := 1; i <= 2; i++ {
		w.call("sagemaker", "CreateEndpointConfig", map[string]any{"EndpointConfigName": fmt.Sprint("c", i), "ProductionVariants": []any{map[string]any{
			"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large",
		}}})
	}
	document := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return string(raw)
	}
	desired := document(map[string]any{"EndpointName": "e", "EndpointConfigName": "c1", "Tags": []any{map[string]any{"Key": "team", "Value": "ml"}}})
	made := w.asked("CreateResource", map[string]any{"DesiredState": desired})
	require.Equal(t, "SUCCESS", made["OperationStatus"], made)
	id := made["Identifier"]
	require.Equal(t, "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e", id)
	again := w.asked("CreateResource", map[string]any{"DesiredState": desired})
	require.Equal(t, "AlreadyExists", again["ErrorCode"], again)
	failed := w.asked("CreateResource", map[string]any{"DesiredState": document(map[string]any{"EndpointConfigName": "none"})})
	require.Equal(t, "InvalidRequest", failed["ErrorCode"], failed)

	read := func() (m map[string]any) {
		got, _ := w.call("cloudcontrol", "GetResource", map[string]any{"TypeName": "AWS::SageMaker::Endpoint", "Identifier": id})["ResourceDescription"].(map[string]any)
		require.NoError(t, json.Unmarshal([]byte(got["Properties"].(string)), &m)) // a test
		return m
	}
	require.Equal(t, map[string]any{
		"EndpointArn": id, "EndpointName": "e", "EndpointConfigName": "c1", "Tags": []any{map[string]any{"Key": "team", "Value": "ml"}},
	}, read())
	updated := w.asked("UpdateResource", map[string]any{"Identifier": id, "PatchDocument": document([]any{
		map[string]any{"op": "replace", "path": "/EndpointConfigName", "value": "c2"},
		map[string]any{"op": "add", "path": "/RetainAllVariantProperties", "value": true},
		map[string]any{"op": "replace", "path": "/Tags", "value": []any{map[string]any{"Key": "stage", "Value": "two"}}},
	})})
	require.Equal(t, "SUCCESS", updated["OperationStatus"], updated)
	now := read()
	require.Equal(t, "c2", now["EndpointConfigName"])
	require.Equal(t, []any{map[string]any{"Key": "stage", "Value": "two"}}, now["Tags"])
	require.NotContains(t, now, "RetainAllVariantProperties", "it is written only")
	list, _ := w.call("cloudcontrol", "ListResources", map[string]any{"TypeName": "AWS::SageMaker::Endpoint"})["ResourceDescriptions"].([]any)
	require.Equal(t, []any{map[string]any{"Identifier": id, "Properties": document(map[string]any{"EndpointArn": id})}}, list)

	removed := w.asked("DeleteResource", map[string]any{"Identifier": id})
	require.Equal(t, "SUCCESS", removed["OperationStatus"], removed)
	e := w.refused("cloudcontrol", "GetResource", map[string]any{"TypeName": "AWS::SageMaker::Endpoint", "Identifier": id})
	require.Equal(t, "ResourceNotFoundException", e.Code)
	require.Equal(t, "NotFound", w.asked("DeleteResource", map[string]any{"Identifier": id})["ErrorCode"])
}
