package api

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// historyOutput is GetExecutionHistoryOutput with the events as they are stored.
type historyOutput struct {
	Events    []json.RawMessage
	NextToken *string
}

func (s *Handlers) getHistory(_ context.Context, req *wire.Request, in *sfn.GetExecutionHistoryInput) (*historyOutput, error) {
	rec, _, err := s.execution(req, aws.ToString(in.ExecutionArn))
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxResults)
	from, err := place(eventList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &historyOutput{Events: []json.RawMessage{}}
	err = s.DB.View(func(tx *store.Tx) error {
		step, id := int64(1), int64(1)
		if in.ReverseOrder {
			step = -1
			if id = s.lastEvent(tx, &rec); from == "" && id == 0 {
				return nil
			}
		}
		if from != "" {
			if id, err = strconv.ParseInt(from, 10, 64); err != nil {
				return errBadToken()
			}
		}
		for ; id > 0; id += step {
			raw := tx.GetRaw(record.BucketEvents, record.EventKey(rec.Key(), id))
			if raw == nil {
				return nil
			}
			if len(out.Events) == limit {
				out.NextToken = eventList.Token(strconv.FormatInt(id, 10))
				return nil
			}
			api, err := historyEvent(raw, in.IncludeExecutionData)
			if err != nil {
				return err
			}
			out.Events = append(out.Events, api)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func historyEvent(raw []byte, include *bool) (json.RawMessage, error) {
	var ev history.Event
	if err := json.Unmarshal(raw, &ev); err != nil {
		return nil, err
	}
	if include != nil && !*include {
		ev.Details.Strip()
	}
	return ev.API()
}

// lastEvent finds the number of the last written event.
func (s *Handlers) lastEvent(tx *store.Tx, rec *record.Execution) int64 {
	lo, hi := int64(0), rec.LastEvent
	if rec.Status == record.Running {
		hi = record.MaxEvents
	}
	for lo < hi { // ids are dense
		mid := (lo + hi + 1) / 2
		if tx.GetRaw(record.BucketEvents, record.EventKey(rec.Key(), mid)) != nil {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}
