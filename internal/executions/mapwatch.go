package executions

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// How a Map Run is polled. DescribeMapRun has one call a second for the whole
// account, of which the Client's limiter takes a part; this interval stands
// above it.
const (
	mapRunPoll     = 2 * time.Second
	mapRunPollSlow = 15 * time.Second // a run of hours needs no finer picture
	mapRunLong     = 10 * time.Minute // after which it slows down
)

// MapRunWatch is a running observation of a Map Run. See Watch for what its
// methods promise.
type MapRunWatch struct {
	events chan MapRunProgress
	done   chan struct{}
	cancel context.CancelFunc

	last MapRun
	err  error
}

// Events is the stream of pictures of the run, the first at once. It is closed
// after the one that shows its end.
func (w *MapRunWatch) Events() <-chan MapRunProgress { return w.events }

// Wait returns when the run has ended, with its last picture.
func (w *MapRunWatch) Wait() (MapRun, error) {
	<-w.done
	return w.last, w.err
}

// Cancel ends the observation; the run goes on.
func (w *MapRunWatch) Cancel() { w.cancel() }

// MapRunProgress is a picture of a Map Run with what follows from those before.
type MapRunProgress struct {
	MapRun MapRun `json:"mapRun"`
	// Rate is how many items end in a second, lately; 0: not known yet.
	Rate float64 `json:"itemsPerSecond,omitempty"`
	// Left is how long the rest will take at this rate; 0: not known.
	Left time.Duration `json:"-"`
}

// WatchMapRun observes a Map Run until it has ended, ctx is done or Cancel is
// called. Whoever does not read Events to the end must call Cancel.
func (c *Client) WatchMapRun(ctx context.Context, arn string) *MapRunWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &MapRunWatch{events: make(chan MapRunProgress), done: make(chan struct{}), cancel: cancel}
	q := newQueue[MapRunProgress]()
	go func() {
		defer close(w.done)
		defer q.close()
		w.last, w.err = c.pollMapRun(ctx, arn, q)
	}()
	go q.relay(ctx, w.events)
	return w
}

func (c *Client) pollMapRun(ctx context.Context, arn string, out *queue[MapRunProgress]) (MapRun, error) {
	began := c.cfg.Clock.Now()
	var pace Pace
	var last MapRun
	for {
		r, err := c.DescribeMapRun(ctx, arn)
		if err != nil {
			return last, err
		}
		last = *r
		now := c.cfg.Clock.Now()
		pace.Add(now, r.Items.Ended())
		p := MapRunProgress{MapRun: *r, Rate: pace.Rate()}
		if !r.Status.Terminal() {
			p.Left = pace.Left(r.Items.Total - r.Items.Ended())
		}
		out.put(p)
		if r.Status.Terminal() {
			return last, nil
		}
		wait := mapRunPoll
		if now.Sub(began) > mapRunLong {
			wait = mapRunPollSlow
		}
		if err := clock.Sleep(ctx, c.cfg.Clock, wait); err != nil {
			return last, ctxFault("watch", err)
		}
	}
}

// paceWindow is over how long a rate is measured: long enough that batches which
// end in bursts do not make it jump.
const paceWindow = 30 * time.Second

// Pace measures how fast a count grows, over the last paceWindow. The zero value
// is ready for use; it is not safe for concurrent use.
type Pace struct {
	samples []paceSample
}

type paceSample struct {
	at time.Time
	n  int64
}

// Add takes in how many there are now. A count that went back (a redrive) starts
// the measurement again.
func (p *Pace) Add(at time.Time, n int64) {
	if k := len(p.samples); k > 0 && n < p.samples[k-1].n {
		p.samples = nil
	}
	p.samples = append(p.samples, paceSample{at, n})
	for len(p.samples) > 2 && at.Sub(p.samples[1].at) >= paceWindow {
		p.samples = p.samples[1:]
	}
}

// Rate is the growth in a second; 0 as long as there is no growth to measure.
func (p *Pace) Rate() float64 {
	if len(p.samples) < 2 {
		return 0
	}
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	if d := last.at.Sub(first.at).Seconds(); d > 0 {
		return float64(last.n-first.n) / d
	}
	return 0
}

// Left is how long n more take at the present rate; 0 if that is not known.
func (p *Pace) Left(n int64) time.Duration {
	if rate := p.Rate(); rate > 0 && n > 0 {
		return time.Duration(float64(n) / rate * float64(time.Second))
	}
	return 0
}
