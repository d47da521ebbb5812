package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// errorDoc is an error in machine output.
type errorDoc struct {
	Kind string `json:"kind"`
	// Code is what `explain` tells of.
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Cause   string     `json:"cause,omitempty"`
	Errors  []errorDoc `json:"errors,omitempty"`
	// Problems are what is wrong with a spec, flag or template, if that is the error.
	Problems []problemDoc `json:"problems,omitempty"`
}

// failure is the document of a command that failed and has none of its own.
type failure struct {
	console.Header
	ExitCode ExitCode `json:"exitCode"`
	Error    errorDoc `json:"error"`

	at time.Time
}

// problemDoc is a spec.Problem in machine output.
type problemDoc struct {
	Code     string           `json:"code"`
	File     string           `json:"file,omitempty"`
	Line     int              `json:"line,omitempty"`
	Column   int              `json:"column,omitempty"`
	Source   string           `json:"source,omitempty"`
	Path     string           `json:"path,omitempty"`
	Rule     spec.ProblemCode `json:"rule"`
	Value    any              `json:"value,omitempty"`
	Pipeline string           `json:"pipeline,omitempty"`
	// Pipelines are all of whom it is true, if they are several.
	Pipelines []string `json:"pipelines,omitempty"`
	Message   string   `json:"message"`
	Hint      string   `json:"hint,omitempty"`
}

func problemDocs(err error) []problemDoc {
	var out []problemDoc
	for _, p := range spec.Problems(err) {
		value := p.Value
		if text, ok := value.(string); ok {
			value = fault.Masked(text)
		}
		out = append(out, problemDoc{
			ruleCode(p.Rule), p.File, p.Line, p.Column, p.Source, p.Path.String(), p.Rule, value, p.Pipeline, p.Pipelines, fault.Masked(p.Msg), fault.Masked(p.Hint),
		})
	}
	for _, one := range flatten(err) {
		var s *settings.Problem
		if errors.As(one, &s) {
			out = append(out, settingProblem(s))
		}
	}
	var usage *usageError
	if len(out) == 0 && errors.As(err, &usage) && usage.flags {
		out = append(out, flagProblem(usage))
	}
	return out
}

// settingProblem is a setting with a wrong value: where it was given counts, so one that
// came from a flag is that flag's.
func settingProblem(s *settings.Problem) problemDoc {
	out := problemDoc{Rule: spec.CodeSetting, Path: s.Value.Name, Message: fault.Masked(s.Msg), Hint: s.Hint}
	if s.Value.Value != "" {
		out.Value = s.Value.Shown()
	}
	switch {
	case s.Unknown:
		out.File, out.Rule = s.Value.Source, spec.CodeKey
	case s.Flag() != "":
		out.Source, out.Rule, out.Path = s.Flag(), spec.CodeFlag, ""
	case s.Variable() != "":
		out.Source = s.Variable()
	default:
		out.File = s.Value.Source
	}
	out.Code = ruleCode(out.Rule)
	return out
}

// aboutFlag says that what is wrong is the value of one of the command's own flags. Errors
// of another kind than Invalid stay as they are: the value may be right.
func aboutFlag(name, value string, err error) error {
	if err == nil || fault.KindOf(err) != fault.Invalid || len(spec.Problems(err)) > 0 {
		return err
	}
	return &spec.Problem{Source: "--" + name, Rule: spec.CodeFlag, Value: shortened(value), Msg: err.Error(), Hint: fault.HintOf(err), Err: err}
}

// wrongFlag says what is wrong with a flag as it stands with others, or that it is missing;
// value is nil if none was given.
func wrongFlag(name string, value any, format string, args ...any) *spec.Problem {
	return &spec.Problem{Source: "--" + name, Rule: spec.CodeFlag, Value: value, Msg: fmt.Sprintf(format, args...)}
}

// shortened is a value for a document: what is long is told by its beginning.
func shortened(value string) any {
	if value == "" {
		return nil
	}
	return render.Line(value, 256)
}

// flagProblem is what the parser of the command line says of a flag. That gives no value
// where it knows of none, and no flag where it is about several.
func flagProblem(usage *usageError) problemDoc {
	out := problemDoc{
		Code: ruleCode(spec.CodeFlag), Rule: spec.CodeFlag, Message: usage.Error(), Hint: fault.HintOf(usage),
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
		out.Source, out.Value = "--"+wrong.GetFlag().Name, shortened(fault.Masked(wrong.GetValue()))
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
	tellCode(deps, err)
	if !deps.Machine() || deps.Printed() || deps.Filtered() {
		return
	}
	doc := failure{console.NewHeader("Error"), codeOf(err), describe(deps, err), deps.now()}
	if werr := deps.Write(doc, nil); werr != nil {
		fmt.Fprintln(deps.Err, werr)
	}
}

// tellCode says where more is told of an error: its code, which stays the same.
func tellCode(deps *Deps, err error) {
	var child *childExit
	if errors.As(err, &child) || fault.KindOf(err) == fault.Canceled {
		return // it tells of itself, and of a cancellation there is no more to be told
	}
	code := errorCode(err)
	fmt.Fprintf(deps.Err, "%s\n", deps.ErrStyle.Muted.Render("code: "+code+" (pipelinetui explain "+code+")"))
}

func printOne(deps *Deps, err error) {
	label := deps.ErrStyle.Bad.Render("error:")
	if fault.KindOf(err) == fault.Canceled {
		label = deps.ErrStyle.Warn.Render("cancelled:")
	}
	fmt.Fprintf(deps.Err, "%s %s\n", label, indent(render.Safe(fault.Masked(err.Error())), "  "))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(deps.Err, "  %s %s\n", deps.ErrStyle.Key.Render("hint:"), indent(render.Safe(hint), "  "))
	}
	if deps.debug() {
		for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
			fmt.Fprintf(deps.Err, "  %s %s\n", deps.ErrStyle.Muted.Render("cause:"), indent(render.Safe(fault.Masked(cause.Error())), "    "))
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
		d := errorDoc{Kind: string(fault.KindOf(err)), Code: errorCode(list[0]), Message: fmt.Sprintf("%d errors", len(list))}
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
	d := errorDoc{Kind: string(kind), Code: errorCode(err), Message: fault.Masked(err.Error()), Hint: fault.HintOf(err)}
	if cause := errors.Unwrap(err); cause != nil && deps.debug() {
		d.Cause = fault.Masked(cause.Error())
	}
	return d
}

func indent(s, by string) string { return strings.ReplaceAll(s, "\n", "\n"+by) }
