//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	resources "github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/templates"
)

// ofInstances takes back what a pipeline with a serverless endpoint has not.
var ofInstances = []string{"maxInstances=null", "rollout.strategy=null", "rollout.size=null", "rollout.interval=null"}

// changes are a change of each parameter of which a template says what it does. Those with
// "serverless " are of a pipeline whose endpoint is serverless.
var changes = map[string][]string{
	"image":                               {"image=sandbox/linear:2"},
	"modelDataUrl":                        {"modelDataUrl=./other.tar.gz"},
	"modelEnvironment":                    {`modelEnvironment={"A": "b"}`},
	"endpointKind":                        append([]string{"endpointKind=serverless", "subnets=[]", "securityGroups=[]"}, ofInstances...),
	"instanceType":                        {"instanceType=ml.m5.xlarge"},
	"serverless serverlessMemoryMb":       {"serverlessMemoryMb=4096"},
	"serverless serverlessMaxConcurrency": {"serverlessMaxConcurrency=7"},
	"serverless provisionedConcurrency":   {"provisionedConcurrency=3"},
	"volumeGb":                            {"volumeGb=40"},
	"modelDownloadTimeoutSec":             {"modelDownloadTimeoutSec=700"},
	"containerStartupTimeoutSec":          {"containerStartupTimeoutSec=700"},
	"dataCapturePercent":                  {"dataCapturePercent=10"},
	"invoker":                             {"invoker=lambda"},
	"initialInstances":                    {"initialInstances=2"},
	"minInstances":                        {"minInstances=2"},
	"maxInstances":                        {"maxInstances=null"},
	"targetInvocationsPerInstance":        {"targetInvocationsPerInstance=77"},
	"preprocess.code":                     {"preprocess.code=./other"},
	"preprocess.memoryMb":                 {"preprocess.memoryMb=1024"},
	"preprocess.timeoutSec":               {"preprocess.timeoutSec=77"},
	"executionTimeoutSec":                 {"executionTimeoutSec=7777"},
	"invokeTimeoutSec":                    {"invokeTimeoutSec=33"},
	"networkIsolation":                    {"networkIsolation=false"},
	"subnets":                             {`subnets=["subnet-0a1b2c3d4e5f60719"]`},
	"securityGroups":                      {`securityGroups=["sg-0a1b2c3d4e5f60719"]`},
	"kmsMode":                             {"kmsMode=customer"},
	"events":                              {"events=push"},
	"notify.topic":                        {"notify.topic=null"},
	"notify.email":                        {`notify.email=["ops@example.com"]`},
	"notify.slack":                        {"notify.slack=https://hooks.example.com/one"},
	"notify.windowSec":                    {"notify.windowSec=10"},
	"rollout.strategy":                    {"rollout.strategy=canary"},
	"rollout.size":                        {"rollout.size=40%"},
	"rollout.interval":                    {"rollout.interval=1m"},
	"rollout.bake":                        {"rollout.bake=1m"},
	"rollout.timeout":                     {"rollout.timeout=2h"},
	"rollout.alarms":                      {`rollout.alarms=["theirs"]`},
	"thresholds.endpoint5xx":              {"thresholds.endpoint5xx=3"},
	"thresholds.endpoint4xx":              {"thresholds.endpoint4xx=3"},
	"thresholds.modelErrors":              {"thresholds.modelErrors=3"},
	"thresholds.latencyP99Ms":             {"thresholds.latencyP99Ms=3"},
	"thresholds.functionErrors":           {"thresholds.functionErrors=3"},
	"thresholds.functionThrottles":        {"thresholds.functionThrottles=3"},
	"thresholds.executionsFailed":         {"thresholds.executionsFailed=3"},
	"thresholds.deadLetters":              {"thresholds.deadLetters=3"},
	"inputFormat":                         {"inputFormat=CSV"},
	"batchSize":                           {"batchSize=7"},
	"batchBytes":                          {"batchBytes=70000"},
	"maxConcurrency":                      {"maxConcurrency=7"},
	"scoreConcurrency":                    {"scoreConcurrency=7"},
	"childType":                           {"childType=STANDARD"},
	"toleratedFailurePercent":             {"toleratedFailurePercent=7"},
}

// cmdChanging holds what a template says of changing its parameters against what the engine
// plans for a pipeline that runs: changing TEMPLATE PIPELINE SERVERLESS [NOT]. Each is
// previewed by itself, and together those that are to change nothing of what runs; SERVERLESS is a pipeline of the template with such an endpoint, and
// those that the template NOT says the same of are left out.
func cmdChanging(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: changing TEMPLATE PIPELINE SERVERLESS [NOT]")
	}
	cat, err := spec.LoadCatalog(templates.FS)
	ts.Check(err)
	tmpl, err := cat.Lookup(args[0])
	ts.Check(err)
	said := map[string]string{}
	if len(args) == 4 {
		other, err := cat.Lookup(args[3])
		ts.Check(err)
		for _, p := range other.Parameters {
			said[p.Name] = p.Changing
		}
	}
	var untrue []string
	harmless := map[string][]string{} // by text
	check := func(pipeline, name, text string, set []string) {
		call := []string{"preview", pipeline, "-o", "json"}
		for _, s := range set {
			call = append(call, "--set", s)
		}
		out, errs, code := (&crasher{ts: ts}).run("pipelinetui", call...)
		if code != 0 {
			ts.Fatalf("%s: exit code %d\n%s\n%s", call, code, out, errs)
		}
		if wrong := lies(ts, text, []byte(out)); wrong != "" {
			untrue = append(untrue, fmt.Sprintf("%s: %q: %s", name, text, wrong))
		}
	}
	for _, p := range tmpl.Parameters {
		if p.Changing == "" || p.Changing == said[p.Name] {
			continue
		}
		pipeline, set := args[1], changes[p.Name]
		if set == nil {
			pipeline, set = args[2], changes["serverless "+p.Name]
		}
		switch {
		case set == nil:
			ts.Fatalf("%s says what changing %s does, and nobody has looked", args[0], p.Name)
		case p.Changing == "in place" || strings.HasPrefix(p.Changing, "counts from"):
			harmless[p.Changing] = append(harmless[p.Changing], set...)
		default:
			check(pipeline, p.Name, p.Changing, set)
		}
	}
	for text, set := range harmless {
		check(args[1], strings.Join(set, ", "), text, set) // none of them does more if all together do not
	}
	if len(untrue) > 0 {
		ts.Fatalf("%s does not tell the truth of changing\n%s", args[0], strings.Join(untrue, "\n"))
	}
}

// planned is what of a plan tells what a change does.
type planned struct {
	Pipelines []struct {
		Resources []struct {
			Type, Name string
			Op         stack.Op
			Diff       []stack.PropertyDiff
		}
		Warnings, Notes []string
	}
}

// ofRevision are what every revision has of its own in a definition.
var ofRevision = regexp.MustCompile(`sha256:[0-9a-f]{64}|\\*"revision\\*":\d+`)

// effects are what a plan does.
type effects struct {
	changed []string // of what is made anew or gets a version with each change
	lost    []string // of what else is replaced
	all     string
	// anew and moves are the endpoint's: it is made anew, or gets another configuration. keeps is
	// that the plan says that it keeps its instances.
	anew, moves, keeps, removes bool
}

// anewWithEach gets another one, or a version, with each change of it.
var anewWithEach = []string{"model", "endpoint configuration", "state machine", "function"}

func effectsOf(ts *testscript.TestScript, raw []byte) effects {
	var plan planned
	ts.Check(json.Unmarshal(raw, &plan))
	p, e := plan.Pipelines[0], effects{}
	found := map[string]bool{}
	var all []string
	for _, r := range p.Resources {
		replaced := r.Op == stack.OpReplace
		has := func(is func(stack.PropertyDiff) bool) bool { return slices.ContainsFunc(r.Diff, is) }
		all = append(all, string(r.Op)+" "+r.Name)
		switch {
		case r.Op == stack.OpCreate:
		case r.Op == stack.OpDelete:
			e.removes = true
		case r.Type == resources.Model:
			found["model"] = replaced
		case r.Type == resources.EndpointConfig:
			found["endpoint configuration"] = replaced
		case r.Type == resources.Endpoint:
			e.anew = replaced
			e.moves = has(func(d stack.PropertyDiff) bool { return d.Path == "endpointConfigName" })
		case r.Type == resources.StateMachine:
			found["state machine"] = has(beyondRevision)
		case r.Type == resources.Function && r.Name == "pre":
			found["function"] = has(func(d stack.PropertyDiff) bool {
				return d.Path != "reservedConcurrentExecutions" && !strings.HasPrefix(d.Path, "tags")
			})
		case replaced && r.Type != resources.StateMachineVersion && r.Type != resources.Object: // an object has its content in its key
			e.lost = append(e.lost, r.Name)
		}
	}
	for _, of := range anewWithEach {
		if found[of] {
			e.changed = append(e.changed, of)
		}
	}
	e.all = strings.Join(all, ", ")
	e.keeps = slices.ContainsFunc(slices.Concat(p.Notes, p.Warnings), func(s string) bool { return strings.Contains(s, "the endpoint keeps its") })
	return e
}

// beyondRevision tells that a difference is not only what each revision has of its own.
func beyondRevision(d stack.PropertyDiff) bool {
	old, _ := json.Marshal(d.Old) // they were JSON
	now, _ := json.Marshal(d.New)
	return !bytes.Equal(ofRevision.ReplaceAll(old, nil), ofRevision.ReplaceAll(now, nil))
}

// lies tells in what a text about a change is not true of a plan; "" if it is.
func lies(ts *testscript.TestScript, text string, raw []byte) string {
	e := effectsOf(ts, raw)
	what, more, _ := strings.Cut(text, ";")
	what, also, _ := strings.Cut(what, ", and makes or deletes")
	var want []string
	for _, of := range anewWithEach {
		if strings.Contains(what, of) {
			want = append(want, of)
		}
	}
	if strings.Contains(text, "autoscaling pauses") { // it is taken off and put back
		e.lost = slices.DeleteFunc(e.lost, func(name string) bool { return name == "scale" || name == "scale-policy" || name == "fleet" })
	}
	deletes := also != "" || strings.Contains(text, "removed") || strings.Contains(more, "delete")
	switch {
	case e.anew != strings.Contains(text, "made anew"):
		return fmt.Sprintf("that the endpoint is made anew is %t: %s", e.anew, e.all)
	case e.anew:
		return ""
	case !slices.Equal(want, e.changed):
		return "it is " + strings.Join(e.changed, ", ") + ": " + e.all
	case e.moves != slices.Contains(want, "endpoint configuration"):
		return "whether the endpoint moves over is something else: " + e.all
	case len(e.lost) > 0:
		return "replaced is " + strings.Join(e.lost, ", ")
	case e.removes && !deletes:
		return "something is deleted: " + e.all
	case e.moves && strings.Contains(text, "keeps its number of instances") && !e.keeps:
		return "it does not say that the instances are kept"
	}
	return ""
}
