package app

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

// Tool is how another program is to be run so that it works on the sandbox.
type Tool struct {
	Variables []Variable
	Without   []string // variables of the caller's that would lead it elsewhere
}

// SandboxTool prepares the environment for another program that is to work on the
// sandbox: AWS variables, and for the Pulumi CLI the backend, the passphrase and
// provider servers of ours. The servers serve
// until close is called. workDir is what relative paths in Pulumi programs start
// from.
func (a *App) SandboxTool(ctx context.Context, environ []string, workDir string) (tool *Tool, closeAll func(), err error) {
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
		if tool, err = a.SandboxEnv(ctx, environ, ""); err != nil {
			return nil, nil, err
		}
	} else { // another server, with the user's own credentials for it
		tool = &Tool{Variables: []Variable{{"AWS_ENDPOINT_URL", t.Endpoint}, {"AWS_REGION", t.Region}}, Without: sandbox.Misleading(environ, true)}
	}
	servers, err := provider.Serve(context.WithoutCancel(ctx), provider.Config{
		AWS: cfg, Account: t.Account, Region: t.Region, PathStyle: true, WorkDir: workDir, Log: a.logger(),
	})
	if err != nil {
		return nil, nil, err
	}
	path, _ := a.opts.Environ("PATH")
	for k, v := range e.ToolEnv(path) {
		tool.Variables = append(tool.Variables, Variable{k, v})
	}
	for k, v := range servers.Env() {
		tool.Variables = append(tool.Variables, Variable{k, v})
	}
	return tool, servers.Close, nil
}
