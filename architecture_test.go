package pipelinetui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
)

const module = "github.com/pipelinetui/pipelinetui/"

// mayImport is the house's floor plan: what each package may import of this
// module, test files apart. A prefix that ends in /... covers what is below.
// Adding an arrow here is a decision: say why in docs/decisions.
var mayImport = map[string][]string{
	"cmd/pipelinetui":         {"internal/cli"},
	"templates":               {},
	"internal/fault":          {},
	"internal/clock":          {},
	"internal/lazyregexp":     {},
	"internal/wholefile":      {},
	"internal/peer":           {},
	"internal/process":        {},
	"internal/peer/peertest":  {},
	"internal/document":       {},
	"internal/outside":        {"internal/fault"},
	"internal/fetch":          {"internal/fault"},
	"internal/version":        {},
	"internal/theme":          {},
	"internal/linear":         {},
	"internal/settings":       {"internal/fault"},
	"internal/awscfg":         {"internal/fault", "internal/plainbody"},
	"internal/plainbody":      {},
	"internal/asl":            {"internal/fault", "internal/asl/..."},
	"internal/asl/...":        {"internal/fault", "internal/asl/..."},
	"internal/spec":           {"internal/asl/jsonata", "internal/document", "internal/fault", "internal/linear"},
	"internal/form":           {"internal/fault", "internal/spec"},
	"internal/check":          {"internal/fault", "internal/spec", "internal/asl", "internal/asl/..."},
	"internal/program":        {"internal/fault", "internal/spec", "internal/program/kinds", "internal/program/native", "internal/revisions"},
	"internal/program/native": {"internal/program/kinds"},
	"internal/preflight":      {"internal/fault"},
	"internal/permissions":    {"internal/fault", "internal/program/kinds"},
	"internal/program/kinds":  {},
	"internal/program/eject":  {"internal/document", "internal/fault", "internal/program"},
	"internal/artifacts":      {"internal/fault"},
	"internal/revisions":      {"internal/fault"},
	"internal/checks":         {"internal/asl/jsonata", "internal/asl/value", "internal/clock", "internal/executions", "internal/fault", "internal/results", "internal/spec"},
	"internal/waves":          {"internal/clock", "internal/fault", "internal/spec"},
	"internal/results":        {"internal/awscfg", "internal/document", "internal/fault"},
	"internal/costs":          {"internal/asl", "internal/asl/value", "internal/fault", "internal/program/kinds", "internal/spec"},
	"internal/health":         {"internal/awscfg", "internal/fault"},
	"internal/logstream":      {"internal/awscfg", "internal/clock", "internal/fault", "internal/ledger"},
	"internal/stack":          {"internal/fault", "internal/clock", "internal/fetch", "internal/outside", "internal/process"},
	"internal/ledger":         {"internal/clock", "internal/fault"},
	"internal/executions":     {"internal/fault", "internal/clock", "internal/ledger", "internal/outside"},
	"internal/pipelines":      {"internal/fault", "internal/health", "internal/program/kinds", "internal/spec", "internal/stack", "internal/executions", "internal/revisions"},
	"internal/fleet": {
		"internal/asl/jsonata", "internal/asl/value", "internal/document", "internal/executions", "internal/fault", "internal/outside",
		"internal/pipelines", "internal/render", "internal/spec",
	},
	"internal/diagram": {"internal/asl", "internal/render"},
	"internal/plans":   {"internal/fault", "internal/pipelines", "internal/program/kinds", "internal/revisions", "internal/stack"},
	"internal/render": {
		"internal/fault", "internal/health", "internal/results", "internal/theme", "internal/program/kinds", "internal/stack",
		"internal/executions", "internal/spec", "internal/asl",
	},
	"internal/report":               {"internal/asl", "internal/diagram", "internal/executions", "internal/fault", "internal/render", "internal/theme"},
	"internal/sandbox":              {"internal/fault", "internal/clock", "internal/process", "internal/sandbox/..."},
	"internal/sandbox/guard":        {},
	"internal/sandbox/store":        {"internal/sandbox/guard"},
	"internal/sandbox/wire":         {"internal/clock", "internal/sandbox/guard", "internal/sandbox/wire/model"},
	"internal/sandbox/wire/model":   {},
	"internal/sandbox/faults":       {"internal/clock", "internal/sandbox/wire"},
	"internal/sandbox/kit/...":      {"internal/clock", "internal/sandbox/guard", "internal/sandbox/kit/...", "internal/sandbox/store", "internal/sandbox/wire"},
	"internal/sandbox/iam/policy":   {"internal/sandbox/wire"},
	"internal/sandbox/daemontest":   {"internal/fault", "internal/sandbox"},
	"internal/sandbox/provider":     {"internal/fault", "internal/clock", "internal/peer", "internal/sandbox/provider/..."},
	"internal/sandbox/provider/...": {"internal/fault", "internal/clock", "internal/sandbox/provider/..."},
	// Services know the doorstep and never each other: they meet through wire. A row
	// names what a service has beside that (service); its own rooms are its own.
	"internal/sandbox/autoscaling":           service("internal/sandbox/guard"),
	"internal/sandbox/cloudcontrol":          service("internal/sandbox/guard"),
	"internal/sandbox/cloudwatch":            service("internal/sandbox/guard", "internal/sandbox/cloudwatch/metricmath"),
	"internal/sandbox/cloudwatch/metricmath": {},
	"internal/sandbox/logs/insights":         {},
	"internal/sandbox/ecr":                   service(),
	"internal/sandbox/events":                service("internal/sandbox/guard"),
	"internal/sandbox/iam":                   service(),
	"internal/sandbox/iam/iamtest":           service("internal/plainbody", "internal/sandbox/iam"),
	"internal/sandbox/kms":                   service(),
	"internal/sandbox/lambda":                service("internal/peer", "internal/sandbox/guard"),
	"internal/sandbox/logs":                  service("internal/sandbox/guard", "internal/sandbox/logs/insights"),
	"internal/sandbox/s3":                    service(),
	"internal/sandbox/secretsmanager":        service(),
	"internal/sandbox/servicequotas":         service(),
	"internal/sandbox/ssm":                   service("internal/sandbox/guard"),
	"internal/sandbox/sagemaker":             service("internal/linear", "internal/sandbox/guard"),
	"internal/sandbox/scheduler":             service("internal/sandbox/guard"),
	"internal/sandbox/sns":                   service(),
	"internal/sandbox/sqs":                   service("internal/sandbox/guard"),
	"internal/sandbox/states": {
		"internal/clock", "internal/sandbox/kit/defaults", "internal/sandbox/kit/limits", "internal/sandbox/states/api",
		"internal/sandbox/states/interpreter", "internal/sandbox/states/journal",
		"internal/sandbox/states/report", "internal/sandbox/states/tokens", "internal/sandbox/store", "internal/sandbox/wire",
	},
	// The rooms of Step Functions: api asks, interpreter runs, maprun runs Map Runs for it.
	// Those below know neither how executions run nor, but for what is stored and what a
	// failure is, each other.
	"internal/sandbox/states/api": service(
		"internal/asl", "internal/asl/value", "internal/sandbox/states/failure", "internal/sandbox/states/history", "internal/sandbox/states/integration",
		"internal/sandbox/states/interpreter",
		"internal/sandbox/states/items", "internal/sandbox/states/journal", "internal/sandbox/states/record", "internal/sandbox/states/tokens",
	),
	"internal/sandbox/states/interpreter": {
		"internal/asl", "internal/asl/...", "internal/clock", "internal/sandbox/guard", "internal/sandbox/kit/limits", "internal/sandbox/kit/optional",
		"internal/sandbox/kit/persist", "internal/sandbox/store", "internal/sandbox/wire",
		"internal/sandbox/states/failure", "internal/sandbox/states/history", "internal/sandbox/states/integration", "internal/sandbox/states/items", "internal/sandbox/states/journal",
		"internal/sandbox/states/maprun", "internal/sandbox/states/record", "internal/sandbox/states/report", "internal/sandbox/states/tokens", "internal/sandbox/states/watch",
	},
	"internal/sandbox/states/history":     {},
	"internal/sandbox/states/failure":     {"internal/asl/value"},
	"internal/sandbox/states/record":      {"internal/sandbox/states/journal", "internal/sandbox/store", "internal/sandbox/wire"},
	"internal/sandbox/states/integration": {"internal/asl", "internal/asl/value", "internal/sandbox/wire", "internal/sandbox/wire/model"},
	"internal/sandbox/states/items":       {"internal/asl", "internal/asl/value", "internal/sandbox/states/items/delimited", "internal/sandbox/wire"},
	"internal/sandbox/states/report":      {"internal/clock", "internal/sandbox/guard", "internal/sandbox/states/history", "internal/sandbox/states/record", "internal/sandbox/wire"},
	"internal/sandbox/states/tokens": {
		"internal/asl/value", "internal/sandbox/states/failure", "internal/sandbox/states/journal",
		"internal/sandbox/states/record", "internal/sandbox/store",
	},
	"internal/sandbox/states/maprun": {
		"internal/asl", "internal/asl/value", "internal/sandbox/guard", "internal/sandbox/kit/limits", "internal/sandbox/states/failure", "internal/sandbox/states/items",
		"internal/sandbox/states/journal", "internal/sandbox/states/record", "internal/sandbox/states/results", "internal/sandbox/store", "internal/sandbox/wire",
	},
	"internal/sandbox/states/results": {
		"internal/asl", "internal/asl/value", "internal/sandbox/guard", "internal/sandbox/states/failure", "internal/sandbox/states/integration",
		"internal/sandbox/states/record", "internal/sandbox/wire",
	},
	"internal/sandbox/states/watch":           {"internal/sandbox/states/journal", "internal/sandbox/states/record", "internal/sandbox/store"},
	"internal/sandbox/states/journal":         {"internal/clock", "internal/sandbox/guard", "internal/sandbox/kit/persist", "internal/sandbox/store"},
	"internal/sandbox/states/items/delimited": {},
	"internal/app": {
		"templates", "internal/artifacts", "internal/asl", "internal/awscfg", "internal/check", "internal/checks", "internal/clock", "internal/costs",
		"internal/executions", "internal/fault", "internal/fetch", "internal/ledger", "internal/linear", "internal/outside", "internal/permissions", "internal/pipelines",
		"internal/preflight", "internal/program", "internal/program/eject", "internal/program/kinds", "internal/revisions", "internal/health", "internal/logstream", "internal/results",
		"internal/sandbox", "internal/sandbox/provider", "internal/settings", "internal/spec", "internal/stack", "internal/version", "internal/waves",
	},
	"internal/tui/keys": {},
	"internal/tui/pump": {},
	"internal/tui/data": {
		"internal/costs", "internal/fault", "internal/fleet", "internal/health", "internal/logstream", "internal/preflight", "internal/results", "internal/pipelines", "internal/spec",
		"internal/stack", "internal/executions",
	},
	"internal/tui/ui": {
		"internal/fault", "internal/fleet", "internal/clock", "internal/theme", "internal/spec", "internal/stack", "internal/executions",
		"internal/pipelines", "internal/tui/data", "internal/tui/keys", "internal/tui/pump",
	},
	"internal/tui/widget": {
		"internal/logstream", "internal/theme", "internal/render", "internal/asl", "internal/diagram", "internal/executions",
		"internal/stack", "internal/tui/keys",
	},
	"internal/tui/dialog": {"internal/fault", "internal/theme", "internal/render", "internal/tui/ui", "internal/tui/widget", "internal/tui/keys"},
	// Pages know the contract and the widgets, never the root and (but for panels
	// that a page embeds) never each other.
	"internal/tui/pages/...": {
		"internal/costs", "internal/fault", "internal/clock", "internal/theme", "internal/program/kinds", "internal/render", "internal/spec", "internal/stack",
		"internal/executions", "internal/asl", "internal/diagram",
		"internal/fleet", "internal/form", "internal/outside", "internal/pipelines", "internal/preflight", "internal/health", "internal/logstream", "internal/results",
		"internal/tui/data", "internal/tui/dialog", "internal/tui/keys", "internal/tui/pump", "internal/tui/ui", "internal/tui/widget",
	},
	"internal/tui/pages/pipeline": {
		"internal/fault", "internal/clock", "internal/theme", "internal/program/kinds", "internal/render", "internal/spec", "internal/stack", "internal/executions", "internal/asl",
		"internal/pipelines", "internal/tui/data", "internal/tui/dialog", "internal/tui/keys", "internal/tui/pump", "internal/tui/ui", "internal/tui/widget",
		"internal/tui/pages/executions", "internal/tui/pages/health", "internal/tui/pages/logs", "internal/tui/pages/results",
	},
	"internal/tui/custom": {"internal/fault", "internal/theme", "internal/tui/keys", "internal/tui/ui"},
	"internal/tui/live": {
		"internal/app", "internal/costs", "internal/fleet", "internal/health", "internal/logstream", "internal/fault", "internal/pipelines", "internal/preflight",
		"internal/spec", "internal/stack", "internal/executions", "internal/settings", "internal/tui/data",
	},
	"internal/tui/datatest": {
		"templates", "internal/costs", "internal/fleet", "internal/health", "internal/logstream", "internal/results", "internal/fault", "internal/clock",
		"internal/pipelines", "internal/preflight", "internal/program/kinds", "internal/spec", "internal/stack", "internal/executions", "internal/tui/data",
	},
	"internal/tui/frametest": {},
	"internal/tui/tuitest":   {"internal/clock", "internal/theme", "internal/tui", "internal/tui/custom", "internal/tui/data", "internal/tui/keys", "internal/tui/ui"},
	"internal/tui": {
		"internal/fault", "internal/fleet", "internal/clock", "internal/theme", "internal/render", "internal/spec", "internal/stack", "internal/pipelines",
		"internal/tui/custom", "internal/tui/data", "internal/tui/dialog", "internal/tui/keys", "internal/tui/pages/...", "internal/tui/ui", "internal/tui/widget",
	},
	// What a command speaks through knows nothing of pipelines.
	"internal/cli/console": {"internal/document", "internal/fault", "internal/outside", "internal/render", "internal/theme"},
	"internal/cli": {
		"internal/cli/console", "internal/early", "internal/document", "internal/outside",
		"internal/tui", "internal/tui/custom", "internal/tui/keys", "internal/tui/live", "internal/form",
		"internal/app", "internal/check", "internal/costs", "internal/executions", "internal/fault", "internal/fleet", "internal/permissions", "internal/pipelines",
		"internal/plans", "internal/preflight", "internal/program/kinds", "internal/health", "internal/logstream", "internal/render", "internal/report", "internal/results",
		"internal/revisions", "internal/settings", "internal/spec",
		"internal/stack", "internal/theme", "internal/version", "internal/waves",
	},
}

// service is the row of a service of the sandbox.
func service(more ...string) []string {
	return append([]string{
		"internal/clock", "internal/sandbox/iam/policy", "internal/sandbox/kit/...", "internal/sandbox/store", "internal/sandbox/wire", "internal/sandbox/wire/model",
	}, more...)
}

// onlyIn says where a foreign package may be imported, test files apart.
var onlyIn = map[string][]string{
	"github.com/pulumi/pulumi-aws/":           {"internal/program"},
	"github.com/pulumi/pulumi-aws-native/":    {"internal/program"},
	"github.com/pulumi/pulumi/sdk/v3/go/auto": {"internal/stack"},
	"github.com/pulumi/":                      {"internal/program", "internal/stack", "internal/sandbox/provider"},
	// cuts texts, calls nobody
	"github.com/aws/aws-sdk-go-v2/aws/arn":     {"internal/app", "internal/artifacts", "internal/executions", "internal/sandbox", "internal/spec"},
	"github.com/aws/aws-sdk-go-v2/service/sfn": {"internal/executions", "internal/sandbox", "internal/tui/datatest"},
	"github.com/aws/aws-sdk-go-v2/service/": {
		"internal/artifacts", "internal/executions", "internal/health", "internal/logstream",
		"internal/results", "internal/sandbox", "internal/awscfg", "internal/app", "internal/tui/datatest",
	},
	"github.com/aws/": {
		"internal/artifacts", "internal/executions", "internal/health", "internal/logstream",
		"internal/results", "internal/sandbox", "internal/awscfg", "internal/app", "internal/tui/datatest",
	},
	"github.com/charmbracelet/":                           {"internal/tui", "internal/theme", "internal/render", "internal/cli"},
	"github.com/charmbracelet/x/ansi":                     {"internal/tui", "internal/theme", "internal/render", "internal/cli", "internal/diagram"}, // measures texts
	"github.com/google/renameio/":                         {"internal/wholefile"},                                                                    // it has nothing for Windows
	"go.etcd.io/bbolt":                                    {"internal/sandbox/store"},
	"github.com/pipelinetui/pipelinetui/internal/sandbox": {"internal/sandbox", "internal/app"},
}

func TestArrowsRunDownward(t *testing.T) {
	t.Parallel()
	seen := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "tools", "testdata", "examples", "e2e"}, d.Name())) {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		seen++
		pkg := filepath.ToSlash(filepath.Dir(path))
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			target, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			checkOwn(t, path, pkg, target)
			checkForeign(t, path, pkg, target)
		}
		return nil
	}))
	require.Greater(t, seen, 50, "the walk found too few files to mean anything")
}

func checkOwn(t *testing.T, path, pkg, target string) {
	t.Helper()
	own, ok := strings.CutPrefix(target, module)
	if !ok {
		return
	}
	rules, known := rulesFor(pkg)
	if !known {
		t.Errorf("%s: package %s has no place in the floor plan: add it to mayImport", path, pkg)
		return
	}
	if own == pkg || own == "internal/lazyregexp" || own == "internal/wholefile" || slices.ContainsFunc(rules, func(r string) bool { return covers(r, own) }) {
		return
	}
	t.Errorf("%s: %s may not import %s; it may import %v", path, pkg, own, rules)
}

func checkForeign(t *testing.T, path, pkg, target string) {
	t.Helper()
	// The longest prefix decides: the rule for sfn is stricter than that for all
	// services.
	best := ""
	for prefix := range onlyIn {
		if strings.HasPrefix(target, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	if best == "" || slices.ContainsFunc(onlyIn[best], func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") }) {
		return
	}
	t.Errorf("%s: only %v may import %s", path, onlyIn[best], target)
}

func rulesFor(pkg string) ([]string, bool) {
	if r, ok := mayImport[pkg]; ok {
		return r, true
	}
	best := ""
	for p := range mayImport {
		if covers(p, pkg) && len(p) > len(best) {
			best = p
		}
	}
	r, ok := mayImport[best]
	return r, ok
}

func covers(rule, pkg string) bool {
	prefix, deep := strings.CutSuffix(rule, "/...")
	return rule == pkg || deep && strings.HasPrefix(pkg, prefix+"/")
}

// TestGoroutinesAreGuarded: a panic in a goroutine that nobody guards ends the
// sandbox with everything that runs in it. Below internal/sandbox only the
// package guard starts any; sync.WaitGroup.Go is given guard.Func.
func TestGoroutinesAreGuarded(t *testing.T) {
	t.Parallel()
	seen := 0
	require.NoError(t, filepath.WalkDir("internal/sandbox", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(filepath.ToSlash(path), "internal/sandbox/guard/") {
			return err
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, bare := n.(*ast.GoStmt); bare {
				t.Errorf("%s starts a goroutine of its own: use guard.Go", path)
			}
			return true
		})
		return nil
	}))
	require.Greater(t, seen, 50, "the walk found too few files to mean anything")
}

// looksAtFiles is a look at a file or folder by its name, which may be a pipe that nobody
// writes to, or lie on a mount that is dead.
var looksAtFiles = regexp.MustCompile(`os\.(ReadFile|Open|OpenFile|Stat|Lstat|ReadDir|DirFS|Readlink)\(|filepath\.(Glob|WalkDir|EvalSymlinks)\(`)

// insideDo says why a file may look at files: what it has is called inside of outside.Do,
// so that the first signal ends it, or is not about what a user names. Any other file
// goes through internal/outside with the command's context.
var insideDo = map[string]string{
	"internal/app/complete.go":         "Batches, called in Do; the home's own journals",
	"internal/app/eject.go":            "vacant, called in Do; settle puts in place what it has made beside it",
	"internal/app/ledger.go":           "the home's own ledgers",
	"internal/app/rebuild.go":          "in Do, or below the home's cache and called in Do",
	"internal/app/revisions.go":        "a file that it has made itself",
	"internal/app/templatenew.go":      "NewTemplate, called in Do",
	"internal/app/templates.go":        "CheckTemplates and the catalog, called in Do",
	"internal/artifacts/artifacts.go":  "Files, called in Do; Upload opens regular files only",
	"internal/artifacts/download.go":   "makes the file that it writes",
	"internal/cli/batch.go":            "in Do",
	"internal/cli/costsbatch.go":       "itemsIn, in Do",
	"internal/cli/complete.go":         "completes calls all of it in Do",
	"internal/cli/policies.go":         "in Do",
	"internal/cli/run.go":              "in Do",
	"internal/cli/runmany.go":          "in Do",
	"internal/cli/sandboxexec.go":      "PATH, as any shell looks it up",
	"internal/cli/savedplan.go":        "in Do",
	"internal/executions/inputs.go":    "each, which Check calls in Do; Items reads again what Check has read",
	"internal/fleet/export.go":         "in Do",
	"internal/fleet/inputs.go":         "in Do",
	"internal/program/artifact.go":     "a model that validation has read in Do",
	"internal/program/code.go":         "a folder that validation has read in Do",
	"internal/program/copy.go":         "files that validation has read in Do",
	"internal/program/eject/assets.go": "files that validation has read in Do",
	"internal/stack/install.go":        "an archive that it has downloaded itself, and the home's bin",
	"internal/stack/pluginfetch.go":    "the CLI's own folders of plugins",
	"internal/spec/artifact.go":        "Parse, New and FromDocument, called in Do",
	"internal/spec/catalog.go":         "LoadCatalog, called in Do",
	"internal/spec/check.go":           "Parse, New and FromDocument, called in Do",
	"internal/spec/load.go":            "Load, for tests; the command line reads itself and calls Parse in Do",
	"internal/spec/secret.go":          "Parse, New and FromDocument, called in Do",
	"internal/stack/access.go":         "called by onDisk, or once the backend has answered in it",
	"internal/stack/backend.go":        "called by onDisk",
	"internal/stack/create.go":         "called once the backend has answered in onDisk",
	"internal/stack/damage.go":         "readRegular: no pipe is opened; called by onDisk",
	"internal/stack/engine.go":         "the user's own folder of Pulumi",
	"internal/stack/filestate.go":      "called by onDisk",
	"internal/stack/find.go":           "in Do, or the home's own memory",
	"internal/stack/layout.go":         "called by onDisk, or once the backend has answered in it",
	"internal/stack/lockread.go":       "called by onDisk",
	"internal/stack/names.go":          "Names, called in Do",
	"internal/stack/plugins.go":        "the folder of plugins",
	"internal/stack/restore.go":        "called by onDisk",
	"internal/stack/spare.go":          "called once the backend has answered in onDisk",
	"internal/stack/workspace.go":      "the home's own work directories",
}

func TestForeignFilesAreReadWithAContext(t *testing.T) {
	t.Parallel()
	looks := map[string]bool{}
	for _, dir := range []string{"app", "artifacts", "check", "cli", "executions", "fleet", "plans", "program", "program/eject", "settings", "spec", "stack"} {
		files, err := filepath.Glob("internal/" + dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, path := range files {
			path = filepath.ToSlash(path)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			if strings.HasSuffix(path, "_test.go") || !looksAtFiles.Match(text) {
				continue
			}
			looks[path] = true
			if insideDo[path] == "" {
				t.Errorf("%s looks at files by itself: use outside.ReadFile, or outside.Do around it, and say so in insideDo", path)
			}
		}
	}
	for path := range insideDo {
		require.True(t, looks[path], "%s looks at no files any more", path)
	}
}

// handMadeARN is an ARN that is cut or put together as text. wire.Scope and
// wire.ParseARN, which stand on the SDK's aws/arn, do both; providers use aws/arn.
var handMadeARN = regexp.MustCompile(`Split(N|Seq)?\([^,\n]*[aA](rn|RN)\w*(\(\))?\)?, ":"|"arn:"\s*\+|"arn:[^"]*"\s*\+|printf\("arn:|HasPrefix\([^)\n]*"arn:|Join\([^)\n]*"arn"`)

// cutByHand is an ARN that is cut as text. Those of Step Functions are a service's own, and
// cut where they are used.
var cutByHand = regexp.MustCompile(`Split(N|Seq)?\([^,\n]*([aA](rn|RN)\w*|Role\w*)(\(\))?\)?, ":"`)

func TestARNsAreCutByTheSDK(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"internal/spec", "internal/app", "internal/program", "internal/awscfg"} {
		files, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for i, line := range strings.Split(string(text), "\n") {
				if cutByHand.MatchString(line) && !strings.HasSuffix(path, "_test.go") {
					t.Errorf("%s:%d: an ARN cut by hand: use aws/arn", path, i+1)
				}
			}
		}
	}
	require.Regexp(t, cutByHand, `strings.Split(p.AssumeRole, ":")`)
	require.Regexp(t, cutByHand, `strings.SplitN(arn, ":", 3)`)
}

func TestARNsAreMadeInOnePlace(t *testing.T) {
	t.Parallel()
	seen := 0
	require.NoError(t, filepath.WalkDir("internal/sandbox", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		seen++
		if filepath.ToSlash(path) == "internal/sandbox/wire/scope.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if code, _, _ := strings.Cut(line, "//"); handMadeARN.MatchString(code) {
				t.Errorf("%s:%d: an ARN made or cut by hand: use wire.Scope, wire.ParseARN or aws/arn", path, i+1)
			}
		}
		return nil
	}))
	require.Greater(t, seen, 100, "the walk found too few files to mean anything")
	for _, bad := range []string{
		`strings.Split(arn, ":")`, `strings.SplitN(*in.ResourceArn, ":", 6)`, `"arn:" + partition`,
		`fmt.Sprintf("arn:aws:s3:::%s", b)`, `"arn:aws:iam::" + id`, `strings.HasPrefix(id, "arn:")`,
	} {
		require.Regexp(t, handMadeARN, bad)
	}
}

// typeToken is the engine's name of a type of resource.
var typeToken = regexp.MustCompile(`"aws(-native)?:[a-z0-9]+(/[A-Za-z0-9]+)?:[A-Z][A-Za-z0-9]*"`)

// TestTypesOfResourcesHaveOneHome: what is known of a type of resource stands in
// internal/program/kinds. A type that another room names by itself is a case that somebody
// forgets when the next type comes.
func TestTypesOfResourcesHaveOneHome(t *testing.T) {
	t.Parallel()
	seen := 0
	require.NoError(t, filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		path = filepath.ToSlash(path)
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "internal/sandbox/") || strings.HasPrefix(path, "internal/program/kinds/") {
			return err
		}
		seen++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			code, _, _ := strings.Cut(line, "// ")
			if typeToken.MatchString(code) {
				t.Errorf("%s:%d: a type of resource by its name: ask internal/program/kinds", path, i+1)
			}
			for _, k := range kinds.All() {
				provider, rest, _ := strings.Cut(k.Type, ":")
				module, name, _ := strings.Cut(rest, ":")
				module, _, _ = strings.Cut(module, "/")
				if strings.Contains(code, `"`+module+":"+name+`"`) || strings.Contains(code, `"`+provider+":"+module+":"+name+`"`) {
					t.Errorf("%s:%d: the type %s by another of its names: ask internal/program/kinds", path, i+1, k.Type)
				}
			}
		}
		return nil
	}))
	require.Greater(t, seen, 200, "the walk found too few files to mean anything")
	for _, k := range kinds.All() {
		require.Regexp(t, typeToken, `"`+k.Type+`"`)
	}
}
