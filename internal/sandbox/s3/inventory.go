package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbInventories: bucket NUL id -> inventory.
const dbInventories = "s3.inventories"

// What inventories are bound by.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html
const (
	maxInventories  = 1000
	inventoriesPage = 100

	inventoryList page.Kind = "inventories"
)

// inventory is a configuration as it is kept: the document as S3 gives it back, and a
// number that tells it from the one before of its name.
type inventory struct {
	Doc    string
	Number uint64
}

// inventoryPlan is what a configuration that was checked asks for.
type inventoryPlan struct {
	id, prefix           string
	enabled, weekly, all bool
	fields               []string // optional ones, in the order of the report
	account              string   // of the destination, "" if it is not said
	to, toPrefix         string   // bucket and prefix of the destination
	sse, key             string
}

func inventoryKey(bucket, id string) string { return bucket + "\x00" + id }

// optionalFields are the columns behind those that every report has, in the order of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
var optionalFields = []string{
	"Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus", "ObjectLockRetainUntilDate",
	"ObjectLockMode", "ObjectLockLegalHoldStatus", "IntelligentTieringAccessTier", "BucketKeyStatus", "ChecksumAlgorithm", "ObjectAccessControlList",
	"ObjectOwner", "LifecycleExpirationDate",
}

// inventoryOperations are those of inventories. The IAM actions have other names than they:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
func inventoryOperations() map[string]operation {
	get, put := wire.On(onBucket).Does("s3:GetInventoryConfiguration"), wire.On(onBucket).Does("s3:PutInventoryConfiguration")
	return map[string]operation{
		"PutBucketInventoryConfiguration": {(*call).putInventory, put}, "DeleteBucketInventoryConfiguration": {(*call).deleteInventory, put},
		"GetBucketInventoryConfiguration": {(*call).getInventory, get}, "ListBucketInventoryConfigurations": {(*call).listInventories, get},
	}
}

func (c *call) putInventory() error {
	b, err := c.open()
	if err != nil {
		return err
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	doc, err := normalise(raw, func(n *node) error { return c.checkInventory(b, n) })
	if err != nil {
		return err
	}
	n, err := parseNode([]byte(doc))
	if err != nil {
		return err
	}
	plan := planOf(n)
	key := inventoryKey(c.bucket, plan.id)
	var tickets []courier.Ticket
	err = c.s.commit(func(tx *store.Tx) error {
		tickets = nil
		if _, err := getBucket(tx, c.bucket); err != nil {
			return err
		}
		if err := roomForInventory(tx, c.bucket, key); err != nil {
			return err
		}
		number, err := tx.NextSequence(dbInventories)
		if err != nil {
			return err
		}
		if plan.enabled {
			t, err := c.s.reports.Keep(tx, reportRun{Bucket: c.bucket, ID: plan.id, Number: number}, plan.due(c.s.Clock.Now(), true))
			if err != nil {
				return err
			}
			tickets = append(tickets, t)
		}
		return store.Put(tx, dbInventories, key, inventory{doc, number})
	})
	if err != nil {
		return err
	}
	c.s.reports.Begin(tickets...)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// roomForInventory refuses one configuration more than a bucket may have.
func roomForInventory(tx *store.Tx, bucket, key string) error {
	have := 0
	err := store.Each(tx, dbInventories, bucket+"\x00", "", func(k string, _ inventory) bool {
		if k != key {
			have++
		}
		return true
	})
	if err == nil && have >= maxInventories {
		err = fail(http.StatusBadRequest, "TooManyConfigurations", "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.")
	}
	return err
}

func (c *call) getInventory() error {
	if _, err := c.open(); err != nil {
		return err
	}
	i, found, err := store.Read[inventory](c.s.DB, dbInventories, inventoryKey(c.bucket, c.q.Get("id")))
	switch {
	case err != nil:
		return err
	case !found:
		return errNoConfiguration()
	}
	return c.reply(i.Doc)
}

// reply answers with a document.
func (c *call) reply(doc string) error {
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(doc))
	return nil
}

func (c *call) deleteInventory() error {
	err := c.s.commit(func(tx *store.Tx) error {
		if _, err := getBucket(tx, c.bucket); err != nil {
			return err
		}
		key := inventoryKey(c.bucket, c.q.Get("id"))
		if _, err := store.Find[inventory](tx, dbInventories, key, errNoConfiguration()); err != nil {
			return err
		}
		return tx.Delete(dbInventories, key)
	})
	if err != nil {
		return err
	}
	return c.noContent()
}

func (c *call) listInventories() error {
	if _, err := c.open(); err != nil {
		return err
	}
	token := c.q.Get("continuation-token")
	from, err := inventoryList.Place(&token)
	if err != nil {
		return errInvalid("continuation-token", token, "The continuation token provided is incorrect")
	}
	var docs []string
	var next *string
	err = c.s.DB.View(func(tx *store.Tx) error {
		docs, next, err = page.Scan(tx, inventoryList, dbInventories, c.bucket+"\x00", from, inventoriesPage, func(_ string, i inventory) (string, bool) { return i.Doc, true })
		return err
	})
	if err != nil {
		return err
	}
	out := newNode("ListInventoryConfigurationsResult", "")
	out.XMLName.Space = namespace
	if token != "" {
		out.Nodes = append(out.Nodes, newNode("ContinuationToken", token))
	}
	for _, doc := range docs {
		n, err := parseNode([]byte(doc))
		if err != nil {
			return err
		}
		n.clean(false)
		out.Nodes = append(out.Nodes, n)
	}
	out.Nodes = append(out.Nodes, newNode("IsTruncated", strconv.FormatBool(next != nil)))
	if next != nil {
		out.Nodes = append(out.Nodes, newNode("NextContinuationToken", *next))
	}
	var b bytes.Buffer
	b.WriteString(xmlDecl)
	if err := xml.NewEncoder(&b).Encode(out); err != nil {
		return err
	}
	return c.reply(b.String())
}

// inventoryID is what the console takes as a name.
var inventoryID = lazyregexp.New(`^[A-Za-z0-9._-]{1,64}$`)

// checkInventory holds a configuration against the schema of
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_InventoryConfiguration.html
// and what PutBucketInventoryConfiguration asks beyond. A name that is another than the
// request's is malformed, as it is of other configurations with names.
func (c *call) checkInventory(b bucketMeta, n *node) error {
	id := n.text("Id")
	switch {
	case n.oneOf("InventoryConfiguration", "IncludedObjectVersions", string(types.InventoryIncludedObjectVersionsAll), string(types.InventoryIncludedObjectVersionsCurrent)) != nil,
		n.oneOf("InventoryConfiguration", "IsEnabled", "true", "false") != nil,
		n.child("Schedule").oneOf("Schedule", "Frequency", string(types.InventoryFrequencyDaily), string(types.InventoryFrequencyWeekly)) != nil,
		id == "" || id != c.q.Get("id"),
		len(n.all("Filter")) > 0 && n.child("Filter").text("Prefix") == "":
		return errMalformed()
	case !inventoryID.MatchString(id):
		return errInvalid("Id", id, "The configuration's name has up to 64 letters, digits, dots, dashes and underscores") // the words are ours
	}
	for _, f := range n.child("OptionalFields").all("Field") {
		if !slices.Contains(optionalFields, strings.TrimSpace(f.Text)) {
			return errMalformed()
		}
	}
	return c.checkInventoryPlace(b, n.child("Destination").child("S3BucketDestination"))
}

// checkInventoryPlace checks where reports go. That AWS refuses ARNs with an account is in
// https://github.com/aws/aws-cli/issues/3611; whether the bucket has to exist is not said
// anywhere: unsure, it does not here, and a report that cannot be brought is none.
func (c *call) checkInventoryPlace(b bucketMeta, d *node) error {
	bad := func(text string) error { return fail(http.StatusBadRequest, "InvalidS3DestinationBucket", text) }
	a, ok := wire.ParseARN(d.text("Bucket"))
	format := types.InventoryFormat(d.text("Format"))
	switch {
	case !slices.Contains(format.Values(), format), d.text("Bucket") == "":
		return errMalformed()
	case !ok || a.Service != "s3" || strings.Contains(a.Resource, "/"):
		return bad("Invalid bucket ARN.") // the words are ours
	case a.AccountID != "" || a.Region != "":
		return bad("Bucket ARN should not specify a namespace.")
	case format != types.InventoryFormatCsv:
		return errUnserved(fmt.Sprintf("inventories in %s: it writes CSV, as no writer of that format is part of it", format))
	}
	if e := d.all("Encryption"); len(e) > 0 && len(e[0].all("SSE-S3"))+len(e[0].all("SSE-KMS")) != 1 || len(e) > 0 && len(e[0].all("SSE-KMS")) == 1 && e[0].child("SSE-KMS").text("KeyId") == "" {
		return errMalformed()
	}
	if to, err := c.s.bucket(a.Resource); err == nil && (to.Scope.Region != b.Scope.Region || to.Scope.Partition != b.Scope.Partition) {
		return bad("The destination bucket must be in the same AWS Region as the source bucket.") // the words are ours
	}
	return nil
}

// planOf reads a configuration that was checked.
func planOf(n *node) inventoryPlan {
	d := n.child("Destination").child("S3BucketDestination")
	a, _ := wire.ParseARN(d.text("Bucket"))
	p := inventoryPlan{
		id: n.text("Id"), prefix: n.child("Filter").text("Prefix"), enabled: n.text("IsEnabled") == "true", account: d.text("AccountId"), to: a.Resource,
		weekly: n.child("Schedule").text("Frequency") == string(types.InventoryFrequencyWeekly),
		all:    n.text("IncludedObjectVersions") == string(types.InventoryIncludedObjectVersionsAll), toPrefix: d.text("Prefix"),
	}
	if e := d.child("Encryption"); len(e.all("SSE-S3")) > 0 {
		p.sse = "AES256"
	} else if len(e.all("SSE-KMS")) > 0 {
		p.sse, p.key = "aws:kms", e.child("SSE-KMS").text("KeyId")
	}
	var asked []string
	for _, f := range n.child("OptionalFields").all("Field") {
		asked = append(asked, strings.TrimSpace(f.Text))
	}
	for _, f := range optionalFields {
		if slices.Contains(asked, f) {
			p.fields = append(p.fields, f)
		}
	}
	return p
}
