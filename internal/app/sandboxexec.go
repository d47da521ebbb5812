package app

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

// SandboxTool prepares the environment for another program that is to work on the
// sandbox: AWS variables, and for the Pulumi CLI the backend, the passphrase and
// provider servers of ours. It returns the variables to add; the servers serve
// until close is called. workDir is what relative paths in Pulumi programs start
// from.
func (a *App) SandboxTool(ctx context.Context, workDir string) (vars []Variable, closeAll func(), err error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !t.attached {
		return nil, nil, fault.New(fault.Invalid, "the target is %s, not the sandbox", t.Name).
			WithHint("Run the command as it is: it finds AWS by itself. Or add --target sandbox.")
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := awscfg.Load(ctx, t.loadFor(t.Region, ""))
	if err != nil {
		return nil, nil, err
	}
	if t.load.Static != nil {
		if vars, err = a.SandboxEnv(ctx, ""); err != nil {
			return nil, nil, err
		}
	} else { // another server, with the user's own credentials for it
		vars = []Variable{{"AWS_ENDPOINT_URL", t.Endpoint}, {"AWS_REGION", t.Region}}
	}
	servers, err := provider.Serve(context.WithoutCancel(ctx), provider.Config{
		AWS: cfg, Account: t.Account, Region: t.Region, PathStyle: true, WorkDir: workDir, Log: a.log,
	})
	if err != nil {
		return nil, nil, err
	}
	path, _ := a.opts.Environ("PATH")
	for k, v := range e.ToolEnv(path) {
		vars = append(vars, Variable{k, v})
	}
	for k, v := range servers.Env() {
		vars = append(vars, Variable{k, v})
	}
	return vars, servers.Close, nil
}
