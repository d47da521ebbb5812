package spec

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// storedDocument is what Pipeline.Document holds. The order of the fields and of map
// keys is fixed, so the same pipeline gives the same bytes.
type storedDocument struct {
	APIVersion          string            `json:"apiVersion"`
	Tenant              string            `json:"tenant"`
	Model               string            `json:"model"`
	Env                 string            `json:"env"`
	Template            string            `json:"template"`
	TemplateVersion     string            `json:"templateVersion"`
	Region              string            `json:"region"`
	AssumeRole          string            `json:"assumeRole,omitempty"`
	PermissionsBoundary string            `json:"permissionsBoundary,omitempty"`
	Protect             *bool             `json:"protect,omitempty"`
	Tags                map[string]string `json:"tags,omitempty"`
	Parameters          map[string]any    `json:"parameters,omitempty"`
	// Dormant are parameters that were given and do not apply at present: another
	// one switches them off. They count again when it no longer does.
	Dormant map[string]any `json:"dormant,omitempty"`
	// Checks are those that were given; null takes one of the template away.
	Checks map[string]any `json:"checks,omitempty"`
	// Directory is what relative paths in Parameters are relative to.
	Directory string `json:"directory,omitempty"`
}

// makeDocument writes down what was given and applies, and what is dormant;
// defaults of the template stay out, so that a better default reaches the pipeline with an update.
func makeDocument(a *ask, p *Pipeline, applied, dormant map[string]setting, checks map[string]any) []byte {
	d := storedDocument{
		APIVersion: APIVersion,
		Tenant:     p.Tenant, Model: p.Model, Env: p.envOrDefault(),
		Template: p.Template, TemplateVersion: p.TemplateVersion,
		Region: p.Region, AssumeRole: p.AssumeRole, PermissionsBoundary: p.PermissionsBoundary,
		Tags:       maps.Clone(p.Tags),
		Checks:     checks,
		Parameters: map[string]any{},
	}
	if a.pick(func(l *layer) *node { return l.Protect }) != nil {
		d.Protect = &p.Protect
	}
	for name, s := range dormant {
		if d.Dormant == nil {
			d.Dormant = map[string]any{}
		}
		d.Dormant[name] = covered(s.value, s.secrets)
	}
	for name, s := range applied {
		d.Parameters[name] = covered(s.value, s.secrets)
		path, local := p.Files[name]
		if !local || filepath.IsAbs(s.value.(string)) {
			continue
		}
		if s.layer.dir == a.dir {
			d.Directory = a.dir
		} else {
			d.Parameters[name] = path
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		panic("spec: a document of strings and numbers can't fail to marshal: " + err.Error())
	}
	return bytes.TrimSpace(buf.Bytes())
}

// documentFile is the same for reading, with places.
type documentFile struct {
	settings

	APIVersion      *node  `json:"apiVersion"`
	Tenant          string `json:"tenant"`
	Model           string `json:"model"`
	TemplateVersion string `json:"templateVersion"`
	Dormant         *node  `json:"dormant"`
	Directory       string `json:"directory"`

	Artifacts map[string]Kept `json:"artifacts"`
}

// FromDocument makes a pipeline from its Document, by the rules of the
// templates of today. Options.Set goes on top of it.
func FromDocument(doc []byte, cat *Catalog, opts Options) (*Pipeline, error) {
	d, id, err := readDocument(doc)
	if err != nil {
		return nil, err
	}
	if err := checkKept(d.Artifacts); err != nil {
		return nil, err
	}
	layers := []*layer{{settings: d.settings, rank: rankPipeline, dir: d.Directory}}
	if d.Dormant != nil {
		dormant := &layer{settings: settings{Parameters: d.Dormant}, rank: rankDefaults, dir: d.Directory, dormant: true}
		layers = append([]*layer{dormant}, layers...)
	}
	p, err := one(&ask{id: id, layers: layers, dir: d.Directory, how: "Add --set %s=%s", stored: true}, cat, opts, nil)
	if p != nil {
		p.Kept = d.Artifacts
	}
	return p, err
}

// ReadDocument reads a Document without a template: for what needs no more than
// to know which pipeline it is, where it runs and as whom, as run and destroy
// do, on a machine that may not have the template. Parameters are those that
// were given, as JSON has them; there are no defaults, no Files and no Kept.
func ReadDocument(doc []byte) (*Pipeline, error) {
	d, id, err := readDocument(doc)
	if err != nil {
		return nil, err
	}
	l := &layer{settings: d.settings}
	errs := l.check()
	a := &ask{id: id, layers: []*layer{l}}
	p := &Pipeline{ID: id, TemplateVersion: d.TemplateVersion, Parameters: Values{}, Document: bytes.Clone(doc)}
	r := newResolver(&Catalog{}, Options{})
	r.plain(a, p)
	if errs = append(errs, r.errs...); len(errs) > 0 {
		return nil, errs.err()
	}
	p.Template = text(d.Template, "template", &errs)
	if d.Parameters != nil {
		for _, e := range d.Parameters.entries {
			p.Parameters[e.key] = e.value.plain()
		}
	}
	return p, nil
}

// KeptIn returns what a Document tells of copies, without the rest of it.
func KeptIn(doc []byte) (map[string]Kept, error) {
	d, _, err := readDocument(doc)
	if err != nil {
		return nil, err
	}
	return d.Artifacts, checkKept(d.Artifacts)
}

// ChecksIn are the checks of a Document, on top of those of its template; t may be nil.
func ChecksIn(doc []byte, t *Template) (Checks, error) {
	d, _, err := readDocument(doc)
	if err != nil {
		return nil, err
	}
	if errs := checkChecks(d.Checks); len(errs) > 0 {
		return nil, errs.err()
	}
	var beneath Checks
	if t != nil {
		beneath = t.Checks
	}
	all, _ := mergeChecks(beneath, []*layer{{settings: d.settings}})
	return all, nil
}

var (
	keptDigest = lazyregexp.New(`^[0-9a-f]{64}$`)
	keptObject = lazyregexp.New(`^artifacts/[A-Za-z0-9_-][A-Za-z0-9._-]*$`) // what package program writes
)

// checkKept checks what a stack says of its copies: it becomes paths on this machine.
func checkKept(kept map[string]Kept) error {
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if k := kept[name]; !keptDigest.MatchString(k.SHA256) || !keptObject.MatchString(k.Object) {
			return pos{source: storedSpec}.in("artifacts", name).
				problem(CodeArtifact, "artifacts: %q is no copy of an artifact: object %q, sha256 %q", clip(name), clip(k.Object), clip(k.SHA256)).
				WithHint("Give the pipeline's spec anew with -f.")
		}
	}
	return nil
}

// storedSpec is what errors call a document that was kept with a stack.
const storedSpec = "the stored spec"

func readDocument(doc []byte) (*documentFile, ID, error) {
	at := pos{source: storedSpec}
	n, err := parseJSON(at, doc)
	if err != nil {
		return nil, ID{}, at.problem(CodeSyntax, "%s", err).WithHint("Give the pipeline's spec anew with -f.").Because(err)
	}
	if v := n.get("apiVersion"); n.kind == kindMap && (v == nil || v.value != APIVersion) {
		e := fault.New(fault.Unsupported, "the stored spec is not of apiVersion %s", APIVersion)
		return nil, ID{}, e.WithHint("Use the version of pipelinetui that made the pipeline, or a newer one.")
	}
	var d documentFile
	if errs := decode(n, &d); len(errs) > 0 {
		return nil, ID{}, errs.err()
	}
	id := ID{Tenant: d.Tenant, Model: d.Model, Env: DefaultEnv}
	if d.Env != nil {
		id.Env = d.Env.text
	}
	return &d, id, id.Validate()
}
