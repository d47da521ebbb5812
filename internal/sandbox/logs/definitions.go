package logs

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbDefinitions: scope's key of the id -> definition.
const dbDefinitions = "logs.definitions"

// maxDefinitions is how many an account may have in a region.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
const maxDefinitions = 1000

// definition is a query of Insights that was saved. What it says is not looked at before
// it is run, as on AWS.
type definition struct {
	ID, Name, Query, Language string
	Groups                    []string
	Modified                  int64
}

func (s *Service) registerDefinitions(r *wire.Router) {
	wire.Handle(r, id, "PutQueryDefinition", s.putDefinition, wire.Access{})
	wire.Handle(r, id, "DescribeQueryDefinitions", s.describeDefinitions, wire.Access{})
	wire.Handle(r, id, "DeleteQueryDefinition", s.deleteDefinition, wire.Access{})
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
func (s *Service) putDefinition(_ context.Context, req *wire.Request, in *cwl.PutQueryDefinitionInput) (*cwl.PutQueryDefinitionOutput, error) {
	d := definition{
		ID: aws.ToString(in.QueryDefinitionId), Name: *in.Name, Query: *in.QueryString, Language: string(in.QueryLanguage), Groups: in.LogGroupNames,
		Modified: s.Clock.Now().UnixMilli(),
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		if in.QueryDefinitionId != nil {
			if _, err := store.Find[definition](tx, dbDefinitions, req.Key(d.ID), errNotFound("query definition")); err != nil {
				return err
			}
			return store.Put(tx, dbDefinitions, req.Key(d.ID), d)
		}
		all, err := store.List[definition](tx, dbDefinitions, req.Prefix())
		switch {
		case err != nil:
			return err
		case len(all) >= maxDefinitions:
			return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "There are %d query definitions, as many as may be.", len(all))
		}
		d.ID = wire.NewID()
		return store.Put(tx, dbDefinitions, req.Key(d.ID), d)
	})
	if err != nil {
		return nil, err
	}
	return &cwl.PutQueryDefinitionOutput{QueryDefinitionId: &d.ID}, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeQueryDefinitions.html
func (s *Service) describeDefinitions(_ context.Context, req *wire.Request, in *cwl.DescribeQueryDefinitionsInput) (*cwl.DescribeQueryDefinitionsOutput, error) {
	all, err := store.Select(s.DB, dbDefinitions, req.Prefix(), func(d definition) bool {
		return strings.HasPrefix(d.Name, aws.ToString(in.QueryDefinitionNamePrefix)) && (in.QueryLanguage == "" || string(in.QueryLanguage) == d.language())
	})
	if err != nil {
		return nil, err
	}
	order := func(d definition) string { return d.Name + "\x00" + d.ID }
	slices.SortFunc(all, func(a, b definition) int { return strings.Compare(order(a), order(b)) })
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, maxDefinitions, order)
	if err != nil {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	out := &cwl.DescribeQueryDefinitionsOutput{NextToken: next, QueryDefinitions: []types.QueryDefinition{}}
	for _, d := range some {
		out.QueryDefinitions = append(out.QueryDefinitions, types.QueryDefinition{
			QueryDefinitionId: &d.ID, Name: &d.Name, QueryString: &d.Query, LogGroupNames: append([]string{}, d.Groups...), LastModified: &d.Modified,
			QueryLanguage: types.QueryLanguage(d.language()),
		})
	}
	return out, nil
}

func (d definition) language() string {
	if d.Language == "" {
		return string(types.QueryLanguageCwli)
	}
	return d.Language
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteQueryDefinition.html
func (s *Service) deleteDefinition(_ context.Context, req *wire.Request, in *cwl.DeleteQueryDefinitionInput) (*cwl.DeleteQueryDefinitionOutput, error) {
	err := s.DB.Update(func(tx *store.Tx) error {
		if _, err := store.Find[definition](tx, dbDefinitions, req.Key(*in.QueryDefinitionId), errNotFound("query definition")); err != nil {
			return err
		}
		return tx.Delete(dbDefinitions, req.Key(*in.QueryDefinitionId))
	})
	if err != nil {
		return nil, err
	}
	return &cwl.DeleteQueryDefinitionOutput{Success: true}, nil
}
