package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// selection says which pipelines a command works on.
type selection struct {
	args     []string
	file     string
	template string
	set      []string
	tenant   string
	labels   []string
	failed   bool

	// seen are the states that existing has found, for Request.Expect.
	seen map[spec.ID]string
	// damaged are the pipelines whose state cannot be used, and why: among several
	// they fail by themselves and hold nobody up.
	damaged []app.PipelineResult
}

// setAside keeps a pipeline whose state is damaged for the end. It is false for any
// other error.
func (s *selection) setAside(id spec.ID, err error) bool {
	if fault.KindOf(err) != fault.Damaged {
		return false
	}
	s.damaged = append(s.damaged, app.PipelineResult{ID: id, Stack: id.StackName(), Err: err})
	return true
}

// alone is the error of what was set aside if nothing else is left to work on.
func (s *selection) alone(left int) error {
	if left > 0 || len(s.damaged) == 0 {
		return nil
	}
	var errs fault.List
	for _, r := range s.damaged {
		errs = append(errs, r.Err)
	}
	return errs.OrNil()
}

// flags adds the selection's flags. building adds those that make or change
// what the pipelines are made of.
func (s *selection) flags(cmd *cobra.Command, building bool) {
	f := cmd.Flags()
	f.StringVarP(&s.file, "file", "f", "", "spec file with the pipelines; - for standard input")
	f.StringVar(&s.tenant, "tenant", "", "only pipelines of this tenant")
	f.StringSliceVarP(&s.labels, "selector", "l", nil, "only pipelines with this tag (key=value, key!=value, key)")
	f.BoolVar(&s.failed, "failed", false, "only pipelines whose last operation failed or was cut off")
	if building {
		f.StringVar(&s.template, "template", "", "template of a new pipeline")
		f.StringArrayVar(&s.set, "set", nil, "set a parameter (name=value; name=null takes it back), may be repeated")
	}
}

func (s *selection) check(cmd *cobra.Command) error {
	if s.failed && len(s.args) == 0 && s.file == "" {
		s.args = []string{"*/*/*"}
	}
	if len(s.args) == 0 && s.file == "" && s.tenant == "" && len(s.labels) == 0 {
		return fault.New(fault.Invalid, "%s was not told which pipelines", cmd.CommandPath()).
			WithHint("Name them (acme/fraud, 'acme/*', 'acme/*/*' for every env), or give a spec with -f.")
	}
	if s.file != "" && s.template != "" {
		return fault.New(fault.Invalid, "--template and --file exclude each other").
			WithHint("Set the template in the spec file.")
	}
	return s.narrow()
}

// chooses tells whether something in particular was asked for.
func (s *selection) chooses() bool {
	return len(s.args) > 0 || s.tenant != "" || len(s.labels) > 0
}

// narrow refuses names and a --tenant that exclude each other: no pattern at all
// would stand for everything.
func (s *selection) narrow() error {
	if s.tenant == "" || len(s.args) == 0 || len(s.patterns()) > 0 {
		return nil
	}
	return fault.New(fault.NotFound, "none of %s is of the tenant %s", strings.Join(s.args, ", "), s.tenant).
		WithHint("Leave out --tenant, or the names.")
}

// patterns are the arguments, narrowed by --tenant; see narrow.
func (s *selection) patterns() []string {
	if s.tenant == "" {
		return s.args
	}
	if len(s.args) == 0 {
		return []string{s.tenant + "/*/*"}
	}
	var out []string
	for _, a := range s.args {
		if t, _, _ := strings.Cut(a, "/"); t == s.tenant || strings.ContainsAny(t, "*?[") {
			_, rest, _ := strings.Cut(a, "/")
			out = append(out, s.tenant+"/"+rest)
		}
	}
	return out
}

// toBuild returns the pipelines to create or update: from the spec file, from
// the stacks that exist already, or new ones from flags.
func (s *selection) toBuild(ctx context.Context, e *env) ([]*spec.Pipeline, error) {
	a := e.open()
	cat, err := e.catalog(ctx)
	if err != nil {
		return nil, err
	}
	if s.file != "" {
		return s.fromFile(ctx, e, a.SpecOptions(s.set), cat)
	}
	var out []*spec.Pipeline
	var errs fault.List
	var existing []string
	for _, arg := range s.patterns() {
		if s.tenant != "" && len(s.args) == 0 {
			break // rebuild finds them
		}
		if strings.ContainsAny(arg, "*?[") {
			existing = append(existing, arg)
			continue
		}
		id, err := spec.ParseID(arg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p, err := s.one(ctx, e, id, cat)
		if s.setAside(id, err) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, p)
	}
	if err := errs.OrNil(); err != nil {
		return nil, err
	}
	if len(existing) > 0 || len(s.args) == 0 {
		again, err := s.rebuild(ctx, e, existing)
		if err != nil {
			return nil, err
		}
		out = append(out, again...)
	}
	return out, s.alone(len(out))
}

func (s *selection) fromFile(ctx context.Context, e *env, opts spec.Options, cat *spec.Catalog) ([]*spec.Pipeline, error) {
	set, err := e.loadSpec(ctx, s.file, cat, opts)
	if err != nil {
		return nil, err
	}
	chosen, err := spec.Select(set.Pipelines, s.patterns(), s.labels)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return nil, fault.New(fault.NotFound, "no pipeline of %s is selected", s.file).
			WithHint("Leave out the names, --tenant or --selector to take all.")
	}
	out := make([]*spec.Pipeline, len(chosen))
	for i := range chosen {
		out[i] = &chosen[i]
	}
	return out, nil
}

// loadSpec reads a spec, and what it names, from a file or from standard input (-),
// whose paths start from the current folder.
func (e *env) loadSpec(ctx context.Context, file string, cat *spec.Catalog, opts spec.Options) (*spec.Set, error) {
	const enough = spec.MaxFileBytes + 3 // a byte order mark may be taken off before it is too much
	name, dir := file, filepath.Dir(file)
	var raw []byte
	var err error
	if file == "-" {
		name, dir = standardInput, "."
		raw, err = outside.ReadAll(ctx, name, e.stdin(), enough)
	} else {
		raw, err = outside.ReadFile(ctx, "the spec", file, enough)
	}
	if err == nil {
		raw, err = outside.Text(name, raw)
	}
	if err != nil {
		return nil, err
	}
	// It looks at the files that the spec names.
	return outside.Do(ctx, name, func() (*spec.Set, error) { return spec.Parse(name, raw, dir, cat, opts) })
}

// one is a pipeline named on the command line: the existing one with --set
// applied, or a new one if --template is given.
func (s *selection) one(ctx context.Context, e *env, id spec.ID, cat *spec.Catalog) (*spec.Pipeline, error) {
	a := e.open()
	opts := a.SpecOptions(nil)
	if s.template != "" {
		// It looks at the files that the parameters name.
		return outside.Do(ctx, "the files of "+id.String(), func() (*spec.Pipeline, error) { return spec.New(id, s.template, s.set, cat, opts) })
	}
	x, err := a.Find(ctx, id)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, fault.New(fault.NotFound, "there is no pipeline %s yet", id).Because(err).
				WithHint("Create it with --template NAME --set parameter=value ..., or from a spec with -f. `pipelinetui templates list` shows the templates.")
		}
		return nil, err
	}
	if x.Pipeline == nil {
		return nil, x.Err
	}
	return a.Rebuild(ctx, x, s.set)
}

// rebuild takes existing pipelines as they were asked for, with --set applied.
func (s *selection) rebuild(ctx context.Context, e *env, patterns []string) ([]*spec.Pipeline, error) {
	narrowed := *s
	narrowed.args = patterns
	list, err := e.open().Existing(ctx, narrowed.patterns(), s.labels)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNothingSelected(s)
	}
	var errs fault.List
	out := make([]*spec.Pipeline, 0, len(list))
	for _, x := range list {
		if s.setAside(x.ID, x.Undecided) {
			continue
		}
		if x.Pipeline == nil {
			if !s.setAside(x.ID, x.Err) {
				errs = append(errs, x.Err)
			}
			continue
		}
		p, err := e.open().Rebuild(ctx, &x, s.set)
		if err != nil {
			errs = append(errs, fault.Wrap(err, "%s", x.ID))
			continue
		}
		out = append(out, p)
	}
	return out, errs.OrNil()
}

func errNothingSelected(s *selection) error {
	return fault.New(fault.NotFound, "no pipeline on this backend matches %s", strings.Join(append(s.patterns(), s.labels...), " ")).
		WithHint("Run `pipelinetui list` to see what there is.")
}

// existing returns the pipelines that have a stack, for destroy and refresh. A
// stack that holds no readable spec is returned with its name only.
func (s *selection) existing(ctx context.Context, e *env) ([]*spec.Pipeline, error) {
	a := e.open()
	patterns := s.patterns()
	if s.file != "" {
		cat, err := e.catalog(ctx)
		if err != nil {
			return nil, err
		}
		opts := a.SpecOptions(nil)
		opts.SkipFiles = true
		chosen, err := s.fromFile(ctx, e, opts, cat)
		if err != nil {
			return nil, err
		}
		patterns = nil
		for _, p := range chosen {
			patterns = append(patterns, p.Tenant+"/"+p.Model+"/"+p.Env)
		}
	}
	list, err := s.stacks(ctx, a, patterns)
	if e.yes && (fault.KindOf(err) == fault.NotFound || err == nil && len(list) == 0) {
		if err := e.clearForgotten(ctx, patterns); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNothingSelected(&selection{args: patterns, labels: s.labels})
	}
	out := make([]*spec.Pipeline, 0, len(list))
	s.seen = map[spec.ID]string{}
	for _, x := range list {
		if x.State != nil {
			s.seen[x.ID] = x.State.Basis
		}
		switch {
		case s.setAside(x.ID, x.Undecided):
		case x.Pipeline != nil:
			out = append(out, x.Pipeline)
		case x.State != nil:
			out = append(out, &spec.Pipeline{ID: x.ID, Region: e.settings.String(settings.Region)})
		case s.setAside(x.ID, x.Err):
		default:
			return nil, x.Err
		}
	}
	return out, s.alone(len(out))
}

// stacks finds the pipelines that have a stack. Where each is named, none has to
// be searched for.
func (s *selection) stacks(ctx context.Context, a *app.App, patterns []string) ([]app.Existing, error) {
	var ids []spec.ID
	for _, p := range patterns {
		id, err := spec.ParseID(p)
		if err != nil {
			break // a pattern, or Existing says what is wrong
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if s.file != "" || len(s.labels) > 0 || len(ids) == 0 || len(ids) < len(patterns) {
		return a.Existing(ctx, patterns, s.labels)
	}
	return a.Named(ctx, ids)
}

// clearForgotten removes the lock of a destroy that was killed when the stack was
// gone already, but not its lock.
func (e *env) clearForgotten(ctx context.Context, patterns []string) error {
	engine, err := e.open().Engine(ctx)
	if err != nil {
		return err
	}
	for _, pattern := range patterns {
		id, err := spec.ParseID(pattern)
		if err != nil {
			continue // stands for several: nobody has named this one
		}
		for _, l := range engine.DeadLocks(ctx, id.StackName()) {
			e.noteLock(id, l)
			if err := engine.Unlock(ctx, id.StackName()); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyFailed keeps the pipelines whose last operation failed.
func (s *selection) onlyFailed(ctx context.Context, e *env, pipelines []*spec.Pipeline) ([]*spec.Pipeline, error) {
	if !s.failed {
		return pipelines, nil
	}
	ids := make([]spec.ID, len(pipelines))
	for i, p := range pipelines {
		ids[i] = p.ID
	}
	failed, err := e.open().LastFailed(ctx, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pipelines, func(p *spec.Pipeline) bool { return !failed[p.ID] }), nil
}
