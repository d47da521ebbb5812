package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// echo is how long the same signal is the same one where nobody can be asked: `timeout`, make,
// npm and the runners of CI send it to their child and to its whole group, so that it comes
// twice. (GNU coreutils, timeout.c, cleanup)
const echo = time.Second

// stopper turns signals into a polite stop, and then into a forced one.
type stopper struct {
	deps *Deps
	op   pipelines.Operation
	v    *view
	// turnBack has a rollout of one of the pipelines turned back.
	turnBack  func(p *spec.Pipeline, endpoint string) error
	pipelines []*spec.Pipeline
	turned    chan string // what came of it

	asked  bool        // the polite stop
	first  os.Signal   // that asked
	at     time.Time   // when
	answer chan string // where the next line comes, which is being read
	open   openQuestion
}

// openQuestion is the question that the next line answers.
type openQuestion int

const (
	noQuestion openQuestion = iota
	ofForce
	ofRollouts
)

func newStopper(deps *Deps, op pipelines.Operation, v *view) *stopper {
	return &stopper{deps: deps, op: op, v: v, turned: make(chan string, 1)}
}

func (s *stopper) signal(sig os.Signal) {
	switch {
	case s.asked && sig == syscall.SIGHUP:
		// A closed terminal is told of twice, by the kernel and by the shell. It wants
		// nothing forced, and nobody is there to be asked.
	case s.asked && sig == s.first && s.deps.now().Sub(s.at) < echo && !s.deps.CanPrompt():
		// Nobody has asked twice.
	case !s.asked && s.open == noQuestion && sig == os.Interrupt && s.deps.CanPrompt() && len(s.turns()) > 0:
		s.askRollout()
	case !s.asked:
		s.overtaken()
		s.cancel(sig)
	case s.open == noQuestion && s.deps.CanPrompt():
		s.v.pause(true)
		s.deps.Note("forcing ends the engine at once. What is in flight may be orphaned until the next up, destroy or cancel finds it: %s", s.inFlight())
		s.ask(ofForce, "Force?", "yes/no")
	default:
		s.force()
	}
}

// ask asks. A line that is being read for a question that is none any more is this one's.
func (s *stopper) ask(of openQuestion, question, choices string) {
	s.deps.Ask(question, choices)
	if s.open = of; s.answer != nil {
		return
	}
	s.answer = make(chan string, 1)
	go func(answer chan<- string) {
		text, _ := s.deps.NextLine() // the end of input is no yes
		answer <- text
	}(s.answer)
}

// cancel is the polite stop.
func (s *stopper) cancel(sig os.Signal) {
	s.asked, s.first, s.at = true, sig, s.deps.now()
	s.v.erase()
	s.deps.Note("cancelling: nothing new is begun; waiting for what is in flight: %s", s.inFlight())
	s.deps.Note("interrupt again to force")
	s.op.Cancel()
}

// turn is what moves over of a pipeline and can be turned back.
type turn struct {
	pipeline *spec.Pipeline
	rollouts []*stack.Rollout
}

func (s *stopper) turns() []turn {
	var out []turn
	for _, x := range s.pipelines {
		if p := s.v.progress[x.ID]; p != nil && p.End == nil {
			if list := stack.Turnable(p.Rollouts()); len(list) > 0 {
				out = append(out, turn{x, list})
			}
		}
	}
	return out
}

// askRollout asks what ctrl-C means while traffic moves over.
func (s *stopper) askRollout() {
	s.v.pause(true)
	now := s.deps.now()
	for _, t := range s.turns() {
		for _, r := range t.rollouts {
			what := "leave: SageMaker goes on with it, to its end or until an alarm turns it back"
			if r.Alias != nil {
				what = "leave: its calls go back too, for nobody else moves them"
			}
			s.deps.Note("a rollout of %s is under way: %s (%s)", t.pipeline.ID, render.Rollout(r, now), what)
		}
	}
	s.deps.Note("back: what answered before answers all again, and the update fails as turned back. leave: nothing new is begun, and this ends. wait: nothing changes.")
	s.ask(ofRollouts, "Turn it back, leave it going, or wait?", "back/leave/wait")
}

func (s *stopper) answered(text string) {
	of := s.open
	s.answer, s.open = nil, noQuestion
	s.v.pause(false)
	switch {
	case of == noQuestion:
		return
	case of == ofRollouts:
		s.answeredRollout(strings.ToLower(text))
		return
	case console.IsYes(text):
		s.force()
		return
	}
	s.deps.Note("still waiting for what is in flight: %s", s.inFlight())
}

// answeredRollout does what was answered. Nothing is done without a clear answer.
func (s *stopper) answeredRollout(text string) {
	switch text {
	case "b", "back":
		turns := s.turns()
		if len(turns) == 0 {
			s.deps.Note("no rollout is under way any more: nothing was turned back")
			return
		}
		s.deps.Note("turning back; waiting for what is in flight: %s", s.inFlight())
		go func() { s.turned <- s.back(turns) }()
	case "l", "leave":
		s.cancel(os.Interrupt)
	default:
		s.deps.Note("waiting: %s", s.inFlight())
	}
}

// back has rollouts turned back, all that is under way of each pipeline, and says what came of it.
func (s *stopper) back(turns []turn) string {
	var said []string
	for _, t := range turns {
		alias, done, failed := false, "", error(nil)
		for _, r := range t.rollouts {
			if r.Alias != nil && alias {
				continue // all of a pipeline go back at once
			}
			alias = alias || r.Alias != nil
			if err := s.turnBack(t.pipeline, r.Endpoint); err == nil {
				done = "it is being turned back"
			} else if failed == nil || fault.KindOf(failed) == fault.Conflict {
				failed = err
			}
		}
		// One that has come to its end meanwhile is not missed.
		if failed != nil && (done == "" || fault.KindOf(failed) != fault.Conflict) {
			done = "it could not be turned back: " + render.Line(failed.Error(), 0)
			if hint := fault.HintOf(failed); hint != "" {
				done += ". " + render.Line(hint, 0)
			}
		}
		said = append(said, fmt.Sprintf("%s: %s", t.pipeline.ID, done))
	}
	return strings.Join(said, "\n")
}

func (s *stopper) force() {
	s.deps.Note("forcing: what is in flight may be orphaned until the next up, destroy or cancel finds it: %s", s.inFlight())
	s.op.Kill()
}

// overtaken ends the line of a question that nobody needs an answer to any more.
func (s *stopper) overtaken() {
	if s.open != noQuestion {
		s.open = noQuestion
		s.deps.Note("")
		s.v.pause(false)
	}
}

// inFlight names what is being worked on, by pipeline.
func (s *stopper) inFlight() string {
	now := s.deps.now()
	var parts []string
	for _, id := range s.op.Running() {
		text := id.String()
		if p := s.v.progress[id]; p != nil {
			if rows := render.InFlight(p, now); len(rows) > 0 {
				text += " (" + strings.Join(rows, ", ") + ")"
			}
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
