package spec

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamesAreWhole: a name that is added to Names is checked against AWS's limits
// and against other pipelines, or this fails.
func TestNamesAreWhole(t *testing.T) {
	t.Parallel()
	p := &Pipeline{ID: ID{Tenant: "a", Model: "b"}, Region: "us-east-1"}
	names := p.Names("111122223333")
	listed := map[string]int{}
	for _, n := range names.all() {
		listed[n.limit.what+" "+n.value]++
	}
	v := reflect.ValueOf(names)
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		if field == "Base" || strings.HasSuffix(field, "ARN") {
			continue
		}
		found := 0
		for key := range listed {
			if strings.HasSuffix(key, " "+v.Field(i).String()) {
				found++
			}
		}
		require.Positive(t, found, "%s is not in Names.all", field)
	}
	require.Len(t, listed, 26, "each family and name once")
}
