package s3

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

const xmlDecl = xml.Header

// setting is a bucket sub-resource that is one document.
type setting struct {
	// iam is the permission after s3:Get and s3:Put; deleting needs the latter.
	iam string
	// absent is what reading answers if nothing is set: an error code with its
	// text (404), or a document.
	absentCode, absentText string
	absentDoc              func(bucketMeta) string
	// check validates and normalises a document; nil refuses PUT.
	check func(*node) error
}

func emptyDoc(name string) func(bucketMeta) string {
	return func(bucketMeta) string { return xmlDecl + "<" + name + ` xmlns="` + namespace + `"/>` }
}

// settings lists the sub-resources by their query parameter. What the sandbox
// would have to act on but does not (website, replication, ...) can be read as
// absent and not be set.
var settings = map[string]setting{
	"accelerate": {iam: "AccelerateConfiguration", absentDoc: emptyDoc("AccelerateConfiguration"), check: checkAccelerate},
	"acl":        {iam: "BucketAcl", absentDoc: aclDocument},
	"cors": {
		iam: "BucketCORS", absentCode: "NoSuchCORSConfiguration", absentText: "The CORS configuration does not exist", check: checkCORS,
	},
	"encryption": {iam: "EncryptionConfiguration", absentDoc: defaultEncryption, check: checkEncryption},
	"lifecycle": {
		iam: "LifecycleConfiguration", absentCode: "NoSuchLifecycleConfiguration",
		absentText: "The lifecycle configuration does not exist", check: checkLifecycle,
	},
	"logging":      {iam: "BucketLogging", absentDoc: emptyDoc("BucketLoggingStatus"), check: checkEmpty("BucketLoggingStatus", "server access logging")},
	"notification": {iam: "BucketNotification", absentDoc: emptyDoc("NotificationConfiguration"), check: checkNotification},
	"object-lock": {
		iam: "BucketObjectLockConfiguration", absentCode: "ObjectLockConfigurationNotFoundError",
		absentText: "Object Lock configuration does not exist for this bucket",
	},
	"ownershipControls": {
		iam: "BucketOwnershipControls", absentCode: "OwnershipControlsNotFoundError",
		absentText: "The bucket ownership controls were not found", check: checkOwnership,
	},
	"policy": {iam: "BucketPolicy", absentCode: "NoSuchBucketPolicy", absentText: "The bucket policy does not exist"},
	"publicAccessBlock": {
		iam: "BucketPublicAccessBlock", absentCode: "NoSuchPublicAccessBlockConfiguration",
		absentText: "The public access block configuration was not found", check: checkPublicAccess,
	},
	"replication": {
		iam: "ReplicationConfiguration", absentCode: "ReplicationConfigurationNotFoundError",
		absentText: "The replication configuration was not found",
	},
	"requestPayment": {iam: "BucketRequestPayment", absentDoc: payment, check: checkPayment},
	"tagging":        {iam: "BucketTagging", absentCode: "NoSuchTagSet", absentText: "The TagSet does not exist", check: checkTagging},
	"versioning":     {iam: "BucketVersioning", absentDoc: emptyDoc("VersioningConfiguration"), check: checkVersioning},
	"website": {
		iam: "BucketWebsite", absentCode: "NoSuchWebsiteConfiguration",
		absentText: "The specified bucket does not have a website configuration",
	},
}

// settingOps are the operations on a setting, by their names in the model of the API.
// What cannot be set has no PUT.
func settingOps(name string, st setting) map[string]operation {
	ops := map[string]operation{}
	on := wire.On(onBucket)
	for _, op := range model.Of("s3").Operations {
		if op.URI != "/{Bucket}?"+name {
			continue
		}
		switch {
		case op.Method == http.MethodGet:
			ops[op.Name] = operation{func(c *call) error { return c.getSetting(name, st) }, on.Does("s3:Get" + st.iam)}
		case op.Method == http.MethodPut && (st.check != nil || name == "policy" || name == "acl"):
			ops[op.Name] = operation{func(c *call) error { return c.putSetting(name, st) }, on.Does("s3:Put" + st.iam)}
		case op.Method == http.MethodDelete:
			verb := "Put"
			if name == "policy" || name == "website" {
				verb = "Delete"
			}
			ops[op.Name] = operation{func(c *call) error { return c.deleteSetting(name) }, on.Does("s3:" + verb + st.iam)}
		}
	}
	return ops
}

// transitionSize is the header that goes with a lifecycle configuration.
const transitionSize = "X-Amz-Transition-Default-Minimum-Object-Size"

func (c *call) getSetting(name string, st setting) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	doc, ok := b.Settings[name]
	if !ok && st.absentDoc == nil {
		return fail(http.StatusNotFound, st.absentCode, st.absentText, "BucketName", c.bucket)
	}
	if !ok {
		doc = st.absentDoc(b)
	}
	c.w.Header().Set("Content-Type", "application/xml")
	switch name {
	case "policy":
		c.w.Header().Set("Content-Type", "application/json")
	case "lifecycle":
		c.w.Header().Set(transitionSize, b.Settings[transitionSize])
	}
	c.w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(c.w, doc)
	return nil
}

func (c *call) putSetting(name string, st setting) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	if name == "accelerate" && strings.Contains(c.bucket, ".") {
		return errRequest("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")
	}
	doc, status := string(raw), http.StatusOK
	switch name {
	case "policy":
		status = http.StatusNoContent
		err = c.checkPolicy(b, raw)
	case "acl":
		err = c.checkACL(raw)
	case "notification":
		doc, err = c.notification(b, raw)
	case "tagging": // of none there is no document then
		status = http.StatusNoContent
		doc, err = normalise(raw, st.check)
	default:
		doc, err = normalise(raw, st.check)
	}
	if err != nil {
		return err
	}
	size := c.h.Header.Get(transitionSize)
	if size == "" {
		size = "all_storage_classes_128K"
	}
	err = c.s.changeBucket(c.bucket, func(b *bucketMeta) error {
		switch name {
		case "acl": // only what is the case anyway is accepted
			return nil
		case "versioning":
			n, err := parseNode([]byte(doc))
			if err != nil {
				return err
			}
			b.Versioning = n.text("Status")
		case "notification":
			n, err := parseNode([]byte(doc))
			if err != nil {
				return err
			}
			b.Notify = nil
			if to := readNotifications(n); to.Bus || len(to.To) > 0 {
				b.Notify = &to
			}
		case "lifecycle":
			b.Settings[transitionSize] = size
			c.w.Header().Set(transitionSize, size)
		case "tagging":
			n, err := parseNode([]byte(doc))
			if err != nil {
				return err
			}
			if len(n.all("TagSet")[0].all("Tag")) == 0 {
				delete(b.Settings, name)
				return nil
			}
		}
		b.Settings[name] = doc
		return nil
	})
	if err != nil {
		return err
	}
	c.w.WriteHeader(status)
	return nil
}

func (c *call) deleteSetting(name string) error {
	err := c.s.changeBucket(c.bucket, func(b *bucketMeta) error {
		delete(b.Settings, name)
		if name == "lifecycle" {
			delete(b.Settings, transitionSize)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.noContent()
}

func (s *Service) changeBucket(name string, fn func(*bucketMeta) error) error {
	return s.commit(func(tx *store.Tx) error {
		b, err := getBucket(tx, name)
		if err != nil {
			return err
		}
		if b.Settings == nil {
			b.Settings = map[string]string{}
		}
		if err := fn(&b); err != nil {
			return err
		}
		return store.Put(tx, dbBuckets, name, b)
	})
}

// normalise parses, checks and rewrites a settings document.
func normalise(raw []byte, check func(*node) error) (string, error) {
	n, err := parseNode(raw)
	if err != nil {
		return "", err
	}
	if err := check(n); err != nil {
		return "", err
	}
	var b bytes.Buffer
	b.WriteString(xmlDecl)
	if err := xml.NewEncoder(&b).Encode(n); err != nil {
		return "", err
	}
	return b.String(), nil
}

func checkEmpty(root, what string) func(*node) error {
	return func(n *node) error {
		if n.XMLName.Local != root {
			return errMalformed()
		}
		if len(n.Nodes) > 0 {
			return errUnserved(what)
		}
		return nil
	}
}

func checkAccelerate(n *node) error {
	return n.oneOf("AccelerateConfiguration", "Status", enabled, suspended)
}

func checkVersioning(n *node) error {
	if n.text("MfaDelete") == enabled {
		return errUnserved("MFA delete")
	}
	return n.oneOf("VersioningConfiguration", "Status", enabled, suspended)
}

func payment(bucketMeta) string {
	return xmlDecl + `<RequestPaymentConfiguration xmlns="` + namespace + `"><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`
}

func checkPayment(n *node) error {
	if n.text("Payer") == "Requester" {
		return errUnserved("requester-pays buckets")
	}
	return n.oneOf("RequestPaymentConfiguration", "Payer", "BucketOwner")
}

func checkOwnership(n *node) error {
	rules := n.all("Rule")
	if n.XMLName.Local != "OwnershipControls" || len(rules) != 1 {
		return errMalformed()
	}
	return rules[0].oneOf("Rule", "ObjectOwnership", "BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
}

func checkPublicAccess(n *node) error {
	if n.XMLName.Local != "PublicAccessBlockConfiguration" {
		return errMalformed()
	}
	for _, name := range []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"} {
		switch strings.ToLower(n.text(name)) {
		case "true", "false":
		case "":
			n.set(name, "false")
		default:
			return errMalformed()
		}
	}
	return nil
}

// encryption is the default encryption of a bucket.
type encryption struct {
	algorithm, key string
	bucketKey      bool
}

// defaultEncryption is what S3 applies to every bucket since 2023.
func defaultEncryption(bucketMeta) string {
	return xmlDecl + `<ServerSideEncryptionConfiguration xmlns="` + namespace +
		`"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`
}

func (b bucketMeta) encryption() encryption {
	out := encryption{algorithm: "AES256"}
	n, err := parseNode([]byte(b.Settings["encryption"]))
	if err != nil {
		return out
	}
	for _, r := range n.all("Rule") {
		for _, d := range r.all("ApplyServerSideEncryptionByDefault") {
			out = encryption{d.text("SSEAlgorithm"), d.text("KMSMasterKeyID"), r.text("BucketKeyEnabled") == "true"}
		}
	}
	return out
}

func checkEncryption(n *node) error {
	rules := n.all("Rule")
	if n.XMLName.Local != "ServerSideEncryptionConfiguration" || len(rules) != 1 {
		return errMalformed()
	}
	if rules[0].text("BucketKeyEnabled") == "" {
		rules[0].set("BucketKeyEnabled", "false")
	}
	for _, d := range rules[0].all("ApplyServerSideEncryptionByDefault") {
		if err := d.oneOf("ApplyServerSideEncryptionByDefault", "SSEAlgorithm", "AES256", "aws:kms", "aws:kms:dsse"); err != nil {
			return err
		}
		if d.text("KMSMasterKeyID") != "" && d.text("SSEAlgorithm") == "AES256" {
			return errInvalid("ApplyServerSideEncryptionByDefault", d.text("KMSMasterKeyID"),
				"a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
		}
	}
	return nil
}

// checkLifecycle validates the shape of the rules and names those without an ID.
// The sandbox keeps the configuration; it does not expire objects by it.
func checkLifecycle(n *node) error {
	rules := n.all("Rule")
	if n.XMLName.Local != "LifecycleConfiguration" || len(rules) == 0 || len(rules) > 1000 {
		return errMalformed()
	}
	seen := map[string]bool{}
	for _, r := range rules {
		if err := r.oneOf("Rule", "Status", enabled, "Disabled"); err != nil {
			return err
		}
		if len(r.all("Filter"))+len(r.all("Prefix")) != 1 {
			return errMalformed()
		}
		id := r.text("ID")
		if id == "" {
			id = wire.NewID()
			r.set("ID", id)
		}
		if len(id) > 255 {
			return errInvalid("ID", id, "ID length should not exceed allowed limit of 255")
		}
		if seen[id] {
			return errInvalid("ID", id, "Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[id] = true
		if err := checkTransitions(r); err != nil {
			return err
		}
		for _, e := range r.all("Expiration") { // one of the three
			if len(e.all("Days"))+len(e.all("Date"))+len(e.all("ExpiredObjectDeleteMarker")) > 1 {
				return errMalformed()
			}
		}
		actions := 0
		for _, a := range []string{"Expiration", "Transition", "NoncurrentVersionExpiration", "NoncurrentVersionTransition", "AbortIncompleteMultipartUpload"} {
			actions += len(r.all(a))
		}
		if actions == 0 {
			return errRequest("At least one action needs to be specified in a rule")
		}
	}
	return nil
}

// checkTransitions wants of each transition when and to which class, and refuses what is
// too early for a class.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
func checkTransitions(rule *node) error {
	for _, t := range rule.all("Transition") {
		class := t.text("StorageClass")
		if class == "" || len(t.all("Days"))+len(t.all("Date")) != 1 {
			return errMalformed()
		}
		if days, err := strconv.Atoi(t.text("Days")); err == nil && days < 30 && (class == "STANDARD_IA" || class == "ONEZONE_IA") {
			return fail(http.StatusBadRequest, "InvalidArgument",
				"'Days' in Transition action must be greater than or equal to 30 for storageClass '"+class+"'", "ArgumentName", "Days", "ArgumentValue", t.text("Days"))
		}
	}
	for _, t := range rule.all("NoncurrentVersionTransition") {
		if t.text("StorageClass") == "" || t.text("NoncurrentDays") == "" {
			return errMalformed()
		}
	}
	return nil
}

func aclDocument(b bucketMeta) string {
	id := b.owner().ID
	return xmlDecl + `<AccessControlPolicy xmlns="` + namespace + `"><Owner><ID>` + id + `</ID></Owner><AccessControlList><Grant>` +
		`<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>` + id + `</ID></Grantee>` +
		`<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`
}

// checkACL accepts only the ACL that every bucket has: the owner's.
func (c *call) checkACL(raw []byte) error {
	if err := c.refuseUnserved(); err != nil {
		return err
	}
	if len(raw) == 0 {
		return nil
	}
	var in struct {
		Grants []struct {
			ID         string `xml:"Grantee>ID"`
			Permission string
		} `xml:"AccessControlList>Grant"`
	}
	if err := xml.Unmarshal(raw, &in); err != nil {
		return errMalformed()
	}
	if len(in.Grants) != 1 || in.Grants[0].Permission != "FULL_CONTROL" || in.Grants[0].ID != c.owner().ID {
		return errNoACLs()
	}
	return nil
}
