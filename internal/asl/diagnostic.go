package asl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Severity of a diagnostic.
type Severity string

// The severities of ValidateStateMachineDefinition.
const (
	SeverityError   Severity = "ERROR"
	SeverityWarning Severity = "WARNING"
)

// Codes of diagnostics, as Step Functions names them.
const (
	CodeJSON       = "INVALID_JSON_DESCRIPTION"
	CodeSchema     = "SCHEMA_VALIDATION_FAILED"
	CodeTransition = "MISSING_TRANSITION_TARGET"
	CodeDuplicate  = "DUPLICATE_STATE_NAME"
	CodeNoEnd      = "MISSING_END_STATE"
	CodeStateName  = "INVALID_STATE_NAME"
	CodeLabel      = "INVALID_LABEL_NAME"
	CodeJSONata    = "INVALID_JSONATA_EXPRESSION"
	CodeJSONataUse = "UNSUPPORTED_JSONATA_EXPRESSION"
	// Warnings.
	CodeNoDollar = "NO_DOLLAR"
)

// Diagnostic is one finding of Validate.
type Diagnostic struct {
	Severity Severity
	Code     string
	Message  string
	// Location is a path into the definition ("/States/A/Next"), or a place in its
	// text for INVALID_JSON_DESCRIPTION.
	Location string
	// Line and Column tell the place in the text, from 1.
	Line, Column int
}

// String is "CODE: message at location", as CreateStateMachine words it.
func (d Diagnostic) String() string {
	if d.Code == CodeJSON || d.Location == "" {
		return d.Code + ": " + d.Message
	}
	return d.Code + ": " + d.Message + " at " + d.Location
}

// Error is a definition that cannot be used. It holds every diagnostic.
type Error struct{ Diagnostics []Diagnostic }

// Error joins the errors with ", ".
func (e *Error) Error() string {
	var parts []string
	for _, d := range e.Diagnostics {
		if d.Severity == SeverityError {
			parts = append(parts, d.String())
		}
	}
	return strings.Join(parts, ", ")
}

// Options change what Parse and Validate check.
type Options struct {
	// Express applies the rules of EXPRESS machines: no .sync, no
	// .waitForTaskToken, no activities, no distributed Map.
	Express bool
	// Resource judges a Task's resource ARN beyond its form; nil accepts all. A
	// non-nil error becomes a diagnostic with its text.
	Resource func(arn string) error
	// Reader judges an ItemReader's InputType in the same way.
	Reader func(inputType string) error
}

// Parse reads and validates a definition. The error is *Error.
func Parse(source string, opts Options) (*Machine, error) {
	m, diags := analyse(source, opts)
	for _, d := range diags {
		if d.Severity == SeverityError {
			return nil, &Error{Diagnostics: diags}
		}
	}
	return m, nil
}

// Validate returns every finding, errors first, in the order of the definition.
func Validate(source string, opts Options) []Diagnostic {
	_, diags := analyse(source, opts)
	return diags
}

func analyse(source string, opts Options) (*Machine, []Diagnostic) {
	root, diags := parseRoot(source)
	if diags != nil {
		return nil, diags
	}
	p := &parser{source: source, places: value.NewPositions(source), opts: opts}
	m := p.machine(root)
	slices.SortStableFunc(p.diags, func(a, b Diagnostic) int { return strings.Compare(string(a.Severity), string(b.Severity)) })
	return m, p.diags
}

func parseRoot(source string) (*value.Node, []Diagnostic) {
	if strings.TrimSpace(source) == "" {
		return nil, []Diagnostic{{Severity: SeverityError, Code: CodeSchema, Message: "Definition must be a valid JSON object", Line: 1, Column: 1}}
	}
	root, err := value.ParseNode(source)
	if err == nil {
		return root, nil
	}
	var syntax *value.SyntaxError
	errors.As(err, &syntax)
	return nil, []Diagnostic{{
		Severity: SeverityError, Code: CodeJSON, Location: syntax.Location(),
		Message: syntax.Msg + "\n at " + syntax.Location(), Line: syntax.Line, Column: syntax.Column,
	}}
}

func (p *parser) report(n *value.Node, code, loc, format string, args ...any) {
	d := Diagnostic{Severity: SeverityError, Code: code, Message: fmt.Sprintf(format, args...), Location: loc}
	if n != nil {
		d.Line, d.Column = p.places.Of(n.Offset)
	}
	p.diags = append(p.diags, d)
}

// warn reports what is allowed but seldom meant.
func (p *parser) warn(n *value.Node, code, loc, format string, args ...any) {
	p.report(n, code, loc, format, args...)
	p.diags[len(p.diags)-1].Severity = SeverityWarning
}

func (p *parser) schema(n *value.Node, loc, format string, args ...any) {
	p.report(n, CodeSchema, loc, format, args...)
}
