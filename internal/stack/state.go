package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// The Stash resource that keeps a stack's spec.
const (
	stashType = "pulumi:index:Stash"
	specName  = "spec"
	// templateName is the Stash with the template of the user's own.
	templateName = "template"
	// revisionsName is the Stash with the ledger of revisions.
	revisionsName = "revisions"
)

// read runs a CLI process that only reads, and decodes the JSON it prints.
func (e *Engine) read(ctx context.Context, p place, op string, into any, args ...string) error {
	cmd := &command{engine: e}
	stdout, stderr, code, err := cmd.Run(ctx, p.dir, nil, nil, nil, e.envList(p.env), args...)
	if ctx.Err() != nil {
		return &fault.Error{Kind: fault.KindOf(ctx.Err()), Op: op, Msg: "stopped", Err: ctx.Err()}
	}
	if err != nil {
		return e.classifyText(op, stdout, stderr, code, err)
	}
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		return fault.New(fault.Internal, "%s: read the engine's answer: %v", op, err).Because(err)
	}
	return nil
}

func (e *Engine) export(ctx context.Context, p place, reveal bool) (*apitype.DeploymentV3, error) {
	args := []string{"stack", "export", "--stack", p.stack}
	if reveal {
		args = append(args, "--show-secrets")
	}
	var untyped apitype.UntypedDeployment
	if err := e.read(ctx, p, "read the state of "+p.stack, &untyped, args...); err != nil {
		if damage := e.objectDamage(ctx, p.stack); damage != nil {
			return nil, damage
		}
		return nil, e.inState(p, err)
	}
	var dep apitype.DeploymentV3
	if len(untyped.Deployment) == 0 {
		return &dep, nil
	}
	if err := json.Unmarshal(untyped.Deployment, &dep); err != nil {
		return nil, fault.New(fault.Internal, "read the state of %s: %v", p.stack, err).Because(err)
	}
	if err := checkDeployment(p.stack, &dep); err != nil {
		if damage := e.objectDamage(ctx, p.stack); damage != nil {
			return nil, damage
		}
		return nil, fault.New(fault.Damaged, "the state of %s on %s is damaged: %v", p.stack, e.Backend(), err).Because(err).
			WithHint("Restore it from a version or a backup of the backend, or write it anew with `pulumi stack export` and `pulumi stack import`.")
	}
	return &dep, nil
}

// State reads a stack's last checkpoint: that of a file backend or an object store
// directly, any other by one `stack export`. Secrets are blinded, so it needs no passphrase.
func (e *Engine) State(ctx context.Context, stack string) (*State, error) {
	return e.state(ctx, stack, false)
}

// Reveal is State with secrets in clear; it needs the key to them.
func (e *Engine) Reveal(ctx context.Context, stack string) (*State, error) {
	return e.state(ctx, stack, true)
}

func (e *Engine) state(ctx context.Context, stack string, reveal bool) (*State, error) {
	if err := checkName(stack); err != nil {
		return nil, err
	}
	p := e.place(stack, nil)
	found, err := onDisk(ctx, e, func() (told[*apitype.DeploymentV3], error) {
		if err := e.checkBackend(); err != nil {
			return told[*apitype.DeploymentV3]{}, err
		}
		dep, ok, err := e.fileExport(stack)
		return told[*apitype.DeploymentV3]{dep, ok}, err
	})
	if err != nil {
		return nil, err
	}
	dep, known := found.value, found.known
	if !known {
		if dep, known, err = e.objectExport(ctx, stack); err != nil {
			return nil, err
		}
	}
	if known && reveal {
		if known, err = e.unsealed(ctx, p, dep); err != nil {
			return nil, err
		}
	}
	if known {
		return stateOf(stack, dep, reveal), nil
	}
	if err := e.prepare(p); err != nil {
		return nil, err
	}
	if dep, err = e.export(ctx, p, reveal); err != nil {
		return nil, err
	}
	return stateOf(stack, dep, reveal), nil
}

func stateOf(stack string, dep *apitype.DeploymentV3, reveal bool) *State {
	s := &State{Stack: stack, Basis: basisOf(dep), Updated: dep.Manifest.Time.UTC(), Outputs: map[string]Output{}, Resources: []Resource{}}
	if dep.SecretsProviders != nil {
		s.SecretsProvider = dep.SecretsProviders.Type
	}
	for _, r := range dep.Resources {
		if string(r.Type) == rootType {
			s.Outputs = outputs(r.Outputs, reveal)
		}
		if string(r.Type) == stashType && nameOf(string(r.URN)) == specName && !r.Delete {
			s.Spec, s.SpecHidden = specOf(r, reveal)
		}
		if string(r.Type) == stashType && nameOf(string(r.URN)) == templateName && !r.Delete {
			s.Template, _ = specOf(r, reveal) // no part of a template is secret
		}
		if string(r.Type) == stashType && nameOf(string(r.URN)) == revisionsName && !r.Delete {
			s.Revisions, s.RevisionsHidden = specOf(r, reveal)
		}
		s.Resources = append(s.Resources, resourceOf(r, reveal))
	}
	s.Pending = pendingOf(dep)
	return s
}

func resourceOf(r apitype.ResourceV3, reveal bool) Resource {
	res := Resource{
		URN: string(r.URN), Type: string(r.Type), Name: nameOf(string(r.URN)), ID: string(r.ID),
		Parent: string(r.Parent), Custom: r.Custom, Protect: r.Protect, External: r.External,
		Inputs: plainMap(r.Inputs, reveal), Outputs: plainMap(r.Outputs, reveal),
		PendingDelete: r.Delete, InitErrors: r.InitErrors,
	}
	if r.Created != nil {
		res.Created = r.Created.UTC()
	}
	if r.Modified != nil {
		res.Modified = r.Modified.UTC()
	}
	return res
}

// specOf reads the document out of a Stash. Its "output" is what was stashed
// first and never changes; "input" is what was stashed last. Without reveal,
// {"secret": null} stands for each secret value; hidden tells that there are some.
func specOf(r apitype.ResourceV3, reveal bool) (doc []byte, hidden bool) {
	v, ok := r.Inputs["input"]
	if !ok {
		v, ok = r.Outputs["input"]
	}
	if !ok {
		return nil, false
	}
	if isSecret(v) && !reveal {
		if m, ok := v.(map[string]any); !ok || m[sig.Key] != nil {
			return nil, true
		}
		v, hidden = withoutSecrets(v), true
	}
	v = plain(v, reveal)
	if s, ok := v.(string); ok {
		return []byte(s), hidden
	}
	if v == nil {
		return nil, hidden
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, hidden
	}
	return doc, hidden
}

func outputs(m map[string]any, reveal bool) map[string]Output {
	out := make(map[string]Output, len(m))
	for k, v := range m {
		out[k] = Output{Value: plain(v, reveal), Secret: isSecret(v)}
	}
	return out
}

// project is the place for questions about no stack in particular.
func (e *Engine) project() place {
	return place{dir: filepath.Join(e.opts.Home, "work", ".project"), backend: e.opts.Backend}
}

// List names the stacks of the project, sorted.
func (e *Engine) List(ctx context.Context) ([]Summary, error) {
	found, err := onDisk(ctx, e, func() (told[[]Summary], error) {
		if err := e.checkBackend(); err != nil {
			return told[[]Summary]{}, err
		}
		list, ok, err := e.fileList(ctx)
		return told[[]Summary]{list, ok}, err
	})
	if err != nil {
		return nil, err
	}
	if found.known {
		return found.value, nil
	}
	if list, ok, err := e.objectListNow(ctx); ok || err != nil {
		return list, err
	}
	p := e.project()
	if err := e.prepare(p); err != nil {
		return nil, err
	}
	var stacks []auto.StackSummary
	var list []Summary
	if err := e.read(ctx, p, "list stacks", &stacks, "stack", "ls", "--json"); err == nil {
		list = summaries(stacks)
	} else {
		// It fails for all if one stack's state cannot be read.
		var oerr error
		if list, oerr = e.objectList(ctx); oerr != nil {
			return nil, err
		}
	}
	locks, _, err := e.locksNow(ctx)
	e.hold(list, locks)
	return list, err
}

func summaries(stacks []auto.StackSummary) []Summary {
	list := make([]Summary, 0, len(stacks))
	for _, s := range stacks {
		sum := Summary{Name: s.Name[strings.LastIndexByte(s.Name, '/')+1:], Resources: -1, InProgress: s.UpdateInProgress, URL: s.URL}
		sum.LastUpdate, _ = time.Parse(time.RFC3339, s.LastUpdate) // "" if it has none yet: shown as unknown
		list = append(list, sum)
	}
	return list
}

// History lists a stack's updates, newest first; limit 0 means all.
func (e *Engine) History(ctx context.Context, stack string, limit int) ([]Update, error) {
	if err := checkName(stack); err != nil {
		return nil, err
	}
	p := e.place(stack, nil)
	found, err := onDisk(ctx, e, func() (told[[]Update], error) {
		if err := e.checkBackend(); err != nil {
			return told[[]Update]{}, err
		}
		switch file, exists, known := e.stackFile(stack); {
		case !known:
			return told[[]Update]{}, nil
		case !exists:
			return told[[]Update]{}, e.absentFault(p.backend, stack, file)
		}
		updates, err := e.fileHistory(stack, limit)
		if err != nil {
			return told[[]Update]{}, err
		}
		return told[[]Update]{e.withOutcomes(p, updates, limit), true}, nil
	})
	if err != nil || found.known {
		return found.value, err
	}
	if updates, ok, err := e.objectHistory(ctx, stack, limit); err != nil {
		return nil, err
	} else if ok {
		return e.withOutcomes(p, updates, limit), nil
	}
	if err := e.prepare(p); err != nil {
		return nil, err
	}
	args := []string{"stack", "history", "--json", "--stack", stack}
	if limit > 0 {
		args = append(args, "--page-size", strconv.Itoa(limit), "--page", "1")
	}
	var entries []auto.UpdateSummary
	if err := e.read(ctx, p, "read the history of "+stack, &entries, args...); err != nil {
		return nil, err
	}
	return e.withOutcomes(p, updatesOf(entries), limit), nil
}

// Text is an output that is a text, "" if there is none of that name. One that is
// anything else is an error: what it names is there, and would be taken for absent.
func (s *State) Text(output string) (string, error) {
	o, ok := s.Outputs[output]
	if !ok || o.Value == nil {
		return "", nil
	}
	text, ok := o.Value.(string)
	if !ok || o.Secret {
		return "", fault.New(fault.Damaged, "the output %s of the stack %s is no plain text: what it names is not known", output, s.Stack).
			WithHint("Run `pipelinetui up %s` to write it anew.", pipelineName(s.Stack))
	}
	return text, nil
}

func updatesOf(entries []auto.UpdateSummary) []Update {
	updates := make([]Update, 0, len(entries))
	for _, h := range entries {
		u := Update{Version: h.Version, Kind: h.Kind, Result: h.Result, Message: h.Message, Environment: h.Environment}
		u.Start, _ = time.Parse(time.RFC3339, h.StartTime) // an unreadable time is shown as unknown; the entry counts
		if h.EndTime != nil {
			u.End, _ = time.Parse(time.RFC3339, *h.EndTime)
		}
		if h.ResourceChanges != nil {
			u.Changes = make(map[Op]int, len(*h.ResourceChanges))
			for op, n := range *h.ResourceChanges {
				u.Changes[Op(op)] = n
			}
		}
		updates = append(updates, u)
	}
	return updates
}

// String is for logs.
func (p PendingOperation) String() string { return fmt.Sprintf("%s %s %s", p.Kind, p.Type, p.Name) }
