package services

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// mappingArgs are those of queues: the sandbox has no other sources.
type mappingArgs struct {
	BatchSize     *int            `pulumi:"batchSize,computed" check:"min=1;max=10000"`
	Enabled       *bool           `pulumi:"enabled" default:"true"`
	Source        *string         `pulumi:"eventSourceArn,replace" check:"arn"`
	Filters       *mappingFilters `pulumi:"filterCriteria"`
	FunctionName  string          `pulumi:"functionName,required,named"`
	ResponseTypes []string        `pulumi:"functionResponseTypes,set"`
	Window        *int            `pulumi:"maximumBatchingWindowInSeconds" check:"min=0;max=300"`
	Scaling       *mappingScaling `pulumi:"scalingConfig"`
	Tagged
}

type mappingFilters struct {
	Filters []mappingFilter `pulumi:"filters" check:"items=0..10"`
}

type mappingFilter struct {
	Pattern *string `pulumi:"pattern" check:"len=0..4096"`
}

type mappingScaling struct {
	Most *int `pulumi:"maximumConcurrency" check:"min=2"`
}

type mappingState struct {
	mappingArgs
	Arn         string  `pulumi:"arn"`
	FunctionArn string  `pulumi:"functionArn"`
	Modified    *string `pulumi:"lastModified"`
	Last        *string `pulumi:"lastProcessingResult"`
	State       *string `pulumi:"state"`
	Reason      *string `pulumi:"stateTransitionReason"`
	UUID        string  `pulumi:"uuid"`
}

func (in *mappingArgs) filters() *types.FilterCriteria {
	if in.Filters == nil {
		return nil
	}
	return &types.FilterCriteria{Filters: each(in.Filters.Filters, func(f mappingFilter) types.Filter { return types.Filter{Pattern: f.Pattern} })}
}

func (in *mappingArgs) scaling() *types.ScalingConfig {
	if in.Scaling == nil {
		return nil
	}
	return &types.ScalingConfig{MaximumConcurrency: i32(in.Scaling.Most)}
}

func lambdaMapping() Resource {
	return define(Def[mappingArgs, mappingState]{
		Type: "aws:lambda/eventSourceMapping:EventSourceMapping", Title: "Lambda Event Source Mapping",
		UnsettledFn: func(map[string]bool, *mappingArgs) []string {
			return []string{"lastModified", "state", "stateTransitionReason", "functionArn"}
		},
		CreateFn: createMapping, ReadFn: readMapping, UpdateFn: updateMapping, DeleteFn: deleteMapping,
	})
}

func createMapping(ctx context.Context, c *Call, in *mappingArgs) (string, error) {
	x := &lambda.CreateEventSourceMappingInput{
		FunctionName: &in.FunctionName, EventSourceArn: set(in.Source), BatchSize: i32(in.BatchSize), Enabled: in.Enabled, FilterCriteria: in.filters(),
		FunctionResponseTypes: enums[types.FunctionResponseType](in.ResponseTypes), MaximumBatchingWindowInSeconds: i32(in.Window),
		ScalingConfig: in.scaling(), Tags: nilIfEmpty(in.TagsAll),
	}
	var id string
	err := c.Propagated(ctx, func() error {
		out, err := c.Lambda().CreateEventSourceMapping(ctx, x)
		if err == nil {
			id = deref(out.UUID)
		}
		return err
	}, "cannot be assumed by Lambda", "execution role does not have permissions", "ensure the role can perform")
	if err != nil {
		return "", err
	}
	return id, c.settled(ctx, id)
}

// settled waits until a mapping is on its way nowhere.
func (c *Call) settled(ctx context.Context, id string) error {
	return c.Wait(ctx, "Lambda Event Source Mapping "+id, func(ctx context.Context) (bool, error) {
		out, err := c.Lambda().GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
		if err != nil {
			return isCode(err, noFunction), ignore(err, noFunction)
		}
		switch deref(out.State) {
		case "Creating", "Disabling", "Enabling", "Updating", "Deleting":
			return false, nil
		}
		return true, nil
	})
}

func readMapping(ctx context.Context, c *Call, id string, last *mappingState) (*mappingState, error) {
	out, err := c.Lambda().GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
	if err != nil {
		return nil, gone(err, noFunction)
	}
	tags, err := c.Lambda().ListTags(ctx, &lambda.ListTagsInput{Resource: out.EventSourceMappingArn})
	if err != nil {
		return nil, gone(err, noFunction)
	}
	s := &mappingState{
		Arn: deref(out.EventSourceMappingArn), FunctionArn: deref(out.FunctionArn), Modified: sameDate(out.LastModified, nil), Last: set(out.LastProcessingResult),
		State: out.State, Reason: set(out.StateTransitionReason), UUID: deref(out.UUID),
		mappingArgs: mappingArgs{
			BatchSize: num(out.BatchSize), Source: out.EventSourceArn, FunctionName: deref(out.FunctionArn), // however it was called, as the provider does
			ResponseTypes: names(out.FunctionResponseTypes), Window: num(out.MaximumBatchingWindowInSeconds), Tagged: c.tagged(tags.Tags, last.Tagged),
		},
	}
	switch deref(out.State) {
	case "Enabled", "Enabling":
		s.Enabled = aws.Bool(true)
	case "Disabled", "Disabling":
		s.Enabled = aws.Bool(false)
	}
	if f := out.FilterCriteria; f != nil && len(f.Filters) > 0 {
		s.Filters = &mappingFilters{Filters: each(f.Filters, func(f types.Filter) mappingFilter { return mappingFilter{f.Pattern} })}
	}
	if out.ScalingConfig != nil && out.ScalingConfig.MaximumConcurrency != nil {
		s.Scaling = &mappingScaling{num(out.ScalingConfig.MaximumConcurrency)}
	}
	return s, nil
}

func updateMapping(ctx context.Context, c *Call, id string, last *mappingState, in *mappingArgs) error {
	if c.Changed("batchSize", "enabled", "filterCriteria", "functionName", "functionResponseTypes", "maximumBatchingWindowInSeconds", "scalingConfig") {
		x := &lambda.UpdateEventSourceMappingInput{UUID: &id}
		if c.Changed("batchSize") {
			x.BatchSize = i32(in.BatchSize)
		}
		if c.Changed("enabled") {
			x.Enabled = in.Enabled
		}
		if c.Changed("filterCriteria") {
			if x.FilterCriteria = in.filters(); x.FilterCriteria == nil {
				x.FilterCriteria = &types.FilterCriteria{} // AWS takes the filters away
			}
		}
		if c.Changed("functionName") {
			x.FunctionName = &in.FunctionName
		}
		if c.Changed("functionResponseTypes") {
			x.FunctionResponseTypes = append([]types.FunctionResponseType{}, enums[types.FunctionResponseType](in.ResponseTypes)...)
		}
		if c.Changed("maximumBatchingWindowInSeconds") {
			x.MaximumBatchingWindowInSeconds = aws.Int32(deref(i32(in.Window)))
		}
		if c.Changed("scalingConfig") {
			if x.ScalingConfig = in.scaling(); x.ScalingConfig == nil {
				x.ScalingConfig = &types.ScalingConfig{}
			}
		}
		if _, err := c.Lambda().UpdateEventSourceMapping(ctx, x); err != nil {
			return err
		}
		if err := c.settled(ctx, id); err != nil {
			return err
		}
	}
	return retag(last.Tagged, in.Tagged,
		func(tags map[string]string) error {
			_, err := c.Lambda().TagResource(ctx, &lambda.TagResourceInput{Resource: &last.Arn, Tags: tags})
			return err
		},
		func(keys []string) error {
			_, err := c.Lambda().UntagResource(ctx, &lambda.UntagResourceInput{Resource: &last.Arn, TagKeys: keys})
			return err
		})
}

func deleteMapping(ctx context.Context, c *Call, id string, _ *mappingState) error {
	if _, err := c.Lambda().DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: &id}); err != nil {
		return gone(err, noFunction)
	}
	return c.settled(ctx, id)
}

type functionURLArgs struct {
	Auth      string           `pulumi:"authorizationType,required" check:"enum=AWS_IAM|NONE"`
	Cors      *functionURLCors `pulumi:"cors"`
	Function  string           `pulumi:"functionName,required,replace"`
	Mode      *string          `pulumi:"invokeMode" default:"BUFFERED" check:"enum=BUFFERED|RESPONSE_STREAM"`
	Qualifier *string          `pulumi:"qualifier,replace" check:"len=1..128"`
}

// functionURLCors has its fields named as those of the SDK, for recast.
type functionURLCors struct {
	AllowCredentials *bool    `pulumi:"allowCredentials"`
	AllowHeaders     []string `pulumi:"allowHeaders,set"`
	AllowMethods     []string `pulumi:"allowMethods,set"`
	AllowOrigins     []string `pulumi:"allowOrigins,set"`
	ExposeHeaders    []string `pulumi:"exposeHeaders,set"`
	MaxAge           *int     `pulumi:"maxAge" check:"min=0;max=86400"`
}

type functionURLState struct {
	functionURLArgs
	Arn   string `pulumi:"functionArn"`
	URL   string `pulumi:"functionUrl"`
	URLID string `pulumi:"urlId"`
}

func lambdaURL() Resource {
	return define(Def[functionURLArgs, functionURLState]{
		Type: "aws:lambda/functionUrl:FunctionUrl", Title: "Lambda Function URL",
		CreateFn: func(ctx context.Context, c *Call, in *functionURLArgs) (string, error) {
			cors, err := recast[*types.Cors](in.Cors)
			if err != nil {
				return "", err
			}
			_, err = c.Lambda().CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{
				FunctionName: &in.Function, Qualifier: set(in.Qualifier), AuthType: types.FunctionUrlAuthType(in.Auth), Cors: cors, InvokeMode: types.InvokeMode(deref(in.Mode)),
			})
			if err != nil {
				return "", err
			}
			id := in.Function
			if q := deref(in.Qualifier); q != "" {
				id += "/" + q
			}
			return id, c.openURL(ctx, in)
		},
		ReadFn: readFunctionURL,
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *functionURLState, in *functionURLArgs) error {
			x := &lambda.UpdateFunctionUrlConfigInput{
				FunctionName: &in.Function, Qualifier: set(in.Qualifier), AuthType: types.FunctionUrlAuthType(in.Auth),
				InvokeMode: types.InvokeMode(deref(in.Mode)),
			}
			if c.Changed("cors") {
				var err error
				if x.Cors, err = recast[*types.Cors](in.Cors); err != nil {
					return err
				}
				if x.Cors == nil {
					x.Cors = &types.Cors{} // AWS takes it away
				}
			}
			if _, err := c.Lambda().UpdateFunctionUrlConfig(ctx, x); err != nil {
				return err
			}
			return c.openURL(ctx, in)
		},
		DeleteFn: func(ctx context.Context, c *Call, _ string, last *functionURLState) error {
			_, err := c.Lambda().DeleteFunctionUrlConfig(ctx, &lambda.DeleteFunctionUrlConfigInput{FunctionName: &last.Function, Qualifier: set(last.Qualifier)})
			return gone(err, noFunction)
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *functionURLState) (string, error) {
			var qualifier string
			o.Function, qualifier, _ = strings.Cut(id, "/")
			o.Qualifier = text(qualifier)
			return id, nil
		},
	})
}

// openURL lets everybody call a URL that asks for no signature, as the provider does.
func (c *Call) openURL(ctx context.Context, in *functionURLArgs) error {
	if in.Auth != string(types.FunctionUrlAuthTypeNone) {
		return nil
	}
	_, err := c.Lambda().AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &in.Function, Qualifier: set(in.Qualifier), Action: aws.String("lambda:InvokeFunctionUrl"), Principal: aws.String("*"),
		FunctionUrlAuthType: types.FunctionUrlAuthTypeNone, StatementId: aws.String("FunctionURLAllowPublicAccess"),
	})
	return ignore(err, "ResourceConflictException")
}

func readFunctionURL(ctx context.Context, c *Call, _ string, last *functionURLState) (*functionURLState, error) {
	out, err := c.Lambda().GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: &last.Function, Qualifier: set(last.Qualifier)})
	if err != nil {
		return nil, gone(err, noFunction)
	}
	s := &functionURLState{Arn: deref(out.FunctionArn), URL: deref(out.FunctionUrl), functionURLArgs: functionURLArgs{
		Auth: string(out.AuthType), Function: last.Function, Mode: text(out.InvokeMode), Qualifier: last.Qualifier,
	}}
	if u, err := url.Parse(s.URL); err == nil {
		s.URLID, _, _ = strings.Cut(u.Hostname(), ".")
		if path := strings.Trim(u.Path, "/"); path != "" { // a server on loopback has the ids in paths
			s.URLID = path[strings.LastIndex(path, "/")+1:]
		}
	}
	if x := out.Cors; x != nil && (x.AllowCredentials != nil || x.AllowHeaders != nil || x.AllowMethods != nil || x.AllowOrigins != nil || x.ExposeHeaders != nil || x.MaxAge != nil) {
		if s.Cors, err = recast[*functionURLCors](x); err != nil {
			return nil, err
		}
	}
	return s, nil
}
