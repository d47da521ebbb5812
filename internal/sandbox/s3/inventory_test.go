package s3_test

import (
	"compress/gzip"
	"crypto/md5"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// inventories is S3 with the test's own time; that of signatures is the machine's.
type inventories struct {
	*iamtest.World
	time *clock.Fake
	t    *testing.T
	c    *awss3.Client
	dir  string
	stop func()
}

func newInventories(t *testing.T) *inventories {
	t.Helper()
	w := &inventories{World: iamtest.At(t, filepath.Join(t.TempDir(), "db"), clock.Real{}), time: clock.NewFake(time.Now()), t: t, dir: filepath.Join(t.TempDir(), "s3")}
	w.start()
	t.Cleanup(func() { w.stop() })
	for _, name := range []string{"stock", "lists", "closed"} {
		_, err := w.c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name})
		require.NoError(t, err)
	}
	// AWS's own example of a destination's policy:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html#example-bucket-policies-s3-inventory-1
	_, err := w.c.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String("lists"), Policy: aws.String(`{"Version":"2012-10-17","Statement":[{
		"Sid":"InventoryAndAnalyticsExamplePolicy","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"s3:PutObject",
		"Resource":["arn:aws:s3:::lists/*"],"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::stock"},
		"StringEquals":{"aws:SourceAccount":"000000000000","s3:x-amz-acl":"bucket-owner-full-control"}}}]}`)})
	require.NoError(t, err)
	return w
}

func (w *inventories) start() {
	w.t.Helper()
	svc, err := s3.New(s3.Config{DB: w.DB, Dir: w.dir, Clock: w.time, Auth: w.IAM})
	require.NoError(w.t, err)
	svc.Register(w.Router)
	require.NoError(w.t, svc.Start(w.t.Context()))
	w.c = awss3.NewFromConfig(w.Admin(), func(o *awss3.Options) { o.UsePathStyle = true })
	w.stop = func() { require.NoError(w.t, svc.Close()) }
}

func config(id, to string) *types.InventoryConfiguration {
	return &types.InventoryConfiguration{
		Id: &id, IsEnabled: aws.Bool(true), IncludedObjectVersions: types.InventoryIncludedObjectVersionsAll, Schedule: &types.InventorySchedule{Frequency: types.InventoryFrequencyWeekly},
		Filter: &types.InventoryFilter{Prefix: aws.String("in/")}, OptionalFields: []types.InventoryOptionalField{"EncryptionStatus", "ETag", "Size", "IsMultipartUploaded"},
		Destination: &types.InventoryDestination{S3BucketDestination: &types.InventoryS3BucketDestination{
			Bucket: aws.String("arn:aws:s3:::" + to), Format: types.InventoryFormatCsv, Prefix: aws.String("reports"), Encryption: &types.InventoryEncryption{SSES3: &types.SSES3{}},
		}},
	}
}

func (w *inventories) put(c *types.InventoryConfiguration) error {
	_, err := w.c.PutBucketInventoryConfiguration(w.t.Context(), &awss3.PutBucketInventoryConfigurationInput{Bucket: aws.String("stock"), Id: c.Id, InventoryConfiguration: c})
	return err
}

func (w *inventories) keys(bucket string) (keys []string) {
	w.t.Helper()
	out, err := w.c.ListObjectsV2(w.t.Context(), &awss3.ListObjectsV2Input{Bucket: &bucket})
	require.NoError(w.t, err)
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// whole waits until so many reports are whole.
func (w *inventories) whole(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		have := 0
		for _, k := range w.keys("lists") {
			if strings.HasSuffix(k, "/manifest.checksum") {
				have++
			}
		}
		return have == n
	}, time.Minute, 5*time.Millisecond)
}

func (w *inventories) read(key string) []byte {
	w.t.Helper()
	out, err := w.c.GetObject(w.t.Context(), &awss3.GetObjectInput{Bucket: aws.String("lists"), Key: &key})
	require.NoError(w.t, err)
	raw, err := io.ReadAll(out.Body)
	require.NoError(w.t, err)
	return raw
}

func sum(raw []byte) string {
	s := md5.Sum(raw)
	return hex.EncodeToString(s[:])
}

// Where the files are, what is in them and in which order is
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html;
// that keys are URL-encoded and nothing is a heading,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
func TestInventory(t *testing.T) {
	t.Parallel()
	w, ctx := newInventories(t), t.Context()
	b := aws.String("stock")
	_, err := w.c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	require.NoError(t, err)
	var ids []string
	for _, text := range []string{"one", "three"} {
		out, err := w.c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: aws.String("in/a \"b\",é.csv"), Body: strings.NewReader(text)})
		require.NoError(t, err)
		ids = append(ids, *out.VersionId)
	}
	_, err = w.c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: aws.String("elsewhere"), Body: strings.NewReader("x")})
	require.NoError(t, err)
	gone, err := w.c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: aws.String("in/z")})
	require.NoError(t, err)
	require.NoError(t, w.put(config("weekly", "lists")))
	require.NoError(t, w.put(config("refused", "closed")))
	off := config("off", "lists")
	off.IsEnabled = aws.Bool(false)
	require.NoError(t, w.put(off))

	// What was asked for before a crash comes after it.
	w.stop()
	w.Reopen(t)
	w.start()
	midnight := w.time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	w.time.Advance(midnight.Sub(w.time.Now()))
	w.whole(1)
	at := "reports/stock/weekly/" + midnight.Format("2006-01-02T15-04Z") + "/"
	manifest := w.read(at + "manifest.json")
	require.Equal(t, sum(manifest), string(w.read(at+"manifest.checksum")))
	var m struct {
		SourceBucket, DestinationBucket, Version, CreationTimestamp, FileFormat, FileSchema string
		Files                                                                               []struct {
			Key         string
			Size        int
			MD5checksum string
		}
	}
	require.NoError(t, json.Unmarshal(manifest, &m))
	require.Len(t, m.Files, 1)
	data := w.read(m.Files[0].Key)
	require.Equal(t, []any{len(data), sum(data)}, []any{m.Files[0].Size, m.Files[0].MD5checksum})
	require.Equal(t, []string{
		"stock", "arn:aws:s3:::lists", "2016-11-30", fmt.Sprint(midnight.UnixMilli()), "CSV",
		"Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, IsMultipartUploaded, EncryptionStatus",
	},
		[]string{m.SourceBucket, m.DestinationBucket, m.Version, m.CreationTimestamp, m.FileFormat, m.FileSchema})
	require.Equal(t, "s3://lists/"+m.Files[0].Key+"\n", string(w.read("reports/stock/weekly/hive/dt="+midnight.Format("2006-01-02-15-04")+"/symlink.txt")))
	require.True(t, strings.HasPrefix(m.Files[0].Key, "reports/stock/weekly/data/"))
	unpacked, err := gzip.NewReader(strings.NewReader(string(data)))
	require.NoError(t, err)
	rows, err := csv.NewReader(unpacked).ReadAll()
	require.NoError(t, err)
	key := "in/a+%22b%22%2C%C3%A9.csv"
	require.Equal(t, [][]string{
		{"stock", key, ids[1], "true", "false", "5", sum([]byte("three")), "false", "SSE-S3"},
		{"stock", key, ids[0], "false", "false", "3", sum([]byte("one")), "false", "SSE-S3"},
		{"stock", "in/z", *gone.VersionId, "true", "true", "", "", "", ""},
	}, rows)

	// The next one is made on the Sunday that comes.
	sunday := midnight.AddDate(0, 0, 1)
	for sunday.Weekday() != time.Sunday {
		sunday = sunday.AddDate(0, 0, 1)
	}
	require.Eventually(t, func() bool {
		runs, err := store.ReadAll[struct{ Due time.Time }](w.DB, "s3.reports", "")
		require.NoError(t, err)
		return len(runs) == 2 && runs[0].Due.Equal(sunday) && runs[1].Due.Equal(sunday)
	}, time.Minute, 5*time.Millisecond)
	w.time.Advance(sunday.Sub(midnight))
	w.whole(2)
	require.Contains(t, w.keys("lists"), "reports/stock/weekly/"+sunday.Format("2006-01-02T15-04Z")+"/manifest.checksum")
	require.Empty(t, w.keys("closed"), "its policy says nothing of S3")
}

func TestInventoryConfigurations(t *testing.T) {
	t.Parallel()
	w, ctx := newInventories(t), t.Context()
	b := aws.String("stock")
	want := config("one", "lists")
	require.NoError(t, w.put(want))
	got, err := w.c.GetBucketInventoryConfiguration(ctx, &awss3.GetBucketInventoryConfigurationInput{Bucket: b, Id: aws.String("one")})
	require.NoError(t, err)
	require.Equal(t, want, got.InventoryConfiguration)
	for i := range 101 {
		require.NoError(t, w.put(config(fmt.Sprintf("x%03d", i), "lists")))
	}
	first, err := w.c.ListBucketInventoryConfigurations(ctx, &awss3.ListBucketInventoryConfigurationsInput{Bucket: b})
	require.NoError(t, err)
	require.True(t, *first.IsTruncated)
	require.Len(t, first.InventoryConfigurationList, 100)
	second, err := w.c.ListBucketInventoryConfigurations(ctx, &awss3.ListBucketInventoryConfigurationsInput{Bucket: b, ContinuationToken: first.NextContinuationToken})
	require.NoError(t, err)
	require.False(t, *second.IsTruncated)
	require.Equal(t, []string{"x099", "x100"}, []string{*second.InventoryConfigurationList[0].Id, *second.InventoryConfigurationList[1].Id})

	for code, change := range map[string]func(*types.InventoryConfiguration){
		"MalformedXML": func(c *types.InventoryConfiguration) { c.OptionalFields = []types.InventoryOptionalField{"Etag"} }, // https://github.com/aws/aws-sdk-ruby/issues/1577
		"InvalidS3DestinationBucket": func(c *types.InventoryConfiguration) {
			c.Destination.S3BucketDestination.Bucket = aws.String("arn:aws:s3::000000000000:lists") // https://github.com/aws/aws-cli/issues/3611
		},
		"NotImplemented":  func(c *types.InventoryConfiguration) { c.Destination.S3BucketDestination.Format = "Parquet" },
		"InvalidArgument": func(c *types.InventoryConfiguration) { c.Id = aws.String("a b") },
	} {
		c := config("bad", "lists")
		change(c)
		iamtest.RequireCode(t, w.put(c), code)
	}
	_, err = w.c.PutBucketInventoryConfiguration(ctx, &awss3.PutBucketInventoryConfigurationInput{Bucket: b, Id: aws.String("other"), InventoryConfiguration: want})
	iamtest.RequireCode(t, err, "MalformedXML")
	iamtest.RequireCode(t, w.put(&types.InventoryConfiguration{
		Id: aws.String("x"), IsEnabled: aws.Bool(true), IncludedObjectVersions: "Some", Schedule: &types.InventorySchedule{Frequency: "Hourly"}, Destination: want.Destination,
	}), "MalformedXML")

	_, err = w.c.DeleteBucketInventoryConfiguration(ctx, &awss3.DeleteBucketInventoryConfigurationInput{Bucket: b, Id: aws.String("one")})
	require.NoError(t, err)
	_, err = w.c.GetBucketInventoryConfiguration(ctx, &awss3.GetBucketInventoryConfigurationInput{Bucket: b, Id: aws.String("one")})
	iamtest.RequireCode(t, err, "NoSuchConfiguration")
	_, err = w.c.DeleteBucketInventoryConfiguration(ctx, &awss3.DeleteBucketInventoryConfigurationInput{Bucket: b, Id: aws.String("one")})
	iamtest.RequireCode(t, err, "NoSuchConfiguration")

	_, cfg := w.User(t, "reader", iamtest.Allow("s3:GetInventoryConfiguration", "arn:aws:s3:::stock"))
	reader := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	_, err = reader.GetBucketInventoryConfiguration(ctx, &awss3.GetBucketInventoryConfigurationInput{Bucket: b, Id: aws.String("x001")})
	require.NoError(t, err)
	_, err = reader.PutBucketInventoryConfiguration(ctx, &awss3.PutBucketInventoryConfigurationInput{Bucket: b, Id: want.Id, InventoryConfiguration: want})
	iamtest.RequireCode(t, err, "AccessDenied")

	// A bucket that is made anew has none of them.
	_, err = w.c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b})
	require.NoError(t, err)
	_, err = w.c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: b})
	require.NoError(t, err)
	none, err := w.c.ListBucketInventoryConfigurations(ctx, &awss3.ListBucketInventoryConfigurationsInput{Bucket: b})
	require.NoError(t, err)
	require.Empty(t, none.InventoryConfigurationList)
}

// What nothing here acts on is read as absent and cannot be set.
func TestConfigurationsThatNobodyHas(t *testing.T) {
	t.Parallel()
	w, ctx := newInventories(t), t.Context()
	b, id := aws.String("stock"), aws.String("x")
	metrics, err := w.c.ListBucketMetricsConfigurations(ctx, &awss3.ListBucketMetricsConfigurationsInput{Bucket: b})
	require.NoError(t, err)
	require.False(t, *metrics.IsTruncated)
	analytics, err := w.c.ListBucketAnalyticsConfigurations(ctx, &awss3.ListBucketAnalyticsConfigurationsInput{Bucket: b})
	require.NoError(t, err)
	require.Empty(t, analytics.AnalyticsConfigurationList)
	tiers, err := w.c.ListBucketIntelligentTieringConfigurations(ctx, &awss3.ListBucketIntelligentTieringConfigurationsInput{Bucket: b})
	require.NoError(t, err)
	require.False(t, *tiers.IsTruncated)
	_, err = w.c.GetBucketMetricsConfiguration(ctx, &awss3.GetBucketMetricsConfigurationInput{Bucket: b, Id: id})
	iamtest.RequireCode(t, err, "NoSuchConfiguration")
	_, err = w.c.PutBucketMetricsConfiguration(ctx, &awss3.PutBucketMetricsConfigurationInput{Bucket: b, Id: id, MetricsConfiguration: &types.MetricsConfiguration{Id: id}})
	iamtest.RequireCode(t, err, "NotImplemented")
}
