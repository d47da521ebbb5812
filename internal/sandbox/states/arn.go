package states

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// arnIn is the ARN of a resource of a kind in a scope.
func arnIn(sc wire.Scope, kind, rest string) string { return sc.ARN("states", kind+":"+rest) }

// arnOfKey is the ARN of the resource that the store has under a key.
func arnOfKey(kind, key string) string {
	parts := strings.SplitN(key, "|", 3)
	if len(parts) < 3 {
		return key
	}
	return arnIn(wire.ScopeOf(parts[0], parts[1]), kind, parts[2])
}

func invalidARN(format string, args ...any) error {
	return wire.Errorf(400, "InvalidArn", "Invalid Arn: '"+format+"'", args...)
}

// resource is what an ARN of this service names.
type resource struct {
	scope      wire.Scope
	kind, rest string
}

// key is where the store has it.
func (r resource) key() string { return r.scope.Key(r.rest) }

// parseARN takes an ARN of this service apart that a request in a scope gives, and
// checks that its kind is one of those wanted. It may be of another account, never
// of another region.
func parseARN(sc wire.Scope, arn string, kinds ...string) (resource, error) {
	if !wire.MeansARN(arn) {
		return resource{}, invalidARN("Invalid ARN prefix: %s", arn)
	}
	a, ok := wire.ParseARN(arn)
	kind, rest, _ := strings.Cut(a.Resource, ":")
	if !ok || a.Service != "states" || rest == "" {
		return resource{}, invalidARN("Invalid ARN: %s", arn)
	}
	if a.Partition != sc.Partition || a.Region != sc.Region {
		return resource{}, invalidARN("Invalid Region in ARN: %s", arn)
	}
	if !slices.Contains(kinds, kind) {
		return resource{}, invalidARN("Resource type not valid in this context: %s", kind)
	}
	return resource{wire.ScopeOfARN(a), kind, rest}, nil
}

// machineRef is what a state machine ARN names: the machine, a version, an alias,
// or the label of a distributed Map.
type machineRef struct {
	scope     wire.Scope
	name      string
	qualifier string // version number or alias name
	label     string
}

// key is where the store has the machine.
func (r machineRef) key() string { return r.scope.Key(r.name) }

// aliasKey is where the store has the alias that the qualifier names.
func (r machineRef) aliasKey() string { return r.key() + "/" + r.qualifier }

func (r machineRef) arn() string { return arnIn(r.scope, "stateMachine", r.name) }

func (r machineRef) version() bool {
	return r.qualifier != "" && strings.Trim(r.qualifier, "0123456789") == ""
}

func parseMachineARN(sc wire.Scope, arn string) (machineRef, error) {
	r, err := parseARN(sc, arn, "stateMachine")
	if err != nil {
		return machineRef{}, err
	}
	name, qualifier, _ := strings.Cut(r.rest, ":")
	name, label, _ := strings.Cut(name, "/")
	return machineRef{r.scope, name, qualifier, label}, nil
}

// badNameChars are the characters that names must not have.
const badNameChars = " <>{}[]?*\"#%\\^|~`$&,;:/"

func checkName(name string) error {
	bad := name == "" || len([]rune(name)) > 80
	for _, r := range name {
		if r <= 0x1f || (r >= 0x7f && r <= 0x9f) || strings.ContainsRune(badNameChars, r) {
			bad = true
		}
	}
	if bad {
		return wire.Errorf(400, "InvalidName", "Invalid Name: '%s'", name)
	}
	return nil
}
