package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// reservedNames can't be parameters: they are settings of every pipeline, and
// --set gives them by these names.
var reservedNames = []string{"tenant", "model", "env", "template", "region", "tags", "protect", "assumeRole", "permissionsBoundary", "parameters"}

var (
	templateName     = lazyregexp.New(`^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$`)
	parameterName    = lazyregexp.New(`^[a-z][a-zA-Z0-9]*(\.[a-z][a-zA-Z0-9]*)*$`)
	substitutionForm = lazyregexp.New(`\$\{([A-Za-z][A-Za-z0-9.]*)\}`)
	types            = []Type{TypeString, TypeInt, TypeFloat, TypeBool, TypeEnum, TypeList, TypeMap, TypePath, TypeARN}
	artifactKinds    = []string{artifactFile, artifactDir, artifactZip}
	urlSchemes       = []string{"s3", "https"}
)

// LoadTemplate reads the template in a folder; shown is how errors call it.
// What is wrong comes as a fault.List of Problems, all at once.
func LoadTemplate(fsys fs.FS, shown string) (*Template, error) {
	t, errs := ReadTemplate(fsys, shown)
	if len(errs) > 0 {
		return nil, problems(errs).err()
	}
	return t, nil
}

// ReadTemplate is LoadTemplate for checks that want to see as much as there is:
// with errors it returns what could be read, nil only if template.yaml is none.
// Make no pipelines of a template with errors; Doubtful tells which parts of it are to
// be believed.
func ReadTemplate(fsys fs.FS, shown string) (*Template, []*Problem) {
	l := &templateLoader{fsys: fsys, shown: shown, t: &Template{FS: fsys, byName: map[string]int{}}}
	data, ok := l.read(TemplateFile)
	if !ok {
		return nil, l.errs
	}
	root, errs := parseYAML(l.path(TemplateFile), data)
	if root == nil {
		return nil, errs.sorted()
	}
	l.root, l.t.root = root, root
	l.errs = slices.Concat(errs, l.decoder.decode(root, l.t))
	if root.bad || root.kind != kindMap {
		return nil, l.errs.sorted()
	}
	l.t.unsure = l.decoder.unsure[root]
	l.header()
	for i := range l.t.Parameters {
		if l.isMap(l.item("parameters", i)) {
			l.parameter(i)
		}
	}
	l.conditions()
	l.rules()
	l.definition()
	l.cases()
	return l.t, l.errs.sorted()
}

type templateLoader struct {
	fsys    fs.FS
	shown   string
	root    *node
	t       *Template
	decoder decoder
	errs    problems
}

// Doubtful tells whether something in sections of template.yaml ("parameters", "blocks")
// could not be understood, so that nothing may be concluded from what is missing there.
func (t *Template) Doubtful(sections ...string) bool {
	return slices.ContainsFunc(sections, func(s string) bool { return t.unsure[s] })
}

func (l *templateLoader) isMap(n *node) bool { return !n.bad && n.kind == kindMap }

// named tells whether the names in a list are all known.
func (l *templateLoader) named(list string) bool {
	n := l.root.get(list)
	if n == nil {
		return l.decoder.sure(l.root, list)
	}
	return n.kind == kindList && !n.bad && !slices.ContainsFunc(n.items, func(item *node) bool {
		return !l.isMap(item) || !l.decoder.sure(item, "name") || item.partial
	})
}

func (l *templateLoader) path(name string) string { return path.Join(l.shown, name) }

func (l *templateLoader) read(name string) ([]byte, bool) {
	data, err := fs.ReadFile(l.fsys, name)
	if err != nil {
		e := pos{file: l.path(name)}.problem(CodeUnreadable, "%s can't be read: %s", l.path(name), fault.Reason(err))
		l.errs = append(l.errs, e.WithHint("A template's folder has to hold this file.").Because(err))
	}
	if err == nil && !slices.Contains(l.t.Read, name) {
		l.t.Read = append(l.t.Read, name)
	}
	return data, err == nil
}

func (l *templateLoader) fail(p pos, hint, format string, args ...any) {
	l.errs = append(l.errs, p.problem(CodeBroken, format, args...).WithHint("%s", hint))
}

// at returns the place of a key of the file, or of the file.
func (l *templateLoader) at(n *node, key string) pos {
	if e := n.find(key); e != nil {
		return e.pos
	}
	return n.pos
}

func (l *templateLoader) item(list string, i int) *node {
	if n := l.root.get(list); n != nil && i < len(n.items) {
		return n.items[i]
	}
	return l.root
}

func (l *templateLoader) header() {
	t := l.t
	if l.decoder.sure(l.root, "name") && !templateName.MatchString(t.Name) {
		l.fail(l.at(l.root, "name"), "Use up to 32 of a-z, 0-9 and hyphens.", "the template needs a name of small letters, not %q", t.Name)
	}
	for key, value := range map[string]string{"title": t.Title, "version": t.Version} {
		if value == "" && l.decoder.sure(l.root, key) {
			l.fail(l.root.pos.in(key), "Add `"+key+": ...`.", "the template has no %s", key)
		}
	}
	if len(t.Blocks) == 0 && l.decoder.sure(l.root, "blocks") {
		l.fail(l.root.pos.in("blocks"), "Add `blocks: [storage, ...]`.", "the template has no blocks")
	}
	for i, p := range t.Parameters {
		n := l.item("parameters", i)
		if !l.isMap(n) || !l.decoder.sure(n, "name") {
			continue
		}
		at := l.at(n, "name")
		switch _, twice := t.byName[p.Name]; {
		case !parameterName.MatchString(p.Name):
			l.fail(at, "Use letters, digits and dots, each part beginning with a small letter.", "%q is no name of a parameter", p.Name)
		case slices.Contains(reservedNames, p.Name):
			l.fail(at, "Choose another name; every pipeline has this setting.", "a parameter can't be called %q", p.Name)
		case twice:
			l.fail(at, "Remove one of the two.", "parameter %q is there twice", p.Name)
		}
		for other := range t.byName {
			if strings.HasPrefix(p.Name, other+".") || strings.HasPrefix(other, p.Name+".") {
				l.fail(at, "Rename one of the two.", "parameter %q lies inside parameter %q", p.Name, other)
			}
		}
		t.byName[p.Name] = i
	}
}

// parameter checks one parameter and types its default, example and otherwise.
func (l *templateLoader) parameter(i int) {
	p, n := &l.t.Parameters[i], l.item("parameters", i)
	if !l.decoder.sure(n, "type") {
		return
	}
	if !slices.Contains(types, p.Type) {
		l.fail(l.at(n, "type"), "Use one of string, int, float, bool, enum, list, map, path, arn.", "parameter %s has the unknown type %q", p.Name, p.Type)
		return
	}
	if p.Help == "" && l.decoder.sure(n, "help") {
		l.fail(n.pos.in("help"), "Add `help: ...`.", "parameter %s has no help", p.Name)
	}
	if p.Group != "" && l.named("groups") && !slices.ContainsFunc(l.t.Groups, func(g Group) bool { return g.Name == p.Group }) {
		l.fail(l.at(n, "group"), "Add the group, or correct the name.", "parameter %s is in a group %q that there is not", p.Name, p.Group)
	}
	if !l.decoder.sure(n, "enum", "enumFile", "artifact") {
		return // its values have no rules
	}
	before := len(l.errs)
	l.enum(p, n)
	l.artifact(p, n)
	p.rules.pattern = l.compile(n, "pattern", p.Pattern)
	p.rules.keyPattern = l.compile(n, "keyPattern", p.KeyPattern)
	if len(l.errs) > before {
		return
	}
	for key, into := range map[string]*any{"default": &p.Default, "otherwise": &p.Otherwise, "example": &p.Example} {
		if v := n.get(key); v != nil {
			value, secrets, errs := p.coerce(v, source{skip: true})
			if len(secrets) > 0 {
				l.fail(v.pos, "Write `secret: true` beside it, and no value.", "the %s of parameter %s can't be secret: a template is no secret", key, p.Name)
			}
			l.errs = append(l.errs, errs.within(key+" of parameter "+p.Name)...)
			*into = value
		}
	}
	if p.Required && p.Default != nil {
		l.fail(l.at(n, "required"), "Remove one of the two.", "parameter %s is required and has a default", p.Name)
	}
}

func (l *templateLoader) enum(p *Parameter, n *node) {
	if p.EnumFile != "" {
		data, ok := l.read(p.EnumFile)
		if !ok {
			return
		}
		var choices []string
		if err := json.Unmarshal(data, &choices); err != nil {
			l.fail(l.at(n, "enumFile"), "Write it as a JSON list of strings.", "%s: %s", l.path(p.EnumFile), err)
			return
		}
		p.Enum, p.EnumFile = nil, ""
		for _, c := range choices {
			p.Enum = append(p.Enum, c)
		}
	}
	if (len(p.Enum) > 0) != (p.Type == TypeEnum) {
		l.fail(n.pos, "An enum has choices, the other types have none.", "parameter %s: type and choices don't fit", p.Name)
		return
	}
	for _, c := range p.Enum {
		switch c.(type) {
		case string, int:
			if _, first := p.Enum[0].(int); first == (format(c) != "" && isInt(c)) {
				continue
			}
		}
		l.fail(l.at(n, "enum"), "Put texts in quotes.", "parameter %s: the choices must be all strings or all ints", p.Name)
		return
	}
}

func isInt(v any) bool { _, ok := v.(int); return ok }

func (l *templateLoader) artifact(p *Parameter, n *node) {
	if (p.Artifact != nil) != (p.Type == TypePath) {
		l.fail(n.pos, "A path has an artifact, the other types have none.", "parameter %s: type and artifact don't fit", p.Name)
		return
	}
	if p.Artifact == nil {
		return
	}
	for _, k := range p.Artifact.Kinds {
		if !slices.Contains(artifactKinds, k) {
			l.fail(l.at(n, "artifact"), "Use file, dir or zip.", "parameter %s: unknown kind of artifact %q", p.Name, k)
		}
	}
	for _, s := range p.Artifact.URLs {
		if !slices.Contains(urlSchemes, s) {
			l.fail(l.at(n, "artifact"), "Use s3 or https.", "parameter %s: unknown scheme %q", p.Name, s)
		}
	}
}

func (l *templateLoader) compile(n *node, key, pattern string) *regexp.Regexp {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		l.fail(l.at(n, key), "Write a regular expression of Go's RE2 syntax.", "%s", err)
	}
	return re
}

// known reports names in rules and conditions that are no parameters.
func (l *templateLoader) known(p pos, names ...string) {
	if !l.named("parameters") {
		return
	}
	for _, name := range names {
		if _, ok := l.t.byName[name]; !ok {
			hint := "Correct the name."
			if s := suggest(name, l.t.parameterNames()); s != "" {
				hint = "Did you mean \"" + s + "\"?"
			}
			l.fail(p, hint, "there is no parameter %q", name)
		}
	}
}

func (l *templateLoader) conditions() {
	for i, p := range l.t.Parameters {
		l.known(l.at(l.item("parameters", i), "when"), sortedKeys(p.When)...)
	}
}

func (l *templateLoader) rules() {
	for i, r := range l.t.Rules {
		n := l.item("rules", i)
		if !l.isMap(n) || !l.decoder.sure(n, "kind", "parameters", "when", "left", "right") {
			continue
		}
		l.known(n.pos, append(sortedKeys(r.When), r.Parameters...)...)
		if r.Help == "" && l.decoder.sure(n, "help") {
			l.fail(n.pos.in("help"), "Add `help: ...`, a sentence that says what to do.", "the rule has no help")
		}
		switch r.Kind {
		case RuleTogether, RuleConflicts, RuleRequires, RuleRegion, RuleRollout:
			if len(r.Parameters) == 0 {
				l.fail(n.pos, "Add `parameters: [...]`.", "a rule of kind %s needs parameters", r.Kind)
			}
		case RuleForbid:
			if len(r.When) == 0 {
				l.fail(n.pos, "Add `when: {...}`.", "a rule of kind forbid needs conditions")
			}
		case RuleAtMost:
			l.known(n.pos, r.Left, r.Right)
		case RuleTotal:
			if len(r.Parameters) == 0 || r.Most <= r.Margin {
				l.fail(n.pos, "Add `parameters: [...]` and `most: 4096`.", "a rule of kind total needs parameters, and how many bytes they may have at most")
			}
		case RuleModel:
			if len(r.Parameters) != 2 {
				l.fail(n.pos, "Give the image and the model data.", "a rule of kind model needs two parameters")
			}
		case RuleHandler:
			if len(r.Parameters) != 3 {
				l.fail(n.pos, "Give code, handler and runtime.", "a rule of kind handler needs three parameters")
			}
		default:
			l.fail(l.at(n, "kind"), "Use one of together, conflicts, requires, forbid, atMost, handler, region, model, rollout, total.", "unknown kind of rule %q", r.Kind)
		}
	}
}

// definition reads the state machine and checks that each ${name} is known.
// Whether it is good States Language is for package asl to say.
func (l *templateLoader) definition() {
	l.t.Definition = l.definitionIn(DefinitionFile)
	for i := range l.t.Definitions {
		d := &l.t.Definitions[i]
		n := l.item("definitions", i)
		if !l.isMap(n) || !l.decoder.sure(n, "file") {
			continue
		}
		if d.File == "" || d.File != path.Base(d.File) || d.File == DefinitionFile {
			l.fail(l.at(n, "file"), "Name a file of the template's own folder, such as statemachine-lambda.asl.json.", "a definition needs a file of its own, not %q", d.File)
			continue
		}
		d.Definition = l.definitionIn(d.File)
	}
}

func (l *templateLoader) definitionIn(name string) []byte {
	data, ok := l.read(name)
	if !ok {
		return nil
	}
	file := pos{file: l.path(name)}
	if !json.Valid(data) {
		var v any
		err := json.Unmarshal(data, &v)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			file = file.within(data, int(syntax.Offset)-1)
		}
		l.errs = append(l.errs, file.problem(CodeSyntax, "%s", err).WithHint("Correct the JSON."))
		return data
	}
	if !l.named("parameters") || !l.named("substitutions") {
		return data
	}
	known := l.t.parameterNames()
	for _, s := range l.t.Substitutions {
		known = append(known, s.Name)
	}
	for _, name := range append(usedIn(data), l.t.usedInCases()...) {
		if slices.Contains(known, name) {
			continue
		}
		hint := "Declare it under substitutions, or use the name of a parameter."
		if s := suggest(name, known); s != "" {
			hint = "Did you mean ${" + s + "}?"
		}
		at := file.within(data, bytes.Index(data, []byte("${"+name+"}")))
		l.fail(at, hint, "the definition uses ${%s}, which is not declared", name)
	}
	return data
}

// definitions are the texts of all definitions.
func (t *Template) definitions() [][]byte {
	out := [][]byte{t.Definition}
	for _, d := range t.Definitions {
		out = append(out, d.Definition)
	}
	return out
}

// usedIn returns the names in ${...} of texts, sorted.
func usedIn(texts ...[]byte) []string {
	names := map[string]bool{}
	for _, text := range texts {
		for _, m := range substitutionForm.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	return sortedKeys(names)
}

func (t *Template) usedInCases() []string {
	var values [][]byte
	for _, s := range t.Substitutions {
		for _, c := range s.Cases {
			values = append(values, c.Value)
		}
	}
	return usedIn(values...)
}

// UsedSubstitutions returns the names in ${...} of the definitions and of the
// cases in them, sorted.
func (t *Template) UsedSubstitutions() []string {
	names := append(usedIn(t.definitions()...), t.usedInCases()...)
	slices.Sort(names)
	return slices.Compact(names)
}
