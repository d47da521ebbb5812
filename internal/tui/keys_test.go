package tui_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Every key that a page says it takes is in the document, on the page's own part of it.
func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	known := map[string]keys.Map{}
	for _, p := range keys.Pages() {
		known[p.Name] = p.Map
	}
	for _, c := range []struct {
		name string
		open any
		keys []string // to be pressed one after the other, with a look at each
	}{
		{"Pipelines", ui.OpenHome{}, nil},
		{"Pipeline", ui.OpenPipeline{ID: datatest.Iris}, []string{"1", "2", "4", "5", "v", "7", "8", "9"}},
		{"Execution", ui.OpenExecution{ID: datatest.IrisBatch, ARN: ""}, []string{"1", "2", "3", "4", "5", "6"}},
		{"Operations", ui.OpenJobs{}, nil},
		{"Form of a pipeline", ui.OpenWizard{Change: &datatest.Iris}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := tuitest.Open(t, datatest.New(t), nil, tuitest.Routed(), tuitest.Now(datatest.Recorded))
			if x, ok := c.open.(ui.OpenExecution); ok {
				s.Send(ui.OpenPipeline{ID: x.ID, Tab: "executions"})
				s.Until("flowers-")
				s.Press("enter")
				s.Until("flowers-")
			} else {
				s.Send(c.open)
			}
			s.Idle()
			require.Contains(t, known, c.name)
			for _, k := range append([]string{""}, c.keys...) {
				if k != "" {
					s.Press(k)
					s.Advance(time.Second)
				}
				for _, g := range s.App.Keys() {
					for _, b := range g.Bindings {
						require.True(t, documented(known[c.name], b), "after %q: %v %s (%s) is in no group of %s", k, b.Keys, b.Short, g.Title, c.name)
					}
				}
			}
		})
	}
}

// documented tells whether a map has a binding with all of its keys.
func documented(m keys.Map, b keys.Binding) bool {
	return slices.ContainsFunc(m, func(g keys.Group) bool {
		return slices.ContainsFunc(g.Bindings, func(x keys.Binding) bool {
			return x.Help == b.Help && !slices.ContainsFunc(b.Keys, func(k string) bool { return !slices.Contains(x.Keys, k) })
		})
	})
}

func TestKeysOfTheRootAreDocumentedOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, b := range keys.Everywhere().Bindings {
		for _, k := range b.Keys {
			require.Empty(t, seen[k], "%s is %s and %s", k, seen[k], b.Short)
			seen[k] = b.Short
		}
	}
	for _, p := range keys.Pages() {
		for _, g := range p.Map {
			for _, b := range g.Bindings {
				for _, k := range b.Keys {
					if k == "esc" || p.Name == "Choosing a file" || g.Title == "Commands" {
						continue
					}
					require.Empty(t, seen[k], "%s of %s is the root's (%s)", k, p.Name, seen[k])
				}
			}
		}
	}
}
