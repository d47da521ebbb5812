// Package results is what a pipeline's executions have predicted, beside what it was made
// from: of the newest executions, or of one data set, a page of it at any place. The
// pipeline's page embeds it. It may import what pages may.
package results

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

const (
	// newest is how many executions are asked about at first, and how many more each time:
	// a DescribeExecution and a read for each.
	newest = 20
	// pageRows is how many predictions of a data set are read for a page.
	pageRows = 200
	// searchBytes bounds what a search reads before it asks to go on.
	searchBytes = 64 << 20
	// linkLife is how long a link works.
	linkLife = time.Hour
	// textCells bounds what is kept of a value for its cell.
	textCells = 300
)

// Panel is the predictions. Its methods are called by the program's goroutine.
type Panel struct {
	*ui.Host
	th *theme.Screen
	id spec.ID

	limit int
	stale bool // the list is: something happened while a data set was open
	list  ui.Loader[listing]
	grid  *widget.Grid
	// set is the data set that is open, if opening or Known; page is what is shown of it.
	set     ui.Loader[place]
	opened  bool
	name    string // of its execution
	page    *widget.Grid
	toEnd   bool   // the page that comes is to be shown from its end
	summary string // "reading" while the statistics are made
}

// listing is the newest executions, with who was asked.
type listing struct {
	machine *pipelines.Machine
	store   data.Results
	rows    []row
}

// place is a page of a data set.
type place struct {
	details *executions.Details
	found   *results.Found
	results.Page
	rows []row
	// search is what the rows were searched for, "" if they are all that there are.
	search string
	// inputs is why the inputs are not shown, nil if they are.
	inputs error
}

// row is a result with its texts, which are made once: a prediction may be long.
type row struct {
	item                   results.Item
	id, prediction, inputs string
}

func newRow(it results.Item) row {
	r := row{item: it, id: it.Execution, prediction: render.Line(render.Prediction(&it), textCells), inputs: render.Line(string(it.Input), textCells)}
	if r.id == "" {
		r.id = it.Key()
	}
	if it.Error != "" {
		r.prediction = render.Line(strings.TrimSuffix(it.Error+": "+it.Cause, ": "), textCells)
	}
	return r
}

func rowsOf(items []results.Item) []row {
	out := make([]row, len(items))
	for i := range items {
		out[i] = newRow(items[i])
	}
	return out
}

// New returns the predictions of a pipeline.
func New(h *ui.Host, id spec.ID) *Panel {
	p := &Panel{Host: h, th: &h.Env.Theme, id: id, limit: newest}
	grid := func(first string, of func() []row) *widget.Grid {
		g := widget.NewGrid(p.th,
			widget.Column{Title: first, Min: 14, Max: 40, Flex: 1},
			widget.Column{Title: "PREDICTION", Min: 16, Flex: 3},
			widget.Column{Title: "INPUT", Min: 16, Flex: 3, Drop: 1},
		)
		g.SetRows(rows{p.th, of})
		return g
	}
	p.grid = grid("EXECUTION", func() []row { return p.list.Value.rows })
	p.page = grid("ID", func() []row { return p.set.Value.rows })
	return p
}

// rows are results as the grid asks for them.
type rows struct {
	th *theme.Screen
	of func() []row
}

func (r rows) Len() int { return len(r.of()) }

func (r rows) Key(i int) string {
	x := &r.of()[i]
	if x.item.Execution != "" {
		return x.item.Execution
	}
	return x.item.At.String() + "/" + strconv.Itoa(i)
}

func (r rows) Cell(i, column int) widget.Cell {
	x := &r.of()[i]
	switch column {
	case 0:
		return widget.Cell{Text: render.Dash(x.id)}
	case 1:
		if x.item.Error != "" {
			return widget.Cell{Signs: r.th.Bad.Render(r.th.Glyphs.Bad) + " ", Text: x.prediction, Style: r.th.Bad}
		}
		return widget.Cell{Text: x.prediction}
	}
	return widget.Cell{Text: render.Dash(x.inputs), Style: r.th.Muted}
}

// Init begins to read.
func (p *Panel) Init() tea.Cmd { return p.readList(nil) }

// Age is when what is shown was read.
func (p *Panel) Age() time.Time {
	if p.opened {
		return p.set.At
	}
	return p.list.At
}

// shown is the grid that is shown.
func (p *Panel) shown() *widget.Grid {
	if p.opened {
		return p.page
	}
	return p.grid
}

// Capturing tells that the filter is being typed.
func (p *Panel) Capturing() bool { return p.shown().Capturing() }

// Clears tells that esc takes the filter away, or goes back to the newest executions.
func (p *Panel) Clears() bool { return p.opened || p.grid.Filter() != "" }

// Update takes what the page was told.
func (p *Panel) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		m.Y -= headRows
		p.shown().Update(m)
		return nil
	case ui.Reload:
		return p.again()
	case ui.Changed:
		switch {
		case !slices.Contains(m.IDs, p.id):
		case p.opened:
			p.stale = true
		default:
			return p.readList(nil)
		}
		return nil
	}
	switch {
	case p.list.Take(msg):
		if p.list.Err == nil {
			p.grid.SetRows(rows{p.th, func() []row { return p.list.Value.rows }})
		}
	case p.set.Take(msg):
		return p.tookPage()
	default:
		return p.acted(msg)
	}
	return nil
}

// again reads what is shown once more: of a data set the page, as it is searched; all from
// the beginning if it could not be opened.
func (p *Panel) again() tea.Cmd {
	switch at := &p.set.Value; {
	case !p.opened:
		return p.readList(nil)
	case !p.set.Known || at.found.Set == nil:
		return p.open(p.name)
	default:
		return p.goTo(at.From.String(), at.search)
	}
}

// readList reads the newest executions; had are rows that need not be read again.
func (p *Panel) readList(had []results.Item) tea.Cmd {
	p.stale = false
	source, id, limit := p.Env.Source, p.id, p.limit
	return p.list.Ask(p.Host, func(ctx context.Context) (l listing, err error) {
		if l.machine, err = source.Machine(ctx, id); err != nil {
			return l, err
		}
		if l.store, err = source.Results(ctx, id); err != nil {
			return l, err
		}
		items, err := l.store.Newest(ctx, executions.ListInput{Limit: limit}, had)
		l.rows = rowsOf(items)
		return l, err
	})
}

// holdsSet tells that an execution has worked through a data set.
func holdsSet(it *results.Item) bool {
	return len(it.Prediction) > 0 && results.Locate(string(it.Prediction)).Manifest != nil
}

// open opens the results of a data set, at their beginning.
func (p *Panel) open(name string) tea.Cmd {
	p.opened, p.name, p.toEnd = true, name, false
	p.set.Reset()
	p.page.SetFilter("")
	p.page.SetRows(rows{p.th, func() []row { return p.set.Value.rows }})
	l := p.list.Value
	return p.set.Ask(p.Host, func(ctx context.Context) (place, error) {
		d, found, err := find(ctx, &l, name)
		if err != nil {
			return place{}, err
		}
		if found.Set == nil {
			return place{details: d, found: found, rows: rowsOf([]results.Item{*found.Item})}, nil
		}
		return read(ctx, l.store, place{details: d, found: found}, results.Cursor{}, false, "")
	})
}

// find finds an execution and its result.
func find(ctx context.Context, l *listing, name string) (*executions.Details, *results.Found, error) {
	arn, err := l.machine.Client.Resolve(ctx, l.machine.ARN, name)
	if err != nil {
		return nil, nil, err
	}
	d, err := l.machine.Client.Describe(ctx, arn)
	if err != nil {
		return nil, nil, err
	}
	found, err := l.store.Of(ctx, d)
	return d, found, err
}

// read reads a page of a set: from a place on, or the one before it; with a search only
// what it finds.
func read(ctx context.Context, store data.Results, at place, from results.Cursor, before bool, search string) (place, error) {
	set := at.found.Set
	var err error
	switch {
	case search != "":
		at.Page, err = set.Find(ctx, from, pageRows, searchBytes, results.Containing(search))
	case before:
		at.Page, err = set.Before(ctx, from, pageRows)
	default:
		at.Page, err = set.From(ctx, from, pageRows)
	}
	if err != nil {
		return place{}, err
	}
	ds, err := store.DataSet(ctx, at.details)
	if err == nil && ds != nil {
		err = ds.Fill(ctx, at.Items, set.Share(at.From))
	}
	if ctx.Err() != nil {
		return place{}, err
	}
	at.search, at.inputs = search, err // the predictions matter more
	at.rows = rowsOf(at.Items)
	return at, nil
}

// goTo reads the page at a place: a share such as 50%, FILE:BYTE, or @end.
func (p *Panel) goTo(to, search string) tea.Cmd {
	if !p.set.Known || p.set.Value.found.Set == nil {
		return nil
	}
	at, store := p.set.Value, p.list.Value.store
	p.toEnd = to == "@end"
	return p.set.Ask(p.Host, func(ctx context.Context) (place, error) {
		set := at.found.Set
		if to == "@end" {
			return read(ctx, store, at, set.End(), true, search)
		}
		from, err := set.At(ctx, to)
		if err != nil {
			return place{}, err
		}
		// Of nothing behind the last one there is nothing to see.
		return read(ctx, store, at, from, from == set.End() && search == "", search)
	})
}

// turn reads the page behind the one that is shown, or the one before it.
func (p *Panel) turn(before bool) tea.Cmd {
	at, store, search := p.set.Value, p.list.Value.store, p.set.Value.search
	if !p.set.Known || at.found.Set == nil || p.set.Asking() || before && (search != "" || at.From.IsZero()) || !before && !at.More {
		return nil
	}
	from := at.Next
	if before {
		from = at.From
	}
	p.toEnd = before
	return p.set.Ask(p.Host, func(ctx context.Context) (place, error) { return read(ctx, store, at, from, before, search) })
}

// tookPage shows a page that was read.
func (p *Panel) tookPage() tea.Cmd {
	if p.set.Err != nil {
		if p.set.Known {
			return ui.Send(ui.Failed(p.set.Err))
		}
		return nil
	}
	p.page.SetRows(rows{p.th, func() []row { return p.set.Value.rows }})
	if p.toEnd {
		p.page.Update(bottom)
	} else {
		p.page.Update(top)
	}
	return nil
}

// selected is the row under the cursor, nil if there is none.
func (p *Panel) selected() *row {
	all := p.list.Value.rows
	if p.opened {
		all = p.set.Value.rows
	}
	if i, ok := p.shown().Selected(); ok && i < len(all) {
		return &all[i]
	}
	return nil
}

// document is a result as one document.
func (r *row) document() string {
	if r.item.Head != "" {
		return r.item.Head + "\n\nthe beginning of " + render.Bytes(r.item.Size)
	}
	raw, err := json.MarshalIndent(r.item, "", "  ")
	if err != nil { // what was read is no JSON
		return string(r.item.Prediction)
	}
	return string(raw)
}
