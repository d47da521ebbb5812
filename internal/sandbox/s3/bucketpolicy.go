package s3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxPolicy is the size limit of a bucket policy.
const maxPolicy = 20 << 10

// policyDoc is as much of a policy as its validation needs.
type policyDoc struct {
	Version   string
	Statement oneOrMore[policyStatement]
}

type policyStatement struct {
	Effect                  string
	Principal, NotPrincipal json.RawMessage
	Action, NotAction       oneOrMore[string]
	Resource, NotResource   oneOrMore[string]
	Condition               json.RawMessage
}

// oneOrMore reads a JSON value or a list of such values.
type oneOrMore[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return json.Unmarshal(raw, (*[]T)(o))
	}
	var one T
	err := json.Unmarshal(raw, &one)
	*o = []T{one}
	return err
}

func errPolicy(format string, args ...any) error {
	return fail(http.StatusBadRequest, "MalformedPolicy", fmt.Sprintf(format, args...))
}

func (c *call) checkPolicy(b bucketMeta, raw []byte) error {
	var doc policyDoc
	if err := json.Unmarshal(raw, &doc); err != nil {
		return errPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	switch {
	case len(raw) > maxPolicy:
		return fail(http.StatusBadRequest, "PolicyTooLarge", "Policy exceeds the maximum allowed document size.")
	case doc.Version != "" && doc.Version != "2012-10-17" && doc.Version != "2008-10-17":
		return errPolicy("The policy must contain a valid version string")
	case len(doc.Statement) == 0:
		return errPolicy("Missing required field Statement")
	}
	for _, st := range doc.Statement {
		if err := st.check(bucketARN(b.Scope, b.Name)); err != nil {
			return err
		}
	}
	if c.public(doc) && b.blocks("BlockPublicPolicy") {
		return fail(http.StatusForbidden, "AccessDenied", "User: "+c.req.Principal.ARN+` is not authorized to perform: s3:PutBucketPolicy on resource: "`+bucketARN(b.Scope, b.Name)+
			`" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`)
	}
	return nil
}

func (st policyStatement) check(arn string) error {
	switch {
	case st.Effect != "Allow" && st.Effect != "Deny":
		return errPolicy("Invalid effect: %s", st.Effect)
	case st.Principal == nil && st.NotPrincipal == nil:
		return errPolicy("Missing required field Principal")
	case len(st.Action)+len(st.NotAction) == 0:
		return errPolicy("Missing required field Action")
	case len(st.Resource)+len(st.NotResource) == 0:
		return errPolicy("Missing required field Resource")
	}
	for _, a := range append(slices.Clone(st.Action), st.NotAction...) {
		if a != "*" && !strings.HasPrefix(strings.ToLower(a), "s3:") {
			return errPolicy("Policy has invalid action")
		}
	}
	for _, r := range append(slices.Clone(st.Resource), st.NotResource...) {
		if r != arn && !strings.HasPrefix(r, arn+"/") && r != arn+"*" {
			return errPolicy("Policy has invalid resource")
		}
	}
	return nil
}

// public tells a policy that opens the bucket to everyone: an unconditional
// Allow for all principals.
func (c *call) public(doc policyDoc) bool {
	for _, st := range doc.Statement {
		p := strings.Join(strings.Fields(string(st.Principal)), "")
		everyone := p == `"*"` || p == `{"AWS":"*"}` || p == `{"AWS":["*"]}`
		if st.Effect == "Allow" && (everyone || st.NotPrincipal != nil) && (len(st.Condition) == 0 || string(st.Condition) == "{}") {
			return true
		}
	}
	return false
}

// blocks reads one of the four switches of the public access block.
func (b bucketMeta) blocks(name string) bool {
	n, err := parseNode([]byte(b.Settings["publicAccessBlock"]))
	return err == nil && strings.EqualFold(n.text(name), "true")
}

func (c *call) getPolicyStatus() error {
	b, err := c.open()
	if err != nil {
		return err
	}
	raw, ok := b.Settings["policy"]
	if !ok {
		return fail(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist", "BucketName", c.bucket)
	}
	var doc policyDoc
	if err := json.Unmarshal([]byte(raw), &doc); err != nil {
		return err
	}
	return c.xml(http.StatusOK, struct {
		XMLName  struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PolicyStatus"`
		IsPublic bool
	}{IsPublic: c.public(doc)})
}
