package spec

import (
	"cmp"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

const (
	// DefaultEnv is the env of an ID that names none.
	DefaultEnv = "dev"
	// ProdEnv is the env whose pipelines are protected by default.
	ProdEnv = "prod"
	// NamePrefix begins every AWS name the tool makes.
	NamePrefix = "ptui"
)

// ID says which pipeline: whose, for what model, at what stage.
type ID struct {
	Tenant, Model, Env string
}

// part is one of the three parts of an ID with its rule. The lengths are chosen
// so that the longest derived name (the IAM role of SageMaker, 61 characters)
// stays below every AWS limit; see checkNames.
type part struct {
	name string
	rule *lazyregexp.Regexp
	help string
}

var (
	tenantPart = part{"tenant", lazyregexp.New(`^[a-z](?:[a-z0-9-]{0,14}[a-z0-9])?$`), "1 to 16 of a-z, 0-9 and single hyphens, first a letter, last no hyphen"}
	modelPart  = part{"model", lazyregexp.New(`^[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?$`), "1 to 20 of a-z, 0-9 and single hyphens, first a letter, last no hyphen"}
	envPart    = part{"env", lazyregexp.New(`^[a-z][a-z0-9]{0,7}$`), "1 to 8 of a-z and 0-9, first a letter"}
)

func (p part) check(at pos, value string) *Problem {
	if p.rule.MatchString(value) && !strings.Contains(value, "--") {
		return nil
	}
	e := textNode(at, value).problem(CodeName, "%s %q is not allowed: it must be %s", p.name, value, p.help)
	if s := sanitize(value, p); s != "" {
		return e.WithHint("Use a name such as %q.", s)
	}
	return e.WithHint("Choose another %s.", p.name)
}

// sanitize turns a bad name into a good one near to it, or "".
func sanitize(value string, p part) string {
	var b strings.Builder
	for _, r := range strings.ToLower(value) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && p.name != envPart.name && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := b.String()
	for len(s) > 0 {
		if s = strings.TrimRight(s, "-"); p.rule.MatchString(s) {
			return s
		}
		if len(s) > 0 {
			s = s[:len(s)-1]
		}
	}
	return ""
}

// ParseID reads "tenant/model" (env dev) or "tenant/model/env".
func ParseID(s string) (ID, error) {
	if strings.ContainsAny(s, "*?[") {
		return ID{}, textNode(pos{}, s).problem(CodeName, "%q is a pattern, and here it takes the name of one pipeline", s).
			WithHint("`pipelinetui list '%s'` shows which there are.", s)
	}
	parts := strings.Split(s, "/")
	if len(parts) != 2 && len(parts) != 3 {
		return ID{}, textNode(pos{}, s).problem(CodeName, "%q is not the name of a pipeline", s).
			WithHint("Write it as tenant/model or tenant/model/env, for example acme/fraud or acme/fraud/prod.")
	}
	id := ID{Tenant: parts[0], Model: parts[1], Env: DefaultEnv}
	if len(parts) == 3 {
		id.Env = parts[2]
	}
	return id, id.Validate()
}

// ParseStackName reads the name of a Pulumi stack, "tenant.model.env".
func ParseStackName(s string) (ID, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return ID{}, textNode(pos{}, s).problem(CodeName, "%q is not the stack of a pipeline", s).
			WithHint("Stacks of pipelines are named tenant.model.env, for example acme.fraud.dev.")
	}
	id := ID{Tenant: parts[0], Model: parts[1], Env: parts[2]}
	return id, id.Validate()
}

// Validate checks the three parts; all errors at once.
func (id ID) Validate() error { return id.check().err() }

func (id ID) check() problems {
	var errs problems
	for _, c := range []struct {
		part  part
		value string
	}{{tenantPart, id.Tenant}, {modelPart, id.Model}, {envPart, id.envOrDefault()}} {
		if e := c.part.check(pos{}.in(c.part.name), c.value); e != nil {
			errs = append(errs, e)
		}
	}
	return errs
}

func (id ID) envOrDefault() string {
	if id.Env == "" {
		return DefaultEnv
	}
	return id.Env
}

// String is the form a user types: "tenant/model", with "/env" unless it is dev.
func (id ID) String() string {
	s := id.Tenant + "/" + id.Model
	if env := id.envOrDefault(); env != DefaultEnv {
		s += "/" + env
	}
	return s
}

// Compare orders pipelines for people: by tenant, model and env, so that acme/iris stands
// before acme/iris-batch.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.Tenant, other.Tenant), cmp.Compare(id.Model, other.Model), cmp.Compare(id.Env, other.Env))
}

// StackName is the name of the Pulumi stack. Dots can't occur in the parts, so
// ParseStackName gets the ID back.
func (id ID) StackName() string {
	return id.Tenant + "." + id.Model + "." + id.envOrDefault()
}

// BaseName begins every AWS name of the pipeline: "ptui-tenant-model-env", at
// most 51 characters.
func (id ID) BaseName() string {
	return strings.Join([]string{NamePrefix, id.Tenant, id.Model, id.envOrDefault()}, "-")
}
