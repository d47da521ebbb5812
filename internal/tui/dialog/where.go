package dialog

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Where is the line that a question about a change begins with: what it is done in. arn may
// be that of what is changed, and then says account and region itself.
func Where(e *ui.Env, arn string) string {
	p := e.Place()
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		p.Region, p.Account = parts[3], parts[4]
	}
	var parts []string
	switch {
	case p.Target == "":
		return "Where this runs is not known yet.\n\n"
	case p.Sandbox():
		parts = append(parts, "In the sandbox")
	default:
		parts = append(parts, "In AWS")
	}
	for _, x := range []struct{ word, text string }{{"account ", p.Account}, {"", p.Region}} {
		if x.text != "" {
			parts = append(parts, x.word+x.text)
		}
	}
	if p.Endpoint != "" && !p.Sandbox() {
		parts = append(parts, "endpoint "+p.Endpoint)
	}
	return render.Line(strings.Join(parts, ", "), 0) + ".\n\n"
}
