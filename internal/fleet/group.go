package fleet

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
)

// Group is executions that failed alike, whatever the numbers, ids and quoted values in
// their causes.
type Group struct {
	Status  executions.Status `json:"status"`
	Error   string            `json:"error,omitempty"`
	Message string            `json:"message,omitempty"`
	Count   int               `json:"count"`
	// First and Last are when the first and the last of them began.
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Pipelines []string  `json:"pipelines"`
	Tenants   []string  `json:"tenants"`
	Versions  []string  `json:"versions,omitempty"` // of the state machine
	Example   string    `json:"example"`            // ARN

	// Members are in the order of the list that they were grouped of.
	Members []*Execution `json:"-"`
}

// Groups are executions that failed alike, the most frequent first.
func Groups(list []*Execution) []Group {
	type kind struct {
		status       executions.Status
		error, alike string
	}
	var out []Group
	known := map[kind]int{}
	for _, x := range list {
		k := kind{x.Status, x.Error, executions.Alike(x.Cause)}
		i, found := known[k]
		if !found {
			i = len(out)
			known[k] = i
			out = append(out, Group{Status: x.Status, Error: x.Error, Message: x.Cause, First: x.Start, Example: x.ARN})
		}
		o := &out[i]
		o.Count++
		o.Message = executions.Shared(o.Message, x.Cause)
		if x.Start.Before(o.First) {
			o.First = x.Start
		}
		if x.Start.After(o.Last) {
			o.Last = x.Start
		}
		tenant, _, _ := strings.Cut(x.Pipeline, "/")
		o.Pipelines, o.Tenants = with(o.Pipelines, x.Pipeline), with(o.Tenants, tenant)
		if x.Version != "" {
			o.Versions = with(o.Versions, path.Base(strings.ReplaceAll(x.Version, ":", "/")))
		}
		o.Members = append(o.Members, x)
	}
	slices.SortStableFunc(out, func(a, b Group) int { return b.Count - a.Count })
	return out
}

// with adds to a sorted list what is not in it.
func with(list []string, one string) []string {
	i, found := slices.BinarySearch(list, one)
	if found {
		return list
	}
	return slices.Insert(list, i, one)
}

// ErrorPattern is the pattern of --error that names of an error match which are this one.
func ErrorPattern(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
