// Package eject owns how a pipeline becomes a Pulumi project of the user's own:
// Pulumi YAML that asks for the same resources under the same URNs, with the
// artifacts beside it and a README. It works from a program.Recording, starts no
// process and reaches no network; the stack's settings and secrets are written
// by whoever has the key. It may import fault and program.
package eject

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
)

// Options describe the project.
type Options struct {
	// Pipeline is its name as users know it, "acme/fraud".
	Pipeline string
	// Project and Stack are Pulumi's names: they decide the URNs.
	Project, Stack string
	// Backend is the backend's URL, "" if it can't be written down.
	Backend string
	// Readme tells how to go on.
	Readme Readme
}

// Result is what was written.
type Result struct {
	// Files are their paths in the folder, sorted.
	Files []string
	// Secrets are values that belong encrypted into the stack's config, by key
	// without the project. Each is JSON.
	Secrets   map[string]string
	Resources int
}

// Write writes the project into an empty folder.
func Write(dir string, rec *program.Recording, o Options) (*Result, error) {
	w := &writer{dir: dir, rec: rec, res: &Result{Secrets: map[string]string{}, Resources: len(rec.Resources)}, keys: map[string]string{}}
	doc, err := w.project(o)
	if err != nil {
		return nil, err
	}
	if err := w.locks(); err != nil {
		return nil, err
	}
	if err := w.write("Pulumi.yaml", doc); err != nil {
		return nil, err
	}
	if err := w.write("README.md", []byte(o.Readme.text(o, w))); err != nil {
		return nil, err
	}
	slices.Sort(w.res.Files)
	return w.res, nil
}

// writer makes one project.
type writer struct {
	dir string
	rec *program.Recording
	res *Result
	// keys are those of the secrets, by value: one that occurs twice is one.
	keys map[string]string
	// resource and path are where the value that is being written stands.
	resource string
	path     []string
	// shared is the value that the variable "tags" stands for.
	shared *resource.PropertyValue
}

// sharedTags is the property that most resources have with the same value, and
// the variable that says it once.
const sharedTags = "tags"

// share looks for tags that several resources have.
func (w *writer) share() {
	var first *resource.PropertyValue
	same := 0
	for _, r := range w.rec.Resources {
		if r.Name == sharedTags {
			return // the name is taken
		}
		v := r.Inputs[sharedTags]
		switch {
		case !v.IsObject():
		case first == nil:
			first = &v
		case first.DeepEquals(v):
			same++
		}
	}
	if same > 0 {
		w.shared = first
	}
}

const head = `# %s as a Pulumi program: the same stack, resources and URNs as in pipelinetui.
# README.md tells how to go on.
`

// project is Pulumi.yaml.
func (w *writer) project(o Options) ([]byte, error) {
	doc := mapping()
	add(doc, "name", text(o.Project))
	add(doc, "runtime", text("yaml"))
	add(doc, "description", text("inference pipeline "+o.Pipeline))
	if o.Backend != "" {
		backend := mapping()
		add(backend, "url", text(o.Backend))
		add(doc, "backend", backend)
	}
	if w.share(); w.shared != nil {
		tags, err := w.value(*w.shared)
		if err != nil {
			return nil, err
		}
		variables := mapping()
		add(variables, sharedTags, tags)
		add(doc, "variables", variables)
	}
	resources := mapping()
	for _, r := range w.rec.Resources {
		node, err := w.declare(r)
		if err != nil {
			return nil, fault.Wrap(err, "resource %s", r.Name)
		}
		key := add(resources, r.Name, node)
		key.HeadComment = remark(r)
	}
	add(doc, "resources", resources)
	outputs, err := w.outputs()
	if err != nil {
		return nil, err
	}
	add(doc, "outputs", outputs)
	all, err := encode(doc)
	if err != nil {
		return nil, fault.New(fault.Internal, "write Pulumi.yaml: %v", err).Because(err)
	}
	return []byte(fmt.Sprintf(head, o.Pipeline) + all), nil
}

// remark explains what can't be seen from a resource itself.
func remark(r program.Recorded) string {
	switch {
	case r.Name == program.SpecResource:
		return "What pipelinetui made this stack from; it finds the pipeline by it."
	case r.Name == program.RegionResource:
		return "Where the pipeline was made; it can't move."
	case !r.ReplacementTrigger.IsNull():
		return fmt.Sprintf("pipelinetui replaces this when its kind (now: %v) changes. YAML programs have no\nreplacementTrigger: use `pulumi up --replace "+
			"URN` for such a change.", r.ReplacementTrigger.V)
	}
	return ""
}

// declare is the declaration of a resource.
func (w *writer) declare(r program.Recorded) (*yaml.Node, error) {
	w.resource, w.path = r.Name, nil
	node := mapping()
	add(node, "type", text(r.Type))
	properties, refs, err := w.properties(r)
	if err != nil {
		return nil, err
	}
	add(node, "properties", properties)
	if options := w.options(r, refs); len(options.Content) > 0 {
		add(node, "options", options)
	}
	return node, nil
}

// properties are the inputs, and the names of the resources they refer to.
func (w *writer) properties(r program.Recorded) (*yaml.Node, map[string]bool, error) {
	refs := map[string]bool{}
	properties := mapping()
	for _, name := range r.Inputs.StableKeys() {
		w.collect(r.Inputs[name], refs)
		node, err := w.property(r, string(name), r.Inputs[name])
		if err != nil {
			return nil, nil, err
		}
		if node != nil {
			add(properties, string(name), node)
		}
	}
	return properties, refs, nil
}

func (w *writer) options(r program.Recorded, refs map[string]bool) *yaml.Node {
	options := mapping()
	var after []string
	for _, name := range w.needed(r, refs) {
		after = append(after, "${"+root(name)+"}")
	}
	list := func(name string, values []string) {
		if len(values) == 0 {
			return
		}
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, v := range values {
			node.Content = append(node.Content, text(v))
		}
		add(options, name, node)
	}
	list("dependsOn", after)
	if r.Protect {
		add(options, "protect", literal("true"))
	}
	if r.RetainOnDelete {
		add(options, "retainOnDelete", literal("true"))
	}
	if r.DeleteBeforeReplace != nil {
		add(options, "deleteBeforeReplace", literal(fmt.Sprint(*r.DeleteBeforeReplace)))
	}
	list("ignoreChanges", r.IgnoreChanges)
	list("replaceOnChanges", r.ReplaceOnChanges)
	list("additionalSecretOutputs", r.SecretOutputs)
	timeouts := mapping()
	for _, t := range []struct{ name, value string }{{"create", r.Create}, {"update", r.Update}, {"delete", r.Delete}} {
		if t.value != "" {
			add(timeouts, t.name, text(t.value))
		}
	}
	if len(timeouts.Content) > 0 {
		add(options, "customTimeouts", timeouts)
	}
	return options
}

// needed are the resources that have to be named as such for r to wait for all
// that it did: not those that it refers to, nor those that these wait for.
func (w *writer) needed(r program.Recorded, refs map[string]bool) []string {
	byName := map[string]program.Recorded{}
	for _, other := range w.rec.Resources {
		byName[other.Name] = other
	}
	covered := map[string]bool{}
	var cover func(name string)
	cover = func(name string) {
		for _, before := range byName[name].DependsOn {
			if !covered[before] {
				covered[before] = true
				cover(before)
			}
		}
	}
	for _, name := range r.DependsOn {
		cover(name)
	}
	return slices.DeleteFunc(slices.Clone(r.DependsOn), func(name string) bool { return refs[name] || covered[name] })
}

func (w *writer) outputs() (*yaml.Node, error) {
	outputs := mapping()
	w.resource = "output"
	for _, name := range w.rec.Outputs.StableKeys() {
		w.path = []string{string(name)}
		node, err := w.value(w.rec.Outputs[name])
		if err != nil {
			return nil, fault.Wrap(err, "output %s", name)
		}
		add(outputs, string(name), node)
	}
	return outputs, nil
}

// locks pins the providers' versions, in the form of `pulumi package add`.
func (w *writer) locks() error {
	type lock struct {
		Declaration int    `yaml:"packageDeclarationVersion"`
		Name        string `yaml:"name"`
		Version     string `yaml:"version"`
		URL         string `yaml:"downloadUrl,omitempty"`
	}
	seen := map[string]lock{}
	for _, r := range w.rec.Resources {
		name, _, _ := strings.Cut(r.Type, ":")
		if r.Version == "" {
			continue
		}
		l := lock{1, name, r.Version, r.PluginURL}
		if old, ok := seen[name]; ok {
			if old != l {
				return fault.New(fault.Unsupported, "the program uses two versions of the provider %s: %s and %s", name, old.Version, l.Version)
			}
			continue
		}
		seen[name] = l
		data, err := yaml.Marshal(l)
		if err != nil {
			return fault.New(fault.Internal, "write the version of %s: %v", name, err).Because(err)
		}
		if err := w.write(filepath.Join("sdks", name, name+"-"+r.Version+".yaml"), data); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file of the project.
func (w *writer) write(name string, data []byte) error {
	path := filepath.Join(w.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755) // a project, to be read and shared
	if err == nil {
		err = os.WriteFile(path, data, 0o644) // as above
	}
	if err != nil {
		return unwritable(path, err)
	}
	w.res.Files = append(w.res.Files, filepath.ToSlash(name))
	return nil
}

func unwritable(path string, err error) error {
	return fault.New(fault.Invalid, "%s can't be written: %v", path, fault.Reason(err)).Because(err).
		WithHint("Name a folder that can be written.")
}
