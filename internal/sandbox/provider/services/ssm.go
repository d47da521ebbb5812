package services

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func ssmResources() []Resource { return []Resource{ssmParameter()} }

const noParameter = "ParameterNotFound"

type parameterArgs struct {
	AllowedPattern *string `pulumi:"allowedPattern" check:"len=0..1024"`
	DataType       *string `pulumi:"dataType,replace,computed" check:"enum=aws:ec2:image|aws:ssm:integration|text"`
	Description    *string `pulumi:"description" check:"len=0..1024"`
	InsecureValue  *string `pulumi:"insecureValue,computed"`
	KeyID          *string `pulumi:"keyId,computed"`
	Name           *string `pulumi:"name,replace,computed" check:"len=1..2048"`
	Overwrite      *bool   `pulumi:"overwrite,local"`
	Tier           *string `pulumi:"tier,computed" check:"enum=Standard|Advanced|Intelligent-Tiering"`
	Type           string  `pulumi:"type,required" check:"enum=String|StringList|SecureString"`
	Value          *string `pulumi:"value,computed,secret"`
	Tagged
}

type parameterState struct {
	parameterArgs
	Arn     string `pulumi:"arn"`
	Version *int   `pulumi:"version"`
}

func ssmTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func ssmTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func ssmParameter() Resource {
	return define(Def[parameterArgs, parameterState]{
		Type: "aws:ssm/parameter:Parameter", Title: "SSM Parameter", Named: &Naming{Property: "name", Max: 255},
		CheckFn: checkParameter,
		UnsettledFn: func(changed map[string]bool, in *parameterArgs) (names []string) {
			if anyOf(changed, "value", "insecureValue", "description", "type", "allowedPattern", "tier", "keyId") {
				names = append(names, "version")
			}
			if changed["insecureValue"] && in.Value == nil {
				names = append(names, "value")
			}
			return names
		},
		// There is no way back to a parameter that costs nothing.
		AnewFn: func(last *parameterState, in *parameterArgs) []string {
			if deref(last.Tier) == string(types.ParameterTierAdvanced) && deref(in.Tier) == string(types.ParameterTierStandard) {
				return []string{"tier"}
			}
			return nil
		},
		CreateFn: createParameter, ReadFn: readParameter, UpdateFn: updateParameter,
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *parameterState) error {
			_, err := c.SSM().DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &id})
			return gone(err, noParameter)
		},
	})
}

func checkParameter(in *parameterArgs, known func(string) bool) []schema.Failure {
	if !known("value") || !known("insecureValue") || !known("type") {
		return nil
	}
	switch secret := in.Type == string(types.ParameterTypeSecureString); {
	case (in.Value == nil) == (in.InsecureValue == nil):
		return []schema.Failure{{Property: "value", Reason: "exactly one of insecureValue, value must be specified"}}
	case secret && in.InsecureValue != nil:
		return []schema.Failure{{Property: "insecureValue", Reason: "invalid configuration, cannot set type = SecureString and insecureValue"}}
	}
	return nil
}

func (in *parameterArgs) put(name *string, overwrite bool) *ssm.PutParameterInput {
	out := &ssm.PutParameterInput{
		Name: name, Overwrite: &overwrite, Type: types.ParameterType(in.Type), AllowedPattern: set(in.AllowedPattern), Value: in.Value,
		Tier: types.ParameterTier(deref(in.Tier)),
	}
	if in.InsecureValue != nil {
		out.Value = in.InsecureValue
	}
	if in.Type == string(types.ParameterTypeSecureString) {
		out.KeyId = set(in.KeyID)
	}
	return out
}

func createParameter(ctx context.Context, c *Call, in *parameterArgs) (string, error) {
	x := in.put(in.Name, deref(in.Overwrite))
	x.DataType, x.Description = set(in.DataType), set(in.Description)
	if !*x.Overwrite { // SSM takes no tags with a parameter that may be there
		x.Tags = tagList(in.TagsAll, ssmTag)
	}
	if _, err := c.SSM().PutParameter(ctx, x); err != nil {
		return "", err
	}
	if *x.Overwrite && len(in.TagsAll) > 0 {
		return *in.Name, c.tagParameter(ctx, *in.Name, in.TagsAll)
	}
	return *in.Name, nil
}

func (c *Call) tagParameter(ctx context.Context, name string, tags map[string]string) error {
	_, err := c.SSM().AddTagsToResource(ctx, &ssm.AddTagsToResourceInput{ResourceId: &name, ResourceType: types.ResourceTypeForTaggingParameter, Tags: tagList(tags, ssmTag)})
	return err
}

func readParameter(ctx context.Context, c *Call, id string, last *parameterState) (*parameterState, error) {
	out, err := c.SSM().GetParameter(ctx, &ssm.GetParameterInput{Name: &id, WithDecryption: aws.Bool(true)})
	if err != nil {
		return nil, gone(err, noParameter)
	}
	described, err := c.SSM().DescribeParameters(ctx, &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{
		{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{id}},
	}})
	if err != nil {
		return nil, err
	}
	if len(described.Parameters) == 0 {
		return nil, ErrGone
	}
	tags, err := c.SSM().ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceId: &id, ResourceType: types.ResourceTypeForTaggingParameter})
	if err != nil {
		return nil, gone(err, "InvalidResourceId")
	}
	p, m := out.Parameter, described.Parameters[0]
	s := &parameterState{Arn: deref(p.ARN), Version: aws.Int(int(p.Version)), parameterArgs: parameterArgs{
		AllowedPattern: set(m.AllowedPattern), DataType: set(m.DataType), Description: set(m.Description), KeyID: set(m.KeyId), Name: p.Name,
		Tier: text(m.Tier), Type: string(p.Type), Tagged: c.tagged(tagMap(tags.TagList, ssmTagOf), last.Tagged),
	}}
	if deref(last.Tier) == string(types.ParameterTierIntelligentTiering) {
		s.Tier = last.Tier // SSM tells which of the others it chose
	}
	// The value is told where the program gave it; the other one is not known.
	if deref(last.InsecureValue) != "" && p.Type != types.ParameterTypeSecureString {
		s.InsecureValue = p.Value
	} else {
		s.Value = p.Value
	}
	return s, nil
}

func updateParameter(ctx context.Context, c *Call, id string, last *parameterState, in *parameterArgs) error {
	if c.Changed("allowedPattern", "description", "insecureValue", "keyId", "tier", "type", "value") {
		overwrite := in.Overwrite == nil || *in.Overwrite
		if c.Changed("insecureValue") && in.InsecureValue != nil && !c.Changed("value") {
			in.Value = nil
		} else if c.Changed("value") {
			in.InsecureValue = nil
		}
		x := in.put(&id, overwrite)
		if c.Changed("description") {
			x.Description = aws.String(deref(in.Description))
		}
		if _, err := c.SSM().PutParameter(ctx, x); err != nil {
			return err
		}
	}
	return retag(last.Tagged, in.Tagged,
		func(tags map[string]string) error { return c.tagParameter(ctx, id, tags) },
		func(keys []string) error {
			_, err := c.SSM().RemoveTagsFromResource(ctx, &ssm.RemoveTagsFromResourceInput{ResourceId: &id, ResourceType: types.ResourceTypeForTaggingParameter, TagKeys: keys})
			return err
		})
}
