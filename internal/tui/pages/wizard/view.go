package wizard

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// sideWidth is the width of the list of steps, helpWidth that of the help beside
// the fields.
const (
	sideWidth = 26
	helpWidth = 44
)

// View draws the wizard.
func (p *Page) View(w, h int) string {
	p.size = [2]int{w, h}
	th := &p.Env.Theme
	switch {
	case p.err != nil:
		text := "  " + th.Bad.Render(th.Glyphs.Bad+" "+render.Line(p.err.Error(), 0))
		if hint := fault.HintOf(p.err); hint != "" {
			text += "\n  " + th.Hint.Render("hint: "+render.Line(hint, 0))
		}
		return widget.Box(text, w, h)
	case p.stage == loading:
		return widget.Box("  "+th.Muted.Render("reading the templates ..."), w, h)
	case p.pick != nil:
		return p.pick.view(w, h)
	case p.browser != nil:
		return p.browser.view(w, h)
	case p.stage == choosing:
		return widget.Box(p.cardsView(w, h), w, h)
	case p.stage == reviewing:
		return p.reviewView(w, h)
	}
	return p.fillView(w, h)
}

// panes divides the form: steps at the left, help at the right or below.
func panes(w, h int) (side, fields, help int, below bool) {
	if w >= 100 {
		side = sideWidth
	}
	if w >= 140 {
		return side, w - side - helpWidth - 2, helpWidth, false
	}
	if side > 0 {
		side++
	}
	return side, w - side, max(3, min(8, (h-1)*2/5)), true
}

func (p *Page) fillView(w, h int) string {
	th := &p.Env.Theme
	side, fieldsW, help, below := panes(w, h)
	head := p.stepHead(w)
	body := max(0, h-1)
	fieldsH := body
	if below {
		fieldsH = max(1, body-help)
	}
	main := widget.Box(p.fieldsView(fieldsW, fieldsH), fieldsW, fieldsH)
	switch {
	case below:
		main += "\n" + widget.Box(widget.Rule(th, p.field().Label, fieldsW)+"\n"+p.helpText(fieldsW, help-1), fieldsW, min(help, body-fieldsH))
	default:
		bar := strings.TrimRight(strings.Repeat(th.Border.Render(th.Glyphs.Border.Left)+" \n", body), "\n")
		main = widget.Beside(main, bar, widget.Box(p.helpText(help, body), help, body))
	}
	if side > 0 {
		main = widget.Beside(widget.Box(p.sideView(sideWidth), side, body), main)
	}
	return widget.Box(head+"\n"+main, w, h)
}

func (p *Page) stepHead(w int) string {
	th := &p.Env.Theme
	s := p.current()
	n := len(p.form.Steps())
	text := th.Muted.Render(fmt.Sprintf("%d/%d ", p.step+1, n)) + th.Title.Render(render.Line(s.Title, 0))
	right := th.Good.Render(th.Glyphs.Good + " complete")
	if bad := len(p.form.Problems()); bad > 0 {
		right = th.Warn.Render(fmt.Sprintf("%d to answer or mend", bad))
	} else if p.looking > 0 {
		right = th.Muted.Render("looking at files ...")
	}
	room := max(1, w-ansi.StringWidth(right)-1)
	if help := "  " + th.Muted.Render(render.Line(s.Help, 0)); ansi.StringWidth(text)+ansi.StringWidth(help) <= room {
		text += help
	}
	return widget.Fit(text, room, th.Glyphs.Ellipsis) + " " + right
}

// troubles counts problems by step.
func (p *Page) troubles() map[int]int {
	out := map[int]int{}
	for _, x := range p.form.Problems() {
		out[p.form.StepOf(x.Field)]++
	}
	return out
}

func (p *Page) sideView(w int) string {
	th := &p.Env.Theme
	bad := p.troubles()
	var out []string
	line := func(i int, sign, title string) {
		text := " " + sign + " " + widget.Fit(render.Line(title, 0), w-6, th.Glyphs.Ellipsis)
		if i == p.step {
			text = th.Focus.Render(th.Glyphs.Cursor) + th.TabOn.Render(ansi.Strip(text[1:]))
		}
		out = append(out, text)
	}
	for i, s := range p.form.Steps() {
		sign := th.Muted.Render(th.Glyphs.Pending)
		switch {
		case bad[i] > 0 && p.seen[s.Name]:
			sign = th.Bad.Render(th.Glyphs.Bad)
		case bad[i] > 0:
			sign = th.Warn.Render(th.Glyphs.Pending)
		case p.seen[s.Name]:
			sign = th.Good.Render(th.Glyphs.Good)
		}
		line(i, sign, s.Title)
	}
	line(-2, th.Muted.Render(th.Glyphs.Pending), "Review")
	return strings.Join(out, "\n")
}

func (p *Page) labelWidth() int {
	width := 8
	for _, name := range p.current().Fields {
		width = max(width, ansi.StringWidth(p.form.Field(name).Label))
	}
	return min(width, 30)
}

// fieldsView draws the fields of the step, scrolled to the one with the focus.
func (p *Page) fieldsView(w, h int) string {
	var lines []string
	p.lines = p.lines[:0]
	label := min(p.labelWidth(), max(8, w/2-4))
	from, to := 0, 0
	for i, name := range p.current().Fields {
		f := p.form.Field(name)
		if i == p.focus {
			from = len(lines)
		}
		add := p.fieldLines(f, i == p.focus, label, w)
		for range add {
			p.lines = append(p.lines, i)
		}
		lines = append(lines, add...)
		if i == p.focus {
			to = len(lines)
		}
	}
	if p.current().Name == form.IdentityStep {
		for _, l := range p.namesView(w) {
			lines, p.lines = append(lines, l), append(p.lines, -1)
		}
		if p.focus == len(p.current().Fields)-1 && len(lines)-p.top <= h {
			to = min(len(lines), from+h)
		}
	}
	if to > p.top+h {
		p.top = to - h
	}
	if from < p.top {
		p.top = from
	}
	p.top = max(0, min(p.top, len(lines)-h))
	return strings.Join(lines[p.top:min(len(lines), p.top+h)], "\n")
}

func (p *Page) fieldLines(f form.Field, on bool, label, w int) []string {
	th := &p.Env.Theme
	sign, style := "  ", th.Hint
	if on {
		sign, style = th.Focus.Render(th.Glyphs.Cursor)+" ", th.Title
	}
	if f.Greyed != "" || f.Fixed != "" {
		style = th.Disabled
	}
	name := render.Line(f.Label, 0)
	if f.Required && !f.Answered() {
		name += "*"
	}
	room := max(4, w-label-5)
	head := sign + style.Render(widget.Fit(name, label+1, th.Glyphs.Ellipsis)) + " "
	out := []string{head + p.answer(f, on, room)}
	if f.Problem != "" && (f.Answered() || p.seen["review"]) {
		text := ansi.Wrap(render.Line(f.Problem, 0), max(10, w-4), "")
		for i, l := range strings.Split(text, "\n") {
			mark := "  "
			if i == 0 {
				mark = th.Glyphs.Bad + " "
			}
			out = append(out, "  "+th.Bad.Render(mark+l))
		}
	}
	return out
}

// answer draws what a field holds, and how it is answered if it has the focus.
func (p *Page) answer(f form.Field, on bool, room int) string {
	th := &p.Env.Theme
	unit := ""
	if f.Unit != "" {
		unit = " " + th.Muted.Render(f.Unit)
	}
	value := render.Line(f.Value, 0)
	if f.Secret && f.Answered() {
		value = strings.Repeat("*", 8)
	}
	shown := th.Input.Render(value)
	if !f.Answered() {
		shown = th.Muted.Render(value)
	}
	if value == "" {
		shown = th.Muted.Render("-")
	}
	switch kind := f.Control(); {
	case f.Greyed != "":
		return widget.Fit(th.Disabled.Render(render.Dash(value)+"  "+f.Greyed), room, th.Glyphs.Ellipsis)
	case f.Fixed != "":
		return widget.Fit(th.Disabled.Render(value), room, th.Glyphs.Ellipsis)
	case kind == form.Typed && on:
		return p.input.View(max(2, min(room-1-ansi.StringWidth(unit), 81))) + unit
	case kind == form.Toggled:
		box := "[ ] no"
		if f.Value == "true" {
			box = "[x] yes"
		}
		if !f.Answered() {
			box = th.Muted.Render(box)
		}
		return box
	case kind == form.Inline:
		return widget.Fit(p.choices(f, on)+unit, room, th.Glyphs.Ellipsis)
	case kind == form.Listed || kind == form.Edited:
		hint := ""
		if on {
			hint = th.Muted.Render("  " + keys.PickList.Label(th.Glyphs.Unicode) + " " +
				map[bool]string{true: fmt.Sprintf("choose from %d", len(f.Choices)), false: "edit"}[kind == form.Listed])
		}
		return widget.Fit(shown+unit+hint, room, th.Glyphs.Ellipsis)
	default:
		return widget.Fit(shown+unit, room, th.Glyphs.Ellipsis)
	}
}

func (p *Page) choices(f form.Field, on bool) string {
	th := &p.Env.Theme
	parts := make([]string, len(f.Choices))
	for i, c := range f.Choices {
		c = render.Line(c, 0)
		switch {
		case c == f.Value && on:
			parts[i] = th.Cursor.Render("[" + c + "]")
		case c == f.Value && f.Answered():
			parts[i] = th.Input.Render("[" + c + "]")
		case c == f.Value:
			parts[i] = th.Muted.Render("[" + c + "]")
		case on:
			parts[i] = th.Hint.Render(" " + c + " ")
		default:
			parts[i] = th.Disabled.Render(" " + c + " ")
		}
	}
	return strings.Join(parts, "")
}

// namesView shows what will be called how on AWS.
func (p *Page) namesView(w int) []string {
	th := &p.Env.Theme
	out := []string{"", widget.Rule(th, "Names on AWS", w)}
	names, ok := p.form.Names(p.Env.Place().Account)
	if !ok {
		return append(out, "  "+th.Muted.Render("follow from tenant, model and env"))
	}
	for _, x := range []struct{ what, name string }{
		{"stack", p.form.ID().StackName()},
		{"bucket", names.Bucket},
		{"state machine", names.StateMachine},
		{"endpoint", names.Endpoint},
		{"function", names.Function},
		{"roles", names.SageMakerRole + " ..."},
	} {
		if x.what == "endpoint" && !p.form.Template().HasBlock("endpoint") {
			continue
		}
		out = append(out, widget.Fit("  "+th.Key.Render(widget.Fit(x.what, 14, ""))+" "+x.name, w, th.Glyphs.Ellipsis))
	}
	return out
}

// helpText says everything about the field with the focus.
func (p *Page) helpText(w, h int) string {
	th := &p.Env.Theme
	f := p.field()
	var out []string
	wrap := func(key, text string) {
		if text == "" {
			return
		}
		head := ""
		if key != "" {
			head = th.Key.Render(key) + " "
		}
		out = append(out, strings.Split(ansi.Wrap(head+render.Line(text, 0), max(8, w), ""), "\n")...)
	}
	if _, _, _, below := panes(p.size[0], p.size[1]); !below {
		out = append(out, th.Title.Render(render.Line(f.Label, 0)))
	}
	wrap("", f.Help)
	wrap("fixed:", f.Fixed)
	if f.Greyed != "" {
		wrap("no effect:", f.Greyed)
	}
	if f.Problem != "" && f.Hint != "" {
		wrap("hint:", f.Hint)
	}
	if f.Changing != "" && p.open.Change != nil {
		out = append(out, strings.Split(th.Warn.Render(ansi.Wrap("a change: "+render.Line(f.Changing, 0), max(8, w), "")), "\n")...)
	}
	wrap("costs:", f.Costs)
	allowed := f.Allowed
	if f.Unit != "" && (f.Type == spec.TypeInt || f.Type == spec.TypeFloat || f.Type == spec.TypeEnum) {
		allowed += " (" + f.Unit + ")"
	}
	wrap("allowed:", allowed)
	if f.Default != "" {
		wrap("default:", f.Default)
	}
	if f.Type == spec.TypePath {
		wrap("files:", keys.Browse.Label(th.Glyphs.Unicode)+" chooses one; relative paths begin in the working directory")
	}
	switch {
	case f.Type == spec.TypeMap && f.Name != form.Tags:
		wrap("secrets:", "an entry may be "+spec.SecretForms)
	case f.Type == spec.TypeString && f.Secret:
		wrap("secrets:", "the text itself, or as JSON "+spec.SecretForms)
	}
	if f.Changing != "" && p.open.Change == nil {
		wrap("later:", f.Changing)
	}
	wrap("example:", f.Example)
	if len(out) > h {
		out = out[:max(0, h)]
	}
	return strings.Join(out, "\n")
}

func (p *Page) mouse(m tea.MouseMsg) tea.Cmd {
	click := m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress
	switch {
	case p.err != nil || p.stage == loading:
	case p.pick != nil:
		p.pick.grid.Update(m)
	case p.browser != nil:
		p.browser.mouse(m)
	case p.stage == choosing:
		if i := p.cardAt(m.Y); click && i >= 0 {
			if i == p.card {
				return p.takeCard()
			}
			p.card = i
		}
	case p.stage == reviewing:
		p.review.viewer.Update(m)
	default:
		return p.fillMouse(m, click)
	}
	return nil
}

func (p *Page) fillMouse(m tea.MouseMsg, click bool) tea.Cmd {
	side, fieldsW, _, _ := panes(p.size[0], p.size[1])
	switch {
	case m.Button == tea.MouseButtonWheelDown:
		return p.move(1)
	case m.Button == tea.MouseButtonWheelUp:
		return p.move(-1)
	case !click || m.Y < 1:
		return nil
	case m.X < side:
		switch i := m.Y - 1; {
		case i < len(p.form.Steps()):
			return p.moveStep(i - p.step)
		case i == len(p.form.Steps()):
			return p.toReview()
		}
		return nil
	case m.X >= side+fieldsW:
		return nil
	}
	if at := p.top + m.Y - 1; at < len(p.lines) && p.lines[at] >= 0 {
		cmd := p.look()
		if again := p.lines[at] == p.focus; again {
			if f := p.field(); f.Control() == form.Toggled || f.Control() == form.Inline {
				p.turn(f, 1)
			}
		}
		return tea.Batch(cmd, p.enter(p.lines[at]))
	}
	return nil
}
