package document

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	goccy "github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	yaml3 "gopkg.in/yaml.v3"
)

// nasty are strings that one parser of YAML or another takes for something else,
// cannot find the end of, or shows as what it is not.
var nasty = []string{
	"", " ", "  x", "x  ", "\t", "x\t", "\tx", "y", "Y", "n", "N", "yes", "Yes", "NO", "on", "ON", "off", "true", "True", "FALSE",
	"null", "Null", "~", "nil", "None", ".inf", "-.INF", ".nan", "NaN", "inf", "Infinity",
	"0", "-0", "+1", "1_000", "0o7", "010", "0x1F", "0b11", "1e3", "1E+3", "1.", ".5", "1.5", "6.8523015e+5", "190:20:30", "1:30", "1:30.5", "12:30:45",
	"2026-01-31", "2026-01-31T08:00:00Z", "2001-12-14 21:59:43.10 -5", "=", "<<", "!", "!!str x", "&a", "*a", "%TAG", "@x", "`x`",
	"- x", "-", "--", "---", "...", "? x", ": x", "a: b", "a:", "a #b", "#x", "{a: b}", "[a]", "{}", "[]", "|", ">", "|-\n x", ",", "x, y",
	"'", "\"", "''", "\\", "\\n", "a\nb", "\na", "a\n", "a\n\n", "a\r\nb", "\r", "line\n  indented\n\ttab", "a\u0085b", "a\u2028b", "a\u2029b",
	"\u00a0x\u00a0", "\ufeffx", "x\ufeff", "\x00", "\x01\x02", "\x1b[31mred\x1b[0m", "\x7f", "\u009b31m", "\u202eabc\u202c", "\u200b", "\u200e", "\u2066x\u2069",
	"\U000e0041", "\U0001f600", "\U0001f468\u200d\U0001f469", "\ufffe", "\uffff", "ä ö ü", "日本語", "é", strings.Repeat("long ", 2000), strings.Repeat("x", 5000),
	"key: [unclosed", "\"half", "%", "a%b", "http://x/y?z=1#f", "arn:aws:states:us-east-1:000000000000:stateMachine:x", "C:\\path", "e5", "E", "Off.",
	"a - b", "a -", "n/a", "yes.", "_", "_x",
}

func TestHiddenCharactersAreEscaped(t *testing.T) {
	t.Parallel()
	for _, s := range nasty {
		doc := map[string]any{s: s, "raw": json.RawMessage(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(onlyRaw(s)) + `"`)}
		for name, write := range writers {
			text, err := write(doc)
			require.NoError(t, err)
			for _, r := range string(text) {
				require.False(t, r != '\n' && Hidden(r), "%s of %q holds %U", name, s, r)
			}
			require.True(t, utf8.Valid(text))
		}
		text, err := JSON(doc, "  ")
		require.NoError(t, err)
		var back map[string]any
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, s, back[s])
	}
}

// onlyRaw leaves out what may not stand in a JSON text at all.
func onlyRaw(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 {
			return -1
		}
		return r
	}, s)
}

var writers = map[string]func(any) ([]byte, error){
	"json":  func(v any) ([]byte, error) { return JSON(v, "  ") },
	"jsonl": func(v any) ([]byte, error) { return Tagged("result", v) },
	"yaml":  YAML,
}

func TestNotUTF8InRawMessages(t *testing.T) {
	t.Parallel()
	for name, write := range writers {
		text, err := write(map[string]any{"x": json.RawMessage("\"a\xff\"")})
		require.NoError(t, err, name)
		require.True(t, utf8.Valid(text), name)
		require.Contains(t, string(text), "a\ufffd", name)
	}
}

func TestTagged(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		`{"type":"result","a":1}` + "\n": map[string]int{"a": 1},
		`{"type":"result"}` + "\n":       struct{}{},
	} {
		got, err := Tagged("result", v)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	_, err := Tagged("result", []int{1})
	require.Error(t, err)
}

func TestYAMLIsReadBackEqual(t *testing.T) {
	t.Parallel()
	for _, s := range nasty {
		readBack(t, map[string]any{"value": s, "list": []any{s, []any{s}, map[string]any{"in": s, "x": []any{}}}, "map": map[string]any{s: s, "z": map[string]any{}}})
	}
	for _, n := range []string{"0", "-0", "12", "-12", "1.5", "1e3", "1E3", "1.5e-7", "1e+21", "1e-9", "123456789012345678", "9007199254740993", "0.1", "1.0"} {
		readBack(t, map[string]any{"n": json.RawMessage(n), "l": []any{json.RawMessage(n)}})
	}
	readBack(t, map[string]any{"t": true, "f": false, "n": nil, "e": []any{}, "o": map[string]any{}, "ll": []any{[]any{[]any{}}, []any{1, []any{2}}}})
	readBack(t, []any{"x", map[string]any{}})
	readBack(t, "text")
}

func TestYAMLKeepsTheOrder(t *testing.T) {
	t.Parallel()
	got, err := YAML(json.RawMessage(`{"b":1,"a":{"z":[{"y":1,"x":"on"},[]],"w":null},"b":2}`))
	require.NoError(t, err)
	require.Equal(t, "b: 2\na:\n  z:\n    - \"y\": 1\n      x: \"on\"\n    - []\n  w: null\n", string(got))
}

// parsers are those of Go that this module has: YAML 1.2 with and without what
// YAML 1.1 had.
var parsers = map[string]func([]byte, any) error{
	"goccy/go-yaml":    goccy.Unmarshal,
	"gopkg.in/yaml.v3": yaml3.Unmarshal,
}

func readBack(t *testing.T, v any) {
	t.Helper()
	want := viaJSON(t, v)
	text, err := YAML(v)
	require.NoError(t, err)
	inline, err := Flow(v)
	require.NoError(t, err)
	require.NotContains(t, inline, "\n")
	for _, text := range [][]byte{text, []byte(inline)} {
		require.False(t, bytes.ContainsFunc(bytes.ReplaceAll(text, []byte("\n"), nil), Hidden), "%q", text)
		for name, parse := range parsers {
			var got any
			require.NoError(t, parse(text, &got), "%s:\n%s", name, text)
			if diff := cmp.Diff(want, viaJSON(t, got)); diff != "" {
				t.Errorf("%s reads it differently (-want +got):\n%s\n%s", name, diff, text)
			}
		}
	}
}

// viaJSON makes all numbers float64.
func viaJSON(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// TestYAMLInPython reads everything back with PyYAML, a parser of YAML 1.1.
func TestYAMLInPython(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import yaml").Run(); err != nil {
		t.Skip("python3 has no yaml")
	}
	doc := map[string]any{"values": nasty, "numbers": []any{0, -1, 1.5, 1e21, 1.5e-7, 123456789, true, nil}}
	keys := map[string]any{}
	for _, s := range nasty {
		keys[s] = s
	}
	doc["keys"] = keys
	text, err := YAML(doc)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "python3", "-c", "import json,sys,yaml; json.dump(yaml.safe_load(sys.stdin.buffer.read().decode()), sys.stdout)")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	require.NoError(t, err)
	var got any
	require.NoError(t, json.Unmarshal(out, &got))
	if diff := cmp.Diff(viaJSON(t, doc), got); diff != "" {
		t.Errorf("PyYAML reads it differently (-want +got):\n%s", diff)
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, s, 1.5)
	}
	f.Fuzz(func(t *testing.T, key, value string, n float64) {
		if math.IsNaN(n) || math.IsInf(n, 0) {
			n = 0
		}
		key, value = strings.ToValidUTF8(key, "?"), strings.ToValidUTF8(value, "?")
		text, err := YAML(map[string]any{key: value, "list": []any{value, map[string]any{key: []any{value, n}}}, "n": n})
		require.NoError(t, err)
		for _, r := range string(text) {
			require.False(t, r != '\n' && Hidden(r), "%U in %q", r, text)
		}
		readBack(t, map[string]any{key: value, "list": []any{value, map[string]any{key: []any{value, n}}}, "n": n})
	})
}

func TestHalvesOfSurrogatePairs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`"\ud800"`:              `"\ufffd"`,
		`"a\uDC00b"`:            `"a\ufffdb"`,
		`"\ud83d\ude00"`:        `"\ud83d\ude00"`,
		`"\ud83d\ud83d\ude00"`:  `"\ufffd\ud83d\ude00"`,
		`"\\ud800"`:             `"\\ud800"`, // a backslash, and letters
		`"\\\ud800"`:            `"\\\ufffd"`,
		`{"\ud800":"\udfff\n"}`: `{"\ufffd":"\ufffd\n"}`,
		`"\ud83d"`:              `"\ufffd"`,
		`"\ud83dx\ude00"`:       `"\ufffdx\ufffd"`,
	} {
		got, err := JSON(json.RawMessage(raw), "")
		require.NoError(t, err)
		require.Equal(t, want+"\n", string(got), raw)
	}
}
