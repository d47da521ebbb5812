package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/ledger"
)

// ledgerOf is the ledger of the account and region that a client works in; nil where there is
// no home to keep it in.
func (a *App) ledgerOf(t *Target, region, role string) *ledger.Ledger {
	if a.opts.Settings.Paths.Home == "" {
		return nil
	}
	account := t.Account
	if at, err := arn.Parse(role); err == nil && at.AccountID != "" {
		account = at.AccountID
	}
	if region == "" {
		region = t.Region
	}
	name := strings.Map(func(r rune) rune {
		if r == filepath.Separator || r == '/' || r < ' ' {
			return '_'
		}
		return r
	}, t.Name+"-"+account+"-"+region)
	return ledger.Open(filepath.Join(a.opts.Settings.Paths.Quotas(), name+".json"), func(err error) {
		a.ledgerTold.Do(func() { a.opts.Note("warning: %v. %s", err, fault.HintOf(err)) }) // those of other regions lie in the same folder
	})
}

// quotasOn tells whether a target that is no account has quotas all the same: this home's
// sandbox, if it was told to.
func (a *App) quotasOn(ctx context.Context, t *Target) bool {
	if !t.embedded {
		return false
	}
	now, err := a.SandboxFaults(ctx)
	return err == nil && now.Quotas
}

// QuotaLevel is how full the bucket of one API of an account and region is, of the part that
// this home uses.
type QuotaLevel struct {
	// Place is target, account and region.
	Place string `json:"place"`
	ledger.Level
}

// Quotas tells how full the buckets are that programs of this home take from. It asks nobody.
func (a *App) Quotas() []QuotaLevel {
	dir := a.opts.Settings.Paths.Quotas()
	files, err := os.ReadDir(dir)
	if err != nil || a.opts.Settings.Paths.Home == "" {
		return nil
	}
	var out []QuotaLevel
	for _, f := range files {
		place, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok {
			continue
		}
		for _, l := range ledger.Open(filepath.Join(dir, f.Name()), nil).Levels(a.opts.Clock.Now()) {
			out = append(out, QuotaLevel{place, l})
		}
	}
	return out
}

// quotaText is what doctor says of the buckets: those that are not full; the error is of a
// ledger that cannot be used.
func (a *App) quotaText(ctx context.Context) (string, error) {
	files, _ := filepath.Glob(filepath.Join(a.opts.Settings.Paths.Quotas(), "*.json")) // none where there is no folder
	for _, f := range files {
		if err := ledger.Open(f, nil).Try(ctx); err != nil {
			return "", err
		}
	}
	return a.quotasUsed(), nil
}

func (a *App) quotasUsed() string {
	all := a.Quotas()
	if len(all) == 0 {
		return "none used yet"
	}
	var used []string
	for _, l := range all {
		if l.Tokens >= l.Burst-0.5 && l.Rate >= 1 {
			continue
		}
		text := fmt.Sprintf("%s %s %.0f of %.0f free, %.3g a second", l.Place, l.Name, max(0, l.Tokens), l.Burst, l.PerSecond)
		if l.Rate < 1 {
			text += fmt.Sprintf(" (slowed to %.0f %% since AWS throttled)", 100*l.Rate)
		}
		used = append(used, text)
	}
	if len(used) == 0 {
		return "all of our share is free"
	}
	return strings.Join(used, "; ")
}
