// Package delimited reads text delimited files as Step Functions' ItemReader does,
// whose rules are not those of RFC 4180:
//
//   - a record ends at a line break (LF, CRLF or CR), unless the break is in quotes;
//   - a field that begins with a quote goes on to the quote that closes it, and may
//     hold delimiters and line breaks;
//   - a doubled quote is one quote, in fields with and without quotes;
//   - a backslash escapes a backslash, a quote and the delimiter; before anything
//     else it is dropped.
//
// Source: "How Step Functions parses input CSV files", Step Functions Developer
// Guide (example-csv-parse-dist-map.html).
package delimited

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxRecord is the largest record in bytes: what Step Functions takes as one item.
const MaxRecord = 8 << 20

// Error tells what is wrong in which line of a file, from 1.
type Error struct {
	Line    int
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// Reader reads one record at a time. It holds no more than a record of the file.
// It is not safe for concurrent use.
type Reader struct {
	r         *bufio.Reader
	delimiter byte
	line      int // of what is read next
	begun     bool
	afterCR   bool // the last byte that blank skipped was one

	field   strings.Builder
	record  []string
	escaped bool // the field holds something written by an escape or in quotes
	size    int
}

// NewReader returns a reader of r, whose fields the delimiter separates: an ASCII
// character other than the quote, the backslash and line breaks.
func NewReader(r io.Reader, delimiter byte) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), delimiter: delimiter, line: 1}
}

// Line is the line that the next record begins in, from 1.
func (d *Reader) Line() int { return d.line }

// Read returns the next record; io.EOF after the last. Empty lines are no records.
// A byte order mark at the beginning is no part of the first field, and text that
// is not UTF-8 has U+FFFD in its place. What is not a delimited file is an *Error.
func (d *Reader) Read() ([]string, error) {
	if !d.begun {
		d.begun = true
		if err := d.mark(); err != nil {
			return nil, err
		}
	}
	for {
		if err := d.blank(); err != nil {
			return nil, err
		}
		fields, err := d.next()
		if err != nil || len(fields) > 1 || fields[0] != "" || d.escaped {
			return fields, err
		}
	}
}

// blank skips empty lines as they lie in memory: there may be gigabytes of them.
func (d *Reader) blank() error {
	for {
		if _, err := d.r.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // next says so
			}
			return err
		}
		ahead, _ := d.r.Peek(d.r.Buffered()) // they are there
		n := 0
		for n < len(ahead) && (ahead[n] == '\n' || ahead[n] == '\r') {
			// CRLF is one break; where the two are torn apart, the LF belongs to the CR before.
			if ahead[n] == '\r' || !d.afterCR {
				d.line++
			}
			d.afterCR = ahead[n] == '\r'
			n++
		}
		if n < len(ahead) {
			d.afterCR = false
		}
		if _, err := d.r.Discard(n); err != nil || n < len(ahead) {
			return err
		}
	}
}

// mark skips the byte order mark of UTF-8 and names other encodings.
func (d *Reader) mark() error {
	head, err := d.r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case strings.HasPrefix(string(head), "\xef\xbb\xbf"):
		_, err := d.r.Discard(3)
		return err
	case strings.HasPrefix(string(head), "\xff\xfe"), strings.HasPrefix(string(head), "\xfe\xff"):
		return &Error{Line: 1, Problem: "the file is UTF-16; it must be UTF-8"}
	}
	return nil
}

// next reads one record, which may be an empty line.
func (d *Reader) next() ([]string, error) {
	d.record, d.escaped, d.size = make([]string, 0, len(d.record)), false, 0
	d.field.Reset()
	at := d.line
	c, err := d.byte()
	if err != nil {
		return nil, err
	}
	for start := true; ; c, err = d.byte() {
		switch {
		case errors.Is(err, io.EOF):
			d.end()
			return d.record, nil
		case err != nil:
			return nil, err
		case d.size > MaxRecord:
			return nil, &Error{Line: at, Problem: fmt.Sprintf("the record is larger than %d bytes", MaxRecord)}
		}
		switch c {
		case '\n':
			d.end()
			return d.record, nil
		case d.delimiter:
			d.end()
			start = true
			continue
		case '"':
			err = d.quote(start, at)
		case '\\':
			err = d.escape()
		default:
			d.field.WriteByte(c)
		}
		if err != nil {
			return nil, err
		}
		start = false
	}
}

// end takes the field as it is.
func (d *Reader) end() {
	text := d.field.String()
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\ufffd")
	}
	d.record = append(d.record, text)
	d.field.Reset()
}

// byte reads one byte; every kind of line break is LF.
func (d *Reader) byte() (byte, error) {
	c, err := d.r.ReadByte()
	if err != nil {
		return 0, err
	}
	d.size++
	if c == '\r' {
		c = '\n'
		if d.peek() == '\n' {
			err = d.skip()
		}
	}
	if c == '\n' {
		d.line++
	}
	return c, err
}

// peek is the next byte, 0 at the end.
func (d *Reader) peek() byte {
	b, err := d.r.Peek(1)
	if err != nil {
		return 0
	}
	return b[0]
}

// quote reads on after a quote. At the start of a field it opens text in quotes,
// unless it is the first half of a doubled quote that other text follows
// (""a"" is "a" in a field without quotes); elsewhere it stands for itself.
func (d *Reader) quote(start bool, at int) error {
	d.escaped = true
	doubled := d.peek() == '"'
	if start && doubled {
		after, err := d.r.Peek(2)
		switch {
		case err != nil, d.ends(after[1]): // "" is an empty text
			return d.skip()
		case after[1] == '"':
			return d.quoted(at)
		}
	}
	if start && !doubled {
		return d.quoted(at)
	}
	d.field.WriteByte('"')
	if doubled {
		return d.skip()
	}
	return nil
}

// skip drops the byte that was peeked at.
func (d *Reader) skip() error {
	d.size++
	_, err := d.r.Discard(1)
	return err
}

// ends reports whether a byte ends a field.
func (d *Reader) ends(c byte) bool { return c == d.delimiter || c == '\n' || c == '\r' }

// quoted reads text up to the quote that closes it.
func (d *Reader) quoted(at int) error {
	for {
		c, err := d.byte()
		switch {
		case errors.Is(err, io.EOF):
			return &Error{Line: at, Problem: "a quote is not closed"}
		case err != nil:
			return err
		case d.size > MaxRecord:
			return &Error{Line: at, Problem: fmt.Sprintf("the record is larger than %d bytes", MaxRecord)}
		}
		switch {
		case c == '\\':
			if err := d.escape(); err != nil {
				return err
			}
		case c == '"' && d.peek() == '"':
			d.field.WriteByte('"')
			if err := d.skip(); err != nil {
				return err
			}
		case c == '"':
			return nil
		default:
			d.field.WriteByte(c)
		}
	}
}

// escape reads on after a backslash: what it may escape is text; before anything
// else it is dropped.
func (d *Reader) escape() error {
	d.escaped = true
	c := d.peek()
	if c != '\\' && c != '"' && c != d.delimiter {
		return nil
	}
	d.field.WriteByte(c)
	return d.skip()
}
