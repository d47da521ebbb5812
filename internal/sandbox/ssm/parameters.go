package ssm

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/envelope"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const secureString = string(types.ParameterTypeSecureString)

func (s *Service) put(ctx context.Context, req *wire.Request, in *sdk.PutParameterInput) (*sdk.PutParameterOutput, error) {
	if err := checkValue(in); err != nil {
		return nil, err
	}
	name := *in.Name
	if err := checkName(name); err != nil {
		return nil, err
	}
	tier, err := tierOf(in)
	if err != nil {
		return nil, err
	}
	p := parameter{
		Name: name, ARN: arnOf(req.Scope, name), Type: string(in.Type), Description: aws.ToString(in.Description), Tier: tier,
		Key: aws.ToString(in.KeyId), User: req.Principal.ARN,
	}
	if p.Type == "" { // that of the parameter that is there
		err := s.DB.View(func(tx *store.Tx) error {
			old, err := find(tx, address{scope: req.Scope, name: name})
			p.Type = old.Type
			return err
		})
		if err != nil {
			return nil, fail("ValidationException", "A parameter type is required when you create a parameter.")
		}
	}
	if text := aws.ToString(in.Policies); text != "" {
		if p.Policies, err = parsePolicies(text, s.now()); err != nil {
			return nil, err
		}
	}
	v := version{Modified: s.now(), Text: *in.Value, User: p.User, Pattern: aws.ToString(in.AllowedPattern)}
	if p.Type == secureString {
		if p.Key == "" {
			p.Key = managedKey
		}
		if v.Sealed, err = envelope.Seal(ctx, s.Router, req, p.Key, bound(p.ARN), []byte(v.Text)); err != nil {
			return nil, err
		}
		v.Text = ""
	} else if p.Key != "" {
		return nil, fail("ValidationException", "KeyId is required for SecureString type parameter only.")
	}
	if p, err = s.keep(req, p, v, in); err != nil {
		return nil, err
	}
	s.changed.Ring()
	operation := "Update"
	if len(p.Versions) == 1 {
		operation = "Create"
	}
	s.tellChange(ctx, p, operation)
	return &sdk.PutParameterOutput{Version: p.last().Number, Tier: types.ParameterTier(p.Tier)}, nil
}

// tierOf checks the length of a value and returns the tier that takes it.
func tierOf(in *sdk.PutParameterInput) (string, error) {
	n := len(*in.Value)
	switch {
	case n == 0:
		return "", constraint.Broken("ValidationException", "value", "", "Member must have length greater than or equal to 1.")
	case !utf8.ValidString(*in.Value):
		return "", fail("ValidationException", "Parameter value is not valid UTF-8.")
	case n > maxAdvanced:
		return "", fail("ValidationException", "Advanced tier parameters support a maximum parameter value of %d characters.", maxAdvanced)
	case n > maxStandard && in.Tier != types.ParameterTierAdvanced && in.Tier != types.ParameterTierIntelligentTiering:
		return "", fail("ValidationException", "Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter "+
			"value, upgrade the parameter to use the advanced-parameter tier. For more information, see "+
			"https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html", maxStandard)
	case n > maxStandard || in.Tier == types.ParameterTierAdvanced || in.Tier == types.ParameterTierIntelligentTiering && aws.ToString(in.Policies) != "":
		return string(types.ParameterTierAdvanced), nil
	}
	return string(types.ParameterTierStandard), nil
}

// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AddTagsToResource.html
var tagRules = tags.Rules{Max: 50, TooMany: fail("TooManyTagsError", "A resource can have at most 50 tags.")}

// keep writes a parameter, or a new version of the one that is there.
func (s *Service) keep(req *wire.Request, p parameter, v version, in *sdk.PutParameterInput) (parameter, error) {
	overwrite := aws.ToBool(in.Overwrite)
	if overwrite && len(in.Tags) > 0 {
		return p, fail("ValidationException", "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove "+
			"overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	}
	var err error
	if p.Tags, err = tagRules.Add(nil, tags.Of(in.Tags, func(t types.Tag) (key, value *string) { return t.Key, t.Value })); err != nil {
		return p, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		old, err := find(tx, address{scope: req.Scope, name: p.Name})
		found := err == nil
		var none *wire.Error
		if errors.As(err, &none) && none.Code == "ParameterNotFound" {
			err = nil
		}
		v.Number = 1
		switch {
		case err != nil:
			return err
		case found && !overwrite:
			return fail("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
		case found && old.Type != p.Type:
			return fail("HierarchyTypeMismatchException", "Parameter Store does not support changing a parameter type in a hierarchy. For example, you can't "+
				"change a parameter from a String type to a SecureString type. You must create a new, unique parameter.")
		case found:
			if v.Number = old.last().Number + 1; in.Description == nil {
				p.Description = old.Description
			}
			if old.Tier == string(types.ParameterTierAdvanced) {
				p.Tier = old.Tier // there is no way back
			}
			if in.Policies == nil {
				p.Policies = renewed(old.Policies, v.Modified)
			}
			p.Name, p.Tags, p.Versions = old.Name, old.Tags, old.Versions
		}
		if len(p.Policies) > 0 && p.Tier != string(types.ParameterTierAdvanced) {
			return fail("ValidationException", "Parameter policies are available for parameters of the advanced tier only.") // the words are ours
		}
		v.Description = p.Description
		p.Versions = append(p.Versions, v)
		if n := len(p.Versions) - maxVersions; n > 0 {
			if oldest := p.Versions[0]; len(oldest.Labels) > 0 {
				return fail("ParameterMaxVersionLimitExceeded",
					"You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be "+
						"deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.", p.Name, oldest.Number)
			}
			p.Versions = p.Versions[n:]
		}
		return store.Put(tx, parametersBucket, req.Key(p.Name), p)
	})
	return p, err
}

// read is a parameter as it is given out.
func (s *Service) read(ctx context.Context, req *wire.Request, ref string, decrypt bool) (*types.Parameter, error) {
	if strings.HasPrefix(ref, secretPath) {
		return s.secret(ctx, req, ref, decrypt)
	}
	if err := noPublic(ref); err != nil {
		return nil, err
	}
	p, a, err := s.open(req, ref)
	if err != nil {
		return nil, err
	}
	v, err := p.selected(a.selector)
	if err != nil {
		return nil, err
	}
	text, err := s.value(ctx, req, p, v, decrypt)
	if err != nil {
		return nil, err
	}
	out := &types.Parameter{
		Name: &p.Name, ARN: &p.ARN, Type: types.ParameterType(p.Type), Value: &text, Version: v.Number, LastModifiedDate: &v.Modified, DataType: aws.String("text"),
	}
	if a.selector != "" {
		out.Selector = &a.selector
	}
	return out, nil
}

// publicPath begins the names of AWS's own parameters.
const publicPath = "/aws/service"

// noPublic refuses AWS's own parameters, which are there for everybody on AWS and which
// nobody else can make: to say that there is none of the name would be untrue.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
func noPublic(name string) error {
	if name == publicPath || strings.HasPrefix(name, publicPath+"/") {
		return wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox has no public parameters of AWS: %s", name)
	}
	return nil
}

func (s *Service) get(ctx context.Context, req *wire.Request, in *sdk.GetParameterInput) (*sdk.GetParameterOutput, error) {
	// Recorded from AWS: github.com/localstack/localstack, tests/aws/services/ssm/test_ssm.py
	// (test_hierarchical_parameter).
	if name, _, _ := strings.Cut(*in.Name, ":"); !wire.MeansARN(name) && (!nameForm.MatchString(name) || strings.Contains(name, "/") && !strings.HasPrefix(name, "/")) {
		return nil, badName()
	}
	p, err := s.read(ctx, req, *in.Name, aws.ToBool(in.WithDecryption))
	return &sdk.GetParameterOutput{Parameter: p}, err
}

func (s *Service) getMany(ctx context.Context, req *wire.Request, in *sdk.GetParametersInput) (*sdk.GetParametersOutput, error) {
	out := &sdk.GetParametersOutput{Parameters: []types.Parameter{}, InvalidParameters: []string{}}
	for i, name := range in.Names {
		if slices.Contains(in.Names[:i], name) {
			continue // each is given out once, as was seen on AWS in https://github.com/getmoto/moto/pull/3984
		}
		p, err := s.read(ctx, req, name, aws.ToBool(in.WithDecryption))
		var e *wire.Error
		switch {
		case err == nil:
			out.Parameters = append(out.Parameters, *p)
		case errors.As(err, &e) && (e.Code == "ParameterNotFound" || e.Code == "ParameterVersionNotFound"):
			out.InvalidParameters = append(out.InvalidParameters, name)
		default:
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) remove(ctx context.Context, req *wire.Request, in *sdk.DeleteParameterInput) (*sdk.DeleteParameterOutput, error) {
	p, a, err := s.open(req, *in.Name)
	if err == nil && a.selector != "" {
		err = notFound()
	}
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if _, err := find(tx, a); err != nil {
			return err
		}
		return tx.Delete(parametersBucket, a.scope.Key(p.Name))
	})
	if err == nil {
		s.tellChange(ctx, p, "Delete")
	}
	return &sdk.DeleteParameterOutput{}, err
}

func (s *Service) describe(_ context.Context, req *wire.Request, in *sdk.DescribeParametersInput) (*sdk.DescribeParametersOutput, error) {
	if len(in.Filters) > 0 && len(in.ParameterFilters) > 0 {
		return nil, fail("ValidationException", "You can use either Filters or ParameterFilters in a single request.")
	}
	if aws.ToBool(in.Shared) {
		return nil, fail("ValidationException", "the sandbox shares no parameters")
	}
	all, err := store.ReadAll[parameter](s.DB, parametersBucket, req.Key(""))
	if err != nil {
		return nil, err
	}
	if err := checkFilters(in.ParameterFilters); err != nil {
		return nil, err
	}
	filters := in.ParameterFilters
	for _, f := range in.Filters { // the older way to say the same
		filters = append(filters, types.ParameterStringFilter{Key: aws.String(string(f.Key)), Values: f.Values})
	}
	for _, f := range filters {
		matches, err := filter(f)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(p parameter) bool { return !matches(p) })
	}
	slices.SortFunc(all, func(a, b parameter) int { return strings.Compare(a.Name, b.Name) })
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 10, func(p parameter) string { return p.Name })
	if err != nil {
		return nil, fail("InvalidNextToken", "The specified token isn't valid.")
	}
	out := &sdk.DescribeParametersOutput{NextToken: next, Parameters: []types.ParameterMetadata{}}
	for _, p := range some {
		v := p.last()
		m := types.ParameterMetadata{
			Name: &p.Name, ARN: &p.ARN, Type: types.ParameterType(p.Type), LastModifiedDate: &v.Modified, LastModifiedUser: &p.User,
			Version: v.Number, Tier: types.ParameterTier(p.Tier), DataType: aws.String("text"), Policies: policiesOf(p.Policies),
		}
		if v.Pattern != "" {
			m.AllowedPattern = &v.Pattern
		}
		if p.Description != "" {
			m.Description = &p.Description
		}
		if p.Key != "" {
			m.KeyId = &p.Key
		}
		out.Parameters = append(out.Parameters, m)
	}
	return out, nil
}

// filter is one condition of a list; without an option a value has to be the same.
// (API reference of Systems Manager, ParameterStringFilter)
func filter(f types.ParameterStringFilter) (func(parameter) bool, error) {
	key, option := aws.ToString(f.Key), aws.ToString(f.Option)
	var of func(parameter) []string
	switch tag, isTag := strings.CutPrefix(key, "tag:"); {
	case key == "Name":
		// A name at the root is the same with a slash and without, as everywhere. That
		// filters take it so is recorded in https://github.com/getmoto/moto
		// (tests/test_ssm/test_ssm.py, test_describe_parameters_with_parameter_filters_name).
		of = func(p parameter) []string { return []string{"/" + strings.TrimPrefix(p.Name, "/")} }
		if option != "Contains" {
			f.Values = slices.Clone(f.Values)
			for i, v := range f.Values {
				f.Values[i] = "/" + strings.TrimPrefix(v, "/")
			}
		}
	case key == "Type":
		of = func(p parameter) []string { return []string{p.Type} }
	case key == "KeyId":
		of = func(p parameter) []string { return []string{p.Key} }
	case key == "Tier":
		of = func(p parameter) []string { return []string{p.Tier} }
	case key == "DataType":
		of = func(parameter) []string { return []string{"text"} }
	case key == "Path":
		return func(p parameter) bool {
			return slices.ContainsFunc(f.Values, func(path string) bool { return under(p.Name, path, option == "Recursive") })
		}, nil
	case isTag:
		of = func(p parameter) []string {
			if v, ok := p.Tags[tag]; ok {
				return []string{v}
			}
			return nil
		}
		if len(f.Values) == 0 {
			return func(p parameter) bool { return slices.Contains(slices.Collect(maps.Keys(p.Tags)), tag) }, nil
		}
	default:
		return nil, fail("InvalidFilterKey", "the sandbox does not filter parameters by %s", key)
	}
	same := map[string]func(s, want string) bool{
		"": func(s, want string) bool { return s == want }, "Equals": func(s, want string) bool { return s == want },
		"BeginsWith": strings.HasPrefix, "Contains": strings.Contains,
	}[option]
	if same == nil {
		return nil, fail("InvalidFilterOption", "The specified filter option isn't valid. Valid options are Equals and BeginsWith. For Path filter, valid "+
			"options are Recursive and OneLevel.")
	}
	return func(p parameter) bool {
		return slices.ContainsFunc(f.Values, func(want string) bool {
			return slices.ContainsFunc(of(p), func(s string) bool { return same(s, want) })
		})
	}, nil
}
