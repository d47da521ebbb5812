package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// canonicalID stands for the account in owner elements.
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user of " + account))
	return hex.EncodeToString(sum[:])
}

var bucketName = lazyregexp.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// validName checks a new bucket's name by
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
func validName(name string) bool {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, x := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, x) {
			return false
		}
	}
	return true
}

// createBucket makes a bucket with today's defaults: ACLs off, public access
// blocked. Creating one's own bucket again is BucketAlreadyOwnedByYou, but in
// us-east-1, where AWS answers old clients that all is well and changes nothing
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).
func (c *call) createBucket() error {
	if !validName(c.bucket) {
		return fail(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.", "BucketName", c.bucket)
	}
	if err := c.refuseUnserved(); err != nil {
		return err
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	b, err := c.newBucket(raw)
	if err != nil {
		return err
	}
	err = c.s.commit(func(tx *store.Tx) error {
		old, exists, err := store.Get[bucketMeta](tx, dbBuckets, b.Name)
		if err != nil {
			return err
		}
		if exists && old.Scope == b.Scope && b.Scope.Region == "us-east-1" {
			return nil
		}
		if exists && old.Scope.Account != b.Scope.Account {
			return fail(http.StatusConflict, "BucketAlreadyExists",
				"The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.", "BucketName", b.Name)
		}
		if exists {
			return fail(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.", "BucketName", b.Name)
		}
		if err := c.s.room(tx, b.Scope); err != nil {
			return err
		}
		return store.Put(tx, dbBuckets, b.Name, b)
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+b.Name)
	c.w.Header().Set("X-Amz-Bucket-Arn", bucketARN(b.Scope, b.Name))
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// room refuses a bucket more than the account may have, in all regions together. The
// text is AWS's, https://github.com/milliHQ/terraform-aws-next-js/issues/15.
func (s *Service) room(tx *store.Tx, sc wire.Scope) error {
	have := 0
	err := store.Each(tx, dbBuckets, "", "", func(_ string, b bucketMeta) bool {
		if b.Scope.Account == sc.Account && b.Scope.Partition == sc.Partition {
			have++
		}
		return true
	})
	if err == nil && have >= s.Limits.Limit(sc, limits.S3Buckets) {
		err = fail(http.StatusBadRequest, "TooManyBuckets", "You have attempted to create more buckets than allowed")
	}
	return err
}

func (c *call) newBucket(raw []byte) (bucketMeta, error) {
	b := bucketMeta{Name: c.bucket, Scope: c.req.Scope, Created: c.s.now(), Settings: map[string]string{}}
	var in struct {
		XMLName            xml.Name
		LocationConstraint *string
		Location, Bucket   *struct{}
		Tags               struct{ Tag []tag }
	}
	if len(raw) > 0 {
		if err := xml.Unmarshal(raw, &in); err != nil {
			return b, errMalformed()
		}
	}
	if in.Location != nil || in.Bucket != nil {
		return b, errUnserved("directory buckets")
	}
	if len(raw) > 0 && (in.XMLName.Local != "CreateBucketConfiguration" || in.LocationConstraint == nil && len(in.Tags.Tag) == 0) {
		return b, errMalformed()
	}
	var err error
	if b.Scope.Region, err = located(b.Scope.Region, in.LocationConstraint); err != nil {
		return b, err
	}
	if len(in.Tags.Tag) > 0 {
		doc, err := tagDocument(in.Tags.Tag, bucketTags)
		if err != nil {
			return b, err
		}
		b.Settings["tagging"] = doc
	}
	b.Settings["publicAccessBlock"] = xmlDecl + `<PublicAccessBlockConfiguration xmlns="` + namespace +
		`"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`
	b.Settings["ownershipControls"] = xmlDecl + `<OwnershipControls xmlns="` + namespace + `"><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`
	switch o := c.h.Header.Get("X-Amz-Object-Ownership"); o {
	case "", "BucketOwnerEnforced":
	case "BucketOwnerPreferred", "ObjectWriter":
		b.Settings["ownershipControls"] = strings.Replace(b.Settings["ownershipControls"], "BucketOwnerEnforced", o, 1)
	default:
		return b, errInvalid("x-amz-object-ownership", o, "Invalid x-amz-object-ownership header: "+o)
	}
	if c.h.Header.Get("X-Amz-Bucket-Object-Lock-Enabled") == "true" {
		return b, errUnserved("object lock")
	}
	return b, nil
}

var regionName = lazyregexp.New(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

// located is the region of a new bucket: that of the request, which has to be
// said by the constraint too everywhere but in us-east-1, where another may be
// said.
func located(region string, constraint *string) (string, error) {
	if constraint == nil {
		if region != "us-east-1" {
			return "", fail(http.StatusBadRequest, "IllegalLocationConstraintException",
				"The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
		}
		return region, nil
	}
	r := *constraint
	if r == "EU" {
		r = "eu-west-1"
	}
	switch {
	case r == "us-east-1" && region == r, !regionName.MatchString(r): // us-east-1 is said by saying nothing
		return "", fail(http.StatusBadRequest, "InvalidLocationConstraint", "The specified location-constraint is not valid", "LocationConstraint", *constraint)
	case region != "us-east-1" && r != region:
		return "", fail(http.StatusBadRequest, "IllegalLocationConstraintException",
			"The "+r+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return r, nil
}

func (c *call) headBucket() error {
	b, err := c.open()
	if err != nil {
		return err
	}
	c.w.Header().Set("X-Amz-Bucket-Region", b.Scope.Region)
	c.w.Header().Set("X-Amz-Bucket-Arn", bucketARN(b.Scope, b.Name))
	c.w.Header().Set("X-Amz-Access-Point-Alias", "false")
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// deleteBucket removes an empty bucket. Versions and delete markers count as
// content; unfinished multipart uploads are dropped with it.
func (c *call) deleteBucket() error {
	var freed []segment
	err := c.s.commit(func(tx *store.Tx) error {
		freed = nil
		if _, err := getBucket(tx, c.bucket); err != nil {
			return err
		}
		full := false
		err := tx.Scan(dbVersions, c.bucket+"\x00", "", func(string, []byte) (bool, error) { full = true; return false, nil })
		if err != nil {
			return err
		}
		if full {
			return fail(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty", "BucketName", c.bucket)
		}
		if err := tx.DeletePrefix(dbComplete, c.bucket+"\x00"); err != nil {
			return err
		}
		if err := tx.DeletePrefix(dbInventories, c.bucket+"\x00"); err != nil {
			return err
		}
		uploads, err := store.List[upload](tx, dbUploads, c.bucket+"\x00")
		if err != nil {
			return err
		}
		for _, u := range uploads {
			segs, err := dropUpload(tx, u, true)
			if err != nil {
				return err
			}
			freed = append(freed, segs...)
		}
		return tx.Delete(dbBuckets, c.bucket)
	})
	if err != nil {
		return err
	}
	c.s.blobs.remove(freed)
	return c.noContent()
}

func (c *call) listBuckets() error {
	limit := 10000
	if m := c.q.Get("max-buckets"); m != "" {
		n, err := strconv.Atoi(m)
		if err != nil || n < 1 || n > limit {
			return errInvalid("max-buckets", m, "Argument max-buckets must be an integer between 1 and 10000")
		}
		limit = n
	} else if c.s.Limits.Limit(c.req.Scope, limits.S3Buckets) > limit {
		// The words are ours. (AmazonS3/latest/API/API_ListBuckets.html)
		return errInvalid("max-buckets", m, "Accounts with a quota of more than 10,000 buckets have to list them in pages")
	}
	after, err := listPlace(c.q.Get("continuation-token"))
	if err != nil {
		return err
	}
	type bucketXML struct{ Name, CreationDate, BucketRegion, BucketArn string }
	out := struct {
		XMLName           struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner             owner
		Buckets           struct{ Bucket []bucketXML }
		ContinuationToken string `xml:",omitempty"`
		Prefix            string `xml:",omitempty"`
	}{Owner: owner{ID: canonicalID(c.req.Account)}, Prefix: c.q.Get("prefix")}
	region := c.q.Get("bucket-region")
	var all []bucketMeta
	all, err = store.ReadAll[bucketMeta](c.s.DB, dbBuckets, c.q.Get("prefix"))
	if err != nil {
		return err
	}
	list := &out.Buckets.Bucket
	for _, b := range all {
		if b.Scope.Account != c.req.Account || b.Scope.Partition != c.req.Partition || b.Name <= after || region != "" && b.Scope.Region != region {
			continue
		}
		if len(*list) == limit {
			out.ContinuationToken = *listTokens.Token((*list)[limit-1].Name)
			break
		}
		*list = append(*list, bucketXML{b.Name, xmlTime(b.Created), b.Scope.Region, bucketARN(b.Scope, b.Name)})
	}
	return c.xml(http.StatusOK, out)
}

func (c *call) getLocation() error {
	b, err := c.open()
	if err != nil {
		return err
	}
	region := b.Scope.Region
	if region == "us-east-1" {
		region = ""
	}
	return c.xml(http.StatusOK, struct {
		XMLName struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Value   string   `xml:",chardata"`
	}{Value: region})
}
