package executions

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// How a watch polls. It starts fast, since most steps are short, and slows down
// while nothing happens; the Client's limiter stands above it.
const (
	pollFirst = 200 * time.Millisecond
	pollSlow  = 5 * time.Second  // reached after a while without news
	pollIdle  = 15 * time.Second // after idleAfter without news
	// pollHeard is in place of pollIdle where a feed is known to tell of ends.
	pollHeard  = time.Minute
	pollGrowth = 1.5
	idleAfter  = 5 * time.Minute

	// newcomer is how long an execution that was just started may be unknown to
	// AWS (eventual consistency).
	newcomer = 20 * time.Second
	// lagging is how long history and description may disagree about the end.
	lagging = 30 * time.Second
	// statusEvery is after how many polls without news the status is asked for,
	// in case the end never shows in the history.
	statusEvery = 8
)

// Watch is a running observation of one execution. The events go to one
// consumer, in order and each once, through a relay without bound: a slow
// consumer delays nobody. The producer closes the channel after the last event.
type Watch struct {
	events chan Event
	done   chan struct{} // closed when outcome and err are set
	lost   chan error
	cancel context.CancelFunc

	outcome Outcome
	err     error
}

// Events is the stream of the execution's history, from its beginning. It is
// closed after the last event, or soon after Cancel. Whoever does not read it
// to its end must call Cancel.
func (w *Watch) Events() <-chan Event { return w.events }

// Wait returns when the execution has ended and its history was read to the
// end. It does not depend on Events being read. The error is a *fault.Error of
// kind Canceled after Cancel; an execution that failed is no error here.
func (w *Watch) Wait() (Outcome, error) {
	<-w.done
	return w.outcome, w.err
}

// Done is closed when Wait would return at once.
func (w *Watch) Done() <-chan struct{} { return w.done }

// Lost has why its feed has failed, once: the end is looked for from then on.
func (w *Watch) Lost() <-chan error { return w.lost }

// Cancel ends the observation; the execution goes on. It may be called more
// than once and from any goroutine.
func (w *Watch) Cancel() { w.cancel() }

// Watch observes an execution until it has ended, ctx is done or Cancel is
// called. It may be called right after Start, before AWS shows the execution.
//
// listen opens a feed until its ctx is done, or returns nil where there is none; it may be nil
// too. The history is read as without one, since no event tells of states; what a feed tells of
// the end is read at once, and looked for more seldom.
func (c *Client) Watch(ctx context.Context, arn string, listen func(context.Context) Feed) *Watch {
	ctx, cancel := context.WithCancel(patiently(ctx))
	w := &Watch{events: make(chan Event), done: make(chan struct{}), lost: make(chan error, 1), cancel: cancel}
	q := newQueue[Event]()
	go func() {
		defer close(w.done)
		defer q.close()
		p := poller{c: c, arn: arn, out: q, began: c.cfg.Clock.Now(), lost: w.lost}
		if listen != nil {
			ctx, deaf := context.WithCancel(ctx)
			defer deaf()
			if feed := listen(ctx); feed != nil {
				p.heard = Hear(ctx, feed)
			}
		}
		w.outcome, w.err = p.run(ctx)
	}()
	go q.relay(ctx, w.events)
	return w
}

// poller reads one execution's history as it grows.
type poller struct {
	c     *Client
	arn   string
	out   *queue[Event]
	began time.Time

	line     Timeline
	interval time.Duration
	lastNews time.Time
	quiet    int // polls without news
	ended    time.Time
	seen     bool

	heard  <-chan Heard // nil without a feed
	proven bool         // the feed has told of some end, whosever
	told   *Ended       // what it told of this one's
	lost   chan<- error
}

func (p *poller) run(ctx context.Context) (Outcome, error) {
	p.interval, p.lastNews = pollFirst, p.began
	for {
		n, err := p.read(ctx)
		if err != nil {
			return p.result(nil), err
		}
		p.pace(n)
		done, d, err := p.finished(ctx, n)
		if err != nil {
			return p.result(d), err
		}
		if done {
			return p.result(d), nil
		}
		if err := p.wait(ctx); err != nil {
			return p.result(d), ctxFault("watch", err)
		}
	}
}

// wait lets time pass until it is worth to look again: until the next look is due, or the feed
// tells of the end.
func (p *poller) wait(ctx context.Context) error {
	timer := p.c.cfg.Clock.NewTimer(p.interval)
	defer timer.Stop()
	for {
		select {
		case h := <-p.heard:
			if p.hear(ctx, h) {
				return nil
			}
		case <-timer.C():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hear takes in what the feed tells, and reports whether it is this execution's end.
func (p *poller) hear(ctx context.Context, h Heard) bool {
	if h.Err != nil {
		if p.heard = nil; ctx.Err() == nil {
			p.lost <- h.Err // there is room, and nothing comes after it
		}
		return false
	}
	p.proven = true
	before := p.told
	for i := range h.Ends {
		if e := &h.Ends[i]; e.ARN == p.arn && (p.told == nil || e.Redrives >= p.told.Redrives) {
			p.told = e
		}
	}
	return p.told != before
}

// pace chooses the time to the next look.
func (p *poller) pace(news int) {
	now := p.c.cfg.Clock.Now()
	if news > 0 {
		p.interval, p.lastNews, p.quiet = pollFirst, now, 0
		return
	}
	p.quiet++
	limit := pollSlow
	if now.Sub(p.lastNews) > idleAfter {
		limit = pollIdle
		if p.proven && p.heard != nil {
			limit = pollHeard
		}
	}
	p.interval = min(limit, time.Duration(float64(p.interval)*pollGrowth))
}

// read takes in the events after the last one seen and returns how many. The
// first time it reads forward; later backward from the newest to the last seen,
// which costs one page however long the history is.
func (p *poller) read(ctx context.Context) (int, error) {
	if p.line.LastID == 0 {
		n := 0
		err := p.c.pages(ctx, p.arn, HistoryOptions{IncludeData: true}, func(page []Event) bool {
			n += p.take(page)
			return true
		})
		return n, p.tolerate(err)
	}
	var back []Event
	last := p.line.LastID
	err := p.c.pages(ctx, p.arn, HistoryOptions{IncludeData: true, Reverse: true}, func(page []Event) bool {
		for i := range page {
			if page[i].ID <= last {
				return false
			}
			back = append(back, page[i])
		}
		return len(page) > 0
	})
	if err != nil {
		return 0, p.tolerate(err)
	}
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	return p.take(back), nil
}

// take applies new events without a gap and hands them on.
func (p *poller) take(events []Event) int {
	n := 0
	for _, e := range events {
		if e.ID != p.line.LastID+1 {
			if e.ID <= p.line.LastID {
				continue
			}
			break // a gap: the rest comes with the next look
		}
		p.line.Apply(e)
		e.State = p.line.StateOf(e.ID)
		p.out.put(e)
		n++
	}
	p.seen = p.seen || n > 0
	return n
}

// tolerate lets an execution be unknown for a while after it was started.
func (p *poller) tolerate(err error) error {
	if err != nil && !p.seen && codeOf(err) == "ExecutionDoesNotExist" && p.c.cfg.Clock.Now().Sub(p.began) < newcomer {
		return nil
	}
	return err
}

// finished decides whether the execution has ended and all of its history was
// read. The history's last event is the sign; if the history lags behind the
// description for long, or the other way round, the one that says "ended" wins.
func (p *poller) finished(ctx context.Context, news int) (bool, *Details, error) {
	byHistory := p.line.Status.Terminal()
	if byHistory && p.told != nil && p.told.Whole && p.told.Status == p.line.Status {
		return true, &p.told.Details, nil
	}
	if !byHistory && p.told == nil && (news > 0 || p.quiet%statusEvery != 0) && p.ended.IsZero() {
		return false, nil, nil
	}
	d, err := p.c.Describe(ctx, p.arn)
	if err != nil {
		if byHistory && fault.KindOf(err) != fault.Canceled {
			return true, nil, nil //nolint:nilerr // the history told all that matters
		}
		return false, nil, p.tolerate(err)
	}
	if !d.Status.Terminal() && !byHistory {
		p.ended, p.told = time.Time{}, nil // that end was one of before a redrive
		return false, d, nil
	}
	if byHistory && d.Status.Terminal() {
		return true, d, nil
	}
	now := p.c.cfg.Clock.Now()
	if p.ended.IsZero() {
		p.ended = now
	}
	p.interval = min(p.interval, time.Second)
	return now.Sub(p.ended) > lagging, d, nil
}

// result joins what the description and the history say.
func (p *poller) result(d *Details) Outcome {
	t := &p.line
	out := Outcome{ARN: p.arn, Name: p.arn[lastColon(p.arn)+1:], Status: t.Status, Output: t.Output, Error: t.Error, Cause: t.Cause, Start: t.Start, Stop: t.Stop}
	if d != nil && d.Status.Terminal() {
		out.Name, out.Status, out.Output, out.Start, out.Stop = d.Name, d.Status, d.Output, d.Start, d.Stop
		if d.Error != "" || d.Cause != "" {
			out.Error, out.Cause = d.Error, d.Cause
		}
	}
	if v := t.Failed(); v != nil {
		out.FailedState = v.State
	}
	return out
}

func lastColon(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == ':' {
			return i
		}
	}
	return -1
}
