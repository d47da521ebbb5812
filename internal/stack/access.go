package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What may not be read is not empty, and what may not be seen is not gone: the CLI takes
// one for the other, and so would who asks for a file and looks at ErrNotExist alone.

// checkAccess wants each folder on the way to a file backend's stacks to let this user look
// for what is in it. One that is not there yet holds nothing.
func (e *Engine) checkAccess(root string) error {
	base := filepath.Join(root, ".pulumi")
	for _, dir := range []string{root, base, filepath.Join(base, "stacks"), filepath.Join(base, "stacks", e.opts.Project)} {
		// With the dot at its end what is asked is whether names in it can be looked up.
		_, err := os.Stat(dir + string(filepath.Separator) + ".")
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return folderFault(dir, err)
		}
	}
	return nil
}

// folderFault says why a folder of the backend cannot be used.
func folderFault(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "the folder %s of the state backend cannot be read: %v", dir, fault.Reason(err)).Because(err).
			WithHint("It is not known what is in it. Make it readable for this user (`ls -ld %s` shows whose it is), or use a backend that is.", dir)
	case errors.Is(err, syscall.ENOTDIR):
		return fault.New(fault.Damaged, "%s, which should be a folder of the state backend, is no folder", dir).Because(err).
			WithHint("Move it away, and put the folder of a backup in its place; what is recorded in it is not known otherwise.")
	default:
		return fault.New(fault.Damaged, "the folder %s of the state backend cannot be read: %v", dir, fault.Reason(err)).Because(err).
			WithHint("Check the disk or the mount that it lies on; what is in it is not known.")
	}
}

// writable refuses to change anything where the engine could not write down what it has
// made. It would try again for half a minute, in silence, and say then what it tried.
func (r *Run) writable() error {
	root, ok := fileBackend(r.engine.opts.Backend)
	if !ok || !r.records() {
		return nil
	}
	base, project := filepath.Join(root, ".pulumi"), r.engine.opts.Project
	for _, dir := range []string{
		filepath.Join(base, "stacks", project), filepath.Join(base, "history", project, r.job.Stack),
		filepath.Join(base, "locks", "organization", project, r.job.Stack),
	} {
		// What is not there is made in the nearest folder that is.
		for dir != filepath.Dir(root) {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				break
			}
			dir = filepath.Dir(dir)
		}
		if err := mayWrite(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Denied, "the folder %s of the state backend cannot be written: %v", dir, fault.Reason(err)).Because(err).
				WithHint("Nothing was changed. Make it writable for this user (`ls -ld %s` shows whose it is), or use a backend that is.", dir)
		}
	}
	return nil
}

// missing tells that a stack has no state although its last operation left resources. A
// stack that was removed has no history any more.
func (e *Engine) missing(stack string) error {
	updates, err := e.fileHistory(stack, 1)
	if err != nil { // what cannot be read says nothing of what was left
		return nil //nolint:nilerr // see above
	}
	return e.missingAfter(stack, updates, func() []Copy { return e.copies(stack, nil) })
}

// missingAfter is missing by the last entry of the history.
func (e *Engine) missingAfter(stack string, updates []Update, copies func() []Copy) error {
	if len(updates) == 0 {
		return nil
	}
	updates = e.withOutcomes(e.place(stack, nil), updates, 1)
	last := updates[0]
	if last.Kind == "destroy" && last.Result == "succeeded" {
		return nil
	}
	left := leftBy(last)
	if left == 0 && len(copies()) == 0 {
		return nil
	}
	return fmt.Errorf("it is missing, and update %d of its history left %s", last.Version, fault.Count(left, "resource", "resources"))
}

// leftBy counts what was there after an update.
func leftBy(u Update) int {
	left := 0
	for op, n := range u.Changes {
		if op != OpDelete {
			left += n
		}
	}
	return left
}

// absentFault is what is said of a stack without a file: that it does not exist, or that its
// file is missing.
func (e *Engine) absentFault(backend, stack, file string) error {
	if backend == e.opts.Backend {
		if why := e.missing(stack); why != nil {
			return e.damaged(stack, file, why)
		}
	}
	return notFound(stack)
}
