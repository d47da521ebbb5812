package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// SecretPath names a value that may be secret: a parameter or, with Entry, one entry
// of a parameter that is a map.
type SecretPath struct{ Parameter, Entry string }

// String is the path as errors and help write it: "modelEnvironment.TOKEN".
func (p SecretPath) String() string {
	if p.Entry == "" {
		return p.Parameter
	}
	return p.Parameter + "." + p.Entry
}

// Secret says of a value that readers may not see it, and where it comes from. The
// zero Secret is a value that was given: it is among Pipeline.Parameters, and in
// Pipeline.Document, which is therefore to be kept encrypted.
type Secret struct {
	// SecretsManager is the name or ARN of a secret of AWS Secrets Manager, Key the
	// entry of the JSON object that it holds, "" for the whole text. SSM is the name
	// or ARN of a parameter of AWS Systems Manager, perhaps with :version. Either is read when the pipeline
	// is deployed; until then the value is "".
	SecretsManager, Key, SSM string
	// Hidden says that a value was given, in a document that was read without the
	// key to its secrets. Such a pipeline can be shown, not deployed.
	Hidden bool
}

// Reference tells whether the value is somewhere else and read at deployment.
func (s Secret) Reference() bool { return s.SecretsManager != "" || s.SSM != "" }

// unknown tells that the value is not known before the pipeline is deployed.
func (s Secret) unknown() bool { return s.Reference() || s.Hidden }

// String says where the value is, as a spec file does.
func (s Secret) String() string {
	switch {
	case s.SSM != "":
		return "{" + ssmKey + ": " + scalar(s.SSM) + "}"
	case s.Key != "":
		return "{" + managerKey + ": " + scalar(s.SecretsManager) + ", " + entryKey + ": " + scalar(s.Key) + "}"
	case s.SecretsManager != "":
		return "{" + managerKey + ": " + scalar(s.SecretsManager) + "}"
	}
	return "{" + secretKey + ": ...}"
}

// plain is the form in a document; text is the value of one that was given.
func (s Secret) plain(text any) any {
	switch {
	case s.SSM != "":
		return map[string]any{ssmKey: s.SSM}
	case s.Key != "":
		return map[string]any{managerKey: s.SecretsManager, entryKey: s.Key}
	case s.SecretsManager != "":
		return map[string]any{managerKey: s.SecretsManager}
	case s.Hidden:
		return map[string]any{secretKey: nil}
	}
	return map[string]any{secretKey: text}
}

// The keys by which a spec says that a value is secret.
const (
	secretKey  = "secret"         // {secret: text}, {secret: {env: NAME}}, {secret: {file: PATH}}
	managerKey = "secretsManager" // {secretsManager: name or ARN, key: entry}
	entryKey   = "key"
	ssmKey     = "ssm" // {ssm: name or ARN}
	envKey     = "env"
	fileKey    = "file"
)

// SecretForms are the ways to write a secret, for hints and help.
const SecretForms = "{secret: text}, {secret: {env: NAME}}, {secret: {file: PATH}}, {secretsManager: NAME-OR-ARN, key: ENTRY} or {ssm: NAME}"

// maxSecret bounds a secret from a file, in bytes; it is the limit of Secrets Manager.
// (secretsmanager/latest/userguide/reference_limits.html)
const maxSecret = 64 << 10

var (
	// The names that GetSecretValue and GetParameter take, and ARNs.
	// (API references of Secrets Manager, SecretId; of Systems Manager, GetParameter.)
	secretName = lazyregexp.New(`^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:)?[A-Za-z0-9/_+=.@!-]{1,512}$`)
	ssmName    = lazyregexp.New(`^(arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{12}:parameter)?[A-Za-z0-9_./-]+(:[A-Za-z0-9_.-]+)?$`)
)

// source is what a value may be read from, beside the text that says it.
type source struct {
	dir     string // paths are relative to it
	environ func(string) (string, bool)
	// skip leaves out what is not in the text itself.
	skip bool
	// stored says that the text is a document of ours: it may hide secrets.
	stored bool
}

func (o Options) source(dir string, stored bool) source {
	return source{dir: dir, environ: o.Environ, skip: o.SkipFiles, stored: stored}
}

// isSecretForm tells a map that stands for a secret value from a map of values: by
// what only such a map has.
func isSecretForm(n *node) bool {
	return n.kind == kindMap && (n.get(secretKey) != nil || n.get(managerKey) != nil || n.get(ssmKey) != nil)
}

// secretText reads the text of a flag or field as a secret, if it is the JSON of one.
// What was meant as one and is no JSON is an error: it would be kept in the clear.
func secretText(n *node) (*node, *Problem) {
	if !strings.HasPrefix(strings.TrimSpace(n.text), "{") {
		return nil, nil
	}
	out, err := parseJSON(n.pos, []byte(n.text))
	isJSON := err == nil
	switch {
	case !isJSON && meantAsSecret.MatchString(n.text):
		return nil, n.pos.problem(CodeSecret, "this looks like a secret, and is no JSON of one").WithHint("%s", secretHint)
	case !isJSON || !isSecretForm(out):
		return nil, nil
	}
	return out, nil
}

// meantAsSecret finds a key of a secret's form in what is no JSON.
var meantAsSecret = lazyregexp.New(`(?s)^\s*\{(.*[\s"',{])?(` + secretKey + `|` + managerKey + `|` + ssmKey + `)["']?\s*:`)

const secretHint = `Write {"secret": "TEXT"}, {"secretsManager": "NAME"} or {"ssm": "NAME"}, names and texts in double quotes.`

// CheckSecretText refuses a text that begins like the form of a secret and is no JSON,
// such as one whose last brace is missing. The error does not show it.
func CheckSecretText(text string) *Problem {
	if !meantAsSecret.MatchString(text) || json.Valid([]byte(text)) {
		return nil
	}
	return pos{}.problem(CodeSecret, "this looks like a secret, and is no JSON of one").
		WithHint("%s", secretHint)
}

// uncover turns the form of a secret into a node that holds its text and knows that
// it is secret. name is what the value is called in errors.
func (s source) uncover(n *node, name string) (*node, *Problem) {
	out := &node{pos: n.pos, kind: kindString, value: "", secret: &Secret{}}
	wrong := func(at *node, format string, args ...any) (*node, *Problem) {
		return nil, at.pos.problem(CodeSecret, format, args...).WithHint("Write %s.", SecretForms)
	}
	for _, e := range n.entries {
		known := []string{secretKey}
		switch {
		case n.get(managerKey) != nil:
			known = []string{managerKey, entryKey}
		case n.get(ssmKey) != nil:
			known = []string{ssmKey}
		}
		if !slices.Contains(known, e.key) {
			return wrong(&node{pos: e.pos}, "%s: %q does not go together with %q", name, clip(e.key), known[0])
		}
		if _, ok := e.value.value.(string); !ok && e.key != secretKey {
			return wrong(e.value, "%s: %s must be a string, not %s", name, e.key, e.value.kind)
		}
	}
	if v := n.get(secretKey); v != nil {
		return s.given(out, v, name)
	}
	ref := Secret{SecretsManager: textOf(n.get(managerKey)), Key: textOf(n.get(entryKey)), SSM: textOf(n.get(ssmKey))}
	switch {
	case n.get(entryKey) != nil && ref.Key == "":
		return wrong(n.get(entryKey), "%s: key is empty", name)
	case n.get(managerKey) != nil && !secretName.MatchString(ref.SecretsManager):
		return wrong(n.get(managerKey), "%s: %q is neither the name nor the ARN of a secret of Secrets Manager", name, clip(ref.SecretsManager))
	case n.get(ssmKey) != nil && !ssmName.MatchString(ref.SSM):
		return wrong(n.get(ssmKey), "%s: %q is neither the name nor the ARN of a parameter of Systems Manager", name, clip(ref.SSM))
	}
	*out.secret = ref
	return out, nil
}

func textOf(n *node) string {
	if n == nil {
		return ""
	}
	s, _ := n.value.(string)
	return s
}

// given reads {secret: ...}: a text, or the place on this machine that has it.
func (s source) given(out, v *node, name string) (*node, *Problem) {
	wrong := func(at *node, format string, args ...any) (*node, *Problem) {
		return nil, at.pos.problem(CodeSecret, format, args...).WithHint("Write %s.", SecretForms)
	}
	if text, ok := v.value.(string); ok {
		out.text, out.value = text, text
		return out, nil
	}
	if v.kind == kindNull && s.stored {
		out.secret.Hidden = true
		return out, nil
	}
	if v.kind != kindMap || len(v.entries) != 1 {
		return wrong(v, "%s: secret must be a string, {env: NAME} or {file: PATH}, not %s", name, v.kind)
	}
	e := v.entries[0]
	from, ok := e.value.value.(string)
	switch {
	case !ok || from == "":
		return wrong(e.value, "%s: secret.%s must be the name of a variable or a file", name, clip(e.key))
	case e.key != envKey && e.key != fileKey:
		return wrong(&node{pos: e.pos}, "%s: a secret is read from env or file here, not from %q", name, clip(e.key))
	case s.skip:
		out.secret.Hidden = true
		return out, nil
	case e.key == envKey:
		return s.fromEnv(out, e.value, name, from)
	}
	return s.fromFile(out, e.value, name, from)
}

func (s source) fromEnv(out, at *node, name, variable string) (*node, *Problem) {
	lookup := s.environ
	if lookup == nil {
		lookup = os.LookupEnv
	}
	text, ok := lookup(variable)
	switch {
	case !ok:
		return nil, at.pos.problem(CodeSecret, "%s: there is no environment variable %s", name, clip(variable)).WithHint("Set %s to the secret and run this again.", clip(variable))
	case text == "":
		return nil, at.pos.problem(CodeSecret, "%s: the environment variable %s is empty", name, clip(variable)).WithHint("Set %s to the secret and run this again.", clip(variable))
	case !utf8.ValidString(text):
		return nil, at.pos.problem(CodeSecret, "%s: the environment variable %s is not UTF-8", name, clip(variable)).WithHint("A secret is text; encode bytes as Base64.")
	}
	out.text, out.value = text, text
	return out, nil
}

// fromFile reads a secret's file. The line break at its end, which editors and echo
// leave there, is no part of the secret.
func (s source) fromFile(out, at *node, name, path string) (*node, *Problem) {
	local := localPath(path, s.dir)
	f, err := os.Open(local)
	if err != nil {
		return nil, at.pos.problem(CodeSecret, "%s: the secret's file %s can't be read: %s", name, local, fault.Reason(err)).
			WithHint("Create it, readable for you alone, or correct the path; it is relative to %s.", s.dir).Because(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	raw = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	if err == nil {
		switch {
		case len(raw) == 0:
			err = errors.New("it is empty")
		case len(raw) > maxSecret:
			err = errors.New("it has more than 64 KiB")
		case !utf8.Valid(raw):
			err = errors.New("it is not UTF-8; encode bytes as Base64")
		}
	}
	if err != nil {
		return nil, at.pos.problem(CodeSecret, "%s: the secret's file %s can't be used: %s", name, local, fault.Reason(err)).WithHint("Put the secret there, as text.").Because(err)
	}
	out.text, out.value = string(raw), string(raw)
	return out, nil
}

// CheckSecret holds the value of a reference, once it was read, against the rules of
// its parameter. The value is in no error.
func (p *Parameter) CheckSecret(at SecretPath, value string) error {
	n := textNode(pos{}, value)
	n.secret = &Secret{}
	return p.checkText(n, at.String(), value).err()
}

// References returns the paths of the values that are read at deployment, sorted.
func (p *Pipeline) References() []SecretPath {
	var out []SecretPath
	for path, s := range p.Secrets {
		if s.Reference() {
			out = append(out, path)
		}
	}
	slices.SortFunc(out, func(a, b SecretPath) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// IsSecret tells whether the value at a path is to be kept from readers: because the
// template says so of the parameter, or the pipeline of this value.
func (p *Pipeline) IsSecret(t *Template, path SecretPath) bool {
	if param, ok := t.Parameter(path.Parameter); ok && param.Secret {
		return true
	}
	_, ok := p.Secrets[path]
	return ok
}

// HoldsSecrets tells whether Parameters and Document hold the text of a secret.
func (p *Pipeline) HoldsSecrets(t *Template) bool {
	for _, s := range p.Secrets {
		if !s.unknown() {
			return true
		}
	}
	return slices.ContainsFunc(t.Secrets(), func(name string) bool { return isSet(p.Parameters[name]) })
}

// Shown returns the parameters for readers: hidden stands for each secret value, and a
// reference for what it refers to. Nothing else may show a pipeline's parameters.
func (p *Pipeline) Shown(t *Template, hidden string) map[string]any {
	out := make(map[string]any, len(p.Parameters))
	for name, v := range p.Parameters {
		param, known := t.Parameter(name)
		out[name] = v
		if !known {
			continue
		}
		out[name] = param.Shown(v, p.SecretsOf(name), hidden)
	}
	for path := range p.Secrets {
		if _, ok := out[path.Parameter]; !ok && path.Entry == "" {
			out[path.Parameter] = hidden
		}
	}
	return out
}

// SecretsOf are the secrets of a parameter, by entry; "" is the parameter itself.
func (p *Pipeline) SecretsOf(name string) map[string]Secret {
	var out map[string]Secret
	for path, s := range p.Secrets {
		if path.Parameter != name {
			continue
		}
		if out == nil {
			out = map[string]Secret{}
		}
		out[path.Entry] = s
	}
	return out
}

// Shown is a value of the parameter for readers; secrets are those of the value, by
// entry.
func (p *Parameter) Shown(value any, secrets map[string]Secret, hidden string) any {
	if s, ok := secrets[""]; ok || p.Secret && isSet(value) {
		if s.Reference() && !p.Secret {
			return s.plain(nil)
		}
		return hidden
	}
	m, ok := value.(map[string]string)
	if !ok || len(secrets) == 0 {
		return value
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		switch s, secret := secrets[k]; {
		case !secret:
			out[k] = v
		case s.Reference():
			out[k] = s.plain(nil)
		default:
			out[k] = hidden
		}
	}
	return out
}

// shown is a value of a parameter in an error.
func (t *Template) shown(name string, value any, secrets map[string]Secret) string {
	if p, ok := t.Parameter(name); ok {
		return p.Format(value, secrets)
	}
	return format(value)
}

// covered is a value as a document holds it: secrets in their forms.
func covered(value any, secrets map[string]Secret) any {
	if s, ok := secrets[""]; ok {
		return s.plain(value)
	}
	m, ok := value.(map[string]string)
	if !ok || len(secrets) == 0 {
		return value
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		if s, ok := secrets[k]; ok {
			out[k] = s.plain(v)
		} else {
			out[k] = v
		}
	}
	return out
}

// line writes a value of Shown on one line.
func line(v any) string {
	if m, ok := v.(map[string]any); ok {
		text, err := json.Marshal(m)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	return format(v)
}

// Pick returns what a reference means of the text that it leads to: all of it, or one
// entry of the JSON object that it is. The text is in no error.
func (s Secret) Pick(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", fault.New(fault.Invalid, "it is not UTF-8").WithHint("A secret is text; encode bytes as Base64.")
	}
	if s.Key == "" {
		return text, nil
	}
	var object map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil || object == nil {
		return "", fault.New(fault.Invalid, "it holds no JSON object, so it has no entry %s", s.Key).WithHint("Leave out key to take the whole text.")
	}
	switch v := object[s.Key].(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case nil:
		e := fault.New(fault.Invalid, "its JSON object has no entry %s", s.Key)
		return "", e.WithHint("Correct key; it has the entries %s.", strings.Join(sortedKeys(object), ", "))
	}
	return "", fault.New(fault.Invalid, "the entry %s of its JSON object is no text", s.Key).WithHint("Name an entry that is a string, or leave out key to take the whole text.")
}
