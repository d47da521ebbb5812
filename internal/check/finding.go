package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

func (m *machine) finding(offset int, s Severity, code, hint, format string, args ...any) Finding {
	f := Finding{Severity: s, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, File: m.shown}
	f.Line, f.Column = m.src.place(offset)
	return f
}

// at reports a finding at an offset of the filled-in text.
func (m *machine) at(offset int, s Severity, code, hint, format string, args ...any) {
	m.add(m.finding(offset, s, code, hint, format, args...))
}

// on reports a finding on a value, unless nothing is known of the value.
func (m *machine) on(n *value.Node, s Severity, code, hint, format string, args ...any) {
	if m.src.open[n.Offset] {
		return
	}
	m.said[n.Offset] = s
	m.at(n.Offset, s, code, hint, format, args...)
}

// count is a number with separators: 1,048,576.
func count(n int) string {
	s := strconv.Itoa(n)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// String is the finding on one line: "file:1:2: error: message (code)".
func (f Finding) String() string {
	place := f.File
	if f.Line > 0 {
		place += ":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column)
	}
	return place + ": " + string(f.Severity) + ": " + f.Message + " (" + f.Code + ")"
}
