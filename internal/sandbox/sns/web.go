package sns

import (
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Links answers the links in messages, which nobody signs: to confirm a subscription, whose
// token proves that the message was read; to unsubscribe; and to the certificate that
// messages are signed with. All else goes to next.
// https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
func (s *Service) Links(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || q.Has("X-Amz-Signature") {
			next.ServeHTTP(w, r)
			return
		}
		switch {
		case r.URL.Path == certificatePath:
			x, err := s.signing()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/x-pem-file")
			_, _ = w.Write(x.pem())
		case r.URL.Path == "/" && q.Get("Action") == "ConfirmSubscription":
			// "This call requires an AWS signature only when the AuthenticateOnUnsubscribe flag is
			// set to "true"." https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
			if strings.EqualFold(q.Get("AuthenticateOnUnsubscribe"), "true") {
				s.answer(w, "ConfirmSubscription", "", wire.Errorf(http.StatusForbidden, "AuthorizationError", "AuthenticateOnUnsubscribe needs a signed request"))
				return
			}
			out, err := s.confirmed(s.anyone(q.Get("TopicArn")), q.Get("TopicArn"), q.Get("Token"), false, false)
			arn := ""
			if err == nil {
				arn = out.SubscriptionArn
			}
			s.answer(w, "ConfirmSubscription", arn, err)
		case r.URL.Path == "/" && q.Get("Action") == "Unsubscribe":
			arn := q.Get("SubscriptionArn")
			s.answer(w, "Unsubscribe", "", s.drop(s.anyone(arn), arn, s.unguarded))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// anyone is a request without a caller about what an ARN names.
func (s *Service) anyone(arn string) *wire.Request {
	a, _ := wire.ParseARN(arn)
	return s.router.Inside(wire.ScopeOfARN(a), wire.Principal{}, id)
}

// unguarded loads a subscription that anybody may end.
func (s *Service) unguarded(tx *store.Tx, _ *wire.Request, key string) (subscription, error) {
	x, err := s.find(tx, key)
	// "Amazon SQS queue subscriptions require authentication for deletion. Only the owner of
	// the subscription, or the owner of the topic can unsubscribe using the required Amazon Web
	// Services signature." Of functions nothing is said: they have no owner but an account, too.
	// https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html
	if err == nil && (x.Guarded || x.Protocol == "sqs" || x.Protocol == "lambda") {
		err = wire.Errorf(http.StatusForbidden, "AuthorizationError", "Only who is authenticated may end the subscription %s", x.ARN)
	}
	return x, err
}

func (s *Service) answer(w http.ResponseWriter, operation, arn string, err error) {
	const space = "http://sns.amazonaws.com/doc/2010-03-31/"
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		e := wire.AsError(err)
		w.WriteHeader(e.Status)
		_ = xml.NewEncoder(w).Encode(struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Space     string   `xml:"xmlns,attr"`
			Error     struct{ Type, Code, Message string }
			RequestID string `xml:"RequestId"`
		}{Space: space, Error: struct{ Type, Code, Message string }{"Sender", e.Code, e.Message}, RequestID: wire.NewID()})
		return
	}
	type result struct {
		ARN string `xml:"SubscriptionArn"`
	}
	var shown *result
	if arn != "" {
		shown = &result{arn}
	}
	_ = xml.NewEncoder(w).EncodeElement(struct {
		Space     string  `xml:"xmlns,attr"`
		Result    *result `xml:"ConfirmSubscriptionResult,omitempty"`
		RequestID string  `xml:"ResponseMetadata>RequestId"`
	}{space, shown, wire.NewID()}, xml.StartElement{Name: xml.Name{Local: operation + "Response"}})
}
