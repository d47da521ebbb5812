package wire

import (
	"bytes"
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
)

// EventStream is the answer of an operation that goes on: events, as long as the client
// listens. Run sends them, each as a member of the model's union with its document, and
// ends when ctx does. An error that it returns ends the stream for the client too. Enter,
// if there is one, comes before the first byte of the answer: what it refuses is the
// operation's own error, and what it returns is called when the stream is over.
// https://smithy.io/2.0/aws/amazon-eventstream.html
type EventStream struct {
	Enter func() (leave func(), err error)
	Run   func(ctx context.Context, send func(event string, doc any) error) error
}

const eventStreamType = "application/vnd.amazon.eventstream"

// serve sends the events to a client of a JSON protocol, whose first message is the
// answer that other operations would give.
func (s *EventStream) serve(x *exchange) error {
	if s.Enter != nil {
		leave, err := s.Enter()
		if err != nil {
			return err
		}
		defer leave()
	}
	out := http.NewResponseController(x.w)
	x.w.Header().Set("Content-Type", eventStreamType)
	x.w.WriteHeader(http.StatusOK)
	send := func(kind, event string, doc any) error {
		raw, err := Encode(doc, x.svc.Casing)
		if err != nil {
			return err
		}
		m := eventstream.Message{Payload: raw}
		m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(kind))
		m.Headers.Set(eventstreamapi.ContentTypeHeader, eventstream.StringValue("application/json"))
		if kind == eventstreamapi.ExceptionMessageType {
			m.Headers.Set(eventstreamapi.ExceptionTypeHeader, eventstream.StringValue(event))
		} else {
			m.Headers.Set(eventstreamapi.EventTypeHeader, eventstream.StringValue(event))
		}
		var b bytes.Buffer
		if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
			return err
		}
		if _, err := x.w.Write(b.Bytes()); err != nil {
			return err
		}
		_ = out.Flush() // a writer that cannot has no client that waits
		return nil
	}
	if err := send(eventstreamapi.EventMessageType, "initial-response", struct{}{}); err != nil {
		return nil // the client is gone
	}
	err := s.Run(x.h.Context(), func(event string, doc any) error { return send(eventstreamapi.EventMessageType, event, doc) })
	if err != nil && x.h.Context().Err() == nil {
		e := AsError(err)
		_ = send(eventstreamapi.ExceptionMessageType, e.Code, map[string]string{"message": e.Message})
	}
	return nil
}
