package sandbox

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/servicequotas"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// refused is the error of a call.
func (w *inside) refused(service, operation string, in any) *wire.Error {
	w.Helper()
	raw, err := json.Marshal(in)
	require.NoError(w, err)
	_, err = w.router.Invoke(w.Context(), wire.ScopeOf(Account, Region), wire.Principal{Account: Account, Admin: true}, service, operation, raw)
	require.Error(w, err, "%s:%s", service, operation)
	var e *wire.Error
	require.ErrorAs(w, err, &e)
	return e
}

func (w *inside) quota(id string, value float64) {
	w.Helper()
	w.call(faults.ServiceID, servicequotas.OpSet, servicequotas.Setting{Region: Region, Values: map[string]*float64{id: &value}})
}

// until waits for a condition that the sandbox brings about by itself.
func (w *inside) until(what string, ok func() bool) {
	w.Helper()
	require.Eventually(w, ok, time.Minute, 5*time.Millisecond, what)
}

func (w *inside) role(name, service string) any {
	w.Helper()
	out, _ := w.call("iam", "CreateRole", map[string]any{
		"RoleName": name,
		"AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service +
			`"},"Action":"sts:AssumeRole"}]}`,
	})["Role"].(map[string]any)
	return out["Arn"]
}

// Each service refuses what is more than Service Quotas tells of, in its own words.
func TestQuotasAreKept(t *testing.T) {
	t.Parallel()
	w := newInside(t)
	require.NoError(t, w.start(t.Context()))

	role := w.role("r", "states.amazonaws.com")
	w.quota("iam/L-FE177D64", 1)
	e := w.refused("iam", "CreateRole", map[string]any{"RoleName": "s", "AssumeRolePolicyDocument": anyTrust})
	// https://github.com/openshift/release/pull/69365 and others have it.
	require.Equal(t, wire.Errorf(409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1"), e)
	w.call("iam", "CreateServiceLinkedRole", map[string]any{"AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"})
	w.quota("iam/L-FE177D64", 1000)

	w.quota("s3/L-DC2B2D3D", 1)
	w.call("s3", "CreateBucket", map[string]any{"Bucket": "quotas-one"})
	e = w.refused("s3", "CreateBucket", map[string]any{"Bucket": "quotas-two"})
	require.Equal(t, "TooManyBuckets: You have attempted to create more buckets than allowed", e.Error())

	w.quota("lambda/L-B99A9384", 10)
	limit, _ := w.call("lambda", "GetAccountSettings", map[string]any{})["AccountLimit"].(map[string]any)
	require.InDelta(t, 10, limit["ConcurrentExecutions"], 0)

	pass := `{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":600,"End":true}}}`
	w.quota("states/L-B66B0F91", 1)
	machine := w.call("sfn", "CreateStateMachine", map[string]any{"name": "m", "definition": pass, "roleArn": role})
	e = w.refused("sfn", "CreateStateMachine", map[string]any{"name": "n", "definition": pass, "roleArn": role})
	require.Equal(t, "StateMachineLimitExceeded", e.Code)
	w.call("sfn", "CreateStateMachine", map[string]any{"name": "m", "definition": pass, "roleArn": role}) // the same again
	w.quota("states/L-B66B0F91", 100)

	w.quota("states/L-B8A5B662", 1)
	first := w.call("sfn", "StartExecution", map[string]any{"stateMachineArn": machine["stateMachineArn"], "name": "one", "input": "{}"})
	e = w.refused("sfn", "StartExecution", map[string]any{"stateMachineArn": machine["stateMachineArn"]})
	require.Equal(t, "ExecutionLimitExceeded", e.Code)
	w.call("sfn", "StartExecution", map[string]any{"stateMachineArn": machine["stateMachineArn"], "name": "one", "input": "{}"}) // the same again
	w.call("sfn", "StopExecution", map[string]any{"executionArn": first["executionArn"]})
	w.until("room after the first has ended", func() bool {
		_, err := w.router.Invoke(t.Context(), wire.ScopeOf(Account, Region), wire.Principal{Account: Account, Admin: true}, "sfn", "StartExecution",
			fmt.Appendf(nil, `{"stateMachineArn":%q,"name":"two"}`, machine["stateMachineArn"]))
		return err == nil
	})
}

// Map Runs more than may be open wait when they have started, and count nothing.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
func TestMapRunsWait(t *testing.T) {
	t.Parallel()
	w := newInside(t)
	require.NoError(t, w.start(t.Context()))
	w.quota("states/L-15D902EC", 1)
	role := w.role("r", "states.amazonaws.com")
	w.call("iam", "PutRolePolicy", map[string]any{
		"RoleName": "r", "PolicyName": "p",
		"PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"states:*","Resource":"*"}]}`,
	})
	machine := w.call("sfn", "CreateStateMachine", map[string]any{"name": "m", "roleArn": role, "definition": `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$","End":true}}}}}}`})["stateMachineArn"]
	start := func(input string) any {
		return w.call("sfn", "StartExecution", map[string]any{"stateMachineArn": machine, "input": input})["executionArn"]
	}
	run := func(execution any) map[string]any {
		list, _ := w.call("sfn", "ListMapRuns", map[string]any{"executionArn": execution})["mapRuns"].([]any)
		if len(list) == 0 {
			return nil
		}
		one, _ := list[0].(map[string]any)
		return w.call("sfn", "DescribeMapRun", map[string]any{"mapRunArn": one["mapRunArn"]})
	}
	count := func(r map[string]any, of, what string) float64 {
		counts, _ := r[of].(map[string]any)
		n, _ := counts[what].(float64)
		return n
	}
	holder := start(`[600]`)
	w.until("the first has begun", func() bool { return count(run(holder), "itemCounts", "total") == 1 })
	waiting, stopped := start(`[0]`), start(`[0]`)
	w.until("the others have started", func() bool { return run(waiting) != nil && run(stopped) != nil })
	require.Zero(t, count(run(waiting), "itemCounts", "total"))
	require.Equal(t, "RUNNING", run(waiting)["status"])
	w.call("sfn", "StopExecution", map[string]any{"executionArn": stopped})
	w.until("one that waits can be stopped", func() bool { return run(stopped)["status"] == "ABORTED" })
	w.call("sfn", "StopExecution", map[string]any{"executionArn": holder})
	w.until("the next one begins", func() bool {
		return w.call("sfn", "DescribeExecution", map[string]any{"executionArn": waiting})["status"] == "SUCCEEDED"
	})
	require.InDelta(t, 1, count(run(waiting), "itemCounts", "total"), 0)
}

// Machines for endpoints are counted by type, over all endpoints of the region, and an
// update wants its machines beside those that serve.
func TestMachinesForEndpoints(t *testing.T) {
	t.Parallel()
	w := newInside(t, func(o *ServeOptions) { o.EndpointDelay = time.Hour }) // they go on being made
	role := w.role("r", "sagemaker.amazonaws.com")
	w.call("sagemaker", "CreateModel", map[string]any{"ModelName": "m", "ExecutionRoleArn": role, "PrimaryContainer": map[string]any{"Image": "sandbox/linear:1"}})
	config := func(name, instance string, n int) {
		w.call("sagemaker", "CreateEndpointConfig", map[string]any{"EndpointConfigName": name, "ProductionVariants": []any{
			map[string]any{"VariantName": "a", "ModelName": "m", "InstanceType": instance, "InitialInstanceCount": n},
		}})
	}
	config("two", "ml.m5.large", 2)
	config("other", "ml.c5.large", 1)
	w.quota("sagemaker/L-614B09FD", 3)
	w.call("sagemaker", "CreateEndpoint", map[string]any{"EndpointName": "e", "EndpointConfigName": "two"})
	e := w.refused("sagemaker", "CreateEndpoint", map[string]any{"EndpointName": "f", "EndpointConfigName": "two"})
	// https://github.com/aws-samples/sagemaker-custom-project-templates/issues/51
	require.Equal(t, wire.Errorf(400, "ResourceLimitExceeded",
		"The account-level service limit 'ml.m5.large for endpoint usage' is 3 Instances, with current utilization of 2 Instances and a request delta of 2 "+
			"Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to "+
			"request an increase for this quota."), e)
	w.call("sagemaker", "CreateEndpoint", map[string]any{"EndpointName": "g", "EndpointConfigName": "other"})
}
