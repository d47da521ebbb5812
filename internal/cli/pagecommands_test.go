package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
)

var (
	fenced   = regexp.MustCompile("(?ms)^ *```[a-z ]*\n(.*?)^ *```$")
	indented = regexp.MustCompile(`(?m)^ {4}pipelinetui .*$`)
	typed    = regexp.MustCompile(`(?:^|[;(|&] *|\$\()(?:bin/)?pipelinetui( [^\n]*)?$`)
)

// TestCommandsOfPagesAreThere: what the pages tell to type is a command with such flags and
// as many arguments. (e2e/acceptance runs what some of them say.)
func TestCommandsOfPagesAreThere(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	examples, err := filepath.Glob(filepath.Join(root, "examples", "*", "README.md"))
	require.NoError(t, err)
	found := 0
	for _, page := range append(append(pages, examples...), filepath.Join(root, "README.md")) {
		if filepath.Base(page) == "cli.md" {
			continue // the usage lines of the commands themselves
		}
		raw, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, line := range typedIn(string(raw)) {
			found++
			words := shellWords(line)
			streams, _, _ := console.Buffers("")
			r := newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))
			cmd, rest, err := r.Find(words)
			require.NoError(t, err, "%s: pipelinetui %s", page, line)
			require.NoError(t, cmd.ParseFlags(rest), "%s: pipelinetui %s", page, line)
			if args := cmd.Flags().Args(); cmd.Args != nil && !cmd.DisableFlagParsing {
				require.NoError(t, cmd.Args(cmd, args), "%s: pipelinetui %s", page, line)
			}
			require.True(t, cmd.Runnable() || cmd.HasSubCommands() && isHelp(cmd), "%s: pipelinetui %s", page, line)
		}
	}
	require.Greater(t, found, 100)
}

func isHelp(cmd *cobra.Command) bool { return cmd.Flags().Changed("help") }

// typedIn are the command lines of pipelinetui in the blocks of a page, without its name.
func typedIn(page string) []string {
	var out []string
	blocks := indented.FindAllString(page, -1)
	for _, m := range fenced.FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, strings.Split(strings.ReplaceAll(m[1], "\\\n", " "), "\n")...)
	}
	for _, line := range blocks {
		if m := typed.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			out = append(out, strings.TrimSpace(m[1]))
		}
	}
	return out
}

// shellWords are the words of a command up to what ends it, as a shell would take them
// apart: quotes are taken off, and nothing in them ends a word.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	open, quote := false, rune(0)
	flush := func() {
		if open {
			words = append(words, word.String())
		}
		word.Reset()
		open = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ':
			flush()
		case strings.ContainsRune("|;&<>)", c) || c == '#' && !open:
			flush()
			return words
		default:
			open = true
			word.WriteRune(c)
		}
	}
	flush()
	return words
}
