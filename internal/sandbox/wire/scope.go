package wire

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Scope is where a call is at home: everything in AWS but a few global names is
// in one partition, account and region. It travels on every request and on every
// call between services; no service has one of its own.
type Scope struct {
	Partition string // "aws", "aws-cn" or "aws-us-gov"
	Account   string // 12 digits
	Region    string // "eu-central-1"
}

// The partitions of AWS that the sandbox has.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
const (
	PartitionAWS   = "aws"
	PartitionChina = "aws-cn"
	PartitionGov   = "aws-us-gov"
)

// PartitionOf is the partition that a region belongs to.
func PartitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return PartitionChina
	case strings.HasPrefix(region, "us-gov-"):
		return PartitionGov
	}
	return PartitionAWS
}

// ScopeOf is the scope of an account in a region.
func ScopeOf(account, region string) Scope { return Scope{PartitionOf(region), account, region} }

// ARN names a regional resource of the scope: ARN("sqs", "jobs") is
// arn:aws:sqs:us-east-1:000000000000:jobs.
func (s Scope) ARN(service, resource string) string {
	return arn.ARN{Partition: s.Partition, Service: service, Region: s.Region, AccountID: s.Account, Resource: resource}.String()
}

// GlobalARN names a resource of the account that no region is in the name of:
// GlobalARN("iam", "role/x") is arn:aws:iam::000000000000:role/x.
func (s Scope) GlobalARN(service, resource string) string {
	return arn.ARN{Partition: s.Partition, Service: service, AccountID: s.Account, Resource: resource}.String()
}

// PublicARN names a resource that has neither region nor account in its name:
// PublicARN("s3", "bucket") is arn:aws:s3:::bucket.
func (s Scope) PublicARN(service, resource string) string {
	return arn.ARN{Partition: s.Partition, Service: service, Resource: resource}.String()
}

// Root is the ARN by which policies name the account as a whole.
func (s Scope) Root() string { return s.GlobalARN("iam", "root") }

// Prefix begins the store's keys of what is in this scope. A region is in one
// partition, so the partition is no part of it.
func (s Scope) Prefix() string { return s.Account + "|" + s.Region + "|" }

// Key is the store's key of a name in this scope.
func (s Scope) Key(name string) string { return s.Prefix() + name }

// GlobalPrefix begins the store's keys of what an account has once for all
// regions of a partition.
func (s Scope) GlobalPrefix() string { return s.Partition + "|" + s.Account + "|" }

// GlobalKey is the store's key of a name that the account has once for all
// regions of a partition.
func (s Scope) GlobalKey(name string) string { return s.GlobalPrefix() + name }

// Owns reports whether an ARN names something of the same account and partition
// and, if the ARN has a region, of the same region.
func (s Scope) Owns(a arn.ARN) bool {
	return a.Partition == s.Partition && a.AccountID == s.Account && (a.Region == s.Region || a.Region == "")
}

// String is "partition/account/region", as records keep it.
func (s Scope) String() string { return s.Partition + "/" + s.Account + "/" + s.Region }

// MarshalText implements encoding.TextMarshaler.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Scope) UnmarshalText(b []byte) error {
	parts := strings.Split(string(b), "/")
	if len(parts) != 3 {
		return fmt.Errorf("%q is no scope: it must be partition/account/region", b)
	}
	*s = Scope{parts[0], parts[1], parts[2]}
	return nil
}

// ParseARN cuts an ARN; ok is false if the text is none.
func ParseARN(text string) (a arn.ARN, ok bool) {
	a, err := arn.Parse(text)
	return a, err == nil
}

// MeansARN reports whether a text that may be a name or an ARN is meant as an ARN,
// well formed or not.
func MeansARN(text string) bool { return strings.HasPrefix(text, "arn:") }

// IsARN reports whether the text is the ARN of something of the service, in
// whatever partition.
func IsARN(text, service string) bool {
	a, ok := ParseARN(text)
	return ok && a.Service == service && a.Resource != ""
}

// ScopeOfARN is the scope that an ARN names.
func ScopeOfARN(a arn.ARN) Scope { return Scope{a.Partition, a.AccountID, a.Region} }
