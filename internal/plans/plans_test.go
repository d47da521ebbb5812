package plans

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// found is what a preview finds of a pipeline.
func found(t *testing.T, change func(o *pipelines.Outcome, rows []stack.Row)) *Plan {
	t.Helper()
	o := pipelines.Outcome{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}, Secrets: "s", Content: &revisions.Content{Document: map[string]any{
		"directory": "/home/a", "parameters": map[string]any{"count": 3, "token": map[string]any{"secret": "sesame"}},
	}}}
	o.Result.Basis = "b"
	rows := []stack.Row{
		{URN: "u1", Type: "aws:s3/bucket:Bucket", Name: "data", Op: stack.OpUpdate, Diff: []stack.PropertyDiff{{Path: "size", Kind: stack.DiffUpdate, Old: 1, New: 2}}},
		{URN: "u2", Type: "aws:iam/role:Role", Name: "role", Op: stack.OpSame},
		{URN: "u3", Type: "pulumi:index:Stash", Name: "spec", Op: stack.OpUpdate},
	}
	if change != nil {
		change(&o, rows)
	}
	p := New(time.Unix(0, 0), "1", Place{Target: "aws", Account: "1", Backend: "s3://x"}, []byte("salt"))
	require.NoError(t, p.Add(o, rows))
	return p
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	raw, err := found(t, nil).Encode()
	require.NoError(t, err)
	require.NotContains(t, string(raw), "sesame")
	plan, err := Decode("plan.json", raw)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(o *pipelines.Outcome, rows []stack.Row)
		want   []string
	}{
		"nothing":          {nil, nil},
		"another folder":   {func(o *pipelines.Outcome, _ []stack.Row) { o.Content.Document["directory"] = "/home/b" }, nil},
		"the engine's own": {func(_ *pipelines.Outcome, r []stack.Row) { r[2].Op = stack.OpSame }, nil},
		"another state":    {func(o *pipelines.Outcome, _ []stack.Row) { o.Result.Basis = "c" }, []string{"acme/fraud: its stack was changed after the plan was made"}},
		"another secret":   {func(o *pipelines.Outcome, _ []stack.Row) { o.Secrets = "t" }, []string{"acme/fraud: a secret has another value than in the plan"}},
		"another image":    {func(o *pipelines.Outcome, _ []stack.Row) { o.Content.Image = "x" }, []string{"acme/fraud: what it is made from is not what it was"}},
		"another object":   {func(o *pipelines.Outcome, _ []stack.Row) { o.Content.Objects = map[string]string{"model": "e"} }, []string{`acme/fraud: model content is "e", and in the plan nothing`}},
		"a replacement":    {func(_ *pipelines.Outcome, r []stack.Row) { r[0].Op = stack.OpReplace }, []string{"acme/fraud: data (aws:s3/bucket:Bucket): replace, and the plan says update"}},
		"less":             {func(_ *pipelines.Outcome, r []stack.Row) { r[0].Op = stack.OpSame }, []string{"acme/fraud: data (aws:s3/bucket:Bucket) would stay as it is, and the plan says update"}},
		"more":             {func(_ *pipelines.Outcome, r []stack.Row) { r[1].Op = stack.OpDelete }, []string{"acme/fraud: role (aws:iam/role:Role): delete, and the plan leaves it as it is"}},
		"another value":    {func(_ *pipelines.Outcome, r []stack.Row) { r[0].Diff[0].New = 9 }, []string{"acme/fraud: size of data (aws:s3/bucket:Bucket) would change from 1 to 9, and in the plan from 1 to 2"}},
		"another property": {func(_ *pipelines.Outcome, r []stack.Row) { r[0].Diff[0].Path = "age" }, []string{"acme/fraud: age of data (aws:s3/bucket:Bucket) would change to 2, and the plan leaves it", "acme/fraud: size of data (aws:s3/bucket:Bucket) would stay, and the plan changes it to 2"}},
		"another pipeline": {func(o *pipelines.Outcome, _ []stack.Row) { o.ID.Model = "other" }, []string{"acme/other is not in the plan", "acme/fraud is in the plan, and is not there now"}},
		"a parameter's text": {func(o *pipelines.Outcome, _ []stack.Row) {
			o.Content.Document["parameters"] = map[string]any{"count": 4}
		}, []string{"acme/fraud: count is 4, and in the plan 3", `acme/fraud: token is nothing, and in the plan "[secret]"`}},
	} {
		require.Equal(t, c.want, plan.Differences(found(t, c.change)), name)
	}
	plan.Policies = []Policy{{"house", "d"}, {"law", "e"}}
	now := found(t, nil)
	now.Policies = []Policy{{"more", "f"}, {"law", "g"}}
	require.Equal(t, []string{"the policy pack house agreed to the plan, and is not asked now: --policy-pack", "the policy pack law, or its configuration, is another one than agreed to the plan"},
		plan.Differences(now))
	require.Empty(t, plan.Elsewhere(plan.Place))
	require.Equal(t, `the account is "2", and the plan is for "1"`, plan.Elsewhere(Place{Target: "aws", Account: "2", Backend: "s3://x"}))
	require.Error(t, plan.Add(pipelines.Outcome{Err: errors.New("no")}, nil))
}

// The end of a name that the engine makes up is another one at each look, until what has it is
// there: that is no difference, wherever the name stands.
func TestNamesThatAreMadeUp(t *testing.T) {
	t.Parallel()
	with := func(end, other string) *Plan {
		return found(t, func(_ *pipelines.Outcome, rows []stack.Row) {
			name := "ptui-acme-fraud-dev-m" + end
			rows[0] = stack.Row{URN: "m", Type: "aws:sagemaker/model:Model", Name: "ptui-acme-fraud-dev-m", Op: stack.OpReplace, Diff: []stack.PropertyDiff{
				{Path: "name", Kind: stack.DiffUpdate, Old: "ptui-acme-fraud-dev-m-0123456", New: name},
			}}
			rows[1] = stack.Row{URN: "c", Type: "aws:sagemaker/endpointConfiguration:EndpointConfiguration", Name: "c", Op: stack.OpCreate, Diff: []stack.PropertyDiff{
				{Path: "productionVariants", Kind: stack.DiffAdd, New: []any{map[string]any{"modelName": name, "initialInstanceCount": 1, "other": other}}},
			}}
		})
	}
	plan := with("-abcdef0", "a")
	require.Empty(t, plan.Differences(with("-1234567", "a")))
	require.Len(t, plan.Differences(with("-1234567", "b")), 1, "another value beside it")
	require.Len(t, plan.Differences(with("-chosen!", "a")), 2, "a name that somebody gave")
}

// What the engine tells of a replacement is what forces it, not always its new name: that is
// seen where others refer to it, at any depth, in ARNs and in JSON.
func TestNamesOfWhatIsReplaced(t *testing.T) {
	t.Parallel()
	type given struct{ model, config, other, file string }
	with := func(g given) *Plan {
		return found(t, func(_ *pipelines.Outcome, rows []stack.Row) {
			const model, config = "ptui-acme-fraud-dev-m", "ptui-acme-fraud-dev-c"
			m, c := model+g.model, config+g.config
			rows[0] = stack.Row{URN: "m", Type: "aws:sagemaker/model:Model", Name: model, ID: model + "-0123456", Op: stack.OpReplace, Diff: []stack.PropertyDiff{
				{Path: "primaryContainer.modelDataUrl", Kind: stack.DiffUpdate, Replace: true, Old: "s3://b/old", New: "s3://b/new"},
				{Path: "source", Kind: stack.DiffUpdate, Old: "asset(/old, sha256:1)", New: "asset(" + g.file + ")"},
			}}
			rows[1] = stack.Row{URN: "c", Type: "aws:sagemaker/endpointConfiguration:EndpointConfiguration", Name: config, ID: config + "-0123456", Op: stack.OpReplace, Diff: []stack.PropertyDiff{
				{Path: "productionVariants[0].modelName", Kind: stack.DiffUpdate, Replace: true, Old: model + "-0123456", New: m},
			}}
			rows[2] = stack.Row{URN: "e", Type: "aws-native:sagemaker:Endpoint", Name: "endpoint", Op: stack.OpUpdate, Diff: []stack.PropertyDiff{
				{Path: "endpointConfigName", Kind: stack.DiffUpdate, Old: config + "-0123456", New: c},
				{Path: "policy", Kind: stack.DiffUpdate, New: `{"Resource":"arn:aws:sagemaker:us-east-1:1:model/` + m + `","In":"{\"Name\":\"` + c + `\"}"}`},
				{Path: "tags", Kind: stack.DiffUpdate, New: map[string]any{m: []any{"x", c + "/live"}, "other": g.other}},
			}}
		})
	}
	one, other := given{"-abcdef0", "-0000001", "", "/home/a/m.tar.gz, sha256:2"}, given{"-1234567", "-7654321", "", "/home/b/m.tar.gz, sha256:2"}
	plan := with(one)
	require.Empty(t, plan.Differences(with(other)))
	for name, c := range map[string]struct {
		change func(g *given)
		want   int
	}{
		"it keeps the model that is there":     {func(g *given) { g.model = "-0123456" }, 3},
		"a name that somebody gave":            {func(g *given) { g.model = "-chosen!" }, 3},
		"more than what is made up":            {func(g *given) { g.config = "-12345678" }, 3},
		"a name of nothing that is replaced":   {func(g *given) { g.other = "ptui-acme-fraud-dev-x-1234567" }, 1},
		"a longer name that only ends like it": {func(g *given) { g.other = "my-ptui-acme-fraud-dev-m-1234567" }, 1},
		"another file":                         {func(g *given) { g.file = "/home/b/m.tar.gz, sha256:3" }, 1},
	} {
		now := other
		c.change(&now)
		require.Len(t, plan.Differences(with(now)), c.want, name)
	}
}
