package eject

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/program"
)

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// text is a string; the library quotes it where it has to. What can't be seen is
// escaped by encode, which only a quoted text can be.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case strings.ContainsFunc(s, unseen):
		n.Style = yaml.DoubleQuotedStyle
	case strings.Contains(s, "\n"):
		n.Style = yaml.LiteralStyle
	}
	return n
}

// unseen tells the characters that no text of a project holds as they are: those that
// act on a terminal or make what is read another thing than what is there.
func unseen(r rune) bool { return r != '\n' && r != '\t' && document.Hidden(r) }

// encode is a document as text. The library writes what Unicode calls printable as it
// is, bidirectional and C1 characters among it; they stand in quoted texts only.
func encode(doc *yaml.Node) (string, error) {
	var b, out strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(doc), enc.Close()); err != nil {
		return "", err
	}
	for _, r := range b.String() {
		switch {
		case !unseen(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String(), nil
}

// literal is a number, a bool or null.
func literal(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// add adds an entry to a mapping and returns its key.
func add(m *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	k := text(key)
	m.Content = append(m.Content, k, value)
	return k
}

// call is a call of a function of the YAML runtime.
func call(name string, arg *yaml.Node) *yaml.Node {
	m := mapping()
	add(m, "fn::"+name, arg)
	return m
}

// property is one input of a resource, nil if there is nothing to say.
func (w *writer) property(r program.Recorded, name string, v resource.PropertyValue) (*yaml.Node, error) {
	w.path = []string{name}
	if v.IsNull() {
		return nil, nil
	}
	if w.shared != nil && name == sharedTags && v.DeepEquals(*w.shared) {
		return text("${" + sharedTags + "}"), nil
	}
	if v.IsString() {
		if node, err := w.json(r.Type, name, v.StringValue()); node != nil || err != nil {
			return node, err
		}
	}
	return w.value(v)
}

// value is an expression that gives the value.
func (w *writer) value(v resource.PropertyValue) (*yaml.Node, error) {
	switch {
	case v.IsNull():
		return literal("null"), nil
	case v.IsBool():
		return literal(strconv.FormatBool(v.BoolValue())), nil
	case v.IsNumber():
		return literal(strconv.FormatFloat(v.NumberValue(), 'f', -1, 64)), nil
	case v.IsString():
		return text(w.expression(v.StringValue())), nil
	case v.IsSecret():
		return w.secret(v.SecretValue().Element)
	case v.IsOutput() && v.OutputValue().Known:
		return w.value(v.OutputValue().Element)
	case v.IsAsset():
		return w.asset(v.AssetValue())
	case v.IsArchive():
		return w.archive(v.ArchiveValue())
	case v.IsArray():
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i, item := range v.ArrayValue() {
			node, err := w.below(strconv.Itoa(i), item)
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, node)
		}
		return list, nil
	case v.IsObject():
		return w.object(v.ObjectValue())
	}
	return nil, fault.New(fault.Unsupported, "%s is a %s, which a YAML program can't hold", strings.Join(w.path, "."), v.TypeString())
}

func (w *writer) below(step string, v resource.PropertyValue) (*yaml.Node, error) {
	w.path = append(w.path, step)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.value(v)
}

func (w *writer) object(m resource.PropertyMap) (*yaml.Node, error) {
	node := mapping()
	for _, k := range m.StableKeys() {
		if strings.HasPrefix(strings.ToLower(string(k)), "fn::") {
			return nil, fault.New(fault.Unsupported, "the key %q in %s would be a function call in a YAML program", k, strings.Join(w.path, ".")).
				WithHint("Choose another name for it in the spec.")
		}
		item, err := w.below(string(k), m[k])
		if err != nil {
			return nil, err
		}
		add(node, w.expression(string(k)), item)
	}
	return node, nil
}

// expression writes a text with ${resource.property} for the marks in it.
func (w *writer) expression(s string) string {
	var b strings.Builder
	parts := w.rec.Parts(s)
	for i, p := range parts {
		if p.Ref != nil {
			b.WriteString(reference(*p.Ref))
			continue
		}
		b.WriteString(escape(p.Text, i+1 < len(parts)))
	}
	return b.String()
}

func reference(r program.Reference) string { return "${" + root(r.Resource) + "." + r.Property + "}" }

// root is a name at the beginning of a reference.
func root(name string) string {
	if strings.ContainsAny(name, `.[]{}"`) {
		return `["` + strings.ReplaceAll(name, `"`, `\"`) + `"]`
	}
	return name
}

// escape doubles the dollars that the runtime would take for the beginning of a
// reference or for a doubled one; before a reference that is a last one too.
func escape(s string, beforeReference bool) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		if s[i] != '$' {
			continue
		}
		last := i+1 == len(s)
		if last && beforeReference || !last && (s[i+1] == '{' || s[i+1] == '$') {
			b.WriteByte('$')
		}
	}
	return b.String()
}

// collect finds the resources that a value refers to.
func (w *writer) collect(v resource.PropertyValue, into map[string]bool) {
	switch {
	case v.IsString():
		for _, p := range w.rec.Parts(v.StringValue()) {
			if p.Ref != nil {
				into[p.Ref.Resource] = true
			}
		}
	case v.IsSecret():
		w.collect(v.SecretValue().Element, into)
	case v.IsOutput():
		w.collect(v.OutputValue().Element, into)
	case v.IsArray():
		for _, item := range v.ArrayValue() {
			w.collect(item, into)
		}
	case v.IsObject():
		for _, item := range v.ObjectValue() {
			w.collect(item, into)
		}
	}
}

// secret puts a value into the config and refers to it there. The runtime reads
// config as JSON where it can, so it is written as JSON: a text stays a text even
// if it looks like a number.
func (w *writer) secret(v resource.PropertyValue) (*yaml.Node, error) {
	refs := map[string]bool{}
	w.collect(v, refs)
	switch {
	case v.IsString():
		var b strings.Builder
		for _, p := range w.rec.Parts(v.StringValue()) {
			if p.Ref != nil {
				b.WriteString(reference(*p.Ref))
				continue
			}
			key, err := w.keep(p.Text)
			if err != nil {
				return nil, err
			}
			b.WriteString("${" + key + "}")
		}
		if len(refs) == 0 && b.Len() > 0 {
			return text(b.String()), nil
		}
		return call("secret", text(b.String())), nil
	case len(refs) > 0 || v.ContainsSecrets() || v.IsAsset() || v.IsArchive():
		// What is secret in it is put away piece by piece.
		node, err := w.value(hide(v))
		if err != nil {
			return nil, err
		}
		return call("secret", node), nil
	}
	key, err := w.keep(v.Mappable())
	return text("${" + key + "}"), err
}

// hide marks every text in a value as secret of its own.
func hide(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return hide(v.SecretValue().Element)
	case v.IsString():
		return resource.MakeSecret(v)
	case v.IsArray():
		list := make([]resource.PropertyValue, len(v.ArrayValue()))
		for i, item := range v.ArrayValue() {
			list[i] = hide(item)
		}
		return resource.NewArrayProperty(list)
	case v.IsObject():
		m := resource.PropertyMap{}
		for k, item := range v.ObjectValue() {
			m[k] = hide(item)
		}
		return resource.NewObjectProperty(m)
	}
	return v
}

var notInKey = lazyregexp.New(`[^A-Za-z0-9_-]+`)

// keep puts a secret away and returns its key in the config.
func (w *writer) keep(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fault.New(fault.Internal, "write a secret of %s: %v", w.resource, err).Because(err)
	}
	if key, ok := w.keys[string(raw)]; ok {
		return key, nil
	}
	name := notInKey.ReplaceAllString(strings.Join(append([]string{w.resource}, w.path...), "-"), "-")
	key := name
	for n := 2; w.res.Secrets[key] != ""; n++ {
		key = name + "-" + strconv.Itoa(n)
	}
	w.keys[string(raw)], w.res.Secrets[key] = key, string(raw)
	return key, nil
}

// policies are the properties that the provider compares by what they mean, so
// that their text may be written in another order.
var policies = []string{"policy", "assumeRolePolicy", "eventPattern"}

// shortJSON is a text that is read as easily in one line.
const shortJSON = 60

// json writes a text that is JSON as structure, where the runtime makes the same
// text of it again; as lines of its text where it would not. nil if it is not
// JSON.
func (w *writer) json(token, name, s string) (*yaml.Node, error) {
	if len(s) <= shortJSON || s[0] != '{' && s[0] != '[' {
		return nil, nil
	}
	var tree any
	if json.Unmarshal([]byte(s), &tree) != nil {
		return nil, nil //nolint:nilerr // it is another kind of text
	}
	again, err := json.Marshal(tree)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	if string(again) != s && !(strings.HasPrefix(token, "aws:") && slices.Contains(policies, name)) {
		return w.lines(s), nil
	}
	node, err := w.value(resource.NewPropertyValue(tree))
	if err != nil {
		return nil, err
	}
	return call("toJSON", node), nil
}

// lineWidth is how long a piece of JSON may be before it is taken apart.
const lineWidth = 100

// lines writes a JSON text as the lines it is joined of: cut where a person would
// begin a new one, not one character added.
func (w *writer) lines(s string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	var lay func(before, value, after string)
	lay = func(before, value, after string) {
		members := membersOf(value)
		if len(before)+len(value)+len(after) <= lineWidth || len(members) == 0 {
			list.Content = append(list.Content, text(w.expression(before+value+after)))
			return
		}
		list.Content = append(list.Content, text(w.expression(before+value[:1])))
		for _, m := range members {
			lay(m.key, m.value, m.comma)
		}
		list.Content = append(list.Content, text(w.expression(value[len(value)-1:]+after)))
	}
	lay("", s, "")
	return call("join", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{text(""), list}})
}

// member is one member of a JSON object or array, with its text as it stands.
type member struct{ key, value, comma string }

// membersOf takes the text of an object or array apart; nil for any other value.
// The text is valid JSON.
func membersOf(s string) []member {
	if s == "" || s[0] != '{' && s[0] != '[' {
		return nil
	}
	object := s[0] == '{'
	var members []member
	begin, colon, depth, quoted := 1, 1, 0, false
	for i := 1; i < len(s); i++ {
		end := i == len(s)-1
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case object && c == ':' && depth == 0 && colon == begin:
			colon = i + 1
		case c == ',' && depth == 0 || end:
			if i > begin {
				m := member{key: s[begin:colon], value: s[colon:i]}
				if !end {
					m.comma = ","
				}
				members = append(members, m)
			}
			begin, colon = i+1, i+1
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return members
}
