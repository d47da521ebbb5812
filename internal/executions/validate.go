package executions

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// MaxInput is the largest input of an execution, in bytes (256 KiB, a hard
// quota of Step Functions).
const MaxInput = 262_144

// MaxName is the longest name of an execution, in characters.
const MaxName = 80

// ValidateInput reports whether raw may be an execution's input: one JSON value of
// at most MaxInput bytes. The error tells line and column.
func ValidateInput(raw []byte) error { return validateInput(raw, 1) }

// validateInput is ValidateInput of a text that begins in a line of a file.
func validateInput(raw []byte, first int) error {
	if len(raw) > MaxInput {
		return fault.New(fault.Invalid, "input has %d bytes, %d at most are allowed", len(raw), MaxInput).
			WithHint("Put large data in S3 and pass its key.")
	}
	if !utf8.Valid(raw) {
		return fault.New(fault.Invalid, "input is not UTF-8").WithHint("Encode binary data, for example as base64, or pass it through S3.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	var v any
	err := dec.Decode(&v)
	offset := dec.InputOffset()
	if err == nil {
		rest := bytes.TrimLeft(raw[offset:], " \t\r\n")
		if len(rest) == 0 {
			return nil
		}
		return badJSON(raw, first, int64(len(raw)-len(rest)), "text after the JSON value")
	}
	var syn *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ): // of what any value may be, only a number can be wrong
		text := strings.TrimPrefix(typ.Value, "number ")
		return badJSON(raw, first, int64(max(0, bytes.LastIndex(raw[:min(int(typ.Offset), len(raw))], []byte(text)))),
			"the number "+text+" is larger than any that there is: 1.8e308 at most")
	case errors.As(err, &syn):
		return badJSON(raw, first, max(0, syn.Offset-1), syn.Error())
	case errors.Is(err, io.EOF):
		return badJSON(raw, first, int64(len(raw)), "no JSON value")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badJSON(raw, first, int64(len(raw)), "unexpected end of JSON input")
	}
	return badJSON(raw, first, offset, err.Error())
}

func badJSON(raw []byte, first int, offset int64, why string) error {
	before := raw[:min(int(offset), len(raw))]
	line := bytes.Count(before, []byte("\n")) + first
	col := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fault.New(fault.Invalid, "input is not valid JSON at line %d, column %d: %s", line, col, why).
		WithHint("Correct the input; a JSON text needs double quotes around names and strings.")
}

// forbidden are the characters that AWS refuses in the name of an execution,
// besides white space and control characters.
const forbidden = "<>{}[]?*\"#%\\^|~`$&,;:/"

// ValidateName reports whether name may be an execution's name.
func ValidateName(name string) error {
	const hint = "Use letters, digits, '-' and '_'."
	if n := utf8.RuneCountInString(name); n == 0 || n > MaxName {
		return fault.New(fault.Invalid, "execution name has %d characters, 1 to %d are allowed", n, MaxName).WithHint(hint)
	}
	for _, r := range name {
		bad := r <= ' ' || r >= 0x7f && r <= 0xa0 || r == utf8.RuneError || r == 0xfffe || r == 0xffff || strings.ContainsRune(forbidden, r)
		if bad {
			return fault.New(fault.Invalid, "execution name %q must not contain %q", name, r).WithHint(hint)
		}
	}
	return nil
}

// NewName returns a name that no other execution has: <utc time>-<6 hex>.
func NewName(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(b[:])
}
