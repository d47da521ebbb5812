package items

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// json gives the elements of an array, or the members of an object, as they are
// read: the document may be larger than what fits into memory.
func (s *reading) json(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	if mark, _ := br.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = br.Discard(len(byteOrderMark))
	}
	d := &jsonItems{s: s, dec: json.NewDecoder(br)}
	d.dec.UseNumber()
	err := d.find(pointerParts(s.reader.ItemsPointer))
	if err == nil {
		err = d.rest()
	}
	if err == nil || settled(err) {
		return err
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errNotJSON) {
		return failed("Attempting to map over invalid JSON: %s", err)
	}
	return err
}

var errNotJSON = errors.New("text after the end of the document")

// jsonItems reads one document.
type jsonItems struct {
	s     *reading
	dec   *json.Decoder
	depth int // of the containers that are open around the items
}

func pointerParts(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts
}

// find goes where the pointer leads and gives what is there.
func (d *jsonItems) find(parts []string) error {
	t, err := d.dec.Token()
	if err != nil {
		return err
	}
	open, isContainer := t.(json.Delim)
	if isContainer {
		d.depth++
	}
	switch {
	case len(parts) == 0 && open == '[':
		return d.elements()
	case len(parts) == 0 && open == '{':
		return d.members()
	case len(parts) == 0:
		return failed("Attempting to map over non-iterable node.")
	case open != '{':
		return d.astray()
	}
	for d.dec.More() {
		key, err := d.dec.Token()
		if err != nil {
			return err
		}
		if key == parts[0] {
			return d.find(parts[1:])
		}
		if err := d.skip(); err != nil {
			return err
		}
	}
	return d.astray()
}

func (d *jsonItems) astray() error {
	return failed("The ItemsPointer '%s' does not lead to an array.", d.s.reader.ItemsPointer)
}

// skip reads over one value.
func (d *jsonItems) skip() error {
	for depth := 0; ; {
		t, err := d.dec.Token()
		if err != nil {
			return err
		}
		d.s.item = 0
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func (d *jsonItems) elements() error {
	for d.dec.More() {
		v, err := d.value()
		if err != nil {
			return err
		}
		if err := d.s.add(v); err != nil {
			return err
		}
	}
	return d.end()
}

func (d *jsonItems) members() error {
	for d.dec.More() {
		key, err := d.dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // the decoder lets nothing else be a key
		v, err := d.value()
		if err != nil {
			return err
		}
		if err := d.s.append(Item{Key: name, Member: true, Value: v}); err != nil {
			return err
		}
	}
	return d.end()
}

// value reads one item.
func (d *jsonItems) value() (any, error) {
	var raw json.RawMessage
	if err := d.dec.Decode(&raw); err != nil {
		return nil, err
	}
	if d.s.check {
		return nil, nil
	}
	v, err := value.Parse(string(raw))
	if err != nil {
		return nil, failed("Attempting to map over invalid JSON: %s", err)
	}
	return v, nil
}

// end reads the end of a container.
func (d *jsonItems) end() error {
	_, err := d.dec.Token()
	d.depth--
	return err
}

// rest reads what follows the items, which must be the rest of one document.
func (d *jsonItems) rest() error {
	for d.depth > 0 {
		t, err := d.dec.Token()
		if err != nil {
			return err
		}
		d.s.item = 0
		switch t {
		case json.Delim('['), json.Delim('{'):
			d.depth++
		case json.Delim(']'), json.Delim('}'):
			d.depth--
		}
	}
	_, err := d.dec.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errNotJSON
}
