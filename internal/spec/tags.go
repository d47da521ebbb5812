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
