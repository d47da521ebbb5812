// Package custom reads what a user has put beside the config file to make the full-screen
// terminal theirs: other keys, other colours, commands of their own, and views. Each file is
// followed whole or not at all; what is wrong in one has its place, its rule and a way out.
// It may import fault, theme, tui/keys and tui/ui.
package custom

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// The files, in the folder of the config file.
const (
	KeysFile     = "keys.yaml"
	ThemeFile    = "theme.yaml"
	CommandsFile = "commands.yaml"
	ViewsFile    = "views.yaml"
)

// most bounds a file, in bytes.
const most = 1 << 20

// Custom is what the user wants.
type Custom struct {
	// Keys are the keys of bindings by their names (keys.Rebind).
	Keys map[string][]string
	// Skin are looks by the names of theme.Tokens.
	Skin     map[string]theme.Paint
	Commands []Command
	Views    []ui.View
	// Dir is the folder of the files.
	Dir string
	// home is where the history is kept, "" keeps none.
	home string
	// places are where the names of keys stand, for what is found wrong with them later.
	places map[string]string
}

// Load reads the files of a folder; home is where the program keeps what is its own. What is wrong with them is told file by file: the other
// files hold. A file that is not there says nothing.
func Load(dir, home string) (Custom, []error) {
	c := Custom{Dir: dir, home: home, places: map[string]string{}}
	var errs []error
	for _, f := range []struct {
		name string
		take func(*reader, ast.Node)
	}{{KeysFile, c.takeKeys}, {ThemeFile, c.takeSkin}, {CommandsFile, c.takeCommands}, {ViewsFile, c.takeViews}} {
		r := &reader{file: filepath.Join(dir, f.name)}
		was := c
		if body := r.parse(); body != nil {
			f.take(r, body)
		}
		if err := r.errs.OrNil(); err != nil {
			c = was
			errs = append(errs, err)
		}
	}
	return c, errs
}

// reader takes one file apart and collects what is wrong with it.
type reader struct {
	file string
	errs fault.List
}

// at is the place of a node: file, line, column.
func (r *reader) at(n ast.Node) string {
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return r.file
	}
	return fmt.Sprintf("%s:%d:%d", r.file, t.Position.Line, t.Position.Column)
}

func (r *reader) wrong(n ast.Node, hint, format string, args ...any) {
	r.errs = append(r.errs, fault.New(fault.Invalid, "%s: %s", r.at(n), fmt.Sprintf(format, args...)).WithHint("%s", hint))
}

// parse is the body of the file, nil if there is none.
func (r *reader) parse() ast.Node {
	raw, err := readFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.errs = append(r.errs, fault.New(fault.Invalid, "%s cannot be read: %s", r.file, fault.Reason(err)).Because(err).WithHint("Make it readable for you, or take it away."))
		return nil
	}
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		r.errs = append(r.errs, r.syntax(err))
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.NullType && doc.Body.Type() != ast.CommentType {
			return doc.Body
		}
	}
	return nil
}

// syntax is an error of the library with its place.
func (r *reader) syntax(err error) error {
	place, text := r.file, err.Error()
	var y yaml.Error
	if errors.As(err, &y) {
		text = y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			place = fmt.Sprintf("%s:%d:%d", r.file, t.Position.Line, t.Position.Column)
		}
	}
	return fault.New(fault.Invalid, "%s: %s", place, text).Because(err).WithHint("It has to be YAML: see docs/keys.md.")
}

func readFile(path string) ([]byte, error) {
	f, err := wholefile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(raw) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return raw, err
}

// item is an entry of a mapping.
type item struct {
	name  string
	key   ast.Node
	value ast.Node
}

// items are the entries of a mapping; each name is there once.
func (r *reader) items(n ast.Node, what string) []item {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	case *ast.NullNode:
		return nil
	default:
		r.wrong(n, "It has to be a mapping: `name: value` lines.", "%s is no mapping", what)
		return nil
	}
	out := make([]item, 0, len(values))
	for _, v := range values {
		name, ok := r.scalar(v.Key)
		if !ok {
			continue
		}
		out = append(out, item{name, v.Key, v.Value})
	}
	return out
}

// scalar is the text of a value that is no list and no mapping.
func (r *reader) scalar(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case ast.ScalarNode:
		return x.GetToken().Value, true
	}
	r.wrong(n, "Write a single value.", "this is no single value")
	return "", false
}

func (r *reader) boolean(n ast.Node) bool {
	if b, ok := n.(*ast.BoolNode); ok {
		return b.Value
	}
	r.wrong(n, "Write true or false.", "this is neither true nor false")
	return false
}

// texts is a list, or a single value in its place.
func (r *reader) texts(n ast.Node) []string {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		text, ok := r.scalar(n)
		if !ok {
			return nil
		}
		return []string{text}
	}
	var out []string
	for _, v := range list.Values {
		if text, ok := r.scalar(v); ok {
			out = append(out, text)
		}
	}
	return out
}

// only is the mapping that a file has below one name.
func (r *reader) only(body ast.Node, name string) []item {
	var out []item
	for _, x := range r.items(body, "the file") {
		if x.name != name {
			r.unknown(x, []string{name})
			continue
		}
		out = r.items(x.value, name)
	}
	return out
}

// unknown refuses a name that is none of those there are.
func (r *reader) unknown(x item, names []string) {
	hint := "There " + map[bool]string{true: "is ", false: "are "}[len(names) == 1] + strings.Join(names, ", ") + "."
	best, least := "", 4
	for _, n := range names {
		if d := levenshtein.Distance(x.name, n, nil); d < least {
			best, least = n, d
		}
	}
	if best != "" {
		hint = fmt.Sprintf("Did you mean %q?", best)
	}
	r.wrong(x.key, hint, "unknown name %q", x.name)
}

// oneOf refuses a value that is none of those there are.
func (r *reader) oneOf(n ast.Node, value string, all []string) bool {
	if slices.Contains(all, value) {
		return true
	}
	r.wrong(n, "Use one of "+strings.Join(all, ", ")+".", "%q is none of what can stand here", value)
	return false
}
