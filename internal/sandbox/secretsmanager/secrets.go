package secretsmanager

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The waiting period of a deletion, in days.
// (API reference of Secrets Manager, DeleteSecret)
const (
	shortestWait = 7
	standardWait = 30
	longestWait  = 30
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// stages are the versions that have any, by id.
func (x *secret) stages() map[string][]string {
	out := map[string][]string{}
	for _, v := range x.Versions {
		if len(v.Stages) > 0 {
			out[v.ID] = v.Stages
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (s *Service) describe(_ context.Context, req *wire.Request, in *sdk.DescribeSecretInput) (*sdk.DescribeSecretOutput, error) {
	x, err := s.open(req, in.SecretId)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeSecretOutput{
		ARN: &x.ARN, Name: &x.Name, Description: optional.Of(x.Description), KmsKeyId: optional.Of(x.Key), CreatedDate: &x.Created,
		LastChangedDate: &x.Changed, LastAccessedDate: optional.Of(x.Accessed), DeletedDate: x.deletedOn(), Tags: tagsOf(x), VersionIdsToStages: x.stages(),
		OwningService: optional.Of(x.Owner),
	}, nil
}

// deletedOn is the time at which a secret is gone, nil if nobody wants that.
func (x *secret) deletedOn() *time.Time { return optional.Of(x.Deletion) }

func (s *Service) list(_ context.Context, req *wire.Request, in *sdk.ListSecretsInput) (*sdk.ListSecretsOutput, error) {
	if in.SortOrder != "" || in.SortBy != "" {
		return nil, fail("InvalidParameterException", "the sandbox lists secrets by the time of their creation only")
	}
	all, err := store.ReadAll[secret](s.DB, secretsBucket, req.Key(""))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(x secret) bool {
		return s.gone(x) || !x.Deletion.IsZero() && !aws.ToBool(in.IncludePlannedDeletion)
	})
	for _, f := range in.Filters {
		matches, err := filter(f)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(x secret) bool { return !matches(x) })
	}
	// "If not specified, secrets are listed by CreatedDate."
	// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
	order := func(x secret) string { return x.Created.UTC().Format("2006-01-02T15:04:05.000000000") + x.Name }
	slices.SortFunc(all, func(a, b secret) int { return strings.Compare(order(a), order(b)) })
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 100, order)
	if errors.Is(err, page.ErrToken) {
		return nil, fail("InvalidNextTokenException", "Invalid nextToken specified.")
	}
	out := &sdk.ListSecretsOutput{NextToken: next, SecretList: []types.SecretListEntry{}}
	for _, x := range some {
		out.SecretList = append(out.SecretList, types.SecretListEntry{
			ARN: &x.ARN, Name: &x.Name, Description: optional.Of(x.Description), KmsKeyId: optional.Of(x.Key), CreatedDate: &x.Created,
			LastChangedDate: &x.Changed, LastAccessedDate: optional.Of(x.Accessed), DeletedDate: x.deletedOn(), Tags: tagsOf(x),
			SecretVersionsToStages: x.stages(), OwningService: optional.Of(x.Owner),
		})
	}
	return out, err
}

// hasWords tells whether each word of want begins a word of s.
func hasWords(s, want string) bool { return eachBegins(words(s), words(want)) }

// hasParts is hasWords over the parts of words: AppBeta has the parts App and Beta, and
// COMPANYthings has COMPAN and Ythings, as was seen on AWS in
// https://github.com/getmoto/moto, tests/test_secretsmanager/test_list_secrets.py
// (test_with_all_filter, test_with_all_filter_special_characters: "aws_verified").
func hasParts(s, want string) bool { return eachBegins(parts(s), parts(want)) }

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" /_+=.@-", r) })
}

func parts(s string) (out []string) {
	for _, w := range words(s) {
		runes, from := []rune(w), 0
		for i := 1; i < len(runes); i++ {
			ends := unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) || ends) {
				out, from = append(out, string(runes[from:i])), i
			}
		}
		out = append(out, string(runes[from:]))
	}
	return out
}

func eachBegins(have, want []string) bool {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(strings.ToLower(h), strings.ToLower(w)) }) {
			return false
		}
	}
	return len(want) > 0
}

// filter is one condition of a list; a value after "!" must not match.
// (API reference of Secrets Manager, Filter)
func filter(f types.Filter) (func(secret) bool, error) {
	var of func(secret) []string
	switch f.Key {
	case types.FilterNameStringTypeName:
		of = func(x secret) []string { return []string{x.Name} }
	case types.FilterNameStringTypeDescription:
		of = func(x secret) []string { return []string{x.Description} }
	case types.FilterNameStringTypeTagKey:
		of = func(x secret) []string { return sortedKeys(x.Tags) }
	case types.FilterNameStringTypeTagValue:
		of = func(x secret) []string { return slices.Collect(maps.Values(x.Tags)) }
	case types.FilterNameStringTypeAll:
		of = func(x secret) []string {
			return slices.Concat([]string{x.Name, x.Description}, sortedKeys(x.Tags), slices.Collect(maps.Values(x.Tags)))
		}
	case "":
		return nil, fail("InvalidParameterException", "Invalid filter key")
	default:
		return nil, fail("InvalidParameterException", "the sandbox does not filter secrets by %s", f.Key)
	}
	if len(f.Values) == 0 {
		return nil, fail("InvalidParameterException", "Invalid filter values for key: %s", f.Key)
	}
	// Values match from the beginning, as they are; those of all and of descriptions are
	// words, of which each has to begin a word, in whatever case.
	match := strings.HasPrefix
	switch f.Key {
	case types.FilterNameStringTypeAll:
		match = hasParts
	case types.FilterNameStringTypeDescription:
		match = hasWords
	}
	return func(x secret) bool {
		for _, want := range f.Values {
			want, not := strings.CutPrefix(want, "!")
			if slices.ContainsFunc(of(x), func(s string) bool { return match(s, want) }) != not {
				return true
			}
		}
		return false
	}, nil
}

func (s *Service) remove(_ context.Context, req *wire.Request, in *sdk.DeleteSecretInput) (*sdk.DeleteSecretOutput, error) {
	force := aws.ToBool(in.ForceDeleteWithoutRecovery)
	days := int64(standardWait)
	if in.RecoveryWindowInDays != nil {
		if days = *in.RecoveryWindowInDays; force {
			return nil, fail("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < shortestWait || days > longestWait {
		return nil, fail("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	x, err := s.open(req, in.SecretId)
	when := s.now()
	var e *wire.Error
	if force && errors.As(err, &e) && e.Code == "ResourceNotFoundException" {
		// It is as gone as it would be: "the operation doesn't return ResourceNotFoundException".
		// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
		return &sdk.DeleteSecretOutput{ARN: aws.String(s.onSecret(req, wire.Input{"SecretId": *in.SecretId})[0]), Name: in.SecretId, DeletionDate: &when}, nil
	}
	if err != nil {
		return nil, err
	}
	if !force {
		when = when.AddDate(0, 0, int(days))
	}
	x, err = s.change(req, x.ARN, func(x *secret) error {
		if !x.Deletion.IsZero() && !force {
			return deleted()
		}
		x.Deletion = when
		return nil
	})
	return &sdk.DeleteSecretOutput{ARN: &x.ARN, Name: &x.Name, DeletionDate: &when}, err
}

func (s *Service) restore(_ context.Context, req *wire.Request, in *sdk.RestoreSecretInput) (*sdk.RestoreSecretOutput, error) {
	x, err := s.open(req, in.SecretId)
	if err != nil {
		return nil, err
	}
	x, err = s.change(req, x.ARN, func(x *secret) error { x.Deletion = time.Time{}; return nil })
	return &sdk.RestoreSecretOutput{ARN: &x.ARN, Name: &x.Name}, err
}
