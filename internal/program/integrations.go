package program

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// task is one call that a definition makes.
type task struct {
	state    string // name of the state
	resource string // ARN of the integration, or of a function
}

// distributed is a Map state in distributed mode: it starts executions of the
// same state machine.
type distributed struct {
	label string
}

// integration is a service call with what it needs in the role of the state
// machine, and the blocks it makes sense with.
type integration struct {
	needs []string
	grant func(*plan) []statement
}

// integrations are the calls that the blocks give rights for, by the part of
// the ARN behind ":states:::". A call that isn't here is refused before
// anything is made: it would fail in every execution for want of a permission.
// (step-functions/latest/dg/integrate-services.html; there is no
// sagemaker:invokeEndpoint.sync.)
func integrations() map[string]integration {
	function := integration{needs: []string{"preprocess"}, grant: func(p *plan) []statement {
		functions := oneOrMany{p.names.FunctionARN, p.names.FunctionARN + ":*"}
		if p.invokes() {
			functions = append(functions, p.names.InvokerARN, p.names.InvokerARN+":*")
		}
		return []statement{allow("InvokeFunctions", oneOrMany{"lambda:InvokeFunction"}, functions)}
	}}
	return map[string]integration{
		"lambda:invoke":                  function,
		"lambda:invoke.waitForTaskToken": function,
		"aws-sdk:sagemakerruntime:invokeEndpoint": {needs: []string{"endpoint"}, grant: func(p *plan) []statement {
			return []statement{allow("InvokeEndpoint", oneOrMany{"sagemaker:InvokeEndpoint"}, oneOrMany{p.names.EndpointARN})}
		}},
		"aws-sdk:s3:putObject": {needs: []string{"storage"}, grant: func(p *plan) []statement {
			return []statement{allow("StoreResults", oneOrMany{"s3:PutObject"}, oneOrMany{p.names.BucketARN + "/" + resultsPrefix + "*"}).
				when("StringEquals", "s3:ResourceAccount", p.env.Account)}
		}},
		"aws-sdk:s3:getObject": {needs: []string{"storage"}, grant: func(p *plan) []statement {
			return []statement{allow("ReadInput", oneOrMany{"s3:GetObject"}, oneOrMany{p.names.BucketARN + "/" + inputPrefix + "*"})}
		}},
		// How a definition counts what the children of a distributed Map have
		// written beside their results, and their items.
		"aws-sdk:s3:listObjectsV2": {needs: []string{"storage"}, grant: func(p *plan) []statement {
			return []statement{allow("ListMapResults", oneOrMany{"s3:ListBucket"}, oneOrMany{p.names.BucketARN}).
				when("StringLike", "s3:prefix", batchPrefix+"*")}
		}},
		"aws-sdk:sfn:describeMapRun": {grant: func(p *plan) []statement {
			return []statement{allow("DescribeMapRuns", oneOrMany{"states:DescribeMapRun"}, oneOrMany{p.arn("states", "mapRun:"+p.names.StateMachine+"/*:*")})}
		}},
		// The three of a distributed Map.
		"s3:getObject":     {needs: []string{"storage"}, grant: datasetGrants},
		"s3:listObjectsV2": {needs: []string{"storage"}, grant: datasetGrants},
		"s3:putObject": {needs: []string{"storage"}, grant: func(p *plan) []statement {
			return []statement{allow("WriteMapResults",
				oneOrMany{"s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"},
				oneOrMany{p.names.BucketARN + "/" + batchPrefix + "*"})}
		}},
	}
}

func datasetGrants(p *plan) []statement {
	return []statement{
		allow("ReadDataset", oneOrMany{"s3:GetObject", "s3:GetObjectVersion"}, oneOrMany{p.names.BucketARN + "/" + inputPrefix + "*"}),
		allow("ListDataset", oneOrMany{"s3:ListBucket"}, oneOrMany{p.names.BucketARN}).
			when("StringLike", "s3:prefix", inputPrefix+"*", strings.TrimSuffix(inputPrefix, "/")),
	}
}

// mapGrants are what a distributed Map needs: it starts, watches, stops and
// redrives executions of its own machine.
// (step-functions/latest/dg/iam-policies-eg-dist-map.html)
func (p *plan) mapGrants(maps []distributed) []statement {
	machine := p.names.StateMachineARN
	execution := p.arn("states", "execution:"+p.names.StateMachine)
	var redrive oneOrMany
	for _, m := range maps {
		label := m.label
		if label == "" {
			label = "*" // the service makes up a label
		}
		if arn := execution + "/" + label + ":*"; !slices.Contains(redrive, arn) {
			redrive = append(redrive, arn)
		}
	}
	return []statement{
		allow("RunMap", oneOrMany{"states:StartExecution"}, oneOrMany{machine}),
		allow("WatchAndStopMapChildren", oneOrMany{"states:DescribeExecution", "states:StopExecution"},
			oneOrMany{execution + ":*", execution + "/*:*"}),
		allow("RedriveMapChildren", oneOrMany{"states:RedriveExecution"}, redrive),
	}
}

// machineKey lets the state machine use the pipeline's own key. A distributed
// Map writes its results in parts, and S3 wants more for that.
func (p *plan) machineKey(parts bool) statement {
	if !parts {
		return keyStatement()
	}
	return allow("PipelineKeyMultipart", oneOrMany{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}, oneOrMany{keyARN})
}

// functionARN is a Lambda function named directly as the Resource of a task.
var functionARN = lazyregexp.New(`^arn:[a-z-]+:lambda:`)

// grantDefinition gives the state machine's role the rights for exactly the
// calls its definition makes.
func (p *plan) grantDefinition() fault.List {
	tree, err := decodeJSON([]byte(p.definition.json))
	if err != nil {
		return fault.List{fault.New(fault.Internal, "the filled-in definition is not JSON: %v", err).Because(err)}
	}
	var tasks []task
	var maps []distributed
	collectTasks(tree, &tasks, &maps)
	slices.SortFunc(tasks, func(a, b task) int {
		return cmp.Or(strings.Compare(a.resource, b.resource), strings.Compare(a.state, b.state))
	})

	var errs fault.List
	known := integrations()
	for _, t := range tasks {
		_, name, ok := strings.Cut(t.resource, ":states:::")
		if !ok && functionARN.MatchString(t.resource) {
			name, ok = "lambda:invoke", true
		}
		call, found := known[name]
		if !ok || !found {
			errs = append(errs, fault.New(fault.Invalid, "state %q calls %q, for which no block gives the state machine the right", t.state, t.resource).
				WithHint("Use one of: %s.", strings.Join(integrationNames(), ", ")))
			continue
		}
		for _, need := range call.needs {
			if !p.has(need) {
				errs = append(errs, fault.New(fault.Invalid, "state %q calls %q, but the template has no block %q", t.state, t.resource, need).
					WithHint("Add %q to the blocks in template.yaml.", need))
			}
		}
		for _, s := range call.grant(p) {
			p.grantOnce(statesRole, s)
		}
	}
	p.maps = len(maps) > 0
	if p.maps {
		p.grant(statesRole, p.mapGrants(maps)...)
	}
	if p.ownKey() {
		p.grant(statesRole, p.machineKey(p.maps))
	}
	return errs
}

// grantOnce grants a statement unless one of its name was granted before.
func (p *plan) grantOnce(r role, s statement) {
	if !slices.ContainsFunc(p.grants[r], func(g statement) bool { return g.Sid == s.Sid }) {
		p.grant(r, s)
	}
}

func integrationNames() []string {
	var names []string
	for name := range integrations() {
		names = append(names, "arn:aws:states:::"+name)
	}
	sort.Strings(names)
	return names
}

// collectTasks finds every call of a (sub-)machine: those of Task states, and
// reader and writer of distributed Maps.
func collectTasks(machine any, tasks *[]task, maps *[]distributed) {
	m, _ := machine.(map[string]any)
	states, _ := m["States"].(map[string]any)
	for name, v := range states {
		state, _ := v.(map[string]any)
		call := func(holder any) {
			h, _ := holder.(map[string]any)
			if resource, ok := h["Resource"].(string); ok {
				*tasks = append(*tasks, task{state: name, resource: resource})
			}
		}
		switch state["Type"] {
		case "Task":
			call(state)
		case "Map":
			call(state["ItemReader"])
			call(state["ResultWriter"])
			processor, _ := state["ItemProcessor"].(map[string]any)
			if processor == nil {
				processor, _ = state["Iterator"].(map[string]any)
			}
			config, _ := processor["ProcessorConfig"].(map[string]any)
			if config["Mode"] == "DISTRIBUTED" {
				label, _ := state["Label"].(string)
				*maps = append(*maps, distributed{label: label})
			}
			collectTasks(processor, tasks, maps)
		case "Parallel":
			branches, _ := state["Branches"].([]any)
			for _, branch := range branches {
				collectTasks(branch, tasks, maps)
			}
		}
	}
}
