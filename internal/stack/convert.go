package stack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// convert turns an engine event into ours; false for events that say nothing
// to a reader. Seq, Time and Stack are the caller's to set.
func convert(e apitype.EngineEvent) (Event, bool) {
	switch {
	case e.PreludeEvent != nil:
		return Event{Type: EventPrelude, Config: e.PreludeEvent.Config}, true
	case e.ResourcePreEvent != nil:
		p := e.ResourcePreEvent
		return Event{Type: EventResourcePre, Planning: p.Planning, Resource: step(p.Metadata, true)}, true
	case e.ResOutputsEvent != nil:
		p := e.ResOutputsEvent
		return Event{Type: EventResourceOutputs, Planning: p.Planning, Resource: step(p.Metadata, false)}, true
	case e.ResOpFailedEvent != nil:
		return Event{Type: EventResourceFailed, Resource: step(e.ResOpFailedEvent.Metadata, false)}, true
	case e.DiagnosticEvent != nil:
		d := diagnostic(*e.DiagnosticEvent)
		return Event{Type: EventDiagnostic, Diagnostic: &d}, d.Message != ""
	case e.StdoutEvent != nil:
		msg := text(e.StdoutEvent.Message)
		return Event{Type: EventStdOut, Message: msg}, msg != ""
	case e.PolicyEvent != nil:
		d := policy(*e.PolicyEvent)
		return Event{Type: EventPolicy, Diagnostic: &d}, true
	case e.SummaryEvent != nil:
		return Event{Type: EventSummary, Planning: e.SummaryEvent.IsPreview, Summary: summary(*e.SummaryEvent)}, true
	case e.ProgressEvent != nil:
		p := e.ProgressEvent
		return Event{Type: EventProgress, Download: &Download{
			Kind: string(p.Type), ID: p.ID, Message: text(p.Message),
			Completed: p.Completed, Total: p.Total, Done: p.Done,
		}}, true
	case e.ErrorEvent != nil:
		return Event{Type: EventError, Message: text(e.ErrorEvent.Error)}, true
	case e.CancelEvent != nil:
		return Event{Type: EventCanceled}, true
	}
	return Event{}, false
}

func diagnostic(d apitype.DiagnosticEvent) Diagnostic {
	return Diagnostic{
		URN:       d.URN,
		Severity:  Severity(d.Severity),
		Message:   reason(text(d.Message), d.URN),
		Ephemeral: d.Ephemeral,
	}
}

// errorList is how a Go multi-error prints itself.
var errorList = lazyregexp.New(`^\d+ errors? occurred:\n`)

// reason takes from an error message the frames that the engine, the SDK and
// bridged providers put around it and that say only what is known anyway.
func reason(msg, urn string) string {
	msg = strings.TrimPrefix(msg, "an unhandled error occurred: ")
	msg = strings.TrimPrefix(msg, fmt.Sprintf("%s resource '%s': ", typeOf(urn), nameOf(urn)))
	head := errorList.FindString(msg)
	if head == "" {
		return msg
	}
	items := strings.Split("\n"+strings.TrimRight(msg[len(head):], "\n\t "), "\n\t* ")
	return strings.Join(items[1:], "\n")
}

func policy(p apitype.PolicyEvent) Diagnostic {
	severity := SeverityWarning
	if p.EnforcementLevel == "mandatory" {
		severity = SeverityError
	}
	return Diagnostic{
		URN:      p.ResourceURN,
		Severity: severity,
		Message:  p.PolicyPackName + ": " + p.PolicyName + ": " + text(p.Message),
	}
}

func summary(s apitype.SummaryEvent) *ChangeSummary {
	changes := make(map[Op]int, len(s.ResourceChanges))
	for op, n := range s.ResourceChanges {
		changes[Op(op)] = n
	}
	return &ChangeSummary{
		Changes: changes, Seconds: s.DurationSeconds, Preview: s.IsPreview,
		MaybeCorrupt: s.MaybeCorrupt, Outcome: Outcome(s.Result),
	}
}

// text removes the engine's colour markup ("<{%fg 13%}>") and outer newlines.
func text(s string) string {
	return strings.Trim(colors.Never.Colorize(s), "\r\n")
}

// step converts the metadata of a step. The engine repeats old and new state
// in every event of a resource; only the first of them (withInputs) lists the
// inputs of a create as its diff.
func step(md apitype.StepEventMetadata, withInputs bool) *Step {
	s := &Step{
		URN: md.URN, Type: md.Type, Name: nameOf(md.URN), Op: Op(md.Op),
		Provider: md.Provider, Logical: md.Logical, Keys: md.Keys,
		Diff: propertyDiffs(md, withInputs),
	}
	for _, state := range []*apitype.StepEventStateMetadata{md.New, md.Old} {
		if state == nil {
			continue
		}
		s.ID = cmp.Or(s.ID, state.ID)
		s.Parent = cmp.Or(s.Parent, state.Parent)
		s.Custom = s.Custom || state.Custom
		s.Protect = s.Protect || state.Protect
		s.Retain = s.Retain || state.RetainOnDelete
	}
	return s
}

func nameOf(urn string) string {
	if u := resource.URN(urn); u.IsValid() {
		return u.Name()
	}
	return urn
}

func propertyDiffs(md apitype.StepEventMetadata, withInputs bool) []PropertyDiff {
	if md.Type == rootType || md.Type == stashType && nameOf(md.URN) == revisionsName {
		return nil // the ledger is one property with all revisions, the whole of their specs
	}
	var diffs []PropertyDiff
	switch Op(md.Op) {
	case OpCreate, OpImport:
		if withInputs && md.New != nil {
			diffs = compare(nil, md.New.Inputs)
		}
	case OpUpdate, OpReplace, OpCreateReplacement, OpImportReplacement, OpRefresh:
		if md.Old == nil || md.New == nil {
			return nil
		}
		switch {
		case len(md.DetailedDiff) > 0:
			diffs = detailed(md)
		case len(md.Diffs) > 0:
			for _, key := range md.Diffs {
				diffs = append(diffs, difference(key, md.Old.Inputs[key], md.New.Inputs[key]))
			}
		default:
			diffs = compare(md.Old.Inputs, md.New.Inputs)
		}
		diffs = byKey(diffs, valueIn(md.Old.Inputs, md.Old.Outputs), valueIn(md.New.Inputs, md.New.Outputs))
		for i := range diffs {
			if slices.Contains(md.Keys, firstKey(diffs[i].Path)) {
				diffs[i].Replace = true
			}
		}
	}
	slices.SortFunc(diffs, func(a, b PropertyDiff) int { return cmp.Compare(a.Path, b.Path) })
	return diffs
}

// detailed follows the provider's own diff. A path is looked up among the old
// outputs, or among the old inputs if the provider says it compared inputs.
func detailed(md apitype.StepEventMetadata) []PropertyDiff {
	diffs := make([]PropertyDiff, 0, len(md.DetailedDiff))
	for path, pd := range md.DetailedDiff {
		old, ok := lookup(md.Old.Outputs, path)
		if pd.InputDiff || !ok {
			if v, found := lookup(md.Old.Inputs, path); found {
				old = v
			}
		}
		now, ok := lookup(md.New.Inputs, path)
		if !ok {
			now, _ = lookup(md.New.Outputs, path)
		}
		d := PropertyDiff{Path: path}
		switch pd.Kind {
		case apitype.DiffAdd, apitype.DiffAddReplace:
			d.Kind, d.New = DiffAdd, plain(now, false)
		case apitype.DiffDelete, apitype.DiffDeleteReplace:
			d.Kind, d.Old = DiffDelete, plain(old, false)
		default:
			d.Kind, d.Old, d.New = DiffUpdate, plain(old, false), plain(now, false)
		}
		switch pd.Kind {
		case apitype.DiffAddReplace, apitype.DiffDeleteReplace, apitype.DiffUpdateReplace:
			d.Replace = true
		}
		diffs = append(diffs, d)
	}
	return diffs
}

// valueIn looks a path up in the first of several property maps that has it.
func valueIn(maps ...map[string]any) func(path string) any {
	return func(path string) any {
		for _, m := range maps {
			if v, ok := lookup(m, path); ok {
				return v
			}
		}
		return nil
	}
}

// compare lists the top-level properties in which two property maps differ.
func compare(old, now map[string]any) []PropertyDiff {
	var diffs []PropertyDiff
	keys := maps.Clone(old)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, now)
	for key := range keys {
		if strings.HasPrefix(key, "__") { // the provider's own bookkeeping
			continue
		}
		if !reflect.DeepEqual(old[key], now[key]) {
			diffs = append(diffs, difference(key, old[key], now[key]))
		}
	}
	return diffs
}

func difference(path string, old, now any) PropertyDiff {
	d := PropertyDiff{Path: path, Kind: DiffUpdate, Old: plain(old, false), New: plain(now, false)}
	switch {
	case old == nil:
		d.Kind = DiffAdd
	case now == nil:
		d.Kind = DiffDelete
	}
	return d
}

func firstKey(path string) string {
	if keys, err := resource.ParsePropertyPath(path); err == nil && len(keys) > 0 {
		if s, ok := keys[0].(string); ok {
			return s
		}
	}
	return path
}

// drift is what a refresh found out about one resource; nil if it is as recorded.
func drift(md apitype.StepEventMetadata) *Drift {
	op := Op(md.Op)
	if md.Type == rootType || (op != OpUpdate && op != OpDelete) {
		return nil
	}
	d := &Drift{URN: md.URN, Type: md.Type, Name: nameOf(md.URN), Op: op}
	if op == OpDelete || md.Old == nil || md.New == nil {
		return d
	}
	if len(md.DetailedDiff) > 0 {
		d.Diff = driftDiffs(md)
	}
	if len(d.Diff) == 0 {
		d.Diff = compare(md.Old.Outputs, md.New.Outputs)
	}
	d.Diff = byKey(d.Diff, valueIn(md.Old.Outputs), valueIn(md.New.Outputs))
	slices.SortFunc(d.Diff, func(a, b PropertyDiff) int { return cmp.Compare(a.Path, b.Path) })
	return d
}

// driftDiffs reads a refresh's detailed diff: there, old is the record and new
// is what the provider read, both among the outputs.
func driftDiffs(md apitype.StepEventMetadata) []PropertyDiff {
	var diffs []PropertyDiff
	for path := range md.DetailedDiff {
		old, had := lookup(md.Old.Outputs, path)
		now, has := lookup(md.New.Outputs, path)
		if !had && !has || had == has && reflect.DeepEqual(old, now) {
			continue
		}
		diffs = append(diffs, difference(path, old, now))
	}
	return diffs
}

// rootType is the type of the resource that every stack begins with.
const rootType = "pulumi:pulumi:Stack"

// providerPrefix is what the types of providers begin with.
const providerPrefix = "pulumi:providers:"

// Counted tells whether an entry of a type counts as a resource, wherever resources are
// counted: those do that the engine counts in its own summary. The stack itself and what
// keeps the spec are among them, providers are not.
func Counted(typ string) bool { return !strings.HasPrefix(typ, providerPrefix) }

// countOf is how many entries of a checkpoint count as resources.
func countOf(entries []apitype.ResourceV3) int {
	n := 0
	for i := range entries {
		if Counted(string(entries[i].Type)) {
			n++
		}
	}
	return n
}

// decodeEvent parses one line of the engine's event stream.
func decodeEvent(line string) (apitype.EngineEvent, error) {
	var e apitype.EngineEvent
	err := json.Unmarshal([]byte(line), &e)
	return e, err
}

// stamp gives an event its place in the stream.
func stamp(e Event, seq int, at time.Time, stack string) Event {
	e.Seq, e.Time, e.Stack = seq, at.UTC(), stack
	return e
}

func typeOf(urn string) string {
	if u := resource.URN(urn); u.IsValid() {
		return string(u.Type())
	}
	return ""
}
