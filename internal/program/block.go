package program

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// BlockInfo describes a block to people who write templates, and to
// `templates check`.
type BlockInfo struct {
	// Name is what a template's list of blocks says.
	Name string `json:"name"`
	// Title is one line of help.
	Title string `json:"title"`
	// Needs are the blocks without which this one can't be.
	Needs []string `json:"needs,omitempty"`
	// Requires are parameters that a template with this block has to have.
	Requires []string `json:"requires,omitempty"`
	// Reads are parameters that change what the block makes, if the template
	// has them. One that it doesn't have counts as not set.
	Reads []string `json:"reads,omitempty"`
	// Provides are the ${names} the block offers to the definition.
	Provides []string `json:"provides,omitempty"`
	// Exports are the stack outputs it makes, some of them only if asked for.
	Exports []string `json:"exports,omitempty"`
}

// block is one piece of a program.
type block struct {
	BlockInfo
	// plan runs before the engine: it checks, grants rights to roles and
	// provides values, and adds nothing. It returns every error it finds.
	plan func(*plan) fault.List
	// add runs in the engine and adds the resources.
	add func(*build) error
}

// registry lists all blocks; one comes after those it needs.
func registry() []block {
	return []block{
		encryptionBlock(),
		storageBlock(),
		deadletterBlock(),
		noticesBlock(),
		pushBlock(),
		preprocessBlock(),
		modelBlock(),
		endpointBlock(),
		invokerBlock(),
		scalingBlock(),
		workflowBlock(),
		alarmsBlock(),
	}
}

// Blocks returns what there is for templates to be made of, in the order in
// which they are built.
func Blocks() []BlockInfo {
	var infos []BlockInfo
	for _, b := range registry() {
		infos = append(infos, b.BlockInfo)
	}
	return infos
}

// Provided returns the ${names} that every definition may use, besides those of
// its blocks and the template's own parameters.
func Provided() []string {
	return []string{"accountId", "codeDigest", "modelDigest", "name", "partition", "region", "revision"}
}

// selectBlocks returns the blocks of a template in building order, and what is wrong with
// its list of them: one that is not known, is named twice, or lacks another that it needs.
func selectBlocks(names []string) ([]block, fault.List) {
	var errs fault.List
	all := registry()
	known := make([]string, 0, len(all))
	for _, b := range all {
		known = append(known, b.Name)
	}
	seen := map[string]bool{}
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			errs = append(errs, fault.New(fault.Invalid, "there is no block %q", name).
				WithHint("Use some of: %s.", strings.Join(known, ", ")))
		case seen[name]:
			errs = append(errs, fault.New(fault.Invalid, "block %q is listed twice", name).
				WithHint("Remove one of the two."))
		}
		seen[name] = true
	}
	if len(names) == 0 {
		errs = append(errs, fault.New(fault.Invalid, "the template lists no blocks").
			WithHint("List blocks in template.yaml, for example: %s.", strings.Join(known, ", ")))
	}
	var chosen []block
	for _, b := range all {
		if !seen[b.Name] {
			continue
		}
		for _, need := range b.Needs {
			if !seen[need] {
				errs = append(errs, fault.New(fault.Invalid, "block %q needs block %q, which the template does not list", b.Name, need).
					WithHint("Add %q to the blocks in template.yaml.", need))
			}
		}
		chosen = append(chosen, b)
	}
	return chosen, errs
}
