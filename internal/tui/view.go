package tui

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// View draws the screen. A panic in it is drawn instead and ends the program with
// the next message. Whatever a page draws, nothing but text and styles leaves here:
// foreign text that a page forgot to clean moves no cursor and sets no title.
func (a *App) View() (screen string) {
	defer func() {
		if r := recover(); r != nil && a.crash == nil {
			a.crash = &ui.Crash{Value: r, Stack: debug.Stack()}
			a.quit = true
			screen = "the program has a fault and ends; press any key"
		}
	}()
	if a.quit || a.width == 0 || a.height == 0 || len(a.pages) == 0 {
		return ""
	}
	if a.width < minWidth || a.height < minHeight {
		return a.tooSmall()
	}
	p := a.top()
	body := widget.Box(p.View(a.width, a.height-chrome), a.width, a.height-chrome)
	screen = a.header() + "\n" + a.crumbs() + "\n" + body + "\n" + a.footer()
	screen = a.drawToasts(screen)
	for _, d := range a.dialogs {
		screen = a.drawDialog(screen, d)
	}
	screen = render.Screen(screen)
	if a.env.Theme.Links {
		screen = linked(screen, a.env.Theme.Glyphs.Ellipsis)
	}
	return screen
}

func (a *App) tooSmall() string {
	text := fmt.Sprintf("this terminal has %d x %d cells\nat least %d x %d are needed\n\nmake it larger, or ctrl+c to leave", a.width, a.height, minWidth, minHeight)
	lines := strings.Split(ansi.Wrap(text, max(1, a.width), ""), "\n")
	for i, l := range lines {
		if pad := (a.width - ansi.StringWidth(l)) / 2; pad > 0 {
			lines[i] = strings.Repeat(" ", pad) + l
		}
	}
	if pad := (a.height - len(lines)) / 2; pad > 0 {
		lines = append(make([]string, pad), lines...)
	}
	return widget.Box(strings.Join(lines, "\n"), a.width, a.height)
}

// header says where we are: it must be seen at a glance whether this is a real
// account.
func (a *App) header() string {
	th := &a.env.Theme
	brand := th.Brand.Render(" pipelinetui ")
	var badge string
	var facts []string
	switch {
	case a.place.Target == "" && a.placeErr != nil:
		badge = th.Danger.Render(" no target ")
		facts = append(facts, render.Line(a.placeErr.Error(), 0))
	case a.place.Target == "":
		badge = " " + widget.Spin(th, a.env.Spin()) + " "
		facts = append(facts, "starting")
	case a.place.Sandbox():
		badge = th.Safe.Render(" sandbox ")
	default:
		badge = th.Danger.Render(" " + render.Line(a.place.Target, 0) + " ")
	}
	if a.place.ReadOnly {
		badge += " " + th.Warn.Render("read-only")
	}
	if a.place.Target != "" {
		for _, fact := range []string{a.place.Account, a.place.Region, shortIdentity(a.place.Identity), a.place.Backend} {
			if fact != "" {
				facts = append(facts, render.Line(fact, 0))
			}
		}
	}
	// What does not fit goes from the end: backend first, then the identity.
	for n := len(facts); n >= 0; n-- {
		text := strings.Join(facts[:n], " "+th.Glyphs.Dot+" ")
		line := brand + " " + badge + " " + text
		if ansi.StringWidth(line) <= a.width || n == 0 {
			rest := max(0, a.width-ansi.StringWidth(brand)-ansi.StringWidth(badge)-1)
			if n < len(facts) && n < 3 {
				text = strings.Join(facts, " "+th.Glyphs.Dot+" ")
			}
			return brand + th.Header.Render(" ") + badge + th.Header.Render(widget.Fit(" "+text, rest, th.Glyphs.Ellipsis))
		}
	}
	return brand
}

// shortIdentity is the end of an ARN, which is what differs: user/ops.
func shortIdentity(arn string) string {
	if i := strings.LastIndex(arn, ":"); i >= 0 {
		return arn[i+1:]
	}
	return arn
}

// crumbs are the path to the page, and on the right what goes on and how old the
// page's data are.
func (a *App) crumbs() string {
	th := &a.env.Theme
	parts := make([]string, len(a.pages))
	for i, p := range a.pages {
		style := th.Muted
		if i == len(a.pages)-1 {
			style = th.Crumb
		}
		parts[i] = style.Render(render.Line(p.Title(), 0))
	}
	sep := " > "
	if th.Glyphs.Unicode {
		sep = " › "
	}
	left := " " + strings.Join(parts, th.Muted.Render(sep))
	var right []string
	if n := a.atWork(); n > 0 {
		text := render.Count(n, "operation", "operations")
		if a.leaving {
			text += ", then leaving"
		}
		right = append(right, widget.Spin(th, a.env.Spin())+" "+th.Busy.Render(text))
	}
	if t := a.top().Age(); !t.IsZero() {
		age := a.env.Now().Sub(t)
		style := th.Muted
		if age > time.Minute {
			style = th.Stale
		}
		right = append(right, style.Render("read "+ago(age)))
	}
	r := strings.Join(right, "  ") + " "
	return widget.Fit(left, a.width-ansi.StringWidth(r), th.Glyphs.Ellipsis) + r
}

func ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "now"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s ago"
	}
	return render.Duration(d.Truncate(time.Second)) + " ago"
}

// footer are the keys that matter here, as many as fit; help and the palette are
// always there.
func (a *App) footer() string {
	th := &a.env.Theme
	m := a.top().Keys()
	if n := len(a.dialogs); n == 0 && a.top().Capturing() && !fills(a.top()) {
		m = keys.Map{keys.Filtering()}
	} else if n > 0 {
		m = a.dialogs[n-1].Keys()
		if a.env.Now().Before(a.dialogs[n-1].deaf) {
			m = nil // no key is taken yet, so none is offered
		}
	}
	tail := ""
	switch {
	case len(a.dialogs) > 0:
	case a.top().Capturing():
		g := keys.Typing().Bindings
		leave := keys.Stop
		leave.Short = keys.Quit.Short
		tail = " " + hint(th, g[1]) + "  " + hint(th, g[0]) + "  " + hint(th, leave) + " "
	default:
		tail = " " + hint(th, keys.Palette) + "  " + hint(th, keys.Help) + "  " + hint(th, keys.Quit) + " "
	}
	var b strings.Builder
	b.WriteString(a.quota())
	room := a.width - ansi.StringWidth(tail) - ansi.StringWidth(b.String()) - 1
	if len(m) > 0 {
		for _, k := range m[0].Bindings {
			if len(a.dialogs) == 0 && a.top().Capturing() && isText(k) {
				continue // it would be typed
			}
			h := hint(th, k)
			if w := ansi.StringWidth(h) + 2; w <= room {
				b.WriteString(h + "  ")
				room -= w
			}
		}
	}
	return widget.Fit(" "+b.String(), a.width-ansi.StringWidth(tail), "") + tail
}

// fills tells that a page takes text into fields of its own: others only into a filter.
func fills(p ui.Page) bool {
	f, ok := p.(interface{ Fills() bool })
	return ok && f.Fills()
}

// quota says which quota is waited for, "" if none is.
func (a *App) quota() string {
	if len(a.waits) == 0 || len(a.dialogs) > 0 {
		return ""
	}
	th, w := &a.env.Theme, a.waits[0]
	return th.Warn.Render(th.Glyphs.Busy+" quota of "+render.Line(w.API, 24)+", "+render.Duration(w.Left.Round(time.Second))) + "  "
}

// isText tells that a binding's key is a character.
func isText(b keys.Binding) bool {
	return len(b.Keys) > 0 && utf8.RuneCountInString(b.Keys[0]) == 1
}

func (a *App) drawToasts(screen string) string {
	th := &a.env.Theme
	y := a.height - 2
	if p, ok := a.top().(interface{ Asks() int }); ok {
		y -= p.Asks() // a question must be seen, whatever there is to tell
	}
	for i := len(a.toasts) - 1; i >= 0 && y > 2; i-- {
		t := a.toasts[i]
		style := th.ToastGood
		sign := th.Glyphs.Good
		if t.Bad {
			style, sign = th.ToastBad, th.Glyphs.Bad
		}
		most := min(a.width-6, 100)
		lines := strings.Split(ansi.Wrap(render.Line(t.Text, 0), most-4, ""), "\n")
		if len(lines) > 4 {
			lines = append(lines[:3], ansi.Truncate(lines[3], most-5, "")+th.Glyphs.Ellipsis)
		}
		width := 0
		for _, l := range lines {
			width = max(width, ansi.StringWidth(l))
		}
		for j, l := range lines {
			lead := "   "
			if j == 0 {
				lead = " " + sign + " "
			}
			lines[j] = style.Render(widget.Fit(lead+l, width+4, ""))
		}
		y -= len(lines) - 1
		screen = widget.Overlay(screen, strings.Join(lines, "\n"), max(0, a.width-width-4), y)
		y -= 2
	}
	return screen
}

// drawDialog puts a dialog in the middle, as large as it needs to be.
func (a *App) drawDialog(screen string, d openDialog) string {
	width := min(a.width-4, 96)
	most := a.height - 4
	if l, ok := d.Dialog.(interface{ Large() bool }); ok && l.Large() {
		width = a.width - 4
	}
	body := d.View(width-4, most-2)
	lines := strings.Split(body, "\n")
	longest := ansi.StringWidth(d.Title()) + 4
	for _, l := range lines {
		longest = max(longest, ansi.StringWidth(strings.TrimRight(ansi.Strip(l), " ")))
	}
	if w, ok := d.Dialog.(interface{ Wide() bool }); !ok || !w.Wide() {
		width = max(min(40, width), min(width, longest+4))
	}
	height := min(most, len(lines)+2)
	box := widget.Frame(&a.env.Theme, d.Title(), body, width, height, true)
	return widget.Overlay(screen, box, (a.width-width)/2, max(1, (a.height-height)/2))
}
