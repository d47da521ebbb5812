package stack

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fetch"
)

// pluginReleases is where Pulumi has the archives of its plugins.
const pluginReleases = "https://get.pulumi.com/releases/plugins"

// envOverrides sends downloads to mirrors: "regexp=URL,regexp=URL" (sdk/go/common/workspace
// of Pulumi, which stops the program that loads it at once if the value is malformed; package
// early sees to that).
const envOverrides = "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES"

// EnvPluginSums names a file as sha256sum writes it, with the archives that may be installed.
const EnvPluginSums = "PIPELINETUI_PLUGIN_CHECKSUMS"

// pluginDownload is the engine's own word, see Download.Kind.
const pluginDownload = "plugin-download"

// adoptPlugin takes over what `pulumi plugin install` has put into the user's own folder,
// by links to its files: the CLI does not look at a folder that is itself a link.
func (e *Engine) adoptPlugin(p Plugin) (from string, ok bool) {
	user, err := os.UserHomeDir()
	if err != nil {
		return "", false
	}
	home := filepath.Join(user, ".pulumi")
	if filepath.Clean(e.env[envHome]) == home || !pluginIn(home, p) {
		return "", false
	}
	from, to := pluginDir(home, p), pluginDir(e.env[envHome], p)
	if err := e.linkFiles(from, to); err != nil {
		e.log.Warn("could not take over a plugin", "from", from, "error", err)
		return "", false
	}
	return from, pluginIn(e.env[envHome], p)
}

// linkFiles makes to a folder with the files of from. The .partial file says meanwhile that
// it is not whole, to the CLI too.
func (e *Engine) linkFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(to+".partial", nil, 0o600); err != nil {
		return err
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		switch {
		case entry.IsDir():
			err = os.CopyFS(target, os.DirFS(source))
		case os.Link(source, target) == nil:
		default: // another file system
			err = copyPlugin(source, target)
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(to + ".partial")
}

func copyPlugin(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// fetchPlugin downloads a plugin's archive. "" leaves the download to the CLI: where it
// comes from is none of the places that plain HTTP reaches.
func (e *Engine) fetchPlugin(ctx context.Context, p Plugin, progress func(Download)) (archive string, err error) {
	base, err := e.pluginSource(p)
	if err != nil || base == "" {
		return "", err
	}
	name := fmt.Sprintf("pulumi-resource-%s-v%s-%s-%s.tar.gz", p.Name, p.Version, runtime.GOOS, runtime.GOARCH)
	want, err := e.pluginSum(name)
	if err != nil {
		return "", err
	}
	told := Download{Kind: pluginDownload, ID: p.String()}
	percent := int64(-1)
	archive = filepath.Join(e.env[envHome], "downloads", name)
	address := strings.TrimSuffix(base, "/") + "/" + name
	sum, err := fetch.File(ctx, fetch.Request{URL: address, Path: archive, SHA256: want, Progress: func(done, total int64) {
		told.Completed, told.Total = done, total
		told.Message = "downloading, " + megabytes(done)
		if total > 0 {
			told.Message += " of " + megabytes(total)
			if done*20/total == percent {
				return
			}
			percent = done * 20 / total // every twentieth part
		}
		progress(told)
	}})
	if err != nil {
		if ctx.Err() != nil {
			return "", canceledBefore("install the plugin "+p.String(), ctx.Err())
		}
		return "", (&fault.Error{Kind: fault.KindOf(err), Op: "install the plugin " + p.String(), Msg: err.Error(), Err: err}).
			WithHint(pluginHint, e.env[envHome], p.Name, p.Version)
	}
	told.Done, told.Message = true, "downloaded from "+fetch.Safe(base)+", SHA-256 "+sum
	progress(told)
	return archive, nil
}

func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB" }

// pluginSource is the folder on the net that a plugin comes from: its own, Pulumi's, or
// the mirror that an override names for it. "" is one that only the CLI can read.
func (e *Engine) pluginSource(p Plugin) (string, error) {
	github := "github://api.github.com/pulumi/pulumi-" + p.Name
	names := []string{p.ServerURL}
	if p.ServerURL == "" || p.ServerURL == github {
		// The CLI asks GitHub first; the archives at get.pulumi.com are the same.
		names = []string{pluginReleases, github}
	}
	overrides, err := ParseOverrides(e.variable(envOverrides))
	if err != nil {
		return "", err
	}
	source := names[0]
	for _, o := range overrides {
		if i := slices.IndexFunc(names, o.Pattern.MatchString); i >= 0 {
			source = o.Expand(names[i])
			break
		}
	}
	if !strings.HasPrefix(source, "https://") && !strings.HasPrefix(source, "http://") || strings.Contains(source, "${") {
		return "", nil // ${VERSION} and its like are the CLI's
	}
	return source, nil
}

// Override sends the downloads whose source matches to a mirror.
type Override struct {
	Pattern *regexp.Regexp
	URL     string
}

// Expand is the mirror's address for a source. It puts the pattern's groups where the
// address says $1 or ${name}, as the CLI does.
func (o Override) Expand(source string) string {
	match := o.Pattern.FindStringSubmatch(source)
	out := o.URL
	for i, name := range o.Pattern.SubexpNames() {
		if match == nil {
			break
		}
		out = strings.ReplaceAll(out, "$"+strconv.Itoa(i), match[i])
		if name != "" {
			out = strings.ReplaceAll(out, "${"+name+"}", match[i])
		}
	}
	return out
}

// ParseOverrides reads PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES. The error is Invalid.
func ParseOverrides(text string) ([]Override, error) {
	if text == "" {
		return nil, nil
	}
	var list []Override
	for entry := range strings.SplitSeq(text, ",") {
		pattern, address, ok := strings.Cut(entry, "=")
		re, err := regexp.Compile(pattern)
		if !ok || pattern == "" || address == "" || strings.Contains(address, "=") || err != nil {
			return nil, fault.New(fault.Invalid, "%s: %q is not of the form REGEXP=URL", envOverrides, entry).Because(err).
				WithHint("Write for example `%s='^https://get.pulumi.com/=https://mirror.example.com/plugins'`, several with a comma between them.", envOverrides)
		}
		list = append(list, Override{re, address})
	}
	return list, nil
}

// pluginSum is the SHA-256 that an archive must have, "" if any will do.
func (e *Engine) pluginSum(archive string) (string, error) {
	path := e.variable(EnvPluginSums)
	if path == "" {
		return "", nil
	}
	raw, err := readRegular(path)
	if err != nil {
		return "", fault.Wrap(err, "read %s, which %s names", path, EnvPluginSums)
	}
	sum := fetch.SumOf(string(raw), archive)
	if sum == "" {
		return "", fault.New(fault.NotFound, "%s has no SHA-256 of %s", path, archive).
			WithHint("Add a line as `sha256sum %s` writes it, or unset %s.", archive, EnvPluginSums)
	}
	return sum, nil
}
