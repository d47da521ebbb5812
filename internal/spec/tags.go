package spec

import (
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// AWS allows 50 tags a resource; ten are kept for the tool's own.
const (
	maxUserTags     = 40
	systemTagPrefix = "pipelinetui:"
)

// tagForm is what AWS allows in keys and values.
// See https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html.
var tagForm = lazyregexp.New(`^[\p{L}\p{N}\p{Z}_.:/=+\-@]*$`)

const tagFormHelp = "letters, digits, spaces and _ . : / = + - @"

// ParseTags reads tags as they are typed: JSON, a map of strings. What it returns may still
// break AWS's rules: Build tells that. The problem is nil if it is such a map.
func ParseTags(text string) (map[string]string, *Problem) {
	n, problem := tagsFromText(pos{}.in("tags"), text)
	if problem != nil {
		return nil, problem.WithHint(`Write JSON, for example {"NAME":"value"}.`)
	}
	out := make(map[string]string, len(n.entries))
	for _, e := range n.entries {
		s, ok := e.value.value.(string)
		if !ok {
			return nil, typeError(e.value, "tags."+e.key, "a string").WithHint(`Write it in double quotes, for example {"NAME":"5"}.`)
		}
		out[e.key] = s
	}
	return out, nil
}

// tagsFromText is a map of tags that was typed as JSON.
func tagsFromText(at pos, text string) (*node, *Problem) {
	n, err := parseJSON(at, []byte(text))
	switch {
	case err != nil:
		return nil, at.problem(CodeSyntax, "tags must be a map: %s", err).WithHint(`Write --set tags.NAME=value, or --set 'tags={"NAME":"value"}'.`)
	case n.kind != kindMap:
		return nil, typeError(n, "tags", "a map")
	}
	return n, nil
}

// checkTags holds the tags of one layer against AWS's rules. Keys that differ
// in case only are refused, for IAM takes them for the same.
func checkTags(tags *node) problems {
	if tags == nil || tags.bad {
		return nil
	}
	if tags.kind != kindMap {
		return problems{typeError(tags, "tags", "a map")}
	}
	var errs problems
	seen := map[string]string{}
	for _, e := range tags.entries {
		fail := func(p *Problem, hint string) {
			errs = append(errs, problems{p.WithHint("%s", hint)}.within("tags."+e.key)...)
		}
		lower := strings.ToLower(e.key)
		switch n := utf8.RuneCountInString(e.key); {
		case n < 1 || n > 128 || !tagForm.MatchString(e.key):
			fail(e.pos.problem(CodeTag, "a key has 1 to 128 of %s", tagFormHelp), "Choose another key.")
		case strings.HasPrefix(lower, "aws:"):
			fail(e.pos.problem(CodeTag, "keys that begin with aws: are AWS's own"), "Choose another key.")
		case strings.HasPrefix(lower, systemTagPrefix):
			fail(e.pos.problem(CodeTag, "keys that begin with %s are set by the tool", systemTagPrefix), "Choose another key.")
		case seen[lower] != "":
			fail(e.pos.problem(CodeTag, "IAM takes it for the same key as %q", seen[lower]), "Rename one of the two.")
		}
		seen[lower] = e.key
		s, ok := e.value.value.(string)
		switch n := utf8.RuneCountInString(s); {
		case e.value.bad:
		case !ok:
			errs = append(errs, typeError(e.value, "tags."+e.key, "a string"))
		case n < 1 || n > 256 || !tagForm.MatchString(s):
			fail(e.value.problem(CodeTag, "a value has 1 to 256 of %s", tagFormHelp), "Choose another value.")
		}
	}
	return errs
}

// checkTagCount bounds the merged tags of a pipeline; layers are checked alone.
func checkTagCount(at pos, tags map[string]string) problems {
	at = at.in("tags")
	var errs problems
	if len(tags) > maxUserTags {
		errs = append(errs, at.problem(CodeCount, "the pipeline has %d tags, but it may have %d", len(tags), maxUserTags).
			WithHint("Remove some; AWS allows 50 and the tool needs the rest."))
	}
	seen := map[string]string{}
	for _, key := range sortedKeys(tags) {
		lower := strings.ToLower(key)
		if seen[lower] != "" {
			errs = append(errs, at.problem(CodeTag, "the tags %q and %q are the same key to IAM", seen[lower], key).WithHint("Rename one of the two."))
		}
		seen[lower] = key
	}
	return errs
}
