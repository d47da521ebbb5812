package spec

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// settings are what any layer may say about its pipelines. The fields are nodes
// so that an error knows where a value was said.
type settings struct {
	Env                 *node `json:"env"`
	Template            *node `json:"template"`
	Region              *node `json:"region"`
	AssumeRole          *node `json:"assumeRole"`
	PermissionsBoundary *node `json:"permissionsBoundary"`
	Protect             *node `json:"protect"`
	Tags                *node `json:"tags"`
	Parameters          *node `json:"parameters"`
	// Rollout is another way to write parameters.rollout.
	Rollout *node `json:"rollout"`
	// Notify is another way to write parameters.notify.
	Notify *node `json:"notify"`
	Checks *node `json:"checks"`
}

// AllowedSetting says in words what a setting of every pipeline may be, as
// Parameter.Allowed does of a parameter; "" if there is no such setting.
func AllowedSetting(name string) string {
	switch name {
	case "tenant":
		return tenantPart.help
	case "model":
		return modelPart.help
	case "env":
		return envPart.help
	case "region":
		return "an AWS region such as us-east-1"
	case "tags":
		return "a map of strings"
	case "protect":
		return "true or false"
	case "assumeRole":
		return roleHelp
	case "permissionsBoundary":
		return boundaryHelp
	case rolloutGroup:
		return rolloutHelp
	case notifyGroup:
		return notifyHelp
	}
	return ""
}

// rank says which layer wins: the higher.
type rank int

const (
	rankDefault rank = iota // of the template
	rankDefaults
	rankTenant
	rankPipeline
	rankSet
)

// layer is the settings of one place.
type layer struct {
	settings

	rank rank
	dir  string // relative paths are relative to this
	// dormant is set for values that a stored spec keeps until they apply again.
	dormant bool
}

// unread is a layer that is there, but of which nothing is known: it could not be read.
func unread(rank rank, at pos) *layer {
	bad := &node{pos: at, bad: true}
	return &layer{rank: rank, settings: settings{bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad}}
}

var (
	roleRule     = lazyregexp.New(`^arn:(aws[a-z-]*):iam::\d{12}:role/[\w+=,.@/-]+$`)
	boundaryRule = lazyregexp.New(`^arn:(aws[a-z-]*):iam::(?:\d{12}|aws):policy/[\w+=,.@/-]+$`)
)

// What the two ARNs have to be, in words.
const (
	roleHelp     = "the ARN of a role such as arn:aws:iam::111122223333:role/deployer"
	boundaryHelp = "the ARN of a policy such as arn:aws:iam::111122223333:policy/boundary"
)

// parseSet reads "name=value" flags, and a rollout before them, into the strongest layer. Of
// two for the same name the later wins, as is usual for flags.
func parseSet(opts Options) (*layer, problems) {
	l := &layer{rank: rankSet, dir: opts.Dir}
	flag := pos{source: "--set"}
	var errs problems
	params, tags := &node{pos: flag.in("parameters"), kind: kindMap}, &node{pos: flag.in("tags"), kind: kindMap}
	if opts.Rollout != "" {
		said, problem := setRollout(opts.Rollout)
		if problem != nil {
			errs = append(errs, problem)
		}
		for _, s := range said {
			name, value, _ := strings.Cut(s, "=")
			params.put(rawEntry(pos{source: rolloutFlag}.in("parameters", name), name, value))
		}
	}
	for _, s := range opts.Set {
		name, value, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		p := pos{source: "--set " + name}
		switch key, isTag := strings.CutPrefix(name, "tags."); {
		case !utf8.ValidString(s):
			errs = append(errs, flag.problem(CodeEncoding, "%q is not UTF-8 text", s).WithHint("Set the terminal's locale to UTF-8 and type it again."))
		case !ok || name == "":
			errs = append(errs, flag.problem(CodeFlag, "%q is not name=value", s).WithHint("Write it like --set instanceType=ml.m5.large."))
		case isTag:
			at := p.in("tags", key)
			tags.put(entry{key: key, pos: at, value: textNode(at, value)})
		case name == "tags":
			at := p.in("tags")
			tagMap, problem := tagsFromText(at, value)
			if problem != nil {
				errs = append(errs, problem)
				continue
			}
			for _, e := range tagMap.entries {
				tags.put(e)
			}
		case !l.putSetting(name, textNode(p.in(name), value)):
			params.put(rawEntry(p.in("parameters", name), name, value))
		}
	}
	if len(params.entries) > 0 {
		l.Parameters = params
	}
	if len(tags.entries) > 0 {
		l.Tags = tags
	}
	return l, errs
}

// rawEntry is a parameter as it was typed.
func rawEntry(at pos, name, text string) entry {
	n := textNode(at, text)
	n.raw = true
	return entry{key: name, pos: at, value: n}
}

// Sets tells whether "name=value" flags give a parameter another value than it has.
func Sets(set []string, parameter string) bool {
	return slices.ContainsFunc(set, func(s string) bool {
		name, _, ok := strings.Cut(s, "=")
		return ok && strings.TrimSpace(name) == parameter
	})
}

// putSetting takes a flag that is no parameter.
func (l *layer) putSetting(name string, n *node) bool {
	switch name {
	case "region":
		l.Region = n
	case "assumeRole":
		l.AssumeRole = n
	case "permissionsBoundary":
		l.PermissionsBoundary = n
	case "protect":
		if b, err := parseJSON(n.pos, []byte(n.text)); err == nil {
			n = b
		}
		l.Protect = n
	default:
		return false
	}
	return true
}

// put adds an entry, or takes the place of the one of the same key.
func (n *node) put(e entry) {
	if old := n.find(e.key); old != nil {
		*old = e
		return
	}
	n.entries = append(n.entries, e)
}

// text returns a setting that has to be a string, "" if it is absent.
func text(n *node, name string, errs *problems) string {
	if n == nil || n.bad {
		return ""
	}
	s, ok := n.value.(string)
	if !ok {
		*errs = append(*errs, typeError(n, name, "a string"))
	}
	return s
}

// check looks at the settings that no template is needed for.
func (l *layer) check() problems {
	var errs problems
	at := func(e *Problem) {
		if e != nil {
			errs = append(errs, e)
		}
	}
	if s := text(l.Env, "env", &errs); l.Env.isText() {
		at(envPart.check(l.Env.pos, s))
	}
	if s := text(l.Region, "region", &errs); l.Region.isText() {
		at(checkRegion(l.Region.pos, s))
	}
	text(l.Template, "template", &errs)
	for _, c := range []struct {
		n          *node
		name, like string
		rule       *lazyregexp.Regexp
	}{
		{l.AssumeRole, "assumeRole", roleHelp, roleRule},
		{l.PermissionsBoundary, "permissionsBoundary", boundaryHelp, boundaryRule},
	} {
		if s := text(c.n, c.name, &errs); s != "" && !c.rule.MatchString(s) {
			errs = append(errs, c.n.problem(CodeARN, "%s is %q, but it must be %s", c.name, s, c.like).WithHint("Copy the ARN from the IAM console or from `aws iam`."))
		}
	}
	if n := l.Protect; n != nil && !n.bad && n.kind != kindBool {
		errs = append(errs, typeError(n, "protect", "true or false"))
	}
	errs = append(errs, checkTags(l.Tags)...)
	if n := l.Parameters; n != nil && !n.bad && n.kind != kindMap {
		errs = append(errs, typeError(n, "parameters", "a map"))
	}
	if n := l.Rollout; n != nil && !n.bad && n.kind != kindMap {
		if short, e := shortRollout(n); e != nil {
			errs = append(errs, e)
			l.Rollout = &node{pos: n.pos, bad: true}
		} else {
			l.Rollout = short
		}
	}
	if n := l.Notify; n != nil && !n.bad && n.kind != kindMap {
		errs = append(errs, typeError(n, notifyGroup, "a map").WithHint("Write %s.", notifyHelp))
	}
	return append(errs, checkChecks(l.Checks)...)
}

// isText tells whether there is a text.
func (n *node) isText() bool { return n != nil && !n.bad && n.kind == kindString }
