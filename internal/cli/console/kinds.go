package console

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// kind is what is known of a kind of document beside what is in it.
type kind struct {
	// names is a jq program that gives the names of what it is about: --quiet.
	names string
	// next is one that gives what may be done next, as command lines without the program's
	// name; nothing if nothing suggests itself.
	next string
}

// one is a text of a shell's word in a jq program: names of pipelines and executions need
// no quotes, folders and files may.
const one = `def word: if test("^[A-Za-z0-9_@%+:,./=-]+$") then . else @sh end; `

// kinds are all kinds of documents. A kind that is none of them has no names and nothing
// next; a test asks for its row.
var kinds = map[string]kind{
	"Deployment": {`.pipelines[].pipeline`, `
		(.summary.failed + .summary.cancelled + .summary.notBegun) as $bad | .pipelines as $all |
		(if ($all | length) == 1 then $all[0].pipeline else "TENANT/MODEL" end) as $it |
		if ($all | length) == 0 then empty
		elif $bad > 0 then (first($all[] | select(.result != "succeeded")) | "show \(.pipeline)")
		elif .operation == "preview" then (if any($all[].resources[]; true) then "up \($it)" else empty end)
		elif .operation == "up" or .operation == "new" then "run \($it) --input @FILE --watch"
		elif .operation == "refresh" then (if any($all[]; (.drift // []) != []) then "preview \($it)" else empty end)
		else "list" end`},
	"BatchList":         {`.batches[].batch`, `if (.batches | length) > 0 then "batches show \(.pipeline) \(.batches[0].batch)" else empty end`},
	"BatchStatus":       {`.batch`, ``},
	"Checks":            {`.checks[].check`, `if .passed then empty else "executions show \(.pipeline) \(first(.checks[] | select(.passed | not)).execution)" end`},
	"Difference":        {`.differences[].path`, ``},
	"ExecutionDiff":     {`.before.name, .after.name`, ``},
	"ExecutionsChanged": {`.failed[].arn`, ``},
	"History":           {`.revisions[].number | tostring`, `if (.revisions | length) > 1 then "diff \(.pipeline)" else empty end`},
	"Preflight":         {`.findings[].code`, ``},
	"Permissions":       {`.policies[].name`, ``},
	"Started":           {`.name`, `"executions watch \(.pipeline) \(.name)"`},
	"Execution": {`.name`, `
		if .pipeline == null then empty
		elif .status == "RUNNING" then "executions watch \(.pipeline) \(.name)"
		elif .status == "SUCCEEDED" then "executions list \(.pipeline)"
		else "executions redrive \(.pipeline) \(.name)" end`},
	"ExecutionList": {`.executions[].name`, `
		first((.executions[] | select(.status == "FAILED")), .executions[0] | values) as $x | .pipeline as $p | $x |
		"executions \(if .status == "RUNNING" then "watch" else "show" end) \(.pipeline // $p) \(.name)"`},
	"ExecutionHistory":   {`.events[]? | .id | tostring`, ``},
	"ExecutionExport":    {`.execution.name`, ``},
	"Exported":           {`.file`, ``},
	"ExecutionsExported": {`.failed[].arn`, ``},
	"ReportMade":         {`.file`, ``},
	"RolloutTurnedBack":  {`.pipeline`, `"history \(.pipeline)"`},
	"Batch":              {`.executions[].name`, `"executions list \(.pipeline) --batch \(.batch)"`},
	"Batches":            {`.batches[].pipeline`, `"executions list --all --batch \(.batch)"`},
	"ItemErrors":         {`.errors[].id | tostring`, `if (.errors | length) > 0 then "executions errors \(.pipeline) \(.execution) --items FILE" else empty end`},
	"MapRun":             {`.label`, ``},
	"Logs":               {``, ``},
	"Metrics":            {`.pipelines[].pipeline`, ``},
	"Costs":              {`.pipelines[].pipeline`, ``},
	"Prices":             {`.file`, `"costs --all"`},
	"ResultList":         {`.results[] | .execution // (.id | values | tostring)`, ``},
	"Result":             {`.execution // (.id | values | tostring)`, ``},
	"ResultStatistics":   {`.execution`, `"results list \(.pipeline) \(.execution)"`},
	"ResultFile":         {`.file`, ``},
	"ResultLinks":        {`.links[].uri`, ``},
	"ResultDiff":         {`.before, .after`, ``},
	"FailedResults":      {`.failed[] | .execution // (.id | values | tostring)`, ``},
	"PipelineList": {`.pipelines[].pipeline`, `
		if (.pipelines | length) == 0 then "init"
		else "show \(first((.pipelines[] | select(.status != "ready")), .pipelines[0]) | .pipeline)" end`},
	"Pipeline": {`.pipeline`, `
		if .status == "ready" then "run \(.pipeline) --input @FILE --watch"
		elif .status == "damaged" then "cancel \(.pipeline) --restore"
		elif .status == "failed" or .status == "cancelled" or .status == "incomplete" or .status == "empty" then "up \(.pipeline)"
		else empty end`},
	"Ejected":       {`.dir`, ``}, // it tells itself
	"Cancel":        {`.pipeline`, `"refresh \(.pipeline)"`},
	"SpecMade":      {`.file`, one + `if .file == "-" then empty else "preview -f \(.file | word)", "up -f \(.file | word)" end`},
	"Help":          {`.command`, ``},
	"Schema":        {``, ``},
	"Error":         {``, ``},
	"Version":       {`.version`, ``},
	"Doctor":        {`.checks[] | select(.ok | not) | .name`, ``},
	"ErrorCode":     {`.code`, ``},
	"ErrorCodeList": {`.codes[].code`, `"explain CODE"`},

	"TemplateList":  {`.templates[].name`, `"templates show \(.templates[0].name)"`},
	"Template":      {`.name`, `"init --template \(.name)"`},
	"TemplateDocs":  {`.template`, ``},
	"TemplateCheck": {`.templates[] | select(.findings | length > 0) | .folder`, ``},
	"TemplateNew":   {`.folder`, one + `"templates check \(.folder | word)"`},

	"Sandbox":         {`.endpoint // empty`, `if .running then "up -f SPEC" else "sandbox start" end`},
	"SandboxEnv":      {`.variables[].name`, ``}, // it is evaluated
	"SandboxFaults":   {`.rules // [] | keys[] | . + 1 | tostring`, `if .quotas or (.rules // []) != [] then "sandbox faults clear" else empty end`},
	"SandboxLogs":     {``, ``},
	"SandboxAccount":  {`.id`, `"sandbox env --account \(.id)"`},
	"SandboxAccounts": {`.accounts[].id`, ``},
	"SandboxQuotas":   {`.quotas[].quota`, ``},
	"SandboxImage":    {`.image`, ``},
	"SandboxMails":    {`.mails[].id`, `if (.mails | length) > 0 then "sandbox mail \(.mails[0].id)" else empty end`},
	"SandboxMail":     {`.id`, ``},
}

// ask runs one of a kind's programs on a document.
func ask(doc Document, of func(kind) string) ([]string, error) {
	text, err := document.JSON(doc, "")
	if err != nil {
		return nil, err
	}
	v, err := decoded(text)
	if err != nil {
		return nil, err
	}
	m, _ := v.(map[string]any)
	name, _ := m["kind"].(string)
	program := of(kinds[name])
	if program == "" {
		return nil, nil
	}
	f, err := newQuery(program)
	if err != nil {
		return nil, fault.New(fault.Internal, "the program of %s is wrong: %s", name, err).Because(err)
	}
	return f.strings(v), nil
}

// names writes the names of what a document is about.
func (c *Console) names(doc Document) error {
	names, err := ask(doc, func(k kind) string { return k.names })
	for _, one := range names {
		fmt.Fprintln(c.Out, render.Line(one, 0))
	}
	return err
}

// SetHints says whether what may be done next is told after a command.
func (c *Console) SetHints(on bool) { c.hints = on }

// next tells what may be done next, to a person at a terminal.
func (c *Console) next(doc Document) error {
	if !c.hints || !c.OutTTY || !c.ErrTTY || c.CI {
		return nil
	}
	lines, err := ask(doc, func(k kind) string { return k.next })
	for i, one := range lines {
		label := "next: "
		if i > 0 {
			label = "      "
		}
		fmt.Fprintln(c.Err, c.ErrStyle.Muted.Render(label+"pipelinetui "+render.Line(one, 0)))
	}
	return err
}
