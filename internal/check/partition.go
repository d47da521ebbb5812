package check

import (
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

var (
	partitionForm = lazyregexp.New(`arn:(aws[a-z-]*):`)
	ownerForm     = lazyregexp.New(`arn:aws[a-z-]*:[a-z0-9-]+:([a-z]{2}(?:-[a-z]+)+-\d)?:(\d{12})?:`)
)

// partitions warns of ARNs that hold only in one partition, region or account: a
// template is for all of them. Definitions outside of a template are for one.
func (m *machine) partitions() {
	if m.bare {
		return
	}
	var visit func(n *value.Node, key string)
	visit = func(n *value.Node, key string) {
		for _, f := range n.Fields {
			visit(f.Node, f.Key)
		}
		for _, item := range n.Items {
			visit(item, key)
		}
		if v, ok := n.Value.(string); ok && key != "Comment" {
			m.arns(n, v)
		}
	}
	visit(m.root, "")
}

func (m *machine) arns(n *value.Node, v string) {
	written := func(from, to int) (int, bool) {
		if from < 0 {
			return 0, false
		}
		a, b := inLiteral(m.src.text, n, from), inLiteral(m.src.text, n, to)
		return a, m.src.written(a, b)
	}
	for _, x := range partitionForm.FindAllStringSubmatchIndex(v, -1) {
		if at, ok := written(x[2], x[3]); ok {
			m.at(at, Warning, "fixed-partition", "Write arn:${partition}:...", "%q holds in one partition only, not in China or GovCloud", v[x[0]:x[1]])
		}
	}
	for _, x := range ownerForm.FindAllStringSubmatchIndex(v, -1) {
		if at, ok := written(x[2], x[3]); ok {
			m.at(at, Warning, "fixed-region", "Write ${region}.", "the ARN holds in region %s only", v[x[2]:x[3]])
		}
		if at, ok := written(x[4], x[5]); ok {
			m.at(at, Warning, "fixed-account", "Write ${accountId}.", "the ARN holds in account %s only", v[x[4]:x[5]])
		}
	}
}

// provided are samples of what every definition may use.
var provided = map[string]string{"accountId": `"000000000000"`, "name": `"ptui-tenant-model-dev"`, "partition": `"aws"`, "region": `"us-east-1"`}

// sampleFor returns what to fill in for a ${name}, with the given choice of the
// template's cases.
func (c *checker) sampleFor(name string, choice int) sample {
	if c.template != nil {
		if p, ok := c.template.Parameter(name); ok {
			return sampleOf(p)
		}
		for _, s := range c.template.Substitutions {
			if s.Name == name && len(s.Cases) > 0 {
				return sample{json: s.Cases[min(choice, len(s.Cases)-1)].Value, cases: true}
			}
		}
	}
	if v, ok := provided[name]; ok && slices.Contains(c.opts.Provided, name) {
		return sample{json: []byte(v)}
	}
	return sample{json: []byte(`"sample"`), open: true}
}

// choices returns how often the definition has to be checked to see every case
// of every substitution.
func (c *checker) choices() int {
	most := 1
	if c.template != nil {
		for _, s := range c.template.Substitutions {
			most = max(most, len(s.Cases))
		}
	}
	return most
}
