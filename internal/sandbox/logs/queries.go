package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs/insights"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	dbQueries    = "logs.queries"    // the queries of Insights: scope's key of the id
	dbQueryRows  = "logs.queryrows"  // what they found, rowsPerPart rows each: query's key NUL number, six digits
	dbInquiries  = "logs.inquiries"  // what queries that run are to do: query's key -> inquiry
	dbQueryTimes = "logs.querytimes" // which are to be forgotten: milliseconds, twenty digits, NUL query's key
)

// rowsPerPart is how many rows are one value of the store.
const rowsPerPart = 100

// Limits of queries.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
const (
	maxQueryGroups = 50
	queriesFor     = 7 * 24 * time.Hour // results are kept so long
)

// atOnce is how many queries run at the same time; others wait.
const atOnce = 8

// query is a query but for its rows.
type query struct {
	ID, Text, Group string
	Created         int64
	Status          types.QueryStatus
	Rows            int
	Matched         float64
	Scanned, Bytes  float64
}

// inquiry is what a query that has not ended is to do.
type inquiry struct {
	Scope      wire.Scope
	Groups     []string
	Query      string
	Limit      int   // rows; 0 for none
	Start, End int64 // milliseconds, both of them in
}

// inquiries are the queries that this process runs, by their keys.
type inquiries struct {
	due     bell.Bell
	slots   chan struct{}
	mu      sync.Mutex
	running map[string]context.CancelFunc
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

// startQuery answers at once: the query runs behind it.
func (s *Service) startQuery(_ context.Context, req *wire.Request, in *cwl.StartQueryInput) (*cwl.StartQueryOutput, error) {
	groups, err := queried(req.Scope, in)
	if err != nil {
		return nil, err
	}
	if *in.StartTime > *in.EndTime {
		return nil, errInvalid("Query's end date and time is either before the log groups creation time or exceeds the log groups log retention settings")
	}
	most := 0
	if in.Limit != nil {
		most = int(*in.Limit)
	}
	_, err = insights.Parse(*in.QueryString, most)
	var bad *insights.Error
	if errors.As(err, &bad) {
		e := wire.Errorf(http.StatusBadRequest, "MalformedQueryException", "%s", bad.What)
		e.Fields = map[string]any{"queryCompileError": map[string]any{"message": bad.What}}
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	ask := inquiry{Scope: req.Scope, Query: *in.QueryString, Limit: most, Start: seconds(*in.StartTime), End: seconds(*in.EndTime)}
	q := query{
		ID: wire.NewID(), Created: s.Clock.Now().UnixMilli(), Status: types.QueryStatusRunning, Group: groups[0].name,
		Text: fmt.Sprintf("SOURCE %q START=%d END=%d | %s", groups[0].name, ask.Start, ask.End, ask.Query),
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		for _, g := range groups {
			if _, err := queriedGroup(tx, g); err != nil {
				return err
			}
			ask.Groups = append(ask.Groups, g.name)
		}
		key := req.Key(q.ID)
		return errors.Join(
			forgetQueries(tx, s.Clock.Now().Add(-queriesFor).UnixMilli()), store.Put(tx, dbQueryTimes, timeKey(q.Created)+"\x00"+key, key),
			store.Put(tx, dbInquiries, key, ask), store.Put(tx, dbQueries, key, q))
	})
	if err != nil {
		return nil, err
	}
	s.queries.due.Ring()
	return &cwl.StartQueryOutput{QueryId: &q.ID}, nil
}

// queryAll runs what queries there are that have not ended and that nobody runs yet, those
// first of all that a stop left.
func (s *Service) queryAll(ctx context.Context) (time.Duration, error) {
	keys := []string{}
	err := s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dbInquiries, "", "", func(key string, _ []byte) (bool, error) {
			keys = append(keys, key)
			return true, nil
		})
	})
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	for _, key := range keys {
		if s.queries.running[key] != nil {
			continue
		}
		own, cancel := context.WithCancel(ctx)
		s.queries.running[key] = cancel
		s.done.Go(guard.Func(s.Log, "a query of logs", func() { s.inquire(own, key) }))
	}
	return bell.Forever, err
}

// inquire runs a query until its end is kept.
func (s *Service) inquire(ctx context.Context, key string) {
	defer func() {
		s.queries.mu.Lock()
		defer s.queries.mu.Unlock()
		s.queries.running[key]()
		delete(s.queries.running, key)
	}()
	select {
	case s.queries.slots <- struct{}{}:
		defer func() { <-s.queries.slots }()
	case <-ctx.Done():
		return
	}
	var retry bell.Retry
	for ctx.Err() == nil {
		err := s.answer(ctx, key)
		if err == nil || ctx.Err() != nil || clock.Sleep(ctx, s.Clock, retry.Wait(err, bell.Forever)) != nil {
			return
		}
		s.Log.Error("a query has no answer yet", "error", err.Error())
	}
}

// answer runs a query and keeps what it finds, unless it was stopped. A query that cannot
// be answered has failed; an error is that of keeping it.
func (s *Service) answer(ctx context.Context, key string) error {
	ask, found, err := store.Read[inquiry](s.DB, dbInquiries, key)
	if err != nil || !found {
		return err
	}
	var result insights.Result
	size, status := 0, types.QueryStatusComplete
	err = guard.Run(s.Log, "a query of logs", func() error {
		parsed, err := insights.Parse(ask.Query, ask.Limit)
		for _, name := range ask.Groups {
			if err == nil {
				var n int
				n, err = s.recordsOf(ctx, ref{ask.Scope, name}, ask.Start, ask.End, parsed.Add)
				size += n
			}
		}
		if err == nil {
			result, err = parsed.End()
		}
		return err
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was stopped, or goes on after the next start
	}
	if err != nil {
		s.Log.Warn("a query failed", "query", ask.Query, "why", err.Error())
		status = types.QueryStatusFailed
	}
	return s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(dbInquiries, key) == nil {
			return nil
		}
		_, err := store.Change(tx, dbQueries, key, errors.New("the query is gone"), func(q *query) error {
			q.Status, q.Bytes, q.Matched, q.Scanned = status, float64(size), float64(result.Matched), float64(result.Scanned)
			return q.keepRows(tx, key, result.Rows)
		})
		return errors.Join(err, tx.Delete(dbInquiries, key))
	})
}

// keepRows keeps what a query has found.
func (q *query) keepRows(tx *store.Tx, key string, rows [][]insights.Field) error {
	q.Rows = len(rows)
	n := 0
	for part := range slices.Chunk(rows, rowsPerPart) {
		if err := store.Put(tx, dbQueryRows, partKey(key, n), part); err != nil {
			return err
		}
		n++
	}
	return nil
}

func partKey(key string, n int) string { return fmt.Sprintf("%s\x00%06d", key, n) }

func timeKey(ms int64) string { return fmt.Sprintf("%020d", ms) }

// seconds reads a time that may be in seconds or, for who mistakes them, milliseconds.
func seconds(t int64) int64 {
	if t > 1e11 {
		return t
	}
	return t * 1000
}

// forgetQueries drops queries from before a time.
func forgetQueries(tx *store.Tx, limit int64) error {
	old := map[string]string{}
	err := store.Each(tx, dbQueryTimes, "", "", func(at, key string) bool {
		if at >= timeKey(limit) {
			return false
		}
		old[at] = key
		return true
	})
	for at, key := range old {
		if err == nil {
			err = errors.Join(tx.Delete(dbQueryTimes, at), tx.Delete(dbQueries, key), tx.Delete(dbInquiries, key), tx.DeletePrefix(dbQueryRows, key+"\x00"))
		}
	}
	return err
}

// queriedGroup is a group, or the error of a query over one that there is not.
func queriedGroup(tx *store.Tx, g ref) (group, error) {
	return store.Find[group](tx, dbGroups, g.key(), wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException",
		"Log group '%s' does not exist for account ID '%s'", g.name, g.scope.Account))
}

// recordsOf gives add the events of a group from start to end, both of them in, and
// returns how many bytes they have.
func (s *Service) recordsOf(ctx context.Context, group ref, start, end int64, add func(insights.Record) error) (size int, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		g, err := queriedGroup(tx, group)
		if err != nil {
			return err
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
			var added error
			err := events(tx, group, st.Name, sp, func(f found) bool {
				size += f.size()
				ptr := strings.Join([]string{group.name, st.Name, f.String()}, "\x00")
				added = add(insights.Event(f.Message, group.scope.Account+":"+group.name, st.Name, *page.Token(ptr), time.UnixMilli(f.ms), time.UnixMilli(f.Ingested)))
				return added == nil && ctx.Err() == nil
			})
			if err = errors.Join(err, added, ctx.Err()); err != nil {
				return err
			}
		}
		return nil
	})
	return size, err
}

func (s *Service) readQuery(sc wire.Scope, id string) (q query, err error) {
	return store.Look(s.DB, func(tx *store.Tx) (query, error) {
		return store.Find[query](tx, dbQueries, sc.Key(id), noQuery(id))
	})
}

func (s *Service) queryResults(_ context.Context, req *wire.Request, in *cwl.GetQueryResultsInput) (*cwl.GetQueryResultsOutput, error) {
	q, err := s.readQuery(req.Scope, *in.QueryId)
	if err != nil {
		return nil, err
	}
	tokens := page.Kind("query " + q.ID)
	place, err := tokens.Place(in.NextToken)
	from, bad := strconv.Atoi(cmp.Or(place, "0"))
	if err != nil || bad != nil || from < 0 || from > q.Rows {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	to := q.Rows
	if in.MaxItems != nil {
		to = min(to, from+int(*in.MaxItems))
	}
	out := &cwl.GetQueryResultsOutput{
		QueryLanguage: types.QueryLanguageCwli, Status: q.Status, Results: [][]types.ResultField{},
		Statistics: &types.QueryStatistics{RecordsMatched: q.Matched, RecordsScanned: q.Scanned, BytesScanned: q.Bytes},
	}
	if to < q.Rows {
		out.NextToken = tokens.Token(strconv.Itoa(to))
	}
	key, at := req.Key(q.ID), from/rowsPerPart*rowsPerPart
	return out, s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, dbQueryRows, key+"\x00", partKey(key, from/rowsPerPart), func(_ string, part [][]insights.Field) bool {
			for _, row := range part {
				if at++; at > from && at <= to {
					out.Results = append(out.Results, shownRow(row))
				}
			}
			return at < to
		})
	})
}

func shownRow(row []insights.Field) []types.ResultField {
	fields := []types.ResultField{}
	for _, f := range row {
		fields = append(fields, types.ResultField{Field: &f.Name, Value: &f.Value})
	}
	return fields
}

// stopQuery ends a query that runs.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StopQuery.html
func (s *Service) stopQuery(_ context.Context, req *wire.Request, in *cwl.StopQueryInput) (*cwl.StopQueryOutput, error) {
	key := req.Key(*in.QueryId)
	err := s.DB.Update(func(tx *store.Tx) error {
		_, err := store.Change(tx, dbQueries, key, noQuery(*in.QueryId), func(q *query) error {
			if q.Status != types.QueryStatusRunning {
				return errInvalid("Query is not running")
			}
			q.Status = types.QueryStatusCancelled
			return tx.Delete(dbInquiries, key)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	s.queries.mu.Lock()
	defer s.queries.mu.Unlock()
	if cancel := s.queries.running[key]; cancel != nil {
		cancel()
	}
	return &cwl.StopQueryOutput{Success: true}, nil
}

func noQuery(id string) error {
	return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Query %s does not exist.", id)
}

func (s *Service) describeQueries(_ context.Context, req *wire.Request, in *cwl.DescribeQueriesInput) (*cwl.DescribeQueriesOutput, error) {
	all, err := store.ReadAll[query](s.DB, dbQueries, req.Prefix())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(q query) bool {
		return in.LogGroupName != nil && q.Group != *in.LogGroupName || in.Status != "" && in.Status != q.Status
	})
	slices.SortStableFunc(all, func(a, b query) int { return int(b.Created - a.Created) })
	some, next, err := page.At(all, in.NextToken, in.MaxResults, 1000)
	if err != nil {
		return nil, errInvalid("The specified nextToken is invalid.")
	}
	out := &cwl.DescribeQueriesOutput{Queries: []types.QueryInfo{}, NextToken: next}
	for _, q := range some {
		out.Queries = append(out.Queries, types.QueryInfo{
			QueryId: &q.ID, QueryString: &q.Text, LogGroupName: &q.Group, CreateTime: &q.Created,
			Status: q.Status, QueryLanguage: types.QueryLanguageCwli,
		})
	}
	return out, nil
}
