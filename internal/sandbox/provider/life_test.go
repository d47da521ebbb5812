package provider_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
)

// life is what a resource goes through in TestLife: made with first, changed to
// second, imported, deleted.
type life struct {
	token         string
	first, second map[string]any
	// outputs must be there after the resource was made.
	outputs []string
	// importID is what one gives to import it; the id if empty.
	importID func(r *res) string
	// notImported are inputs that the server does not tell.
	notImported []string
	replaces    bool
	// stays says that the server has something in its place after a delete.
	stays bool
}

func (l life) run(t *testing.T, d *driver) {
	t.Helper()
	d = &driver{t: t, clients: d.clients}
	r, err := d.create(l.token, "thing", props(l.first))
	require.NoError(t, err)
	for _, o := range l.outputs {
		require.NotEmpty(t, r.out[resource.PropertyKey(o)].Mappable(), o)
	}
	d.requireSettled(r, props(l.first))
	if l.second != nil {
		l.change(t, d, r)
	}
	l.imported(t, d, r)
	d.delete(r)
	d.delete(r) // again: what is gone already is no error
	if !l.stays {
		require.Empty(t, d.read(r).id)
	}
}

func (l life) change(t *testing.T, d *driver, r *res) {
	t.Helper()
	in := d.mustCheck(r.urn, r.inputs, props(l.second))
	diff := d.diff(r, in)
	require.Equal(t, pulumirpc.DiffResponse_DIFF_SOME, diff.GetChanges())
	require.Equal(t, l.replaces, len(diff.GetReplaces()) > 0, diff.GetReplaces())
	if l.replaces {
		return
	}
	require.NoError(t, d.update(r, props(l.second)))
	d.requireSettled(r, props(l.second))
}

// imported reads the resource as if Pulumi had never seen it: a program that
// describes it must have nothing to change.
func (l life) imported(t *testing.T, d *driver, r *res) {
	t.Helper()
	id := r.id
	if l.importID != nil {
		id = l.importID(r)
	}
	got := d.read(&res{urn: r.urn, id: id})
	require.Equal(t, r.id, got.id)
	program := r.inputs.Copy()
	for _, p := range l.notImported {
		delete(program, resource.PropertyKey(p))
		delete(got.inputs, resource.PropertyKey(p))
	}
	delete(program, "__defaults")
	in, _ := d.check(r.urn, got.inputs, program)
	for _, p := range l.notImported {
		delete(in, resource.PropertyKey(p))
	}
	require.Empty(t, paths(d.diff(got, in)), "after an import")
}

func with(base map[string]any, pairs ...any) map[string]any {
	out := maps.Clone(base)
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		if pairs[i+1] == nil {
			delete(out, name)
		} else {
			out[name] = pairs[i+1]
		}
	}
	return out
}

func tags(pairs ...string) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":"*"}]}`

func TestLifeS3(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{"defaultTags": map[string]any{"tags": map[string]any{"team": "ml"}}})
	bucket := d.mustCreate(bucketType, "b", map[string]any{"bucket": "life-bucket"}).id
	// Of its own: what is put into a bucket is encrypted by its key, and this one is of nobody.
	encrypted := d.mustCreate(bucketType, "e", map[string]any{"bucket": "life-encrypted"}).id
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::life-bucket"}]}`
	rule := func(days int) map[string]any {
		return map[string]any{
			"id": "expire", "status": "Enabled", "filter": map[string]any{"prefix": "results/"}, "expiration": map[string]any{"days": days},
			"noncurrentVersionExpiration": map[string]any{"noncurrentDays": 30}, "abortIncompleteMultipartUpload": map[string]any{"daysAfterInitiation": 7},
		}
	}
	for name, l := range map[string]life{
		"bucket": {
			token: bucketType, first: map[string]any{"bucket": "life-one", "tags": tags("a", "1")}, second: map[string]any{"bucket": "life-one", "tags": tags("a", "2", "b", "x")},
			outputs: []string{"arn", "bucketDomainName", "bucketRegionalDomainName", "hostedZoneId", "region", "tagsAll"},
		},
		"access block": {
			token: "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", first: map[string]any{"bucket": bucket, "blockPublicAcls": true},
			second: map[string]any{"bucket": bucket, "blockPublicAcls": true, "blockPublicPolicy": true, "ignorePublicAcls": true, "restrictPublicBuckets": true},
		},
		"ownership": {
			token: "aws:s3/bucketOwnershipControls:BucketOwnershipControls", first: map[string]any{"bucket": bucket, "rule": map[string]any{"objectOwnership": "BucketOwnerPreferred"}},
			second: map[string]any{"bucket": bucket, "rule": map[string]any{"objectOwnership": "BucketOwnerEnforced"}},
		},
		"encryption": {
			stays:  true, // as AES256
			token:  "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
			first:  map[string]any{"bucket": encrypted, "rules": []any{map[string]any{"applyServerSideEncryptionByDefault": map[string]any{"sseAlgorithm": "AES256"}}}},
			second: map[string]any{"bucket": encrypted, "rules": []any{map[string]any{"applyServerSideEncryptionByDefault": map[string]any{"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn:aws:kms:us-east-1:000000000000:key/k"}, "bucketKeyEnabled": true}}},
		},
		"policy": {
			token: "aws:s3/bucketPolicy:BucketPolicy", first: map[string]any{"bucket": bucket, "policy": policy},
			second: map[string]any{"bucket": bucket, "policy": map[string]any{
				"Version":   "2012-10-17",
				"Statement": []any{map[string]any{"Effect": "Deny", "Principal": "*", "Action": "s3:PutBucketAcl", "Resource": "arn:aws:s3:::life-bucket"}},
			}},
		},
		"lifecycle": {
			token: "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", first: map[string]any{"bucket": bucket, "rules": []any{rule(90)}},
			second: map[string]any{"bucket": bucket, "rules": []any{rule(30), map[string]any{
				"id": "clean", "status": "Enabled", "filter": map[string]any{"prefix": ""}, "abortIncompleteMultipartUpload": map[string]any{"daysAfterInitiation": 3},
			}}},
		},
		"object": {
			token: "aws:s3/bucketObjectv2:BucketObjectv2", first: map[string]any{"bucket": bucket, "key": "a/b.txt", "content": "one", "contentType": "text/plain", "tags": tags("a", "b")},
			second:  map[string]any{"bucket": bucket, "key": "a/b.txt", "content": "two", "contentType": "text/plain", "metadata": tags("k", "v")},
			outputs: []string{"etag", "arn", "contentType"}, importID: func(r *res) string { return "s3://" + bucket + "/a/b.txt" }, notImported: []string{"content"},
		},
		"object tags": {
			token: "aws:s3/bucketObjectv2:BucketObjectv2", first: map[string]any{"bucket": bucket, "content": "one"},
			second:   map[string]any{"bucket": bucket, "content": "one", "tags": tags("x", "y")},
			importID: func(r *res) string { return bucket + "/thing" }, notImported: []string{"content"},
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

func TestLifeVersioning(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	const token = "aws:s3/bucketVersioningV2:BucketVersioningV2"
	bucket := d.mustCreate(bucketType, "b", map[string]any{"bucket": "versioned", "forceDestroy": true})
	status := func(s string) map[string]any {
		return map[string]any{"bucket": bucket.id, "versioningConfiguration": map[string]any{"status": s}}
	}
	r := d.mustCreate(token, "v", status("Enabled"))
	d.requireSettled(r, props(status("Enabled")))
	require.NoError(t, d.update(r, props(status("Suspended"))))
	d.requireSettled(r, props(status("Suspended")))
	require.ErrorContains(t, d.update(r, props(status("Disabled"))), "use Suspended")

	// A bucket with versions and delete markers goes only by force.
	require.NoError(t, d.update(r, props(status("Enabled"))))
	for i := range 3 {
		o := d.mustCreate("aws:s3/bucketObjectv2:BucketObjectv2", "o", map[string]any{"bucket": bucket.id, "key": "k", "content": string(rune('a' + i))})
		require.NotEmpty(t, o.text("versionId"))
		if i == 0 {
			d.delete(o)
			require.Empty(t, d.read(o).id)
		}
	}
	d.delete(r)
	d.delete(bucket)
	require.Empty(t, d.read(bucket).id)
}

func TestLifeIAM(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	role := d.mustCreate(roleType, "r", map[string]any{"assumeRolePolicy": trust, "name": "base", "forceDetachPolicies": true})
	base := map[string]any{
		"assumeRolePolicy": trust, "description": "one", "path": "/pipelinetui/", "tags": tags("a", "1", "b", "2"),
		"permissionsBoundary": "arn:aws:iam::000000000000:policy/boundary",
	}
	d.mustCreate("aws:iam/policy:Policy", "boundary", map[string]any{"name": "boundary", "policy": allow})
	managed := d.mustCreate("aws:iam/policy:Policy", "managed", map[string]any{"policy": allow})
	for name, l := range map[string]life{
		"role": {
			token: roleType, first: base,
			second: with(base, "description", nil, "maxSessionDuration", 7200, "permissionsBoundary", nil, "tags", tags("b", "3"), "assumeRolePolicy",
				`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole"],"Principal":{"Service":["states.amazonaws.com"]}}}`),
			outputs: []string{"arn", "uniqueId", "createDate", "name"},
		},
		"role policy": {
			token: "aws:iam/rolePolicy:RolePolicy", first: map[string]any{"role": role.id, "name": "pipeline", "policy": allow},
			second: map[string]any{
				"role": role.id, "name": "pipeline",
				"policy": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}},
			},
		},
		"policy": {
			token: "aws:iam/policy:Policy", first: map[string]any{"policy": allow, "description": "d", "tags": tags("a", "1")},
			second:  map[string]any{"policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`, "description": "d"},
			outputs: []string{"arn", "policyId"},
		},
		"attachment": {token: "aws:iam/rolePolicyAttachment:RolePolicyAttachment", first: map[string]any{"role": role.id, "policyArn": managed.id}},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

// A role that somebody has put into an instance profile goes all the same.
func TestRoleLeavesItsInstanceProfiles(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	r := d.mustCreate(roleType, "r", map[string]any{"assumeRolePolicy": trust, "name": "held"})
	api := iam.NewFromConfig(cfg)
	_, err := api.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("p")})
	require.NoError(t, err)
	_, err = api.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("p"), RoleName: &r.id})
	require.NoError(t, err)
	d.delete(r)
	require.Empty(t, d.read(r).id)
	left, err := api.GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: aws.String("p")})
	require.NoError(t, err, "the profile is somebody else's")
	require.Empty(t, left.InstanceProfile.Roles)
}

// A policy has at most five versions: the sixth change must make room.
func TestPolicyVersionsArePruned(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	policy := func(n int) resource.PropertyMap {
		return props(map[string]any{"policy": `{"Version":"2012-10-17","Statement":[{"Sid":"S` + string(rune('0'+n)) + `","Effect":"Allow","Action":"s3:*","Resource":"*"}]}`})
	}
	r, err := d.create("aws:iam/policy:Policy", "p", policy(0))
	require.NoError(t, err)
	for n := 1; n < 8; n++ {
		require.NoError(t, d.update(r, policy(n)))
	}
	d.requireSettled(r, policy(7))
	d.delete(r)
	require.Empty(t, d.read(r).id)
}

func TestLifeLogsAndKMS(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	key := d.mustCreate("aws:kms/key:Key", "k", map[string]any{"description": "logs"})
	for name, l := range map[string]life{
		"log group": {
			token: "aws:cloudwatch/logGroup:LogGroup", first: map[string]any{"name": "/aws/lambda/x", "retentionInDays": 30, "tags": tags("a", "1")},
			second: map[string]any{"name": "/aws/lambda/x", "tags": tags("b", "1"), "kmsKeyId": key.text("arn")}, outputs: []string{"arn"},
		},
		"key": {
			token: "aws:kms/key:Key", first: map[string]any{"description": "one", "enableKeyRotation": true, "deletionWindowInDays": 7, "tags": tags("a", "1")},
			second: map[string]any{"description": "two", "deletionWindowInDays": 7, "isEnabled": false, "tags": tags("b", "1")}, outputs: []string{"arn", "keyId", "policy"},
			notImported: []string{"deletionWindowInDays"},
		},
		"grant": {
			token: "aws:kms/grant:Grant", replaces: true, outputs: []string{"grantId"},
			first: map[string]any{
				"name": "work", "keyId": key.id, "granteePrincipal": "arn:aws:iam::000000000000:role/worker",
				"operations": []any{"Decrypt", "Encrypt"}, "constraints": []any{map[string]any{"encryptionContextSubset": map[string]any{"tenant": "acme"}}},
			},
			second: map[string]any{"name": "work", "keyId": key.id, "granteePrincipal": "arn:aws:iam::000000000000:role/worker", "operations": []any{"Decrypt"}},
		},
		"alias": {token: "aws:kms/alias:Alias", first: map[string]any{"name": "alias/x", "targetKeyId": key.id}, outputs: []string{"arn", "targetKeyArn"}},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

func TestObjectDrift(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	d.mustCreate(bucketType, "b", map[string]any{"bucket": "drifting"})
	inputs := map[string]any{"bucket": "drifting", "key": "k", "content": "mine"}
	o := d.mustCreate("aws:s3/bucketObjectv2:BucketObjectv2", "o", inputs)
	c := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("drifting"), Key: aws.String("k"), Body: strings.NewReader("theirs")})
	require.NoError(t, err)
	live := d.read(o)
	require.Equal(t, []string{"content"}, paths(d.diff(live, d.mustCheck(o.urn, live.inputs, props(inputs)))))
	require.NoError(t, d.update(live, props(inputs)))
	require.Equal(t, o.text("etag"), live.text("etag"))

	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("drifting"), Key: aws.String("k")})
	require.NoError(t, err)
	require.Empty(t, d.read(live).id)
}

func TestLifeMessaging(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	queue := d.mustCreate("aws:sqs/queue:Queue", "q", map[string]any{"name": "base"})
	rule := d.mustCreate("aws:cloudwatch/eventRule:EventRule", "r", map[string]any{"name": "base", "eventPattern": map[string]any{"source": []any{"aws.states"}}})
	topic := d.mustCreate("aws:sns/topic:Topic", "t", map[string]any{"name": "base"})
	runner := roleFor(d, "scheduler")
	bucket := d.mustCreate("aws:s3/bucketV2:BucketV2", "b", map[string]any{"bucket": "told"})
	told := d.mustCreate("aws:sqs/queue:Queue", "told", map[string]any{
		"name": "told", "policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`,
	})
	policy := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"` + action + `","Resource":"` + queue.text("arn") + `"}]}`
	}
	for name, l := range map[string]life{
		"queue": {
			token: "aws:sqs/queue:Queue", first: map[string]any{"name": "one", "messageRetentionSeconds": 1209600, "sqsManagedSseEnabled": true, "tags": tags("a", "1")},
			second: map[string]any{
				"name": "one", "visibilityTimeoutSeconds": 60,
				"redrivePolicy": map[string]any{"deadLetterTargetArn": queue.text("arn"), "maxReceiveCount": 3}, "tags": tags("b", "1"),
			},
			outputs: []string{"arn", "url", "kmsDataKeyReusePeriodSeconds"},
		},
		"rule": {
			token: "aws:cloudwatch/eventRule:EventRule", first: map[string]any{"name": "status", "eventPattern": `{"source":["aws.states"]}`, "tags": tags("a", "1")},
			second: map[string]any{
				"name": "status", "description": "d", "eventPattern": `{"source":["aws.states"],"detail":{"status":["FAILED"]}}`,
				"state": "DISABLED", "tags": tags("a", "2"),
			},
			outputs: []string{"arn"},
		},
		"target": {
			token: "aws:cloudwatch/eventTarget:EventTarget", first: map[string]any{"rule": rule.id, "arn": queue.text("arn")},
			second: map[string]any{
				"rule": rule.id, "arn": queue.text("arn"), "input": `{"a":1}`,
				"retryPolicy": map[string]any{"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 60},
			},
			importID: func(r *res) string { return rule.id + "/" + r.inputs["targetId"].StringValue() },
		},
		"schedule": {
			token: "aws:scheduler/schedule:Schedule", first: map[string]any{
				"name": "daily", "scheduleExpression": "rate(1 day)", "flexibleTimeWindow": map[string]any{"mode": "OFF"}, "state": "DISABLED",
				"target": map[string]any{"arn": queue.text("arn"), "roleArn": runner.text("arn"), "input": `{"a":1}`},
			},
			second: map[string]any{
				"name": "daily", "description": "d", "scheduleExpression": "cron(0 8 * * ? *)", "scheduleExpressionTimezone": "Europe/Berlin", "endDate": "2100-01-01T00:00:00Z",
				"flexibleTimeWindow": map[string]any{"mode": "FLEXIBLE", "maximumWindowInMinutes": 15}, "state": "DISABLED",
				"target": map[string]any{
					"arn": queue.text("arn"), "roleArn": runner.text("arn"), "deadLetterConfig": map[string]any{"arn": queue.text("arn")},
					"retryPolicy": map[string]any{"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 60},
				},
			},
			outputs: []string{"arn", "groupName"},
		},
		"schedule group": {
			token: "aws:scheduler/scheduleGroup:ScheduleGroup", first: map[string]any{"name": "one", "tags": tags("a", "1")}, second: map[string]any{"name": "one", "tags": tags("b", "1")},
			outputs: []string{"arn", "state", "creationDate"},
		},
		"event bus": {
			token: "aws:cloudwatch/eventBus:EventBus", first: map[string]any{"name": "orders", "tags": tags("a", "1")},
			second:  map[string]any{"name": "orders", "description": "d", "tags": tags("b", "1")},
			outputs: []string{"arn"},
		},
		"bucket notification": {
			token: "aws:s3/bucketNotification:BucketNotification", first: map[string]any{"bucket": bucket.id, "eventbridge": true},
			second: map[string]any{"bucket": bucket.id, "queues": []any{map[string]any{
				"id": "q", "queueArn": told.text("arn"),
				"events": []any{"s3:ObjectCreated:*"}, "filterPrefix": "in/",
			}}},
		},
		"bucket cors": {
			token: "aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2",
			first: map[string]any{"bucket": bucket.id, "corsRules": []any{map[string]any{"allowedMethods": []any{"GET"}, "allowedOrigins": []any{"*"}}}},
			second: map[string]any{"bucket": bucket.id, "corsRules": []any{map[string]any{
				"allowedMethods": []any{"GET", "PUT"},
				"allowedOrigins": []any{"https://a.example.com"}, "exposeHeaders": []any{"ETag"}, "maxAgeSeconds": 60,
			}}},
		},
		"topic": {
			token: "aws:sns/topic:Topic", first: map[string]any{"name": "one", "kmsMasterKeyId": "alias/aws/sns", "tags": tags("a", "1")},
			second: map[string]any{
				"name": "one", "displayName": "One", "signatureVersion": 2, "tracingConfig": "Active", "sqsSuccessFeedbackSampleRate": 50, "tags": tags("b", "1"),
				"policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"*"}]}`,
			},
			outputs: []string{"arn", "owner", "policy"},
		},
		"topic policy": {
			token: "aws:sns/topicPolicy:TopicPolicy", outputs: []string{"owner"}, stays: true,
			first:  map[string]any{"arn": topic.id, "policy": strings.ReplaceAll(policy("sns:Publish"), queue.text("arn"), topic.id)},
			second: map[string]any{"arn": topic.id, "policy": strings.ReplaceAll(policy("sns:GetTopicAttributes"), queue.text("arn"), topic.id)},
		},
		"subscription of a queue": {
			token: "aws:sns/topicSubscription:TopicSubscription", first: map[string]any{"topic": topic.id, "protocol": "sqs", "endpoint": queue.text("arn"), "rawMessageDelivery": true},
			second: map[string]any{
				"topic": topic.id, "protocol": "sqs", "endpoint": queue.text("arn"), "filterPolicyScope": "MessageBody", "filterPolicy": `{"detail":{"status":["FAILED"]}}`,
				"redrivePolicy": `{"deadLetterTargetArn":"` + queue.text("arn") + `"}`,
			},
			outputs: []string{"arn", "ownerId", "confirmationWasAuthenticated"},
		},
		// Nobody confirms it: it cannot be ended, and goes with its topic.
		"subscription by mail": {
			token: "aws:sns/topicSubscription:TopicSubscription", first: map[string]any{"topic": topic.id, "protocol": "email", "endpoint": "ops@example.com"},
			outputs: []string{"arn", "pendingConfirmation"}, stays: true,
		},
		"queue policy": {
			token: "aws:sqs/queuePolicy:QueuePolicy", first: map[string]any{"queueUrl": queue.id, "policy": policy("sqs:SendMessage")},
			second: map[string]any{"queueUrl": queue.id, "policy": policy("sqs:*")},
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

func TestLifeScalingAndAlarms(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	role := roleFor(d, "sagemaker")
	config := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "c", variants(sageModel(t, d, role, "sandbox/linear")))
	d.mustCreate(endpointType, "e", map[string]any{"name": "one", "endpointConfigName": config.id})
	d.mustCreate(endpointType, "e2", map[string]any{"name": "two", "endpointConfigName": config.id})
	target := func(endpoint string) map[string]any {
		return map[string]any{
			"serviceNamespace": "sagemaker", "scalableDimension": "sagemaker:variant:DesiredInstanceCount",
			"resourceId": "endpoint/" + endpoint + "/variant/AllTraffic",
		}
	}
	d.mustCreate("aws:appautoscaling/target:Target", "t", with(target("two"), "minCapacity", 1, "maxCapacity", 2))
	tracking := func(value float64) map[string]any {
		return map[string]any{
			"targetValue": value, "scaleInCooldown": 300, "scaleOutCooldown": 60,
			"predefinedMetricSpecification": map[string]any{"predefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
		}
	}
	alarm := map[string]any{
		"name": "failed", "namespace": "AWS/States", "metricName": "ExecutionsFailed", "dimensions": map[string]any{"StateMachineArn": "arn:x"}, "statistic": "Sum",
		"period": 300, "evaluationPeriods": 1, "threshold": 1, "comparisonOperator": "GreaterThanOrEqualToThreshold", "treatMissingData": "notBreaching", "tags": tags("a", "1"),
	}
	d.mustCreate("aws:cloudwatch/metricAlarm:MetricAlarm", "base", with(alarm, "name", "base"))
	for name, l := range map[string]life{
		"target": {
			token: "aws:appautoscaling/target:Target", first: with(target("one"), "minCapacity", 1, "maxCapacity", 2, "tags", tags("a", "1")),
			second: with(target("one"), "minCapacity", 1, "maxCapacity", 4, "tags", tags("b", "1")),
			importID: func(*res) string {
				return "sagemaker/endpoint/one/variant/AllTraffic/sagemaker:variant:DesiredInstanceCount"
			},
		},
		"policy": {
			token: "aws:appautoscaling/policy:Policy", first: with(target("two"), "name", "tt", "policyType", "TargetTrackingScaling",
				"targetTrackingScalingPolicyConfiguration", tracking(100)),
			second: with(target("two"), "name", "tt", "policyType", "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration", tracking(70.5)), outputs: []string{"arn"},
			importID: func(*res) string {
				return "sagemaker/endpoint/two/variant/AllTraffic/sagemaker:variant:DesiredInstanceCount/tt"
			},
		},
		"scheduled action": {
			token: "aws:appautoscaling/scheduledAction:ScheduledAction", outputs: []string{"arn"},
			first: with(target("two"), "name", "night", "schedule", "cron(0 22 * * ? *)", "scalableTargetAction", map[string]any{"minCapacity": 1, "maxCapacity": 1}),
			second: with(target("two"), "name", "night", "schedule", "cron(0 21 * * ? *)", "timezone", "Europe/Berlin", "endTime", "2100-01-01T00:00:00Z",
				"scalableTargetAction", map[string]any{"maxCapacity": 2}),
			importID: func(*res) string {
				return "sagemaker/endpoint/two/variant/AllTraffic/sagemaker:variant:DesiredInstanceCount/night"
			},
		},
		"composite alarm": {
			token: "aws:cloudwatch/compositeAlarm:CompositeAlarm", first: map[string]any{"alarmName": "any", "alarmRule": "ALARM(base)", "tags": tags("a", "1")}, outputs: []string{"arn"},
			second: map[string]any{
				"alarmName": "any", "alarmRule": "ALARM(base) OR NOT OK(base)", "alarmDescription": "d", "okActions": []any{"arn:aws:sns:us-east-1:000000000000:t"},
				"tags": tags("b", "1"),
			},
		},
		"dashboard": {
			token: "aws:cloudwatch/dashboard:Dashboard", first: map[string]any{"dashboardName": "one", "dashboardBody": `{"widgets":[]}`}, outputs: []string{"dashboardArn"},
			second: map[string]any{"dashboardName": "one", "dashboardBody": `{"widgets":[{"type":"text","x":0,"y":0,"width":3,"height":3,"properties":{"markdown":"hello"}}]}`},
		},
		"alarm": {
			token: "aws:cloudwatch/metricAlarm:MetricAlarm", first: alarm, outputs: []string{"arn"},
			second: with(alarm, "threshold", 2.5, "alarmDescription", "d", "alarmActions", []any{"arn:aws:sns:us-east-1:000000000000:t"}, "tags", nil),
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

func TestLifeSecretsAndImages(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	owner := d.mustCreate("aws:secretsmanager/secret:Secret", "s", map[string]any{"name": "owner", "recoveryWindowInDays": 0})
	repository := d.mustCreate("aws:ecr/repository:Repository", "r", map[string]any{"name": "base/serve"})
	d.mustCreate("aws:iam/role:Role", "reader", map[string]any{
		"name":             "reader",
		"assumeRolePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	reads := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/reader"},"Action":"` + action + `","Resource":"*"}]}`
	}
	pulls := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Sid":"pull","Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},"Action":["` + action + `"]}]}`
	}
	keeps := func(count int) map[string]any {
		return map[string]any{"rules": []any{map[string]any{
			"rulePriority": 1, "description": "what is not tagged goes", "action": map[string]any{"type": "expire"},
			"selection": map[string]any{"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": count},
		}}}
	}
	for name, l := range map[string]life{
		"parameter": {
			token: "aws:ssm/parameter:Parameter", first: map[string]any{"name": "/ml/threshold", "type": "String", "value": "0.5", "tags": tags("a", "1")},
			second:  map[string]any{"name": "/ml/threshold", "type": "String", "value": "0.7", "description": "d", "allowedPattern": "^[0-9.]+$", "tags": tags("b", "1")},
			outputs: []string{"arn", "version", "tier", "dataType"},
		},
		"secure parameter": {
			token: "aws:ssm/parameter:Parameter", first: map[string]any{"name": "/ml/token", "type": "SecureString", "value": "a"},
			second:  map[string]any{"name": "/ml/token", "type": "SecureString", "value": "b"},
			outputs: []string{"keyId"},
		},
		"readable parameter": {
			token: "aws:ssm/parameter:Parameter", first: map[string]any{"name": "open", "type": "StringList", "insecureValue": "a,b", "tier": "Advanced"},
			second: map[string]any{"name": "open", "type": "StringList", "insecureValue": "a,c", "tier": "Standard"}, replaces: true, notImported: []string{"insecureValue", "value"},
		},
		"secret": {
			token: "aws:secretsmanager/secret:Secret", first: map[string]any{"name": "ml/one", "description": "d", "recoveryWindowInDays": 7, "tags": tags("a", "1")},
			second:  map[string]any{"name": "ml/one", "recoveryWindowInDays": 0, "policy": reads("secretsmanager:GetSecretValue"), "tags": tags("b", "1")},
			outputs: []string{"arn"}, notImported: []string{"recoveryWindowInDays"},
		},
		"secret version": {
			token: "aws:secretsmanager/secretVersion:SecretVersion", first: map[string]any{"secretId": owner.id, "secretString": "s3cret"},
			second:   map[string]any{"secretId": owner.id, "secretString": "other"},
			replaces: true, stays: true, outputs: []string{"arn", "versionId", "versionStages"},
		},
		"repository": {
			token: "aws:ecr/repository:Repository", first: map[string]any{"name": "ml/serve", "tags": tags("a", "1")},
			second:  map[string]any{"name": "ml/serve", "imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": map[string]any{"scanOnPush": true}, "tags": tags("b", "1")},
			outputs: []string{"arn", "registryId", "repositoryUrl", "encryptionConfigurations"},
		},
		"repository policy": {
			token: "aws:ecr/repositoryPolicy:RepositoryPolicy", first: map[string]any{"repository": repository.id, "policy": pulls("ecr:BatchGetImage")},
			second:  map[string]any{"repository": repository.id, "policy": pulls("ecr:*")},
			outputs: []string{"registryId"},
		},
		"lifecycle policy": {
			token: "aws:ecr/lifecyclePolicy:LifecyclePolicy", first: map[string]any{"repository": repository.id, "policy": keeps(3)},
			second: map[string]any{"repository": repository.id, "policy": keeps(5)}, replaces: true,
			outputs: []string{"registryId"},
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

// What the provider's schema calls sensitive is a secret in the state, whether the program
// says so or not.
func TestSensitiveOutputsAreSecrets(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	p := d.mustCreate("aws:ssm/parameter:Parameter", "p", map[string]any{"name": "plain", "type": "String", "value": "hidden"})
	require.True(t, p.out["value"].IsSecret())
	require.True(t, d.read(p).out["value"].IsSecret())
	require.NoError(t, d.update(p, props(map[string]any{"name": "plain", "type": "String", "value": "other"})))
	require.True(t, p.out["value"].IsSecret())
	require.Equal(t, "other", p.out["value"].SecretValue().Element.StringValue())
}
