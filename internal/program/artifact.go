package program

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// modelData is where the model's weights are, or will be.
type modelData struct {
	// url is what SageMaker is told: s3://bucket/key, or https.
	url string
	// bucket and key say the same to IAM. key ends in "/" for a prefix.
	bucket, key string
	// local is the file to upload, "" if the data is in S3 already; sum is its digest.
	local, sum string
	// identity stands for the content of data that is in S3 already, "" if it is not
	// known. A local file has its content in its key.
	identity string
}

// prefix tells that the data is many objects, not one tar.gz.
func (m *modelData) prefix() bool { return strings.HasSuffix(m.key, "/") }

// gzipMagic begins every gzip file. (RFC 1952, 2.3.1)
const gzipMagic = "\x1f\x8b"

// readModelData finds the model's weights. A local file gets a name made from
// its content, so that a new model is a new object, a new SageMaker model and an
// update of the endpoint: nothing that is in use is ever overwritten, and the
// old one is there until the new one serves.
func (p *plan) readModelData() (*modelData, error) {
	const parameter = "modelDataUrl"
	local := p.pipe.Files[parameter]
	if local == "" {
		raw := p.text(parameter)
		if raw == "" {
			return nil, nil // the image holds its model
		}
		m, err := parseModelURL(parameter, raw)
		if err == nil {
			m.identity = p.env.Objects[parameter]
		}
		return m, err
	}
	sum, err := hashModel(parameter, local)
	if err != nil {
		return nil, err
	}
	if !p.has("storage") {
		return nil, fault.New(fault.Invalid, "%s is a local file, but the template has no block \"storage\" to upload it to", parameter).
			WithHint("Give %s as an s3:// URL, or add \"storage\" to the blocks in template.yaml.", parameter)
	}
	key := modelKey(sum)
	return &modelData{
		url: "s3://" + p.names.Bucket + "/" + key, bucket: p.names.Bucket, key: key, local: local, sum: sum,
	}, nil
}

// modelPrefix and modelSuffix are around the digits of a model's key; modelKeys are those of
// all models, in a policy.
const (
	modelPrefix = artifactPrefix + "model-"
	modelSuffix = ".tar.gz"
	modelKeys   = modelPrefix + "*" + modelSuffix
)

// modelKey is where a model of this content is kept.
func modelKey(sum string) string { return modelPrefix + sum[:12] + modelSuffix }

// S3Reference is what a parameter names in S3: an object, or all below a key that
// ends in "/".
type S3Reference struct{ Parameter, Bucket, Key string }

// S3References returns what a pipeline takes from S3 that the tool has not put there
// itself. What lies there may be overwritten at any time: Env.Objects tells the
// program what it is now. URLs that can't be read are left to Pipeline to refuse.
func S3References(p *spec.Pipeline, t *spec.Template) []S3Reference {
	var refs []S3Reference
	for _, param := range t.Parameters {
		raw := p.Parameters.String(param.Name)
		if param.Type != spec.TypePath || raw == "" || p.Files[param.Name] != "" {
			continue
		}
		if m, err := parseModelURL(param.Name, raw); err == nil {
			refs = append(refs, S3Reference{Parameter: param.Name, Bucket: m.bucket, Key: m.key})
		}
	}
	return refs
}

// hashModel reads the whole file, and so finds out that it can be read.
func hashModel(parameter, file string) (sum string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", unreadable(parameter, file, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return "", unreadable(parameter, file, err)
	}
	if info.IsDir() {
		return "", fault.New(fault.Invalid, "%s: %s is a folder", parameter, file).
			WithHint("Pack it: tar -czf model.tar.gz -C %s .", file)
	}
	head := make([]byte, len(gzipMagic))
	if _, err := io.ReadFull(f, head); err != nil || string(head) != gzipMagic {
		return "", fault.New(fault.Invalid, "%s: %s is not a tar.gz file", parameter, file).
			WithHint("Pack the model: tar -czf model.tar.gz -C FOLDER .")
	}
	if sum, err = ofFiles.of(f, head); err != nil {
		return "", unreadable(parameter, file, err)
	}
	return sum, nil
}

// s3Host matches the host names of S3 in a URL: bucket first, or in the path.
// (AmazonS3/latest/userguide/VirtualHosting.html)
var s3Host = lazyregexp.New(`^(?:(.+)\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?$`)

// parseModelURL splits an s3:// or https:// URL into bucket and key, which the
// role's policy has to name.
func parseModelURL(parameter, raw string) (*modelData, error) {
	bad := func(why string) error {
		return fault.New(fault.Invalid, "%s %q %s", parameter, raw, why).
			WithHint("Write it as s3://bucket/path/model.tar.gz, or s3://bucket/folder/ for a folder.")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, bad("is not a URL")
	}
	m := &modelData{url: raw}
	key := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "s3":
		m.bucket, m.key = u.Host, key
	case "https":
		host := s3Host.FindStringSubmatch(u.Host)
		if host == nil {
			return nil, bad("is not an address of S3")
		}
		if m.bucket, m.key = host[1], key; m.bucket == "" {
			m.bucket, m.key, _ = strings.Cut(key, "/")
		}
	default:
		return nil, bad("is neither an s3:// nor an https:// URL")
	}
	if m.bucket == "" || m.key == "" {
		return nil, bad("names no object")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, bad("has more than bucket and key")
	}
	return m, nil
}

// arn is the ARN of the object, or of the bucket with another key.
func (p *plan) s3ARN(bucket, key string) string {
	arn := "arn:" + p.env.Partition + ":s3:::" + bucket
	if key != "" {
		arn += "/" + key
	}
	return arn
}

// modelDataGrants let SageMaker read the model. Of models that were uploaded it is those of
// the other revisions too: while the new one takes over, instances of the old one may have to
// be launched again, and without the right to read its model a rolling deployment cannot be
// turned back. (sagemaker/latest/dg/deployment-guardrails-rolling.html)
func (p *plan) modelDataGrants() []statement {
	m := p.model
	if m == nil {
		return nil
	}
	var grants []statement
	object := p.s3ARN(m.bucket, m.key)
	switch {
	case m.local != "":
		object = p.s3ARN(m.bucket, modelKeys)
	case m.prefix():
		object += "*"
	}
	if m.local == "" {
		// Whoever keeps the data may have S3 encrypt them under a key of their own. S3 binds
		// what it encrypts to the object, or with a bucket key to the bucket: this opens
		// nothing else. (AmazonS3/latest/userguide/UsingKMSEncryption.html, bucket-key.html)
		grants = append(grants, allow("ModelKey", oneOrMany{"kms:Decrypt"}, oneOrMany{"arn:" + p.env.Partition + ":kms:" + p.pipe.Region + ":*:key/*"}).
			when("StringLike", objectContext, object, p.s3ARN(m.bucket, "")))
	}
	if !m.prefix() {
		return append(grants, allow("ModelArtifact", oneOrMany{"s3:GetObject"}, oneOrMany{object}))
	}
	return append(
		grants,
		allow("ModelPrefixList", oneOrMany{"s3:ListBucket"}, oneOrMany{p.s3ARN(m.bucket, "")}).
			when("StringLike", "s3:prefix", m.key+"*", m.key),
		allow("ModelPrefix", oneOrMany{"s3:GetObject"}, oneOrMany{object}),
	)
}

// objectContext is the condition key that says what S3 has encrypted.
const objectContext = "kms:EncryptionContext:aws:s3:arn"

// ecrImage is (AmazonECR/latest/userguide/Registries.html) account, region, repository, tag
// and digest.
var ecrImage = lazyregexp.New(`^(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?::([^@]*))?(?:@(.*))?$`)

// ECRImage is where an image in ECR is. Tag and Digest are "" where none is named.
type ECRImage struct{ Account, Region, Repository, Tag, Digest string }

// ParseECRImage takes an image's name apart; ok is false for one that is not in ECR.
func ParseECRImage(image string) (e ECRImage, ok bool) {
	m := ecrImage.FindStringSubmatch(image)
	if m == nil {
		return e, false
	}
	return ECRImage{m[1], m[2], m[3], m[4], m[5]}, true
}

// imageDigest is the digest of the model's image: its own, or what its tag stands for; "" if
// that is not known, or the image is not in ECR.
func (p *plan) imageDigest() string {
	e, ok := ParseECRImage(p.text("image"))
	if !ok {
		return ""
	}
	return cmp.Or(e.Digest, p.env.ImageDigest)
}

// imageGrants let SageMaker pull exactly the image's repository, if it is in
// ECR. Any other image needs no right of ours.
func (p *plan) imageGrants(image string) []statement {
	e, ok := ParseECRImage(image)
	if !ok {
		return nil
	}
	repository := fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s", p.env.Partition, e.Region, e.Account, e.Repository)
	return []statement{
		allow("EcrLogin", oneOrMany{"ecr:GetAuthorizationToken"}, anything),
		allow("EcrPull", oneOrMany{"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}, oneOrMany{repository}),
	}
}
