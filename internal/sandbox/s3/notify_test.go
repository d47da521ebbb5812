package s3_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	eventsdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	snssdk "github.com/aws/aws-sdk-go-v2/service/sns"
	sqssdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/events"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sns"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
)

// teller is S3 with those whom buckets tell.
type teller struct {
	*iamtest.World
	svc    *s3.Service
	c      *awss3.Client
	queues *sqssdk.Client
	dir    string
	stop   func()
}

func newTeller(t *testing.T) *teller {
	t.Helper()
	s := &teller{World: iamtest.New(t), dir: filepath.Join(t.TempDir(), "s3")}
	s.register(t)
	return s
}

func (s *teller) register(t *testing.T) {
	t.Helper()
	q, err := sqs.New(sqs.Config{DB: s.DB, Clock: s.Clock})
	require.NoError(t, err)
	q.Register(s.Router)
	n, err := sns.New(sns.Config{DB: s.DB, Clock: s.Clock, Dir: t.TempDir()})
	require.NoError(t, err)
	n.Register(s.Router)
	require.NoError(t, n.Start(t.Context()))
	e, err := events.New(events.Config{DB: s.DB, Clock: s.Clock, Roles: s.IAM})
	require.NoError(t, err)
	e.Register(s.Router)
	d := e.Deliveries()
	require.NoError(t, e.Start(t.Context()))
	require.NoError(t, d.Start(t.Context()))
	s.svc, err = s3.New(s3.Config{DB: s.DB, Dir: s.dir, Clock: s.Clock, Auth: s.IAM})
	require.NoError(t, err)
	s.svc.Register(s.Router)
	s.svc.SetBus(e)
	svc, done := s.svc, false
	s.stop = func() {
		if done {
			return
		}
		done = true
		require.NoError(t, svc.Close())
		require.NoError(t, d.Close())
		require.NoError(t, e.Close())
		require.NoError(t, n.Close())
	}
	t.Cleanup(s.stop)
	s.c, s.queues = awss3.NewFromConfig(s.Admin(), func(o *awss3.Options) { o.UsePathStyle = true }), sqssdk.NewFromConfig(s.Admin())
}

// queue makes a queue to which a service may send for an ARN of an account.
func (s *teller) queue(t *testing.T, name, service, source string) (url, arn string) {
	t.Helper()
	arn = "arn:aws:sqs:us-east-1:000000000000:" + name
	attributes := map[string]string{}
	if service != "" {
		attributes["Policy"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sqs:SendMessage","Resource":"` + arn +
			`","Condition":{"ArnLike":{"aws:SourceArn":"` + source + `"},"StringEquals":{"aws:SourceAccount":"000000000000"}}}]}`
	}
	out, err := s.queues.CreateQueue(t.Context(), &sqssdk.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return *out.QueueUrl, arn
}

func (s *teller) next(t *testing.T, url string) (message map[string]any) {
	t.Helper()
	require.Eventually(t, func() bool {
		out, err := s.queues.ReceiveMessage(t.Context(), &sqssdk.ReceiveMessageInput{QueueUrl: &url})
		if err != nil || len(out.Messages) == 0 {
			return false
		}
		message = nil
		require.NoError(t, json.Unmarshal([]byte(*out.Messages[0].Body), &message))
		_, err = s.queues.DeleteMessage(t.Context(), &sqssdk.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: out.Messages[0].ReceiptHandle})
		return err == nil
	}, time.Minute, 2*time.Millisecond)
	return message
}

// event is the record of a message, without what is new each time.
func event(t *testing.T, message map[string]any) map[string]any {
	t.Helper()
	records, ok := message["Records"].([]any)
	require.True(t, ok, message)
	require.Len(t, records, 1)
	r, _ := records[0].(map[string]any)
	for _, name := range []string{"eventTime", "responseElements", "userIdentity", "requestParameters"} {
		require.NotEmpty(t, r[name], name)
		delete(r, name)
	}
	about, _ := r["s3"].(map[string]any)
	object, _ := about["object"].(map[string]any)
	require.NotEmpty(t, object["sequencer"])
	delete(object, "sequencer")
	bucket, _ := about["bucket"].(map[string]any)
	require.NotEmpty(t, bucket["ownerIdentity"])
	delete(bucket, "ownerIdentity")
	return r
}

func record(name, config, bucket string, object map[string]any) map[string]any {
	return map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": name,
		"s3": map[string]any{"s3SchemaVersion": "1.0", "configurationId": config, "bucket": map[string]any{"name": bucket, "arn": "arn:aws:s3:::" + bucket}, "object": object},
	}
}

func created(arn string, rules ...types.FilterRule) types.QueueConfiguration {
	return types.QueueConfiguration{
		Id: aws.String("q"), QueueArn: &arn, Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
		Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: rules}},
	}
}

// The messages are those of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html and
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html. What was
// acknowledged before a crash is told after it.
func TestNotifications(t *testing.T) {
	t.Parallel()
	s, ctx := newTeller(t), t.Context()
	b := aws.String("box")
	_, err := s.c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: b})
	require.NoError(t, err)
	url, arn := s.queue(t, "q", "s3.amazonaws.com", "arn:aws:s3:*:*:box")
	busURL, busARN := s.queue(t, "bus", "events.amazonaws.com", "*")
	bridge := eventsdk.NewFromConfig(s.Admin())
	_, err = bridge.PutRule(ctx, &eventsdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["aws.s3"],"detail":{"bucket":{"name":["box"]}}}`)})
	require.NoError(t, err)
	_, err = bridge.PutTargets(ctx, &eventsdk.PutTargetsInput{Rule: aws.String("r"), Targets: []eventtypes.Target{{Id: aws.String("q"), Arn: &busARN}}})
	require.NoError(t, err)
	_, err = s.c.PutBucketNotificationConfiguration(ctx, &awss3.PutBucketNotificationConfigurationInput{Bucket: b, NotificationConfiguration: &types.NotificationConfiguration{
		QueueConfigurations: []types.QueueConfiguration{created(arn, types.FilterRule{Name: "prefix", Value: aws.String("in/")},
			types.FilterRule{Name: "suffix", Value: aws.String(".csv")})},
		EventBridgeConfiguration: &types.EventBridgeConfiguration{},
	}})
	require.NoError(t, err)
	test := s.next(t, url)
	require.Equal(t, []any{"Amazon S3", "s3:TestEvent", "box"}, []any{test["Service"], test["Event"], test["Bucket"]})
	got, err := s.c.GetBucketNotificationConfiguration(ctx, &awss3.GetBucketNotificationConfigurationInput{Bucket: b})
	require.NoError(t, err)
	require.Equal(t, types.FilterRuleName("Prefix"), got.QueueConfigurations[0].Filter.Key.FilterRules[0].Name)
	require.NotNil(t, got.EventBridgeConfiguration)

	put := func(key, body string) {
		_, err := s.c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader(body)})
		require.NoError(t, err)
	}
	put("in/none.txt", "x")
	put("in/a b.csv", "12345")
	// Nobody was told yet: the sandbox dies.
	s.stop()
	s.Reopen(t)
	s.register(t)
	require.NoError(t, s.svc.Start(ctx))
	five := map[string]any{"key": "in/a+b.csv", "size": 5.0, "eTag": "827ccb0eea8a706c4c34a16891f84e7b"}
	require.Equal(t, record("ObjectCreated:Put", "q", "box", five), event(t, s.next(t, url)))
	_, err = s.c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: aws.String("in/c.csv"), CopySource: aws.String("box/in/a%20b.csv")})
	require.NoError(t, err)
	require.Equal(t, "ObjectCreated:Copy", event(t, s.next(t, url))["eventName"])
	_, err = s.c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: aws.String("in/c.csv")})
	require.NoError(t, err)
	require.Equal(t, record("ObjectRemoved:Delete", "q", "box", map[string]any{"key": "in/c.csv"}), event(t, s.next(t, url)))
	_, err = s.c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{
		Bucket:                  b,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	require.NoError(t, err)
	marked, err := s.c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("in/a b.csv")}}}})
	require.NoError(t, err)
	require.Equal(t, record("ObjectRemoved:DeleteMarkerCreated", "q", "box", map[string]any{
		"key": "in/a+b.csv", "eTag": "d41d8cd98f00b204e9800998ecf8427e", "versionId": *marked.Deleted[0].DeleteMarkerVersionId,
	}), event(t, s.next(t, url)))

	bus := map[string]map[string]any{}
	for range 5 {
		m := s.next(t, busURL)
		require.Equal(t, []any{"aws.s3", []any{"arn:aws:s3:::box"}}, []any{m["source"], m["resources"]})
		d, _ := m["detail"].(map[string]any)
		o, _ := d["object"].(map[string]any)
		key, _ := o["key"].(string)
		kind, _ := m["detail-type"].(string)
		require.NotEmpty(t, o["sequencer"])
		require.NotEmpty(t, d["request-id"])
		for _, name := range []string{"request-id", "source-ip-address"} {
			delete(d, name)
		}
		delete(o, "sequencer")
		bus[kind+" "+key] = d
	}
	require.Equal(t, map[string]any{
		"version": "0", "bucket": map[string]any{"name": "box"}, "requester": "000000000000", "reason": "PutObject",
		"object": map[string]any{"key": "in/a b.csv", "size": 5.0, "etag": "827ccb0eea8a706c4c34a16891f84e7b"},
	}, bus["Object Created in/a b.csv"])
	require.Equal(t, []any{"Permanently Deleted", "DeleteObject"}, []any{bus["Object Deleted in/c.csv"]["deletion-type"], bus["Object Deleted in/c.csv"]["reason"]})
	require.Equal(t, "Delete Marker Created", bus["Object Deleted in/a b.csv"]["deletion-type"])
	require.Contains(t, bus, "Object Created in/none.txt")
}

// A destination that takes nothing is refused when it is named, in the words that AWS is
// quoted with.
func TestDestinationsAreValidated(t *testing.T) {
	t.Parallel()
	s, ctx := newTeller(t), t.Context()
	_, err := s.c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("box")})
	require.NoError(t, err)
	_, closed := s.queue(t, "closed", "", "")
	_, other := s.queue(t, "other", "s3.amazonaws.com", "arn:aws:s3:::another")
	_, open := s.queue(t, "open", "s3.amazonaws.com", "arn:aws:s3:::box")
	topic, err := snssdk.NewFromConfig(s.Admin()).CreateTopic(ctx, &snssdk.CreateTopicInput{Name: aws.String("t")})
	require.NoError(t, err)
	set := func(skip bool, c types.NotificationConfiguration) error {
		_, err := s.c.PutBucketNotificationConfiguration(ctx,
			&awss3.PutBucketNotificationConfigurationInput{Bucket: aws.String("box"), NotificationConfiguration: &c, SkipDestinationValidation: aws.Bool(skip)})
		return err
	}
	queue := func(arns ...string) (c types.NotificationConfiguration) {
		for i, arn := range arns {
			q := created(arn)
			q.Id = aws.String(string(rune('a' + i)))
			c.QueueConfigurations = append(c.QueueConfigurations, q)
		}
		return c
	}
	const unable = "Unable to validate the following destination configurations"
	for _, x := range []struct {
		c    types.NotificationConfiguration
		text string
	}{
		{queue(closed), unable},
		{queue(other), unable},
		{queue(strings.Replace(closed, "closed", "none", 1)), unable},
		{queue(strings.Replace(open, "us-east-1", "eu-west-1", 1)), unable},
		{types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{TopicArn: topic.TopicArn, Events: []types.Event{"s3:ObjectCreated:*"}}}}, unable},
		{types.NotificationConfiguration{LambdaFunctionConfigurations: []types.LambdaFunctionConfiguration{
			{LambdaFunctionArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f"), Events: []types.Event{"s3:ObjectCreated:*"}},
		}}, unable},
		{queue(open, open), "Configurations overlap. Configurations on the same bucket cannot share a common event type."},
		{queue("arn:aws:sns:us-east-1:000000000000:t"), "The ARN could not be parsed"},
	} {
		require.Equal(t, x.text, iamtest.RequireCode(t, set(false, x.c), "InvalidArgument").ErrorMessage())
	}
	bad := created(open, types.FilterRule{Name: "middle", Value: aws.String("x")})
	err = set(false, types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{bad}})
	require.Equal(t, "filter rule name must be either prefix or suffix", iamtest.RequireCode(t, err, "InvalidArgument").ErrorMessage())
	a, b := created(open, types.FilterRule{Name: "prefix", Value: aws.String("in/")}), created(open, types.FilterRule{Name: "prefix", Value: aws.String("in/deep/")})
	b.Id = aws.String("b")
	err = set(false, types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{a, b}})
	require.Contains(t, iamtest.RequireCode(t, err, "InvalidArgument").ErrorMessage(), "ambiguously defined")
	b.Filter.Key.FilterRules[0].Value = aws.String("out/")
	require.NoError(t, set(false, types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{a, b}}))
	require.NoError(t, set(true, queue(closed)), "what is not to be validated is not")
	require.NoError(t, set(false, types.NotificationConfiguration{}))
}

// The answers to browsers are those of
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
func TestCORS(t *testing.T) {
	t.Parallel()
	s, ctx := newTeller(t), t.Context()
	_, err := s.c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("box")})
	require.NoError(t, err)
	ask := func(path string, header map[string]string) (int, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodOptions, s.URL+path, nil)
		require.NoError(t, err)
		for k, v := range header {
			req.Header.Set(k, v)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode, res.Header
	}
	page := map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "Content-Type, x-amz-meta-k"}
	status, _ := ask("/box/k", page)
	require.Equal(t, http.StatusForbidden, status, "no configuration")
	rule := types.CORSRule{
		AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET", "PUT"}, AllowedHeaders: []string{"content-*", "x-amz-*"},
		ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(60),
	}
	set := func(r types.CORSRule) error {
		_, err := s.c.PutBucketCors(ctx, &awss3.PutBucketCorsInput{Bucket: aws.String("box"), CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{r}}})
		return err
	}
	require.NoError(t, set(rule))
	got, err := s.c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: aws.String("box")})
	require.NoError(t, err)
	require.Equal(t, []types.CORSRule{rule}, got.CORSRules)
	status, h := ask("/box/k", page)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{"https://app.example.com", "GET, PUT", "content-type, x-amz-meta-k", "ETag", "60", "true"}, []string{
		h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Methods"), h.Get("Access-Control-Allow-Headers"),
		h.Get("Access-Control-Expose-Headers"), h.Get("Access-Control-Max-Age"), h.Get("Access-Control-Allow-Credentials"),
	})
	for _, refused := range []map[string]string{
		{"Origin": "https://app.example.org", "Access-Control-Request-Method": "PUT"},
		{"Origin": "https://app.example.com", "Access-Control-Request-Method": "DELETE"},
		{"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"},
	} {
		status, _ = ask("/box/k", refused)
		require.Equal(t, http.StatusForbidden, status)
	}
	for _, incomplete := range []map[string]string{{}, {"Origin": "https://app.example.com"}} {
		status, _ = ask("/box/k", incomplete)
		require.Equal(t, http.StatusBadRequest, status)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/box/k", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://app.example.com")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Equal(t, "https://app.example.com", res.Header.Get("Access-Control-Allow-Origin"), "a page may read why it was refused")

	rule.AllowedMethods = []string{"PATCH"}
	require.Equal(t, "Found unsupported HTTP method in CORS config. Unsupported method is PATCH", iamtest.RequireCode(t, set(rule), "InvalidRequest").ErrorMessage())
	_, err = s.c.DeleteBucketCors(ctx, &awss3.DeleteBucketCorsInput{Bucket: aws.String("box")})
	require.NoError(t, err)
	_, err = s.c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: aws.String("box")})
	iamtest.RequireCode(t, err, "NoSuchCORSConfiguration")
}
