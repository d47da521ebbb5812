package form

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Difference is one parameter that a change makes other than it was.
type Difference struct {
	Name, Before, After string
	// Changing says what that does to what runs.
	Changing string
}

// Differences are what the answers change of the pipeline there is.
func (f *Form) Differences() []Difference {
	if f.before == nil || f.tmpl == nil {
		return nil
	}
	var out []Difference
	for i := range f.tmpl.Parameters {
		p := &f.tmpl.Parameters[i]
		was, is := f.before.Parameters[p.Name], f.values[p.Name]
		wasSecret, isSecret := f.before.SecretsOf(p.Name), f.secrets[p.Name]
		if reflect.DeepEqual(was, is) && maps.Equal(wasSecret, isSecret) {
			continue
		}
		if p.Type == spec.TypePath && f.before.Files[p.Name] != "" && (f.before.Files[p.Name] == f.absolute(p.Name) || f.CopyOf(p.Name) != "") {
			continue
		}
		out = append(out, Difference{p.Name, p.Format(was, wasSecret), p.Format(is, isSecret), p.Changing})
	}
	protect := f.protectDefault()
	if f.a.Protect != nil {
		protect = *f.a.Protect
	}
	for _, d := range []Difference{
		{Name: Protect, Before: fmt.Sprint(f.before.Protect), After: fmt.Sprint(protect)},
		{Name: Tags, Before: entries(f.before.Tags), After: entries(f.a.Tags), Changing: "in place"},
		{Name: Role, Before: f.before.AssumeRole, After: f.a.AssumeRole},
		{Name: Boundary, Before: f.before.PermissionsBoundary, After: f.a.PermissionsBoundary, Changing: "in place"},
	} {
		if d.Before != d.After {
			out = append(out, d)
		}
	}
	return out
}

func (f *Form) absolute(name string) string {
	text, _ := f.values[name].(string)
	if text == "" || strings.Contains(text, "://") || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(f.opts.Dir, text)
}
