// Package watch owns the knowledge of what is being evaluated, so that an execution
// which takes the daemon down again and again can be told from the others.
package watch

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Watch knows which executions are being evaluated, so that the next start can
// tell which of them took the daemon down. What it knows is in a file: a write to
// it costs a microsecond and no sync, and outlives the process that is killed, if
// not the machine. Executions that wait, for a time, a task or a token, are not
// being evaluated.
type Watch struct {
	db     *store.DB
	log    *slog.Logger
	mu     sync.Mutex
	file   *os.File // nil if nothing is watched
	free   []int64
	slots  int64
	deaths map[string]deathRecord // by execution; read once

	// suspect is held while an execution is evaluated that was being evaluated at
	// an earlier death: one at a time, so that the next death names one of them.
	suspect sync.Mutex
}

// deathRecord is stored for an execution that was being evaluated when the daemon
// died. Each place is the stored cursor of a branch: one that got on since the
// last death begins anew.
type deathRecord struct {
	Places map[string]int `json:"places"` // place -> consecutive deaths
}

func (d deathRecord) count() int {
	n := 0
	for _, c := range d.Places {
		n = max(n, c)
	}
	return n
}

// slotSize bounds an entry: the execution's key and the branch's path.
const slotSize = 1024

// New makes a watch that watches nothing until Open.
func New(db *store.DB, log *slog.Logger) *Watch {
	return &Watch{db: db, log: log, deaths: map[string]deathRecord{}}
}

// Place names where a branch of an execution stands in the store: a text that is
// another one once the branch got on.
type Place func(tx *store.Tx, execution, path string) (string, error)

// Open reads what was being evaluated when the last process ended, counts
// it, and begins anew. An empty file watches nothing.
func (w *Watch) Open(file string, place Place) error {
	if file == "" {
		return nil
	}
	raw, err := wholefile.Read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what was being evaluated: %w", err)
	}
	if err := w.countDeaths(entries(raw), place); err != nil {
		return err
	}
	f, err := wholefile.Open(file, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("watch evaluations: %w", err)
	}
	w.file = f
	return nil
}

// entries are the filled slots of a file: execution keys with their branches.
func entries(raw []byte) map[string][]string {
	out := map[string][]string{}
	for ; len(raw) > 2; raw = raw[min(slotSize, len(raw)):] {
		n := int(binary.LittleEndian.Uint16(raw))
		if n == 0 || n+2 > min(slotSize, len(raw)) {
			continue
		}
		if key, path, ok := strings.Cut(string(raw[2:2+n]), "\x00"); ok {
			out[key] = append(out[key], path)
		}
	}
	return out
}

// countDeaths brings the stored counts up to date. What was not being evaluated
// this time is forgotten: only deaths in a row count.
func (w *Watch) countDeaths(found map[string][]string, place Place) error {
	return w.db.Update(func(tx *store.Tx) error {
		old := map[string]deathRecord{}
		err := tx.Scan(record.BucketDeaths, "", "", func(key string, raw []byte) (bool, error) {
			var d deathRecord
			if json.Unmarshal(raw, &d) == nil {
				old[key] = d
			}
			return true, nil
		})
		if err != nil || len(old) == 0 && len(found) == 0 {
			return err
		}
		if err := tx.DeletePrefix(record.BucketDeaths, ""); err != nil {
			return err
		}
		for key, paths := range found {
			d := deathRecord{Places: map[string]int{}}
			for _, path := range paths {
				at, err := place(tx, key[:strings.LastIndexByte(key, ':')], path)
				if err != nil {
					return err
				}
				d.Places[at] = old[key].Places[at] + 1
			}
			w.deaths[key] = d
			if err := store.Put(tx, record.BucketDeaths, key, d); err != nil {
				return err
			}
			w.log.Warn("the last process ended while this execution was evaluated", "execution", key, "deaths", d.count())
		}
		return nil
	})
}

// Deaths is how often in a row the daemon died while the execution was
// evaluated in the same place.
func (w *Watch) Deaths(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.deaths[key].count()
}

// Forget removes what is stored about an execution that has ended.
func (w *Watch) Forget(key string) []journal.Put {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.deaths[key]; !ok {
		return nil
	}
	delete(w.deaths, key)
	return []journal.Put{{Bucket: record.BucketDeaths, Key: key}}
}

// Mark notes that a branch of an execution is being evaluated until the returned
// function is called. A suspect, which the daemon died of before, waits for the others.
func (w *Watch) Mark(key, path string, suspect bool) func() {
	if suspect {
		w.suspect.Lock()
	}
	slot, ok := w.fill(key + "\x00" + path)
	return func() {
		if ok {
			w.clear(slot)
		}
		if suspect {
			w.suspect.Unlock()
		}
	}
}

func (w *Watch) fill(text string) (slot int64, ok bool) {
	if len(text)+2 > slotSize {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return 0, false
	}
	if n := len(w.free); n > 0 {
		slot, w.free = w.free[n-1], w.free[:n-1]
	} else {
		slot = w.slots
		w.slots++
	}
	raw := binary.LittleEndian.AppendUint16(make([]byte, 0, len(text)+2), uint16(len(text))) // bounded above
	_, err := w.file.WriteAt(append(raw, text...), slot*slotSize)
	return slot, err == nil
}

func (w *Watch) clear(slot int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free = append(w.free, slot)
	if w.file != nil {
		_, _ = w.file.WriteAt([]byte{0, 0}, slot*slotSize) // at worst it is suspected
	}
}

// Close ends the watch: nothing is being evaluated any more.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil {
		_ = w.file.Truncate(0)
		_ = w.file.Close()
		w.file = nil
	}
}
