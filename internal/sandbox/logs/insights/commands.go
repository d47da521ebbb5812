package insights

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Parse reads a query: commands with pipes between them. Lines of # are comments. most
// bounds the rows, 0 does not. What is wrong with the query is an *Error.
func Parse(query string, most int) (*Query, error) {
	q := &Query{most: most, matches: -1, needed: map[string]bool{"@timestamp": true}}
	commands, err := split(query)
	if err != nil {
		return nil, err
	}
	for _, c := range commands {
		name, rest, _ := strings.Cut(c+" ", " ")
		if i := strings.IndexAny(c, " \t\r\n"); i >= 0 {
			name, rest = c[:i], c[i:]
		}
		read, ok := commandsByName[strings.ToLower(name)]
		if !ok {
			return nil, wrong("unexpected symbol found %s at the beginning of a command", name)
		}
		if err := read(q, strings.TrimSpace(rest)); err != nil {
			return nil, err
		}
	}
	if len(commands) == 0 {
		return nil, wrong("the query is empty")
	}
	if len(q.shown) == 0 && !q.groups {
		q.shown = []column{{"@timestamp", fieldOf("@timestamp")}, {"@message", fieldOf("@message")}}
	}
	for _, c := range q.shown {
		q.needed[c.name] = true
	}
	q.needed["@ptr"] = q.needed["@ptr"] || !q.groups
	return q, nil
}

var commandsByName = map[string]func(q *Query, rest string) error{
	"fields": (*Query).fields, "display": (*Query).display, "filter": (*Query).filter, "parse": (*Query).parse,
	"stats": (*Query).stats, "sort": (*Query).sort, "limit": (*Query).readLimit, "dedup": (*Query).dedup,
}

var comment = lazyregexp.New(`(?m)^\s*#.*$`)

// split cuts a query at its pipes, which may stand in texts and regular expressions too.
func split(query string) (out []string, err error) {
	query = comment.ReplaceAllString(query, "")
	start, closing := 0, byte(0)
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case closing != 0 && c == '\\':
			i++
		case closing != 0:
			if c == closing {
				closing = 0
			}
		case c == '"' || c == '\'' || c == '`':
			closing = c
		case c == '/' && regularBegins(query[start:i]):
			closing = c
		case c == '|':
			out, start = append(out, query[start:i]), i+1
		}
	}
	if closing != 0 {
		return nil, wrong("%c is not closed", closing)
	}
	out = append(out, query[start:])
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	if slices.Contains(out, "") && strings.TrimSpace(query) != "" {
		return nil, wrong("a command is missing beside a pipe")
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" }), nil
}

var beforeRegular = lazyregexp.New(`(?i)(?:like|=~|\bparse(?:\s+\S+)?)\s*$`)

// regularBegins tells by what stands before a slash that it does not divide.
func regularBegins(before string) bool { return beforeRegular.MatchString(before) }

// columns reads expressions with names, up to a word.
func (r *reader) columns(until string) (out []column, err error) {
	for {
		begin := r.token + r.rest
		of, err := r.or()
		if err != nil {
			return nil, err
		}
		name := strings.TrimSpace(strings.TrimSuffix(begin, r.token+r.rest))
		if r.word("as") {
			if err := r.next(); err != nil {
				return nil, err
			}
			if name = strings.Trim(r.token, "`"); name == "" {
				return nil, wrong("a name is missing behind as")
			}
			if err := r.next(); err != nil {
				return nil, err
			}
		}
		out = append(out, column{strings.Trim(name, "`"), of})
		switch {
		case r.token == ",":
			if err := r.next(); err != nil {
				return nil, err
			}
		case r.token == "" || until != "" && r.word(until):
			return out, nil
		default:
			return nil, wrong("unexpected symbol found %q", r.token+r.rest)
		}
	}
}

func (q *Query) columns(rest string) (list []column, fields map[string]bool, err error) {
	r, err := q.read(rest)
	if err != nil {
		return nil, nil, err
	}
	list, err = r.columns("")
	return list, r.fields, err
}

func (q *Query) fields(rest string) error {
	list, fields, err := q.columns(rest)
	if err != nil {
		return err
	}
	q.shown = append(q.shown, list...)
	q.add(step{each: func(r Record) bool { // later commands know them by their names
		for _, c := range list {
			v := c.of(r)
			if v == nil {
				continue
			}
			r[c.name] = v
			if s, ok := v.(string); ok && len(s) > maxText/16 && r.size() > maxHeld {
				q.fail("a record grows to more than %d MB", maxHeld>>20)
				return false
			}
		}
		return true
	}}, fields)
	for i, c := range q.shown {
		q.shown[i].of = fieldOf(c.name)
	}
	return nil
}

func (q *Query) display(rest string) error {
	list, fields, err := q.columns(rest)
	q.shown = list
	maps.Copy(q.needed, fields)
	return err
}

func (q *Query) filter(rest string) error {
	r, err := q.read(rest)
	if err != nil {
		return err
	}
	of, err := r.or()
	if err == nil && r.token != "" {
		err = wrong("unexpected symbol found %q", r.token+r.rest)
	}
	q.add(step{filter: true, each: func(r Record) bool { return truth(of(r)) }}, r.fields)
	return err
}

func (q *Query) readLimit(rest string) error {
	n, err := strconv.Atoi(rest)
	if err != nil || n < 1 || n > DefaultLimit {
		return wrong("limit takes a number from 1 to %d", DefaultLimit)
	}
	q.limit = n
	q.add(step{limit: n, all: func(records []Record) []Record { return records[:min(n, len(records))] }}, nil)
	return nil
}

func (q *Query) dedup(rest string) error {
	list, fields, err := q.columns(rest)
	q.add(step{all: func(records []Record) []Record {
		seen := map[string]bool{}
		return slices.DeleteFunc(records, func(r Record) bool {
			key := keyOf(r, list)
			if seen[key] || !q.hold(len(key)) {
				return true
			}
			seen[key] = true
			return false
		})
	}}, fields)
	return err
}

func keyOf(r Record, list []column) string {
	var b strings.Builder
	for _, c := range list {
		b.WriteString(strconv.Quote(text(c.of(r))))
	}
	return b.String()
}

// sort orders by expressions, each asc or desc.
func (q *Query) sort(rest string) error {
	r, err := q.read(rest)
	if err != nil {
		return err
	}
	type order struct {
		of   expression
		down bool
	}
	var orders []order
	for {
		of, err := r.or()
		if err != nil {
			return err
		}
		o := order{of: of}
		if r.word("asc", "desc") {
			o.down = r.word("desc")
			if err := r.next(); err != nil {
				return err
			}
		}
		orders = append(orders, o)
		if r.token != "," {
			break
		}
		if err := r.next(); err != nil {
			return err
		}
	}
	if r.token != "" {
		return wrong("unexpected symbol found %q", r.token+r.rest)
	}
	q.add(step{all: func(records []Record) []Record {
		slices.SortStableFunc(records, func(a, b Record) int {
			for _, o := range orders {
				if c := compare(o.of(a), o.of(b)); c != 0 {
					if o.down {
						return -c
					}
					return c
				}
			}
			return 0
		})
		return records
	}}, r.fields)
	return nil
}

// parse takes parts of a text into fields: by a glob with * and the names behind as, or
// by the named groups of a regular expression.
func (q *Query) parse(rest string) error {
	r, err := q.read(rest)
	if err != nil {
		return err
	}
	of := r.field("@message")
	if !strings.HasPrefix(r.token, `"`) && !strings.HasPrefix(r.token, "'") && !strings.HasPrefix(r.token, "/") {
		of = r.field(strings.Trim(r.token, "`"))
		if err := r.next(); err != nil {
			return err
		}
	}
	pattern := r.token
	if pattern == "" {
		return wrong("parse takes a text or a regular expression")
	}
	if err := r.next(); err != nil {
		return err
	}
	var re *regexp.Regexp
	var names []string
	if strings.HasPrefix(pattern, "/") {
		if re, err = regular(pattern); err != nil {
			return err
		}
		names = re.SubexpNames()[1:]
	} else {
		if names, err = r.names(); err != nil {
			return err
		}
		parts := strings.Split(unquote(pattern), "*")
		if len(parts)-1 != len(names) {
			return wrong("the pattern of parse has %d wildcards for %d names", len(parts)-1, len(names))
		}
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		text := strings.Join(parts, "(.*?)")
		if strings.HasSuffix(text, "(.*?)") {
			text = strings.TrimSuffix(text, "(.*?)") + "(.*)"
		}
		re = regexp.MustCompile("(?s)" + text) // of quoted parts only
	}
	q.add(step{each: func(r Record) bool {
		m := re.FindStringSubmatch(text(of(r)))
		for i, name := range names {
			if m != nil && name != "" {
				r[name] = m[i+1]
			}
		}
		return true
	}}, r.fields)
	return nil
}

// names reads those behind as.
func (r *reader) names() (out []string, err error) {
	if !r.word("as") {
		return nil, wrong("as and names are missing behind the pattern of parse")
	}
	for r.word("as") || r.token == "," {
		if err := r.next(); err != nil {
			return nil, err
		}
		out = append(out, strings.Trim(r.token, "`"))
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	if r.token != "" || slices.Contains(out, "") {
		return nil, wrong("unexpected symbol found %q", r.token+r.rest)
	}
	return out, nil
}
