package sandbox

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/servicequotas"
)

// What an account of the sandbox has of AWS's quotas.
type (
	// QuotaSetting is what it is to have.
	QuotaSetting = servicequotas.Setting
	// Quotas are all that it has.
	Quotas = servicequotas.Quotas
	// Quota is one of them.
	Quota = servicequotas.Quota
)

// SetQuotas gives the account of a daemon's user other quotas, which are kept. Errors are
// *fault.Error: Invalid if there is no such quota or value.
func SetQuotas(ctx context.Context, i Info, s QuotaSetting) (out Quotas, err error) {
	return out, control(ctx, i, servicequotas.OpSet, s, &out)
}

// ListQuotas lists the quotas of the account of a daemon's user.
func ListQuotas(ctx context.Context, i Info, s QuotaSetting) (out Quotas, err error) {
	return out, control(ctx, i, servicequotas.OpList, s, &out)
}

// QuotaNames are all quotas that the sandbox keeps, as SERVICE/CODE, with their names.
func QuotaNames() (ids, names []string) {
	for _, q := range limits.Of("") {
		ids, names = append(ids, q.ID()), append(names, q.Name)
	}
	return ids, names
}
