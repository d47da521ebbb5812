package executions

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// launchers is how many starts are under way at once. At 300 starts a second and
// 100 ms each, 30 would do; the rest is for slow answers.
const launchers = 64

// LaunchInput asks for a batch: a named set of executions of one machine.
type LaunchInput struct {
	// Machine is the ARN of a state machine, version or (best) alias.
	Machine string
	// Made is when the machine was made, as far as that is known: what a journal says of one
	// that had its ARN before is not believed.
	Made time.Time
	// Batch names the set; its executions are called BatchName(Batch, 1), ...
	Batch string
	// Items are the inputs in order. An item with an error, or whose input is not
	// valid, fails alone.
	Items iter.Seq2[[]byte, error]
	// Journal is a file that records what was started, so that the same launch
	// can be repeated after a crash without a second start; "" keeps none. Two
	// launches with one journal run one after the other, in whichever processes
	// of this machine, so that each execution is counted as started once.
	Journal string
	// Busy, if set, is called when the launch has to wait for another one. It is
	// called from the launch's goroutine.
	Busy func()
}

// BatchName is the name of the execution with this number (from 1) in a batch.
func BatchName(batch string, number int) string { return fmt.Sprintf("%s-%06d", batch, number) }

// OfBatch tells whether this is the name of an execution of the batch: what follows its name
// is a number as BatchName writes it, so that "monday-2-000001" is none of batch "monday".
func OfBatch(batch, name string) bool {
	digits, ok := strings.CutPrefix(name, batch+"-")
	if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	number, err := strconv.Atoi(digits)
	return err == nil && BatchName(batch, number) == name
}

// BatchNumber is the number in the name of an execution of a batch, 0 of any other.
func BatchNumber(name string) int {
	n, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	if err != nil {
		return 0
	}
	return n
}

// ValidateBatch reports whether batch may name a batch.
func ValidateBatch(batch string) error {
	if n := utf8.RuneCountInString(batch); n > MaxName-7 {
		return fault.New(fault.Invalid, "batch name has %d characters, 1 to %d are allowed", n, MaxName-7).WithHint("Choose a shorter --batch.")
	}
	if err := ValidateName(batch); err != nil {
		return fault.New(fault.Invalid, "batch name %q is not valid: %s", batch, err).WithHint("Use letters, digits, '-' and '_'.")
	}
	return nil
}

// LaunchEvent tells of one item of a batch. Items are started side by side, so
// events do not come in order.
type LaunchEvent struct {
	// Index is the item's number, from 1.
	Index int    `json:"index"`
	Name  string `json:"name"`
	ARN   string `json:"arn,omitempty"`
	// Existed says that an earlier launch of the same batch had started it.
	Existed bool  `json:"existed,omitempty"`
	Err     error `json:"-"` // a *fault.Error
}

// LaunchResult counts a batch's items.
type LaunchResult struct {
	Started int `json:"started"`
	Existed int `json:"existed"`
	Failed  int `json:"failed"`
}

// Launch is a running launch.
type Launch struct {
	events chan LaunchEvent
	done   chan struct{}
	cancel context.CancelFunc

	result LaunchResult
	err    error
}

// Events is closed after the last item's event, or soon after Cancel. It has one
// consumer, which may be slow. Whoever does not read it to its end must call
// Cancel.
func (l *Launch) Events() <-chan LaunchEvent { return l.events }

// Wait returns when all items were dealt with. The error is that which ended the
// launch before its end: cancellation, missing permission, a machine that does
// not exist, a journal that cannot be written. Items that failed alone are
// counted and no error.
func (l *Launch) Wait() (LaunchResult, error) {
	<-l.done
	return l.result, l.err
}

// Done is closed when Wait would return at once.
func (l *Launch) Done() <-chan struct{} { return l.done }

// Cancel stops starting; what was started goes on.
func (l *Launch) Cancel() { l.cancel() }

// Launch starts a batch at the pace that the quota of StartExecution allows. The
// names are deterministic: launching the same batch again starts what is missing
// and nothing twice.
func (c *Client) Launch(ctx context.Context, in LaunchInput) *Launch {
	ctx, cancel := context.WithCancel(patiently(ctx))
	l := &Launch{events: make(chan LaunchEvent), done: make(chan struct{}), cancel: cancel}
	q := newQueue[LaunchEvent]()
	go func() {
		defer close(l.done)
		defer q.close()
		l.result, l.err = c.launch(ctx, in, q)
	}()
	go q.relay(ctx, l.events)
	return l
}

type launchItem struct {
	index int
	input []byte
	err   error
}

func (c *Client) launch(ctx context.Context, in LaunchInput, q *queue[LaunchEvent]) (LaunchResult, error) {
	if err := ValidateBatch(in.Batch); err != nil {
		return LaunchResult{}, err
	}
	if _, err := ExecutionARN(in.Machine, in.Batch); err != nil {
		return LaunchResult{}, err
	}
	j, err := openJournal(ctx, c.cfg.Clock, in)
	if err != nil {
		return LaunchResult{}, err
	}
	run := &launchRun{c: c, in: in, q: q, journal: j}
	err = run.all(ctx)
	return run.result, errors.Join(err, j.close())
}

// launchRun is the state of one launch.
type launchRun struct {
	c       *Client
	in      LaunchInput
	q       *queue[LaunchEvent]
	journal *journal

	mu     sync.Mutex
	result LaunchResult
	fatal  error
}

func (r *launchRun) all(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	jobs := make(chan launchItem)
	var work sync.WaitGroup
	for range launchers {
		work.Go(func() {
			for it := range jobs {
				if err := r.one(ctx, it); err != nil {
					r.fail(err)
					stop(err)
				}
			}
		})
	}
	r.feed(ctx, jobs)
	close(jobs)
	work.Wait()
	if r.fatal != nil {
		return r.fatal
	}
	if err := ctx.Err(); err != nil {
		return ctxFault("launch", err)
	}
	return nil
}

func (r *launchRun) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal == nil {
		r.fatal = err
	}
}

func (r *launchRun) feed(ctx context.Context, jobs chan<- launchItem) {
	index := 0
	for input, err := range r.in.Items {
		index++
		select {
		case jobs <- launchItem{index: index, input: input, err: err}:
		case <-ctx.Done():
			return
		}
	}
}

// one starts one item. It returns only errors that would meet every other item
// too.
func (r *launchRun) one(ctx context.Context, it launchItem) error {
	ev := LaunchEvent{Index: it.index, Name: BatchName(r.in.Batch, it.index)}
	err := it.err
	if err == nil {
		err = ValidateInput(it.input)
	}
	if err != nil {
		r.tell(ev, fault.Wrap(err, "item %d", it.index))
		return nil
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // not begun, so there is nothing to tell
	}
	known, err := r.journal.find(it.index, it.input)
	if err != nil {
		r.tell(ev, err)
		return nil
	}
	if known != "" {
		ev.ARN, ev.Existed = known, true
		r.tell(ev, nil)
		return nil
	}
	s, err := r.c.Start(ctx, StartInput{
		Machine: r.in.Machine, Name: ev.Name, Input: it.input, Resume: true,
		Journal: func(string) error { return r.journal.begin(it.index) },
	})
	switch {
	case err == nil:
		ev.ARN, ev.Existed = s.ARN, s.Existed
		r.tell(ev, nil)
		return r.journal.done(it.index, s.ARN, it.input)
	case ctx.Err() != nil:
		return nil //nolint:nilerr // cut off: the next launch finds out what became of it
	}
	r.tell(ev, err)
	switch fault.KindOf(err) {
	case fault.Denied, fault.Unauthenticated, fault.NotFound, fault.Unreachable: // what has waited for the network has waited for all
		return err
	}
	return nil
}

func (r *launchRun) tell(ev LaunchEvent, err error) {
	ev.Err = err
	r.mu.Lock()
	switch {
	case err != nil:
		r.result.Failed++
	case ev.Existed:
		r.result.Existed++
	default:
		r.result.Started++
	}
	r.mu.Unlock()
	r.q.put(ev)
}
