package sandbox

import (
	"context"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
)

// AccountInfo is an account of a daemon.
type AccountInfo = iam.Account

// AddAccount makes another account with a user of its own. It is kept. Errors are
// *fault.Error: Invalid if the id is none, Conflict if there is one of the id.
func AddAccount(ctx context.Context, i Info, id string) (out AccountInfo, err error) {
	return out, control(ctx, i, iam.OpAddAccount, iam.AccountRef{ID: id}, &out)
}

// Accounts lists the accounts, the first one first.
func Accounts(ctx context.Context, i Info) ([]AccountInfo, error) {
	var out iam.AccountList
	err := control(ctx, i, iam.OpListAccounts, struct{}{}, &out)
	return out.Accounts, err
}

// InAccount is the daemon as the user of one of its accounts sees it. It is a
// *fault.Error of kind NotFound if there is none of the id.
func InAccount(ctx context.Context, i Info, id string) (Info, error) {
	all, err := Accounts(ctx, i)
	if err != nil {
		return Info{}, err
	}
	n := slices.IndexFunc(all, func(a AccountInfo) bool { return a.ID == id })
	if n < 0 {
		return Info{}, fault.New(fault.NotFound, "the sandbox has no account %s", id).
			WithHint("Make it with 'pipelinetui sandbox account add %s'.", id)
	}
	i.Account, i.AccessKeyID, i.SecretAccessKey = id, all[n].AccessKeyID, all[n].SecretAccessKey
	return i, nil
}
