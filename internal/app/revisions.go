package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

// numbered are the revisions that the programs of an operation have got.
type numbered struct {
	mu   sync.Mutex
	of   map[spec.ID]int
	made map[spec.ID]madeFrom
}

// madeFrom is what a revision is made from, and the digest of its secrets.
type madeFrom struct {
	content *revisions.Content
	secrets string
}

func (n *numbered) keep(id spec.ID, m madeFrom) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made[id] = m
}

func (n *numbered) content(id spec.ID) (*revisions.Content, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.made[id]
	return m.content, m.secrets
}

func (n *numbered) set(id spec.ID, number int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[id] = number
}

func (n *numbered) get(id spec.ID) int {
	if n == nil {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[id]
}

// keepLedger makes a pipeline's program keep the ledger of revisions.
func (a *App) keepLedger(env *program.Env, p *spec.Pipeline, req *Request, told *numbered) {
	env.Revision = revisions.Record{
		Begun: a.opts.Clock.Now().UTC(), By: whoami(), Tool: version.Version, Message: req.Message, Origin: req.Origin[p.ID],
	}
	salt, secrets := req.Salt, env.Secrets
	env.Revise = func(ctx context.Context, content revisions.Content, document map[string]any) (*revisions.Step, error) {
		step, err := a.nextRevision(ctx, p.StackName(), content, document)
		if err != nil {
			return step, err
		}
		made := madeFrom{content: &content}
		if made.secrets, err = a.secretsDigest(ctx, p, salt, content, document, secrets); err != nil {
			return step, err
		}
		told.set(p.ID, step.Number)
		told.keep(p.ID, made)
		return step, nil
	}
}

// secretsDigest is a digest of the secrets of a revision: those of its document, and those
// that are read from elsewhere. It is "" without a salt, and if there are none.
func (a *App) secretsDigest(
	ctx context.Context, p *spec.Pipeline, salt []byte, content revisions.Content, document map[string]any, read map[spec.SecretPath]string,
) (string, error) {
	if len(salt) == 0 || len(read) == 0 && revisions.SameDocument(content.Sealed().Document, document) {
		return "", nil
	}
	values := map[string]string{}
	for path, text := range read {
		values[path.String()] = text
	}
	raw, err := json.Marshal([]any{revisions.Normal(document), values})
	if err != nil {
		return "", err
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return "", err
	}
	return e.Fingerprint(ctx, p.StackName(), salt, raw)
}

func whoami() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// nextRevision reads the ledger that the stack has now. In an update the engine holds the
// stack's lock, so that nobody else writes another one meanwhile.
func (a *App) nextRevision(ctx context.Context, name string, content revisions.Content, document map[string]any) (*revisions.Step, error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.State(ctx, name)
	if errors.Is(err, fault.NotFound) {
		s, err = &stack.State{}, nil
	}
	if err != nil {
		return nil, err
	}
	ledger, err := pipelines.Ledger(s)
	if err != nil {
		return nil, err
	}
	step, err := ledger.Next(content, a.opts.Settings.Int(settings.KeepRevisions), func() (bool, error) {
		last := ledger.Last()
		s, err := e.Reveal(ctx, name)
		if err != nil {
			return false, err
		}
		open, err := pipelines.Ledger(s)
		if err != nil {
			return false, err
		}
		now := open.Find(last.Number)
		return now != nil && revisions.SameDocument(now.Document, document), nil
	})
	return &step, err
}

// currentRevision numbers what a program that is only written down would make: what is
// there already.
func currentRevision(s *stack.State) func(context.Context, revisions.Content, map[string]any) (*revisions.Step, error) {
	if s == nil || s.Revisions == nil {
		return nil
	}
	return func(context.Context, revisions.Content, map[string]any) (*revisions.Step, error) {
		ledger, err := pipelines.Ledger(s)
		if err != nil {
			return nil, err
		}
		return &revisions.Step{Number: ledger.Last().Number, Same: true}, nil
	}
}

// Revision is a revision of a pipeline as its history shows it.
type Revision = pipelines.Revision

// Revisions lists the revisions of a pipeline that are kept, the newest first, with what is
// known of their checks.
//
// What is noted of their checks is in the pipeline's bucket: unasked is why it could not be read,
// or not in time. All else is told by the stack, whoever answers.
func (a *App) Revisions(ctx context.Context, id spec.ID) (list []Revision, unasked, err error) {
	x, err := a.Find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, nil, err
	}
	history, err := e.History(ctx, id.StackName(), 0)
	if err != nil {
		return nil, nil, err
	}
	list, err = pipelines.Revisions(x.State, history, e.HeldBy(ctx, id.StackName())[id.StackName()])
	if err != nil {
		return nil, nil, err
	}
	within := ctx
	if a.opts.Settings.String(settings.Target) == TargetAWS { // a sandbox of one's own answers once it has started
		var stop context.CancelFunc
		within, stop = context.WithTimeoutCause(ctx, verdictPatience, fault.New(fault.Timeout, "no answer within %s", verdictPatience))
		defer stop()
	}
	of := a.verdicts(within, x)
	for i := range list {
		verdict, err := of(list[i].Number)
		if ctx.Err() != nil {
			return nil, nil, err
		}
		if list[i].Whole() || verdict == revisions.Failed { // others were never asked
			list[i].Checks = pipelines.ChecksOf(verdict, err)
		}
		if err != nil && unasked == nil {
			if unasked = err; within.Err() != nil {
				unasked = context.Cause(within)
			}
		}
	}
	return list, unasked, nil
}

// verdictPatience is how long what is noted of checks is waited for, where all else is known.
const verdictPatience = 3 * time.Second

// specAt is a revision with its whole document, secrets included.
func (a *App) specAt(ctx context.Context, x *Existing, number int) (*revisions.Record, []byte, error) {
	state := x.State
	ledger, err := pipelines.Ledger(state)
	if err == nil {
		_, err = ledger.Get(number)
	}
	if err == nil && state.RevisionsHidden {
		var e *stack.Engine
		if e, err = a.Engine(ctx); err == nil {
			if state, err = e.Reveal(ctx, x.ID.StackName()); err == nil {
				ledger, err = pipelines.Ledger(state)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := ledger.Get(number)
	if err != nil {
		return nil, nil, err
	}
	doc, err := json.Marshal(r.Document)
	return r, doc, err
}

// RebuildAt returns an existing pipeline as a revision was made: the spec, the template
// the image and the artifacts of then, by digest. Nothing of it has to be on this machine; what is
// in the bucket is taken from there even if the files are here, for they may be others now.
// over goes on top of it.
func (a *App) RebuildAt(ctx context.Context, x *Existing, number int, over spec.Overrides) (*spec.Pipeline, *revisions.Record, error) {
	if x.State == nil {
		return nil, nil, x.Err
	}
	r, doc, err := a.specAt(ctx, x, number)
	if err != nil {
		return nil, nil, fault.Wrap(err, "%s", x.ID)
	}
	at := fmt.Sprintf("%s revision %d", x.ID, number)
	cat, tmpl, err := a.templateAt(ctx, x, r, doc)
	if err != nil {
		return nil, nil, fault.Wrap(err, "%s", at)
	}
	pin, err := a.pinImage(ctx, x, r)
	if err != nil && !slices.ContainsFunc(over.Set, func(s string) bool { return strings.HasPrefix(s, imageParameter+"=") }) {
		return nil, nil, err
	}
	over.Set = slices.Concat(pin, over.Set)
	o := a.SpecOptions(nil).With(over)
	skip := o
	skip.SkipFiles = true
	p, err := spec.FromDocument(doc, cat, skip)
	if err != nil {
		return nil, nil, fault.Wrap(err, "%s", at)
	}
	o.Copies = map[string]string{}
	var errs fault.List
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		kept, ok := p.Kept[name]
		if !ok {
			errs = append(errs, fault.New(fault.NotFound, "%s: the stack has no copy of %s", at, name).
				WithHint("Bring it up with its files: `pipelinetui up %s --set %s=PATH`.", x.ID, name))
			continue
		}
		if o.Copies[name], err = a.fetchCopy(ctx, p, kept); err != nil {
			errs = append(errs, fault.New(fault.NotFound, "%s: %s can't be brought back: %v", at, name, err).Because(err).
				WithHint("If nobody has a copy of it, go back to another revision: `pipelinetui history %s`.", x.ID))
		}
	}
	if err := errs.OrNil(); err != nil {
		return nil, nil, err
	}
	p, err = outside.Do(ctx, "the files of "+at, func() (*spec.Pipeline, error) { return spec.FromDocument(doc, cat, o) })
	if err != nil {
		return nil, nil, fault.Wrap(err, "%s", at)
	}
	a.pinned.Store(p, tmpl)
	return p, r, a.sameObjects(ctx, p, r)
}

// sameObjects refuses a revision whose model, which lies in S3 where the user has put it,
// has been overwritten: what is there now is not what the revision served.
func (a *App) sameObjects(ctx context.Context, p *spec.Pipeline, r *revisions.Record) error {
	if len(r.Objects) == 0 {
		return nil
	}
	t, err := a.Target(ctx)
	if err != nil {
		return err
	}
	now := a.lookUp(ctx, t, Request{Operation: stack.OperationPreview, Pipelines: []*spec.Pipeline{p}})
	var errs fault.List
	for _, ref := range now.references(p) {
		was, known := r.Objects[ref.Parameter]
		at := placeOf(p, ref)
		if err := now.wrong[at]; err != nil {
			errs = append(errs, fault.Wrap(err, "%s of revision %d", ref.Parameter, r.Number))
			continue
		}
		if is := now.found[at]; known && is != was {
			errs = append(errs, fault.New(fault.Conflict, "%s of revision %d has been overwritten: s3://%s/%s was %s then and is %s now", ref.Parameter,
				r.Number, ref.Bucket, ref.Key, was, is).
				WithHint("Put the old object back (an older version, if its bucket has versions), or give the model with `pipelinetui up %s --set %s=...`.", p.ID, ref.Parameter))
		}
	}
	return errs.OrNil()
}

// templateAt finds the template of a revision by its content: here, in the stack, or its
// copy in the bucket. One whose content is not known is that of today.
func (a *App) templateAt(ctx context.Context, x *Existing, r *revisions.Record, doc []byte) (*spec.Catalog, *spec.Template, error) {
	cat, err := a.Catalog(ctx)
	if err != nil {
		return nil, nil, err
	}
	here, missing := cat.Lookup(r.Template.Name)
	if missing == nil {
		if r.Template.SHA256 == "" {
			return cat, here, nil
		}
		if c, err := program.TemplateCopy(here); err == nil && c != nil && c.Digest == r.Template.SHA256 {
			return cat, here, nil
		}
	}
	raw := x.State.Template
	if raw == nil || program.DigestOf(raw) != r.Template.SHA256 {
		if r.Template.Object == "" {
			return nil, nil, cmp.Or(missing, error(fault.New(fault.NotFound, "its template %s was not kept", r.Template.Name)))
		}
		if raw, err = a.fetchTemplate(ctx, doc, r.Template); err != nil {
			return nil, nil, err
		}
	}
	t, err := a.templateFrom(raw, fmt.Sprintf("revision %d of %s", r.Number, x.ID))
	if err != nil {
		return nil, nil, err
	}
	if t.Name != r.Template.Name {
		return nil, nil, fault.New(fault.Damaged, "its copy of the template %s is one of %s", r.Template.Name, t.Name)
	}
	return cat.With(t), t, nil
}

// fetchTemplate gets the files of a template from the bucket of the pipeline that a
// document describes.
func (a *App) fetchTemplate(ctx context.Context, doc []byte, tmpl revisions.Template) ([]byte, error) {
	p, err := spec.ReadDocument(doc)
	if err != nil {
		return nil, err
	}
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil, err
	}
	bucket := p.Names(t.accountOf(p)).Bucket
	dir, err := os.MkdirTemp("", "pipelinetui-template-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "template.json")
	lost := func(err error) error {
		return fault.New(fault.NotFound, "its template %s can't be brought back: s3://%s/%s: %v", tmpl.Name, bucket, tmpl.Object, err).Because(err).
			WithHint("Name the folder of the template as it was with --templates, or go back to another revision.")
	}
	if err := artifacts.Download(ctx, artifacts.Client(cfg), bucket, tmpl.Object, file); err != nil {
		return nil, lost(awscfg.Classify(err))
	}
	raw, err := os.ReadFile(file)
	if err == nil && program.DigestOf(raw) != tmpl.SHA256 {
		err = errors.New("it is not what was deployed")
	}
	if err != nil {
		return nil, lost(err)
	}
	return raw, nil
}

// keepRevisions puts the template of the revision that was made into the bucket, and takes
// away the copies that no revision needs any more. s is the state after the update, again reads
// it once more: another machine may have made the next revision in between.
func (a *App) keepRevisions(
	ctx context.Context, s *stack.State, again func(context.Context) (*stack.State, error), tmpl *spec.Template, client *s3.Client, bucket string,
) error {
	ledger, err := pipelines.Ledger(s)
	last := ledger.Last()
	if err != nil || last == nil {
		return err
	}
	if c, err := program.TemplateCopy(tmpl); err != nil {
		return err
	} else if c != nil && c.Digest == last.Template.SHA256 && !artifacts.Stays(ctx, client, bucket, c.Key, neededSince(ledger, c.Key)) {
		if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &c.Key, Body: bytes.NewReader(c.Data)}); err != nil {
			return fmt.Errorf("its template: %w", awscfg.Classify(err))
		}
	}
	needed := func(ctx context.Context) (map[string]bool, error) {
		s, err := again(ctx)
		if err != nil {
			return nil, err
		}
		now, err := pipelines.Ledger(s)
		if err == nil && now.Last() == nil {
			err = errors.New("its revisions are not known any more")
		}
		return now.Objects(), err
	}
	if err := artifacts.Prune(ctx, client, bucket, program.ArtifactPrefix, program.IsCopy, needed); err != nil {
		return &leftError{bucket, awscfg.Classify(err)}
	}
	return nil
}

// leftError is that copies which nothing needs are still there. They cost a little, and
// the next update tries again.
type leftError struct {
	bucket string
	err    error
}

// Error implements error.
func (e *leftError) Error() string {
	return fmt.Sprintf("copies in s3://%s that no revision needs any more are still there: %s", e.bucket, e.err)
}

// Unwrap gives the reason.
func (e *leftError) Unwrap() error { return e.err }

// notKept says what it means that the copies of a pipeline that is up are not as they
// should be.
func notKept(err error) string {
	if left := (*leftError)(nil); errors.As(err, &left) {
		return left.Error()
	}
	return "another machine will not find the code of this pipeline: its bucket has no copy: " + err.Error()
}
