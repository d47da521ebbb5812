package cli

import (
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// secretsHelp tells how to keep a value secret.
const secretsHelp = `Entries of maps (environment variables), and texts that only the definition of your
own template uses, may be secret: ` + "\n  " + spec.SecretForms + `
The first three are kept encrypted in the state, the others read at each deployment;
nothing shows them. In --set they are JSON, in quotes for the shell:
  --set 'modelEnvironment={"TOKEN": {"secret": {"env": "TOKEN"}}, "DB": {"ssm": "/prod/db"}}'`

func newUp(deps *Deps, do action[deployOptions]) *cobra.Command {
	o := &deployOptions{operation: stack.OperationUp}
	cmd := &cobra.Command{
		Use:   "up [PIPELINE...] [-f SPEC]",
		Short: "create or update pipelines",
		Long: `Creates or updates pipelines: shows what will change, asks, and applies it.

Pipelines come from a spec file, or are named: an existing one is updated with
--set, a new one is made with --template.

With --waves a fleet is updated wave by wave: those that --order names first, and after each
wave the failures of its executions and its alarms are watched for as long as --bake says.
More than --stop-at stops it, and says who is on which revision; the same command goes on.

With --plan exactly that is done which preview --save-plan has shown: what would be done is
looked at once more, and if it is anything else nothing is changed. Which pipelines, the plan says.

` + secretsHelp,
		Example: `  pipelinetui up -f pipelines.yaml
  pipelinetui up acme/fraud --set instanceType=ml.m5.xlarge
  pipelinetui up acme/fraud --template realtime --set image=... --set modelDataUrl=s3://...
  pipelinetui up 'acme/*' --yes -o json
  pipelinetui preview -f pipelines.yaml --save-plan plan.json && pipelinetui up --plan plan.json --yes
  pipelinetui up -f fleet.yaml --waves 1,10%,100% --order tier=canary --bake 10m --stop-at 2%`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.fleet, err = o.parse(cmd); err != nil {
				return err
			}
			return do(cmd.Context(), deps, o.of(cmd, args))
		},
	}
	o.flags(cmd, true)
	o.common(cmd)
	o.refreshFlag(cmd)
	o.runningFlag(cmd, "on what is replaced")
	o.ignoreFlag(deps, cmd)
	o.saved.applyFlag(cmd)
	o.policies.flags(cmd)
	o.fleetFlags(cmd)
	o.costFlag(cmd)
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(builtPipelines)
	o.completions(deps, cmd)
	return comments(instead(changes(cmd), "preview"))
}
