// Package check owns the checking of templates: the folder's template.yaml, its
// definition in the States Language, and how both fit the blocks. It finds what
// package asl finds as Step Functions does, and what AWS would tell only later,
// or never: unknown integrations, variables that nothing assigns, values that
// nothing provides, failures that cannot be redriven.
//
// It is pure: it reads only the folder it is given. It may not import an AWS or
// Pulumi SDK, or package program, whose blocks it is told about.
package check

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Severity of a finding.
type Severity string

// The severities. An error is refused by AWS or by `up`, or fails every
// execution; a warning is allowed but seldom meant.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one thing that is wrong, and where.
type Finding struct {
	Severity Severity `json:"severity"`
	// Code names the rule: "unknown-integration".
	Code    string `json:"code"`
	Message string `json:"message"`
	// Hint says what to do, as a sentence.
	Hint string `json:"hint,omitempty"`
	// File is as the user would call it. Line and Column count from 1 (columns in
	// characters); 0 if the finding is about the file as a whole.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Report is what the check of one template found.
type Report struct {
	// Template is its name, empty if it could not be read.
	Template string `json:"template,omitempty"`
	// Folder is what the template was called by.
	Folder   string    `json:"folder"`
	Findings []Finding `json:"findings"`
}

// Count returns the number of findings of a severity.
func (r Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Block is what the check has to know of a block of package program.
type Block struct {
	Name, Title string
	// Needs are other blocks, Requires parameters that have to be there.
	Needs, Requires []string
	// Reads are parameters that the block looks at.
	Reads []string
	// Provides are ${names} for the definition, Exports stack outputs.
	Provides, Exports []string
}

// Options tell what there is around the template.
type Options struct {
	Blocks []Block
	// Provided are the ${names} that every definition may use.
	Provided []string
	// Integrations are those for which blocks give a state machine the rights, by
	// the part of the ARN behind ":states:::"; nil: all that Step Functions has.
	Integrations []string
	// Trial makes the program of a pipeline without running it, and returns what
	// that refuses; nil: it is not tried. It is asked only about templates without
	// errors.
	Trial func(*spec.Template) error
}

// Template checks the template in a folder; shown is how findings call it.
func Template(folder fs.FS, shown string, opts Options) Report {
	r := Report{Folder: shown}
	t, errs := spec.ReadTemplate(folder, shown)
	c := &checker{opts: opts, shown: shown, folder: folder, template: t}
	c.loaded(errs)
	if t != nil {
		r.Template = t.Name
		c.parts()
	}
	c.definition()
	if t != nil && opts.Trial != nil && !c.failed() {
		c.trial()
	}
	r.Findings = c.sorted()
	return r
}

// Definition checks a definition as it is given to Step Functions: without
// ${names} and outside of any template.
func Definition(text, file string) []Finding {
	c := &checker{bare: true}
	c.states(file, literal(text))
	return c.sorted()
}

type checker struct {
	opts     Options
	shown    string
	folder   fs.FS
	template *spec.Template // nil if it could not be loaded
	bare     bool           // a definition alone
	findings []Finding
}

func (c *checker) add(f Finding) { c.findings = append(c.findings, f) }

func (c *checker) failed() bool {
	return slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Severity == Error })
}

func (c *checker) path(name string) string { return path.Join(c.shown, name) }

// sorted orders the findings by place and drops what was found twice, as it is
// where a definition is checked with several choices of its cases.
func (c *checker) sorted() []Finding {
	order := func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(string(a.Severity), string(b.Severity)), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message),
		)
	}
	slices.SortStableFunc(c.findings, order)
	return slices.CompactFunc(c.findings, func(a, b Finding) bool { return order(a, b) == 0 })
}

// suggestion is the hint "Did you mean ...?", or otherwise.
func suggestion(name string, known []string, otherwise string) string {
	if s := spec.Suggest(name, known); s != "" {
		return "Did you mean " + s + "?"
	}
	return otherwise
}
