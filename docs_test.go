package pipelinetui_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	pageCode    = regexp.MustCompile("(?ms)^ *```.*?^ *```$|`[^`\n]*`")
	pageLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pageHeading = regexp.MustCompile(`(?m)^#{1,6} (.*)$`)
	pageMarkup  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// TestLinksOfPages: a link to a page, a heading or a file leads somewhere.
func TestLinksOfPages(t *testing.T) {
	t.Parallel()
	links := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"internal", "node_modules", "dist", "pages"}, d.Name())):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range pageLink.FindAllStringSubmatch(pageCode.ReplaceAllString(string(raw), ""), -1) {
			to, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, ":") {
				continue // an address
			}
			links++
			target := path
			if to != "" {
				target = filepath.Join(filepath.Dir(path), to)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s: %s", path, m[1])
			if heading != "" {
				require.Contains(t, headings(t, target), heading, "%s: %s", path, m[1])
			}
		}
		return nil
	}))
	require.Greater(t, links, 50)
}

// TestEveryPageIsListed: each page of docs/ is in its table of contents and in a list of the
// site, which ends with an error at one that is not.
func TestEveryPageIsListed(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.Greater(t, len(pages), 15)
	contents, err := os.ReadFile("docs/README.md")
	require.NoError(t, err)
	site, err := os.ReadFile("site/.vitepress/config.mjs")
	require.NoError(t, err)
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" {
			require.Contains(t, string(contents), "("+name+")", "docs/README.md")
			require.Contains(t, string(site), "'"+name+"'", "site/.vitepress/config.mjs")
		}
	}
}

// headings are the ids that GitHub gives to the headings of a page, and the site too.
func headings(t *testing.T, page string) []string {
	t.Helper()
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	var ids []string
	for _, m := range pageHeading.FindAllStringSubmatch(string(raw), -1) {
		text := strings.ToLower(pageMarkup.ReplaceAllString(m[1], "$1"))
		ids = append(ids, strings.ReplaceAll(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_- ", r) {
				return r
			}
			return -1
		}, text), " ", "-"))
	}
	return ids
}
