package s3

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbReports: number -> reportRun. An enabled inventory has one as long as it is there.
const dbReports = "s3.reports"

// reportRows is how many objects one file of a report lists.
const reportRows = 100_000

// reportRun is the next report of an inventory.
type reportRun struct {
	Bucket, ID string
	Number     uint64 // of the configuration; that of another time has its own runs
	Tries      int    `json:",omitempty"`
}

// due is when a report is made: at midnight, UTC, where AWS says "within 48 hours" of the
// first; weekly ones on Sundays after it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/configure-inventory.html
func (p inventoryPlan) due(now time.Time, first bool) time.Time {
	day := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	for p.weekly && !first && day.Weekday() != time.Sunday {
		day = day.AddDate(0, 0, 1)
	}
	return day
}

// bringReport makes a report and says when the next one is made. What a policy refuses is
// tried again at the next time only; how long AWS tries what fails otherwise it does not say.
func (s *Service) bringReport(ctx context.Context, r *reportRun) (pause time.Duration, again bool) {
	began := s.Clock.Now()
	i, found, err := store.Read[inventory](s.DB, dbInventories, inventoryKey(r.Bucket, r.ID))
	if err == nil && (!found || i.Number != r.Number) {
		return 0, false
	}
	var plan inventoryPlan
	if err == nil {
		var n *node
		if n, err = parseNode([]byte(i.Doc)); err == nil {
			plan = planOf(n)
			err = s.report(ctx, r.Bucket, plan)
		}
	}
	if err != nil && (ctx.Err() != nil || wire.Transient(err)) && r.Tries < 10 {
		r.Tries++
		return courier.Backoff(r.Tries), true
	}
	if err != nil {
		s.Log.Warn("an inventory was not delivered", "bucket", r.Bucket, "inventory", r.ID, "destination", plan.to, "error", err.Error())
	}
	r.Tries = 0
	return plan.due(began, false).Sub(s.Clock.Now()), true
}

// reporter writes the files of one report.
type reporter struct {
	s        *Service
	ctx      context.Context // that of one report
	from, to bucketMeta
	plan     inventoryPlan
	began    time.Time
	files    []reportFile
}

// reportFile is a file in the manifest.
type reportFile struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	MD5  string `json:"MD5checksum"`
}

// report lists a bucket into its destination. The manifest's checksum comes last, by
// which readers know that a report is whole.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-notification.html
func (s *Service) report(ctx context.Context, bucket string, plan inventoryPlan) error {
	from, err := s.bucket(bucket)
	if err != nil {
		return err
	}
	to, err := s.bucket(plan.to)
	switch {
	case err != nil:
		return err
	case plan.account != "" && plan.account != to.Scope.Account:
		return errDenied()
	case to.Scope.Region != from.Scope.Region:
		return errRequest("the destination is in another region")
	}
	r := &reporter{s: s, ctx: ctx, from: from, to: to, plan: plan, began: s.Clock.Now().UTC(), files: []reportFile{}}
	if err := r.data(); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(r.manifest(), "", "  ")
	if err != nil {
		return err
	}
	var links strings.Builder
	for _, f := range r.files {
		links.WriteString("s3://" + to.Name + "/" + f.Key + "\n")
	}
	at := r.began.Format("2006-01-02T15-04Z")
	for _, f := range []struct{ name, text string }{
		{"hive/dt=" + r.began.Format("2006-01-02-15-04") + "/symlink.txt", links.String()},
		{at + "/manifest.json", string(manifest)},
		{at + "/manifest.checksum", md5Hex(manifest)},
	} {
		if err := r.write(f.name, strings.NewReader(f.text)); err != nil {
			return err
		}
	}
	return nil
}

func md5Hex(raw []byte) string {
	h := newMD5()
	_, _ = h.Write(raw)
	return hex.EncodeToString(h.Sum(nil))
}

// name is the key of a file of the report.
func (r *reporter) name(file string) string {
	key := r.from.Name + "/" + r.plan.id + "/" + file
	if p := strings.TrimSuffix(r.plan.toPrefix, "/"); p != "" {
		key = p + "/" + key
	}
	return key
}

// write puts a file into the destination, as S3 for the source bucket: its policy is asked
// with the keys that AWS's example of it has.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html#example-bucket-policies-s3-inventory-1
func (r *reporter) write(file string, body io.Reader) error {
	v := &version{Bucket: r.to.Name, Key: r.name(file), Headers: map[string]string{}, SSE: r.plan.sse, SSEKey: r.plan.key}
	keys := map[string][]string{"s3:x-amz-acl": {"bucket-owner-full-control"}}
	return r.s.write(r.ctx, r.s.inside(r.from.Scope, sender(r.from)), v, conditions{}, defaultAlgorithm, keys, body)
}

func (r *reporter) schema() []string {
	names := []string{"Bucket", "Key"}
	if r.plan.all {
		names = append(names, "VersionId", "IsLatest", "IsDeleteMarker")
	}
	return append(names, r.plan.fields...)
}

func (r *reporter) manifest() any {
	return struct {
		SourceBucket      string       `json:"sourceBucket"`
		DestinationBucket string       `json:"destinationBucket"`
		Version           string       `json:"version"`
		CreationTimestamp string       `json:"creationTimestamp"`
		FileFormat        string       `json:"fileFormat"`
		FileSchema        string       `json:"fileSchema"`
		Files             []reportFile `json:"files"`
	}{
		r.from.Name, bucketARN(r.to.Scope, r.to.Name), "2016-11-30", strconv.FormatInt(r.began.UnixMilli(), 10), "CSV", strings.Join(r.schema(), ", "), r.files,
	}
}

// data writes what the bucket holds, in files of a number of rows.
func (r *reporter) data() error {
	var out bytes.Buffer
	rows, packed := 0, gzip.NewWriter(&out)
	flush := func() error {
		if err := packed.Close(); err != nil {
			return err
		}
		file := "data/" + wire.NewID() + ".csv.gz"
		r.files = append(r.files, reportFile{r.name(file), int64(out.Len()), md5Hex(out.Bytes())})
		err := r.write(file, bytes.NewReader(out.Bytes()))
		out.Reset()
		packed.Reset(&out)
		rows = 0
		return err
	}
	l := listing{bucket: r.from.Name, prefix: r.plan.prefix, max: maxList, versions: r.plan.all}
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		var pg found
		err := r.s.DB.View(func(tx *store.Tx) (err error) {
			pg, err = list(tx, l)
			return err
		})
		if err != nil {
			return err
		}
		for i, v := range pg.items {
			if err := r.row(packed, v, pg.latest[i]); err != nil {
				return err
			}
		}
		if rows += len(pg.items); rows >= reportRows || !pg.more && rows > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		if !pg.more {
			return nil
		}
		if l.after = pg.last; l.versions {
			l.afterVersion = pg.lastID
		}
	}
}

// row writes an object's line: every value is quoted, keys are encoded as in URLs, and no
// line is a heading.
func (r *reporter) row(w io.Writer, v *version, latest bool) error {
	values := []string{r.from.Name, strings.ReplaceAll(url.QueryEscape(v.Key), "%2F", "/")}
	if r.plan.all {
		id := v.ID
		if id == nullID {
			id = ""
		}
		values = append(values, id, strconv.FormatBool(latest), strconv.FormatBool(v.Marker))
	}
	for _, f := range r.plan.fields {
		values = append(values, r.value(v, f))
	}
	for i, x := range values {
		values[i] = `"` + strings.ReplaceAll(x, `"`, `""`) + `"`
	}
	_, err := io.WriteString(w, strings.Join(values, ",")+"\n")
	return err
}

// value is what a column tells of a version. Of a delete marker only its time and its
// owner are told (unsure: AWS's guide does not say).
func (r *reporter) value(v *version, field string) string {
	switch {
	case field == "LastModifiedDate":
		return xmlTime(v.Modified)
	case field == "ObjectOwner":
		return r.from.owner().ID
	case v.Marker:
		return ""
	}
	switch field {
	case "Size":
		return strconv.FormatInt(v.Size, 10)
	case "ETag":
		return v.ETag
	case "StorageClass":
		return storageClass(v)
	case "IsMultipartUploaded":
		return strconv.FormatBool(v.Multipart)
	case "EncryptionStatus":
		return map[string]string{"AES256": "SSE-S3", "aws:kms": "SSE-KMS", "aws:kms:dsse": "DSSE-KMS"}[cmp.Or(v.SSE, "AES256")]
	case "BucketKeyStatus":
		if v.BucketKey {
			return "ENABLED"
		}
		return "DISABLED"
	case "ChecksumAlgorithm":
		return v.Checksum.Algorithm
	case "ObjectAccessControlList":
		return base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf(
			`{"version":"2022-11-10","status":"AVAILABLE","grants":[{"canonicalId":"%s","type":"CanonicalUser","permission":"FULL_CONTROL"}]}`, r.from.owner().ID)))
	}
	return "" // object locks, replication and tiers are things that nothing here has
}
