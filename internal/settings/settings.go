// Package settings owns how the tool is configured: which settings there are,
// where each value comes from (defaults < config file < environment < flags) and
// the paths that follow from them. It may import fault only.
package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/adrg/xdg"
	"github.com/goccy/go-yaml"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Names of the settings, as in the config file.
const (
	Target          = "target"
	EndpointURL     = "endpointUrl"
	Profile         = "profile"
	Region          = "region"
	Backend         = "backend"
	SecretsProvider = "secretsProvider"
	Output          = "output"
	Color           = "color"
	Background      = "background"
	Unicode         = "unicode"
	ReadOnly        = "readOnly"
	Debug           = "debug"
	Hints           = "hints"
	Parallel        = "parallel"
	KeepRevisions   = "keepRevisions"
	Pulumi          = "pulumi"
	Templates       = "templates"
	MaxMonthlyCost  = "maxMonthlyCost"
	ReleaseURL      = "releaseUrl"
	SandboxPort     = "sandboxPort"
	SandboxDelay    = "sandboxEndpointDelay"
	SandboxHaste    = "sandboxHaste"
	SandboxImages   = "sandboxImages"
	SandboxItems    = "sandboxMaxItemBytes"
	SandboxAccount  = "sandboxAccount"
)

// newestRelease is the document of GitHub's API about it: tag_name and html_url are read.
// https://docs.github.com/en/rest/releases/releases#get-the-latest-release
const newestRelease = "https://api.github.com/repos/pipelinetui/pipelinetui/releases/latest"

// setting describes one setting: where it may come from and what it may be.
type setting struct {
	name  string
	flag  string   // global flag, "" if there is none
	env   []string // variables, the first set one wins
	def   string
	check func(string) error
	help  string
}

func all() []setting {
	return []setting{
		{Target, "target", []string{"PIPELINETUI_TARGET"}, "sandbox", oneOf("sandbox", "aws"), "where pipelines run"},
		{EndpointURL, "endpoint-url", []string{"PIPELINETUI_ENDPOINT_URL", awsEndpoint}, "", isURL, "AWS-compatible endpoint in place of the target's own"},
		{Profile, "profile", []string{"PIPELINETUI_PROFILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"}, "", nil, "profile of the AWS configuration files"},
		{Region, "region", []string{"PIPELINETUI_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"}, "", isRegion, "region where the spec names none"},
		{Backend, "backend", []string{"PIPELINETUI_BACKEND", "PULUMI_BACKEND_URL"}, "", nil, "Pulumi backend URL"},
		{SecretsProvider, "", []string{"PIPELINETUI_SECRETS_PROVIDER"}, "passphrase", nil, "Pulumi secrets provider of new stacks"},
		{Output, "output", []string{"PIPELINETUI_OUTPUT"}, "table", oneOf("table", "json", "yaml", "jsonl", "markdown"), "form of the output"},
		{Color, "no-color", []string{"PIPELINETUI_COLOR"}, "auto", oneOf("auto", "always", "never"), "colours"},
		{Background, "", []string{"PIPELINETUI_BACKGROUND"}, "auto", oneOf("auto", "dark", "light"), "background of the terminal"},
		{Unicode, "", []string{"PIPELINETUI_UNICODE"}, "auto", oneOf("auto", "always", "never"), "signs beyond ASCII in the full-screen terminal"},
		{ReadOnly, "read-only", []string{"PIPELINETUI_READ_ONLY"}, "false", isBool, "refuse everything that changes something"},
		{Debug, "debug", []string{"PIPELINETUI_DEBUG"}, "false", isBool, "details of errors and of what is called"},
		{Hints, "", []string{"PIPELINETUI_HINTS"}, "true", isBool, "say on a terminal what may be done next"},
		{Parallel, "", []string{"PIPELINETUI_PARALLEL"}, "", isCount, "pipelines that are deployed at the same time"},
		{KeepRevisions, "", []string{"PIPELINETUI_KEEP_REVISIONS"}, "5", isKeep, "revisions of a pipeline that are kept with their artifacts, the one in service among them"},
		{Pulumi, "", []string{"PIPELINETUI_PULUMI"}, "", nil, "path of the Pulumi CLI"},
		{Templates, "", []string{"PIPELINETUI_TEMPLATES"}, "", nil, "folders with templates of your own, separated by " + string(os.PathListSeparator)},
		{MaxMonthlyCost, "", []string{"PIPELINETUI_MAX_MONTHLY_COST"}, "", isAmount, "USD a month that the pipelines of one up may cost by being there; more is refused"},
		{ReleaseURL, "", []string{"PIPELINETUI_RELEASE_URL"}, newestRelease, isURL, "where `version --check` looks for the newest release; nothing else does"},
		{SandboxPort, "", []string{"PIPELINETUI_SANDBOX_PORT"}, "", isPort, "port of the sandbox; any free one if unset"},
		{SandboxDelay, "", []string{"PIPELINETUI_SANDBOX_ENDPOINT_DELAY"}, "2s", isDuration, "how long the sandbox takes to create an endpoint"},
		{SandboxHaste, "", []string{"PIPELINETUI_SANDBOX_HASTE"}, "1", isHaste, "how many times faster than on AWS the waits of deployments pass in the sandbox"},
		{SandboxAccount, "", []string{"PIPELINETUI_SANDBOX_ACCOUNT"}, "", isAccount, "id of the sandbox's first account; 000000000000 if unset"},
		{SandboxImages, "", []string{"PIPELINETUI_SANDBOX_IMAGES"}, "", nil, "IMAGE=URL,... model servers of your own for the sandbox"},
		{SandboxItems, "", []string{"PIPELINETUI_SANDBOX_MAX_ITEM_BYTES"}, "2147483648", isCount, "bytes that the objects of one Map Run may unpack to in the sandbox"},
	}
}

// ByDefault is the source of a value that nobody has set.
const ByDefault = "default"

// Value is a setting's value and where it came from ("default", "flag --region",
// "environment AWS_REGION", or the config file's path and line).
type Value struct {
	Name, Value, Source, Help string
}

// Shown is the value as it may be shown: without the password of a URL.
func (v Value) Shown() string { return fault.Masked(v.Value) }

// Settings are the resolved settings. They do not change after Resolve.
type Settings struct {
	values map[string]Value
	Paths  Paths
	// config is the config file that was named by a flag, else "".
	config string
	// from is what they were made of, to be made again with something else.
	from Sources
}

// Paths are where the tool keeps its files.
type Paths struct {
	Home   string // everything that must not be lost
	Config string // the config file, which need not exist
	// HomeSource tells where Home came from.
	HomeSource string
}

// State is the folder of the default backend.
func (p Paths) State() string { return filepath.Join(p.Home, "state") }

// Sandbox is the folder of the sandbox.
func (p Paths) Sandbox() string { return filepath.Join(p.Home, "sandbox") }

// Logs is the folder of log files.
func (p Paths) Logs() string { return filepath.Join(p.Home, "logs") }

// Quotas is where the ledgers of request quotas are.
func (p Paths) Quotas() string { return filepath.Join(p.Home, "quotas") }

// Passphrase is the file of the generated passphrase.
func (p Paths) Passphrase() string { return filepath.Join(p.Home, "passphrase") }

// Get returns a setting's value with its source.
func (s *Settings) Get(name string) Value { return s.values[name] }

// String returns a setting's value.
func (s *Settings) String(name string) string { return s.values[name].Value }

// Bool returns a boolean setting's value.
func (s *Settings) Bool(name string) bool { return s.values[name].Value == "true" }

// Duration returns a setting's value as a duration, 0 if unset.
func (s *Settings) Duration(name string) time.Duration {
	d, _ := time.ParseDuration(s.values[name].Value)
	return d
}

// Int returns a setting's value as a number, 0 if unset.
func (s *Settings) Int(name string) int {
	n, _ := strconv.Atoi(s.values[name].Value)
	return n
}

// List returns all settings in the order in which they are documented.
func (s *Settings) List() []Value {
	out := make([]Value, 0, len(s.values))
	for _, d := range all() {
		out = append(out, s.values[d.name])
	}
	return out
}

// Sources are what Resolve looks at.
type Sources struct {
	Flags   map[string]string // global flags that were given, by flag name
	Environ func(string) (string, bool)
	// Config overrides the config file's path; it must exist then.
	Config string
	// NoFile leaves the config file out.
	NoFile bool
}

// Resolve reads the config file and the environment and applies the flags. It
// reports every wrong value at once.
func Resolve(src Sources) (*Settings, error) {
	paths, homeless := resolvePaths(src.Environ)
	required := src.Config != ""
	if required {
		paths.Config = src.Config
	}
	var file map[string]Value
	var errs fault.List
	if !src.NoFile {
		file, errs = readFile(paths.Config, required)
	}
	if homeless != nil {
		errs = append(errs, homeless)
	}
	s := &Settings{values: map[string]Value{}, Paths: paths, config: src.Config, from: src}
	for _, d := range all() {
		v := pick(d, src, file)
		if d.check != nil && v.Value != "" {
			if err := d.check(v.Value); err != nil {
				errs = append(errs, &Problem{Value: v, Msg: err.Error(), Hint: "Run `pipelinetui doctor` to see where each setting comes from."})
			}
		}
		s.values[d.name] = v
	}
	s.forSandbox(src)
	if v, ok := src.Environ("NO_COLOR"); ok && v != "" && s.values[Color].Source == ByDefault {
		s.values[Color] = Value{Color, "never", "environment NO_COLOR", s.values[Color].Help}
	}
	return s, errs.OrNil()
}

// awsEndpoint is the variable in which AWS's own tools look for another endpoint.
// (docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)
const awsEndpoint = "AWS_ENDPOINT_URL"

// forSandbox takes back what came from the environment of AWS: the sandbox is no
// account of the user's, and whatever their other tools are pointed at plays no part
// there. Where an endpoint is given it is not our sandbox, and wants their
// credentials.
func (s *Settings) forSandbox(src Sources) {
	off := func(name string) {
		if v, ok := strings.CutPrefix(s.values[name].Source, "environment AWS_"); ok && v != "" {
			s.values[name] = Value{Name: name, Source: ByDefault, Help: s.values[name].Help}
		}
	}
	if ignored, _ := src.Environ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"); strings.EqualFold(ignored, "true") {
		off(EndpointURL)
	}
	if s.String(Target) != "sandbox" {
		return
	}
	off(EndpointURL)
	if s.String(EndpointURL) == "" {
		off(Profile)
	}
}

func pick(d setting, src Sources, file map[string]Value) Value {
	v := Value{Name: d.name, Value: d.def, Source: ByDefault, Help: d.help}
	if f, ok := file[d.name]; ok {
		v.Value, v.Source = f.Value, f.Source
	}
	for _, name := range d.env {
		if e, ok := src.Environ(name); ok && e != "" {
			v.Value, v.Source = e, "environment "+name
			break
		}
	}
	if f, ok := src.Flags[d.flag]; ok && d.flag != "" {
		if d.name == Color {
			f = map[string]string{"true": "never", "false": "auto"}[f]
		}
		v.Value, v.Source = f, "flag --"+d.flag
	}
	return v
}

// resolvePaths finds the home. Without one there is no place for anything: the
// root of the file system, which a missing HOME would lead to, is nobody's home.
func resolvePaths(environ func(string) (string, bool)) (Paths, error) {
	if home, ok := environ("PIPELINETUI_HOME"); ok && home != "" {
		if abs, err := filepath.Abs(home); err == nil {
			home = abs
		}
		return Paths{Home: home, Config: filepath.Join(home, "config.yaml"), HomeSource: "environment PIPELINETUI_HOME"}, nil
	}
	set := func(name string) bool { v, ok := environ(name); return ok && v != "" }
	home := "HOME"
	if runtime.GOOS == "windows" {
		home = "USERPROFILE"
	}
	if !set(home) && (!set("XDG_DATA_HOME") || !set("XDG_CONFIG_HOME")) {
		return Paths{}, fault.New(fault.Invalid, "there is no home to keep anything in: neither PIPELINETUI_HOME nor %s is set", home).
			WithHint("Set PIPELINETUI_HOME to a folder for everything that must not be lost.")
	}
	return Paths{
		Home:       filepath.Join(xdg.DataHome, "pipelinetui"),
		Config:     filepath.Join(xdg.ConfigHome, "pipelinetui", "config.yaml"),
		HomeSource: ByDefault,
	}, nil
}

func readFile(path string, required bool) (map[string]Value, fault.List) {
	read := wholefile.Read
	if required {
		read = os.ReadFile // who names it may mean a pipe
	}
	raw, err := read(path)
	var dead *fault.DeadLink
	if os.IsNotExist(err) && !required && !errors.As(fault.Reason(err), &dead) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.List{fault.New(fault.Invalid, "config file %s cannot be read: %s", path, fault.Reason(err)).Because(err)}
	}
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fault.List{fault.New(fault.Invalid, "config file %s: %s", path, firstLine(err)).Because(err)}
	}
	known := map[string]bool{}
	for _, d := range all() {
		known[d.name] = true
	}
	var errs fault.List
	out := map[string]Value{}
	for k, v := range doc {
		if !known[k] {
			errs = append(errs, &Problem{
				Value: Value{Name: k, Source: path}, Unknown: true, Msg: fmt.Sprintf("unknown setting %q", k),
				Hint: "Use one of " + strings.Join(names(), ", ") + ".",
			})
			continue
		}
		out[k] = Value{Value: text(v), Source: path}
	}
	return out, errs
}

func names() []string {
	out := make([]string, 0, len(all()))
	for _, d := range all() {
		out = append(out, d.name)
	}
	sort.Strings(out)
	return out
}

func text(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = fmt.Sprint(x)
		}
		return strings.Join(parts, string(os.PathListSeparator))
	case map[string]any:
		parts := make([]string, 0, len(v))
		for k, x := range v {
			parts = append(parts, k+"="+fmt.Sprint(x))
		}
		sort.Strings(parts)
		return strings.Join(parts, ",")
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
