package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// MalformedError says why a document is no policy, in the words AWS uses where
// they are known. Services wrap it in their own code (MalformedPolicyDocument,
// MalformedPolicy, InvalidAttributeValue ...).
type MalformedError struct{ Reason string }

// Error is the reason.
func (e *MalformedError) Error() string { return e.Reason }

func malformed(format string, args ...any) error {
	return &MalformedError{fmt.Sprintf(format, args...)}
}

const (
	syntax = "Syntax errors in policy."
	legacy = "The policy failed legacy parsing"
)

// Parse reads and checks a document of the kind.
func Parse(text string, kind Kind) (*Document, error) {
	top, err := object([]byte(text))
	switch {
	case kind == Trust && !json.Valid([]byte(text)):
		return nil, malformed("This policy contains invalid Json") // a trust policy is read by another parser first
	case err != nil:
		return nil, malformed(syntax)
	}
	doc := &Document{Version: "2008-10-17"}
	for key := range top {
		switch key {
		case "Version", "Id", "Statement":
		default:
			return nil, malformed(syntax)
		}
	}
	var id string
	if raw, ok := top["Id"]; ok && json.Unmarshal(raw, &id) != nil {
		return nil, malformed(syntax)
	}
	if raw, ok := top["Version"]; ok {
		if json.Unmarshal(raw, &doc.Version) != nil || (doc.Version != "2012-10-17" && doc.Version != "2008-10-17") {
			if kind == Identity {
				return nil, malformed(syntax)
			}
			return nil, malformed("The policy must contain a valid version string")
		}
	}
	if kind == Identity && doc.Version != "2012-10-17" {
		return nil, malformed("Policy document must be version 2012-10-17 or greater.")
	}
	statements, err := list(top["Statement"])
	if err != nil || len(statements) == 0 {
		return nil, malformed(syntax)
	}
	seen := map[string]bool{}
	for _, raw := range statements {
		s, err := parseStatement(raw, kind)
		if err != nil {
			return nil, err
		}
		if s.SID != "" && seen[s.SID] {
			return nil, malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.SID] = true
		doc.Statements = append(doc.Statements, s)
	}
	return doc, nil
}

var sidIdentity = lazyregexp.New(`^[A-Za-z0-9]*$`)

func parseStatement(raw json.RawMessage, kind Kind) (Statement, error) {
	var s Statement
	fields, err := object(raw)
	if err != nil {
		return s, malformed(syntax)
	}
	for key := range fields {
		switch key {
		case "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition":
		default:
			return s, malformed(syntax)
		}
	}
	if raw, ok := fields["Sid"]; ok {
		if json.Unmarshal(raw, &s.SID) != nil {
			return s, malformed(syntax)
		}
		if kind == Identity && !sidIdentity.MatchString(s.SID) {
			return s, malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
		}
	}
	var effect string
	switch err := json.Unmarshal(fields["Effect"], &effect); {
	case err != nil, !strings.EqualFold(effect, "Allow") && !strings.EqualFold(effect, "Deny"):
		return s, malformed(syntax)
	case effect != "Allow" && effect != "Deny":
		return s, malformed(legacy)
	}
	s.Deny = effect == "Deny"
	if err := s.parsePrincipal(fields, kind); err != nil {
		return s, err
	}
	if s.conditions, err = parseConditions(fields["Condition"], kind); err != nil {
		return s, err
	}
	if err := s.parseActions(fields); err != nil {
		return s, err
	}
	return s, s.parseResources(fields, kind)
}

func (s *Statement) parsePrincipal(fields map[string]json.RawMessage, kind Kind) error {
	raw, has := fields["Principal"]
	not, hasNot := fields["NotPrincipal"]
	switch {
	case kind == Identity && (has || hasNot):
		return malformed("Policy document should not specify a principal.")
	case kind == Identity:
		return nil
	case has == hasNot:
		return malformed("Missing required field Principal")
	case hasNot && kind == Trust:
		return malformed("Has prohibited field NotPrincipal")
	case hasNot:
		raw, s.notPrincipal = not, true
	}
	var star string
	if json.Unmarshal(raw, &star) == nil {
		if star != "*" {
			return malformed("Invalid principal in policy: %q", star)
		}
		s.principals = &principals{all: true}
		return nil
	}
	groups, err := object(raw)
	if err != nil || len(groups) == 0 {
		return malformed(syntax)
	}
	s.principals = &principals{}
	for group, raw := range groups {
		names, err := words(raw)
		if err != nil || len(names) == 0 {
			return malformed(syntax)
		}
		switch group {
		case "AWS":
			for _, n := range names {
				if !validAWS(n) {
					return malformed(`Invalid principal in policy: "AWS":"%s"`, n)
				}
			}
			s.principals.aws = names
		case "Service":
			for _, n := range names {
				if n != "*" && !strings.HasSuffix(n, ".amazonaws.com") && !strings.HasSuffix(n, ".amazonaws.com.cn") {
					return malformed(`Invalid principal in policy: "SERVICE":"%s"`, n)
				}
			}
			s.principals.services = names
		case "Federated", "CanonicalUser": // known, but nobody of the kind calls the sandbox
		default:
			return malformed("Invalid principal in policy: %q", group)
		}
	}
	return nil
}

var (
	accountID = lazyregexp.New(`^\d{12}$`)
	iamARN    = lazyregexp.New(`^arn:[a-z0-9-]+:(iam|sts)::\d{12}:(root|user/.+|role/.+|assumed-role/.+|federated-user/.+)$`)
)

func validAWS(name string) bool {
	return name == "*" || accountID.MatchString(name) || iamARN.MatchString(name)
}

func (s *Statement) parseActions(fields map[string]json.RawMessage) error {
	raw, has := fields["Action"]
	not, hasNot := fields["NotAction"]
	if has && hasNot {
		return malformed(syntax)
	}
	if !has && !hasNot {
		return malformed("Policy statement must contain actions.")
	}
	if hasNot {
		raw, s.notAction = not, true
	}
	var err error
	if s.actions, err = words(raw); err != nil {
		return malformed(syntax)
	}
	if len(s.actions) == 0 {
		return malformed("Policy statement must contain actions.")
	}
	for _, a := range s.actions {
		vendor, name, ok := strings.Cut(a, ":")
		if a == "*" {
			continue
		}
		if !ok {
			return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
		if vendor == "" || name == "" || strings.Contains(name, ":") {
			return malformed("Actions/Condition can contain only one colon.")
		}
		if strings.IndexFunc(vendor, func(r rune) bool {
			return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) >= 0 {
			return malformed("Vendor %s is not valid", vendor)
		}
	}
	return nil
}

func (s *Statement) parseResources(fields map[string]json.RawMessage, kind Kind) error {
	raw, has := fields["Resource"]
	not, hasNot := fields["NotResource"]
	if kind == Trust {
		if has || hasNot {
			return malformed("Has prohibited field Resource")
		}
		return nil
	}
	if has && hasNot {
		return malformed(syntax)
	}
	if !has && !hasNot {
		return malformed("Policy statement must contain resources.")
	}
	if hasNot {
		raw, s.notResource = not, true
	}
	var err error
	if s.resources, err = words(raw); err != nil {
		return malformed(syntax)
	}
	if len(s.resources) == 0 {
		return malformed("Policy statement must contain resources.")
	}
	for _, r := range s.resources {
		if err := checkResource(r); err != nil {
			return err
		}
	}
	return nil
}

// iamPaths are what the ARN of a resource of IAM ends with.
var iamPaths = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/", "sms-mfa/", "saml-provider/",
	"oidc-provider/", "report/", "access-report/",
}

// checkResource refuses what cannot be the ARN of a resource, with IAM's words.
// Missing parts at the end are wildcards, in the text of a wrong partition too.
func checkResource(r string) error {
	if r == "*" {
		return nil
	}
	parts := strings.SplitN(r, ":", 6)
	if len(parts) < 2 { // whatever comes before the partition is taken for "arn"
		return malformed(`Resource %s must be in ARN format or "*".`, r)
	}
	if p := parts[1]; p != "*" && p != "aws" && !strings.HasPrefix(p, "aws-") {
		rest := []string{"*", "*", "*", "*"}
		copy(rest, parts[2:])
		return malformed(`Partition "%s" is not valid for resource "arn:%s:%s".`, p, p, strings.Join(rest, ":"))
	}
	if len(parts) < 3 {
		return malformed("Resource vendor must be fully qualified and cannot contain regexes.")
	}
	if parts[2] == "" || len(parts) < 6 && strings.Contains(r, "::") {
		return malformed(legacy)
	}
	if len(parts) < 6 {
		return nil
	}
	region, path := parts[3], parts[5]
	starts := func(with string) bool { return strings.HasPrefix(path, with) }
	switch service := parts[2]; {
	case service == "s3" && region != "" && !starts("accesspoint/"):
		return malformed("Resource %s can not contain region information.", r)
	case service == "iam" && region != "":
		return malformed("IAM resource %s cannot contain region information.", r)
	case service == "iam" && path != "root" && !starts("*") && !starts("$") && !slices.ContainsFunc(iamPaths, starts):
		return malformed(`IAM resource path must either be "*" or start with %s.`, strings.Join(iamPaths, ", "))
	}
	return nil
}

// parseConditions reads the conditions of a statement. IAM takes an operator that it
// does not know as long as it has no keys, and keys without a vendor, and has one text
// for what its older parser refuses; https://github.com/getmoto/moto has recorded it
// (tests/test_iam/test_iam_policies.py). Services word it for their own policies.
func parseConditions(raw json.RawMessage, kind Kind) ([]condition, error) {
	if raw == nil {
		return nil, nil
	}
	ops, err := object(raw)
	if err != nil {
		return nil, malformed(syntax)
	}
	var out []condition
	for name, raw := range ops {
		proto := condition{}
		base := name
		if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
			proto.forAll, base = true, rest
		} else if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
			proto.forAny, base = true, rest
		}
		if rest, ok := strings.CutSuffix(base, "IfExists"); ok && rest != "Null" {
			proto.ifExists, base = true, rest
		}
		keys, err := object(raw)
		if err != nil {
			return nil, malformed(syntax)
		}
		op, ok := operatorNamed(base)
		switch {
		case !ok && kind == Identity && len(keys) == 0:
			continue
		case !ok && kind == Identity:
			return nil, malformed(syntax)
		case !ok:
			return nil, malformed("Invalid Condition type : %s.", name)
		}
		proto.op = op
		for key, raw := range keys {
			c := proto
			if kind != Identity && !strings.Contains(key, ":") {
				return nil, malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
			c.key, c.name = strings.ToLower(key), key
			if c.values, err = words(raw); err != nil {
				return nil, malformed(syntax)
			}
			if err := checkValues(c); err != nil && kind == Identity {
				return nil, malformed(legacy)
			} else if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// checkValues refuses what can never be compared; AWS does the same when the
// policy is stored.
func checkValues(c condition) error {
	for _, v := range c.values {
		if strings.Contains(v, "${") {
			continue
		}
		kind, _, isOrder := cutOrder(c.op.name)
		if isOrder {
			if _, ok := number(kind, v); !ok {
				return malformed("Value %s for condition %s is not valid.", v, c.op.name)
			}
		}
		if (c.op.name == "Bool" || c.op.name == "Null") && !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
			return malformed("Value %s for condition %s is not valid.", v, c.op.name)
		}
	}
	return nil
}

// object reads a JSON object; unlike encoding/json it refuses a key that comes
// twice, as AWS does.
func object(raw []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("key %q comes twice", key)
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		out[key] = v
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the object")
	}
	return out, nil
}

// list reads a list, or one thing in place of a list of one.
func list(raw json.RawMessage) ([]json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		var out []json.RawMessage
		err := json.Unmarshal(raw, &out)
		return out, err
	}
	return []json.RawMessage{raw}, nil
}

// words reads a list of strings; numbers and booleans count as their text.
func words(raw json.RawMessage) ([]string, error) {
	items, err := list(raw)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		item = bytes.TrimSpace(item)
		switch {
		case len(item) > 0 && item[0] == '"':
			var s string
			if err := json.Unmarshal(item, &s); err != nil {
				return nil, err
			}
			out = append(out, s)
		case len(item) > 0 && (item[0] == '{' || item[0] == '[' || item[0] == 'n'):
			return nil, errors.New("want a string")
		default:
			out = append(out, string(item))
		}
	}
	return out, nil
}
