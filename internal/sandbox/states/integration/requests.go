package integration

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// textMembers are members that optimised integrations take as JSON and hand on
// as text.
var textMembers = map[string][]string{
	"states:startExecution": {"Input"}, "states:startSyncExecution": {"Input"}, "sqs:sendMessage": {"MessageBody"}, "sns:publish": {"Message"},
	"events:putEvents": {"Detail"}, "aws-sdk:sfn:startExecution": {"Input"}, "aws-sdk:sfn:startSyncExecution": {"Input"},
}

// Request is what is sent for a task's arguments. Events tell what they are about:
// the resources, which are the state machine and the execution.
func Request(i asl.Integration, args any, resources ...string) any {
	names := textMembers[i.Service+":"+i.Operation]
	if names == nil {
		return args
	}
	o, ok := args.(*value.Object)
	if !ok {
		return args
	}
	entries, found := o.Get("Entries")
	if list, isList := entries.([]any); found && isList {
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = e
			if inner, ok := e.(*value.Object); ok {
				out[i] = withResources(asText(inner, names), resources)
			}
		}
		return o.With("Entries", out)
	}
	return asText(o, names)
}

func asText(o *value.Object, names []string) *value.Object {
	for _, name := range names {
		switch v, given := o.Get(name); v.(type) {
		case nil:
			if given {
				o = o.Without(name)
			}
		case string:
		default:
			o = o.With(name, value.String(v))
		}
	}
	return o
}

// withResources adds to an event what it is about.
func withResources(entry *value.Object, resources []string) *value.Object {
	given, found := entry.Get("Resources")
	list, isList := given.([]any)
	if found && !isList {
		return entry // for the service to refuse
	}
	all := append(make([]any, 0, len(list)+len(resources)), list...)
	for _, r := range resources {
		all = append(all, r)
	}
	return entry.With("Resources", all)
}

// FailedEntries reports whether a reply says that not all events could be put.
func FailedEntries(reply any) bool {
	o, _ := reply.(*value.Object)
	failed, _ := o.Get("FailedEntryCount")
	n, ok := failed.(value.Number)
	return ok && n.Float64() != 0
}

// UnknownHost is the host of a queue whose URL is none, "" if it is one: AWS's client
// takes it for a host's name.
func UnknownHost(i asl.Integration, args any) string {
	o, ok := args.(*value.Object)
	if !ok || i.Service != "sqs" {
		return ""
	}
	v, _ := o.Get("QueueUrl")
	text, _ := v.(string)
	_, host, found := strings.Cut(text, "://")
	if !found {
		host = text
	}
	if strings.Contains(host, "/") {
		return ""
	}
	return host
}
