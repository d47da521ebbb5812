package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// typed is a block of commands of a page, and what the page says that it prints.
type typed struct{ commands, shown string }

var (
	pageBlock = regexp.MustCompile("(?ms)^```(sh|output)\n(.*?)^```$")
	anything  = strings.NewReplacer(`\.\.\.`, `.*`, ` `, `\s+`)
	gap       = regexp.MustCompile(`\s+`)
)

// steps are the blocks of commands of a page, in their order: those marked `sh`, each
// with the block marked `output` that follows.
func steps(t *testing.T, page string) []typed {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	require.NoError(t, err)
	var out []typed
	for _, m := range pageBlock.FindAllStringSubmatch(string(raw), -1) {
		if m[1] == "sh" {
			out = append(out, typed{commands: m[2]})
			continue
		}
		require.NotEmpty(t, out, "output of nothing")
		out[len(out)-1].shown = m[2]
	}
	require.NotEmpty(t, out, page)
	return out
}

// follow types the commands of all steps into one shell, as a reader does, and holds what
// each prints, on both outputs, against what is shown of it: its lines in their order, where
// `...` is anything and blanks are as wide as they like.
func (h *home) follow(t *testing.T, list []typed) {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -euo pipefail\nexec 3>&1\n")
	dir := t.TempDir()
	file := func(i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	for i, s := range list {
		fmt.Fprintf(&script, "exec >%s 2>&1\n%s\necho %d >&3\n", file(i), s.commands, i)
	}
	done, problems, code := h.run(nil, "bash", "-c", script.String())
	if code != 0 {
		i := strings.Count(done, "\n")
		said, _ := os.ReadFile(file(i)) // there is none if it was the shell
		t.Fatalf("exit code %d\n%s\nprinted\n%s%s", code, list[min(i, len(list)-1)].commands, said, problems)
	}
	for i, s := range list {
		said, err := os.ReadFile(file(i))
		require.NoError(t, err)
		rest := string(said)
		for line := range strings.Lines(s.shown) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			like := regexp.MustCompile(anything.Replace(regexp.QuoteMeta(gap.ReplaceAllString(line, " "))))
			at := like.FindStringIndex(rest)
			if at == nil {
				t.Errorf("%s\nprinted\n%s\nwhich has not, at its place: %s", s.commands, said, line)
				break
			}
			rest = rest[at[1]:]
		}
	}
}

// newReader is a home for who does what a page says, with the program under its name on PATH.
func newReader(t *testing.T) *home {
	t.Helper()
	if os.Getenv("ACCEPTANCE_ALL") == "" {
		t.Skip("ACCEPTANCE_ALL is not set: what a page tells to do costs minutes of a processor")
	}
	h := newHome(t)
	programs := t.TempDir()
	require.NoError(t, os.Symlink(h.bin, filepath.Join(programs, "pipelinetui")))
	h.env = append(h.env, "PATH="+programs+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return h
}

// account is a sandbox that stands for an AWS account: what the page of the documentation
// says is typed there as it is. Two things are different: requests go to the sandbox, and
// the providers are the embedded ones.
type account struct{ *home }

func newAccount(t *testing.T) *account {
	t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("no aws command line on PATH: pip install awscli")
	}
	a := &account{newReader(t)}
	a.env = append(
		a.env, "IMAGE=sandbox/linear", "AWS_EC2_METADATA_DISABLED=true", "PIPELINETUI_SANDBOX_HASTE=100",
		"AWS_CONFIG_FILE="+filepath.Join(a.work, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(a.work, "credentials"),
	)
	a.must(nil, a.bin, "sandbox", "start", "--debug")
	var info struct {
		Variables []struct{ Name, Value string }
	}
	require.NoError(t, json.Unmarshal([]byte(a.must(nil, a.bin, "sandbox", "env", "-o", "json")), &info))
	keys := map[string]string{}
	for _, v := range info.Variables {
		keys[v.Name] = v.Value
	}
	endpoint := keys["AWS_ENDPOINT_URL"]
	require.NotEmpty(t, endpoint)
	a.env = append(a.env, "AWS_ENDPOINT_URL="+endpoint, "PIPELINETUI_ENDPOINT_URL="+endpoint, "SANDBOX="+strings.TrimPrefix(endpoint, "http://"))
	admin := fmt.Sprintf("[admin]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
	require.NoError(t, os.WriteFile(filepath.Join(a.work, "credentials"), []byte(admin), 0o600))
	iris := filepath.Join("..", "..", "examples", "iris")
	for from, to := range map[string]string{
		filepath.Join(iris, "preprocess"): "preprocess", filepath.Join(iris, "model"): "model", filepath.Join(iris+"-batch", "preprocess"): "batch",
	} {
		require.NoError(t, os.CopyFS(filepath.Join(a.work, to), os.DirFS(from)))
	}
	for _, name := range []string{"model.tar.gz", "one.json", "flowers.jsonl"} {
		raw, err := os.ReadFile(filepath.Join(iris, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(a.work, name), raw, 0o600))
	}
	return a
}

// call is a permission that was asked for, as the sandbox's log has it.
type call struct {
	Msg, Principal, Action, Resource string
	Keys                             map[string][]string
}

// calls are the permissions that each role was given, by its name, and those that were refused.
func (a *account) calls(t *testing.T) (allowed map[string][]call, refused []call) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(a.dir, "sandbox", "sandbox.log"))
	require.NoError(t, err)
	allowed = map[string][]call{}
	keys := strings.Fields(a.must(nil, "aws", "kms", "list-aliases", "--profile", "admin", "--region", "us-east-1", "--output", "text",
		"--query", "Aliases[?starts_with(AliasName, 'alias/aws/')].TargetKeyId"))
	for line := range strings.Lines(string(raw)) {
		var c call
		require.NoError(t, json.Unmarshal([]byte(line), &c), line)
		parts := strings.Split(c.Principal, "/")
		if len(parts) < 2 || !strings.HasPrefix(parts[1], "ptui-") {
			continue
		}
		switch c.Msg {
		case "allowed":
			allowed[parts[1]] = append(allowed[parts[1]], c)
		case "denied":
			// The policy of a key that AWS keeps for a service allows what the caller's does not.
			if !slices.ContainsFunc(keys, func(id string) bool { return strings.HasSuffix(c.Resource, ":key/"+id) }) {
				refused = append(refused, c)
			}
		}
	}
	return allowed, refused
}

// allowed wants every role of who uses the tool to have been given what it asked for, and
// nothing to have been refused to anybody, the pipelines' own roles included.
func (a *account) allowed(t *testing.T) map[string][]call {
	t.Helper()
	allowed, refused := a.calls(t)
	require.Empty(t, refused, "a permission is missing")
	for _, role := range []string{"ptui-reader", "ptui-runner", "ptui-deployer"} {
		require.Greater(t, len(allowed[role]), 10, role)
	}
	return allowed
}

// needed wants each statement of the policies of a role to be what alone allowed something
// that it did.
func (a *account) needed(t *testing.T, role string, calls []call, policies ...string) {
	t.Helper()
	statements := map[string]*policy.Document{}
	for _, name := range policies {
		files, err := filepath.Glob(filepath.Join(a.work, "policies", "*", name+"*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files, name)
		for _, file := range files {
			if base := strings.TrimSuffix(filepath.Base(file), ".json"); base != name && !partOf(base, name) {
				continue
			}
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var doc struct{ Statement []json.RawMessage }
			require.NoError(t, json.Unmarshal(raw, &doc))
			for _, s := range doc.Statement {
				var named struct{ Sid string }
				require.NoError(t, json.Unmarshal(s, &named))
				one, err := policy.Parse(`{"Version":"2012-10-17","Statement":[`+string(s)+`]}`, policy.Identity)
				require.NoError(t, err)
				statements[filepath.Base(file)+" "+named.Sid] = one
			}
		}
	}
	for name := range statements {
		var others []*policy.Document
		for other, doc := range statements {
			if other != name {
				others = append(others, doc)
			}
		}
		if !slices.ContainsFunc(calls, func(c call) bool {
			who := wire.Principal{Account: "000000000000", ARN: c.Principal}
			return policy.Evaluate(others, policy.NewRequest(who, c.Action, c.Resource, c.Keys, time.Now())) != policy.Allow
		}) {
			t.Errorf("%s: without %s everything goes as well", role, name)
		}
	}
}

// partOf tells whether a policy is a later part of one: deploy-2 of deploy.
func partOf(base, name string) bool {
	number, ok := strings.CutPrefix(base, name+"-")
	return ok && strings.Trim(number, "0123456789") == ""
}

// page is docs/aws.md with the address of the sandbox in the backend.
func (a *account) page(t *testing.T) []typed {
	t.Helper()
	list := steps(t, "aws.md")
	const backend = `s3://$STATE?region=$AWS_REGION`
	found := false
	for i := range list {
		found = found || strings.Contains(list[i].commands, backend)
		list[i].commands = strings.Replace(list[i].commands, backend, backend+"&endpoint=$SANDBOX&disableSSL=true&s3ForcePathStyle=true", 1)
	}
	require.True(t, found, "the page names no backend")
	return list
}

// A reader who follows docs/aws.md to the letter gets from an empty account to a pipeline
// that runs, and back: nothing is missing in the policies. That nothing is in them that is
// not asked for is tested in internal/app, of a recording.
func TestAWSPage(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.follow(t, a.page(t))
	a.allowed(t)
}

// The same with pipelines that have all switched on that needs rights of its own, and with
// all that the three kinds of people do: testdata/all has the spec and the commands, which
// take the place of the page's from the spec on. Here each statement has to be needed too.
func TestPermissionsOfAll(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join("testdata", "all", name))
		require.NoError(t, err)
		return string(raw)
	}
	require.NoError(t, os.WriteFile(filepath.Join(a.work, "all.yaml"), []byte(read("pipelines.yaml")), 0o600))
	var list []typed
	for _, s := range a.page(t) {
		if strings.Contains(s.commands, "cat > pipelines.yaml") {
			s.commands = read("given.sh")
		}
		list = append(list, s)
		if strings.Contains(s.commands, "as() {") {
			break
		}
	}
	for part := range strings.SplitSeq(read("work.sh"), "\n\n") {
		list = append(list, typed{commands: part})
	}
	a.follow(t, list)
	allowed := a.allowed(t)
	a.needed(t, "ptui-reader", allowed["ptui-reader"], "read", "state-read")
	a.needed(t, "ptui-runner", allowed["ptui-runner"], "run")
	a.needed(t, "ptui-deployer", allowed["ptui-deployer"], "deploy", "state", "check")
}

// TestTutorial: all that docs/tutorial.md says to type works, from an empty folder, and
// prints what it shows.
func TestTutorial(t *testing.T) {
	t.Parallel()
	newReader(t).follow(t, steps(t, "tutorial.md"))
}

// TestTemplatesPage is the same of docs/templates.md.
func TestTemplatesPage(t *testing.T) {
	t.Parallel()
	newReader(t).follow(t, steps(t, "templates.md"))
}
