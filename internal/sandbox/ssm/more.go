package ssm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxLabels is how many labels a version may have.
const maxLabels = 10

// onFolder is all that is below the path of a document.
func onFolder(req *wire.Request, in wire.Input) []string {
	return []string{arnOf(req.Scope, strings.TrimSuffix(in.Text("Path"), "/")) + "*"}
}

// onTagged is the parameter whose tags a document is about.
func onTagged(req *wire.Request, in wire.Input) []string {
	return []string{arnOf(req.Scope, in.Text("ResourceId"))}
}

// checkValue holds a value against its data type and pattern.
func checkValue(in *sdk.PutParameterInput) error {
	switch kind := aws.ToString(in.DataType); kind {
	case "", "text":
	case "aws:ec2:image", "aws:ssm:integration":
		return fail("ValidationException", "the sandbox has nothing that values of data type %s could name", kind)
	default:
		return fail("ValidationException", "The following data type is not supported: %s (Data type names are all lowercase.)", kind)
	}
	pattern := aws.ToString(in.AllowedPattern)
	if pattern == "" {
		return nil
	}
	form, err := regexp.Compile(pattern)
	if err != nil {
		return fail("InvalidAllowedPatternException", "The request does not meet the regular expression requirement: %s", pattern)
	}
	if !form.MatchString(*in.Value) {
		return fail("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", pattern)
	}
	return nil
}

// under tells whether a name is below a path, directly or at any depth.
func under(name, path string, deep bool) bool {
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
	if path == "/" && !strings.HasPrefix(name, "/") {
		rest, ok = name, true // a name without a path is at the root
	}
	return ok && (deep || !strings.Contains(rest, "/"))
}

var pathForm = lazyregexp.New(`^/([A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?)?$`)

// badPath refuses what is no path, in the words of AWS.
func badPath(path string) error {
	if pathForm.MatchString(path) {
		return nil
	}
	return fail("ValidationException", `The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash `+
		`"/". It can't be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - `+
		`(hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.`)
}

// choicesOf are the values that filters of few have.
var choicesOf = map[string][]string{
	"Tier": {"Standard", "Advanced", "Intelligent-Tiering"}, "Type": {"String", "StringList", "SecureString"},
}

// checkFilters refuses conditions of DescribeParameters in the words of AWS, as
// https://github.com/getmoto/moto has recorded them (tests/test_ssm/test_ssm.py).
func checkFilters(filters []types.ParameterStringFilter) error {
	seen := map[string]bool{}
	for _, f := range filters {
		key, option := aws.ToString(f.Key), aws.ToString(f.Option)
		isTag := strings.HasPrefix(key, "tag:")
		options, wrong := []string{"BeginsWith", "Equals"},
			fail("InvalidFilterOption", "The following filter option is not valid: %s. Valid options include: [BeginsWith, Equals].", option)
		switch key {
		case "Path":
			options, wrong = []string{"Recursive", "OneLevel"},
				fail("InvalidFilterOption", "The following filter option is not valid: %s. Valid options include: [Recursive, OneLevel].", option)
		case "Name":
			options = append(options, "Contains")
		}
		switch {
		case key == "Label":
			return fail("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [Path, Name, Type, KeyId, Tier].", key)
		case len(f.Values) == 0 && !isTag:
			return fail("InvalidFilterValue", "The following filter values are missing : null for filter key %s.", key)
		case seen[key]:
			return fail("InvalidFilterKey", "The following filter is duplicated in the request: %s. A request can contain only one occurrence of a specific filter.", key)
		case option != "" && !slices.Contains(options, option):
			return wrong
		}
		seen[key] = true
		for _, v := range f.Values {
			if choices := choicesOf[key]; choices != nil && !slices.Contains(choices, v) {
				return fail("InvalidFilterOption", "The following filter value is not valid: %s. Valid values include: [%s].", v, strings.Join(choices, ", "))
			}
			if key != "Path" {
				continue
			}
			if reserved.MatchString(v) {
				return fail("ValidationException", `Filters for common parameters can't be prefixed with "aws" or "ssm" (case-insensitive). When using global `+
					`parameters, please specify within a global namespace.`)
			}
			if err := badPath(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeMany deletes what is there, and tells what is not.
func (s *Service) removeMany(ctx context.Context, req *wire.Request, in *sdk.DeleteParametersInput) (*sdk.DeleteParametersOutput, error) {
	out := &sdk.DeleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		_, err := s.remove(ctx, req, &sdk.DeleteParameterInput{Name: &name})
		var e *wire.Error
		switch {
		case err == nil:
			out.DeletedParameters = append(out.DeletedParameters, name)
		case errors.As(err, &e) && e.Code == "ParameterNotFound":
			out.InvalidParameters = append(out.InvalidParameters, name)
		default:
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) byPath(ctx context.Context, req *wire.Request, in *sdk.GetParametersByPathInput) (*sdk.GetParametersByPathOutput, error) {
	if err := badPath(*in.Path); err != nil {
		return nil, err
	}
	if err := noPublic(*in.Path); err != nil {
		return nil, err
	}
	all, err := store.ReadAll[parameter](s.DB, parametersBucket, req.Key(""))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p parameter) bool { return !under(p.Name, *in.Path, aws.ToBool(in.Recursive)) })
	labels := []string(nil)
	for _, f := range in.ParameterFilters {
		if key := aws.ToString(f.Key); key != "Label" && key != "Type" && key != "KeyId" {
			return nil, fail("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [Type, KeyId].", key)
		}
		if aws.ToString(f.Key) == "Label" {
			labels = f.Values
			all = slices.DeleteFunc(all, func(p parameter) bool { return !p.labelled(labels) })
			continue
		}
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
	out := &sdk.GetParametersByPathOutput{Parameters: []types.Parameter{}, NextToken: next}
	for _, p := range some {
		ref := p.Name
		for _, v := range p.Versions {
			if slices.ContainsFunc(v.Labels, func(l string) bool { return slices.Contains(labels, l) }) {
				ref = fmt.Sprintf("%s:%d", p.Name, v.Number)
			}
		}
		x, err := s.read(ctx, req, ref, aws.ToBool(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		x.Selector = nil
		out.Parameters = append(out.Parameters, *x)
	}
	return out, nil
}

func (p *parameter) labelled(labels []string) bool {
	return slices.ContainsFunc(p.Versions, func(v version) bool {
		return slices.ContainsFunc(v.Labels, func(l string) bool { return slices.Contains(labels, l) })
	})
}

// history is a parameter's versions, the oldest first.
func (s *Service) history(ctx context.Context, req *wire.Request, in *sdk.GetParameterHistoryInput) (*sdk.GetParameterHistoryOutput, error) {
	p, _, err := s.open(req, *in.Name)
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(p.Versions, in.NextToken, in.MaxResults, 50, func(v version) string { return fmt.Sprintf("%09d", v.Number) })
	if err != nil {
		return nil, fail("InvalidNextToken", "The specified token isn't valid.")
	}
	out := &sdk.GetParameterHistoryOutput{Parameters: []types.ParameterHistory{}, NextToken: next}
	for _, v := range some {
		text, err := s.value(ctx, req, p, v, aws.ToBool(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		h := types.ParameterHistory{
			Name: &p.Name, Type: types.ParameterType(p.Type), Value: &text, Version: v.Number, LastModifiedDate: &v.Modified, LastModifiedUser: &v.User,
			Labels: append([]string{}, v.Labels...), Tier: types.ParameterTier(p.Tier), DataType: aws.String("text"), Policies: policiesOf(p.Policies),
		}
		if v.Description != "" {
			h.Description = &v.Description
		}
		if v.Pattern != "" {
			h.AllowedPattern = &v.Pattern
		}
		if p.Key != "" {
			h.KeyId = &p.Key
		}
		out.Parameters = append(out.Parameters, h)
	}
	return out, nil
}

// change lets fn change a parameter as it is now.
func (s *Service) change(req *wire.Request, ref string, fn func(*parameter) error) error {
	a, err := parse(req, ref)
	if err != nil {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		p, err := find(tx, a)
		if err != nil {
			return err
		}
		if err := fn(&p); err != nil {
			return err
		}
		return store.Put(tx, parametersBucket, a.scope.Key(p.Name), p)
	})
}

// numbered is the version of a number, the last one for nil.
func (p *parameter) numbered(n *int64) (*version, error) {
	if n == nil {
		return &p.Versions[len(p.Versions)-1], nil
	}
	for i := range p.Versions {
		if p.Versions[i].Number == *n {
			return &p.Versions[i], nil
		}
	}
	return nil, fail("ParameterVersionNotFound", "Systems Manager could not find version %d of %s. Verify the version and try again.", *n, p.Name)
}

// labelForm: a label must begin with no number, nor with aws or ssm.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
var (
	labelForm    = lazyregexp.New(`^[A-Za-z_.-][A-Za-z0-9_.-]*$`)
	labelReserve = lazyregexp.New(`(?i)^(aws|ssm)`)
)

// label gives a version labels, which other versions lose.
func (s *Service) label(ctx context.Context, req *wire.Request, in *sdk.LabelParameterVersionInput) (*sdk.LabelParameterVersionOutput, error) {
	out := &sdk.LabelParameterVersionOutput{InvalidLabels: []string{}}
	var of parameter
	err := s.change(req, *in.Name, func(p *parameter) error {
		of = *p
		v, err := p.numbered(in.ParameterVersion)
		if err != nil {
			return err
		}
		out.ParameterVersion = v.Number
		for _, l := range in.Labels {
			if !labelForm.MatchString(l) || labelReserve.MatchString(l) {
				out.InvalidLabels = append(out.InvalidLabels, l)
			}
		}
		if len(out.InvalidLabels) > 0 {
			return nil
		}
		for i := range p.Versions {
			if other := &p.Versions[i]; other != v {
				other.Labels = slices.DeleteFunc(other.Labels, func(l string) bool { return slices.Contains(in.Labels, l) })
			}
		}
		for _, l := range in.Labels {
			if !slices.Contains(v.Labels, l) {
				v.Labels = append(v.Labels, l)
			}
		}
		if len(v.Labels) > maxLabels {
			return fail("ParameterVersionLabelLimitExceeded",
				"An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: A parameter version can have maximum %d "+
					"labels.Move one or more labels to another version and try again.", maxLabels)
		}
		return nil
	})
	if err == nil && len(out.InvalidLabels) == 0 {
		s.tellChange(ctx, of, "LabelParameterVersion")
	}
	return out, err
}

func (s *Service) unlabel(_ context.Context, req *wire.Request, in *sdk.UnlabelParameterVersionInput) (*sdk.UnlabelParameterVersionOutput, error) {
	out := &sdk.UnlabelParameterVersionOutput{RemovedLabels: []string{}, InvalidLabels: []string{}}
	err := s.change(req, *in.Name, func(p *parameter) error {
		v, err := p.numbered(in.ParameterVersion)
		if err != nil {
			return err
		}
		for _, l := range in.Labels {
			if i := slices.Index(v.Labels, l); i >= 0 {
				v.Labels = slices.Delete(v.Labels, i, i+1)
				out.RemovedLabels = append(out.RemovedLabels, l)
			} else {
				out.InvalidLabels = append(out.InvalidLabels, l)
			}
		}
		return nil
	})
	return out, err
}

// changeTags lets fn change the tags of what a call names: parameters are all that
// the sandbox has of Systems Manager.
func (s *Service) changeTags(req *wire.Request, kind types.ResourceTypeForTagging, id *string, fn func(map[string]string)) error {
	if kind != types.ResourceTypeForTaggingParameter {
		return fail("InvalidResourceType", "the sandbox has no resources of type %s", kind)
	}
	err := s.change(req, *id, func(p *parameter) error {
		if p.Tags == nil {
			p.Tags = map[string]string{}
		}
		if fn(p.Tags); len(p.Tags) > 50 {
			return fail("TooManyTagsError", "")
		}
		return nil
	})
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "ParameterNotFound" {
		return fail("InvalidResourceId", "The resource ID is not valid. Verify that you entered the correct ID and try again.")
	}
	return err
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.AddTagsToResourceInput) (*sdk.AddTagsToResourceOutput, error) {
	return &sdk.AddTagsToResourceOutput{}, s.changeTags(req, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.RemoveTagsFromResourceInput) (*sdk.RemoveTagsFromResourceOutput, error) {
	return &sdk.RemoveTagsFromResourceOutput{}, s.changeTags(req, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (s *Service) tags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	out := &sdk.ListTagsForResourceOutput{TagList: []types.Tag{}}
	err := s.changeTags(req, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for k, v := range tags {
			out.TagList = append(out.TagList, types.Tag{Key: &k, Value: &v})
		}
	})
	slices.SortFunc(out.TagList, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out, err
}
