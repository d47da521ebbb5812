package awscfg

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Profile is one of the AWS configuration files, as far as it helps to choose it.
type Profile struct {
	Name   string
	Region string // "" if it names none
	// SSO says that its credentials come from a sign-in in the browser
	// (`aws sso login`), which has to be done before they work.
	SSO bool
	// Role is the role that it assumes, "" if none.
	Role string
}

// mostConfig bounds a configuration file, in bytes.
const mostConfig = 1 << 20

// Profiles lists the profiles of the configuration and the credentials file, by name. A
// file that is not there has none.
//
// In the one file sections are called "profile x" and "default", in the other "x"
// (docs.aws.amazon.com/sdkref/latest/guide/file-format.html).
func Profiles(environ func(string) (string, bool)) ([]Profile, error) {
	found := map[string]*Profile{}
	for _, f := range []struct{ variable, name, prefix string }{
		{"AWS_CONFIG_FILE", "config", "profile "}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials", ""},
	} {
		raw, err := readConfig(environ, f.variable, f.name)
		if err != nil {
			return nil, err
		}
		sections(raw, func(section, key, value string) {
			name, ok := profileName(section, f.prefix)
			if !ok {
				return
			}
			if found[name] == nil {
				found[name] = &Profile{Name: name}
			}
			found[name].set(key, value)
		})
	}
	out := make([]Profile, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[name])
	}
	return out, nil
}

func readConfig(environ func(string) (string, bool), variable, name string) ([]byte, error) {
	path, ok := environ(variable)
	if !ok || path == "" {
		home, _ := environ("HOME")
		if home == "" {
			return nil, nil
		}
		path = filepath.Join(home, ".aws", name)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var raw []byte
	if err == nil {
		defer f.Close()
		raw, err = io.ReadAll(io.LimitReader(f, mostConfig))
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s cannot be read: %s", path, fault.Reason(err)).Because(err).
			WithHint("Make it readable for you, or set %s to another file.", variable)
	}
	return raw, nil
}

// sections tells each section, once with no key, and each of its settings. Lines that are
// indented belong to the setting before and say nothing here.
func sections(raw []byte, tell func(section, key, value string)) {
	section := ""
	for line := range bytes.Lines(raw) {
		text := strings.TrimRight(string(line), " \t\r\n")
		switch {
		case text == "", strings.ContainsAny(text[:1], "#; \t"):
		case text[0] == '[':
			name, _, ok := strings.Cut(text[1:], "]")
			if section = strings.TrimSpace(name); ok && section != "" {
				tell(section, "", "")
			}
		default:
			if key, value, ok := strings.Cut(text, "="); ok && section != "" {
				tell(section, strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value))
			}
		}
	}
}

// profileName is the profile of a section, ok if it is one's.
func profileName(section, prefix string) (name string, ok bool) {
	if section == "default" || prefix == "" {
		return section, true
	}
	kind, name, spaced := strings.Cut(section, " ")
	return strings.Trim(strings.TrimSpace(name), `"'`), spaced && kind+" " == prefix
}

func (p *Profile) set(key, value string) {
	switch key {
	case "region":
		p.Region = value
	case "sso_session", "sso_start_url":
		p.SSO = true
	case "role_arn":
		p.Role = value
	}
}
