package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
)

// JSONSchema returns the JSON Schema (draft 2020-12) of the spec file with the
// parameters of every template of the catalog, for editors. It accepts every
// file that Load accepts; relations between values are beyond it. Patterns are such as
// the regular expressions of Go, Python and JavaScript have in common.
func JSONSchema(cat *Catalog) ([]byte, error) {
	out, err := json.MarshalIndent(schemaOf(cat), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return append(out, '\n'), nil
}

// schemaOf is the JSON Schema of the spec file, for editors and for the page about it.
func schemaOf(cat *Catalog) *jsonschema.Schema {
	s := &schemas{cat: cat, defs: jsonschema.Definitions{secretDef: secretSchema()}}
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
	// Keys of the user's own, for anchors.
	root.PatternProperties = map[string]*jsonschema.Schema{"^x-": {Description: "Yours: a place for YAML anchors."}}
	root.AllOf = s.byDefault()
	root.Version = jsonschema.Version
	root.ID = "https://pipelinetui.dev/schema/pipelinetui-v1.json"
	root.Title = "pipelinetui spec"
	root.Required = []string{"apiVersion", "pipelines"}
	root.Definitions = s.defs
	return root
}

// tagPattern is tagForm for validators in any language: Python knows no classes of
// Unicode, so it refuses the other ASCII characters instead, and leaves the rest of
// Unicode to the loader.
const tagPattern = `^[^\x00-\x1f!-*,;<>?\[-^{-~\x60\x7f]*$`

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
		{"env", &jsonschema.Schema{Type: "string", Pattern: envPart.rule.String(), Default: DefaultEnv, Description: "Stage: " + envPart.help + ".", Examples: []any{ProdEnv}}},
		{"template", &jsonschema.Schema{Enum: names, Description: "Kind of pipeline.", Examples: []any{names[0]}}},
		{"region", &jsonschema.Schema{Type: "string", Pattern: `^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`, Description: "AWS region.", Examples: []any{"eu-central-1"}}},
		{"assumeRole", &jsonschema.Schema{Type: "string", Pattern: "^$|" + roleRule.String(), Description: "Role to deploy with.", Examples: []any{"arn:aws:iam::111122223333:role/deployer"}}},
		{"permissionsBoundary", &jsonschema.Schema{Type: "string", Pattern: "^$|" + boundaryRule.String(), Description: "Policy that bounds every role of the pipeline.", Examples: []any{"arn:aws:iam::111122223333:policy/boundary"}}},
		{"protect", &jsonschema.Schema{Type: "boolean", Description: "Keep the pipeline's data when it is destroyed. True in env " + ProdEnv + " unless said otherwise.", Examples: []any{true}}},
		{"tags", &jsonschema.Schema{
			Type: "object", Description: "Tags of every resource, added to those of weaker layers.", MaxProperties: ptr(uint64(maxUserTags)), Examples: []any{map[string]any{"team": "ml"}},
			PropertyNames:        &jsonschema.Schema{MinLength: ptr(uint64(1)), MaxLength: ptr(uint64(128)), Pattern: tagPattern},
			AdditionalProperties: &jsonschema.Schema{Type: "string", MinLength: ptr(uint64(1)), MaxLength: ptr(uint64(256)), Pattern: tagPattern},
		}},
	}
}

func (s *schemas) layer(description string) *jsonschema.Schema {
	o := object(append(s.common(), field{"parameters", s.anyParameters()}, rolloutField(), notifyField(), checksField())...)
	o.Description = description
	return o
}

// pipeline binds the parameters to those of the template where the entry names
// one; else to those of any, and byDefault narrows it.
func (s *schemas) pipeline() *jsonschema.Schema {
	o := object(append([]field{
		{"tenant", &jsonschema.Schema{Type: "string", Pattern: tenantPart.rule.String(), Description: "Owner: " + tenantPart.help + ".", Examples: []any{"acme"}}},
		{"model", &jsonschema.Schema{Type: "string", Pattern: modelPart.rule.String(), Description: "Model: " + modelPart.help + ".", Examples: []any{"fraud"}}},
	}, append(s.common(), field{"parameters", s.anyParameters()}, rolloutField(), notifyField(), checksField())...)...)
	o.Required = []string{"tenant", "model"}
	for _, t := range s.cat.templates {
		o.AllOf = append(o.AllOf, &jsonschema.Schema{If: whenTemplate(t), Then: having("parameters", s.parameters(t))})
	}
	return o
}

// byDefault binds the parameters of entries that name no template to those of the
// template in defaults, where no tenant has another one.
func (s *schemas) byDefault() []*jsonschema.Schema {
	var all []*jsonschema.Schema
	for _, t := range s.cat.templates {
		in := having("defaults", whenTemplate(t))
		in.Properties.Set("tenants", &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "null"}, {Type: "object", AdditionalProperties: having("template", jsonschema.FalseSchema)},
		}})
		in.Required = []string{"defaults"}
		entry := &jsonschema.Schema{If: having("template", jsonschema.FalseSchema), Then: having("parameters", s.parameters(t))}
		all = append(all, &jsonschema.Schema{If: in, Then: having("pipelines", &jsonschema.Schema{Items: entry})})
	}
	return all
}

// whenTemplate matches what names a template.
func whenTemplate(t *Template) *jsonschema.Schema {
	is := having("template", &jsonschema.Schema{Const: t.Name})
	is.Required = []string{"template"}
	return is
}

// having says something of one property, if it is there.
func having(name string, what *jsonschema.Schema) *jsonschema.Schema {
	o := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
	o.Properties.Set(name, what)
	return o
}

// anyParameters is for a layer that several templates may share: a name has to
// be in one of them, and its value right for one that has it.
func (s *schemas) anyParameters() *jsonschema.Schema {
	if len(s.cat.templates) == 1 {
		return s.parameters(s.cat.templates[0])
	}
	const key = "parameters-any"
	if s.defs[key] == nil {
		all := object()
		for _, t := range s.cat.templates {
			merge(all, s.defs[s.parametersKey(t)])
		}
		all.Description = "Parameters of the pipelines' templates."
		s.defs[key] = all
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + key, Description: "What the pipelines' templates ask for."}
}

// merge adds the properties of a closed object to those of another.
func merge(into, from *jsonschema.Schema) {
	for p := from.Properties.Oldest(); p != nil; p = p.Next() {
		old, ok := into.Properties.Get(p.Key)
		switch {
		case ok && isGroup(old) && isGroup(p.Value):
			merge(old, p.Value)
		case !ok && isGroup(p.Value):
			group := object()
			merge(group, p.Value)
			into.Properties.Set(p.Key, group)
		case !ok:
			into.Properties.Set(p.Key, p.Value)
		case len(old.AnyOf) > 0:
			into.Properties.Set(p.Key, &jsonschema.Schema{AnyOf: append(slices.Clip(old.AnyOf), p.Value)})
		default:
			into.Properties.Set(p.Key, &jsonschema.Schema{AnyOf: []*jsonschema.Schema{old, p.Value}})
		}
	}
}

// isGroup tells the objects that stand for the dots in names.
func isGroup(s *jsonschema.Schema) bool { return s.Properties != nil }

// parameters refers to the parameters of a template, nested and dotted.
func (s *schemas) parameters(t *Template) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/$defs/" + s.parametersKey(t)}
}

// parametersKey is the name of the definition, which it makes if need be.
func (s *schemas) parametersKey(t *Template) string {
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
	return key
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
		s.Type, s.AdditionalProperties = "object", orSecret(text())
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
	if p.Type == TypeString {
		s.AnyOf = orSecret(&jsonschema.Schema{Type: s.Type, Pattern: s.Pattern, MaxLength: s.MaxLength}).AnyOf
		s.Type, s.Pattern, s.MaxLength = "", "", nil
	}
	return s
}

// secretDef is the name of the definition of secrets.
const secretDef = "secret"

// orSecret is a text, or a secret in its place.
func orSecret(text *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text, {Ref: "#/$defs/" + secretDef}}}
}

// secretSchema is what stands in the place of a text that is secret.
func secretSchema() *jsonschema.Schema {
	text := func(description, example string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", MinLength: ptr(uint64(1)), Description: description, Examples: []any{example}}
	}
	closed := func(required string, fields ...field) *jsonschema.Schema {
		o := object(fields...)
		o.Required = []string{required}
		return o
	}
	return &jsonschema.Schema{
		Description: "A value that nobody is shown and that is kept encrypted.",
		AnyOf: []*jsonschema.Schema{
			closed(secretKey, field{secretKey, &jsonschema.Schema{
				Description: "The secret, or where it is on the machine that reads this file.",
				Examples:    []any{map[string]any{envKey: "TOKEN"}},
				AnyOf: []*jsonschema.Schema{
					{Type: "string"},
					closed(envKey, field{envKey, text("Environment variable that holds it.", "TOKEN")}),
					closed(fileKey, field{fileKey, text("File that holds it, relative to this one. The line break at its end does not count.", "./token.txt")}),
				},
			}}),
			closed(managerKey,
				field{managerKey, &jsonschema.Schema{Type: "string", Pattern: secretName.String(), Description: "Name or ARN of a secret of AWS Secrets Manager, read at each deployment.", Examples: []any{"prod/db"}}},
				field{entryKey, text("Entry of the JSON object that the secret holds; left out: the whole text.", "password")}),
			closed(ssmKey, field{ssmKey, &jsonschema.Schema{
				Type: "string", Pattern: ssmName.String(),
				Description: "Name or ARN of a parameter of AWS Systems Manager, read at each deployment.", Examples: []any{"/prod/db"},
			}}),
		},
	}
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
