package revisions

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Difference is one property in which two revisions differ.
type Difference struct {
	// Path is its name, as --set takes it where it is a parameter's.
	Path string `json:"path"`
	// Old and New are JSON values; null where there is none. What is secret is not shown.
	Old any `json:"old"`
	New any `json:"new"`
}

// hidden stands for a secret.
const hidden = "[secret]"

// Diff lists in what b differs from a, in the order of the names.
func Diff(a, b Content) []Difference {
	old, now := a.flat(), b.flat()
	names := slices.Sorted(maps.Keys(old))
	for name := range now {
		if _, ok := old[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []Difference
	for _, name := range names {
		x, y := old[name], now[name]
		if same(x, y) {
			continue
		}
		out = append(out, Difference{Path: name, Old: x, New: y})
	}
	return out
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// flat is the content by dotted names. Digests stand for artifacts: the paths that they
// had on some machine say nothing.
func (c Content) flat() map[string]any {
	out := map[string]any{}
	artifacts, _ := c.Document["artifacts"].(map[string]any)
	for k, v := range c.pinned(normalDocument(c.Document, true)) {
		switch k {
		case "artifacts", "directory", "apiVersion", "templateVersion", "tenant", "model", "env":
		case "parameters", "dormant":
			m, _ := v.(map[string]any)
			prefix := map[string]string{"dormant": "dormant."}[k]
			for name, value := range m {
				flatten(out, prefix+name, value)
			}
		default:
			flatten(out, k, v)
		}
	}
	for name, one := range artifacts {
		m, _ := one.(map[string]any)
		if sum, ok := m["sha256"].(string); ok {
			out[name] = "sha256:" + sum
		}
	}
	for name, id := range c.Objects {
		out[name+" content"] = id
	}
	out["template version"] = c.Template.Version
	if c.Template.SHA256 != "" {
		out["template content"] = "sha256:" + c.Template.SHA256
	}
	if _, named := artifacts["preprocess.code"]; !named && c.Code != "" {
		out["code of the template"] = c.Code
	}
	return out
}

func flatten(out map[string]any, name string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		if v != nil {
			out[name] = normal(v, true)
		}
		return
	}
	for k, item := range m {
		if _, form := item.(map[string]any); k == secretKey && !form && len(m) == 1 {
			out[name] = hidden
			return
		}
		flatten(out, strings.TrimPrefix(name+"."+k, "."), item)
	}
}
