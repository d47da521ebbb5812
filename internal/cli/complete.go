package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// What the shell offers while a command line is typed. It is asked at every press of the
// tab key: it starts nothing, asks nobody but what answers within tabPatience, and says
// nothing but candidates. What cannot be found out is not offered.

// tabPatience bounds what a completion waits for; shells that tests ask wait longer.
var tabPatience = time.Second

// place is where on a command line something is to be completed.
type place struct {
	deps *Deps
	cmd  *cobra.Command
	args []string // what stands before it, without flags
	word string   // what is typed of it
}

// offer is what may stand at a place. What does not begin like word is left out by who
// asked, so an offer may hold more.
type offer struct {
	words []string
	// more says that something follows a word without a blank: acme/, or name=.
	more bool
}

// completer finds what may stand at a place.
type completer func(ctx context.Context, p place) offer

// completes is a completer as cobra takes it. Whoever wants names of files says so
// elsewhere: here the shell offers none.
func (deps *Deps) completes(find completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), deps.patience)
		defer cancel()
		if !deps.ready(ctx) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		// What does not answer in time, such as a mount that is dead, is not waited for.
		o, _ := outside.Do(ctx, "what may stand there", func() (found offer, _ error) {
			defer func() { _ = recover() }() // who types cannot do anything about it
			return find(ctx, place{deps, cmd, args, word}), nil
		})
		var words []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if o.more {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		for _, w := range o.words {
			if strings.HasPrefix(w, word) {
				words = append(words, w)
			}
		}
		return words, directive
	}
}

// quietly makes a session ready for a completion, as far as what is typed already says:
// its flags have been parsed by then. Nothing is told of what is wrong with it.
func (s *session) quietly(ctx context.Context) bool {
	s.note = func(string, ...any) {}
	return s.resolve(ctx) == nil
}

// isCompletion tells whether a command is the shell's question.
func isCompletion(cmd *cobra.Command) bool {
	return cmd.Name() == cobra.ShellCompRequestCmd || cmd.Name() == cobra.ShellCompNoDescRequestCmd
}

// completions says what the global flags take, and that nothing else takes files unless
// it says so.
func (s *session) completions(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	s.deps.flag(root, "target", fixed(app.TargetSandbox, app.TargetAWS))
	s.deps.flag(root, "output", fixed(console.Table, console.JSON, console.YAML, console.Lines, console.Markdown))
	s.deps.flag(root, "region", fixed(spec.Regions("aws")...))
	s.deps.flag(root, "profile", profiles)
	s.deps.flag(root, "columns", columnsTyped)
	files(root, "config", "yaml", "yml")
}

// flag says what a flag takes.
func (deps *Deps) flag(cmd *cobra.Command, name string, find completer) {
	if err := cmd.RegisterFlagCompletionFunc(name, deps.completes(find)); err != nil {
		panic(err) // the flag is not there: a mistake of the command's
	}
}

// columnsTyped offers a comma-separated list of the columns of the command's table.
func columnsTyped(_ context.Context, p place) offer {
	return listed(p.word, columnNames(p.cmd))
}

// listed offers what a comma-separated list does not hold yet.
func listed(word string, all []string) offer {
	before := word[:strings.LastIndexByte(word, ',')+1]
	var out offer
	for _, s := range all {
		if !strings.Contains(","+before, ","+s+",") {
			out.words = append(out.words, before+s)
		}
	}
	return out
}

// files says that a flag names a file, with one of the extensions if there are any.
func files(cmd *cobra.Command, name string, extensions ...string) {
	directive := cobra.ShellCompDirectiveDefault
	if len(extensions) > 0 {
		directive = cobra.ShellCompDirectiveFilterFileExt
	}
	err := cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return extensions, directive
	})
	if err != nil {
		panic(err)
	}
}

// fixed are words that are always the same.
func fixed(words ...string) completer {
	return func(context.Context, place) offer { return offer{words: words} }
}

// arguments offers for each argument what its completer finds; behind the last one there
// is nothing.
func arguments(each ...completer) completer {
	return func(ctx context.Context, p place) offer {
		if len(p.args) >= len(each) {
			return offer{}
		}
		return each[len(p.args)](ctx, p)
	}
}

// dirs says that a flag takes a folder.
func dirs(cmd *cobra.Command, name string) {
	err := cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	if err != nil {
		panic(err) // there is no such flag
	}
}

// folders leaves the completion of an argument to the shell: it is a folder.
func folders(deps *Deps, before ...completer) cobra.CompletionFunc {
	rest := deps.completes(arguments(before...))
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == len(before) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
		return rest(cmd, args, word)
	}
}

// onePipeline offers the pipelines of the backend for the first argument.
func onePipeline(ctx context.Context, p place) offer {
	if len(p.args) > 0 {
		return offer{}
	}
	return manyPipelines(ctx, p)
}

// manyPipelines offers the pipelines that are not named yet: those of the spec that -f
// names, or else of the backend.
func manyPipelines(ctx context.Context, p place) offer {
	var out offer
	for _, id := range known(ctx, p) {
		if name := id.String(); !slices.Contains(p.args, name) {
			out.words = append(out.words, name)
		}
	}
	return out
}

// newPipeline offers the tenants that there are, to begin a name with.
func newPipeline(ctx context.Context, p place) offer {
	if len(p.args) > 0 {
		return offer{}
	}
	out := offer{more: true}
	for _, t := range tenants(ctx, p).words {
		out.words = append(out.words, t+"/")
	}
	return out
}

// builtPipelines offers what up and preview take: pipelines that there are, and with
// --template the beginning of a new one.
func builtPipelines(ctx context.Context, p place) offer {
	if p.flag("template") != "" {
		p.args = nil
		return newPipeline(ctx, p)
	}
	return manyPipelines(ctx, p)
}

// tenants are those of the pipelines that there are.
func tenants(ctx context.Context, p place) offer {
	var out offer
	for _, id := range known(ctx, p) {
		if !slices.Contains(out.words, id.Tenant) {
			out.words = append(out.words, id.Tenant)
		}
	}
	return out
}

// known are the pipelines of the spec that -f names, or else of the backend.
func known(ctx context.Context, p place) []spec.ID {
	if set := p.spec(ctx); set != nil {
		ids := make([]spec.ID, len(set.Pipelines))
		for i := range set.Pipelines {
			ids[i] = set.Pipelines[i].ID
		}
		return ids
	}
	ids, _ := p.deps.app().Names(ctx) // none, where it is not known
	return ids
}

// flag is what was typed for a flag, "" if nothing was.
func (p place) flag(name string) string {
	if f := p.cmd.Flags().Lookup(name); f != nil && f.Changed {
		return f.Value.String()
	}
	return ""
}

// spec is what the file that -f names asks for; nil if there is none, or if it cannot be
// read.
func (p place) spec(ctx context.Context) *spec.Set {
	file := p.flag("file")
	if file == "" || file == "-" {
		return nil
	}
	cat, err := catalog(ctx, p.deps)
	if err != nil {
		return nil
	}
	opts := p.deps.app().SpecOptions(nil)
	opts.SkipFiles = true
	set, err := loadSpec(ctx, p.deps, file, cat, opts)
	if err != nil {
		return nil
	}
	return set
}

// templateNames are the templates, with what they are.
func templateNames(ctx context.Context, p place) offer {
	cat, err := catalog(ctx, p.deps)
	if err != nil {
		return offer{}
	}
	var out offer
	for _, t := range cat.List() {
		out.words = append(out.words, cobra.CompletionWithDesc(t.Name, t.Title))
	}
	return out
}

// oneTemplate offers the templates for the first argument.
func oneTemplate(ctx context.Context, p place) offer {
	if len(p.args) > 0 {
		return offer{}
	}
	return templateNames(ctx, p)
}

// parameters offers what --set takes: the parameters of the templates that are meant, and
// behind the equals sign their values.
func parameters(ctx context.Context, p place) offer {
	name, _, valued := strings.Cut(p.word, "=")
	var out offer
	for _, t := range p.templates(ctx) {
		for i := range t.Parameters {
			one := &t.Parameters[i]
			switch {
			case valued && one.Name == name:
				out.words = append(out.words, values(one)...)
			case !valued:
				out.words = append(out.words, cobra.CompletionWithDesc(one.Name+"=", one.Help))
			}
		}
	}
	if !valued {
		for _, other := range []string{"region", "protect", "assumeRole", "permissionsBoundary"} {
			out.words = append(out.words, other+"=")
		}
		out.words = append(out.words, "tags.")
		out.more = true
	}
	switch {
	case valued && name == "region":
		out.words = append(out.words, prefixed("region=", spec.Regions("aws"))...)
	case valued && name == "protect":
		out.words = append(out.words, "protect=true", "protect=false")
	}
	slices.Sort(out.words)
	out.words = slices.Compact(out.words)
	return out
}

// templates are those that the command line is about: that of --template, of the named
// pipelines, of the spec; or all.
func (p place) templates(ctx context.Context) []*spec.Template {
	cat, err := catalog(ctx, p.deps)
	if err != nil {
		return nil
	}
	var names []string
	if name := p.flag("template"); name != "" {
		names = append(names, name)
	} else if set := p.spec(ctx); set != nil {
		for i := range set.Pipelines {
			names = append(names, set.Pipelines[i].Template)
		}
	} else {
		names = p.templatesOfNamed(ctx)
	}
	var out []*spec.Template
	for _, t := range cat.List() {
		if len(names) == 0 || slices.Contains(names, t.Name) {
			out = append(out, t)
		}
	}
	return out
}

// templatesOfNamed are the templates of the pipelines that are named, as their stacks
// tell; only on a backend that costs nothing to read.
func (p place) templatesOfNamed(ctx context.Context) []string {
	if b := p.deps.settings.String(settings.Backend); b != "" && !strings.HasPrefix(b, "file:") {
		return nil
	}
	var names []string
	for _, arg := range p.args {
		id, err := spec.ParseID(arg)
		if err != nil {
			continue
		}
		if x, err := p.deps.app().Glance(ctx, id); err == nil {
			names = append(names, x.Spec.Template)
		}
	}
	return names
}

// values are what a parameter may be set to, as --set takes it: its choices, or what it
// is without, and an example.
func values(one *spec.Parameter) []string {
	list := slices.Clone(one.Enum)
	if len(list) == 0 {
		if one.Type == spec.TypeBool {
			list = append(list, true, false)
		}
		list = append(list, one.Default, one.Example)
	}
	var texts []string
	for _, v := range list {
		if text := valueText(v); text != "" {
			texts = append(texts, text)
		}
	}
	return prefixed(one.Name+"=", texts)
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

// anExecution offers [PIPELINE] EXECUTION.
func anExecution(ctx context.Context, p place) offer {
	return arguments(onePipeline, executionNames)(ctx, p)
}

// executionsShown is how many executions are offered.
const executionsShown = 20

// executionNames are @latest and the newest executions of the pipeline that is named, or of
// those whose names begin as what is typed, as far as they can be asked for without
// starting anything.
func executionNames(ctx context.Context, p place) offer {
	out := offer{words: []string{cobra.CompletionWithDesc("@latest", "the newest one")}}
	if len(p.args) == 0 || strings.HasPrefix(p.word, "@") || !p.deps.app().Answers() {
		return out
	}
	id, err := spec.ParseID(p.args[0])
	if err != nil {
		return out
	}
	m, err := p.deps.app().GlanceMachine(ctx, id)
	if err != nil {
		return out
	}
	list, err := m.Client.List(ctx, executions.ListInput{Machine: m.ARN, Name: p.word, Limit: executionsShown})
	if err != nil {
		return out
	}
	for _, x := range list {
		out.words = append(out.words, cobra.CompletionWithDesc(x.Name, string(x.Status)))
	}
	return out
}

// batches are those that were started here on the pipeline that is named.
func batches(_ context.Context, p place) offer {
	if len(p.args) == 0 {
		return offer{}
	}
	id, err := spec.ParseID(p.args[0])
	if err != nil {
		return offer{}
	}
	return offer{words: p.deps.app().Batches(id)}
}

// statuses offers a comma-separated list of them.
func statuses(_ context.Context, p place) offer {
	var all []string
	for _, s := range fleet.Statuses() {
		all = append(all, string(s))
	}
	return listed(p.word, all)
}

// inputFile offers the files behind the @ of an input.
func inputFile(_ context.Context, p place) offer {
	path, ok := strings.CutPrefix(p.word, "@")
	if !ok {
		return offer{words: []string{"@", "-"}, more: true}
	}
	dir, _ := filepath.Split(path)
	entries, _ := os.ReadDir(filepath.Clean("./" + dir)) // nothing is offered of what cannot be read
	if filepath.IsAbs(dir) {
		entries, _ = os.ReadDir(dir)
	}
	out := offer{more: true}
	for _, e := range entries {
		name := "@" + dir + e.Name()
		if e.IsDir() {
			name += "/"
		}
		out.words = append(out.words, name)
	}
	return out
}

// howRunning is what --running takes.
func howRunning(context.Context, place) offer {
	return offer{words: []string{
		cobra.CompletionWithDesc(string(pipelines.RunningWait), "until they have ended"),
		cobra.CompletionWithDesc(string(pipelines.RunningStop), "they end as ABORTED"),
		cobra.CompletionWithDesc(string(pipelines.RunningIgnore), "the operation goes on"),
	}}
}

// profiles are those of the AWS configuration files.
func profiles(_ context.Context, p place) offer {
	var out offer
	for variable, fallback := range map[string]string{"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"} {
		file, _ := p.deps.environ(variable)
		if home, ok := p.deps.environ("HOME"); file == "" && ok {
			file = filepath.Join(home, ".aws", fallback)
		}
		raw, _ := os.ReadFile(file) // the user's own; there may be none
		for line := range strings.Lines(string(raw)) {
			section, ok := strings.CutPrefix(strings.TrimSpace(line), "[")
			name, closed := strings.CutSuffix(section, "]")
			name = strings.TrimSpace(strings.TrimPrefix(name, "profile "))
			if ok && closed && !strings.Contains(name, " ") && !slices.Contains(out.words, name) {
				out.words = append(out.words, name)
			}
		}
	}
	slices.Sort(out.words)
	return out
}

// accounts are those of the sandbox, if it runs.
func accounts(ctx context.Context, p place) offer {
	// Answers is no question for it: on AWS it says that AWS does.
	if info, err := p.deps.app().SandboxStatus(); err != nil || !info.Running {
		return offer{}
	}
	list, err := p.deps.app().SandboxAccounts(ctx)
	if err != nil {
		return offer{}
	}
	var out offer
	for _, a := range list {
		out.words = append(out.words, a.ID)
	}
	return out
}

// faultCalls offers services, and behind a dot their operations.
func faultCalls(_ context.Context, p place) offer {
	words := app.FaultCalls(p.word)
	return offer{words: words, more: !strings.Contains(p.word, ".")}
}

// faultCodes are the error codes of the service that --call names.
func faultCodes(_ context.Context, p place) offer {
	return offer{words: app.FaultCodes(p.flag("call"))}
}
