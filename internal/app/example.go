package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/linear"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// exampleName is the name of the example.
var exampleName = spec.ID{Tenant: "example", Model: "iris", Env: spec.DefaultEnv}

// Example is a pipeline that works as it is: the template realtime with the built-in image
// and a built-in model, which is written to the home. Only the sandbox has that image.
func (a *App) Example(ctx context.Context) (*spec.Pipeline, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	if !t.embedded {
		return nil, fault.New(fault.Unsupported, "the example is served by an image that only the sandbox has").
			WithHint("Use the target sandbox: `pipelinetui --target sandbox`.")
	}
	cat, err := a.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(a.opts.Settings.Paths.Home, "example", "model.tar.gz")
	model, err := linear.Example()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = wholefile.WriteFile(file, model, 0o600)
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "the example's model cannot be written to %s: %s", file, fault.Reason(err)).Because(err)
	}
	return spec.Build(spec.Answers{Template: "realtime", ID: exampleName, Values: map[string]string{"image": linear.Image, "modelDataUrl": file}}, cat, a.SpecOptions(nil))
}

// ToolEnviron are the variables with which AWS's own tools work where a does, and those of
// an environment that would lead them elsewhere.
func (a *App) ToolEnviron(ctx context.Context, environ []string) (set, without []string, err error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, nil, err
	}
	if t.embedded {
		tool, err := a.SandboxEnv(ctx, environ, "")
		if err != nil {
			return nil, nil, err
		}
		for _, v := range tool.Variables {
			set = append(set, v.Key+"="+v.Value)
		}
		return set, tool.Without, nil
	}
	set, without = toolEnviron(t.load.Profile, t.Region, t.Endpoint)
	return set, without, nil
}

// toolEnviron is ToolEnviron of AWS. Credentials of the environment win over AWS_PROFILE in
// the AWS CLI and in boto3, so that a profile takes them out; and so do a web identity's, and
// AWS_DEFAULT_PROFILE (botocore, credentials.py: create_credential_resolver, configprovider.py).
// boto3 reads the region from AWS_DEFAULT_REGION only.
func toolEnviron(profile, region, endpoint string) (set, without []string) {
	for _, kv := range [][2]string{{"AWS_PROFILE", profile}, {"AWS_REGION", region}, {"AWS_DEFAULT_REGION", region}, {"AWS_ENDPOINT_URL", endpoint}} {
		if value := strings.TrimSpace(kv[1]); value != "" {
			set = append(set, kv[0]+"="+value)
		}
	}
	if strings.TrimSpace(profile) != "" {
		without = []string{
			"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
			"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_DEFAULT_PROFILE",
		}
	}
	return set, without
}
