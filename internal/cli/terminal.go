package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/custom"
	"github.com/pipelinetui/pipelinetui/internal/tui/live"
)

// cannotShow tells why the full-screen terminal can't be opened, "" if it can: keys
// have to come from a person and the screen has to go to one.
func cannotShow(deps *Deps) string {
	switch {
	case deps.Machine():
		return "the output is to be " + deps.Form()
	case !deps.InTTY:
		return "standard input is not a terminal"
	case !deps.OutTTY:
		return "standard output is not a terminal"
	case deps.Dumb:
		return "TERM is dumb, a terminal that cannot move its cursor"
	case deps.CI:
		return "CI is set, so nobody sits here"
	}
	return ""
}

// showTerminal shows the full screen until the user leaves it, and leaves the
// operations' summaries in the scrollback.
func showTerminal(ctx context.Context, s *session) error {
	deps := s.deps
	// Whatever is written past the screen would tear it.
	log.SetOutput(io.Discard)
	notices := make(chan string, 16)
	s.note = func(format string, args ...any) {
		select {
		case notices <- fmt.Sprintf(format, args...):
		default: // a notice that nobody reads is not worth waiting for
		}
	}
	o := theme.ScreenOptions{Unicode: unicode(deps), Light: !dark(deps), Attributes: theme.AttributesOf(deps.environ)}
	if color := deps.settings.String(settings.Color); color != console.ColorNever {
		o.Colors = theme.ColorsOf(deps.environ)
		if color == console.ColorAlways {
			o.Colors = max(o.Colors, theme.Colors256)
		}
	}
	// A terminal is asked only where the answer counts and is known to come: others
	// show the question.
	_, told := deps.environ(envColors)
	ask := deps.settings.String(settings.Background) == "auto" && !told && o.Colors >= theme.Colors256 && theme.Answers(deps.environ)
	signals, release := deps.signals.Hold()
	defer release()
	source, screen := live.New(deps.app()), theme.NewScreen(deps.Raw.Out, o)
	paths := deps.settings.Paths
	own, wrong := custom.Load(filepath.Dir(paths.Config), paths.Home)
	wrong = append(wrong, own.Rebind()...)
	screen.Wear(own.Skin)
	notes, err := tui.Run(ctx, tui.Config{Source: source, Theme: screen, Flags: source.Flags, Custom: own, Wrong: wrong},
		tui.Terminal{In: deps.Raw.In, Out: deps.Raw.Out, Signals: signals, Notices: notices, AskBackground: ask})
	for _, n := range notes {
		fmt.Fprintln(deps.Out, render.Safe(n))
	}
	return errors.Join(err, source.Close())
}

// envColors is where some terminals tell their colours: "15;0" is white on black.
const envColors = "COLORFGBG"

// dark tells whether the terminal's background is dark, as far as that is known
// without asking it: the setting, what the terminal put into the environment, or
// yes.
func dark(deps *Deps) bool {
	if deps.settings != nil {
		switch deps.settings.String(settings.Background) {
		case "dark":
			return true
		case "light":
			return false
		}
	}
	colors, _ := deps.environ(envColors)
	background, err := strconv.Atoi(colors[strings.LastIndexByte(colors, ';')+1:])
	// Of the 16 colours 7 and 9 to 15 are light.
	return err != nil || background != 7 && (background < 9 || background > 15)
}

// unicode tells whether the terminal shows more than ASCII: the locale says so.
// (locale(7): LC_ALL before LC_CTYPE before LANG)
func unicode(deps *Deps) bool {
	switch deps.settings.String(settings.Unicode) {
	case "always":
		return true
	case "never":
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, ok := deps.environ(name); ok && v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
