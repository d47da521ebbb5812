package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"

	"github.com/pipelinetui/pipelinetui/internal/preflight"
)

// What there is of a network Cloud Control tells, as CloudFormation sees it: the SDK of EC2
// would be a third of this program.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html

// Subnet implements preflight.Account.
func (q *asker) Subnet(ctx context.Context, id string) (preflight.Placed, error) {
	return q.placed(ctx, "AWS::EC2::Subnet", id)
}

// SecurityGroup implements preflight.Account.
func (q *asker) SecurityGroup(ctx context.Context, id string) (preflight.Placed, error) {
	return q.placed(ctx, "AWS::EC2::SecurityGroup", id)
}

// inNetwork is what is read of a resource.
type inNetwork struct {
	VPC     string `json:"VpcId"`
	Service string `json:"ServiceName"`
}

func (q *asker) placed(ctx context.Context, kind, id string) (preflight.Placed, error) {
	found, err := q.resource(ctx, kind, id)
	if code(err) == "ResourceNotFoundException" {
		return preflight.Placed{}, nil
	}
	return preflight.Placed{State: preflight.Present, VPC: found.VPC}, err
}

func (q *asker) resource(ctx context.Context, kind, id string) (found inNetwork, err error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return found, err
	}
	out, err := cloudcontrol.NewFromConfig(cfg).GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: &kind, Identifier: &id})
	if err == nil && out.ResourceDescription != nil {
		err = json.Unmarshal([]byte(aws.ToString(out.ResourceDescription.Properties)), &found)
	}
	return found, err
}

// ReachesS3 implements preflight.Account. A list has of each resource its id at least.
func (q *asker) ReachesS3(ctx context.Context, vpc string) (bool, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return false, err
	}
	const kind = "AWS::EC2::VPCEndpoint"
	pages := cloudcontrol.NewListResourcesPaginator(cloudcontrol.NewFromConfig(cfg), &cloudcontrol.ListResourcesInput{TypeName: aws.String(kind)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, r := range out.ResourceDescriptions {
			var found inNetwork
			if json.Unmarshal([]byte(aws.ToString(r.Properties)), &found) != nil || found.VPC == "" || found.Service == "" {
				if found, err = q.resource(ctx, kind, aws.ToString(r.Identifier)); err != nil {
					return false, err
				}
			}
			if found.VPC == vpc && strings.HasSuffix(found.Service, ".s3") {
				return true, nil
			}
		}
	}
	return false, nil
}
