package spec

// Answers are what a user has said of one pipeline, as it was typed. What was not
// answered has its default.
type Answers struct {
	Template string
	// ID names the pipeline; no Env is DefaultEnv.
	ID ID
	// Region is "" for the one of the options.
	Region string
	// Values are parameters by name, written the way Parameter.Parse reads them.
	Values map[string]string
	Tags   map[string]string
	// Protect is nil for the default of the env.
	Protect             *bool
	AssumeRole          string
	PermissionsBoundary string
	// Checks are those of the pipeline as its Document has them, as JSON; nil: none.
	Checks JSON
	// Copies are where artifacts are that are no longer where Values say, by parameter.
	Copies map[string]string
}

// Build makes a pipeline of answers, with Options.Set on top of them. It is what forms
// and flags go through, by the rules that a spec file goes through. What is wrong comes
// as a fault.List of Problems, all at once.
func Build(a Answers, cat *Catalog, opts Options) (*Pipeline, error) {
	dir, err := workDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	if len(a.Copies) > 0 {
		opts.Copies = a.Copies
	}
	if a.ID.Env == "" {
		a.ID.Env = DefaultEnv
	}
	ask := &ask{id: a.ID, layers: []*layer{a.layer(dir)}, dir: dir, how: "Add --set %s=%s"}
	errs := a.ID.check()
	if len(errs) > 0 {
		ask.id, ask.nameless = ID{Tenant: "x", Model: "x", Env: DefaultEnv}, true
	}
	return one(ask, cat, opts, errs)
}

// layer is the answers as a layer of settings.
func (a *Answers) layer(dir string) *layer {
	l := &layer{rank: rankPipeline, dir: dir}
	for _, x := range []struct {
		name, text string
		into       **node
	}{
		{"region", a.Region, &l.Region},
		{"assumeRole", a.AssumeRole, &l.AssumeRole},
		{"permissionsBoundary", a.PermissionsBoundary, &l.PermissionsBoundary},
	} {
		if x.text != "" {
			*x.into = textNode(pos{}.in(x.name), x.text)
		}
	}
	if a.Template != "" {
		l.Template = textNode(pos{source: "--template"}.in("template"), a.Template)
	}
	if a.Protect != nil {
		l.Protect = &node{pos: pos{}.in("protect"), kind: kindBool, value: *a.Protect}
	}
	if len(a.Tags) > 0 {
		l.Tags = &node{pos: pos{}.in("tags"), kind: kindMap}
		for _, key := range sortedKeys(a.Tags) {
			at := l.Tags.pos.in(key)
			l.Tags.put(entry{key: key, pos: at, value: textNode(at, a.Tags[key])})
		}
	}
	if len(a.Checks) > 0 {
		n, err := parseJSON(pos{}.in(checksGroup), a.Checks)
		if err != nil {
			n = &node{pos: pos{}.in(checksGroup), kind: kindString, text: string(a.Checks), value: string(a.Checks)} // refused as no map
		}
		l.Checks = n
	}
	if len(a.Values) > 0 {
		l.Parameters = &node{pos: pos{}.in("parameters"), kind: kindMap}
		for _, name := range sortedKeys(a.Values) {
			l.Parameters.put(rawEntry(l.Parameters.pos.in(name), name, a.Values[name]))
		}
	}
	return l
}

// one resolves a pipeline that comes from no file, with Options.Set on top. errs are
// what is known to be wrong already.
func one(a *ask, cat *Catalog, opts Options, errs problems) (*Pipeline, error) {
	var err error
	if opts.Dir, err = workDir(opts.Dir); err != nil {
		return nil, err
	}
	r := newResolver(cat, opts)
	set, wrong := parseSet(opts)
	r.errs = append(append(errs, wrong...), set.check()...)
	for _, l := range a.layers {
		r.errs = append(r.errs, l.check()...)
	}
	a.layers = append(a.layers, set)
	p, _ := r.resolve(a)
	if err := r.finish(); err != nil {
		return nil, err
	}
	return p, nil
}
