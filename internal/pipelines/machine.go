package pipelines

import (
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// machineType is the engine's type of a state machine.
const machineType = kinds.StateMachine

// Machine is a pipeline's state machine, ready for executions.
type Machine struct {
	// ID and Pipeline are whose it is; of one that is known by an execution's ARN only
	// they are empty.
	ID       spec.ID
	Pipeline *Pipeline
	// ARN is the machine, by which executions are listed; Alias is what they are
	// started through.
	ARN, Alias string
	// Made is when it was made, zero if that is not known. One that takes the place of
	// another has the same ARN.
	Made   time.Time
	Region string
	Client *executions.Client
	// Version is the ARN of the newest version, "" if it is not known.
	Version string
	// Definition is the Amazon States Language text of the newest version.
	Definition string
	// Template is the pipeline's, nil if it is not known.
	Template *spec.Template
	// Parameters are the pipeline's, for the template's example of an input.
	Parameters spec.Values
}

// NewMachine is the state machine that a pipeline's state tells of, without a client and
// a template; NotFound if there is none yet.
func NewMachine(p *Pipeline) (*Machine, error) {
	if p.State == nil || p.Spec == nil {
		return nil, p.Err
	}
	m := &Machine{ID: p.ID, Pipeline: p, Region: p.Spec.Region, Parameters: p.Spec.Parameters, Version: p.Output("stateMachineVersionArn")}
	var err error
	if m.ARN, err = p.State.Text("stateMachineArn"); err != nil {
		return nil, err
	}
	if m.Alias, err = p.State.Text("stateMachineAliasArn"); err != nil {
		return nil, err
	}
	if m.ARN == "" || m.Alias == "" {
		return nil, fault.New(fault.NotFound, "pipeline %s has no state machine yet: its last update did not get that far", p.ID).
			WithHint("Run `pipelinetui up %s` and see what fails.", p.ID)
	}
	for _, r := range p.State.Resources {
		if r.Type == machineType && !r.PendingDelete {
			m.Made = r.Created
			m.Definition, _ = r.Inputs["definitionString"].(string)
		}
	}
	return m, nil
}

// The log groups of a pipeline, by what writes to them.
const (
	LogsFunction = "function"
	LogsStates   = "states"
	LogsEndpoint = "endpoint"
)

// LogQuery selects log lines of a pipeline.
type LogQuery struct {
	// Group is LogsFunction, LogsStates or LogsEndpoint, the name of a log group (it
	// begins with a slash), or the name or ARN of a Lambda function.
	Group string
	// Since and Until bound the time; zero means no bound.
	Since, Until time.Time
	// Filter is a filter pattern of CloudWatch Logs
	// (AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html), often a request id;
	// optional.
	Filter string
	// Limit bounds the lines; 0 means 1000.
	Limit int
}

// LogLine is one event of a log group.
type LogLine struct {
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`
}
