package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// InputFolder returns the files of a folder by the pipelines that they are for, nil of
// what is no folder. A file of inputs that is for none is an error: its executions would be
// missed.
func InputFolder(ctx context.Context, path string) (map[spec.ID]*executions.InputFile, error) {
	entries, err := outside.Do(ctx, path, func() ([]os.DirEntry, error) {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return nil, nil //nolint:nilerr // what is wrong is told when it is read
		}
		list, err := os.ReadDir(path)
		if err != nil {
			return nil, outside.FileFault("the folder of inputs", path, err)
		}
		if list == nil {
			list = []os.DirEntry{}
		}
		return list, nil
	})
	if entries == nil || err != nil {
		return nil, err
	}
	files, errs := map[spec.ID]*executions.InputFile{}, fault.List{}
	for _, e := range entries {
		file, unread := executions.OpenInputs(filepath.Join(path, e.Name()))
		id, err := spec.ParseStackName(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
		switch {
		case e.IsDir() || unread != nil && err != nil:
			continue // a read-me, or a program
		case unread != nil: // it is called as one that is meant
			errs = append(errs, unread)
		case strings.HasSuffix(e.Name(), PartialInputs):
			errs = append(errs, fault.New(fault.Invalid, "%s lacks some of the inputs: what wrote it was cut off", file.Name).
				WithHint("Run the export again, or rename the file if what is there will do."))
		case err != nil:
			errs = append(errs, fault.New(fault.Invalid, "%s is for no pipeline: %s", file.Name, fault.Reason(err)).WithHint("Name it after the stack: acme.fraud.dev.jsonl."))
		case files[id] != nil:
			errs = append(errs, fault.New(fault.Invalid, "%s and %s are both for %s", files[id].Name, file.Name, id).WithHint("Take one of them away."))
		default:
			files[id] = file
		}
	}
	if len(files) == 0 && len(errs) == 0 {
		return nil, fault.New(fault.Invalid, "%s has no files of inputs", path).WithHint("Name one for each pipeline after its stack: acme.fraud.dev.jsonl.")
	}
	return files, errs.OrNil()
}
