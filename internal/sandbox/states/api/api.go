// Package api owns the operations of Step Functions: what clients may ask, in which
// words AWS answers, and what is written of state machines, versions, aliases, activities
// and tags. How executions run is interpreter's.
package api

import (
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/interpreter"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/tokens"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// ServiceID is the SDK's id of Step Functions in lower case.
const ServiceID = "sfn"

// Handlers are the operations of the API. All fields are required.
type Handlers struct {
	DB         *store.DB
	Clock      clock.Clock
	Router     *wire.Router
	Desk       *tokens.Desk
	Executions *interpreter.Engine
	Limits     *limits.Book
}

// now is the time as AWS keeps it, in milliseconds.
func (s *Handlers) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// served judges a Task's resource when a machine is created.
func (s *Handlers) served(arn string) error { return integration.Served(s.Router, arn) }

// Register adds the service and its operations to the router.
func (s *Handlers) Register(r *wire.Router) {
	// AWS words these two in its own way; see listExecutions and checkRoutes.
	rules := constraint.For(ServiceID, "ValidationException", "statusFilter:enum", "routingConfiguration:max")
	r.Register(wire.Service{ID: ServiceID, Guard: policy.Tagged(s.tagsOf), Quotas: quotas, Check: rules.Check})
	const tagging = "states:TagResource"
	all, one := wire.Access{}, wire.On(onNamed)
	wire.Handle(r, ServiceID, "CreateStateMachine", s.createStateMachine, wire.Access{On: onNew("stateMachine"), Tagging: tagging})
	wire.Handle(r, ServiceID, "UpdateStateMachine", s.updateStateMachine, one)
	wire.Handle(r, ServiceID, "DescribeStateMachine", s.describeStateMachine, one)
	wire.Handle(r, ServiceID, "DeleteStateMachine", s.deleteStateMachine, one)
	wire.Handle(r, ServiceID, "ListStateMachines", s.listStateMachines, all)
	wire.Handle(r, ServiceID, "ValidateStateMachineDefinition", s.validateDefinition, all)
	wire.Handle(r, ServiceID, "TestState", s.testState, all)
	wire.Handle(r, ServiceID, "PublishStateMachineVersion", s.publishVersion, one)
	wire.Handle(r, ServiceID, "ListStateMachineVersions", s.listVersions, one)
	wire.Handle(r, ServiceID, "DeleteStateMachineVersion", s.deleteVersion, one)
	wire.Handle(r, ServiceID, "CreateStateMachineAlias", s.createAlias, wire.On(onRouted))
	wire.Handle(r, ServiceID, "UpdateStateMachineAlias", s.updateAlias, one)
	wire.Handle(r, ServiceID, "DescribeStateMachineAlias", s.describeAlias, one)
	wire.Handle(r, ServiceID, "DeleteStateMachineAlias", s.deleteAlias, one)
	wire.Handle(r, ServiceID, "ListStateMachineAliases", s.listAliases, one)
	wire.Handle(r, ServiceID, "TagResource", s.tagResource, one)
	wire.Handle(r, ServiceID, "UntagResource", s.untagResource, one)
	wire.Handle(r, ServiceID, "ListTagsForResource", s.listTags, one)
	wire.Handle(r, ServiceID, "StartExecution", s.startExecution, one)
	wire.Handle(r, ServiceID, "StartSyncExecution", s.startSyncExecution, one)
	wire.Handle(r, ServiceID, "StopExecution", s.stopExecution, one)
	wire.Handle(r, ServiceID, "RedriveExecution", s.redriveExecution, one)
	wire.Handle(r, ServiceID, "DescribeExecution", s.describeExecution, one)
	wire.Handle(r, ServiceID, "DescribeStateMachineForExecution", s.describeForExecution, one)
	wire.Handle(r, ServiceID, "ListExecutions", s.listExecutions, one)
	wire.Handle(r, ServiceID, "GetExecutionHistory", s.getHistory, one)
	wire.Handle(r, ServiceID, "DescribeMapRun", s.describeMapRun, one)
	wire.Handle(r, ServiceID, "ListMapRuns", s.listMapRuns, one)
	wire.Handle(r, ServiceID, "UpdateMapRun", s.updateMapRun, one)
	wire.Handle(r, ServiceID, "SendTaskSuccess", s.sendTaskSuccess, all)
	wire.Handle(r, ServiceID, "SendTaskFailure", s.sendTaskFailure, all)
	wire.Handle(r, ServiceID, "SendTaskHeartbeat", s.sendTaskHeartbeat, all)
	wire.Handle(r, ServiceID, "CreateActivity", s.createActivity, wire.Access{On: onNew("activity"), Tagging: tagging})
	wire.Handle(r, ServiceID, "DescribeActivity", s.describeActivity, one)
	wire.Handle(r, ServiceID, "DeleteActivity", s.deleteActivity, one)
	wire.Handle(r, ServiceID, "ListActivities", s.listActivities, all)
	wire.Handle(r, ServiceID, "GetActivityTask", s.getActivityTask, one)
}

// named are the members by which documents name what they are about.
var named = []string{
	"stateMachineArn", "stateMachineVersionArn", "stateMachineAliasArn", "executionArn", "mapRunArn", "activityArn", "resourceArn",
}

// onNamed is what a document names.
func onNamed(_ *wire.Request, in wire.Input) []string {
	for _, member := range named {
		if in.Has(member) {
			return []string{in.Text(member)}
		}
	}
	return nil
}

// onNew is the ARN of what a document makes.
func onNew(kind string) func(*wire.Request, wire.Input) []string {
	return func(req *wire.Request, in wire.Input) []string {
		return []string{record.ARN(req.Scope, kind, in.Text("name"))}
	}
}

// onRouted is the machine that an alias leads to.
func onRouted(req *wire.Request, in wire.Input) []string {
	for _, to := range in.Each("routingConfiguration") {
		if ref, err := record.ParseMachine(req.Scope, to.Text("stateMachineVersionArn")); err == nil {
			return []string{ref.ARN()}
		}
	}
	return nil
}

func validation(format string, args ...any) error {
	return wire.Errorf(400, "ValidationException", format, args...)
}

// pageSize is what maxResults asks for; 0 means AWS's default of 100.
func pageSize(n int32) int {
	if n == 0 {
		return 100
	}
	return int(n)
}

// Lists, by which tokens are told apart.
const (
	machineList   page.Kind = "machines"
	versionList   page.Kind = "versions"
	aliasList     page.Kind = "aliases"
	executionList page.Kind = "executions"
	eventList     page.Kind = "history"
	runList       page.Kind = "runs"
	activityList  page.Kind = "activities"
)

// place returns where a list goes on, "" for its beginning.
func place(list page.Kind, token *string) (string, error) {
	from, err := list.Place(token)
	if err != nil {
		return "", errBadToken()
	}
	return from, nil
}

func errBadToken() error { return wire.Errorf(400, "InvalidToken", "Invalid Token: 'Invalid token'") }
