package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/plans"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// policyPacks are those that look at what is planned, as they were typed.
type policyPacks struct {
	packs, configs []string
	// known are their names and digests, once they were identified.
	known []plans.Policy
}

func (p *policyPacks) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&p.packs, "policy-pack", nil, "folder of a Pulumi policy pack that has to agree, may be repeated")
	f.StringArrayVar(&p.configs, "policy-pack-config", nil, "JSON file with the configuration of the --policy-pack at the same place, may be repeated")
	dirs(cmd, "policy-pack")
	files(cmd, "policy-pack-config", "json")
}

// check refuses packs that are not there. What is in them is the engine's to say.
func (p *policyPacks) check(ctx context.Context) error {
	if n := len(p.configs); n > 0 && n != len(p.packs) {
		return wrongFlag("policy-pack-config", nil, "there are %d of it for %s", n, render.Count(len(p.packs), "--policy-pack", "--policy-packs")).
			WithHint("Give one for each --policy-pack, in the same order.")
	}
	_, err := outside.Do(ctx, "the policy packs", func() (struct{}, error) {
		for i, path := range p.packs {
			whole, err := filepath.Abs(path)
			if err == nil {
				p.packs[i] = whole // the engine runs elsewhere
				_, err = os.Stat(filepath.Join(whole, "PulumiPolicy.yaml"))
			}
			if err != nil {
				return struct{}{}, wrongFlag("policy-pack", path, "there is no policy pack: %v", fault.Reason(err)).
					WithHint("Name a folder with a PulumiPolicy.yaml.")
			}
		}
		for i, path := range p.configs {
			whole, err := filepath.Abs(path)
			if err == nil {
				p.configs[i] = whole
				_, err = os.Stat(whole)
			}
			if err != nil {
				return struct{}{}, wrongFlag("policy-pack-config", path, "it cannot be read: %v", fault.Reason(err)).WithHint("Name a JSON file.")
			}
		}
		return struct{}{}, nil
	})
	return err
}

// installed are the folders of a pack that tools fill: what they hold is pinned by files of the
// pack, and is another thing on each machine.
var installed = []string{"node_modules", "venv", ".venv", "__pycache__", ".git"}

// identify finds the digests of the packs, for a plan that they agree to.
func (p *policyPacks) identify(ctx context.Context) error {
	known, err := outside.Do(ctx, "the policy packs", func() (out []plans.Policy, err error) {
		for i, path := range p.packs {
			h := sha256.New()
			if err := hashPack(h, path); err != nil {
				return nil, wrongFlag("policy-pack", path, "it cannot be read: %v", fault.Reason(err)).WithHint("Name a folder whose files can be read.")
			}
			if len(p.configs) > 0 {
				if err := hashFileInto(h, "configuration", p.configs[i]); err != nil {
					return nil, wrongFlag("policy-pack-config", p.configs[i], "it cannot be read: %v", fault.Reason(err)).WithHint("Name a JSON file.")
				}
			}
			out = append(out, plans.Policy{Name: filepath.Base(path), Digest: hex.EncodeToString(h.Sum(nil))})
		}
		return out, nil
	})
	p.known = known
	return err
}

// hashPack puts the names and texts of a pack's files into a digest, in the order of the names.
func hashPack(h io.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != dir && slices.Contains(installed, e.Name()):
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return hashFileInto(h, filepath.ToSlash(name), path)
	})
}

func hashFileInto(h io.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	one := sha256.New()
	if _, err := io.Copy(one, f); err != nil {
		return err
	}
	fmt.Fprintf(h, "%x %s\n", one.Sum(nil), name)
	return nil
}
