package theme

// Web are the colours of a page for a browser, as CSS writes them, by token. Texts have a
// contrast of at least 4.5 to both backgrounds, lines and bars of 3 (WCAG 2.2, 1.4.3 and
// 1.4.11); a test computes it.
type Web struct {
	Back, Panel                    string // backgrounds: of the page, of tables and boxes
	Text, Muted, Key               string
	Good, Bad, Warn, Busy          string
	GoodBar, BadBar, WarnBar, Line string // what is no text
}

// WebOn are the colours on a light or a dark background.
func WebOn(dark bool) Web {
	if dark {
		return Web{
			Back: "#14171c", Panel: "#1e232b", Text: "#e8eaee", Muted: "#a7afbb", Key: "#8ab8ff",
			Good: "#6fd49a", Bad: "#ff9a93", Warn: "#f0b860", Busy: "#9cc3ff",
			GoodBar: "#3fa56b", BadBar: "#e5635b", WarnBar: "#c98a2b", Line: "#7d8794",
		}
	}
	return Web{
		Back: "#ffffff", Panel: "#f4f6f8", Text: "#1b1f24", Muted: "#56606b", Key: "#0b57a4",
		Good: "#146c3a", Bad: "#b3261e", Warn: "#855100", Busy: "#1a5fb4",
		GoodBar: "#2e8b57", BadBar: "#d0453c", WarnBar: "#b87514", Line: "#7a838e",
	}
}
