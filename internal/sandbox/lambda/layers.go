package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Buckets of layers.
const (
	dbLayers        = "lambda.layers"        // scope's key of the name
	dbLayerVersions = "lambda.layerversions" // layer's key NUL number, ten digits
)

// layer remembers how many versions of a layer there ever were: numbers of deleted ones
// do not come again.
type layer struct {
	Name      string
	Published int64
}

// layerVersion is a version of a layer. It never changes but for its policy.
type layerVersion struct {
	Scope                wire.Scope
	Name                 string
	Number               int64
	Description, License string
	Runtimes             []types.Runtime
	Architectures        []types.Architecture
	Package, Sum         string
	Size                 int64
	Created              string
	Policy               resourcePolicy
}

// layerRef names a layer and, maybe, a version of it.
type layerRef struct {
	scope  wire.Scope
	name   string
	number int64
}

func (l layerRef) key() string  { return l.scope.Key(l.name) }
func (l layerRef) list() string { return l.key() + "\x00" }
func (l layerRef) item() string { return l.list() + layerNumber(l.number) }

func layerNumber(n int64) string {
	text := strconv.FormatInt(n, 10)
	return strings.Repeat("0", max(0, 10-len(text))) + text
}

// arn is the layer's ARN, with the version if there is one.
func (l layerRef) arn() string {
	out := l.scope.ARN("lambda", "layer:"+l.name)
	if l.number > 0 {
		out += ":" + strconv.FormatInt(l.number, 10)
	}
	return out
}

func (v layerVersion) ref() layerRef { return layerRef{v.Scope, v.Name, v.Number} }

var layerName = lazyregexp.New(`^[a-zA-Z0-9_-]{1,64}$`)

// parseLayer reads a layer's name or ARN, of a version too.
func parseLayer(sc wire.Scope, text string) (layerRef, bool) {
	l := layerRef{scope: sc, name: text}
	if wire.MeansARN(text) {
		a, ok := wire.ParseARN(text)
		parts := strings.Split(a.Resource, ":")
		if !ok || a.Service != "lambda" || len(parts) < 2 || len(parts) > 3 || parts[0] != "layer" {
			return l, false
		}
		l.scope, l.name = wire.ScopeOfARN(a), parts[1]
		if len(parts) == 3 {
			n, err := strconv.ParseInt(parts[2], 10, 64)
			if err != nil {
				return l, false
			}
			l.number = n
		}
	}
	return l, layerName.MatchString(l.name)
}

func (s *Service) registerLayers(r *wire.Router) {
	on := func(req *wire.Request, in wire.Input) []string {
		l, ok := parseLayer(req.Scope, cmp.Or(in.Text("LayerName"), in.Text("Arn")))
		if !ok {
			return nil
		}
		if n, err := strconv.ParseInt(in.Text("VersionNumber"), 10, 64); err == nil {
			l.number = n
		}
		return []string{l.arn()}
	}
	layer := wire.On(on)
	wire.Handle(r, "lambda", "PublishLayerVersion", s.publishLayer, layer)
	wire.Handle(r, "lambda", "GetLayerVersion", s.getLayer, layer)
	wire.Handle(r, "lambda", "GetLayerVersionByArn", s.getLayerByARN, layer.Does("lambda:GetLayerVersion"))
	wire.Handle(r, "lambda", "ListLayerVersions", s.listLayerVersions, wire.Access{})
	wire.Handle(r, "lambda", "ListLayers", s.listLayers, wire.Access{})
	wire.Handle(r, "lambda", "DeleteLayerVersion", s.deleteLayer, layer)
	wire.Handle(r, "lambda", "AddLayerVersionPermission", s.addLayerPermission, layer)
	wire.Handle(r, "lambda", "GetLayerVersionPolicy", s.getLayerPolicy, layer)
	wire.Handle(r, "lambda", "RemoveLayerVersionPermission", s.removeLayerPermission, layer)
}

// The texts are recordings of AWS (https://github.com/localstack/localstack,
// test_lambda_api.snapshot.json, TestLambdaLayer).
func errNoSuch() error { return errNotFound("The resource you requested does not exist.") }

func errNoLayer(l layerRef) error { return errNotFound("Layer version %s does not exist.", l.arn()) }

// refLayer is the version that a request names.
func refLayer(sc wire.Scope, name *string, number *int64) (layerRef, error) {
	l, ok := parseLayer(sc, aws.ToString(name))
	switch {
	case !ok || l.number != 0: // the version is given apart
		return l, errConstraint(aws.ToString(name), "layerName",
			`Member must satisfy regular expression pattern: (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`)
	case l.elsewhere(sc):
		return l, errNoSuch()
	case number != nil && *number < 1:
		return l, errInvalid("Layer Version Cannot be less than 1")
	case number != nil:
		l.number = *number
	}
	return l, nil
}

// elsewhere reports whether a layer is of another region: each region knows its own.
func (l layerRef) elsewhere(sc wire.Scope) bool {
	return l.scope.Region != sc.Region || l.scope.Partition != sc.Partition
}

// ownLayer is refLayer for what changes a layer, which only its account can.
func ownLayer(sc wire.Scope, name *string, number *int64) (layerRef, error) {
	l, err := refLayer(sc, name, number)
	if err == nil && l.scope != sc {
		err = errNoSuch()
	}
	return l, err
}

func (s *Service) readLayer(l layerRef) (v layerVersion, found bool, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		v, found, err = store.Get[layerVersion](tx, dbLayerVersions, l.item())
		return err
	})
	return v, found, err
}

func (s *Service) publishLayer(ctx context.Context, req *wire.Request, in *awslambda.PublishLayerVersionInput) (*awslambda.PublishLayerVersionOutput, error) {
	l, err := ownLayer(req.Scope, in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	c := in.Content
	if c == nil || len(c.ZipFile) == 0 && c.S3Bucket == nil {
		return nil, errInvalid("Missing Content")
	}
	raw, err := s.fetch(ctx, req.Scope, req.Principal, &types.FunctionCode{ZipFile: c.ZipFile, S3Bucket: c.S3Bucket, S3Key: c.S3Key, S3ObjectVersion: c.S3ObjectVersion})
	if err != nil {
		return nil, err
	}
	v := layerVersion{
		Scope: l.scope, Name: l.name, Description: aws.ToString(in.Description), License: aws.ToString(in.LicenseInfo), Runtimes: in.CompatibleRuntimes,
		Architectures: in.CompatibleArchitectures,
		Size:          int64(len(raw)), Created: s.Clock.Now().UTC().Format(timeFormat),
	}
	if v.Package, v.Sum, err = s.packages.save(raw); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		of, _, err := store.Get[layer](tx, dbLayers, l.key())
		if err != nil {
			return err
		}
		of.Name, of.Published = l.name, of.Published+1
		v.Number = of.Published
		if err := store.Put(tx, dbLayers, l.key(), of); err != nil {
			return err
		}
		return store.Put(tx, dbLayerVersions, v.ref().item(), v)
	})
	if err != nil {
		return nil, err
	}
	d, err := s.describeLayer(ctx, v)
	if err != nil {
		return nil, err
	}
	return &awslambda.PublishLayerVersionOutput{
		LayerArn: d.LayerArn, LayerVersionArn: d.LayerVersionArn, Version: d.Version, Description: d.Description, CreatedDate: d.CreatedDate,
		CompatibleRuntimes: d.CompatibleRuntimes, CompatibleArchitectures: d.CompatibleArchitectures, LicenseInfo: d.LicenseInfo, Content: d.Content,
	}, nil
}

func (s *Service) describeLayer(ctx context.Context, v layerVersion) (*awslambda.GetLayerVersionOutput, error) {
	location, err := s.location(ctx, v.Scope, v.Package)
	return &awslambda.GetLayerVersionOutput{
		LayerArn: aws.String(layerRef{scope: v.Scope, name: v.Name}.arn()), LayerVersionArn: aws.String(v.ref().arn()), Version: v.Number, Description: &v.Description,
		CreatedDate: &v.Created, CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures, LicenseInfo: optional.Of(v.License),
		Content: &types.LayerVersionContentOutput{CodeSha256: &v.Sum, CodeSize: v.Size, Location: location},
	}, err
}

func (s *Service) getLayer(ctx context.Context, req *wire.Request, in *awslambda.GetLayerVersionInput) (*awslambda.GetLayerVersionOutput, error) {
	l, err := refLayer(req.Scope, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	v, found, err := s.readLayer(l)
	if err == nil && !found {
		err = errNoSuch()
	}
	if err != nil {
		return nil, err
	}
	return s.describeLayer(ctx, v)
}

func (s *Service) getLayerByARN(ctx context.Context, req *wire.Request, in *awslambda.GetLayerVersionByArnInput) (*awslambda.GetLayerVersionByArnOutput, error) {
	l, ok := parseLayer(req.Scope, aws.ToString(in.Arn))
	if !ok || l.number == 0 {
		return nil, errConstraint(aws.ToString(in.Arn), "arn", "Member must satisfy regular expression pattern: "+layerPattern)
	}
	if l.elsewhere(req.Scope) {
		return nil, errNoSuch()
	}
	v, found, err := s.readLayer(l)
	if err == nil && !found {
		err = errNoSuch()
	}
	if err != nil {
		return nil, err
	}
	d, err := s.describeLayer(ctx, v)
	if err != nil {
		return nil, err
	}
	return &awslambda.GetLayerVersionByArnOutput{
		LayerArn: d.LayerArn, LayerVersionArn: d.LayerVersionArn, Version: d.Version, Description: d.Description, CreatedDate: d.CreatedDate,
		CompatibleRuntimes: d.CompatibleRuntimes, CompatibleArchitectures: d.CompatibleArchitectures, LicenseInfo: d.LicenseInfo, Content: d.Content,
	}, nil
}

const layerPattern = `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`

// item is a version in lists, which have no description where none was given, by a test
// that was held against AWS (https://github.com/getmoto/moto, test_list_lambda_layers).
func (v layerVersion) item() types.LayerVersionsListItem {
	return types.LayerVersionsListItem{
		LayerVersionArn: aws.String(v.ref().arn()), Version: v.Number, Description: optional.Of(v.Description), CreatedDate: &v.Created,
		CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures, LicenseInfo: optional.Of(v.License),
	}
}

// fits reports whether a version is for a runtime and an architecture, "" for any.
func (v layerVersion) fits(r types.Runtime, a types.Architecture) bool {
	return (r == "" || slices.Contains(v.Runtimes, r)) && (a == "" || slices.Contains(v.Architectures, a))
}

// versionsOf are a layer's versions, the newest first.
func versionsOf(tx *store.Tx, l layerRef) ([]layerVersion, error) {
	all, err := store.List[layerVersion](tx, dbLayerVersions, l.list())
	slices.Reverse(all)
	return all, err
}

func (s *Service) listLayerVersions(_ context.Context, req *wire.Request, in *awslambda.ListLayerVersionsInput) (*awslambda.ListLayerVersionsOutput, error) {
	l, err := refLayer(req.Scope, in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	var all []layerVersion
	err = s.DB.View(func(tx *store.Tx) error {
		all, err = versionsOf(tx, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v layerVersion) bool { return !v.fits(in.CompatibleRuntime, in.CompatibleArchitecture) })
	some, next, err := page.At(all, in.Marker, in.MaxItems, 50)
	if err != nil {
		return nil, errInvalid("Invalid Marker.")
	}
	out := &awslambda.ListLayerVersionsOutput{LayerVersions: []types.LayerVersionsListItem{}, NextMarker: next}
	for _, v := range some {
		out.LayerVersions = append(out.LayerVersions, v.item())
	}
	return out, nil
}

func (s *Service) listLayers(_ context.Context, req *wire.Request, in *awslambda.ListLayersInput) (*awslambda.ListLayersOutput, error) {
	var newest []layerVersion
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[layer](tx, dbLayers, req.Prefix())
		for _, l := range all {
			if err != nil {
				break
			}
			var versions []layerVersion
			versions, err = versionsOf(tx, layerRef{scope: req.Scope, name: l.Name})
			if i := slices.IndexFunc(versions, func(v layerVersion) bool { return v.fits(in.CompatibleRuntime, in.CompatibleArchitecture) }); i >= 0 {
				newest = append(newest, versions[i])
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(newest, in.Marker, in.MaxItems, 50, func(v layerVersion) string { return v.Name })
	if err != nil {
		return nil, errInvalid("Invalid Marker.")
	}
	out := &awslambda.ListLayersOutput{Layers: []types.LayersListItem{}, NextMarker: next}
	for _, v := range some {
		item := v.item()
		out.Layers = append(out.Layers, types.LayersListItem{LayerName: &v.Name, LayerArn: aws.String(layerRef{scope: v.Scope, name: v.Name}.arn()), LatestMatchingVersion: &item})
	}
	return out, nil
}

// deleteLayer succeeds if there is no such version. Functions that have it keep it.
func (s *Service) deleteLayer(_ context.Context, req *wire.Request, in *awslambda.DeleteLayerVersionInput) (*empty, error) {
	l, err := ownLayer(req.Scope, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return &empty{}, s.DB.Update(func(tx *store.Tx) error { return tx.Delete(dbLayerVersions, l.item()) })
}

// changeLayerPolicy lets fn change the policy of a version.
func (s *Service) changeLayerPolicy(l layerRef, revision *string, fn func(*resourcePolicy) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		v, found, err := store.Get[layerVersion](tx, dbLayerVersions, l.item())
		switch {
		case err != nil:
			return err
		case !found:
			return errNoLayer(l)
		case revision != nil && *revision != v.Policy.Revision:
			return withType(wire.Errorf(http.StatusPreconditionFailed, "PreconditionFailedException",
				"The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"))
		}
		if err := fn(&v.Policy); err != nil {
			return err
		}
		v.Policy.Revision = wire.NewID()
		return store.Put(tx, dbLayerVersions, l.item(), v)
	})
}

func (s *Service) addLayerPermission(_ context.Context, req *wire.Request, in *awslambda.AddLayerVersionPermissionInput) (*awslambda.AddLayerVersionPermissionOutput, error) {
	l, err := ownLayer(req.Scope, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	st := statement{
		Sid: aws.ToString(in.StatementId), Effect: "Allow", Action: aws.ToString(in.Action), Resource: l.arn(),
		Principal: principalOf(req.Scope, aws.ToString(in.Principal)),
	}
	if in.OrganizationId != nil {
		st.Condition = map[string]map[string]string{"StringEquals": {"aws:PrincipalOrgID": *in.OrganizationId}}
	}
	var revision string
	err = s.changeLayerPolicy(l, in.RevisionId, func(p *resourcePolicy) error {
		if slices.ContainsFunc(p.Statements, func(o statement) bool { return o.Sid == st.Sid }) {
			return errConflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		p.Statements = append(slices.Clone(p.Statements), st)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v, _, err := s.readLayer(l); err == nil {
		revision = v.Policy.Revision
	}
	raw, err := json.Marshal(st)
	return &awslambda.AddLayerVersionPermissionOutput{Statement: aws.String(string(raw)), RevisionId: &revision}, err
}

func (s *Service) getLayerPolicy(_ context.Context, req *wire.Request, in *awslambda.GetLayerVersionPolicyInput) (*awslambda.GetLayerVersionPolicyOutput, error) {
	l, err := refLayer(req.Scope, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	v, found, err := s.readLayer(l)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errNoLayer(l)
	case len(v.Policy.Statements) == 0:
		return nil, errNotFound("No policy is associated with the given resource.")
	}
	doc, err := v.Policy.document()
	return &awslambda.GetLayerVersionPolicyOutput{Policy: &doc, RevisionId: &v.Policy.Revision}, err
}

func (s *Service) removeLayerPermission(_ context.Context, req *wire.Request, in *awslambda.RemoveLayerVersionPermissionInput) (*empty, error) {
	l, err := ownLayer(req.Scope, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return &empty{}, s.changeLayerPolicy(l, in.RevisionId, func(p *resourcePolicy) error {
		i := slices.IndexFunc(p.Statements, func(st statement) bool { return st.Sid == aws.ToString(in.StatementId) })
		if i < 0 {
			return errNotFound("Statement %s is not found in resource policy.", aws.ToString(in.StatementId))
		}
		p.Statements = slices.Delete(slices.Clone(p.Statements), i, i+1)
		return nil
	})
}
