package sagemaker_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	rtypes "github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/leaktest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestModelGivesBackWhatWasGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := &sm.CreateModelInput{
		ModelName: aws.String("iris"), ExecutionRoleArn: aws.String(role), EnableNetworkIsolation: aws.Bool(true),
		PrimaryContainer: &types.ContainerDefinition{
			Image: aws.String(image), Environment: map[string]string{"A": "b"},
			ModelDataSource: &types.ModelDataSource{S3DataSource: &types.S3ModelDataSource{
				S3Uri: aws.String("s3://models/iris/model.tar.gz"), S3DataType: types.S3ModelDataTypeS3Object, CompressionType: types.ModelCompressionTypeGzip,
			}},
		},
		VpcConfig: &types.VpcConfig{Subnets: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1"}},
		Tags:      []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}},
	}
	_, err := w.ctl.CreateModel(t.Context(), in)
	require.NoError(t, err)
	out, err := w.ctl.DescribeModel(t.Context(), &sm.DescribeModelInput{ModelName: in.ModelName})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sagemaker:us-east-1:000000000000:model/iris", *out.ModelArn)
	require.True(t, *out.EnableNetworkIsolation)
	require.Equal(t, in.VpcConfig, out.VpcConfig)
	require.Equal(t, in.PrimaryContainer.ModelDataSource, out.PrimaryContainer.ModelDataSource)
	require.Equal(t, map[string]string{"A": "b"}, out.PrimaryContainer.Environment)
	require.Equal(t, types.ContainerModeSingleModel, out.PrimaryContainer.Mode)
	require.Nil(t, out.Containers)
	require.WithinDuration(t, w.clock.Now(), *out.CreationTime, 0)

	tags, err := w.ctl.ListTags(t.Context(), &sm.ListTagsInput{ResourceArn: out.ModelArn})
	require.NoError(t, err)
	require.Equal(t, in.Tags, tags.Tags)

	_, err = w.ctl.CreateModel(t.Context(), in)
	requireCode(t, err, "ValidationException", `Cannot create already existing model "arn:aws:sagemaker:us-east-1:000000000000:model/iris".`)
	_, err = w.ctl.DeleteModel(t.Context(), &sm.DeleteModelInput{ModelName: in.ModelName})
	require.NoError(t, err)
	_, err = w.ctl.DescribeModel(t.Context(), &sm.DescribeModelInput{ModelName: in.ModelName})
	requireCode(t, err, "ValidationException", `Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/iris".`)
	_, err = w.ctl.ListTags(t.Context(), &sm.ListTagsInput{ResourceArn: out.ModelArn})
	requireCode(t, err, "ValidationException", "Could not find model")
}

func TestModelIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := aws.String("s3://models/iris/model.tar.gz")
	ok := types.ContainerDefinition{Image: aws.String(image), ModelDataUrl: url}
	cases := []struct {
		name string
		in   sm.CreateModelInput
		text string
	}{
		{"bad name", sm.CreateModelInput{ModelName: aws.String("a_b"), PrimaryContainer: &ok}, "failed to satisfy constraint: Member must satisfy regular expression pattern"},
		{"long name", sm.CreateModelInput{ModelName: aws.String(strings.Repeat("a", 64)), PrimaryContainer: &ok}, "less than or equal to 63"},
		{"no container", sm.CreateModelInput{ModelName: aws.String("m")}, "Either PrimaryContainer or Containers"},
		{"no image", sm.CreateModelInput{ModelName: aws.String("m"), PrimaryContainer: &types.ContainerDefinition{}}, "image must be specified"},
		{"two urls", sm.CreateModelInput{
			ModelName:        aws.String("m"),
			PrimaryContainer: &types.ContainerDefinition{Image: aws.String(image), ModelDataUrl: url, ModelDataSource: &types.ModelDataSource{}},
		}, "Only one of"},
		{
			"bad url",
			sm.CreateModelInput{
				ModelName:        aws.String("m"),
				PrimaryContainer: &types.ContainerDefinition{Image: aws.String(image), ModelDataUrl: aws.String("ftp://x/y")},
			},
			"at 'primaryContainer.modelDataUrl' failed to satisfy constraint",
		},
		{"bad role", sm.CreateModelInput{ModelName: aws.String("m"), PrimaryContainer: &ok, ExecutionRoleArn: aws.String("arn:aws:iam::1:role/x")}, "executionRoleArn"},
		{"role is missing", sm.CreateModelInput{
			ModelName: aws.String("m"), PrimaryContainer: &ok,
			ExecutionRoleArn: aws.String("arn:aws:iam::000000000000:role/none"),
		}, "Could not assume role arn:aws:iam::000000000000:role/none."},
		{
			"object is missing",
			sm.CreateModelInput{
				ModelName:        aws.String("m"),
				PrimaryContainer: &types.ContainerDefinition{Image: aws.String(image), ModelDataUrl: aws.String("s3://models/none.tar.gz")},
			},
			"Could not access model data at s3://models/none.tar.gz.",
		},
		{"reserved tag", sm.CreateModelInput{ModelName: aws.String("m"), PrimaryContainer: &ok, Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}}, "aws:"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.in.ExecutionRoleArn == nil {
				c.in.ExecutionRoleArn = aws.String(role)
			}
			_, err := w.ctl.CreateModel(t.Context(), &c.in)
			requireCode(t, err, "ValidationException", c.text)
		})
	}
	list, err := w.ctl.ListModels(t.Context(), &sm.ListModelsInput{})
	require.NoError(t, err)
	require.Empty(t, list.Models)
}

func TestEndpointConfigRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.model("iris", image, ""))
	v := func(fn func(*types.ProductionVariant)) func(*sm.CreateEndpointConfigInput) {
		return func(in *sm.CreateEndpointConfigInput) { fn(&in.ProductionVariants[0]) }
	}
	serverless := func(mem, conc int32) func(*sm.CreateEndpointConfigInput) {
		return v(func(p *types.ProductionVariant) {
			p.InstanceType, p.InitialInstanceCount = "", nil
			p.ServerlessConfig = &types.ProductionVariantServerlessConfig{MemorySizeInMB: &mem, MaxConcurrency: &conc}
		})
	}
	cases := []struct {
		name   string
		change func(*sm.CreateEndpointConfigInput)
		text   string
	}{
		{"instance type", v(func(p *types.ProductionVariant) { p.InstanceType = "ml.banana" }), "Value 'ml.banana' at 'productionVariants.1.member.instanceType'"},
		{"no count", v(func(p *types.ProductionVariant) { p.InitialInstanceCount = nil }), "initialInstanceCount"},
		{"zero count", v(func(p *types.ProductionVariant) { p.InitialInstanceCount = aws.Int32(0) }), "greater than or equal to 1"},
		{"unknown model", v(func(p *types.ProductionVariant) { p.ModelName = aws.String("none") }), `Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/none".`},
		{"serverless memory", serverless(1500, 5), "memorySizeInMB"},
		{"serverless concurrency", serverless(2048, 201), "maxConcurrency"},
		{"serverless with instances", v(func(p *types.ProductionVariant) {
			p.ServerlessConfig = &types.ProductionVariantServerlessConfig{MemorySizeInMB: aws.Int32(1024), MaxConcurrency: aws.Int32(1)}
		}), "serverless variant"},
		{"serverless with capture", func(in *sm.CreateEndpointConfigInput) {
			serverless(2048, 5)(in)
			in.DataCaptureConfig = &types.DataCaptureConfig{
				DestinationS3Uri: aws.String("s3://b/c"), InitialSamplingPercentage: aws.Int32(1),
				CaptureOptions: []types.CaptureOption{{CaptureMode: types.CaptureModeInput}},
			}
		}, "not supported for serverless"},
		{"same variant twice", func(in *sm.CreateEndpointConfigInput) {
			in.ProductionVariants = append(in.ProductionVariants, in.ProductionVariants[0])
		}, "unique"},
		{"asynchronous", func(in *sm.CreateEndpointConfigInput) {
			in.AsyncInferenceConfig = &types.AsyncInferenceConfig{OutputConfig: &types.AsyncInferenceOutputConfig{}}
		}, "does not support AsyncInferenceConfig"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requireCode(t, w.config("bad", c.change), "ValidationException", c.text)
		})
	}
	require.NoError(t, w.config("small", serverless(6144, 200)))
	require.NoError(t, w.config("plain", nil))
	out, err := w.ctl.DescribeEndpointConfig(t.Context(), &sm.DescribeEndpointConfigInput{EndpointConfigName: aws.String("plain")})
	require.NoError(t, err)
	require.Nil(t, out.DataCaptureConfig)
	require.Nil(t, out.KmsKeyId)
	require.InDelta(t, 1.0, *out.ProductionVariants[0].InitialVariantWeight, 0)
	requireCode(t, w.config("plain", nil), "ValidationException",
		`Cannot create already existing endpoint configuration "arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/plain".`)
}

func TestEndpointLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.model("iris", image, "s3://models/iris/model.tar.gz"))
	requireCode(t, w.endpoint("iris", "none"), "ValidationException", "Could not find endpoint configuration")
	require.NoError(t, w.config("c1", nil))
	require.NoError(t, w.endpoint("iris", "c1"))
	requireCode(t, w.endpoint("iris", "c1"), "ValidationException", "Cannot create already existing endpoint ")

	out := w.describe("iris")
	require.Equal(t, types.EndpointStatusCreating, out.EndpointStatus)
	require.Empty(t, out.ProductionVariants)
	_, err := w.invoke("iris", "application/json", `{}`)
	requireCode(t, err, "ValidationError", "Endpoint iris of account 000000000000 not found.")
	_, err = w.ctl.DeleteEndpoint(t.Context(), &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
	requireCode(t, err, "ValidationException", "Cannot update in-progress endpoint")

	require.NoError(t, w.clock.WaitTimers(t.Context(), 1))
	w.clock.Advance(1900 * time.Millisecond)
	require.Equal(t, types.EndpointStatusCreating, w.describe("iris").EndpointStatus)
	out = w.settle("iris")
	require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
	v := out.ProductionVariants[0]
	require.Equal(t, int32(1), *v.CurrentInstanceCount)
	require.Equal(t, int32(1), *v.DesiredInstanceCount)
	require.InDelta(t, 1.0, *v.CurrentWeight, 0)
	require.Equal(t, image, *v.DeployedImages[0].SpecifiedImage)
	require.Contains(t, *v.DeployedImages[0].ResolvedImage, "sandbox/linear@sha256:")
	require.Nil(t, out.DataCaptureConfig)

	_, err = w.ctl.UpdateEndpointWeightsAndCapacities(t.Context(), &sm.UpdateEndpointWeightsAndCapacitiesInput{
		EndpointName:                aws.String("iris"),
		DesiredWeightsAndCapacities: []types.DesiredWeightAndCapacity{{VariantName: aws.String("AllTraffic"), DesiredInstanceCount: aws.Int32(3)}},
	})
	require.NoError(t, err)
	out = w.describe("iris")
	require.Equal(t, types.EndpointStatusUpdating, out.EndpointStatus)
	require.Equal(t, int32(1), *out.ProductionVariants[0].CurrentInstanceCount)
	require.Equal(t, int32(3), *out.ProductionVariants[0].DesiredInstanceCount)
	_, err = w.invoke("iris", "application/json", `{"instances":[[1,2]]}`)
	require.NoError(t, err, "an endpoint serves while it is updated")
	require.Equal(t, int32(3), *w.settle("iris").ProductionVariants[0].CurrentInstanceCount)

	_, err = w.ctl.DeleteEndpoint(t.Context(), &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
	require.NoError(t, err)
	require.Equal(t, types.EndpointStatusDeleting, w.describe("iris").EndpointStatus)
	require.Eventually(t, func() bool {
		w.clock.Advance(time.Second)
		_, err := w.ctl.DescribeEndpoint(t.Context(), &sm.DescribeEndpointInput{EndpointName: aws.String("iris")})
		return err != nil && strings.Contains(err.Error(), `Could not find endpoint "arn:aws:sagemaker:us-east-1:000000000000:endpoint/iris".`)
	}, time.Minute, 5*time.Millisecond)
}

func TestEndpointUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	w.objects.put("models/v2.tar.gz", archive(t, map[string]string{"model.json": `{"format":"linear/v1","weights":[[1,1]],"bias":[10],"activation":"identity"}`}))
	require.NoError(t, w.model("second", image, "s3://models/v2.tar.gz"))
	require.NoError(t, w.config("c2", func(in *sm.CreateEndpointConfigInput) { in.ProductionVariants[0].ModelName = aws.String("second") }))
	update := func(cfg string) {
		_, err := w.ctl.UpdateEndpoint(t.Context(), &sm.UpdateEndpointInput{EndpointName: aws.String("iris"), EndpointConfigName: &cfg})
		require.NoError(t, err)
	}
	update("c2")
	out := w.describe("iris")
	require.Equal(t, "c1", *out.EndpointConfigName)
	require.Equal(t, "c2", *out.PendingDeploymentSummary.EndpointConfigName)
	require.Equal(t, "c2", *w.settle("iris").EndpointConfigName)
	// The old configuration and model may go: the endpoint has its copy.
	for _, c := range []string{"c1", "c2"} {
		_, err := w.ctl.DeleteEndpointConfig(t.Context(), &sm.DeleteEndpointConfigInput{EndpointConfigName: &c})
		require.NoError(t, err)
	}
	res, err := w.invoke("iris", "application/json", `{"instances":[[1,2]]}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"predictions":[{"value":13}]}`, string(res.Body))

	// An update that fails rolls back to what ran before.
	w.objects.put("models/bad.tar.gz", archive(t, map[string]string{"other": "x"}))
	require.NoError(t, w.model("broken", image, "s3://models/bad.tar.gz"))
	require.NoError(t, w.config("c3", func(in *sm.CreateEndpointConfigInput) { in.ProductionVariants[0].ModelName = aws.String("broken") }))
	update("c3")
	out = w.settle("iris")
	require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
	require.Equal(t, "c2", *out.EndpointConfigName)
	require.Contains(t, *out.FailureReason, "the archive has no model.json")
	res, err = w.invoke("iris", "application/json", `{"instances":[[1,2]]}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"predictions":[{"value":13}]}`, string(res.Body))
}

func TestEndpointFails(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		image  string
		break_ func(t *testing.T, w *world) // break is a keyword
		want   string
	}{
		{
			"object is gone", image, func(_ *testing.T, w *world) { w.objects.remove("models/iris/model.tar.gz") },
			`Failed to download model data for container "container_1" from URL: "s3://models/iris/model.tar.gz".`,
		},
		{"role may not read", image, func(_ *testing.T, w *world) { w.objects.mu.Lock(); w.objects.deny = true; w.objects.mu.Unlock() }, "is not authorized to perform: s3:GetObject"},
		{"role is gone", image, func(_ *testing.T, w *world) { w.dropRole() }, "Could not assume role " + role},
		{
			"image is unknown", "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:1", func(*testing.T, *world) {},
			`The image "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:1" cannot run in the sandbox`,
		},
		{"not an archive", image, func(_ *testing.T, w *world) { w.objects.put("models/iris/model.tar.gz", []byte("hello")) }, "Failed to extract model data archive"},
		{"model is not valid", image, func(t *testing.T, w *world) {
			t.Helper()
			w.objects.put("models/iris/model.tar.gz", archive(t, map[string]string{"model.json": `{"format":"linear/v1","weights":[[1],[1,2]]}`}))
		}, "row 1 of weights is of length 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			require.NoError(t, w.model("iris", c.image, "s3://models/iris/model.tar.gz"))
			require.NoError(t, w.config("c1", nil))
			c.break_(t, w)
			require.NoError(t, w.endpoint("iris", "c1"))
			out := w.settle("iris")
			require.Equal(t, types.EndpointStatusFailed, out.EndpointStatus)
			require.Contains(t, *out.FailureReason, c.want)
			_, err := w.invoke("iris", "application/json", `{"instances":[[1,2]]}`)
			requireCode(t, err, "ValidationError", "not found")
			_, err = w.ctl.DeleteEndpoint(t.Context(), &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
			require.NoError(t, err)
		})
	}
}

// requireSetosa checks the answer to the instance [1, 0]: softmax of 2 and 0.5.
func requireSetosa(t *testing.T, body string) {
	t.Helper()
	var doc struct {
		Predictions []struct {
			Label         string
			Probabilities map[string]float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &doc))
	require.Len(t, doc.Predictions, 1)
	require.Equal(t, "setosa", doc.Predictions[0].Label)
	require.InDelta(t, 0.8175744761936437, doc.Predictions[0].Probabilities["setosa"], 1e-12)
	require.InDelta(t, 0.18242552380635635, doc.Predictions[0].Probabilities["versicolor"], 1e-12)
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	cases := []struct{ name, kind, accept, body string }{
		{"list", "application/json", "", `{"instances":[[1,0]]}`},
		{"named features", "application/json; charset=utf-8", "application/json", `{"instances":[{"width":0,"length":1}]}`},
		{"features object", "application/jsonlines", "", `{"features":[1,0]}` + "\n"},
		{"csv", "text/csv", "", "1,0\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("iris"), ContentType: &c.kind, Body: []byte(c.body)}
			if c.accept != "" {
				in.Accept = &c.accept
			}
			out, err := w.run.InvokeEndpoint(t.Context(), in)
			require.NoError(t, err)
			requireSetosa(t, string(out.Body))
			require.Equal(t, "application/json", *out.ContentType)
			require.Equal(t, "AllTraffic", *out.InvokedProductionVariant)
		})
	}
	csv, err := w.run.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{
		EndpointName: aws.String("iris"),
		ContentType:  aws.String("text/csv"), Accept: aws.String("text/csv"), Body: []byte("1,0\n0,9\n"),
	})
	require.NoError(t, err)
	require.Equal(t, "setosa\nversicolor\n", string(csv.Body))

	_, err = w.invoke("iris", "application/json", `{"instances":[[1,2,3]]}`)
	var me *rtypes.ModelError
	require.ErrorAs(t, err, &me)
	require.Equal(t, int32(400), *me.OriginalStatusCode)
	require.JSONEq(t, `{"error":"instance 0: expected 2 features, got 3"}`, *me.OriginalMessage)
	require.Contains(t, me.ErrorMessage(), `Received client error (400) from primary with message "{"error":"instance 0: expected 2 features, got 3"}". `+
		`See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/iris in account 000000000000 for more information.`)
	require.Contains(t, *me.LogStreamArn, "log-group:/aws/sagemaker/Endpoints/iris:log-stream:AllTraffic/i-")

	_, err = w.run.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("iris"), Body: []byte("{}"), TargetVariant: aws.String("none")})
	requireCode(t, err, "ValidationError", "Variant none not found for Request.")
	_, err = w.invoke("none", "application/json", `{}`)
	requireCode(t, err, "ValidationError", "Endpoint none of account 000000000000 not found.")
	_, err = w.invoke("iris", "application/json", strings.Repeat("x", 25<<20+1))
	requireCode(t, err, "ValidationError", "HTTP content length exceeded 26214400 bytes.")

	group := "/aws/sagemaker/Endpoints/iris"
	require.Eventually(t, func() bool { return len(w.logs.lines(group)) >= 6 }, time.Minute, 5*time.Millisecond)
	require.Contains(t, w.logs.lines(group)[0], `"POST /invocations HTTP/1.1" 200`)
}

func TestInvokeFromInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	me, _ := w.around.Role(t, "states", "")
	call := func(in string) (map[string]any, error) {
		raw, err := w.router.Invoke(t.Context(), wire.ScopeOf(account, region), me, "sagemakerruntime", "InvokeEndpoint", []byte(in))
		if err != nil {
			return nil, err
		}
		var out map[string]any
		require.NoError(t, json.Unmarshal(raw, &out))
		return out, nil
	}
	blob := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	good := `{"EndpointName":"iris","Body":"` + blob(`{"instances":[[1,0]]}`) + `","ContentType":"application/json","Accept":"application/json","InferenceId":"run-1"}`
	_, err := call(good)
	require.Equal(t, "AccessDeniedException", wire.AsError(err).Code)
	_, err = iam.NewFromConfig(w.around.Admin()).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("states"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(iamtest.Allow("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:us-east-1:000000000000:endpoint/iris")),
	})
	require.NoError(t, err)

	out, err := call(good)
	require.NoError(t, err)
	require.Equal(t, "application/json", out["ContentType"])
	require.Equal(t, "AllTraffic", out["InvokedProductionVariant"])
	text, ok := out["Body"].(string)
	require.True(t, ok)
	body, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	requireSetosa(t, string(body))

	_, err = call(`{"EndpointName":"iris","Body":"` + blob(`"1,0"`) + `","ContentType":"text/csv"}`) // with its quotes it is no CSV
	we := wire.AsError(err)
	require.Equal(t, "ModelError", we.Code)
	require.Equal(t, 424, we.Status)
	require.Equal(t, 400, we.Fields["OriginalStatusCode"])
	_, err = call(`{"EndpointName":"iris"}`)
	require.Equal(t, "ValidationError", wire.AsError(err).Code)
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctl, run := w.clients("bob")
	bob := "arn:aws:iam::000000000000:user/bob "
	_, err := ctl.CreateModel(t.Context(), &sm.CreateModelInput{
		ModelName: aws.String("m"), ExecutionRoleArn: aws.String(role),
		PrimaryContainer: &types.ContainerDefinition{Image: aws.String(image)},
	})
	requireCode(t, err, "AccessDeniedException", bob+"is not authorized to perform: sagemaker:CreateModel on resource: arn:aws:sagemaker:us-east-1:000000000000:model/m")
	_, err = iam.NewFromConfig(w.around.Admin()).PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{
		UserName: aws.String("bob"), PolicyName: aws.String("p"), PolicyDocument: aws.String(iamtest.Allow("sagemaker:CreateModel", "arn:aws:sagemaker:us-east-1:000000000000:model/m")),
	})
	require.NoError(t, err)
	_, err = ctl.CreateModel(t.Context(), &sm.CreateModelInput{
		ModelName: aws.String("m"), ExecutionRoleArn: aws.String(role),
		PrimaryContainer: &types.ContainerDefinition{Image: aws.String(image)},
	})
	requireCode(t, err, "AccessDeniedException", "iam:PassRole on resource: "+role)
	_, err = w.ctl.CreateModel(t.Context(), &sm.CreateModelInput{
		ModelName: aws.String("m"), ExecutionRoleArn: aws.String("arn:aws:iam::111111111111:role/x"), PrimaryContainer: &types.ContainerDefinition{Image: aws.String(image)},
	})
	requireCode(t, err, "AccessDeniedException", "Cross-account pass role is not allowed.")
	_, err = run.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("x"), Body: []byte("{}")})
	requireCode(t, err, "AccessDeniedException", "sagemaker:InvokeEndpoint")
	_, err = ctl.ListEndpoints(t.Context(), &sm.ListEndpointsInput{})
	requireCode(t, err, "AccessDeniedException", "sagemaker:ListEndpoints because")
}

func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	require.NoError(t, w.endpoint("late", "c1"))
	require.Equal(t, types.EndpointStatusCreating, w.describe("late").EndpointStatus)

	// What runs goes on without its role and its object, as instances do.
	w.dropRole()
	w.stop()
	w.objects.remove("models/iris/model.tar.gz")
	w.start()
	require.Equal(t, types.EndpointStatusInService, w.describe("iris").EndpointStatus)
	out, err := w.invoke("iris", "application/json", `{"instances":[[1,0]]}`)
	require.NoError(t, err)
	require.Contains(t, string(out.Body), "setosa")

	// A transition that was cut off goes on.
	late := w.settle("late")
	require.Equal(t, types.EndpointStatusFailed, late.EndpointStatus)
	require.Contains(t, *late.FailureReason, "Could not assume role")

	_, err = w.ctl.DeleteEndpoint(t.Context(), &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
	require.NoError(t, err)
	w.restart()
	require.Eventually(t, func() bool {
		w.clock.Advance(time.Second)
		_, err := w.ctl.DescribeEndpoint(t.Context(), &sm.DescribeEndpointInput{EndpointName: aws.String("iris")})
		return err != nil
	}, time.Minute, 5*time.Millisecond)
}

func TestMappedImage(t *testing.T) {
	t.Parallel()
	var pings, healthy atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/base/ping" && healthy.Load() == 0:
			pings.Add(1)
			http.Error(rw, "loading", http.StatusServiceUnavailable)
		case r.URL.Path == "/base/ping":
		case r.Header.Get("X-Amzn-Sagemaker-Custom-Attributes") == "broken":
			http.Error(rw, "boom", http.StatusInternalServerError)
		default:
			rw.Header().Set("Content-Type", "text/plain")
			rw.Header().Set("X-Amzn-Sagemaker-Custom-Attributes", "seen")
			_, _ = fmt.Fprintf(rw, "%s %s", r.URL.Path, r.Header.Get("Content-Type"))
		}
	}))
	t.Cleanup(server.Close)
	w := newWorld(t)
	const img = "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn"
	w.images[img] = server.URL + "/base"
	require.NoError(t, w.model("iris", img+":7", ""))
	require.NoError(t, w.config("c1", nil))
	require.NoError(t, w.endpoint("iris", "c1"))
	require.Eventually(t, func() bool {
		w.pass(200 * time.Millisecond)
		return pings.Load() > 2
	}, time.Minute, time.Millisecond)
	require.Equal(t, types.EndpointStatusCreating, w.describe("iris").EndpointStatus, "not in service before the ping is answered")
	healthy.Store(1)
	require.Equal(t, types.EndpointStatusInService, w.settle("iris").EndpointStatus)

	invoke := func(attr string) (*sagemakerruntime.InvokeEndpointOutput, error) {
		return w.run.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{
			EndpointName: aws.String("iris"),
			ContentType:  aws.String("image/png"), Body: []byte("x"), CustomAttributes: &attr,
		})
	}
	out, err := invoke("a")
	require.NoError(t, err)
	require.Equal(t, "/base/invocations image/png", string(out.Body))
	require.Equal(t, "seen", *out.CustomAttributes)
	_, err = invoke("broken")
	requireCode(t, err, "ModelError", `Received server error (500) from primary with message "boom`)
	server.Close()
	_, _ = invoke("a") // by a connection that was kept, and is found closed
	_, err = invoke("a")
	requireCode(t, err, "ModelError", "Received server error (503)")
}

func TestInvocationTimesOut(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ping" {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the caller is gone
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	w := newWorld(t, func(w *world) { w.patience = 50 * time.Millisecond })
	w.images["sandbox/slow"] = server.URL
	require.NoError(t, w.model("iris", "sandbox/slow:1", ""))
	require.NoError(t, w.config("c1", nil))
	require.NoError(t, w.endpoint("iris", "c1"))
	require.Equal(t, types.EndpointStatusInService, w.settle("iris").EndpointStatus)
	_, err := w.run.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("iris"), Body: []byte("x")})
	requireCode(t, err, "ModelError", "Received server error (0) from primary with message \"Your invocation timed out while waiting for a response from container primary.")
}

func TestPingNeverAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.images["sandbox/dead"] = "http://127.0.0.1:1"
	require.NoError(t, w.model("iris", "sandbox/dead:1", ""))
	require.NoError(t, w.config("c1", nil))
	require.NoError(t, w.endpoint("iris", "c1"))
	out := w.settle("iris")
	require.Equal(t, types.EndpointStatusFailed, out.EndpointStatus)
	require.Equal(t, "The primary container for production variant AllTraffic did not pass the ping health check. Please check CloudWatch logs for this endpoint.", *out.FailureReason)
}

func TestServerlessConcurrency(t *testing.T) {
	t.Parallel()
	enter, leave := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/invocations" {
			enter <- struct{}{}
			<-leave
		}
	}))
	t.Cleanup(server.Close)
	w := newWorld(t)
	w.images["sandbox/slow"] = server.URL
	require.NoError(t, w.model("iris", "sandbox/slow:1", ""))
	require.NoError(t, w.config("c1", func(in *sm.CreateEndpointConfigInput) {
		in.ProductionVariants[0] = types.ProductionVariant{
			VariantName: aws.String("v"), ModelName: aws.String("iris"),
			ServerlessConfig: &types.ProductionVariantServerlessConfig{MemorySizeInMB: aws.Int32(1024), MaxConcurrency: aws.Int32(1)},
		}
	}))
	require.NoError(t, w.endpoint("iris", "c1"))
	out := w.settle("iris")
	require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
	require.Equal(t, int32(1), *out.ProductionVariants[0].CurrentServerlessConfig.MaxConcurrency)
	done := make(chan error, 1)
	go func() {
		_, err := w.invoke("iris", "text/plain", "x")
		done <- err
	}()
	<-enter
	_, err := w.invoke("iris", "text/plain", "x")
	requireCode(t, err, "ThrottlingException", "Rate exceeded")
	close(leave)
	require.NoError(t, <-done)
	_, err = w.invoke("iris", "text/plain", strings.Repeat("x", 4<<20+1))
	requireCode(t, err, "ValidationError", "HTTP content length exceeded 4194304 bytes.")
}

func TestDataCapture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.model("iris", image, "s3://models/iris/model.tar.gz"))
	require.NoError(t, w.config("c1", func(in *sm.CreateEndpointConfigInput) {
		in.DataCaptureConfig = &types.DataCaptureConfig{
			EnableCapture: aws.Bool(true), InitialSamplingPercentage: aws.Int32(100), DestinationS3Uri: aws.String("s3://results/capture"),
			CaptureOptions: []types.CaptureOption{{CaptureMode: types.CaptureModeInputAndOutput}},
		}
	}))
	require.NoError(t, w.endpoint("iris", "c1"))
	out := w.settle("iris")
	require.Equal(t, types.CaptureStatusStarted, out.DataCaptureConfig.CaptureStatus)
	_, err := w.run.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{
		EndpointName: aws.String("iris"),
		ContentType:  aws.String("text/csv"), InferenceId: aws.String("run-1"), Body: []byte("1,0"),
	})
	require.NoError(t, err)
	var files map[string]string
	require.Eventually(t, func() bool {
		w.clock.Advance(time.Second)
		files = w.objects.below("results/capture/iris/AllTraffic/2026/03/01/")
		return len(files) == 1
	}, time.Minute, 5*time.Millisecond)
	for name, text := range files {
		require.True(t, strings.HasSuffix(name, ".jsonl"))
		var line struct {
			CaptureData   struct{ EndpointInput, EndpointOutput map[string]string }
			EventMetadata map[string]string
			EventVersion  string
		}
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		require.Equal(t, map[string]string{"observedContentType": "text/csv", "mode": "INPUT", "data": "1,0", "encoding": "CSV"}, line.CaptureData.EndpointInput)
		require.Equal(t, "JSON", line.CaptureData.EndpointOutput["encoding"])
		require.Equal(t, "run-1", line.EventMetadata["inferenceId"])
		require.Equal(t, "0", line.EventVersion)
	}
}

func TestListsAndTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 12 {
		require.NoError(t, w.model(fmt.Sprintf("m-%02d", i), image, ""))
		w.clock.Advance(time.Minute)
	}
	first, err := w.ctl.ListModels(t.Context(), &sm.ListModelsInput{})
	require.NoError(t, err)
	require.Len(t, first.Models, 10)
	require.Equal(t, "m-11", *first.Models[0].ModelName, "newest first")
	rest, err := w.ctl.ListModels(t.Context(), &sm.ListModelsInput{NextToken: first.NextToken})
	require.NoError(t, err)
	require.Len(t, rest.Models, 2)
	require.Nil(t, rest.NextToken)
	byName, err := w.ctl.ListModels(t.Context(), &sm.ListModelsInput{
		NameContains: aws.String("m-0"), SortBy: types.ModelSortKeyName,
		SortOrder: types.OrderKeyAscending, MaxResults: aws.Int32(3),
	})
	require.NoError(t, err)
	require.Equal(t, "m-00", *byName.Models[0].ModelName)
	require.Len(t, byName.Models, 3)

	arn := first.Models[0].ModelArn
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	_, err = w.ctl.AddTags(t.Context(), &sm.AddTagsInput{ResourceArn: arn, Tags: []types.Tag{tag("a", "1"), tag("b", "2")}})
	require.NoError(t, err)
	_, err = w.ctl.AddTags(t.Context(), &sm.AddTagsInput{ResourceArn: arn, Tags: []types.Tag{tag("a", "3")}})
	require.NoError(t, err)
	_, err = w.ctl.DeleteTags(t.Context(), &sm.DeleteTagsInput{ResourceArn: arn, TagKeys: []string{"b"}})
	require.NoError(t, err)
	tags, err := w.ctl.ListTags(t.Context(), &sm.ListTagsInput{ResourceArn: arn})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{tag("a", "3")}, tags.Tags)
	_, err = w.ctl.ListTags(t.Context(), &sm.ListTagsInput{ResourceArn: aws.String("arn:aws:sagemaker:us-east-1:000000000000:notebook/x")})
	requireCode(t, err, "ValidationException", "is not of a model")
}

func TestUnknownOperationIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.ctl.ListNotebookInstances(t.Context(), &sm.ListNotebookInstancesInput{})
	requireCode(t, err, "UnknownOperationException", "ListNotebookInstances")
	_, err = w.run.InvokeEndpointAsync(t.Context(), &sagemakerruntime.InvokeEndpointAsyncInput{EndpointName: aws.String("x"), InputLocation: aws.String("s3://b/k")})
	requireCode(t, err, "UnknownOperationException", "InvokeEndpointAsync")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, w.svc.Start(ctx))
}
