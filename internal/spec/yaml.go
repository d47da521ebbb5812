package spec

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// BlankedSecret stands for a secret in YAML without secrets.
const BlankedSecret = "(secret)"

// YAML writes the pipeline as a spec file that makes it again, kept in the folder
// dir: relative paths are given as seen from there. Without secrets their values
// are blanked out, which is good for showing only.
func (p *Pipeline) YAML(t *Template, dir string, secrets bool) (string, error) {
	var d struct {
		Env                 string            `json:"env"`
		Region              string            `json:"region"`
		AssumeRole          string            `json:"assumeRole"`
		PermissionsBoundary string            `json:"permissionsBoundary"`
		Protect             *bool             `json:"protect"`
		Tags                map[string]string `json:"tags"`
		Parameters          map[string]any    `json:"parameters"`
		Directory           string            `json:"directory"`
	}
	dec := json.NewDecoder(strings.NewReader(string(p.Document)))
	dec.UseNumber()
	if err := dec.Decode(&d); err != nil {
		return "", fault.New(fault.Internal, "the spec of %s can't be read", p.ID).Because(err)
	}
	var b strings.Builder
	line := func(indent int, key string, value any) {
		b.WriteString(strings.Repeat(" ", indent) + scalar(key) + ": " + scalar(value) + "\n")
	}
	b.WriteString("apiVersion: " + APIVersion + "\n\npipelines:\n")
	b.WriteString("  - tenant: " + scalar(p.Tenant) + "\n")
	line(4, "model", p.Model)
	line(4, "env", d.Env)
	line(4, "template", p.Template)
	line(4, "region", d.Region)
	for _, x := range []struct{ key, value string }{{"assumeRole", d.AssumeRole}, {"permissionsBoundary", d.PermissionsBoundary}} {
		if x.value != "" {
			line(4, x.key, x.value)
		}
	}
	if d.Protect != nil {
		line(4, "protect", *d.Protect)
	}
	if len(d.Tags) > 0 {
		b.WriteString("    tags:\n")
		for _, k := range slices.Sorted(maps.Keys(d.Tags)) {
			line(6, k, d.Tags[k])
		}
	}
	if len(d.Parameters) > 0 {
		b.WriteString("    parameters:\n")
	}
	for _, param := range t.Parameters {
		v, ok := d.Parameters[param.Name]
		if !ok {
			continue
		}
		if !secrets {
			v = blanked(v, param, p.SecretsOf(param.Name))
		}
		switch m, isMap := v.(map[string]any); {
		case param.Secret && !secrets:
			line(6, param.Name, BlankedSecret)
		case p.isForm(param.Name):
			line(6, param.Name, v)
		case param.Type == TypePath:
			line(6, param.Name, relocate(v, d.Directory, dir, p.Files[param.Name]))
		case isMap && len(m) > 0:
			b.WriteString("      " + scalar(param.Name) + ":\n")
			for _, k := range slices.Sorted(maps.Keys(m)) {
				line(8, k, m[k])
			}
		default:
			line(6, param.Name, v)
		}
	}
	return b.String(), nil
}

// isForm tells whether a document has the form of a secret for a parameter, rather
// than a value.
func (p *Pipeline) isForm(name string) bool {
	_, ok := p.Secrets[SecretPath{Parameter: name}]
	return ok
}

// blanked is a value of a document with the texts of secrets blanked out.
func blanked(v any, param Parameter, secrets map[string]Secret) any {
	if s, ok := secrets[""]; ok {
		s.Hidden = false
		return s.plain(BlankedSecret)
	}
	m, ok := v.(map[string]any)
	if !ok || len(secrets) == 0 || param.Secret {
		return v
	}
	out := maps.Clone(m)
	for entry, s := range secrets {
		s.Hidden = false
		out[entry] = s.plain(BlankedSecret)
	}
	return out
}

// relocate is a path as seen from another folder: as it was where that is the
// same, absolute otherwise. file is where it was found, "" if nobody has looked.
func relocate(v any, from, to, file string) any {
	s, ok := v.(string)
	if !ok || filepath.IsAbs(s) || strings.Contains(s, "://") || filepath.Clean(from) == filepath.Clean(to) {
		return v
	}
	if file == "" && from != "" {
		return filepath.Join(from, s)
	}
	if file == "" {
		return v
	}
	return file
}

// plainText are the strings that mean themselves without quotes: nothing that
// reads as a number, a date, a truth or nothing.
var (
	plainText = lazyregexp.New(`^[A-Za-z./][A-Za-z0-9_./+=:@-]*[A-Za-z0-9_/+=]$|^[A-Za-z]$`)
	notPlain  = lazyregexp.New(`(?i)^(true|false|yes|no|on|off|y|n|null|\.inf|\.nan)$|^\.\d`)
)

// scalar writes a value on the line of its key; lists and what is no plain text
// in the flow style, with everything quoted.
func scalar(v any) string {
	switch x := v.(type) {
	case string:
		if plainText.MatchString(x) && !notPlain.MatchString(x) {
			return x
		}
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	}
	out, err := document.Flow(v)
	if err != nil {
		return strconv.Quote(err.Error())
	}
	return out
}
