package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// saved saves a plan of a spec with two pipelines, and returns both files.
func saved(t *testing.T, w *world, tenant string, args ...string) (spec, plan string) {
	t.Helper()
	spec, plan = specOf(t, tenant, "one", "two"), filepath.Join(t.TempDir(), "plan.json")
	(&line{w: w, engine: &engine{}}).run(t, append([]string{"preview", "-f", spec, "--save-plan", plan}, args...)...).
		ends(t, ExitOK, "the plan of 2 pipelines is in "+plan)
	return spec, plan
}

// What was shown is applied: the plan says of which pipelines, and from which state.
func TestAPlanIsApplied(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	_, plan := saved(t, w, "saved")
	info, err := os.Stat(plan)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	g := &engine{}
	doc := (&line{w: w, engine: g}).run(t, "up", "--plan", plan, "--yes", "-o", "json").ends(t, ExitOK).doc(t, "Deployment")
	require.Equal(t, plan, doc["plan"])
	require.Equal(t, []stack.Operation{stack.OperationPreview, stack.OperationUp}, g.operations(), "it is looked at once before")
	req := g.last(t)
	require.Len(t, req.Pipelines, 2)
	require.Equal(t, "basis of saved/one", req.Expect[req.Pipelines[0].ID])
	require.Empty(t, req.Salt)

	g = &engine{}
	(&line{w: w, engine: g, tty: true, typed: "yes\n"}).run(t, "up", "--plan", plan).ends(t, ExitOK, "Apply these changes?")
	require.Equal(t, []stack.Operation{stack.OperationPreview, stack.OperationUp}, g.operations())
	g = &engine{}
	(&line{w: w, engine: g}).run(t, "up", "--plan", plan).ends(t, ExitUsage, "--yes")
	require.Empty(t, g.operations())
}

// Whatever is not as it was shown is named, and nothing is changed.
func TestAPlanThatIsNotWhatWouldBeDone(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	spec, plan := saved(t, w, "moved")
	refused := func(g *engine, environ map[string]string, args []string, want ...string) {
		t.Helper()
		l := (&line{w: w, engine: g, environ: environ}).run(t, append([]string{"up", "--plan", plan, "--yes"}, args...)...)
		l.ends(t, ExitUsage, want...)
		require.NotContains(t, g.operations(), stack.OperationUp, l.errs.String())
	}
	refused(&engine{moved: " later"}, nil, nil, "moved/one: its stack was changed after the plan was made", "2 differences", "nothing was changed")
	refused(&engine{replaces: true}, nil, nil, "and the plan")
	refused(&engine{}, nil, []string{"-f", spec, "moved/two"}, "moved/one is in the plan, and is not there now")
	refused(&engine{}, map[string]string{"PIPELINETUI_BACKEND": "file://" + t.TempDir()}, nil, "the backend is")
	refused(&engine{}, nil, []string{"--refresh"}, "the plan was made without it")

	text, err := os.ReadFile(spec)
	require.NoError(t, err)
	text = append(bytes.Replace(text, []byte("s3://models/model.tar.gz"), []byte("s3://models/other.tar.gz"), 1), "  - {tenant: moved, model: three}\n"...)
	require.NoError(t, os.WriteFile(spec, text, 0o600))
	refused(&engine{}, nil, nil, `moved/one: modelDataUrl is "s3://models/other.tar.gz", and in the plan "s3://models/model.tar.gz"`, "moved/three is not in the plan", "3 differences")

	// It is the same again as it was.
	text, _, _ = bytes.Cut(text, []byte("  - {tenant: moved, model: three"))
	require.NoError(t, os.WriteFile(spec, bytes.Replace(text, []byte("other"), []byte("model"), 1), 0o600))
	(&line{w: w, engine: &engine{}}).run(t, "up", "--plan", plan, "--yes").ends(t, ExitOK)
}

// A plan is whole or not there, and of its own making.
func TestPlanFiles(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	spec, plan := saved(t, w, "planfiles")
	text, err := os.ReadFile(plan)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"edited":    {strings.Replace(string(text), "planfiles/one", "planfiles/won", 1), "was changed after it was written"},
		"half":      {string(text[:len(text)/2]), "no plan of pipelinetui, or not a whole one"},
		"other":     {`{"apiVersion": "pipelinetui/v1", "kind": "Deployment"}`, "no plan of pipelinetui"},
		"later":     {strings.Replace(string(text), "pipelinetui/v1", "pipelinetui/v9", 1), `a plan of another version, "pipelinetui/v9"`},
		"empty":     {"", "no plan of pipelinetui"},
		"two":       {string(text) + string(text), "no plan of pipelinetui"},
		"not there": {"-", "not"},
	} {
		file := filepath.Join(t.TempDir(), "plan.json")
		if c.text != "-" {
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		}
		g := &engine{}
		l := (&line{w: w, engine: g}).run(t, "up", "--plan", file, "--yes")
		require.Contains(t, []ExitCode{ExitUsage, ExitNotFound}, l.code, name)
		require.Contains(t, l.errs.String(), c.want, name)
		require.Empty(t, g.operations(), name)
	}

	// A preview that fails leaves the file as it was.
	g := &engine{fails: map[stack.Operation]string{stack.OperationPreview: "planfiles/two"}}
	(&line{w: w, engine: g}).run(t, "preview", "-f", spec, "--save-plan", plan).ends(t, ExitDeployment, "no plan is written")
	after, err := os.ReadFile(plan)
	require.NoError(t, err)
	require.Equal(t, string(text), string(after))
	none := filepath.Join(t.TempDir(), "plan.json")
	(&line{w: w, engine: g}).run(t, "preview", "-f", spec, "--save-plan", none).ends(t, ExitDeployment)
	require.NoFileExists(t, none)

	g = &engine{}
	for _, where := range []string{filepath.Join(t.TempDir(), "no", "plan.json"), t.TempDir()} {
		(&line{w: w, engine: g}).run(t, "preview", "-f", spec, "--save-plan", where).ends(t, ExitUsage, "the plan cannot be written there")
	}
	(&line{w: w, engine: g}).run(t, "preview", "-f", spec, "--check", "--save-plan", none).ends(t, ExitUsage, "--check asks no engine")
	require.Empty(t, g.operations(), "that is told before anything is looked at")
}

// Values of --set may be secret: they are not in the plan, and have to be given again.
func TestAPlanHoldsNoValueOfSet(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	set := []string{"--set", `modelEnvironment={"TOKEN": {"secret": "sesame-open"}}`}
	_, plan := saved(t, w, "setplan", set...)
	text, err := os.ReadFile(plan)
	require.NoError(t, err)
	require.NotContains(t, string(text), "sesame-open")
	(&line{w: w, engine: &engine{}}).run(t, "up", "--plan", plan, "--yes").ends(t, ExitUsage, "the plan was made with --set of modelEnvironment")
	(&line{w: w, engine: &engine{}}).run(t, append([]string{"up", "--plan", plan, "--yes"}, set...)...).ends(t, ExitOK)
}

func TestPolicyPackFlags(t *testing.T) {
	t.Parallel()
	w, file, pack := inWorld(t), specOf(t, "policyflags", "one"), t.TempDir()
	g := &engine{}
	(&line{w: w, engine: g}).run(t, "up", "-f", file, "--yes", "--policy-pack", pack).ends(t, ExitUsage, "there is no policy pack")
	require.NoError(t, os.WriteFile(filepath.Join(pack, "PulumiPolicy.yaml"), []byte("runtime: nodejs\n"), 0o600))
	(&line{w: w, engine: g}).run(t, "preview", "-f", file, "--policy-pack", pack, "--policy-pack", pack, "--policy-pack-config", "x.json").
		ends(t, ExitUsage, "there are 1 of it for 2 --policy-packs")
	(&line{w: w, engine: g}).run(t, "preview", "-f", file, "--policy-pack", pack, "--policy-pack-config", filepath.Join(pack, "no.json")).ends(t, ExitUsage, "it cannot be read")
	require.Empty(t, g.operations())
	(&line{w: w, engine: g}).run(t, "preview", "-f", file, "--policy-pack", pack).ends(t, ExitOK)
	require.Equal(t, []string{pack}, g.last(t).PolicyPacks)

	// What agreed to a plan has to agree to what is applied.
	plan := filepath.Join(t.TempDir(), "plan.json")
	(&line{w: w, engine: &engine{}}).run(t, "preview", "-f", file, "--policy-pack", pack, "--save-plan", plan).ends(t, ExitOK)
	up := func(args ...string) *line {
		return (&line{w: w, engine: &engine{}}).run(t, append([]string{"up", "--plan", plan, "--yes"}, args...)...)
	}
	up().ends(t, ExitUsage, "the policy pack "+filepath.Base(pack)+" agreed to the plan, and is not asked now", "nothing was changed")
	rule := filepath.Join(pack, "index.js")
	require.NoError(t, os.WriteFile(rule, []byte("// any\n"), 0o600))
	up("--policy-pack", pack).ends(t, ExitUsage, "is another one than agreed to the plan")
	require.NoError(t, os.Remove(rule))
	up("--policy-pack", pack).ends(t, ExitOK)
}

// A plan of what failed is not applied once nothing has: that would be nothing, told as done.
func TestAPlanOfWhatFailed(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "planfailed/bad")
	w.history(t, id, "failed")
	plan := filepath.Join(t.TempDir(), "plan.json")
	(&line{w: w, engine: &engine{}}).run(t, "preview", "planfailed/*", "--failed", "--save-plan", plan).ends(t, ExitOK)
	w.history(t, id, "succeeded")
	g := &engine{}
	(&line{w: w, engine: g}).run(t, "up", "--plan", plan, "--yes").ends(t, ExitUsage, "planfailed/bad is in the plan, and is not there now")
	require.Empty(t, g.operations())
}
