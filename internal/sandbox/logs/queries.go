package logs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs/insights"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbQueries has the queries of Insights with what they found: scope's key of the id.
const dbQueries = "logs.queries"

// Limits of queries.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
const (
	maxQueryGroups = 50
	queriesFor     = 7 * 24 * time.Hour // results are kept so long
)

// query is a query with its results. It has run when it is kept: the events of one
// machine are few.
type query struct {
	ID, Text, Group string
	Created         int64
	Rows            [][]insights.Field
	Matched         float64
	Scanned, Bytes  float64
}

func (s *Service) registerInsights(r *wire.Router) {
	groups := wire.On(func(req *wire.Request, in wire.Input) (arns []string) {
		for _, text := range slices.Concat(in.Texts("logGroupNames"), in.Texts("logGroupIdentifiers"), []string{in.Text("logGroupName")}) {
			if g, err := groupOf(req.Scope, text); err == nil && text != "" {
				arns = append(arns, g.streamARN(""))
			}
		}
		return arns
	})
	wire.Handle(r, id, "StartQuery", s.startQuery, groups)
	wire.Handle(r, id, "GetQueryResults", s.queryResults, wire.Access{})
	wire.Handle(r, id, "StopQuery", s.stopQuery, wire.Access{})
	wire.Handle(r, id, "DescribeQueries", s.describeQueries, wire.Access{})
}

// source is the command by which a query may name its groups itself.
var source = lazyregexp.New("(?is)^\\s*SOURCE\\s+(?:logGroups\\b|[\"'`])")

// queried are the groups that a query is over.
func queried(sc wire.Scope, in *cwl.StartQueryInput) ([]ref, error) {
	given := 0
	for _, some := range []bool{in.LogGroupName != nil, len(in.LogGroupNames) > 0, len(in.LogGroupIdentifiers) > 0} {
		if some {
			given++
		}
	}
	names := slices.Concat(in.LogGroupNames, in.LogGroupIdentifiers)
	if in.LogGroupName != nil {
		names = append(names, *in.LogGroupName)
	}
	switch {
	case source.MatchString(*in.QueryString):
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve SOURCE in queries; name the log groups in the request")
	case in.QueryLanguage != "" && in.QueryLanguage != types.QueryLanguageCwli:
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve the query language %s", in.QueryLanguage)
	case given > 1:
		return nil, errInvalid("logGroupName, logGroupNames and logGroupIdentifiers are mutually exclusive.")
	case len(names) == 0:
		return nil, errInvalid("At least one log group has to be specified.")
	case len(names) > maxQueryGroups:
		return nil, errInvalid("A query can have at most %d log groups.", maxQueryGroups)
	}
	var out []ref
	for _, name := range names {
		g, err := groupOf(sc, name)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func (s *Service) startQuery(ctx context.Context, req *wire.Request, in *cwl.StartQueryInput) (*cwl.StartQueryOutput, error) {
	groups, err := queried(req.Scope, in)
	if err != nil {
		return nil, err
	}
	if *in.StartTime > *in.EndTime {
		return nil, errInvalid("Query's end date and time is either before the log groups creation time or exceeds the log groups log retention settings")
	}
	parsed, err := insights.Parse(*in.QueryString)
	var bad *insights.Error
	if errors.As(err, &bad) {
		e := wire.Errorf(http.StatusBadRequest, "MalformedQueryException", "%s", bad.What)
		e.Fields = map[string]any{"queryCompileError": map[string]any{"message": bad.What}}
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	start, end := seconds(*in.StartTime), seconds(*in.EndTime)
	var records []insights.Record
	size := 0
	for _, g := range groups {
		some, n, err := s.recordsOf(ctx, g, start, end)
		if err != nil {
			return nil, err
		}
		records, size = append(records, some...), size+n
	}
	most := 0
	if in.Limit != nil {
		most = int(*in.Limit)
	}
	found := parsed.Run(records, most)
	q := query{
		ID: wire.NewID(), Created: s.Clock.Now().UnixMilli(), Rows: found.Rows, Matched: float64(found.Matched), Scanned: float64(found.Scanned), Bytes: float64(size), Group: groups[0].name,
		Text: fmt.Sprintf("SOURCE %q START=%d END=%d | %s", groups[0].name, start, end, *in.QueryString),
	}
	return &cwl.StartQueryOutput{QueryId: &q.ID}, s.DB.Update(func(tx *store.Tx) error {
		if err := forgetQueries(tx, s.Clock.Now().Add(-queriesFor).UnixMilli()); err != nil {
			return err
		}
		return store.Put(tx, dbQueries, req.Key(q.ID), q)
	})
}

// seconds reads a time that may be in seconds or, for who mistakes them, milliseconds.
func seconds(t int64) int64 {
	if t > 1e11 {
		return t
	}
	return t * 1000
}

// forgetQueries drops queries from before a time.
func forgetQueries(tx *store.Tx, limit int64) error {
	var old []string
	err := store.Each(tx, dbQueries, "", "", func(key string, q query) bool {
		if q.Created < limit {
			old = append(old, key)
		}
		return true
	})
	for _, key := range old {
		if err == nil {
			err = tx.Delete(dbQueries, key)
		}
	}
	return err
}

// recordsOf are the events of a group from start to end, both of them in, and how many
// bytes they have.
func (s *Service) recordsOf(ctx context.Context, group ref, start, end int64) (out []insights.Record, size int, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		g, err := getGroup(tx, group)
		if err != nil {
			return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Log group '%s' does not exist for account ID '%s'", group.name, group.scope.Account)
		}
		streams, err := store.List[stream](tx, dbStreams, group.streams())
		if err != nil {
			return err
		}
		if end%1000 == 0 {
			end += 999 // a second is in as a whole
		}
		sp := s.span(g, &start, aws.Int64(end+1))
		for _, st := range streams {
			if err := events(tx, group, st.Name, sp, func(f found) bool {
				size += f.size()
				ptr := strings.Join([]string{group.name, st.Name, f.String()}, "\x00")
				out = append(out, insights.Event(f.Message, group.scope.Account+":"+group.name, st.Name, *page.Token(ptr), time.UnixMilli(f.ms), time.UnixMilli(f.Ingested)))
				return ctx.Err() == nil
			}); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return out, size, err
}

func (s *Service) readQuery(sc wire.Scope, id string) (q query, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		var found bool
		if q, found, err = store.Get[query](tx, dbQueries, sc.Key(id)); err == nil && !found {
			err = wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Query %s does not exist.", id)
		}
		return err
	})
	return q, err
}

func (s *Service) queryResults(_ context.Context, req *wire.Request, in *cwl.GetQueryResultsInput) (*cwl.GetQueryResultsOutput, error) {
	q, err := s.readQuery(req.Scope, *in.QueryId)
	if err != nil {
		return nil, err
	}
	out := &cwl.GetQueryResultsOutput{
		QueryLanguage: types.QueryLanguageCwli, Status: types.QueryStatusComplete, Results: [][]types.ResultField{},
		Statistics: &types.QueryStatistics{RecordsMatched: q.Matched, RecordsScanned: q.Scanned, BytesScanned: q.Bytes},
	}
	for _, row := range q.Rows {
		fields := []types.ResultField{}
		for _, f := range row {
			fields = append(fields, types.ResultField{Field: &f.Name, Value: &f.Value})
		}
		out.Results = append(out.Results, fields)
	}
	return out, nil
}

// stopQuery finds every query ended.
func (s *Service) stopQuery(_ context.Context, req *wire.Request, in *cwl.StopQueryInput) (*cwl.StopQueryOutput, error) {
	if _, err := s.readQuery(req.Scope, *in.QueryId); err != nil {
		return nil, err
	}
	return nil, errInvalid("Query is not running")
}

func (s *Service) describeQueries(_ context.Context, req *wire.Request, in *cwl.DescribeQueriesInput) (*cwl.DescribeQueriesOutput, error) {
	var all []query
	err := s.DB.View(func(tx *store.Tx) (err error) {
		all, err = store.List[query](tx, dbQueries, req.Prefix())
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(q query) bool {
		return in.LogGroupName != nil && q.Group != *in.LogGroupName || in.Status != "" && in.Status != types.QueryStatusComplete
	})
	slices.SortStableFunc(all, func(a, b query) int { return int(b.Created - a.Created) })
	some, next, err := page.At(all, in.NextToken, in.MaxResults, 1000)
	if err != nil {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	out := &cwl.DescribeQueriesOutput{Queries: []types.QueryInfo{}, NextToken: next}
	for _, q := range some {
		out.Queries = append(out.Queries, types.QueryInfo{QueryId: &q.ID, QueryString: &q.Text, LogGroupName: &q.Group, CreateTime: &q.Created, Status: types.QueryStatusComplete, QueryLanguage: types.QueryLanguageCwli})
	}
	return out, nil
}
