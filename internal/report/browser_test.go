package report_test

import (
	"context"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/report"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// browser finds a Chromium, or skips the test.
func browser(t *testing.T) func(args ...string) []byte {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on the PATH: the page was not looked at in a browser (apt-get install chromium)")
	}
	profile := t.TempDir()
	return func(args ...string) []byte {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		// The sandbox of Chromium refuses to run as root, as containers do. What is opened is
		// our own file, and nothing is reached through the proxy that is none.
		cmd := exec.CommandContext(ctx, path, append([]string{
			"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + profile, "--proxy-server=127.0.0.1:9",
			"--hide-scrollbars", "--force-device-scale-factor=1",
		}, args...)...)
		cmd.WaitDelay = 10 * time.Second
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		return out
	}
}

// pageFile writes a page and returns its address.
func pageFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return "file://" + path
}

// colours counts the pixels of each colour of a picture.
func colours(t *testing.T, path string) (map[string]int, image.Rectangle) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	out := map[string]int{}
	const hex = "0123456789abcdef"
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			var c [7]byte
			c[0] = '#'
			for i, v := range []uint32{r >> 8, g >> 8, b >> 8} {
				c[1+2*i], c[2+2*i] = hex[v>>4], hex[v&15]
			}
			out[string(c[:])]++
		}
	}
	return out, img.Bounds()
}

// TestPageInABrowser: a real browser builds what the page says, draws it in the colours of
// both schemes, prints it, and runs nothing of what was put into it.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	run := browser(t)
	x := failing()
	page := executionPage(t, x)
	for name, dark := range map[string]bool{"1": false, "0": true} {
		picture := filepath.Join(t.TempDir(), "page.png")
		run("--screenshot="+picture, "--window-size=1200,1600", "--blink-settings=preferredColorScheme="+name, pageFile(t, page))
		seen, size := colours(t, picture)
		require.Equal(t, 1200, size.Dx())
		c := theme.WebOn(dark)
		require.Greater(t, seen[c.Back], 1200*1600/3, "the background, dark: %v", dark)
		for _, part := range []string{c.Panel, c.GoodBar, c.BadBar, c.WarnBar, c.Line, c.Key} {
			require.Greater(t, seen[part], 20, "%s is not to be seen, dark: %v", part, dark)
		}
	}
	pdf := filepath.Join(t.TempDir(), "page.pdf")
	run("--print-to-pdf="+pdf, pageFile(t, page))
	info, err := os.Stat(pdf)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(20_000))

	fill(reflect.ValueOf(x), strings.Join(hostile, " "))
	x.Definition = definition
	x.MapRuns = append(x.MapRuns, report.MapRun{})
	evil := executionPage(t, x)
	dom := string(run("--dump-dom", pageFile(t, evil)))
	for _, tag := range []string{"<rect", "<path", "<polygon", "<text", "<tr", "<details", "<section", "<h2"} {
		require.Equal(t, strings.Count(evil, tag), strings.Count(dom, tag), "%s: what is in the page is what the browser has", tag)
	}
	require.NotContains(t, dom, "<title>taken")
	require.NotContains(t, dom, "<script")
	require.NotContains(t, dom, "<img")
}
