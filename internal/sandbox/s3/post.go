package s3

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Uploads by a form, as a browser does them that was handed the fields. Who signed
// them was found out before (iam); what the policy in them demands is checked here.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html

// postForm is what a form says.
type postForm struct {
	fields   map[string]string // by their names in lower case
	least    int64             // of the file, in bytes
	most     int64
	filename string
}

// postObject puts the file of a form.
func (c *call) postObject() error {
	if err := c.readPost(); err != nil {
		return err
	}
	if err := c.postHeaders(); err != nil {
		return err
	}
	actions := []string{"s3:PutObject"}
	if c.h.Header.Get("X-Amz-Tagging") != "" {
		actions = append(actions, "s3:PutObjectTagging")
	}
	for _, action := range actions {
		if err := c.req.May(c.ctx(), action, objectARN(c.req.Scope, c.bucket, c.key), writeKeys(c.req, nil)); err != nil {
			return err
		}
	}
	v, err := c.write()
	if err != nil {
		return err
	}
	c.written(v)
	return c.posted(v)
}

func (c *call) readPost() error {
	m := c.h.MultipartForm
	if m == nil || len(m.File["file"]) == 0 {
		return fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "Condition",
			"Bucket POST must be of the enclosure-type multipart/form-data")
	}
	f := &postForm{fields: map[string]string{}, most: maxPut, filename: m.File["file"][0].Filename}
	for name, values := range m.Value {
		f.fields[name] = strings.Join(values, ",")
	}
	key, ok := f.fields["key"]
	if !ok || key == "" {
		return errInvalid("key", "", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	c.form = f
	if err := f.check(c.bucket, c.s.Clock.Now()); err != nil {
		return err
	}
	c.key = strings.ReplaceAll(key, "${filename}", f.filename)
	return c.checkKey()
}

// postPolicy is the document that was signed.
type postPolicy struct {
	Expiration string            `json:"expiration"`
	Conditions []json.RawMessage `json:"conditions"`
}

// check holds the form against its policy: each condition, and no field that none
// is about.
func (f *postForm) check(bucket string, now time.Time) error {
	var p postPolicy
	raw, err := base64.StdEncoding.DecodeString(f.fields["policy"])
	if err != nil || json.Unmarshal(raw, &p) != nil {
		return errPolicyDocument("Invalid JSON.")
	}
	expires, err := time.Parse(time.RFC3339, p.Expiration)
	if err != nil {
		return errPolicyDocument("Invalid 'expiration' value: '" + p.Expiration + "'")
	}
	if !now.Before(expires) {
		return errByPolicy("Policy expired.")
	}
	if p.Conditions == nil {
		return errPolicyDocument("Policy missing conditions.")
	}
	// What carries the policy itself needs no condition; the bucket may have one.
	free := []string{"policy", "signature", "awsaccesskeyid", "x-amz-signature", "bucket"}
	for _, raw := range p.Conditions {
		name, err := f.condition(raw, bucket)
		if err != nil {
			return err
		}
		free = append(free, name)
	}
	for name := range f.fields {
		if !slices.Contains(free, name) && !strings.HasPrefix(name, "x-ignore-") {
			return errByPolicy("Extra input fields: " + name)
		}
	}
	return nil
}

// condition checks one condition and returns the field that it is about.
func (f *postForm) condition(raw json.RawMessage, bucket string) (string, error) {
	var exact map[string]string
	if json.Unmarshal(raw, &exact) == nil && len(exact) == 1 {
		for name, want := range exact {
			return f.match("eq", "$"+name, want, bucket)
		}
	}
	var parts []any
	if json.Unmarshal(raw, &parts) != nil || len(parts) != 3 {
		return "", errPolicyDocument("Invalid Condition: " + string(raw))
	}
	kind, _ := parts[0].(string)
	if strings.EqualFold(kind, "content-length-range") {
		least, ok1 := parts[1].(float64)
		most, ok2 := parts[2].(float64)
		if !ok1 || !ok2 || least < 0 || most > math.MaxInt64/2 {
			return "", errPolicyDocument("Invalid Condition: " + string(raw))
		}
		f.least, f.most = max(f.least, int64(least)), min(f.most, int64(most))
		return "", nil
	}
	name, ok1 := parts[1].(string)
	want, ok2 := parts[2].(string)
	if !ok1 || !ok2 || !strings.HasPrefix(name, "$") {
		return "", errPolicyDocument("Invalid Condition: " + string(raw))
	}
	return f.match(strings.ToLower(kind), name, want, bucket)
}

func (f *postForm) match(kind, name, want, bucket string) (string, error) {
	field := strings.ToLower(strings.TrimPrefix(name, "$"))
	got := f.fields[field]
	if field == "bucket" {
		got = bucket
	}
	var holds bool
	switch kind {
	case "eq":
		holds = got == want
	case "starts-with":
		holds = strings.HasPrefix(got, want)
	default:
		return "", errPolicyDocument("Invalid Condition: unknown operation '" + kind + "'.")
	}
	if !holds {
		return "", errByPolicy(fmt.Sprintf("Policy Condition failed: [%q, %q, %q]", kind, name, want))
	}
	return field, nil
}

// postHeaders turns the fields into the headers that an upload by PUT has.
func (c *call) postHeaders() error {
	h := http.Header{}
	for name, value := range c.form.fields {
		switch {
		case name == "acl":
			h.Set("X-Amz-Acl", value)
		case name == "tagging":
			n, err := parseTagging(value)
			if err != nil {
				return err
			}
			h.Set("X-Amz-Tagging", n)
		case strings.HasPrefix(name, "x-amz-") && !slices.Contains([]string{"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token"}, name),
			slices.Contains([]string{"content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"}, name):
			h.Set(name, value)
		}
	}
	c.h.Header = h
	return nil
}

// parseTagging turns the document of a form into what the header has.
func parseTagging(text string) (string, error) {
	var doc struct {
		Tags []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if xml.Unmarshal([]byte(text), &doc) != nil {
		return "", errMalformed()
	}
	q := url.Values{}
	for _, t := range doc.Tags {
		q.Add(t.Key, t.Value)
	}
	return q.Encode(), nil
}

// receiveForm stores the file, whose length shows at its end only.
func (c *call) receiveForm(d *digest) (segment, error) {
	seg, err := c.s.blobs.write(io.LimitReader(c.h.Body, c.form.most+1), d)
	switch {
	case err != nil:
		return seg, err
	case seg.Size > c.form.most:
		err = fail(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", "ProposedSize", fmt.Sprint(seg.Size),
			"MaxSizeAllowed", fmt.Sprint(c.form.most))
	case seg.Size < c.form.least:
		err = fail(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", "ProposedSize",
			fmt.Sprint(seg.Size), "MinSizeAllowed", fmt.Sprint(c.form.least))
	default:
		err = d.verify(c.h.Header, nil)
	}
	if err != nil {
		c.s.blobs.remove([]segment{seg})
	}
	return seg, err
}

// posted answers as the form asks for.
func (c *call) posted(v *version) error {
	scheme := "http"
	if c.h.TLS != nil {
		scheme = "https"
	}
	at := (&url.URL{Scheme: scheme, Host: c.h.Host, Path: "/" + c.bucket + "/" + c.key}).String()
	for _, name := range []string{"success_action_redirect", "redirect"} {
		to, err := url.Parse(c.form.fields[name])
		if err != nil || to.Scheme == "" {
			continue
		}
		q := to.Query()
		q.Set("bucket", c.bucket)
		q.Set("key", c.key)
		q.Set("etag", quote(v.ETag))
		to.RawQuery = q.Encode()
		c.w.Header().Set("Location", to.String())
		c.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	c.w.Header().Set("Location", at)
	switch c.form.fields["success_action_status"] {
	case "200":
		c.w.WriteHeader(http.StatusOK)
	case "201":
		return c.xml(http.StatusCreated, struct {
			XMLName                     xml.Name `xml:"PostResponse"`
			Location, Bucket, Key, ETag string
		}{Location: at, Bucket: c.bucket, Key: c.key, ETag: quote(v.ETag)})
	default:
		c.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

func errByPolicy(why string) error {
	return fail(http.StatusForbidden, "AccessDenied", "Invalid according to Policy: "+why)
}

func errPolicyDocument(why string) error {
	return fail(http.StatusBadRequest, "InvalidPolicyDocument", "Invalid Policy: "+why)
}
