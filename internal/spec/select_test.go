package spec_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	var all []spec.Pipeline
	for _, s := range []string{"acme/fraud", "acme/iris", "acme/iris/prod", "globex/iris", "globex/iris/prod"} {
		id, err := spec.ParseID(s)
		require.NoError(t, err)
		p := spec.Pipeline{ID: id, Template: "realtime", Tags: map[string]string{"tier": map[string]string{"acme": "gold", "globex": "silver"}[id.Tenant]}}
		if id.Model == "fraud" {
			p.Tags["pii"] = "yes"
		}
		all = append(all, p)
	}
	for name, tc := range map[string]struct {
		patterns, labels []string
		want             []string
	}{
		"all":          {nil, nil, []string{"acme/fraud", "acme/iris", "acme/iris/prod", "globex/iris", "globex/iris/prod"}},
		"one":          {[]string{"acme/iris"}, nil, []string{"acme/iris"}},
		"one, in full": {[]string{"acme/iris/dev"}, nil, []string{"acme/iris"}},
		"env dev only": {[]string{"acme/*"}, nil, []string{"acme/fraud", "acme/iris"}},
		"every env":    {[]string{"acme/*/*"}, nil, []string{"acme/fraud", "acme/iris", "acme/iris/prod"}},
		"an env":       {[]string{"*/*/prod"}, nil, []string{"acme/iris/prod", "globex/iris/prod"}},
		"several":      {[]string{"globex/iris", "acme/f?aud", "acme/fraud"}, nil, []string{"acme/fraud", "globex/iris"}},
		"label":        {nil, []string{"tier=silver"}, []string{"globex/iris", "globex/iris/prod"}},
		"not":          {nil, []string{"tier!=silver", "pii!=yes"}, []string{"acme/iris", "acme/iris/prod"}},
		"exists":       {nil, []string{"pii"}, []string{"acme/fraud"}},
		"system tag":   {nil, []string{"pipelinetui:env=prod,tier=gold"}, []string{"acme/iris/prod"}},
		"both":         {[]string{"*/iris"}, []string{"tier=gold"}, []string{"acme/iris"}},
		"no such":      {nil, []string{"tier=bronze"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := spec.Select(all, tc.patterns, tc.labels)
			require.NoError(t, err)
			var names []string
			for _, p := range got {
				names = append(names, p.ID.String())
			}
			require.Empty(t, cmp.Diff(tc.want, names))
		})
	}
	for name, tc := range map[string]struct {
		patterns, labels []string
		kind             fault.Kind
		hint             string
	}{
		"mistyped": {[]string{"acme/iris", "acme/irsi"}, nil, fault.NotFound, `Did you mean "acme/iris"?`},
		"nobody":   {[]string{"nobody/*"}, nil, fault.NotFound, "There are acme/fraud"},
		"no name":  {[]string{"acme"}, nil, fault.Invalid, "Write tenant/model"},
		"bracket":  {[]string{"acme/[a"}, nil, fault.Invalid, "Close every ["},
		"no label": {nil, []string{"=x"}, fault.Invalid, "Write -l tag=value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.Select(all, tc.patterns, tc.labels)
			require.ErrorIs(t, err, tc.kind)
			var e *fault.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Hint, tc.hint)
		})
	}
}
