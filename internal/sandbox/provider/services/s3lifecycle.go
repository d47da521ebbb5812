package services

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

type lifecycleArgs struct {
	owned
	Rules       []lifecycleRule `pulumi:"rules,required" check:"items=1..1000"`
	MinimumSize *string         `pulumi:"transitionDefaultMinimumObjectSize,computed" check:"enum=all_storage_classes_128K|varies_by_storage_class"`
}

type lifecycleRule struct {
	AbortUpload           *lifecycleAbort        `pulumi:"abortIncompleteMultipartUpload"`
	Expiration            *lifecycleExpiration   `pulumi:"expiration"`
	Filter                *lifecycleFilter       `pulumi:"filter"`
	ID                    string                 `pulumi:"id,required" check:"len=1..255"`
	NoncurrentExpiration  *lifecycleNoncurrent   `pulumi:"noncurrentVersionExpiration"`
	NoncurrentTransitions []lifecycleNoncurrentT `pulumi:"noncurrentVersionTransitions,set"`
	Prefix                *string                `pulumi:"prefix"`
	Status                string                 `pulumi:"status,required" check:"enum=Enabled|Disabled"`
	Transitions           []lifecycleTransition  `pulumi:"transitions,set"`
}

type lifecycleAbort struct {
	Days *int `pulumi:"daysAfterInitiation" check:"min=1"`
}

type lifecycleExpiration struct {
	Date         *string `pulumi:"date"`
	Days         *int    `pulumi:"days" check:"min=0"`
	DeleteMarker *bool   `pulumi:"expiredObjectDeleteMarker"`
}

type lifecycleFilter struct {
	And    *lifecycleAnd `pulumi:"and"`
	Above  *int          `pulumi:"objectSizeGreaterThan"`
	Below  *int          `pulumi:"objectSizeLessThan"`
	Prefix *string       `pulumi:"prefix"`
	Tag    *lifecycleTag `pulumi:"tag"`
}

type lifecycleAnd struct {
	Above  *int              `pulumi:"objectSizeGreaterThan"`
	Below  *int              `pulumi:"objectSizeLessThan"`
	Prefix *string           `pulumi:"prefix"`
	Tags   map[string]string `pulumi:"tags"`
}

type lifecycleTag struct {
	Key   string `pulumi:"key,required"`
	Value string `pulumi:"value,required"`
}

type lifecycleNoncurrent struct {
	Newer *int `pulumi:"newerNoncurrentVersions" check:"min=1"`
	Days  int  `pulumi:"noncurrentDays,required" check:"min=1"`
}

type lifecycleNoncurrentT struct {
	Newer        *int   `pulumi:"newerNoncurrentVersions" check:"min=1"`
	Days         int    `pulumi:"noncurrentDays,required" check:"min=0"`
	StorageClass string `pulumi:"storageClass,required" check:"enum=GLACIER|STANDARD_IA|ONEZONE_IA|INTELLIGENT_TIERING|DEEP_ARCHIVE|GLACIER_IR"`
}

type lifecycleTransition struct {
	Date         *string `pulumi:"date"`
	Days         *int    `pulumi:"days" check:"min=0"`
	StorageClass string  `pulumi:"storageClass,required" check:"enum=GLACIER|STANDARD_IA|ONEZONE_IA|INTELLIGENT_TIERING|DEEP_ARCHIVE|GLACIER_IR"`
}

type lifecycleState struct{ lifecycleArgs }

const noLifecycle = "NoSuchLifecycleConfiguration"

func s3Lifecycle() Resource {
	return define(Def[lifecycleArgs, lifecycleState]{
		Type: "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", Title: "S3 Bucket Lifecycle Configuration",
		CheckFn: checkLifecycle,
		CreateFn: func(ctx context.Context, c *Call, in *lifecycleArgs) (string, error) {
			return idUnless(putLifecycle(ctx, c, in), in.id())
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *lifecycleState) (*lifecycleState, error) {
			o := ownedBy(id)
			out, err := c.S3().GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{
				Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner,
			})
			if err != nil {
				return nil, gone(err, noBucket, noLifecycle)
			}
			return &lifecycleState{lifecycleArgs{
				owned: o, Rules: each(out.Rules, lifecycleOf), MinimumSize: text(out.TransitionDefaultMinimumObjectSize),
			}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *lifecycleState, in *lifecycleArgs) error {
			return putLifecycle(ctx, c, in)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *lifecycleState) error {
			o := ownedBy(id)
			_, err := c.S3().DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner})
			return gone(err, noBucket, noLifecycle)
		},
	})
}

func checkLifecycle(in *lifecycleArgs, known func(string) bool) []schema.Failure {
	if !known("rules") {
		return nil
	}
	var failures []schema.Failure
	for _, r := range in.Rules {
		if r.AbortUpload == nil && r.Expiration == nil && r.NoncurrentExpiration == nil && len(r.Transitions)+len(r.NoncurrentTransitions) == 0 {
			failures = append(failures, schema.Failure{Property: "rules", Reason: "rule " + r.ID + " has no action: give it an expiration, a transition or abortIncompleteMultipartUpload"})
		}
	}
	return failures
}

func putLifecycle(ctx context.Context, c *Call, in *lifecycleArgs) error {
	_, err := c.S3().PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String(in.Bucket), ExpectedBucketOwner: set(in.ExpectedBucketOwner),
		LifecycleConfiguration:             &types.BucketLifecycleConfiguration{Rules: each(in.Rules, lifecycleToAPI)},
		TransitionDefaultMinimumObjectSize: types.TransitionDefaultMinimumObjectSize(deref(in.MinimumSize)),
	})
	return err
}

func lifecycleToAPI(r lifecycleRule) types.LifecycleRule {
	out := types.LifecycleRule{ID: aws.String(r.ID), Status: types.ExpirationStatus(r.Status), Filter: lifecycleFilterToAPI(r)}
	if a := r.AbortUpload; a != nil {
		out.AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: i32(a.Days)}
	}
	if e := r.Expiration; e != nil {
		out.Expiration = &types.LifecycleExpiration{Date: date(e.Date), ExpiredObjectDeleteMarker: e.DeleteMarker}
		if deref(e.Days) > 0 {
			out.Expiration.Days = i32(e.Days)
		}
	}
	if e := r.NoncurrentExpiration; e != nil {
		out.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NewerNoncurrentVersions: i32(e.Newer), NoncurrentDays: i32(&e.Days)}
	}
	out.NoncurrentVersionTransitions = each(r.NoncurrentTransitions, func(t lifecycleNoncurrentT) types.NoncurrentVersionTransition {
		return types.NoncurrentVersionTransition{
			NewerNoncurrentVersions: i32(t.Newer), NoncurrentDays: i32(&t.Days), StorageClass: types.TransitionStorageClass(t.StorageClass),
		}
	})
	out.Transitions = each(r.Transitions, func(t lifecycleTransition) types.Transition {
		return types.Transition{Date: date(t.Date), Days: i32(t.Days), StorageClass: types.TransitionStorageClass(t.StorageClass)}
	})
	return out
}

func lifecycleFilterToAPI(r lifecycleRule) *types.LifecycleRuleFilter {
	f := r.Filter
	if f == nil {
		// A rule must have a filter; an empty prefix means all objects.
		return &types.LifecycleRuleFilter{Prefix: aws.String(deref(r.Prefix))}
	}
	switch {
	case f.And != nil:
		return &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
			ObjectSizeGreaterThan: i64(f.And.Above), ObjectSizeLessThan: i64(f.And.Below), Prefix: f.And.Prefix, Tags: tagList(f.And.Tags, s3Tag),
		}}
	case f.Tag != nil:
		return &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String(f.Tag.Key), Value: aws.String(f.Tag.Value)}}
	case f.Above != nil:
		return &types.LifecycleRuleFilter{ObjectSizeGreaterThan: i64(f.Above)}
	case f.Below != nil:
		return &types.LifecycleRuleFilter{ObjectSizeLessThan: i64(f.Below)}
	default:
		return &types.LifecycleRuleFilter{Prefix: aws.String(deref(f.Prefix))}
	}
}

func lifecycleOf(r types.LifecycleRule) lifecycleRule {
	out := lifecycleRule{ID: deref(r.ID), Status: string(r.Status), Filter: lifecycleFilterOf(r.Filter), Prefix: set(r.Prefix)}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		out.AbortUpload = &lifecycleAbort{Days: num(a.DaysAfterInitiation)}
	}
	if e := r.Expiration; e != nil {
		out.Expiration = &lifecycleExpiration{Date: dateText(e.Date), Days: num(e.Days), DeleteMarker: e.ExpiredObjectDeleteMarker}
	}
	if e := r.NoncurrentVersionExpiration; e != nil {
		out.NoncurrentExpiration = &lifecycleNoncurrent{Newer: num(e.NewerNoncurrentVersions), Days: deref(num(e.NoncurrentDays))}
	}
	out.NoncurrentTransitions = each(r.NoncurrentVersionTransitions, func(t types.NoncurrentVersionTransition) lifecycleNoncurrentT {
		return lifecycleNoncurrentT{Newer: num(t.NewerNoncurrentVersions), Days: deref(num(t.NoncurrentDays)), StorageClass: string(t.StorageClass)}
	})
	out.Transitions = each(r.Transitions, func(t types.Transition) lifecycleTransition {
		return lifecycleTransition{Date: dateText(t.Date), Days: num(t.Days), StorageClass: string(t.StorageClass)}
	})
	return out
}

func lifecycleFilterOf(f *types.LifecycleRuleFilter) *lifecycleFilter {
	if f == nil {
		return nil
	}
	out := &lifecycleFilter{Above: num(f.ObjectSizeGreaterThan), Below: num(f.ObjectSizeLessThan), Prefix: set(f.Prefix)}
	if f.Tag != nil {
		out.Tag = &lifecycleTag{Key: deref(f.Tag.Key), Value: deref(f.Tag.Value)}
	}
	if f.And != nil {
		out.And = &lifecycleAnd{
			Above: num(f.And.ObjectSizeGreaterThan), Below: num(f.And.ObjectSizeLessThan), Prefix: set(f.And.Prefix),
			Tags: nilIfEmpty(tagMap(f.And.Tags, s3TagOf)),
		}
	}
	return out
}

// date reads a date or a time; nil if there is none.
func date(s *string) *time.Time {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, deref(s)); err == nil {
			return &t
		}
	}
	return nil
}

func dateText(t *time.Time) *string {
	if t == nil {
		return nil
	}
	return aws.String(t.UTC().Format(time.RFC3339))
}
