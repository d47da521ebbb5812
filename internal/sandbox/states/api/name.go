package api

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

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
