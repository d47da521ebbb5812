package program

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi-aws-native/sdk/go/aws"
	classic "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Plugin is a provider's plugin, as programs ask the engine for it.
type Plugin struct {
	Name    string // "aws"
	Version string // "6.83.2"
	URL     string // where it is downloaded from; "" is the engine's usual place
}

// Plugins are the plugins that pipelines need, by name. The versions are those
// that the linked SDKs register their resources with, so that there is no second
// place to keep them.
func Plugins(ctx context.Context) ([]Plugin, error) {
	w := &pluginWatch{}
	pctx, err := pulumi.NewContext(ctx, pulumi.RunInfo{Project: "pipelinetui", Stack: "plugins", Mocks: w})
	if err != nil {
		return nil, fault.Wrap(err, "find the versions of the providers")
	}
	err = pulumi.RunWithContext(pctx, func(ctx *pulumi.Context) error {
		if _, err := classic.NewProvider(ctx, "aws", &classic.ProviderArgs{}); err != nil {
			return err
		}
		_, err := aws.NewProvider(ctx, "aws-native", &aws.ProviderArgs{Region: pulumi.String("us-east-1")})
		return err
	})
	if err == nil {
		err = pctx.Close()
	}
	if err != nil {
		return nil, fault.Wrap(err, "find the versions of the providers")
	}
	slices.SortFunc(w.seen, func(a, b Plugin) int { return strings.Compare(a.Name, b.Name) })
	return w.seen, nil
}

// pluginWatch stands in for the engine and takes down which plugins it is asked
// for.
type pluginWatch struct {
	mu   sync.Mutex
	seen []Plugin
}

// NewResource implements pulumi.MockResourceMonitor.
func (w *pluginWatch) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	name, ok := strings.CutPrefix(args.TypeToken, "pulumi:providers:")
	if !ok || args.RegisterRPC.GetVersion() == "" {
		return "", nil, fmt.Errorf("%s is no provider with a version", args.TypeToken)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, Plugin{Name: name, Version: args.RegisterRPC.GetVersion(), URL: args.RegisterRPC.GetPluginDownloadURL()})
	return args.Name, resource.PropertyMap{}, nil
}

// Call implements pulumi.MockResourceMonitor; providers are asked nothing.
func (*pluginWatch) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("a program may not ask for %s", args.Token)
}
