package execution

import (
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
)

// ranOn is the revision that the execution runs; nil if it is not known. The ledger is
// read once for each machine that was read: frames ask.
func (p *Page) ranOn() *pipelines.Ran {
	d, m := p.details, p.machine
	if d == nil || d.Version == "" || m == nil || m.Pipeline == nil {
		return nil
	}
	if p.ranMachine != m || p.ranVersion != d.Version || !p.ranRedriven.Equal(d.RedriveDate) {
		p.ranMachine, p.ranVersion, p.ranRedriven = m, d.Version, d.RedriveDate
		list, err := pipelines.Revisions(m.Pipeline.State, m.Pipeline.History, nil)
		if err != nil {
			list = nil // it is not known then
		}
		p.ran = pipelines.RanOn(list, d.Version, m.Version).RedrivenAt(list, d.RedriveDate)
	}
	return p.ran
}

// redriveText says what a redrive does.
func (p *Page) redriveText() string {
	text := "It goes on from where it failed, with the definition and the input that it had. What has succeeded is not done again."
	if note := p.ranOn().ChangedSince(); note != "" {
		text += " The " + note + "."
	}
	return text
}

// historyLine is the command line that shows the pipeline's revisions.
func (p *Page) historyLine() string { return p.Env.CommandLine("history", p.id.String()) }
