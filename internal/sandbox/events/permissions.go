package events

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxBusPolicy is the quota "Event bus policy size".
const maxBusPolicy = 10240

// putPermission sets the policy of a bus, or adds one statement to it. A statement with
// the same id is replaced. The document is refused as SQS and others refuse one: what
// EventBridge says of it is not documented.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
func (s *Service) putPermission(_ context.Context, req *wire.Request, in *sdk.PutPermissionInput) (*sdk.PutPermissionOutput, error) {
	_, err := s.changeBus(req, in.EventBusName, func(b *bus) error {
		text := aws.ToString(in.Policy)
		if text == "" {
			st, err := permission(req, *b, in)
			if err != nil {
				return err
			}
			if text, err = withStatement(b.Policy, st); err != nil {
				return err
			}
		}
		if len(text) > maxBusPolicy {
			return fail("PolicyLengthExceededException", "Policy length has exceeded the maximum length of %d characters.", maxBusPolicy)
		}
		if _, err := policy.Parse(text, policy.Resource); err != nil {
			return validation("Policy is invalid: %s", err)
		}
		b.Policy, b.Modified = text, s.now()
		return nil
	})
	return &sdk.PutPermissionOutput{}, err
}

// statement is a statement of a bus's policy that PutPermission makes.
type statement struct {
	Sid, Effect string
	Principal   any
	Action      string
	Resource    string
	Condition   map[string]map[string]string `json:",omitempty"`
}

func permission(req *wire.Request, b bus, in *sdk.PutPermissionInput) (statement, error) {
	st := statement{Sid: aws.ToString(in.StatementId), Effect: "Allow", Action: aws.ToString(in.Action), Resource: b.ARN}
	who := aws.ToString(in.Principal)
	switch {
	case st.Sid == "" || who == "" || st.Action == "":
		return st, validation("Parameter(s) StatementId, Principal and Action must be specified.") // the words are ours
	case st.Action != "events:PutEvents":
		return st, validation("Provided value in parameter 'action' is not supported.")
	case who == "*":
		st.Principal = who
	default:
		st.Principal = map[string]string{"AWS": wire.Scope{Partition: req.Partition, Account: who}.Root()}
	}
	if c := in.Condition; c != nil {
		st.Condition = map[string]map[string]string{aws.ToString(c.Type): {aws.ToString(c.Key): aws.ToString(c.Value)}}
	}
	return st, nil
}

func withStatement(text string, st statement) (string, error) {
	doc := policy.Statements{Version: "2012-10-17"}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return "", err
		}
	}
	raw, err := marshal(st)
	if err != nil {
		return "", err
	}
	if i := doc.Find(st.Sid); i >= 0 {
		doc.Statement[i] = raw
	} else {
		doc.Statement = append(doc.Statement, raw)
	}
	out, err := marshal(doc)
	return string(out), err
}

// removePermission takes away one statement, or all.
func (s *Service) removePermission(_ context.Context, req *wire.Request, in *sdk.RemovePermissionInput) (*sdk.RemovePermissionOutput, error) {
	_, err := s.changeBus(req, in.EventBusName, func(b *bus) error {
		b.Modified = s.now()
		if in.RemoveAllPermissions {
			b.Policy = ""
			return nil
		}
		if b.Policy == "" {
			return missing("EventBus does not have a policy.")
		}
		var doc policy.Statements
		if err := json.Unmarshal([]byte(b.Policy), &doc); err != nil {
			return err
		}
		i := doc.Find(aws.ToString(in.StatementId))
		if i < 0 {
			return missing("Statement with the provided id does not exist.")
		}
		doc.Statement, b.Policy = slices.Delete(doc.Statement, i, i+1), ""
		if len(doc.Statement) == 0 {
			return nil
		}
		text, err := marshal(doc)
		b.Policy = string(text)
		return err
	})
	return &sdk.RemovePermissionOutput{}, err
}
