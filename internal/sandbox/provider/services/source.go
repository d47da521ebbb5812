package services

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// errRelative is said of an asset with a relative path: the engine does not tell
// an attached provider where its program runs.
var errRelative = errors.New("the path of an asset or archive must be absolute for an attached provider")

// seekable is a request body that can be sent again.
type seekable interface {
	io.ReadSeeker
	io.Closer
}

type memory struct{ *bytes.Reader }

// Close does nothing.
func (memory) Close() error { return nil }

func inMemory(b []byte) seekable { return memory{bytes.NewReader(b)} }

// open returns the content of an asset, or a zip of an archive.
func (e *Env) open(b *schema.Blob) (seekable, error) {
	if b.Archive != nil {
		zip, err := e.zip(b.Archive)
		if err != nil {
			return nil, err
		}
		return inMemory(zip), nil
	}
	a := b.Asset
	if path, ok := a.GetPath(); ok {
		path, err := e.absolute(path)
		if err != nil {
			return nil, err
		}
		return os.Open(path)
	}
	data, err := a.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the asset: %w", err)
	}
	return inMemory(data), nil
}

func (e *Env) absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if e.WorkDir == "" {
		return "", fmt.Errorf("%q: %w", path, errRelative)
	}
	return filepath.Join(e.WorkDir, path), nil
}

// zip makes a zip file of an archive: the same bytes for the same content.
func (e *Env) zip(a *archive.Archive) ([]byte, error) {
	if e.WorkDir == "" && relative(a) {
		return nil, errRelative
	}
	var buf bytes.Buffer
	if err := a.ArchiveWithWD(archive.ZIPArchive, &buf, e.WorkDir); err != nil {
		return nil, fmt.Errorf("making a zip file of the archive: %w", err)
	}
	return buf.Bytes(), nil
}

// relative reports whether the archive or something in it has a relative path.
func relative(a *archive.Archive) bool {
	if p, ok := a.GetPath(); ok {
		return !filepath.IsAbs(p)
	}
	parts, _ := a.GetAssets()
	for _, part := range parts {
		switch part := part.(type) {
		case *archive.Archive:
			if relative(part) {
				return true
			}
		case *asset.Asset:
			if p, ok := part.GetPath(); ok && !filepath.IsAbs(p) {
				return true
			}
		}
	}
	return false
}
