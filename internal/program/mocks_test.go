package program

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/contract"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

const (
	testAccount = "123456789012"
	testRegion  = "us-east-1"
	testKey     = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	testBase    = "ptui-acme-churn-dev"
)

var testEnv = Env{Account: testAccount, Region: testRegion}

// made is one resource that a program asked for.
type made struct {
	token, name string
	inputs      resource.PropertyMap
	protect     bool
	retain      bool
	deps        []string // names
	timeouts    string   // of create
	secret      bool     // some input is secret
	hooks       []string // before an update
}

// engine plays the engine's part: it makes every resource and remembers it.
type engine struct {
	mu    sync.Mutex
	order []string
	made  map[string]made
	fail  string // name of a resource to fail
}

func (e *engine) NewResource(a pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a.TypeToken == "pulumi:pulumi:Stack" {
		return a.Name, resource.PropertyMap{}, nil
	}
	m := made{token: a.TypeToken, name: a.Name, inputs: a.Inputs, secret: a.Inputs.ContainsSecrets()}
	if rpc := a.RegisterRPC; rpc != nil {
		m.protect, m.retain = rpc.GetProtect(), rpc.GetRetainOnDelete()
		m.timeouts = rpc.GetCustomTimeouts().GetCreate()
		m.hooks = rpc.GetHooks().GetBeforeUpdate()
		for _, urn := range rpc.GetDependencies() {
			m.deps = append(m.deps, urn[strings.LastIndex(urn, "::")+2:])
		}
	}
	e.order = append(e.order, a.Name)
	e.made[a.Name] = m
	if e.fail == a.Name {
		return "", nil, os.ErrPermission
	}
	return a.Name + "-id", outputsOf(a), nil
}

func (e *engine) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

// outputsOf gives the properties that the service would make up.
func outputsOf(a pulumi.MockResourceArgs) resource.PropertyMap {
	out := a.Inputs.Copy()
	set := func(key resource.PropertyKey, value string) {
		if _, ok := out[key]; !ok {
			out[key] = resource.NewStringProperty(value)
		}
	}
	name := func(key resource.PropertyKey) string {
		if v, ok := out[key]; ok && v.IsString() {
			return v.StringValue()
		}
		return a.Name + "-0a1b2c3"
	}
	arn := func(service, rest string) string {
		return "arn:aws:" + service + ":" + testRegion + ":" + testAccount + ":" + rest
	}
	switch a.TypeToken {
	case "aws:kms/key:Key":
		set("arn", testKey)
		set("keyId", "11111111-2222-3333-4444-555555555555")
	case "aws:s3/bucketV2:BucketV2":
		set("arn", "arn:aws:s3:::"+name("bucket"))
	case "aws:sqs/queue:Queue":
		set("arn", arn("sqs", name("name")))
		set("url", "https://sqs.us-east-1.amazonaws.com/"+testAccount+"/"+name("name"))
	case "aws:lambda/alias:Alias":
		set("arn", arn("lambda", "function:"+name("functionName")+":"+name("name")))
	case "aws:lambda/function:Function":
		set("version", "1")
	case "aws:cloudwatch/logGroup:LogGroup":
		set("arn", arn("logs", "log-group:"+name("name")))
	case "aws:iam/role:Role":
		set("arn", "arn:aws:iam::"+testAccount+":role/pipelinetui/"+name("name"))
	case "aws-native:sagemaker:Endpoint":
		set("endpointArn", arn("sagemaker", "endpoint/"+name("endpointName")))
	case "pulumi:index:Stash":
		out["output"] = out["input"]
	case "aws-native:stepfunctions:StateMachine":
		set("arn", arn("states", "stateMachine:"+name("stateMachineName")))
		set("stateMachineRevisionId", "r1")
	case "aws-native:stepfunctions:StateMachineVersion":
		set("arn", name("stateMachineArn")+":1")
	case "aws-native:stepfunctions:StateMachineAlias":
		set("arn", arn("states", "stateMachine:"+testBase+":"+name("name")))
	}
	set("name", a.Name+"-0a1b2c3")
	return out
}

// ran is what one run of a program made.
type ran struct {
	*engine
	exports map[string]any
}

// inputs are the inputs of a resource as plain JSON values, secrets opened.
func (r *ran) inputs(t *testing.T, name string) map[string]any {
	t.Helper()
	m, ok := r.made[name]
	require.True(t, ok, "no resource %q among %v", name, r.names())
	return m.inputs.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() {
			return v.SecretValue().Element.Mappable(), true
		}
		return nil, false
	})
}

func (r *ran) names() []string { return slices.Sorted(maps.Keys(r.made)) }

// list is "name type" of every resource, sorted by name.
func (r *ran) list() string {
	var b strings.Builder
	for _, name := range r.names() {
		b.WriteString(name + " " + r.made[name].token + "\n")
	}
	return b.String()
}

// policy is a policy document among the inputs.
func (r *ran) policy(t *testing.T, name, property string) any {
	t.Helper()
	text, ok := r.inputs(t, name)[property].(string)
	require.True(t, ok, "%s.%s is %T", name, property, r.inputs(t, name)[property])
	return meaning(t, []byte(text))
}

// execute runs the program of a pipeline under the mock engine.
func execute(t *testing.T, p *spec.Pipeline, tmpl *spec.Template, env Env) *ran {
	t.Helper()
	pl, err := newPlan(p, tmpl, env)
	require.NoError(t, err)
	return executePlan(t, pl)
}

func executePlan(t *testing.T, pl *plan) *ran {
	t.Helper()
	r := &ran{engine: &engine{made: map[string]made{}}, exports: map[string]any{}}
	ctx, err := pulumi.NewContext(t.Context(), pulumi.RunInfo{Project: "pipelinetui", Stack: pl.pipe.StackName(), Mocks: r.engine})
	require.NoError(t, err)
	defer contract.IgnoreClose(ctx)
	var mu sync.Mutex
	var exported sync.WaitGroup // the engine does not wait for what only a test looks at
	require.NoError(t, pulumi.RunWithContext(ctx, func(ctx *pulumi.Context) error {
		b, err := pl.build(ctx)
		if err != nil {
			return err
		}
		for name, value := range b.exports {
			exported.Add(1)
			pulumi.ToOutput(value).ApplyT(func(v any) any {
				defer exported.Done()
				mu.Lock()
				defer mu.Unlock()
				r.exports[name] = v
				return v
			})
		}
		return nil
	}))
	exported.Wait()
	return r
}

// builtin is the catalog of the built-in templates, read once for all tests.
var builtin = sync.OnceValues(func() (*spec.Catalog, error) { return spec.LoadCatalog(templates.FS) })

// pipelineOf makes a pipeline of the built-in template realtime with its
// defaults, and changes some parameters (nil: takes the value away).
func pipelineOf(t *testing.T, change map[string]any) (*spec.Pipeline, *spec.Template) {
	t.Helper()
	return pipelineOfTemplate(t, "realtime", change)
}

// pipelineOfTemplate is pipelineOf for any built-in template.
func pipelineOfTemplate(t *testing.T, template string, change map[string]any) (*spec.Pipeline, *spec.Template) {
	t.Helper()
	catalog, err := builtin()
	require.NoError(t, err)
	found, err := catalog.Lookup(template)
	require.NoError(t, err)
	p, err := spec.Build(spec.Answers{ID: spec.ID{Tenant: "acme", Model: "churn", Env: "dev"}, Template: template, Values: map[string]string{
		"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:1", "modelDataUrl": "s3://models/churn/model.tar.gz",
	}}, catalog, spec.Options{Region: testRegion})
	require.NoError(t, err)
	p.Tags = map[string]string{"team": "ml"}
	if p.Files == nil {
		p.Files = map[string]string{}
	}
	maps.Copy(p.Parameters, change)
	for name, v := range change {
		if v == nil {
			delete(p.Parameters, name)
		}
	}
	tmpl := *found // a test may change it
	tmpl.Parameters = slices.Clone(found.Parameters)
	return p, &tmpl
}

// meaning is a JSON document in one form: a list of one string is the string,
// lists of strings are sorted, statements are in order of Sid.
func meaning(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(data, &v), "%s", data)
	return normal(v)
}

func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = normal(item)
		}
		return v
	case []any:
		strs := true
		for i := range v {
			v[i] = normal(v[i])
			_, isString := v[i].(string)
			strs = strs && isString
		}
		if len(v) == 1 && strs {
			return v[0]
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(sortKey(a), sortKey(b)) })
		return v
	}
	return v
}

func sortKey(v any) string {
	if m, ok := v.(map[string]any); ok {
		s, _ := m["Sid"].(string)
		return s
	}
	s, _ := v.(string)
	return s
}
