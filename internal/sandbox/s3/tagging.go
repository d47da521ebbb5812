package s3

import (
	"encoding/xml"
	"net/http"
	"net/url"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// What S3 demands of tags, by
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html.
var (
	objectTags = tagRules(10, "Object tags cannot be greater than 10", "Your TagKey cannot be prefixed with aws:")
	bucketTags = tagRules(50, "Bucket tag count cannot be greater than 50", "System tags cannot be added/updated by requester")
)

func tagRules(most int, tooMany, reserved string) tags.Rules {
	refusal := func(text string, fields ...string) *wire.Error {
		return fail(http.StatusBadRequest, "InvalidTag", text, fields...)
	}
	return tags.Rules{
		Max: most, TooMany: fail(http.StatusBadRequest, "BadRequest", tooMany),
		Key:       refusal("The TagKey you have provided is invalid", "TagKey", "{key}"),
		Value:     refusal("The TagValue you have provided is invalid", "TagKey", "{key}", "TagValue", "{value}"),
		Reserved:  refusal(reserved),
		Duplicate: refusal("Cannot provide multiple Tags with the same key", "TagKey", "{key}"),
	}
}

func checkTags(list []tag, rules tags.Rules) error {
	_, err := rules.Add(nil, tags.Of(list, func(t tag) (key, value *string) { return &t.Key, &t.Value }))
	return err
}

// headerTags reads the x-amz-tagging header: tags as a URL query.
func headerTags(h string) ([]tag, error) {
	if h == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(h)
	if err != nil {
		return nil, errInvalid("x-amz-tagging", h, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var list []tag
	for k, v := range q {
		for _, x := range v {
			list = append(list, tag{k, x})
		}
	}
	return sortTags(list), checkTags(list, objectTags)
}

// checkTagging validates a bucket's tags.
func checkTagging(n *node) error {
	if n.XMLName.Local != "Tagging" || len(n.all("TagSet")) != 1 {
		return errMalformed()
	}
	var list []tag
	for _, t := range n.all("TagSet")[0].all("Tag") {
		list = append(list, tag{t.text("Key"), t.text("Value")})
	}
	return checkTags(list, bucketTags)
}

type taggingXML struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

func tagDocument(list []tag, rules tags.Rules) (string, error) {
	if err := checkTags(list, rules); err != nil {
		return "", err
	}
	raw, err := xml.Marshal(struct {
		XMLName struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
		TagSet  struct{ Tag []tag }
	}{TagSet: struct{ Tag []tag }{list}})
	return xmlDecl + string(raw), err
}

func (c *call) getObjectTagging() error {
	v, err := c.lookup()
	if err != nil {
		return err
	}
	doc, err := tagDocument(v.Tags, objectTags)
	if err != nil {
		return err
	}
	if v.ID != nullID {
		c.w.Header().Set("X-Amz-Version-Id", v.ID)
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(doc))
	return nil
}

func (c *call) putObjectTagging() error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in taggingXML
	if err := xml.Unmarshal(raw, &in); err != nil {
		return errMalformed()
	}
	if err := checkTags(in.Tags, objectTags); err != nil {
		return err
	}
	if err := c.setTags(append([]tag{}, in.Tags...)); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) deleteObjectTagging() error {
	if err := c.setTags(nil); err != nil {
		return err
	}
	return c.noContent()
}

func (c *call) setTags(tags []tag) error {
	v, err := c.lookup()
	if err != nil {
		return err
	}
	if v.ID != nullID {
		c.w.Header().Set("X-Amz-Version-Id", v.ID)
	}
	why := cause{"ObjectTagging:Put", "", c.req}
	if tags == nil {
		why.event = "ObjectTagging:Delete"
	}
	var tickets []courier.Ticket
	err = c.s.commit(func(tx *store.Tx) error {
		b, err := getBucket(tx, c.bucket)
		if err != nil {
			return err
		}
		cur, err := byID(tx, c.bucket, c.key, v.ID)
		if err != nil {
			return err
		}
		if cur == nil || cur.Seq != v.Seq {
			return errNoSuchKey(c.key)
		}
		cur.Tags = tags
		if tickets, err = c.s.notices(tx, b, cur, why); err != nil {
			return err
		}
		return store.Put(tx, dbVersions, cur.dbKey(), cur)
	})
	if err == nil {
		c.s.courier.Begin(tickets...)
	}
	return err
}

func (c *call) getObjectACL() error {
	if _, err := c.lookup(); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(aclDocument(c.bucketMeta())))
	return nil
}

func (c *call) putObjectACL() error {
	if _, err := c.lookup(); err != nil {
		return err
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	if err := c.checkACL(raw); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}
