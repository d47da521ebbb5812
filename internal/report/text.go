package report

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// Bounds of a page. What is beyond them is in the export of the execution.
const (
	nameRoom  = 200       // cells of a name
	textRoom  = 400       // cells of a message on a line
	blockRoom = 16 << 10  // bytes of one input, output or cause
	pageRoom  = 2 << 20   // bytes of all of them
	rowsRoom  = 400       // rows of a table
	graphRoom = 300       // states of a graph
	prettyMax = 256 << 10 // bytes of a JSON text that is set out on lines
)

// line is foreign text on one line of at most width cells.
func line(s string, width int) string {
	if len(s) > 16*width { // no cell takes more than a few bytes: the rest is not even looked at
		s = strings.ToValidUTF8(s[:16*width], "")
	}
	return render.Line(s, width)
}

// block is a foreign text that may be long.
type block struct {
	Title, Size string
	Text        string
	// Cut says how much is left out, "" if nothing.
	Cut  string
	Open bool
}

// budget is what is left of a page's room for blocks.
type budget int

// block cuts a text to the room that there is; nil if there is none to show.
func (b *budget) block(title, text string) *block { return b.cut(title, text, 0) }

// cut is block of a text that was cut before it came here; whole is how many bytes it had then,
// 0 if it was not.
func (b *budget) cut(title, text string, whole int) *block {
	whole = max(whole, len(text))
	if whole == 0 {
		return nil
	}
	out := &block{Title: title, Size: render.Bytes(int64(whole))}
	room := min(blockRoom, int(*b))
	shown := text
	if len(text) > prettyMax {
		shown = text[:min(len(text), 4*blockRoom)]
	}
	shown = render.JSON(strings.ToValidUTF8(shown, ""), "")
	if cut := cutAt(shown, room); cut < len(shown) || len(text) > prettyMax || whole > len(text) {
		shown = shown[:cut]
		out.Cut = "the first " + render.Bytes(int64(cut)) + " of " + out.Size
		if cut == 0 {
			out.Cut = "left out: the page is large enough"
		}
	}
	*b -= budget(len(shown))
	out.Text = shown
	return out
}

// cutAt is the largest length up to n at which no character is cut.
func cutAt(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for n = max(0, n); n > 0 && !utf8.RuneStart(s[n]); n-- {
	}
	return n
}

// stamp is a time as a machine and a person read it.
type stamp struct{ Machine, Text string }

func stampOf(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	t = t.UTC()
	return stamp{t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05") + " UTC"}
}

// mood is the class of colours of a status.
func mood(s executions.Status) string {
	switch s {
	case executions.Succeeded:
		return "good"
	case executions.Failed, executions.TimedOut:
		return "bad"
	case executions.Aborted, executions.PendingRedrive:
		return "warn"
	case executions.Running:
	}
	return "busy"
}

// visitMood is mood for a visit.
func visitMood(s executions.VisitStatus) string {
	switch s {
	case executions.VisitSucceeded:
		return "good"
	case executions.VisitFailed, executions.VisitTimedOut:
		return "bad"
	case executions.VisitCaught, executions.VisitAborted:
		return "warn"
	case executions.VisitRunning:
		return "busy"
	}
	return "none"
}

// sign is what says the same as a colour, for who sees none.
func sign(mood string) string {
	switch mood {
	case "good":
		return "✔"
	case "bad":
		return "✘"
	case "warn":
		return "!"
	case "busy":
		return "…"
	}
	return "·"
}

// word is a status of AWS as a word.
func word(s executions.Status) string {
	return strings.ToLower(strings.ReplaceAll(line(string(s), nameRoom), "_", " "))
}
