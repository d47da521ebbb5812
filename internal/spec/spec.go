// Package spec owns what the user asks for: the spec file, templates and their
// parameters, the rules every value must keep, and the names that will exist on
// AWS. It is pure: it reads local files and computes. It may not import an AWS
// or Pulumi package, the sandbox, or anything that reaches the network; of this
// module it imports internal/fault, what writes JSON, and what knows the languages of models
// and conditions (internal/linear, internal/asl/jsonata).
package spec

import (
	"maps"
	"slices"
)

// APIVersion is the value of apiVersion in a spec file and in a Document.
const APIVersion = "pipelinetui/v1"

// Pipeline is one template instantiated for one tenant, one model and one env,
// with every value checked. It is read-only after it was made and then safe for
// concurrent use.
type Pipeline struct {
	ID

	// Template and TemplateVersion name the template that Parameters belong to.
	Template, TemplateVersion string
	// Region is an AWS region; never empty.
	Region string
	// AssumeRole is the ARN of the role to deploy with, or "".
	AssumeRole string
	// PermissionsBoundary is the ARN of the policy to put on every role, or "".
	PermissionsBoundary string
	// Tags are the user's tags, merged: defaults < tenant < pipeline. The tags
	// the tool adds are in SystemTags.
	Tags map[string]string
	// Protect keeps the data of the pipeline from being deleted with it. It is
	// true in env "prod" unless asked for otherwise.
	Protect bool
	// Parameters holds every parameter of the template that has a value, by
	// dotted name ("preprocess.memoryMb"), defaults filled in.
	Parameters Values
	// Secrets are the values that are secret in this pipeline, besides those that its
	// template calls secret; see IsSecret and Shown.
	Secrets map[SecretPath]Secret
	// Files holds the artifact parameters given as a local path: name to
	// absolute path. The paths were checked to exist unless Options.SkipFiles.
	Files map[string]string
	// Kept tells of local artifacts which copy the stack's bucket has, by parameter; of
	// pipelines read from a stored spec only.
	Kept map[string]Kept
	// Checks are asked of the pipeline before a change takes over, sorted by name.
	Checks Checks
	// Document is the canonical JSON of what was asked for, to be kept with the
	// stack; FromDocument reads it back.
	Document []byte
}

// Kept is the copy of a local artifact in the bucket of a pipeline.
type Kept struct {
	// Object is its key; a folder is kept as a zip of its files.
	Object string `json:"object"`
	SHA256 string `json:"sha256"`
	Folder bool   `json:"folder"`
}

// Set is the pipelines of one spec file, in the order of the file.
type Set struct {
	Pipelines []Pipeline
	// Aside is what is wrong with pipelines that Options.Select has left out.
	Aside []*Problem
}

// Options change how a spec is read.
type Options struct {
	// Region is used where the spec names none; RegionFrom says where it comes from, for an
	// error: "environment AWS_REGION".
	Region, RegionFrom string
	// Set are "name=value" overrides for every pipeline that is selected, the strongest
	// layer; Rollout is a rollout in its short form, as strong, but for what Set says of it.
	Set     []string
	Rollout string
	// Select takes those of a file's pipelines that are meant; nil: all. It sees them as they
	// are without Set. Of the others neither what Set would be to them counts, nor what is
	// wrong with them; but a name stands for one of all of them.
	Select func(all []Pipeline) ([]Pipeline, error)
	// Dir is what relative paths in Set are relative to; "" is the working
	// directory.
	Dir string
	// Environ looks up the variables that secrets are read from; nil: the process's.
	Environ func(string) (string, bool)
	// Copies are where artifacts of a stored spec are that are no longer where it says,
	// by parameter.
	Copies map[string]string
	// SkipFiles leaves out every check that needs the local artifacts: for
	// destroy, run and list, perhaps on another machine.
	SkipFiles bool
}

// Overrides are what flags say of pipelines that there are already.
type Overrides struct {
	Set     []string // as in Options
	Rollout string
}

// With is the options with overrides.
func (o Options) With(over Overrides) Options {
	o.Set, o.Rollout = over.Set, over.Rollout
	return o
}

// StackTag is the tag that tells which pipeline a resource belongs to.
const StackTag = "pipelinetui:stack"

// SystemTags returns the tags the tool puts on every resource of the pipeline,
// apart from the user's own. Values are never empty: Cloud Control refuses that.
func (p *Pipeline) SystemTags() map[string]string {
	return map[string]string{
		"pipelinetui:" + "tenant":           p.Tenant,
		"pipelinetui:" + "model":            p.Model,
		"pipelinetui:" + "env":              p.envOrDefault(),
		"pipelinetui:" + "template":         p.Template,
		"pipelinetui:" + "template-version": p.TemplateVersion,
		StackTag:                            p.StackName(),
		"pipelinetui:" + "managed":          "true",
	}
}

// AllTags returns user and system tags together, in a new map.
func (p *Pipeline) AllTags() map[string]string {
	all := maps.Clone(p.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, p.SystemTags())
	return all
}

// Values are parameter values by dotted name. A value is a string, int,
// float64, bool, []string or map[string]string, as the parameter's type says.
// A parameter without a value and without a default is absent. The accessors
// give the zero value for an absent name and for one of another type; use Has
// where absent and zero differ.
type Values map[string]any

// Has tells whether the parameter has a value.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// String returns the value of a string, enum, arn or path parameter.
func (v Values) String(name string) string { s, _ := v[name].(string); return s }

// Int returns the value of an int parameter.
func (v Values) Int(name string) int { n, _ := v[name].(int); return n }

// Float returns the value of a float parameter; an int is widened.
func (v Values) Float(name string) float64 {
	switch n := v[name].(type) {
	case float64:
		return n
	case int:
		return float64(n)
	}
	return 0
}

// Bool returns the value of a bool parameter.
func (v Values) Bool(name string) bool { b, _ := v[name].(bool); return b }

// Strings returns a copy of the value of a list parameter.
func (v Values) Strings(name string) []string {
	l, _ := v[name].([]string)
	return slices.Clone(l)
}

// Map returns a copy of the value of a map parameter.
func (v Values) Map(name string) map[string]string {
	m, _ := v[name].(map[string]string)
	return maps.Clone(m)
}

// Names returns the names in alphabetical order.
func (v Values) Names() []string { return slices.Sorted(maps.Keys(v)) }
