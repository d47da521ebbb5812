package s3_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

// The reads that infrastructure tools make of a new bucket.
func TestAbsentSettings(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bkt")
	b := str("bkt")
	c, ctx := s.as("admin"), t.Context()
	only := func(_ any, err error) error { return err }
	for want, err := range map[string]error{
		"NoSuchBucketPolicy":                    only(c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: b})),
		"NoSuchCORSConfiguration":               only(c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: b})),
		"NoSuchWebsiteConfiguration":            only(c.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: b})),
		"NoSuchLifecycleConfiguration":          only(c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})),
		"ReplicationConfigurationNotFoundError": only(c.GetBucketReplication(ctx, &awss3.GetBucketReplicationInput{Bucket: b})),
		"ObjectLockConfigurationNotFoundError":  only(c.GetObjectLockConfiguration(ctx, &awss3.GetObjectLockConfigurationInput{Bucket: b})),
		"NoSuchTagSet":                          only(c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b})),
		"":                                      only(c.GetBucketNotificationConfiguration(ctx, &awss3.GetBucketNotificationConfigurationInput{Bucket: b})),
	} {
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, want, code(t, err))
	}
	logging, err := c.GetBucketLogging(ctx, &awss3.GetBucketLoggingInput{Bucket: b})
	require.NoError(t, err)
	require.Nil(t, logging.LoggingEnabled)
	pay, err := c.GetBucketRequestPayment(ctx, &awss3.GetBucketRequestPaymentInput{Bucket: b})
	require.NoError(t, err)
	require.Equal(t, types.PayerBucketOwner, pay.Payer)
	acc, err := c.GetBucketAccelerateConfiguration(ctx, &awss3.GetBucketAccelerateConfigurationInput{Bucket: b})
	require.NoError(t, err)
	require.Empty(t, acc.Status)
	ver, err := c.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: b})
	require.NoError(t, err)
	require.Empty(t, ver.Status)
	acl, err := c.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: b})
	require.NoError(t, err)
	require.Len(t, acl.Grants, 1)
	require.Equal(t, types.PermissionFullControl, acl.Grants[0].Permission)
	require.Equal(t, types.TypeCanonicalUser, acl.Grants[0].Grantee.Type)
	require.Equal(t, *acl.Owner.ID, *acl.Grants[0].Grantee.ID)
	enc, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: b})
	require.NoError(t, err)
	require.Equal(t, types.ServerSideEncryptionAes256, enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm)
	own, err := c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: b})
	require.NoError(t, err)
	require.Equal(t, types.ObjectOwnershipBucketOwnerEnforced, own.OwnershipControls.Rules[0].ObjectOwnership)
	loc, err := c.GetBucketLocation(ctx, &awss3.GetBucketLocationInput{Bucket: b})
	require.NoError(t, err)
	require.Empty(t, loc.LocationConstraint)

	_, err = c.DeleteBucketOwnershipControls(ctx, &awss3.DeleteBucketOwnershipControlsInput{Bucket: b})
	require.NoError(t, err)
	_, err = c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: b})
	require.Equal(t, "OwnershipControlsNotFoundError", code(t, err))
	_, err = c.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: b})
	require.NoError(t, err)
	_, err = c.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: b})
	require.Equal(t, "NoSuchPublicAccessBlockConfiguration", code(t, err))
	_, err = c.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: str("nothere")})
	require.Equal(t, "NotFound", code(t, err))
	_, err = c.PutBucketWebsite(ctx, &awss3.PutBucketWebsiteInput{Bucket: b, WebsiteConfiguration: &types.WebsiteConfiguration{IndexDocument: &types.IndexDocument{Suffix: str("i")}}})
	require.Equal(t, "NotImplemented", code(t, err))
}

func TestSettingsRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, nil)
	s.bucket(t, "bkt")
	b := str("bkt")
	c, ctx := s.as("admin"), t.Context()

	_, err := c.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: str("a"), Value: str("<&>")}}}})
	require.NoError(t, err)
	_, err = c.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: str("aws:x"), Value: str("1")}}}})
	require.Equal(t, "InvalidTag", code(t, err))
	_, err = c.PutBucketEncryption(ctx, &awss3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{
			BucketKeyEnabled:                   aws.Bool(true),
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms", KMSMasterKeyID: str("arn:aws:kms:us-east-1:000000000000:key/1")},
		}},
	}})
	require.NoError(t, err)
	_, err = c.PutPublicAccessBlock(ctx, &awss3.PutPublicAccessBlockInput{
		Bucket:                         b,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true)},
	})
	require.NoError(t, err)
	_, err = c.PutBucketOwnershipControls(ctx, &awss3.PutBucketOwnershipControlsInput{
		Bucket:            b,
		OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerPreferred}}},
	})
	require.NoError(t, err)
	rules := []types.LifecycleRule{
		{Status: "Enabled", ID: str("results"), Filter: &types.LifecycleRuleFilter{Prefix: str("results/")}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(90)}},
		{
			Status: "Enabled", Filter: &types.LifecycleRuleFilter{}, AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)},
			NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30)},
		},
	}
	put, err := c.PutBucketLifecycleConfiguration(ctx,
		&awss3.PutBucketLifecycleConfigurationInput{Bucket: b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
	require.NoError(t, err)
	require.Equal(t, types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k, put.TransitionDefaultMinimumObjectSize)
	s.close()

	s = open(t, dir, nil)
	c = s.as("admin")
	tags, err := c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: str("a"), Value: str("<&>")}}, tags.TagSet)
	enc, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: b})
	require.NoError(t, err)
	rule := enc.ServerSideEncryptionConfiguration.Rules[0]
	require.True(t, *rule.BucketKeyEnabled)
	require.Equal(t, "arn:aws:kms:us-east-1:000000000000:key/1", *rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
	pab, err := c.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: b})
	require.NoError(t, err)
	require.True(t, *pab.PublicAccessBlockConfiguration.BlockPublicAcls)
	require.False(t, *pab.PublicAccessBlockConfiguration.IgnorePublicAcls)
	own, err := c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: b})
	require.NoError(t, err)
	require.Equal(t, types.ObjectOwnershipBucketOwnerPreferred, own.OwnershipControls.Rules[0].ObjectOwnership)
	life, err := c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})
	require.NoError(t, err)
	require.Len(t, life.Rules, 2)
	require.Equal(t, "results/", *life.Rules[0].Filter.Prefix)
	require.NotNil(t, life.Rules[1].Filter)
	require.NotEmpty(t, *life.Rules[1].ID, "S3 names rules that have no ID")
	out := s.put(t, "bkt", "k", "x")
	require.Equal(t, types.ServerSideEncryptionAwsKms, out.ServerSideEncryption)
	require.True(t, *out.BucketKeyEnabled)

	_, err = c.DeleteBucketLifecycle(ctx, &awss3.DeleteBucketLifecycleInput{Bucket: b})
	require.NoError(t, err)
	_, err = c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})
	require.Equal(t, "NoSuchLifecycleConfiguration", code(t, err))
}

func TestBucketPolicyValidation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ statement, want string }{
		"ok": {`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bkt","arn:aws:s3:::bkt/*"],` +
			`"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, ""},
		"no principal":  {`{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*"}`, "MalformedPolicy"},
		"other bucket":  {`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}`, "MalformedPolicy"},
		"other service": {`{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"arn:aws:s3:::bkt/*"}`, "MalformedPolicy"},
		"bad effect":    {`{"Effect":"Perhaps","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*"}`, "MalformedPolicy"},
		"public":        {`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::bkt"}`, "AccessDenied"},
		"not an object": {`7`, "MalformedPolicy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), nil) // of its own: a policy is for all who come
			s.bucket(t, "bkt")
			doc := `{"Version":"2012-10-17","Statement":[` + tt.statement + `]}`
			_, err := s.as("admin").PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: str("bkt"), Policy: &doc})
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tt.want, code(t, err))
		})
	}
}

// What other services get through the router.
func TestOperationsFromInside(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), identities{"role s3:PutObject": true, "role s3:GetObject": true, "role s3:ListBucket": true})
	s.bucket(t, "bkt")
	call := func(op, in string) (map[string]any, error) {
		raw, err := s.router.Invoke(t.Context(), home, s.principal("role"), "s3", op, []byte(in))
		var out map[string]any
		if err == nil {
			require.NoError(t, json.Unmarshal(raw, &out))
		}
		return out, err
	}
	for _, want := range []string{`{"b":1.50,"a":"<x>"}`, "text", ""} {
		body := `"` + base64.StdEncoding.EncodeToString([]byte(want)) + `"`
		out, err := call("PutObject", `{"Bucket":"bkt","Key":"k","ContentType":"application/json","ExpectedBucketOwner":"000000000000","Body":`+body+`}`)
		require.NoError(t, err)
		require.Equal(t, "AES256", out["ServerSideEncryption"])
		require.True(t, strings.HasPrefix(out["ETag"].(string), `"`))
		got, _ := s.get(t, &awss3.GetObjectInput{Bucket: str("bkt"), Key: str("k")})
		require.Equal(t, want, got)
	}
	s.put(t, "bkt", "file_key", "text data")
	out, err := call("GetObject", `{"Bucket":"bkt","Key":"file_key"}`)
	require.NoError(t, err)
	require.NotEmpty(t, out["LastModified"])
	delete(out, "LastModified")
	require.Equal(t, map[string]any{
		"AcceptRanges": "bytes", "ContentLength": 9.0, "ContentType": "application/octet-stream", "ETag": `"332eec544317a6d340b8e77da7fe54ad"`,
		"Metadata": map[string]any{}, "ServerSideEncryption": "AES256", "Body": base64.StdEncoding.EncodeToString([]byte("text data")),
	}, out)
	out, err = call("ListObjectsV2", `{"Bucket":"bkt","Prefix":"","MaxKeys":1}`)
	require.NoError(t, err)
	require.Equal(t, 1.0, out["KeyCount"])
	require.Equal(t, true, out["IsTruncated"])
	_, err = call("CopyObject", `{"Bucket":"bkt","Key":"c","CopySource":"bkt/file_key"}`)
	require.NoError(t, err)
	out, err = call("HeadObject", `{"Bucket":"bkt","Key":"c"}`)
	require.NoError(t, err)
	require.Equal(t, 9.0, out["ContentLength"])
	for op, want := range map[string]string{
		"DeleteObject": "AccessDenied", "GetObject": "NoSuchKey", "HeadObject": "NoSuchKey",
	} {
		_, err := call(op, `{"Bucket":"bkt","Key":"nothere"}`)
		require.ErrorContains(t, err, want, op)
	}
	_, err = call("PutObject", `{"Bucket":"bkt","Key":"k","ExpectedBucketOwner":"123456789012","Body":"MQ=="}`)
	require.ErrorContains(t, err, "AccessDenied")
}

// Bodies that do not arrive whole leave nothing behind.
func TestIncompleteBody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header map[string]string
		body   string
		want   string
	}{
		"chunk cut off": {map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "5"}, "5\r\nab", "IncompleteBody"},
		"too few chunks": {
			map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length": "5"},
			"2;chunk-signature=ab\r\nab\r\n0;chunk-signature=cd\r\n\r\n", "IncompleteBody",
		},
		"no length": {map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, "0\r\n\r\n", "MissingContentLength"},
		"bad chunk": {map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "2"}, "zz\r\n", "InvalidRequest"},
		"bad trailer sum": {map[string]string{
			"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "2",
			"X-Amz-Trailer": "x-amz-checksum-crc32",
		}, "2\r\nab\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"},
		"bad md5":       {map[string]string{"Content-Md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "ab", "BadDigest"},
		"bad sha":       {map[string]string{"X-Amz-Content-Sha256": strings.Repeat("0", 64)}, "ab", "XAmzContentSHA256Mismatch"},
		"no sum at all": {map[string]string{"X-Amz-Checksum-Sha256": "UNSIGNED-PAYLOAD", "X-Amz-Sdk-Checksum-Algorithm": "CRC32"}, "ab", ""},
		"good signed": {
			map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length": "2"},
			"2;chunk-signature=ab\r\nab\r\n0;chunk-signature=cd\r\n\r\n", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), nil)
			s.bucket(t, "bkt")
			key := "k"
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/bkt/k", strings.NewReader(tt.body))
			require.NoError(t, err)
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			s.world.Sign(t, req, "s3", "us-east-1")
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			if tt.want == "" {
				require.Equal(t, 200, resp.StatusCode)
				return
			}
			raw, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Contains(t, string(raw), "<Code>"+tt.want+"</Code>")
			_, err = s.as("admin").HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: str("bkt"), Key: &key})
			require.Equal(t, "NotFound", code(t, err))
			require.Empty(t, files(t, s.dir+"/tmp"))
			require.Empty(t, files(t, s.dir+"/data"))
		})
	}
}
