//go:build unix

package e2e

import (
	"encoding/json"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// childList is the document of executions list.
type childList struct {
	Executions []struct{ Name, Status, StartDate, StopDate string }
}

// cmdKept compares the children of a Map Run before and after a redrive: kept
// BEFORE.json AFTER.json LEAST. At least LEAST had succeeded and are just as they
// were; all others ran again, and succeeded.
func cmdKept(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: kept BEFORE.json AFTER.json LEAST")
	}
	var before, after childList
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &before))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &after))
	least, err := strconv.Atoi(args[2])
	ts.Check(err)
	old := map[string]int{}
	for i, x := range before.Executions {
		old[x.Name] = i
	}
	kept, again := 0, 0
	for _, x := range after.Executions {
		if x.Status != "SUCCEEDED" {
			ts.Fatalf("child %s is %s after the redrive", x.Name, x.Status)
		}
		i, known := old[x.Name]
		switch {
		case known && before.Executions[i].Status == "SUCCEEDED":
			if before.Executions[i] != x {
				ts.Fatalf("child %s had succeeded and ran again: %+v, then %+v", x.Name, before.Executions[i], x)
			}
			kept++
		case known && before.Executions[i].StopDate == x.StopDate:
			ts.Fatalf("child %s had not succeeded and did not run again: %+v", x.Name, x)
		default:
			again++
		}
	}
	ts.Logf("%d children kept, %d ran again", kept, again)
	if kept < least || again == 0 {
		ts.Fatalf("%d children kept, want at least %d; %d ran again", kept, least, again)
	}
}
