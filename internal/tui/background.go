package tui

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// askBackground asks for the background colour. (xterm "Control Sequences", OSC 11
// with "?": the answer is OSC 11 ; rgb:RRRR/GGGG/BBBB and BEL or ST.)
const askBackground = "\x1b]11;?\x07"

// The answer's parts. It may come in pieces, and its first piece may end before the
// bracket: an escape alone is a key, which nobody can hold back.
const (
	answerBegins = "\x1b]11;"
	answerRest   = "]11;rgb:"
)

// longestAnswer bounds what is held back of an answer that does not end.
const longestAnswer = 64

// answers takes the terminal's answer out of what is typed. All else passes at
// once and unchanged.
type answers struct {
	in   io.Reader
	tell func(dark bool)

	mu   sync.Mutex
	held []byte // an answer that is not whole
	rest []byte // what did not fit into the reader's buffer
	done bool
}

// answersIn returns in without the answer, which tell is told. What reads a
// terminal's file (for the raw mode, and to stop waiting) can do so.
func answersIn(in io.Reader, tell func(dark bool)) io.Reader {
	a := &answers{in: in, tell: tell}
	if f, ok := in.(*os.File); ok {
		return &answersFile{a, f}
	}
	return a
}

// Read implements io.Reader.
func (a *answers) Read(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.rest) > 0 {
		n := copy(p, a.rest)
		a.rest = a.rest[n:]
		return n, nil
	}
	n, err := a.in.Read(p)
	if a.done {
		return n, err
	}
	keys := a.take(append(a.held, p[:n]...))
	if err != nil {
		keys, a.held = append(keys, a.held...), nil
	}
	n = copy(p, keys)
	a.rest = bytes.Clone(keys[n:])
	return n, err // nothing, and no error, after an answer alone: to wait here could not be stopped
}

// take returns what was typed, and holds back what begins as an answer does.
func (a *answers) take(text []byte) []byte {
	a.held = nil
	start, head := bytes.Index(text, []byte(answerBegins)), len(answerBegins)
	if start < 0 && bytes.HasPrefix(text, []byte(answerRest)) {
		start, head = 0, len(answerRest)-len("rgb:")
	}
	if start < 0 {
		return text
	}
	body := text[start+head:]
	end, after := bytes.IndexByte(body, 0x07), 1
	if st := bytes.Index(body, []byte("\x1b\\")); st >= 0 && (end < 0 || st < end) {
		end, after = st, 2
	}
	if end < 0 {
		if len(body) > longestAnswer {
			return text
		}
		a.held = bytes.Clone(text[start:])
		return text[:start]
	}
	a.done = true
	if dark, ok := isDark(string(body[:end])); ok {
		a.tell(dark)
	}
	return append(bytes.Clone(text[:start]), body[end+after:]...)
}

// isDark reads rgb:R/G/B, each of one to four hexadecimal digits.
func isDark(answer string) (dark, ok bool) {
	var part [3]string
	if n, _ := fmt.Sscanf(strings.ReplaceAll(answer, "/", " "), "rgb:%s %s %s", &part[0], &part[1], &part[2]); n != 3 {
		return false, false
	}
	var light float64
	for i, weight := range []float64{0.299, 0.587, 0.114} { // ITU-R BT.601
		var v uint64
		if len(part[i]) > 4 {
			return false, false
		}
		if n, err := fmt.Sscanf(part[i], "%x", &v); n != 1 || err != nil {
			return false, false
		}
		most := uint64(1)<<(4*len(part[i])) - 1
		light += weight * float64(v) / float64(most)
	}
	return light < 0.5, true
}

// answersFile is answers for a terminal's file.
type answersFile struct {
	*answers
	f *os.File
}

// Write implements io.Writer.
func (a *answersFile) Write(p []byte) (int, error) { return a.f.Write(p) }

// Close does nothing: the terminal is its owner's.
func (a *answersFile) Close() error { return nil }

// Fd is the terminal's descriptor.
func (a *answersFile) Fd() uintptr { return a.f.Fd() }

// Name is the terminal's name.
func (a *answersFile) Name() string { return a.f.Name() }
