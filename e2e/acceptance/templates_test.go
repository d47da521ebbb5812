package acceptance

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// TestTemplates takes a pipeline of each template through all its parameters, with
// the embedded providers and with the real one, and wants both to make the same of
// each resource. After each step neither sees a difference to what was asked for
// nor to what is there.
func TestTemplates(t *testing.T) {
	provider := fileFrom(t, "ACCEPTANCE_PROVIDER")
	bridge, err := buildBridge(fileFrom(t, "ACCEPTANCE_BRIDGE"), t.TempDir())
	require.NoError(t, err)
	names := []string{"realtime", "batch"}
	if os.Getenv("ACCEPTANCE_ALL") == "" {
		t.Logf("%s only; ACCEPTANCE_ALL=1 takes the others too", names[0])
		names = names[:1]
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { walk(t, name, bridge, provider) })
	}
}

type step struct {
	Name       string            `yaml:"name"`
	Tags       map[string]string `yaml:"tags"`
	Parameters map[string]any    `yaml:"parameters"`
}

func walk(t *testing.T, template, bridge, provider string) {
	raw, err := os.ReadFile(filepath.Join("testdata", template+".yaml"))
	require.NoError(t, err)
	var steps []step
	require.NoError(t, yaml.Unmarshal(raw, &steps))

	ours, real := newDeployer(t, template), newDeployer(t, template)
	plugins(t, real.home, bridge, provider)
	real.env = append(real.home.variables(), "PIPELINETUI_TARGET=aws")
	covered(t, ours, steps)
	for _, s := range steps {
		var states [2]map[string]*resourceState
		var wg sync.WaitGroup
		for i, d := range []*deployer{ours, real} {
			wg.Go(func() { states[i] = d.step(&s) })
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		compare(t, s.Name, states[0], states[1])
	}
	for _, d := range []*deployer{ours, real} {
		d.home.must(d.env, d.home.bin, "destroy", "acme/iris", "--yes") // here, not in the goroutines: it may end the test
		left := d.home.must(d.env, d.home.bin, "list", "-o", "json", "--quick")
		if strings.Contains(left, "acme") {
			t.Errorf("left after destroy: %s", left)
		}
	}
}

// covered wants each parameter of the template to change on the way, so that a new
// one cannot be forgotten here.
func covered(t *testing.T, d *deployer, steps []step) {
	t.Helper()
	var doc struct {
		Parameters []struct {
			Name    string
			Default any
		}
	}
	out := d.home.must(nil, d.home.bin, "templates", "show", d.template, "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.NotEmpty(t, doc.Parameters)
	for _, p := range doc.Parameters {
		values := map[string]bool{}
		for _, s := range steps {
			v := any(s.Parameters)
			for _, part := range strings.Split(p.Name, ".") {
				m, _ := v.(map[string]any)
				v = m[part]
			}
			if v == nil {
				v = p.Default
			}
			values[fmt.Sprint(v)] = true
		}
		if len(values) < 2 {
			t.Errorf("%s keeps one value in all steps of testdata/%s.yaml: %v", p.Name, d.template, slices.Collect(maps.Keys(values)))
		}
	}
}

// deployer is a pipeline in a home, deployed by one kind of providers.
type deployer struct {
	t        *testing.T
	home     *home
	template string
	env      []string
}

func newDeployer(t *testing.T, template string) *deployer {
	t.Helper()
	h := newHome(t)
	examples := filepath.Join("..", "..", "examples")
	example := map[string]string{"realtime": "iris", "batch": "iris-batch"}[template]
	model, err := os.ReadFile(filepath.Join(examples, "iris", "model.tar.gz"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(h.work, "model.tar.gz"), model, 0o600))
	// The same model in another file: after the end of an archive anything may follow.
	require.NoError(t, os.WriteFile(filepath.Join(h.work, "other.tar.gz"), recompressed(t, model), 0o600))
	require.NoError(t, os.CopyFS(filepath.Join(h.work, "preprocess"), os.DirFS(filepath.Join(examples, example, "preprocess"))))
	zipped(t, filepath.Join(h.work, "preprocess.zip"), filepath.Join(h.work, "preprocess"))
	return &deployer{t: t, home: h, template: template}
}

// zipped makes an archive of the folder with its index.py as second.py too.
func zipped(t *testing.T, to, dir string) {
	t.Helper()
	f, err := os.Create(to)
	require.NoError(t, err)
	defer f.Close()
	w := zip.NewWriter(f)
	require.NoError(t, w.AddFS(os.DirFS(dir)))
	index, err := os.ReadFile(filepath.Join(dir, "index.py"))
	require.NoError(t, err)
	e, err := w.Create("second.py")
	require.NoError(t, err)
	_, err = e.Write(index)
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

// step brings the pipeline to what the step says, sees that nothing more is to do,
// and returns what the engine recorded of each resource.
func (d *deployer) step(s *step) map[string]*resourceState {
	spec, err := yaml.Marshal(map[string]any{"apiVersion": "pipelinetui/v1", "pipelines": []any{map[string]any{
		"tenant": "acme", "model": "iris", "template": d.template, "tags": s.Tags, "parameters": s.Parameters,
	}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(d.home.work, "pipelines.yaml"), spec, 0o600)
	}
	if err != nil {
		d.t.Error(err)
		return nil
	}
	for _, args := range [][]string{
		{"up", "-f", "pipelines.yaml", "--yes"},
		{"preview", "-f", "pipelines.yaml", "--expect-no-changes"},
		{"refresh", "acme/iris", "--yes", "--expect-no-changes"},
		{"preview", "-f", "pipelines.yaml", "--expect-no-changes"},
	} {
		out, problems, code := d.home.run(d.env, d.home.bin, args...)
		if code != 0 && !(args[0] == "refresh" && nameDropped(d.env, out)) {
			d.t.Errorf("%s: %s: exit code %d\n%s\n%s", s.Name, strings.Join(args, " "), code, out, problems)
			if args[0] == "up" {
				return nil
			}
		}
	}
	return d.export()
}

// nameDropped tells whether all that a refresh shows is that the official aws-native has
// read the endpoint, which drops its name from the inputs (docs/decisions/0038). That the
// preview after it is clean shows that nothing else was.
func nameDropped(env []string, out string) bool {
	return os.Getenv("ACCEPTANCE_NATIVE") != "" && slices.Contains(env, "PIPELINETUI_TARGET=aws") && strings.Count(out, "changed outside") == 1 &&
		strings.Contains(out, "endpoint aws-native:sagemaker:Endpoint changed outside")
}

// resourceState is what is compared of a resource.
type resourceState struct {
	Type    string         `json:"type"`
	ID      string         `json:"id"`
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
}

func (d *deployer) export() map[string]*resourceState {
	out, problems, code := d.home.run(nil, d.home.bin, "sandbox", "exec", "--", "pulumi", "stack", "export", "--show-secrets", "--stack", "organization/pipelinetui/acme.iris.dev")
	var doc struct {
		Deployment struct {
			Resources []struct {
				URN string `json:"urn"`
				resourceState
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 {
		d.t.Errorf("export: exit code %d, %v\n%s", code, err, problems)
		return nil
	}
	all := map[string]*resourceState{}
	for _, r := range doc.Deployment.Resources {
		if strings.HasPrefix(r.Type, "aws:") || strings.HasPrefix(r.Type, "aws-native:") {
			all[r.URN[strings.LastIndex(r.URN, "::")+2:]+" ("+r.Type+")"] = &r.resourceState
		}
	}
	return all
}

// random are the parts of values that differ between two sandboxes, or that AWS or
// the engine make up anew each time. What is left of a value has to be equal.
var random = []struct {
	*regexp.Regexp
	as string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "(uuid)"},
	{regexp.MustCompile(`\b(AROA|ANPA|AIDA)[A-Z0-9]{16,17}\b`), "(unique id)"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)`), "(time)"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "(sandbox)"},
	{regexp.MustCompile(`scalable-target/[0-9a-f]+`), "scalable-target/(id)"},
	{regexp.MustCompile(`(-dev-[a-z]+)-[0-9a-f]{7}\b`), "$1-(digits)"}, // of autonaming
}

// mirrors are deprecated properties that only repeat what resources of their own
// say. The embedded provider has none of them, and no program of ours reads one.
var mirrors = map[string][]string{
	"aws:s3/bucketV2:BucketV2": {"grants", "lifecycleRules", "policy", "serverSideEncryptionConfigurations", "versionings"},
	"aws:iam/role:Role":        {"inlinePolicies", "managedPolicyArns"},
}

// settled is a value without what is random in it, with texts that are JSON read,
// and without what is empty: the plugin protocol of Terraform has zero values
// where a value is not there.
func settled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if s := settled(e); s != nil && k != "versionId" {
				out[k] = s
			}
		}
		if len(out) > 0 {
			return out
		}
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, settled(e))
		}
		if len(out) > 0 {
			return out
		}
	case string:
		var doc any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &doc) == nil {
			return settled(doc)
		}
		for _, r := range random {
			v = r.ReplaceAllString(v, r.as)
		}
		if v != "" {
			return v
		}
	case bool:
		if v {
			return v
		}
	case float64:
		if v != 0 {
			return v
		}
	}
	return nil
}

// tagSets compares lists of tags whatever their order, which AWS says nothing of.
var tagSets = cmp.FilterPath(
	func(p cmp.Path) bool { return len(p) == 1 },
	cmp.FilterValues(func(a, b any) bool { return isTags(a) && isTags(b) }, cmp.Transformer("tags", func(v any) map[any]any {
		out := map[any]any{}
		for _, t := range v.([]any) {
			out[t.(map[string]any)["key"]] = t.(map[string]any)["value"]
		}
		return out
	})),
)

func isTags(v any) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(t any) bool {
		m, ok := t.(map[string]any)
		return !ok || m["key"] == nil
	})
}

// compare wants the same outputs of both providers. Inputs are not compared: the
// bridge does not write defaults into them, as the official provider does.
func compare(t *testing.T, where string, ours, real map[string]*resourceState) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(real)) {
		o, r := ours[name], real[name]
		if o == nil {
			t.Errorf("%s: %s: made by the real provider only", where, name)
			continue
		}
		keys := maps.Clone(o.Outputs)
		if keys == nil {
			keys = map[string]any{}
		}
		maps.Copy(keys, r.Outputs)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			// Each provider's own notes; the id, compared below; where a file was.
			if strings.HasPrefix(key, "__") || key == "id" || key == "source" || key == "versionId" || slices.Contains(mirrors[r.Type], key) {
				continue
			}
			if diff := cmp.Diff(settled(r.Outputs[key]), settled(o.Outputs[key]), tagSets); diff != "" {
				t.Errorf("%s: %s: %s (- real, + embedded):\n%s", where, name, key, diff)
			}
		}
		if a, b := settled(o.ID), settled(r.ID); a != b {
			t.Errorf("%s: %s: id %v, the real provider's is %v", where, name, a, b)
		}
	}
	for name := range ours {
		if real[name] == nil {
			t.Errorf("%s: %s: made by the embedded provider only", where, name)
		}
	}
}
