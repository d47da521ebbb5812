package wire

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Access is the IAM side of an operation's row in the table: what its caller has to
// be allowed. The router asks before the handler. The zero value is the action of the
// operation's own name on all resources.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
type Access struct {
	// Action is IAM's name of the action ("sqs:SendMessage"); "" is the service's
	// prefix with the operation's name.
	Action string
	// Variant is another action that a document asks for, "" for none: S3 has an
	// action of its own for versions.
	Variant func(in Input) string
	// On names by their ARNs the resources that a document is about, all of which have
	// to be allowed. Nil, and no names, are "*". It must not fail: what is no name is
	// refused by the handler, to those who may ask.
	On func(req *Request, in Input) []string
	// Keys are the condition keys of the service that follow from the document.
	Keys func(req *Request, in Input) map[string][]string
	// Also are further actions that a document needs on the same resources.
	Also func(in Input) []string
	// Tagging is the action that is needed too where a document tags what it makes.
	Tagging string
	// TaggingOn names the resources of Tagging where they are others: those that are to be
	// made, by a pattern, of an operation that is about none. Nil: the same.
	TaggingOn func(req *Request, in Input) []string
	// Free is where AWS documents that the operation needs no permission.
	Free string
	// Inside says why only the handler knows what to ask for; it asks by Request.May.
	Inside string
}

// Free is the row of an operation that needs no permission, by the documentation at an
// address.
func Free(documented string) Access { return Access{Free: documented} }

// On is the row of an operation on the resources that on names.
func On(on func(req *Request, in Input) []string) Access { return Access{On: on} }

// Does is the row with another action than that of the operation's name.
func (a Access) Does(action string) Access {
	a.Action = action
	return a
}

// Tags is the row of an operation that may tag what it makes, which needs action too.
func (a Access) Tags(action string) Access {
	a.Tagging = action
	return a
}

// Input is the decoded document of a call, with the names of the API's model. Of an
// operation that reads HTTP itself it has what is in the head of the request.
type Input map[string]any

// Has reports whether a member is given.
func (in Input) Has(member string) bool {
	_, ok := docMember(in, member)
	return ok
}

// Text is a member's text, "" if it is not given.
func (in Input) Text(member string) string {
	v, ok := docMember(in, member)
	if !ok {
		return ""
	}
	return fmt.Sprint(v)
}

// Texts is a member that is a list of texts.
func (in Input) Texts(member string) (out []string) {
	v, _ := docMember(in, member)
	list, _ := v.([]any)
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

// Map is a member that is a map of texts.
func (in Input) Map(member string) map[string]string {
	v, _ := docMember(in, member)
	m, _ := v.(map[string]any)
	out := make(map[string]string, len(m))
	for k, x := range m {
		out[k] = fmt.Sprint(x)
	}
	return out
}

// Each is a member that is a list of structures.
func (in Input) Each(member string) (out []Input) {
	v, _ := docMember(in, member)
	list, _ := v.([]any)
	for _, x := range list {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// tags are the condition keys of the tags that a document gives or takes away, which
// all services have in members of the same names.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-requesttag
func (in Input) tags() map[string][]string {
	given := map[string]string{}
	names := in.Texts("TagKeys")
	if v, _ := docMember(in, "Tags"); v != nil {
		switch tags := v.(type) {
		case map[string]any:
			for k, x := range tags {
				given[k] = fmt.Sprint(x)
			}
		case []any:
			for _, x := range tags {
				m, ok := x.(map[string]any)
				if !ok { // keys alone, to be taken away
					names = append(names, fmt.Sprint(x))
					continue
				}
				t := Input(m)
				if key := t.Text("Key") + t.Text("TagKey"); key != "" { // KMS has its own names
					given[key] = t.Text("Value") + t.Text("TagValue")
				}
			}
		}
	}
	out := make(map[string][]string, len(given)+1)
	for k, v := range given {
		out["aws:RequestTag/"+k] = []string{v}
		names = append(names, k)
	}
	if slices.Sort(names); len(names) > 0 {
		out["aws:TagKeys"] = slices.Compact(names)
	}
	return out
}

// Guard decides whether the caller of req may do action on the resource of an ARN of a
// service. It knows the tags and the policies of the service's resources (package
// policy makes one).
type Guard func(ctx context.Context, req *Request, action, resource string, keys map[string][]string) error

// May asks whether the caller may do action on one of the service's resources, where
// only the handler knows what it comes to.
func (r *Request) May(ctx context.Context, action, resource string, keys map[string][]string) error {
	if r.svc != nil && r.svc.Guard != nil {
		return r.svc.Guard(ctx, r, action, resource, keys)
	}
	return r.Authorize(ctx, action, resource, keys)
}

// permit asks for what the row of the operation wants.
func (e *entry) permit(ctx context.Context, req *Request, in Input) error {
	if e == nil || e.access == nil || e.access.Free != "" {
		return nil
	}
	a := e.access
	req.tags = in.tags()
	if a.Inside != "" {
		return nil
	}
	actions := []string{a.Action}
	if a.Variant != nil {
		if v := a.Variant(in); v != "" {
			actions[0] = v
		}
	}
	if a.Also != nil {
		actions = append(actions, a.Also(in)...)
	}
	var tagged []string
	if a.Tagging != "" && givesTags(req.tags) {
		if a.TaggingOn != nil {
			tagged = a.TaggingOn(req, in)
		} else {
			actions = append(actions, a.Tagging)
		}
	}
	on := []string{"*"}
	if a.On != nil {
		if arns := a.On(req, in); len(arns) > 0 {
			on = slices.Clone(arns)
			for i, arn := range on {
				if !ofAnAccount(arn) {
					on[i] = "*" // nobody's: the handler refuses it, to those who may ask
				}
			}
		}
	}
	var keys map[string][]string
	if a.Keys != nil {
		keys = a.Keys(req, in)
	}
	for _, action := range actions {
		for _, arn := range on {
			if err := req.May(ctx, action, arn, keys); err != nil {
				return err
			}
		}
	}
	for _, arn := range tagged {
		if err := req.May(ctx, a.Tagging, arn, keys); err != nil {
			return err
		}
	}
	return nil
}

// ofAnAccount is false for the ARN of an account that cannot be.
func ofAnAccount(text string) bool {
	a, ok := ParseARN(text)
	return !ok || a.AccountID == "" || a.AccountID == "aws" || len(a.AccountID) == 12
}

func givesTags(keys map[string][]string) bool {
	for k := range keys {
		if strings.HasPrefix(k, "aws:RequestTag/") {
			return true
		}
	}
	return false
}
