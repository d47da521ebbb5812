package pipeline

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// saveAsMsg is the answer to where to save the definition.
type saveAsMsg struct{ file string }

// setDefinition shows another definition.
func (p *Page) setDefinition(m machineMsg) {
	p.text.SetLines(strings.Split(render.JSON(m.machine.Definition, "  "), "\n"))
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

// askWhere asks for the file to save the definition in.
func (p *Page) askWhere() tea.Cmd {
	d := dialog.NewPrompt(&p.Env.Theme, "Save the definition", "File to write the Amazon States Language JSON to:", p.id.StackName()+".asl.json",
		func(file string) (tea.Msg, error) {
			if strings.TrimSpace(file) == "" {
				return nil, fault.New(fault.Invalid, "give the name of a file")
			}
			return saveAsMsg{strings.TrimSpace(file)}, nil
		})
	return ui.Send(ui.Ask{From: p.Base(), Dialog: d})
}

// save writes the definition to a new file.
func (p *Page) save(file string) tea.Cmd {
	text := render.JSON(p.machine.Definition, "  ") + "\n"
	return p.Do(func(context.Context) tea.Msg {
		full, err := filepath.Abs(file)
		if err != nil {
			return savedMsg{file, err}
		}
		f, err := os.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // the user has named the file
		if err != nil {
			if os.IsExist(err) {
				err = fault.New(fault.Conflict, "%s exists already", full).WithHint("Choose another name.")
			}
			return savedMsg{full, err}
		}
		_, err = f.WriteString(text)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return savedMsg{full, err}
	})
}

func (p *Page) saved(m savedMsg) tea.Cmd {
	if m.err != nil {
		return ui.Send(ui.Failed(m.err))
	}
	return ui.Send(ui.Toast{Text: "saved to " + m.file})
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
	return n.Name, findState(p.machine.Definition, n.Name)
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
