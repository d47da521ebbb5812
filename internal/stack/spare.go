package stack

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// A disk may fill up in the middle of an operation. The engine writes a state beside the
// old one and renames it, also where only half of it could be written, and half of it
// then gets into the copies, too. It tries each writing again for half a minute. So an
// operation holds room of its own on the backend's disk, and keeps in mind the newest
// whole state that it has seen. When the disk is nearly full, or a state is cut off, the
// room is given back, which lets the engine's next try come to its end, and the
// operation is stopped in good order. Should the state be cut off all the same at the
// end, since somebody takes each byte that comes free, the whole one takes its place: it is
// written over room that was held for it and for nobody else.

// spareRoom is what is held, besides room for the states that are written until the
// operation has stopped.
const spareRoom = 2 << 20

// lastRoom is what is held for the state that is put back, besides twice its size, and noteRoom for
// the note of that.
const (
	lastRoom = 512 << 10
	noteRoom = 64 << 10
)

// reserved is room in a file without a name, for what is to be written however full the disk is; nil
// if that cannot be had.
type reserved struct {
	file *os.File
	size int64
}

func reserve(dir string, size int64) *reserved {
	f, err := unnamed(dir)
	if err != nil {
		return nil
	}
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		_ = f.Close()
		return nil
	}
	return &reserved{f, size}
}

// become makes it the file of a path, with a content.
func (r *reserved) become(path string, raw []byte) error {
	if r == nil || int64(len(raw)) > r.size {
		return ErrNoRoom
	}
	if _, err := r.file.WriteAt(raw, 0); err != nil {
		return err
	}
	if err := errors.Join(r.file.Truncate(int64(len(raw))), r.file.Sync()); err != nil {
		return err
	}
	beside := path + ".whole"
	_ = os.Remove(beside)
	if err := name(r.file, beside); err != nil {
		return err
	}
	return os.Rename(beside, path)
}

func (r *reserved) close() {
	if r != nil {
		_ = r.file.Close()
	}
}

// sparePoll is how often is looked, besides after each event of the engine; from
// seldomFrom bytes of a state on not after these.
const (
	sparePoll  = 200 * time.Millisecond
	seldomFrom = 1 << 20
)

// sparePatience is how long is waited for the last look, on a mount that is dead.
const sparePatience = 5 * time.Second

// ErrNoRoom is in the error of an operation that was stopped since the disk of its state is full.
var ErrNoRoom = errors.New("no space left on device")

// ofFullDisk is what the engine says of a disk that is full.
var ofFullDisk = lazyregexp.New(`(?i)no space left on device|disk quota exceeded`)

// spare is the room of one operation, and the states it has seen. All but the channels belongs
// to the goroutine that watches, until that has ended.
type spare struct {
	run  *Run
	dir  string
	free func(dir string) (int64, error)

	held  *os.File // nil when it is given back
	fresh bool     // there was no state when the operation began
	seen  fs.FileInfo
	whole [2][]byte // the newest that seemed to be so come first
	full  bool

	last, note *reserved // for the state, and for the note that it was put back

	nudged, ends, ended chan struct{}
}

// holdSpare holds room for an operation, where that can be done.
func (r *Run) holdSpare() error {
	root, ok := fileBackend(r.engine.opts.Backend)
	if !ok || !r.records() {
		return nil
	}
	dir, _, known := freeAt(root, r.engine.free)
	if !known {
		return nil
	}
	s := &spare{run: r, dir: dir, free: r.engine.free, nudged: make(chan struct{}, 1), ends: make(chan struct{}), ended: make(chan struct{})}
	file, exists, _ := r.engine.stackFile(r.job.Stack)
	s.fresh = !exists
	size := spareRoom + 4*sizeOf(file)
	f, err := os.CreateTemp(dir, ".pipelinetui-room-*")
	if err != nil {
		return nil //nolint:nilerr // whether it may write there says writable
	}
	_ = os.Remove(f.Name()) // it goes with the process
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		_ = f.Close()
		if isFull(err) {
			return noRoom(r, root, "there is less than the operation has to hold free for the state")
		}
		return nil
	}
	s.held, r.spare = f, s
	s.last = reserve(dir, lastRoom+2*sizeOf(file))
	if r.engine.prepare(r.place) == nil {
		s.note = reserve(r.place.dir, noteRoom)
	}
	go s.watch()
	return nil
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (s *spare) watch() {
	defer close(s.ended)
	tick := time.NewTicker(sparePoll)
	defer tick.Stop()
	for {
		s.look()
		nudged := s.nudged
		if s.seen != nil && s.seen.Size() > seldomFrom {
			nudged = nil
		}
		select {
		case <-s.ends:
			return
		case <-nudged:
		case <-tick.C:
		}
	}
}

// nudge has it look soon: the engine has said something, and written its state before.
func (s *spare) nudge() {
	if s == nil {
		return
	}
	select {
	case s.nudged <- struct{}{}:
	default:
	}
}

// look keeps the state if it is a new one and whole, and gives the room back if the disk is
// nearly full.
func (s *spare) look() {
	file, exists, _ := s.run.engine.stackFile(s.run.job.Stack)
	broken := false
	size := int64(0)
	if info, err := os.Stat(file); exists && err == nil {
		size = info.Size()
		if s.seen == nil || !os.SameFile(s.seen, info) || !s.seen.ModTime().Equal(info.ModTime()) {
			s.seen = info
			raw, err := readRegular(file)
			switch {
			case err != nil:
			case seemsWhole(s.run.job.Stack, raw):
				s.whole[1], s.whole[0] = s.whole[0], raw
			default:
				broken = true
			}
		}
	}
	if s.full {
		return
	}
	free, err := s.free(s.dir)
	if low := err == nil && free < 2*size+64<<10; low || broken && s.whole[0] != nil {
		s.full = true
		s.giveBack()
		s.run.Cancel()
	}
}

// seemsWhole tells states that are cut off, without reading them: the engine writes them
// indented, so that a brace stands at the beginning of the last line only.
func seemsWhole(stack string, raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' || !bytes.Contains(raw, []byte("\n")) {
		_, err := decodeCheckpoint(stack, raw)
		return err == nil || errors.Is(err, errForeign)
	}
	return bytes.HasSuffix(raw, []byte("\n}"))
}

func (s *spare) giveBack() {
	if s.held != nil {
		_ = s.held.Close()
		s.held = nil
	}
}

// end ends the watching; false if it could not be waited for.
func (s *spare) end() bool {
	close(s.ends)
	select {
	case <-s.ended:
		return true
	case <-time.After(sparePatience):
		return false
	}
}

// rescue puts the newest whole state in the place of one that a full disk has cut off.
func (r *Run) rescue(err error) {
	s := r.spare
	if s == nil || !s.end() {
		return
	}
	defer s.giveBack()
	defer s.last.close()
	s.look() // the last may have been written since
	r.full = s.full || r.sawFullDisk(err)
	if !r.full {
		return
	}
	file, exists, _ := r.engine.stackFile(r.job.Stack)
	raw, err := readRegular(file)
	if !exists || err == nil && r.intact(raw) {
		return
	}
	if s.fresh && s.whole[0] == nil && !r.sawEngine() {
		_ = os.Remove(file) // nothing was begun under it
		return
	}
	for _, raw := range s.whole {
		if raw == nil || !r.intact(raw) {
			continue
		}
		s.giveBack()
		r.lost = true
		err := wholefile.WriteFile(file, raw, 0o600)
		if err != nil && s.last.become(file, raw) == nil {
			err = nil
		}
		if err != nil {
			r.warn("the disk is full, and the state in %s is cut off. The newest whole one could not be put in its place: %v. "+
				"The next up, refresh or destroy does that, when there is space", file, fault.Reason(err))
			return
		}
		r.warn("the disk was full, and the state in %s was cut off: the newest whole one is in its place. "+
			"The next up, refresh or destroy looks for what was made after it", file)
		return
	}
}

func (r *Run) intact(raw []byte) bool {
	_, err := decodeCheckpoint(r.job.Stack, raw)
	return err == nil || errors.Is(err, errForeign)
}

// sawFullDisk tells whether the engine has said that the disk is full.
func (r *Run) sawFullDisk(err error) bool {
	if err == nil {
		return false
	}
	d, _ := r.progress.FirstError()
	r.mu.Lock()
	defer r.mu.Unlock()
	return isFull(err) || ofFullDisk.MatchString(err.Error()) || ofFullDisk.MatchString(d.Message) || ofFullDisk.MatchString(r.output.stderr)
}

// Lost tells whether a full disk has cut off the state of a stack in an operation of this machine:
// what is there now is the one before, or is still damaged, and what was made after that is
// in nobody's books.
func (e *Engine) Lost(stack string) bool {
	known := e.outcomes(e.place(stack, nil))
	return known.Change != nil && known.Change.Lost || known.Refresh != nil && known.Refresh.Lost
}

// noteLost writes down that a state was put back, if that has found no room.
func (r *Run) noteLost(o *outcome) {
	if r.spare == nil {
		return
	}
	defer r.spare.note.close()
	if !r.lost || r.engine.Lost(r.job.Stack) {
		return
	}
	known := r.engine.outcomes(r.place)
	*known.of(r.op) = o
	raw, err := json.Marshal(known)
	if err == nil {
		err = r.spare.note.become(r.place.outcomeFile(), raw)
	}
	if err != nil {
		r.engine.log.Warn("that a state was put back cannot be written down", "path", r.place.outcomeFile(), "error", err)
	}
}

// Found forgets that.
func (e *Engine) Found(stack string) {
	p := e.place(stack, nil)
	known := e.outcomes(p)
	for _, was := range []*outcome{known.Change, known.Refresh} {
		if was != nil && was.Lost {
			is := *was
			is.Lost = false
			e.setOutcome(p, was.Operation, &is, was)
		}
	}
}

// noRoom is the error of an operation that a full disk keeps from being begun.
func noRoom(r *Run, root, why string) error {
	return fault.New(fault.Invalid, "%s of %s: no space left on device: %s: %s", r.op, r.job.Stack, root, why).
		WithHint("Nothing was changed. Free some space and try again.").Because(ErrNoRoom)
}

// fullFault is the error of an operation that was stopped since the disk is full.
func (r *Run) fullFault(op string, began bool, cause error) error {
	root := filepath.Clean(r.spare.dir)
	err := &fault.Error{
		Kind: fault.Deployment, Op: op, Msg: "no space left on device: the disk of " + root + " is full, so that the operation was stopped while its state could still be written",
		Hint: "What was in flight is recorded. Free some space and run the same command again: it goes on.", Err: errors.Join(ErrNoRoom, cause),
	}
	switch {
	case r.lost:
		err.Msg = "no space left on device: the disk of " + root + " is full, and the operation was stopped"
		err.Hint = "Free some space and run the same command again: it looks for what was made and not recorded, and goes on."
	case !began:
		err.Hint = "Nothing was changed. Free some space and try again."
	}
	return err
}
