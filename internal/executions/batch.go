package executions

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const (
	sweepFirst  = 300 * time.Millisecond
	sweepSlow   = 10 * time.Second
	sweepGrowth = 1.4
	// sweepPushed is how often a watch that hears of ends looks all the same: for those that
	// ended while its feed was opened, and for what a feed may lose.
	sweepPushed = time.Minute
	describers  = 8
	// sparePages is how many pages more than the batch needs are read in search
	// of executions that no list shows.
	sparePages = 10
	// sunkEach is how many executions are described after a look because the list has become
	// too long to find them: a batch is not finished because others start thousands meanwhile.
	sunkEach = 50

	// MaxDescribed is how many succeeded executions of a batch are described at
	// its end; a description costs a call each, and AWS allows few. Those that
	// failed are all described.
	MaxDescribed = 500
)

// BatchProgress counts the executions of a batch by status.
type BatchProgress struct {
	Total     int `json:"total"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	TimedOut  int `json:"timedOut"`
	Aborted   int `json:"aborted"`
	// Missing are not in AWS's lists: started a moment ago, or never.
	Missing int `json:"missing"`
	// At is when the counts were taken.
	At time.Time `json:"at"`
	// Read and ToRead are how many have had their output or error read, of how many, once all
	// have ended.
	Read   int `json:"-"`
	ToRead int `json:"-"`
	// Lost is set once, when the feed has failed or is silent, and ends are looked for instead.
	Lost error `json:"-"`
}

// Done reports whether nothing of the batch runs or is missing.
func (p BatchProgress) Done() bool { return p.Running == 0 && p.Missing == 0 }

// BatchWatch is a running observation of a batch.
type BatchWatch struct {
	events chan BatchProgress
	done   chan struct{}
	cancel context.CancelFunc

	details []Details
	err     error
}

// Events has the counts after each look at which they had changed, the last ones
// always. It is closed at the end or soon after Cancel; whoever does not read it
// to its end must call Cancel.
func (w *BatchWatch) Events() <-chan BatchProgress { return w.events }

// Wait returns when all executions have ended, in the order of the names. Of
// more than MaxDescribed succeeded ones, or as many as Successes said, the rest lack Input and
// Output. One that
// AWS still did not know at the end has no Status. The error is set if the watch
// ended early; the details then hold what was known.
func (w *BatchWatch) Wait() ([]Details, error) {
	<-w.done
	return w.details, w.err
}

// Done is closed when Wait would return at once.
func (w *BatchWatch) Done() <-chan struct{} { return w.done }

// Cancel ends the observation; the executions go on.
func (w *BatchWatch) Cancel() { w.cancel() }

// WatchBatch observes many executions of one machine by sweeping its list: one
// call covers 1,000 executions, where a description would be needed for each.
// machine is the ARN that they were started with.
//
// A feed tells of ends as they come: the list is read once, and then, once the feed has told
// of something, once a minute. What it tells whole is not described again. The watch goes on
// without one that fails, or tells nothing of what the list shows to have ended, and says so
// by BatchProgress.Lost. nil is no feed.
func (c *Client) WatchBatch(ctx context.Context, machine string, names []string, feed Feed, opts ...WatchOption) *BatchWatch {
	ctx, cancel := context.WithCancel(patiently(ctx))
	w := &BatchWatch{events: make(chan BatchProgress), done: make(chan struct{}), cancel: cancel}
	q := newQueue[BatchProgress]()
	go func() {
		defer close(w.done)
		defer q.close()
		s := &sweeper{
			c: c, machine: machine, names: names, q: q, began: c.cfg.Clock.Now(), have: make(map[string]*Details, len(names)), asked: map[string]bool{},
			whole: map[string]bool{}, successes: MaxDescribed,
		}
		for _, opt := range opts {
			opt(s)
		}
		if feed != nil {
			ctx, deaf := context.WithCancel(ctx)
			s.heard, s.deaf = Hear(ctx, feed), deaf
			defer deaf()
		}
		w.err = s.run(ctx)
		w.details = s.result()
	}()
	go q.relay(ctx, w.events)
	return w
}

// WatchOption is a wish of who watches a batch.
type WatchOption func(*sweeper)

// Successes has so many of those that succeeded be described at the end in place of
// MaxDescribed: who watches several batches, or shows no outputs, asks for less.
func Successes(n int) WatchOption { return func(s *sweeper) { s.successes = n } }

// sweeper is the state of one batch's observation.
type sweeper struct {
	c       *Client
	machine string
	names   []string
	q       *queue[BatchProgress]
	began   time.Time

	have  map[string]*Details // by name; nil value: not seen yet
	asked map[string]bool     // names that AWS did not know when asked
	told  BatchProgress
	// heard is what a feed tells, nil without one; deaf ends the listening.
	heard <-chan Heard
	deaf  context.CancelFunc
	// proven tells that the feed has told of some end. Until then unheard is the time between
	// two looks.
	proven  bool
	unheard time.Duration
	// late is since when an end, of what ran before, is listened for that the list has shown and
	// the feed has not told of; zero if there is none. ended tells that the look that goes on has
	// shown one: while it does nobody listens.
	late  time.Time
	ended bool
	whole map[string]bool // names of which the feed has told all
	// outputs is how many outputs the feed has told, successes how many are wanted.
	outputs, successes int
	lifted             int // where lift goes on, in names
}

// errSilent is what is wrong with a feed that tells nothing though there would be something.
var errSilent = errors.New("executions have ended, and nothing was heard of it")

// lose goes on without the feed, and says why.
func (s *sweeper) lose(err error) {
	s.deaf()
	s.heard, s.late, s.ended = nil, time.Time{}, false
	p := s.count()
	p.Lost = err
	s.q.put(p)
}

// heed is how long a feed is listened to before the list is looked at all the same.
func (s *sweeper) heed() time.Duration {
	switch {
	case !s.late.IsZero():
		return sweepSlow
	case s.proven:
		return sweepPushed
	}
	s.unheard = min(sweepPushed, max(sweepSlow, 2*s.unheard))
	return s.unheard
}

// wait lets time pass until it is worth to look again; by a feed it takes in what that tells,
// and is done when nothing runs any more.
func (s *sweeper) wait(ctx context.Context, interval time.Duration) error {
	if done, err := s.heardMeanwhile(ctx); done || err != nil {
		return err
	}
	if !s.late.IsZero() && s.c.cfg.Clock.Now().Sub(s.late) >= sweepSlow {
		s.lose(errSilent)
	}
	if s.heard == nil {
		return clock.Sleep(ctx, s.c.cfg.Clock, interval)
	}
	if _, missing := s.watermark(); missing == 0 {
		interval = s.heed()
	}
	timer := s.c.cfg.Clock.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case h := <-s.heard:
			if s.takeIn(ctx, h) {
				return ctx.Err()
			}
		case <-timer.C():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heardMeanwhile takes in what the feed has told while nobody listened, without waiting for it:
// a look at a long list takes its time, and the feed is not silent for that. done tells that
// there is nothing more to wait for.
func (s *sweeper) heardMeanwhile(ctx context.Context) (done bool, err error) {
	for s.heard != nil {
		select {
		case h := <-s.heard:
			if s.takeIn(ctx, h) {
				return s.heard != nil || ctx.Err() != nil, ctx.Err()
			}
		default:
			return false, nil
		}
	}
	return false, nil
}

// takeIn takes in what a feed tells: that there is no use in waiting for more, for all have
// ended or the feed is lost.
func (s *sweeper) takeIn(ctx context.Context, h Heard) (enough bool) {
	if h.Err != nil {
		if ctx.Err() == nil {
			s.lose(h.Err)
		}
		return true
	}
	s.hear(h.Ends)
	return s.count().Done()
}

// hear takes in ends, of the batch only. A redriven execution may end again, later.
func (s *sweeper) hear(ends []Ended) {
	s.proven, s.late = true, time.Time{}
	for _, e := range ends {
		old, ours := s.have[e.Name]
		if !ours || machineOf(e.Machine) != machineOf(s.machine) || old != nil && old.Redrives > e.Redrives {
			continue
		}
		d := e.Details
		d.Input = "" // a batch may be large, and nobody asks for it
		if d.Output != "" && (old == nil || old.Output == "") {
			if s.outputs++; s.outputs > s.successes && !s.c.cfg.Limits.Unlimited {
				d.Output = "" // as of those that would not be described
			}
		}
		s.have[e.Name], s.whole[e.Name] = &d, e.Whole
		delete(s.asked, e.Name)
	}
	s.tell(s.count())
}

func (s *sweeper) run(ctx context.Context) error {
	for _, n := range s.names {
		s.have[n] = nil
	}
	interval := sweepFirst
	for {
		if err := s.sweep(ctx); err != nil {
			return err
		}
		if err := s.seek(ctx); err != nil {
			return err
		}
		if s.ended && s.late.IsZero() {
			s.late = s.c.cfg.Clock.Now()
		}
		s.ended = false
		p := s.count()
		changed := s.tell(p)
		if p.Running == 0 && p.Missing <= len(s.asked) {
			break
		}
		if interval = min(sweepSlow, time.Duration(float64(interval)*sweepGrowth)); changed {
			interval = sweepFirst
		}
		if err := s.wait(ctx, interval); err != nil {
			return ctxFault("watch batch", err)
		}
	}
	return s.describe(ctx)
}

// tell hands on counts that differ from the last.
func (s *sweeper) tell(p BatchProgress) bool {
	before := s.told
	before.At = p.At
	if before == p {
		return false
	}
	s.told = p
	s.q.put(p)
	return true
}

func (s *sweeper) count() BatchProgress {
	p := BatchProgress{Total: len(s.have), At: s.c.cfg.Clock.Now()}
	for _, d := range s.have {
		if d == nil {
			p.Missing++
			continue
		}
		switch d.Status {
		case Running, PendingRedrive:
			p.Running++
		case Succeeded:
			p.Succeeded++
		case Failed:
			p.Failed++
		case TimedOut:
			p.TimedOut++
		case Aborted:
			p.Aborted++
		}
	}
	return p
}

// watermark is the start of the oldest execution that is not known to have
// ended: what started before need not be listed again.
func (s *sweeper) watermark() (oldest time.Time, missing int) {
	for _, d := range s.have {
		switch {
		case d == nil:
			missing++
		case !d.Status.Terminal() && (oldest.IsZero() || d.Start.Before(oldest)):
			oldest = d.Start
		}
	}
	return oldest, missing
}

// sweep reads the list, newest first, as far as it can tell something new.
func (s *sweeper) sweep(ctx context.Context) error {
	oldest, missing := s.watermark()
	if missing == 0 && oldest.IsZero() {
		return nil
	}
	req := &sfn.ListExecutionsInput{StateMachineArn: &s.machine, MaxResults: pageSize}
	pages := len(s.have)/pageSize + 1 + sparePages
	var last time.Time // the start of the last that was listed
	for range pages {
		page, _, err := call(ctx, s.c, opList, func(ctx context.Context) (*sfn.ListExecutionsOutput, error) {
			return s.c.cfg.API.ListExecutions(ctx, req)
		})
		if err != nil {
			return err
		}
		past := false
		for i := range page.Executions {
			e := fromItem(&page.Executions[i])
			if d, ok := s.have[e.Name]; ok {
				if d == nil {
					missing--
				}
				if d != nil && s.whole[e.Name] && (!e.Status.Terminal() || e.Redrives == d.Redrives) && e.Redrives <= d.Redrives {
					continue // the list lags behind what was heard
				}
				if s.heard != nil && d != nil && !d.Status.Terminal() && e.Status.Terminal() {
					s.ended = true
				}
				s.have[e.Name], s.whole[e.Name] = &Details{Execution: e}, false
			}
			past = !oldest.IsZero() && e.Start.Before(oldest)
			last = e.Start
		}
		if aws.ToString(page.NextToken) == "" || missing == 0 && (past || oldest.IsZero()) {
			return nil
		}
		next := *req
		next.NextToken = page.NextToken
		req = &next
	}
	return s.lift(ctx, last)
}

// lift describes, in turn, executions that are not known to have ended and started before
// since, so far down in the list that it is not read to there.
func (s *sweeper) lift(ctx context.Context, since time.Time) error {
	left := sunkEach
	for range s.names {
		name := s.names[s.lifted%len(s.names)]
		s.lifted++
		d := s.have[name]
		if d == nil || d.Status.Terminal() || d.Start.After(since) {
			continue
		}
		now, err := s.c.Describe(ctx, d.ARN)
		switch {
		case fault.KindOf(err) == fault.NotFound: // AWS has forgotten it
			s.have[name], s.asked[name] = nil, true
		case err != nil:
			return err
		default:
			s.have[name] = now
		}
		if left--; left == 0 {
			return nil
		}
	}
	return nil
}

// seek asks for executions that no list shows, one by one and each once, when
// they have had the time to appear.
func (s *sweeper) seek(ctx context.Context) error {
	if s.c.cfg.Clock.Now().Sub(s.began) < newcomer {
		return nil
	}
	for _, name := range s.names {
		if s.have[name] != nil {
			delete(s.asked, name)
			continue
		}
		if s.asked[name] {
			continue
		}
		arn, err := ExecutionARN(s.machine, name)
		if err != nil {
			return err
		}
		d, err := s.c.Describe(ctx, arn)
		switch {
		case err == nil:
			s.have[name] = d
		case fault.KindOf(err) == fault.NotFound:
			s.asked[name] = true
		default:
			return err
		}
	}
	return nil
}

// describe completes the details of what ended: all failures, and as many successes as are
// wanted. All batches that are watched share those who ask, so that what others ask for
// waits for few of them.
func (s *sweeper) describe(ctx context.Context) error {
	var todo []*Details
	succeeded := 0
	for _, name := range s.names {
		d := s.have[name]
		if d == nil || s.whole[name] {
			continue
		}
		if d.Status == Succeeded {
			if succeeded++; succeeded > s.successes && !s.c.cfg.Limits.Unlimited {
				continue
			}
		}
		todo = append(todo, d)
	}
	jobs := make(chan *Details)
	var mu sync.Mutex
	var first error
	progress := s.told
	progress.ToRead = len(todo)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var work sync.WaitGroup
	for range describers {
		work.Go(func() {
			for d := range jobs {
				full, err := s.describeOne(ctx, d.ARN)
				if err == nil && full.Status.Terminal() {
					*d = *full
				}
				mu.Lock()
				if err == nil {
					progress.Read++
					s.q.put(progress)
				} else {
					first = cmp.Or(first, err)
					stop()
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, d := range todo {
		select {
		case jobs <- d:
		case <-ctx.Done():
			break feed
		}
	}
	close(jobs)
	work.Wait()
	if first == nil && ctx.Err() != nil {
		return ctxFault("watch batch", ctx.Err())
	}
	return first
}

// describeOne asks for one execution, when it is its turn among all batches.
func (s *sweeper) describeOne(ctx context.Context, arn string) (*Details, error) {
	select {
	case s.c.describing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctxFault("watch batch", ctx.Err())
	}
	defer func() { <-s.c.describing }()
	return s.c.Describe(ctx, arn)
}

func (s *sweeper) result() []Details {
	out := make([]Details, len(s.names))
	for i, name := range s.names {
		if d := s.have[name]; d != nil {
			out[i] = *d
			continue
		}
		out[i].Name = name
		if arn, err := ExecutionARN(s.machine, name); err == nil {
			out[i].ARN = arn
		}
		out[i].Machine = machineOf(s.machine)
	}
	return out
}
