package spec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

const header = "apiVersion: pipelinetui/v1\ndefaults: {template: realtime, region: us-east-1, parameters: {image: sandbox/linear, modelDataUrl: 's3://b/k'}}\n"

func load(t testing.TB, cat *spec.Catalog, text string, opts spec.Options) (*spec.Set, []string) {
	t.Helper()
	dir := t.TempDir()
	set, err := spec.Load(write(t, dir, "p.yaml", text), cat, opts)
	return set, lines(t, err, dir)
}

func TestLayers(t *testing.T) {
	t.Parallel()
	set, errs := load(t, builtin(t), `
apiVersion: pipelinetui/v1
defaults:
  template: realtime
  region: us-east-1
  tags: {team: ml, tier: none}
  parameters:
    image: sandbox/linear
    modelDataUrl: s3://b/k
    preprocess: {memoryMb: 300, timeoutSec: 10}
    instanceType: ml.m5.xlarge
tenants:
  acme:
    region: eu-west-1
    assumeRole: arn:aws:iam::111122223333:role/deploy/er
    permissionsBoundary: arn:aws:iam::111122223333:policy/boundary
    tags: {tier: gold}
    parameters: {preprocess.memoryMb: 400, maxInstances: 4}
  globex:
pipelines:
  - tenant: acme
    model: fraud
    env: prod
    tags: {cost: "7"}
    parameters: {preprocess: {memoryMb: 500}, preprocess.arch: x86_64}
  - {tenant: globex, model: fraud, region: us-gov-west-1, protect: true}
`, spec.Options{Region: "ap-south-1", Set: []string{"maxInstances=5", "tags.cost=8"}})
	require.Empty(t, errs)
	require.Len(t, set.Pipelines, 2)

	a := set.Pipelines[0]
	require.Equal(t, "acme/fraud/prod", a.ID.String())
	require.Equal(t, "eu-west-1", a.Region)
	require.Equal(t, "arn:aws:iam::111122223333:role/deploy/er", a.AssumeRole)
	require.Equal(t, "arn:aws:iam::111122223333:policy/boundary", a.PermissionsBoundary)
	require.True(t, a.Protect, "prod is protected")
	require.Equal(t, map[string]string{"team": "ml", "tier": "gold", "cost": "8"}, a.Tags)
	require.Equal(t, 500, a.Parameters.Int("preprocess.memoryMb"), "pipeline beats tenant")
	require.Equal(t, 10, a.Parameters.Int("preprocess.timeoutSec"), "defaults are inherited")
	require.Equal(t, "x86_64", a.Parameters.String("preprocess.arch"), "dotted names work beside nested ones")
	require.Equal(t, "ml.m5.xlarge", a.Parameters.String("instanceType"))
	require.Equal(t, 5, a.Parameters.Int("maxInstances"), "--set beats all")
	require.InDelta(t, 100.0, a.Parameters.Float("targetInvocationsPerInstance"), 0, "the template's default")
	require.Equal(t, []string{}, a.Parameters.Strings("subnets"))
	require.False(t, a.Parameters.Has("volumeGb"), "no value, no default: absent")

	g := set.Pipelines[1]
	require.Equal(t, "us-gov-west-1", g.Region)
	require.Empty(t, g.AssumeRole)
	require.True(t, g.Protect)
	require.Equal(t, 300, g.Parameters.Int("preprocess.memoryMb"))
}

func TestAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	set, errs := load(t, builtin(t), `
apiVersion: pipelinetui/v1
defaults: {template: realtime, region: us-east-1}
pipelines:
  - tenant: acme
    model: one
    parameters: &base
      image: sandbox/linear
      modelDataUrl: s3://b/k
      preprocess: {memoryMb: 300}
  - {tenant: acme, model: two, parameters: *base}
  - tenant: acme
    model: three
    parameters:
      <<: *base
      image: sandbox/other
`, spec.Options{})
	require.Empty(t, errs)
	require.Equal(t, 300, set.Pipelines[1].Parameters.Int("preprocess.memoryMb"))
	require.Equal(t, "sandbox/other", set.Pipelines[2].Parameters.String("image"))
	require.Equal(t, "s3://b/k", set.Pipelines[2].Parameters.String("modelDataUrl"))
}

// TestAllErrorsAtOnce is the promise of the spec file: every error, with its
// place, its rule and a hint, in the order of the file.
func TestAllErrorsAtOnce(t *testing.T) {
	t.Parallel()
	_, errs := load(t, builtin(t), `apiVersion: pipelinetui/v1
defaults:
  template: realtime
  parameters: {image: sandbox/linear, modelDataUrl: s3://b/k.tar.gz}
tenants:
  acme: {tags: {tier: gold}}
pipelines:
  - {tenant: acme, model: fraud, colour: 1}
  - tenant: acme
    model: Fraud_2
  - tenant: acmee
    model: x
  - tenant: acme
    model: y
    parameters:
      instanceTyp: ml.m5.large
      instanceType: ml.m5.larg
      serverlessMemoryMb: 5
      preprocess:
        memoryMb: 64
        code: ./nope
      subnets: [subnet-1, 5]
      tracing: "yes"
  - {tenant: acme, model: fraud}
  - {tenant: acme, model: w, region: mars, parameters: {subnets: [subnet-0a1b2c3d], minInstances: 3}}
`, spec.Options{Region: "us-east-1"})
	want := []string{
		`p.yaml:8:34: unknown key "colour" in pipelines | Use one of assumeRole, checks, env, model, notify, parameters, permissionsBoundary, protect, ` +
			`region, rollout, tags, template, tenant.`,
		`p.yaml:10:12: model "Fraud_2" is not allowed: it must be 1 to 20 of a-z, 0-9 and single hyphens, first a letter, last no hyphen | Use a name such as "fraud-2".`,
		`p.yaml:11:13: tenant "acmee" is not among the file's tenants | Did you mean "acme"? Else add ` + "`acmee: {}` to tenants.",
		`p.yaml:16:7: template realtime has no parameter "instanceTyp" | Did you mean "instanceType"?`,
		`p.yaml:17:21: instanceType is "ml.m5.larg", but it must be one of 224 choices | Did you mean "ml.m5.large"?`,
		`p.yaml:18:27: serverlessMemoryMb is "5", but it must be one of 1024, 2048, 3072, 4096, 5120, 6144 | Choose one of 1024, 2048, 3072, 4096, 5120, 6144.`,
		`p.yaml:20:19: preprocess.memoryMb is 64, but it must be an int from 128 to 10240 | Choose an int from 128 to 10240 (MB).`,
		`p.yaml:21:15: preprocess.code names "./nope", but there is no nope | Create it, or correct the path; it is relative to DIR.`,
		`p.yaml:22:17: subnets is "subnet-1", but it must be the id of a subnet such as subnet-0a1b2c3d4e5f60718 | The rule is ^subnet-([0-9a-f]{8}|[0-9a-f]{17})$.`,
		`p.yaml:22:27: subnets must hold strings, not an int (5) | Put it in quotes.`,
		"p.yaml:23:16: tracing must be true or false, not a string (yes) | Write it without quotes, for example `tracing: true`.",
		`p.yaml:24:6: pipeline acme/fraud is there twice, first in line 8 | Remove one of the two, or give it another model or env.`,
		`p.yaml:25:38: region "mars" is not an AWS region: it must look like us-east-1 | Name a region such as us-east-1, eu-central-1 or cn-north-1.`,
		`p.yaml:25:66: acme/w: subnets without securityGroups | Give both subnets and securityGroups, or neither.`,
		`p.yaml:25:99: acme/w: minInstances (3) is more than maxInstances (1) | Raise maxInstances or lower minInstances.`,
	}
	for i, e := range errs {
		if at := strings.Index(e, "relative to /"); at > 0 {
			errs[i] = e[:at] + "relative to DIR."
		}
	}
	require.Empty(t, cmp.Diff(want, errs))
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	one := func(rest string) string { return header + "pipelines:\n  - {tenant: acme, model: m" + rest + "}\n" }
	deep := strings.Repeat("[", 200_000)
	for name, tc := range map[string]struct {
		text string
		want string // a part of one of the errors
	}{
		"empty":             {"", "p.yaml:1:1: the file is empty"},
		"only a comment":    {"# hello\n", "p.yaml:1:1: the file is empty"},
		"no map":            {"- a\n", "the file must be a map, not a list"},
		"no apiVersion":     {"pipelines: [{tenant: a, model: b}]\n", "the file has no apiVersion"},
		"other apiVersion":  {"apiVersion: pipelinetui/v2\npipelines: []\n", `p.yaml:1:13: apiVersion is "pipelinetui/v2"`},
		"no pipelines":      {"apiVersion: pipelinetui/v1\n", "the file has no list of pipelines"},
		"no list":           {"apiVersion: pipelinetui/v1\npipelines: {}\n", "p.yaml:2:12: pipelines must be a list, not a map"},
		"unknown top key":   {"apiVersion: pipelinetui/v1\npipeline: []\n", `p.yaml:2:1: unknown key "pipeline" here | Did you mean "pipelines"?`},
		"syntax":            {"apiVersion: [\n", "p.yaml:1:13: "},
		"tab":               {"a:\n\tb: 1\n", "p.yaml:2:1: "},
		"two documents":     {header + "pipelines: []\n---\na: 1\n", "there is a second document"},
		"duplicate key":     {"apiVersion: a\napiVersion: b\n", `p.yaml:2:1: key "apiVersion" is there twice, first in line 1`},
		"too deep":          {deep, "nested more than 100 deep"},
		"too deep in lists": {strings.Repeat("- ", 200_000), "nested more than 100 deep"},
		"unknown anchor":    {"a: *b\n", "there is no anchor &b before this alias"},
		"alias of itself":   {"a: &a [*a]\n", "there is no anchor &a before this alias"},
		"yaml tag":          {"a: !!binary abc\n", "YAML tags such as !!binary are not supported"},
		"not a number":      {one(", parameters: {maxInstances: .nan}"), "is not a number that can be used here"},
		"merge of no map":   {"a: {<<: 3}\n", "only a map can be merged"},
		"pipeline no map":   {header + "pipelines: [acme/fraud]\n", "pipelines[0] must be a map, not a string (acme/fraud)"},
		"no tenant":         {header + "pipelines: [{model: m}]\n", "the pipeline has no tenant | Add `tenant: ...`."},
		"tenant no string":  {header + "pipelines: [{tenant: 5, model: m}]\n", `tenant must be a string, not an int (5) | Put it in quotes: "5".`},
		"no model":          {header + "pipelines: [{tenant: t}]\n", "the pipeline has no model"},
		"bad env":           {one(", env: production"), `p.yaml:4:35: env "production" is not allowed`},
		"env no string":     {one(", env: [a]"), "env must be a string, not a list"},
		"bad tenant key":    {header + "tenants: {Acme: {}}\npipelines: [{tenant: acme, model: m}]\n", `p.yaml:3:11: tenant "Acme" is not allowed`},
		"tenants no map":    {header + "tenants: [acme]\npipelines: [{tenant: acme, model: m}]\n", "tenants must be a map"},
		"defaults no map":   {"apiVersion: pipelinetui/v1\ndefaults: 5\npipelines: [{tenant: a, model: b}]\n", "defaults must be a map, not an int (5)"},
		"no template": {
			"apiVersion: pipelinetui/v1\npipelines: [{tenant: acme, model: m}]\n",
			"acme/m has no template | Add `template: ...` or --template; there are batch, realtime.",
		},
		"unknown template":   {one(", template: realtme"), `p.yaml:4:40: there is no template "realtme" | Did you mean "realtime"?`},
		"template no string": {one(", template: 5"), "template must be a string"},
		"bad role":           {one(", assumeRole: deployer"), `assumeRole is "deployer", but it must be the ARN of a role`},
		"bad boundary":       {one(", permissionsBoundary: arn:aws:iam::111122223333:role/x"), "permissionsBoundary is"},
		"role elsewhere": {
			one(", region: cn-north-1, assumeRole: arn:aws:iam::111122223333:role/x"),
			"assumeRole is in partition aws, but acme/m is in region cn-north-1 of partition aws-cn",
		},
		"protect no bool":    {one(", protect: 1"), "protect must be true or false, not an int (1)"},
		"tags no map":        {one(", tags: [a]"), "tags must be a map, not a list"},
		"tag no string":      {one(", tags: {cost: 12}"), `tags.cost must be a string, not an int (12) | Put it in quotes: "12".`},
		"tag empty":          {one(`, tags: {cost: ""}`), "tags.cost: a value has 1 to 256 of letters"},
		"tag of aws":         {one(`, tags: {"AWS:x": a}`), "tags.AWS:x: keys that begin with aws: are AWS's own"},
		"tag of the tool":    {one(`, tags: {"pipelinetui:x": a}`), "are set by the tool"},
		"tag characters":     {one(`, tags: {"a!": b}`), "tags.a!: a key has 1 to 128 of"},
		"tag with a percent": {one(`, tags: {"a%s": b}`), "tags.a%s: a key has 1 to 128 of"},
		"tag case":           {one(`, tags: {Team: a, team: b}`), `tags.team: IAM takes it for the same key as "Team"`},
		"parameters no map":  {one(", parameters: 7"), "parameters must be a map, not an int (7)"},
		"group no map":       {one(", parameters: {preprocess: 7}"), "preprocess must be a map, not an int (7)"},
		"unknown in group":   {one(", parameters: {preprocess: {memory: 256}}"), `has no parameter "preprocess.memory" | Did you mean "preprocess.memoryMb"?`},
		"last part only":     {one(", parameters: {memoryMb: 256}"), `Did you mean "preprocess.memoryMb"?`},
		"nothing like it":    {one(", parameters: {zzzzzzzzz: 256}"), "`pipelinetui templates show realtime` lists its parameters."},
		"twice":              {one(", parameters: {preprocess: {memoryMb: 256}, preprocess.memoryMb: 300}"), "preprocess.memoryMb is given twice, first in line 4"},
		"null":               {one(", parameters: {maxInstances: }"), "p.yaml:4:43: maxInstances has no value: it must be an int of at least 1"},
		"float for int":      {one(", parameters: {maxInstances: 1.5}"), "maxInstances must be an int of at least 1, not a float (1.5)"},
		"text for int":       {one(`, parameters: {maxInstances: "2"}`), "not a string (2) | Write it without quotes"},
		"nul":                {one(`, parameters: {preprocess: {environment: {A: "a\0b"}}}`), "the text has a NUL character in it | Leave it out."},
		"octal":              {one(`, parameters: {initialInstances: 010}`), "the number 010 begins with a zero, which some readers of YAML take for octal | Leave the zero out"},
		"too large":          {one(`, parameters: {initialInstances: 99999999999999999999}`), `initialInstances is "99999999999999999999", which is too large a number | Write an int`},
		"not above":          {one(", parameters: {targetInvocationsPerInstance: 0}"), "targetInvocationsPerInstance is 0, but it must be a number above 0"},
		"quoted int choice":  {one(`, parameters: {logRetentionDays: "30"}`), "Write it as 30."},
		"map for choice":     {one(`, parameters: {instanceType: {a: b}}`), "instanceType must be one of 224 choices, not a map"},
		"image":              {one(", parameters: {image: nginx}"), `image is "nginx", but it must be an image in ECR`},
		"image too long":     {one(", parameters: {image: sandbox/" + strings.Repeat("a", 300) + "}"), "image has 308 characters, but it may have 255"},
		"image elsewhere":    {one(", parameters: {image: '111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:1'}"), "image is in region eu-west-1, but the pipeline is in us-east-1"},
		"url without a key": {
			one(", parameters: {modelDataUrl: 's3://x'}"),
			`modelDataUrl is "s3://x", but it must be s3://BUCKET/KEY, without spaces | Write it like s3://my-models/fraud/model.tar.gz.`,
		},
		"url without a path": {one(", parameters: {modelDataUrl: 'https://x/'}"), `modelDataUrl is "https://x/", but it must be https://HOST/PATH, without spaces`},
		"url scheme":         {one(", parameters: {modelDataUrl: 'ftp://a/b'}"), `modelDataUrl is "ftp://a/b", but it must be s3://... or https://... or a local file (.tar.gz, .tgz)`},
		"url without path":   {one(", parameters: {modelDataUrl: 's3://bucket'}"), `modelDataUrl is "s3://bucket"`},
		"required but empty": {one(", parameters: {image: ''}"), "image is \"\", but"},
		"list for text":      {one(", parameters: {image: [a]}"), "image must be a string, not a list"},
		"text for list":      {one(", parameters: {subnets: subnet-0a1b2c3d}"), "subnets must be a list, not a string (subnet-0a1b2c3d)"},
		"item twice":         {one(", parameters: {subnets: [subnet-0a1b2c3d, subnet-0a1b2c3d], securityGroups: [sg-0a1b2c3d]}"), `subnets holds "subnet-0a1b2c3d" twice`},
		"too many items": {
			one(", parameters: {securityGroups: [sg-00000001, sg-00000002, sg-00000003, sg-00000004, sg-00000005, sg-00000006]}"),
			"securityGroups has 6 entries, but it must have at most 5",
		},
		"map value":    {one(", parameters: {modelEnvironment: {WORKERS: 2}}"), `modelEnvironment.WORKERS must be a string, not an int (2) | Put it in quotes: "2".`},
		"map key":      {one(", parameters: {modelEnvironment: {9A: b}}"), `modelEnvironment: the key "9A" must be letters, digits and underscores`},
		"reserved key": {one(", parameters: {preprocess.environment: {AWS_REGION: b}}"), `preprocess.environment: the key "AWS_REGION" is reserved`},
		"timeout": {
			one(", parameters: {preprocess.timeoutSec: 57, executionTimeoutSec: 60}"),
			"preprocess.timeoutSec (57) must be at least 5 less than executionTimeoutSec (60)",
		},
		"invoke timeout": {one(", parameters: {invokeTimeoutSec: 1000}"), "invokeTimeoutSec (1000) is more than executionTimeoutSec (900)"},
		"provisioned":    {one(", parameters: {endpointKind: serverless, provisionedConcurrency: 30}"), "provisionedConcurrency (30) is more than serverlessMaxConcurrency (20)"},
		"serverless vpc": {
			one(", parameters: {endpointKind: serverless, subnets: [subnet-0a1b2c3d]}"),
			"subnets does not apply when endpointKind is serverless | Leave subnets out; it takes effect when endpointKind is instance.",
		},
		"serverless isolation": {one(", parameters: {endpointKind: serverless, networkIsolation: true}"), "networkIsolation does not apply"},
		"serverless capture":   {one(", parameters: {endpointKind: serverless, dataCapturePercent: 5}"), "dataCapturePercent does not apply"},
		"burstable":            {one(", parameters: {instanceType: ml.t2.medium, maxInstances: 2}"), "it can't be that instanceType is ml.t2.medium and maxInstances is 2"},
		"volume on nvme":       {one(", parameters: {instanceType: ml.g5.xlarge, volumeGb: 20}"), "it can't be that instanceType is ml.g5.xlarge and volumeGb is 20"},
		"handler": {
			one(", parameters: {preprocess.handler: index.handler}"),
			`preprocess.handler is "index.handler" with runtime python3.13, but there is no index.py in the code that comes with the template`,
		},
		"boolean as logLevel": {one(", parameters: {logLevel: off}"), `Did you mean "OFF"?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := load(t, builtin(t), tc.text, spec.Options{})
			require.NotEmpty(t, errs)
			require.Contains(t, strings.Join(errs, "\n"), tc.want)
		})
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	_, errs := load(t, builtin(t), `
apiVersion: pipelinetui/v1
pipelines: [{tenant: acme, model: m, template: realtime}]
`, spec.Options{Region: "us-east-1"})
	require.Len(t, errs, 2)
	require.Contains(t, errs[0], "acme/m has no image, which template realtime requires | Add `image: "+
		"111122223333.dkr.ecr.us-east-1.amazonaws.com/fraud:1.4.2` to its parameters: Container image")
	require.Contains(t, errs[1], "acme/m has no modelDataUrl")
}

func TestNoRegion(t *testing.T) {
	t.Parallel()
	text := "apiVersion: pipelinetui/v1\npipelines: [{tenant: acme, model: m, template: realtime, parameters: {image: a/b, modelDataUrl: 's3://a/b'}}]\n"
	_, errs := load(t, builtin(t), text, spec.Options{})
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "acme/m has no region | Add `region: ...`, use --region, or set AWS_REGION.")
	_, errs = load(t, builtin(t), text, spec.Options{Region: "nowhere"})
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], `region "nowhere" is not an AWS region`)
}

func TestTooManyTags(t *testing.T) {
	t.Parallel()
	var a, b []string
	for i := range 21 {
		a = append(a, fmt.Sprintf("a%d: x", i))
		b = append(b, fmt.Sprintf("b%d: x", i))
	}
	text := "apiVersion: pipelinetui/v1\ndefaults: {template: realtime, region: us-east-1, tags: {" + strings.Join(a, ", ") +
		"}, parameters: {image: a/b, modelDataUrl: 's3://a/b'}}\n" +
		"pipelines: [{tenant: acme, model: m, tags: {" + strings.Join(b, ", ") + "}}]\n"
	_, errs := load(t, builtin(t), text, spec.Options{})
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "the pipeline has 42 tags, but it may have 40")
}

// TestServerless: what a shared layer says for instances goes unused, and the
// model is not isolated, since serverless endpoints can't be.
func TestServerless(t *testing.T) {
	t.Parallel()
	set, errs := load(t, builtin(t), `
apiVersion: pipelinetui/v1
defaults:
  template: realtime
  region: us-east-1
  parameters: {image: a/b, modelDataUrl: 's3://a/b', instanceType: ml.c5.large, subnets: [subnet-0a1b2c3d], securityGroups: [sg-0a1b2c3d], networkIsolation: true, volumeGb: 9}
pipelines:
  - {tenant: acme, model: m}
  - {tenant: acme, model: s, parameters: {endpointKind: serverless, networkIsolation: false}}
`, spec.Options{})
	require.Empty(t, errs)
	m, s := set.Pipelines[0].Parameters, set.Pipelines[1].Parameters
	require.True(t, m.Bool("networkIsolation"))
	require.Len(t, m.Strings("subnets"), 1)
	require.Equal(t, 9, m.Int("volumeGb"))
	require.False(t, s.Bool("networkIsolation"))
	require.Empty(t, s.Strings("subnets"))
	require.Equal(t, "ml.m5.large", s.String("instanceType"))
	require.False(t, s.Has("volumeGb"))
	require.NotContains(t, string(set.Pipelines[1].Document), "subnet")
}

// TestUnusedLayersAreChecked: an error in a tenant without pipelines is one.
func TestUnusedLayersAreChecked(t *testing.T) {
	t.Parallel()
	_, errs := load(t, builtin(t), header+`tenants:
  acme: {}
  globex: {parameters: {maxInstance: 2, minInstances: 0}}
pipelines: [{tenant: acme, model: m}]
`, spec.Options{})
	require.Len(t, errs, 2)
	require.Contains(t, errs[0], `p.yaml:5:25: template batch or realtime has no parameter "maxInstance"`)
	require.Contains(t, errs[0], `Did you mean "maxInstances"?`)
	require.Contains(t, errs[1], "minInstances is 0")
}

// TestTwoTemplates: a layer may hold parameters of several templates.
func TestTwoTemplates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, file := range tinyFS() {
		write(t, dir, name, string(file.Data))
	}
	cat, err := spec.LoadCatalog(templatesFS(), dir)
	require.NoError(t, err)
	require.Equal(t, []string{"batch", "realtime", "tiny"}, cat.Names())
	text := `
apiVersion: pipelinetui/v1
defaults: {region: us-east-1, parameters: {word: xyz, image: a/b, modelDataUrl: 's3://a/b'%s}}
pipelines:
  - {tenant: acme, model: a, template: tiny}
  - {tenant: acme, model: b, template: realtime}
`
	set, errs := load(t, cat, fmt.Sprintf(text, ""), spec.Options{})
	require.Empty(t, errs)
	require.Equal(t, "xyz", set.Pipelines[0].Parameters.String("word"))
	require.False(t, set.Pipelines[1].Parameters.Has("word"))

	_, errs = load(t, cat, fmt.Sprintf(text, ", nope: 1"), spec.Options{})
	require.Len(t, errs, 1, "no template has it")

	_, errs = load(t, cat, fmt.Sprintf(text, ""), spec.Options{Set: []string{"word=abc"}})
	require.Len(t, errs, 1, "--set is for every pipeline")
	require.Contains(t, errs[0], `--set word: acme/b: template realtime has no parameter "word"`)
}

func TestMissingSpec(t *testing.T) {
	t.Parallel()
	_, err := spec.Load(filepath.Join(t.TempDir(), "none.yaml"), builtin(t), spec.Options{})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotEmpty(t, fault.HintOf(err))
}

// TestBillionLaughs: aliases can't make a small file say a million things.
func TestBillionLaughs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	_, errs := load(t, builtin(t), b.String(), spec.Options{})
	require.NotEmpty(t, errs)
	require.Contains(t, errs[0], "values")
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(header + "pipelines:\n  - {tenant: acme, model: m, parameters: {preprocess: {memoryMb: 5}}}\n"))
	f.Add([]byte("a: &a [*a]\n<<: *a\n? x\n: y\n"))
	f.Add([]byte("pipelines: [{tenant: a, model: b, tags: {a: |\n  text\n}}]"))
	f.Add([]byte("apiVersion: pipelinetui/v1\ntenants:\n  acme:\npipelines:\n-\n-  tenant: !!str x\n"))
	examples, err := filepath.Glob("../../examples/*/*.yaml")
	require.NoError(f, err)
	for _, name := range examples {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, text := range []string{
		header + "pipelines: [{tenant: a-b, model: c}, {tenant: a, model: b-c}]",
		"x-a: &a {b: [1, 2]}\n" + header + "tenants: {a: {<<: *a}}\npipelines:\n  - tenant: a\n    model: b\n    parameters: {preprocess: {handler: x}}\n",
		"? [a]\n: b", "!!binary x", "\"\\x", "{a: {b: {c: ", "- - - -", "a: |\n  b\n c", "---\n---\n", "\xff\xfea\x00",
	} {
		f.Add([]byte(text))
	}
	cat := builtin(f)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "f.yaml")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		set, err := spec.Load(path, cat, spec.Options{Region: "us-east-1", SkipFiles: true})
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v, error %v", set, err)
		}
		if err != nil {
			for _, line := range lines(t, err, dir) {
				require.Less(t, len(line), 4096, "an error is a line, not the file")
			}
			return
		}
		for i := range set.Pipelines {
			again, err := spec.FromDocument(set.Pipelines[i].Document, cat, spec.Options{SkipFiles: true})
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(&set.Pipelines[i], again))
		}
	})
}

// TestLineEndings: a file from Windows has the same places.
func TestLineEndings(t *testing.T) {
	t.Parallel()
	text := "\xef\xbb\xbf" + strings.ReplaceAll(header+"pipelines:\n  - tenant: acme\n    model: m\n    # a comment\n    parameters:\n      maxInstances: 0\n", "\n", "\r\n")
	_, errs := load(t, builtin(t), text, spec.Options{})
	require.Len(t, errs, 1)
	require.True(t, strings.HasPrefix(errs[0], "p.yaml:8:21: maxInstances is 0"), errs[0])
}

// TestPlacesAfterEverything: places stay right behind comments, blank lines,
// block texts, quotes over several lines and flow maps over several lines.
func TestPlacesAfterEverything(t *testing.T) {
	t.Parallel()
	const text = `# the first line

apiVersion: pipelinetui/v1 # behind a value
defaults: {
  template: realtime, region: us-east-1, # inside a flow map
  parameters: {image: sandbox/linear,
    modelDataUrl: 's3://b/k'}
}

# between
tenants:
  acme:
    parameters:
      modelEnvironment:
        SCRIPT: |
          one
          # two, no comment

          three
        FOLDED: >-
          one
          two
        QUOTED: "one
          two"
        é: wide
pipelines:

  # before an item
  - tenant: acme

    model: m
    parameters:
      maxInstances: 0 # wrong
  - {tenant: acme, model: n, parameters: {maxInstances: 0,
      minInstances: 0}}
`
	_, errs := load(t, builtin(t), text, spec.Options{})
	for i, e := range errs {
		errs[i], _, _ = strings.Cut(e, " | ")
	}
	var want []string
	for _, w := range []string{
		`é: modelEnvironment: the key "é" must be letters, digits and underscores, first no digit`,
		"0 # wrong: maxInstances is 0, but it must be an int of at least 1",
		"0,\n: maxInstances is 0, but it must be an int of at least 1",
		"0}}: minInstances is 0, but it must be an int of at least 1",
	} {
		mark, msg, _ := strings.Cut(w, ": ")
		at := strings.Index(text, mark)
		require.Positive(t, at, mark)
		line := strings.Count(text[:at], "\n") + 1
		col := at - strings.LastIndex(text[:at], "\n")
		want = append(want, fmt.Sprintf("p.yaml:%d:%d: %s", line, col, msg))
	}
	require.Empty(t, cmp.Diff(want, errs))
}

// TestExtensionKeys: anchors may be kept under keys of the user's own, at the top.
func TestExtensionKeys(t *testing.T) {
	t.Parallel()
	set, errs := load(t, builtin(t), `
apiVersion: pipelinetui/v1
x-base: &base
  image: sandbox/linear
  modelDataUrl: s3://b/k
x-tags: &tags {team: ml}
defaults: {template: realtime, region: us-east-1, tags: *tags}
pipelines:
  - {tenant: acme, model: one, parameters: *base}
  - tenant: acme
    model: two
    parameters: {<<: *base, image: sandbox/other}
    tags: {<<: *tags, cost: "1"}
`, spec.Options{})
	require.Empty(t, errs)
	require.Equal(t, "sandbox/other", set.Pipelines[1].Parameters.String("image"))
	require.Equal(t, map[string]string{"team": "ml", "cost": "1"}, set.Pipelines[1].Tags)

	_, errs = load(t, builtin(t), header+"pipelines: [{tenant: acme, model: one, x-note: 1}]\n", spec.Options{})
	require.Equal(t, []string{`p.yaml:3:40: unknown key "x-note" in pipelines | Keys of your own that begin with x- belong at the top of a spec file, beside apiVersion.`}, errs)
	// an alias that multiplies is bounded wherever it is
	bomb := "x-a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for _, c := range "bcdefgh" {
		bomb += "x-" + string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	_, errs = load(t, builtin(t), bomb+header+"pipelines: []\n", spec.Options{})
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "the file says more than 1048576 values")
}

// TestFilesThatAreNone: each way in which a file can't be read has its own way out.
func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	utf16 := "\xff\xfe"
	for _, r := range header {
		utf16 += string([]byte{byte(r), 0})
	}
	for name, tc := range map[string]struct{ text, want string }{
		"utf16.yaml":  {utf16, "the file is UTF-16 | Save it as UTF-8."},
		"nobom.yaml":  {utf16[2:], "the file is UTF-16 | Save it as UTF-8."},
		"latin1.yaml": {header + "# K\xf6ln\n", "3:4: the file is not UTF-8 here | Save it as UTF-8;"},
		"zero.yaml":   {header + "a: \x00\n", "the file is no text: it holds zero bytes | Name a YAML file."},
		"text.yaml":   {strings.Repeat("long ", 100), "1:1: the file must be a map, not a string (" + strings.Repeat("long ", 11) + "long…) | Write a map here."},
	} {
		_, err := spec.Load(write(t, dir, name, tc.text), builtin(t), spec.Options{})
		got := lines(t, err, dir)
		require.Len(t, got, 1, name)
		require.Contains(t, got[0], tc.want, name)
	}
	_, err := spec.Load(dir, builtin(t), spec.Options{})
	require.Equal(t, "Name the spec file in this folder with -f.", fault.HintOf(err))
	_, err = spec.Load(filepath.Join(dir, "none.yaml"), builtin(t), spec.Options{})
	require.Equal(t, "Name an existing file with -f.", fault.HintOf(err))
	if os.Getuid() != 0 { // root may read everything
		shut := write(t, dir, "shut.yaml", header)
		require.NoError(t, os.Chmod(shut, 0))
		_, err = spec.Load(shut, builtin(t), spec.Options{})
		require.Contains(t, fault.HintOf(err), "chmod u+r")
	}
}

// TestRegionsThatAreNone: a region that no partition has is refused, wherever it is
// said, and a misspelling is told from what looks like none.
func TestRegionsThatAreNone(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"us-esat-1":    `region "us-esat-1" is in no partition of AWS | Did you mean "us-east-1"?`,
		"us-east1":     `region "us-east1" is not an AWS region: it must look like us-east-1 | Did you mean "us-east-1"?`,
		"eu-centrl-1":  `Did you mean "eu-central-1"?`,
		"US-EAST-1":    `Did you mean "us-east-1"?`,
		"us-east-9":    `region "us-east-9" is in no partition of AWS | Name a region such as us-east-1`,
		"mars-north-1": `is not an AWS region`,
	} {
		_, errs := load(t, builtin(t), strings.ReplaceAll(header, "us-east-1", region)+"pipelines: [{tenant: acme, model: one}]\n", spec.Options{})
		require.Len(t, errs, 1, region)
		require.Contains(t, errs[0], want)
		_, err := build(spec.ID{Tenant: "acme", Model: "one"}, "realtime", []string{"image=sandbox/linear", "modelDataUrl=s3://b/k"}, builtin(t), spec.Options{Region: region})
		require.ErrorContains(t, err, "region")
	}
	for _, id := range []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"} {
		require.NotEmpty(t, spec.Regions(id), id)
		for _, region := range spec.Regions(id) {
			part, _ := spec.Partition(region)
			require.Equal(t, id, part, region)
		}
	}
}

// TestRulesAreToldOnce: what a shared layer says wrong is one mistake, however many
// pipelines have it.
func TestRulesAreToldOnce(t *testing.T) {
	t.Parallel()
	shared := strings.Replace(header, "modelDataUrl: 's3://b/k'", "modelDataUrl: 's3://b/k', minInstances: 5, maxInstances: 2", 1)
	text := "pipelines:\n  - {tenant: acme, model: one}\n  - {tenant: acme, model: two}\n  - {tenant: acme, model: three, parameters: {minInstances: 4}}\n"
	_, errs := load(t, builtin(t), shared+text, spec.Options{})
	require.Len(t, errs, 2, errs)
	require.Contains(t, errs[0], "acme/one: minInstances (5) is more than maxInstances (2)")
	require.Contains(t, errs[1], "acme/three: minInstances (4) is more than maxInstances (2)")
	set, errs := load(t, builtin(t), header+text, spec.Options{Set: []string{"minInstances=7"}})
	require.Len(t, errs, 1, errs)
	require.Nil(t, set)
}

// TestSetIsText: an argument that is no text is refused, before it gets into a
// regular expression or a document.
func TestSetIsText(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"preprocess.handler=index.h\xe6", "tags.a=\xff", "\xc3=1"} {
		_, err := build(spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, "realtime", []string{set}, builtin(t), spec.Options{Region: "us-east-1"})
		require.ErrorContains(t, err, "is not UTF-8 text", set)
	}
	_, err := spec.CheckHandler(nil, "index.h\xe6", "python3.13")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}
