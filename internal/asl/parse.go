package asl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// maxStateName is the limit of characters in a state's name.
const maxStateName = 80

type parser struct {
	source string
	places *value.Positions // of source
	opts   Options
	diags  []Diagnostic
	lang   QueryLanguage   // of the machine
	names  map[string]bool // every state name so far: they are unique in a machine

	// state is the one being parsed, nil outside; caught is set inside of its Catch.
	state  *State
	caught bool
}

func (p *parser) machine(root *value.Node) *Machine {
	m := &Machine{Source: p.source, QueryLanguage: JSONPath}
	if !root.IsObject() {
		p.schema(root, "/", "Expected value of type Object")
		return m
	}
	p.names = map[string]bool{}
	p.known(root, "", "Comment", "Version", "QueryLanguage", "TimeoutSeconds", "StartAt", "States")
	m.Comment, _ = p.text(root, "", "Comment")
	m.Version, _ = p.text(root, "", "Version")
	if m.Version != "" && m.Version != "1.0" {
		p.schema(root.Get("Version"), "/Version", "Value must be one of: [1.0]")
	}
	m.QueryLanguage = p.language(root, "", JSONPath)
	p.lang = m.QueryLanguage
	if n := root.Get("TimeoutSeconds"); n != nil {
		m.TimeoutSeconds = p.integer(n, "/TimeoutSeconds", 1, maxSeconds)
	}
	p.workflow(&m.Workflow, root, "")
	p.scopes(root, "", nil)
	return m
}

// ParseState reads the definition of a single state, as TestState takes it. Its
// transitions are not checked. The error is *Error.
func ParseState(name, source string, opts Options) (*State, error) {
	root, diags := parseRoot(source)
	if diags != nil {
		return nil, &Error{Diagnostics: diags}
	}
	p := &parser{source: source, places: value.NewPositions(source), opts: opts, lang: JSONPath, names: map[string]bool{}}
	if !root.IsObject() {
		p.schema(root, "/", "Expected value of type Object")
		return nil, &Error{Diagnostics: p.diags}
	}
	p.lang = p.language(root, "", JSONPath)
	s := p.parseState(name, root, "/States/"+name)
	if len(p.diags) > 0 {
		return nil, &Error{Diagnostics: p.diags}
	}
	return s, nil
}

// maxSeconds is the largest time that a definition may give.
const maxSeconds = 99_999_999

func (p *parser) language(n *value.Node, loc string, inherited QueryLanguage) QueryLanguage {
	f := n.Get("QueryLanguage")
	if f == nil {
		return inherited
	}
	switch l := f.Value; l {
	case "JSONPath", "JSONata":
		s, _ := l.(string)
		return QueryLanguage(s)
	}
	p.schema(f, loc+"/QueryLanguage", "Value must be one of: [JSONPath, JSONata]")
	return inherited
}

// workflow parses StartAt and States and checks the transitions between them.
func (p *parser) workflow(w *Workflow, n *value.Node, loc string) {
	p.required(n, loc, "States", "StartAt")
	w.StartAt, _ = p.text(n, loc, "StartAt")
	w.byName = map[string]*State{}
	states := n.Get("States")
	if states == nil {
		return
	}
	if !states.IsObject() {
		p.schema(states, loc+"/States", "Expected value of type Object")
		return
	}
	if len(states.Fields) == 0 {
		p.schema(states, loc+"/States", "Must have at least 1 state")
	}
	nodes := map[string]*value.Node{}
	for _, f := range states.Fields {
		at := loc + "/States/" + f.Key
		if p.names[f.Key] {
			p.report(f.Node, CodeDuplicate, at, "Duplicate State name: %s", f.Key)
		}
		p.names[f.Key] = true
		if f.Key == "" || len([]rune(f.Key)) > maxStateName {
			p.report(f.Node, CodeStateName, at, "State name must be between 1 and %d characters", maxStateName)
		}
		s := p.parseState(f.Key, f.Node, at)
		w.States = append(w.States, s)
		w.byName[f.Key] = s
		nodes[f.Key] = f.Node
	}
	p.transitions(w, n, nodes, loc)
}

// transitions checks that every target exists, that every state can be reached,
// and that the workflow can end.
func (p *parser) transitions(w *Workflow, n *value.Node, nodes map[string]*value.Node, loc string) {
	if w.StartAt != "" && w.byName[w.StartAt] == nil {
		p.report(n.Get("StartAt"), CodeTransition, loc+"/StartAt", "Missing 'StartAt' target: %s", w.StartAt)
	}
	ends := false
	for _, s := range w.States {
		ends = ends || s.Terminal() || s.Type == "" // what a state of no known type does is not known
		for _, t := range s.targets() {
			if w.byName[t.name] == nil {
				p.report(nodes[s.Name], CodeTransition, loc+"/States/"+s.Name+t.at, "Missing '%s' target: %s", t.field, t.name)
			}
		}
	}
	if !ends && len(w.States) > 0 {
		p.diags = append(p.diags, Diagnostic{Severity: SeverityError, Code: CodeNoEnd, Message: "Workflow has no terminal state"})
		return
	}
	reached := w.reachable()
	for _, s := range w.States {
		if !reached[s.Name] && w.byName[w.StartAt] != nil {
			p.report(nodes[s.Name], CodeTransition, loc+"/States/"+s.Name, "State \"%s\" is not reachable.", s.Name)
		}
	}
}

// reachable returns the states that StartAt leads to.
func (w *Workflow) reachable() map[string]bool {
	reached := map[string]bool{}
	todo := []string{w.StartAt}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		s := w.byName[name]
		if s == nil || reached[name] {
			continue
		}
		reached[name] = true
		for _, t := range s.targets() {
			todo = append(todo, t.name)
		}
	}
	return reached
}

type target struct{ name, field, at string }

// targets lists where a state may lead.
func (s *State) targets() []target {
	var out []target // AWS says 'Next' for every kind of transition
	if s.Next != "" {
		out = append(out, target{s.Next, "Next", "/Next"})
	}
	for i, r := range s.Choices {
		out = append(out, target{r.Next, "Next", "/Choices[" + strconv.Itoa(i) + "]/Next"})
	}
	if s.Default != "" {
		out = append(out, target{s.Default, "Next", "/Default"})
	}
	for i, c := range s.Catch {
		out = append(out, target{c.Next, "Next", "/Catch[" + strconv.Itoa(i) + "]/Next"})
	}
	return slices.DeleteFunc(out, func(t target) bool { return t.name == "" })
}

func (p *parser) parseState(name string, n *value.Node, loc string) *State {
	s := &State{Name: name, QueryLanguage: p.lang}
	s.Line, s.Column = p.places.Of(n.Offset)
	if !n.IsObject() {
		p.schema(n, loc, "Expected value of type Object")
		return s
	}
	s.QueryLanguage = p.language(n, loc, p.lang)
	if p.lang == JSONata && s.QueryLanguage == JSONPath {
		p.schema(n.Get("QueryLanguage"), loc, "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
	}
	typ, ok := p.text(n, loc, "Type")
	fields, known := fieldsOf[Type(typ)]
	switch {
	case n.Get("Type") == nil:
		p.required(n, loc, "Type")
		return s
	case !known:
		if ok {
			p.schema(n.Get("Type"), loc+"/Type", "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]")
		}
		return s
	}
	s.Type = Type(typ)
	defer func(outer *State) { p.state = outer }(p.state)
	p.state = s
	p.fields(n, loc, s, fields)
	s.Comment, _ = p.text(n, loc, "Comment")
	p.flow(n, loc, s)
	p.data(n, loc, s)
	switch s.Type {
	case Task:
		p.task(n, loc, s)
	case Choice:
		p.choice(n, loc, s)
	case Wait:
		p.wait(n, loc, s)
	case Fail:
		s.Error = p.scalar(n, loc, s, "Error", wantText)
		s.Cause = p.scalar(n, loc, s, "Cause", wantText)
	case Parallel:
		p.parallel(n, loc, s)
	case Map:
		p.mapState(n, loc, s)
	}
	return s
}

// flow parses Next, End, Retry and Catch.
func (p *parser) flow(n *value.Node, loc string, s *State) {
	s.Next, _ = p.text(n, loc, "Next")
	if f := n.Get("End"); f != nil {
		b, ok := f.Value.(bool)
		if !ok {
			p.schema(f, loc+"/End", "Expected value of type Boolean")
		}
		s.End = b
	}
	switch s.Type {
	case Choice, Succeed, Fail:
	default:
		if s.End && s.Next != "" {
			p.schema(n, loc, "There should only be one of the following fields: [Next, End]")
		} else if !s.End && n.Get("Next") == nil {
			p.schema(n, loc, "One of these fields is required: [Next, End]")
		}
	}
	for i, item := range p.list(n, loc, "Retry") {
		s.Retry = append(s.Retry, p.retrier(item, loc+"/Retry["+strconv.Itoa(i)+"]", s))
	}
	for i, item := range p.list(n, loc, "Catch") {
		s.Catch = append(s.Catch, p.catcher(item, loc+"/Catch["+strconv.Itoa(i)+"]", s))
	}
	for i, r := range s.Retry {
		p.allLast(n.Get("Retry").Items[i], loc+"/Retry["+strconv.Itoa(i)+"]", r.ErrorEquals, i == len(s.Retry)-1)
	}
	for i, c := range s.Catch {
		p.allLast(n.Get("Catch").Items[i], loc+"/Catch["+strconv.Itoa(i)+"]", c.ErrorEquals, i == len(s.Catch)-1)
	}
}

// allLast checks that States.ALL stands alone and in the last entry.
func (p *parser) allLast(n *value.Node, loc string, names []string, last bool) {
	if !slices.Contains(names, "States.ALL") {
		return
	}
	if len(names) > 1 {
		p.schema(n, loc+"/ErrorEquals", "States.ALL must appear alone")
	} else if !last {
		p.schema(n, loc+"/ErrorEquals", "States.ALL must be in the last entry")
	}
}

func (p *parser) errorEquals(n *value.Node, loc string) []string {
	p.required(n, loc, "ErrorEquals")
	items := p.list(n, loc, "ErrorEquals")
	if n.Get("ErrorEquals") != nil && len(items) == 0 {
		p.schema(n.Get("ErrorEquals"), loc+"/ErrorEquals", "Must have at least 1 element")
	}
	var out []string
	for i, item := range items {
		s, ok := item.Value.(string)
		if !ok {
			p.schema(item, loc+"/ErrorEquals["+strconv.Itoa(i)+"]", "Expected value of type String")
		}
		out = append(out, s)
	}
	return out
}

func (p *parser) retrier(n *value.Node, loc string, s *State) Retrier {
	r := Retrier{
		IntervalSeconds: Scalar{Literal: value.Int(1)}, MaxAttempts: Scalar{Literal: value.Int(3)},
		BackoffRate: Scalar{Literal: value.Double(2)},
	}
	if !p.object(n, loc) {
		return r
	}
	p.known(n, loc, "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment")
	r.ErrorEquals = p.errorEquals(n, loc)
	if v := p.scalar(n, loc, s, "IntervalSeconds", wantInt(1, maxSeconds)); v.IsSet() {
		r.IntervalSeconds = v
	}
	if v := p.scalar(n, loc, s, "MaxAttempts", wantInt(0, maxSeconds)); v.IsSet() {
		r.MaxAttempts = v
	}
	if v := p.scalar(n, loc, s, "BackoffRate", wantNumber(1)); v.IsSet() {
		r.BackoffRate = v
	}
	if f := n.Get("MaxDelaySeconds"); f != nil {
		r.MaxDelaySeconds = p.integer(f, loc+"/MaxDelaySeconds", 1, 31_622_400)
	}
	if j, ok := p.text(n, loc, "JitterStrategy"); ok {
		r.FullJitter = j == "FULL"
		if j != "FULL" && j != "NONE" {
			p.schema(n.Get("JitterStrategy"), loc+"/JitterStrategy", "Value must be one of: [FULL, NONE]")
		}
	}
	return r
}

func (p *parser) catcher(n *value.Node, loc string, s *State) Catcher {
	var c Catcher
	p.caught = true
	defer func() { p.caught = false }()
	if !p.object(n, loc) {
		return c
	}
	if s.QueryLanguage == JSONata {
		p.known(n, loc, "ErrorEquals", "Next", "Output", "Assign", "Comment")
		c.Output = p.template(n, loc, s, "Output")
	} else {
		p.known(n, loc, "ErrorEquals", "Next", "ResultPath", "Assign", "Comment")
		c.ResultPath = p.path(n, loc, "ResultPath", true)
	}
	c.ErrorEquals = p.errorEquals(n, loc)
	p.required(n, loc, "Next")
	c.Next, _ = p.text(n, loc, "Next")
	c.Assign = p.template(n, loc, s, "Assign")
	return c
}

// data parses the fields that shape input and output.
func (p *parser) data(n *value.Node, loc string, s *State) {
	s.Assign = p.template(n, loc, s, "Assign")
	p.variableNames(n.Get("Assign"), loc+"/Assign")
	if s.QueryLanguage == JSONata {
		s.Arguments = p.template(n, loc, s, "Arguments")
		s.Output = p.template(n, loc, s, "Output")
		return
	}
	s.InputPath = p.path(n, loc, "InputPath", false)
	s.OutputPath = p.path(n, loc, "OutputPath", false)
	s.ResultPath = p.path(n, loc, "ResultPath", true)
	s.Parameters = p.template(n, loc, s, "Parameters")
	s.ResultSelector = p.template(n, loc, s, "ResultSelector")
	s.Result = n.Get("Result")
}

func (p *parser) variableNames(n *value.Node, loc string) {
	if n == nil {
		return
	}
	if !n.IsObject() {
		if s, ok := n.Value.(string); ok {
			if _, isExpr := jsonataText(s); isExpr {
				return
			}
		}
		p.schema(n, loc, "Expected value of type Object")
		return
	}
	for _, f := range n.Fields {
		name := strings.TrimSuffix(f.Key, ".$")
		if !validVariable(name) {
			p.schema(f.Node, loc+"/"+f.Key, "The variable name '%s' is not valid", name)
		}
	}
}

// jsonata compiles an expression.
func (p *parser) jsonata(n *value.Node, text, field, loc string) *Expr {
	e, err := jsonata.Compile(text)
	if err != nil {
		p.report(n, CodeJSONata, loc, "%s", err)
		return nil
	}
	for _, name := range jsonata.Names(text) {
		if name.Name == "states" && !name.Bound && !p.hasMember(name.Member, field) {
			p.report(n, CodeJSONataUse, loc, "Field '$states.%s' does not exist.", name.Member)
		}
	}
	for _, name := range e.TopLevel() {
		p.report(n, CodeJSONataUse, loc, "Reference to '%s' at the top level is not supported.", name)
	}
	return &Expr{Kind: KindJSONata, Text: text, Field: field, JSONata: e}
}

// hasMember reports whether $states has a member where an expression stands: the
// result is there once a state has done its work, the error in a Catch only. AWS
// looks when the definition is given (measured: github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/Feature.JSONataValidation-002 to -005).
func (p *parser) hasMember(member, field string) bool {
	root, _, _ := strings.Cut(field, "/")
	switch member {
	case "", "input", "context":
		return true
	case "result":
		works := p.state != nil && (p.state.Type == Task || p.state.Type == Parallel || p.state.Type == Map)
		return works && !p.caught && (root == "Output" || root == "Assign")
	case "errorOutput":
		return p.caught
	}
	return false
}
