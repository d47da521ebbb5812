package stack

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// A file of the state may be cut off, empty, altered by hand or half written by a
// disk that was full. Everything that comes from such a file passes through here,
// before anything is done with it: the engine's own types panic on a URN that is
// none.

// checkpointVersion is the version of checkpoints that is understood.
const checkpointVersion = 3

// errForeign says that a checkpoint is well, as far as can be seen, but of a kind
// that only the CLI understands.
var errForeign = errors.New("a kind of checkpoint that only the engine understands")

// decodeCheckpoint reads the file of a stack, "" for any. The error is errForeign, or
// says in a few words what is wrong with the file.
func decodeCheckpoint(stack string, raw []byte) (*apitype.DeploymentV3, error) {
	raw, err := unzip(raw)
	if err != nil {
		return nil, err
	}
	var versioned apitype.VersionedCheckpoint
	if err := decodeJSON(raw, &versioned); err != nil {
		return nil, err
	}
	if versioned.Version > checkpointVersion || len(versioned.Features) > 0 {
		return nil, errForeign
	}
	if versioned.Version < checkpointVersion {
		if versioned.Version == 0 {
			return nil, errors.New("it is not a stack's state: it has no version")
		}
		return nil, errForeign
	}
	var checkpoint apitype.CheckpointV3
	if err := decodeJSON(versioned.Checkpoint, &checkpoint); err != nil {
		return nil, err
	}
	if checkpoint.Latest == nil {
		return &apitype.DeploymentV3{}, nil
	}
	if len(checkpoint.Latest.Resources) == 0 {
		// The engine leaves the member out where there are none.
		var written struct {
			Latest struct{ Resources json.RawMessage }
		}
		if err := decodeJSON(versioned.Checkpoint, &written); err == nil && string(written.Latest.Resources) == "null" {
			return nil, errors.New("its resources are null")
		}
	}
	return checkpoint.Latest, checkDeployment(stack, checkpoint.Latest)
}

// unzip reads what the engine has compressed (PULUMI_DIY_BACKEND_COMPRESSION).
func unzip(raw []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch {
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(bytes.NewReader(raw))
	case bytes.HasPrefix(raw, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		z, err = zstd.NewReader(bytes.NewReader(raw))
		if err == nil {
			defer z.Close()
		}
		r = z
	default:
		return raw, nil
	}
	if err == nil {
		raw, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("it is compressed, and damaged: %w", err)
	}
	return raw, nil
}

// decodeJSON reads JSON and says in words what is wrong with it.
func decodeJSON(raw []byte, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return errors.New("it is empty")
	}
	err := json.Unmarshal(raw, into)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(raw)):
		return fmt.Errorf("it is cut off after %d bytes", len(raw))
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON at byte %d: %w", syntax.Offset, err)
	default:
		return fmt.Errorf("it does not hold what it should: %w", err)
	}
}

// checkDeployment wants every entry of a state to be what it is used as.
func checkDeployment(stack string, dep *apitype.DeploymentV3) error {
	for i := range dep.Resources {
		if err := checkEntry(stack, &dep.Resources[i]); err != nil {
			return fmt.Errorf("resource %d %w", i+1, err)
		}
	}
	if err := checkWhole(dep.Resources); err != nil {
		return err
	}
	for i := range dep.PendingOperations {
		if err := checkEntry(stack, &dep.PendingOperations[i].Resource); err != nil {
			return fmt.Errorf("pending operation %d %w", i+1, err)
		}
	}
	return nil
}

// checkWhole wants what the engine wants of the resources together
// (Snapshot.VerifyIntegrity of pkg/resource/deploy/snapshot.go): each leans only on those
// before it, and of several with one URN all but one are to be deleted. The engine takes
// anything else for a bug of its own, and changes nothing.
func checkWhole(resources []apitype.ResourceV3) error {
	before, kept := map[string]bool{}, map[string]bool{}
	for i := range resources {
		r := &resources[i]
		urn := string(r.URN)
		for _, need := range needs(r) {
			if need != "" && !before[need] {
				return fmt.Errorf("resource %d, %.120q, leans on one that is not before it: %.120q", i+1, urn, need)
			}
		}
		if !r.Delete && kept[urn] {
			return fmt.Errorf("resource %d is there twice: %.120q", i+1, urn)
		}
		before[urn], kept[urn] = true, kept[urn] || !r.Delete
	}
	return nil
}

// needs are the URNs of the resources that one leans on.
func needs(r *apitype.ResourceV3) []string {
	out := []string{string(r.Parent), string(r.DeletedWith)}
	for _, d := range r.Dependencies {
		out = append(out, string(d))
	}
	for _, list := range r.PropertyDependencies {
		for _, d := range list {
			out = append(out, string(d))
		}
	}
	for _, d := range r.ReplaceWith {
		out = append(out, string(d))
	}
	// A provider is named by its URN and its id.
	if i := strings.LastIndex(r.Provider, "::"); i > 0 && !r.PendingReplacement {
		out = append(out, r.Provider[:i])
	}
	return out
}

func checkEntry(stack string, r *apitype.ResourceV3) error {
	switch {
	case r.URN == "":
		return errors.New("is missing: it has no URN")
	case !r.URN.IsValid():
		return fmt.Errorf("has a URN that is none: %.80q", string(r.URN))
	case stack != "" && string(r.URN.Stack()) != stack: // the engine refuses any change of such a stack
		return fmt.Errorf("is of another stack, %.80q: %.80q", string(r.URN.Stack()), string(r.URN))
	}
	return nil
}

// damaged is the error about a file of a stack that cannot be used.
func (e *Engine) damaged(stack, file string, cause error) error {
	if errors.Is(cause, fs.ErrPermission) {
		return fault.New(fault.Denied, "the state of %s cannot be read: %s: %v", stack, file, cause).Because(cause).
			WithHint("Make the file readable for this user (`ls -l %s` shows whose it is), or use a backend that is.", file)
	}
	err := fault.New(fault.Damaged, "the state of %s is damaged: %s: %v. What it has made still exists, but is not recorded", stack, file, cause).Because(cause)
	name := pipelineName(stack)
	copies := e.copies(stack, nil)
	if len(copies) == 0 {
		return err.WithHint("There is no copy of it that can be used. Restore the file from a backup of your own; or move it away, and %s, and delete by hand what begins with ptui-%s.",
			e.historyDir(stack), strings.ReplaceAll(stack, ".", "-"))
	}
	state := ""
	if _, exists, _ := e.stackFile(stack); exists {
		state = file
	}
	return err.WithHint("Run `pipelinetui cancel %s --restore` to put %s in its place, then `pipelinetui refresh %s` to see what has changed since.%s",
		name, copies[0], name, onPurpose(state, e.historyDir(stack)))
}

// pipelineName is a stack's name as it is typed in commands.
func pipelineName(stack string) string { return strings.ReplaceAll(stack, ".", "/") }

// readFileState reads the file of a stack. The error is errForeign, fault.NotFound,
// or a fault that names the file.
func (e *Engine) readFileState(backend, stack, file string) (*apitype.DeploymentV3, error) {
	raw, err := readRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, e.absentFault(backend, stack, file)
	}
	if err != nil {
		return nil, e.damaged(stack, file, fault.Reason(err))
	}
	dep, err := decodeCheckpoint(stack, raw)
	if err == nil && backend == e.opts.Backend && len(dep.Resources)+len(dep.PendingOperations) == 0 {
		err = e.emptied(stack)
	}
	if err != nil && !errors.Is(err, errForeign) {
		err = e.damaged(stack, file, err)
	}
	return dep, err
}

// emptied tells that a state holds nothing although the stack's last operation left
// resources: nobody may take such a stack for an empty one and clear it away.
func (e *Engine) emptied(stack string) error {
	updates, err := e.fileHistory(stack, 1)
	if err == nil { // a destroy that was killed behind its last step is in no history
		updates = e.withOutcomes(e.place(stack, nil), updates, 1)
	}
	if err != nil || len(updates) == 0 || updates[0].Kind == "destroy" || updates[0].Result != "succeeded" {
		return nil //nolint:nilerr // a history that cannot be read says nothing of the state
	}
	left := leftBy(updates[0])
	if left == 0 {
		return nil
	}
	return fmt.Errorf("it holds no resources, but update %d left %d", updates[0].Version, left)
}

// readRegular reads a file of the state. What is no file is an error that says what it
// is: a link that leads nowhere is not "not there", and a pipe would never end.
func readRegular(file string) ([]byte, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if to, lerr := os.Readlink(file); lerr == nil {
			return nil, fmt.Errorf("it is a symbolic link to %s, where nothing is", to)
		}
	}
	return wholefile.Read(file)
}
