package ui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
)

// MostEars bounds the pipelines that one page hears: each is a queue that is read all the
// time. What is beyond them is looked at.
const MostEars = 50

// Ears hear the ends of executions of several pipelines, for one page, as far as these tell of
// them (events: push). The zero value hears none. Like the page it belongs to the program's
// goroutine, and is not copied.
type Ears struct {
	open    map[spec.ID]*ear
	told    chan told
	waiting bool // for the next batch
	said    bool // that a feed has failed
}

// ear hears one pipeline.
type ear struct {
	stop  context.CancelFunc
	heard bool // of an end: the feed can be relied on
	deaf  bool // the feed has failed
}

type told struct {
	id   spec.ID
	by   *ear
	what executions.Heard
}

// toldMsg is what was told in a moment.
type toldMsg struct {
	of    *Ears
	batch pump.Batch[told]
}

// Listen hears a pipeline from now on, if it tells of ends and was not heard already. One whose
// feed has failed is left alone until it is forgotten.
func (e *Ears) Listen(h *Host, p *pipelines.Pipeline) {
	if e.open[p.ID] != nil || len(e.open) >= MostEars {
		return
	}
	ctx, stop := context.WithCancel(h.ctx)
	feed := h.Env.Source.Ends(ctx, p)
	if feed == nil {
		stop()
		return
	}
	if e.open == nil {
		e.open, e.told = map[spec.ID]*ear{}, make(chan told)
	}
	x := &ear{stop: stop}
	e.open[p.ID] = x
	id, heard, out := p.ID, executions.Hear(ctx, feed), e.told
	go func() {
		for {
			select {
			case what := <-heard:
				select {
				case out <- told{id, x, what}:
				case <-ctx.Done():
					return
				}
				if what.Err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
}

// Forget hears those pipelines no more of which it is told so.
func (e *Ears) Forget(which func(spec.ID) bool) {
	for id, x := range e.open {
		if which(id) {
			x.stop()
			delete(e.open, id)
		}
	}
}

// ForgetDeaf has the next Listen try again where a feed has failed.
func (e *Ears) ForgetDeaf(which func(spec.ID) bool) {
	e.Forget(func(id spec.ID) bool { return e.open[id].deaf && which(id) })
}

// Full tells that no more can be heard.
func (e *Ears) Full() bool { return len(e.open) >= MostEars }

// Open tells whether a pipeline is listened to.
func (e *Ears) Open(id spec.ID) bool { x := e.open[id]; return x != nil && !x.deaf }

// Heard tells whether a pipeline has told of an end, so that its feed can be relied on.
func (e *Ears) Heard(id spec.ID) bool { return e.Open(id) && e.open[id].heard }

// Next waits for what is told next. Call it after each Listen and Take.
func (e *Ears) Next(h *Host) tea.Cmd {
	if e.waiting || len(e.open) == 0 {
		return nil
	}
	e.waiting = true
	return Next(h, e.told, func(b pump.Batch[told]) tea.Msg { return toldMsg{e, b} })
}

// Take takes what was told in, and reports whether the message is that: the ends, by pipeline,
// and why a feed has failed, the first time that one does.
func (e *Ears) Take(msg tea.Msg) (ends map[spec.ID][]executions.Ended, lost error, ok bool) {
	m, ok := msg.(toldMsg)
	if !ok || m.of != e {
		return nil, nil, false
	}
	e.waiting = m.batch.Closed // nothing comes any more
	ends = map[spec.ID][]executions.Ended{}
	for _, t := range m.batch.Items {
		if e.open[t.id] != t.by {
			continue
		}
		if len(t.what.Ends) > 0 {
			t.by.heard = true
			ends[t.id] = append(ends[t.id], t.what.Ends...)
		}
		if t.what.Err != nil {
			t.by.deaf = true
			if !e.said {
				e.said, lost = true, t.what.Err
			}
		}
	}
	return ends, lost, true
}
