package states

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) arn(kind, rest string) string {
	return "arn:aws:states:" + s.Region + ":" + s.Account + ":" + kind + ":" + rest
}

func invalidARN(format string, args ...any) error {
	return wire.Errorf(400, "InvalidArn", "Invalid Arn: '"+format+"'", args...)
}

// parseARN splits an ARN of this service into its kind and the rest, and checks
// that the kind is one of those wanted.
func parseARN(arn string, kinds ...string) (kind, rest string, err error) {
	parts := strings.SplitN(arn, ":", 7)
	if parts[0] != "arn" {
		return "", "", invalidARN("Invalid ARN prefix: %s", arn)
	}
	if len(parts) < 7 || parts[2] != "states" || parts[6] == "" {
		return "", "", invalidARN("Invalid ARN: %s", arn)
	}
	for _, k := range kinds {
		if parts[5] == k {
			return parts[5], parts[6], nil
		}
	}
	return "", "", invalidARN("Resource type not valid in this context: %s", parts[5])
}

// machineRef is what a state machine ARN names: the machine, a version, an alias,
// or the label of a distributed Map.
type machineRef struct {
	name      string
	qualifier string // version number or alias name
	label     string
}

func (r machineRef) version() bool {
	return r.qualifier != "" && strings.Trim(r.qualifier, "0123456789") == ""
}

func parseMachineARN(arn string) (machineRef, error) {
	_, rest, err := parseARN(arn, "stateMachine")
	if err != nil {
		return machineRef{}, err
	}
	name, qualifier, _ := strings.Cut(rest, ":")
	name, label, _ := strings.Cut(name, "/")
	return machineRef{name, qualifier, label}, nil
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
