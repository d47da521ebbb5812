package executions

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// journal is a batch's record: JSON lines, first a head, then for each item a
// line before and one after its start. Lines survive a crash of the program;
// those lost in a crash of the machine only cost a look whether the execution
// exists, since names are deterministic. One launch has it at a time: another of the
// same batch waits for it, and then finds what the first has started. A nil *journal
// keeps nothing.
type journal struct {
	mu   sync.Mutex
	file *os.File
	have map[int]journalLine // items that were started
}

type journalHead struct {
	Version int    `json:"version"`
	Machine string `json:"stateMachineArn"`
	Batch   string `json:"batch"`
	// Made is when the machine was made, Began when the journal was; zero if it is not known.
	Made  time.Time `json:"machineCreated,omitzero"`
	Began time.Time `json:"began,omitzero"`
}

// remembered is how long an execution is there for sure after its end
// (step-functions/latest/dg/service-quotas.html: execution history retention).
const remembered = 90 * 24 * time.Hour

// believed tells whether what a journal says was started may still be there: it is of the same
// machine, and not of another one that had the same name, and so young that none of its
// executions is forgotten. written is when an older program has written to it last, which
// did not say more.
func (h journalHead) believed(now journalHead, written time.Time) bool {
	if h.Began.IsZero() {
		h.Began = written
	}
	if now.Began.Sub(h.Began) >= remembered {
		return false
	}
	if h.Made.IsZero() {
		return now.Made.Before(h.Began)
	}
	return now.Made.IsZero() || now.Made.Equal(h.Made)
}

type journalLine struct {
	Index int    `json:"index"`
	ARN   string `json:"arn,omitempty"` // absent: about to be started
	Hash  string `json:"input,omitempty"`
}

const journalVersion = 1

// lockPause is how long a launch waits before it looks again whether the journal
// is free.
const lockPause = 100 * time.Millisecond

// openJournal takes a batch's journal. While another launch has it, busy (which
// may be nil) is called once and it waits, on clk, as long as ctx lasts.
func openJournal(ctx context.Context, clk clock.Clock, in LaunchInput) (*journal, error) {
	path := in.Journal
	if path == "" {
		return nil, nil // a nil journal keeps nothing
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, journalFault(path, err)
	}
	f, err := wholefile.Open(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) // the caller names the file
	if err != nil {
		return nil, journalFault(path, err)
	}
	for told := false; ; told = true {
		free, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(journalFault(path, err), f.Close())
		}
		if free {
			break
		}
		if !told && in.Busy != nil {
			in.Busy()
		}
		if err := clock.Sleep(ctx, clk, lockPause); err != nil {
			return nil, errors.Join(fault.Wrap(ctxFault("launch", err), "batch %s, which another process is starting", in.Batch), f.Close())
		}
	}
	j := &journal{file: f, have: map[int]journalLine{}}
	if err := j.load(path, journalHead{journalVersion, in.Machine, in.Batch, in.Made.UTC(), clk.Now().UTC()}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func journalFault(path string, err error) error {
	return fault.New(fault.Internal, "cannot use the batch journal %s: %s", path, err).Because(err).
		WithHint("Check the folder's permissions and free space.")
}

// load reads what an earlier launch wrote. A last line without an end, which a
// crash leaves, is cut off; and all of it if it is not to be believed any more: AWS is asked
// for each execution then.
func (j *journal) load(path string, want journalHead) error {
	info, err := j.file.Stat()
	if err != nil {
		return journalFault(path, err)
	}
	rd := bufio.NewReader(j.file)
	var good int64
	for n := 0; ; n++ {
		line, err := rd.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return journalFault(path, err)
		}
		if n == 0 {
			var head journalHead
			if err := json.Unmarshal(line, &head); err != nil {
				return journalFault(path, fmt.Errorf("its first line is not a journal's: %w", err))
			}
			if head.Version != want.Version || head.Machine != want.Machine || head.Batch != want.Batch {
				return fault.New(fault.Conflict, "the journal %s is of batch %q of %s", path, head.Batch, head.Machine).
					WithHint("Choose another --batch.")
			}
			if !head.believed(want, info.ModTime()) {
				break
			}
		} else {
			var l journalLine
			if err := json.Unmarshal(line, &l); err != nil {
				return journalFault(path, fmt.Errorf("line %d: %w", n+1, err))
			}
			if l.ARN != "" {
				j.have[l.Index] = l
			}
		}
		good += int64(len(line))
	}
	if err := j.file.Truncate(good); err != nil {
		return journalFault(path, err)
	}
	if good > 0 {
		return nil
	}
	if err := j.write(want); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return journalFault(path, err)
	}
	return nil
}

func (j *journal) write(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(raw, '\n')); err != nil {
		return journalFault(j.file.Name(), err)
	}
	return nil
}

// find returns the ARN of an item that an earlier launch started. It is a
// Conflict if that was with another input.
func (j *journal) find(index int, input []byte) (string, error) {
	if j == nil {
		return "", nil
	}
	l, ok := j.have[index] // not changed after load
	if !ok {
		return "", nil
	}
	if l.Hash != hashOf(input) {
		return "", fault.New(fault.Conflict, "item %d of the batch was started with a different input", index).
			WithHint("Choose another --batch for changed inputs.")
	}
	return l.ARN, nil
}

func (j *journal) begin(index int) error {
	if j == nil {
		return nil
	}
	return j.write(journalLine{Index: index})
}

func (j *journal) done(index int, arn string, input []byte) error {
	if j == nil {
		return nil
	}
	return j.write(journalLine{Index: index, ARN: arn, Hash: hashOf(input)})
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	if err := errors.Join(j.file.Sync(), j.file.Close()); err != nil {
		return journalFault(j.file.Name(), err)
	}
	return nil
}

func hashOf(input []byte) string {
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:12])
}

// JournalCounts is what a batch's journal tells.
type JournalCounts struct {
	// Started is how many executions were started, Unsure of how many that is not known: the
	// program ended meanwhile. Launching the batch again finds out.
	Started int `json:"started"`
	Unsure  int `json:"unsure"`
	// Changed is when it was written last.
	Changed time.Time `json:"changed"`
}

// ReadJournal reads a batch's journal while nobody is kept from it. A last line that is
// being written does not count.
func ReadJournal(path string) (JournalCounts, error) {
	f, err := wholefile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return JournalCounts{}, journalFault(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return JournalCounts{}, journalFault(path, err)
	}
	out := JournalCounts{Changed: info.ModTime().UTC()}
	begun := map[int]bool{}
	rd := bufio.NewReader(f)
	for n := 0; ; n++ {
		line, err := rd.ReadBytes('\n')
		if err != nil {
			out.Unsure = len(begun)
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return out, journalFault(path, err)
		}
		var l journalLine
		if n == 0 || json.Unmarshal(line, &l) != nil {
			continue
		}
		if l.ARN == "" {
			begun[l.Index] = true
			continue
		}
		delete(begun, l.Index)
		out.Started++
	}
}
