package program

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"unicode/utf8"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TemplateResource is the name of the resource that keeps a template of the user's own
// with the stack, so that another machine has it: a pulumi:index:Stash of its files. A
// text stands for itself, anything else is {"hex": ...}.
const TemplateResource = "template"

// maxTemplate bounds what of a template is kept with the stack, in bytes: the state is
// written with every change. A bigger one has to be there by itself.
const maxTemplate = 4 << 20

// addTemplate keeps the template, unless the program brings it along.
func (b *build) addTemplate() error {
	if b.tmpl.FS == nil || b.tmpl.Origin == spec.BuiltIn {
		return nil
	}
	files, err := templateFiles(b.tmpl.FS, b.tmpl.Read)
	if err != nil {
		return fault.New(fault.Invalid, "the template %s can't be read: %v", b.tmpl.Name, err).Because(err).WithHint("Make its folder readable for you.")
	}
	if files == nil {
		return nil
	}
	_, err = pulumi.NewStash(b.ctx, TemplateResource, &pulumi.StashArgs{Input: files})
	return err
}

// templateFiles are the files that a template is made of, nil if they are too much:
// those that were read to load it, and the code that it brings. What else lies in its
// folder, such as notes and keys, is nobody's who reads the state. A folder of code that
// can't be read whole is left out: the block that needs it says so.
func templateFiles(root fs.FS, read []string) (pulumi.Map, error) {
	out, total := pulumi.Map{}, int64(0)
	keep := func(into pulumi.Map, name string) error {
		data, err := fs.ReadFile(root, name)
		switch total += int64(len(data)); {
		case err != nil:
			return err
		case utf8.Valid(data):
			into[name] = pulumi.String(string(data))
		default:
			into[name] = pulumi.Map{"hex": pulumi.String(hex.EncodeToString(data))}
		}
		return nil
	}
	for _, name := range read {
		if err := keep(out, name); err != nil {
			return nil, err
		}
	}
	for _, folder := range []string{preprocessCode, invokerCode} {
		code := pulumi.Map{}
		sub, err := fs.Sub(root, folder)
		if err == nil {
			err = walkCode(sub, func(name string, info fs.FileInfo) error {
				if total+info.Size() > maxTemplate {
					total += info.Size()
					return fs.SkipAll
				}
				return keep(code, path.Join(folder, name))
			})
		}
		if err == nil {
			maps.Copy(out, code)
		}
	}
	if total > maxTemplate {
		return nil, nil
	}
	return out, nil
}

// Copy is what the pipeline's bucket keeps of a local artifact, so that another machine
// can make the pipeline again.
type Copy struct {
	// Parameter names the artifact, Local where it is on this machine.
	Parameter, Local string
	// Key is the object; it holds Digest, which tells the content.
	Key, Digest string
	// Folder says that the artifact is a folder: its copy is a zip of its files.
	Folder bool

	files []string // of a folder
}

// CodeCopies returns the copies of a pipeline's local code, none if it has no bucket. It
// reads the code. The program itself puts the model into the bucket.
func CodeCopies(p *spec.Pipeline, t *spec.Template) ([]Copy, error) {
	local := p.Files["preprocess.code"]
	if local == "" || !t.HasBlock("storage") || !t.HasBlock("preprocess") {
		return nil, nil
	}
	c, err := copyOfCode("preprocess.code", local)
	if err != nil {
		return nil, err
	}
	return []Copy{c}, nil
}

func copyOfCode(parameter, local string) (c Copy, err error) {
	c = Copy{Parameter: parameter, Local: local}
	info, err := os.Stat(local)
	if err != nil {
		return c, unreadable(parameter, local, err)
	}
	c.Folder = info.IsDir()
	if c.Folder {
		c.Digest, c.files, err = hashFolder(local)
	} else {
		c.Digest, err = hashFile(local)
	}
	if err != nil {
		return c, unreadable(parameter, local, err)
	}
	c.Key = artifactPrefix + "code-" + c.Digest[:12] + ".zip"
	return c, nil
}

// DigestOf is the digest of some bytes.
func DigestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	return ofFiles.of(f, nil)
}

// hashFolder is a digest of the names and contents of a function's files: what makes
// the function.
func hashFolder(dir string) (sum string, files []string, err error) {
	return hashTree(os.DirFS(dir), func(name string) (string, error) { return hashFile(filepath.Join(dir, filepath.FromSlash(name))) })
}

// hashCode is hashFolder for a folder of a template.
func hashCode(root fs.FS, folder string) (string, error) {
	sub, err := fs.Sub(root, folder)
	if err != nil {
		return "", err
	}
	sum, _, err := hashTree(sub, func(name string) (string, error) {
		data, err := fs.ReadFile(sub, name)
		return DigestOf(data), err
	})
	return sum, err
}

func hashTree(root fs.FS, digest func(name string) (string, error)) (sum string, files []string, err error) {
	h := sha256.New()
	err = walkCode(root, func(name string, _ fs.FileInfo) error {
		one, err := digest(name)
		_, _ = io.WriteString(h, one+" "+name+"\n") // never fails (hash.Hash)
		files = append(files, name)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), files, err
}

// CheckCopy tells whether what lies at a path has the digest of a copy.
func CheckCopy(path, digest string, folder bool) (bool, error) {
	var sum string
	var err error
	if folder {
		sum, _, err = hashFolder(path)
	} else {
		sum, err = hashFile(path)
	}
	return sum == digest, err
}

// Write writes the copy: the file as it is, or a zip of the folder.
func (c *Copy) Write(w io.Writer) error {
	if !c.Folder {
		f, err := os.Open(c.Local)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		_, err = io.Copy(w, f)
		return err
	}
	z := zip.NewWriter(w)
	for _, name := range c.files {
		dst, err := z.Create(name)
		if err != nil {
			return err
		}
		src, err := os.Open(filepath.Join(c.Local, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		_, err = io.Copy(dst, src)
		_ = src.Close() // it was only read
		if err != nil {
			return err
		}
	}
	return z.Close()
}

// planCopies takes down the copies for the stored spec, once the blocks were planned: a
// model is big, and is read once.
func (p *plan) planCopies() {
	if m := p.model; m != nil && m.sum != "" {
		p.copies = append(p.copies, Copy{Parameter: "modelDataUrl", Local: m.local, Key: m.key, Digest: m.sum})
	}
	if code, err := CodeCopies(p.pipe, p.tmpl); err == nil { // else a block says it
		p.copies = append(p.copies, code...)
	}
}

// copiesInput is the part of the stored spec that names the copies.
func (b *build) copiesInput() pulumi.Map {
	out := pulumi.Map{}
	for _, c := range b.copies {
		out[c.Parameter] = pulumi.Map{"object": pulumi.String(c.Key), "sha256": pulumi.String(c.Digest), "folder": pulumi.Bool(c.Folder)}
	}
	return out
}
