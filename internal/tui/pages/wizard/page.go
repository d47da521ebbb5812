// Package wizard owns the page of the form that pipelines are made and changed with: it
// draws what package form knows and gives it keys and answers. It may import what pages
// may, no other page.
package wizard

import (
	"context"
	"path/filepath"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// stage is which part of the wizard is shown.
type stage int

const (
	loading stage = iota
	choosing
	filling
	reviewing
)

// Page is the wizard.
type Page struct {
	*ui.Host

	open  ui.OpenWizard
	stage stage
	err   error // why it can't begin
	cat   *spec.Catalog
	opts  spec.Options
	form  *form.Form

	card    int
	step    int
	focus   int
	seen    map[string]bool // steps that were visited
	input   *widget.Line
	looking int // files that are being looked at
	top     int // first line of the fields that is shown
	lines   []int
	pick    *picker
	browser *browser
	size    [2]int

	review review
}

// Messages of the page's own.
type (
	loadedMsg struct {
		cat  *spec.Catalog
		opts spec.Options
		ids  []spec.ID
		base *pipelines.Pipeline
		err  error
	}
	lookedMsg struct {
		field, text string
		err         error
	}
	editedMsg struct{ field, text string }
	leaveMsg  struct{}
)

// New returns the form: empty, like another pipeline, or of one to be changed.
func New(h *ui.Host, o ui.OpenWizard) ui.Page {
	p := &Page{Host: h, open: o, seen: map[string]bool{}}
	th := &h.Env.Theme
	p.input = widget.NewLine(th, "")
	p.review.viewer = widget.NewViewer(th)
	return p
}

// Init reads the templates, the names that are taken, and the pipeline to begin
// with.
func (p *Page) Init() tea.Cmd {
	source, from := p.Env.Source, p.open.Change
	if from == nil {
		from = p.open.Like
	}
	return p.Do(func(ctx context.Context) tea.Msg {
		m := loadedMsg{opts: source.SpecOptions()}
		if m.cat, m.err = source.Catalog(ctx); m.err != nil {
			return m
		}
		if m.opts.Dir, m.err = filepath.Abs(m.opts.Dir); m.err != nil {
			return m
		}
		if m.opts.Region == "" {
			// Where the session is is a good guess.
			if place, err := source.Place(ctx); err == nil {
				m.opts.Region = place.Region
			}
		}
		if list, err := source.Pipelines(ctx); err == nil {
			for _, x := range list {
				m.ids = append(m.ids, x.ID)
			}
		}
		if from != nil {
			m.base, m.cat, m.err = begin(ctx, source, m.cat, *from)
		}
		return m
	})
}

// begin reads the pipeline that a form begins with, as it was asked for. What of it is
// on another machine comes with the stack: the template joins the catalog, artifacts
// have copies.
func begin(ctx context.Context, source data.Source, cat *spec.Catalog, id spec.ID) (*pipelines.Pipeline, *spec.Catalog, error) {
	base, err := source.Read(ctx, id)
	if err != nil || base.Spec == nil {
		return &base, cat, err
	}
	if base.State != nil && base.State.Spec != nil {
		again, err := data.AsAsked(ctx, source, base)
		switch {
		case err == nil:
			base.Spec = again
		case base.State.SpecHidden:
			// Without its secrets what is not among the answers would be taken away.
			return &base, cat, err
		default:
			// The form asks for what is missing: it says so when it looks at the files.
		}
	}
	if _, err := cat.Lookup(base.Spec.Template); err == nil {
		return &base, cat, nil
	}
	t, err := source.Template(ctx, base.Spec)
	if err != nil {
		return &base, cat, err
	}
	return &base, cat.With(t), nil
}

func (p *Page) loaded(m loadedMsg) tea.Cmd {
	p.cat, p.opts, p.err = m.cat, m.opts, m.err
	if p.err != nil {
		return nil
	}
	if m.base == nil {
		p.form = form.New(p.cat, p.opts, spec.Answers{}, nil)
		p.form.Taken(m.ids)
		p.stage = choosing
		return nil
	}
	if m.base.Spec == nil {
		p.err = fault.New(fault.NotFound, "the stack of %s holds no spec to change", m.base.ID).
			WithHint("Give it one with `pipelinetui up -f`.")
		return nil
	}
	t, err := p.cat.Lookup(m.base.Spec.Template)
	if err != nil {
		p.err = err
		return nil
	}
	a, err := form.AnswersOf(m.base.Spec, t, p.opts.Dir)
	if err != nil {
		p.err = err
		return nil
	}
	before := m.base.Spec
	if p.open.Change == nil {
		a.ID.Tenant, before = "", nil // most often it is for another tenant
	}
	p.form = form.New(p.cat, p.opts, a, before)
	p.form.Taken(m.ids)
	p.stage = filling
	if before != nil {
		p.step = 1 // what comes first is fixed
	}
	return p.enter(0)
}

// Update takes keys, the mouse and answers.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case loadedMsg:
		return p.loaded(m)
	case lookedMsg:
		p.looking--
		if p.form.Field(m.field).Text == m.text { // else it is about what was typed before
			p.form.Looked(m.field, m.text, m.err)
		}
	case editedMsg:
		p.form.Set(m.field, m.text)
		p.focusField()
	case dirMsg:
		if p.browser != nil {
			p.browser.take(m)
		}
	case resolvedMsg:
		return p.resolved(m)
	case reportMsg:
		p.reported(m)
	case saveMsg:
		return p.save(m)
	case savedMsg:
		return p.saved(m)
	case leaveMsg:
		return ui.Send(ui.Back{})
	case ui.Shown:
		return p.shown()
	case ui.JobChanged:
		p.refused(m.Job)
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		return p.mouse(m)
	}
	return nil
}

// shown closes the form once its pipeline was made: there is nothing left to
// answer. One that failed is kept, to be mended.
func (p *Page) shown() tea.Cmd {
	if p.made() {
		return ui.Send(ui.Back{})
	}
	return nil
}

// refused takes what an operation on the answers was refused for: of a field it is a problem
// of that field, as one that the rules have found.
func (p *Page) refused(job *ui.Job) {
	if !p.of(job) || !job.Done() {
		return
	}
	errs := fault.List{job.Err}
	for _, r := range job.Results {
		errs = append(errs, r.Err)
	}
	for _, err := range errs {
		if len(spec.Problems(err)) > 0 {
			p.form.Refused(err)
			p.review.pipeline, p.review.at, p.review.width = nil, 0, 0
		}
	}
}

// of tells that a job was begun with the form's answers.
func (p *Page) of(job *ui.Job) bool {
	began := p.review.began
	return p.form != nil && began != nil && len(job.Request.Pipelines) == 1 && job.Request.Pipelines[0] == began
}

// made tells that the form's pipeline was made as the answers say.
func (p *Page) made() bool {
	for _, job := range p.Env.Jobs.All() {
		if p.of(job) && job.Request.Operation == stack.OperationUp && job.Done() && !job.Failed() && !job.Cancelled {
			return true
		}
	}
	return false
}

func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	switch {
	case p.err != nil || p.stage == loading:
		if keys.Back.Is(m) {
			return ui.Send(ui.Back{})
		}
		return nil
	case p.pick != nil:
		return p.pickKey(m)
	case p.browser != nil:
		return p.browserKey(m)
	}
	switch p.stage {
	case choosing:
		return p.cardKey(m)
	case filling:
		return p.fillKey(m)
	default:
		return p.reviewKey(m)
	}
}

// leave goes back to the page before, after asking if answers would be lost.
func (p *Page) leave() tea.Cmd {
	if p.form == nil || !p.form.Changed() {
		return ui.Send(ui.Back{})
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(&p.Env.Theme, "Leave the form?", "The answers are not kept anywhere.", false,
		dialog.Choice{Key: "s", Label: "stay"},
		dialog.Choice{Key: "l", Label: "leave", Help: "The answers are lost. On the last page w saves them as a spec.", Danger: true, Answer: leaveMsg{}}).Leaving(leaveMsg{}, "leave")})
}

// Keys are what can be done now.
func (p *Page) Keys() keys.Map {
	switch {
	case p.pick != nil:
		return keys.Map{{Title: "Choices", Bindings: []keys.Binding{keys.TakeOne, keys.Search, keys.Back, keys.Up, keys.Down}}}
	case p.browser != nil:
		return p.browser.keys()
	case p.stage == choosing:
		return keys.Map{{Title: "Templates", Bindings: []keys.Binding{keys.TakeOne, keys.Up, keys.Down, keys.Back}}}
	case p.stage == filling:
		return p.fillKeys()
	case p.stage == reviewing:
		return p.reviewKeys()
	}
	return keys.Map{{Title: "Form", Bindings: []keys.Binding{keys.Back}}}
}

// Capturing tells that letters are text: in a field to type in, and in filters.
func (p *Page) Capturing() bool {
	switch {
	case p.pick != nil:
		return true
	case p.browser != nil:
		return true
	case p.stage == filling:
		return p.typing()
	case p.stage == reviewing:
		return p.review.viewer.Capturing()
	}
	return false
}

// Fills tells that what is typed goes into a field, or chooses an answer of it.
func (p *Page) Fills() bool { return p.pick != nil || p.browser != nil || p.stage == filling }

// Pace implements ui.Page: a spinner turns while files are looked at, and the account is
// asked.
func (p *Page) Pace() ui.Pace {
	if p.stage == reviewing && (p.review.waiting || p.review.asking()) {
		return ui.Spinning
	}
	return ui.Still
}

// Answering tells that what is typed is an answer, no filter that could be ended.
func (p *Page) Answering() bool { return p.stage != reviewing && p.Capturing() }

// Blank tells that nothing has been typed yet where letters are text.
func (p *Page) Blank() bool {
	switch {
	case p.pick != nil:
		return p.pick.grid.Filter() == ""
	case p.browser != nil:
		return p.browser.grid.Filter() == ""
	case p.stage == filling:
		return p.typing() && p.input.Text() == ""
	}
	return false
}

// Unsaved names what would be lost with the page.
func (p *Page) Unsaved() string {
	if p.form == nil || !p.form.Changed() || p.made() {
		return ""
	}
	return "the answers of the form"
}

// Title says what the form is for.
func (p *Page) Title() string {
	switch {
	case p.open.Change != nil:
		return "Change " + p.open.Change.String()
	case p.open.Like != nil:
		return "New pipeline like " + p.open.Like.String()
	default:
		return "New pipeline"
	}
}

// Age means nothing for a form.
func (p *Page) Age() time.Time { return time.Time{} }

var _ ui.Page = (*Page)(nil)
