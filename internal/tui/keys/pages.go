package keys

import "slices"

// Page is what can be done on one page, whatever its state: docs/keys.md is made
// of these. A page's own Keys are the same bindings, some of them switched off.
type Page struct {
	Name string
	Map  Map
}

// Pages are all pages with keys of their own, in the order in which the document
// has them.
func Pages() []Page {
	return slices.Concat(homePages(), pipelinePages(), executionsPages(), fleetPages(), executionPages(), wizardPages(), deployPages(), contextPages(), dialogPages())
}

// dialogPages are the boxes with keys of their own.
func dialogPages() []Page {
	return []Page{
		{Name: "Command palette", Map: Map{{Title: "Commands", Bindings: []Binding{Do, Complete, CopyLine, ListUp, ListDown, Back}}}},
		{Name: "Reading a text", Map: Map{{Title: "Text", Bindings: []Binding{SearchText, Next, Previous, Copy, Back}}, Moving()}},
		{Name: "Typing what is destroyed", Map: Map{{Title: "Destroy", Bindings: []Binding{Open, ListUp, ListDown, Back}}}},
	}
}
