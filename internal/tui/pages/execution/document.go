package execution

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// part is what of a visit, or of the execution, is shown.
type part int

const (
	partInput part = iota
	partOutput
	partError
	partAttempts
	parts
)

func (x part) String() string {
	return [...]string{"input", "output", "error", "attempts"}[x%parts]
}

// document shows one text whole.
type document struct {
	viewer *widget.Viewer
	part   part
	// picked says that the user has chosen what is shown.
	picked bool
	// whole is the execution's own data instead of the selected state's.
	whole bool
	// key tells what the viewer shows, so that it is set up anew only for another
	// text; raw is that text as it came.
	key, whose, raw string
}

// subject is whose data the document shows: "Preprocess, visit 2 of 3", or the
// execution.
func (p *Page) subject() string {
	v := p.selected()
	if p.doc.whole || v == nil {
		return "execution"
	}
	s := v.State
	if all := p.visitsOf(v.State); len(all) > 1 {
		s += fmt.Sprintf(", visit %d of %d", slices.Index(all, v.Index)+1, len(all))
	}
	if v.Iteration != nil {
		s += fmt.Sprintf(", iteration %d", *v.Iteration)
	}
	return s
}

// text is the document's text as it came; known is false if there is none.
func (p *Page) text() (raw string, known bool) {
	if v := p.selected(); v != nil && !p.doc.whole {
		switch p.doc.part {
		case partInput:
			return v.Input, v.Input != ""
		case partOutput:
			return v.Output, v.Output != ""
		case partError:
			return errorText(v.Error, v.Cause), v.Error != "" || v.Cause != ""
		case partAttempts, parts:
			return attemptsText(v), len(v.Attempts) > 0
		}
	}
	d := p.details
	if d == nil {
		d = &executions.Details{Input: p.line.Input, Output: p.line.Output, Error: p.line.Error, Cause: p.line.Cause}
	}
	switch p.doc.part {
	case partInput:
		return d.Input, d.Input != ""
	case partOutput:
		return d.Output, d.Output != ""
	case partError:
		return errorText(d.Error, d.Cause), d.Error != "" || d.Cause != ""
	case partAttempts, parts:
	}
	return "", false
}

// fill shows the document's text if it is another one than before.
func (p *Page) fill() {
	if !p.doc.picked {
		p.doc.part = partInput
		switch name, cause := p.failure(); {
		case name != "" || cause != "":
			p.doc.part = partError
		case p.details != nil && p.details.Output != "":
			p.doc.part = partOutput
		}
	}
	raw, known := p.text()
	whose := fmt.Sprintf("%d/%d/%t/%s", p.gen, p.visit, p.doc.whole, p.doc.part)
	key := fmt.Sprintf("%s/%d", whose, len(raw))
	if key == p.doc.key {
		return
	}
	same := whose == p.doc.whose
	p.doc.key, p.doc.whose, p.doc.raw = key, whose, raw
	if known {
		p.doc.viewer.SetJSON(raw)
	} else {
		p.doc.raw = ""
		p.doc.viewer.SetText(p.noText())
	}
	if !same {
		p.doc.viewer.Top()
	}
}

// noText says why there is nothing to show.
func (p *Page) noText() string {
	v := p.selected()
	if p.doc.whole || v == nil {
		switch {
		case p.details == nil && p.detailsErr != nil:
			return explain(p.detailsErr)
		case p.doc.part == partAttempts:
			return "An execution has no attempts; select a state in the graph (1) or the timeline (2)."
		case p.doc.part == partError:
			return "The execution has met no error."
		case p.doc.part == partOutput && p.running():
			return "There is no output yet: the execution is running."
		case p.doc.part == partOutput:
			return "There is no output: the execution did not succeed."
		}
		return "There is no " + p.doc.part.String() + "."
	}
	switch {
	case p.doc.part == partError:
		return v.State + " has met no error."
	case p.doc.part == partAttempts:
		return "A " + v.Type + " state has no attempts."
	case p.doc.part == partOutput && v.Status.Open():
		return "There is no output yet: " + v.State + " is running."
	case p.doc.part == partOutput:
		return "There is no output: " + v.State + " " + widget.StatusWord(v.Status) + "."
	}
	return "There is no " + p.doc.part.String() + "."
}

// errorText is an error with its cause, the message in front if the cause is JSON.
func errorText(name, cause string) string {
	out := name
	if m := executions.MessageOf(cause); m != "" {
		out += "\n\n" + m
	}
	if json.Valid([]byte(cause)) && cause != "" {
		out += "\n\n" + render.JSON(cause, "")
	}
	return strings.TrimLeft(out, "\n")
}

// attemptsText is each attempt with what it sent and got.
func attemptsText(v *executions.Visit) string {
	var b strings.Builder
	for i := range v.Attempts {
		a := &v.Attempts[i]
		fmt.Fprintf(&b, "attempt %d of %d: %s", i+1, len(v.Attempts), widget.StatusWord(a.Status))
		if !a.Ended.IsZero() {
			fmt.Fprintf(&b, " after %s", render.Duration(a.Ended.Sub(a.Scheduled)))
		}
		if r := strings.TrimPrefix(a.Service+":"+a.Resource, ":"); r != "" {
			fmt.Fprintf(&b, "  (%s)", r)
		}
		b.WriteString("\n")
		if a.Error != "" || a.Cause != "" {
			fmt.Fprintf(&b, "\nerror\n%s\n", errorText(a.Error, a.Cause))
		}
		if a.Input != "" {
			fmt.Fprintf(&b, "\nsent\n%s\n", render.JSON(a.Input, ""))
		}
		if a.Output != "" {
			fmt.Fprintf(&b, "\nanswer\n%s\n", render.JSON(a.Output, ""))
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// viewData draws the document with whose it is above it.
func (p *Page) viewData(width, height int) string {
	p.fill()
	th := p.th
	head := th.Title.Render(render.Line(p.subject(), 0))
	if v := p.selected(); v != nil && !p.doc.whole {
		head = visitStyle(th, v.Status).Render(widget.StatusGlyph(th, v.Status)) + " " + head
	}
	items := make([]string, 0, parts)
	for i, b := range []keys.Binding{keys.ShowInput, keys.ShowOutput, keys.WholeError, keys.ShowAttempts} {
		style := th.Tab
		if part(i) == p.doc.part {
			style = th.TabOn
		}
		items = append(items, th.Key.Render(b.Label(th.Glyphs.Unicode))+" "+style.Render(part(i).String()))
	}
	size := ""
	if n := len(p.doc.raw); n > 0 {
		size = th.Muted.Render("  " + render.Bytes(int64(n)) + "  " + p.doc.viewer.Place() + "  " + render.Line(p.doc.viewer.Path(), 60))
	}
	line := head + "   " + strings.Join(items, "  ") + size
	return widget.Lines(widget.Fit(line, width, th.Glyphs.Ellipsis), p.doc.viewer.View(width, height-1))
}
