package logs

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Buckets of the store.
const (
	dbGroups   = "logs.groups"   // scope's key of the name
	dbStreams  = "logs.streams"  // group's key NUL stream
	dbEvents   = "logs.events"   // group's key NUL stream NUL time and sequence number
	dbPolicies = "logs.policies" // scope's key of the name
)

type group struct {
	Name      string
	Created   int64  // Unix milliseconds, as all times here
	Retention *int32 // days
	Key       string // KMS key ARN
	Class     types.LogGroupClass
	Tags      map[string]string
	Protected bool
}

// maxName bounds the names of groups and streams. It is no part of the patterns,
// since 512 repetitions take milliseconds to compile at each start.
const maxName = 512

func getGroup(tx *store.Tx, r ref) (group, error) {
	g, ok, err := store.Shared[group](tx, dbGroups, r.key())
	if err == nil && !ok {
		err = errNotFound("log group")
	}
	return g, err
}

// change changes a group.
func (s *Service) change(name ref, fn func(*group) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		g, err := getGroup(tx, name)
		if err != nil {
			return err
		}
		if err := fn(&g); err != nil {
			return err
		}
		return store.Put(tx, dbGroups, name.key(), g)
	})
}

func (s *Service) createGroup(_ context.Context, req *wire.Request, in *cwl.CreateLogGroupInput) (*cwl.CreateLogGroupOutput, error) {
	g := group{
		Name: aws.ToString(in.LogGroupName), Created: s.Clock.Now().UnixMilli(), Key: aws.ToString(in.KmsKeyId), Class: in.LogGroupClass,
		Tags: in.Tags, Protected: aws.ToBool(in.DeletionProtectionEnabled),
	}
	if g.Class == "" {
		g.Class = types.LogGroupClassStandard
	}
	if _, err := tagRules.Add(nil, tags.OfMap(g.Tags)); err != nil {
		return nil, err
	}
	at := ref{req.Scope, g.Name}
	return &cwl.CreateLogGroupOutput{}, s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(dbGroups, at.key()) != nil {
			return errExists("log group")
		}
		return store.Put(tx, dbGroups, at.key(), g)
	})
}

func (s *Service) deleteGroup(_ context.Context, req *wire.Request, in *cwl.DeleteLogGroupInput) (*cwl.DeleteLogGroupOutput, error) {
	name := ref{req.Scope, aws.ToString(in.LogGroupName)}
	return &cwl.DeleteLogGroupOutput{}, s.DB.Update(func(tx *store.Tx) error {
		g, err := getGroup(tx, name)
		if err != nil {
			return err
		}
		if g.Protected {
			return wire.Errorf(http.StatusBadRequest, "ValidationException", "The log group has deletion protection enabled.")
		}
		for _, bucket := range []string{dbEvents, dbStreams, dbFilters, dbSubscriptions} {
			if err := tx.DeletePrefix(bucket, name.streams()); err != nil {
				return err
			}
		}
		return tx.Delete(dbGroups, name.key())
	})
}

func (s *Service) describeGroups(_ context.Context, req *wire.Request, in *cwl.DescribeLogGroupsInput) (*cwl.DescribeLogGroupsOutput, error) {
	limit := limitOf(in.Limit, 50)
	from, err := place(in.NextToken)
	if err != nil {
		return nil, err
	}
	if in.LogGroupNamePattern != nil && in.LogGroupNamePrefix != nil {
		return nil, errInvalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	out := &cwl.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, dbGroups, req.Key(aws.ToString(in.LogGroupNamePrefix)), from, func(key string, g group) bool {
			if p := aws.ToString(in.LogGroupNamePattern); !strings.Contains(strings.ToLower(g.Name), strings.ToLower(p)) {
				return true
			}
			if in.LogGroupClass != "" && in.LogGroupClass != g.Class {
				return true
			}
			if ids := in.LogGroupIdentifiers; len(ids) > 0 && !slices.Contains(ids, g.Name) && !slices.Contains(ids, (ref{req.Scope, g.Name}).arn()) {
				return true
			}
			if len(out.LogGroups) == limit {
				out.NextToken = page.Token(key)
				return false
			}
			out.LogGroups = append(out.LogGroups, describe(tx, ref{req.Scope, g.Name}, g))
			return true
		})
	})
	return out, err
}

func describe(tx *store.Tx, r ref, g group) types.LogGroup {
	var stored int64
	// An undecodable stream shows up where it is read; here it only counts nothing.
	_ = store.Each(tx, dbStreams, r.streams(), "", func(_ string, st stream) bool { stored += st.Stored; return true })
	filters, _ := store.List[metricFilter](tx, dbFilters, r.streams())
	out := types.LogGroup{
		Arn: aws.String(r.arn() + ":*"), LogGroupArn: aws.String(r.arn()), LogGroupName: &g.Name, CreationTime: &g.Created,
		RetentionInDays: g.Retention, LogGroupClass: g.Class, MetricFilterCount: aws.Int32(int32(len(filters))), StoredBytes: &stored, DeletionProtectionEnabled: &g.Protected,
	}
	if g.Key != "" {
		out.KmsKeyId = &g.Key
	}
	return out
}

// retentions are the periods that CloudWatch Logs offers, in days.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (s *Service) putRetention(_ context.Context, req *wire.Request, in *cwl.PutRetentionPolicyInput) (*cwl.PutRetentionPolicyOutput, error) {
	if in.RetentionInDays == nil || !slices.Contains(retentions, *in.RetentionInDays) {
		return nil, constraint.Broken(invalidCode, "retentionInDays", aws.ToInt32(in.RetentionInDays), constraint.OneOf(retentions...))
	}
	return &cwl.PutRetentionPolicyOutput{}, s.change(ref{req.Scope, aws.ToString(in.LogGroupName)}, func(g *group) error {
		g.Retention = in.RetentionInDays
		return nil
	})
}

func (s *Service) deleteRetention(_ context.Context, req *wire.Request, in *cwl.DeleteRetentionPolicyInput) (*cwl.DeleteRetentionPolicyOutput, error) {
	return &cwl.DeleteRetentionPolicyOutput{}, s.change(ref{req.Scope, aws.ToString(in.LogGroupName)}, func(g *group) error {
		g.Retention = nil
		return nil
	})
}

// keyTarget is the group of a KMS key operation; query results, the other
// target that AWS has, are not served.
func keyTarget(sc wire.Scope, name, resource *string) (ref, error) {
	if name != nil && resource != nil {
		return ref{}, errInvalid("logGroupName and resourceIdentifier are mutually exclusive.")
	}
	if resource == nil {
		return ref{sc, aws.ToString(name)}, nil
	}
	return groupOf(sc, *resource)
}

func (s *Service) associateKey(_ context.Context, req *wire.Request, in *cwl.AssociateKmsKeyInput) (*cwl.AssociateKmsKeyOutput, error) {
	name, err := keyTarget(req.Scope, in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	if !wire.MeansARN(aws.ToString(in.KmsKeyId)) {
		return nil, errInvalid("KmsKeyId must be the ARN of a KMS key")
	}
	return &cwl.AssociateKmsKeyOutput{}, s.change(name, func(g *group) error {
		g.Key = *in.KmsKeyId
		return nil
	})
}

func (s *Service) disassociateKey(_ context.Context, req *wire.Request, in *cwl.DisassociateKmsKeyInput) (*cwl.DisassociateKmsKeyOutput, error) {
	name, err := keyTarget(req.Scope, in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return &cwl.DisassociateKmsKeyOutput{}, s.change(name, func(g *group) error {
		g.Key = ""
		return nil
	})
}

var tagRules = tags.Rules{
	Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "TooManyTagsException", "The resource has more than 50 tags"),
	Reserved: wire.Errorf(http.StatusBadRequest, invalidCode, `The tag "{key}" is not valid`),
}

func (s *Service) addTags(name ref, add map[string]string) error {
	return s.change(name, func(g *group) (err error) {
		g.Tags, err = tagRules.Add(g.Tags, tags.OfMap(add))
		return err
	})
}

func (s *Service) removeTags(name ref, keys []string) error {
	return s.change(name, func(g *group) error {
		g.Tags = tags.Without(g.Tags, keys)
		return nil
	})
}

func (s *Service) tagsOn(name ref) (map[string]string, error) {
	g, err := store.Look(s.DB, func(tx *store.Tx) (group, error) { return getGroup(tx, name) })
	if g.Tags == nil {
		g.Tags = map[string]string{}
	}
	return g.Tags, err
}

func (s *Service) tagGroup(_ context.Context, req *wire.Request, in *cwl.TagLogGroupInput) (*cwl.TagLogGroupOutput, error) {
	return &cwl.TagLogGroupOutput{}, s.addTags(ref{req.Scope, aws.ToString(in.LogGroupName)}, in.Tags)
}

func (s *Service) untagGroup(_ context.Context, req *wire.Request, in *cwl.UntagLogGroupInput) (*cwl.UntagLogGroupOutput, error) {
	return &cwl.UntagLogGroupOutput{}, s.removeTags(ref{req.Scope, aws.ToString(in.LogGroupName)}, in.Tags)
}

func (s *Service) listGroupTags(_ context.Context, req *wire.Request, in *cwl.ListTagsLogGroupInput) (*cwl.ListTagsLogGroupOutput, error) {
	tags, err := s.tagsOn(ref{req.Scope, aws.ToString(in.LogGroupName)})
	return &cwl.ListTagsLogGroupOutput{Tags: tags}, err
}

// limitOf is a limit that the model's constraints let in, or the standard one.
func limitOf(n *int32, standard int) int {
	if n == nil {
		return standard
	}
	return int(*n)
}

// place is where a page begins.
func place(token *string) (string, error) {
	at, err := page.Place(token)
	if err != nil {
		return "", errInvalid("The specified nextToken is invalid.")
	}
	return at, nil
}
