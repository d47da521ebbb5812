package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

const (
	maxZip      = 50 << 20  // given inline
	maxUnzipped = 250 << 20 // and the largest package from S3
	maxFiles    = 100_000
)

// packages keeps deployment packages by their SHA-256: the zip file in
// dir/code, and its extracted tree, made when first run, in dir/trees.
type packages struct {
	dir string
	mu  sync.Mutex // one extraction at a time
}

// openPackages prepares dir and removes what a crash left half-done and packages
// that no version uses.
func openPackages(dir string, used map[string]bool) (*packages, error) {
	p := &packages{dir: dir}
	for _, d := range []string{"tmp", "scratch"} {
		if err := os.RemoveAll(p.path(d)); err != nil {
			return nil, err
		}
	}
	for _, d := range []string{"code", "trees", "tmp", "scratch", "pycache"} {
		if err := os.MkdirAll(p.path(d), 0o700); err != nil {
			return nil, err
		}
	}
	for _, d := range []string{"code", "trees"} {
		entries, err := os.ReadDir(p.path(d))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !used[strings.TrimSuffix(e.Name(), ".zip")] {
				if err := os.RemoveAll(p.path(d, e.Name())); err != nil {
					return nil, err
				}
			}
		}
	}
	return p, nil
}

func (p *packages) path(elem ...string) string {
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

// usedPackages lists the packages that versions refer to.
func (s *Service) usedPackages() (map[string]bool, error) {
	used := map[string]bool{}
	err := s.DB.View(func(tx *store.Tx) error {
		use := func(v version) bool {
			used[v.Package] = true
			for _, l := range v.Layers {
				used[l] = true
			}
			return true
		}
		if err := store.Each(tx, dbFunctions, "", "", func(_ string, f function) bool { return use(f.Latest) }); err != nil {
			return err
		}
		if err := store.Each(tx, dbLayerVersions, "", "", func(_ string, v layerVersion) bool { used[v.Package] = true; return true }); err != nil {
			return err
		}
		return store.Each(tx, dbVersions, "", "", func(_ string, v version) bool { return use(v) })
	})
	return used, err
}

// fetch returns the zip file that a request gives inline or by S3 location.
func (s *Service) fetch(ctx context.Context, sc wire.Scope, p wire.Principal, c *types.FunctionCode) ([]byte, error) {
	if c == nil {
		c = &types.FunctionCode{}
	}
	switch {
	case c.ImageUri != nil:
		return nil, errInvalid("The sandbox does not run container images; give the code as a zip file.")
	case len(c.ZipFile) > maxZip:
		e := wire.Errorf(413, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the CreateFunction operation", 70167211)
		return nil, e
	case len(c.ZipFile) > 0:
		return c.ZipFile, nil
	case c.S3Bucket == nil || c.S3Key == nil:
		return nil, errInvalid("Please provide a source for function code.")
	}
	r, info, err := s.Objects.GetObject(ctx, sc, p, *c.S3Bucket, *c.S3Key, aws.ToString(c.S3ObjectVersion))
	if err != nil {
		e := wire.AsError(err)
		if e.Code == "AccessDenied" {
			return nil, wire.Errorf(403, "AccessDeniedException",
				"Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. S3 Error Code: %s. S3 "+
					"Error Message: %s", *c.S3Bucket, *c.S3Key, e.Code, e.Message)
		}
		return nil, errInvalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", e.Code, e.Message)
	}
	defer func() { _ = r.Close() }()
	if info.Size > maxUnzipped {
		return nil, errInvalid("Unzipped size must be smaller than %d bytes", maxUnzipped)
	}
	return io.ReadAll(io.LimitReader(r, maxUnzipped))
}

// save checks a zip file and stores it durably. It returns its name and the
// CodeSha256 of the API.
func (p *packages) save(raw []byte) (name, sum string, err error) {
	if err := checkZip(raw); err != nil {
		return "", "", err
	}
	h := sha256.Sum256(raw)
	name, sum = hex.EncodeToString(h[:]), base64.StdEncoding.EncodeToString(h[:])
	dst := p.path("code", name+".zip")
	if _, err := os.Stat(dst); err == nil {
		return name, sum, nil
	}
	f, err := os.CreateTemp(p.path("tmp"), "zip-*")
	if err != nil {
		return "", "", err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), dst)
	}
	if err == nil {
		err = syncDir(p.path("code"))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return name, sum, err
}

// syncDir makes changes of a folder's entries durable. Windows cannot and need
// not: there, a rename is in the journal of the file system.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func checkZip(raw []byte) error {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return errInvalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	if len(z.File) == 0 {
		return errInvalid("Uploaded file must be a non-empty zip")
	}
	if len(z.File) > maxFiles {
		return errInvalid("Uploaded file has more than %d entries", maxFiles)
	}
	var size uint64
	for _, f := range z.File {
		size += f.UncompressedSize64
		name := strings.ReplaceAll(f.Name, `\`, "/")
		if !filepath.IsLocal(path.Clean(name)) {
			return errInvalid("Could not unzip uploaded file. Please check your file, then try to upload again. (%s leads out of the package)", f.Name)
		}
	}
	if size > maxUnzipped {
		return errInvalid("Unzipped size must be smaller than %d bytes", maxUnzipped)
	}
	return nil
}

// tree returns the folder with the extracted package, extracting it first if
// need be. Trees are shared by all environments and are not written to.
func (p *packages) tree(name string) (string, error) {
	dst := p.path("trees", name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := os.Stat(dst); err == nil {
		return dst, nil
	}
	z, err := zip.OpenReader(p.path("code", name+".zip"))
	if err != nil {
		return "", fmt.Errorf("open code package: %w", err)
	}
	defer func() { _ = z.Close() }()
	tmp, err := os.MkdirTemp(p.path("tmp"), "tree-*")
	if err != nil {
		return "", err
	}
	if err := extract(&z.Reader, tmp); err != nil {
		_ = os.RemoveAll(tmp)
		return "", fmt.Errorf("extract code package: %w", err)
	}
	return dst, os.Rename(tmp, dst)
}

// extract writes the archive below dir. os.Root refuses every path, also by way
// of a symbolic link, that leaves dir; the declared sizes are held to.
func extract(z *zip.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	left := int64(maxUnzipped)
	for _, f := range z.File {
		name := path.Clean(strings.ReplaceAll(f.Name, `\`, "/"))
		if f.FileInfo().IsDir() {
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		n, err := extractFile(root, f, name, left)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		left -= n
	}
	return nil
}

func extractFile(root *os.Root, f *zip.File, name string, limit int64) (int64, error) {
	r, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	if f.Mode()&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(io.LimitReader(r, 4096))
		if err != nil {
			return 0, err
		}
		return int64(len(target)), root.Symlink(string(target), name)
	}
	if f.Mode().Type() != 0 {
		return 0, fmt.Errorf("not a file, folder or symbolic link")
	}
	var n int64
	run := f.Mode().Perm() & 0o111
	write := func() error {
		w, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644|run)
		if err != nil {
			return err
		}
		n, err = io.Copy(w, io.LimitReader(r, limit+1))
		if err == nil && n > limit {
			err = fmt.Errorf("unzipped size is larger than %d bytes", maxUnzipped)
		}
		return errors.Join(err, w.Close())
	}
	if run != 0 { // a bootstrap, for one
		err = wholefile.Program(write)
	} else {
		err = write()
	}
	return n, err
}
