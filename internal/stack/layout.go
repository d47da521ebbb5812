package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// layoutFile says how a file backend keeps its stacks. It holds nothing else: where the
// stacks lie in a folder of their project, what it has to say is known.
func layoutFile(root string) string { return filepath.Join(root, ".pulumi", "meta.yaml") }

// CheckLayout tells that the file backend has a damaged meta.yaml: the stacks can be read,
// and no operation can begin.
func (e *Engine) CheckLayout(ctx context.Context) error {
	_, err := onDisk(ctx, e, func() (struct{}, error) { return struct{}{}, e.checkLayout() })
	return err
}

func (e *Engine) checkLayout() error {
	root, ok := e.backendDir()
	if !ok {
		return nil
	}
	file := layoutFile(root)
	raw, err := readRegular(file)
	var meta struct {
		Version *int `yaml:"version"`
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "%s of the state backend cannot be read: %v", file, fault.Reason(err)).Because(err).
			WithHint("Make it readable for this user, or use a backend that is.")
	case err != nil:
		err = fault.Reason(err)
	case len(strings.TrimSpace(string(raw))) == 0:
		err = errors.New("it is empty")
	default:
		if yerr := yaml.Unmarshal(raw, &meta); yerr != nil || meta.Version == nil {
			err = errors.New("it names no version")
		}
	}
	if err == nil {
		return nil
	}
	damage := fault.New(fault.Damaged, "%s is damaged: %v. Nothing is lost: it only says how the backend keeps its stacks", file, err).Because(err)
	if !e.byProjectOnDisk(root) {
		return damage.WithHint("Put back the file of a backup. (The stacks of this backend are of an old layout, or there are none: then move the file away.)")
	}
	return damage.WithHint("Run `pipelinetui doctor --yes` to write it anew.")
}

// byProjectOnDisk tells whether the stacks lie in folders of their projects, and only there.
func (e *Engine) byProjectOnDisk(root string) bool {
	entries, err := os.ReadDir(filepath.Join(root, ".pulumi", "stacks"))
	if err != nil {
		return false
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			return false
		}
	}
	return len(entries) > 0
}

// MendLayout writes a damaged meta.yaml anew, and keeps what was there beside it: aside is
// its name, "" if there was nothing to mend.
func (e *Engine) MendLayout(ctx context.Context) (aside string, err error) {
	damage := e.CheckLayout(ctx)
	root, _ := e.backendDir()
	if fault.KindOf(damage) != fault.Damaged || !e.byProjectOnDisk(root) {
		return "", damage
	}
	file := layoutFile(root)
	aside = asideOf(file)
	if err := os.Rename(file, aside); err != nil {
		return "", writeFault(aside, err)
	}
	if err := wholefile.WriteFile(file, []byte(layout), 0o600); err != nil {
		return "", writeFault(file, err)
	}
	return aside, nil
}

// asideOf is the name under which a damaged file is kept.
func asideOf(file string) string {
	return fmt.Sprintf("%s.damaged-%s", file, time.Now().UTC().Format("20060102T150405.000000000"))
}
