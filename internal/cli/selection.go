package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/plans"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// selection says which pipelines a command works on, as it was typed.
type selection struct {
	args     []string
	file     string
	template string
	set      []string
	tenant   string
	labels   []string
	failed   bool
	rollout  string
}

// flags adds the selection's flags. building adds those that make or change
// what the pipelines are made of.
func (s *selection) flags(cmd *cobra.Command, building bool) {
	f := cmd.Flags()
	f.StringVarP(&s.file, "file", "f", "", "spec file with the pipelines; - for standard input")
	onceFlags(f, "put all pipelines into one spec, or give one command for each", "file")
	f.StringVar(&s.tenant, "tenant", "", "only pipelines of this tenant")
	f.StringSliceVarP(&s.labels, "selector", "l", nil, "only pipelines with this tag (key=value, key!=value, key)")
	f.BoolVar(&s.failed, "failed", false, "only pipelines whose last operation failed, was cut off or turned back")
	if building {
		f.StringVar(&s.template, "template", "", "template of a new pipeline")
		f.StringArrayVar(&s.set, "set", nil, "set a parameter (name=value; name=null takes it back), may be repeated")
		s.rolloutFlag(cmd)
	}
}

func (s *selection) rolloutFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.rollout, "rollout", "", "how a changed endpoint takes over: STRATEGY[:SIZE[:INTERVAL]], such as canary:10%:10m; short for --set rollout...")
}

// check refuses a selection of nothing, or of what excludes each other.
func (s *selection) check(command string) error {
	if s.rollout != "" {
		if err := spec.CheckRollout(s.rollout); err != nil {
			return err
		}
	}
	if s.failed && len(s.args) == 0 && s.file == "" {
		s.args = []string{"*/*/*"}
	}
	if len(s.args) == 0 && s.file == "" && s.tenant == "" && len(s.labels) == 0 {
		return fault.New(fault.Invalid, "%s was not told which pipelines", command).
			WithHint("Name them (acme/fraud, 'acme/*', 'acme/*/*' for every env), or give a spec with -f.")
	}
	if s.file != "" && s.template != "" {
		return wrongFlag("template", s.template, "it excludes --file").
			WithHint("Set the template in the spec file.")
	}
	return s.narrow()
}

// overrides are what the flags say of each pipeline that is selected.
func (s *selection) overrides() spec.Overrides {
	return spec.Overrides{Set: s.set, Rollout: s.rollout}
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

// chosen are the pipelines that a selection stands for.
type chosen struct {
	pipelines []*spec.Pipeline
	// all is how many there were before --failed took its pick, left how many it left out.
	all, left int
	// seen are the states in which existing ones were found, for Request.Expect.
	seen map[spec.ID]string
	// aside are the pipelines whose state cannot be used, and why: among several
	// they fail by themselves and hold nobody up.
	aside []app.PipelineResult
	// agreed is the plan that is to be applied; nil if there is none.
	agreed *plans.Plan
}

// setAside keeps a pipeline whose state is damaged for the end. It is false for any
// other error.
func (c *chosen) setAside(id spec.ID, err error) bool {
	if fault.KindOf(err) != fault.Damaged {
		return false
	}
	c.aside = append(c.aside, app.PipelineResult{ID: id, Err: err})
	return true
}

// alone is the error of what was set aside if nothing else is left to work on.
func (c *chosen) alone() error {
	if len(c.pipelines) > 0 || len(c.aside) == 0 {
		return nil
	}
	var errs fault.List
	for _, r := range c.aside {
		errs = append(errs, r.Err)
	}
	return errs.OrNil()
}

// finder finds what a selection stands for.
type finder struct {
	selection
	deps *Deps
	yes  bool
	chosen
}

// choose finds the pipelines that a command is to work on.
func choose(ctx context.Context, deps *Deps, o *deployOptions) (*chosen, error) {
	f := &finder{selection: o.selection, deps: deps, yes: o.yes}
	find := f.existing
	if o.building() {
		find = f.toBuild
	}
	if err := find(ctx); err != nil {
		return nil, err
	}
	if mended, err := f.mendLost(ctx, o); err != nil {
		return nil, err
	} else if mended {
		f.chosen = chosen{}
		if err := find(ctx); err != nil {
			return nil, err
		}
	}
	if err := f.alone(); err != nil {
		return nil, err
	}
	f.all = len(f.pipelines) + f.left
	return &f.chosen, nil
}

// mendLost has states mended that a full disk has cut off, before anything is decided upon them.
func (f *finder) mendLost(ctx context.Context, o *deployOptions) (mended bool, err error) {
	if !o.changing() {
		return false, nil
	}
	asked := map[spec.ID]*spec.Pipeline{}
	for _, p := range f.pipelines {
		if o.building() && p.Region != "" {
			asked[p.ID] = p
		} else {
			asked[p.ID] = nil
		}
	}
	for _, r := range f.aside {
		asked[r.ID] = nil
	}
	for id, p := range asked {
		did, err := f.deps.app().MendLost(ctx, id, p)
		if err != nil {
			return mended, of(id, err)
		}
		mended = mended || did
	}
	return mended, nil
}

// toBuild finds the pipelines to create or update: from the spec file, from
// the stacks that exist already, or new ones from flags.
func (f *finder) toBuild(ctx context.Context) error {
	cat, err := catalog(ctx, f.deps)
	if err != nil {
		return err
	}
	if f.file != "" {
		f.pipelines, err = f.fromFile(ctx, f.deps.app().SpecOptions(nil).With(f.overrides()), cat, f.failed)
		return err
	}
	var errs fault.List
	var patterns []string
	for _, arg := range f.patterns() {
		switch {
		case f.tenant != "" && len(f.args) == 0: // rebuild finds them
		case strings.ContainsAny(arg, "*?["):
			patterns = append(patterns, arg)
		default:
			if err := f.named(ctx, arg, cat); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if err := errs.OrNil(); err != nil {
		return err
	}
	if len(patterns) > 0 || len(f.args) == 0 {
		return f.rebuild(ctx, patterns)
	}
	return nil
}

// named finds, or makes, a pipeline that was named.
func (f *finder) named(ctx context.Context, name string, cat *spec.Catalog) error {
	id, err := spec.ParseID(name)
	if err != nil {
		return err
	}
	if kept, err := onlyFailed(ctx, f, []spec.ID{id}, func(id spec.ID) spec.ID { return id }); err != nil || len(kept) == 0 {
		return err
	}
	p, err := f.one(ctx, id, cat)
	switch {
	case f.setAside(id, err):
		return nil
	case err != nil:
		return err
	}
	f.pipelines = append(f.pipelines, p)
	return nil
}

func (f *finder) fromFile(ctx context.Context, opts spec.Options, cat *spec.Catalog, failed bool) ([]*spec.Pipeline, error) {
	if f.chooses() || failed {
		opts.Select = func(all []spec.Pipeline) ([]spec.Pipeline, error) {
			picked, err := spec.Select(all, f.patterns(), f.labels)
			if err == nil && len(picked) == 0 {
				return nil, fault.New(fault.NotFound, "no pipeline of %s is selected", f.file).
					WithHint("Leave out the names, --tenant or --selector to take all.")
			}
			if err != nil || !failed {
				return picked, err
			}
			return onlyFailed(ctx, f, picked, func(p spec.Pipeline) spec.ID { return p.ID })
		}
	}
	set, err := loadSpec(ctx, f.deps, f.file, cat, opts)
	if err != nil {
		return nil, err
	}
	for i, p := range set.Aside {
		if i == maxShown {
			f.deps.Note("and %d more", len(set.Aside)-i)
			break
		}
		f.deps.Note("not selected, and wrong: %v", p)
	}
	out := make([]*spec.Pipeline, len(set.Pipelines))
	for i := range set.Pipelines {
		out[i] = &set.Pipelines[i]
	}
	return out, nil
}

// loadSpec reads a spec, and what it names, from a file or from standard input (-),
// whose paths start from the current folder.
func loadSpec(ctx context.Context, deps *Deps, file string, cat *spec.Catalog, opts spec.Options) (*spec.Set, error) {
	const enough = spec.MaxFileBytes + 3 // a byte order mark may be taken off before it is too much
	name, dir := file, filepath.Dir(file)
	var raw []byte
	var err error
	if file == "-" {
		name, dir = console.StandardInput, "."
		raw, err = outside.ReadAll(ctx, name, deps.Stdin(), enough)
	} else {
		raw, err = outside.ReadFile(ctx, "the spec", file, enough)
	}
	rule := spec.CodeUnreadable
	if err == nil {
		rule, err = spec.CodeEncoding, outside.CheckEncoding(name, raw)
	}
	switch {
	case fault.KindOf(err) == fault.Invalid:
		return nil, spec.Refused(name, rule, err)
	case err != nil:
		return nil, err
	}
	// It looks at the files that the spec names.
	return outside.Do(ctx, name, func() (*spec.Set, error) { return spec.Parse(name, raw, dir, cat, opts) })
}

// one is a pipeline named on the command line: the existing one with --set
// applied, or a new one if --template is given.
func (f *finder) one(ctx context.Context, id spec.ID, cat *spec.Catalog) (*spec.Pipeline, error) {
	a := f.deps.app()
	if f.template != "" {
		// It looks at the files that the parameters name.
		return outside.Do(ctx, "the files of "+id.String(), func() (*spec.Pipeline, error) {
			return spec.Build(spec.Answers{ID: id, Template: f.template}, cat, a.SpecOptions(nil).With(f.overrides()))
		})
	}
	x, err := a.Find(ctx, id)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, fault.New(fault.NotFound, "there is no pipeline %s yet", id).Because(err).
				WithHint("Create it with --template NAME --set parameter=value ..., or from a spec with -f. `pipelinetui templates list` shows the templates.")
		}
		return nil, err
	}
	if x.Spec == nil {
		return nil, x.Err
	}
	return a.Rebuild(ctx, x, f.overrides())
}

// rebuild takes existing pipelines as they were asked for, with --set applied.
func (f *finder) rebuild(ctx context.Context, patterns []string) error {
	narrowed := f.selection
	narrowed.args = patterns
	list, err := f.deps.app().Existing(ctx, narrowed.patterns(), f.labels)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errNothingSelected(&f.selection)
	}
	if list, err = onlyFailed(ctx, f, list, func(x app.Existing) spec.ID { return x.ID }); err != nil {
		return err
	}
	var errs fault.List
	for _, x := range list {
		if f.setAside(x.ID, x.Undecided) {
			continue
		}
		if x.Spec == nil {
			if !f.setAside(x.ID, x.Err) {
				errs = append(errs, x.Err)
			}
			continue
		}
		p, err := f.deps.app().Rebuild(ctx, &x, f.overrides())
		if err != nil {
			errs = append(errs, of(x.ID, err))
			continue
		}
		f.pipelines = append(f.pipelines, p)
	}
	return errs.OrNil()
}

// of says whose error it is, unless it says that itself.
func of(id spec.ID, err error) error {
	if problems := spec.Problems(err); len(problems) > 0 && !slices.ContainsFunc(problems, func(p *spec.Problem) bool { return p.Pipeline == "" }) {
		return err
	}
	return fault.Wrap(err, "%s", id)
}

func errNothingSelected(s *selection) error {
	return fault.New(fault.NotFound, "no pipeline on this backend matches %s", strings.Join(append(s.patterns(), s.labels...), " ")).
		WithHint("Run `pipelinetui list` to see what there is.")
}

// existing finds the pipelines that have a stack, for destroy and refresh. A
// stack that holds no readable spec is taken with its name only.
func (f *finder) existing(ctx context.Context) error {
	patterns, err := f.names(ctx)
	if err != nil {
		return err
	}
	list, err := f.stacks(ctx, patterns)
	if f.yes && (fault.KindOf(err) == fault.NotFound || err == nil && len(list) == 0) {
		if err := f.clearForgotten(ctx, patterns); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errNothingSelected(&selection{args: patterns, labels: f.labels})
	}
	if list, err = onlyFailed(ctx, f, list, func(x app.Existing) spec.ID { return x.ID }); err != nil {
		return err
	}
	f.seen = map[spec.ID]string{}
	for _, x := range list {
		if x.State != nil {
			f.seen[x.ID] = x.State.Basis
		}
		switch {
		case f.setAside(x.ID, x.Undecided):
		case x.Spec != nil:
			f.pipelines = append(f.pipelines, x.Spec)
		case x.State != nil:
			f.pipelines = append(f.pipelines, &spec.Pipeline{ID: x.ID, Region: f.deps.settings.String(settings.Region)})
		case f.setAside(x.ID, x.Err):
		default:
			return x.Err
		}
	}
	return nil
}

// names are the patterns of the selection, or the names of what a spec asks for.
func (f *finder) names(ctx context.Context) ([]string, error) {
	if f.file == "" {
		return f.patterns(), nil
	}
	cat, err := catalog(ctx, f.deps)
	if err != nil {
		return nil, err
	}
	opts := f.deps.app().SpecOptions(nil)
	opts.SkipFiles = true
	asked, err := f.fromFile(ctx, opts, cat, false)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range asked {
		names = append(names, p.Tenant+"/"+p.Model+"/"+p.Env)
	}
	return names, nil
}

// stacks finds the pipelines that have a stack. Where each is named, none has to
// be searched for.
func (f *finder) stacks(ctx context.Context, patterns []string) ([]app.Existing, error) {
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
	if f.file != "" || len(f.labels) > 0 || len(ids) == 0 || len(ids) < len(patterns) {
		return f.deps.app().Existing(ctx, patterns, f.labels)
	}
	return f.deps.app().Named(ctx, ids)
}

// clearForgotten removes the lock of a destroy that was killed when the stack was
// gone already, but not its lock.
func (f *finder) clearForgotten(ctx context.Context, patterns []string) error {
	engine, err := f.deps.app().Engine(ctx)
	if err != nil {
		return err
	}
	for _, pattern := range patterns {
		id, err := spec.ParseID(pattern)
		if err != nil {
			continue // stands for several: nobody has named this one
		}
		dead := engine.DeadLocks(ctx, id.StackName())[id.StackName()]
		for _, l := range dead {
			noteLock(f.deps, id, l)
		}
		if err := engine.Unlock(ctx, id.StackName(), dead); err != nil {
			return err
		}
	}
	return nil
}

// onlyFailed leaves out, with --failed, what has not failed last time. It is asked before flags
// are applied: what they would be to the others counts for nothing.
func onlyFailed[T any](ctx context.Context, f *finder, list []T, id func(T) spec.ID) ([]T, error) {
	if !f.failed {
		return list, nil
	}
	ids := make([]spec.ID, len(list))
	for i, x := range list {
		ids[i] = id(x)
	}
	failed, err := f.deps.app().LastFailed(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !failed[id(x)] })
	f.left += len(list) - len(out)
	return out, nil
}
