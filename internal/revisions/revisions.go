// Package revisions owns what one `up` makes of a pipeline: how it is written down,
// numbered and told from the one before, which ones are kept, and how two differ.
//
// The ledger of a pipeline lies in its stack (docs/decisions/0019-revisions-in-the-stack.md).
// The package is pure: it may import fault of this module and nothing else.
package revisions

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Template is the template of a revision, by content.
type Template struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// SHA256 is the digest of its files; "" if it is not known.
	SHA256 string `json:"sha256,omitempty"`
	// Object is the copy of its files in the pipeline's bucket.
	Object string `json:"object,omitempty"`
}

// Content is what a revision is made from.
type Content struct {
	// Document is the spec that is kept with the stack (spec.Pipeline.Document), with its
	// copies of artifacts. What is secret is in it as {"secret": anything}.
	Document map[string]any `json:"document"`
	Template Template       `json:"template"`
	// Model and Code are digests: "sha256:..." of what the tool has put into the bucket,
	// "etag:..." of what somebody else has, "" if there is none or it is not known.
	Model string `json:"model,omitempty"`
	Code  string `json:"code,omitempty"`
	// Image is the container image as it was named, ImageDigest what that stood for when the
	// revision was made; "" if that is not known.
	Image       string `json:"image,omitempty"`
	ImageDigest string `json:"imageDigest,omitempty"`
	// Objects tell what lay in S3 where parameters say, by parameter.
	Objects map[string]string `json:"objects,omitempty"`
}

// Origin says where a revision comes from.
type Origin struct {
	// RollbackTo is the revision that it brings back.
	RollbackTo int `json:"rollbackTo,omitempty"`
	// TurnedBack is the revision that it took the place of since its checks failed.
	TurnedBack int `json:"turnedBack,omitempty"`
	// PromotedFrom is the pipeline whose artifacts it took, PromotedRevision its revision.
	PromotedFrom     string `json:"promotedFrom,omitempty"`
	PromotedRevision int    `json:"promotedRevision,omitempty"`
}

// String is "rollback to 3", "turned back from 4 to 3" or "promoted from acme/fraud revision 7".
func (o *Origin) String() string {
	switch {
	case o == nil:
		return ""
	case o.TurnedBack > 0:
		return "turned back from " + strconv.Itoa(o.TurnedBack) + " to " + strconv.Itoa(o.RollbackTo)
	case o.RollbackTo > 0:
		return "rollback to " + strconv.Itoa(o.RollbackTo)
	case o.PromotedFrom != "":
		return "promoted from " + o.PromotedFrom + " revision " + strconv.Itoa(o.PromotedRevision)
	}
	return ""
}

// Record is one revision as its stack keeps it. It is written before anything of it is
// made.
type Record struct {
	Content

	Number int       `json:"number"`
	Begun  time.Time `json:"begun"`
	// By is who began it, "user@host".
	By string `json:"by,omitempty"`
	// Tool is the version of pipelinetui.
	Tool    string `json:"tool,omitempty"`
	Message string `json:"message,omitempty"`
	// Origin says where it comes from, if it is no plain up.
	Origin *Origin `json:"origin,omitempty"`
	// Digest is that of the content without secrets.
	Digest string `json:"digest"`
}

// Made is what exists of a revision that was brought to its end.
type Made struct {
	// Machine is the ARN of the state machine's version.
	Machine string `json:"machine,omitempty"`
	// Model is the name of the SageMaker model, Function the version of the function.
	Model    string `json:"model,omitempty"`
	Function string `json:"function,omitempty"`
}

// Ledger is what a stack knows of a pipeline's revisions.
type Ledger struct {
	Revisions map[string]Record `json:"revisions"`
	// Made has those that were brought to their end before the current one.
	Made map[string]Made `json:"made,omitempty"`
	// Current is the number of the newest revision that was brought to its end, 0 if there
	// is none, and CurrentMade what exists of it: the stack's outputs tell.
	Current     int  `json:"-"`
	CurrentMade Made `json:"-"`
}

// Key is the name of a revision in the ledger.
func Key(number int) string { return "r" + strconv.Itoa(number) }

// Read decodes a ledger; nil is an empty one.
func Read(raw []byte, current int, made Made) (*Ledger, error) {
	l := &Ledger{Current: current, CurrentMade: made}
	if len(raw) == 0 {
		return l, nil
	}
	if err := json.Unmarshal(raw, l); err != nil {
		return nil, damaged(err.Error()).Because(err)
	}
	for key, r := range l.Revisions {
		if r.Number <= 0 || key != Key(r.Number) {
			return nil, damaged("the entry " + strconv.Quote(key) + " is of no revision")
		}
	}
	return l, nil
}

func damaged(why string) *fault.Error {
	return fault.New(fault.Damaged, "what the stack knows of its revisions can't be read: %s", why).
		WithHint("`pipelinetui cancel --restore` puts an older copy of the stack's state in its place, if the state is damaged.")
}

// List returns the revisions, the newest first.
func (l *Ledger) List() []Record {
	out := slices.Collect(maps.Values(l.Revisions))
	slices.SortFunc(out, func(a, b Record) int { return cmp.Compare(b.Number, a.Number) })
	return out
}

// Last is the newest revision, whether or not it was brought to its end; nil if there is none.
func (l *Ledger) Last() *Record {
	list := l.List()
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

// Find returns a revision; nil if the ledger has none of that number.
func (l *Ledger) Find(number int) *Record {
	r, ok := l.Revisions[Key(number)]
	if !ok {
		return nil
	}
	return &r
}

// Complete tells whether a revision was brought to its end.
func (l *Ledger) Complete(number int) bool {
	_, ok := l.Made[Key(number)]
	return ok || number == l.Current
}

// MadeOf is what exists of a revision; false if it never was brought to its end.
func (l *Ledger) MadeOf(number int) (Made, bool) {
	if number == l.Current && number > 0 {
		return l.CurrentMade, true
	}
	m, ok := l.Made[Key(number)]
	return m, ok
}

func none() error {
	return fault.New(fault.NotFound, "no revision of the pipeline is known").
		WithHint("An `up` of this version of pipelinetui makes the first; older ones left none.")
}

// Get is Find with an error that says what there is.
func (l *Ledger) Get(number int) (*Record, error) {
	if r := l.Find(number); r != nil {
		return r, nil
	}
	list := l.List()
	if len(list) == 0 {
		return nil, none()
	}
	oldest, newest := list[len(list)-1].Number, list[0].Number
	return nil, fault.New(fault.NotFound, "there is no revision %d: %d to %d are kept", number, oldest, newest).
		WithHint("`pipelinetui history PIPELINE` shows them.")
}

// Step is what the next update does to the ledger.
type Step struct {
	// Number is that of the revision that is made, or made whole.
	Number int
	// Same is set if that is the newest one already: nothing is written down.
	Same bool
	// Kept are the numbers of those that stay, the new one not among them.
	Kept []int
	// Made is what exists of those that stay.
	Made map[string]Made
}

// Next tells what an update to a content does to the ledger. An update that is made of
// the same as the newest revision is of that revision: it mends it, or changes nothing.
// keep is how many that were brought to their end are kept, the newest among them, 2 at least; of those that
// were not, at most as many. sameSecrets is asked only where all else is the same, and there are secrets.
func (l *Ledger) Next(content Content, keep int, sameSecrets func() (bool, error)) (Step, error) {
	last := l.Last()
	if last == nil {
		return Step{Number: l.Current + 1}, nil
	}
	if last.Digest == content.Digest() {
		same := true
		var err error
		if hasSecret(content.Document) {
			same, err = sameSecrets()
		}
		if same || err != nil {
			return Step{Number: last.Number, Same: true}, err
		}
	}
	s := Step{Number: max(last.Number, l.Current) + 1, Kept: l.keep(keep), Made: map[string]Made{}}
	for _, n := range s.Kept {
		if m, ok := l.MadeOf(n); ok {
			s.Made[Key(n)] = m
		}
	}
	return s, nil
}

// keep are the revisions that stay when a new one is written down, so that afterwards
// there are n whole ones, and always the one in service.
func (l *Ledger) keep(n int) []int {
	var kept []int
	whole, broken := 0, 0
	for _, r := range l.List() {
		if l.Complete(r.Number) {
			if whole++; whole > max(n-1, 1) {
				break
			}
		} else if broken++; broken > n {
			continue
		}
		kept = append(kept, r.Number)
	}
	slices.Sort(kept)
	return kept
}

// SameDocument tells whether two documents say the same, secrets included, wherever
// files lie on the machine.
func SameDocument(a, b map[string]any) bool {
	x, y := normalDocument(a, true), normalDocument(b, true)
	return same(x, y)
}

// Normal is a document in the form in which SameDocument compares it, secrets included.
func Normal(doc map[string]any) map[string]any { return normalDocument(doc, true) }

func normalDocument(doc map[string]any, secrets bool) map[string]any {
	out, _ := normal(doc, secrets).(map[string]any)
	delete(out, "directory")
	return out
}

// Digest is a digest of all that the content says, but for secrets and for where files
// lie on the machine.
func (c Content) Digest() string {
	c.Document = c.pinned(normalDocument(c.Document, false))
	c.Image, c.ImageDigest = Pinned(c.Image, c.ImageDigest), ""
	c.Template.Object = ""
	raw, err := json.Marshal(c)
	if err != nil {
		panic("revisions: a document of JSON can't fail to marshal: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Pinned is an image by its digest, without its tag: as SageMaker takes it, which takes one
// of both. Without a digest it is the image without its tag if it has a digest of its own.
func Pinned(image, digest string) string {
	name, own, named := strings.Cut(image, "@")
	if !named && digest == "" {
		return image
	}
	if tag := strings.LastIndexByte(name, ':'); tag > strings.LastIndexByte(name, '/') {
		name = name[:tag]
	}
	return name + "@" + cmp.Or(own, digest)
}

// Short is a digest as people tell it from others.
func Short(digest string) string {
	const few = 12
	kind, sum, ok := strings.Cut(digest, ":")
	if !ok || len(sum) <= few {
		return digest
	}
	return kind + ":" + sum[:few]
}

// pinned is a document in which the image is named by its digest, so that a revision is the
// same as one that names it by a tag which stood for it. The document is changed.
func (c Content) pinned(doc map[string]any) map[string]any {
	if parameters, ok := doc["parameters"].(map[string]any); ok && c.Image != "" && parameters["image"] == c.Image {
		parameters["image"] = Pinned(c.Image, c.ImageDigest)
	}
	return doc
}

// Sealed is the content without the text of any secret, and without where files lie: what
// Digest is of.
func (c Content) Sealed() Content {
	c.Document = normalDocument(c.Document, false)
	return c
}

// secretKey is the key of a secret's text in a document: {"secret": text}.
const secretKey = "secret"

func hasSecret(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			if _, ref := item.(map[string]any); k == secretKey && !ref || hasSecret(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasSecret)
	}
	return false
}

// normal is a JSON value in the one form that the engine keeps it in: no nulls, numbers
// as such.
func normal(v any, secrets bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			if _, form := item.(map[string]any); k == secretKey && !form && !secrets {
				out[k] = true
				continue
			}
			if item != nil {
				out[k] = normal(item, secrets)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = normal(item, secrets)
		}
		return out
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case int:
		return float64(v)
	}
	return v
}

// Objects are the keys of what the kept revisions need of the pipeline's bucket.
func (l *Ledger) Objects() map[string]bool {
	out := map[string]bool{}
	for _, r := range l.Revisions {
		copies, _ := r.Document["artifacts"].(map[string]any)
		for _, one := range copies {
			m, _ := one.(map[string]any)
			if key, ok := m["object"].(string); ok {
				out[key] = true
			}
		}
		if r.Template.Object != "" {
			out[r.Template.Object] = true
		}
	}
	return out
}
