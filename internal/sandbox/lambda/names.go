package lambda

import (
	"regexp"
	"strings"
)

// latest is the qualifier and version of the unpublished code.
const latest = "$LATEST"

// reference names a function and, maybe, a version or alias of it.
type reference struct{ name, qualifier string }

var (
	functionName  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	qualifierName = regexp.MustCompile(`^(\$LATEST|[a-zA-Z0-9$_-]{1,128})$`)
	aliasName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	digits        = regexp.MustCompile(`^[0-9]+$`)
)

const namePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`

// parse reads a function name, a partial ARN (ACCOUNT:function:NAME) or an ARN,
// each with or without a qualifier, and a qualifier given apart.
func (s *Service) parse(ref, qualifier string) (reference, error) {
	bad := errConstraint(ref, "functionName", "Member must satisfy regular expression pattern: "+namePattern)
	rest := ref
	if strings.HasPrefix(ref, "arn:") {
		f := strings.SplitN(ref, ":", 7)
		if len(f) < 7 || f[2] != "lambda" || f[5] != "function" {
			return reference{}, bad
		}
		if f[4] != s.Account || f[3] != s.Region {
			return reference{}, errNotFound("Function not found: %s", ref)
		}
		rest = f[6]
	} else if account, after, ok := strings.Cut(ref, ":function:"); ok {
		if account != s.Account {
			return reference{}, errNotFound("Function not found: %s", ref)
		}
		rest = after
	} else {
		rest = strings.TrimPrefix(rest, "function:")
	}
	name, own, _ := strings.Cut(rest, ":")
	if !functionName.MatchString(name) {
		return reference{}, bad
	}
	if own != "" && qualifier != "" && own != qualifier {
		return reference{}, errInvalid("The derived qualifier from the function name does not match the specified qualifier.")
	}
	if qualifier == "" {
		qualifier = own
	}
	if qualifier != "" && !qualifierName.MatchString(qualifier) {
		return reference{}, errConstraint(qualifier, "qualifier", `Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)`)
	}
	return reference{name, qualifier}, nil
}

// arn is the function's ARN with the qualifier, if any.
func (s *Service) arn(name, qualifier string) string {
	arn := "arn:aws:lambda:" + s.Region + ":" + s.Account + ":function:" + name
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}
