package cloudcontrol

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The sandbox has no networks. What it tells of them is what AWS makes for every account in
// every region: one VPC with a subnet in each of some zones and a security group, and no
// endpoints. They can be looked at and not changed.
// https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html

const (
	subnetType      = "AWS::EC2::Subnet"
	groupType       = "AWS::EC2::SecurityGroup"
	vpcEndpointType = "AWS::EC2::VPCEndpoint"
)

// zones are those that have a subnet.
const zones = "abc"

// idIn is the id of something that an account has in a region: always the same.
func idIn(sc wire.Scope, prefix, what string) string {
	sum := sha256.Sum256([]byte(sc.Prefix() + prefix + what))
	return prefix + "-" + hex.EncodeToString(sum[:])[:17]
}

func vpcOf(sc wire.Scope) string { return idIn(sc, "vpc", "default") }

func subnetsOf(sc wire.Scope) map[string]model {
	out := map[string]model{}
	for _, zone := range zones {
		id := idIn(sc, "subnet", string(zone))
		out[id] = model{"SubnetId": id, "VpcId": vpcOf(sc), "AvailabilityZone": sc.Region + string(zone)}
	}
	return out
}

func groupsOf(sc wire.Scope) map[string]model {
	id := idIn(sc, "sg", "default")
	return map[string]model{id: {"Id": id, "GroupId": id, "GroupName": "default", "GroupDescription": "default VPC security group", "VpcId": vpcOf(sc)}}
}

// looked is a type that can be looked at only: what there is of it, the property that
// identifies one, and which actions its service asks for.
func looked(name, identifier string, of func(wire.Scope) map[string]model, actions ...string) *kind {
	may := func(c *call) error {
		for _, action := range actions {
			if err := c.may(action); err != nil {
				return err
			}
		}
		return nil
	}
	return &kind{
		name: name, identifier: identifier,
		read: func(c *call, id string) (model, error) {
			if err := may(c); err != nil {
				return nil, err
			}
			m, there := of(c.scope)[id]
			if !there {
				return nil, fail("ResourceNotFound", "%s is not there", id)
			}
			return m, nil
		},
		list: func(c *call, _ string) (ids []string, err error) {
			if err := may(c); err != nil {
				return nil, err
			}
			for id := range of(c.scope) {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			return ids, nil
		},
	}
}

func endpointsOf(wire.Scope) map[string]model { return nil }
