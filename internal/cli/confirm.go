package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// confirm shows what would happen and asks. up previews first; destroy wants
// the name typed; refresh only changes our records of the world.
func (e *env) confirm(ctx context.Context, o *deployOptions, pipelines []*spec.Pipeline) error {
	switch o.operation {
	case stack.OperationUp:
		return e.confirmUp(ctx, o, pipelines)
	case stack.OperationDestroy:
		if err := e.tellRunning(ctx, o, pipelines); err != nil {
			return err
		}
		return e.confirmDestroy(ctx, o, pipelines)
	default:
		return e.yesNo(ctx, fmt.Sprintf("Read the real state of %s into the backend?", render.Count(len(pipelines), "pipeline", "pipelines")), nil)
	}
}

// askAboutLocks asks whether locks of operations that were killed may go.
func (e *env) askAboutLocks(ctx context.Context, o *deployOptions, pipelines []*spec.Pipeline) error {
	engine, err := e.open().Engine(ctx)
	if err != nil {
		return err
	}
	found := false
	for _, p := range pipelines {
		for _, l := range engine.DeadLocks(ctx, p.StackName()) {
			found = true
			e.noteLock(p.ID, l)
		}
	}
	if !found {
		return nil
	}
	if err := e.yesNo(ctx, "Clear what the killed operation left behind, and repair its stack?", nil); err != nil {
		return err
	}
	o.clearDead = true
	return nil
}

// tellHeld says who is at work on pipelines now, or what is left of a lock, before
// anything is asked.
func (e *env) tellHeld(ctx context.Context, list []*spec.Pipeline) error {
	engine, err := e.open().Engine(ctx)
	if err != nil {
		return err
	}
	for _, p := range list {
		c := pipelines.Assess(pipelines.Facts{Pipeline: p.String(), Locks: engine.HeldBy(ctx, p.StackName())})
		switch {
		case c.Status != pipelines.Updating && c.Note != "":
			e.note("%s: %s", p.ID, c.Note)
		case c.Status == pipelines.Updating && c.Lock != nil:
			e.note("%s is %s, since %s: what is shown may be different when that has ended", p.ID, render.Line(c.Note, 0), render.Age(c.Lock.Since, e.now()))
		}
	}
	return nil
}

// noteLock says who holds a stack and what that means.
func (e *env) noteLock(id spec.ID, l stack.Lock) {
	if half := l.Half(); half != "" {
		e.note("%s: %s", id, half)
		return
	}
	state := "its process may still run: wait for it, or make sure that it is gone"
	if l.Stale {
		state = "its process is gone: it was killed, and what it was doing may be half done"
	}
	e.note("%s is locked by %s@%s, process %d, since %s: %s", id, render.Line(l.User, 0), render.Line(l.Host, 0), l.PID, render.Age(l.Since, e.now()), state)
}

// plan finds out what an up would do and keeps it for the update itself. With an
// error the results are there as far as there are any.
func (e *env) plan(ctx context.Context, o *deployOptions, pipelines []*spec.Pipeline) ([]app.PipelineResult, *view, error) {
	preview := *o
	preview.operation = stack.OperationPreview
	// Without lines: the stream, if there is one, is the update's.
	v := &view{e: e, board: e.newBoard(len(pipelines), true), progress: map[spec.ID]*stack.Progress{}}
	results, err := e.operate(ctx, preview.request(pipelines), v)
	if err != nil {
		return nil, nil, err
	}
	o.expects, o.planned = map[spec.ID]string{}, map[spec.ID][]stack.Row{}
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		o.expects[r.ID] = r.Result.Basis
		if p := v.progress[r.ID]; p != nil {
			o.planned[r.ID] = p.Rows()
		}
	}
	return results, v, preview.verdict(results)
}

func (e *env) confirmUp(ctx context.Context, o *deployOptions, pipelines []*spec.Pipeline) error {
	results, v, err := e.plan(ctx, o, pipelines)
	if err != nil {
		return err
	}
	show := func(details bool) {
		for _, r := range results {
			fmt.Fprintf(e.Err, "%s  %s\n", e.ErrStyle.Title.Render(r.ID.String()), render.Changes(r.Result.Changes, false))
			if p := v.progress[r.ID]; p != nil {
				fmt.Fprint(e.Err, render.Plan(e.ErrStyle, p.Rows(), details))
				for _, line := range render.Attention(p.Rows()) {
					fmt.Fprintln(e.Err, e.ErrStyle.Warn.Render("  ! "+line))
				}
			}
		}
	}
	show(false)
	if err := e.tellRunning(ctx, o, pipelines); err != nil {
		return err
	}
	return e.yesNo(ctx, "Apply these changes?", func() { show(true) })
}

// confirmDestroy wants the pipeline's name typed, or for several how many or which
// env: what is deleted is gone. A stack that has changed since it was read for
// this is left alone.
func (e *env) confirmDestroy(ctx context.Context, o *deployOptions, list []*spec.Pipeline) error {
	ids := make([]spec.ID, len(list))
	for i, p := range list {
		ids[i] = p.ID
		fmt.Fprintf(e.Err, "  %s %s\n", e.ErrStyle.Delete.Render("-"), p.ID)
	}
	assent := pipelines.AssentTo(ids)
	asked := make([]string, len(assent.Asked))
	for i, text := range assent.Asked {
		asked[i] = e.ErrStyle.Title.Render(text)
	}
	fmt.Fprintln(e.Err, e.ErrStyle.Warn.Render("This deletes the endpoint, the state machine, and the bucket with all inputs and results."))
	fmt.Fprintf(e.Err, "Type %s to go ahead: ", strings.Join(asked, " or "))
	answer, err := e.readLine(ctx)
	if err != nil {
		return err
	}
	if !assent.Given(answer) {
		return fault.New(fault.Canceled, "nothing was deleted")
	}
	o.expects = o.seen
	return nil
}

func (e *env) yesNo(ctx context.Context, question string, details func()) error {
	for {
		choices := "yes/no"
		if details != nil {
			choices = "yes/no/details"
		}
		e.ask(question, choices)
		answer, err := e.readLine(ctx)
		if err != nil {
			return err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return nil
		case "n", "no", "":
			return fault.New(fault.Canceled, "nothing was changed")
		case "d", "details":
			if details != nil {
				details()
			}
		}
	}
}

// ask writes a question.
func (e *env) ask(question, choices string) { fmt.Fprintf(e.Err, "%s [%s] ", question, choices) }

func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// nextLine reads a line of the input.
func (e *env) nextLine() (string, error) {
	if e.reader == nil {
		e.reader = bufio.NewReader(e.In)
	}
	line, err := e.reader.ReadString('\n')
	return strings.TrimSpace(line), err
}

// readLine reads one answer; the end of input or a signal counts as a no.
func (e *env) readLine(ctx context.Context) (string, error) {
	text, err := outside.Do(ctx, "an answer", e.nextLine)
	if err == nil || text != "" {
		return text, nil
	}
	fmt.Fprintln(e.Err)
	if ctx.Err() != nil {
		return "", fault.New(fault.Canceled, "interrupted")
	}
	return "", fault.New(fault.Canceled, "no answer was given")
}
