package acceptance

import (
	"archive/zip"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTerraform applies, changes and destroys some forty types of resources with
// Terraform itself, in two regions of two accounts at the same time. After each
// step Terraform sees no difference, neither to what was asked for nor to what it
// remembers.
func TestTerraform(t *testing.T) {
	plugin := fileFrom(t, "ACCEPTANCE_PROVIDER")
	if os.Getenv("ACCEPTANCE_ALL") == "" {
		t.Skip("takes minutes: ACCEPTANCE_ALL=1 runs it")
	}
	terraform := os.Getenv("ACCEPTANCE_TERRAFORM")
	if terraform == "" {
		var err error
		if terraform, err = exec.LookPath("terraform"); err != nil {
			t.Skip("no terraform: put it on PATH, or name it by ACCEPTANCE_TERRAFORM")
		}
	}
	h := newHome(t)
	h.variables()
	h.must(nil, h.bin, "sandbox", "account", "add", "111122223333")
	var wg sync.WaitGroup
	for _, at := range []struct{ region, account string }{{"us-east-1", "000000000000"}, {"eu-west-1", "111122223333"}, {"eu-west-1", "000000000000"}} {
		c := &configuration{t: t, h: h, terraform: terraform, dir: t.TempDir(), name: at.account + " " + at.region, region: at.region}
		c.env = append(h.variables("--account", at.account), "TF_CLI_CONFIG_FILE="+mirror(t, plugin), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
		c.prepare()
		wg.Go(c.walk)
	}
	wg.Wait()
}

// mirror lays the provider out as a registry on disk and returns the configuration
// that makes Terraform look nowhere else.
func mirror(t *testing.T, plugin string) string {
	t.Helper()
	dir := t.TempDir()
	version := regexp.MustCompile(`_v(\d+\.\d+\.\d+)`).FindStringSubmatch(filepath.Base(plugin))
	require.NotNil(t, version, "%s names no version", plugin)
	out, err := exec.Command("go", "env", "GOOS", "GOARCH").Output()
	require.NoError(t, err)
	place := filepath.Join(dir, "registry.terraform.io", "hashicorp", "aws", version[1], strings.Join(strings.Fields(string(out)), "_"))
	require.NoError(t, os.MkdirAll(place, 0o700))
	require.NoError(t, os.Symlink(plugin, filepath.Join(place, filepath.Base(plugin))))
	file := filepath.Join(dir, "terraformrc")
	text := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", dir)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// configuration is the one of testdata/terraform in one place.
type configuration struct {
	t                            *testing.T
	h                            *home
	terraform, dir, name, region string
	env                          []string
}

func (c *configuration) prepare() {
	c.t.Helper()
	require.NoError(c.t, os.CopyFS(c.dir, os.DirFS(filepath.Join("testdata", "terraform"))))
	model, err := os.ReadFile(filepath.Join("..", "..", "examples", "iris", "model.tar.gz"))
	require.NoError(c.t, err)
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, "model.tar.gz"), model, 0o600))
	f, err := os.Create(filepath.Join(c.dir, "function.zip"))
	require.NoError(c.t, err)
	defer f.Close()
	w := zip.NewWriter(f)
	e, err := w.Create("index.py")
	require.NoError(c.t, err)
	_, err = e.Write([]byte("def handler(event, context):\n    return event\n"))
	require.NoError(c.t, err)
	require.NoError(c.t, w.Close())
}

func (c *configuration) walk() {
	if !c.run(0, "init", "-input=false") {
		return
	}
	types := map[string]bool{}
	for _, stage := range []string{"1", "2"} {
		vars := []string{"-input=false", "-var", "region=" + c.region, "-var", "stage=" + stage}
		if !c.run(0, append([]string{"apply", "-auto-approve"}, vars...)...) {
			break
		}
		c.run(0, append([]string{"plan", "-detailed-exitcode"}, vars...)...)
		// A resource that was made before the ones that concern it (a role before its
		// policies) shows them once it is read again; after that nothing is new.
		c.run(0, append([]string{"apply", "-refresh-only", "-auto-approve"}, vars...)...)
		// (The exit code of this one counts what Terraform itself calls no change.)
		refresh := append([]string{"plan", "-refresh-only", "-no-color"}, vars...)
		if out := c.output(refresh...); !strings.Contains(out, "No changes.") {
			c.t.Errorf("%s: terraform %s:\n%s", c.name, strings.Join(refresh, " "), out)
		}
		c.run(0, append([]string{"plan", "-detailed-exitcode"}, vars...)...)
		for line := range strings.Lines(c.output("state", "list")) {
			if kind, _, _ := strings.Cut(line, "."); kind != "data" {
				types[kind] = true
			}
		}
	}
	if len(types) < 35 {
		c.t.Errorf("%s: only %d types of resources: %v", c.name, len(types), slices.Sorted(maps.Keys(types)))
	}
	c.run(0, "destroy", "-auto-approve", "-input=false", "-var", "region="+c.region, "-var", "stage=2")
	if left := c.output("state", "list"); left != "" {
		c.t.Errorf("%s: left after destroy: %s", c.name, left)
	}
}

func (c *configuration) args(args []string) []string {
	return append([]string{"-chdir=" + c.dir}, args...)
}

// run wants an exit code: a plan that sees differences ends with 2.
func (c *configuration) run(want int, args ...string) bool {
	if args[0] != "state" {
		args = append(args, "-no-color")
	}
	out, problems, code := c.h.run(c.env, c.terraform, c.args(args)...)
	if code != want {
		c.t.Errorf("%s: terraform %s: exit code %d\n%s\n%s", c.name, strings.Join(args, " "), code, out, problems)
	}
	return code == want
}

func (c *configuration) output(args ...string) string {
	out, _, _ := c.h.run(c.env, c.terraform, c.args(args)...)
	return out
}
