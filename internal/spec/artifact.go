package spec

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// urlRule is what an artifact's URL looks like: scheme, host or bucket, path.
var urlRule = lazyregexp.New(`^([a-z][a-z0-9+.-]*)://[^/\s]+/\S+$`)

const (
	artifactFile = "file"
	artifactDir  = "dir"
	artifactZip  = "zip"
)

func (a *Artifact) allowed() string {
	var parts []string
	for _, scheme := range a.URLs {
		parts = append(parts, scheme+"://...")
	}
	names := map[string]string{artifactFile: "a local file", artifactDir: "a local folder", artifactZip: "a local zip"}
	for _, k := range a.Kinds {
		s := names[k]
		if k == artifactFile && len(a.Extensions) > 0 {
			s += " (" + strings.Join(a.Extensions, ", ") + ")"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " or ")
}

// urlForm says of what a URL of a scheme consists.
func urlForm(scheme string) string {
	if scheme == "s3" {
		return "s3://BUCKET/KEY"
	}
	return scheme + "://HOST/PATH"
}

func exampleURL(scheme string) string {
	if scheme == "s3" {
		return "s3://my-models/fraud/model.tar.gz"
	}
	return scheme + "://example.com/fraud/model.tar.gz"
}

// isURL tells a URL from a local path.
func isURL(s string) bool { return strings.Contains(s, "://") }

// artifact checks what a path parameter names. For a local one it returns the
// absolute path; for a URL and for "" it returns "".
func (p *Parameter) artifact(n *node, value, dir string) (string, problems) {
	bad := func(hint, format string, args ...any) problems {
		return problems{p.problem(n, CodeArtifact, format, args...).WithHint("%s", hint)}
	}
	if value == "" {
		return "", nil
	}
	if isURL(value) {
		scheme, _, _ := strings.Cut(value, "://")
		switch {
		case !slices.Contains(p.Artifact.URLs, scheme):
			return "", bad("Write "+p.Artifact.allowed()+".", "%s is %s, but it must be %s", p.Name, p.show(n), p.Artifact.allowed())
		case !urlRule.MatchString(value):
			return "", bad("Write it like "+exampleURL(scheme)+".", "%s is %s, but it must be %s, without spaces", p.Name, p.show(n), urlForm(scheme))
		}
		return "", nil
	}
	local := localPath(value, dir)
	info, err := os.Stat(local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		var dead *fault.DeadLink
		if errors.As(fault.Reason(err), &dead) {
			return "", bad("Mend the link, or correct the path.", "%s names %q, but %s", p.Name, value, dead)
		}
		hint := "Create it, or correct the path."
		if !filepath.IsAbs(value) {
			hint = "Create it, or correct the path; it is relative to " + dir + "."
		}
		return "", bad(hint, "%s names %q, but there is no %s", p.Name, value, local)
	case err != nil:
		return "", bad("Make it readable for you.", "%s names %q, which can't be read: %s", p.Name, value, fault.Reason(err))
	}
	if hint, err := p.Artifact.check(local, info); err != nil {
		return "", bad(hint, "%s names %q: %s", p.Name, value, err)
	}
	return local, nil
}

func localPath(value, dir string) string {
	if filepath.IsAbs(value) {
		return filepath.Clean(value)
	}
	return filepath.Join(dir, value)
}

// check looks at the thing itself: its kind, its size and whether it is what
// its name says.
func (a *Artifact) check(local string, info fs.FileInfo) (hint string, err error) {
	isZip := strings.EqualFold(filepath.Ext(local), ".zip")
	switch {
	case info.IsDir():
		if !slices.Contains(a.Kinds, artifactDir) {
			return "Name " + a.allowed() + ".", errors.New("it is a folder, not " + a.allowed())
		}
		return a.checkDir(local)
	case !info.Mode().IsRegular():
		return "Name " + a.allowed() + ".", errors.New("it is neither a file nor a folder")
	case a.MaxBytes > 0 && info.Size() > a.MaxBytes:
		return "Make it smaller.", fmt.Errorf("it has %d bytes, but it may have %d", info.Size(), a.MaxBytes)
	case isZip && slices.Contains(a.Kinds, artifactZip):
		return a.checkZip(local)
	case !slices.Contains(a.Kinds, artifactFile):
		return "Name " + a.allowed() + ".", errors.New("it is a file, not " + a.allowed())
	}
	if !a.hasExtension(local) {
		return "Name " + a.allowed() + ".", errors.New("its name must end in " + strings.Join(a.Extensions, " or "))
	}
	if strings.HasSuffix(local, ".gz") || strings.HasSuffix(local, ".tgz") {
		return checkGzip(local)
	}
	return "", nil
}

func (a *Artifact) hasExtension(local string) bool {
	return len(a.Extensions) == 0 || slices.ContainsFunc(a.Extensions, func(ext string) bool {
		return strings.HasSuffix(strings.ToLower(local), ext)
	})
}

func (a *Artifact) checkDir(dir string) (string, error) {
	var size int64
	files := 0
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	switch {
	case err != nil:
		return "Make it readable for you.", fault.Reason(err)
	case files == 0:
		return "Put the code there.", errors.New("the folder is empty")
	case a.MaxBytes > 0 && size > a.MaxBytes:
		return "Make it smaller.", fmt.Errorf("its files have %d bytes together, but they may have %d", size, a.MaxBytes)
	}
	return "", nil
}

func (a *Artifact) checkZip(file string) (string, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return "Make it anew, for example with `zip -r`.", fmt.Errorf("it is no zip archive: %w", err)
	}
	defer func() { _ = z.Close() }() // it was only read
	var size uint64
	for _, f := range z.File {
		size += f.UncompressedSize64
	}
	if a.MaxBytes > 0 && size > uint64(a.MaxBytes) {
		return "Make it smaller.", fmt.Errorf("it has %d bytes when unpacked, but it may have %d", size, a.MaxBytes)
	}
	return "", nil
}

// checkGzip looks at the magic number only: models can be large.
func checkGzip(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "Make it readable for you.", fault.Reason(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	magic := make([]byte, 2)
	if _, err := io.ReadFull(f, magic); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return "Make it with `tar czf`.", errors.New("it is not compressed by gzip")
	}
	return "", nil
}

// codeTree is the code of a function: a folder, a zip, or a folder of the template.
type codeTree struct {
	fsys  fs.FS
	root  string
	files map[string]bool
	close func() error
}

// Has implements Code.
func (c *codeTree) Has(name string) bool { return c.files[name] }

// Read implements Code.
func (c *codeTree) Read(name string, limit int64) ([]byte, error) {
	f, err := c.fsys.Open(path.Join(c.root, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, limit))
}

// openCode lists the files of a function. It is to be closed.
func openCode(local string, t *Template, builtin string) (*codeTree, error) {
	c := &codeTree{root: ".", files: map[string]bool{}, close: func() error { return nil }}
	switch {
	case strings.EqualFold(filepath.Ext(local), ".zip"):
		z, err := zip.OpenReader(local)
		if err != nil {
			return nil, err
		}
		c.fsys, c.close = z, z.Close
		for _, f := range z.File {
			if !f.FileInfo().IsDir() {
				c.files[path.Clean(f.Name)] = true
			}
		}
		return c, nil
	case local != "":
		c.fsys = os.DirFS(local)
	default:
		c.fsys, c.root = t.FS, builtin
	}
	err := fs.WalkDir(c.fsys, c.root, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			c.files[strings.TrimPrefix(name, c.root+"/")] = true
		}
		return err
	})
	return c, err
}
