package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

// SandboxInfo describes the sandbox of this home.
type SandboxInfo struct {
	Running  bool      `json:"running"`
	Endpoint string    `json:"endpoint,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Version  string    `json:"version,omitempty"`
	Account  string    `json:"account,omitempty"`
	Dir      string    `json:"dir"`
	Log      string    `json:"log"`
	// Settings are those of the one that runs, nil if it is of a version that does not tell.
	Settings *SandboxSettings `json:"settings,omitempty"`
	// Differs is what was asked for and is not so, since the sandbox ran already.
	Differs []SandboxDifference `json:"differs,omitempty"`
	// Stopped tells that it ran and was stopped.
	Stopped bool `json:"stopped,omitempty"`
}

// SandboxSettings are what holds as long as a sandbox runs.
type SandboxSettings struct {
	Haste         int    `json:"haste"`
	EndpointDelay string `json:"endpointDelay"`
	MaxItemBytes  int64  `json:"maxItemBytes"`
	Images        string `json:"images,omitempty"`
}

// SandboxDifference is a setting that the running sandbox has otherwise than was asked for.
type SandboxDifference struct {
	Setting string `json:"setting"`
	Running string `json:"running"`
	Asked   string `json:"asked"`
	Source  string `json:"source"` // where it was asked for
}

// Text says what differs.
func (d SandboxDifference) Text() string {
	return fmt.Sprintf("it runs with %s %s; %s is asked for (%s)", d.Setting, cmp.Or(d.Running, "unset"), d.Asked, d.Source)
}

// SandboxAnew is the way to other settings.
const SandboxAnew = "Run `pipelinetui sandbox stop`, then `pipelinetui sandbox start`: what is in it stays."

// Variable is one environment variable.
type Variable struct {
	Key   string `json:"name"`
	Value string `json:"value"`
}

func (a *App) sandboxDir() string { return a.opts.Settings.Paths.Sandbox() }

// startSandbox returns the running sandbox, or starts it as a process of its
// own that outlives this one.
func (a *App) startSandbox(ctx context.Context) (sandbox.Info, error) {
	info, running, err := sandbox.Status(a.sandboxDir())
	if err == nil && running {
		return info, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return sandbox.Info{}, fault.New(fault.Internal, "find this program's own file: %s", err).Because(err)
	}
	args := []string{
		"sandbox", "serve", "--dir", a.sandboxDir(), "--endpoint-delay", a.opts.Settings.Duration(settings.SandboxDelay).String(),
		"--max-item-bytes", a.opts.Settings.String(settings.SandboxItems), "--haste", a.opts.Settings.String(settings.SandboxHaste),
	}
	if p := a.opts.Settings.String(settings.SandboxPort); p != "" {
		args = append(args, "--port", p)
	}
	if i := a.opts.Settings.String(settings.SandboxImages); i != "" {
		args = append(args, "--images", i)
	}
	if id := a.opts.Settings.String(settings.SandboxAccount); id != "" {
		args = append(args, "--account", id)
	}
	if a.opts.Settings.Bool(settings.Debug) {
		args = append(args, "--debug") // its log then has every permission that was asked for
	}
	return sandbox.Start(ctx, a.sandboxDir(), exe, args...)
}

func (a *App) describeSandbox(info sandbox.Info, running bool) SandboxInfo {
	out := SandboxInfo{Running: running, Dir: a.sandboxDir(), Log: sandbox.LogPath(a.sandboxDir())}
	if running {
		out.Endpoint, out.PID, out.Started, out.Version, out.Account = info.Endpoint, info.PID, info.Started, info.Version, info.Account
		if s := info.Settings; s != nil {
			out.Settings = &SandboxSettings{s.Haste, s.EndpointDelay.String(), s.MaxItemBytes, shownImages(s.Images)}
		}
		out.Differs = a.otherwise(info)
	}
	return out
}

// shownImages are images as their setting writes them, without passwords.
func shownImages(images map[string]string) string {
	var parts []string
	for _, image := range slices.Sorted(maps.Keys(images)) {
		parts = append(parts, image+"="+fault.Masked(images[image]))
	}
	return strings.Join(parts, ",")
}

// otherwise is what was asked for by a setting and is not so in the sandbox that runs: its
// settings are those it was started with.
func (a *App) otherwise(info sandbox.Info) (out []SandboxDifference) {
	s := a.opts.Settings
	look := func(name, running, asked string) {
		if v := s.Get(name); v.Value != "" && v.Source != settings.ByDefault && running != asked {
			out = append(out, SandboxDifference{name, running, asked, v.Source})
		}
	}
	if is := info.Settings; is != nil {
		look(settings.SandboxHaste, strconv.Itoa(is.Haste), s.String(settings.SandboxHaste))
		look(settings.SandboxDelay, is.EndpointDelay.String(), s.Duration(settings.SandboxDelay).String())
		look(settings.SandboxItems, strconv.FormatInt(is.MaxItemBytes, 10), s.String(settings.SandboxItems))
		if asked, err := parseImages(s.String(settings.SandboxImages)); err == nil {
			look(settings.SandboxImages, shownImages(is.Images), shownImages(asked))
		}
	}
	if u, err := url.Parse(info.Endpoint); err == nil {
		look(settings.SandboxPort, u.Port(), s.String(settings.SandboxPort))
	}
	look(settings.SandboxAccount, info.Account, s.String(settings.SandboxAccount))
	return out
}

// checkSandbox tells how the sandbox runs, and that it runs otherwise than was asked for.
func (a *App) checkSandbox() (string, error) {
	info, err := a.SandboxStatus()
	if err != nil || info.Settings == nil {
		return "", err
	}
	detail := fmt.Sprintf("haste %d, endpoint delay %s", info.Settings.Haste, info.Settings.EndpointDelay)
	if len(info.Differs) == 0 {
		return detail, nil
	}
	var parts []string
	for _, d := range info.Differs {
		parts = append(parts, d.Text())
	}
	return detail, fault.New(fault.Conflict, "%s", strings.Join(parts, "; ")).WithHint("%s", SandboxAnew)
}

// SandboxStart starts the sandbox unless it runs.
func (a *App) SandboxStart(ctx context.Context) (SandboxInfo, error) {
	info, err := a.startSandbox(ctx)
	return a.describeSandbox(info, err == nil), err
}

// SandboxStatus tells whether the sandbox runs and where.
func (a *App) SandboxStatus() (SandboxInfo, error) {
	info, running, err := sandbox.Status(a.sandboxDir())
	return a.describeSandbox(info, running), err
}

// SandboxStop ends the sandbox's process, if there is one; its data stay.
func (a *App) SandboxStop(ctx context.Context) (SandboxInfo, error) {
	ran, err := sandbox.Stop(ctx, a.sandboxDir())
	out := a.describeSandbox(sandbox.Info{}, false)
	out.Stopped = ran
	return out, err
}

// SandboxReset stops the sandbox and deletes everything in it; with keysOnly it
// deletes the key of the sandbox's user instead, and the next start makes another.
func (a *App) SandboxReset(ctx context.Context, keysOnly bool) error {
	return sandbox.Reset(ctx, a.sandboxDir(), sandbox.ResetOptions{KeepData: keysOnly, RenewCredentials: keysOnly})
}

// SandboxMail is an e-mail that SNS of the sandbox has sent.
type SandboxMail struct {
	ID      string    `json:"id"`
	Sent    time.Time `json:"sent"`
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	File    string    `json:"file"`
}

// SandboxMail returns the e-mail of the sandbox, the oldest first. It need not run.
func (a *App) SandboxMail() ([]SandboxMail, error) {
	all, err := sandbox.ReadMail(a.sandboxDir())
	out := make([]SandboxMail, len(all))
	for i, m := range all {
		out[i] = SandboxMail{m.ID, m.Sent, m.To, m.Subject, m.Text, m.File}
	}
	return out, err
}

// SandboxAccount is one of the sandbox's accounts.
type SandboxAccount struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Home marks the first account, the one that pipelines without a role are in.
	Home bool `json:"home,omitempty"`
}

func shownAccount(i sandbox.AccountInfo) SandboxAccount {
	return SandboxAccount{ID: i.ID, Created: i.Created, Home: i.Home}
}

// SandboxAddAccount makes another account in the sandbox, with keys of its own.
func (a *App) SandboxAddAccount(ctx context.Context, id string) (SandboxAccount, error) {
	info, err := a.startSandbox(ctx)
	if err != nil {
		return SandboxAccount{}, err
	}
	added, err := sandbox.AddAccount(ctx, info, id)
	return shownAccount(added), err
}

// SandboxAccounts lists the sandbox's accounts.
func (a *App) SandboxAccounts(ctx context.Context) ([]SandboxAccount, error) {
	info, err := a.startSandbox(ctx)
	if err != nil {
		return nil, err
	}
	all, err := sandbox.Accounts(ctx, info)
	out := make([]SandboxAccount, 0, len(all))
	for _, i := range all {
		out = append(out, shownAccount(i))
	}
	return out, err
}

// SandboxEnv returns what points other AWS tools, run in an environment, at the running
// sandbox, as the user of an account; "" is the first one.
func (a *App) SandboxEnv(ctx context.Context, environ []string, account string) (*Tool, error) {
	info, err := a.sandboxAs(ctx, account)
	if err != nil {
		return nil, err
	}
	tool := &Tool{}
	given := map[string]bool{}
	for _, kv := range append(sandbox.Env(info), sandbox.Direct(environ)...) {
		tool.Variables = append(tool.Variables, Variable{kv.Key, kv.Value})
		given[kv.Key] = true
	}
	for _, name := range sandbox.Misleading(environ, false) {
		if !given[name] {
			tool.Without = append(tool.Without, name)
		}
	}
	return tool, nil
}

// imageHint ends the reason of an endpoint whose image the sandbox cannot run.
const imageHint = "start a model server of your own and set PIPELINETUI_SANDBOX_IMAGES=IMAGE=http://127.0.0.1:PORT " +
	"before `pipelinetui sandbox start`"

// SandboxServing says how the sandbox is to run.
type SandboxServing struct {
	Dir     string
	Account string // id of the first account; "" is the default
	Port    int    // 0 is that of the last run, or any
	Delay   time.Duration
	Images  string // IMAGE=URL,...
	Debug   bool
	// Haste is how many times faster than on AWS the waits of deployments pass.
	Haste int
	// MaxItemBytes bounds what the objects of one Map Run unpack to; 0 is the default.
	MaxItemBytes int
}

// SandboxReference is what the sandbox serves, as a page of Markdown.
func SandboxReference() string { return sandbox.Reference() }

// SandboxServe runs the sandbox in this process until ctx ends. The process is cut
// off from its caller first: see sandbox.Isolate.
func SandboxServe(ctx context.Context, s SandboxServing) error {
	if err := sandbox.Isolate(); err != nil {
		return err
	}
	parsed, err := parseImages(s.Images)
	if err != nil {
		return err
	}
	o := sandbox.ServeOptions{
		Dir: s.Dir, Account: s.Account, EndpointDelay: s.Delay, Haste: s.Haste, Images: parsed, ImageHint: imageHint,
		MaxItemBytes: int64(s.MaxItemBytes), Version: version.Version,
	}
	if s.Debug {
		o.LogLevel = slog.LevelDebug
	}
	if s.Port != 0 {
		o.Addr = fmt.Sprintf("127.0.0.1:%d", s.Port)
	}
	return sandbox.Serve(ctx, o)
}

func parseImages(s string) (map[string]string, error) {
	out := map[string]string{}
	for _, part := range strings.Split(s, ",") {
		if part == "" {
			continue
		}
		image, url, ok := strings.Cut(part, "=")
		if !ok || image == "" || !strings.HasPrefix(url, "http") {
			return nil, fault.New(fault.Invalid, "%q does not map an image to a URL", part).
				WithHint("Write IMAGE=http://127.0.0.1:PORT, several separated by commas.")
		}
		out[image] = url
	}
	return out, nil
}
