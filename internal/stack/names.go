package stack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Names lists the stacks of a project on a file backend by their names alone: no state is
// read and no process started, so that it costs what listing a folder does. ok is false
// where the backend is no folder, or cannot be read like that. A backend that does not
// exist has no stacks.
func Names(backend, project string) (names []string, ok bool) {
	normal, err := NormalBackend(backend)
	if err != nil {
		return nil, false
	}
	root, ok := fileBackend(normal)
	if !ok {
		return nil, false
	}
	entries, err := os.ReadDir(filepath.Join(root, ".pulumi", "stacks", project))
	if err != nil {
		return nil, errors.Is(err, fs.ErrNotExist)
	}
	for _, entry := range entries {
		if name := stateName(entry); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, true
}
