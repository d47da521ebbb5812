package provider

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/services"
)

// Invoke runs a function of the package.
func (s *server) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	sess, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	args, err := unmarshal(req.GetArgs())
	if err != nil {
		return nil, err
	}
	out, err := invoke(ctx, sess.env, req.GetTok(), schema.StripMap(args))
	if err != nil {
		return nil, err
	}
	props, err := marshal(out)
	return &pulumirpc.InvokeResponse{Return: props}, err
}

func invoke(ctx context.Context, env *services.Env, token string, args resource.PropertyMap) (resource.PropertyMap, error) {
	switch token {
	case "aws:index/getCallerIdentity:getCallerIdentity", "aws-native:index:getAccountId":
		out, err := env.STS().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, rpcError(err)
		}
		account := aws.ToString(out.Account)
		return texts("accountId", account, "arn", aws.ToString(out.Arn), "id", account, "userId", aws.ToString(out.UserId)), nil
	case "aws:index/getRegion:getRegion":
		return getRegion(env, args)
	case "aws-native:index:getRegion":
		return texts("region", env.Region()), nil
	case "aws:index/getPartition:getPartition", "aws-native:index:getPartition":
		p, suffix := env.Partition(), env.DNSSuffix()
		labels := strings.Split(suffix, ".")
		for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
			labels[i], labels[j] = labels[j], labels[i]
		}
		return texts("dnsSuffix", suffix, "id", p, "partition", p, "reverseDnsPrefix", strings.Join(labels, ".")), nil
	default:
		return nil, status.Errorf(codes.InvalidArgument, "the sandbox provider does not support the function %q; use target aws for it", token)
	}
}

func getRegion(env *services.Env, args resource.PropertyMap) (resource.PropertyMap, error) {
	name := env.Region()
	if v := args["name"]; v.IsString() {
		name = v.StringValue()
	}
	if v := args["endpoint"]; v.IsString() {
		parts := strings.Split(v.StringValue(), ".")
		if len(parts) < 3 {
			return nil, status.Errorf(codes.InvalidArgument, "region not found for endpoint %q", v.StringValue())
		}
		name = parts[1]
	}
	description := regions[name]
	if description == "" {
		description = name
	}
	return texts("description", description, "endpoint", "ec2."+name+"."+env.DNSSuffix(), "id", name, "name", name), nil
}

// regions are the names that AWS gives its regions.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
var regions = map[string]string{
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-1": "US West (N. California)", "us-west-2": "US West (Oregon)",
	"ca-central-1": "Canada (Central)", "sa-east-1": "South America (Sao Paulo)", "eu-west-1": "Europe (Ireland)", "eu-west-2": "Europe (London)",
	"eu-west-3": "Europe (Paris)", "eu-central-1": "Europe (Frankfurt)", "eu-central-2": "Europe (Zurich)", "eu-north-1": "Europe (Stockholm)",
	"eu-south-1": "Europe (Milan)", "eu-south-2": "Europe (Spain)", "ap-south-1": "Asia Pacific (Mumbai)", "ap-northeast-1": "Asia Pacific (Tokyo)",
	"ap-northeast-2": "Asia Pacific (Seoul)", "ap-northeast-3": "Asia Pacific (Osaka)", "ap-southeast-1": "Asia Pacific (Singapore)",
	"ap-southeast-2": "Asia Pacific (Sydney)", "af-south-1": "Africa (Cape Town)", "me-south-1": "Middle East (Bahrain)",
}

// texts makes a map of pairs of keys and texts.
func texts(pairs ...string) resource.PropertyMap {
	m := resource.PropertyMap{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[resource.PropertyKey(pairs[i])] = resource.NewStringProperty(pairs[i+1])
	}
	return m
}
