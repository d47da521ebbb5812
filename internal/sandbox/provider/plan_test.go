package provider_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

const (
	roleType     = "aws:iam/role:Role"
	functionType = "aws:lambda/function:Function"
	bucketType   = "aws:s3/bucketV2:BucketV2"
	endpointType = "aws:sagemaker/endpoint:Endpoint"
	machineType  = "aws-native:stepfunctions:StateMachine"
	versionType  = "aws-native:stepfunctions:StateMachineVersion"
	trust        = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`
)

// planner has providers that reach no server: planning must not need one.
func planner(t *testing.T, config map[string]any) *driver {
	t.Helper()
	return serveProviders(t, provider.Config{AWS: aws.Config{BaseEndpoint: aws.String("http://127.0.0.1:1")}}, config)
}

func computed() resource.PropertyValue {
	return resource.MakeComputed(resource.NewStringProperty(""))
}

func TestPluginInfo(t *testing.T) {
	t.Parallel()
	d := planner(t, nil)
	for name, version := range map[string]string{"aws": "6.83.2", "aws-native": "1.70.0"} {
		info, err := d.clients[name].GetPluginInfo(t.Context(), &emptypb.Empty{})
		require.NoError(t, err)
		require.Equal(t, version, info.GetVersion())
		schema, err := d.clients[name].GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
		require.NoError(t, err)
		require.Contains(t, schema.GetSchema(), `"version":"`+version+`"`)
	}
}

func TestAutoname(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{})
	name := func(token, logical, property string, in, olds map[string]any) string {
		got := d.mustCheck(urn(token, logical), props(olds), props(in))
		return got[resource.PropertyKey(property)].StringValue()
	}
	role := map[string]any{"assumeRolePolicy": trust}
	require.Regexp(t, `^My-Role-[0-9a-f]{7}$`, name(roleType, "My-Role", "name", role, nil))
	require.Regexp(t, `^bucket-[0-9a-f]{7}$`, name(bucketType, "Bucket", "bucket", nil, nil))
	require.Regexp(t, `^alias/k-[0-9a-f]{7}$`, name("aws:kms/alias:Alias", "k", "name", map[string]any{"targetKeyId": "x"}, nil))
	require.Regexp(t, `^q-[0-9a-f]{7}\.fifo$`, name("aws:sqs/queue:Queue", "q", "name", map[string]any{"fifoQueue": true}, nil))
	require.Regexp(t, `^pre-[0-9a-f]{26}$`, name(roleType, "r", "name", map[string]any{"assumeRolePolicy": trust, "namePrefix": "pre-"}, nil))
	require.Equal(t, "obj", name("aws:s3/bucketObjectv2:BucketObjectv2", "obj", "key", map[string]any{"bucket": "bbb"}, nil))

	// The same seed gives the same name; a name that was made up is kept.
	check := func(olds resource.PropertyMap) resource.PropertyMap {
		out, err := d.clients["aws"].Check(t.Context(), &pulumirpc.CheckRequest{
			Urn: urn(roleType, "r"), Olds: pack(t, olds), News: pack(t, props(role)), RandomSeed: []byte("seed"),
		})
		require.NoError(t, err)
		require.Empty(t, out.GetFailures())
		return unpack(t, out.GetInputs())
	}
	first := check(nil)
	require.Equal(t, first["name"], check(nil)["name"])
	other := d.mustCheck(urn(roleType, "r"), first, props(role))
	require.Equal(t, first["name"], other["name"])
	// One that the program gave is not.
	given := d.mustCheck(urn(roleType, "r"), nil, props(map[string]any{"assumeRolePolicy": trust, "name": "given"}))
	require.NotEqual(t, given["name"], d.mustCheck(urn(roleType, "r"), given, props(role))["name"])

	_, failures := d.check(urn(roleType, strings.Repeat("x", 60)), nil, props(role))
	require.Len(t, failures, 1)
	require.Contains(t, failures[0].GetReason(), "longer than maximum length 64")
}

func TestAutonamingConfiguration(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{})
	ask := func(mode pulumirpc.CheckRequest_AutonamingOptions_Mode) (string, []*pulumirpc.CheckFailure) {
		out, err := d.clients["aws"].Check(t.Context(), &pulumirpc.CheckRequest{
			Urn: urn(bucketType, "b"), News: pack(t, nil),
			Autonaming: &pulumirpc.CheckRequest_AutonamingOptions{ProposedName: "Proposed", Mode: mode},
		})
		require.NoError(t, err)
		v := unpack(t, out.GetInputs())["bucket"]
		if !v.IsString() {
			return "", out.GetFailures()
		}
		return v.StringValue(), out.GetFailures()
	}
	name, failures := ask(pulumirpc.CheckRequest_AutonamingOptions_PROPOSE)
	require.Empty(t, failures)
	require.Equal(t, "proposed", name)
	_, failures = ask(pulumirpc.CheckRequest_AutonamingOptions_ENFORCE)
	require.Len(t, failures, 1, "an enforced name is taken as it is, and this one is no bucket name")
	_, failures = ask(pulumirpc.CheckRequest_AutonamingOptions_DISABLE)
	require.Len(t, failures, 1)
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{})
	for name, tc := range map[string]struct {
		token    string
		in       map[string]any
		property string
		want     string
	}{
		"runtime": {functionType, map[string]any{
			"role": "arn:aws:iam::000000000000:role/r", "runtime": "python3.14", "handler": "h.h",
			"s3Bucket": "b",
		}, "runtime", "got python3.14"},
		"no code": {
			functionType,
			map[string]any{"role": "arn:aws:iam::000000000000:role/r", "runtime": "python3.13", "handler": "h.h"},
			"code",
			"one of code, s3Bucket, imageUri",
		},
		"no role": {functionType, map[string]any{"runtime": "python3.13", "handler": "h.h", "s3Bucket": "b"}, "role", `missing required property "role"`},
		"memory": {functionType, map[string]any{
			"role": "arn:aws:iam::000000000000:role/r", "runtime": "python3.13", "handler": "h.h",
			"s3Bucket": "b", "memorySize": 64,
		}, "memorySize", "at least (128)"},
		"instance type": {
			"aws:sagemaker/endpointConfiguration:EndpointConfiguration",
			map[string]any{"productionVariants": []any{map[string]any{"modelName": "m", "instanceType": "ml.p6-b200.48xlarge"}}},
			"productionVariants[0].instanceType", "got ml.p6-b200.48xlarge",
		},
		"retention":    {"aws:cloudwatch/logGroup:LogGroup", map[string]any{"retentionInDays": 31}, "retentionInDays", "got 31"},
		"trust policy": {roleType, map[string]any{"assumeRolePolicy": "{"}, "assumeRolePolicy", "invalid JSON"},
		"unsupported":  {bucketType, map[string]any{"acl": "private"}, "acl", `does not support the property "acl"`},
		"bucket name":  {bucketType, map[string]any{"bucket": "No_Bucket"}, "bucket", "must match"},
		"alias weights": {
			"aws-native:stepfunctions:StateMachineAlias",
			map[string]any{"routingConfiguration": []any{map[string]any{"stateMachineVersionArn": "v", "weight": 90}}},
			"routingConfiguration", "must add up to 100",
		},
		"log group": {
			machineType,
			map[string]any{
				"roleArn": "r", "definitionString": "{}",
				"loggingConfiguration": map[string]any{"destinations": []any{map[string]any{"cloudWatchLogsLogGroup": map[string]any{"logGroupArn": "arn:x"}}}},
			},
			"loggingConfiguration", "end with :*",
		},
		"two contents": {"aws:s3/bucketObjectv2:BucketObjectv2", map[string]any{"bucket": "b", "content": "a", "contentBase64": "YQ=="}, "source", "only one of"},
		"alarm": {
			"aws:cloudwatch/metricAlarm:MetricAlarm",
			map[string]any{"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1},
			"metricName", "one of metricName, metricQueries",
		},
		"lifecycle rule": {
			"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2",
			map[string]any{"bucket": "bbb", "rules": []any{map[string]any{"id": "r", "status": "Enabled"}}},
			"rules", "has no action",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &driver{t: t, clients: d.clients}
			_, failures := d.check(urn(tc.token, "x"), nil, props(tc.in))
			require.Len(t, failures, 1)
			require.Equal(t, tc.property, failures[0].GetProperty())
			require.Contains(t, failures[0].GetReason(), tc.want)
			require.Contains(t, failures[0].GetReason(), tc.token)
		})
	}
	_, err := d.clients["aws"].Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn("aws:ec2/vpc:Vpc", "v"), News: pack(t, nil)})
	require.ErrorContains(t, err, `does not support the resource type "aws:ec2/vpc:Vpc"`)
	_, err = d.clients["aws"].Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:ec2/getAmi:getAmi"})
	require.ErrorContains(t, err, `does not support the function "aws:ec2/getAmi:getAmi"`)
}

func TestDefaultTags(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{"defaultTags": `{"tags":{"team":"ml","env":"dev"}}`})
	in := d.mustCheck(urn(bucketType, "b"), nil, props(map[string]any{"tags": map[string]any{"env": "prod"}}))
	require.Equal(t, props(map[string]any{"team": "ml", "env": "prod"}), in["tagsAll"].ObjectValue())
	require.Equal(t, props(map[string]any{"env": "prod"}), in["tags"].ObjectValue())

	in = d.mustCheck(urn(bucketType, "b"), nil, resource.PropertyMap{"tags": computed()})
	require.True(t, in["tagsAll"].IsComputed())
	in = d.mustCheck(urn(bucketType, "b"), nil, resource.PropertyMap{"tags": resource.MakeSecret(resource.NewObjectProperty(props(map[string]any{"a": "b"})))})
	require.True(t, in["tagsAll"].IsSecret())

	in = d.mustCheck(urn(machineType, "m"), nil, props(map[string]any{
		"roleArn": "r", "definitionString": "{}", "tags": []any{map[string]any{"key": "env", "value": "prod"}},
	}))
	require.Equal(t, []any{map[string]any{"key": "env", "value": "prod"}, map[string]any{"key": "team", "value": "ml"}}, in["tags"].Mappable())
}

func TestDiffReplaces(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{})
	model := func(image string) map[string]any {
		return map[string]any{"executionRoleArn": "arn:aws:iam::000000000000:role/r", "primaryContainer": map[string]any{"image": image}}
	}
	named := func(m map[string]any, property, name string) map[string]any {
		out := maps.Clone(m)
		out[property] = name
		return out
	}
	machine := map[string]any{"roleArn": "r", "definitionString": "{}"}
	for name, tc := range map[string]struct {
		token         string
		before, after map[string]any
		replaces      []string
		deleteFirst   bool
	}{
		"model, made-up name": {"aws:sagemaker/model:Model", model("a"), model("b"), []string{"primaryContainer"}, false},
		"model, fixed name":   {"aws:sagemaker/model:Model", named(model("a"), "name", "m"), named(model("b"), "name", "m"), []string{"primaryContainer"}, true},
		"model, other name":   {"aws:sagemaker/model:Model", named(model("a"), "name", "m"), named(model("a"), "name", "n"), []string{"name"}, false},
		"role path":           {roleType, map[string]any{"assumeRolePolicy": trust}, map[string]any{"assumeRolePolicy": trust, "path": "/x/"}, []string{"path"}, false},
		"role description":    {roleType, map[string]any{"assumeRolePolicy": trust}, map[string]any{"assumeRolePolicy": trust, "description": "x"}, nil, false},
		"machine definition":  {machineType, machine, named(machine, "definitionString", `{"a":1}`), nil, false},
		"machine type":        {machineType, named(machine, "stateMachineType", "STANDARD"), named(machine, "stateMachineType", "EXPRESS"), []string{"stateMachineType"}, false},
		"version, other revision": {
			versionType,
			map[string]any{"stateMachineArn": "m", "stateMachineRevisionId": "1"},
			map[string]any{"stateMachineArn": "m", "stateMachineRevisionId": "2"},
			[]string{"stateMachineRevisionId"},
			false,
		},
		"version, same revision": {
			versionType,
			map[string]any{"stateMachineArn": "m", "description": "a"},
			map[string]any{"stateMachineArn": "m", "description": "b"},
			[]string{"description"},
			true,
		},
		"function name": {functionType, map[string]any{
			"name": "a", "role": "arn:aws:iam::000000000000:role/r", "runtime": "python3.13",
			"handler": "h.h", "s3Bucket": "b",
		}, map[string]any{
			"name": "b", "role": "arn:aws:iam::000000000000:role/r", "runtime": "python3.13",
			"handler": "h.h", "s3Bucket": "b",
		}, []string{"name"}, false},
		"endpoint config is update": {endpointType, map[string]any{"name": "e", "endpointConfigName": "a"}, map[string]any{"name": "e", "endpointConfigName": "b"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &driver{t: t, clients: d.clients}
			r := &res{urn: urn(tc.token, "x"), id: "id"}
			r.inputs = d.mustCheck(r.urn, nil, props(tc.before))
			r.out = r.inputs
			diff := d.diff(r, d.mustCheck(r.urn, r.inputs, props(tc.after)))
			require.Equal(t, pulumirpc.DiffResponse_DIFF_SOME, diff.GetChanges())
			require.Equal(t, tc.replaces, diff.GetReplaces())
			require.Equal(t, tc.deleteFirst, diff.GetDeleteBeforeReplace())
		})
	}
}

func TestDiffReplacesFailedEndpoint(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{})
	r := &res{urn: urn(endpointType, "e"), id: "e"}
	r.inputs = d.mustCheck(r.urn, nil, props(map[string]any{"name": "e", "endpointConfigName": "c"}))
	r.out = r.inputs.Copy()
	r.out["__status"] = resource.NewStringProperty("Failed")
	diff := d.diff(r, r.inputs)
	require.Equal(t, []string{"endpointConfigName"}, diff.GetReplaces())
	require.True(t, diff.GetDeleteBeforeReplace())
}

func TestPreviewOutputs(t *testing.T) {
	t.Parallel()
	d := planner(t, map[string]any{})
	in := d.mustCheck(urn(functionType, "f"), nil, props(map[string]any{
		"role": "arn:aws:iam::000000000000:role/r", "runtime": "python3.13", "handler": "h.h", "s3Bucket": "b", "publish": true,
	}))
	out, err := d.clients["aws"].Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(functionType, "f"), Properties: pack(t, in), Preview: true})
	require.NoError(t, err)
	require.Empty(t, out.GetId())
	got := unpack(t, out.GetProperties())
	require.Equal(t, in["name"], got["name"])
	for _, p := range []resource.PropertyKey{"arn", "version", "qualifiedArn", "invokeArn", "architectures"} {
		require.True(t, got[p].IsComputed(), p)
	}
	require.NotContains(t, got, resource.PropertyKey("description"))

	state := in.Copy()
	for k, v := range map[string]string{"arn": "a", "version": "1", "qualifiedArn": "a:1", "invokeArn": "i"} {
		state[resource.PropertyKey(k)] = resource.NewStringProperty(v)
	}
	news := in.Copy()
	news["timeout"] = resource.NewNumberProperty(30)
	up, err := d.clients["aws"].Update(t.Context(), &pulumirpc.UpdateRequest{Id: "f", Urn: urn(functionType, "f"), Olds: pack(t, state), News: pack(t, news), Preview: true})
	require.NoError(t, err)
	got = unpack(t, up.GetProperties())
	require.Equal(t, "a", got["arn"].StringValue())
	require.True(t, got["version"].IsComputed())
	require.True(t, got["qualifiedArn"].IsComputed())
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	d := planner(t, nil)
	for name, tc := range map[string]struct {
		in   map[string]any
		want string
	}{
		"region":    {map[string]any{"region": "nowhere"}, "invalid value for region"},
		"forbidden": {map[string]any{"forbiddenAccountIds": `["000000000000"]`}, "not allowed"},
		"allowed":   {map[string]any{"allowedAccountIds": `["111111111111"]`}, "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := d.clients["aws"].Configure(t.Context(), &pulumirpc.ConfigureRequest{Args: pack(t, props(tc.in))})
			require.ErrorContains(t, err, tc.want)
		})
	}
	// Endpoints are taken, in the form of each package, and lead nowhere.
	for name, endpoints := range map[string]any{"aws": `[{"s3":"http://192.0.2.1"}]`, "aws-native": map[string]any{"cloudcontrol": "http://192.0.2.1"}} {
		args := pack(t, props(map[string]any{"endpoints": endpoints}))
		check, err := d.clients[name].CheckConfig(t.Context(), &pulumirpc.CheckRequest{News: args})
		require.NoError(t, err)
		require.Empty(t, check.GetFailures())
		_, err = d.clients[name].Configure(t.Context(), &pulumirpc.ConfigureRequest{Args: args})
		require.NoError(t, err)
	}
	diff, err := d.clients["aws"].DiffConfig(t.Context(), &pulumirpc.DiffRequest{
		OldInputs: pack(t, props(map[string]any{"region": "us-east-1", "version": "6.83.2"})),
		News:      pack(t, props(map[string]any{"region": "eu-west-1", "version": "6.83.3", "maxRetries": "3"})),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"region"}, diff.GetReplaces())
	require.Equal(t, []string{"maxRetries", "region"}, diff.GetDiffs())
}

// Each connection is a provider resource of its own.
func TestConnectionsKeepTheirConfiguration(t *testing.T) {
	t.Parallel()
	servers, err := provider.Serve(t.Context(), provider.Config{AWS: aws.Config{}, Account: testAccount, Region: testRegion})
	require.NoError(t, err)
	t.Cleanup(servers.Close)
	port := ports(t, servers)["aws"]
	region := func(c pulumirpc.ResourceProviderClient) string {
		out, err := c.Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:index/getRegion:getRegion"})
		require.NoError(t, err)
		return unpack(t, out.GetReturn())["name"].StringValue()
	}
	one := connect(t, port, map[string]any{})
	two := connect(t, port, map[string]any{"region": "eu-west-1"})
	require.Equal(t, testRegion, region(one))
	require.Equal(t, "eu-west-1", region(two))
	_, err = connect(t, port, nil).Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:index/getRegion:getRegion"})
	require.ErrorContains(t, err, "is not configured")

	partition, err := two.Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:index/getPartition:getPartition"})
	require.NoError(t, err)
	require.Equal(t, props(map[string]any{
		"dnsSuffix": "amazonaws.com", "id": "aws", "partition": "aws", "reverseDnsPrefix": "com.amazonaws",
	}), unpack(t, partition.GetReturn()))
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	secret := resource.MakeSecret(resource.NewStringProperty("hunter2"))
	in := props(map[string]any{"bucket": "hidden"})
	in["tags"] = resource.NewObjectProperty(resource.PropertyMap{"token": secret, "team": resource.NewStringProperty("ml")})
	b, err := d.create(bucketType, "b", in)
	require.NoError(t, err)
	for _, m := range []resource.PropertyMap{b.inputs, b.out, d.read(b).inputs, d.read(b).out} {
		for _, p := range []resource.PropertyKey{"tags", "tagsAll"} {
			require.True(t, m[p].ObjectValue()["token"].IsSecret(), p)
			require.False(t, m[p].ObjectValue()["team"].IsSecret(), p)
		}
	}
	in["tags"].ObjectValue()["token"] = resource.MakeSecret(resource.NewStringProperty("hunter3"))
	require.NoError(t, d.update(b, in))
	require.True(t, b.out["tags"].ObjectValue()["token"].IsSecret())
	require.Equal(t, "hunter3", b.out["tags"].ObjectValue()["token"].SecretValue().Element.StringValue())
}

// A provider that is configured with a role works as that role: what the role
// may not do fails.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	cfg := startSandbox(t, sandbox.ServeOptions{})
	admin := serveProviders(t, provider.Config{AWS: bare(cfg)}, map[string]any{})
	role := admin.mustCreate(roleType, "deployer", map[string]any{
		"assumeRolePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"000000000000"}}]}`,
	})
	admin.mustCreate("aws:iam/rolePolicy:RolePolicy", "p", map[string]any{
		"role": role.id, "policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sts:GetCallerIdentity"],"Resource":"*"}]}`,
	})
	d := serveProviders(t, provider.Config{AWS: bare(cfg)}, map[string]any{
		"assumeRole": `{"roleArn":"` + role.text("arn") + `","sessionName":"pipelinetui"}`,
	})
	who, err := d.clients["aws"].Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: "aws:index/getCallerIdentity:getCallerIdentity"})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/"+role.id+"/pipelinetui", unpack(t, who.GetReturn())["arn"].StringValue())
	d.mustCreate(bucketType, "b", map[string]any{"bucket": "by-role"})
	_, err = d.create(roleType, "r", props(map[string]any{"assumeRolePolicy": trust}))
	require.ErrorContains(t, err, "is not authorized to perform: iam:CreateRole")
}

// The providers go by the API alone: what another server of it refuses is told
// as that server tells it.
func TestErrorsOfTheServer(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	d.mustCreate(bucketType, "b", map[string]any{"bucket": "taken"})
	_, err := d.create(bucketType, "c", props(map[string]any{"bucket": "taken"}))
	require.ErrorContains(t, err, "creating S3 Bucket (taken)")
	require.ErrorContains(t, err, "BucketAlreadyExists")

	// An object below it was made by somebody else: without force, it stays.
	_, err = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).
		PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("taken"), Key: aws.String("k"), Body: strings.NewReader("x")})
	require.NoError(t, err)
	_, err = d.clients["aws"].Delete(t.Context(), &pulumirpc.DeleteRequest{
		Id: "taken", Urn: urn(bucketType, "b"),
		Properties: pack(t, props(map[string]any{"bucket": "taken", "forceDestroy": false})),
	})
	require.ErrorContains(t, err, "BucketNotEmpty")
}
