package sandbox

import (
	_ "embed"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// differences are what the sandbox does otherwise than AWS on purpose, as people read it.
//
//go:embed reference.md
var differences string

// Reference is a page of Markdown about what the sandbox serves: what differs from AWS on
// purpose, and every operation of the table from which requests are routed. It is the same
// for the same program. That the services cannot be made is a mistake of the build.
func Reference() string {
	all, err := served()
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	b.WriteString(differences)
	b.WriteString("\n## Services and operations\n\nServices have the name by which `aws-sdk:NAME:operation` of Step Functions and the Scheduler calls " +
		"them;\nbeside it, how many of AWS's operations are served.\n\n| service | served | operations |\n|---|---|---|\n")
	for _, service := range slices.Sorted(maps.Keys(all)) {
		api := model.Of(service)
		if api == nil {
			continue // the sandbox's own
		}
		fmt.Fprintf(&b, "| `%s` | %d of %d | %s |\n", service, len(all[service]), len(api.Operations), strings.Join(all[service], ", "))
	}
	return b.String()
}

// served are the operations of all services, over an empty folder.
func served() (all map[string][]string, err error) {
	dir, err := os.MkdirTemp("", "pipelinetui-reference-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := build(ServeOptions{Dir: dir, Account: Account, Region: Region, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)},
		wire.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, "http://127.0.0.1:1")
	if err != nil {
		return nil, err
	}
	all = map[string][]string{}
	for _, name := range s.router.Operations() {
		service, operation, _ := strings.Cut(name, ".")
		all[service] = append(all[service], operation)
	}
	for _, list := range all {
		slices.Sort(list)
	}
	return all, s.close()
}
