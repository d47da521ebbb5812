// Package asl owns the Amazon States Language: it parses a state machine
// definition into a typed tree with its expressions compiled, validates it as
// Step Functions does (the diagnostics of ValidateStateMachineDefinition), and
// turns it into a graph for drawing. It is pure: no AWS, no network, no clock.
// It may import only its own sub-packages.
//
// Specification: https://states-language.net/ and the Step Functions Developer
// Guide, chapters "State machine structure" and "Transforming data".
package asl

import (
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// QueryLanguage is how a state reads and writes data.
type QueryLanguage string

// The query languages.
const (
	JSONPath QueryLanguage = "JSONPath"
	JSONata  QueryLanguage = "JSONata"
)

// Type is a state's type.
type Type string

// The state types.
const (
	Pass     Type = "Pass"
	Task     Type = "Task"
	Choice   Type = "Choice"
	Wait     Type = "Wait"
	Succeed  Type = "Succeed"
	Fail     Type = "Fail"
	Parallel Type = "Parallel"
	Map      Type = "Map"
)

// Machine is a parsed state machine definition. It is immutable and safe for
// concurrent use.
type Machine struct {
	Comment       string
	Version       string
	QueryLanguage QueryLanguage
	// TimeoutSeconds is the limit of an execution, 0 for none.
	TimeoutSeconds int64
	Workflow
	// Source is the text that was parsed.
	Source string
}

// Workflow is a set of states with a start: a machine, a branch of a Parallel
// state, or the item processor of a Map state.
type Workflow struct {
	StartAt string
	// States are in the order of the definition.
	States []*State

	byName map[string]*State
}

// State returns the state of the name in this workflow, nil if there is none.
func (w *Workflow) State(name string) *State { return w.byName[name] }

// Walk calls fn for every state of the workflow and of the workflows inside it,
// outer states first.
func (w *Workflow) Walk(fn func(*State)) {
	for _, s := range w.States {
		fn(s)
		for _, b := range s.Branches {
			b.Walk(fn)
		}
		if s.Map != nil && s.Map.Processor != nil {
			s.Map.Processor.Walk(fn)
		}
	}
}

// State is one state. Fields that the state's type does not have are zero.
type State struct {
	Name    string
	Type    Type
	Comment string
	// QueryLanguage is the effective one: the state's own, or its machine's.
	QueryLanguage QueryLanguage
	Next          string
	End           bool
	// Line and Column tell where the state's value begins, from 1.
	Line, Column int

	// JSONPath data flow. A nil template or an unset path means the default.
	InputPath, OutputPath, ResultPath Path
	Parameters, ResultSelector        *Template
	// JSONata data flow.
	Arguments, Output *Template
	// Assign gives variables new values when the state succeeds.
	Assign *Template

	Retry []Retrier
	Catch []Catcher

	// Result is a Pass state's constant (JSONPath).
	Result *value.Node

	// Resource is a Task's ARN; it is never an expression.
	Resource         string
	Credentials      *Template
	TimeoutSeconds   Scalar
	HeartbeatSeconds Scalar

	// Seconds and Timestamp belong to Wait; exactly one is set.
	Seconds, Timestamp Scalar

	// Error and Cause belong to Fail.
	Error, Cause Scalar

	Choices []Rule
	Default string

	Branches []*Workflow
	Map      *MapSpec
}

// Terminal reports whether the workflow ends after this state.
func (s *State) Terminal() bool {
	return s.End || s.Type == Succeed || s.Type == Fail
}

// Path is an optional reference: absent, null (which means "nothing"), or a
// compiled expression.
type Path struct {
	Set, Null bool
	Expr      *Expr
}

// Scalar is a field that is given as a literal, as a JSONata expression in the
// same field, or as a JSONPath in the field of the same name plus "Path".
type Scalar struct {
	// Name is the field that was given, "SecondsPath" for example; empty if unset.
	Name string
	// Literal is the value unless Expr is set.
	Literal any
	Expr    *Expr
}

// IsSet reports whether the field was given.
func (s Scalar) IsSet() bool { return s.Name != "" }

// Retrier is one entry of Retry. The defaults of the language are filled in.
type Retrier struct {
	ErrorEquals     []string
	IntervalSeconds Scalar // default 1
	MaxAttempts     Scalar // default 3
	BackoffRate     Scalar // default 2
	MaxDelaySeconds int64  // 0 for no limit
	FullJitter      bool
}

// Catcher is one entry of Catch.
type Catcher struct {
	ErrorEquals []string
	Next        string
	ResultPath  Path
	Output      *Template
	Assign      *Template
}

// Rule is one choice of a Choice state.
type Rule struct {
	// Condition is a JSONata condition; Test a JSONPath one.
	Condition *Template
	Test      *Test
	Next      string
	Output    *Template
	Assign    *Template
}

// Test is a JSONPath comparison, or a combination of tests.
type Test struct {
	// Op is And, Or, Not, or a comparison operator ("StringEquals").
	Op string
	// Tests are the operands of And, Or (many) and Not (one).
	Tests []*Test
	// Variable is the left side of a comparison.
	Variable *Expr
	// Literal is the right side, or Path if the operator ends with "Path".
	Literal any
	Path    *Expr
}

// MapSpec is what a Map state has besides the common fields.
type MapSpec struct {
	Processor *Workflow
	// Distributed says that iterations run as child executions.
	Distributed bool
	// ExecutionType of the children: STANDARD or EXPRESS.
	ExecutionType string
	Label         string

	Items     *Template // JSONata
	ItemsPath Path      // JSONPath
	Reader    *ItemReader
	Selector  *Template // ItemSelector, or Parameters of older definitions
	Batcher   *ItemBatcher
	Writer    *ResultWriter

	MaxConcurrency             Scalar
	ToleratedFailureCount      Scalar
	ToleratedFailurePercentage Scalar
}

// ItemReader reads a distributed Map's items from S3.
type ItemReader struct {
	Resource   string
	Parameters *Template // or Arguments
	// InputType is CSV, JSON, JSONL, PARQUET or MANIFEST; empty for listObjectsV2.
	InputType string
	// Manifest is S3_INVENTORY or ATHENA_DATA if the object is a list of objects.
	Manifest      string
	HeaderFromRow bool
	Headers       []string
	Delimiter     string
	MaxItems      Scalar
	ItemsPointer  string
	Transform     string
}

// ItemBatcher groups items.
type ItemBatcher struct {
	MaxItems, MaxBytes Scalar
	BatchInput         *Template
}

// ResultWriter exports the results of a distributed Map to S3.
type ResultWriter struct {
	Resource       string
	Parameters     *Template // or Arguments
	Transformation string    // NONE, COMPACT, FLATTEN
	OutputType     string    // JSON, JSONL
}
