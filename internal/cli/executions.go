package cli

import (
	"github.com/spf13/cobra"
)

func newExecutions(deps *Deps) *cobra.Command {
	cmd := group("executions", "list, show, watch, stop, redrive, export and report executions",
		newExecutionsList(deps, runExecutionsList), newExecutionsShow(deps, runExecutionsShow), newExecutionsWatch(deps, runExecutionsWatch),
		newExecutionsStop(deps, runExecutionsStop), newExecutionsRedrive(deps, runExecutionsRedrive), newExecutionsErrors(deps, runExecutionsErrors),
		newExecutionsHistory(deps, runExecutionsHistory), newExecutionsExport(deps, runExecutionsExport), newExecutionsMapRun(deps),
		newExecutionsDiff(deps, runExecutionsDiff), newExecutionsReport(deps, runExecutionsReport))
	cmd.Aliases = []string{"execution", "ex"}
	return cmd
}

const executionArgs = "[PIPELINE] EXECUTION"

const executionHelp = `

EXECUTION is a name, or @latest for the newest one of the pipeline; an ARN needs no
PIPELINE.`
