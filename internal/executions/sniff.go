package executions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// sniffed is how much of a file of inputs is looked at to tell what it is, in bytes.
const sniffed = 32 << 10

// lineEnds are what ends lines in some files, and in no file of inputs.
var lineEnds = []struct{ text, name, out string }{
	{"\r", "a bare carriage return (CR), as on old Macs", `tr '\r' '\n' <FILE >FIXED`},
	{"\u2028", "U+2028, the Unicode line separator", `sed 's/\xe2\x80\xa8/\n/g' FILE >FIXED`},
	{"\u2029", "U+2029, the Unicode paragraph separator", `sed 's/\xe2\x80\xa9/\n/g' FILE >FIXED`},
	{"\u0085", "U+0085, the next line (NEL) of mainframes", `sed 's/\xc2\x85/\n/g' FILE >FIXED`},
	{"\x1e", "a record separator (RS), as in JSON text sequences", `tr '\036' '\n' <FILE >FIXED`},
}

// fieldEnds are what divides fields in some files.
var fieldEnds = []struct{ text, name string }{
	{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars (|)"}, {"\x1f", "unit separators (US)"}, {",", "commas"},
}

// sepLine is how Excel says in the first line what divides the fields.
var sepLine = lazyregexp.New(`^"?sep=(.)"?$`)

// sniff refuses what is no CSV or JSON Lines by how it begins, where it would be taken for
// one line, or one column, and arrive as it was not meant. begin is without a byte order
// mark.
func (f *InputFile) sniff(begin []byte) error {
	line, _, broken := bytes.Cut(begin, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if !f.csv && json.Valid(line) {
		return nil // whatever its white space is
	}
	// Between records only: strings and quoted fields may hold what they like.
	plain := unquoted(line)
	for _, end := range lineEnds {
		if i := strings.Index(plain, end.text); i >= 0 && (!broken || end.text == "\r" || end.text == "\x1e") && strings.TrimSpace(plain[i+len(end.text):]) != "" {
			return fault.New(fault.Invalid, "%s: its lines end with %s, and have to end with a line feed (LF, or CR and LF)", f.Name, end.name).
				WithHint("Convert it first: %s", strings.Replace(end.out, "FILE", f.file(), 1))
		}
	}
	if f.csv && broken && bytes.HasSuffix(line, []byte{'\r'}) {
		return fault.New(fault.Invalid, "%s: its lines end with two carriage returns and a line feed (CR CR LF), as after a copy in text mode", f.Name).
			WithHint("Convert it first: tr -d '\\r' <%s >FIXED", f.file())
	}
	switch first := strings.TrimSpace(string(line)); {
	case !f.csv && broken && (first == "[" || first == "{"):
		return fault.New(fault.Invalid, "%s:1: it is one JSON document over several lines, and has to have one document in each line", f.Name).
			WithHint("Convert it first: %s", fmt.Sprintf("jq -c %s %s >FIXED", map[string]string{"[": "'.[]'", "{": "."}[first], f.file()))
	case !f.csv:
		return nil
	}
	if m := sepLine.FindStringSubmatch(string(line)); m != nil {
		return fault.New(fault.Invalid, "%s:1: %q is a word of Excel's, not a header", f.Name, string(line)).
			WithHint("Remove the first line, and write the fields with commas between them (or name the file .tsv where there are tabs).")
	}
	if strings.ContainsRune(plain, f.comma) {
		return nil
	}
	for _, end := range fieldEnds {
		if !strings.Contains(plain, end.text) {
			continue
		}
		return fault.New(fault.Invalid, "%s:1: its fields are divided by %s, not by %s: it would be one column called %q", f.Name, end.name, f.divider(), clipped(line)).
			WithHint("Save it with %s between the fields%s. A column that is really called so needs double quotes around its name.", f.divider(), tsvHint(end.text))
	}
	return nil
}

func (f *InputFile) divider() string {
	if f.comma == '\t' {
		return "tabs"
	}
	return "commas"
}

func tsvHint(found string) string {
	switch found {
	case "\t":
		return ", or name the file .tsv"
	case ",":
		return ", or name the file .csv"
	}
	return ""
}

// file is the file's name for a command that is copied into a shell, FILE if it has none.
func (f *InputFile) file() string {
	if f.temporary {
		return "FILE"
	}
	return fault.Shell(f.Name)
}

// holdsZero refuses a line with a byte that is no text.
func (f *InputFile) holdsZero(line int) error {
	return fault.New(fault.Invalid, "%s:%d: this line holds a NUL byte, which is no text", f.Name, line).
		WithHint("The file may be in another encoding, or damaged by a disk that was full. Without the bytes: tr -d '\\000' <%s >FIXED", f.file())
}

// unquoted is a line without what stands between double quotes. A backslash escapes a
// quote, as in JSON; in CSV two quotes are one, which comes to the same.
func unquoted(line []byte) string {
	var b strings.Builder
	in := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case in && c == '\\':
			i++
		case c == '"':
			in = !in
		case !in:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// clipped is the beginning of a line, for a message.
func clipped(line []byte) string {
	const most = 60
	if text := []rune(string(line)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(line)
}
