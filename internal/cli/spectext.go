package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// specText is the spec of a pipeline as a person would write it: what was given as it is,
// everything else that the template asks for as comments beside what it means. Paths are
// rewritten to start at dir, where the file will be.
func specText(p *spec.Pipeline, t *spec.Template, dir string) ([]byte, error) {
	w := &specWriter{}
	given, err := givenOf(p, dir)
	if err != nil {
		return nil, err
	}
	w.comment("", "What pipelinetui is to create: one entry a pipeline. Look at what it would do with")
	w.comment("", "`pipelinetui preview -f` and this file, apply it with `pipelinetui up -f`.")
	w.comment("", "Editors complete and check it with the schema that `pipelinetui schema` prints.")
	w.line("", "apiVersion: "+spec.APIVersion)
	w.line("", "")
	w.comment("", "What holds for all pipelines below, unless they say otherwise: template, region, tags,")
	w.comment("", "parameters. A tenant may have its own, under `tenants: {"+p.Tenant+": {...}}`.")
	w.line("", "defaults:")
	w.value("  ", "region", p.Region)
	w.line("", "")
	w.line("", "pipelines:")
	w.line("", "  - tenant: "+p.Tenant)
	w.line("", "    model: "+p.Model)
	w.value("    ", "env", p.ID.Env)
	w.comment("    ", t.Title+". While idle it costs: "+form.Idle(t)+".")
	w.value("    ", "template", t.Name)
	w.settings(p)
	w.line("", "    parameters:")
	for _, g := range t.Groups {
		w.group(g, t.Group(g.Name), given)
	}
	if rest := t.Group(""); len(rest) > 0 {
		w.group(spec.Group{Title: "Other"}, rest, given)
	}
	return w.b.Bytes(), w.err
}

// givenOf are the parameters that were given, with paths that start at dir.
func givenOf(p *spec.Pipeline, dir string) (map[string]any, error) {
	var doc struct {
		Parameters map[string]any
		Dormant    map[string]any
		Directory  string
	}
	dec := json.NewDecoder(bytes.NewReader(p.Document))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read the document of %s: %w", p.ID, err)
	}
	given := map[string]any{}
	maps.Copy(given, doc.Dormant)
	maps.Copy(given, doc.Parameters)
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the spec: %w", err)
	}
	for name := range p.Files {
		path, ok := given[name].(string)
		if !ok || filepath.IsAbs(path) {
			continue
		}
		if short, err := filepath.Rel(whole, filepath.Join(doc.Directory, path)); err == nil {
			given[name] = "./" + filepath.ToSlash(short)
		}
	}
	return given, nil
}

// specWriter writes a spec line by line.
type specWriter struct {
	b   bytes.Buffer
	err error
}

func (w *specWriter) line(indent, text string) { w.b.WriteString(indent + text + "\n") }

// comment writes a comment, over several lines if it is long.
func (w *specWriter) comment(indent, text string) {
	const width = 92
	line := ""
	for word := range strings.FieldsSeq(render.Line(text, 0)) {
		if line != "" && len(indent)+len(line)+len(word) > width {
			w.line(indent, "#"+line)
			line = ""
		}
		line += " " + word
	}
	if line != "" {
		w.line(indent, "#"+line)
	}
}

// value writes a key with its value.
func (w *specWriter) value(indent, key string, v any) { w.lines(indent, "", key, v) }

// lines writes a key with its value, each line behind a mark.
func (w *specWriter) lines(indent, mark, key string, v any) {
	text, err := document.YAML(map[string]any{key: v})
	if err != nil && w.err == nil {
		w.err = err
	}
	for line := range strings.Lines(string(text)) {
		w.line(indent, strings.TrimRight(mark+line, "\n"))
	}
}

// settings are those of the pipeline beside its parameters.
func (w *specWriter) settings(p *spec.Pipeline) {
	tags := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		tags[key] = p.Tags[key]
	}
	for _, s := range []struct {
		name  string
		value any
		given bool
		about string
		like  any
	}{
		{form.Tags, tags, len(tags) > 0, "Tags for every resource, for cost reports and policies.", map[string]any{"team": "ml"}},
		{form.Protect, p.Protect, p.Protect, "Keep the data from being deleted: destroy is refused until this is switched off.", true},
		{form.Role, p.AssumeRole, p.AssumeRole != "", "Role to deploy with, in an account of its own perhaps.", "arn:aws:iam::111122223333:role/deployer"},
		{form.Boundary, p.PermissionsBoundary, p.PermissionsBoundary != "", "Policy that bounds every role the pipeline makes.", "arn:aws:iam::111122223333:policy/boundary"},
	} {
		w.comment("    ", s.about)
		if s.given {
			w.value("    ", s.name, s.value)
		} else {
			w.lines("    ", "# ", s.name, s.like)
		}
	}
}

// group writes the parameters of a group.
func (w *specWriter) group(g spec.Group, list []spec.Parameter, given map[string]any) {
	if len(list) == 0 {
		return
	}
	w.line("", "")
	w.comment("      ", strings.TrimSuffix("-- "+g.Title+". "+g.Help, " "))
	for i := range list {
		p := &list[i]
		about := strings.TrimSuffix(p.Help, ".") + "."
		if !p.Required {
			about += " Allowed: " + p.Allowed() + "."
		}
		if p.Costs != "" {
			about += " Costs: " + p.Costs + "."
		}
		w.comment("      ", about)
		if v, ok := given[p.Name]; ok {
			w.value("      ", p.Name, v)
			continue
		}
		like := p.Default
		if like == nil {
			like = p.Example
		}
		if like == nil {
			like = ""
		}
		w.lines("      ", "# ", p.Name, like)
	}
}
