package stack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// A lock of the engine's DIY backend is a file, or an object, of its own for each holder
// (pkg/backend/diy/lock.go): .pulumi/locks/organization/PROJECT/STACK/ID.json, or
// .pulumi/locks/STACK/ID.json where stacks are not kept by project. So they are read in one
// way, wherever they are.

const (
	lockFolder  = ".pulumi/locks/"
	lockProject = lockFolder + "organization/"
	layoutName  = ".pulumi/meta.yaml"
)

// folder is a file backend as Objects. Its methods are called by onDisk.
type folder struct{ root string }

var _ Objects = folder{}

// List implements Objects, of a prefix that is a folder: what lies there has a name, whatever
// it is.
func (f folder) List(ctx context.Context, prefix string) (list []Object, err error) {
	entries, err := os.ReadDir(f.URL(prefix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		o := Object{Name: path.Join(prefix, entry.Name())}
		if entry.IsDir() {
			below, err := f.List(ctx, o.Name)
			if err != nil {
				return nil, err
			}
			list = append(list, below...)
			continue
		}
		if info, err := entry.Info(); err == nil {
			o.Modified = info.ModTime()
		}
		list = append(list, o)
	}
	return list, nil
}

// Read implements Objects.
func (f folder) Read(_ context.Context, name string) ([]byte, error) { return readRegular(f.URL(name)) }

// Folders implements Objects.
func (f folder) Folders(_ context.Context, prefix string) (names []string, err error) {
	entries, err := os.ReadDir(f.URL(prefix))
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// Write implements Objects.
func (f folder) Write(_ context.Context, name string, content []byte, fresh bool) error {
	if _, err := os.Lstat(f.URL(name)); fresh && err == nil {
		return fs.ErrExist
	}
	return wholefile.WriteFile(f.URL(name), content, 0o600)
}

// Remove implements Objects.
func (f folder) Remove(_ context.Context, name string) error { return os.Remove(f.URL(name)) }

// URL implements Objects.
func (f folder) URL(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// lockStore opens what the locks are in; ok is false if only the CLI can tell. The error is
// that of keyedStore.
func (e *Engine) lockStore(ctx context.Context) (store Objects, ok bool, err error) {
	if root, ok := e.backendDir(); ok {
		return folder{root}, true, nil
	}
	store, err = e.objects(ctx)
	return store, err == nil, conclusive(ctx, err)
}

// locksNow reads the locks of stacks, of all that there are if none is named, without a
// process; known is false if only the CLI can tell. The error is that the backend does not
// answer, or that ctx ended.
func (e *Engine) locksNow(ctx context.Context, stacks ...string) (locks map[string][]Lock, known bool, err error) {
	if _, ok := e.backendDir(); !ok {
		return e.readLocks(ctx, stacks)
	}
	found, err := onDisk(ctx, e, func() (told[map[string][]Lock], error) {
		locks, known, err := e.readLocks(ctx, stacks)
		return told[map[string][]Lock]{locks, known}, err
	})
	return found.value, err == nil && found.known, err
}

func (e *Engine) readLocks(ctx context.Context, stacks []string) (map[string][]Lock, bool, error) {
	store, ok, err := e.lockStore(ctx)
	if !ok {
		return nil, false, err
	}
	keyed, known, err := e.layoutOf(ctx, store)
	if !known {
		return nil, false, err
	}
	var found []Object
	for _, prefix := range e.lockPrefixes(keyed, stacks) {
		more, err := store.List(ctx, prefix)
		if _, files := store.(folder); files && len(stacks) == 1 && errors.Is(err, fs.ErrPermission) {
			// Nobody can tell whether there is a lock: the engine could not take one either.
			return map[string][]Lock{stacks[0]: {{Where: store.URL(prefix), Broken: true, Reason: fault.Reason(err).Error()}}}, true, nil
		}
		if err != nil {
			return nil, false, conclusive(ctx, err)
		}
		found = append(found, more...)
	}
	found = slices.DeleteFunc(found, func(o Object) bool {
		stack := e.lockedStack(o.Name, keyed)
		return stack == "" || len(stacks) > 0 && !slices.Contains(stacks, stack) || strings.HasSuffix(o.Name, ".attrs")
	})
	list := make([]Lock, len(found))
	var g errgroup.Group
	g.SetLimit(objectReaders)
	for i, o := range found {
		g.Go(func() (err error) {
			list[i], err = readLock(ctx, store, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	locks := map[string][]Lock{}
	for i, l := range list {
		if l.name != "" {
			stack := e.lockedStack(found[i].Name, keyed)
			locks[stack] = append(locks[stack], l)
		}
	}
	return locks, true, nil
}

// layoutOf tells whether a store keeps its stacks by project. It is the layout of all that
// was begun since 2023, and a store that has it keeps it. known is false if the store does
// not let that be read; the error is that of keyedStore.
func (e *Engine) layoutOf(ctx context.Context, store Objects) (keyed, known bool, err error) {
	if e.byProject.Load() {
		return true, true, nil
	}
	raw, err := store.Read(ctx, layoutName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, true, nil
	case err != nil:
		return false, false, conclusive(ctx, err)
	case string(raw) != layout:
		return false, true, nil
	}
	e.byProject.Store(true)
	return true, true, nil
}

// lockPrefixes are what the names of the locks begin with. Of several stacks all locks are
// listed: they are few, and it is one request.
func (e *Engine) lockPrefixes(keyed bool, stacks []string) []string {
	ours := lockProject + e.opts.Project + "/"
	if len(stacks) == 1 {
		ours += stacks[0] + "/"
		if !keyed {
			return []string{ours, lockFolder + stacks[0] + "/"}
		}
	} else if !keyed {
		return []string{lockFolder}
	}
	return []string{ours}
}

// lockedStack is the stack whose lock has a name, "" if it is none of ours.
func (e *Engine) lockedStack(name string, keyed bool) string {
	dir := path.Dir(name)
	stack, ours := strings.CutPrefix(dir, lockProject+e.opts.Project+"/")
	if !ours && !keyed {
		stack, ours = strings.CutPrefix(dir, lockFolder)
	}
	if !ours || checkName(stack) != nil {
		return ""
	}
	return stack
}

// readLock reads a lock; it has no name if it has been released just now. Whatever lies there is a
// lock to the engine, if only half of one: then it says "unexpected end of JSON input",
// whatever it is asked for.
func readLock(ctx context.Context, store Objects, o Object) (l Lock, err error) {
	data, err := store.Read(ctx, o.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err := conclusive(ctx, err); err != nil {
		return l, err
	}
	var content struct {
		PID       int       `json:"pid"`
		Username  string    `json:"username"`
		Hostname  string    `json:"hostname"`
		Timestamp time.Time `json:"timestamp"`
	}
	if err == nil {
		err = decodeJSON(data, &content)
	}
	if err == nil && content.PID == 0 {
		err = errors.New("it names no process")
	}
	l = Lock{
		Where: store.URL(o.Name), User: content.Username, Host: content.Hostname, PID: content.PID, Since: content.Timestamp.UTC(),
		name: o.Name,
	}
	if strings.HasSuffix(o.Name, ".tmp") {
		// A lock is written under another name first. As long as that is not
		// changed, nothing has begun; and if its writer were still at it, taking the
		// file away would only make it fail before it has done anything.
		l.Broken, l.Stale, l.Reason = true, true, "never finished"
	} else {
		l.Broken = err != nil
		l.Stale = isStale(l)
	}
	if err != nil {
		l.Reason = fault.Reason(err).Error()
	}
	if l.Since.IsZero() && !o.Modified.IsZero() {
		l.Since = o.Modified.UTC()
	}
	return l, nil
}

// removeLocks removes locks that were read, one by one: one that somebody takes meanwhile
// stays.
func (e *Engine) removeLocks(ctx context.Context, locks []Lock) error {
	locks = slices.DeleteFunc(slices.Clone(locks), func(l Lock) bool { return l.name == "" }) // of another kind, see begun
	if len(locks) == 0 {
		return nil
	}
	if _, files := e.backendDir(); !files {
		return e.dropLocks(ctx, locks)
	}
	_, err := onDisk(ctx, e, func() (struct{}, error) { return struct{}{}, e.dropLocks(ctx, locks) })
	return err
}

func (e *Engine) dropLocks(ctx context.Context, locks []Lock) error {
	store, ok, err := e.lockStore(ctx)
	if err == nil && !ok {
		err = errors.ErrUnsupported // they were read there
	}
	for _, l := range locks {
		if err == nil {
			err = store.Remove(ctx, l.name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return fault.New(fault.Denied, "remove the lock %s: %v", l.Where, fault.Reason(err)).
				WithHint("Check that you may delete what is in the state backend, %s.", e.Backend()).Because(err)
		}
	}
	return nil
}
