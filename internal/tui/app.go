// Package tui owns the full-screen terminal: the root of pages and dialogs, the
// header, the footer, help, the command palette and the program around them. It
// may import its own sub-packages but live, and of this module otherwise what
// pages may; never an SDK, cli, app or the sandbox.
package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/custom"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Config is what the terminal needs.
type Config struct {
	Source data.Source
	Theme  theme.Screen
	Clock  clock.Clock
	// Start makes the first page; nil is the list of pipelines.
	Start func(h *ui.Host) ui.Page
	// Route makes the page of a request, or nil if it knows none; nil is the
	// terminal's own.
	Route func(h *ui.Host, request tea.Msg) ui.Page
	// Clipboard is given what the user copies.
	Clipboard func(text string)
	// Flags are the global flags that commands are to be given to work where this session
	// does; may be nil.
	Flags    func() []string
	Programs Programs
	// Custom is what the user has made their own, Wrong what is wrong with the files of it:
	// it is told first.
	Custom custom.Custom
	Wrong  []error
}

// App is the root model. The program's goroutine alone calls its methods.
type App struct {
	env   *ui.Env
	route func(h *ui.Host, request tea.Msg) ui.Page
	clip  func(string)
	// programs are those of the user's; lent says that one has the terminal.
	programs Programs
	lent     bool
	loan     loan
	first    func(h *ui.Host) ui.Page
	start    ui.Page
	pages    []ui.Page
	dialogs  []openDialog
	toasts   []toast
	past     past
	custom   custom.Custom
	wrong    []error
	width    int
	height   int

	// places counts the contexts that the session has worked in: answers about one before
	// say nothing.
	places   int
	place    data.Place
	placeErr error
	notes    []string
	spinning bool
	beating  bool
	// waits are the quotas that are waited for.
	waits []data.Wait
	// leaving says that the program ends as soon as no operation runs.
	leaving bool
	quit    bool
	crash   *ui.Crash
	// wake has the page drawn again, from any goroutine.
	wake func()
}

type openDialog struct {
	ui.Dialog
	from *ui.Host
	// deaf is until when keys are ignored.
	deaf time.Time
	// atWork says that it is about what runs, and of no use when that has ended.
	atWork bool
}

type toast struct {
	ui.Toast
	until time.Time
}

// Messages of the root's own.
type (
	placedMsg struct {
		places int
		place  data.Place
		err    error
	}
	askPlaceMsg struct{}
	spinMsg     struct{}
	beatMsg     struct{}
	expireMsg   struct{}
	waitsMsg    struct{ waits []data.Wait }
	// interruptMsg is a signal from outside: SIGINT, SIGTERM or SIGHUP.
	interruptMsg struct{ signal os.Signal }
	// repaintMsg says that the same page looks different now.
	repaintMsg struct{}
)

// How long things last.
const (
	toastFor  = 5 * time.Second
	graveFor  = 400 * time.Millisecond
	chrome    = 3 // lines of the root: header, path, footer
	minWidth  = 60
	minHeight = 16
)

// New returns the root. ctx ends with the program.
func New(ctx context.Context, c Config) *App {
	a := &App{route: c.Route, clip: c.Clipboard, programs: c.Programs, custom: c.Custom, wrong: c.Wrong, past: past{lines: c.Custom.History()}, wake: func() {}}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if a.clip == nil {
		a.clip = func(string) {}
	}
	if a.route == nil {
		a.route = routes
	}
	a.env = &ui.Env{Ctx: ctx, Source: c.Source, Theme: c.Theme, Clock: c.Clock, Place: func() data.Place { return a.place }, Flags: c.Flags}
	a.env.Unsaved, a.env.Views = a.unsaved, c.Custom.Views
	a.env.Jobs, a.env.Launches = ui.NewJobs(a.env), ui.NewLaunches(a.env)
	if c.Start == nil {
		c.Start = func(h *ui.Host) ui.Page { return a.route(h, ui.OpenHome{}) }
	}
	a.first = c.Start
	a.start = a.first(ui.NewHost(a.env))
	return a
}

// Env is what pages are given.
func (a *App) Env() *ui.Env { return a.env }

// Notes are what is to stay in the scrollback.
func (a *App) Notes() []string { return a.notes }

// Quitting tells that the program is about to end.
func (a *App) Quitting() bool { return a.quit }

// Crash is the panic that ended the program, or nil.
func (a *App) Crash() *ui.Crash { return a.crash }

// Keys are what the page on top says it takes.
func (a *App) Keys() keys.Map { return a.top().Keys() }

// Init opens the first page and asks where we are.
func (a *App) Init() tea.Cmd {
	a.pages = append(a.pages, a.start)
	return tea.Batch(a.tellWrong(), a.askPlace(), a.start.Init(), a.tell(a.start, ui.Shown{}))
}

// tellWrong shows what of the user's own files was not followed, and why.
func (a *App) tellWrong() tea.Cmd {
	if len(a.wrong) == 0 {
		return nil
	}
	return a.ask(ui.Ask{Dialog: dialog.NewReader(&a.env.Theme, "Files of your own", "what is wrong",
		dialog.ErrorText(fault.List(a.wrong))+"\n\nThe files that are wrong are not followed; everything else works.")})
}

func (a *App) askPlace() tea.Cmd {
	source, ctx, places := a.env.Source, a.env.Ctx, a.places
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg {
			p, err := source.Place(ctx)
			return placedMsg{places, p, err}
		})
	}
}

// Update takes a message. A panic in it ends the program in good order.
func (a *App) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			a.crash = &ui.Crash{Value: r, Stack: debug.Stack()}
			a.quit, model, cmd = true, a, tea.Quit
		}
	}()
	if a.quit {
		return a, tea.Quit
	}
	cmd = a.update(msg)
	a.dropPast()
	return a, tea.Batch(cmd, a.open(), a.animate())
}

// open opens the dialogs that were asked for.
func (a *App) open() tea.Cmd {
	var cmds []tea.Cmd
	for _, m := range a.env.Asked() {
		cmds = append(cmds, a.ask(m))
	}
	return tea.Batch(cmds...)
}

func (a *App) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = m.Width, m.Height
		return nil
	case ui.Deliver:
		m.Arrived()
		return a.deliver(m)
	case ui.Crash:
		a.crash, a.quit = &m, true
		return tea.Quit
	case placedMsg:
		return a.placed(m)
	case askPlaceMsg:
		return a.askPlace()
	case spinMsg:
		a.spinning = false
		return nil
	case beatMsg:
		a.beating = false
		return a.beat()
	case waitsMsg:
		a.waits = m.waits
		return nil
	case expireMsg:
		a.toasts = slices.DeleteFunc(a.toasts, func(t toast) bool { return !t.until.After(a.env.Now()) })
		return nil
	case repaintMsg:
		return nil
	case pastedMsg:
		return a.pasted(m)
	case externalMsg:
		return a.returned(m)
	case interruptMsg:
		return a.interrupted(m)
	case abandonMsg:
		return a.abandon(m)
	case tea.KeyMsg:
		return a.typed(m)
	case tea.MouseMsg:
		return a.mouse(m)
	}
	if cmd, ok := a.request(msg); ok {
		return cmd
	}
	// What is left are the messages of libraries' widgets, for whoever has the focus.
	if n := len(a.dialogs); n > 0 {
		return a.toDialog(msg)
	}
	return a.top().Update(msg)
}

func (a *App) top() ui.Page { return a.pages[len(a.pages)-1] }

func (a *App) tell(p ui.Page, msg tea.Msg) tea.Cmd { return p.Update(msg) }

func (a *App) tellAll(msg tea.Msg) tea.Cmd {
	cmds := make([]tea.Cmd, len(a.pages))
	for i, p := range a.pages {
		cmds[i] = p.Update(msg)
	}
	return tea.Batch(cmds...)
}

// deliver takes an answer to the page or dialog that asked.
func (a *App) deliver(d ui.Deliver) tea.Cmd {
	switch m := d.Msg.(type) {
	case nil:
		return nil
	case ui.Crash:
		return a.update(m)
	}
	if job, cmd, ok := a.env.Jobs.Handle(d.Msg); ok {
		return tea.Batch(cmd, a.jobMoved(job))
	}
	if l, cmd, ok := a.env.Launches.Handle(d.Msg); ok {
		return tea.Batch(cmd, a.launchMoved(l))
	}
	for _, p := range a.pages {
		if p.Base().ID == d.To {
			return p.Update(d.Msg)
		}
	}
	for i := range a.dialogs {
		if h, ok := a.dialogs[i].Dialog.(interface{ Base() *ui.Host }); ok && h.Base().ID == d.To {
			return a.dialogUpdate(i, d.Msg)
		}
	}
	return nil
}

// jobMoved tells the pages, and at a job's end the user.
func (a *App) jobMoved(job *ui.Job) tea.Cmd {
	cmd := a.tellAll(ui.JobChanged{Job: job})
	if !job.Done() {
		return cmd
	}
	cmds := []tea.Cmd{cmd}
	if changes(job) {
		a.notes = append(a.notes, deploy.Summary(job))
		ids := make([]spec.ID, len(job.Request.Pipelines))
		for i, p := range job.Request.Pipelines {
			ids[i] = p.ID
		}
		cmds = append(cmds, a.tellAll(ui.Changed{IDs: ids}))
		if w, ok := a.top().(interface{ Watches(*ui.Job) bool }); !ok || !w.Watches(job) {
			cmds = append(cmds, a.toast(jobToast(job)))
		}
	}
	return tea.Batch(append(cmds, a.leaveIfDone())...)
}

// launchMoved tells the pages, and at a launch's end the user.
func (a *App) launchMoved(l *ui.Launch) tea.Cmd {
	cmd := a.tellAll(ui.LaunchChanged{Launch: l})
	if !l.Done() {
		return cmd
	}
	t, told := l.Told()
	if !told {
		return tea.Batch(cmd, a.leaveIfDone())
	}
	a.notes = append(a.notes, t.Text)
	return tea.Batch(cmd, a.toast(t), a.leaveIfDone())
}

// atWork is how many operations and launches have not ended.
func (a *App) atWork() int { return len(a.env.Jobs.Running()) + len(a.env.Launches.Running()) }

// leaveIfDone ends the program if that was only waited for.
func (a *App) leaveIfDone() tea.Cmd {
	if !a.leaving || a.atWork() > 0 {
		return nil
	}
	a.quit = true
	return tea.Quit
}

func jobToast(job *ui.Job) ui.Toast {
	t := ui.Toast{Text: job.Request.Title() + " has ended well", Bad: job.Failed()}
	sum := job.Outcome()
	switch {
	case job.Err != nil:
		t.Text = job.Request.Title() + " did not begin: " + job.Err.Error()
	case sum.Ending() == pipelines.EndFailed:
		t.Text = job.Request.Title() + " has failed"
		if len(job.Results) > 1 {
			t.Text = fmt.Sprintf("%s: %d of %d failed", job.Request.Title(), sum.Failed, len(job.Results))
		}
	case sum.Ending() == pipelines.EndCancelled:
		t.Text = job.Request.Title() + " was cancelled"
	}
	return t
}

func (a *App) placed(m placedMsg) tea.Cmd {
	if m.places != a.places {
		return nil
	}
	a.placeErr = m.err
	if m.err != nil {
		if errors.Is(m.err, context.Canceled) {
			return nil
		}
		text := m.err.Error()
		if hint := fault.HintOf(m.err); hint != "" {
			text += ". " + hint
		}
		return tea.Batch(a.toast(ui.Toast{Text: text, Bad: true}), a.after(ui.PlaceRetry, askPlaceMsg{}))
	}
	a.place = m.place
	return a.tellAll(ui.Placed{})
}

// animate keeps the clocks going that the top page and the root's own lines want:
// the only ones there are.
func (a *App) animate() tea.Cmd {
	if a.quit || len(a.pages) == 0 {
		return nil
	}
	pace := a.top().Pace()
	var cmds []tea.Cmd
	if !a.spinning && (pace == ui.Spinning || a.atWork() > 0 || a.place.Target == "" && a.placeErr == nil) {
		a.spinning = true
		cmds = append(cmds, a.after(ui.SpinEvery, spinMsg{}))
	}
	if !a.beating && pace != ui.Still {
		a.beating = true
		cmds = append(cmds, a.after(ui.BeatEvery, beatMsg{}))
	}
	return tea.Batch(cmds...)
}

// beat tells the page on top that its time has come.
func (a *App) beat() tea.Cmd {
	if a.top().Pace() == ui.Still {
		return nil
	}
	return tea.Batch(a.top().Update(ui.Beat{}), a.lookAtQuotas())
}

// lookAtQuotas finds out whether it is a quota that is waited for, as long as anything is: one
// of the commands that wait is the beat itself.
func (a *App) lookAtQuotas() tea.Cmd {
	if a.env.Busy() == 0 && a.env.Waiting() < 2 {
		a.waits = nil
		return nil
	}
	source, ctx := a.env.Source, a.env.Ctx
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg { return waitsMsg{source.Waits(ctx)} })
	}
}

func (a *App) after(d time.Duration, msg tea.Msg) tea.Cmd {
	return a.env.After(a.env.Ctx, d, msg)
}

func (a *App) toast(t ui.Toast) tea.Cmd {
	a.toasts = append(a.toasts, toast{t, a.env.Now().Add(toastFor)})
	if len(a.toasts) > 3 {
		a.toasts = a.toasts[len(a.toasts)-3:]
	}
	return a.after(toastFor, expireMsg{})
}

// typed takes keys one by one: those that arrive in one read (a key held down on a
// slow line) come as one message.
func (a *App) typed(m tea.KeyMsg) tea.Cmd {
	if m.Type != tea.KeyRunes || m.Paste || len(m.Runes) < 2 {
		return a.key(m)
	}
	cmds := make([]tea.Cmd, 0, len(m.Runes))
	for _, r := range m.Runes {
		if a.quit {
			break
		}
		cmds = append(cmds, a.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: m.Alt}), a.open())
	}
	return tea.Batch(cmds...)
}

// key dispatches a key: dialogs, global keys, the page.
func (a *App) key(m tea.KeyMsg) tea.Cmd {
	switch {
	case keys.Stop.Is(m):
		return a.stop()
	case keys.Suspend.Is(m):
		return a.suspend()
	case keys.Paste.Is(m) && a.takesText():
		return a.paste()
	}
	if n := len(a.dialogs); n > 0 {
		if a.env.Now().Before(a.dialogs[n-1].deaf) {
			return nil
		}
		return a.boxKey(m)
	}
	p := a.top()
	if p.Capturing() && (!keys.Help.Is(m) || !blank(p)) &&
		!slices.ContainsFunc(keys.Typing().Bindings, func(b keys.Binding) bool { return b.Is(m) }) {
		return p.Update(m)
	}
	switch {
	case keys.Help.Is(m):
		return a.ask(ui.Ask{Dialog: newHelp(a.env, p.Keys())})
	case keys.Palette.Is(m):
		return a.ask(ui.Ask{Dialog: newPalette(a.env, p, &a.past, a.customCommands())})
	case keys.AsLines.Is(m):
		return a.asLines(p)
	case keys.Home.Is(m):
		return a.goHome()
	case keys.Jobs.Is(m):
		cmd, _ := a.request(ui.OpenJobs{})
		return cmd
	case keys.Context.Is(m):
		cmd, _ := a.request(ui.OpenContext{})
		return cmd
	case keys.Refresh.Is(m):
		return tea.Batch(a.askPlace(), p.Update(ui.Reload{}))
	case keys.Quit.Is(m):
		return a.leave()
	}
	if c, ok := a.commandKey(m); ok {
		return a.give(c)
	}
	if off := offOf(p.Keys(), m); off != "" {
		return a.toast(ui.Toast{Text: off, Bad: true})
	}
	return p.Update(m)
}

// boxKey dispatches a key while a box lies over the page: those that work while a text is
// typed, else the box's own.
func (a *App) boxKey(m tea.KeyMsg) tea.Cmd {
	d := a.dialogs[len(a.dialogs)-1]
	_, palette := d.Dialog.(*palette)
	home := keys.Home.Is(m)
	switch {
	case keys.Help.NoText().Is(m):
		return a.ask(ui.Ask{Dialog: newBoxHelp(a.env, d.Keys())})
	case home, keys.Palette.NoText().Is(m) && !palette:
		cmd, ok := a.leaveBoxes()
		switch {
		case !ok:
			return cmd
		case home:
			return a.goHome()
		}
		return a.ask(ui.Ask{Dialog: newPalette(a.env, a.top(), &a.past, a.customCommands())})
	}
	return a.toDialog(m)
}

// blank tells that the text that is typed on a page is empty yet.
func blank(p ui.Page) bool {
	b, ok := p.(interface{ Blank() bool })
	return ok && b.Blank()
}

// offOf is why a key can't be used on a page now, "" if it can.
func offOf(m keys.Map, msg tea.Msg) string {
	for _, g := range m {
		for _, b := range g.Bindings {
			if b.Off != "" && b.Is(msg) {
				return b.Short + ": " + render.Line(b.Off, 0)
			}
		}
	}
	return ""
}

func (a *App) mouse(m tea.MouseMsg) tea.Cmd {
	if a.width < minWidth || a.height < minHeight {
		return nil
	}
	if len(a.dialogs) > 0 {
		if tea.MouseEvent(m).IsWheel() { // wherever it is: a dialog has one list or text at most
			return a.toDialog(m)
		}
		return nil
	}
	if m.Y == 1 && m.Action == tea.MouseActionPress && m.Button == tea.MouseButtonLeft {
		return a.clickCrumb(m.X)
	}
	m.Y -= 2
	if m.Y < 0 || m.Y >= a.height-chrome {
		return nil
	}
	return a.top().Update(m)
}
