package home

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// How many questions are under way at once: a state costs one or two processes, what
// is live costs calls that the whole account shares.
const (
	maxReaders = 4
	maxPollers = 2
)

// work begins what is due: the list, states, what is live. It does nothing while
// another page lies over this one.
func (p *Page) work() tea.Cmd {
	if !p.shown {
		return nil
	}
	now := p.Env.Now()
	p.grid.Hide(colSeen, !p.anyOld(now))
	var cmds []tea.Cmd
	if p.listDue(now) {
		cmds = append(cmds, p.readList())
	}
	if p.pulseDue(now) {
		cmds = append(cmds, p.askPulse(now))
	}
	for p.readers < maxReaders {
		i := p.nextUnread(now)
		if i < 0 {
			break
		}
		cmds = append(cmds, p.readState(p.rows[i]))
	}
	for p.pollers < maxPollers {
		i := p.nextLive(now)
		if i < 0 {
			break
		}
		cmds = append(cmds, p.poll(p.rows[i]))
	}
	return tea.Batch(append(cmds, p.listen())...)
}

// anyOld tells whether a row in sight shows what AWS said a while ago.
func (p *Page) anyOld(now time.Time) bool {
	return slices.ContainsFunc(p.grid.Visible(), func(i int) bool { return p.rows[i].old(now) })
}

// moving tells whether a spinner is on the screen.
func (p *Page) moving() bool { return len(p.jobs) > 0 || !p.list.Known && p.list.Err == nil }

func (p *Page) isAway(now time.Time) bool { return now.Sub(p.touched) > ui.Away }

func (p *Page) listDue(now time.Time) bool {
	if p.isAway(now) {
		return p.list.Due(now, ui.ListAway)
	}
	return p.list.Due(now, ui.ListEvery)
}

func (p *Page) readList() tea.Cmd {
	source := p.Env.Source
	return p.list.Ask(p.Host, source.Pipelines)
}

// nextUnread is the row whose state is to be read next, those in sight first; -1 if
// there is none.
func (p *Page) nextUnread(now time.Time) int {
	if p.unread == 0 {
		return -1
	}
	due := func(r *row) bool { return r.unread && !r.reading && !now.Before(r.retry) }
	for _, i := range p.inSight() {
		if due(p.rows[i]) {
			return i
		}
	}
	for i, r := range p.rows {
		if due(r) {
			return i
		}
	}
	return -1
}

// inSight are the rows on the screen; before the first frame of a list, those that
// will surely be.
func (p *Page) inSight() []int {
	if seen := p.grid.Visible(); len(seen) > 0 {
		return seen
	}
	out := make([]int, min(len(p.rows), 8))
	for i := range out {
		out[i] = i
	}
	return out
}

func (p *Page) readState(r *row) tea.Cmd {
	r.reading = true
	p.readers++
	id, source, clock := r.p.ID, p.Env.Source, p.Env.Clock
	return p.Do(func(ctx context.Context) tea.Msg {
		x, err := source.Read(ctx, id)
		return readMsg{id, x, clock.Now(), err}
	})
}

// nextLive is the row in sight that has waited longest beyond its time; -1 if none
// is due.
func (p *Page) nextLive(now time.Time) int {
	best, late := -1, time.Duration(0)
	for _, i := range p.inSight() {
		r := p.rows[i]
		if r.polling || !r.pollable() {
			continue
		}
		over := now.Sub(r.polled) - p.liveEvery(r, now)
		if over >= 0 && (best < 0 || over > late) {
			best, late = i, over
		}
	}
	return best
}

func (p *Page) liveEvery(r *row, now time.Time) time.Duration {
	every := ui.LiveQuiet
	switch {
	case r.liveErr != nil:
		every = ui.RetryAfter
	case p.ears.Heard(r.p.ID) && !r.changing():
		if every = ui.LiveTold; r.heard.After(r.polled) {
			every = ui.LiveMoving
		}
	case r.active():
		every = ui.LiveMoving
	}
	if p.isAway(now) {
		every *= ui.AwayTimes
	}
	return every + jitter(r.p.ID, every/5)
}

// jitter spreads pipelines over a time, so that they are not all asked about at the
// same moment.
func jitter(id spec.ID, most time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id.StackName()))
	return time.Duration(int64(h.Sum32())%1000) * most / 1000
}

func (p *Page) poll(r *row) tea.Cmd {
	r.polling = true
	p.pollers++
	pipeline, source, clock := r.p, p.Env.Source, p.Env.Clock
	return p.Do(func(ctx context.Context) tea.Msg {
		live, err := source.Live(ctx, pipeline)
		return livedMsg{pipeline.ID, live, clock.Now(), err}
	})
}

// again checks pipelines for an up or a preview, by the rules and files of today.
func (p *Page) checkAgain(list []pipelines.Pipeline) func(ctx context.Context) ([]*spec.Pipeline, error) {
	source := p.Env.Source
	return func(ctx context.Context) ([]*spec.Pipeline, error) { return data.Again(ctx, source, list) }
}
