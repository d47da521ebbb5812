package provider

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/services"
)

// defaultsKey is where the inputs say which of them the provider filled in, as
// the bridged providers do.
const defaultsKey = resource.PropertyKey("__defaults")

// Check turns what the program gave into the inputs of the resource, or says
// what is wrong with it.
func (s *server) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	t, err := s.resource(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	if sess, err := s.session(ctx); err == nil {
		tags = sess.env.DefaultTags
	}
	in, failures := check(t, req, olds, news, tags)
	for i := range failures {
		failures[i].Reason += " (" + t.Token() + ")"
	}
	inputs, err := marshal(in)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: rpcFailures(failures)}, nil
}

func check(t services.Resource, req *pulumirpc.CheckRequest, olds, news resource.PropertyMap, tags map[string]string) (resource.PropertyMap, []schema.Failure) {
	news = public(news)
	for _, p := range t.Inputs().Props {
		if p.Managed {
			delete(news, resource.PropertyKey(p.Name))
		}
	}
	in, failures := t.Inputs().Check(news)
	defaults := t.Inputs().Defaults(in)
	named, nameFailures := autoname(t, req, olds, in)
	failures = append(failures, nameFailures...)
	if named != "" {
		defaults = append(defaults, named)
	}
	addTags(t, in, tags)
	failures = append(failures, t.Inputs().Require(in)...)
	if len(failures) == 0 {
		failures = t.Check(in)
	}
	list := make([]resource.PropertyValue, len(defaults))
	slices.Sort(defaults)
	for i, d := range defaults {
		list[i] = resource.NewStringProperty(d)
	}
	in[defaultsKey] = resource.NewArrayProperty(list)
	return in, failures
}

// isDefault reports whether the provider filled in that input.
func isDefault(in resource.PropertyMap, property string) bool {
	list := schema.Strip(in[defaultsKey])
	return list.IsArray() && slices.ContainsFunc(list.ArrayValue(), func(v resource.PropertyValue) bool {
		return v.IsString() && v.StringValue() == property
	})
}

// autoname fills in the name if the program gives none: the one that it had, or
// the logical name with seven random hexadecimal digits. It returns the property
// that it filled in.
func autoname(t services.Resource, req *pulumirpc.CheckRequest, olds, in resource.PropertyMap) (string, []schema.Failure) {
	n := t.Naming()
	if n == nil {
		return "", nil
	}
	key := resource.PropertyKey(n.Property)
	if _, ok := in[key]; ok {
		return "", nil
	}
	if old, ok := olds[key]; ok && isDefault(olds, n.Property) && samePrefix(n, olds, in) {
		in[key] = old
		return n.Property, nil
	}
	name, err := newName(n, req, in)
	if err != nil {
		return "", []schema.Failure{{Property: n.Property, Reason: err.Error()}}
	}
	if name == "" {
		return "", []schema.Failure{{Property: n.Property, Reason: "automatic naming is disabled for this resource: the property " + n.Property + " must be given"}}
	}
	in[key] = resource.NewStringProperty(name)
	// The name is made of what the program calls the resource, which may be no
	// legal name.
	_, failures := t.Inputs().Check(resource.PropertyMap{key: in[key]})
	return n.Property, failures
}

// samePrefix reports whether the program still asks for the same prefix.
func samePrefix(n *services.Naming, olds, in resource.PropertyMap) bool {
	if n.Prefix == "" {
		return true
	}
	key := resource.PropertyKey(n.Prefix)
	return schema.Strip(olds[key]).DeepEquals(schema.Strip(in[key]))
}

func newName(n *services.Naming, req *pulumirpc.CheckRequest, in resource.PropertyMap) (string, error) {
	const digits, prefixDigits = 7, 26
	logical := resource.URN(req.GetUrn()).Name()
	if n.Lower {
		logical = strings.ToLower(logical)
	}
	after := ""
	if n.After != nil {
		after = n.After(in)
	}
	if n.Exact {
		return logical, nil
	}
	if n.Prefix != "" {
		if p := schema.Strip(in[resource.PropertyKey(n.Prefix)]); p.IsString() {
			name, err := resource.NewUniqueName(req.GetRandomSeed(), p.StringValue(), prefixDigits, n.Max-len(after), nil)
			return name + after, err
		}
	}
	if a := req.GetAutonaming(); a != nil {
		if a.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_DISABLE {
			return "", nil
		}
		name := a.GetProposedName()
		if n.Lower && a.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_PROPOSE {
			name = strings.ToLower(name)
		}
		if a.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_PROPOSE {
			name = n.Before + name + after
		}
		return name, nil
	}
	name, err := resource.NewUniqueName(req.GetRandomSeed(), n.Before+logical+"-", digits, n.Max-len(after), nil)
	return name + after, err
}

// addTags adds the provider's default tags: in tagsAll for aws, among the tags
// for aws-native.
func addTags(t services.Resource, in resource.PropertyMap, defaults map[string]string) {
	tags, given := in["tags"]
	if p := t.Inputs().Prop("tags"); p != nil && p.Kind == schema.List {
		addTagList(in, tags, defaults)
		return
	}
	if t.Inputs().Prop("tagsAll") == nil {
		return
	}
	secret := tags.IsSecret()
	if secret {
		tags = tags.SecretValue().Element
	}
	if given && tags.IsComputed() {
		in["tagsAll"] = tags
		return
	}
	all := resource.PropertyMap{}
	for k, v := range defaults {
		all[resource.PropertyKey(k)] = resource.NewStringProperty(v)
	}
	if given && tags.IsObject() {
		maps.Copy(all, tags.ObjectValue())
	}
	if len(all) == 0 {
		return
	}
	v := resource.NewObjectProperty(all)
	if secret {
		v = resource.MakeSecret(v)
	}
	in["tagsAll"] = v
}

func addTagList(in resource.PropertyMap, tags resource.PropertyValue, defaults map[string]string) {
	bare := schema.Strip(tags)
	if len(defaults) == 0 || bare.IsComputed() {
		return
	}
	var list []resource.PropertyValue
	if tags.IsArray() {
		list = slices.Clone(tags.ArrayValue())
	}
	has := func(key string) bool {
		return bare.IsArray() && slices.ContainsFunc(bare.ArrayValue(), func(v resource.PropertyValue) bool {
			return v.IsObject() && v.ObjectValue()["key"].DeepEquals(resource.NewStringProperty(key))
		})
	}
	for _, k := range slices.Sorted(maps.Keys(defaults)) {
		if !has(k) {
			list = append(list, resource.NewObjectProperty(resource.PropertyMap{
				"key": resource.NewStringProperty(k), "value": resource.NewStringProperty(defaults[k]),
			}))
		}
	}
	in["tags"] = resource.NewArrayProperty(list)
}

// Diff compares the inputs of the last deployment with the new ones.
func (s *server) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	t, err := s.resource(req.GetUrn())
	if err != nil {
		return nil, err
	}
	state, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	olds, err := unmarshal(either(req.GetOldInputs(), req.GetOlds()))
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	changes := t.Inputs().Diff(olds, news)
	if p := t.Tainted(schema.StripMap(state)); p != "" {
		changes = slices.DeleteFunc(changes, func(c schema.Change) bool { return c.Path.String() == p })
		changes = append(changes, schema.Change{Path: resource.PropertyPath{p}, Kind: schema.Update, Replace: true})
	}
	anew := t.Anew(schema.StripMap(state), schema.StripMap(news))
	for i, c := range changes {
		changes[i].Replace = c.Replace || slices.Contains(anew, c.Top())
	}
	return diffResponse(changes, deleteFirst(t, olds, news, changes)), nil
}

// deleteFirst reports whether a replacement must wait until the old resource is
// gone: both would have the same name.
func deleteFirst(t services.Resource, olds, news resource.PropertyMap, changes []schema.Change) bool {
	if !slices.ContainsFunc(changes, func(c schema.Change) bool { return c.Replace }) {
		return false
	}
	changed := map[string]bool{}
	for _, c := range changes {
		changed[c.Top()] = true
	}
	if t.InPlace(changed) {
		return true
	}
	n := t.Naming()
	if n == nil || n.Exact || isDefault(news, n.Property) {
		return false
	}
	key := resource.PropertyKey(n.Property)
	was, is := schema.Strip(olds[key]), schema.Strip(news[key])
	return is.IsString() && was.DeepEquals(is)
}

func diffResponse(changes []schema.Change, deleteFirst bool) *pulumirpc.DiffResponse {
	resp := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, DeleteBeforeReplace: deleteFirst,
		DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	for _, c := range changes {
		resp.Changes = pulumirpc.DiffResponse_DIFF_SOME
		resp.DetailedDiff[c.Path.String()] = &pulumirpc.PropertyDiff{Kind: diffKind(c), InputDiff: true}
		if !slices.Contains(resp.Diffs, c.Top()) {
			resp.Diffs = append(resp.Diffs, c.Top())
		}
		if c.Replace && !slices.Contains(resp.Replaces, c.Top()) {
			resp.Replaces = append(resp.Replaces, c.Top())
		}
	}
	return resp
}

func diffKind(c schema.Change) pulumirpc.PropertyDiff_Kind {
	kinds := map[schema.ChangeKind][2]pulumirpc.PropertyDiff_Kind{
		schema.Add:    {pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE},
		schema.Delete: {pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE},
		schema.Update: {pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE},
	}
	if c.Replace {
		return kinds[c.Kind][1]
	}
	return kinds[c.Kind][0]
}

// planCreate is what is known of a resource before it is made: its inputs, and
// that the rest is not known.
func planCreate(t services.Resource, in resource.PropertyMap) resource.PropertyMap {
	out := in.Copy()
	for _, p := range t.Outputs().Props {
		key := resource.PropertyKey(p.Name)
		if _, ok := out[key]; ok || internal(key) {
			continue
		}
		input := t.Inputs().Prop(p.Name)
		if input == nil || input.Computed && !input.Local {
			out[key] = unknown()
		}
	}
	return out
}

// planUpdate is what is known of a resource before it is changed.
func planUpdate(t services.Resource, state, in resource.PropertyMap) resource.PropertyMap {
	out := state.Copy()
	for _, p := range t.Inputs().Props {
		key := resource.PropertyKey(p.Name)
		if v, ok := in[key]; ok {
			out[key] = v
		} else if !p.Computed {
			delete(out, key)
		}
	}
	changed := map[string]bool{}
	for _, c := range t.Inputs().Diff(state, in) {
		changed[c.Top()] = true
	}
	for _, name := range t.Unsettled(changed, in) {
		out[resource.PropertyKey(name)] = unknown()
	}
	return out
}

func unknown() resource.PropertyValue {
	return resource.MakeComputed(resource.NewStringProperty(""))
}

func rpcFailures(failures []schema.Failure) []*pulumirpc.CheckFailure {
	var out []*pulumirpc.CheckFailure
	for _, f := range failures {
		out = append(out, &pulumirpc.CheckFailure{Property: f.Property, Reason: f.Reason})
	}
	return out
}
