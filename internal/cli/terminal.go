package cli

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/live"
)

// canShow tells whether the full-screen terminal can be opened: keys come from a
// person and the screen goes to one.
func (e *env) canShow() bool {
	return e.InTTY && e.OutTTY && !e.machine() && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
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
	color := e.settings.String(settings.Color)
	dark := e.dark()
	if _, told := e.environ(envColors); e.settings.String(settings.Background) == "auto" && !told && color != "never" {
		dark = theme.AskDark(e.Out)
	}
	background := "light"
	if dark {
		background = "dark"
	}
	th := theme.NewScreen(e.Out, theme.ScreenOptions{Color: color != "never", Unicode: e.unicode(), Background: background})
	notes, err := tui.Run(ctx, tui.Config{Source: live.New(e.app), Theme: th}, tui.Terminal{In: e.In, Out: e.Out, Signals: e.signals, Notices: notices})
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
