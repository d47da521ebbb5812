package home

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// What the page reads, and how often. The list costs a process; a state costs one
// or two; what is live costs calls that the whole account shares.
const (
	beatEvery = time.Second
	spinEvery = 120 * time.Millisecond
	// listEvery is for a user at work, listIdle for one who is away.
	listEvery, listIdle = 10 * time.Second, 30 * time.Second
	// liveActive is for rows where something moves, liveQuiet for the others; both
	// are thrice as long while the user is away.
	liveActive, liveQuiet = 10 * time.Second, 15 * time.Second
	away                  = 2 * time.Minute
	// retryAfter is how long to leave alone what could not be read.
	retryAfter = 30 * time.Second
	// fresh is how old live data may be before the row says so.
	fresh      = 45 * time.Second
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
		cmds = append(cmds, p.list(now))
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
	if !p.beating {
		p.beating = true
		cmds = append(cmds, p.After(beatEvery, beatMsg{}))
	}
	if !p.spinning && p.moving() {
		p.spinning = true
		cmds = append(cmds, p.After(spinEvery, spinMsg{}))
	}
	return tea.Batch(cmds...)
}

// anyOld tells whether a row in sight shows what AWS said a while ago.
func (p *Page) anyOld(now time.Time) bool {
	return slices.ContainsFunc(p.grid.Visible(), func(i int) bool { return p.rows[i].old(now) })
}

// moving tells whether a spinner is on the screen.
func (p *Page) moving() bool { return len(p.jobs) > 0 || p.listed.IsZero() && p.listErr == nil }

func (p *Page) isAway(now time.Time) bool { return now.Sub(p.touched) > away }

func (p *Page) listDue(now time.Time) bool {
	every := listEvery
	if p.isAway(now) {
		every = listIdle
	}
	return !p.listing && (p.again || p.tried.IsZero() || now.Sub(p.tried) >= every)
}

func (p *Page) list(now time.Time) tea.Cmd {
	p.listing, p.again, p.tried = true, false, now
	source, clock := p.Env.Source, p.Env.Clock
	return p.Do(func(ctx context.Context) tea.Msg {
		list, err := source.Pipelines(ctx)
		return listedMsg{list, clock.Now(), err}
	})
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
	every := liveQuiet
	switch {
	case r.liveErr != nil:
		every = retryAfter
	case r.active():
		every = liveActive
	}
	if p.isAway(now) {
		every *= 3
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
func (p *Page) checkAgain(list []data.Pipeline) func(ctx context.Context) ([]*spec.Pipeline, error) {
	source := p.Env.Source
	return func(ctx context.Context) ([]*spec.Pipeline, error) { return data.Again(ctx, source, list) }
}
