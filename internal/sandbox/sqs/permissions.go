package sqs

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// A queue's policy may be made a statement at a time.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html

// shareable are the actions that AddPermission takes; the others are the owner's.
var shareable = []string{
	"*", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl",
	"ListDeadLetterSourceQueues", "PurgeQueue",
}

// maxActions is how many a statement may name.
const maxActions = 7

func checkPermission(in *sdk.AddPermissionInput) error {
	invalid := func(value any, name, reason string) error {
		return parameterError("InvalidParameterValue", "Value %v for parameter %s is invalid. Reason: %s", value, name, reason)
	}
	switch {
	case len(in.Actions) == 0:
		return parameterError("MissingParameter", "The request must contain the parameter Actions.")
	case len(in.Actions) > maxActions:
		e := modelled("OverLimit", "%d Actions were found, maximum allowed is %d.", len(in.Actions), maxActions)
		e.Status = http.StatusForbidden
		return e
	case len(in.AWSAccountIds) == 0:
		return invalid("[]", "PrincipalId", "Unable to verify.")
	case !batchID.MatchString(aws.ToString(in.Label)):
		return invalid(aws.ToString(in.Label), "Label", "Must be 1 to 80 alphanumeric characters, hyphens or underscores.")
	}
	for _, a := range in.Actions {
		if !slices.Contains(shareable, a) {
			return invalid("SQS:"+a, "ActionName", "Only the queue owner is allowed to invoke this action.")
		}
	}
	for _, id := range in.AWSAccountIds {
		if !accountID.MatchString(id) {
			return invalid("["+id+"]", "PrincipalId", "Unable to verify.")
		}
	}
	return nil
}

// editPolicy lets fn change the statements of a queue's policy; without one left
// there is no policy.
func (s *Service) editPolicy(req *wire.Request, url *string, fn func(queue, *policy.Statements) error) error {
	return s.edit(req, url, func(_ *store.Tx, q *queue) error {
		doc := policy.Statements{Version: "2008-10-17", ID: q.ARN + "/SQSDefaultPolicy"}
		if text := q.Attributes["Policy"]; text != "" {
			if err := json.Unmarshal([]byte(text), &doc); err != nil {
				return err
			}
		}
		if err := fn(*q, &doc); err != nil {
			return err
		}
		text := ""
		if len(doc.Statement) > 0 {
			raw, err := json.Marshal(doc)
			if err != nil {
				return err
			}
			text = string(raw)
		}
		q.merge(map[string]string{"Policy": text})
		q.Modified = s.now()
		return nil
	})
}

func (s *Service) addPermission(_ context.Context, req *wire.Request, in *sdk.AddPermissionInput) (*sdk.AddPermissionOutput, error) {
	err := s.editPolicy(req, in.QueueUrl, func(q queue, doc *policy.Statements) error {
		if err := checkPermission(in); err != nil {
			return err
		}
		if doc.Find(*in.Label) >= 0 {
			return parameterError("InvalidParameterValue", "Value %s for parameter Label is invalid. Reason: Already exists.", *in.Label)
		}
		var who, what []string
		for _, id := range in.AWSAccountIds {
			who = append(who, wire.Scope{Partition: q.Scope.Partition, Account: id}.Root())
		}
		for _, a := range in.Actions {
			what = append(what, "SQS:"+a)
		}
		raw, err := json.Marshal(struct {
			Sid, Effect      string
			Principal        map[string]any
			Action, Resource any
		}{*in.Label, "Allow", map[string]any{"AWS": policy.OneOrMore(who)}, policy.OneOrMore(what), q.ARN})
		doc.Statement = append(doc.Statement, raw)
		return err
	})
	return &sdk.AddPermissionOutput{}, err
}

func (s *Service) removePermission(_ context.Context, req *wire.Request, in *sdk.RemovePermissionInput) (*sdk.RemovePermissionOutput, error) {
	err := s.editPolicy(req, in.QueueUrl, func(_ queue, doc *policy.Statements) error {
		i := doc.Find(aws.ToString(in.Label))
		if i < 0 {
			return parameterError("InvalidParameterValue", "Value %s for parameter Label is invalid. Reason: can't find label.", aws.ToString(in.Label))
		}
		doc.Statement = slices.Delete(doc.Statement, i, i+1)
		return nil
	})
	return &sdk.RemovePermissionOutput{}, err
}

// sources is the answer of listSources, whose members are not all of one case.
type sources struct {
	QueueUrls []string `json:"queueUrls"`
	NextToken *string
}

// listSources lists the queues whose dead-letter queue this is.
func (s *Service) listSources(_ context.Context, req *wire.Request, in *sdk.ListDeadLetterSourceQueuesInput) (*sources, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	from, err := place(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := 1000
	if in.MaxResults != nil {
		limit = min(limit, int(*in.MaxResults))
	}
	out := &sources{QueueUrls: []string{}}
	err = s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[queue](tx, queuesBucket, q.Scope.Key(""))
		for _, of := range all {
			r, parseErr := parseRedrive(of.Attributes["RedrivePolicy"])
			if parseErr != nil || r.Target != q.ARN || of.Name < from {
				continue
			}
			if len(out.QueueUrls) == limit {
				out.NextToken = page.Token(of.Name)
				break
			}
			out.QueueUrls = append(out.QueueUrls, s.url(req, of.Scope, of.Name))
		}
		return err
	})
	return out, err
}
