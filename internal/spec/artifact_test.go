package spec_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func writeZip(t *testing.T, dir, name string, files ...string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	require.NoError(t, err)
	z := zip.NewWriter(f)
	for _, file := range files {
		w, err := z.Create(file)
		require.NoError(t, err)
		_, err = w.Write([]byte(pythonRun))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
}

// pythonRun is a module with the function run.
const pythonRun = "def run(event, context):\n    return event\n"

func TestArtifacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "empty/.keep/x", "")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "empty", ".keep")))
	write(t, dir, "py/index.py", pythonRun)
	write(t, dir, "pkg/app/__init__.py", pythonRun)
	write(t, dir, "js/src/index.mjs", "export const run = async () => 1")
	write(t, dir, "rb/app.rb", "class App\n  def self.run(event:, context:)\n  end\nend\n")
	write(t, dir, "boot/bootstrap", "x")
	write(t, dir, "big/x.py", strings.Repeat("x", 3000))
	write(t, dir, "bad.zip", "PK but no zip")
	write(t, dir, "big.zip", strings.Repeat("x", 3000))
	write(t, dir, "good.tar.gz", "\x1f\x8b...")
	write(t, dir, "bad.tar.gz", "plain")
	write(t, dir, "model.bin", "plain")
	writeZip(t, dir, "good.zip", "index.py", "lib/x.py")
	writeZip(t, dir, "nested.zip", "preprocess/index.py")

	for name, tc := range map[string]struct{ set, want string }{
		"built in":         {"code.entry=other.run code.runtime=python3.13", ""},
		"built in, wrong":  {"code.entry=main.run code.runtime=python3.13", "there is no main.py in the code that comes with the template"},
		"folder":           {"code.path=py code.entry=index.run code.runtime=python3.13", ""},
		"absolute":         {"code.path=" + dir + "/py code.entry=index.run code.runtime=python3.13", ""},
		"wrong file":       {"code.path=py code.entry=main.run code.runtime=python3.13", `code.entry is "main.run" with runtime python3.13, but there is no main.py in ` + dir + "/py"},
		"no function":      {"code.path=py code.entry=index.runs code.runtime=python3.13", `code.entry is "index.runs" with runtime python3.13, but index.py has no function runs`},
		"no dot":           {"code.path=py code.entry=index code.runtime=python3.13", `code.entry is "index" with runtime python3.13, but such a handler is written as file.function`},
		"node, no dot":     {"code.path=js code.entry=index code.runtime=nodejs22.x", "is written as file.function"},
		"node, no export":  {"code.path=js code.entry=src/index.main code.runtime=nodejs22.x", "src/index.mjs has no function main"},
		"zip, no function": {"code.path=good.zip code.entry=index.main code.runtime=python3.13", "index.py has no function main"},
		"package":          {"code.path=pkg code.entry=app.run code.runtime=python3.13", ""},
		"node":             {"code.path=js code.entry=src/index.run code.runtime=nodejs22.x", ""},
		"node, wrong":      {"code.path=js code.entry=index.run code.runtime=nodejs22.x", "Put index.mjs at the top"},
		"ruby":             {"code.path=rb code.entry=app.App.run code.runtime=ruby3.4", ""},
		"ruby, wrong":      {"code.path=rb code.entry=main.run code.runtime=ruby3.4", "no main.rb"},
		"provided":         {"code.path=boot code.entry=x code.runtime=provided.al2023", ""},
		"provided, wrong":  {"code.path=py code.entry=x code.runtime=provided.al2023", "there is no bootstrap in"},
		"java":             {"code.path=py code.entry=com.Main::run code.runtime=java21", ""},
		"zip":              {"code.path=good.zip code.entry=index.run code.runtime=python3.13", ""},
		"zip, inside":      {"code.path=good.zip code.entry=lib.x.run code.runtime=python3.13", ""},
		"zip, nested": {
			"code.path=nested.zip code.entry=index.run code.runtime=python3.13",
			"Put index.py at the top of the code instead of in a folder, or name the folder in code.entry.",
		},
		"zip, broken":      {"code.path=bad.zip", "it is no zip archive"},
		"zip, too large":   {"code.path=big.zip", "it has 3000 bytes, but it may have 2000"},
		"empty folder":     {"code.path=empty", "the folder is empty"},
		"folder too large": {"code.path=big", "its files have 3000 bytes together, but they may have 2000"},
		"archive":          {"code.path=good.tar.gz", ""},
		"archive, broken":  {"code.path=bad.tar.gz", "it is not compressed by gzip"},
		"extension":        {"code.path=model.bin", "its name must end in .tar.gz"},
		"missing":          {"code.path=gone", "but there is no " + dir + "/gone"},
		"url":              {"code.path=s3://a/b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := strings.Fields(tc.set)
			p, err := build(acme, "tiny", set, tinyCatalog(t), spec.Options{Region: "us-east-1", Dir: dir})
			if tc.want == "" {
				require.NoError(t, err)
				if strings.Contains(tc.set, "code.path=") && !strings.Contains(tc.set, "://") {
					_, err := os.Stat(p.Files["code.path"])
					require.NoError(t, err)
				}
				return
			}
			require.Contains(t, strings.Join(lines(t, err, ""), "\n"), tc.want)
			_, err = build(acme, "tiny", set, tinyCatalog(t), spec.Options{Region: "us-east-1", Dir: dir, SkipFiles: true})
			require.NoError(t, err, "without files there is nothing to complain of")
		})
	}
}

// TestModelFolder: the realtime template wants an archive, not a folder.
func TestModelFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "model/model.json", "{}")
	_, err := build(acme, "realtime", []string{"image=a/b", "modelDataUrl=model"}, builtin(t), spec.Options{Region: "us-east-1", Dir: dir})
	require.ErrorContains(t, err, "it is a folder, not s3://... or https://... or a local file (.tar.gz, .tgz)")
}

// TestBuiltInModel: what the image built into the sandbox can't serve is seen in the
// local archive; what other images serve is theirs to know.
func TestBuiltInModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	targz := func(name, file, text string) {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		tw := tar.NewWriter(zw)
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: file, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text))}))
		_, err := tw.Write([]byte(text))
		require.NoError(t, errors.Join(err, tw.Close(), zw.Close()))
		write(t, dir, name, b.String())
	}
	targz("good.tar.gz", "./model.json", `{"format": "linear/v1", "weights": [[1, 2]]}`)
	targz("none.tar.gz", "model/model.json", `{"format": "linear/v1", "weights": [[1, 2]]}`)
	targz("shape.tar.gz", "model.json", `{"format": "linear/v1", "weights": [[1, 2]], "bias": [1, 2]}`)
	targz("text.tar.gz", "model.json", `weights: 1`)
	write(t, dir, "cut.tar.gz", "\x1f\x8b\x08\x00")
	for _, tc := range []struct{ image, data, want string }{
		{"sandbox/linear", "good.tar.gz", ""},
		{"sandbox/linear", "none.tar.gz", "the archive has no model.json"},
		{"sandbox/linear:2", "shape.tar.gz", "model.json: bias is of length 2, weights of length 1"},
		{"sandbox/linear", "text.tar.gz", "model.json: not valid"},
		{"sandbox/linear", "cut.tar.gz", "EOF"},
		{"acme/own", "none.tar.gz", ""},
	} {
		for _, template := range []string{"realtime", "batch"} {
			set := []string{"image=" + tc.image, "modelDataUrl=" + tc.data}
			_, err := build(acme, template, set, builtin(t), spec.Options{Region: "us-east-1", Dir: dir})
			if tc.want == "" {
				require.NoError(t, err, tc.data)
				continue
			}
			require.ErrorContains(t, err, "modelDataUrl is "+strconv.Quote(filepath.Join(dir, tc.data))+", which the image "+tc.image+" can't serve: ")
			require.ErrorContains(t, err, tc.want)
			require.Contains(t, fault.HintOf(err.(fault.List)[0]), `"format": "linear/v1"`) //nolint:errorlint // the list itself is promised
			_, err = build(acme, template, set, builtin(t), spec.Options{Region: "us-east-1", Dir: dir, SkipFiles: true})
			require.NoError(t, err)
		}
	}
}
