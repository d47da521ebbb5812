package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// saveAsMsg is the answer to where to save the definition, or the spec.
type saveAsMsg struct {
	file string
	spec bool
}

// setDefinition shows another definition.
func (p *Page) setDefinition(m machine) {
	p.text.SetJSON(m.Definition)
	selected := ""
	if p.graph != nil {
		if n, ok := p.graph.Selected(); ok {
			selected = n.Name
		}
	}
	p.graph, p.graphErr = nil, m.parse
	if m.graph != nil {
		p.graph = widget.NewGraph(&p.Env.Theme, *m.graph)
		for _, n := range m.graph.Nodes {
			if selected == "" && n.Start && n.Parent == "" {
				selected = n.Name
			}
		}
		p.graph.Select(selected)
	}
}

// showsText tells that the definition is shown as text, not as a graph.
func (p *Page) showsText() bool { return p.asText || p.graph == nil }

// askWhere asks for the file to save the definition, or the spec, in.
func (p *Page) askWhere(asSpec bool) tea.Cmd {
	title, text, name := "Save the definition", "File to write the Amazon States Language JSON to:", p.id.StackName()+".asl.json"
	if asSpec {
		title, text, name = "Save the spec", "File to write the spec of this pipeline to, as YAML for `pipelinetui up -f`:", p.id.StackName()+".yaml"
	}
	d := dialog.NewPrompt(&p.Env.Theme, title, text, name, func(file string) (tea.Msg, error) {
		if strings.TrimSpace(file) == "" {
			return nil, fault.New(fault.Invalid, "give the name of a file")
		}
		return saveAsMsg{strings.TrimSpace(file), asSpec}, nil
	})
	return ui.Send(ui.Ask{From: p.Base(), Dialog: d})
}

// save writes the definition or the spec to a new file.
func (p *Page) save(m saveAsMsg) tea.Cmd {
	pipeline, template, definition := p.p.Spec, p.template, ""
	if p.machine.Known {
		definition = p.machine.Value.Definition
	}
	return p.Do(func(context.Context) tea.Msg {
		file, err := filepath.Abs(m.file)
		if err != nil {
			return savedMsg{m.file, "", err}
		}
		text, note := render.JSON(definition, "  ")+"\n", ""
		if m.spec {
			text, err = pipeline.YAML(template, filepath.Dir(file), false)
			if strings.Contains(text, spec.BlankedSecret) {
				note = "; put the secret values in by hand"
			}
		}
		if err == nil {
			err = writeNew(file, text)
		}
		return savedMsg{file, note, err}
	})
}

// writeNew writes a file that does not exist yet.
func writeNew(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // the user has named the file
	switch {
	case os.IsExist(err):
		return fault.New(fault.Conflict, "%s exists already", file).WithHint("Choose another name.")
	case err != nil:
		return fault.New(fault.Invalid, "%s can't be written: %s", file, err).Because(err).WithHint("Choose another name.")
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (p *Page) saved(m savedMsg) tea.Cmd {
	if m.err != nil {
		return ui.Send(ui.Failed(m.err))
	}
	return ui.Send(ui.Toast{Text: "saved to " + m.file + m.note})
}

// stateText is a state of the definition, whole.
func (p *Page) stateText() (name, text string) {
	if p.graph == nil {
		return "", ""
	}
	n, ok := p.graph.Selected()
	if !ok {
		return "", ""
	}
	return n.Name, findState(p.machine.Value.Definition, n.Name)
}

// findState returns a state of a definition by its name, at any depth, as JSON.
func findState(definition, name string) string {
	var root any
	if json.Unmarshal([]byte(definition), &root) != nil {
		return ""
	}
	var find func(v any) (any, bool)
	find = func(v any) (any, bool) {
		switch x := v.(type) {
		case map[string]any:
			if states, ok := x["States"].(map[string]any); ok {
				if s, ok := states[name]; ok {
					return s, true
				}
			}
			for _, k := range sorted(x) {
				if s, ok := find(x[k]); ok {
					return s, true
				}
			}
		case []any:
			for _, e := range x {
				if s, ok := find(e); ok {
					return s, true
				}
			}
		}
		return nil, false
	}
	if s, ok := find(root); ok {
		return pretty(s)
	}
	return ""
}
