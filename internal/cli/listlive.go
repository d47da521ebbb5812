package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// asking is how it went to ask AWS for what the stacks cannot know.
type asking struct {
	asked bool // --quick was not given
	// err is what the command ends with, after it has shown what it has: nobody must
	// take silence for health.
	err error

	warnings []warningDoc
	backend  []warningDoc // of lookAtBackend
	// told are those of the warnings that nothing else in the text says.
	told []warningDoc
}

// warningDoc says what could not be asked.
type warningDoc struct {
	Pipeline string `json:"pipeline,omitempty"`
	errorDoc
}

// complete tells whether everything was asked and answered.
func (l *asking) complete() bool { return l.asked && l.err == nil && len(l.warnings) == 0 }

func (l *asking) docs() []warningDoc {
	return append(append([]warningDoc{}, l.backend...), l.warnings...)
}

// lookAtBackend takes note of what keeps operations from beginning. It says nothing of what
// was asked of AWS.
func (l *asking) lookAtBackend(ctx context.Context, deps *Deps) {
	if err := deps.app().BackendDamage(ctx); err != nil {
		l.backend = append(l.backend, warningDoc{errorDoc: describe(deps, err)})
		deps.Note("warning: %s. %s", render.Line(err.Error(), 0), render.Line(fault.HintOf(err), 0))
	}
}

// warn takes note of what could not be asked. Without credentials the command
// fails; that one endpoint is not there is shown, and no failure of the list.
func (l *asking) warn(deps *Deps, pipeline string, err error) {
	l.warnings = append(l.warnings, warningDoc{pipeline, describe(deps, err)})
	if k := fault.KindOf(err); l.err == nil && (pipeline == "" || k == fault.Unauthenticated || k == fault.Denied) {
		l.err = fault.Wrap(err, "ask for endpoints and executions")
	}
}

// tell is warn, for what the text has to say in words.
func (l *asking) tell(deps *Deps, pipeline string, err error) {
	l.warn(deps, pipeline, err)
	l.told = append(l.told, warningDoc{pipeline, describe(deps, err)})
}

// text is what could not be asked, a line each.
func (l *asking) text(st theme.Styles) string {
	var b strings.Builder
	for _, w := range l.told {
		fmt.Fprintln(&b, st.Warn.Render("! "+w.Pipeline+": "+render.Line(w.Message, 0)))
		if w.Hint != "" {
			fmt.Fprintln(&b, "  "+st.Muted.Render(render.Line(w.Hint, 0)))
		}
	}
	return b.String()
}

// addLive asks AWS for what the stacks cannot know. What cannot be had is unknown:
// a list must not fail because one account is out of reach.
func (deps *Deps) addLive(ctx context.Context, list []pipelines.Pipeline, docs []pipelineDoc, l *asking) {
	found, err := deps.app().Live(ctx, list, pipelines.Counts)
	if err != nil {
		l.warn(deps, "", err)
		return
	}
	for i, live := range found {
		docs[i].take(live)
		switch {
		case live.Elsewhere != "":
			l.warn(deps, docs[i].Pipeline, live.Err())
		case ctx.Err() != nil:
			// It says why anything is missing.
		default:
			for _, err := range []error{live.EndpointErr, live.ExecutionsErr, live.SharedErr} {
				if err != nil {
					l.tell(deps, docs[i].Pipeline, err)
				}
			}
		}
	}
	if ctx.Err() != nil && l.err == nil {
		l.err = fault.New(fault.Canceled, "interrupted while AWS was asked for endpoints and executions").Because(ctx.Err())
	}
}
