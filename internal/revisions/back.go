package revisions

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Verdict is what is known of how a revision answers its checks; "" is nothing.
type Verdict string

// The verdicts.
const (
	Passed Verdict = "passed"
	Failed Verdict = "failed"
	// Begun is of one that an update has brought into service and has not told of its
	// checks: it was cut off.
	Begun Verdict = "begun"
	// HadNone is of one that had no checks that it could fail.
	HadNone Verdict = "none"
)

// UnmarshalJSON reads a verdict; the first version of the tool that asked checks wrote
// whether they had passed.
func (v *Verdict) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	var passed bool
	if json.Unmarshal(raw, &passed) == nil {
		if *v = Failed; passed {
			*v = Passed
		}
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	*v = Verdict(text)
	return nil
}

// against is what speaks against going back to a revision, "" if it is known to be good.
func (v Verdict) against() string {
	switch v {
	case Passed, HadNone:
		return ""
	case Failed:
		return "has failed its checks"
	case Begun:
		return "was cut off before its checks were asked"
	}
	return "is not known to have passed its checks"
}

// Before is the revision that was in service before the one that is, 0 if none is kept.
func (l *Ledger) Before() int { return l.wholeBefore(l.Current) }

// wholeBefore is the newest revision before a number that was brought to its end.
func (l *Ledger) wholeBefore(number int) int {
	for _, r := range l.List() {
		if r.Number < number && l.Complete(r.Number) {
			return r.Number
		}
	}
	return 0
}

// Back is the revision that a rollback without a number goes to, and the way back of an
// update whose checks have failed: the newest that is known to be good and is not what is in
// service, or was left already by a rollback to something older. After an update that was
// not brought to its end it may be what is in service. A rollback that was cut off is gone
// on with. of tells what is known of a revision; an error of it is returned.
func (l *Ledger) Back(of func(number int) (Verdict, error)) (int, error) {
	last := l.Last()
	if last == nil {
		return 0, none()
	}
	cut := last.Number > l.Current && l.Current > 0
	if o := last.Origin; cut && o != nil && l.Find(o.RollbackTo) != nil {
		return o.RollbackTo, nil
	}
	left := l.left()
	var against []string
	for _, r := range l.List() {
		switch {
		case r.Number > l.Current || !l.Complete(r.Number) || !cut && l.alike(r.Number, l.Current):
			continue
		case left[r.Number]:
			against = append(against, fmt.Sprintf("%d was left by a rollback", r.Number))
			continue
		}
		v, err := of(r.Number)
		if err != nil {
			return 0, fault.New(fault.KindOf(err), "it is not known whether revision %d is good: %v", r.Number, fault.Reason(err)).Because(err).
				WithHint("--to N goes to any revision without asking; `pipelinetui history PIPELINE` shows them.")
		}
		why := v.against()
		if why == "" {
			return r.Number, nil
		}
		against = append(against, fmt.Sprintf("%d %s", r.Number, why))
	}
	text := fmt.Sprintf("there is no revision before %d to go back to", last.Number)
	hint := "`pipelinetui history PIPELINE` shows what is kept."
	if len(against) > 0 {
		text += ": " + strings.Join(against, ", ")
		hint = "`pipelinetui history PIPELINE` shows what is kept; --to N goes to any of them."
	}
	return 0, fault.New(fault.NotFound, "%s", text).WithHint("%s", hint)
}

// root is the revision that one brings back, itself if it is none that does.
func (l *Ledger) root(number int) int {
	for r := l.Find(number); r != nil && r.Origin != nil && r.Origin.RollbackTo > 0 && r.Origin.RollbackTo < number; r = l.Find(number) {
		number = r.Origin.RollbackTo
	}
	return number
}

// alike tells whether two revisions run the same.
func (l *Ledger) alike(a, b int) bool {
	if l.root(a) == l.root(b) {
		return true
	}
	x, y := l.Find(a), l.Find(b)
	return x != nil && y != nil && x.Digest != "" && x.Digest == y.Digest
}

// left are the revisions that a rollback to something older has taken out of service, and
// those before them that run the same: whoever went back fled from them. One that took
// another rollback back fled from nothing.
func (l *Ledger) left() map[int]bool {
	out := map[int]bool{}
	list := l.List()
	for _, r := range list {
		if r.Origin == nil || r.Origin.RollbackTo == 0 {
			continue
		}
		from := l.wholeBefore(r.Number)
		if from == 0 || l.root(r.Number) >= l.root(from) {
			continue
		}
		for _, x := range list {
			if x.Number <= from && l.alike(x.Number, from) {
				out[x.Number] = true
			}
		}
	}
	return out
}
