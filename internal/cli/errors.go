package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// errorDoc is an error in machine output.
type errorDoc struct {
	Kind    string     `json:"kind"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Cause   string     `json:"cause,omitempty"`
	Errors  []errorDoc `json:"errors,omitempty"`
	// Problems are what is wrong with a spec, flag or template, if that is the error.
	Problems []problemDoc `json:"problems,omitempty"`
}

// problemDoc is a spec.Problem in machine output.
type problemDoc struct {
	File     string           `json:"file,omitempty"`
	Line     int              `json:"line,omitempty"`
	Column   int              `json:"column,omitempty"`
	Source   string           `json:"source,omitempty"`
	Path     string           `json:"path,omitempty"`
	Rule     spec.ProblemCode `json:"rule"`
	Value    any              `json:"value,omitempty"`
	Pipeline string           `json:"pipeline,omitempty"`
	Message  string           `json:"message"`
	Hint     string           `json:"hint,omitempty"`
}

func problemDocs(err error) []problemDoc {
	var out []problemDoc
	for _, p := range spec.Problems(err) {
		out = append(out, problemDoc{p.File, p.Line, p.Column, p.Source, p.Path.String(), p.Rule, p.Value, p.Pipeline, p.Msg, p.Hint})
	}
	var usage *usageError
	if len(out) == 0 && errors.As(err, &usage) && usage.flags {
		out = append(out, flagProblem(usage))
	}
	return out
}

// flagProblem is what the parser of the command line says of a flag. That gives no value
// where it knows of none, and no flag where it is about several.
func flagProblem(usage *usageError) problemDoc {
	out := problemDoc{
		Rule: spec.CodeFlag, Message: usage.Error(), Hint: fault.HintOf(usage),
	}
	var unknown *pflag.NotExistError
	var wrong *pflag.InvalidValueError
	var bare *pflag.ValueRequiredError
	var odd *pflag.InvalidSyntaxError
	switch {
	case errors.As(usage.err, &unknown):
		out.Source = "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			out.Source = "-" + unknown.GetSpecifiedName()
		}
	case errors.As(usage.err, &wrong):
		out.Source, out.Value = "--"+wrong.GetFlag().Name, render.Line(wrong.GetValue(), 256)
	case errors.As(usage.err, &bare):
		out.Source = "--" + bare.GetFlag().Name
	case errors.As(usage.err, &odd):
		out.Source = odd.GetSpecifiedFlag()
	}
	if out.Hint == "" {
		out.Hint = fmt.Sprintf("Run `%s --help` for its flags.", usage.command)
	}
	return out
}

// fail writes an error once, at the edge. A wrong command line has been refused before
// anything was resolved: what it says of the output counts all the same.
func (s *session) fail(err error) {
	s.settle()
	printError(s.deps, err)
}

// printError writes an error: message, hint, and with --debug its causes. In machine
// output it is the document, unless the command has written one already.
func printError(deps *Deps, err error) {
	var usage *usageError
	isUsage := errors.As(err, &usage)
	if isUsage {
		deps.SetCommand(pathOf(usage.command)) // a wrong command line has not got to the command
	}
	for _, one := range flatten(err) {
		var child *childExit
		if !errors.As(one, &child) {
			printOne(deps, one)
		}
	}
	if isUsage {
		fmt.Fprintf(deps.Err, "Run `%s --help` for usage.\n", usage.command)
	}
	if !deps.Machine() || deps.Printed() {
		return
	}
	doc := struct {
		console.Header
		ExitCode ExitCode `json:"exitCode"`
		Error    errorDoc `json:"error"`
	}{console.NewHeader("Error"), codeOf(err), describe(deps, err)}
	if werr := deps.Write(doc, nil); werr != nil {
		fmt.Fprintln(deps.Err, werr)
	}
}

func printOne(deps *Deps, err error) {
	label := deps.ErrStyle.Bad.Render("error:")
	if fault.KindOf(err) == fault.Canceled {
		label = deps.ErrStyle.Warn.Render("cancelled:")
	}
	fmt.Fprintf(deps.Err, "%s %s\n", label, indent(render.Safe(err.Error()), "  "))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(deps.Err, "  %s %s\n", deps.ErrStyle.Key.Render("hint:"), indent(render.Safe(hint), "  "))
	}
	if deps.debug() {
		for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
			fmt.Fprintf(deps.Err, "  %s %s\n", deps.ErrStyle.Muted.Render("cause:"), indent(render.Safe(cause.Error()), "    "))
		}
	}
}

// flatten gives the errors of a list or a join one by one.
func flatten(err error) []error {
	var f *fault.Error
	if e, ok := err.(*fault.Error); ok { //nolint:errorlint // only the outermost matters here
		f = e
	}
	if multi, ok := err.(interface{ Unwrap() []error }); ok && f == nil {
		var out []error
		for _, one := range multi.Unwrap() {
			out = append(out, flatten(one)...)
		}
		return out
	}
	return []error{err}
}

func describe(deps *Deps, err error) errorDoc {
	d := describeOne(deps, err)
	d.Problems = problemDocs(err)
	return d
}

func describeOne(deps *Deps, err error) errorDoc {
	list := flatten(err)
	if len(list) > 1 {
		d := errorDoc{Kind: string(fault.KindOf(err)), Message: fmt.Sprintf("%d errors", len(list))}
		for _, one := range list {
			d.Errors = append(d.Errors, describeOne(deps, one))
		}
		return d
	}
	kind := fault.KindOf(err)
	var usage *usageError
	if errors.As(err, &usage) {
		kind = fault.Invalid
	}
	d := errorDoc{Kind: string(kind), Message: err.Error(), Hint: fault.HintOf(err)}
	if cause := errors.Unwrap(err); cause != nil && deps.debug() {
		d.Cause = cause.Error()
	}
	return d
}

func indent(s, by string) string { return strings.ReplaceAll(s, "\n", "\n"+by) }
