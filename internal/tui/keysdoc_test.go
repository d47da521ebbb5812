package tui_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/execution"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/home"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// TestEveryKeyIsDocumented opens the pages and their tabs: what can be pressed there
// is among the keys that docs/keys.md is made of.
func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	documented := func(names ...string) map[string]bool {
		out := map[string]bool{}
		add := func(m keys.Map) {
			for _, g := range m {
				for _, b := range g.Bindings {
					out[strings.Join(b.Keys, " ")] = true
				}
			}
		}
		add(keys.Map{keys.Everywhere(), keys.Moving()})
		for _, p := range keys.Pages() {
			if slices.Contains(names, p.Name) {
				add(p.Map)
			}
		}
		return out
	}
	arn := "arn:aws:states:us-east-1:000000000000:execution:ptui-acme-iris-dev:order-1"
	for _, tc := range []struct {
		name  string
		pages []string
		tabs  []string
		open  func(h *ui.Host) ui.Page
	}{
		{"home", []string{"Pipelines"}, []string{""}, home.New},
		{"pipeline", []string{"Pipeline", "Executions of a pipeline"}, []string{"1", "2", "3", "4", "5", "v"}, func(h *ui.Host) ui.Page { return pipeline.New(h, datatest.Iris, "") }},
		{"execution", []string{"Execution"}, []string{"1", "2", "3", "4", "5", "6"}, func(h *ui.Host) ui.Page { return execution.New(h, datatest.Iris, arn) }},
		{"operations", []string{"Operations"}, []string{""}, deploy.List},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var page ui.Page
			s := tuitest.Open(t, datatest.New(t), func(h *ui.Host) ui.Page { page = tc.open(h); return page }, tuitest.Size(120, 40))
			known := documented(tc.pages...)
			for _, tab := range tc.tabs {
				if tab != "" {
					s.Press(tab)
				}
				s.Screen()
				for _, g := range page.Keys() {
					for _, b := range g.Bindings {
						require.True(t, known[strings.Join(b.Keys, " ")], "%s %q of tab %q is in no group of docs/keys.md", b.Short, b.Keys, tab)
					}
				}
			}
		})
	}
}
