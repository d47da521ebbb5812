package stack

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// The history of a backend tells that an operation failed, not why, nor that it was
// cancelled; of one that was killed it tells nothing at all. So each operation is
// written down in the stack's work directory: before it begins, and when it ends.
// Other machines know what the backend knows.

// outcome is an operation that this machine has run.
type outcome struct {
	Operation Operation `json:"operation"`
	Started   time.Time `json:"started"`
	// Ended is zero as long as the operation runs, or if it was killed.
	Ended   time.Time `json:"ended,omitzero"`
	Result  Outcome   `json:"result,omitempty"`
	Error   string    `json:"error,omitempty"`
	Message string    `json:"message,omitempty"`
	// Lost tells that a full disk has cut the state off, see Engine.Lost.
	Lost bool `json:"lost,omitempty"`
	// Who runs it, as in a lock.
	User string `json:"user,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
}

// outcomes are the newest of each kind.
type outcomes struct {
	Change  *outcome `json:"change,omitempty"` // up and destroy
	Refresh *outcome `json:"refresh,omitempty"`
	// Past are the changes before, those that came to no good end, the newest first.
	Past []outcome `json:"past,omitempty"`
}

// pastMost is how many of them are kept: more than there are revisions.
const pastMost = 30

// remember keeps what a change came to, when the next one takes its place.
func (o *outcomes) remember(was *outcome) {
	if was == nil || was.Ended.IsZero() || was.Result == Succeeded || slices.ContainsFunc(o.Past, func(p outcome) bool { return was.same(&p) }) {
		return
	}
	o.Past = slices.Insert(o.Past, 0, *was)
	o.Past = o.Past[:min(len(o.Past), pastMost)]
}

func (o *outcomes) of(op Operation) **outcome {
	if op == OperationRefresh {
		return &o.Refresh
	}
	return &o.Change
}

func (p place) outcomeFile() string { return filepath.Join(p.dir, "operations.json") }

// outcomes reads what is written down; a file that cannot be read says nothing.
func (e *Engine) outcomes(p place) outcomes {
	var o outcomes
	raw, err := readRegular(p.outcomeFile())
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.log.Warn("what is written down about operations cannot be read", "path", p.outcomeFile(), "error", err)
		return outcomes{}
	}
	return o
}

// setOutcome writes down one operation, nil forgets it, and returns what was there. With
// only it does so if that is what is there: another process may have written meanwhile.
// It is only a help: a full disk must not stop an operation here.
func (e *Engine) setOutcome(p place, op Operation, to, only *outcome) (before *outcome) {
	l := e.dirLock(p.dir)
	l.Lock()
	defer l.Unlock()
	o := e.outcomes(p)
	before = *o.of(op)
	if only != nil && !only.same(before) {
		return before
	}
	if op != OperationRefresh && !before.same(to) {
		o.remember(before)
	}
	*o.of(op) = to
	raw, err := json.Marshal(o)
	if err == nil {
		err = wholefile.WriteFile(p.outcomeFile(), raw, 0o600)
	}
	if err != nil {
		e.log.Warn("an operation cannot be written down", "path", p.outcomeFile(), "error", err)
	}
	return before
}

// same tells whether two notes are of one operation.
func (o *outcome) same(other *outcome) bool {
	return o != nil && other != nil && o.Operation == other.Operation && o.Started.Equal(other.Started) && o.Host == other.Host && o.PID == other.PID
}

// records tells whether the operation is one to write down.
func (r *Run) records() bool { return r.op != OperationPreview && !r.job.DryRun }

// begun is the operation that a process of this machine is at, as the holder of a lock;
// false if there is none, or it cannot be told.
func (e *Engine) begun(p place) (Lock, bool) {
	known := e.outcomes(p)
	for _, o := range []*outcome{known.Change, known.Refresh} {
		if o == nil || !o.Ended.IsZero() || o.PID == 0 {
			continue
		}
		host, err := os.Hostname()
		l := Lock{Where: p.outcomeFile(), User: o.User, Host: o.Host, PID: o.PID, Since: o.Started}
		if err == nil && host == o.Host && !isStale(l) {
			return l, true
		}
	}
	return Lock{}, false
}

// noteBegin writes the operation down before it begins, and before a new stack is made:
// whoever looks then shall not take it for one that nobody is at.
func (r *Run) noteBegin() {
	if !r.records() {
		return
	}
	if err := r.engine.prepare(r.place); err != nil {
		return // the operation itself says so
	}
	o := &outcome{Operation: r.op, Started: time.Now().UTC(), Message: r.job.Message, PID: os.Getpid()}
	o.Host, _ = os.Hostname() // as a lock's owner: if it is not known, nobody can tell whether it runs
	if u, err := user.Current(); err == nil {
		o.User = u.Username
	}
	r.noted = o
	r.before = r.engine.setOutcome(r.place, r.op, o, nil)
}

// noteEnd writes down how it ended. One that the engine never began (a lock was in
// the way, the passphrase was wrong) leaves what was there, and what the one that
// held the lock has written meanwhile.
func (r *Run) noteEnd(res Result) {
	if r.noted == nil {
		return
	}
	if !r.sawEngine() && res.Outcome != Succeeded && !r.lost {
		r.noteLost(nil)
		r.engine.setOutcome(r.place, r.op, r.before, r.noted)
		return
	}
	o := *r.noted
	o.Ended, o.Result, o.Lost = time.Now().UTC(), res.Outcome, r.lost
	var f *fault.Error
	if errors.As(r.err, &f) {
		o.Error = firstLine(f.Msg) // without the name of the operation
	}
	r.engine.setOutcome(r.place, r.op, &o, nil)
	r.noteLost(&o)
}

// withOutcomes adds to a history, the newest first and at most limit (0: all), what
// this machine knows.
func (e *Engine) withOutcomes(p place, history []Update, limit int) []Update {
	known := e.outcomes(p)
	for _, o := range []*outcome{known.Change, known.Refresh} {
		if o != nil {
			history = o.addTo(history)
		}
	}
	for i := range known.Past {
		known.Past[i].explain(history)
	}
	if limit > 0 && len(history) > limit {
		history = history[:limit]
	}
	return history
}

// explain says of the update of a history that it is of why it failed.
func (o *outcome) explain(history []Update) {
	for i := len(history) - 1; i >= 0; i-- { // the newest come first, and it is the first that began when it did
		u := &history[i]
		if operationOf(u.Kind) != o.Operation || !u.Start.After(o.Started.Add(-historySlack)) {
			continue
		}
		if !u.Start.After(o.Ended) && u.Result != string(Succeeded) && u.Error == "" {
			u.Error = o.Error
			if o.Result == Canceled {
				u.Result = ResultCanceled
			}
		}
		return
	}
}

// historySlack is how far the engine's time may be from ours: it is kept in whole
// seconds.
const historySlack = time.Second

func (o *outcome) addTo(history []Update) []Update {
	i := slices.IndexFunc(history, func(u Update) bool { return operationOf(u.Kind) == o.Operation })
	if i >= 0 && history[i].Start.After(o.Started.Add(-historySlack)) {
		u := &history[i]
		if o.Ended.IsZero() || u.Start.After(o.Ended) || u.Result == string(Succeeded) && o.Result == Succeeded {
			return history // a later one, of another machine; or it says all there is to say
		}
		// Of a destroy that was stopped the engine says that it went well.
		u.Error = o.Error
		if o.Result != Succeeded {
			u.Result = string(o.Result)
		}
		return history
	}
	u := Update{Version: 1, Kind: kindOf(o.Operation), Message: o.Message, Start: o.Started, End: o.Ended, Error: o.Error, Result: string(o.Result)}
	at := slices.IndexFunc(history, func(u Update) bool { return !u.Start.After(o.Started) })
	if at < 0 {
		at = len(history)
	}
	if len(history) > 0 {
		u.Version = history[min(at, len(history)-1)].Version
		if at == 0 {
			u.Version++
		}
	}
	switch {
	case !o.Ended.IsZero() && o.Result == Succeeded:
		return history // it changed nothing that the backend would keep, or the stack was made anew
	case o.Ended.IsZero() && !isStale(Lock{User: o.User, Host: o.Host, PID: o.PID, Since: o.Started}):
		return history // it runs: the lock tells
	case o.Ended.IsZero():
		u.Result, u.Error = ResultInterrupted, "the process that ran it is gone"
	}
	return slices.Insert(history, at, u)
}

// operationOf is the operation that the backend calls by a kind.
func operationOf(kind string) Operation {
	if kind == "update" {
		return OperationUp
	}
	return Operation(kind)
}

func kindOf(op Operation) string {
	if op == OperationUp {
		return "update"
	}
	return string(op)
}
