package states_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// differ compares recorded and actual values.
type differ struct{ c *recorded }

var halfQuoted = regexp.MustCompile(`:(<[^<>]*>)"`)

var angle = regexp.MustCompile(`<[^<>]*>`)

// pattern turns a recorded text into a regular expression.
func (d *differ) pattern(s string) *regexp.Regexp {
	const hole = "\x00"
	s = angle.ReplaceAllString(s, hole)
	for _, p := range d.c.Placeholders {
		if p != "" && !strings.Contains(p, "<") {
			s = strings.ReplaceAll(s, p, hole)
		}
	}
	s = strings.ReplaceAll(s, "111111111111", hole)
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(s), hole, ".*") + `$`)
}

// ignored are members that are not behaviour of Step Functions, or that tell how
// fast the machine is.
var ignored = []string{"billedDurationInMilliseconds", "HttpHeaders", "AllHttpHeaders", "SdkResponseMetadata", "stackTrace", "requestId", "HTTPHeaders"}

// lenient are members that AWS added after some of the recordings were made.
var lenient = []string{"RedriveCount", "RedriveTime", "encryptionConfiguration", "redriveCount", "variableReferences", "RetryCount"}

func (d *differ) diff(where string, want, have any) []string {
	switch x := want.(type) {
	case map[string]any:
		if text, ok := have.(string); ok {
			have = parsed(text)
		}
		m, ok := have.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: want %v, have %v", where, short(want), short(have))}
		}
		return d.objects(where, x, m)
	case []any:
		if text, ok := have.(string); ok {
			have = parsed(text)
		}
		l, ok := have.([]any)
		if !ok || len(l) != len(x) {
			return []string{fmt.Sprintf("%s: want %v, have %v", where, short(want), short(have))}
		}
		var out []string
		for i := range x {
			out = append(out, d.diff(fmt.Sprintf("%s[%d]", where, i), x[i], l[i])...)
		}
		return out
	case string:
		return d.text(where, x, have)
	default:
		if !sameNumber(want, have) && fmt.Sprint(want) != fmt.Sprint(have) {
			return []string{fmt.Sprintf("%s: want %v, have %v", where, short(want), short(have))}
		}
		return nil
	}
}

func sameNumber(a, b any) bool {
	x, err1 := strconv.ParseFloat(fmt.Sprint(a), 64)
	y, err2 := strconv.ParseFloat(fmt.Sprint(b), 64)
	return err1 == nil && err2 == nil && x == y
}

func parsed(text string) any {
	var x any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&x) != nil {
		return text
	}
	return x
}

func (d *differ) text(where, want string, have any) []string {
	switch want {
	case "timestamp", "datetime", "date":
		return nil
	}
	text, ok := have.(string)
	if !ok {
		raw, err := json.Marshal(have)
		if err != nil || (!slices.Contains(d.c.Placeholders, want) && !angle.MatchString(want)) && want != "RandomNumberGenerated" {
			return []string{fmt.Sprintf("%s: want %v, have %v", where, short(want), short(have))}
		}
		text = string(raw)
	}
	if want == text || d.pattern(want).MatchString(text) {
		return nil
	}
	// A placeholder may have taken the quote that opened its text.
	if whole := halfQuoted.ReplaceAllString(want, `:"$1"`); whole != want {
		if w := parsed(whole); w != any(whole) {
			return d.diff(where, w, parsed(text))
		}
	}
	// Other JSON text (lists) is text still: compare as values, its keys have no order.
	if len(want) > 0 && (want[0] == '[' || want[0] == '{') {
		w, h := parsed(want), parsed(text)
		if _, isText := w.(string); !isText {
			return d.diff(where, w, h)
		}
	}
	return []string{fmt.Sprintf("%s: want %q, have %q", where, short(want), short(text))}
}

func (d *differ) objects(where string, want, have map[string]any) []string {
	var out []string
	for _, k := range sortedKeys(want) {
		if slices.Contains(ignored, k) {
			continue
		}
		h, ok := have[k]
		if !ok {
			out = append(out, fmt.Sprintf("%s.%s: missing; want %v", where, k, short(want[k])))
			continue
		}
		out = append(out, d.diff(where+"."+k, want[k], h)...)
	}
	for _, k := range sortedKeys(have) {
		if _, ok := want[k]; !ok && !slices.Contains(ignored, k) && !slices.Contains(lenient, k) {
			// A recorded key may itself be a placeholder.
			out = append(out, fmt.Sprintf("%s.%s: not expected: %v", where, k, short(have[k])))
		}
	}
	return out
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func short(x any) string {
	s := fmt.Sprint(x)
	if len(s) > 300 {
		s = s[:300] + "..."
	}
	return s
}

// reply compares an answer of the API, which may be an error.
func (d *differ) reply(where, op string, want any, r reply) []string {
	m, _ := want.(map[string]any)
	if name, ok := m["exception_typename"].(string); ok {
		code, _ := r.body["__type"].(string)
		text, _ := r.body["message"].(string)
		full := fmt.Sprintf("An error occurred (%s) when calling the %s operation: %s", code, op, text)
		return append(d.diff(where+" type", name, code), d.diff(where, m["exception_value"], full)...)
	}
	if e, ok := m["Error"].(map[string]any); ok && m["ResponseMetadata"] != nil && r.status != 200 {
		code, _ := r.body["__type"].(string)
		text, _ := r.body["message"].(string)
		out := d.diff(where+" code", e["Code"], code)
		return append(out, d.diff(where+" message", e["Message"], text)...)
	}
	if r.status != 200 {
		return []string{fmt.Sprintf("%s: want %s, have error %v", where, short(want), r.body)}
	}
	have := withMeta(r)
	if events, ok := m["events"].([]any); ok {
		got, _ := have["events"].([]any)
		return d.history(where, events, got)
	}
	if m != nil && m["ResponseMetadata"] == nil {
		delete(have, "ResponseMetadata")
	}
	return d.diff(where, want, have)
}

// history compares event by event; where branches ran at the same time only each
// branch's own order counts.
func (d *differ) history(where string, want, have []any) []string {
	exact := d.sequence(where, want, have)
	if len(exact) == 0 || len(want) != len(have) {
		return exact
	}
	if !concurrent(want) {
		return exact
	}
	w, h := d.chains(want), d.chains(have)
	for _, x := range w {
		i := slices.IndexFunc(h, func(y []any) bool { return len(d.chain(x, y)) == 0 })
		if i < 0 {
			return exact
		}
		h = slices.Delete(h, i, i+1)
	}
	return nil
}

func concurrent(events []any) bool {
	seen := map[string]bool{}
	for _, e := range events {
		m := e.(map[string]any)
		typ := fmt.Sprint(m["type"])
		if !strings.HasSuffix(typ, "Entered") && typ != "MapIterationStarted" {
			continue
		}
		p := fmt.Sprint(m["previousEventId"])
		if seen[p] && p != "0" {
			return true
		}
		seen[p] = true
	}
	return false
}

// chains lists for each event that nothing follows the way to it from the start.
func (d *differ) chains(events []any) [][]any {
	byID := map[string]any{}
	followed := map[string]bool{}
	for _, e := range events {
		m := e.(map[string]any)
		byID[fmt.Sprint(m["id"])] = e
		followed[fmt.Sprint(m["previousEventId"])] = true
	}
	var out [][]any
	for _, e := range events {
		if followed[fmt.Sprint(e.(map[string]any)["id"])] {
			continue
		}
		var chain []any
		for at := e; at != nil; at = byID[fmt.Sprint(at.(map[string]any)["previousEventId"])] {
			chain = append(chain, at)
		}
		out = append(out, chain)
	}
	return out
}

func (d *differ) chain(want, have []any) []string {
	if len(want) != len(have) {
		return []string{"length"}
	}
	for i := range want {
		if diffs := d.event("", want[i], have[i], false); len(diffs) > 0 {
			return diffs
		}
	}
	return nil
}

func (d *differ) sequence(where string, want, have []any) []string {
	var out []string
	for i := range max(len(want), len(have)) {
		switch {
		case i >= len(have):
			return append(out, fmt.Sprintf("%s event %d: missing; want %s", where, i+1, short(want[i])))
		case i >= len(want):
			return append(out, fmt.Sprintf("%s event %d: not expected: %s", where, i+1, short(have[i])))
		}
		out = append(out, d.event(fmt.Sprintf("%s event %d", where, i+1), want[i], have[i], true)...)
		if len(out) > 5 {
			return out
		}
	}
	return out
}

func (d *differ) event(where string, want, have any, ids bool) []string {
	strip := func(x any) map[string]any {
		out := map[string]any{}
		for k, v := range x.(map[string]any) {
			if k == "timestamp" || (!ids && (k == "id" || k == "previousEventId")) {
				continue
			}
			out[k] = v
		}
		return out
	}
	return d.diff(where, strip(want), strip(have))
}
