// Package plans owns what is agreed to before it is done: the file that holds what a preview
// has found of several pipelines, and in what the present differs from it.
//
// It is not Pulumi's update plan (docs/decisions/0031-saved-plans.md). The package is pure.
package plans

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// MaxBytes bounds the file.
const MaxBytes = 64 << 20

const (
	apiVersion = "pipelinetui/v1"
	kind       = "SavedPlan"
)

// Place is where a plan is to be applied.
type Place struct {
	Target   string `json:"target"`
	Endpoint string `json:"endpoint,omitempty"`
	Account  string `json:"account"`
	// Backend is without passwords.
	Backend string `json:"backend"`
}

// Selection is how the pipelines of a plan were chosen, so that they are chosen again
// where nothing else is said. Values of parameters are not in it: they may be secret.
type Selection struct {
	Pipelines []string `json:"pipelines,omitempty"`
	File      string   `json:"file,omitempty"`
	Template  string   `json:"template,omitempty"`
	Tenant    string   `json:"tenant,omitempty"`
	Labels    []string `json:"labels,omitempty"`
	Failed    bool     `json:"failed,omitempty"`
	// Set are the names of the parameters that were set beside it.
	Set []string `json:"set,omitempty"`
	// Rollout is --rollout, whole: there is nothing secret in it.
	Rollout string `json:"rollout,omitempty"`
}

// Plan is what was shown.
type Plan struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Made       time.Time `json:"made"`
	// Tool is the version of the program.
	Tool      string    `json:"tool"`
	Place     Place     `json:"place"`
	Selection Selection `json:"selection"`
	// Refresh says that the real state of every resource was read first.
	Refresh bool `json:"refresh,omitempty"`
	// Policies are the packs that agreed.
	Policies []Policy `json:"policies,omitempty"`
	// Salt goes into the digests of secrets.
	Salt      []byte     `json:"salt"`
	Pipelines []Pipeline `json:"pipelines"`
	// Sum is the digest of all the rest.
	Sum string `json:"sum"`
}

// Policy is a policy pack.
type Policy struct {
	Name string `json:"name"`
	// Digest is of what it consists of and of its configuration.
	Digest string `json:"digest"`
}

// Pipeline is what was shown of one.
type Pipeline struct {
	Pipeline string `json:"pipeline"`
	// Basis is the state that was looked at (stack.Result.Basis).
	Basis string `json:"basis"`
	// Content is what it is to be made from, without the text of any secret; Secrets is a
	// digest of those. Where a passphrase seals the stack, only who has it can find out by
	// trying what they are; where a key of a cloud does, trying is only slow.
	Content revisions.Content `json:"content"`
	Secrets string            `json:"secrets,omitempty"`
	// Resources are those that are to change.
	Resources []Resource `json:"resources"`
}

// Resource is one that is to change, as it was shown: secrets blinded.
type Resource struct {
	URN  string               `json:"urn"`
	Type string               `json:"type"`
	Name string               `json:"name"`
	Op   stack.Op             `json:"op"`
	Diff []stack.PropertyDiff `json:"diff,omitempty"`
}

// NewSalt is a salt for the secrets of a plan that is to be made.
func NewSalt() []byte {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	return salt
}

// New is a plan without pipelines. at is now, tool the program's version.
func New(at time.Time, tool string, place Place, salt []byte) *Plan {
	return &Plan{APIVersion: apiVersion, Kind: kind, Made: at.UTC(), Tool: tool, Place: place, Salt: salt}
}

// Add adds what a preview found of a pipeline. The error is of an outcome that is none.
func (p *Plan) Add(r pipelines.Outcome, rows []stack.Row) error {
	if r.Err != nil || r.Content == nil {
		return fault.New(fault.Conflict, "%s has no plan: it could not be looked at", r.ID).Because(r.Err)
	}
	one := Pipeline{Pipeline: r.ID.String(), Basis: r.Result.Basis, Content: r.Content.Sealed(), Secrets: r.Secrets, Resources: []Resource{}}
	given := givenNames(rows)
	for i := range rows {
		// What the engine keeps for itself is in the content; where files lie on a machine is not.
		if row := &rows[i]; row.Op != stack.OpSame && row.Op != "" && !kinds.Engines(row.Type) {
			one.Resources = append(one.Resources, Resource{row.URN, row.Type, row.Name, row.Op, given.of(row.Diff)})
		}
	}
	p.Pipelines = append(p.Pipelines, one)
	return nil
}

// anyName stands for the end of a name that the engine makes up.
const anyName = "-0000000"

// ending finds what may be a name with an end that the engine makes up: seven digits, other
// ones at each look.
// https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
var ending = lazyregexp.New("[0-9A-Za-z_-]+-[0-9a-f]{7}\\b")

// fromFile is what is shown of a file: where it lies, and what it holds.
var fromFile = lazyregexp.New(`^(asset|archive)\(.+, (sha256:[0-9a-f]+)\)$`)

// names tell which resources get a name that is made up, by what it begins with, and what each
// is called that is there: such a name is a choice.
type names map[string][]string

// givenNames finds what is to be created, or made anew: until that is done its name is another
// one at each look, which is no difference, wherever it stands. That a replacement changes
// the name, the engine does not always tell of itself, only of what refers to it.
func givenNames(rows []stack.Row) names {
	out := names{}
	for i := range rows {
		if op := rows[i].Op; op == stack.OpCreate || op == stack.OpReplace {
			out[rows[i].Name] = append(out[rows[i].Name], rows[i].ID)
		}
	}
	return out
}

// of is a difference with what stands for such names, also within other texts and lists.
func (n names) of(diff []stack.PropertyDiff) []stack.PropertyDiff {
	out := slices.Clone(diff)
	for i := range out {
		out[i].Path, out[i].New = n.text(out[i].Path), n.in(out[i].New)
	}
	return out
}

// text is a text with what stands for made up names, and without where a file lies.
func (n names) text(s string) string {
	s = fromFile.ReplaceAllString(s, "$1($2)")
	return ending.ReplaceAllStringFunc(s, func(found string) string {
		begins := found[:len(found)-len(anyName)]
		there, madeUp := n[begins]
		if !madeUp || slices.ContainsFunc(there, func(id string) bool { return id == found || strings.HasSuffix(id, "/"+found) }) {
			return found
		}
		return begins + anyName
	})
}

func (n names) in(v any) any {
	switch v := v.(type) {
	case string:
		return n.text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = n.in(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[n.text(k)] = n.in(v[k])
		}
		return out
	}
	return v
}

// Encode is the file.
func (p *Plan) Encode() ([]byte, error) {
	whole := *p
	var err error
	if whole.Sum, err = p.sum(); err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		return nil, fault.New(fault.Internal, "write the plan down: %v", err).Because(err)
	}
	if len(raw) >= MaxBytes {
		return nil, fault.New(fault.Unsupported, "the plan is of %d MiB, and %d are what is read again", len(raw)>>20, MaxBytes>>20).
			WithHint("Make several plans, of fewer pipelines each.")
	}
	return append(raw, '\n'), nil
}

// sum is the digest of all but the digest. The plan is written and read once before: what
// JSON makes of a value is what is compared.
func (p *Plan) sum() (string, error) {
	bare := *p
	bare.Sum = ""
	raw, err := json.Marshal(bare)
	if err != nil {
		return "", fault.New(fault.Internal, "write the plan down: %v", err).Because(err)
	}
	var plain any
	if err = json.Unmarshal(raw, &plain); err == nil {
		raw, err = json.Marshal(plain)
	}
	if err != nil {
		return "", fault.New(fault.Internal, "write the plan down: %v", err).Because(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Decode reads a file of Encode. name is what it is called in errors, which are
// fault.Invalid: no plan, one of a later version, or one that was changed.
func Decode(name string, raw []byte) (*Plan, error) {
	const again = "Make it again with `pipelinetui preview --save-plan`."
	if len(raw) >= MaxBytes {
		return nil, fault.New(fault.Invalid, "%s is too large for a plan", name).WithHint(again)
	}
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(&p)
	switch {
	case p.Kind == kind && p.APIVersion != apiVersion:
		return nil, fault.New(fault.Invalid, "%s is a plan of another version, %q", name, p.APIVersion).WithHint("Apply it with the program that made it: version %s.", p.Tool)
	case err != nil || p.Kind != kind || dec.More():
		return nil, fault.New(fault.Invalid, "%s is no plan of pipelinetui, or not a whole one", name).Because(err).WithHint(again)
	}
	sum, err := p.sum()
	if err != nil {
		return nil, err
	}
	if sum != p.Sum {
		return nil, fault.New(fault.Invalid, "%s was changed after it was written", name).WithHint(again)
	}
	return &p, nil
}

// Elsewhere says in what a place differs from that of the plan; "" if in nothing.
func (p *Plan) Elsewhere(now Place) string {
	for _, x := range []struct{ what, planned, now string }{
		{"target", p.Place.Target, now.Target},
		{"endpoint", p.Place.Endpoint, now.Endpoint},
		{"account", p.Place.Account, now.Account},
		{"backend", p.Place.Backend, now.Backend},
	} {
		if x.planned != x.now {
			return fmt.Sprintf("the %s is %s, and the plan is for %s", x.what, shown(x.now), shown(x.planned))
		}
	}
	return ""
}

// Differences say in what the present differs from the plan, a sentence each; none if it is
// as it was. Pipelines are compared by all that they are made from, by the state that they
// start from and by each property that was shown to change. Policy packs that did not look at the
// plan may look at it now.
func (p *Plan) Differences(now *Plan) []string {
	var out []string
	for _, was := range p.Policies {
		switch named := func(is Policy) bool { return is.Name == was.Name }; {
		case slices.Contains(now.Policies, was):
		case slices.ContainsFunc(now.Policies, named):
			out = append(out, "the policy pack "+was.Name+", or its configuration, is another one than agreed to the plan")
		default:
			out = append(out, "the policy pack "+was.Name+" agreed to the plan, and is not asked now: --policy-pack")
		}
	}
	then := map[string]*Pipeline{}
	for i := range p.Pipelines {
		then[p.Pipelines[i].Pipeline] = &p.Pipelines[i]
	}
	for i := range now.Pipelines {
		is := &now.Pipelines[i]
		was := then[is.Pipeline]
		delete(then, is.Pipeline)
		if was == nil {
			out = append(out, is.Pipeline+" is not in the plan")
			continue
		}
		for _, text := range was.differences(is) {
			out = append(out, is.Pipeline+": "+text)
		}
	}
	for i := range p.Pipelines {
		if name := p.Pipelines[i].Pipeline; then[name] != nil {
			out = append(out, name+" is in the plan, and is not there now")
		}
	}
	return out
}

func (p *Pipeline) differences(now *Pipeline) []string {
	var out []string
	if p.Basis != now.Basis {
		out = append(out, "its stack was changed after the plan was made")
	}
	for _, d := range revisions.Diff(p.Content, now.Content) {
		out = append(out, fmt.Sprintf("%s is %s, and in the plan %s", d.Path, shown(d.New), shown(d.Old)))
	}
	if len(out) == 0 && p.Content.Digest() != now.Content.Digest() {
		out = append(out, "what it is made from is not what it was")
	}
	if p.Secrets != now.Secrets {
		out = append(out, "a secret has another value than in the plan")
	}
	was := map[string]*Resource{}
	for i := range p.Resources {
		was[p.Resources[i].URN] = &p.Resources[i]
	}
	for i := range now.Resources {
		r := &now.Resources[i]
		planned := was[r.URN]
		delete(was, r.URN)
		out = append(out, planned.differences(r)...)
	}
	for i := range p.Resources {
		if r := &p.Resources[i]; was[r.URN] != nil {
			out = append(out, fmt.Sprintf("%s would stay as it is, and the plan says %s", r.label(), r.Op))
		}
	}
	return out
}

func (r *Resource) label() string { return r.Name + " (" + r.Type + ")" }

// differences compares a planned resource, nil if it was not to change, with what would be
// done to it now.
func (r *Resource) differences(now *Resource) []string {
	switch {
	case r == nil:
		return []string{fmt.Sprintf("%s: %s, and the plan leaves it as it is", now.label(), now.Op)}
	case r.Op != now.Op:
		return []string{fmt.Sprintf("%s: %s, and the plan says %s", now.label(), now.Op, r.Op)}
	}
	planned, is := map[string]stack.PropertyDiff{}, map[string]stack.PropertyDiff{}
	var paths []string
	for _, d := range r.Diff {
		planned[d.Path] = d
		paths = append(paths, d.Path)
	}
	for _, d := range now.Diff {
		is[d.Path] = d
		paths = append(paths, d.Path)
	}
	slices.Sort(paths)
	var out []string
	for _, path := range slices.Compact(paths) {
		a, planned := planned[path]
		b, found := is[path]
		switch {
		case !planned:
			out = append(out, fmt.Sprintf("%s of %s would change to %s, and the plan leaves it", path, now.label(), shown(b.New)))
		case !found:
			out = append(out, fmt.Sprintf("%s of %s would stay, and the plan changes it to %s", path, now.label(), shown(a.New)))
		case !same(a, b):
			out = append(out, fmt.Sprintf("%s of %s would change from %s to %s, and in the plan from %s to %s",
				path, now.label(), shown(b.Old), shown(b.New), shown(a.Old), shown(a.New)))
		}
	}
	return out
}

// same compares as JSON does: a plan that was read has no other numbers than that.
func same(a, b stack.PropertyDiff) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// shown is a value in a sentence.
func shown(v any) string {
	const most = 80
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		if v == "" {
			return "nothing"
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if utf8.RuneCount(raw) > most {
		raw = []byte(string([]rune(string(raw))[:most]) + "…")
	}
	return string(raw)
}
