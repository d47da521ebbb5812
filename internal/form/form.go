// Package form owns the questions that make and change a pipeline, as a pure model:
// which there are, in which steps, what an answer may be, what holds without one, what is
// wrong now, and what a change means for the pipeline there is. The full screen draws it,
// the command line asks it line by line. It goes by spec's rules alone: what an answer may
// be is said nowhere else. It draws nothing and reads no files.
package form

import (
	"maps"
	"reflect"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Form turns answers into fields, problems, and in the end a pipeline, by the
// spec's own rules. It reads no files: what became of looking at them is told it
// by Looked. It is not safe for concurrent use.
type Form struct {
	cat  *spec.Catalog
	opts spec.Options
	a    spec.Answers
	tmpl *spec.Template
	// before is the pipeline that is changed, nil if one is made.
	before *spec.Pipeline
	taken  map[spec.ID]bool
	files  map[string]looked
	// unread is an answer for the tags that is no map of tags: it is kept as it was typed,
	// beside the tags there were, until it is mended.
	unread unread
	// begun are the answers at the beginning, to see whether anything was said.
	begun spec.Answers

	values spec.Values // effective
	// secrets are what of the values is secret, by parameter and entry.
	secrets  map[string]map[string]spec.Secret
	pipeline *spec.Pipeline
	problems []Problem
}

// New returns a form. before is the pipeline that the answers are to change,
// nil to make one.
func New(cat *spec.Catalog, opts spec.Options, a spec.Answers, before *spec.Pipeline) *Form {
	f := &Form{cat: cat, opts: opts, a: a, before: before, files: map[string]looked{}}
	f.a.Values, f.a.Tags = maps.Clone(a.Values), maps.Clone(a.Tags)
	if f.a.Values == nil {
		f.a.Values = map[string]string{}
	}
	if f.a.Tags == nil {
		f.a.Tags = map[string]string{}
	}
	f.opts.SkipFiles = true
	f.begun = f.copy()
	f.update()
	return f
}

func (f *Form) copy() spec.Answers {
	a := f.a
	a.Values, a.Tags, a.Copies = maps.Clone(f.a.Values), maps.Clone(f.a.Tags), maps.Clone(f.a.Copies)
	return a
}

// Answers returns a copy of the answers.
func (f *Form) Answers() spec.Answers { return f.copy() }

// ID names the pipeline as far as it was answered.
func (f *Form) ID() spec.ID { return f.a.ID }

// Template is the template in question, nil before one was chosen.
func (f *Form) Template() *spec.Template { return f.tmpl }

// Changed tells whether anything was answered since the form began.
func (f *Form) Changed() bool { return f.unread.text != "" || !reflect.DeepEqual(f.a, f.begun) }

// Taken tells the form which pipelines there are already.
func (f *Form) Taken(ids []spec.ID) {
	f.taken = map[spec.ID]bool{}
	for _, id := range ids {
		f.taken[id] = true
	}
	f.update()
}

// Choose takes a template. Answers that it knows the parameters of are kept.
func (f *Form) Choose(template string) {
	if !f.Changed() {
		f.begun.Template = template // nothing is lost with a choice that has no answers yet
	}
	f.a.Template = template
	f.update()
}
