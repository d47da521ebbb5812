package check

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// state checks one state by itself.
func (m *machine) state(s *state) {
	m.expressions(s)
	switch s.typ {
	case "Task":
		m.task(s)
	case "Map":
		m.mapState(s)
	case "Choice":
		if s.node.Get("Default") == nil && len(items(s.node.Get("Choices"))) > 0 {
			m.at(s.node.Offset, Warning, "no-default", "Add a Default.", "state %q has no Default: input that fits no choice fails with States.NoChoiceMatched", s.name)
		}
	}
	for _, field := range []string{"Retry", "Catch"} {
		entries := items(s.node.Get(field))
		for i, r := range entries {
			m.errorNames(r, i == len(entries)-1)
		}
	}
	for _, e := range s.edges() {
		if e.caught {
			m.catch(s, e)
		}
	}
}

// errorsOfStates are the errors that the States Language itself raises.
// (step-functions/latest/dg/concepts-error-handling.html)
var errorsOfStates = []string{
	"States.ALL", "States.BranchFailed", "States.DataLimitExceeded", "States.ExceedToleratedFailureThreshold", "States.HeartbeatTimeout",
	"States.Http.Socket", "States.IntrinsicFailure", "States.ItemReaderFailed", "States.NoChoiceMatched", "States.ParameterPathFailure",
	"States.Permissions", "States.QueryEvaluationError", "States.ResultPathMatchFailure", "States.ResultWriterFailed", "States.Runtime",
	"States.TaskFailed", "States.Timeout",
}

func (m *machine) errorNames(entry *value.Node, last bool) {
	names := items(entry.Get("ErrorEquals"))
	for _, n := range names {
		name := text(n)
		if !strings.HasPrefix(name, "States.") {
			continue
		}
		if !slices.Contains(errorsOfStates, name) {
			m.on(n, Warning, "unknown-error", suggestion(name, errorsOfStates, "Names that begin with \"States.\" belong to Step Functions; choose another."),
				"Step Functions raises no error %s", name)
		}
		if name != "States.ALL" {
			continue
		}
		holder := entry.Get("ErrorEquals")
		if len(names) > 1 {
			m.said[holder.Offset] = Error
			m.on(n, Error, "states-all", "Remove the others: States.ALL covers them.", "States.ALL has to stand alone")
		} else if !last {
			m.said[holder.Offset] = Error
			m.on(n, Error, "states-all", "Move it behind the others: nothing after it would ever apply.", "States.ALL has to be in the last entry")
		}
	}
}

// catch warns of a Catch that ends in Fail states only: the execution then
// cannot be redriven from the state that failed.
// (step-functions/latest/dg/redrive-executions.html)
func (m *machine) catch(s *state, e edge) {
	ends, others := 0, 0
	for name := range s.in.reachable(e.to) {
		t := s.in.byName[name]
		switch {
		case t.typ == "Fail":
			ends++
		case t.terminal():
			others++
		}
	}
	if ends > 0 && others == 0 {
		m.on(e.node, Warning, "catch-to-fail", "Leave the Catch out and let the state fail; retry what may pass.",
			"state %q catches an error only to fail: a redrive would begin at the Fail state and fail again", s.name)
	}
}

func (m *machine) task(s *state) {
	if n := s.node.Get("Resource"); n != nil {
		m.resource(s, n)
	}
	if s.node.Get("TimeoutSeconds") == nil && s.node.Get("TimeoutSecondsPath") == nil && m.root.Get("TimeoutSeconds") == nil {
		m.at(s.node.Offset, Warning, "no-timeout", "Add TimeoutSeconds to the state, or at the top of the definition.",
			"task %q has no time limit: it may wait for ever", s.name)
	}
	m.transient(s)
}

// transientOfLambda are the errors of the Lambda service itself that AWS advises
// to retry: the function may not have run at all.
// (step-functions/latest/dg/sfn-best-practices.html, "Handle transient Lambda
// service exceptions")
var transientOfLambda = []string{
	"Lambda.ClientExecutionTimeoutException", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
}

// transient warns of a task that calls a function and does not retry what passes
// by itself.
func (m *machine) transient(s *state) {
	resource := text(s.node.Get("Resource"))
	if !strings.Contains(resource, ":states:::lambda:invoke") && !strings.Contains(resource, ":function:") {
		return
	}
	missing := slices.Clone(transientOfLambda)
	for _, r := range items(s.node.Get("Retry")) {
		for _, n := range items(r.Get("ErrorEquals")) {
			switch name := text(n); name {
			case "States.ALL", "States.TaskFailed":
				return
			default:
				missing = slices.DeleteFunc(missing, func(want string) bool { return want == name })
			}
		}
	}
	if len(missing) > 0 {
		m.at(s.node.Offset, Warning, "lambda-retry", "Add them to ErrorEquals of a Retry, as AWS advises, if the function may run twice for one input.",
			"task %q does not retry what passes by itself when Lambda is called: %s", s.name, strings.Join(missing, ", "))
	}
}

func (m *machine) mapState(s *state) {
	if r := s.node.Get("ItemReader"); r != nil {
		m.reader(r)
	}
	if w := s.node.Get("ResultWriter"); w != nil && w.Get("Resource") != nil {
		m.bucket(w, "ResultWriter")
		m.granted(w.Get("Resource"))
	}
	if b := s.node.Get("ItemBatcher"); b != nil && b.IsObject() {
		limits := []string{"MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"}
		if !slices.ContainsFunc(limits, func(f string) bool { return b.Get(f) != nil }) {
			m.on(b, Error, "batcher-limit", "Add MaxItemsPerBatch or MaxInputBytesPerBatch.", "the ItemBatcher of %q has no limit", s.name)
		}
	}
	if len(s.inner) > 0 && !s.inner[0].distributed {
		for _, f := range []string{"ItemReader", "ItemBatcher", "ResultWriter", "Label"} {
			if n := s.node.Get(f); n != nil {
				m.on(n, Error, "inline-map", "Set \"ProcessorConfig\": {\"Mode\": \"DISTRIBUTED\", \"ExecutionType\": ...} in ItemProcessor, or remove "+f+".",
					"Map state %q is INLINE, and %s works in DISTRIBUTED mode only", s.name, f)
			}
		}
	}
}

// reader checks an ItemReader's configuration against its resource.
// (step-functions/latest/dg/input-output-itemreader.html)
func (m *machine) reader(r *value.Node) {
	res := r.Get("Resource")
	if res == nil {
		return
	}
	m.granted(res)
	config := r.Get("ReaderConfig")
	field := func(name string) string {
		if config == nil {
			return ""
		}
		return text(config.Get(name))
	}
	problem := func(name, hint, format string, args ...any) {
		n := r
		if config != nil {
			n = config
			if f := config.Get(name); f != nil {
				n = f
			}
		}
		m.on(n, Error, "reader-config", hint, format, args...)
	}
	oneOf := func(name string, allowed ...string) {
		if v := field(name); v != "" && !slices.Contains(allowed, v) {
			problem(name, suggestion(v, allowed, "Use one of "+strings.Join(allowed, ", ")+"."), "%s can't be %q", name, v)
		}
	}
	oneOf("CSVDelimiter", "COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB")
	oneOf("Transformation", "NONE", "LOAD_AND_FLATTEN")
	oneOf("ManifestType", "ATHENA_DATA", "S3_INVENTORY")
	listing := strings.HasSuffix(text(res), ":s3:listObjectsV2")
	kind := field("InputType")
	switch {
	case listing && kind != "" && field("Transformation") != "LOAD_AND_FLATTEN":
		problem("InputType", "Remove InputType, or add \"Transformation\": \"LOAD_AND_FLATTEN\" to read the objects.", "a listing of objects has no InputType")
	case !listing && kind == "":
		problem("InputType", "Add \"ReaderConfig\": {\"InputType\": \"JSONL\"} or what the object holds.", "the reader does not say what the object holds")
	case kind == "CSV" && field("CSVHeaderLocation") == "":
		problem("CSVHeaderLocation", "Add \"CSVHeaderLocation\": \"FIRST_ROW\" or \"GIVEN\".", "the reader does not say where the CSV's column names are")
	case kind == "CSV" && field("CSVHeaderLocation") == "GIVEN" && config.Get("CSVHeaders") == nil:
		problem("CSVHeaders", "Add CSVHeaders.", "the CSV's column names are said to be given, and are not")
	}
	m.bucket(r, "ItemReader")
}

// bucket checks that reader and writer say where.
func (m *machine) bucket(n *value.Node, of string) {
	args := n.Get("Arguments")
	if args == nil {
		args = n.Get("Parameters")
	}
	if args == nil || args.IsObject() && !has(args, "Bucket") {
		m.on(n, Error, "missing-argument", "Add Bucket to its Arguments (in JSONPath: Parameters).", "the %s names no bucket", of)
	}
}

// has tells whether arguments have a field, as a value or as a path.
func has(args *value.Node, field string) bool {
	return args.Get(field) != nil || args.Get(field+".$") != nil
}

// labels checks that no two distributed Maps have the same label: their
// executions would be told apart by nothing.
func (m *machine) labels() {
	first := map[string]string{}
	m.flow.walk(func(s *state) {
		n := s.node.Get("Label")
		label := text(n)
		switch {
		case label == "":
			return
		case len([]rune(label)) > 40:
			m.on(n, Error, "label", "Shorten it.", "the label of %q has %d characters; the limit is 40", s.name, len([]rune(label)))
			return
		case strings.ContainsFunc(label, func(r rune) bool {
			return r <= ' ' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("<>{}[]?*\"#%\\^|~`$&,;:/", r)
		}):
			m.on(n, Error, "label", "Use letters, digits and hyphens.", "the label of %q holds a character that ARNs can't have", s.name)
			return
		}
		if other, twice := first[label]; twice {
			m.on(n, Error, "label", "Choose another label.", "Map states %q and %q have the same label", other, s.name)
			return
		}
		first[label] = s.name
	})
}

// endings finds states from which no way leads to an end.
func (m *machine) endings(w *workflow) {
	anyEnd := slices.ContainsFunc(w.states, (*state).terminal)
	for _, s := range w.states {
		for _, in := range s.inner {
			m.endings(in)
		}
		if !anyEnd || !m.reached[s] {
			continue // the language itself says that there is no end, or no way here
		}
		ends, broken := false, false
		for name := range w.reachable(s.name) {
			t := w.byName[name]
			ends = ends || t.terminal()
			broken = broken || !t.terminal() && len(t.edges()) == 0
			for _, e := range t.edges() {
				broken = broken || w.byName[e.to] == nil
			}
		}
		if !ends && !broken {
			m.at(s.node.Offset, Error, "never-ends", "Lead one of the states to an end.", "from state %q no way leads to the end", s.name)
		}
	}
}
