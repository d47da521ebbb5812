package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// noBasis is the Basis of a stack that does not exist or was never updated.
const noBasis = "none"

// pendingCreate is the engine's word for a creation that was cut off.
const pendingCreate = "creating"

// snapshot reads a stack's last checkpoint, secrets encrypted: the file of a file
// backend, the object of an object store, else by one process.
func (e *Engine) snapshot(ctx context.Context, p place) (*apitype.DeploymentV3, error) {
	read, err := onDisk(ctx, e, func() (told[*apitype.DeploymentV3], error) {
		dep, ok, err := e.fileExportOf(p.backend, p.stack)
		return told[*apitype.DeploymentV3]{dep, ok}, err
	})
	if errors.Is(err, fault.Canceled) || read.known && !errors.Is(err, fault.NotFound) {
		return read.value, err
	}
	if p.backend == e.opts.Backend {
		if dep, known, err := e.objectExport(ctx, p.stack); known || err != nil {
			return dep, err
		}
	}
	return e.export(ctx, p, false)
}

// basisOf identifies a state by what it holds, whoever wrote it, when and in what
// order: an update that changed nothing leaves it as it is, unless there are secrets
// in it: those are encrypted anew each time, and count as changed.
func basisOf(dep *apitype.DeploymentV3) string {
	if dep == nil || len(dep.Resources)+len(dep.PendingOperations) == 0 {
		return noBasis
	}
	lines := make([]string, 0, len(dep.Resources)+len(dep.PendingOperations))
	line := func(what string, r *apitype.ResourceV3) {
		raw, _ := json.Marshal([]any{what, r.URN, r.ID, r.Delete, r.PendingReplacement, r.Protect, r.Inputs, r.Outputs}) // came from JSON
		lines = append(lines, string(raw))
	}
	for i := range dep.Resources {
		line("", &dep.Resources[i])
	}
	for i := range dep.PendingOperations {
		line(string(dep.PendingOperations[i].Type), &dep.PendingOperations[i].Resource)
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

func pendingOf(dep *apitype.DeploymentV3) []PendingOperation {
	var out []PendingOperation
	for _, op := range dep.PendingOperations {
		out = append(out, PendingOperation{
			URN: string(op.Resource.URN), Type: string(op.Resource.Type), Name: nameOf(string(op.Resource.URN)),
			Kind: string(op.Type), ID: string(op.Resource.ID), Inputs: plainMap(op.Resource.Inputs, false),
		})
	}
	for i := range dep.Resources {
		if r := &dep.Resources[i]; isDoubtful(r) {
			out = append(out, PendingOperation{
				URN: string(r.URN), Type: string(r.Type), Name: nameOf(string(r.URN)), Kind: pendingCreate, Inputs: plainMap(r.Inputs, false),
			})
		}
	}
	return out
}

// Pending lists a stack's operations whose end was never recorded.
func (e *Engine) Pending(ctx context.Context, stack string) ([]PendingOperation, error) {
	s, err := e.State(ctx, stack)
	if err != nil {
		return nil, err
	}
	return s.Pending, nil
}

func changedMeanwhile(stack string) error {
	return fault.New(fault.Conflict, "the stack %s has changed since its changes were shown", stack).
		WithHint("Somebody else updated it meanwhile: run the command again and look at the changes anew.")
}
