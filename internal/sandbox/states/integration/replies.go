package integration

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// WithMetadata adds what optimised integrations tell about the HTTP call. A call
// inside the sandbox has no headers of its own; the status and the id are true.
func WithMetadata(o *value.Object) *value.Object {
	id := wire.NewID()
	out := o.Clone()
	out.Set("SdkHttpMetadata", HTTPMetadata(id, -1))
	out.Set("SdkResponseMetadata", value.Of("RequestId", id))
	return out
}

// HTTPMetadata is what a reply tells about the call: the request's id, and the length
// of the body if it is not negative.
func HTTPMetadata(id string, length int) *value.Object {
	h := value.Of("Connection", "keep-alive", "Content-Type", "application/json", "x-amzn-RequestId", id)
	if length >= 0 {
		h.Set("Content-Length", fmt.Sprint(length))
	}
	all := value.NewObject(h.Len())
	for i := range h.Len() {
		k, v := h.At(i)
		all.Set(k, []any{v})
	}
	return value.Of("AllHttpHeaders", all, "HttpHeaders", h, "HttpStatusCode", value.Int(http.StatusOK))
}

// Payload returns the payload's text and value. Payloads that are no JSON are
// handed on as text, as AWS does.
func Payload(reply *value.Object) (string, any) {
	p, _ := reply.Get("Payload")
	text, isText := p.(string)
	if !isText {
		return value.String(p), p
	}
	if text == "" {
		return text, value.NewObject(0)
	}
	v, err := value.Parse(text)
	if err != nil {
		return text, text
	}
	return text, v
}

// javaTime writes epoch seconds as Step Functions writes times of replies.
func javaTime(seconds float64) string {
	return asl.Timestamp(time.UnixMilli(int64(math.Round(seconds * 1000))))
}
