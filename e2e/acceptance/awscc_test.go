package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"
)

// configOf is what variables say of a sandbox.
func configOf(variables []string) aws.Config {
	of := map[string]string{}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		of[name] = value
	}
	return aws.Config{
		Region: of["AWS_REGION"], BaseEndpoint: aws.String(of["AWS_ENDPOINT_URL"]),
		Credentials: credentials.NewStaticCredentialsProvider(of["AWS_ACCESS_KEY_ID"], of["AWS_SECRET_ACCESS_KEY"], ""),
	}
}

// TestCloudControl takes machines, versions and aliases through two stages with
// Terraform's awscc, which knows nothing but Cloud Control.
func TestCloudControl(t *testing.T) {
	plugin := fileFrom(t, "ACCEPTANCE_AWSCC")
	terraform := os.Getenv("ACCEPTANCE_TERRAFORM")
	if terraform == "" {
		var err error
		if terraform, err = exec.LookPath("terraform"); err != nil {
			t.Skip("no terraform: put it on PATH, or name it by ACCEPTANCE_TERRAFORM")
		}
	}
	h := newHome(t)
	dir, over := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(plugin, filepath.Join(over, "terraform-provider-awscc")))
	rc := filepath.Join(over, "terraformrc")
	require.NoError(t, os.WriteFile(rc, fmt.Appendf(nil, "provider_installation {\n  dev_overrides {\n    \"hashicorp/awscc\" = %q\n  }\n}\n", over), 0o600))
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "awscc"))))
	c := &configuration{t: t, h: h, terraform: terraform, dir: dir, name: "awscc"}
	c.env = append(h.variables(), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	cfg := configOf(c.env)
	roles := iam.NewFromConfig(cfg)
	_, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("machine"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)
	_, err = roles.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("machine"), PolicyName: aws.String("all"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)})
	require.NoError(t, err)
	_, err = cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/aws/vendedlogs/states/all")})
	require.NoError(t, err)

	vars := func(stage string) []string {
		return []string{
			"-input=false", "-var", "stage=" + stage, "-var", "role=arn:aws:iam::000000000000:role/machine", "-var",
			"group=arn:aws:logs:us-east-1:000000000000:log-group:/aws/vendedlogs/states/all", "-var", "region=us-east-1",
		}
	}
	clean := func(stage string) {
		c.run(0, append([]string{"plan", "-detailed-exitcode"}, vars(stage)...)...)
		if out := c.output(append([]string{"plan", "-refresh-only", "-no-color"}, vars(stage)...)...); !strings.Contains(out, "No changes.") {
			t.Errorf("stage %s: there is something to refresh:\n%s", stage, out)
		}
	}
	for _, stage := range []string{"1", "2"} {
		if !c.run(0, append([]string{"apply", "-auto-approve"}, vars(stage)...)...) {
			break
		}
		clean(stage)
	}
	// What Terraform forgets and is told of again is the same.
	machine := "arn:aws:states:us-east-1:000000000000:stateMachine:all"
	for resource, id := range map[string]string{
		"state_machine.all": machine, "state_machine_version.one": machine + ":2", "state_machine_alias.routed": machine + ":routed",
	} {
		c.run(0, "state", "rm", "awscc_stepfunctions_"+resource)
		args := append(append([]string{"import", "-no-color"}, vars("2")...), "awscc_stepfunctions_"+resource, id) // no option may follow these
		if out, problems, code := h.run(c.env, terraform, c.args(args)...); code != 0 {
			t.Errorf("terraform import %s: exit code %d\n%s\n%s", resource, code, out, problems)
		}
	}
	clean("2")
	c.run(0, append([]string{"destroy", "-auto-approve"}, vars("2")...)...)
	if left := c.output("state", "list"); left != "" {
		t.Errorf("left after destroy: %s", left)
	}
}
