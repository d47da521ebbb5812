package cli

import (
	"context"
	"fmt"
	"io"
	"log"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/live"
)

// cannotShow tells why the full-screen terminal can't be opened, "" if it can: keys
// have to come from a person and the screen has to go to one.
func (e *env) cannotShow() string {
	switch {
	case e.machine():
		return "the output is to be " + e.output()
	case !e.InTTY:
		return "standard input is not a terminal"
	case !e.OutTTY:
		return "standard output is not a terminal"
	case e.dumb:
		return "TERM is dumb, a terminal that cannot move its cursor"
	case e.ci:
		return "CI is set, so nobody sits here"
	}
	return ""
}

// stdin is standard input, for what is read to its end. Who has to type that is told
// that it is waited for, and how it ends.
func (e *env) stdin() io.Reader {
	if e.InTTY {
		e.note("reading %s: ctrl-D ends it, ctrl-C gives up", standardInput)
	}
	return e.In
}

// terminal shows the full screen until the user leaves it, and leaves the
// operations' summaries in the scrollback.
func (e *env) terminal(ctx context.Context) error {
	// Whatever is written past the screen would tear it.
	log.SetOutput(io.Discard)
	notices := make(chan string, 16)
	e.app = app.New(app.Options{Settings: e.settings, Environ: e.environ, Note: func(format string, args ...any) {
		select {
		case notices <- fmt.Sprintf(format, args...):
		default: // a notice that nobody reads is not worth waiting for
		}
	}})
	o := theme.ScreenOptions{Unicode: e.unicode(), Light: !e.dark(), Attributes: theme.AttributesOf(e.environ)}
	if color := e.settings.String(settings.Color); color != colorNever {
		o.Colors = theme.ColorsOf(e.environ)
		if color == colorAlways {
			o.Colors = max(o.Colors, theme.Colors256)
		}
	}
	// A terminal is asked only where the answer counts and is known to come: others
	// show the question.
	_, told := e.environ(envColors)
	ask := e.settings.String(settings.Background) == "auto" && !told && o.Colors >= theme.Colors256 && theme.Answers(e.environ)
	signals, release := e.desk.hold()
	defer release()
	notes, err := tui.Run(ctx, tui.Config{Source: live.New(e.app), Theme: theme.NewScreen(e.raw.Out, o)},
		tui.Terminal{In: e.raw.In, Out: e.raw.Out, Signals: signals, Notices: notices, AskBackground: ask})
	for _, n := range notes {
		fmt.Fprintln(e.Out, render.Safe(n))
	}
	return err
}

// envColors is where some terminals tell their colours: "15;0" is white on black.
const envColors = "COLORFGBG"

// dark tells whether the terminal's background is dark, as far as that is known
// without asking it: the setting, what the terminal put into the environment, or
// yes.
func (e *env) dark() bool {
	if e.settings != nil {
		switch e.settings.String(settings.Background) {
		case "dark":
			return true
		case "light":
			return false
		}
	}
	colors, _ := e.environ(envColors)
	background, err := strconv.Atoi(colors[strings.LastIndexByte(colors, ';')+1:])
	// Of the 16 colours 7 and 9 to 15 are light.
	return err != nil || background != 7 && (background < 9 || background > 15)
}

// unicode tells whether the terminal shows more than ASCII: the locale says so.
// (locale(7): LC_ALL before LC_CTYPE before LANG)
func (e *env) unicode() bool {
	switch e.settings.String(settings.Unicode) {
	case "always":
		return true
	case "never":
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, ok := e.environ(name); ok && v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
