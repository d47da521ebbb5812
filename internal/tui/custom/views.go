package custom

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func (c *Custom) takeViews(r *reader, body ast.Node) {
	c.Views = nil
	for _, x := range r.only(body, "views") {
		v := ui.View{Name: x.name}
		for _, y := range r.items(x.value, "the view") {
			switch y.name {
			case "filter":
				v.Filter, _ = r.scalar(y.value)
			case "sort":
				if v.Sort, _ = r.scalar(y.value); v.Sort != "" {
					r.oneOf(y.value, v.Sort, ViewColumns())
				}
			case "reverse":
				v.Reverse = r.boolean(y.value)
			case "tag":
				v.Tag, _ = r.scalar(y.value)
			case "tenants":
				v.Tenants = r.boolean(y.value)
			case "columns":
				for _, name := range r.texts(y.value) {
					if r.oneOf(y.value, name, ViewColumns()) {
						v.Columns = append(v.Columns, name)
					}
				}
			default:
				r.unknown(y, []string{"filter", "sort", "reverse", "tag", "tenants", "columns"})
			}
		}
		c.Views = append(c.Views, v)
	}
}

// ViewColumns are the columns of the list of pipelines, as views call them.
func ViewColumns() []string {
	return []string{"tenant", "model", "env", "template", "status", "last op", "endpoint", "run", "fail", "last run", "seen", "drift", "age", "calls", "5xx", "p99", "idle", "calls over time"}
}

// With are views with one more, or another one of its name.
func With(views []ui.View, v ui.View) []ui.View {
	out := slices.DeleteFunc(slices.Clone(views), func(o ui.View) bool { return o.Name == v.Name })
	return append(out, v)
}

// saving is held while the file of views is read, changed and written.
var saving sync.Mutex

// SaveView puts a view into the file of views, in the place of one of its name. What else
// stands there by now is kept; a file with something wrong in it is refused, for what it
// says would be lost. Comments in it are.
func (c *Custom) SaveView(v ui.View) error {
	saving.Lock()
	defer saving.Unlock()
	now := Custom{Dir: c.Dir, places: map[string]string{}}
	r := &reader{file: filepath.Join(c.Dir, ViewsFile)}
	if body := r.parse(); body != nil {
		now.takeViews(r, body)
	}
	if err := r.errs.OrNil(); err != nil {
		return fault.Wrap(err, "save the view %s", v.Name)
	}
	return c.saveViews(With(now.Views, v))
}

// saveViews writes the views, whole or not at all.
func (c *Custom) saveViews(views []ui.View) error {
	type entry struct {
		Filter  string   `yaml:"filter,omitempty"`
		Sort    string   `yaml:"sort,omitempty"`
		Reverse bool     `yaml:"reverse,omitempty"`
		Tag     string   `yaml:"tag,omitempty"`
		Tenants bool     `yaml:"tenants,omitempty"`
		Columns []string `yaml:"columns,omitempty,flow"`
	}
	all := yaml.MapSlice{}
	for _, v := range views {
		all = append(all, yaml.MapItem{Key: v.Name, Value: entry{v.Filter, v.Sort, v.Reverse, v.Tag, v.Tenants, v.Columns}})
	}
	raw, err := yaml.Marshal(yaml.MapSlice{{Key: "views", Value: all}})
	if err != nil {
		return fault.New(fault.Internal, "the views can't be written: %s", err).Because(err)
	}
	return write(c.Dir, ViewsFile, raw)
}

// HistoryFile is where the palette's commands of before are kept, in the home of the tool.
const HistoryFile = "palette.yaml"

// write replaces a file, whole or not at all.
func write(dir, name string, raw []byte) error {
	path := filepath.Join(dir, name)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, "."+name+"-*"); err == nil {
			defer os.Remove(f.Name()) // there is none left after a rename
			_, err = f.Write(raw)
			if err = errors.Join(err, f.Close()); err == nil {
				err = os.Rename(f.Name(), path)
			}
		}
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s cannot be written: %s", path, fault.Reason(err)).Because(err).WithHint("Make its folder writable for you.")
	}
	return nil
}

// History are the palette's commands of the runs before, the newest last; none if there is
// no file that can be read.
func (c *Custom) History() []string {
	if c.home == "" {
		return nil
	}
	raw, err := readFile(filepath.Join(c.home, HistoryFile))
	if err != nil {
		return nil
	}
	var out []string
	if yaml.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// SaveHistory keeps commands for the next run.
func (c *Custom) SaveHistory(lines []string) error {
	if c.home == "" {
		return nil
	}
	raw, err := yaml.Marshal(lines)
	if err != nil {
		return fault.New(fault.Internal, "the history can't be written: %s", err).Because(err)
	}
	return write(c.home, HistoryFile, raw)
}
