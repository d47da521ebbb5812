package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Bounds that keep a hostile file from taking the process down: the parser
// recurses over depth, and aliases multiply what a file says.
const (
	// MaxFileBytes is how large a spec may be.
	MaxFileBytes = 4 << 20

	maxDepth = 100
	maxNodes = 1 << 20
)

// kind is the type of a node.
type kind int

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFloat
	kindString
	kindList
	kindMap
)

func (k kind) String() string {
	return [...]string{"nothing", "a bool", "an int", "a float", "a string", "a list", "a map"}[k]
}

// node is a value with its place, from YAML, JSON or a flag alike, so that one
// validation serves them all.
type node struct {
	pos     pos
	kind    kind
	text    string // a scalar as it was written
	raw     bool   // text came from a flag and is yet to be read by its type
	value   any    // bool, int, float64 or string
	items   []*node
	entries []entry
	secret  *Secret // set by source.uncover: the text may not be shown
	// bad says that the value could not be read, which was told: nothing is known of it.
	bad bool
	// partial says so of some entries of a map, whose keys are not known either.
	partial bool
}

// broken tells whether something in it could not be read.
func (n *node) broken() bool {
	return n.bad || n.partial || slices.ContainsFunc(n.items, (*node).broken) ||
		slices.ContainsFunc(n.entries, func(e entry) bool { return e.value.broken() })
}

type entry struct {
	key   string
	pos   pos
	value *node
}

// get returns the entry of a map.
func (n *node) get(key string) *node {
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// plain returns the value without places: for JSON.
func (n *node) plain() any {
	switch n.kind {
	case kindList:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = item.plain()
		}
		return items
	case kindMap:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key] = e.value.plain()
		}
		return m
	default:
		return n.value
	}
}

// parseYAML reads one YAML document. Errors of syntax end it at once: then there is no
// node. All others are collected, and what could not be read is bad in the node.
func parseYAML(file string, data []byte) (*node, problems) {
	at := pos{file: file}
	if len(data) > MaxFileBytes {
		return nil, problems{at.problem(CodeSize, "the file has more than %d bytes", MaxFileBytes).WithHint("Split it up.")}
	}
	if e := checkEncoding(file, data); e != nil {
		return nil, problems{e}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) // else the library miscounts lines after comments
	tree, err := parseTree(data)
	if err != nil {
		return nil, problems{syntaxError(file, err)}
	}
	c := &converter{file: file, anchors: map[string]*node{}, sizes: map[*node]int{}}
	var body ast.Node
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			c.errs = append(c.errs, place(file, doc.Body.GetToken()).problem(CodeYAML, "there is a second document; a file holds one").WithHint("Put it into a file of its own."))
			break
		}
		body = doc.Body
	}
	if body == nil {
		return nil, problems{pos{file: file, line: 1, col: 1}.problem(CodeMissing, "the file is empty").WithHint("Begin it with `apiVersion: %s`.", APIVersion)}
	}
	n := c.node(body, nil)
	if c.full {
		return nil, c.errs
	}
	return n, c.errs
}

// checkEncoding refuses what is no UTF-8, and says what it seems to be: some editors
// and shells write UTF-16, which would show as one long garbled string.
func checkEncoding(file string, data []byte) *Problem {
	at := pos{file: file}
	head := data[:min(len(data), 512)]
	zeros := bytes.Count(head, []byte{0})
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), len(head) >= 8 && zeros >= len(head)/3:
		return at.problem(CodeEncoding, "the file is UTF-16").WithHint("Save it as UTF-8.")
	case zeros > 0:
		return at.problem(CodeEncoding, "the file is no text: it holds zero bytes").WithHint("Name a YAML file.")
	case utf8.Valid(data):
		return nil
	}
	bad := 0
	for bad < len(data) {
		r, n := utf8.DecodeRune(data[bad:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		bad += n
	}
	return at.within(data, bad).problem(CodeEncoding, "the file is not UTF-8 here").
		WithHint("Save it as UTF-8; it may be in Latin-1 or Windows-1252 (`iconv -f WINDOWS-1252 -t UTF-8`).")
}

// parseTree calls the YAML library; a panic in it is an error of the input.
func parseTree(data []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML can't be understood (%v)", r)
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if tk := tooDeep(tokens); tk != nil {
		return nil, &yaml.SyntaxError{Message: fmt.Sprintf("nested more than %d deep", maxDepth), Token: tk}
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// tooDeep finds the token at which nesting passes maxDepth. Deep nesting by
// indentation needs a line for each level and hits the bound on file size.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, compact, line := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position != nil && tk.Position.Line != line {
			line, compact = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			compact++
		}
		if flow > maxDepth || compact > maxDepth || (tk.Position != nil && tk.Position.IndentNum > 40*maxDepth) {
			return tk
		}
	}
	return nil
}

func syntaxError(file string, err error) *Problem {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return place(file, y.GetToken()).problem(CodeSyntax, "%s", y.GetMessage()).WithHint("Correct the YAML; indent by spaces and quote texts that hold `: ` or ` #`.").Because(err)
	}
	return pos{file: file, line: 1, col: 1}.problem(CodeSyntax, "%s", err).WithHint("Correct the YAML.").Because(err)
}

func place(file string, tk *token.Token) pos {
	if tk == nil || tk.Position == nil {
		return pos{file: file, line: 1, col: 1}
	}
	return pos{file: file, line: tk.Position.Line, col: tk.Position.Column}
}

// converter turns the library's tree into nodes. A node's path is that of the place
// where it is written: an alias has the path of its anchor.
type converter struct {
	file    string
	anchors map[string]*node
	sizes   map[*node]int
	total   int
	full    bool // there were more values than may be
	errs    problems
}

// place is the place of a token at the end of a path.
func (c *converter) place(tk *token.Token, at *step) pos {
	p := place(c.file, tk)
	p.at = at
	return p
}

func (c *converter) fail(p pos, rule ProblemCode, hint, format string, args ...any) *node {
	c.errs = append(c.errs, p.problem(rule, format, args...).WithHint("%s", hint))
	return &node{pos: p, bad: true}
}

func (c *converter) node(n ast.Node, at *step) *node {
	before := c.total
	if c.total++; c.total > maxNodes {
		p := c.place(n.GetToken(), at)
		if !c.full {
			c.full = true
			c.fail(p, CodeSize, "Use fewer aliases.", "the file says more than %d values", maxNodes)
		}
		return &node{pos: p, bad: true}
	}
	out := c.convert(n, at)
	if _, alias := n.(*ast.AliasNode); !alias {
		c.sizes[out] = c.total - before
	}
	return out
}

func (c *converter) convert(n ast.Node, at *step) *node {
	p := c.place(n.GetToken(), at)
	scalar := func(k kind, value any) *node {
		return &node{pos: p, kind: k, text: n.GetToken().Value, value: value}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{pos: p}
	case *ast.BoolNode:
		return scalar(kindBool, n.Value)
	case *ast.IntegerNode:
		if zeroFirst.MatchString(n.Token.Value) { // 010 is 8 in YAML 1.1, and 10 in YAML 1.2
			return c.fail(p, CodeType, "Leave the zero out, or put it in quotes if it is a text.", "the number %s begins with a zero, which some readers of YAML take for octal", n.Token.Value)
		}
		if i, ok := toInt(n.Value); ok {
			return scalar(kindInt, i)
		}
		return c.fail(p, CodeRange, "Use a smaller number.", "the number %s is too large", n.Token.Value)
	case *ast.FloatNode:
		return scalar(kindFloat, n.Value)
	case *ast.InfinityNode, *ast.NanNode:
		return c.fail(p, CodeType, "Use a number.", "%s is not a number that can be used here", n.GetToken().Value)
	case *ast.StringNode:
		return c.text(p, n.Value)
	case *ast.LiteralNode:
		return c.text(p, n.Value.Value)
	case *ast.TagNode:
		if n.Value != nil {
			c.node(n.Value, at) // for its anchors
		}
		return c.fail(p, CodeYAML, "Leave the tag out.", "YAML tags such as %s are not supported", n.Start.Value)
	case *ast.AnchorNode:
		return c.anchor(n, p)
	case *ast.AliasNode:
		return c.alias(n, p)
	case *ast.SequenceNode:
		out := &node{pos: p, kind: kindList}
		for i, v := range n.Values {
			out.items = append(out.items, c.node(v, &step{at, i}))
		}
		return out
	case *ast.MappingNode:
		return c.mapping(p, n.Values)
	case *ast.MappingValueNode:
		return c.mapping(p, []*ast.MappingValueNode{n})
	}
	return c.fail(p, CodeYAML, "Use a plain value, list or map.", "YAML of the kind %s is not supported", n.Type())
}

// text is a text. No variable of a process, name or tag can have a NUL in it, and what it
// stands in would be refused, or fail, much later.
func (c *converter) text(p pos, s string) *node {
	if strings.ContainsRune(s, 0) {
		return c.fail(p, CodeType, "Leave it out.", "the text has a NUL character in it")
	}
	return &node{pos: p, kind: kindString, text: s, value: s}
}

func (c *converter) anchor(n *ast.AnchorNode, p pos) *node {
	if n.Value == nil || n.Name == nil {
		return c.fail(p, CodeYAML, "Give it a name and a value.", "the anchor is incomplete")
	}
	v := c.node(n.Value, p.at)
	c.anchors[n.Name.GetToken().Value] = v
	return v
}

func (c *converter) alias(n *ast.AliasNode, p pos) *node {
	if n.Value == nil {
		return c.fail(p, CodeYAML, "Give it a name.", "the alias is incomplete")
	}
	name := n.Value.GetToken().Value
	v, ok := c.anchors[name]
	if !ok {
		return c.fail(p, CodeYAML, "Define the anchor further up in the file.", "there is no anchor &%s before this alias", name)
	}
	c.total += c.sizes[v]
	return v
}

// mapping reads a map. What is wrong with a key leaves its value out, after reading it
// all the same: it may hold anchors, and errors.
func (c *converter) mapping(p pos, values []*ast.MappingValueNode) *node {
	out := &node{pos: p, kind: kindMap}
	var merged []entry
	for _, v := range values {
		kp := c.place(v.Key.GetToken(), p.at)
		if v.Key.IsMergeKey() {
			entries, ok := c.merge(v, kp)
			merged, out.partial = append(merged, entries...), out.partial || !ok
			continue
		}
		key, ok := mapKey(v.Key)
		if !ok {
			c.fail(kp, CodeYAML, "Use a text as key.", "this is no key of a map")
			c.value(v.Value, kp)
			out.partial = true
			continue
		}
		if len(out.entries) == 0 {
			out.pos.line, out.pos.col = kp.line, kp.col
		}
		kp = kp.in(key)
		value := c.value(v.Value, kp)
		if first := out.find(key); first != nil {
			c.fail(kp, CodeDuplicate, "Remove one of the two.", "key %q is there twice, first in line %d", key, first.pos.line)
			continue
		}
		out.entries = append(out.entries, entry{key: key, pos: kp, value: value})
	}
	for _, e := range merged {
		if out.find(e.key) == nil {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

// value converts the value of a key; one that is missing has the key's place.
func (c *converter) value(v ast.Node, key pos) *node {
	if v == nil {
		return &node{pos: key}
	}
	n := c.node(v, key.at)
	if n.kind == kindNull && !n.bad {
		n.pos = key
	}
	return n
}

func (n *node) find(key string) *entry {
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// merge reads the value of a "<<" key: a map or a list of maps. It is false if some of
// it could not be read.
func (c *converter) merge(v *ast.MappingValueNode, at pos) (entries []entry, ok bool) {
	n := c.value(v.Value, at)
	maps := []*node{n}
	if n.kind == kindList {
		maps = n.items
	}
	ok = true
	for _, m := range maps {
		switch {
		case m.bad:
			ok = false
		case m.kind != kindMap:
			c.fail(at, CodeYAML, "Write `<<: *name` with the anchor of a map.", "only a map can be merged")
			return nil, false
		}
		ok = ok && !m.partial
		entries = append(entries, m.entries...)
	}
	return entries, ok
}

func mapKey(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return k.GetToken().Value, true
	}
	return "", false
}

var zeroFirst = lazyregexp.New(`^[-+]?0[0-9_]+$`)

func toInt(v any) (int, bool) {
	switch n := v.(type) {
	case int64:
		return int(n), true
	case uint64:
		return int(n), n <= math.MaxInt64
	case int:
		return n, true
	}
	return 0, false
}

// parseJSON reads JSON into nodes that are all said at p.
func parseJSON(p pos, data []byte) (*node, error) {
	if !json.Valid(data) {
		return nil, errors.New("this is not valid JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return fromAny(p, v)
}

func fromAny(p pos, v any) (*node, error) {
	switch v := v.(type) {
	case nil:
		return &node{pos: p}, nil
	case bool:
		return &node{pos: p, kind: kindBool, text: strconv.FormatBool(v), value: v}, nil
	case string:
		return textNode(p, v), nil
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return &node{pos: p, kind: kindInt, text: v.String(), value: i}, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %s is too large", v)
		}
		return &node{pos: p, kind: kindFloat, text: v.String(), value: f}, nil
	case []any:
		out := &node{pos: p, kind: kindList}
		for i, item := range v {
			n, err := fromAny(p.in(i), item)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, n)
		}
		return out, nil
	case map[string]any:
		out := &node{pos: p, kind: kindMap}
		for _, key := range sortedKeys(v) {
			at := p.in(key)
			n, err := fromAny(at, v[key])
			if err != nil {
				return nil, err
			}
			out.entries = append(out.entries, entry{key: key, pos: at, value: n})
		}
		return out, nil
	}
	return nil, fmt.Errorf("%T is no JSON value", v)
}

func textNode(p pos, s string) *node { return &node{pos: p, kind: kindString, text: s, value: s} }
