package widget

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// jsonLine is a line of a document in JSON: a value, the beginning of an object or
// array, or its end. Members keep their order, numbers their digits.
type jsonLine struct {
	depth int
	// parent is the line that the object or array around begins at, -1 at the top.
	parent int
	key    string // of a member of an object
	keyed  bool
	index  int // of an item of an array
	// value is the text of a plain value, "" where an object or array begins or ends.
	value string
	kind  jsonKind
	last  bool // no comma follows
	// end is the line that ends what begins here, members how many are in it.
	end, members int
	// from and to are the bytes of the document that the line's value is.
	from, to int64
}

type jsonKind uint8

const (
	jsonString jsonKind = iota
	jsonNumber
	jsonWord // true, false, null
	jsonBegin
	jsonEnd
)

// jsonDocument is a document in lines, as it is shown.
type jsonDocument struct {
	text   string
	lines  []jsonLine
	folded map[int]bool
}

// parseJSON reads a document; ok is false for what is no object and no array, and
// for more than one.
func parseJSON(text string) (d *jsonDocument, ok bool) {
	head := strings.TrimLeft(text, " \t\r\n")
	if head == "" || head[0] != '{' && head[0] != '[' {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	d = &jsonDocument{text: text, folded: map[int]bool{}}
	if err := d.read(dec); err != nil {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF { // io.EOF is never wrapped here
		return nil, false
	}
	return d, true
}

// read reads one document, by a stack of its own: it may be nested deep.
func (d *jsonDocument) read(dec *json.Decoder) error {
	var around []int // lines that objects and arrays begin at
	for {
		line := jsonLine{parent: -1, depth: len(around)}
		if n := len(around); n > 0 {
			line.parent = around[n-1]
			if begin := &d.lines[line.parent]; begin.value == "{" && dec.More() {
				key, err := dec.Token()
				if err != nil {
					return err
				}
				line.key, line.keyed = key.(string)
			}
		}
		token, err := dec.Token()
		if err != nil {
			return err
		}
		if line.to = dec.InputOffset(); line.parent >= 0 {
			begin := &d.lines[line.parent]
			line.index, line.last = begin.members, !dec.More()
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			line.kind, line.value, line.from = jsonBegin, token.(json.Delim).String(), line.to-1
			d.count(line.parent)
			around = append(around, len(d.lines))
			d.lines = append(d.lines, line)
			continue
		case json.Delim('}'), json.Delim(']'):
			at := around[len(around)-1]
			around = around[:len(around)-1]
			d.close(at, token.(json.Delim).String(), line.to, len(around) == 0 || !dec.More())
		default:
			line.kind, line.value = plainValue(token)
			line.last = !dec.More()
			d.count(line.parent)
			d.lines = append(d.lines, line)
		}
		if len(around) == 0 {
			return nil
		}
	}
}

func (d *jsonDocument) count(parent int) {
	if parent >= 0 {
		d.lines[parent].members++
	}
}

// close ends what begins at a line. What is empty is one line.
func (d *jsonDocument) close(at int, sign string, to int64, last bool) {
	begin := &d.lines[at]
	begin.to, begin.last, begin.end = to, last, at
	if begin.members == 0 {
		begin.kind, begin.value = jsonWord, begin.value+sign
		return
	}
	begin.end = len(d.lines)
	d.lines = append(d.lines, jsonLine{depth: begin.depth, parent: begin.parent, value: sign, kind: jsonEnd, last: last, end: at})
}

// plainValue is a value as JSON writes it.
func plainValue(token json.Token) (jsonKind, string) {
	switch v := token.(type) {
	case string:
		return jsonString, quoted(v)
	case json.Number:
		return jsonNumber, v.String()
	case bool:
		return jsonWord, strconv.FormatBool(v)
	}
	return jsonWord, "null"
}

func quoted(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shown are the lines that are in no folded object or array.
func (d *jsonDocument) shown() []int {
	out := make([]int, 0, len(d.lines))
	for i := 0; i < len(d.lines); i++ {
		out = append(out, i)
		if d.folded[i] {
			i = d.lines[i].end
		}
	}
	return out
}

// jsonInks are what the parts of a line are drawn with.
type jsonInks struct{ key, text, number, word, sign ink }

func newJSONInks(th *theme.Screen) jsonInks {
	return jsonInks{key: inkOf(th.Key), text: inkOf(th.Good), number: inkOf(th.Busy), word: inkOf(th.Warn), sign: inkOf(th.Muted)}
}

func (in ink) on(text string) string { return in.open + text + in.end }

// draw is a line as it is shown, safe and styled.
func (d *jsonDocument) draw(i int, inks *jsonInks) string {
	l := &d.lines[i]
	var b strings.Builder
	b.WriteString(blanks(2 * l.depth))
	if l.keyed {
		b.WriteString(inks.key.on(render.Safe(quoted(l.key))) + inks.sign.on(":") + " ")
	}
	value := render.Safe(l.value)
	last := l.last
	switch l.kind {
	case jsonString:
		b.WriteString(inks.text.on(value))
	case jsonNumber:
		b.WriteString(inks.number.on(value))
	case jsonWord:
		b.WriteString(inks.word.on(value))
	case jsonBegin:
		if !d.folded[i] {
			last = true
			b.WriteString(inks.sign.on(value))
			break
		}
		noun := "items"
		if value == "{" {
			noun = "members"
		}
		b.WriteString(inks.sign.on(value + " " + render.Number(int64(l.members)) + " " + noun + " " + d.lines[l.end].value))
	case jsonEnd:
		b.WriteString(inks.sign.on(value))
	}
	if !last {
		b.WriteString(inks.sign.on(","))
	}
	return b.String()
}

// plainName is a name that JSONPath takes after a dot.
var plainName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// path is where a line's value is, as JSONPath: $.instances[0]['a b'].
func (d *jsonDocument) path(i int) string {
	if d.lines[i].kind == jsonEnd {
		i = d.lines[i].end
	}
	var parts []string
	for ; i >= 0; i = d.lines[i].parent {
		switch l := &d.lines[i]; {
		case l.parent < 0:
			parts = append(parts, "$")
		case !l.keyed:
			parts = append(parts, "["+strconv.Itoa(l.index)+"]")
		case plainName.MatchString(l.key):
			parts = append(parts, "."+l.key)
		default:
			parts = append(parts, "['"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(l.key)+"']")
		}
	}
	var b strings.Builder
	for k := len(parts) - 1; k >= 0; k-- {
		b.WriteString(parts[k])
	}
	return b.String()
}

// valueAt is a line's value: a string without its quotes, others as JSON.
func (d *jsonDocument) valueAt(i int) string {
	l := &d.lines[i]
	if l.kind == jsonEnd {
		l = &d.lines[l.end]
	}
	if l.kind == jsonBegin {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(d.text[l.from:l.to]), "", "  "); err == nil {
			return b.String()
		}
		return d.text[l.from:l.to]
	}
	var s string
	if l.kind == jsonString && json.Unmarshal([]byte(l.value), &s) == nil {
		return s
	}
	return l.value
}

// fold shuts or opens what begins at a line, and reports whether that changes
// anything.
func (d *jsonDocument) fold(i int, folded bool) bool {
	if d.lines[i].kind != jsonBegin || d.folded[i] == folded {
		return false
	}
	if folded {
		d.folded[i] = true
	} else {
		delete(d.folded, i)
	}
	return true
}

// foldAll shuts everything below the top, or opens all.
func (d *jsonDocument) foldAll(folded bool) {
	clear(d.folded)
	for i := range d.lines {
		if folded && d.lines[i].kind == jsonBegin && d.lines[i].depth > 0 {
			d.folded[i] = true
		}
	}
}

// JSON is a document in coloured lines; what is none is returned as it is, made
// safe.
func JSON(th *theme.Screen, text string) []string {
	d, ok := parseJSON(text)
	if !ok {
		return strings.Split(render.JSON(text, ""), "\n")
	}
	inks := newJSONInks(th)
	out := make([]string, len(d.lines))
	for i := range d.lines {
		out[i] = d.draw(i, &inks)
	}
	return out
}
