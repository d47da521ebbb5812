package asl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

var (
	lambdaARN      = lazyregexp.New(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[a-z0-9-]+:function:[A-Za-z0-9_.-]+(:[A-Za-z0-9_$-]+)?$`)
	activityARN    = lazyregexp.New(`^arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:activity:.+$`)
	integrationARN = lazyregexp.New(`^arn:aws[a-z-]*:states:::([A-Za-z0-9-]+):([A-Za-z0-9_:]+)(\.sync|\.sync:2|\.waitForTaskToken)?$`)
)

// Integration is what a service-integration resource names.
type Integration struct {
	// Service is "lambda", or "aws-sdk:s3" for SDK integrations.
	Service string
	// Operation is "invoke".
	Operation string
	// Pattern is "", "sync", "sync:2" or "waitForTaskToken".
	Pattern string
}

// SDK reports whether this is an AWS SDK integration.
func (i Integration) SDK() bool { return strings.HasPrefix(i.Service, "aws-sdk:") }

// ParseIntegration splits arn:aws:states:::service:operation.pattern; ok is
// false for other resources (Lambda functions, activities).
func ParseIntegration(resource string) (Integration, bool) {
	m := integrationARN.FindStringSubmatch(resource)
	if m == nil {
		return Integration{}, false
	}
	i := Integration{Service: m[1], Operation: m[2], Pattern: strings.TrimPrefix(m[3], ".")}
	if i.Service == "aws-sdk" {
		service, op, ok := strings.Cut(i.Operation, ":")
		if !ok {
			return Integration{}, false
		}
		i.Service, i.Operation = "aws-sdk:"+service, op
	}
	return i, true
}

// IsLambda reports whether a Task's resource is a Lambda function's ARN.
func IsLambda(resource string) bool { return lambdaARN.MatchString(resource) }

// IsActivity reports whether a Task's resource is an activity's ARN.
func IsActivity(resource string) bool { return activityARN.MatchString(resource) }

func (p *parser) task(n *value.Node, loc string, s *State) {
	p.required(n, loc, "Resource")
	var ok bool
	if s.Resource, ok = p.text(n, loc, "Resource"); ok {
		p.resource(n.Get("Resource"), loc+"/Resource", s.Resource)
	}
	if c := n.Get("Credentials"); c != nil {
		at := loc + "/Credentials"
		if p.object(c, at) {
			if c.Get("RoleArn.$") == nil {
				p.required(c, at, "RoleArn")
			}
			s.Credentials = p.templateOf(c, at, s, "Credentials")
		}
	}
	s.TimeoutSeconds = p.scalar(n, loc, s, "TimeoutSeconds", wantInt(1, maxSeconds))
	s.HeartbeatSeconds = p.scalar(n, loc, s, "HeartbeatSeconds", wantInt(1, maxSeconds))
	t, okT := s.TimeoutSeconds.Literal.(value.Number)
	h, okH := s.HeartbeatSeconds.Literal.(value.Number)
	if okT && okH && value.Compare(h, t) >= 0 {
		p.schema(n.Get("HeartbeatSeconds"), loc, "HeartbeatSeconds must be smaller than TimeoutSeconds")
	}
}

func (p *parser) resource(n *value.Node, loc, arn string) {
	i, isIntegration := ParseIntegration(arn)
	if !isIntegration && !IsLambda(arn) && !IsActivity(arn) {
		p.schema(n, loc, "Value is not a valid resource ARN")
		return
	}
	if p.opts.Express {
		switch {
		case IsActivity(arn):
			p.schema(n, loc, "Express state machine does not support Activity ARN")
			return
		case i.Pattern == "waitForTaskToken":
			p.schema(n, loc, "Express state machine does not support '.waitForTaskToken' service integration ") // AWS has the blank
			return
		case i.Pattern != "":
			p.schema(n, loc, "Express state machine does not support '.sync' service integration")
			return
		}
	}
	if p.opts.Resource != nil {
		if err := p.opts.Resource(arn); err != nil {
			p.schema(n, loc, "%s", err)
		}
	}
}

func (p *parser) wait(n *value.Node, loc string, s *State) {
	var given []string
	for _, name := range []string{"Seconds", "Timestamp", "SecondsPath", "TimestampPath"} {
		if n.Get(name) != nil {
			given = append(given, name)
		}
	}
	switch len(given) {
	case 0:
		p.schema(n, loc, "One of these fields is required: [Seconds, SecondsPath, Timestamp, TimestampPath]")
	case 1:
	default:
		p.schema(n, loc, "There should only be one of the following fields: [%s]", strings.Join(given, ", "))
	}
	s.Seconds = p.scalar(n, loc, s, "Seconds", wantInt(0, maxSeconds))
	s.Timestamp = p.scalar(n, loc, s, "Timestamp", wantTime)
}

func (p *parser) parallel(n *value.Node, loc string, s *State) {
	p.required(n, loc, "Branches")
	items := p.list(n, loc, "Branches")
	if f := n.Get("Branches"); f != nil && len(items) == 0 {
		p.schema(f, loc+"/Branches", "Value cannot be empty")
	}
	for i, item := range items {
		at := loc + "/Branches[" + strconv.Itoa(i) + "]"
		w := &Workflow{}
		if p.object(item, at) {
			p.known(item, at, "Comment", "StartAt", "States")
			p.workflow(w, item, at)
		}
		s.Branches = append(s.Branches, w)
	}
}

func (p *parser) choice(n *value.Node, loc string, s *State) {
	p.required(n, loc, "Choices")
	s.Default, _ = p.text(n, loc, "Default")
	items := p.list(n, loc, "Choices")
	if f := n.Get("Choices"); f != nil && len(items) == 0 {
		p.schema(f, loc+"/Choices", "Value cannot be empty")
	}
	for i, item := range items {
		at := loc + "/Choices[" + strconv.Itoa(i) + "]"
		if p.object(item, at) {
			s.Choices = append(s.Choices, p.rule(item, at, s, i))
		}
	}
}

func (p *parser) rule(n *value.Node, loc string, s *State, i int) Rule {
	var r Rule
	p.required(n, loc, "Next")
	r.Next, _ = p.text(n, loc, "Next")
	r.Assign = p.template(n, loc, s, "Assign")
	p.variableNames(n.Get("Assign"), loc+"/Assign")
	if s.QueryLanguage == JSONata {
		p.known(n, loc, "Condition", "Next", "Assign", "Output", "Comment")
		p.required(n, loc, "Condition")
		r.Output = p.template(n, loc, s, "Output")
		if c := n.Get("Condition"); c != nil {
			field := "Choices[" + strconv.Itoa(i) + "]/Condition"
			r.Condition = p.jsonataTemplate(c, field, loc+"/Condition")
			_, isBool := c.Value.(bool)
			if r.Condition.Static && !isBool {
				p.schema(c, loc+"/Condition", "Expected value of type Boolean or a JSONata expression")
			}
		}
		return r
	}
	r.Test = p.test(n, loc, true)
	return r
}

// comparisons are the operators of JSONPath choices with the type of their
// right side. Each but the Is* and StringMatches has a variant with "Path".
var comparisons = map[string]string{
	"StringEquals": "string", "StringLessThan": "string", "StringGreaterThan": "string",
	"StringLessThanEquals": "string", "StringGreaterThanEquals": "string", "StringMatches": "string",
	"NumericEquals": "number", "NumericLessThan": "number", "NumericGreaterThan": "number",
	"NumericLessThanEquals": "number", "NumericGreaterThanEquals": "number",
	"BooleanEquals":   "boolean",
	"TimestampEquals": "time", "TimestampLessThan": "time", "TimestampGreaterThan": "time",
	"TimestampLessThanEquals": "time", "TimestampGreaterThanEquals": "time",
	"IsNull": "boolean", "IsPresent": "boolean", "IsNumeric": "boolean", "IsString": "boolean", "IsBoolean": "boolean", "IsTimestamp": "boolean",
}

func (p *parser) test(n *value.Node, loc string, top bool) *Test {
	t := &Test{}
	for _, f := range n.Fields {
		k := f.Key
		base, isPath := strings.CutSuffix(k, "Path")
		switch typ, isOp := comparisons[base]; {
		case k == "Next" || k == "Assign" || k == "Comment" || k == "Variable":
			if !top && k != "Variable" && k != "Comment" {
				p.schema(f.Node, loc+"/"+k, "Field '%s' is not supported", k)
			}
		case k == "And" || k == "Or" || k == "Not":
			p.operator(t, f.Node, loc, k)
			p.combination(t, f.Node, loc+"/"+k)
		case isOp && isPath && !strings.HasPrefix(base, "Is") && base != "StringMatches":
			p.operator(t, f.Node, loc, k)
			t.Path = p.expr(f.Node, loc+"/"+k, k, false)
		case isOp && !isPath:
			p.operator(t, f.Node, loc, k)
			t.Literal = f.Node.Value
			p.operand(f.Node, loc+"/"+k, typ)
		default:
			p.schema(f.Node, loc+"/"+k, "Field '%s' is not supported", k)
		}
	}
	if t.Op == "" {
		p.schema(n, loc, "A comparison operator is required")
		return t
	}
	if t.Op != "And" && t.Op != "Or" && t.Op != "Not" {
		p.required(n, loc, "Variable")
		if v := n.Get("Variable"); v != nil {
			t.Variable = p.expr(v, loc+"/Variable", "Variable", false)
		}
	}
	return t
}

func (p *parser) operator(t *Test, n *value.Node, loc, op string) {
	if t.Op != "" {
		p.schema(n, loc, "There should only be one of the following fields: [%s, %s]", t.Op, op)
	}
	t.Op = op
}

func (p *parser) operand(n *value.Node, loc, typ string) {
	ok := true
	switch typ {
	case "time":
		if msg := wantTime(n.Value); msg != "" {
			p.schema(n, loc, "%s", msg)
		}
		return
	case "string", "number", "boolean":
		ok = value.TypeName(n.Value) == typ
	}
	if !ok {
		p.schema(n, loc, "Expected value of type %s", strings.ToUpper(typ[:1])+typ[1:])
	}
}

func (p *parser) combination(t *Test, n *value.Node, loc string) {
	if t.Op == "Not" {
		if p.object(n, loc) {
			t.Tests = []*Test{p.test(n, loc, false)}
		}
		return
	}
	if !n.IsArray() || len(n.Items) == 0 {
		p.schema(n, loc, "Must have at least 1 element")
	}
	for i, item := range n.Items {
		at := loc + "[" + strconv.Itoa(i) + "]"
		if p.object(item, at) {
			t.Tests = append(t.Tests, p.test(item, at, false))
		}
	}
}

// VariableReferences lists for each state the workflow variables that it reads,
// sorted, as DescribeStateMachine reports them. States without are left out.
func (m *Machine) VariableReferences() map[string][]string {
	out := map[string][]string{}
	m.Walk(func(s *State) {
		var names []string
		s.expressions(func(e *Expr) { names = append(names, e.Variables()...) })
		if len(names) > 0 {
			slices.Sort(names)
			out[s.Name] = slices.Compact(names)
		}
	})
	return out
}

// expressions calls fn for every expression of the state itself, not of the
// states inside it.
func (s *State) expressions(fn func(*Expr)) {
	tmpl := func(ts ...*Template) {
		for _, t := range ts {
			t.walk(fn)
		}
	}
	expr := func(es ...*Expr) {
		for _, e := range es {
			if e != nil {
				fn(e)
			}
		}
	}
	tmpl(s.Parameters, s.ResultSelector, s.Arguments, s.Output, s.Assign, s.Credentials)
	expr(s.InputPath.Expr, s.OutputPath.Expr, s.TimeoutSeconds.Expr, s.HeartbeatSeconds.Expr, s.Seconds.Expr, s.Timestamp.Expr, s.Error.Expr, s.Cause.Expr)
	for _, r := range s.Retry {
		expr(r.IntervalSeconds.Expr, r.MaxAttempts.Expr, r.BackoffRate.Expr)
	}
	for _, c := range s.Catch {
		tmpl(c.Output, c.Assign)
	}
	for _, r := range s.Choices {
		tmpl(r.Condition, r.Output, r.Assign)
		r.Test.walk(expr)
	}
	if m := s.Map; m != nil {
		tmpl(m.Items, m.Selector)
		expr(m.ItemsPath.Expr, m.MaxConcurrency.Expr, m.ToleratedFailureCount.Expr, m.ToleratedFailurePercentage.Expr)
		if m.Reader != nil {
			tmpl(m.Reader.Parameters)
			expr(m.Reader.MaxItems.Expr)
		}
		if m.Batcher != nil {
			tmpl(m.Batcher.BatchInput)
			expr(m.Batcher.MaxItems.Expr, m.Batcher.MaxBytes.Expr)
		}
		if m.Writer != nil {
			tmpl(m.Writer.Parameters)
		}
	}
}

func (t *Test) walk(expr func(...*Expr)) {
	if t == nil {
		return
	}
	expr(t.Variable, t.Path)
	for _, inner := range t.Tests {
		inner.walk(expr)
	}
}

func (t *Template) walk(fn func(*Expr)) {
	if t == nil {
		return
	}
	if t.Expr != nil {
		fn(t.Expr)
	}
	for _, e := range t.Elems {
		e.walk(fn)
	}
}
