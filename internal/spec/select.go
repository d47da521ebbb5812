package spec

import (
	"path"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Match tells whether a pattern names a pipeline. A pattern is the name of a
// pipeline in which * stands for any text and ? for one letter of a part:
// "acme/fraud", "acme/*" (env dev, as in names), "acme/*/*" (every env),
// "*/*/prod".
func Match(pattern string, id ID) (bool, error) {
	full := pattern
	switch strings.Count(pattern, "/") {
	case 1:
		full += "/" + DefaultEnv
	case 2:
	default:
		return false, textNode(pos{}, pattern).problem(CodeName, "%q is neither the name of a pipeline nor a pattern", pattern).
			WithHint("Write tenant/model or tenant/model/env; * stands for any text of a part, as in 'acme/*'.")
	}
	ok, err := path.Match(full, id.Tenant+"/"+id.Model+"/"+id.envOrDefault())
	if err != nil {
		return false, textNode(pos{}, pattern).problem(CodePattern, "the pattern %q is broken: %s", pattern, err).WithHint("Close every [ with a ].").Because(err)
	}
	return ok, nil
}

// Select returns the pipelines that match any of patterns (none: every one) and
// all of labels, in their order. A label is "tier=gold", "tier!=gold" or "tier"
// (has such a tag) and looks at user and system tags. A pattern that matches no
// pipeline is NotFound: a mistyped name must not pass for "nothing to do".
func Select(pipelines []Pipeline, patterns, labels []string) ([]Pipeline, error) {
	var errs fault.List
	matched := make([]bool, len(pipelines))
	for _, pattern := range patterns {
		found := false
		for i := range pipelines {
			ok, err := Match(pattern, pipelines[i].ID)
			if err != nil {
				return nil, err
			}
			matched[i] = matched[i] || ok
			found = found || ok
		}
		if !found {
			errs = append(errs, noMatch(pattern, pipelines))
		}
	}
	tests, err := parseLabels(labels)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return nil, errs
	}
	var out []Pipeline
	for i := range pipelines {
		if (len(patterns) == 0 || matched[i]) && tests.hold(pipelines[i].AllTags()) {
			out = append(out, pipelines[i])
		}
	}
	return out, nil
}

func noMatch(pattern string, pipelines []Pipeline) error {
	names := make([]string, len(pipelines))
	for i, p := range pipelines {
		names[i] = p.ID.String()
	}
	e := fault.New(fault.NotFound, "no pipeline matches %q", pattern)
	if s := suggest(pattern, names); s != "" {
		return e.WithHint("Did you mean %q?", s)
	}
	if len(names) > 0 && len(names) <= maxListed {
		return e.WithHint("There are %s.", strings.Join(names, ", "))
	}
	return e.WithHint("`pipelinetui list` shows the pipelines that there are.")
}

type labels []label

type label struct {
	key, value string
	not, any   bool
}

func parseLabels(texts []string) (labels, error) {
	var out labels
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ",") {
			key, value, valued := strings.Cut(part, "=")
			l := label{key: strings.TrimSuffix(key, "!"), value: value, not: valued && strings.HasSuffix(key, "!"), any: !valued}
			if l.key == "" {
				return nil, textNode(pos{}, text).problem(CodeTag, "%q is no label", text).WithHint("Write -l tag=value, -l tag!=value or -l tag.")
			}
			out = append(out, l)
		}
	}
	return out, nil
}

func (ls labels) hold(tags map[string]string) bool {
	for _, l := range ls {
		value, has := tags[l.key]
		if l.any && !has || !l.any && (has && value == l.value) == l.not {
			return false
		}
	}
	return true
}
