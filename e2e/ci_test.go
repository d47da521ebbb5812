//go:build unix

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// forge is a GitHub and a GitLab, as far as docs/ci.md asks for them: comments.
type forge struct {
	mu       sync.Mutex
	comments []string
	writes   []string // methods
	pulls    string   // what the commit came by
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path == "/install.sh" {
		_, _ = io.WriteString(w, "# the program is here already\n")
		return
	}
	var body struct{ Body string }
	if r.Method != http.MethodGet {
		f.writes = append(f.writes, r.Method)
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && r.Header.Get("Private-Token") != "" {
			body.Body = r.FormValue("body")
		} else if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch r.Method {
	case http.MethodPost:
		f.comments = append(f.comments, body.Body)
	case http.MethodPatch, http.MethodPut:
		id := 0
		if _, err := fmt.Sscan(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], &id); err != nil || id < 1 || id > len(f.comments) {
			http.NotFound(w, r)
			return
		}
		f.comments[id-1] = body.Body
	}
	if strings.Contains(r.URL.Path, "/commits/") {
		_, _ = io.WriteString(w, f.pulls)
		return
	}
	list := []map[string]any{}
	for i, text := range f.comments {
		list = append(list, map[string]any{"id": i + 1, "body": text, "user": map[string]any{"login": "github-actions[bot]"}})
	}
	_ = json.NewEncoder(w).Encode(list)
}

// gh is GitHub's program, as far as the page uses it. An empty commit would be that of any
// branch, and an empty run the newest artifact of any run.
const gh = `#!/bin/sh
set -eu
for arg; do [ -n "$arg" ] || { echo "gh: an argument is empty" >&2; exit 99; }; done
case "$1 $2" in
"run list")
  case "$*" in *"--event pull_request --commit c0ffee --status success "*) cat "$ARTIFACTS/runs" ;; *) exit 98 ;; esac
  exit ;;
"run download") [ "$3" = 42 ]; cp "$ARTIFACTS/plan.json" .; exit ;;
esac
shift
method=GET jq=. body=
while [ $# -gt 0 ]; do
  case "$1" in
  --paginate | --silent) ;;
  --method) method=$2; shift ;;
  --jq) jq=$2; shift ;;
  -F) body=${2#body=@}; shift ;;
  *) path=$1 ;;
  esac
  shift
done
if [ -n "$body" ]; then
  jq -n --rawfile body "$body" '{body: $body}' | curl -fsS -X "$method" --data-binary @- -o /dev/null "$FORGE/$path"
else
  curl -fsS "$FORGE/$path" | jq -r "$jq"
fi
`

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n# (\\S+)\n(.*?)^```$")

// inEachJob is what tells a job where it works: without it that is the sandbox of its runner.
var inEachJob = []string{"PIPELINETUI_TARGET", "PIPELINETUI_BACKEND", "PIPELINETUI_SECRETS_PROVIDER", "RELEASE"}

// ciJobs are the shell scripts of docs/ci.md by job: the steps of each, in their order. Each
// job installs the program, and has what it is to have.
func ciJobs(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "ci.md"))
	require.NoError(t, err)
	jobs := map[string][]string{}
	for _, m := range yamlBlock.FindAllStringSubmatch(string(page), -1) {
		if m[1] == ".gitlab-ci.yml" {
			var file map[string]yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(m[2]), &file))
			var env map[string]string
			var all struct {
				BeforeScript []string `yaml:"before_script"`
			}
			variables, defaults := file["variables"], file["default"]
			require.NoError(t, variables.Decode(&env))
			require.NoError(t, defaults.Decode(&all))
			require.Subset(t, slices.Collect(maps.Keys(env)), inEachJob)
			require.Contains(t, strings.Join(all.BeforeScript, "\n"), "sh install.sh")
			for name, node := range file {
				var job struct {
					Script      []string `yaml:"script"`
					AfterScript []string `yaml:"after_script"`
				}
				if slices.Contains([]string{"stages", "variables", "default"}, name) {
					continue
				}
				require.NoError(t, node.Decode(&job))
				job.Script = slices.Concat(all.BeforeScript, job.Script) // in one shell
				for _, lines := range [][]string{job.Script, job.AfterScript} {
					if len(lines) > 0 {
						jobs["gitlab "+name] = append(jobs["gitlab "+name], strings.Join(lines, "\n"))
					}
				}
			}
			continue
		}
		var file struct {
			Env  map[string]string
			Jobs map[string]struct{ Steps []struct{ Name, Run string } }
		}
		require.NoError(t, yaml.Unmarshal([]byte(m[2]), &file))
		require.Subset(t, slices.Collect(maps.Keys(file.Env)), inEachJob, m[1])
		for name, job := range file.Jobs {
			require.Equal(t, "install", job.Steps[min(1, len(job.Steps)-1)].Name, "%s of %s", name, m[1])
			for _, s := range job.Steps {
				if s.Run != "" {
					jobs["github "+name] = append(jobs["github "+name], s.Run)
				}
			}
		}
	}
	return jobs
}

// runner runs jobs as a forge does.
type runner struct {
	*forge
	t    *testing.T
	work string
	env  []string
	jobs map[string][]string
	ran  map[string]bool
}

// job runs a job's steps until one fails, and the last one whatever comes before it if it
// is for that; the exit code is that of the first that fails.
func (r *runner) job(name string, always bool) (code int, out string) {
	r.t.Helper()
	r.ran[name] = true
	steps := r.jobs[name]
	require.NotEmpty(r.t, steps, name)
	for i, step := range steps {
		if code != 0 && !(always && i == len(steps)-1) {
			continue
		}
		step = strings.Replace(step, "--bake 10m", "--bake 0s", 1) // nobody waits here
		cmd := exec.CommandContext(r.t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step)
		cmd.Dir, cmd.Env = r.work, r.env
		text, err := cmd.CombinedOutput()
		out += string(text)
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && code == 0:
			code = exit.ExitCode()
		case err != nil && code == 0:
			require.NoError(r.t, err, "%s: %s", name, out)
		}
	}
	return code, out
}

func (r *runner) must(name string) string {
	r.t.Helper()
	code, out := r.job(name, strings.HasSuffix(name, "preview"))
	require.Zero(r.t, code, "%s: %s", name, out)
	return out
}

func (r *runner) write(name, text string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(filepath.Join(r.work, name), []byte(text), 0o600))
}

func (r *runner) read(name string) string {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.work, name))
	require.NoError(r.t, err)
	return string(raw)
}

// What docs/ci.md says is run as it is there: a change is one comment that replaces itself;
// what was looked at is applied, and nothing else is; drift is an exit code; a fleet goes in
// waves.
func TestCIPage(t *testing.T) {
	t.Parallel()
	jobs := ciJobs(t)
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool + " here")
		}
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	pulumi, bin, home := findPulumi(t, root), t.TempDir(), t.TempDir()
	t.Cleanup(func() { stopSandbox(home) })
	r := &runner{forge: &forge{pulls: `[]`}, t: t, work: t.TempDir(), jobs: jobs, ran: map[string]bool{}}
	server, artifacts := httptest.NewServer(r.forge), t.TempDir()
	t.Cleanup(server.Close)
	require.NoError(t, wholefile.WriteProgram(filepath.Join(bin, "gh"), []byte(gh)))
	r.env = append(os.Environ(), seldomGC[0]+"="+seldomGC[1],
		"PIPELINETUI_HOME="+home, "PIPELINETUI_PULUMI="+pulumi, "PIPELINETUI_TEMPLATES="+filepath.Join(root, "e2e", "testdata", "templates"),
		"PATH="+strings.Join([]string{bin, programs(t), os.Getenv("PATH")}, string(filepath.ListSeparator)), "CI=true", "FORGE="+server.URL, "ARTIFACTS="+artifacts,
		"GITHUB_REPOSITORY=acme/pipelines", "GITHUB_SHA=beef", "PULL=7", "GITHUB_STEP_SUMMARY="+filepath.Join(r.work, "summary.md"),
		"RELEASE="+server.URL, "RUNNER_TEMP="+t.TempDir(), "GITHUB_PATH="+filepath.Join(t.TempDir(), "path"),
		"CI_API_V4_URL="+server.URL, "CI_PROJECT_ID=1", "CI_MERGE_REQUEST_IID=7", "FORGE_TOKEN=t")
	const one = "apiVersion: pipelinetui/v1\ndefaults: {template: light, region: us-east-1}\ntenants: {acme: {tags: {tier: canary}}}\npipelines:\n  - {tenant: acme, model: one}\n"

	// a pull request, and another commit to it
	r.write("pipelines.yaml", one)
	r.must("github preview")
	require.Len(t, r.comments, 1)
	require.Contains(t, r.comments[0], "### preview: 1 of 1 pipeline would change")
	r.write("pipelines.yaml", strings.Replace(one, "light,", "nosuch,", 1))
	code, _ := r.job("github preview", true)
	require.Equal(t, 2, code)
	require.Len(t, r.comments, 1, "one comment replaces itself")
	require.Contains(t, r.comments[0], "there is no template")
	require.Equal(t, []string{http.MethodPost, http.MethodPatch}, r.writes)

	// What did not come by a pull request, or by one whose preview did not succeed, has no plan.
	require.NoError(t, os.Rename(filepath.Join(r.work, "plan.json"), filepath.Join(artifacts, "plan.json")))
	r.write("pipelines.yaml", one)
	ran := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(artifacts, "runs"), []byte(text), 0o600))
	}
	ran("")
	code, out := r.job("github apply", false)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "::error::beef came by no pull request")
	r.pulls = `[{"head": {"sha": "c0ffee"}}]`
	code, out = r.job("github apply", false)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "::error::no preview of c0ffee has succeeded")
	require.NoFileExists(t, filepath.Join(r.work, "plan.json"))

	// what is merged is what was looked at
	ran("42\n")
	r.must("github apply")
	require.Contains(t, r.read("summary.md"), "### up: 1 pipeline, 1 succeeded")
	r.must("github drift")

	// another spec than was looked at, and another state: nothing is done
	two := strings.Replace(one, "canary", "gold", 1) + "  - {tenant: acme, model: two, tags: {tier: canary}}\n"
	r.write("pipelines.yaml", two)
	code, out = r.job("github apply", false)
	require.Equal(t, 2, code, out)
	for _, want := range []string{"nothing was changed", "acme/one: its stack was changed after the plan was made", `acme/one: tags.tier is "gold", and in the plan "canary"`, "acme/two is not in the plan"} {
		require.Contains(t, out, want)
	}
	code, out = r.job("github drift", false)
	require.Equal(t, 7, code, out)
	require.Contains(t, out, "::error::")
	// What main says is planned again, and that is applied.
	r.must("github plan-again")
	r.must("github apply-again")
	r.must("github fleet")
	require.Contains(t, r.read("waves.md"), "### up: 2 pipelines, 2 succeeded")

	r.write("pipelines.yaml", strings.Replace(one, "canary", "silver", 1))
	r.comments = nil // of another forge
	r.must("gitlab preview")
	r.must("gitlab preview")
	require.Len(t, r.comments, 1)
	require.Contains(t, r.comments[0], "### preview: 1 of 1 pipeline would change")
	require.Contains(t, r.must("gitlab plan"), "### preview: 1 of 1 pipeline would change")
	r.must("gitlab apply")
	r.must("gitlab drift")
	for name := range r.jobs {
		require.True(t, r.ran[name], "%s: nothing on the page is untested", name)
	}
}
