package cli

import (
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/custom"
)

// customReference says how users make the full-screen terminal theirs, as a part of keys.md.
func customReference() string {
	var b strings.Builder
	b.WriteString(`
## Files of your own

They lie beside the config file (` + "`pipelinetui doctor`" + ` says where that is) and are read when the
terminal is opened. What is wrong in one is told then, with its place; the file is not followed
and everything else is.

### keys.yaml

Other keys for actions, by the names in the tables above. A key that would mean two things on one
page is refused.

    keys:
      delete: K
      palette: [";", ctrl+p]

### theme.yaml

How things look. A colour is one of the 256 by its number, or "#rrggbb"; or one for each background.

    styles:
      good: 78
      bad: {text: "#ff5f5f", bold: true}
      cursor: {text: {light: 16, dark: 231}, background: {light: 189, dark: 60}}

What can be painted: ` + strings.Join(theme.Tokens(), ", ") + `. A style may be bold, underline or
reversed (true or false).

### commands.yaml

Commands of your own, in the palette and by a key. The program is started as it is written, without
a shell; it gets the variables with which AWS's own tools work where the session does, in the
sandbox, too.

    commands:
      tail the logs:
        key: f6
        pages: [Pipeline, Pipelines]   # left out: all
        run: [aws, logs, tail, $LOG_GROUP, --follow]
      describe it:
        pages: Execution
        run: [aws, stepfunctions, describe-execution, --execution-arn, $EXECUTION_ARN]
        output: true       # in the background; what it has written is shown
      page the team:
        run: [./notify.sh, $PIPELINE]
        confirm: true      # asks first
        background: true   # tells how it has ended
        changes: true      # not in a read-only session
        help: tell who is on call

A dollar itself is written twice. Without output and background a command has the terminal until it ends. Pages are the headings
above.

| placeholder | stands for |
|---|---|
`)
	for _, p := range custom.Placeholders() {
		fmt.Fprintf(&b, "| `$%s` | %s |\n", p[0], p[1])
	}
	b.WriteString(`
### views.yaml

Looks at the list of pipelines, each with a name: ` + "`V`" + ` on the list saves one, and the palette
finds them.

    views:
      failing in prod:
        filter: prod
        sort: fail
        columns: [tenant, model, env, status, fail]
        tag: tier
        tenants: true
        reverse: false

Columns: ` + strings.Join(custom.ViewColumns(), ", ") + `.
`)
	return b.String()
}
