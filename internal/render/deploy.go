package render

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// OpMark is the sign of an operation as Pulumi draws it.
func OpMark(op stack.Op) string {
	switch op {
	case stack.OpCreate, stack.OpImport:
		return "+"
	case stack.OpUpdate:
		return "~"
	case stack.OpDelete, stack.OpDeleteReplaced:
		return "-"
	case stack.OpReplace, stack.OpCreateReplacement, stack.OpImportReplacement:
		return "+-"
	case stack.OpRead, stack.OpRefresh:
		return ">"
	default:
		return " "
	}
}

// OpStyle is the style of an operation.
func OpStyle(st theme.Styles, op stack.Op) lipgloss.Style {
	switch op {
	case stack.OpCreate, stack.OpImport:
		return st.Create
	case stack.OpUpdate:
		return st.Update
	case stack.OpDelete, stack.OpDeleteReplaced:
		return st.Delete
	case stack.OpReplace, stack.OpCreateReplacement, stack.OpImportReplacement:
		return st.Replace
	default:
		return st.Muted
	}
}

// opWords are an operation's infinitive and participle.
var opWords = map[stack.Op][2]string{
	stack.OpCreate: {"create", "created"}, stack.OpUpdate: {"update", "updated"},
	stack.OpDelete: {"delete", "deleted"}, stack.OpReplace: {"replace", "replaced"},
	stack.OpCreateReplacement: {"create replacement", "replacement created"},
	stack.OpDeleteReplaced:    {"delete replaced", "old one deleted"},
	stack.OpSame:              {"keep", "unchanged"}, stack.OpRefresh: {"refresh", "refreshed"},
	stack.OpRead: {"read", "read"}, stack.OpImport: {"import", "imported"},
}

// OpVerb is "create", or "created" if done.
func OpVerb(op stack.Op, done bool) string {
	w, ok := opWords[op]
	switch {
	case !ok:
		return string(op)
	case done:
		return w[1]
	default:
		return w[0]
	}
}

// stepDone says what became of a resource: one that is retained is not deleted.
func stepDone(s *stack.Step) string {
	switch {
	case s.Retain && s.Op == stack.OpDeleteReplaced:
		return "old one kept"
	case s.Retain && s.Op == stack.OpDelete:
		return "let go, not deleted"
	}
	return OpVerb(s.Op, true)
}

// ShortType is a resource type without the module that repeats its name:
// aws:iam/role:Role -> aws:iam:Role.
func ShortType(t string) string {
	parts := strings.Split(t, ":")
	if len(parts) != 3 {
		return t
	}
	module, _, _ := strings.Cut(parts[1], "/")
	return parts[0] + ":" + module + ":" + parts[2]
}

// PlainType is the type without its provider too: sagemaker:Endpoint.
func PlainType(t string) string {
	s := ShortType(t)
	if of, rest, ok := strings.Cut(s, ":"); ok && of != "pulumi" && strings.Count(s, ":") == 2 {
		return rest
	}
	return s
}

// Icon is a sign for what a resource of a type is, one cell wide.
func Icon(typ string, unicode bool) string {
	icon := kinds.IconOf(typ)
	if unicode {
		return icon.Sign
	}
	return icon.ASCII
}

// Changes is "3 to create, 1 to update, 20 unchanged", or the past tense of it.
func Changes(changes map[stack.Op]int, done bool) string {
	order := []stack.Op{stack.OpCreate, stack.OpUpdate, stack.OpReplace, stack.OpDelete, stack.OpImport, stack.OpRead, stack.OpRefresh}
	var parts []string
	for _, op := range order {
		if n := changes[op]; n > 0 {
			if done {
				parts = append(parts, fmt.Sprintf("%d %s", n, OpVerb(op, true)))
			} else {
				parts = append(parts, fmt.Sprintf("%d to %s", n, OpVerb(op, false)))
			}
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "no changes")
	}
	if n := changes[stack.OpSame]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d unchanged", n))
	}
	return strings.Join(parts, ", ")
}

// Plan draws what a preview found: one line per resource that changes and, with
// details, one per property. Updates and replacements always show theirs.
func Plan(st theme.Styles, rows []stack.Row, details bool) string {
	var b strings.Builder
	for _, r := range rows {
		if r.Op == stack.OpSame || r.Op == "" || r.IsStack() || r.IsProvider() {
			continue
		}
		style := OpStyle(st, r.Op)
		fmt.Fprintf(&b, "  %s %s %s %s\n", style.Render(fmt.Sprintf("%-2s", OpMark(r.Op))),
			Line(r.Name, 0), st.Muted.Render(Line(ShortType(r.Type), 0)), style.Render(OpVerb(r.Op, false)))
		if r.Op == stack.OpCreate && !details {
			continue
		}
		for _, d := range r.Diff {
			b.WriteString("       " + property(st, d) + "\n")
		}
	}
	return b.String()
}

func property(st theme.Styles, d stack.PropertyDiff) string {
	path := Line(d.Path, 0)
	switch d.Kind {
	case stack.DiffAdd:
		path = st.Create.Render("+ "+path) + ": " + Value(d.New, valueWidth)
	case stack.DiffDelete:
		path = st.Delete.Render("- "+path) + ": " + Value(d.Old, valueWidth)
	default:
		before, after := Change(d.Old, d.New)
		path = st.Update.Render("~ "+path) + ": " + before + " → " + after
	}
	if d.Replace {
		path += " " + st.Replace.Render("(forces replacement)")
	}
	return path
}

const (
	// valueWidth bounds a property's value on one line.
	valueWidth = 60
	// changeContext is how much of what two values have in common stays before what they
	// have not.
	changeContext = 16
)

// Change is the two values of a property that changes, each on one line and bounded as
// Value is. What both begin with is left out of long ones, so that what differs is seen.
func Change(before, after any) (was, is string) {
	was, is = Value(before, 0), Value(after, 0)
	if ansi.StringWidth(was) <= valueWidth && ansi.StringWidth(is) <= valueWidth {
		return was, is
	}
	same := 0
	for i, r := range was {
		if other, _ := utf8.DecodeRuneInString(is[i:]); i >= len(is) || other != r {
			break
		}
		same = i + utf8.RuneLen(r)
	}
	skip := ansi.StringWidth(was[:same]) - changeContext
	cut := func(s string) string {
		if skip > changeContext && same < max(len(was), len(is)) {
			s = ansi.TruncateLeft(s, skip, "…")
		}
		return ansi.Truncate(s, valueWidth, "…")
	}
	return cut(was), cut(is)
}

// Value is a property's value as JSON on one line of at most width cells; 0 is no
// limit.
func Value(v any, width int) string {
	if v == nil {
		return "none"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return Line(fmt.Sprint(v), width)
	}
	return Line(string(raw), width)
}

// DeployLine is one event of a deployment as one line, "" if it is not worth
// one. prefix names the pipeline.
func DeployLine(st theme.Styles, prefix string, ev stack.Event, took time.Duration) string {
	head := st.Muted.Render(prefix) + " "
	switch ev.Type {
	case stack.EventResourceOutputs:
		s := ev.Resource
		if s == nil || s.Op == stack.OpSame || s.Op == stack.OpReplace || s.Type == "pulumi:pulumi:Stack" ||
			!stack.Counted(s.Type) || ev.Planning {
			return ""
		}
		style := OpStyle(st, s.Op)
		return head + style.Render(fmt.Sprintf("%-2s", OpMark(s.Op))) + " " + Line(s.Name, 0) + " " +
			st.Muted.Render(Line(ShortType(s.Type), 0)) + " " + style.Render(stepDone(s)) + elapsed(st, took)
	case stack.EventResourceFailed:
		if ev.Resource == nil {
			return ""
		}
		return head + st.Bad.Render("!  "+Line(ev.Resource.Name, 0)) + " " + st.Muted.Render(Line(ShortType(ev.Resource.Type), 0)) +
			" " + st.Bad.Render(OpVerb(ev.Resource.Op, false)+" failed") + elapsed(st, took)
	case stack.EventDiagnostic, stack.EventPolicy:
		d := ev.Diagnostic
		if d == nil || d.Ephemeral || d.Severity == stack.SeverityDebug {
			return ""
		}
		style := st.Muted
		switch d.Severity {
		case stack.SeverityError:
			style = st.Bad
		case stack.SeverityWarning:
			style = st.Warn
		}
		return head + style.Render(strings.ReplaceAll(strings.TrimSpace(Safe(d.Message)), "\n", "\n    "))
	case stack.EventProgress:
		if ev.Download != nil && ev.Download.Done {
			return head + st.Muted.Render(Line(ev.Download.Kind+" "+ev.Download.ID+" done", 0))
		}
	case stack.EventRollout:
		if ev.Rollout != nil {
			return head + st.Muted.Render("rollout: "+Rollout(ev.Rollout, ev.Time))
		}
	case stack.EventError:
		return head + st.Bad.Render(Line(ev.Message, 0))
	}
	return ""
}

func elapsed(st theme.Styles, d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return " " + st.Muted.Render("("+Duration(d)+")")
}

// Outputs draws a stack's outputs, by name.
func Outputs(st theme.Styles, outputs map[string]stack.Output) string {
	names := make([]string, 0, len(outputs))
	width := 0
	for n := range outputs {
		names = append(names, n)
		width = max(width, len(n))
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		text, ok := outputs[n].Value.(string)
		if !ok {
			raw, _ := json.Marshal(outputs[n].Value)
			text = string(raw)
		}
		if outputs[n].Secret {
			text = stack.SecretValue
		}
		fmt.Fprintf(&b, "  %s  %s\n", st.Key.Render(fmt.Sprintf("%-*s", width, Line(n, 0))), Line(text, 0))
	}
	return b.String()
}

// Drift draws one resource whose real state differs from the recorded one.
func Drift(st theme.Styles, d stack.Drift) string {
	what := "changed outside"
	if d.Op == stack.OpDelete {
		what = "deleted outside"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s %s %s", OpStyle(st, d.Op).Render(fmt.Sprintf("%-2s", OpMark(d.Op))), Line(d.Name, 0),
		st.Muted.Render(Line(ShortType(d.Type), 0)), OpStyle(st, d.Op).Render(what))
	for _, p := range d.Diff {
		b.WriteString("\n       " + property(st, p))
	}
	return b.String()
}

// Rollout says how far an endpoint or an alias has come in moving over.
func Rollout(r *stack.Rollout, now time.Time) string {
	text := Line(r.Phase, 40)
	if r.TurningBack {
		text = "turning back, " + text
	}
	if a := r.Alias; a != nil {
		text += fmt.Sprintf(", %s version %s takes %d%% of the calls, version %s %d%%", Line(a.Of, 40), Line(a.To, 40), a.Percent, Line(a.From, 40), 100-a.Percent)
		if r.Message != "" {
			text += ", " + Line(r.Message, 200)
		}
	} else {
		takes := "no traffic"
		switch {
		case r.Percent > 0:
			takes = fmt.Sprintf("%d%% of the traffic", r.Percent)
		case r.New > 0 && !r.TurningBack:
			takes = "a part of the traffic"
		}
		text += fmt.Sprintf(", the new fleet takes %s with %d of %s, the old one has %d", takes, r.New, Count(r.Wanted, "instance", "instances"), r.Old)
	}
	if left := r.Next.Sub(now).Round(time.Second); left > 0 {
		text += ", next step in " + Duration(left)
	}
	for _, a := range r.Alarms {
		if a.State == "ALARM" {
			text += ", " + Line(a.Name, 80) + " is in ALARM"
		}
	}
	return text
}
