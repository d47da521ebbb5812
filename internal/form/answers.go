package form

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// AnswersOf are the answers that make a pipeline again. dir is what relative paths
// in them will be relative to.
func AnswersOf(p *spec.Pipeline, t *spec.Template, dir string) (spec.Answers, error) {
	a := spec.Answers{
		Template: p.Template, ID: p.ID, Region: p.Region, Values: map[string]string{}, Tags: maps.Clone(p.Tags),
		AssumeRole: p.AssumeRole, PermissionsBoundary: p.PermissionsBoundary, Copies: map[string]string{},
	}
	var said struct {
		Directory  string         `json:"directory"`
		Protect    *bool          `json:"protect"`
		Parameters map[string]any `json:"parameters"`
		Checks     spec.JSON      `json:"checks"`
	}
	if err := json.Unmarshal(p.Document, &said); err != nil {
		return a, fault.New(fault.Internal, "the spec of %s can't be read", p.ID).Because(err)
	}
	a.Protect, a.Checks = said.Protect, said.Checks
	for name := range said.Parameters {
		param, ok := t.Parameter(name)
		if !ok {
			continue // of an older template
		}
		text := param.Text(p.Parameters[name], p.SecretsOf(name))
		if file, local := p.Files[name]; local {
			original := text
			if !filepath.IsAbs(text) {
				original = filepath.Join(said.Directory, text)
			}
			if filepath.Clean(original) != file {
				a.Copies[name] = file
			}
			if said.Directory != dir {
				text = original
			}
		}
		a.Values[name] = text
	}
	return a, nil
}

// unread is an answer that can't be read, and why; no text if there is none.
type unread struct {
	text    string
	problem *spec.Problem
}

// Set takes an answer; "" takes it back.
func (f *Form) Set(field, text string) {
	switch field {
	case Tenant:
		f.a.ID.Tenant = text
	case Model:
		f.a.ID.Model = text
	case Env:
		f.a.ID.Env = text
	case Region:
		f.a.Region = text
	case Role:
		f.a.AssumeRole = text
	case Boundary:
		f.a.PermissionsBoundary = text
	case Protect:
		f.a.Protect = nil
		if b := text == "true"; text != "" && b != f.protectDefault() {
			f.a.Protect = &b
		}
	case Tags:
		f.setTags(text)
	default:
		if text == "" {
			delete(f.a.Values, field)
		} else {
			f.a.Values[field] = text
		}
	}
	f.update()
}

// setTags takes tags as JSON. What can't be read changes none of those there are.
func (f *Form) setTags(text string) {
	f.unread = unread{}
	if text == "" {
		f.a.Tags = map[string]string{}
		return
	}
	tags, problem := spec.ParseTags(text)
	if problem != nil {
		f.unread = unread{text, problem}
		return
	}
	f.a.Tags = tags
}

func (f *Form) protectDefault() bool { return f.a.ID.Env == spec.ProdEnv }

func (f *Form) text(field string) string {
	switch field {
	case Tenant:
		return f.a.ID.Tenant
	case Model:
		return f.a.ID.Model
	case Env:
		return f.a.ID.Env
	case Region:
		return f.a.Region
	case Role:
		return f.a.AssumeRole
	case Boundary:
		return f.a.PermissionsBoundary
	case Protect:
		if f.a.Protect != nil {
			return fmt.Sprint(*f.a.Protect)
		}
		return ""
	case Tags:
		if f.unread.text != "" {
			return f.unread.text
		}
		if len(f.a.Tags) == 0 {
			return ""
		}
		raw, err := json.Marshal(f.a.Tags)
		if err != nil {
			return ""
		}
		return string(raw)
	}
	return f.a.Values[field]
}

// CopyOf is where the artifact of an answer is in truth, "" if it is where the answer
// says.
func (f *Form) CopyOf(field string) string {
	if f.a.Values[field] != f.begun.Values[field] {
		return ""
	}
	return f.a.Copies[field]
}
