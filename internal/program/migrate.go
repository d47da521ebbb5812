package program

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/program/native"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Formers are the types of resources that this version makes by others: a state that has
// them is for Migrate.
func Formers() []string {
	var types []string
	for _, k := range kinds.All() {
		if k.Former {
			types = append(types, k.Type)
		}
	}
	return types
}

// Migrate edits the deployment of a stack (the "deployment" of `pulumi stack export`) so
// that its endpoint is one of the type that this version makes. The endpoint itself is
// not touched: to the engine a resource of another type and provider is another resource,
// which it would make before it deletes the old one; so the entry is rewritten, with all
// that refers to it. (docs/decisions/0017) The name that the official aws-native drops from the
// inputs of an endpoint that it reads is put back (docs/decisions/0038). What is not known here
// stays as it is.
func Migrate(deployment json.RawMessage) (json.RawMessage, error) {
	doc := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(deployment))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, fault.New(fault.Damaged, "the state is no JSON: %v", err).Because(err)
	}
	m := migration{}
	for _, r := range list(doc["resources"]) {
		if entry, ok := r.(map[string]any); ok {
			m.resources = append(m.resources, entry)
		}
	}
	i := slices.IndexFunc(m.resources, func(r entry) bool { return r["type"] == kinds.FormerEndpoint && r["delete"] != true })
	if i < 0 {
		if !m.name() {
			return deployment, nil
		}
		return json.Marshal(doc)
	}
	if err := m.endpoint(i); err != nil {
		return nil, err
	}
	doc["resources"] = m.resources
	for _, op := range list(doc["pending_operations"]) {
		if o, ok := op.(map[string]any); ok {
			if r, ok := o["resource"].(map[string]any); ok && r["type"] != kinds.FormerEndpoint {
				m.rename(r)
			}
		}
	}
	return json.Marshal(doc)
}

// name puts back the name of an endpoint among its inputs, and tells whether it was missing.
func (m *migration) name() (missing bool) {
	for _, r := range m.resources {
		inputs, _ := r["inputs"].(entry)
		outputs, _ := r["outputs"].(entry)
		id, _ := r["id"].(string)
		if r["type"] != kinds.Endpoint || r["delete"] == true || id == "" || inputs == nil || inputs["endpointName"] != nil {
			continue
		}
		inputs["endpointName"] = kinds.EndpointName(id)
		if outputs != nil {
			m.keepInputs(outputs, inputs)
		}
		missing = true
	}
	return missing
}

// entry is a resource as it is written down.
type entry = map[string]any

type migration struct {
	resources []entry
	from, to  string // URNs of the endpoint
}

// endpoint rewrites the entry of an endpoint.
func (m *migration) endpoint(at int) error {
	old := m.resources[at]
	m.from, _ = old["urn"].(string)
	m.to = strings.Replace(m.from, "::"+kinds.FormerEndpoint+"::", "::"+kinds.Endpoint+"::", 1)
	outputs, _ := old["outputs"].(entry)
	inputs, _ := old["inputs"].(entry)
	arn, _ := outputs["arn"].(string)
	if arn == "" || m.to == m.from {
		return fault.New(fault.Damaged, "the state does not tell the ARN of the endpoint").
			WithHint("Read the real state first: pipelinetui refresh.")
	}
	provider, err := m.provider(at)
	if err != nil {
		return err
	}
	given := entry{
		"endpointConfigName": inputs["endpointConfigName"], "endpointName": inputs["name"], "retainAllVariantProperties": true,
	}
	if tags, ok := inputs["tags"].(entry); ok {
		given["tags"] = tagEntries(tags)
	}
	is := maps.Clone(given)
	is["endpointConfigName"], is["endpointArn"] = outputs["endpointConfigName"], arn
	if status, ok := outputs["__status"]; ok {
		is["__status"] = status
	}
	m.keepInputs(is, given)
	moved := maps.Clone(old)
	maps.Copy(moved, entry{"urn": m.to, "type": kinds.Endpoint, "id": arn, "inputs": given, "outputs": is, "provider": provider})
	for i, r := range m.resources {
		if r["urn"] == m.from && r["delete"] != true {
			m.resources[i] = moved
		}
		m.rename(m.resources[i])
	}
	return m.fleet(inputs)
}

// rename makes what referred to the old endpoint refer to the new one. What is among
// inputs and outputs are values, and no references.
func (m *migration) rename(r entry) {
	for key, v := range r {
		if key != "inputs" && key != "outputs" && key != "urn" {
			r[key] = m.renamed(v)
		}
	}
}

func (m *migration) renamed(v any) any {
	switch v := v.(type) {
	case string:
		if v == m.from {
			return m.to
		}
	case []any:
		for i := range v {
			v[i] = m.renamed(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = m.renamed(v[k])
		}
	}
	return v
}

// provider is the reference to aws-native's default provider, whose entry it sees to: it
// has to stand before what refers to it.
func (m *migration) provider(at int) (string, error) {
	const typ = "pulumi:providers:aws-native"
	i := slices.IndexFunc(m.resources, func(r entry) bool { return r["type"] == typ && r["delete"] != true })
	var p entry
	if i >= 0 {
		p = m.resources[i]
	} else {
		// An update that was cut off before it came to the state machine.
		like := slices.IndexFunc(m.resources, func(r entry) bool { return r["type"] == "pulumi:providers:aws" })
		if like < 0 {
			return "", fault.New(fault.Damaged, "the state has no provider for its endpoint")
		}
		p = maps.Clone(m.resources[like])
		from, _ := p["inputs"].(entry)
		settings := entry{"region": from["region"], "version": native.Version}
		urn, _ := p["urn"].(string)
		urn = urn[:strings.LastIndex(urn, "::pulumi:providers:")] + "::" + typ + "::default_" + strings.ReplaceAll(native.Version, ".", "_")
		maps.Copy(p, entry{"type": typ, "urn": urn, "id": uuid(), "inputs": maps.Clone(settings), "outputs": settings})
		if internal, ok := from["__internal"]; ok {
			p["inputs"].(entry)["__internal"] = internal
		}
	}
	if i < 0 || i > at {
		if i >= 0 {
			m.resources = slices.Delete(m.resources, i, i+1)
		}
		m.resources = slices.Insert(m.resources, at, p)
	}
	return fmt.Sprintf("%v::%v", p["urn"], p["id"]), nil
}

// keepInputs keeps the inputs among the outputs if other resources of aws-native have them
// there: the official plugin compares with these, as a secret (resources.CheckpointObject).
func (m *migration) keepInputs(outputs, inputs entry) {
	const key = "__inputs"
	kept := slices.ContainsFunc(m.resources, func(r entry) bool {
		typ, _ := r["type"].(string)
		out, _ := r["outputs"].(entry)
		return strings.HasPrefix(typ, "aws-native:") && out[key] != nil
	})
	if !kept {
		return
	}
	text, _ := json.Marshal(inputs) // came from JSON
	outputs[key] = entry{secretSignature: secretValue, "plaintext": string(text)}
}

// The marks of a secret in a state (sdk/go/common/resource/sig).
const (
	secretSignature = "4dabf18193072939515e22adb298388d"
	secretValue     = "1b47061264138c4ac30d75fd1eb44270"
)

// fleet adds what stands for the endpoint's machines, see addFleet, and makes autoscaling
// depend on it: so a change of the machine type in this very update finds it there.
func (m *migration) fleet(endpoint entry) error {
	urnOf := func(r entry) string { s, _ := r["urn"].(string); return s }
	region := slices.IndexFunc(m.resources, func(r entry) bool { return strings.HasSuffix(urnOf(r), "::pulumi:index:Stash::"+RegionResource) })
	machines := ""
	for _, r := range m.resources {
		if r["type"] != kinds.EndpointConfig || r["id"] != endpoint["endpointConfigName"] {
			continue
		}
		inputs, _ := r["inputs"].(entry)
		for _, v := range list(inputs["productionVariants"]) {
			variant, _ := v.(map[string]any)
			machines, _ = variant["instanceType"].(string)
			if machines == "" && variant["serverlessConfig"] != nil {
				machines = kindServerless
			}
		}
	}
	if region < 0 || machines == "" {
		return nil // the update makes one
	}
	fleet := maps.Clone(m.resources[region])
	urn := strings.TrimSuffix(urnOf(fleet), RegionResource) + FleetResource
	value := entry{"input": spec.Variant}
	maps.Copy(fleet, entry{
		"urn": urn, "id": uuid(), "inputs": value, "outputs": entry{"input": spec.Variant, "output": spec.Variant}, "replacementTrigger": machines,
	})
	delete(fleet, "ignoreChanges")
	m.resources = slices.Insert(m.resources, region+1, fleet)
	for _, r := range m.resources {
		if r["type"] != kinds.ScalingTarget || r["delete"] == true {
			continue
		}
		r["dependencies"] = append(list(r["dependencies"]), urn)
		of, ok := r["propertyDependencies"].(entry)
		if !ok {
			of = entry{}
			r["propertyDependencies"] = of
		}
		of["resourceId"] = append(list(of["resourceId"]), urn)
	}
	return nil
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// tagEntries are tags as aws-native has them, in the order in which the program gives them.
func tagEntries(tags entry) []any {
	var out []any
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, entry{"key": k, "value": tags[k]})
	}
	return out
}

// uuid is a random id, as the engine gives its own resources.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
