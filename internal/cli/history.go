package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// historyDoc is the document of history.
type historyDoc struct {
	console.Header
	Pipeline  string         `json:"pipeline"`
	Revisions []app.Revision `json:"revisions"`
	// ChecksError is why what is noted of checks could not be read.
	ChecksError *errorDoc `json:"checksError,omitempty"`
}

// historyOptions are those of history.
type historyOptions struct{ pipeline string }

func newHistory(deps *Deps, do action[historyOptions]) *cobra.Command {
	o := &historyOptions{}
	cmd := &cobra.Command{
		Use:   "history PIPELINE",
		Short: "show the revisions of a pipeline",
		Long: `Shows what each up has made of a pipeline: a revision is its spec, its template, its
code and model by digest, and the versions that AWS gave them. The newest that were
brought to their end are kept with what they need, so that ` + "`pipelinetui rollback`" + ` can
bring them back; of those that failed or were cut off as many. The note tells of a
revision that failed its checks, or whose checks were not asked to their end.

An up of what is there already makes no new revision. ` + "`pipelinetui show`" + ` lists the
updates of the stack, refreshes too.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	return reads(cmd)
}

func runHistory(ctx context.Context, deps *Deps, o *historyOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	list, unasked, err := deps.app().Revisions(ctx, id)
	if err != nil {
		return err
	}
	d := historyDoc{Header: console.NewHeader("History"), Pipeline: id.String(), Revisions: list}
	if unasked != nil {
		e := describe(deps, unasked)
		d.ChecksError = &e
		deps.Note("warning: whether revisions have passed their checks is not known, AWS could not be asked: %s", render.Line(unasked.Error(), 0))
	}
	return deps.Write(d, func() string {
		if len(list) == 0 {
			return "no revision is known: the next up of this version of pipelinetui makes the first\n"
		}
		return deps.revisionTable(deps.OutStyle, list)
	})
}

// noteWidth is of a note in the table; the whole is in the document, and in show.
const noteWidth = 80

func (deps *Deps) revisionTable(st theme.Styles, list []app.Revision) string {
	now := deps.now()
	rows := make([][]render.Cell, 0, len(list))
	for _, r := range list {
		rows = append(rows, []render.Cell{
			render.T(fmt.Sprint(r.Number)), render.S(string(r.State), revisionStyle(st, &r)), render.T(render.Age(r.Begun, now)),
			render.T(render.Dash(r.By)), render.T(render.Dash(revisions.Short(r.Model))), render.T(render.Dash(revisions.Short(r.Code))),
			render.T(render.Dash(versionOf(r.Machine))), render.T(render.Line(r.Note(), noteWidth)),
		})
	}
	return render.Table(st, []string{"REVISION", "STATE", "BEGUN", "BY", "MODEL", "CODE", "MACHINE", "NOTE"}, rows)
}

func revisionStyle(st theme.Styles, r *app.Revision) lipgloss.Style {
	switch r.State {
	case pipelines.RevisionLive:
		if !r.Sound() {
			return st.Warn
		}
		return st.Good
	case pipelines.RevisionSuperseded:
		return st.Muted
	case pipelines.RevisionUpdating:
		return st.Warn
	}
	return st.Bad
}

// versionOf is the number at the end of a version's ARN.
func versionOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }
