package stack

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// What a file backend holds is read directly: each answer of the CLI costs a
// process of 100 MB and a fifth of a second, and a screen that shows hundreds of
// stacks asks often. The files are those of the engine's DIY backend
// (pkg/backend/diy/state.go): they are replaced by renaming, so a reader never sees
// half of one. Whatever is not understood here is left to the CLI.

// checkpointVersion is the version of checkpoints that is understood.
const checkpointVersion = 3

// fileStack is a checkpoint in short, remembered as long as its file is the same.
type fileStack struct {
	modified time.Time
	size     int64
	summary  Summary
}

// stacksDir is the folder of the project's checkpoints, if the backend is a
// folder.
func (e *Engine) stacksDir() (string, bool) {
	root, ok := e.backendDir()
	if !ok {
		return "", false
	}
	return filepath.Join(root, ".pulumi", "stacks", e.opts.Project), true
}

// fileExport reads a stack's checkpoint; ok is false if that is for the CLI to do.
func (e *Engine) fileExport(stack string) (dep *apitype.DeploymentV3, ok bool) {
	dir, ok := e.stacksDir()
	if !ok {
		return nil, false
	}
	raw, err := os.ReadFile(filepath.Join(dir, stack+".json"))
	if err != nil {
		return nil, false
	}
	return decodeCheckpoint(raw)
}

func decodeCheckpoint(raw []byte) (*apitype.DeploymentV3, bool) {
	var versioned apitype.VersionedCheckpoint
	if err := json.Unmarshal(raw, &versioned); err != nil || versioned.Version != checkpointVersion || len(versioned.Features) > 0 {
		return nil, false
	}
	var checkpoint apitype.CheckpointV3
	if err := json.Unmarshal(versioned.Checkpoint, &checkpoint); err != nil {
		return nil, false
	}
	if checkpoint.Latest == nil {
		return &apitype.DeploymentV3{}, true
	}
	return checkpoint.Latest, true
}

// fileList lists the project's stacks; ok is false if that is for the CLI to do.
func (e *Engine) fileList() (list []Summary, ok bool) {
	dir, ok := e.stacksDir()
	if !ok {
		return nil, false
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		// Before version 1 of the layout stacks had no project's folder.
		_, err := os.Stat(filepath.Dir(dir))
		_, layout := os.Stat(filepath.Join(filepath.Dir(filepath.Dir(dir)), "meta.yaml"))
		return []Summary{}, errors.Is(err, os.ErrNotExist) || layout == nil
	}
	if err != nil {
		return nil, false
	}
	list = []Summary{}
	for _, entry := range entries {
		name, isState := strings.CutSuffix(entry.Name(), ".json")
		switch {
		case entry.IsDir(), strings.HasSuffix(entry.Name(), ".bak"), strings.HasSuffix(entry.Name(), ".attrs"):
			continue
		case !isState:
			return nil, false // a compressed one, or something new
		}
		s, ok := e.fileSummary(dir, name, entry)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

func (e *Engine) fileSummary(dir, name string, entry os.DirEntry) (Summary, bool) {
	info, err := entry.Info()
	if err != nil {
		return Summary{}, false // gone meanwhile
	}
	e.mu.Lock()
	known, ok := e.fileStacks[name]
	e.mu.Unlock()
	if !ok || known.size != info.Size() || !known.modified.Equal(info.ModTime()) {
		raw, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return Summary{}, false
		}
		dep, ok := decodeCheckpoint(raw)
		if !ok {
			return Summary{}, false
		}
		known = fileStack{info.ModTime(), info.Size(), Summary{Name: name, LastUpdate: dep.Manifest.Time.UTC(), Resources: len(dep.Resources)}}
		e.mu.Lock()
		e.fileStacks[name] = known
		e.mu.Unlock()
	}
	s := known.summary
	locks, _ := e.fileLocks(name)
	s.InProgress = len(locks) > 0
	return s, true
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

// fileHistory reads a stack's history, the newest first; ok is false if that is
// for the CLI to do. The backend does not number updates: they are numbered here,
// the oldest 1.
func (e *Engine) fileHistory(stack string, limit int) (updates []Update, ok bool) {
	root, ok := e.backendDir()
	if !ok {
		return nil, false
	}
	dir := filepath.Join(root, ".pulumi", "history", e.opts.Project, stack)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, false
	}
	// The names end in nanoseconds of one width, so they sort by time.
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".history.json") {
			names = append(names, entry.Name())
		} else if strings.Contains(entry.Name(), ".history.json.") && !strings.HasSuffix(entry.Name(), ".attrs") {
			return nil, false // compressed
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	updates = []Update{}
	for i, name := range names {
		if limit > 0 && i == limit {
			break
		}
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, false
		}
		var f fileUpdate
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, false
		}
		u := Update{
			Version: len(names) - i, Kind: f.Kind, Result: f.Result, Message: f.Message, Environment: f.Environment,
			Start: time.Unix(f.StartTime, 0).UTC(), Changes: f.ResourceChanges,
		}
		if f.EndTime > 0 {
			u.End = time.Unix(f.EndTime, 0).UTC()
		}
		updates = append(updates, u)
	}
	return updates, true
}
