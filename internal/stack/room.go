package stack

import (
	"os"
	"path/filepath"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// leastRoom is what a file backend's disk must have besides room for the state
// itself: locks, history, and the states that grow while resources are made.
const leastRoom = 1 << 20

// room refuses to change anything where the backend's disk has no room for what the
// engine writes of it. The engine writes a state over the old one: a disk that fills
// up in that moment leaves an empty file, and what was made is not recorded.
// A state stands in the file, its copy, the history, and for a moment a second time.
func (r *Run) room() error {
	root, ok := fileBackend(r.engine.opts.Backend)
	if !ok || !r.records() {
		return nil
	}
	need := int64(leastRoom)
	if file, exists, _ := r.engine.stackFile(r.job.Stack); exists {
		if info, err := os.Stat(file); err == nil {
			need += 4 * info.Size()
		}
	}
	for dir := root; ; dir = filepath.Dir(dir) {
		free, err := freeBytes(dir)
		if os.IsNotExist(err) && dir != filepath.Dir(dir) {
			continue // made by the operation
		}
		known := err == nil // where the system does not tell, the engine will
		if !known || free >= need {
			return nil
		}
		return fault.New(fault.Invalid, "%s of %s: no space left on device: %s has %d KiB, and the state needs %d", r.op, r.job.Stack, root, free>>10, need>>10).
			WithHint("Nothing was changed. Free some space and try again.")
	}
}
