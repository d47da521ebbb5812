//go:build unix

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// planted is a sandbox as an account in which ten things are wrong, and a spec of fifty
// pipelines that all of them are wrong for, or one each.
type planted struct {
	bin, dir string
	env      []string
}

const (
	plantedPipelines = 50
	plantedRegistry  = "000000000000.dkr.ecr.us-east-1.amazonaws.com/serve:"
)

// plantedFaults are the pipelines that each code is about; nil for all of the account, those
// of the role that can't be assumed left out.
var plantedFaults = map[string][]string{
	"P100": {"t1/iris"},            // a role that does not trust who asks
	"P110": {"t2/iris", "t8/iris"}, // a role that may not create endpoints, and one that may not simulate policies either
	"P200": nil,                    // machines: the sum over the fleet
	"P210": nil,                    // roles
	"P220": nil,                    // buckets
	"P300": {"t3/iris"},            // an image that is not there
	"P310": {"t4/iris"},            // one for another architecture
	"P400": {"t5/iris"},            // model data that are not there
	"P500": {"t6/iris"},            // an endpoint that has the name
	"P510": {"t7/iris"},            // a bucket that has it
}

func plant(tb testing.TB, bin, pulumi string) *planted {
	tb.Helper()
	w := &planted{bin: filepath.Join(bin, "pipelinetui"), dir: tb.TempDir()}
	home := filepath.Join(w.dir, "home")
	w.env = append(os.Environ(), "PIPELINETUI_HOME="+home, "PIPELINETUI_PULUMI="+pulumi, "PIPELINETUI_SANDBOX_ENDPOINT_DELAY=50ms", "NO_COLOR=1")
	tb.Cleanup(func() { stopSandbox(home) })
	w.must(tb, "sandbox", "start")
	var sandbox struct {
		Variables []struct{ Name, Value string }
	}
	require.NoError(tb, json.Unmarshal(w.must(tb, "sandbox", "env", "-o", "json"), &sandbox))
	v := map[string]string{}
	for _, x := range sandbox.Variables {
		v[x.Name] = x.Value
	}
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(v["AWS_ENDPOINT_URL"]), HTTPClient: plainbody.Client{Next: awshttp.NewBuildableClient()},
		Credentials: credentials.NewStaticCredentialsProvider(v["AWS_ACCESS_KEY_ID"], v["AWS_SECRET_ACCESS_KEY"], ""),
	}
	ctx := tb.Context()

	roles := iam.NewFromConfig(cfg)
	role := func(name, principal, policy string) string {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + principal + `}]}`
		out, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
		require.NoError(tb, err)
		_, err = roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("may"), PolicyDocument: &policy})
		require.NoError(tb, err)
		return *out.Role.Arn
	}
	const all = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	barred := role("barred", `{"Service":"lambda.amazonaws.com"}`, `{"Version":"2012-10-17","Statement":[`+all+`]}`)
	half := role("half", `{"AWS":"000000000000"}`, `{"Version":"2012-10-17","Statement":[`+all+`,{"Effect":"Deny","Action":"sagemaker:CreateEndpoint","Resource":"*"}]}`)
	blind := role("blind", `{"AWS":"000000000000"}`, `{"Version":"2012-10-17","Statement":[`+all+`,
		{"Effect":"Deny","Action":["states:CreateStateMachine","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}`)

	objects := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	names := func(tenant string) spec.Names {
		p := &spec.Pipeline{ID: spec.ID{Tenant: tenant, Model: "iris", Env: "dev"}, Region: "us-east-1"}
		return p.Names("000000000000")
	}
	for _, bucket := range []string{"models", names("t7").Bucket} {
		_, err := objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		require.NoError(tb, err)
	}
	_, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("models"), Key: aws.String("m.tar.gz"), Body: strings.NewReader("a model")})
	require.NoError(tb, err)

	models, endpoint := sagemaker.NewFromConfig(cfg), names("t6").Endpoint
	serves := role("serves", `{"Service":"sagemaker.amazonaws.com"}`, `{"Version":"2012-10-17","Statement":[`+all+`]}`)
	_, err = models.CreateModel(ctx, &sagemaker.CreateModelInput{
		ModelName: aws.String("m"), ExecutionRoleArn: &serves, PrimaryContainer: &smtypes.ContainerDefinition{Image: aws.String("sandbox/linear")},
	})
	require.NoError(tb, err)
	_, err = models.CreateEndpointConfig(ctx, &sagemaker.CreateEndpointConfigInput{EndpointConfigName: aws.String("c"), ProductionVariants: []smtypes.ProductionVariant{{
		VariantName: aws.String("v"), ModelName: aws.String("m"), InstanceType: "ml.m5.large", InitialInstanceCount: aws.Int32(1),
	}}})
	require.NoError(tb, err)
	_, err = models.CreateEndpoint(ctx, &sagemaker.CreateEndpointInput{EndpointName: &endpoint, EndpointConfigName: aws.String("c")})
	require.NoError(tb, err)

	w.must(tb, "sandbox", "images", "add", plantedRegistry+"1")
	w.must(tb, "sandbox", "images", "add", plantedRegistry+"arm", "--arch", "arm64")
	w.must(tb, "sandbox", "quotas", "set", "sagemaker/ml.m5.large=48", "iam/L-FE177D64=140", "s3/L-DC2B2D3D=48", "--region", "us-east-1")

	parameters := map[string]string{"t3": "image: " + plantedRegistry + "2", "t4": "image: " + plantedRegistry + "arm", "t5": "modelDataUrl: s3://models/none"}
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: pipelinetui/v1\ndefaults: {template: realtime, region: us-east-1, parameters: {image: '%s1', modelDataUrl: s3://models/m.tar.gz}}\n", plantedRegistry)
	b.WriteString("tenants:\n")
	assumed := map[string]string{"t1": barred, "t2": half, "t8": blind}
	for i := range plantedPipelines {
		tenant := fmt.Sprintf("t%d", i)
		fmt.Fprintf(&b, "  %s: {assumeRole: %q}\n", tenant, assumed[tenant])
	}
	b.WriteString("pipelines:\n")
	for i := range plantedPipelines {
		tenant := fmt.Sprintf("t%d", i)
		fmt.Fprintf(&b, "  - {tenant: %s, model: iris, parameters: {%s}}\n", tenant, parameters[tenant])
	}
	require.NoError(tb, os.WriteFile(filepath.Join(w.dir, "fleet.yaml"), []byte(b.String()), 0o600))
	return w
}

func (w *planted) command(tb testing.TB, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(tb.Context(), w.bin, args...)
	cmd.Env, cmd.Dir = w.env, w.dir
	return cmd
}

func (w *planted) must(tb testing.TB, args ...string) []byte {
	tb.Helper()
	out, err := w.command(tb, args...).Output()
	require.NoError(tb, err, "%s", out)
	return out
}

type plantedFinding struct {
	Code, Severity, Message, Hint string
	Pipelines                     []string
}

// check asks the account, and returns the errors that were found, and how long that took.
func (w *planted) check(tb testing.TB) (found []plantedFinding, took time.Duration) {
	tb.Helper()
	began := time.Now()
	out, err := w.command(tb, "preview", "-f", "fleet.yaml", "--check", "-o", "json").Output()
	took = time.Since(began)
	var exit *exec.ExitError
	require.True(tb, err == nil || errors.As(err, &exit), "%v", err)
	var doc struct {
		Kind     string
		Findings []plantedFinding
	}
	require.NoError(tb, json.Unmarshal(out, &doc), "%s", out)
	require.Equal(tb, "Preflight", doc.Kind, "%s", out)
	for _, f := range doc.Findings {
		if f.Severity == "error" {
			found = append(found, f)
		}
	}
	return found, took
}

// Ten faults in an account, for fifty pipelines: one question names all of them, each with
// those that it is about, and nothing else.
func TestTenFaultsOfAnAccountAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	w := plant(t, programs(t), findPulumi(t, root))
	found, took := w.check(t)
	t.Logf("%d pipelines were checked in %s", plantedPipelines, took.Round(10*time.Millisecond))
	named := map[string][]string{}
	for _, f := range found {
		require.NotEmpty(t, f.Hint, f.Message)
		named[f.Code] = append(named[f.Code], f.Pipelines...)
	}
	for code, about := range plantedFaults {
		require.Contains(t, named, code, "%+v", found)
		if about == nil {
			require.GreaterOrEqual(t, len(named[code]), plantedPipelines-1, code)
		} else {
			require.ElementsMatch(t, about, named[code], code)
		}
	}
	require.Len(t, named, len(plantedFaults), "%+v", found)
	require.Len(t, plantedFaults, 10)
	require.NotContains(t, string(w.must(t, "list", "-o", "json")), `"t0/iris"`, "nothing was made")
}

// BenchmarkChecks is how long that takes: it has to be less than ten seconds.
func BenchmarkChecks(b *testing.B) {
	root, err := filepath.Abs("..")
	require.NoError(b, err)
	bin := b.TempDir()
	build := exec.CommandContext(b.Context(), "go", "build", "-o", filepath.Join(bin, "pipelinetui"), "./cmd/pipelinetui")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(b, err, "%s", out)
	w := plant(b, bin, findBenchPulumi(b, root))
	for b.Loop() {
		_, took := w.check(b)
		b.ReportMetric(took.Seconds(), "s/50-pipelines")
		require.Less(b, took, 10*time.Second)
	}
}
