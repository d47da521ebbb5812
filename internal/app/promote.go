package app

import (
	"context"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// imageParameter names the container image.
const imageParameter = "image"

// Promote returns a pipeline as it is, but with the image, the model, the code and the
// template that another one runs: by digest, out of that one's bucket, with that one's
// credentials. What else the two differ in stays. The record is that of the revision.
func (a *App) Promote(ctx context.Context, from, to *Existing) (*spec.Pipeline, *revisions.Record, error) {
	ledger, err := pipelines.Ledger(from.State)
	if err != nil {
		return nil, nil, fault.Wrap(err, "%s", from.ID)
	}
	if last := ledger.Last(); last != nil && last.Number != ledger.Current {
		return nil, nil, fault.New(fault.Conflict, "%s: revision %d was not brought to its end", from.ID, last.Number).
			WithHint("Bring it up, and promote what is in service then. %s", a.GoBack(ctx, from.ID))
	}
	source, record, err := a.RebuildAt(ctx, from, ledger.Current, spec.Overrides{})
	if err != nil {
		return nil, nil, err
	}
	tmpl, err := a.TemplateOf(ctx, source)
	if err != nil {
		return nil, nil, err
	}
	doc, err := a.Spec(ctx, to)
	if err == nil && doc == nil {
		err = to.Err
	}
	if err != nil {
		return nil, nil, err
	}
	target, err := spec.ReadDocument(doc)
	if err != nil {
		return nil, nil, err
	}
	if target.Template != source.Template {
		return nil, nil, fault.New(fault.Invalid, "%s is made by the template %s and %s by %s: what one runs is nothing for the other", from.ID, source.Template, to.ID, target.Template).
			WithHint("Promote between pipelines of one template.")
	}
	cat, err := a.Catalog(ctx)
	if err != nil {
		return nil, nil, err
	}
	cat = cat.With(tmpl)
	o := a.SpecOptions(artifactsOf(source, tmpl))
	p, err := outside.Do(ctx, "the files of "+from.ID.String(), func() (*spec.Pipeline, error) { return spec.FromDocument(doc, cat, o) })
	if err != nil {
		return nil, nil, fault.Wrap(err, "%s with what %s runs", to.ID, from.ID)
	}
	a.pinned.Store(p, tmpl)
	return p, record, nil
}

// artifactsOf are the parameters that say what a pipeline runs, in the form of --set: its
// image and its artifacts, and with code what it is started by, handler and runtime, which
// are nothing without it.
func artifactsOf(p *spec.Pipeline, t *spec.Template) []string {
	with := map[string]string{} // what belongs to code, by its name
	for _, rule := range t.Rules {
		if rule.Kind == spec.RuleHandler {
			for _, name := range rule.Parameters[1:] {
				with[name] = rule.Parameters[0]
			}
		}
	}
	var set []string
	for _, param := range t.Parameters {
		code, belongs := with[param.Name]
		if param.Type != spec.TypePath && param.Name != imageParameter && !belongs {
			continue
		}
		value := p.Parameters.String(param.Name)
		if local := p.Files[param.Name]; local != "" {
			value = local
		}
		if value == "" || belongs && (p.Parameters.String(code) == "" || p.Parameters[param.Name] == param.Default) {
			value = "null" // it takes back what the other has
		}
		set = append(set, param.Name+"="+value)
	}
	return set
}

// ByTag tells whether the image of a revision is known by a tag alone, so that what it stands
// for may change.
func ByTag(r *revisions.Record) bool {
	return r.Image != "" && r.ImageDigest == "" && !strings.Contains(r.Image, "@sha256:")
}
