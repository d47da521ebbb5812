// Package items owns what a Map iterates over: the elements of an array, the members of
// an object, and what an ItemReader finds in objects of S3, as CSV, JSON, JSON lines,
// inventories and manifests. It knows nothing of executions. It reads objects through
// wire.Objects and gives items one at a time, so that nothing is kept of them.
package items

import (
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Item is one of the things that a Map iterates over: an element of an array,
// or a member of an object.
type Item struct {
	Key    string
	Member bool // of an object
	Value  any
	// Source tells where a distributed Map has the item from, "" in an inline one:
	// StateData, or the URI of the object (or of the bucket, for what lists one).
	Source string
}

// StateData is the source of items that are in the state's own data.
const StateData = "STATE_DATA"

// Of takes apart what a Map iterates over; false if it is neither an array
// nor an object.
func Of(v any) ([]Item, bool) {
	switch v := v.(type) {
	case []any:
		list := make([]Item, len(v))
		for i, e := range v {
			list[i].Value = e
		}
		return list, true
	case *value.Object:
		list := make([]Item, v.Len())
		for i := range list {
			list[i].Key, list[i].Value = v.At(i)
			list[i].Member = true
		}
		return list, true
	}
	return nil, false
}

// Input is what an iteration is given where there is no ItemSelector: the element,
// or key and value of the member. Source: the Developer Guide's page on ItemsPath.
func (m Item) Input() any {
	if m.Member {
		return value.Of("Key", m.Key, "Value", m.Value)
	}
	return m.Value
}

// Context is "Map" of the context object in the iteration of the index. Source of the
// source's form: measured on AWS (github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/Observation.ItemReader.ts, 002 and 003).
func (m Item) Context(index int) *value.Object {
	item := value.Of("Index", value.Int(int64(index)))
	if m.Member {
		item.Set("Key", m.Key)
	}
	item.Set("Value", m.Value)
	if m.Source != "" { // AWS has it in distributed Maps only, whatever the guide's example says
		item.Set("Source", m.Source)
	}
	return value.Of("Item", item)
}
