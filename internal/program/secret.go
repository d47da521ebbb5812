package program

import (
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// covering are the parameters that blocks hand on without showing what is secret in
// them. What else a block reads ends in names, tags, policies or descriptions, where
// anybody can see it.
var covering = []string{"preprocess.environment", "modelEnvironment", slackParameter}

// checkSecrets refuses to deploy a pipeline some of whose values are not known: they
// would be deployed as empty texts.
func checkSecrets(p *spec.Pipeline, env Env) error {
	for path, s := range p.Secrets {
		_, read := env.Secrets[path]
		if s.Hidden || s.Reference() && !read {
			return fault.New(fault.Internal, "the secret %s of pipeline %s was not read before its deployment", path, p.ID)
		}
	}
	return nil
}

// coverSecrets puts in the values of references, and refuses a secret where it could
// not be kept, and those that are too long together.
func (p *plan) coverSecrets() fault.List {
	p.values = maps.Clone(p.pipe.Parameters)
	p.secrets = map[spec.SecretPath]bool{}
	for _, param := range p.tmpl.Parameters {
		if param.Secret {
			p.secrets[spec.SecretPath{Parameter: param.Name}] = true
		}
	}
	var errs fault.List
	for path := range p.pipe.Secrets {
		p.secrets[path] = true
		for _, b := range p.blocks {
			if slices.Contains(b.Reads, path.Parameter) && !slices.Contains(covering, path.Parameter) {
				errs = append(errs, fault.New(fault.Invalid, "%s can't be secret: the block %q puts it where everybody can see it", path, b.Name).
					WithHint("Write %s as plain text. Entries of %s can be secret, and parameters that only the template's own definition uses.", path, strings.Join(covering, " and ")))
				break
			}
		}
		value, ok := p.env.Secrets[path]
		switch {
		case !ok:
		case path.Entry == "":
			p.values[path.Parameter] = value
		default:
			m := p.values.Map(path.Parameter)
			m[path.Entry] = value
			p.values[path.Parameter] = m
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return append(errs, p.tmpl.Totals(p.values)...)
}

// holdsSecret tells whether a parameter is secret or has an entry that is.
func (p *plan) holdsSecret(parameter string) bool {
	for path := range p.secrets {
		if path.Parameter == parameter {
			return true
		}
	}
	return false
}

// environment is a map parameter for a function or a container: what is secret of it
// is a secret to the engine, entry by entry, which encrypts it in the state and shows
// it to nobody.
func (b *build) environment(parameter string) pulumi.StringMap {
	out := pulumi.StringMap{}
	for k, v := range b.dict(parameter) {
		if b.secrets[spec.SecretPath{Parameter: parameter}] || b.secrets[spec.SecretPath{Parameter: parameter, Entry: k}] {
			out[k] = pulumi.ToSecret(pulumi.String(v)).(pulumi.StringOutput)
		} else {
			out[k] = pulumi.String(v)
		}
	}
	return out
}
