// Package keys owns the terminal's keys as data: the binding that is dispatched
// on is the one that help, footer and docs/keys.md print. It imports nothing of
// this module.
package keys

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// Binding is something that can be done by a key.
type Binding struct {
	// Keys as Bubble Tea names them: "enter", "ctrl+c", "G". The first one is shown.
	Keys []string
	// Short is for the footer (one or two words), Help for the help page.
	Short, Help string
	// Off says why it cannot be done now; "" if it can.
	Off string
	// Line makes the command line that does the same; nil if there is none.
	Line func() string
}

// New returns a binding: New("delete", "delete the pipeline and all in it", "D").
func New(short, help string, keys ...string) Binding {
	return Binding{Keys: keys, Short: short, Help: help}
}

// Is reports whether the message is one of the binding's keys, whether or not it
// can be done now: the caller answers a key that is Off with the reason.
func (b Binding) Is(msg tea.Msg) bool {
	k, ok := msg.(tea.KeyMsg)
	return ok && !k.Paste && slices.Contains(b.Keys, k.String())
}

// Unless returns the binding switched off if the reason is not empty.
func (b Binding) Unless(reason string) Binding {
	b.Off = reason
	return b
}

// As returns the binding with the command line that does the same.
func (b Binding) As(line func() string) Binding {
	b.Line = line
	return b
}

// Without is the binding without a key that means something else in this place.
func (b Binding) Without(key string) Binding {
	b.Keys = slices.DeleteFunc(slices.Clone(b.Keys), func(k string) bool { return k == key })
	return b
}

// Label is the key as it is shown: "^c" for ctrl+c, arrows as signs.
func (b Binding) Label(unicode bool) string {
	if len(b.Keys) == 0 {
		return ""
	}
	return Label(b.Keys[0], unicode)
}

// Labels are all keys as they are shown, joined by "/".
func (b Binding) Labels(unicode bool) string {
	out := make([]string, len(b.Keys))
	for i, k := range b.Keys {
		out[i] = Label(k, unicode)
	}
	return strings.Join(out, "/")
}

// Label is one key as it is shown.
func Label(key string, unicode bool) string {
	if unicode {
		switch key {
		case "up":
			return "↑"
		case "down":
			return "↓"
		case "left":
			return "←"
		case "right":
			return "→"
		case "enter":
			return "⏎"
		}
	}
	switch key {
	case " ":
		return "space"
	case "pgdown":
		return "pgdn"
	}
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "^" + rest
	}
	if len(key) > 1 && key[0] == 'f' && strings.Trim(key[1:], "0123456789") == "" {
		return "F" + key[1:]
	}
	return key
}

// Group is a heading with bindings.
type Group struct {
	Title    string
	Bindings []Binding
}

// Map is what can be done in a place, in groups; the bindings of the first group
// are shown in the footer.
type Map []Group

// Global are the keys that work everywhere. While a text is being typed those of them do
// that are no text and mean nothing to a line that is typed: see Typing.
var (
	Help    = New("help", "all keys of this page", "?", "f1")
	Palette = New("command", "command palette: go anywhere, do anything", ":", "ctrl+p")
	Back    = New("back", "back to the page before; closes a dialog", "esc")
	Home    = New("home", "to the list of pipelines", "ctrl+g")
	Jobs    = New("operations", "operations that run or ran in this session", "ctrl+o")
	Context = New("context", "switch target, profile, region or backend", "ctrl+t")
	Refresh = New("refresh", "read everything on this page again", "ctrl+r")
	Quit    = New("quit", "leave; asks if an operation is running", "q")
	Stop    = New("cancel", "leave, or stop what is running; asks first", "ctrl+c")
	Suspend = New("suspend", "back to the shell; `fg` comes back", "ctrl+z")
	Paste   = New("paste", "paste what the clipboard holds into what is typed", "ctrl+v")
	AsLines = New("as commands", "the command lines of this page's actions", "=")
	// ToTab goes to a tab of an execution by its number.
	ToTab = New("tab", "to a tab by its number", "1", "2", "3", "4", "5", "6")
	// Do, Complete and CopyLine belong to the palette.
	Do       = New("do it", "do what is selected", "enter")
	Complete = New("complete", "type what is selected, to go on from there", "tab")
	CopyLine = New("copy line", "copy the command line that does the same", "ctrl+y")
)

// Movement, the same in every list, tree and text.
var (
	Up         = New("up", "one up", "up", "k")
	Down       = New("down", "one down", "down", "j")
	PageUp     = New("page up", "one page up", "pgup", "ctrl+b")
	PageDown   = New("page down", "one page down", "pgdown", "ctrl+f")
	Top        = New("top", "to the beginning", "home", "g")
	Bottom     = New("bottom", "to the end", "end", "G")
	Left       = New("left", "to the left; closes a branch", "left", "h")
	Right      = New("right", "to the right; opens a branch", "right", "l")
	Open       = New("open", "open what is selected", "enter")
	NextTab    = New("next tab", "to the next tab or field", "tab", "]")
	PrevTab    = New("previous tab", "to the tab or field before", "shift+tab", "[")
	Search     = New("filter", "filter by a text; esc clears it", "/")
	SearchText = New("search", "search the text; esc ends it", "/")
	Next       = New("next match", "to the next match", "n")
	Previous   = New("previous match", "to the match before", "N")
	Mark       = New("mark", "mark for an action on several", " ")
	MarkAll    = New("mark all", "mark everything shown, or nothing", "*")
	Sort       = New("sort", "sort by the next column", "s")
	Reverse    = New("reverse", "sort the other way round", "S")
	Copy       = New("copy", "copy to the clipboard (OSC 52)", "y")
	Save       = New("save", "save to a file", "w")
	Pager      = New("pager", "show the text in $PAGER", "|")
	// EditOutside is for a text that is being typed.
	EditOutside = New("editor", "edit the text in $VISUAL or $EDITOR", "ctrl+e")
	InBrowser   = New("browser", "open its page of the AWS console in the browser", "O")
	// Of a document in JSON.
	CopyValue = New("copy value", "copy the value under the cursor: a text without its quotes", "c")
	CopyPath  = New("copy path", "copy where the value under the cursor is, as JSONPath", "P")
	Fold      = New("fold", "shut what is selected, or go to what it is in", "left", "h")
	Unfold    = New("unfold", "open what is selected, or go into it", "right", "l")
	FoldAll   = New("fold all", "shut everything below the top, or open all", "-")
	// ListUp and ListDown scroll what is beside a line that is typed.
	ListUp   = New("up", "scroll up what is listed", "up", "pgup")
	ListDown = New("more", "scroll down what is listed", "down", "pgdown")
	// GraphList belongs to the drawing of a state machine, GanttZoom to a timeline.
	GraphList = New("as a list", "draw the state machine as a list, or as boxes", "o")
	GanttZoom = New("zoom", "let the timeline show the selected state only, or all", "z")
)

// Document are the bindings of a document in JSON.
func Document() []Binding { return []Binding{CopyValue, CopyPath, Fold, Unfold, FoldAll} }

// Moving are the bindings of a list.
func Moving() Group {
	return Group{Title: "Moving", Bindings: []Binding{Up, Down, PageUp, PageDown, Top, Bottom}}
}

// Filtering are the keys of a filter or a search while it is typed: all others are text, or
// move.
func Filtering() Group {
	return Group{Title: "While a filter is typed", Bindings: []Binding{
		New("keep it", "keep the filter, and go on in what it shows", "enter"), New("clear it", "take the filter away", "esc"),
	}}
}

// Everywhere are the global bindings.
func Everywhere() Group {
	return Group{Title: "Everywhere", Bindings: []Binding{Help, Palette, AsLines, Back, Home, Jobs, Context, Refresh, Quit, Stop, Suspend}}
}

// Typing are the global bindings that work while a text is being typed, with the keys
// that do.
func Typing() Group {
	return Group{Title: "While a text is typed", Bindings: []Binding{
		Help.NoText(), Palette.NoText(), Home.NoText(), Paste.NoText(), Stop.NoText(), Suspend.NoText(),
	}}
}
