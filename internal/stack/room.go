package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
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
	file, _, _ := r.engine.stackFile(r.job.Stack)
	need := leastRoom + spareRoom + 8*sizeOf(file) // half of it is held until the end
	_, free, known := freeAt(root, r.engine.free)
	if !known || free >= need { // where the system does not tell, the engine will
		return nil
	}
	return noRoom(r, root, fmt.Sprintf("it has %d KiB, and the state needs %d", free>>10, need>>10))
}

// freeAt is what may still be written to the disk of a folder, which may have to be made
// first, and the folder of it that is there.
func freeAt(root string, ask func(dir string) (int64, error)) (dir string, free int64, known bool) {
	for dir = root; ; dir = filepath.Dir(dir) {
		free, err := ask(dir)
		if os.IsNotExist(err) && dir != filepath.Dir(dir) {
			continue // made by the operation
		}
		return dir, free, err == nil
	}
}

// isFull tells whether there was no space left for what was to be written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
