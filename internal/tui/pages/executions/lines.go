package executions

import "strings"

// line makes the command line that does with the pipeline what a key does.
func (p *Panel) line(verb string, more ...string) func() string {
	return func() string {
		return p.Env.CommandLine(append([]string{verb, p.id.String()}, more...)...)
	}
}

// lines makes the command lines that do with the selected execution, or with each of
// those that are marked, what a key does.
func (p *Panel) lines(marked bool, verb string) func() string {
	return func() string {
		var rows []int
		if i, ok := p.grid.Selected(); ok {
			rows = []int{i}
		}
		if marked {
			rows = p.grid.Marked()
		}
		out := make([]string, len(rows))
		for n, i := range rows {
			out[n] = p.Env.CommandLine("executions", verb, p.id.String(), p.list[i].Name)
		}
		return strings.Join(out, " && ")
	}
}

// listLine is the command line that lists what the table lists.
func (p *Panel) listLine() string {
	args := []string{"executions", "list", p.id.String()}
	if len(p.query.statuses) > 0 {
		words := make([]string, len(p.query.statuses))
		for i, s := range p.query.statuses {
			words[i] = string(s)
		}
		args = append(args, "--status", strings.Join(words, ","))
	}
	if p.query.since != "" {
		args = append(args, "--since", p.query.since)
	}
	if p.query.name != "" {
		args = append(args, "--name", p.query.name)
	}
	return p.Env.CommandLine(args...)
}
