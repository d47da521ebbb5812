package sqs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// byReceipt finds a message by a receipt handle, which is the last unless it was
// handed out again since; found is false if it is gone.
func byReceipt(tx *store.Tx, q queue, receipt *string) (m message, found, last bool, err error) {
	h := aws.ToString(receipt)
	_, key, _ := strings.Cut(h, "/")
	if !strings.HasPrefix(key, q.key()+"|") {
		return m, false, false, modelled("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	m, found, err = store.Get[message](tx, messagesBucket, key)
	return m, found, m.Receipt == h, err
}

// deleteMessage succeeds for what is gone already, as on AWS.
func (s *Service) deleteMessage(_ context.Context, req *wire.Request, in *sdk.DeleteMessageInput) (*sdk.DeleteMessageOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteMessageOutput{}, s.remove(q, in.ReceiptHandle)
}

func (s *Service) remove(q queue, receipt *string) error {
	err := s.DB.Batch(func(tx *store.Tx) error {
		m, found, last, err := byReceipt(tx, q, receipt)
		switch {
		case err != nil || !found:
			return err
		case q.fifo() && (!last || !m.Visible.After(s.now())):
			return expired(receipt)
		case !last:
			// "otherwise, the request succeeds, but the message will not be deleted"
			// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
			return nil
		}
		return drop(tx, q, m)
	})
	if q.fifo() {
		s.wake() // the next of its group may be handed out
	}
	if err == nil {
		s.meter.tell(q, "NumberOfMessagesDeleted", "Count", 1)
	}
	return err
}

func (s *Service) deleteBatch(_ context.Context, req *wire.Request, in *sdk.DeleteMessageBatchInput) (*sdk.DeleteMessageBatchOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("DeleteMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	out := &sdk.DeleteMessageBatchOutput{Successful: []types.DeleteMessageBatchResultEntry{}, Failed: []types.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		if err := s.remove(q, e.ReceiptHandle); err != nil {
			f := failed(e.Id, err)
			if *f.Code == "ReceiptHandleIsInvalid" { // whose text names it in a batch
				f.Message = aws.String(fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", aws.ToString(e.ReceiptHandle)))
			}
			out.Failed = append(out.Failed, f)
			continue
		}
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (s *Service) changeVisibility(_ context.Context, req *wire.Request, in *sdk.ChangeMessageVisibilityInput) (*sdk.ChangeMessageVisibilityOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sdk.ChangeMessageVisibilityOutput{}, s.hide(q, in.ReceiptHandle, in.VisibilityTimeout)
}

func (s *Service) changeVisibilities(_ context.Context, req *wire.Request, in *sdk.ChangeMessageVisibilityBatchInput) (*sdk.ChangeMessageVisibilityBatchOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("ChangeMessageVisibilityBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	out := &sdk.ChangeMessageVisibilityBatchOutput{Successful: []types.ChangeMessageVisibilityBatchResultEntry{}, Failed: []types.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		if err := s.hide(q, e.ReceiptHandle, e.VisibilityTimeout); err != nil {
			out.Failed = append(out.Failed, failed(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// maxHidden is the longest that a message may be hidden.
const maxHidden = 12 * time.Hour

// within refuses what a duration in seconds may not be.
func within(name string, d, most time.Duration) error {
	if d < 0 || d > most {
		return parameterError("InvalidParameterValue", "Value %d for parameter %s is invalid. Reason: Must be >= 0 and <= %d, if provided.", int(d.Seconds()), name, int(most.Seconds()))
	}
	return nil
}

// hide sets when a message becomes visible again. Any receipt handle of a message
// in a standard queue does, though its own time has run out, as AWS was recorded
// (test_change_message_visibility_after_visibility_timeout_expiration in
// https://github.com/localstack/localstack, tests/aws/services/sqs).
func (s *Service) hide(q queue, receipt *string, seconds int32) error {
	d := time.Duration(seconds) * time.Second
	if err := within("VisibilityTimeout", d, maxHidden); err != nil {
		return err
	}
	err := s.DB.Batch(func(tx *store.Tx) error {
		m, found, last, err := byReceipt(tx, q, receipt)
		if err != nil {
			return err
		}
		if !found || q.fifo() && (!last || !m.Visible.After(s.now())) {
			return parameterError("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "+
				"available for visibility timeout change.", aws.ToString(receipt))
		}
		if err := drop(tx, q, m); err != nil {
			return err
		}
		m.Visible = s.now().Add(d)
		return keep(tx, q, m)
	})
	s.wake()
	return err
}
