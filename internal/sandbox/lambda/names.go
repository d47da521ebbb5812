package lambda

import (
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// latest is the qualifier and version of the unpublished code.
const latest = "$LATEST"

// reference names a function and, maybe, a version or alias of it.
type reference struct {
	scope           wire.Scope
	name, qualifier string
}

// key is where the store has the function.
func (r reference) key() string { return r.scope.Key(r.name) }

// parts begins the store's keys of the function's versions and aliases.
func (r reference) parts() string { return r.key() + "\x00" }

func (r reference) versionKey(number string) string { return fmt.Sprintf("%s%010s", r.parts(), number) }

func (r reference) aliasKey(alias string) string { return r.parts() + alias }

// with names another version or alias of the function, "" the function itself.
func (r reference) with(qualifier string) reference {
	r.qualifier = qualifier
	return r
}

// arn is the function's ARN with the qualifier, if any.
func (r reference) arn() string {
	resource := "function:" + r.name
	if r.qualifier != "" {
		resource += ":" + r.qualifier
	}
	return r.scope.ARN("lambda", resource)
}

var (
	functionName  = lazyregexp.New(`^[a-zA-Z0-9_-]{1,64}$`)
	qualifierName = lazyregexp.New(`^(\$LATEST|[a-zA-Z0-9$_-]{1,128})$`)
	aliasName     = lazyregexp.New(`^[a-zA-Z0-9_-]{1,128}$`)
	digits        = lazyregexp.New(`^[0-9]+$`)
)

const namePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`

// parse reads a function name, a partial ARN (ACCOUNT:function:NAME) or an ARN,
// each with or without a qualifier, and a qualifier given apart. A name alone is
// of the caller's account.
func parse(sc wire.Scope, ref, qualifier string) (reference, error) {
	bad := errConstraint(ref, "functionName", "Member must satisfy regular expression pattern: "+namePattern)
	rest := ref
	if wire.MeansARN(ref) {
		a, ok := wire.ParseARN(ref)
		after, isFunction := strings.CutPrefix(a.Resource, "function:")
		if !ok || a.Service != "lambda" || !isFunction {
			return reference{}, bad
		}
		if a.Partition != sc.Partition || a.Region != sc.Region {
			return reference{}, errNotFound("Function not found: %s", ref)
		}
		sc.Account, rest = a.AccountID, after
	} else if account, after, ok := strings.Cut(ref, ":function:"); ok {
		sc.Account, rest = account, after
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
	return reference{sc, name, qualifier}, nil
}
