package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What lies where in the pipeline's bucket. Policies of the roles are written
// in these terms.
const (
	inputPrefix    = "in/"
	resultsPrefix  = "results/"
	batchPrefix    = "batch/"
	stagingPrefix  = "staging/"
	capturePrefix  = "capture/"
	artifactPrefix = "artifacts/"
)

// Days that superseded versions, scratch objects and broken uploads are kept.
const (
	noncurrentDays = 30
	stagingDays    = 7
	abortDays      = 7
)

// storageBlock makes the bucket of the pipeline: inputs, results, artifacts.
// It is the only file that uses the names ending in V2, which pulumi-aws v7
// drops.
func storageBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:     "storage",
			Title:    "An S3 bucket for inputs, results and artifacts: private, encrypted, versioned",
			Reads:    []string{"versioning", "retention.resultsDays", "kmsMode"},
			Provides: []string{"bucketName"},
			Exports:  []string{"bucketName", "bucketUri", "inputPrefixUri", "resultsPrefixUri"},
		},
		plan: planStorage,
		add:  addStorage,
	}
}

func planStorage(p *plan) fault.List {
	p.provide("bucketName", p.names.Bucket)
	return nil
}

func addStorage(b *build) error {
	bucket, err := s3.NewBucketV2(b.ctx, "data", &s3.BucketV2Args{
		Bucket: pulumi.String(b.names.Bucket),
		// A protected bucket is never emptied by the tool.
		ForceDestroy: pulumi.Bool(!b.pipe.Protect),
		Tags:         b.tags(),
	}, pulumi.Protect(b.pipe.Protect))
	if err != nil {
		return err
	}
	b.bucket = bucket
	for _, add := range []func(*build) error{addBucketAccess, addBucketEncryption, addBucketHistory} {
		if err := add(b); err != nil {
			return err
		}
	}
	uri := func(prefix string) pulumi.StringOutput { return pulumi.Sprintf("s3://%s/%s", bucket.Bucket, prefix) }
	b.output("bucketName", bucket.Bucket)
	b.export("bucketName", bucket.Bucket)
	b.export("bucketUri", pulumi.Sprintf("s3://%s", bucket.Bucket))
	b.export("inputPrefixUri", uri(inputPrefix))
	b.export("resultsPrefixUri", uri(resultsPrefix))
	return nil
}

// addBucketAccess closes the bucket: no public access, no ACLs, TLS only, and
// nobody from another account.
func addBucketAccess(b *build) error {
	block, err := s3.NewBucketPublicAccessBlock(b.ctx, "data-pab", &s3.BucketPublicAccessBlockArgs{
		Bucket:                b.bucket.Bucket,
		BlockPublicAcls:       pulumi.Bool(true),
		BlockPublicPolicy:     pulumi.Bool(true),
		IgnorePublicAcls:      pulumi.Bool(true),
		RestrictPublicBuckets: pulumi.Bool(true),
	})
	if err != nil {
		return err
	}
	own, err := s3.NewBucketOwnershipControls(b.ctx, "data-own", &s3.BucketOwnershipControlsArgs{
		Bucket: b.bucket.Bucket,
		Rule:   &s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String("BucketOwnerEnforced")},
	})
	if err != nil {
		return err
	}
	policy, err := document(b.bucketPolicy())
	if err != nil {
		return err
	}
	_, err = s3.NewBucketPolicy(b.ctx, "data-policy", &s3.BucketPolicyArgs{
		Bucket: b.bucket.Bucket,
		Policy: pulumi.String(policy),
	}, pulumi.DependsOn([]pulumi.Resource{block}))
	b.bucketReady = append(b.bucketReady, own)
	return err
}

// bucketPolicy denies what must never happen. Over plain HTTP the two Denies
// about TLS would lock everybody out.
func (p *plan) bucketPolicy() []statement {
	deny := func(sid string) statement {
		return statement{
			Sid: sid, Effect: "Deny", Principal: &principal{All: true}, Action: oneOrMany{"s3:*"},
			Resource: oneOrMany{p.names.BucketARN, p.names.BucketARN + "/*"},
		}
	}
	var statements []statement
	if !p.env.PlainHTTP {
		statements = append(statements,
			deny("DenyInsecureTransport").when("Bool", "aws:SecureTransport", "false"),
			deny("DenyOldTls").when("NumericLessThan", "s3:TlsVersion", "1.2"))
	}
	return append(statements, deny("DenyOtherAccounts").
		when("StringNotEquals", "aws:PrincipalAccount", p.env.Account).
		when("BoolIfExists", "aws:PrincipalIsAWSService", "false"))
}

func addBucketEncryption(b *build) error {
	rule := &s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
		ApplyServerSideEncryptionByDefault: &s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
			SseAlgorithm: pulumi.String("AES256"),
		},
	}
	if key := b.keyArn(); key != nil {
		rule.ApplyServerSideEncryptionByDefault = &s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
			SseAlgorithm:   pulumi.String("aws:kms"),
			KmsMasterKeyId: key,
		}
		// One data key for many objects: far fewer calls of KMS.
		rule.BucketKeyEnabled = pulumi.Bool(true)
	}
	sse, err := s3.NewBucketServerSideEncryptionConfigurationV2(b.ctx, "data-sse", &s3.BucketServerSideEncryptionConfigurationV2Args{
		Bucket: b.bucket.Bucket,
		Rules:  s3.BucketServerSideEncryptionConfigurationV2RuleArray{rule},
	})
	b.bucketReady = append(b.bucketReady, sse)
	return err
}

// addBucketHistory keeps old versions, and ends what is kept too long.
func addBucketHistory(b *build) error {
	versioned := b.onOr("versioning", true)
	var before []pulumi.Resource
	if versioned {
		versioning, err := s3.NewBucketVersioningV2(b.ctx, "data-versioning", &s3.BucketVersioningV2Args{
			Bucket:                  b.bucket.Bucket,
			VersioningConfiguration: &s3.BucketVersioningV2VersioningConfigurationArgs{Status: pulumi.String("Enabled")},
		})
		if err != nil {
			return err
		}
		before = append(before, versioning)
		b.bucketReady = append(b.bucketReady, versioning)
	}
	// There always is a lifecycle, so that one which somebody puts on the bucket is
	// drift, and the next update takes it back: it would delete models and results.
	// Nothing waits for it, as it takes a minute: the provider wants to see it ten times.
	_, err := s3.NewBucketLifecycleConfigurationV2(b.ctx, "data-lifecycle", &s3.BucketLifecycleConfigurationV2Args{
		Bucket: b.bucket.Bucket,
		Rules:  lifecycleRules(b.number("retention.resultsDays"), versioned),
	}, pulumi.DependsOn(before))
	return err
}

// lifecycleRules are what ends by itself in the bucket: uploads that were never
// finished, which nobody can read, and with days above 0 results, scratch objects and
// superseded versions. With 0 days all that was ever written stays.
func lifecycleRules(days int, versioned bool) s3.BucketLifecycleConfigurationV2RuleArray {
	clean := &s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:     pulumi.String("clean"),
		Status: pulumi.String("Enabled"),
		Filter: &s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")}, // all of the bucket
		AbortIncompleteMultipartUpload: &s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
			DaysAfterInitiation: pulumi.Int(abortDays),
		},
	}
	if days <= 0 {
		return s3.BucketLifecycleConfigurationV2RuleArray{clean}
	}
	expire := func(id, prefix string, days int) s3.BucketLifecycleConfigurationV2RuleInput {
		return &s3.BucketLifecycleConfigurationV2RuleArgs{
			Id:         pulumi.String(id),
			Status:     pulumi.String("Enabled"),
			Filter:     &s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String(prefix)},
			Expiration: &s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(days)},
		}
	}
	if versioned {
		clean.NoncurrentVersionExpiration = &s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
			NoncurrentDays: pulumi.Int(noncurrentDays),
		}
	}
	return s3.BucketLifecycleConfigurationV2RuleArray{
		expire("expire-results", resultsPrefix, days),
		expire("expire-batch", batchPrefix, days),
		expire("expire-staging", stagingPrefix, stagingDays),
		clean,
	}
}

// addObject uploads a local file. Its name has to change with its content: an
// object under a name that something refers to is never overwritten. It has no
// tags: S3 allows ten on an object, and a pipeline may have fifty. Its
// encryption is said and not left to the bucket's default: so it is written
// anew when the pipeline's key comes or goes, and outlives a key that goes. With
// the key it is another resource: in an update of one the key would stay, since S3's
// answer counts where the program says nothing, and S3 refuses a key beside AES256.
func (b *build) addObject(name, key, path string) (*s3.BucketObjectv2, error) {
	args := &s3.BucketObjectv2Args{
		Bucket:               b.bucket.Bucket,
		Key:                  pulumi.String(key),
		Source:               pulumi.NewFileAsset(path),
		ServerSideEncryption: pulumi.String("AES256"),
	}
	if own := b.keyArn(); own != nil {
		args.ServerSideEncryption = pulumi.String("aws:kms")
		args.KmsKeyId = own
		args.BucketKeyEnabled = pulumi.Bool(true)
		name += "-own-key"
	}
	// Its name comes back with its content: were it deleted after an update that
	// failed and was taken back, the deletion would hit what is in use again. The
	// bucket takes old ones with it.
	return s3.NewBucketObjectv2(b.ctx, name, args, pulumi.DependsOn(b.bucketReady), pulumi.RetainOnDelete(true))
}
