package app

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// SandboxQuotas are what an account of the sandbox has of AWS's quotas in a region.
type SandboxQuotas = sandbox.Quotas

// SandboxQuota is one of them.
type SandboxQuota = sandbox.Quota

// SandboxSetQuotas gives an account ("" is the first one) other quotas in the region of the
// settings: values by SERVICE/CODE or SERVICE/NAME, nil for AWS's own default. It answers
// with those of the services that were named.
func (a *App) SandboxSetQuotas(ctx context.Context, account string, values map[string]*float64) (SandboxQuotas, error) {
	info, err := a.sandboxAs(ctx, account)
	if err != nil {
		return SandboxQuotas{}, err
	}
	return sandbox.SetQuotas(ctx, info, sandbox.QuotaSetting{Region: a.quotaRegion(), Values: values})
}

// SandboxQuotas lists the quotas of an account in the region of the settings; of service ""
// all.
func (a *App) SandboxQuotas(ctx context.Context, account, service string) (SandboxQuotas, error) {
	info, err := a.sandboxAs(ctx, account)
	if err != nil {
		return SandboxQuotas{}, err
	}
	return sandbox.ListQuotas(ctx, info, sandbox.QuotaSetting{Region: a.quotaRegion(), Service: service})
}

// SandboxQuotaNames are all quotas that the sandbox keeps: SERVICE/CODE, and the names.
func SandboxQuotaNames() (ids, names []string) { return sandbox.QuotaNames() }

func (a *App) quotaRegion() string {
	if r := a.opts.Settings.String(settings.Region); r != "" {
		return r
	}
	return sandboxRegion
}

// sandboxAs starts the sandbox, and is the user of one of its accounts.
func (a *App) sandboxAs(ctx context.Context, account string) (sandbox.Info, error) {
	info, err := a.startSandbox(ctx)
	if err == nil && account != "" {
		info, err = sandbox.InAccount(ctx, info, account)
	}
	return info, err
}

// SandboxImage is an image to be recorded in the sandbox's registry.
type SandboxImage = sandbox.NewImage

// SandboxAddedImage is one that was.
type SandboxAddedImage = sandbox.AddedImage

// SandboxAddImage records an image in the registry of an account; "" is the first one.
func (a *App) SandboxAddImage(ctx context.Context, account string, n SandboxImage) (SandboxAddedImage, error) {
	info, err := a.sandboxAs(ctx, account)
	if err != nil {
		return SandboxAddedImage{}, err
	}
	return sandbox.AddImage(ctx, info, n)
}
