package stack

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const fileScheme = "file://"

// ownState is the folder of our home that holds the stacks unless another backend
// is given.
const ownState = "state"

// FileURL is the backend URL of a folder. It is the one place where a path becomes
// a URL: "#", "?" and "%" are letters like others in a path, and mean something in
// a URL. The path has to be absolute.
func FileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Clean(path))}).String()
}

// fileParameters are what the engine's file backend takes after a "?"
// (gocloud.dev/blob/fileblob, URLOpener).
var fileParameters = map[string]bool{
	"create_dir": true, "base_url": true, "secret_key_path": true, "metadata": true, "no_tmp_dir": true, "dir_file_mode": true,
}

// backendSchemes are those of the engine's other backends (pulumi.com/docs/iac/concepts/state-and-backends).
var backendSchemes = map[string]bool{"s3": true, "gs": true, "azblob": true, "postgres": true, "http": true, "https": true}

// NormalBackend makes a backend URL mean one thing to everybody. A file backend is
// typed as "file://" and a path, seldom as a URL: what cannot be meant as a URL's
// query, fragment or escape belongs to the path, "~" is the home folder, and a
// relative path starts at the current folder, not at whatever folder the engine
// happens to work in. Other URLs are left as they are. The error is Invalid.
func NormalBackend(raw string) (string, error) {
	rest, isFile := strings.CutPrefix(raw, fileScheme)
	if !isFile {
		if path, ok := strings.CutPrefix(raw, "file:"); ok { // a URL without a host (RFC 8089, section 2)
			return NormalBackend(fileScheme + path)
		}
		u, err := url.Parse(raw)
		if err != nil || !backendSchemes[u.Scheme] {
			shown := raw
			if at := strings.LastIndexByte(raw, '@'); at >= 0 { // a user and a password, in a form that is no URL's
				shown = "..." + raw[at:]
			}
			return "", fault.New(fault.Invalid, "%q is not a backend URL", shown).
				WithHint("Set --backend to a URL such as file:///path, s3://bucket, gs://bucket, azblob://container or https://api.pulumi.com.").
				Because(err)
		}
		return raw, nil
	}
	path, query := splitQuery(rest)
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	path, err := absolutePath(path)
	if err != nil {
		return "", fault.New(fault.Invalid, "the backend %s cannot be found: %v", raw, err).
			WithHint("Give the whole path: file:///path.").Because(err)
	}
	if query != "" {
		query = "?" + query
	}
	return FileURL(path) + query, nil
}

// splitQuery cuts what the file backend knows as its parameters off a path.
func splitQuery(rest string) (path, query string) {
	i := strings.LastIndexByte(rest, '?')
	if i < 0 {
		return rest, ""
	}
	values, err := url.ParseQuery(rest[i+1:])
	if err != nil || len(values) == 0 {
		return rest, ""
	}
	for name := range values {
		if !fileParameters[name] {
			return rest, ""
		}
	}
	return rest[:i], rest[i+1:]
}

func absolutePath(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		path = filepath.Join(home, path[1:])
	}
	return filepath.Abs(filepath.FromSlash(path))
}

// fileBackend is the folder of a file backend; false for any other. The URL has to
// be a normal one.
func fileBackend(backend string) (string, bool) {
	if !strings.HasPrefix(backend, fileScheme) {
		return "", false
	}
	u, err := url.Parse(backend)
	if err != nil || !filepath.IsAbs(filepath.FromSlash(u.Path)) {
		return "", false
	}
	return filepath.Clean(filepath.FromSlash(u.Path)), true
}

// backendDir is the folder of a file backend; false for any other.
func (e *Engine) backendDir() (string, bool) { return fileBackend(e.opts.Backend) }

// isOwn tells whether the backend is the one inside our home.
func (e *Engine) isOwn() bool {
	dir, ok := e.backendDir()
	return ok && dir == filepath.Join(e.opts.Home, ownState)
}

// prepareBackend settles where the stacks are. The folder of our own backend is
// made; that of another one is only made for the first stack, see makeBackend: who
// mistypes it is to be told so, not to be shown an empty list.
func (e *Engine) prepareBackend() error {
	normal, err := NormalBackend(e.opts.Backend)
	if err != nil {
		return err
	}
	e.opts.Backend = normal
	dir, ok := e.backendDir()
	if !ok {
		return nil
	}
	if e.isOwn() {
		if err := e.makeBackend(normal); err != nil {
			return err
		}
	}
	e.mendSidecars(dir)
	return nil
}

// makeBackend makes the folder of a file backend: the CLI wants it to exist.
func (e *Engine) makeBackend(backend string) error {
	dir, ok := fileBackend(backend)
	if !ok {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.New(fault.Invalid, "make the backend's folder %s: %v", dir, err).
			WithHint("Set --backend to a folder that can be written.").Because(err)
	}
	return nil
}

// ErrNoFolder says that the folder of a file backend does not exist (yet).
var ErrNoFolder = errors.New("there is no such folder")

// checkBackend wants the folder of a file backend to be there, and to be one that can be
// looked at.
func (e *Engine) checkBackend() error {
	dir, ok := e.backendDir()
	if !ok {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Invalid, "the folder of the backend does not exist: %s", dir).
			WithHint("Check --backend (or PULUMI_BACKEND_URL). `pipelinetui up` makes the folder with the first pipeline.").Because(ErrNoFolder)
	case errors.Is(err, fs.ErrPermission):
		return folderFault(dir, err)
	case err != nil:
		return fault.New(fault.Invalid, "the folder of the backend cannot be used: %v", err).
			WithHint("Check --backend (or PULUMI_BACKEND_URL) and that you may read the folder.").Because(err)
	case !info.IsDir():
		return fault.New(fault.Invalid, "the backend is not a folder: %s", dir).WithHint("Check --backend (or PULUMI_BACKEND_URL).")
	}
	return e.checkAccess(dir)
}

// withoutSidecars keeps a file backend from writing attributes beside each file
// ("x.json.attrs"). It replaces a file in one step, but not those: an engine that
// is killed while it writes one leaves half of it behind, and nobody can read the
// stack, or list stacks, any more ("EOF").
func withoutSidecars(backend string) string {
	if _, ok := fileBackend(backend); !ok {
		return backend
	}
	path, query, _ := strings.Cut(backend, "?")
	values, err := url.ParseQuery(query)
	if err != nil || values.Has("metadata") {
		return backend
	}
	values.Set("metadata", "skip")
	return path + "?" + values.Encode()
}

// mendSidecars removes half written attributes of a project's stacks, which
// another tool or an older version may have left behind. They say nothing that is
// needed.
func (e *Engine) mendSidecars(root string) {
	paths, _ := filepath.Glob(filepath.Join(globEscape(root), ".pulumi", "stacks", e.opts.Project, "*.attrs"))
	for _, path := range append(paths, filepath.Join(root, ".pulumi", "meta.yaml.attrs")) {
		raw, err := readRegular(path)
		if err != nil || json.Valid(raw) {
			continue
		}
		e.log.Warn("removing half written attributes", "path", path, "error", os.Remove(path))
	}
}

// globEscape makes a path mean itself in a pattern.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
