package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// ranOn finds the revision that an execution runs. What can't be found out is not shown:
// the execution is what was asked for.
func ranOn(ctx context.Context, deps *Deps, id spec.ID, d *executions.Details) *pipelines.Ran {
	if id.Tenant == "" || d.Version == "" {
		return nil
	}
	list, _, err := deps.app().Revisions(ctx, id)
	if err != nil {
		return pipelines.RanOn(nil, d.Version, "")
	}
	live := ""
	for _, r := range list {
		if r.State == pipelines.RevisionLive {
			live = r.Machine
		}
	}
	return pipelines.RanOn(list, d.Version, live).RedrivenAt(list, d.RedriveDate)
}

// ranText is what an execution runs, for a reader.
func ranText(st theme.Styles, r *pipelines.Ran) string {
	if r == nil {
		return ""
	}
	parts := []string{"revision not kept"}
	if r.Number > 0 {
		parts[0] = fmt.Sprintf("revision %d", r.Number)
	}
	if len(r.Updates) > 0 {
		parts = append(parts, fmt.Sprintf("update %d", r.Updates[0]))
	}
	for _, x := range [][2]string{{"model", revisions.Short(r.Model)}, {"code", revisions.Short(r.Code)}, {"machine version", versionOf(r.Machine)}} {
		if x[1] != "" {
			parts = append(parts, x[0]+" "+render.Line(x[1], 0))
		}
	}
	text := st.Muted.Render(strings.Join(parts, " · ")) + "\n"
	for _, note := range []string{r.Mixed(), r.ChangedSince()} {
		if note != "" {
			text += st.Warn.Render(render.Line(note, 0)) + "\n"
		}
	}
	return text
}
