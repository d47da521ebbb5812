package eject

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// asset writes an asset into the folder of its resource.
func (w *writer) asset(a *asset.Asset) (*yaml.Node, error) {
	name := "content"
	if p, ok := a.GetPath(); ok {
		name = filepath.Base(p)
	}
	if u, ok := a.GetURI(); ok {
		return call("remoteAsset", text(escape(u, false))), nil
	}
	file := path.Join(w.resource, name)
	if err := w.copyAsset(a, file); err != nil {
		return nil, err
	}
	return call("fileAsset", local(file)), nil
}

// local is a path in the project.
func local(file string) *yaml.Node { return text(escape("./"+file, false)) }

func (w *writer) copyAsset(a *asset.Asset, file string) error {
	if s, ok := a.GetText(); ok {
		return w.write(filepath.FromSlash(file), []byte(s))
	}
	p, ok := a.GetPath()
	if !ok {
		return fault.New(fault.Unsupported, "the asset %s of %s is neither a text nor a file", file, w.resource)
	}
	return w.copyFile(p, filepath.FromSlash(file))
}

// copyFile copies a file, which may be large, into the project.
func (w *writer) copyFile(from, name string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return fault.New(fault.Invalid, "%s can't be read: %v", from, fault.Reason(err)).Because(err).
			WithHint("Eject on the machine that has the pipeline's artifacts, or name them again with `pipelinetui up --set`.")
	}
	defer func() { _ = src.Close() }() // it was only read
	to := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { // a project, to be read and shared
		return unwritable(to, err)
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) // as above
	if err != nil {
		return unwritable(to, err)
	}
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Close()); err != nil {
		return unwritable(to, err)
	}
	w.res.Files = append(w.res.Files, filepath.ToSlash(name))
	return nil
}

// archive writes an archive into the folder of its resource: a ready one as it
// is, another file by file. If that folder is the same archive, the whole folder
// is named, so that a new file in it counts.
func (w *writer) archive(a *archive.Archive) (*yaml.Node, error) {
	if u, ok := a.GetURI(); ok {
		return call("remoteArchive", text(escape(u, false))), nil
	}
	if p, ok := a.GetPath(); ok {
		return w.pathArchive(p)
	}
	entries, ok := a.GetAssets()
	if !ok {
		return nil, fault.New(fault.Unsupported, "an archive of %s is neither a file nor made of files", w.resource)
	}
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	each := mapping()
	for _, name := range names {
		entry, ok := entries[name].(*asset.Asset)
		if !ok || !fs.ValidPath(name) {
			return nil, fault.New(fault.Unsupported, "an archive of %s holds %q, which is not a file", w.resource, name)
		}
		file := path.Join(w.resource, name)
		if err := w.copyAsset(entry, file); err != nil {
			return nil, err
		}
		add(each, escape(name, false), call("fileAsset", local(file)))
	}
	same, err := w.sameAsFolder(a)
	if err != nil {
		return nil, err
	}
	if same {
		return call("fileArchive", local(w.resource)), nil
	}
	return call("assetArchive", each), nil
}

// sameAsFolder tells whether the engine would see the folder of the resource as
// the same archive.
func (w *writer) sameAsFolder(a *archive.Archive) (bool, error) {
	folder, err := archive.FromPath(filepath.Join(w.dir, w.resource))
	if err == nil {
		err = errors.Join(folder.EnsureHash(), a.EnsureHash())
	}
	if err != nil {
		return false, fault.New(fault.Internal, "compare the files of %s: %v", w.resource, err).Because(err)
	}
	return folder.Hash == a.Hash, nil
}

func (w *writer) pathArchive(p string) (*yaml.Node, error) {
	info, err := os.Stat(p)
	if err != nil || info.IsDir() {
		// Blocks list the files of a folder themselves.
		return nil, fault.New(fault.Invalid, "the archive %s of %s can't be read", p, w.resource).Because(err).
			WithHint("Eject on the machine that has the pipeline's artifacts, or name them again with `pipelinetui up --set`.")
	}
	file := path.Join(w.resource, strings.TrimPrefix(filepath.Base(p), "."))
	if err := w.copyFile(p, filepath.FromSlash(file)); err != nil {
		return nil, err
	}
	return call("fileArchive", local(file)), nil
}
