package spec

import (
	"io/fs"
	"slices"
)

// Template is a kind of pipeline, as read from its folder: template.yaml,
// statemachine.asl.json and the sources of its functions. Read-only.
type Template struct {
	// Name is what `template:` in a spec says.
	Name string `json:"name"`
	// Title is one line, Description some paragraphs.
	Title       string `json:"title"`
	Description string `json:"description"`
	// Version goes up when pipelines of it change by an update of the template.
	Version    string      `json:"version"`
	Groups     []Group     `json:"groups,omitempty"`
	Parameters []Parameter `json:"parameters"`
	Rules      []Rule      `json:"rules,omitempty"`
	// Blocks are the pieces of program it is made of; package program knows them.
	Blocks        []string       `json:"blocks"`
	Substitutions []Substitution `json:"substitutions,omitempty"`
	Outputs       []Output       `json:"outputs,omitempty"`
	// Definitions are definitions that stand in for statemachine.asl.json where
	// their conditions hold; the first that does counts.
	Definitions []DefinitionCase `json:"definitions,omitempty"`
	// Example is an execution input that works with the defaults, as JSON.
	Example JSON `json:"example,omitempty"`
	// InputFile are the execution inputs for a file that `run --input-file` has
	// uploaded, as cases with ${key} and ${prefix}; none: it takes no file.
	InputFile []Case `json:"inputFile,omitempty"`
	// Checks are those of every pipeline of the template that has none of the same name.
	Checks Checks `json:"checks,omitempty"`
	// Origin is "built-in" or the folder it was read from.
	Origin string `json:"origin" decode:"-"`

	// Definition is statemachine.asl.json with ${Substitutions} in its strings.
	Definition []byte `json:"-"`
	// FS is the template's folder.
	FS fs.FS `json:"-"`
	// Read are the files of FS that the template was made from; the code that it brings
	// is not among them.
	Read []string `json:"-"`

	byName map[string]int
	root   *node // of template.yaml
	unsure map[string]bool
}

// Group gathers parameters for help and wizard.
type Group struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Help  string `json:"help,omitempty"`
}

// Substitution is a ${name} of the definition that no parameter has.
type Substitution struct {
	Name string `json:"name"`
	Help string `json:"help"`
	// Cases are the values that the template itself gives it, by its parameters.
	// Without cases a block provides it.
	Cases []Case `json:"cases,omitempty"`
}

// DefinitionCase is a state machine in a file of its own, for some values of the
// parameters.
type DefinitionCase struct {
	When Conditions `json:"when"`
	// File is its name in the template's folder.
	File string `json:"file"`
	// Definition is what the file holds.
	Definition []byte `json:"-" decode:"-"`
}

// Output is a stack output that the template's blocks export.
type Output struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

// Type is the type of a parameter.
type Type string

// The types, with the Go type of their value in Values.
const (
	TypeString Type = "string" // string
	TypeInt    Type = "int"    // int
	TypeFloat  Type = "float"  // float64
	TypeBool   Type = "bool"   // bool
	TypeEnum   Type = "enum"   // string, or int if every choice is one
	TypeList   Type = "list"   // []string
	TypeMap    Type = "map"    // map[string]string
	TypePath   Type = "path"   // string: a local path, or a URL if Artifact.URLs allows
	TypeARN    Type = "arn"    // string
)

// Parameter is one question a template asks.
type Parameter struct {
	// Name is dotted: "preprocess.memoryMb".
	Name  string `json:"name"`
	Type  Type   `json:"type"`
	Group string `json:"group,omitempty"`
	Help  string `json:"help"`
	// Default is typed as in Values; nil: there is none.
	Default any `json:"default,omitempty"`
	// Required: there has to be a value, though there is no default.
	Required bool `json:"required,omitempty"`
	// Secret values are kept out of error texts and documents shown to people.
	Secret bool `json:"secret,omitempty"`
	// Example is a value that would be accepted.
	Example any `json:"example,omitempty"`
	// Unit is shown behind a number: "MB", "seconds".
	Unit string `json:"unit,omitempty"`
	// Changing says what a change does to running resources.
	Changing string `json:"changing,omitempty"`
	// Costs says what the value costs, in money or time.
	Costs string `json:"costs,omitempty"`

	// Enum are the choices of an enum: strings, or ints.
	Enum []any `json:"enum,omitempty"`
	// EnumFile is a file of the template's folder with the choices as a JSON
	// list, instead of Enum.
	EnumFile string `json:"enumFile,omitempty"`
	// Min and Max bound a number, and the number of items of a list or map.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Above is an exclusive lower bound of a number.
	Above *float64 `json:"above,omitempty"`
	// MaxLength bounds a string, or each item of a list, in characters.
	MaxLength int `json:"maxLength,omitempty"`
	// Pattern is a regular expression for a string, or each item of a list;
	// PatternHelp says it in words.
	Pattern     string `json:"pattern,omitempty"`
	PatternHelp string `json:"patternHelp,omitempty"`
	// KeyPattern is the same for the keys of a map.
	KeyPattern     string `json:"keyPattern,omitempty"`
	KeyPatternHelp string `json:"keyPatternHelp,omitempty"`
	// KeyReserved are keys of a map that can't be used.
	KeyReserved []string `json:"keyReserved,omitempty"`
	// Artifact is set for a path.
	Artifact *Artifact `json:"artifact,omitempty"`

	// When names the conditions under which the parameter means anything. Where
	// they don't hold it has the value Otherwise (or Default) and a wizard does
	// not ask for it. Giving another value is an error, unless it was given on a
	// weaker layer than what makes the conditions fail: then it just goes unused.
	When      Conditions `json:"when,omitempty"`
	Otherwise any        `json:"otherwise,omitempty"`

	rules compiledRules
}

// Artifact says what a path parameter may name.
type Artifact struct {
	// Kinds of local things: file, dir, zip.
	Kinds []string `json:"kinds"`
	// Extensions a file has to have one of; empty: any.
	Extensions []string `json:"extensions,omitempty"`
	// URLs are the schemes that are allowed instead: s3, https.
	URLs []string `json:"urls,omitempty"`
	// MaxBytes bounds the size of a file or a zip, or of all files of a dir.
	MaxBytes int64 `json:"maxBytes,omitempty"`
}

// Parameter returns a parameter by its dotted name.
func (t *Template) Parameter(name string) (*Parameter, bool) {
	i, ok := t.byName[name]
	if !ok {
		return nil, false
	}
	return &t.Parameters[i], true
}

// Group returns the parameters of a group, in the order of the template.
func (t *Template) Group(name string) []Parameter {
	var in []Parameter
	for _, p := range t.Parameters {
		if p.Group == name {
			in = append(in, p)
		}
	}
	return in
}

// Secrets returns the names of the parameters whose values are to be hidden. A
// Document holds them: keep it encrypted if any has a value.
func (t *Template) Secrets() []string {
	var names []string
	for _, p := range t.Parameters {
		if p.Secret {
			names = append(names, p.Name)
		}
	}
	return names
}

// HasBlock tells whether the template asks for a block.
func (t *Template) HasBlock(name string) bool { return slices.Contains(t.Blocks, name) }

func (t *Template) parameterNames() []string {
	names := make([]string, len(t.Parameters))
	for i, p := range t.Parameters {
		names[i] = p.Name
	}
	return names
}
