package program

import (
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// RevisionsResource is the name of the resource that keeps the ledger of revisions in
// the stack's state: a pulumi:index:Stash.
const RevisionsResource = "revisions"

// RevisionOutput is the stack's output that tells the newest revision that was brought to
// its end: its value waits for every resource.
const RevisionOutput = "revision"

// content is what this revision is made from, and its document with secrets in clear.
func (p *plan) content() (revisions.Content, map[string]any, error) {
	doc, _ := p.document.(map[string]any) // checked by readDocument
	open := make(map[string]any, len(doc)+1)
	for k, v := range doc {
		open[k] = v
	}
	if len(p.copies) > 0 {
		copies := map[string]any{}
		for _, c := range p.copies {
			copies[c.Parameter] = map[string]any{"object": c.Key, "sha256": c.Digest, "folder": c.Folder}
		}
		open["artifacts"] = copies
	}
	c := revisions.Content{
		Document: p.sealed(open), Image: p.text("image"), ImageDigest: p.imageDigest(), Objects: p.env.Objects,
		Template: revisions.Template{Name: p.tmpl.Name, Version: p.tmpl.Version},
		Model:    p.modelDigest(), Code: p.codeDigest(),
	}
	if param, known := p.tmpl.Parameter("image"); known && param.Secret {
		c.Image, c.ImageDigest = "", "" // it is in the document, sealed
	}
	copied, err := TemplateCopy(p.tmpl)
	if err != nil {
		return c, nil, err
	}
	if copied != nil {
		c.Template.SHA256, c.Template.Object = copied.Digest, copied.Key
	}
	return c, open, nil
}

// sealed is a document in which {"secret": true} stands for each parameter that is
// secret as a whole; the others have that form already.
func (p *plan) sealed(doc map[string]any) map[string]any {
	out := make(map[string]any, len(doc))
	for k, v := range doc {
		if m, ok := v.(map[string]any); ok && (k == "parameters" || k == "dormant") {
			v = p.sealedGroup(m, "")
		}
		out[k] = v
	}
	return out
}

func (p *plan) sealedGroup(m map[string]any, prefix string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		name := prefix + k
		param, known := p.tmpl.Parameter(name)
		group, isMap := v.(map[string]any)
		switch {
		case known && param.Secret:
			v = map[string]any{secretForm: true}
		case isMap && !known && prefix == "":
			v = p.sealedGroup(group, name+".")
		}
		out[k] = v
	}
	return out
}

// modelDigest tells which model is served: "sha256:..." of a file of the user's,
// "etag:..." of what lies in S3, "" if the image holds it or it is not known.
func (p *plan) modelDigest() string {
	switch m := p.model; {
	case m == nil:
		return ""
	case m.sum != "":
		return "sha256:" + m.sum
	case m.identity != "":
		return "etag:" + m.identity
	}
	return ""
}

// codeDigest tells which code preprocesses: that of the user, or of the template.
func (p *plan) codeDigest() string {
	for _, c := range p.copies {
		if c.Parameter == "preprocess.code" {
			return "sha256:" + c.Digest
		}
	}
	if p.code == nil || p.tmpl.FS == nil {
		return ""
	}
	sum, err := hashCode(p.tmpl.FS, preprocessCode)
	if err != nil {
		return "" // the block that needs it has read it
	}
	return "sha256:" + sum
}

// addRevisions writes the revision down, before anything else is changed: every resource
// waits for the spec, which waits for the ledger. What is there of older revisions stays
// as the engine has it, secrets too: it is not read. A preview plans the same, so that it counts
// what the update counts, but says nothing of who and when: whoever applies it is told of as of then.
func (b *build) addRevisions(first pulumi.Resource) (pulumi.Resource, error) {
	if b.env.Revise == nil {
		return first, nil
	}
	content, document, err := b.content()
	if err != nil {
		return nil, fault.Wrap(err, "write the revision down")
	}
	step, err := b.env.Revise(b.ctx.Context(), content, document)
	if err != nil {
		return nil, fault.Wrap(err, "number the revision")
	}
	b.revision = step.Number
	b.output("revision", pulumi.Int(step.Number))
	opts := []pulumi.ResourceOption{pulumi.DependsOn([]pulumi.Resource{first})}
	input := pulumi.Map{}
	if step.Same {
		opts = append(opts, pulumi.IgnoreChanges([]string{"input"}))
	} else {
		entries, made := pulumi.Map{}, pulumi.Map{}
		var keep []string
		for _, n := range step.Kept {
			key := revisions.Key(n)
			entries[key] = pulumi.Map{}
			keep = append(keep, "input.revisions."+key)
		}
		if entries[revisions.Key(step.Number)], err = b.recordInput(content, step.Number); err != nil {
			return nil, fault.Wrap(err, "write the revision down")
		}
		for key, m := range step.Made {
			made[key] = pulumi.Map{"machine": pulumi.String(m.Machine), "model": pulumi.String(m.Model), "function": pulumi.String(m.Function)}
		}
		input["revisions"], input["made"] = entries, made
		opts = append(opts, pulumi.IgnoreChanges(keep))
	}
	return pulumi.NewStash(b.ctx, RevisionsResource, &pulumi.StashArgs{Input: input}, opts...)
}

// recordInput is the record of the revision as an input of the engine: as it is, but for
// the document, which is kept as that of the spec is.
func (b *build) recordInput(content revisions.Content, number int) (pulumi.Input, error) {
	r := b.env.Revision
	if b.ctx.DryRun() {
		r = revisions.Record{}
	}
	r.Content, r.Number, r.Digest = content, number, content.Digest()
	r.Document = nil
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	plain, err := decodeJSON(raw)
	if err != nil {
		return nil, err
	}
	m, ok := toInput(plain).(pulumi.Map)
	if !ok {
		return nil, errTrailing
	}
	m["document"] = b.documentInput()
	return m, nil
}

// exportRevision says that the revision is there, once everything is.
func (b *build) exportRevision() {
	if b.revision == 0 {
		return
	}
	number := b.revision
	urns := make([]any, 0, len(b.made))
	for _, r := range b.made {
		urns = append(urns, r.URN())
	}
	b.export(RevisionOutput, pulumi.All(urns...).ApplyT(func([]any) int { return number }))
}

// TemplateFiles is a template as a pipeline's bucket keeps it.
type TemplateFiles struct {
	// Key is the object, Digest that of Data: the files as JSON, as the stack has them.
	Key, Digest string
	Data        []byte
}

// TemplateCopy returns the files of a template for its pipeline's bucket, nil if it has
// none or they are too much. Errors are those of reading them.
func TemplateCopy(t *spec.Template) (*TemplateFiles, error) {
	if t.FS == nil {
		return nil, nil
	}
	files, err := templateFiles(t.FS, t.Read)
	if err != nil || files == nil {
		return nil, err
	}
	plain := map[string]any{}
	for name, f := range files {
		switch f := f.(type) {
		case pulumi.String:
			plain[name] = string(f)
		case pulumi.Map:
			text, _ := f["hex"].(pulumi.String)
			plain[name] = map[string]any{"hex": string(text)}
		}
	}
	raw, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	sum := DigestOf(raw)
	return &TemplateFiles{Key: artifactPrefix + "template-" + sum[:12] + ".json", Digest: sum, Data: raw}, nil
}

// ArtifactPrefix is where in a pipeline's bucket the copies of artifacts are.
const ArtifactPrefix = artifactPrefix

// IsCopy tells whether an object of a pipeline's bucket is a copy that is named by its
// content.
func IsCopy(key string) bool { return copyName.MatchString(key) }

var copyName = lazyregexp.New(`^artifacts/(model|code|template)-[0-9a-f]{12}\.(tar\.gz|zip|json)$`)
