package stack

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"
)

func tagList(pairs ...string) []any {
	var out []any
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, map[string]any{"key": pairs[i], "value": pairs[i+1]})
	}
	return out
}

// TestTagsCompareByKey: one more tag in a sorted list is one change, however the
// provider compares lists.
func TestTagsCompareByKey(t *testing.T) {
	t.Parallel()
	old := map[string]any{"tags": tagList("a", "1", "c", "3", "d", "4")}
	now := map[string]any{"tags": tagList("a", "1", "b", "2", "c", "3", "d", "5")}
	shuffled := map[string]apitype.PropertyDiff{
		"tags[1].key": {Kind: apitype.DiffUpdate}, "tags[1].value": {Kind: apitype.DiffUpdate},
		"tags[2].key": {Kind: apitype.DiffUpdate}, "tags[2].value": {Kind: apitype.DiffUpdate}, "tags[3]": {Kind: apitype.DiffAdd},
	}
	want := []PropertyDiff{{Path: "tags.b", Kind: DiffAdd, New: "2"}, {Path: "tags.d", Kind: DiffUpdate, Old: "4", New: "5"}}
	md := apitype.StepEventMetadata{
		Op: apitype.OpUpdate, Type: "x:y:Z",
		Old: &apitype.StepEventStateMetadata{Inputs: old, Outputs: old}, New: &apitype.StepEventStateMetadata{Inputs: now},
	}
	for name, edit := range map[string]func(*apitype.StepEventMetadata){
		"by index": func(md *apitype.StepEventMetadata) { md.DetailedDiff = shuffled },
		"by name":  func(md *apitype.StepEventMetadata) { md.Diffs = []string{"tags"} },
		"unsaid":   func(*apitype.StepEventMetadata) {},
	} {
		one := md
		edit(&one)
		require.Empty(t, cmp.Diff(want, propertyDiffs(one, false)), name)
	}

	// a refresh
	one := md
	one.New = &apitype.StepEventStateMetadata{Inputs: now, Outputs: now}
	require.Empty(t, cmp.Diff(want, drift(one).Diff))

	// what is no list of keys and values stays as it was
	old["tags"], now["tags"] = []any{1.0}, []any{1.0, 2.0}
	one = md
	one.DetailedDiff = map[string]apitype.PropertyDiff{"tags[1]": {Kind: apitype.DiffAdd}}
	require.Empty(t, cmp.Diff([]PropertyDiff{{Path: "tags[1]", Kind: DiffAdd, New: 2.0}}, propertyDiffs(one, false)))
	// nor is a list with a key twice
	old["tags"], now["tags"] = tagList("a", "1"), tagList("a", "1", "a", "2")
	one.DetailedDiff = map[string]apitype.PropertyDiff{"tags[1]": {Kind: apitype.DiffAdd}}
	require.Equal(t, "tags[1]", propertyDiffs(one, false)[0].Path)
}

// TestSetsCompareByElement: what is put into a set of texts, or taken out, is one change,
// wherever AWS lists it.
func TestSetsCompareByElement(t *testing.T) {
	t.Parallel()
	policies := func(names ...any) map[string]any {
		return map[string]any{"policyNames": names, "vpc": map[string]any{"subnetIds": names}}
	}
	change := func(old, now map[string]any, diff map[string]apitype.PropertyDiff) apitype.StepEventMetadata {
		return apitype.StepEventMetadata{
			Op: apitype.OpUpdate, Type: "x:y:Z", DetailedDiff: diff,
			Old: &apitype.StepEventStateMetadata{Inputs: old, Outputs: old}, New: &apitype.StepEventStateMetadata{Inputs: now, Outputs: now},
		}
	}
	shuffled := map[string]apitype.PropertyDiff{
		"policyNames[0]": {Kind: apitype.DiffUpdate}, "policyNames[1]": {Kind: apitype.DiffAdd},
		"vpc.subnetIds[0]": {Kind: apitype.DiffUpdate}, "vpc.subnetIds[1]": {Kind: apitype.DiffAdd},
	}
	grown := change(policies("pipeline"), policies("extra", "pipeline"), shuffled)
	want := []PropertyDiff{
		{Path: "policyNames.extra", Kind: DiffAdd, New: "extra"},
		{Path: "vpc.subnetIds.extra", Kind: DiffAdd, New: "extra"},
	}
	require.Empty(t, cmp.Diff(want, propertyDiffs(grown, false)))
	require.Empty(t, cmp.Diff(want, drift(grown).Diff))

	emptied := change(policies("a.b", "c"), policies("c"), map[string]apitype.PropertyDiff{
		"policyNames[0]": {Kind: apitype.DiffUpdate}, "policyNames[1]": {Kind: apitype.DiffDelete},
	})
	require.Empty(t, cmp.Diff([]PropertyDiff{{Path: `policyNames["a.b"]`, Kind: DiffDelete, Old: "a.b"}}, propertyDiffs(emptied, false)))

	// a set inside of a list
	rules := func(names ...any) map[string]any {
		return map[string]any{"rules": []any{map[string]any{"names": names}}}
	}
	nested := change(rules("b"), rules("a", "b"), map[string]apitype.PropertyDiff{
		"rules[0].names[0]": {Kind: apitype.DiffUpdate}, "rules[0].names[1]": {Kind: apitype.DiffAdd},
	})
	require.Empty(t, cmp.Diff([]PropertyDiff{{Path: "rules[0].names.a", Kind: DiffAdd, New: "a"}}, propertyDiffs(nested, false)))

	// the order alone is a change of the list
	turned := change(policies("a", "b"), policies("b", "a"), map[string]apitype.PropertyDiff{
		"policyNames[0]": {Kind: apitype.DiffUpdate}, "policyNames[1]": {Kind: apitype.DiffUpdate},
	})
	require.Empty(t, cmp.Diff([]PropertyDiff{{Path: "policyNames", Kind: DiffUpdate, Old: []any{"a", "b"}, New: []any{"b", "a"}}}, propertyDiffs(turned, false)))
	// a list that repeats itself is no set
	twice := change(policies("a"), policies("a", "a"), map[string]apitype.PropertyDiff{"policyNames[1]": {Kind: apitype.DiffAdd}})
	require.Equal(t, "policyNames[1]", propertyDiffs(twice, false)[0].Path)
}
