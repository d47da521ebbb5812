package pipelines

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Origin says where a revision comes from.
type Origin = revisions.Origin

// RevisionState is what became of a revision.
type RevisionState string

// The states of a revision.
const (
	RevisionLive        RevisionState = "live"        // what is in service
	RevisionSuperseded  RevisionState = "superseded"  // was in service
	RevisionTurnedBack  RevisionState = "turned-back" // was in service, until its checks failed
	RevisionUpdating    RevisionState = "updating"    // being made now
	RevisionFailed      RevisionState = "failed"      // its update failed
	RevisionCancelled   RevisionState = "cancelled"   // its update was cancelled
	RevisionInterrupted RevisionState = "interrupted" // its update was cut off
)

// ChecksState is what is known of how a revision answers its checks.
type ChecksState string

// What may be known of the checks of a revision; "" is of one that has none, or was not
// brought to its end.
const (
	ChecksPassed     ChecksState = "passed"
	ChecksFailed     ChecksState = "failed"
	ChecksUnverified ChecksState = "unverified" // they were not asked, or nobody has noted it
	ChecksUnknown    ChecksState = "unknown"    // what is noted can't be read
)

// ChecksOf is what a verdict, or the error of who looked for it, says of a revision.
func ChecksOf(v revisions.Verdict, err error) ChecksState {
	switch {
	case err != nil:
		return ChecksUnknown
	case v == revisions.Passed:
		return ChecksPassed
	case v == revisions.Failed:
		return ChecksFailed
	case v == revisions.HadNone:
		return ""
	}
	return ChecksUnverified
}

// Revision is a revision of a pipeline as its history shows it.
type Revision struct {
	Number int           `json:"number"`
	State  RevisionState `json:"state"`
	// Checks is what is known of its checks.
	Checks ChecksState `json:"checks,omitempty"`
	Begun  time.Time   `json:"begun"`
	By     string      `json:"by,omitempty"`
	Tool   string      `json:"tool,omitempty"`
	// Message is what its update was given, Origin where it comes from.
	Message string            `json:"message,omitempty"`
	Origin  *revisions.Origin `json:"origin,omitempty"`
	// Updates are the numbers of the backend's updates that made it, the newest first.
	Updates  []int              `json:"updates"`
	Error    string             `json:"error,omitempty"`
	Template revisions.Template `json:"template"`
	Image    string             `json:"image,omitempty"`
	// ImageDigest is what the image's name stood for.
	ImageDigest string `json:"imageDigest,omitempty"`
	// Model and Code are digests; Machine, ModelName and Function the versions that AWS
	// gave it.
	Model     string `json:"model,omitempty"`
	Code      string `json:"code,omitempty"`
	Machine   string `json:"machineVersionArn,omitempty"`
	ModelName string `json:"modelName,omitempty"`
	Function  string `json:"functionVersion,omitempty"`

	// Content is what it was made from, secrets blinded.
	Content revisions.Content `json:"-"`
}

// Differences are the lines that tell in what another revision differs from this one.
func (r *Revision) Differences(to *Revision) []string {
	var out []string
	for _, d := range revisions.Diff(r.Content, to.Content) {
		switch {
		case d.Old == nil:
			out = append(out, fmt.Sprintf("+ %s: %v", d.Path, d.New))
		case d.New == nil:
			out = append(out, fmt.Sprintf("- %s: %v", d.Path, d.Old))
		default:
			out = append(out, fmt.Sprintf("~ %s: %v → %v", d.Path, d.Old, d.New))
		}
	}
	return out
}

// Note says in a word what is particular about it.
func (r *Revision) Note() string {
	checks := map[ChecksState]string{
		ChecksFailed: "has failed its checks", ChecksUnverified: "its checks were not asked", ChecksUnknown: "whether it passed its checks can't be read",
	}[r.Checks]
	why := r.why()
	if why == "" && !strings.HasPrefix(r.Message, TurnedBack) { // the origin says that itself
		why = r.Message
	}
	return strings.Join(slices.DeleteFunc([]string{checks, r.Origin.String(), why}, func(s string) bool { return s == "" }), "; ")
}

// why is the first sentence of its error; of a rollout that was turned back, that.
func (r *Revision) why() string {
	text, _, _ := strings.Cut(r.Error, "\n")
	if turned, byHand := turnedBack(text); byHand {
		return "its rollout was turned back by hand"
	} else if turned {
		return "its rollout was turned back"
	}
	text, _, _ = strings.Cut(text, ". ")
	return text
}

// turnedBack tells whether an update failed since its rollout was turned back, and whether
// somebody did that by hand.
func turnedBack(failure string) (turned, byHand bool) {
	text, _, _ := strings.Cut(failure, "\n")
	at := strings.Index(text, "the rollout of ")
	if at < 0 || !strings.Contains(text[at:], "turned back") {
		return false, false
	}
	return true, strings.Contains(text[at:], "by hand")
}

// Whole tells that it was brought to its end.
func (r *Revision) Whole() bool {
	return r.State == RevisionLive || r.State == RevisionSuperseded || r.State == RevisionTurnedBack
}

// Sound tells that nothing is known to be wrong with a revision that is or was in service.
func (r *Revision) Sound() bool { return r.Checks == "" || r.Checks == ChecksPassed }

// Ledger is what a stack knows of the pipeline's revisions.
func Ledger(s *stack.State) (*revisions.Ledger, error) {
	if s == nil {
		return &revisions.Ledger{}, nil
	}
	current := 0
	if n, ok := s.Outputs["revision"].Value.(float64); ok {
		current = int(n)
	}
	text := func(name string) string { t, _ := s.Outputs[name].Value.(string); return t }
	made := revisions.Made{Machine: text("stateMachineVersionArn"), Model: text("modelName")}
	for _, r := range s.Resources {
		if r.Name == "pre" && r.Type == kinds.Function && !r.PendingDelete {
			made.Function, _ = r.Outputs["version"].(string)
		}
	}
	return revisions.Read(s.Revisions, current, made)
}

// Revisions puts together what a stack, the history of its updates and its locks tell of
// revisions, the newest first.
func Revisions(s *stack.State, history []stack.Update, locks []stack.Lock) ([]Revision, error) {
	ledger, err := Ledger(s)
	if err != nil {
		return nil, err
	}
	list := ledger.List()
	out := make([]Revision, 0, len(list))
	turned := map[int]bool{}
	made := updatesOf(list, history)
	for i, r := range list { // the newest first
		if r.Origin != nil {
			turned[r.Origin.TurnedBack] = true
		}
		one := Revision{
			Number: r.Number, Begun: r.Begun, By: r.By, Tool: r.Tool, Message: r.Message, Origin: r.Origin, Template: r.Template,
			Image: r.Image, ImageDigest: r.ImageDigest, Model: r.Model, Code: r.Code, Content: r.Content, Updates: []int{},
		}
		names, whole := ledger.MadeOf(r.Number)
		one.Machine, one.ModelName, one.Function = names.Machine, names.Model, names.Function
		var last *stack.Update // the newest of it
		for _, u := range made[i] {
			one.Updates = append(one.Updates, u.Version)
			if last == nil {
				last = u
			}
		}
		switch {
		case r.Number == ledger.Current:
			one.State = RevisionLive
		case whole && turned[r.Number]:
			one.State = RevisionTurnedBack
		case whole:
			one.State = RevisionSuperseded
		default:
			one.State = unfinished(last, i == 0 && held(locks))
			if last != nil {
				one.Error = last.Error
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// Ran is the revision that an execution runs, as its version of the state machine tells.
type Ran struct {
	// Number is 0 if the revision is not kept any more, or is not known.
	Number int `json:"number,omitempty"`
	// Updates are those of the stack that made it, the newest first.
	Updates []int `json:"updates,omitempty"`
	// Machine is the ARN of the version; Model and Code are digests.
	Machine string `json:"machineVersionArn"`
	Model   string `json:"model,omitempty"`
	Code    string `json:"code,omitempty"`
	// Live is the revision that is in service, Changed tells that its version of the state
	// machine is another one: a redrive runs the old definition.
	// (step-functions/latest/dg/redrive-executions.html)
	Live    int  `json:"live,omitempty"`
	Changed bool `json:"changed,omitempty"`
	// Redriven is the revision that was in service when the execution was redriven last, if
	// that was another one. The definition is still that of Number, and so are the names in
	// its output; but the function and the endpoint are called by names that do not change,
	// and answer with what is behind them then: RedrivenModel and RedrivenCode.
	Redriven      int    `json:"redriven,omitempty"`
	RedrivenModel string `json:"redrivenModel,omitempty"`
	RedrivenCode  string `json:"redrivenCode,omitempty"`
}

// RanOn finds out what an execution runs among the revisions of its pipeline. live is the
// version that is in service. nil if the execution names no version.
func RanOn(list []Revision, version, live string) *Ran {
	if version == "" {
		return nil
	}
	r := &Ran{Machine: version, Changed: live != "" && live != version}
	for _, one := range list {
		if one.State == RevisionLive {
			r.Live = one.Number
		}
		if one.Machine == version && r.Number == 0 {
			r.Number, r.Updates, r.Model, r.Code = one.Number, one.Updates, one.Model, one.Code
		}
	}
	return r
}

// RedrivenAt notes when the execution was redriven last; the zero time is never. Which
// revision was in service then is known to the second in which its update began.
func (r *Ran) RedrivenAt(list []Revision, at time.Time) *Ran {
	if r == nil || at.IsZero() {
		return r
	}
	for _, one := range list { // the newest first
		served := one.State == RevisionLive || one.State == RevisionSuperseded
		if !served || one.Begun.After(at) {
			continue
		}
		if one.Number != r.Number && one.Number > 0 {
			r.Redriven, r.RedrivenModel, r.RedrivenCode = one.Number, one.Model, one.Code
		}
		break
	}
	return r
}

// Mixed says of which revision the parts of a redriven execution are; "" if all are of one.
func (r *Ran) Mixed() string {
	if r == nil || r.Redriven == 0 {
		return ""
	}
	text := fmt.Sprintf("redriven under revision %d: what ran since has the definition of its own revision, and function and model of %d", r.Redriven, r.Redriven)
	var parts []string
	for _, x := range [][2]string{{"model", revisions.Short(r.RedrivenModel)}, {"code", revisions.Short(r.RedrivenCode)}} {
		if x[1] != "" {
			parts = append(parts, x[0]+" "+x[1])
		}
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

// ChangedSince says what a redrive of an execution does that runs an older definition; ""
// if it runs that of today. A redrive goes on with the definition of its execution
// (step-functions/latest/dg/redrive-executions.html), while the function and the endpoint
// that it calls are those of today.
func (r *Ran) ChangedSince() string {
	const text = "definition has changed since: a redrive runs the old one, with today's function and model"
	switch {
	case r == nil || !r.Changed:
		return ""
	case r.Number > 0 && r.Live > 0:
		return fmt.Sprintf("%s (revision %d; %d is in service)", text, r.Number, r.Live)
	}
	return text
}

// updateSlack is how much later an update may have begun than the engine says, which keeps
// whole seconds.
const updateSlack = time.Second

// updatesOf finds the updates that made each revision, both the newest first: those that began
// after it was written down and before the next one was. Where the engine's second leaves it
// open which of two that is, a revision without any is given the oldest of the next one.
func updatesOf(list []revisions.Record, history []stack.Update) [][]*stack.Update {
	out := make([][]*stack.Update, len(list))
	for i := range history {
		u := &history[i]
		at := slices.IndexFunc(list, func(r revisions.Record) bool { return r.Begun.Before(u.Start.Add(updateSlack)) })
		if u.Kind == "update" && at >= 0 {
			out[at] = append(out[at], u)
		}
	}
	for i := len(list) - 1; i > 0; i-- {
		next := out[i-1]
		if n := len(next); len(out[i]) == 0 && n > 1 && next[n-1].Start.Before(list[i-1].Begun) {
			out[i], out[i-1] = next[n-1:], next[:n-1]
		}
	}
	return out
}

func held(locks []stack.Lock) bool {
	for _, l := range locks {
		if !l.Stale && !l.Broken {
			return true
		}
	}
	return false
}

// unfinished is what became of a revision that was not brought to its end. A backend
// that knows nothing of its update was never told how that ended.
func unfinished(last *stack.Update, held bool) RevisionState {
	switch {
	case held:
		return RevisionUpdating
	case last == nil:
		return RevisionInterrupted
	case last.Result == stack.ResultCanceled:
		return RevisionCancelled
	case last.Result == stack.ResultInterrupted || last.Result == "in-progress":
		return RevisionInterrupted
	}
	return RevisionFailed
}
