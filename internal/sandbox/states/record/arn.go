package record

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// VersionKey names a version of the machine that has a key.
func VersionKey(machine string, n int) string { return fmt.Sprintf("%s/%010d", machine, n) }

// VersionARN is the ARN of a version of the machine that has an ARN.
func VersionARN(machineARN string, n int) string { return machineARN + ":" + strconv.Itoa(n) }

// AliasARN is the ARN of an alias of the machine that has an ARN.
func AliasARN(machineARN, alias string) string { return machineARN + ":" + alias }

// ARN is the ARN of a resource of a kind in a scope.
func ARN(sc wire.Scope, kind, rest string) string { return sc.ARN("states", kind+":"+rest) }

// ARNOfKey is the ARN of the resource that the store has under a key.
func ARNOfKey(kind, key string) string {
	parts := strings.SplitN(key, "|", 3)
	if len(parts) < 3 {
		return key
	}
	return ARN(wire.ScopeOf(parts[0], parts[1]), kind, parts[2])
}

// InvalidARN says what is wrong with an ARN.
func InvalidARN(format string, args ...any) error {
	return wire.Errorf(400, "InvalidArn", "Invalid Arn: '"+format+"'", args...)
}

// Named is what an ARN of this service names.
type Named struct {
	scope      wire.Scope
	Kind, rest string
}

// Key is where the store has it.
func (r Named) Key() string { return r.scope.Key(r.rest) }

// ParseARN takes an ARN of this service apart that a request in a scope gives, and
// checks that its kind is one of those wanted. It may be of another account, never
// of another region.
func ParseARN(sc wire.Scope, arn string, kinds ...string) (Named, error) {
	if !wire.MeansARN(arn) {
		return Named{}, InvalidARN("Invalid ARN prefix: %s", arn)
	}
	a, ok := wire.ParseARN(arn)
	kind, rest, _ := strings.Cut(a.Resource, ":")
	if !ok || a.Service != "states" || rest == "" {
		return Named{}, InvalidARN("Invalid ARN: %s", arn)
	}
	if a.Partition != sc.Partition || a.Region != sc.Region {
		return Named{}, InvalidARN("Invalid Region in ARN: %s", arn)
	}
	if !slices.Contains(kinds, kind) {
		return Named{}, InvalidARN("Resource type not valid in this context: %s", kind)
	}
	return Named{wire.ScopeOfARN(a), kind, rest}, nil
}

// MachineRef is what a state machine ARN names: the machine, a version, an alias,
// or the label of a distributed Map.
type MachineRef struct {
	Scope     wire.Scope
	Name      string
	Qualifier string // version number or alias name
	Label     string
}

// Key is where the store has the machine.
func (r MachineRef) Key() string { return r.Scope.Key(r.Name) }

// AliasKey is where the store has the alias that the qualifier names.
func (r MachineRef) AliasKey() string { return r.Key() + "/" + r.Qualifier }

// ARN is the ARN of the machine.
func (r MachineRef) ARN() string { return ARN(r.Scope, "stateMachine", r.Name) }

// IsVersion reports whether the qualifier is a version's number.
func (r MachineRef) IsVersion() bool {
	return r.Qualifier != "" && strings.Trim(r.Qualifier, "0123456789") == ""
}

// ParseMachine is ParseARN for the ARN of a state machine, qualified or not.
func ParseMachine(sc wire.Scope, arn string) (MachineRef, error) {
	r, err := ParseARN(sc, arn, "stateMachine")
	if err != nil {
		return MachineRef{}, err
	}
	name, qualifier, _ := strings.Cut(r.rest, ":")
	name, label, _ := strings.Cut(name, "/")
	return MachineRef{r.scope, name, qualifier, label}, nil
}
