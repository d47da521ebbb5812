package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

const (
	// memoryBytes bounds what is kept of a pipeline: the newer half stays when it is more.
	memoryBytes = 4 << 20
	// memoryCause bounds a cause that is kept: a longer one is asked for again.
	memoryCause = 4 << 10
)

// memory keeps why executions ended badly, a file for each pipeline: a grouping, an export and
// a redrive of the same executions ask each of them once, not three times. An end does not
// change but by a redrive, and then its number and its time are others. What cannot be read or
// written is asked for, as is all without a folder.
type memory struct{ dir string }

// remembered is an end as a line of a file has it.
type remembered struct {
	ARN      string            `json:"arn"`
	Status   executions.Status `json:"status"`
	Stop     time.Time         `json:"stop"`
	Redrives int               `json:"redrives,omitempty"`
	Error    string            `json:"error,omitempty"`
	Cause    string            `json:"cause,omitempty"`
}

func (m memory) path(pipeline string) string {
	id, err := spec.ParseID(pipeline)
	if m.dir == "" || err != nil {
		return ""
	}
	return filepath.Join(m.dir, id.StackName()+".jsonl")
}

// of returns what is kept of the executions of a list.
func (m memory) of(list []*Execution) []*Execution {
	wanted := map[string]map[string]bool{}
	for _, x := range list {
		if wanted[x.Pipeline] == nil {
			wanted[x.Pipeline] = map[string]bool{}
		}
		wanted[x.Pipeline][x.ARN] = true
	}
	var out []*Execution
	for pipeline, arns := range wanted {
		path := m.path(pipeline)
		if path == "" {
			continue
		}
		f, err := wholefile.Open(path, os.O_RDONLY, 0)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(io.LimitReader(f, 2*memoryBytes))
		lines.Buffer(nil, 16*memoryCause) // six bytes for each that is escaped
		for lines.Scan() {
			var r remembered
			if json.Unmarshal(lines.Bytes(), &r) != nil || !arns[r.ARN] {
				continue // another process was cut off in it, or writes it just now
			}
			x := &Execution{Pipeline: pipeline, Error: r.Error, Cause: r.Cause, looked: true}
			x.ARN, x.Status, x.Stop, x.Redrives = r.ARN, r.Status, r.Stop, r.Redrives
			out = append(out, x)
		}
		_ = f.Close() // it was only read
	}
	return out
}

// keep keeps the ends of executions of which the error was asked for.
func (m memory) keep(list []*Execution) {
	lines := map[string]*bytes.Buffer{}
	for _, x := range list {
		if !x.looked || !slices.Contains(Redrivable(), x.Status) || len(x.Error)+len(x.Cause) > memoryCause {
			continue
		}
		text, err := document.JSON(remembered{x.ARN, x.Status, x.Stop, x.Redrives, x.Error, x.Cause}, "")
		if err != nil {
			continue
		}
		if lines[x.Pipeline] == nil {
			lines[x.Pipeline] = &bytes.Buffer{}
		}
		lines[x.Pipeline].Write(append(bytes.TrimSpace(text), '\n'))
	}
	for pipeline, text := range lines {
		if path := m.path(pipeline); path != "" {
			_ = appendTo(path, text.Bytes()) // it is asked for again then
		}
	}
}

// appendTo writes lines behind those that a file has, in one piece: other processes may do so
// too. Of a file that has become too long the newer half stays.
func appendTo(path string, lines []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := wholefile.Open(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte{'\n'}, lines...)) // what was cut off before ends here
	info, statErr := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil || statErr != nil || info.Size() <= memoryBytes {
		return err
	}
	all, err := wholefile.Read(path)
	if err != nil {
		return err
	}
	_, half, _ := strings.Cut(string(all[len(all)/2:]), "\n")
	next, err := wholefile.New(path, 0o600)
	if err != nil {
		return err
	}
	defer next.Cleanup() //nolint:errcheck // what is whole has its name by then
	if _, err := next.Write([]byte(half)); err != nil {
		return err
	}
	return next.CloseAtomicallyReplace()
}
