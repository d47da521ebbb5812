package eject

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// recording is that of a pipeline of a built-in template; change may alter the
// template's parameters.
func recording(t *testing.T, template string, set []string, secret ...string) *program.Recording {
	t.Helper()
	catalog, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	set = append(set, "image=123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:1", "modelDataUrl=s3://models/churn/model.tar.gz")
	p, err := spec.Build(spec.Answers{ID: spec.ID{Tenant: "acme", Model: "churn", Env: "dev"}, Template: template}, catalog, spec.Options{Region: "us-east-1", Set: set})
	require.NoError(t, err)
	found, err := catalog.Lookup(template)
	require.NoError(t, err)
	tmpl := *found
	tmpl.Parameters = append([]spec.Parameter(nil), found.Parameters...)
	for i := range tmpl.Parameters {
		for _, name := range secret {
			tmpl.Parameters[i].Secret = tmpl.Parameters[i].Secret || tmpl.Parameters[i].Name == name
		}
	}
	rec, err := program.Record(t.Context(), p, &tmpl, program.Env{Account: "123456789012", Region: "us-east-1"})
	require.NoError(t, err)
	return rec
}

// project is a project's Pulumi.yaml, decoded.
type project struct {
	Name, Runtime string
	Backend       struct{ URL string }
	Variables     map[string]any
	Resources     map[string]struct {
		Type       string
		Properties map[string]any
		Options    map[string]any
	}
	Outputs map[string]any
}

func ejectTo(t *testing.T, rec *program.Recording) (string, *Result, *project) {
	t.Helper()
	dir := t.TempDir()
	res, err := Write(dir, rec, Options{
		Pipeline: "acme/churn", Project: "pipelinetui", Stack: "acme.churn.dev", Backend: "file:///state",
		Readme: Readme{SecretsProvider: "passphrase", Passphrase: "/home/me/pass phrase", Account: "123456789012"},
	})
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(dir, "Pulumi.yaml"))
	require.NoError(t, err)
	var p project
	require.NoError(t, yaml.Unmarshal(raw, &p))
	return dir, res, &p
}

func TestProjectHoldsTheProgram(t *testing.T) {
	t.Parallel()
	rec := recording(t, "realtime", nil)
	dir, res, p := ejectTo(t, rec)
	require.Equal(t, "pipelinetui", p.Name)
	require.Equal(t, "yaml", p.Runtime)
	require.Equal(t, "file:///state", p.Backend.URL)
	require.Len(t, p.Resources, len(rec.Resources))
	require.Equal(t, len(rec.Resources), res.Resources)
	require.Len(t, p.Outputs, len(rec.Outputs))
	require.Equal(t, "s3://${data.bucket}/results/", p.Outputs["resultsPrefixUri"])
	require.Equal(t, "${tags}", p.Resources["data"].Properties["tags"])
	require.Equal(t, "realtime", p.Variables["tags"].(map[string]any)["pipelinetui:template"])
	endpoint := p.Resources["endpoint"].Options
	require.Equal(t, true, endpoint["deleteBeforeReplace"])
	require.Equal(t, map[string]any{"create": "60m", "update": "60m", "delete": "30m"}, endpoint["customTimeouts"])
	require.Equal(t, []any{"${endpoint-logs}", "${fleet}"}, endpoint["dependsOn"], "what it refers to goes without saying")
	require.Equal(t, []any{"input.directory"}, p.Resources["spec"].Options["ignoreChanges"])
	require.Equal(t, true, p.Resources["version"].Options["retainOnDelete"])
	code := p.Resources["pre"].Properties["code"].(map[string]any)
	require.Equal(t, "./pre", code["fn::fileArchive"])
	require.FileExists(t, filepath.Join(dir, "pre", "handler.py"))
	lock, err := os.ReadFile(filepath.Join(dir, "sdks", "aws", "aws-6.83.2.yaml"))
	require.NoError(t, err)
	require.Equal(t, "packageDeclarationVersion: 1\nname: aws\nversion: 6.83.2\n", string(lock))
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(readme), "export PULUMI_CONFIG_PASSPHRASE_FILE='/home/me/pass phrase'")
	require.NotContains(t, string(readme), "sandbox")
	require.Contains(t, string(readme), "`endpoint` has to be replaced when its kind changes")
}

// TestSecretsLeaveTheProgram: not a character of a secret is in a file, and each
// value is there to be encrypted, once.
func TestSecretsLeaveTheProgram(t *testing.T) {
	t.Parallel()
	rec := recording(t, "realtime", []string{`preprocess.environment={"TOKEN":"xyzzy","PIN":"0042"}`, `modelEnvironment={"A":"plugh"}`},
		"preprocess.environment", "modelEnvironment")
	dir, res, p := ejectTo(t, rec)
	for _, f := range res.Files {
		raw, err := os.ReadFile(filepath.Join(dir, f))
		require.NoError(t, err)
		for _, secret := range []string{"xyzzy", "plugh", "0042"} {
			require.NotContains(t, string(raw), secret, f)
		}
	}
	require.Equal(t, `"xyzzy"`, res.Secrets["pre-environment-variables-TOKEN"])
	require.Equal(t, `"0042"`, res.Secrets["pre-environment-variables-PIN"], "a text that looks like a number stays a text")
	env := p.Resources["pre"].Properties["environment"].(map[string]any)["variables"].(map[string]any)
	require.Equal(t, "${pre-environment-variables-TOKEN}", env["TOKEN"])
	require.Equal(t, "${data.bucket}", env["PIPELINETUI_BUCKET"])
	values := map[string]bool{}
	for _, v := range res.Secrets {
		require.False(t, values[v], "%s is kept twice", v)
		values[v] = true
	}
}

// TestEveryTemplate ejects a pipeline of each built-in template. Joined again, or made
// to JSON again as the runtime does it, the definition is what the program asked for
// to the last character; and each reference names a resource of the project.
func TestEveryTemplate(t *testing.T) {
	t.Parallel()
	catalog, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	for _, tmpl := range catalog.List() {
		t.Run(tmpl.Name, func(t *testing.T) {
			t.Parallel()
			pipeline, ok, err := spec.Trial(tmpl, "us-east-1")
			require.NoError(t, err)
			require.True(t, ok, "a required parameter has no example")
			rec, err := program.Record(t.Context(), pipeline, tmpl, program.Env{Account: "123456789012", Region: "us-east-1"})
			require.NoError(t, err)
			dir, _, p := ejectTo(t, rec)
			w := &writer{rec: rec}
			var want string
			for _, r := range rec.Resources {
				if r.Name == "machine" {
					want = w.expression(r.Inputs["definitionString"].StringValue())
				}
			}
			require.Equal(t, want, definitionOf(t, p))
			raw, err := os.ReadFile(filepath.Join(dir, "Pulumi.yaml"))
			require.NoError(t, err)
			found := regexp.MustCompile(`[^$]\$\{([^}.]+)`).FindAllStringSubmatch(string(raw), -1)
			require.NotEmpty(t, found)
			for _, m := range found {
				_, resource := p.Resources[m[1]]
				require.True(t, resource || m[1] == sharedTags, m[1])
			}
		})
	}
}

// definitionOf is the text that the runtime will make for the state machine.
func definitionOf(t *testing.T, p *project) string {
	t.Helper()
	definition := p.Resources["machine"].Properties["definitionString"].(map[string]any)
	if tree, ok := definition["fn::toJSON"]; ok {
		raw, err := json.Marshal(tree)
		require.NoError(t, err)
		return string(raw)
	}
	var b strings.Builder
	for _, line := range definition["fn::join"].([]any)[1].([]any) {
		b.WriteString(line.(string))
	}
	return b.String()
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "$": "$", "a$": "a$", "$.foo": "$.foo", "$$": "$$$", "${a}": "$${a}", "$${a}": "$$$${a}", "$$.Map": "$$$.Map", "x$$": "x$$$",
	} {
		require.Equal(t, want, escape(in, false), in)
		require.Equal(t, in, unescape(want), in)
	}
	require.Equal(t, "cost: $$", escape("cost: $", true))
	for _, in := range []string{"$", "$$", "$$$", "a$b$$c${d$$${e"} {
		require.Equal(t, in, unescape(escape(in, false)), in)
		require.Equal(t, in+"{x}", unescape(escape(in, true)+"{x}"), in)
	}
}

// unescape reads a text as the runtime does (pulumi-yaml, ast/interpolation.go),
// references apart.
func unescape(s string) string {
	var b strings.Builder
	for s != "" {
		if strings.HasPrefix(s, "$$") {
			b.WriteByte('$')
			s = s[2:]
			continue
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

func TestMembersAreTheWholeText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`{}`, `[]`, `{"a":1}`, `[1,"a,b",{"c":[2,3]},"\"}",null]`, `{"a:b":{"x":"]"},"c":[],"d":"\\"}`, `{ "a" : [ 1 , 2 ] }`,
	} {
		var b strings.Builder
		for _, m := range membersOf(s) {
			b.WriteString(m.key + m.value + m.comma)
		}
		require.Equal(t, s[1:len(s)-1], b.String(), s)
	}
	require.Nil(t, membersOf(`"{}"`))
	require.Len(t, membersOf(`[1,"a,b",{"c":[2,3]},"\"}",null]`), 5)
}
