// Package wire owns what every sandbox service shares: the request with its
// caller, AWS errors, the AWS wire protocols, and the router that authenticates
// a request and hands it to the operation. Services register operations here
// and reach one another only through Router.Invoke and the interfaces below,
// always as some Principal, so that permissions are checked in one way. How
// AWS's clients ask for an operation is data (package model); the table of the
// Router has what the sandbox does for it.
package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Principal is who makes a call.
type Principal struct {
	Account string
	// ARN is arn:aws:iam::ACCT:user/NAME, or arn:aws:sts::ACCT:assumed-role/ROLE/SESSION
	// in the partition of the call or the role.
	ARN    string
	UserID string
	// Role is the name of the assumed role; empty for the sandbox's own user.
	Role string
	// RoleARN is the ARN of the assumed role with its path, which the session's
	// ARN does not tell; empty for the sandbox's own user.
	RoleARN string
	// Admin marks the sandbox's own generated key, which may do everything.
	Admin bool
	// Service is the AWS service that assumed the role on behalf of a resource
	// ("states.amazonaws.com"), empty otherwise. Without a role it is the service itself.
	Service string
	// Source is the ARN of the resource that a service acts for where it does so in its
	// own name (aws:SourceArn), empty otherwise.
	Source string
	// SourceAccount is the account of a Source whose ARN has none (a bucket's).
	SourceAccount string
	// Session is what else was said when the role was assumed; nil for nothing.
	Session *Session
}

// Session bounds and describes a session of a role. It is never changed.
type Session struct {
	// Policies are documents that bound what the role's policies allow.
	Policies []string
	// Tags are those of the role and, before them, those of the session
	// (aws:PrincipalTag); Transitive are the keys of those that a role which is
	// assumed in turn takes over.
	Tags       map[string]string
	Transitive []string
}

// Foreign reports whether an ARN names a resource of another account than the
// caller's. AWS's own resources, and ARNs without an account, are nobody's.
func (p Principal) Foreign(resource string) bool {
	a, ok := ParseARN(resource)
	return ok && a.AccountID != "" && a.AccountID != "aws" && p.Account != "" && a.AccountID != p.Account
}

// Request is what an operation knows of the call besides its input.
type Request struct {
	ID string
	Scope
	Service   string // SDK service id: "states", "s3", "sagemakerruntime"
	Operation string // "StartExecution"
	Principal Principal
	// HTTP is the raw request, nil for a call from inside (Router.Invoke).
	HTTP *http.Request
	// Time is when it came.
	Time time.Time

	auth Authorizer
	svc  *Service            // that was asked; nil in none
	row  *entry              // of the operation
	tags map[string][]string // condition keys of the document's tags
	kept kept
}

// kept is what a guard has read of the resource that a request is about.
type kept struct {
	key string
	v   any
}

// Keep lets the handler of a request have what the service's guard has read for it, so
// that it is read once. Nobody may change it.
func (r *Request) Keep(key string, v any) { r.kept = kept{key, v} }

// Kept takes what the guard kept under a key; false if there is nothing of the type. It
// is given out once: what is asked later is read anew.
func Kept[T any](r *Request, key string) (v T, ok bool) {
	if r.kept.key != key {
		return v, false
	}
	v, ok = r.kept.v.(T)
	r.kept = kept{}
	return v, ok
}

// Inside is a request that no client made: what one service asks of another through
// an interface, at a time, as p.
func Inside(auth Authorizer, sc Scope, p Principal, now time.Time) *Request {
	return &Request{ID: NewID(), Scope: sc, Principal: p, Time: now, auth: auth}
}

// failure words an error as the request's service does.
func (r *Request) failure(err error) *Error {
	if r.svc == nil {
		return AsError(err)
	}
	return r.svc.Refusals.Error(err)
}

// Authorize asks whether the caller may do action ("s3:PutObject") on the
// resource ARN ("*" where the action has none). keys are condition keys with
// their values ("s3:prefix"). It returns a *DeniedError if not.
// What belongs to another account is refused: its own policy would have to
// consent, and who asks in this way has none (policy.Authorize asks with one).
func (r *Request) Authorize(ctx context.Context, action, resource string, keys map[string][]string) error {
	if r.Principal.Foreign(resource) {
		return NoPolicy(r.Principal, action, resource, "resource-based")
	}
	return r.AuthorizeIdentity(ctx, action, resource, keys)
}

// AuthorizeIdentity is Authorize by the caller's own policies alone: one half of
// what access to another account's resource needs.
func (r *Request) AuthorizeIdentity(ctx context.Context, action, resource string, keys map[string][]string) error {
	if r.Principal.Admin || r.auth == nil {
		return nil
	}
	return r.auth.Authorize(ctx, r.Principal, action, resource, r.ConditionKeys(keys))
}

// ConditionKeys adds to keys the condition keys that follow from the request
// itself: when and from where it came, whether over TLS, for which region, and which
// tags it gives or takes. Keys that are given win.
func (r *Request) ConditionKeys(keys map[string][]string) map[string][]string {
	out := map[string][]string{"aws:RequestedRegion": {r.Region}}
	if source, ok := ParseARN(r.Principal.Source); ok && r.Principal.Role == "" {
		out["aws:SourceArn"], out["aws:SourceAccount"] = []string{r.Principal.Source}, []string{cmp.Or(source.AccountID, r.Principal.SourceAccount)}
	}
	if !r.Time.IsZero() {
		out["aws:CurrentTime"] = []string{r.Time.UTC().Format(time.RFC3339)}
		out["aws:EpochTime"] = []string{strconv.FormatInt(r.Time.Unix(), 10)}
	}
	if r.HTTP != nil {
		out["aws:SecureTransport"] = []string{strconv.FormatBool(r.HTTP.TLS != nil)}
		if host, _, err := net.SplitHostPort(r.HTTP.RemoteAddr); err == nil {
			out["aws:SourceIp"] = []string{host}
		}
		if ua := r.HTTP.UserAgent(); ua != "" {
			out["aws:UserAgent"] = []string{ua}
		}
		if from := r.HTTP.Referer(); from != "" {
			out["aws:Referer"] = []string{from}
		}
	}
	maps.Copy(out, r.tags)
	maps.Copy(out, keys)
	return out
}

// Authorizer decides by identity policies and permission boundaries. The IAM
// service implements it.
type Authorizer interface {
	Authorize(ctx context.Context, p Principal, action, resource string, keys map[string][]string) error
}

// Roles lets a service act as a role. The IAM service implements it.
type Roles interface {
	// AssumeServiceRole checks the role's trust policy for the service principal
	// ("states.amazonaws.com") with aws:SourceArn set to what the service acts for
	// and aws:SourceAccount to the account of sc, and returns the session's principal.
	AssumeServiceRole(ctx context.Context, sc Scope, service, roleARN, sourceARN, session string) (Principal, error)
	// SessionCredentials issues temporary keys with which the principal can sign
	// requests to the sandbox, for code that runs outside it (Lambda functions).
	SessionCredentials(ctx context.Context, p Principal, ttl time.Duration) (Credentials, error)
}

// Credentials are what signs a request.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// Verifier authenticates a request. The IAM service implements it with AWS
// Signature Version 4, in the header or in the query (presigned).
type Verifier interface {
	// Verify returns the caller and the credential scope's region and service.
	// It must leave r.Body readable by the handler.
	Verify(r *http.Request) (p Principal, region, service string, err error)
}

// Signers tells how requests to services are signed. The Router implements it.
type Signers interface {
	Signing(scope string) Signing
	// Old is the signing name of the service that takes old signatures, "" if there is
	// none, and the escaped path by which that knows what a request is about.
	Old(h *http.Request) (scope, path string)
	// Unsigned is the signing name of the service that a request is for which says
	// nothing of one, "" if none has words of its own for that.
	Unsigned(h *http.Request) string
}

// Objects is the part of S3 that other services use from inside. Each call is
// authorised as p. The S3 service implements it.
type Objects interface {
	GetObject(ctx context.Context, sc Scope, p Principal, bucket, key, versionID string) (io.ReadCloser, ObjectInfo, error)
	PutObject(ctx context.Context, sc Scope, p Principal, bucket, key, contentType string, body io.Reader) (ObjectInfo, error)
	// ListObjects calls fn for each object below prefix in key order until it
	// returns false.
	ListObjects(ctx context.Context, sc Scope, p Principal, bucket, prefix string, fn func(ObjectInfo) bool) error
}

// ObjectInfo describes one version of an object.
type ObjectInfo struct {
	Bucket, Key, VersionID, ETag, ContentType, StorageClass string
	Size                                                    int64
	LastModified                                            time.Time
	Metadata                                                map[string]string
}

// Logs takes log lines of functions, endpoints and state machines. The
// CloudWatch Logs service implements it. It creates the stream if need be; the
// group must exist.
type Logs interface {
	PutLog(ctx context.Context, sc Scope, p Principal, group, stream string, lines ...LogLine) error
}

// LogLine is one log event.
type LogLine struct {
	Time    time.Time
	Message string
}

// Error is an AWS error reply.
type Error struct {
	Status  int
	Code    string
	Message string
	// Fields are members of the error besides code and message.
	Fields map[string]any
	// QueryCode is the code by which clients of the old query protocol know the
	// error, where it differs ("AWS.SimpleQueueService.NonExistentQueue").
	QueryCode string
}

// Error is "Code: message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error. Status 400 is what most services use for all errors of
// the client.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Events takes events of services for EventBridge rules (default bus). Delivery
// is best effort. The EventBridge service implements it.
type Events interface {
	PutEvent(ctx context.Context, sc Scope, source, detailType string, resources []string, detail any)
}

// ScalingAlarm is an alarm that acts on a scaling policy, with what it last saw.
type ScalingAlarm struct {
	Name             string
	Threshold, Value float64
	Known            bool // whether there is a Value
}

// Scaling takes actions of alarms on scaling policies. Application Auto Scaling
// implements it.
type Scaling interface {
	ExecutePolicy(ctx context.Context, policyARN string, a ScalingAlarm) error
}

// Unserved reports whether an error says that the sandbox does not serve an operation: a
// router without the service that another one would ask.
func Unserved(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "UnknownOperationException"
}

// Transient reports whether a call that failed may succeed later, so that its failure says
// nothing about what was asked for: the service is busy or fails itself. A refusal is not,
// nor is what the sandbox does not serve.
func Transient(err error) bool {
	var denied *DeniedError
	if err == nil || errors.As(err, &denied) {
		return false
	}
	e := AsError(err)
	code := strings.ToLower(e.Code)
	return e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented || e.Status == http.StatusTooManyRequests ||
		strings.Contains(code, "throttl") || strings.Contains(code, "toomanyrequests")
}

// MetricPoint is a data point with all that it may say.
type MetricPoint struct {
	Namespace, Name string
	Dimensions      map[string]string
	Value           float64
	Unit            string    // "": none
	Time            time.Time // what it is about
}

// MetricPoints takes data points of services and of metric filters. The CloudWatch service
// implements it.
type MetricPoints interface {
	PutPoint(ctx context.Context, sc Scope, p MetricPoint)
}
