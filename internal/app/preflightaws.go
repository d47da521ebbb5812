package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	stsapi "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// asker asks AWS about a place. Its clients are made when they are first needed.
type asker struct {
	target *Target
	place  preflight.Place
	clock  clock.Clock

	once sync.Once
	cfg  aws.Config
	err  error
}

var _ preflight.Account = (*asker)(nil)

// config is that of the place, in a region of its own if one is given.
func (q *asker) config(ctx context.Context, region string) (aws.Config, error) {
	q.once.Do(func() { q.cfg, q.err = awscfg.Load(ctx, q.target.loadFor(q.place.Region, q.place.Role)) })
	cfg := q.cfg
	if region != "" {
		cfg.Region = region
	}
	return cfg, q.err
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func refused(err error) bool {
	c := code(err)
	return strings.HasPrefix(c, "AccessDenied") || c == "Forbidden"
}

// Who implements preflight.Account.
func (q *asker) Who(ctx context.Context) (preflight.Who, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return preflight.Who{}, err
	}
	out, err := stsapi.NewFromConfig(cfg).GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{})
	if err != nil {
		return preflight.Who{}, awscfg.Classify(err)
	}
	return preflight.Who{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), Skew: awscfg.SkewOf(out.ResultMetadata)}, nil
}

var sessionARN = lazyregexp.New(`^arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/`)

// asked is what one question to the simulator is about, besides resources.
type asked struct {
	action, passedTo, boundary string
	maybe                      bool
}

// Lacks implements preflight.Account by IAM's simulator, or where that may not be asked by
// calls that can change nothing.
func (q *asker) Lacks(ctx context.Context, who preflight.Who, needs []preflight.Need) ([]preflight.Lack, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return nil, err
	}
	lacks, err := simulated(ctx, cfg, who, q.place.Region, needs)
	if refused(err) {
		return q.dry(ctx, cfg, needs)
	}
	return lacks, err
}

func simulated(ctx context.Context, cfg aws.Config, who preflight.Who, region string, needs []preflight.Need) ([]preflight.Lack, error) {
	c := iam.NewFromConfig(cfg)
	source := who.ARN
	if m := sessionARN.FindStringSubmatch(source); m != nil { // policies are the role's, whose path the session does not tell
		out, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &m[3]})
		if err != nil {
			return nil, err
		}
		source = *out.Role.Arn
	}
	groups := map[asked][]string{}
	for _, n := range needs {
		k := asked{n.Action, n.PassedTo, n.Boundary, n.Maybe}
		groups[k] = append(groups[k], n.Resource)
	}
	var mu sync.Mutex
	var lacks []preflight.Lack
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for k, on := range groups {
		g.Go(func() error {
			some, err := simulate(ctx, c, source, region, k, on)
			mu.Lock()
			defer mu.Unlock()
			lacks = append(lacks, some...)
			return err
		})
	}
	return lacks, g.Wait()
}

// simulate asks whether an action is allowed on resources. A verdict for which keys of
// conditions were missing is one about a request without them, thus none about the up's.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
func simulate(ctx context.Context, c *iam.Client, source, region string, k asked, on []string) (lacks []preflight.Lack, err error) {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{k.action}, ResourceArns: on, ContextEntries: contextOf(k, region)}
	pages := iam.NewSimulatePrincipalPolicyPaginator(c, in)
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return lacks, err
		}
		for _, r := range out.EvaluationResults {
			for _, x := range perResource(r) {
				if x.decision == iamtypes.PolicyEvaluationDecisionTypeAllowed {
					continue
				}
				need := preflight.Need{Action: k.action, Resource: x.resource, PassedTo: k.passedTo, Boundary: k.boundary, Maybe: k.maybe}
				lacks = append(lacks, preflight.Lack{Need: need, Unknown: slices.DeleteFunc(x.missing, func(key string) bool { return absent(k, key) })})
			}
		}
	}
	return lacks, nil
}

const boundaryKey = "iam:PermissionsBoundary"

// contextOf is what is known of the request before it is made.
func contextOf(k asked, region string) []iamtypes.ContextEntry {
	if partition, _ := spec.Partition(region); partition == "aws" && strings.HasPrefix(k.action, "iam:") {
		region = "us-east-1" // where that partition's IAM is
	}
	var out []iamtypes.ContextEntry
	for _, x := range [][2]string{{"aws:RequestedRegion", region}, {"iam:PassedToService", k.passedTo}, {boundaryKey, k.boundary}} {
		if x[1] != "" {
			out = append(out, iamtypes.ContextEntry{ContextKeyName: aws.String(x[0]), ContextKeyType: iamtypes.ContextKeyTypeEnumString, ContextKeyValues: []string{x[1]}})
		}
	}
	return out
}

// absent tells whether the up's own request will not have a key either: a role without a
// boundary is made without one.
func absent(k asked, key string) bool {
	return k.action == "iam:CreateRole" && k.boundary == "" && strings.EqualFold(key, boundaryKey)
}

type verdict struct {
	resource string
	decision iamtypes.PolicyEvaluationDecisionType
	missing  []string
}

// perResource are the verdicts of an answer, which AWS gives for several resources as one
// with parts. Keys that are missing stand at the part or, for all of them, at the whole.
func perResource(r iamtypes.EvaluationResult) []verdict {
	if len(r.ResourceSpecificResults) == 0 {
		return []verdict{{aws.ToString(r.EvalResourceName), r.EvalDecision, r.MissingContextValues}}
	}
	out := make([]verdict, len(r.ResourceSpecificResults))
	for i, x := range r.ResourceSpecificResults {
		out[i] = verdict{aws.ToString(x.EvalResourceName), x.EvalResourceDecision, slices.Concat(r.MissingContextValues, x.MissingContextValues)}
	}
	return out
}

// MachineQuotas implements preflight.Account: quotas by their names, which are the same in
// all accounts.
func (q *asker) MachineQuotas(ctx context.Context, types []string) (map[string]int, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	pages := servicequotas.NewListServiceQuotasPaginator(servicequotas.NewFromConfig(cfg),
		&servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("sagemaker"), MaxResults: aws.Int32(100)})
	for pages.HasMorePages() && len(found) < len(types) {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, x := range out.Quotas {
			if of, ok := strings.CutSuffix(aws.ToString(x.QuotaName), " for endpoint usage"); ok && slices.Contains(types, of) {
				found[of] = int(aws.ToFloat64(x.Value))
			}
		}
	}
	return found, nil
}

// countRate is how many requests a second the count of machines may take, and countAtOnce how
// many at a time: the account's own programs describe endpoints as well, out of the same
// quota.
const (
	countRate   = 20
	countAtOnce = 4
)

// Machines implements preflight.Account.
func (q *asker) Machines(ctx context.Context) (map[string]int, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return nil, err
	}
	count := &counter{api: sagemaker.NewFromConfig(cfg), limit: rate.NewLimiter(countRate, countAtOnce), have: map[string]int{}}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(countAtOnce)
	pages := sagemaker.NewListEndpointsPaginator(count.api, &sagemaker.ListEndpointsInput{MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(inner)
		if err != nil {
			g.Go(func() error { return err }) // unless one of the others was first
			break
		}
		for _, e := range out.Endpoints {
			if e.EndpointStatus != "Failed" {
				g.Go(func() error { return count.add(inner, *e.EndpointName) })
			}
		}
	}
	err = g.Wait()
	return count.have, err
}

// counter counts the machines of endpoints, by types.
type counter struct {
	api   *sagemaker.Client
	limit *rate.Limiter

	mu   sync.Mutex // guards have
	have map[string]int
}

// add counts those of one endpoint. One that goes meanwhile has none; so has one whose
// configuration was deleted, which alone knows the types.
func (c *counter) add(ctx context.Context, endpoint string) error {
	if err := c.limit.Wait(ctx); err != nil {
		return err
	}
	e, err := c.api.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &endpoint})
	if err == nil {
		err = c.limit.Wait(ctx)
	}
	var config *sagemaker.DescribeEndpointConfigOutput
	if err == nil {
		config, err = c.api.DescribeEndpointConfig(ctx, &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: e.EndpointConfigName})
	}
	if code(err) == notFoundInSageMaker {
		return nil
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range config.ProductionVariants {
		have := aws.ToInt32(v.InitialInstanceCount)
		for _, now := range e.ProductionVariants {
			if aws.ToString(now.VariantName) == aws.ToString(v.VariantName) && now.CurrentInstanceCount != nil {
				have = *now.CurrentInstanceCount
			}
		}
		c.have[string(v.InstanceType)] += int(have)
	}
	return nil
}

// notFoundInSageMaker is the code of "Could not find endpoint" and its like.
const notFoundInSageMaker = "ValidationException"

// Roles implements preflight.Account.
func (q *asker) Roles(ctx context.Context) (preflight.Amount, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return preflight.Amount{}, err
	}
	out, err := iam.NewFromConfig(cfg).GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return preflight.Amount{}, err
	}
	return preflight.Amount{May: int(out.SummaryMap["RolesQuota"]), Has: int(out.SummaryMap["Roles"])}, nil
}

// bucketsPage is how many buckets are listed at once. Without a number AWS refuses to list them
// where an account may have more than 10,000. (AmazonS3/latest/API/API_ListBuckets.html)
const bucketsPage = 1000

// globalHome is the region of a partition where quotas of what is in no region are kept, as
// that of S3. Credentials of one partition are unknown in the others. Of those of which it is not
// known it is the pipelines' own.
// (servicequotas/latest/userguide/reference_limits.html)
func globalHome(region string) string {
	partition, _ := spec.Partition(region)
	switch partition {
	case "aws":
		return "us-east-1"
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	}
	return region
}

// Buckets implements preflight.Account.
func (q *asker) Buckets(ctx context.Context) (a preflight.Amount, err error) {
	home, err := q.config(ctx, globalHome(q.place.Region))
	if err != nil {
		return a, err
	}
	if a.May, err = quota(ctx, home, "s3", "L-DC2B2D3D"); err != nil {
		return a, err
	}
	pages := s3.NewListBucketsPaginator(artifacts.Client(home), &s3.ListBucketsInput{MaxBuckets: aws.Int32(bucketsPage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return a, err
		}
		a.Has += len(page.Buckets)
	}
	return a, nil
}

// quota is what the account has of a quota.
func quota(ctx context.Context, cfg aws.Config, service, code string) (int, error) {
	out, err := servicequotas.NewFromConfig(cfg).GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
	if err != nil {
		return 0, err
	}
	return int(aws.ToFloat64(out.Quota.Value)), nil
}

// Image implements preflight.Account: an image with a manifest for each platform tells
// which they are; of any other that is in a file of the image.
func (q *asker) Image(ctx context.Context, image string) (out preflight.Image, err error) {
	e, ok := program.ParseECRImage(image)
	if !ok {
		return out, fault.New(fault.Invalid, "%s is no image in ECR", image)
	}
	cfg, err := q.config(ctx, e.Region)
	if err != nil {
		return out, err
	}
	got, err := ecr.NewFromConfig(cfg).BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId: &e.Account, RepositoryName: &e.Repository, ImageIds: []ecrtypes.ImageIdentifier{imageID(e)},
	})
	switch {
	case code(err) == "RepositoryNotFoundException":
		return out, nil
	case refused(err) && e.Account != q.place.Account:
		out.State = preflight.Denied
		return out, nil
	case err != nil:
		return out, err
	case len(got.Images) == 0:
		return out, nil
	}
	out.State = preflight.Present
	var manifest struct {
		Manifests []struct {
			Platform struct{ Architecture string }
		}
	}
	if json.Unmarshal([]byte(aws.ToString(got.Images[0].ImageManifest)), &manifest) == nil {
		for _, x := range manifest.Manifests {
			if x.Platform.Architecture != "unknown" && x.Platform.Architecture != "" {
				out.Architectures = append(out.Architectures, x.Platform.Architecture)
			}
		}
	}
	return out, nil
}

// state is what an error tells of what was looked for.
func state(err error, missing ...string) (preflight.State, error) {
	if err == nil {
		return preflight.Present, nil
	}
	for _, c := range missing {
		if code(err) == c {
			return preflight.Absent, nil
		}
	}
	if refused(err) {
		return preflight.Denied, nil
	}
	return preflight.Absent, err
}

// Object implements preflight.Account. What ends with a slash is a folder, of which one object
// stands for all.
func (q *asker) Object(ctx context.Context, url string) (out preflight.Object, err error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return out, err
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	c := artifacts.Client(cfg)
	if key == "" || strings.HasSuffix(key, "/") {
		list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &key, MaxKeys: aws.Int32(1)})
		if out.State, err = state(err, "NoSuchBucket", "NotFound"); err != nil || out.State != preflight.Present {
			return out, err
		}
		if len(list.Contents) == 0 {
			return preflight.Object{}, nil
		}
		key = *list.Contents[0].Key
	}
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if out.State, err = state(err, "NotFound", "NoSuchKey", "NoSuchBucket"); err != nil || out.State != preflight.Present {
		return out, err
	}
	out.Key = aws.ToString(head.SSEKMSKeyId)
	_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: &q.place.Account})
	out.Elsewhere = refused(err)
	return out, nil
}

// Key implements preflight.Account.
func (q *asker) Key(ctx context.Context, key string) (string, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return "", err
	}
	out, err := kms.NewFromConfig(cfg).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	switch {
	case code(err) == "NotFoundException":
		return "there is none", nil
	case err != nil:
		return "", err
	case !out.KeyMetadata.Enabled:
		return "its state is " + string(out.KeyMetadata.KeyState), nil
	}
	return "", nil
}
