package wizard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// review is the last page of the form.
type review struct {
	gen     int
	waiting bool
	// pipeline is what the answers make, files looked at; nil while there are
	// problems.
	pipeline *spec.Pipeline
	planned  []spec.Planned
	planErr  error
	// report is what the account was found to be, nil while it is asked, and if it could
	// not be (reportErr).
	report    *preflight.Report
	reportErr error
	at        int // selected problem
	viewer    *widget.Viewer
	width     int
	// began is the pipeline whose preview was opened.
	began *spec.Pipeline
}

type (
	resolvedMsg struct {
		gen      int
		pipeline *spec.Pipeline
		planned  []spec.Planned
		err      error
		planErr  error
	}
	reportMsg struct {
		gen    int
		report preflight.Report
		err    error
	}
	saveMsg struct {
		file      string
		overwrite bool
	}
	savedMsg struct {
		said   string // as it was typed
		file   string
		exists bool
		secret bool
		err    error
	}
)

// toReview has everything checked, files too.
func (p *Page) toReview() tea.Cmd {
	p.stage = reviewing
	r := &p.review
	r.gen++
	r.waiting, r.pipeline, r.planned, r.report, r.reportErr, r.at, r.width = true, nil, nil, nil, nil, 0, 0
	p.seen["review"] = true
	gen, resolve, source := r.gen, p.form.Resolve(), p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		m := resolvedMsg{gen: gen}
		if m.pipeline, m.err = resolve(); m.err == nil {
			m.planned, m.planErr = source.Describe(ctx, m.pipeline)
		}
		return m
	})
}

// resolved takes what the answers make, and has the account asked about it: what is wrong
// there is seen before anything is applied.
func (p *Page) resolved(m resolvedMsg) tea.Cmd {
	r := &p.review
	if m.gen != r.gen {
		return nil
	}
	r.waiting, r.planned, r.planErr, r.width = false, m.planned, m.planErr, 0
	if m.err != nil {
		p.form.Refused(m.err)
	}
	if len(p.form.Problems()) > 0 {
		return nil
	}
	r.pipeline = m.pipeline
	source := p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		report, err := source.Preflight(ctx, m.pipeline)
		return reportMsg{gen: m.gen, report: report, err: err}
	})
}

func (p *Page) reported(m reportMsg) {
	r := &p.review
	if m.gen != r.gen {
		return
	}
	r.width, r.reportErr = 0, m.err
	if m.err == nil {
		r.report = &m.report
	}
}

// asking tells that the account has not answered yet.
func (r *review) asking() bool { return r.pipeline != nil && r.report == nil && r.reportErr == nil }

func (p *Page) reviewKeys() keys.Map {
	off := ""
	switch {
	case p.review.waiting:
		off = "the files are being looked at"
	case len(p.form.Problems()) > 0:
		off = "there are problems left"
	}
	saveOff := off
	next := keys.Continue
	if len(p.form.Problems()) > 0 {
		next.Short, next.Help = "mend", "to the field of the selected problem"
	} else if off == "" {
		off = p.Env.ReadOnly()
		next = next.Unless(off)
	}
	return keys.Map{{Title: "Review", Bindings: []keys.Binding{next, keys.SaveSpec.Unless(saveOff), keys.Copy.Unless(saveOff), keys.Back}}, p.review.viewer.Keys()}
}

func (p *Page) reviewKey(m tea.KeyMsg) tea.Cmd {
	r := &p.review
	problems := p.form.Problems()
	switch {
	case r.viewer.Capturing():
		r.viewer.Update(m)
	case len(problems) > 0 && keys.Up.Is(m):
		r.at = max(0, r.at-1)
	case len(problems) > 0 && keys.Down.Is(m):
		r.at = min(len(problems)-1, r.at+1)
	case keys.Continue.Is(m):
		return p.goOn()
	case keys.SaveSpec.Is(m):
		return p.askSave()
	case keys.Copy.Is(m) && r.pipeline != nil:
		if text, err := r.pipeline.YAML(p.form.Template(), p.opts.Dir, false); err == nil {
			return ui.Send(ui.Copy{Text: text, What: "the spec"})
		}
	case r.viewer.Update(m):
	case keys.Back.Is(m), keys.PrevStep.Is(m):
		p.stage = filling
		return p.enter(p.focus)
	}
	return nil
}

// goOn goes to the field of a problem, or to the preview.
func (p *Page) goOn() tea.Cmd {
	r := &p.review
	problems := p.form.Problems()
	switch {
	case len(problems) > 0:
		x := problems[min(r.at, len(problems)-1)]
		if x.Field == "" { // of no field: going to the first one would mislead
			return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewReader(&p.Env.Theme, "No field of its own", "what is wrong", strings.TrimSpace(x.Text+"\n\n"+x.Hint))})
		}
		return p.jump(x.Field)
	case r.pipeline == nil || p.Env.ReadOnly() != "":
		return nil
	case p.open.Change != nil && len(p.form.Differences()) == 0:
		return tea.Batch(ui.Send(ui.Toast{Text: "nothing was changed; the preview shows what differs from the template of today"}), p.preview())
	}
	return p.preview()
}

func (p *Page) preview() tea.Cmd {
	p.review.began = p.review.pipeline
	return ui.Send(ui.OpenDeploy{Request: pipelines.Request{Operation: stack.OperationUp, Pipelines: []*spec.Pipeline{p.review.pipeline}, Unrecorded: true}})
}

// jump goes to a field.
func (p *Page) jump(field string) tea.Cmd {
	p.stage, p.top = filling, 0
	p.step = p.form.StepOf(field)
	return p.enter(max(0, slices.Index(p.current().Fields, field)))
}

func (p *Page) askSave() tea.Cmd {
	if p.review.pipeline == nil {
		return nil
	}
	id := p.review.pipeline.ID
	name := id.Tenant + "-" + id.Model
	if id.Env != spec.DefaultEnv {
		name += "-" + id.Env
	}
	return p.askFile(name+".yaml", "")
}

// askFile asks where the spec goes. wrong says why the file that was typed cannot be it.
func (p *Page) askFile(name, wrong string) tea.Cmd {
	text := "A file for `pipelinetui up -f`; relative to " + render.Line(p.opts.Dir, 0) + "."
	if wrong != "" {
		text = wrong + "\n\n" + text
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewPrompt(&p.Env.Theme, "Save the spec", text, name,
		func(s string) (tea.Msg, error) {
			if s = strings.TrimSpace(s); s == "" {
				return nil, fault.New(fault.Invalid, "a file needs a name")
			}
			return saveMsg{file: s}, nil
		})})
}

// save writes the spec. A file that exists is not touched without asking.
func (p *Page) save(m saveMsg) tea.Cmd {
	if p.review.pipeline == nil {
		return nil
	}
	file := data.HomePath(m.file)
	if !filepath.IsAbs(file) {
		file = filepath.Join(p.opts.Dir, file)
	}
	pipeline, t := p.review.pipeline, p.form.Template()
	secret := pipeline.HoldsSecrets(t)
	return p.Do(func(context.Context) tea.Msg {
		text, err := pipeline.YAML(t, filepath.Dir(file), true)
		if err != nil {
			return savedMsg{said: m.file, err: err}
		}
		mode := fs.FileMode(0o644)
		if secret {
			mode = 0o600
		}
		if err = data.WriteFile(file, text, mode, m.overwrite); errors.Is(err, fs.ErrExist) && !m.overwrite {
			return savedMsg{file: file, exists: true}
		}
		return savedMsg{said: m.file, file: file, secret: secret, err: err}
	})
}

func (p *Page) saved(m savedMsg) tea.Cmd {
	shown := render.Line(m.file, 0)
	switch {
	case m.exists:
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewConfirm(&p.Env.Theme, "Overwrite?", shown+" exists already.", saveMsg{file: m.file, overwrite: true})})
	case m.err != nil:
		return p.askFile(m.said, "It could not be written: "+fault.Reason(m.err).Error()+".")
	case m.secret:
		return ui.Send(ui.Toast{Text: "saved to " + shown + ": it holds secrets in the clear, readable by you alone"})
	}
	return ui.Send(ui.Toast{Text: "saved; `pipelinetui up -f " + shown + "` makes the same"})
}

func (p *Page) reviewView(w, h int) string {
	th := &p.Env.Theme
	r := &p.review
	problems := p.form.Problems()
	var head []string
	switch {
	case r.waiting:
		head = append(head, widget.Spin(th, p.Env.Spin())+" "+th.Title.Render("Review")+"  "+th.Muted.Render("looking at files ..."))
	case len(problems) > 0:
		head = append(head, th.Bad.Render(th.Glyphs.Bad)+" "+th.Title.Render(render.Count(len(problems), "problem",
			"problems")+" to mend")+"  "+th.Muted.Render("enter goes to the field"))
		return widget.Box(strings.Join(append(head, p.problemLines(problems, w, h-1)...), "\n"), w, h)
	default:
		what := "Ready to create "
		if p.open.Change != nil {
			what = "Ready to change "
		}
		sign := th.Good.Render(th.Glyphs.Good)
		switch {
		case r.asking():
			sign = widget.Spin(th, p.Env.Spin())
		case r.report != nil && len(r.report.Errors()) > 0:
			sign, what = th.Bad.Render(th.Glyphs.Bad), "An up would fail: see the account. "+what
		}
		head = append(head, sign+" "+th.Title.Render(what+p.form.ID().String())+"  "+
			th.Key.Render(keys.Continue.Label(th.Glyphs.Unicode))+" "+th.Hint.Render("preview, then apply")+"  "+th.Key.Render("w")+" "+th.Hint.Render("save the spec"))
	}
	body := max(1, h-1)
	if w >= 100 {
		right := min(64, w/2)
		left := w - right - 2
		p.fillReview(left, false)
		bar := strings.TrimRight(strings.Repeat(th.Border.Render(th.Glyphs.Border.Left)+" \n", body), "\n")
		side := widget.Box(strings.Join(p.summaryLines(right), "\n"), right, body)
		return widget.Box(head[0]+"\n"+widget.Beside(widget.Box(r.viewer.View(left, body), left, body), bar, side), w, h)
	}
	p.fillReview(w, true)
	return widget.Box(widget.Fit(head[0], w, th.Glyphs.Ellipsis)+"\n"+r.viewer.View(w, body), w, h)
}

// fillReview gives the viewer its text, once for each width.
func (p *Page) fillReview(w int, summary bool) {
	r := &p.review
	if r.width == w || r.pipeline == nil {
		return
	}
	r.width = w
	th := &p.Env.Theme
	var lines []string
	if summary {
		lines = append(p.summaryLines(w), "", th.Title.Render("Spec"))
	}
	text, err := r.pipeline.YAML(p.form.Template(), p.opts.Dir, false)
	if err != nil {
		text = err.Error()
	}
	for _, l := range strings.Split(strings.TrimRight(render.Safe(text), "\n"), "\n") {
		key, rest, ok := strings.Cut(l, ": ")
		switch {
		case ok:
			l = th.Key.Render(key+":") + " " + rest
		case strings.HasSuffix(l, ":"):
			l = th.Key.Render(l)
		}
		lines = append(lines, l)
	}
	r.viewer.SetLines(lines)
}

// summaryLines say what changes, what is made, and what it costs while idle.
func (p *Page) summaryLines(w int) []string {
	th := &p.Env.Theme
	r := &p.review
	var out []string
	wrap := func(indent int, s string) {
		for i, l := range strings.Split(ansi.Wrap(s, max(10, w-indent), ""), "\n") {
			if i > 0 {
				l = "  " + l
			}
			out = append(out, widget.Fit(strings.Repeat(" ", indent)+l, w, th.Glyphs.Ellipsis))
		}
	}
	if p.open.Change != nil {
		out = append(out, th.Title.Render("What changes"))
		all := p.form.Differences()
		if len(all) == 0 {
			wrap(2, th.Muted.Render("nothing"))
		}
		for _, d := range all {
			wrap(2, th.Update.Render("~ "+d.Name)+": "+render.Line(render.Dash(d.Before), 40)+" -> "+render.Line(render.Dash(d.After), 40))
			if d.Changing != "" {
				wrap(4, th.Warn.Render(d.Changing))
			}
		}
		out = append(out, "")
	}
	out = append(out, th.Title.Render("The account"))
	p.accountLines(wrap)
	out = append(out, "", th.Title.Render("While idle"))
	costs := idleLines(r.planned)
	for _, text := range costs {
		wrap(2, th.Warn.Render(th.Glyphs.Dot)+" "+text)
	}
	if p.Env.Place().Sandbox() {
		wrap(2, th.Muted.Render("nothing in the sandbox; in a real account what is named here"))
	} else if len(costs) == 0 {
		wrap(2, th.Muted.Render("nothing runs; what is stored costs a little"))
	}
	out = append(out, "", th.Title.Render(fmt.Sprintf("What it consists of: %s", render.Count(len(r.planned), "resource", "resources"))))
	if r.planErr != nil {
		wrap(2, th.Bad.Render(render.Line(r.planErr.Error(), 0)))
	}
	for _, x := range r.planned {
		name := x.AWSName
		if name == "" {
			name = x.Name
		}
		out = append(out, widget.Fit("  "+th.Muted.Render(render.Icon(x.Type, th.Glyphs.Unicode)+" "+widget.Fit(render.PlainType(x.Type), 26,
			th.Glyphs.Ellipsis))+" "+render.Line(name, 0), w, th.Glyphs.Ellipsis))
	}
	return out
}

// accountLines say what the checks of the account found, what will make an up fail first.
func (p *Page) accountLines(wrap func(indent int, s string)) {
	th := &p.Env.Theme
	r := &p.review
	switch {
	case r.reportErr != nil:
		wrap(2, th.Warn.Render("it could not be asked: "+render.Line(r.reportErr.Error(), 0)))
		return
	case r.report == nil:
		wrap(2, th.Muted.Render("it is asked what would make an up fail ..."))
		return
	}
	for _, f := range r.report.Findings {
		sign := th.Muted.Render(th.Glyphs.Dot)
		switch f.Severity {
		case preflight.Error:
			sign = th.Bad.Render(th.Glyphs.Bad)
		case preflight.Warning:
			sign = th.Warn.Render("!")
		}
		wrap(2, sign+" "+string(f.Code)+" "+render.Line(f.Message, 0))
		wrap(4, th.Hint.Render(render.Line(f.Hint, 0)))
	}
	if len(r.report.Findings) == 0 {
		wrap(2, th.Good.Render(th.Glyphs.Good)+" nothing was found that would make an up fail")
	}
	wrap(2, th.Muted.Render(fmt.Sprintf("%s asked; an up takes about %s", render.Count(r.report.Questions, "question", "questions"),
		render.Period(time.Duration(r.report.Seconds)*time.Second))+p.whereSlow()))
}

// whereSlow says of what the time of an up is told.
func (p *Page) whereSlow() string {
	if p.Env.Place().Sandbox() {
		return " in a real account"
	}
	return ""
}

// idleLines are what resources cost while idle: what is told of several is told once.
func idleLines(planned []spec.Planned) []string {
	var texts []string
	times := map[string]int{}
	for _, x := range planned {
		if x.Idle == "" {
			continue
		}
		text := render.Line(x.Idle, 0)
		if strings.HasPrefix(text, "by ") {
			text = render.PlainType(x.Type) + " " + text // by the month, or the hour: of what
		}
		if times[text]++; times[text] == 1 {
			texts = append(texts, text)
		}
	}
	for i, text := range texts {
		if n := times[text]; n > 1 {
			texts[i] = fmt.Sprintf("%d x %s, each", n, text)
		}
	}
	return texts
}

func (p *Page) problemLines(problems []form.Problem, w, h int) []string {
	th := &p.Env.Theme
	steps := p.form.Steps()
	var out []string
	from, to := 0, 0
	for i, x := range problems {
		sign := "  "
		if i == p.review.at {
			sign = th.Focus.Render(th.Glyphs.Cursor) + " "
			from = len(out)
		}
		text := strings.Split(ansi.Wrap(render.Line(steps[p.form.StepOf(x.Field)].Title+": "+x.Text, 0), max(10, w-4), ""), "\n")
		out = append(out, widget.Fit(sign+th.Bad.Render(th.Glyphs.Bad+" "+text[0]), w, th.Glyphs.Ellipsis))
		for _, l := range text[1:] {
			out = append(out, "    "+th.Bad.Render(l))
		}
		if x.Hint != "" {
			for _, l := range strings.Split(ansi.Wrap("hint: "+render.Line(x.Hint, 0), max(10, w-4), ""), "\n") {
				out = append(out, "    "+th.Hint.Render(l))
			}
		}
		if i == p.review.at {
			to = len(out)
		}
	}
	if to > h {
		out = out[min(from, to-h):]
	}
	return out
}
