package states

import (
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// mapItem is one of the things that a Map iterates over: an element of an array,
// or a member of an object.
type mapItem struct {
	key    string
	member bool
	value  any
	// source tells where a distributed Map has the item from, "" in an inline one:
	// stateData, or the URI of the object (or of the bucket, for what lists one).
	source string
}

// stateData is the source of items that are in the state's own data.
const stateData = "STATE_DATA"

// mapItems takes apart what a Map iterates over; false if it is neither an array
// nor an object.
func mapItems(v any) ([]mapItem, bool) {
	switch v := v.(type) {
	case []any:
		items := make([]mapItem, len(v))
		for i, e := range v {
			items[i].value = e
		}
		return items, true
	case *value.Object:
		items := make([]mapItem, v.Len())
		for i := range items {
			items[i].key, items[i].value = v.At(i)
			items[i].member = true
		}
		return items, true
	}
	return nil, false
}

// input is what an iteration is given where there is no ItemSelector: the element,
// or key and value of the member. Source: the Developer Guide's page on ItemsPath.
func (m mapItem) input() any {
	if m.member {
		return value.Of("Key", m.key, "Value", m.value)
	}
	return m.value
}

// context is "Map" of the context object in the iteration of the index. Source of the
// source's form: measured on AWS (github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/Observation.ItemReader.ts, 002 and 003).
func (m mapItem) context(index int) *value.Object {
	item := value.Of("Index", value.Int(int64(index)))
	if m.member {
		item.Set("Key", m.key)
	}
	item.Set("Value", m.value)
	if m.source != "" { // AWS has it in distributed Maps only, whatever the guide's example says
		item.Set("Source", m.source)
	}
	return value.Of("Item", item)
}
