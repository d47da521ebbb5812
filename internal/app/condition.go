package app

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Histories reads the newest entries of the histories of pipelines, and who holds those
// that were found by their names: with them it is known how each is
// (pipelines.Pipeline.Condition). It is a process each, but for file backends.
func (a *App) Histories(ctx context.Context, list []Existing) error {
	e, err := a.Engine(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	var named []string // found by their names, not in the list
	for i := range list {
		if list[i].Summary.Name == "" {
			named = append(named, list[i].ID.StackName())
		}
		g.Go(func() error {
			readHistory(gctx, e, &list[i])
			return gctx.Err()
		})
	}
	held := map[string][]stack.Lock{}
	if len(named) > 0 {
		held = e.HeldBy(ctx, named...)
	}
	err = g.Wait()
	for i := range list {
		if x := &list[i]; x.Summary.Name == "" {
			x.Summary.Locks = held[x.ID.StackName()]
		}
	}
	return err
}

func readHistory(ctx context.Context, e *stack.Engine, x *Existing) {
	if x.State != nil {
		x.History, x.HistoryErr = e.History(ctx, x.ID.StackName(), pipelines.RecentHistory)
	}
}

// Elsewhere is the account in which a pipeline was made, if that is none that the
// target works in; "" if it is at home here, or if nothing is known. What AWS says
// about a name here is then not about the pipeline.
func (t *Target) Elsewhere(x *Existing) string {
	account := madeIn(x)
	if account == t.Account || x.Spec != nil && account == t.accountOf(x.Spec) {
		return ""
	}
	return account
}

// NotHere is the error of asking AWS about a pipeline that is in another account; nil
// if it is at home here, or if nothing is known.
func (t *Target) NotHere(x *Existing) error {
	account := t.Elsewhere(x)
	if account == "" {
		return nil
	}
	return fault.New(fault.Unsupported, "it is in account %s, and target %s is account %s: AWS was not asked about it", account, t.Name, t.Account).
		WithHint("Choose the place it was made in: --target, --profile, --endpoint-url.")
}

// madeIn is the account that a pipeline's resources are in, as their ARNs say.
func madeIn(x *Existing) string {
	if x.State == nil {
		return ""
	}
	if text, ok := x.State.Outputs["stateMachineArn"].Value.(string); ok {
		return arnAccount(text)
	}
	for _, r := range x.State.Resources {
		if text, ok := r.Outputs["arn"].(string); ok {
			if account := arnAccount(text); account != "" {
				return account
			}
		}
	}
	return ""
}

// arnAccount is the account of an ARN, arn:aws:iam::ACCOUNT:role/NAME; "" if it has
// none, as that of a bucket.
func arnAccount(text string) string {
	a, _ := arn.Parse(text) // of none, none
	return a.AccountID
}
