package logstream

import "regexp"

// Filter decides which lines are shown. The zero value takes all.
type Filter struct {
	// Grep is what a line has to match; nil: anything.
	Grep *regexp.Regexp
	// Level is the least; a line that tells none has none.
	Level Level
}

// Take takes a line apart, ok if it is to be shown.
func (f Filter) Take(l *Line) (p Parsed, ok bool) {
	p = Parse(l.Text)
	return p, p.Level >= f.Level && (f.Grep == nil || f.Grep.MatchString(l.Text))
}
