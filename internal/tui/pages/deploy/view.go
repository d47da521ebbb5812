package deploy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// rect is a part of the page.
type rect struct{ x, y, w, h int }

func (r rect) has(x, y int) bool { return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h }

// parts is where everything lies; a part without height is not drawn.
type parts struct{ head, list, tree, below, foot rect }

// split divides the page. list is how many pipelines are listed (0: no list),
// wide how many cells the list would like, below whether the lower part is wanted: 0 no,
// 1 if there is room, 2 yes.
func split(w, h, head, foot, list, wide, below int) parts {
	var p parts
	p.head = rect{0, 0, w, min(head, h)}
	foot = min(foot, max(0, h-head-3))
	p.foot = rect{0, h - foot, w, foot}
	body := rect{0, p.head.h, w, max(0, h-p.head.h-foot)}
	if want := max(4, min(12, body.h/3)); below == 2 && body.h >= 7 || below == 1 && body.h >= 17 {
		p.below = rect{0, body.y + body.h - want, w, want}
		body.h -= want
	}
	switch {
	case list == 0:
	case w >= 100:
		p.list = rect{0, body.y, max(min(54, w*2/5), min(wide, w/2)), body.h}
		body.x, body.w = p.list.w+1, w-p.list.w-1
	default:
		p.list = rect{0, body.y, w, min(list, max(2, body.h/3))}
		body.y, body.h = body.y+p.list.h, body.h-p.list.h
	}
	p.tree = body
	return p
}

// besideName is what a line of the list has besides the name: cursor, signs, a count.
const besideName = 26

func (p *Page) parts(w, h int) parts {
	list := len(p.req.Pipelines)
	if list == 1 {
		list = 0
	}
	below := 0
	switch p.belowNow() {
	case belowNothing:
	case p.below:
		below = 2
	default:
		below = 1
	}
	return split(w, h, len(p.head(w, h)), len(p.foot(w)), list, p.widestName()+besideName, below)
}

// belowNow is what the lower part shows if there is room.
func (p *Page) belowNow() below {
	switch {
	case p.shown() == nil || p.job == nil && p.below == belowAuto:
		return belowNothing
	case p.below != belowAuto:
		return p.below
	case p.phase == finished && len(p.outputs) > 0:
		return belowOutputs
	default:
		return belowLog
	}
}

// View draws the page.
func (p *Page) View(w, h int) string {
	p.size = [2]int{w, h}
	if p.detail != nil {
		return p.detail.view(&p.Env.Theme, w, h)
	}
	th := &p.Env.Theme
	at := p.parts(w, h)
	var blocks []string
	add := func(text string, r rect) {
		if r.h > 0 && r.w > 0 {
			blocks = append(blocks, widget.Box(text, r.w, r.h))
		}
	}
	add(strings.Join(p.head(w, h), "\n"), at.head)
	p.list.Focused, p.tree.Focused = p.focus == listPane, p.focus == treePane
	tree := widget.Box(p.tree.View(at.tree.w, at.tree.h), at.tree.w, at.tree.h)
	switch {
	case at.list.h > 0 && at.list.y == at.tree.y:
		bar := strings.TrimRight(strings.Repeat(th.Border.Render(th.Glyphs.Border.Left)+"\n", at.tree.h), "\n")
		if at.tree.h > 0 {
			blocks = append(blocks, widget.Beside(widget.Box(p.list.View(at.list.w, at.list.h), at.list.w, at.list.h), bar, tree))
		}
	default:
		add(p.list.View(at.list.w, at.list.h), at.list)
		if at.tree.h > 0 {
			blocks = append(blocks, tree)
		}
	}
	if at.below.h > 0 {
		add(p.belowView(at.below.w, at.below.h), at.below)
	}
	add(strings.Join(p.foot(w), "\n"), at.foot)
	return widget.Box(strings.Join(blocks, "\n"), w, h)
}

func (p *Page) belowView(w, h int) string {
	th := &p.Env.Theme
	title := "Log"
	if p.belowNow() == belowOutputs {
		title = "Outputs"
	} else if d := p.shown().Dropped; d > 0 {
		title += " (" + render.Number(int64(d)) + " earlier lines dropped)"
	}
	rule := widget.Rule(th, title, w)
	if p.focus == logPane {
		rule = th.Focus.Render(ansi.Strip(rule))
	}
	return rule + "\n" + p.log.View(w, h-1)
}

// tailLines is how many lines of the log are drawn as long as nobody scrolls in it:
// more than are in sight.
const tailLines = 12

// takeLog draws the log entries that are new; only the last ones until the log is
// gone into, since a burst brings more than can be read.
func (p *Page) takeLog() {
	job := p.shown()
	switch {
	case job == nil:
		return
	case !p.wholeLog:
		p.logLines = p.logLines[:0]
		for i := len(job.Log) - 1; i >= 0 && len(p.logLines) < tailLines; i-- {
			lines := p.entryLines(job.Log[i])
			slices.Reverse(lines)
			p.logLines = append(p.logLines, lines...)
		}
		slices.Reverse(p.logLines)
		p.fillBelow()
		return
	case p.logSeen < job.Dropped:
		p.logSeen, p.logLines = job.Dropped, nil
	}
	for _, e := range job.Log[p.logSeen-job.Dropped:] {
		p.logLines = append(p.logLines, p.entryLines(e)...)
	}
	p.logSeen = job.Dropped + len(job.Log)
	p.fillBelow()
}

func (p *Page) entryLines(e ui.LogEntry) []string {
	switch e.Event.Type {
	case stack.EventResourcePre, stack.EventPrelude, stack.EventSummary, stack.EventEnd:
		return nil // not worth a line, and the most frequent ones
	}
	prefix := ""
	if len(p.req.Pipelines) > 1 {
		prefix = e.ID.String()
	}
	line := render.DeployLine(p.Env.Theme.Styles, prefix, e.Event, e.Took)
	if line == "" {
		return nil
	}
	return strings.Split(line, "\n")
}

// openLog has the whole log drawn: somebody wants to look at it.
func (p *Page) openLog() {
	if !p.wholeLog {
		p.wholeLog, p.logSeen, p.logLines = true, 0, nil
		p.takeLog()
	}
}

func (p *Page) takeOutputs() {
	p.outputs = nil
	if f := p.figure(p.selected); p.job != nil && f.result != nil && f.state == succeeded && len(f.result.Result.Outputs) > 0 && p.req.Operation == stack.OperationUp {
		p.outputs = strings.Split(strings.TrimRight(render.Outputs(p.Env.Theme.Styles, f.result.Result.Outputs), "\n"), "\n")
	}
	p.fillBelow()
}

func (p *Page) fillBelow() {
	if p.belowNow() == belowOutputs {
		p.log.SetLines(p.outputs)
		p.log.Top()
		return
	}
	p.log.SetLines(p.logLines)
	if p.focus != logPane {
		p.log.Follow()
	}
}

// head is what stands above everything: what happens, where, and what is wrong.
func (p *Page) head(w, h int) []string {
	lines := []string{p.headline(w)}
	room := max(1, h/8)
	if p.phase == asking || p.phase == looking {
		lines = append(lines, p.place(w))
	}
	if p.phase == asking {
		lines = append(lines, p.warnings(w, room)...)
	}
	if text, ok := p.problem(); ok && p.phase != looking {
		lines = append(lines, p.problemLines(text, w, room)...)
	} else if f := p.figure(p.selected); p.phase == finished && f.state == cancelled {
		th := &p.Env.Theme
		text := "Cancelled on the way: what was done stays."
		if hint := fault.HintOf(f.err); hint != "" {
			text = render.Line(hint, 0)
		}
		if f.note != "" && f.err != nil { // the engine never began
			text = render.Line(f.err.Error(), 0)
		}
		lines = append(lines, th.Warn.Render(widget.Fit(th.Glyphs.Warn+" "+text, w, th.Glyphs.Ellipsis)))
	}
	return lines
}

func (p *Page) headline(w int) string {
	th := &p.Env.Theme
	now := p.Env.Now()
	spin := widget.Spin(th, ui.SpinAt(now)) + " "
	job := p.shown()
	var text string
	switch p.phase {
	case looking:
		text = spin + th.Title.Render("reading "+p.names(nil))
		if job != nil {
			looked := 0
			for _, f := range p.figures {
				if progress := job.Progress[f.id]; progress != nil {
					looked += progress.Counts().Done
				}
			}
			text = spin + th.Title.Render("previewing "+p.names(nil)) + th.Muted.Render(dot(th)+render.Count(looked, "resource", "resources")+" looked at"+dot(th)+render.Duration(now.Sub(job.Started)))
		}
	case asking:
		text = p.askingLine()
	case working:
		if d := p.download(); d != "" {
			text = spin + th.Title.Render(string(p.req.Operation)+" "+p.names(nil)) + dot(th) + d
			break
		}
		done, bad, running, total := p.totals()
		if note := p.figures[0].note; len(p.figures) == 1 && note != "" {
			text = spin + th.Title.Render(string(p.req.Operation)+" "+p.names(nil)) + dot(th) + note + th.Muted.Render(dot(th)+render.Duration(now.Sub(job.Started)))
			break
		}
		text = spin + th.Title.Render(string(p.req.Operation)+" "+p.names(nil)) + " " + widget.Bar(th, int64(done+bad), int64(bad), int64(total), min(24, max(6, w/5))) +
			th.Muted.Render(fmt.Sprintf(" %d of %d", done+bad, total)+dot(th)+fmt.Sprintf("%d in flight", running)+dot(th)+render.Duration(now.Sub(job.Started))+p.endedText())
		switch {
		case job.Killed:
			text += th.Bad.Render(dot(th) + "stopping by force")
		case job.Cancelled:
			text += th.Warn.Render(dot(th) + "cancelling: waiting for what is in flight")
		}
	case finished:
		text = p.finishedLine()
	}
	return widget.Fit(text, w, th.Glyphs.Ellipsis)
}

// download says which plugin is being fetched, "" if none is: that comes first,
// once, and takes its time.
func (p *Page) download() string {
	for _, x := range p.req.Pipelines {
		progress := p.shown().Progress[x.ID]
		if progress == nil {
			continue
		}
		for _, d := range progress.Downloads() {
			text := "fetching " + render.Line(d.ID, 40)
			if d.Total > 0 {
				text += " " + render.Bytes(d.Completed) + " of " + render.Bytes(d.Total)
			}
			return text
		}
	}
	return ""
}

func dot(th *theme.Screen) string { return " " + th.Glyphs.Dot + " " }

func (p *Page) totals() (done, bad, running, total int) {
	for _, f := range p.figures {
		done, bad, running, total = done+f.done, bad+f.failed, running+f.running, total+f.total
	}
	return done, bad, running, total
}

// endedText counts pipelines, if there are several.
func (p *Page) endedText() string {
	if len(p.figures) < 2 {
		return ""
	}
	ended := 0
	for _, f := range p.figures {
		if f.over() {
			ended++
		}
	}
	text := fmt.Sprintf("%d of %d pipelines ended", ended, len(p.figures))
	if n := p.failures(); n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	return dot(&p.Env.Theme) + text
}

func (p *Page) askingLine() string {
	th := &p.Env.Theme
	sum := map[stack.Op]int{}
	for _, f := range p.figures {
		for op, n := range f.changes {
			sum[op] += n
		}
	}
	if p.impatient {
		return th.Title.Render("Preview of "+p.names(nil)) + ": counting what runs ..."
	}
	switch p.req.Operation {
	case stack.OperationDestroy:
		what := p.names(nil)
		if todo := p.applicable(); len(todo) < len(p.req.Pipelines) && len(p.req.Pipelines) > 1 {
			what = fmt.Sprintf("%d of %s", len(todo), what)
		}
		return th.Title.Render("Destroy "+what) + ": " + th.Delete.Render(render.Count(sum[stack.OpDelete], "resource", "resources")+" to delete")
	case stack.OperationRefresh:
		return th.Title.Render("Refresh "+p.names(nil)) + ": " + render.Count(sum[stack.OpRefresh], "resource", "resources") + " to be compared with what is recorded"
	}
	return th.Title.Render("Preview of "+p.names(nil)) + ": " + chips(th, sum)
}

// chips are the counts of a preview, each in its colour.
func chips(th *theme.Screen, changes map[stack.Op]int) string {
	var parts []string
	for _, op := range []stack.Op{stack.OpReplace, stack.OpDelete, stack.OpUpdate, stack.OpCreate} {
		if n := changes[op]; n > 0 {
			parts = append(parts, render.OpStyle(th.Styles, op).Render(fmt.Sprintf("%s %d to %s", render.OpMark(op), n, render.OpVerb(op, false))))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, th.Good.Render("no changes"))
	}
	if n := changes[stack.OpSame]; n > 0 {
		parts = append(parts, th.Muted.Render(fmt.Sprintf("%d unchanged", n)))
	}
	return strings.Join(parts, "  ")
}

func (p *Page) finishedLine() string {
	th := &p.Env.Theme
	job := p.shown()
	took := th.Muted.Render(dot(th) + render.Duration(job.Ended.Sub(job.Started)))
	title := th.Title.Render(string(job.Request.Operation) + " " + p.names(nil))
	sum := job.Outcome()
	sign := th.Good.Render(th.Glyphs.Good)
	switch ending := sum.Ending(); {
	case job.Err != nil:
		return th.Bad.Render(th.Glyphs.Bad) + " " + title + ": " + th.Bad.Render("did not begin")
	case ending == pipelines.EndFailed:
		sign = th.Bad.Render(th.Glyphs.Bad)
	case ending == pipelines.EndCancelled:
		sign = th.Warn.Render(th.Glyphs.Skipped)
	}
	if len(p.figures) == 1 {
		return sign + " " + title + ": " + p.outcome(p.figures[0]) + took
	}
	return sign + " " + title + ": " + sum.String() + took
}

// outcome is what came of a pipeline, in the colour of it.
func (p *Page) outcome(f figures) string {
	th := &p.Env.Theme
	text := f.text(p.req.Operation)
	switch f.state {
	case failed:
		return th.Bad.Render(text)
	case cancelled, notBegun:
		return th.Warn.Render(text)
	case succeeded:
		return th.Good.Render(text)
	default:
		return text
	}
}

// names are the pipelines in a few words; nil are those of the request.
func (p *Page) names(of []*spec.Pipeline) string {
	if of == nil {
		of = p.req.Pipelines
	}
	if len(of) == 1 {
		return of[0].ID.String()
	}
	return render.Count(len(of), "pipeline", "pipelines")
}

// where is the place in a few words: "the sandbox", "AWS account 1234".
func (p *Page) where() string {
	place := p.Env.Place()
	switch {
	case place.Sandbox():
		return "the sandbox"
	case place.Account != "":
		return "AWS account " + render.Line(place.Account, 0)
	}
	return "a place not known yet"
}

// place names target, account, region, identity and backend.
func (p *Page) place(w int) string {
	th := &p.Env.Theme
	place := p.Env.Place()
	if place.Target == "" {
		return th.Muted.Render("finding out where this runs ...")
	}
	badge := th.Danger.Render(" " + strings.ToUpper(render.Line(place.Target, 0)) + " ")
	if place.Sandbox() {
		badge = th.Safe.Render(" SANDBOX ")
	}
	var regions []string
	for _, x := range p.req.Pipelines {
		if x.Region != "" && !slices.Contains(regions, x.Region) {
			regions = append(regions, x.Region)
		}
	}
	if len(regions) == 0 {
		regions = []string{place.Region}
	}
	who := place.Identity
	if i := strings.LastIndex(who, ":"); i >= 0 {
		who = who[i+1:]
	}
	parts := []string{
		"account " + place.Account, strings.Join(regions, ", "), "as " + who, "backend " + place.Backend,
	}
	if place.Endpoint != "" && !place.Sandbox() {
		parts = append(parts, "endpoint "+place.Endpoint)
	}
	return widget.Fit(badge+" "+render.Line(strings.Join(parts, dot(th)), 0), w, th.Glyphs.Ellipsis)
}

// warnings say what is going to be lost and what is left out.
func (p *Page) warnings(w, room int) []string {
	th := &p.Env.Theme
	var all []string
	protected := 0
	for _, x := range p.req.Pipelines {
		if p.isProtected(x) {
			protected++
			all = append(all, fmt.Sprintf("%s is protected and stays: its data may not be deleted. Switch protect off in its form, or run `pipelinetui up %s --set protect=false`", x.ID, x.ID))
		}
	}
	if protected > 2 {
		all = []string{fmt.Sprintf("%d of %d pipelines are protected and stay: switch protect off in their forms first", protected, len(p.req.Pipelines))}
	}
	for _, d := range p.dangers {
		all = append(all, p.dangerText(d))
	}
	if len(all) > room {
		all = append(all[:room-1], fmt.Sprintf("%s (%d more like this)", all[room-1], len(all)-room))
	}
	for i, s := range all {
		all[i] = th.Warn.Render(widget.Fit(th.Glyphs.Warn+" "+render.Line(s, 0), w, th.Glyphs.Ellipsis))
	}
	return all
}

// problem is the first thing that went wrong, of the selected pipeline if that
// has failed.
func (p *Page) problem() (trouble, bool) {
	job := p.shown()
	if job != nil && job.Err != nil {
		return trouble{text: job.Err.Error(), err: job.Err}, true
	}
	order := append([]figures{p.figure(p.selected)}, p.figures...)
	for _, f := range order {
		if f.state != failed || f.err == nil {
			continue
		}
		t := trouble{id: f.id, text: f.err.Error(), err: f.err}
		if job != nil {
			t.text = reason(job, f.id, f)
		}
		return t, true
	}
	return p.early()
}

// early is an error of a resource while its pipeline still works.
func (p *Page) early() (trouble, bool) {
	if p.job == nil {
		return trouble{}, false
	}
	for _, f := range p.figures {
		if f.failed == 0 || f.over() {
			continue
		}
		if text := reason(p.job, f.id, f); text != "" {
			return trouble{id: f.id, text: text}, true
		}
	}
	return trouble{}, false
}

// trouble is an error as it is shown.
type trouble struct {
	id   spec.ID
	text string
	err  error // nil while it is not known what comes of it
}

func (p *Page) problemLines(t trouble, w, room int) []string {
	th := &p.Env.Theme
	text := render.Line(t.text, 0)
	if len(p.req.Pipelines) > 1 && t.id.Tenant != "" {
		text = t.id.String() + " " + text
	}
	wrapped := strings.Split(ansi.Wrap(text, max(1, w-2), ""), "\n")
	if len(wrapped) > room+1 {
		wrapped = wrapped[:room+1]
		wrapped[room] = widget.Fit(wrapped[room], max(1, w-14), th.Glyphs.Ellipsis) + " (e: all)"
	}
	out := make([]string, 0, len(wrapped)+1)
	for i, l := range wrapped {
		sign := "  "
		if i == 0 {
			sign = th.Glyphs.Bad + " "
		}
		out = append(out, th.Bad.Render(sign+l))
	}
	if hint := fault.HintOf(t.err); hint != "" {
		out = append(out, th.Hint.Render(widget.Fit("  hint: "+render.Line(hint, 0), w, th.Glyphs.Ellipsis)))
	}
	return out
}

// foot asks, or says what to do next.
func (p *Page) foot(w int) []string {
	th := &p.Env.Theme
	key := func(b keys.Binding, word string) string {
		if p.against(b) != "" {
			return th.KeyOff.Render(b.Keys[0] + " " + word)
		}
		return th.Key.Render(b.Keys[0]) + " " + th.Hint.Render(word)
	}
	var text string
	switch p.phase {
	case asking:
		text = th.Title.Render(p.question()) + "  " + key(keys.Apply, "yes") + "  " + key(keys.Decline, "no") + "  " + key(keys.Details, "details")
		if off := p.against(keys.Apply); off != "" {
			text = th.Muted.Render(strings.ToUpper(off[:1])+off[1:]+".") + "  " + key(keys.Decline, "back") + "  " + key(keys.Details, "details")
		}
	case finished:
		text = p.next(key)
	default:
		return nil
	}
	return []string{widget.Fit(text, w, th.Glyphs.Ellipsis)}
}

func (p *Page) question() string {
	todo := p.applicable()
	switch p.req.Operation {
	case stack.OperationDestroy:
		return "Delete " + p.names(todo) + " in " + p.where() + "?"
	case stack.OperationRefresh:
		return "Correct the record of " + p.names(todo) + "?"
	}
	left := ""
	if n := len(p.req.Pipelines) - len(todo); n > 0 {
		left = fmt.Sprintf(" (%d left alone)", n)
	}
	return "Apply to " + p.names(todo) + left + " in " + p.where() + "?"
}

func (p *Page) next(key func(keys.Binding, string) string) string {
	var parts []string
	if p.drifted() {
		parts = append(parts, key(keys.Reapply, "put it back"))
	}
	if p.selectedExists() {
		parts = append(parts, key(keys.Visit, "open "+p.selected.String()))
		if p.req.Operation == stack.OperationUp && p.figure(p.selected).state == succeeded {
			parts = append(parts, key(keys.Execute, "start an execution"))
		}
	}
	if _, bad := p.problem(); bad {
		first := []string{key(keys.Problem, "the whole error")}
		if p.req.Operation == stack.OperationUp {
			first = append(first, key(keys.Anew, "preview again"))
		}
		parts = append(first, parts...)
	} else if p.figure(p.selected).state == cancelled && p.req.Operation == stack.OperationUp {
		parts = append([]string{key(keys.Anew, "preview what is left")}, parts...)
	}
	parts = append(parts, p.Env.Theme.Key.Render("esc")+" "+p.Env.Theme.Hint.Render("back"))
	return "Next: " + strings.Join(parts, "   ")
}

func (p *Page) mouse(m tea.MouseMsg) tea.Cmd {
	at := p.parts(p.size[0], p.size[1])
	if p.detail != nil {
		p.detail.viewer.Update(m)
		return nil
	}
	click := m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress
	switch {
	case at.list.has(m.X, m.Y):
		if click {
			p.focus = listPane
		}
		m.X, m.Y = m.X-at.list.x, m.Y-at.list.y
		p.list.Update(m)
		p.takeSelection()
	case at.tree.has(m.X, m.Y):
		if click {
			p.focus = treePane
		}
		m.X, m.Y = m.X-at.tree.x, m.Y-at.tree.y
		if p.tree.Update(m) {
			p.follow = false
		}
	case at.below.has(m.X, m.Y):
		if click {
			p.focus = logPane
		}
		p.openLog()
		p.log.Update(m)
	}
	return nil
}

// listRows are the pipelines of the operation.
type listRows struct{ p *Page }

func (r listRows) Len() int           { return len(r.p.figures) }
func (r listRows) Key(row int) string { return r.p.figures[row].id.String() }

func (r listRows) Cell(row, column int) widget.Cell {
	f, th := r.p.figures[row], &r.p.Env.Theme
	switch column {
	case 0:
		sign := stateSign(th, f.state, r.p.Env)
		if f.stays {
			sign = th.Warn.Render(th.Glyphs.Warn)
		}
		return widget.Cell{Signs: sign + " ", Text: f.id.String()}
	case 1:
		if r.p.job == nil { // no bar: the text has its place
			c := r.Cell(row, 2)
			c.Span = true
			return c
		}
		return widget.Cell{Signs: widget.Bar(th, int64(f.done+f.failed), int64(f.failed), int64(max(1, f.total)), 8)}
	}
	if column == 3 {
		if d := f.took(r.p.Env.Now()); d > 0 && r.p.job != nil {
			return widget.Cell{Text: render.Duration(d), Style: th.Muted}
		}
		return widget.Cell{}
	}
	text := f.text(r.op())
	switch {
	case f.stays:
		return widget.Cell{Text: "stays: protected", Style: th.Warn}
	case f.state == waiting && r.p.shown() == nil:
		text = render.Count(f.total, "resource", "resources")
	case f.state == succeeded && r.p.job == nil:
		return widget.Cell{Signs: marks(th, f.changes)}
	}
	style := th.Muted
	switch f.state {
	case failed:
		style = th.Bad
	case cancelled, notBegun:
		style = th.Warn
	}
	return widget.Cell{Text: text, Style: style}
}

// marks are the counts of a preview in as little room as possible.
func marks(th *theme.Screen, changes map[stack.Op]int) string {
	var parts []string
	for _, op := range []stack.Op{stack.OpReplace, stack.OpDelete, stack.OpUpdate, stack.OpCreate} {
		if n := changes[op]; n > 0 {
			parts = append(parts, render.OpStyle(th.Styles, op).Render(render.OpMark(op)+" "+strconv.Itoa(n)))
		}
	}
	if len(parts) == 0 {
		return th.Muted.Render("no changes")
	}
	return strings.Join(parts, "  ")
}

func (r listRows) op() stack.Operation {
	if r.p.job == nil && r.p.preview != nil {
		return stack.OperationPreview
	}
	return r.p.req.Operation
}

func stateSign(th *theme.Screen, s state, e *ui.Env) string {
	g := th.Glyphs
	switch s {
	case running:
		return widget.Spin(th, e.Spin())
	case succeeded:
		return th.Good.Render(g.Good)
	case failed:
		return th.Bad.Render(g.Bad)
	case cancelled, notBegun:
		return th.Warn.Render(g.Skipped)
	default:
		return th.Muted.Render(g.Pending)
	}
}
