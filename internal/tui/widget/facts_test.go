package widget

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

// A line of facts loses whole facts, the one that matters least first, and is cut only where
// nothing is left to spare.
func TestFactsLoseWholeWords(t *testing.T) {
	th := screen(true)
	facts := []Fact{{Text: "ready"}, {Text: "realtime v1", Short: "realtime", Spare: 2}, {Text: "us-east-1", Spare: 3}, {Text: "1 failed in 24h", Short: "1 failed", Spare: 1}}
	for width, want := range map[int]string{
		80: "ready · realtime v1 · us-east-1 · 1 failed in 24h",
		48: "ready · realtime · us-east-1 · 1 failed in 24h",
		40: "ready · realtime · us-east-1 · 1 failed",
		36: "ready · realtime · 1 failed",
		20: "ready · 1 failed",
		10: "ready",
		4:  "rea…",
	} {
		require.Equal(t, want, Facts(th, width, facts...), "%d cells", width)
	}
}

// The tabs that are not open have one length each, whichever is open; the signs of the open
// one have their room where there is no style to mark it.
func TestTabsKeepTheirLength(t *testing.T) {
	titles := []string{"Overview", "Resources", "Executions", "Updates", "Definition", "Revisions", "Logs", "Health", "Results"}
	for _, unicode := range []bool{true, false} {
		th := screen(unicode)
		for open := range titles {
			line := ansi.Strip(Tabs(th, titles, open, 79))
			require.NotContains(t, line, th.Glyphs.Ellipsis)
			for i, want := range []string{"1 Over", "2 Reso", "3 Exec", "4 Upda", "5 Defi", "6 Revi", "7 Logs", "8 Heal", "9 Resu"} {
				if i == open {
					require.Contains(t, line, titles[i])
					continue
				}
				require.Contains(t, line+"  ", want+"  ")
			}
			for x, r := range line {
				if r == rune('1'+open) {
					require.Equal(t, open, TabAt(th, titles, open, 79, x))
					require.Equal(t, open, TabAt(th, titles, open, 79, x+len(titles[open])+1+tabMarks(th)))
				}
			}
		}
	}
}

// A text is parted between words; what has none near the edge is cut there, and no letter is
// lost.
func TestTextsArePartedBetweenWords(t *testing.T) {
	for _, tc := range []struct {
		line string
		room int
		want []string
	}{
		{"put the copy of yesterday in its place", 16, []string{"put the copy of", "yesterday in its", "place"}},
		{"urn   urn:pulumi:acme.iris.dev::pipelinetui", 20, []string{"urn   urn:pulumi:acm", "e.iris.dev::pipeline", "tui"}},
		{"    indented as it was", 16, []string{"    indented as", "it was"}},
		{"größe und maß sind", 10, []string{"größe und", "maß sind"}},
		{"日本語日本語", 4, []string{"日本", "語日", "本語"}},
		{"\x1b[31mput the copy of yesterday in its place\x1b[0m", 16, []string{"\x1b[31mput the copy of", "yesterday in its", "place\x1b[0m"}},
	} {
		require.Equal(t, tc.want, broken(tc.line, tc.room))
	}
}
