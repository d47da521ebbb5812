package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Problem is one thing that is wrong with what was asked for: with a spec file, a
// template, a flag or an answer. It is an error of kind fault.Invalid, and whoever
// wants to know what it is about reads its fields, never its text.
//
// A Problem is told once and has no follow-ups: what is wrong only because something
// else is stays unsaid.
type Problem struct {
	// File is the file that says it, "" if none does; Line and Column count from 1
	// (columns in characters), 0 if it is about the file as a whole.
	File         string
	Line, Column int
	// Source is what says it where that is no file: "--set maxInstances".
	Source string
	// Path leads to the value from the top of the file; of flags and answers, from the
	// top of a pipeline. What is missing has the path that it would have.
	Path Path
	// Rule names the rule that is broken, for machines.
	Rule ProblemCode
	// Value is what was given: a string (shortened), bool, int or float64; nil if it is
	// no such scalar, is secret, or was not given at all.
	Value any
	// Pipeline is whose values don't go together, "" if it is not about several values.
	// Pipelines are all of whom the same is true, if a flag is wrong for several.
	Pipeline  string
	Pipelines []string
	// Msg is lower-case, without a full stop; Hint is a sentence, the way out.
	Msg, Hint string
	// Err is the cause, nil if there is none.
	Err error
}

// ProblemCode names a rule of the spec.
type ProblemCode string

// The rules, beside the kinds of Rule, which have their own names here too.
const (
	CodeUnreadable ProblemCode = "unreadable"     // a file that is there, and open to the user
	CodeEncoding   ProblemCode = "encoding"       // text in UTF-8
	CodeSize       ProblemCode = "size"           // no more than so many bytes, values, levels
	CodeSyntax     ProblemCode = "syntax"         // YAML, or JSON
	CodeYAML       ProblemCode = "yaml"           // the YAML that is understood
	CodeDuplicate  ProblemCode = "duplicate"      // a key, an item, a pipeline is there once
	CodeKey        ProblemCode = "unknown-key"    // no other keys than there are
	CodeVersion    ProblemCode = "version"        // apiVersion
	CodeType       ProblemCode = "type"           // a string, a number, a list ...
	CodeMissing    ProblemCode = "missing"        // what has to be given
	CodeName       ProblemCode = "name"           // tenant, model and env
	CodeTenant     ProblemCode = "unknown-tenant" // one of the file's tenants, if it has any
	CodeTemplate   ProblemCode = "unknown-template"
	CodeParameter  ProblemCode = "unknown-parameter"
	CodeRegion     ProblemCode = "unknown-region"
	CodePartition  ProblemCode = "partition" // ARNs and region in one partition
	CodeARN        ProblemCode = "arn"
	CodeTag        ProblemCode = "tag"
	CodeChoice     ProblemCode = "choice"
	CodeRange      ProblemCode = "range"
	CodeLength     ProblemCode = "length"
	CodePattern    ProblemCode = "pattern"
	CodeCount      ProblemCode = "count" // of entries
	CodeSecret     ProblemCode = "secret"
	CodeArtifact   ProblemCode = "artifact"  // what a path leads to
	CodeUseless    ProblemCode = "no-effect" // a value that another one switches off
	CodeAWSName    ProblemCode = "aws-name"
	CodeClash      ProblemCode = "name-clash" // two pipelines, one name on AWS
	CodeCheck      ProblemCode = "check"      // of answers, before a change takes over
	CodeFlag       ProblemCode = "flag"       // a flag that there is, with a value that it takes
	CodeSetting    ProblemCode = "setting"    // a setting that there is, with a value that it takes
	CodeBroken     ProblemCode = "template"   // how a template has to be
)

// place is where it was said, "" if nothing is known of that.
func (p *Problem) place() string {
	switch {
	case p.File == "":
		return p.Source
	case p.Line == 0:
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Error is place, pipeline and message: "p.yaml:4:6: acme/fraud: ...".
func (p *Problem) Error() string {
	var parts []string
	for i, s := range []string{p.place(), p.whose(), p.Msg} {
		if named := i == 0 && p.Rule == CodeUnreadable; s != "" && !named { // the message names the file
			parts = append(parts, s)
		}
	}
	return fault.Masked(strings.Join(parts, ": "))
}

// whose names the pipelines that it is about.
func (p *Problem) whose() string {
	if n := len(p.Pipelines); n > mostNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(p.Pipelines[:mostNamed], ", "), n-mostNamed)
	} else if n > 0 {
		return strings.Join(p.Pipelines, ", ")
	}
	return p.Pipeline
}

// mostNamed is how many pipelines a message names.
const mostNamed = 20

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Is makes errors.Is(err, fault.Invalid) work.
func (p *Problem) Is(target error) bool { return target == fault.Invalid } // a Kind is its own sentinel

// As gives the problem as the one error type that crosses packages: whoever asks for
// kind and hint needs to know nothing of problems.
func (p *Problem) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = &fault.Error{Kind: fault.Invalid, Op: p.place(), Msg: p.Msg, Hint: p.Hint, Err: p.Err}
	}
	return ok
}

// WithHint returns p with the hint set; it modifies p.
func (p *Problem) WithHint(format string, args ...any) *Problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}

// Because returns p with its cause set; it modifies p.
func (p *Problem) Because(err error) *Problem {
	p.Err = err
	return p
}

// Refused makes a Problem of a file as a whole that could not be read, or is none that a
// spec can be: err says why, with the way out.
func Refused(file string, rule ProblemCode, err error) *Problem {
	text := err.Error()
	if rest, named := strings.CutPrefix(text, file+" "); named && rule != CodeUnreadable {
		text = "the file " + rest
	}
	return pos{file: file}.problem(rule, "%s", text).WithHint("%s", fault.HintOf(err)).Because(err)
}

// Problems returns all problems in an error, however it is wrapped; none if it is
// about something else.
func Problems(err error) []*Problem {
	var out []*Problem
	switch e := err.(type) { //nolint:errorlint // it walks the whole tree itself
	case nil:
	case *Problem:
		return []*Problem{e}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			out = append(out, Problems(one)...)
		}
	default:
		return Problems(errors.Unwrap(err))
	}
	return out
}

// problems are what a check has found so far.
type problems []*Problem

// err is the list as an error, or nil if it is empty.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	list := make(fault.List, len(ps))
	for i, p := range ps {
		list[i] = p
	}
	return list
}

// sorted puts problems in the order of their files and leaves out repetitions: a
// shared layer is read for every pipeline.
func (ps problems) sorted() problems {
	seen := map[string]bool{}
	out := slices.DeleteFunc(ps.folded(), func(p *Problem) bool {
		key := p.Error() + "\x00" + p.Path.String()
		defer func() { seen[key] = true }()
		return seen[key]
	})
	slices.SortStableFunc(out, func(a, b *Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return out
}

// folded puts what a flag is to several pipelines into one.
func (ps problems) folded() problems {
	first := map[string]*Problem{}
	return slices.DeleteFunc(slices.Clone(ps), func(p *Problem) bool {
		if p.File != "" || p.Source == "" || p.Pipeline == "" {
			return false
		}
		key := strings.Join([]string{p.Source, p.Path.String(), p.Msg, p.Hint}, "\x00")
		one := first[key]
		if one == nil {
			first[key] = p
			return false
		}
		if len(one.Pipelines) == 0 {
			one.Pipelines = []string{one.Pipeline}
		}
		if !slices.Contains(one.Pipelines, p.Pipeline) {
			one.Pipelines = append(one.Pipelines, p.Pipeline)
		}
		return true
	})
}

// within says before the messages what they belong to.
func (ps problems) within(what string) problems {
	for _, p := range ps {
		p.Msg = what + ": " + p.Msg
	}
	return ps
}

// Path leads to a value: keys of maps (string) and places in lists (int).
type Path []any

var pathKey = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// String is the path as people write it: "pipelines[2].parameters.maxInstances".
func (p Path) String() string {
	var b strings.Builder
	for _, step := range p {
		key, isKey := step.(string)
		switch {
		case !isKey:
			fmt.Fprintf(&b, "[%v]", step)
		case !pathKey.MatchString(key):
			b.WriteString("[" + strconv.Quote(clip(key)) + "]")
		case b.Len() > 0:
			b.WriteString("." + key)
		default:
			b.WriteString(key)
		}
	}
	return b.String()
}

// Setting is what of a pipeline a path leads to: one of its settings, as "region" and
// "tags", or a parameter of the template by its dotted name; "" if it is nothing of
// one pipeline's. It looks behind what leads to the pipeline in a file.
func (p Path) Setting(t *Template) string {
	if len(p) > 1 {
		switch _, item := p[1].(int); {
		case p[0] == "pipelines" && item, p[0] == "tenants":
			p = p[2:]
		case p[0] == "defaults":
			p = p[1:]
		}
	}
	if len(p) == 0 {
		return ""
	}
	first, _ := p[0].(string)
	if first != "parameters" {
		if slices.Contains(reservedNames, first) {
			return first
		}
		return ""
	}
	// A parameter may be written as one key or as several, and there may be an entry
	// of it behind its name.
	name, found := "", ""
	for _, step := range p[1:] {
		key, ok := step.(string)
		if !ok {
			break
		}
		if name = join(name, key); t != nil {
			if _, ok := t.Parameter(name); ok {
				found = name
			}
		}
	}
	return found
}

// step is a part of a path that knows what it goes on from.
type step struct {
	before *step
	is     any
}

func (s *step) path() Path {
	var out Path
	for ; s != nil; s = s.before {
		out = append(out, s.is)
	}
	slices.Reverse(out)
	return out
}

// pos is where a value was said: a place in a file, or a flag.
type pos struct {
	file      string
	line, col int    // 0: the file as a whole
	source    string // "--set NAME" and the like; file is "" then
	at        *step
}

func (p pos) String() string {
	return (&Problem{File: p.file, Line: p.line, Column: p.col, Source: p.source}).place()
}

// in is the place of something inside of what is here: its path is longer.
func (p pos) in(steps ...any) pos {
	for _, s := range steps {
		p.at = &step{p.at, s}
	}
	return p
}

// problem makes a Problem of something that was said here.
func (p pos) problem(rule ProblemCode, format string, args ...any) *Problem {
	return &Problem{File: p.file, Line: p.line, Column: p.col, Source: p.source, Path: p.at.path(), Rule: rule, Msg: fmt.Sprintf(format, args...)}
}

// problem makes a Problem of a value that may be shown.
func (n *node) problem(rule ProblemCode, format string, args ...any) *Problem {
	p := n.pos.problem(rule, format, args...)
	switch v := n.value.(type) {
	case string:
		p.Value = shorten(v, mostShown)
	case bool, int, float64:
		p.Value = v
	}
	return p
}

// mostShown is how much of a text a Problem shows: a whole file may be one string.
const mostShown = 256

func shorten(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
