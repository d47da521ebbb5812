package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// What a file backend holds is read directly: each answer of the CLI costs a
// process of 100 MB and a fifth of a second, and a screen that shows hundreds of
// stacks asks often. The files are those of the engine's DIY backend
// (pkg/backend/diy/state.go): they are replaced by renaming, so a reader never sees
// half of one. Whatever is not understood here is left to the CLI.

// fileStack is a checkpoint in short, remembered as long as its file is the same.
type fileStack struct {
	modified time.Time
	size     int64
	summary  Summary
}

// stacksDir is the folder of the project's checkpoints, if the backend is a
// folder.
func (e *Engine) stacksDir() (string, bool) { return e.stacksDirOf(e.opts.Backend) }

func (e *Engine) stacksDirOf(backend string) (string, bool) {
	root, ok := fileBackend(backend)
	if !ok {
		return "", false
	}
	return filepath.Join(root, ".pulumi", "stacks", e.opts.Project), true
}

// stackFile is the file of a stack's checkpoint and whether there is one; of
// several forms, as after a change of the compression, the newest, as the CLI has
// it. known is false if the backend is no folder.
func (e *Engine) stackFile(stack string) (file string, exists, known bool) {
	return e.stackFileOf(e.opts.Backend, stack)
}

func (e *Engine) stackFileOf(backend, stack string) (file string, exists, known bool) {
	dir, ok := e.stacksDirOf(backend)
	if !ok {
		return "", false, false
	}
	file = filepath.Join(dir, stack+".json")
	var newest time.Time
	for _, suffix := range stateSuffixes {
		path := filepath.Join(dir, stack+suffix)
		info, err := whatever(path)
		switch {
		case err == nil && (!exists || info.ModTime().After(newest)):
			file, exists, newest = path, true, info.ModTime()
		case err != nil && !exists && !errors.Is(err, fs.ErrNotExist):
			file, exists = path, true // who reads it learns why it cannot be seen
		}
	}
	return file, exists, true
}

// whatever looks at what has the name of a state. A link that leads nowhere, or to
// itself, is a state that is damaged, not one that is not there.
func whatever(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return os.Lstat(path)
	}
	return info, nil
}

// stateSuffixes are those of the forms of a checkpoint.
var stateSuffixes = []string{".json", ".json.gz", ".json.zst"}

// fileExport reads a stack's checkpoint; ok is false if that is for the CLI to do.
func (e *Engine) fileExport(stack string) (dep *apitype.DeploymentV3, ok bool, err error) {
	return e.fileExportOf(e.opts.Backend, stack)
}

func (e *Engine) fileExportOf(backend, stack string) (dep *apitype.DeploymentV3, ok bool, err error) {
	file, exists, known := e.stackFileOf(backend, stack)
	switch {
	case !known:
		return nil, false, nil
	case !exists:
		return nil, true, e.absentFault(backend, stack, file)
	}
	dep, err = e.readFileState(backend, stack, file)
	if errors.Is(err, errForeign) {
		return nil, false, nil
	}
	return dep, true, err
}

// fileList lists the project's stacks; ok is false if that is for the CLI to do. A
// stack whose file cannot be used, or is missing, is listed too, see Summary.Err. The error
// is that it cannot be told what there is.
func (e *Engine) fileList(ctx context.Context) (list []Summary, ok bool, err error) {
	dir, ok := e.stacksDir()
	if !ok {
		return nil, false, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		// Before version 1 of the layout stacks had no project's folder.
		_, err := os.Stat(filepath.Dir(dir))
		_, layout := os.Stat(filepath.Join(filepath.Dir(filepath.Dir(dir)), "meta.yaml"))
		return e.withMissing([]Summary{}), errors.Is(err, os.ErrNotExist) || layout == nil, nil
	}
	if err != nil {
		return nil, true, folderFault(dir, err)
	}
	list = []Summary{}
	for _, entry := range entries {
		name := stateName(entry)
		if name == "" || slices.ContainsFunc(list, func(s Summary) bool { return s.Name == name }) {
			continue
		}
		if s, there := e.fileSummary(name); there {
			list = append(list, s)
		}
	}
	list = e.withMissing(list)
	locks, _, _ := e.readLocks(ctx, nil) // a folder that may not be read tells nothing
	e.hold(list, locks)
	return list, true, nil
}

// withMissing adds the stacks that have a history, and no state.
func (e *Engine) withMissing(list []Summary) []Summary {
	entries, err := os.ReadDir(filepath.Dir(e.historyDir("x")))
	if err != nil {
		return list // none, or what cannot be read says nothing
	}
	known := make(map[string]bool, len(list))
	for _, s := range list {
		known[s.Name] = true
	}
	found := len(list)
	for _, entry := range entries {
		name := entry.Name()
		if known[name] || !entry.IsDir() || checkName(name) != nil {
			continue
		}
		file, exists, _ := e.stackFile(name)
		if exists {
			continue // made just now
		}
		if err := e.absentFault(e.opts.Backend, name, file); !errors.Is(err, fault.NotFound) {
			list = append(list, Summary{Name: name, Resources: -1, Err: err})
		}
	}
	if len(list) > found {
		slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.Name, b.Name) })
	}
	return list
}

// stateName is the stack whose checkpoint a file is, "" if it is something else:
// a backup, what a full disk has left of a file, a file of another tool. Whatever has
// the name is one, if damaged where it is no file.
func stateName(entry os.DirEntry) string {
	for _, suffix := range stateSuffixes {
		if name, ok := strings.CutSuffix(entry.Name(), suffix); ok && checkName(name) == nil {
			return name
		}
	}
	return ""
}

func (e *Engine) fileSummary(name string) (Summary, bool) {
	file, exists, _ := e.stackFile(name) // the list came from the same folder
	if !exists {
		return Summary{}, false // gone meanwhile
	}
	info, err := whatever(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Summary{}, false
	}
	if err != nil {
		return Summary{Name: name, Resources: -1, Err: e.damaged(name, file, fault.Reason(err))}, true
	}
	e.mu.Lock()
	known, ok := e.fileStacks[name]
	e.mu.Unlock()
	if !ok || known.size != info.Size() || !known.modified.Equal(info.ModTime()) {
		known = fileStack{info.ModTime(), info.Size(), Summary{Name: name, Resources: -1}}
		dep, err := e.readFileState(e.opts.Backend, name, file)
		switch {
		case err == nil:
			known.summary.LastUpdate, known.summary.Resources = dep.Manifest.Time.UTC(), countOf(dep.Resources)
		case errors.Is(err, fault.NotFound):
			return Summary{}, false
		case errors.Is(err, errForeign):
			known.summary.LastUpdate = info.ModTime().UTC()
		default:
			known.summary.Err, known.summary.LastUpdate = err, info.ModTime().UTC()
		}
		if known.summary.Err == nil { // what is in the way may go away without a change of the file
			e.mu.Lock()
			e.fileStacks[name] = known
			e.mu.Unlock()
		}
	}
	return known.summary, true
}

// fileUpdate is a file of the history (backend.UpdateInfo of the engine).
type fileUpdate struct {
	Kind            string            `json:"kind"`
	StartTime       int64             `json:"startTime"` // Unix seconds
	EndTime         int64             `json:"endTime"`
	Message         string            `json:"message"`
	Environment     map[string]string `json:"environment"`
	Result          string            `json:"result"`
	ResourceChanges map[Op]int        `json:"resourceChanges"`
}

// historyDir is the folder of a stack's history in a file backend, "" in any other.
func (e *Engine) historyDir(stack string) string {
	root, ok := e.backendDir()
	if !ok {
		return ""
	}
	return filepath.Join(root, ".pulumi", "history", e.opts.Project, stack)
}

// fileHistory reads a stack's history, the newest first, of a file backend. The backend does not number updates: they are numbered here,
// the oldest 1.
func (e *Engine) fileHistory(stack string, limit int) (updates []Update, err error) {
	dir := e.historyDir(stack)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, folderFault(dir, err)
	}
	// The names end in nanoseconds of one width, so they sort by time.
	var names []string
	for _, entry := range entries {
		if historyEntry.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	updates = []Update{}
	for i, name := range names {
		if limit > 0 && i == limit {
			break
		}
		updates = append(updates, readUpdate(filepath.Join(dir, name), len(names)-i))
	}
	return updates, nil
}

var historyEntry = lazyregexp.New(`\.history\.json(\.gz|\.zst)?$`)

// readUpdate reads an entry of the history. One that cannot be read is an entry
// all the same: something was done then.
func readUpdate(file string, version int) Update {
	raw, err := readRegular(file)
	return updateOf(raw, err, version, file, func() time.Time {
		info, err := os.Stat(file)
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	})
}

// updateOf is the entry of the history in raw; where is its place, and modified when that
// was written last.
func updateOf(raw []byte, err error, version int, where string, modified func() time.Time) Update {
	if err == nil {
		raw, err = unzip(raw)
	}
	var f fileUpdate
	if err == nil {
		err = decodeJSON(raw, &f)
	}
	if err != nil {
		u := Update{Version: version, Kind: "unknown", Result: ResultUnreadable, Error: fmt.Sprintf("%s: %v", where, fault.Reason(err))}
		if at := modified(); !at.IsZero() {
			u.Start = at.UTC()
			u.End = u.Start
		}
		return u
	}
	u := Update{
		Version: version, Kind: f.Kind, Result: f.Result, Message: f.Message, Environment: f.Environment,
		Start: time.Unix(f.StartTime, 0).UTC(), Changes: f.ResourceChanges,
	}
	if f.EndTime > 0 {
		u.End = time.Unix(f.EndTime, 0).UTC()
	}
	return u
}
