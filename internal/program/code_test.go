package program

import (
	"archive/zip"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// hashOf is the engine's hash of the function's code: a change of it is an
// update of the function.
func hashOf(t *testing.T, codePath string) string {
	t.Helper()
	p, tmpl := pipelineOf(t, nil)
	if codePath != "" {
		p.Files["preprocess.code"] = codePath
	}
	r := execute(t, p, tmpl, testEnv)
	code := r.made["pre"].inputs["code"]
	require.True(t, code.IsArchive(), "%v", code)
	archive := code.ArchiveValue()
	archive.Hash = "" // ours, not one that came along
	require.NoError(t, archive.EnsureHash())
	return archive.Hash
}

func write(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

func TestCodeHash(t *testing.T) {
	t.Parallel()
	files := map[string]string{"handler.py": "def handler(e, c):\n    return e\n", "lib/a.py": "A = 1\n", "lib/b.py": "B = 1\n"}
	first := hashOf(t, write(t, t.TempDir(), files))

	same := write(t, t.TempDir(), files)
	old := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, os.Chtimes(filepath.Join(same, "handler.py"), old, old))
	write(t, same, map[string]string{
		"__pycache__/handler.cpython-313.pyc": "x", "lib/__pycache__/a.pyc": "x", "lib/c.pyc": "x", ".DS_Store": "x", "lib/.DS_Store": "x", ".git/HEAD": "x",
	})
	require.Equal(t, first, hashOf(t, same), "time stamps and litter are no change")

	renamed := write(t, t.TempDir(), map[string]string{"handler.py": files["handler.py"], "lib/a.py": files["lib/a.py"], "lib/c.py": files["lib/b.py"]})
	require.NotEqual(t, first, hashOf(t, renamed))
	files["lib/b.py"] = "B = 2\n"
	require.NotEqual(t, first, hashOf(t, write(t, t.TempDir(), files)))
	require.Equal(t, hashOf(t, ""), hashOf(t, ""), "the template's own code")
}

// pythonHandler is a module with the function handler.
const pythonHandler = "def handler(event, context):\n    return event\n"

// A ready zip goes as it is, byte for byte.
func TestReadyZip(t *testing.T) {
	t.Parallel()
	file := zipOf(t, map[string]string{"handler.py": pythonHandler}, 0o644)
	p, tmpl := pipelineOf(t, nil)
	p.Files["preprocess.code"] = file
	r := execute(t, p, tmpl, testEnv)
	require.Equal(t, file, r.made["pre"].inputs["code"].ArchiveValue().Path)
}

func zipOf(t *testing.T, files map[string]string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "code.zip")
	f, err := os.Create(file)
	require.NoError(t, err)
	w := zip.NewWriter(f)
	for name, text := range files {
		h := &zip.FileHeader{Name: name}
		h.SetMode(mode)
		entry, err := w.CreateHeader(h)
		require.NoError(t, err)
		_, err = entry.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, f.Close())
	return file
}

func TestCodeIsChecked(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "code.txt")
	require.NoError(t, os.WriteFile(text, []byte("x"), 0o600))
	broken := filepath.Join(t.TempDir(), "code.zip")
	require.NoError(t, os.WriteFile(broken, []byte("no zip"), 0o600))
	big := filepath.Join(t.TempDir(), "big.zip")
	require.NoError(t, os.WriteFile(big, nil, 0o600))
	require.NoError(t, os.Truncate(big, maxZipped+1))
	huge := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(huge, "handler.py"), nil, 0o600))
	require.NoError(t, os.Truncate(filepath.Join(huge, "handler.py"), maxUnzipped+1))

	for name, c := range map[string]struct {
		path, runtime, handler, want string
	}{
		"no such folder":        {filepath.Join(t.TempDir(), "none"), "", "", "can't be read"},
		"empty folder":          {t.TempDir(), "", "", "has no files"},
		"neither folder or zip": {text, "", "", "neither a folder nor a .zip"},
		"broken zip":            {broken, "", "", "can't be read"},
		"empty zip":             {zipOf(t, nil, 0), "", "", "is empty"},
		"zip too big":           {big, "", "", "takes at most 50 MB"},
		"folder too big":        {huge, "", "", "takes at most 250 MB"},
		"python handler": {
			write(t, t.TempDir(), map[string]string{"main.py": "x"}), "python3.13", "app.main",
			"needs the file app.py, which is not in the function's code (main.py)",
		},
		"python package":        {write(t, t.TempDir(), map[string]string{"pkg/__init__.py": pythonHandler}), "python3.13", "pkg.handler", ""},
		"python submodule":      {write(t, t.TempDir(), map[string]string{"pkg/mod.py": pythonHandler}), "python3.13", "pkg.mod.handler", ""},
		"node":                  {write(t, t.TempDir(), map[string]string{"index.mjs": "export const handler = async () => 1"}), "nodejs22.x", "index.handler", ""},
		"python function":       {write(t, t.TempDir(), map[string]string{"main.py": pythonHandler}), "python3.13", "main.handle", "main.py has no function handle"},
		"node missing":          {write(t, t.TempDir(), map[string]string{"index.ts": "x"}), "nodejs22.x", "index.handler", "needs the file index.js"},
		"java is not looked at": {write(t, t.TempDir(), map[string]string{"a.class": "x"}), "java21", "a.B::c", ""},
		"no bootstrap":          {zipOf(t, map[string]string{"main": "x"}, 0o755), "provided.al2023", "x", "needs the file bootstrap"},
		"bootstrap in a folder": {write(t, t.TempDir(), map[string]string{"bootstrap": "x"}), "provided.al2023", "x", "as a zip file"},
		"bootstrap not to run":  {zipOf(t, map[string]string{"bootstrap": "x"}, 0o644), "provided.al2023", "x", "not executable"},
		"bootstrap":             {zipOf(t, map[string]string{"bootstrap": "x"}, 0o755), "provided.al2023", "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := map[string]any{}
			if c.runtime != "" {
				change["preprocess.runtime"], change["preprocess.handler"] = c.runtime, c.handler
			}
			p, tmpl := pipelineOf(t, change)
			p.Files["preprocess.code"] = c.path
			_, err := Pipeline(p, tmpl, testEnv)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.Invalid)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A folder is measured as it will be sent: zipped.
func TestLargeFolder(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), map[string]string{"handler.py": pythonHandler, "data": ""})
	require.NoError(t, os.Truncate(filepath.Join(dir, "data"), maxZipped+1))
	p, tmpl := pipelineOf(t, nil)
	p.Files["preprocess.code"] = dir
	_, err := Pipeline(p, tmpl, testEnv)
	require.NoError(t, err, "zeros shrink")

	noise := make([]byte, 1<<16)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	size, err := zippedSize(fstest.MapFS{"a": {Data: noise}, "b": {Data: make([]byte, 1<<20)}}, map[string]fs.FileMode{"a": 0, "b": 0})
	require.NoError(t, err)
	require.InDelta(t, len(noise), size, 4096)
}

func TestTemplateCode(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	tmpl.FS = fstest.MapFS{"template.yaml": {Data: []byte("x")}}
	_, err := Pipeline(p, tmpl, testEnv)
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "no readable code in its folder preprocess")

	tmpl.FS = fstest.MapFS{"preprocess/handler.py": {Data: []byte("\xff\xfe")}}
	_, err = Pipeline(p, tmpl, testEnv)
	require.ErrorContains(t, err, "handler.py is not text")

	tmpl.FS = nil
	_, err = Pipeline(p, tmpl, testEnv)
	require.ErrorContains(t, err, "brings no code")
}

// A new model is a new object under a new name.
func TestLocalModel(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "model.tar.gz")
	run := func(content string) (key, url string, r *ran) {
		require.NoError(t, os.WriteFile(file, []byte(gzipMagic+content), 0o600))
		p, tmpl := pipelineOf(t, nil)
		p.Files["modelDataUrl"] = file
		r = execute(t, p, tmpl, testEnv)
		url, _ = r.inputs(t, testBase+"-m")["primaryContainer"].(map[string]any)["modelDataUrl"].(string)
		key, _ = r.inputs(t, "artifact")["key"].(string)
		require.Equal(t, "s3://"+p.Names(testAccount).Bucket+"/"+key, url)
		// The old fleet may have to launch instances while the new one takes over, so that the
		// role reads the models of all revisions: its policy is the same for each.
		require.Contains(t, r.inputs(t, "sagemaker-policy")["policy"], `"arn:aws:s3:::`+p.Names(testAccount).Bucket+`/artifacts/model-*.tar.gz"`)
		return key, url, r
	}
	first, _, r := run("one")
	require.Regexp(t, `^artifacts/model-[0-9a-f]{12}\.tar\.gz$`, first)
	require.Equal(t, "aws:s3/bucketObjectv2:BucketObjectv2", r.made["artifact"].token)
	source := r.made["artifact"].inputs["source"]
	require.True(t, source.IsAsset())
	require.Equal(t, file, source.AssetValue().Path)
	again, _, _ := run("one")
	require.Equal(t, first, again)
	second, _, _ := run("two")
	require.NotEqual(t, first, second)
}

func TestModelURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"s3://b/k/m.tar.gz":                                  "b k/m.tar.gz",
		"s3://b/k/":                                          "b k/",
		"https://b.s3.amazonaws.com/k/m.tar.gz":              "b k/m.tar.gz",
		"https://b.s3.us-east-1.amazonaws.com/m.tar.gz":      "b m.tar.gz",
		"https://s3.us-east-1.amazonaws.com/b/k/m.tar.gz":    "b k/m.tar.gz",
		"https://s3-us-west-2.amazonaws.com/b/m.tar.gz":      "b m.tar.gz",
		"https://b.s3.dualstack.eu-west-1.amazonaws.com/m":   "b m",
		"https://b.s3.cn-north-1.amazonaws.com.cn/m.tar.gz":  "b m.tar.gz",
		"https://my.bucket.s3.us-east-1.amazonaws.com/m.tgz": "my.bucket m.tgz",
		"https://s3.amazonaws.com/b":                         "",
		"https://example.com/b/k":                            "",
		"s3://b":                                             "",
		"s3://b/":                                            "",
		"s3:///k":                                            "",
		"ftp://b/k":                                          "",
		"https://b.s3.amazonaws.com/m.tar.gz?versionId=1":    "",
		"%zz": "",
	} {
		m, err := parseModelURL("modelDataUrl", raw)
		if want == "" {
			require.ErrorIs(t, err, fault.Invalid, raw)
			continue
		}
		require.NoError(t, err, raw)
		require.Equal(t, want, m.bucket+" "+m.key, raw)
		require.Equal(t, raw, m.url)
	}
}

func TestModelFileIsChecked(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "model.bin")
	require.NoError(t, os.WriteFile(plain, []byte("weights"), 0o600))
	empty := filepath.Join(t.TempDir(), "empty.tar.gz")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for file, want := range map[string]string{plain: "not a tar.gz", empty: "not a tar.gz", t.TempDir(): "is a folder"} {
		_, err := hashModel("modelDataUrl", file)
		require.ErrorContains(t, err, want)
		require.True(t, strings.HasPrefix(fault.HintOf(err), "Pack"))
	}
	_, err := hashModel("modelDataUrl", filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fault.Invalid)
}
