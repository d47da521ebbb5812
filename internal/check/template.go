package check

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// loaded takes over what reading the template found. Undeclared names in the
// definition are left to references, which knows all their places, and its
// syntax to the definition's own check.
func (c *checker) loaded(errs []*spec.Problem) {
	own := []string{c.path(spec.DefinitionFile)}
	if c.template != nil {
		for _, d := range c.template.Definitions {
			if d.Definition != nil {
				own = append(own, c.path(d.File))
			}
		}
	}
	for _, p := range errs {
		if slices.Contains(own, p.File) && p.Rule != spec.CodeUnreadable {
			continue
		}
		c.add(Finding{Severity: Error, Code: "template", Message: p.Msg, Hint: p.Hint, File: p.File, Line: p.Line, Column: p.Column})
	}
}

// note reports a finding at a place of template.yaml.
func (c *checker) note(s Severity, code, hint, message string, place ...any) {
	f := Finding{Severity: s, Code: code, Message: message, Hint: hint, File: c.path(spec.TemplateFile)}
	f.Line, f.Column = c.template.Place(place...)
	c.add(f)
}

// parts checks how template.yaml fits the blocks.
func (c *checker) parts() {
	if c.opts.Blocks == nil {
		return
	}
	used := c.blocks()
	c.parameters(used)
	c.substitutions(used)
	c.outputs(used)
	c.code()
}

// blocks checks the list of blocks and returns those that there are.
func (c *checker) blocks() []Block {
	var names []string
	for _, b := range c.opts.Blocks {
		names = append(names, b.Name)
	}
	var used []Block
	for i, name := range c.template.Blocks {
		at := slices.Index(names, name)
		switch {
		case name == "": // it could not be read
		case at < 0:
			c.note(Error, "unknown-block", suggestion(name, names, "Use some of "+strings.Join(names, ", ")+"."), "there is no block "+name, "blocks", i)
		case slices.Contains(c.template.Blocks[:i], name):
			c.note(Error, "repeated-block", "Remove one of the two.", "block "+name+" is listed twice", "blocks", i)
		default:
			used = append(used, c.opts.Blocks[at])
		}
	}
	whole := !c.template.Doubtful("blocks")
	for _, b := range used {
		at := slices.Index(c.template.Blocks, b.Name)
		for _, need := range b.Needs {
			if whole && !c.template.HasBlock(need) {
				c.note(Error, "missing-block", "Add "+need+" to the blocks.", "block "+b.Name+" needs block "+need, "blocks", at)
			}
		}
		for _, name := range b.Requires {
			if _, ok := c.template.Parameter(name); !ok && !c.template.Doubtful("parameters") {
				c.note(Error, "missing-parameter", "Add a parameter of this name.", "block "+b.Name+" needs a parameter "+name, "blocks", at)
			}
		}
	}
	if whole && len(c.template.Blocks) > 0 && !c.template.HasBlock("workflow") && slices.Contains(names, "workflow") {
		c.note(Error, "missing-block", "Add workflow to the blocks.", "without the block workflow there is no state machine to run", "blocks")
	}
	return used
}

// parameters warns of parameters that change nothing.
func (c *checker) parameters(used []Block) {
	t := c.template
	if t.Doubtful("blocks", "parameters", "substitutions", "inputFile", "definitions") {
		return // what uses it may not have been understood
	}
	read := t.UsedSubstitutions()
	for _, b := range used {
		read = append(append(read, b.Reads...), b.Requires...)
	}
	conditions := func(cs spec.Conditions) {
		for name := range cs {
			read = append(read, name)
		}
	}
	for _, p := range t.Parameters {
		conditions(p.When)
	}
	for _, s := range t.Substitutions {
		for _, one := range s.Cases {
			conditions(one.When)
		}
	}
	for _, one := range t.InputFile {
		conditions(one.When)
	}
	for _, one := range t.Definitions {
		conditions(one.When)
	}
	for i, p := range t.Parameters {
		if !slices.Contains(read, p.Name) {
			c.note(Warning, "unused-parameter", suggestion(p.Name, read, "Use ${"+p.Name+"} in the definition, or remove it."),
				"no block and no part of the definition uses the parameter "+p.Name, "parameters", i, "name")
		}
	}
}

// bare is a name without the remark behind it: "kmsKeyArn (kmsMode: customer)".
func bare(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i], _, _ = strings.Cut(n, " ")
	}
	return out
}

// substitutions checks that something provides each declared name.
func (c *checker) substitutions(used []Block) {
	if c.template.Doubtful("blocks", "substitutions") {
		return
	}
	offered := slices.Clone(c.opts.Provided)
	for _, b := range used {
		offered = append(offered, bare(b.Provides)...)
	}
	inUse := c.template.UsedSubstitutions()
	for i, s := range c.template.Substitutions {
		if !slices.Contains(inUse, s.Name) && len(c.template.Definition) > 0 {
			c.note(Error, "unused-substitution", "Remove it, or use ${"+s.Name+"} in the definition.", "the definition does not use the substitution "+s.Name, "substitutions", i)
		}
		if len(s.Cases) > 0 || slices.Contains(offered, s.Name) {
			continue
		}
		hint := suggestion(s.Name, offered, "Use one of "+strings.Join(offered, ", ")+".")
		for _, b := range c.opts.Blocks {
			if slices.Contains(bare(b.Provides), s.Name) {
				hint = "Add " + b.Name + " to the blocks."
			}
		}
		c.note(Error, "not-provided", hint, "no block of the template provides ${"+s.Name+"}", "substitutions", i)
	}
}

// outputs checks that the declared outputs are made.
func (c *checker) outputs(used []Block) {
	if c.template.Doubtful("blocks", "outputs") {
		return
	}
	made := []string{"revision", "template", "templateVersion"} // of every pipeline
	for _, b := range used {
		made = append(made, bare(b.Exports)...)
	}
	for i, o := range c.template.Outputs {
		if !slices.Contains(made, o.Name) {
			c.note(Warning, "unknown-output", suggestion(o.Name, made, "Remove it, or add the block that makes it."), "no block of the template makes the output "+o.Name, "outputs", i)
		}
	}
}

// code checks that the folder holds the sources of its functions: a parameter
// x.code without a value means the folder x.
func (c *checker) code() {
	for i, p := range c.template.Parameters {
		folder, isCode := strings.CutSuffix(p.Name, ".code")
		if preset, _ := p.Default.(string); !isCode || p.Required || preset != "" {
			continue
		}
		code, err := c.template.Code(folder)
		if err != nil {
			hint := "Put the function's source into " + c.path(folder) + ", or make the parameter required."
			message := c.path(folder) + " can't be read: " + err.Error()
			if errors.Is(err, fs.ErrNotExist) {
				message = "the template has no folder " + folder + ", from which the function is made where " + p.Name + " is not given"
			}
			c.note(Error, "no-code", hint, message, "parameters", i, "name")
			continue
		}
		handler, runtime := c.preset(folder+".handler"), c.preset(folder+".runtime")
		switch missing, wrong := spec.CheckHandler(code, handler, runtime); {
		case handler == "" || wrong == nil:
		case len(missing) > 0:
			c.note(Error, "no-handler", "Add the file, or correct "+folder+".handler.",
				"the handler "+handler+" of runtime "+runtime+" needs the file "+path.Join(folder, missing[0]), c.at(folder+".handler")...)
		default:
			c.note(Error, "no-handler", wrong.Hint, "the handler "+handler+" does not do for runtime "+runtime+": "+wrong.Msg, c.at(folder+".handler")...)
		}
	}
}

// preset is the default of a text parameter.
func (c *checker) preset(name string) string {
	p, ok := c.template.Parameter(name)
	if !ok {
		return ""
	}
	s, _ := p.Default.(string)
	return s
}

// at is the place of a parameter's default.
func (c *checker) at(name string) []any {
	i := slices.IndexFunc(c.template.Parameters, func(p spec.Parameter) bool { return p.Name == name })
	if i < 0 {
		return []any{"parameters"}
	}
	return []any{"parameters", i, "default"}
}

// references checks the ${names} of the definition, each where it stands.
func (c *checker) references(shown, file string) {
	if c.template == nil {
		return
	}
	known := []string{}
	for _, p := range c.template.Parameters {
		known = append(known, p.Name)
	}
	for _, s := range c.template.Substitutions {
		known = append(known, s.Name)
	}
	src := literal(file)
	report := func(offset int, s Severity, code, hint, message string) {
		f := Finding{Severity: s, Code: code, Message: message, Hint: hint, File: shown}
		f.Line, f.Column = src.place(offset)
		c.add(f)
	}
	for _, m := range reference.FindAllStringSubmatchIndex(file, -1) {
		name := file[m[2]:m[3]]
		whole := m[0] > 0 && file[m[0]-1] == '"' && m[1] < len(file) && file[m[1]] == '"'
		p, isParameter := c.template.Parameter(name)
		switch {
		case whole && isKey(file[m[1]+1:]):
			report(m[0], Error, "substituted-key", "Use ${names} in values only.", "the name of a field can't be filled in")
		case !slices.Contains(known, name) && c.template.Doubtful("parameters", "substitutions"):
		case !slices.Contains(known, name):
			hint := "Declare it under substitutions in " + spec.TemplateFile + ", or use the name of a parameter."
			if s := spec.Suggest(name, append(slices.Clone(known), c.offered()...)); s != "" {
				hint = "Did you mean ${" + s + "}?"
			}
			if slices.Contains(c.offered(), name) {
				hint = "Declare it in " + spec.TemplateFile + ": substitutions: [{name: " + name + ", help: ...}]."
			}
			report(m[0], Error, "undeclared-name", hint, "${"+name+"} is neither a parameter nor declared under substitutions")
		case !isParameter:
		case (p.Type == spec.TypeList || p.Type == spec.TypeMap) && !whole:
			report(m[0], Error, "list-in-text", "Make it the whole of a string: \"${"+name+"}\".", "the "+string(p.Type)+" "+name+" can't be a part of a text")
		case p.Default == nil && p.Otherwise == nil && !p.Required && !c.template.Doubtful("parameters"):
			report(m[0], Warning, "maybe-unset", "Give the parameter a default, or make it required.", "the parameter "+name+" may have no value, and then `up` refuses")
		}
	}
}

// offered lists what blocks provide, whether the template has them or not.
func (c *checker) offered() []string {
	out := slices.Clone(c.opts.Provided)
	for _, b := range c.opts.Blocks {
		out = append(out, bare(b.Provides)...)
	}
	return out
}

// trial takes over what making a program of the template refuses.
func (c *checker) trial() {
	err := c.opts.Trial(c.template)
	if err == nil {
		return
	}
	list := []error{err}
	var many fault.List
	if errors.As(err, &many) {
		list = many
	}
	for _, one := range list {
		c.add(Finding{Severity: Error, Code: "program", Message: one.Error(), Hint: fault.HintOf(one), File: c.path(spec.TemplateFile)})
	}
}
