package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// batchCosts says what a batch will cost before it is started. That it can't be told holds
// nothing up.
func batchCosts(ctx context.Context, deps *Deps, m *app.Machine, what string, executions, items int64) *costs.Use {
	use, err := deps.app().BatchCosts(ctx, m, executions, items)
	switch {
	case err != nil:
		deps.Note("it is not known what %s will cost: %s", what, render.Line(err.Error(), 0))
		return nil
	case use != nil:
		deps.Note("%s will cost %s by being run (an estimate; docs/costs.md)", what, use.About())
	}
	return use
}

// itemsIn counts the items of a data set that has one on each line, a file of JSON lines or
// CSV; false of any other, and of one that can't be read, of which others tell.
func itemsIn(ctx context.Context, path string) (int64, bool) {
	kind := strings.ToLower(filepath.Ext(path))
	if kind != ".jsonl" && kind != ".csv" {
		return 0, false
	}
	n, err := outside.Do(ctx, path, func() (int64, error) {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return 0, errors.Join(err, os.ErrInvalid)
		}
		f, err := os.Open(path)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		return countLines(ctx, f)
	})
	if kind == ".csv" && n > 0 {
		n-- // the header
	}
	return n, err == nil
}

// countLines counts lines that are not empty.
func countLines(ctx context.Context, r io.Reader) (n int64, err error) {
	buf, open := make([]byte, 256<<10), false
	for ctx.Err() == nil {
		read, err := r.Read(buf)
		for text := buf[:read]; len(text) > 0; {
			line, rest, ended := bytes.Cut(text, []byte{'\n'})
			open = open || len(bytes.TrimSpace(line)) > 0
			if ended && open {
				n, open = n+1, false
			}
			text = rest
		}
		if errors.Is(err, io.EOF) {
			if open {
				n++
			}
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, ctx.Err()
}
