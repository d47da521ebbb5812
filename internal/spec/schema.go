package spec

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"
)

// JSONSchema returns the JSON Schema (draft 2020-12) of the spec file with the
// parameters of every template of the catalog, for editors. It accepts every
// file that Load accepts; relations between values are beyond it.
func JSONSchema(cat *Catalog) ([]byte, error) {
	s := &schemas{cat: cat, defs: jsonschema.Definitions{}}
	root := object(
		field{"apiVersion", &jsonschema.Schema{Const: APIVersion, Description: "Version of this format."}},
		field{"defaults", s.layer("What holds for every pipeline that does not say otherwise.")},
		field{"tenants", &jsonschema.Schema{
			Type: "object", Description: "What holds for the pipelines of a tenant, by its name. Stronger than defaults.",
			PropertyNames:        &jsonschema.Schema{Pattern: tenantPart.rule.String()},
			AdditionalProperties: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "null"}, s.layer("")}},
		}},
		field{"pipelines", &jsonschema.Schema{Type: "array", Description: "The pipelines.", Items: s.pipeline(), MinItems: ptr(uint64(1))}},
	)
	root.Version = jsonschema.Version
	root.ID = "https://pipelinetui.dev/schema/pipelinetui-v1.json"
	root.Title = "pipelinetui spec"
	root.Required = []string{"apiVersion", "pipelines"}
	root.Definitions = s.defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return append(out, '\n'), nil
}

type schemas struct {
	cat  *Catalog
	defs jsonschema.Definitions
}

type field struct {
	name   string
	schema *jsonschema.Schema
}

// object makes a closed object.
func object(fields ...field) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	for _, f := range fields {
		s.Properties.Set(f.name, f.schema)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func (s *schemas) common() []field {
	names := make([]any, 0, len(s.cat.templates))
	for _, n := range s.cat.Names() {
		names = append(names, n)
	}
	return []field{
		{"env", &jsonschema.Schema{Type: "string", Pattern: envPart.rule.String(), Default: DefaultEnv, Description: "Stage: " + envPart.help + "."}},
		{"template", &jsonschema.Schema{Enum: names, Description: "Kind of pipeline."}},
		{"region", &jsonschema.Schema{Type: "string", Pattern: `^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`, Description: "AWS region."}},
		{"assumeRole", &jsonschema.Schema{Type: "string", Pattern: "^$|" + roleRule.String(), Description: "Role to deploy with."}},
		{"permissionsBoundary", &jsonschema.Schema{Type: "string", Pattern: "^$|" + boundaryRule.String(), Description: "Policy that bounds every role of the pipeline."}},
		{"protect", &jsonschema.Schema{Type: "boolean", Description: "Keep the pipeline's data when it is destroyed. True in env " + ProdEnv + " unless said otherwise."}},
		{"tags", &jsonschema.Schema{
			Type: "object", Description: "Tags of every resource, added to those of weaker layers.", MaxProperties: ptr(uint64(maxUserTags)),
			PropertyNames:        &jsonschema.Schema{MinLength: ptr(uint64(1)), MaxLength: ptr(uint64(128)), Pattern: tagForm.String()},
			AdditionalProperties: &jsonschema.Schema{Type: "string", MinLength: ptr(uint64(1)), MaxLength: ptr(uint64(256)), Pattern: tagForm.String()},
		}},
	}
}

func (s *schemas) layer(description string) *jsonschema.Schema {
	o := object(append(s.common(), field{"parameters", s.anyParameters()})...)
	o.Description = description
	return o
}

// pipeline binds the parameters to those of the template where the entry names
// one; else to those of any.
func (s *schemas) pipeline() *jsonschema.Schema {
	o := object(append([]field{
		{"tenant", &jsonschema.Schema{Type: "string", Pattern: tenantPart.rule.String(), Description: "Owner: " + tenantPart.help + "."}},
		{"model", &jsonschema.Schema{Type: "string", Pattern: modelPart.rule.String(), Description: "Model: " + modelPart.help + "."}},
	}, append(s.common(), field{"parameters", s.anyParameters()})...)...)
	o.Required = []string{"tenant", "model"}
	for _, t := range s.cat.templates {
		is := &jsonschema.Schema{Properties: jsonschema.NewProperties(), Required: []string{"template"}}
		is.Properties.Set("template", &jsonschema.Schema{Const: t.Name})
		then := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
		then.Properties.Set("parameters", s.parameters(t))
		o.AllOf = append(o.AllOf, &jsonschema.Schema{If: is, Then: then})
	}
	return o
}

// anyParameters is for a layer that several templates may share: a name has to
// be in one of them.
func (s *schemas) anyParameters() *jsonschema.Schema {
	if len(s.cat.templates) == 1 {
		return s.parameters(s.cat.templates[0])
	}
	o := &jsonschema.Schema{Type: "object"}
	for _, t := range s.cat.templates {
		o.AnyOf = append(o.AnyOf, s.parameters(t))
	}
	return o
}

// parameters refers to the parameters of a template, nested and dotted.
func (s *schemas) parameters(t *Template) *jsonschema.Schema {
	key := "parameters-" + t.Name
	if s.defs[key] == nil {
		o := object()
		for i := range t.Parameters {
			p := &t.Parameters[i]
			o.Properties.Set(p.Name, p.schema())
			nest(o, strings.Split(p.Name, "."), p.schema())
		}
		o.Description = t.Title + ": parameters."
		s.defs[key] = o
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + key}
}

func nest(o *jsonschema.Schema, path []string, leaf *jsonschema.Schema) {
	if len(path) == 1 {
		o.Properties.Set(path[0], leaf)
		return
	}
	inner, ok := o.Properties.Get(path[0])
	if !ok {
		inner = object()
		o.Properties.Set(path[0], inner)
	}
	nest(inner, path[1:], leaf)
	if rest := strings.Join(path[1:], "."); len(path) > 2 {
		inner.Properties.Set(rest, leaf)
	}
}

func (p *Parameter) schema() *jsonschema.Schema {
	s := &jsonschema.Schema{Description: p.Help, Default: p.Default}
	if p.Example != nil {
		s.Examples = []any{p.Example}
	}
	text := func() *jsonschema.Schema {
		t := &jsonschema.Schema{Type: "string", Pattern: p.Pattern}
		if p.MaxLength > 0 {
			t.MaxLength = ptr(uint64(p.MaxLength))
		}
		return t
	}
	switch p.Type {
	case TypeInt, TypeFloat:
		s.Type = map[Type]string{TypeInt: "integer", TypeFloat: "number"}[p.Type]
		s.Minimum, s.Maximum, s.ExclusiveMinimum = jsonNumber(p.Min), jsonNumber(p.Max), jsonNumber(p.Above)
	case TypeBool:
		s.Type = "boolean"
	case TypeEnum:
		s.Enum = p.Enum
	case TypeList:
		s.Type, s.Items, s.UniqueItems = "array", text(), true
		s.MinItems, s.MaxItems = count(p.Min), count(p.Max)
	case TypeMap:
		s.Type, s.AdditionalProperties = "object", text()
		s.MinProperties, s.MaxProperties = count(p.Min), count(p.Max)
		if p.KeyPattern != "" {
			s.PropertyNames = &jsonschema.Schema{Pattern: p.KeyPattern}
		}
	case TypeARN:
		s.Type, s.Pattern = "string", arnRule.String()
	default:
		t := text()
		s.Type, s.Pattern, s.MaxLength = t.Type, t.Pattern, t.MaxLength
	}
	if s.Pattern != "" && p.Default == "" {
		s.Pattern = "^$|" + s.Pattern
	}
	return s
}

func jsonNumber(f *float64) json.Number {
	if f == nil {
		return ""
	}
	return json.Number(format(*f))
}

func count(f *float64) *uint64 {
	if f == nil {
		return nil
	}
	return ptr(uint64(*f))
}
