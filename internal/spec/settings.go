package spec

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
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

var (
	roleRule     = lazyregexp.New(`^arn:(aws[a-z-]*):iam::\d{12}:role/[\w+=,.@/-]+$`)
	boundaryRule = lazyregexp.New(`^arn:(aws[a-z-]*):iam::(?:\d{12}|aws):policy/[\w+=,.@/-]+$`)
)

// parseSet reads "name=value" flags into the strongest layer. Of two for the
// same name the later wins, as is usual for flags.
func parseSet(set []string, dir string) (*layer, fault.List) {
	l := &layer{rank: rankSet, dir: dir}
	var errs fault.List
	params, tags := &node{pos: pos{source: "--set"}, kind: kindMap}, &node{pos: pos{source: "--set"}, kind: kindMap}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		p := pos{source: "--set " + name}
		n := textNode(p, value)
		switch key, isTag := strings.CutPrefix(name, "tags."); {
		case !utf8.ValidString(s):
			errs = append(errs, pos{source: "--set"}.errorf("%q is not UTF-8 text", s).WithHint("Set the terminal's locale to UTF-8 and type it again."))
		case !ok || name == "":
			errs = append(errs, pos{source: "--set"}.errorf("%q is not name=value", s).WithHint("Write it like --set instanceType=ml.m5.large."))
		case isTag:
			tags.put(entry{key: key, pos: p, value: n})
		case name == "tags":
			tagMap, err := parseJSON(p, []byte(value))
			if err != nil {
				errs = append(errs, p.errorf("tags must be a map: %s", err).WithHint(`Write --set tags.NAME=value, or --set 'tags={"NAME":"value"}'.`))
				continue
			}
			if tagMap.kind != kindMap {
				errs = append(errs, typeError(tagMap, "tags", "a map"))
				continue
			}
			for _, e := range tagMap.entries {
				tags.put(e)
			}
		case !l.putSetting(name, n):
			n.raw = true
			params.put(entry{key: name, pos: p, value: n})
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
func text(n *node, name string, errs *fault.List) string {
	if n == nil {
		return ""
	}
	s, ok := n.value.(string)
	if !ok {
		*errs = append(*errs, typeError(n, name, "a string"))
	}
	return s
}

// check looks at the settings that no template is needed for.
func (l *layer) check() fault.List {
	var errs fault.List
	at := func(n *node, e *fault.Error) {
		if e != nil {
			e.Op = n.pos.String()
			errs = append(errs, e)
		}
	}
	if l.Env != nil {
		if s := text(l.Env, "env", &errs); l.Env.kind == kindString {
			at(l.Env, envPart.check(s))
		}
	}
	if l.Region != nil {
		if s := text(l.Region, "region", &errs); l.Region.kind == kindString {
			at(l.Region, checkRegion(s))
		}
	}
	text(l.Template, "template", &errs)
	for _, c := range []struct {
		n          *node
		name, like string
		rule       *lazyregexp.Regexp
	}{
		{l.AssumeRole, "assumeRole", "the ARN of a role such as arn:aws:iam::111122223333:role/deployer", roleRule},
		{l.PermissionsBoundary, "permissionsBoundary", "the ARN of a policy such as arn:aws:iam::111122223333:policy/boundary", boundaryRule},
	} {
		if c.n == nil {
			continue
		}
		if s := text(c.n, c.name, &errs); c.n.kind == kindString && s != "" && !c.rule.MatchString(s) {
			errs = append(errs, c.n.pos.errorf("%s is %q, but it must be %s", c.name, s, c.like).WithHint("Copy the ARN from the IAM console or from `aws iam`."))
		}
	}
	if l.Protect != nil && l.Protect.kind != kindBool {
		errs = append(errs, typeError(l.Protect, "protect", "true or false"))
	}
	errs = append(errs, checkTags(l.Tags)...)
	if l.Parameters != nil && l.Parameters.kind != kindMap {
		errs = append(errs, typeError(l.Parameters, "parameters", "a map"))
	}
	return errs
}
