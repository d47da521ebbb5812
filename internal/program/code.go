package program

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
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Lambda's limits of a function's code. (lambda/latest/dg/gettingstarted-limits.html)
const (
	maxZipped   = 50 << 20
	maxUnzipped = 250 << 20
)

// Folders of a template that hold the functions it brings.
const (
	preprocessCode = "preprocess"
	invokerCode    = "invoker"
)

// codePackage is the code of a function, ready to be uploaded. The engine
// hashes the names and contents of the files and nothing else, in order of
// name: the same files are always the same package, whenever and wherever they
// were written.
type codePackage struct {
	archive pulumi.Archive
	files   map[string]fs.FileMode // by slash-separated name
	zipped  bool                   // a ready zip, uploaded as it is
	// open gives the content of one of the files.
	open func(name string) (io.ReadCloser, error)
}

// readCode loads the code that a pipeline names, or the one its template
// brings.
func (p *plan) readCode() (*codePackage, error) {
	const parameter = "preprocess.code"
	if local := p.pipe.Files[parameter]; local != "" {
		info, err := os.Stat(local)
		if err != nil {
			return nil, unreadable(parameter, local, err)
		}
		if !info.IsDir() {
			return codeFromZip(parameter, local, info.Size())
		}
		return codeFromFolder(parameter, local)
	}
	if p.tmpl.FS == nil {
		return nil, fault.New(fault.Invalid, "pipeline %s has no %s, and template %s brings no code", p.pipe.ID, parameter, p.tmpl.Name).
			WithHint("Set %s to a folder or a zip file.", parameter)
	}
	code, err := codeFromTemplate(p.tmpl.FS, preprocessCode, p.tmpl.Origin)
	if out := (*outwardError)(nil); errors.As(err, &out) {
		return nil, out.in("template "+p.tmpl.Name, preprocessCode)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "template %s has no readable code in its folder %s: %v", p.tmpl.Name, preprocessCode, err).
			Because(err).WithHint("Set %s to a folder or a zip file, or add %s/ to the template.", parameter, preprocessCode)
	}
	return code, nil
}

// skipped tells which files never belong to a function: what an interpreter, a
// file manager or git leaves behind. They would change the package without
// changing the function.
func skipped(name string, dir bool) bool {
	if dir {
		return name == "__pycache__" || name == ".git" || name == ".pulumi"
	}
	return name == ".DS_Store" || name == ".git" || strings.HasSuffix(name, ".pyc")
}

// walkCode visits the files of a function's folder, in order of name. A link to
// a file counts as the file, one to a folder is left out. One that leads to a file outside of
// the folder is refused: whoever wrote it would choose what of this machine is uploaded.
func walkCode(root fs.FS, visit func(name string, info fs.FileInfo) error) error {
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && skipped(d.Name(), d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		info, err := fs.Stat(root, name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if err := staysInside(root, name); err != nil {
				return err
			}
		}
		return visit(name, info)
	})
}

// codeFromFolder packs a folder of this machine.
func codeFromFolder(parameter, dir string) (*codePackage, error) {
	root := os.DirFS(dir)
	c := &codePackage{files: map[string]fs.FileMode{}, open: opener(root)}
	assets := map[string]any{}
	var total int64
	err := walkCode(root, func(name string, info fs.FileInfo) error {
		f, err := root.Open(name) // now, not halfway through an update
		if err != nil {
			return err
		}
		total += info.Size()
		c.files[name] = info.Mode()
		assets[name] = pulumi.NewFileAsset(filepath.Join(dir, filepath.FromSlash(name)))
		return f.Close()
	})
	if err != nil {
		return nil, unreadable(parameter, dir, err)
	}
	if len(assets) == 0 {
		return nil, fault.New(fault.Invalid, "%s: the folder %s has no files", parameter, dir).
			WithHint("Put the function's code there, or name another folder.")
	}
	if total > maxUnzipped {
		return nil, tooBig(parameter, dir, total, "unzipped", maxUnzipped)
	}
	if total > maxZipped {
		size, err := zippedSize(root, c.files)
		if err != nil {
			return nil, unreadable(parameter, dir, err)
		}
		if size > maxZipped {
			return nil, tooBig(parameter, dir, size, "zipped", maxZipped)
		}
	}
	c.archive = pulumi.NewAssetArchive(assets)
	return c, nil
}

// codeFromTemplate packs the function that a template brings. A built-in
// template is part of the program file, so its texts go into the state.
func codeFromTemplate(template fs.FS, folder, origin string) (*codePackage, error) {
	root, err := fs.Sub(template, folder)
	if err != nil {
		return nil, err
	}
	c := &codePackage{files: map[string]fs.FileMode{}, open: opener(root)}
	assets := map[string]any{}
	err = walkCode(root, func(name string, info fs.FileInfo) error {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		c.files[name] = info.Mode()
		switch onDisk := filepath.Join(origin, folder, filepath.FromSlash(name)); {
		case utf8.Valid(data):
			assets[name] = pulumi.NewStringAsset(string(data))
		case filepath.IsAbs(onDisk):
			assets[name] = pulumi.NewFileAsset(onDisk)
		default:
			return fmt.Errorf("%s is not text", path.Join(folder, name))
		}
		return nil
	})
	if err == nil && len(assets) == 0 {
		err = errors.New("the folder is empty")
	}
	if err != nil {
		return nil, err
	}
	c.archive = pulumi.NewAssetArchive(assets)
	return c, nil
}

// codeFromZip takes a ready zip as it is: not one byte of it changes.
func codeFromZip(parameter, file string, size int64) (*codePackage, error) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".zip", ".jar":
	default:
		return nil, fault.New(fault.Invalid, "%s: %s is neither a folder nor a .zip or .jar file", parameter, file).
			WithHint("Name a folder, or a zip file whose name ends in .zip.")
	}
	if size > maxZipped {
		return nil, tooBig(parameter, file, size, "zipped", maxZipped)
	}
	r, err := zip.OpenReader(file)
	if err != nil {
		return nil, unreadable(parameter, file, err)
	}
	defer func() { _ = r.Close() }() // it was only read
	c := &codePackage{files: map[string]fs.FileMode{}, zipped: true, open: func(name string) (io.ReadCloser, error) {
		return openInZip(file, name)
	}}
	var total uint64
	for _, f := range r.File {
		if f.FileInfo().IsDir() {
			continue
		}
		total += f.UncompressedSize64
		c.files[f.Name] = f.Mode()
	}
	if total > maxUnzipped {
		return nil, tooBig(parameter, file, int64(min(total, 1<<62)), "unzipped", maxUnzipped)
	}
	if len(c.files) == 0 {
		return nil, fault.New(fault.Invalid, "%s: the zip file %s is empty", parameter, file).
			WithHint("Put the function's code into it.")
	}
	c.archive = pulumi.NewFileArchive(file)
	return c, nil
}

// checkHandler finds a handler whose file or function is not in the package.
func (c *codePackage) checkHandler(runtime, handler string) *fault.Error {
	if strings.HasPrefix(runtime, "provided") {
		return c.checkBootstrap(runtime)
	}
	missing, wrong := spec.CheckHandler(c, handler, runtime)
	switch {
	case wrong == nil:
		return nil
	case len(missing) > 0:
		return fault.New(fault.Invalid, "the handler %q of runtime %s needs the file %s, which is not in the function's code (%s)",
			handler, runtime, missing[0], c.list()).
			WithHint("Set preprocess.handler to file.function, or add the file to preprocess.code.")
	}
	return fault.New(fault.Invalid, "the handler %q does not do for runtime %s: %s", handler, runtime, wrong.Msg).WithHint("%s", wrong.Hint)
}

// Has implements spec.Code.
func (c *codePackage) Has(name string) bool { _, ok := c.files[name]; return ok }

// Read implements spec.Code.
func (c *codePackage) Read(name string, limit int64) ([]byte, error) {
	f, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, limit))
}

// checkBootstrap: a runtime of one's own starts the file bootstrap, which has
// to be executable. The engine packs folders without file modes, so only a zip
// can say that.
func (c *codePackage) checkBootstrap(runtime string) *fault.Error {
	const hint = "Build the zip with: chmod +x bootstrap && zip -r function.zip ."
	mode, ok := c.files["bootstrap"]
	switch {
	case !ok:
		return fault.New(fault.Invalid, "the runtime %s needs the file bootstrap, which is not in the function's code (%s)", runtime, c.list()).
			WithHint(hint)
	case !c.zipped:
		return fault.New(fault.Invalid, "the runtime %s needs preprocess.code as a zip file: a folder is packed without the right to execute bootstrap", runtime).
			WithHint(hint)
	case mode&0o111 == 0:
		return fault.New(fault.Invalid, "the file bootstrap in the function's zip is not executable").WithHint(hint)
	}
	return nil
}

// list names a few files of the package.
func (c *codePackage) list() string {
	const few = 5
	var names []string
	for name := range c.files {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(names) > few {
		names = append(slices.Clip(names[:few]), "...")
	}
	return strings.Join(names, ", ")
}

// zippedSize is about how large the engine's zip of a folder will be.
func zippedSize(root fs.FS, files map[string]fs.FileMode) (int64, error) {
	var count counter
	w := zip.NewWriter(&count)
	for name := range files {
		dst, err := w.Create(name)
		if err != nil {
			return 0, err
		}
		src, err := root.Open(name)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(dst, src)
		if err := errors.Join(err, src.Close()); err != nil {
			return 0, err
		}
	}
	err := w.Close()
	return int64(count), err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func opener(root fs.FS) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) { return root.Open(name) }
}

// openInZip reads a file of a zip; closing it closes the zip too.
func openInZip(file, name string) (io.ReadCloser, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	f, err := z.Open(name)
	if err != nil {
		return nil, errors.Join(err, z.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{f, z}, nil
}

func unreadable(parameter, file string, err error) *fault.Error {
	if out := (*outwardError)(nil); errors.As(err, &out) {
		return out.in(parameter, file)
	}
	return fault.New(fault.Invalid, "%s: %s can't be read: %v", parameter, file, err).Because(err).
		WithHint("Check the path and that you may read it.")
}

func tooBig(parameter, file string, size int64, how string, limit int64) *fault.Error {
	return fault.New(fault.Invalid, "%s: %s has %d MB %s; Lambda takes at most %d MB", parameter, file, size>>20, how, limit>>20).
		WithHint("Leave out what the function does not need.")
}
