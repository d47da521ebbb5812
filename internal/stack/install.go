package stack

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fetch"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// EnvReleases is another place for the releases of the Pulumi CLI: a folder on a server,
// with the archives and their lists of checksums under Pulumi's own names.
const EnvReleases = "PIPELINETUI_PULUMI_RELEASES"

// pulumiReleases is Pulumi's own. Beside each archive it has pulumi-VERSION-checksums.txt.
const pulumiReleases = "https://get.pulumi.com/releases/sdk"

// cliLock keeps installers of the CLI apart.
const cliLock = "pipelinetui-pulumi.lock"

// InstallPulumi downloads an official release of the CLI ("3.256.0") into dir/bin, and
// checks it against Pulumi's list of checksums. progress may be nil; it is told the bytes as
// they come. What an earlier download left is gone on with. Of several processes one
// installs; the others, of which waits is told (nil: nobody), take what it has brought.
// Errors are Canceled, NotFound (no such release for this system) or Internal.
func InstallPulumi(ctx context.Context, dir, release string, progress fetch.Progress, waits func()) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(err, "make the folder %s", dir)
	}
	if waits == nil {
		waits = func() {}
	}
	unlock, err := lockInstall(ctx, filepath.Join(dir, cliLock), "install the Pulumi CLI "+release, waits)
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, _, err := FindPulumi(ctx, FindOptions{Home: dir}); err == nil { // another process was here
		return path, nil
	}
	base := strings.TrimSuffix(cmp.Or(os.Getenv(EnvReleases), pulumiReleases), "/")
	name := pulumiArchive(release, runtime.GOOS, runtime.GOARCH)
	fail := func(err error) (string, error) {
		return "", (&fault.Error{Kind: fault.KindOf(err), Op: "install the Pulumi CLI " + release, Msg: err.Error(), Err: err}).
			WithHint("Check the network connection to %s and HTTPS_PROXY, name a mirror in %s, or install Pulumi yourself and set "+
				"PIPELINETUI_PULUMI to its file.", fetch.Safe(base), EnvReleases)
	}
	list, err := fetch.Text(ctx, base+"/pulumi-"+release+"-checksums.txt")
	if err != nil {
		return fail(err)
	}
	sum := fetch.SumOf(list, name)
	if sum == "" {
		return fail(fault.New(fault.NotFound, "the list of checksums has no %s", name))
	}
	archive := filepath.Join(dir, "downloads", name)
	if _, err := fetch.File(ctx, fetch.Request{URL: base + "/" + name, Path: archive, SHA256: sum, Progress: progress}); err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(archive) }() // it is unpacked, or unusable
	if err := unpackPulumi(archive, filepath.Join(dir, "bin")); err != nil {
		return fail(err)
	}
	return FindOptions{Home: dir}.candidates()[0], nil
}

// pulumiArchive is a release's name: Pulumi says x64 for amd64.
func pulumiArchive(v, system, arch string) string {
	if arch == "amd64" {
		arch = "x64"
	}
	ending := "tar.gz"
	if system == "windows" {
		ending = "zip"
	}
	return fmt.Sprintf("pulumi-v%s-%s-%s.%s", v, system, arch, ending)
}

// unpackPulumi puts the programs of an archive into bin, whatever folder they are in there.
// Each is whole before it has its name, and pulumi comes last: who finds it has all.
func unpackPulumi(archive, bin string) error {
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return fault.Wrap(err, "make %s", bin)
	}
	work, err := os.MkdirTemp(bin, ".unpack-")
	if err != nil {
		return fault.Wrap(err, "make a folder in %s", bin)
	}
	defer func() { _ = os.RemoveAll(work) }()
	var names []string
	each := func(name string, r io.Reader) error {
		base := path.Base(name)
		if stem := strings.TrimSuffix(base, ".exe"); stem != "pulumi" && !strings.HasPrefix(stem, "pulumi-") {
			return nil
		}
		names = append(names, base)
		return writeProgram(filepath.Join(work, base), r)
	}
	if strings.HasSuffix(archive, ".zip") {
		err = eachOfZip(archive, each)
	} else {
		err = eachOfTar(archive, each)
	}
	if err != nil {
		return fault.New(fault.Internal, "unpack %s: %v", archive, fault.Reason(err)).Because(err)
	}
	main := FindOptions{Home: filepath.Dir(bin)}.candidates()[0]
	found := false
	for _, name := range names {
		if name == filepath.Base(main) {
			found = true
			continue
		}
		if err := os.Rename(filepath.Join(work, name), filepath.Join(bin, name)); err != nil {
			return fault.Wrap(err, "put %s into %s", name, bin)
		}
	}
	if !found {
		return fault.New(fault.Internal, "%s has no %s", archive, filepath.Base(main))
	}
	return fault.Wrap(os.Rename(filepath.Join(work, filepath.Base(main)), main), "put %s there", main)
}

func writeProgram(file string, r io.Reader) error {
	return wholefile.Program(func() error {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700) // it must be executable
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, r); err != nil {
			_ = f.Close()
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

func eachOfTar(archive string, each func(name string, r io.Reader) error) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for files := tar.NewReader(plain); ; {
		h, err := files.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case h.Typeflag != tar.TypeReg:
			continue
		}
		if err := each(h.Name, files); err != nil {
			return err
		}
	}
}

func eachOfZip(archive string, each func(name string, r io.Reader) error) error {
	files, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	for _, file := range files.File {
		if !file.Mode().IsRegular() {
			continue
		}
		r, err := file.Open()
		if err != nil {
			return err
		}
		if err := errors.Join(each(file.Name, r), r.Close()); err != nil {
			return err
		}
	}
	return nil
}
