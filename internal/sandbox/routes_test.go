package sandbox

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// doorstep is the sandbox's router with everybody let in up to the gate, which
// notes the operation that it is told and lets nobody through.
type doorstep struct {
	router *wire.Router
	mu     sync.Mutex
	named  []string
	req    *wire.Request // the last one
}

func (d *doorstep) Admit(_ context.Context, req *wire.Request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.named, d.req = append(d.named, req.Service+"."+req.Operation), req
	return wire.Errorf(http.StatusTeapot, "NamedAndStopped", "")
}

func (d *doorstep) last() (name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.named) == 1 {
		name = d.named[0]
	}
	d.named = nil
	return name
}

var credentialScope = regexp.MustCompile(`Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request`)

func (d *doorstep) Verify(h *http.Request) (wire.Principal, string, string, error) {
	if m := credentialScope.FindStringSubmatch(h.Header.Get("Authorization")); m != nil {
		return wire.Principal{Account: Account, Admin: true}, m[1], m[2], nil
	}
	return wire.Principal{}, "", "", wire.Errorf(http.StatusForbidden, "Unsigned", "")
}

func (d *doorstep) Do(h *http.Request) (*http.Response, error) {
	if h.Body == nil {
		h.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.router.ServeHTTP(w, h)
	return w.Result(), nil
}

func open(t *testing.T) *doorstep {
	t.Helper()
	keys := wire.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	s, err := build(ServeOptions{Dir: t.TempDir(), Account: Account, Region: Region, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)}, keys, "http://127.0.0.1:1")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	d := &doorstep{router: s.router}
	s.router.SetSecurity(d, nil)
	s.router.SetGate(d)
	return d
}

func (d *doorstep) clients() map[string]any {
	c := aws.Config{
		Region: Region, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), BaseEndpoint: aws.String("http://127.0.0.1:1"),
		HTTPClient: d, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return map[string]any{
		"applicationautoscaling": applicationautoscaling.NewFromConfig(c), "cloudwatch": cloudwatch.NewFromConfig(c), "cloudwatchlogs": cloudwatchlogs.NewFromConfig(c),
		"eventbridge": eventbridge.NewFromConfig(c), "iam": iam.NewFromConfig(c), "kms": kms.NewFromConfig(c), "lambda": lambda.NewFromConfig(c),
		"s3":        s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }),
		"sagemaker": sagemaker.NewFromConfig(c), "sagemakerruntime": sagemakerruntime.NewFromConfig(c), "sfn": sfn.NewFromConfig(c),
		"scheduler": scheduler.NewFromConfig(c), "secretsmanager": secretsmanager.NewFromConfig(c), "ecr": ecr.NewFromConfig(c),
		"cloudcontrol": cloudcontrol.NewFromConfig(c), "servicequotas": servicequotas.NewFromConfig(c), "ssm": ssm.NewFromConfig(c),
		"sns": sns.NewFromConfig(c), "sqs": sqs.NewFromConfig(c), "sts": sts.NewFromConfig(c),
	}
}

// ask makes an SDK's method send a request; what it demands of the input is
// filled in until it does.
func ask(t *testing.T, client any, operation string) (err error, sent bool) {
	t.Helper()
	method := reflect.ValueOf(client).MethodByName(operation)
	if !method.IsValid() {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	in := reflect.New(method.Type().In(1).Elem())
	for range 20 {
		out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
		err, _ = out[1].Interface().(error)
		var missing smithy.InvalidParamsError
		if !errors.As(err, &missing) {
			var api smithy.APIError
			return err, errors.As(err, &api)
		}
		for _, e := range missing.Errs() {
			var one smithy.InvalidParamError
			if !errors.As(e, &one) {
				return err, false
			}
			_, path, _ := strings.Cut(one.Field(), ".")
			if !fill(in, strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) })) {
				return err, false
			}
		}
	}
	return err, false
}

// fill sets what a path names to something.
func fill(v reflect.Value, path []string) bool {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		if len(path) == 0 && v.Elem().Kind() == reflect.Struct {
			return true
		}
		return fill(v.Elem(), path)
	}
	switch v.Kind() {
	case reflect.Struct:
		if len(path) == 0 {
			return true
		}
		field := v.FieldByName(path[0])
		if !field.IsValid() || !fill(field, path[1:]) {
			return false
		}
		if text, ok := field.Interface().(*string); ok { // some have a least length
			switch {
			case strings.HasSuffix(strings.ToLower(path[0]), "arn"), path[0] == "PermissionsBoundary":
				*text = "arn:aws:iam::" + Account + ":policy/bucket"
			case path[0] == "AccessKeyId":
				*text = "AKIAIOSFODNN7EXAMPLE"
			}
		}
		return true
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			return v.Type().Elem().Kind() == reflect.Uint8 || v.Type().Elem().Kind() == reflect.Struct || fill(v.Index(0), nil)
		}
		return len(path) > 0 && fill(v.Index(0), path[1:])
	case reflect.Map:
		if v.Len() == 0 {
			v.Set(reflect.MakeMap(v.Type()))
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if len(path) > 0 {
			path = path[1:]
		}
		if !fill(e, path) {
			return false
		}
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), e)
		return true
	case reflect.String:
		v.SetString("bucket")
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64, reflect.Float32:
		v.SetFloat(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Interface:
		if v.Type() != reflect.TypeFor[io.Reader]() {
			return false
		}
		v.Set(reflect.ValueOf(strings.NewReader("x")))
	default:
		return false
	}
	return true
}

// Each operation that is served is named by the router, before the gate, when
// AWS's own SDK asks for it; each other that AWS has gets the error that AWS gives
// for what it does not know. The operations of the SDK and those of the models
// are two sources for the same.
func TestRoutes(t *testing.T) {
	t.Parallel()
	d := open(t)
	clients := d.clients()
	served := map[string]int{}
	for _, name := range d.router.Operations() {
		service, _, _ := strings.Cut(name, ".")
		require.True(t, service == "sandbox" || clients[service] != nil, "%s has no client here: add it", service)
	}
	for service, client := range clients {
		for operation := range model.Of(service).Operations {
			err, sent := ask(t, client, operation)
			named := d.last()
			if d.router.Has(service, operation) {
				served[service]++
				require.True(t, sent, "%s.%s: %v", service, operation, err)
				require.Equal(t, service+"."+operation, named, "%v", err)
				continue
			}
			if !sent {
				continue // newer than the SDK, or no plain request
			}
			require.Empty(t, named)
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			if api.ErrorCode() == "Unsigned" {
				continue // asked without a signature, and refused before
			}
			require.True(t, slices.Contains([]string{"UnknownOperationException", "InvalidAction", "NotImplemented"}, api.ErrorCode()), "%s.%s: %v", service, operation, err)
			if operation != "WriteGetObjectResponse" { // is signed for a service of its own
				require.Contains(t, api.ErrorMessage(), operation)
			}
		}
		require.NotZero(t, served[service], service)
	}
	t.Log(served)
}

// The quotas are entries of the operations' rows; the numbers are AWS's,
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html and
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
func TestQuotas(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, tt := range []struct {
		region, service, operation, bucket string
		burst                              int
		perSecond                          float64
	}{
		{"us-east-1", "sfn", "StartExecution", "StartExecution", 1300, 300},
		{"eu-central-1", "sfn", "StartExecution", "StartExecution", 800, 150},
		{"us-east-1", "sfn", "ListExecutions", "ListExecutions", 200, 5},
		{"eu-central-1", "sfn", "ListExecutions", "ListExecutions", 100, 2},
		{"us-east-1", "sfn", "DescribeMapRun", "DescribeMapRun", 200, 1},
		{"us-east-1", "sfn", "CreateStateMachine", "CreateStateMachine", 100, 1},
		{"us-east-1", "sfn", "SendTaskSuccess", "SendTaskSuccess", 3000, 500},
		{"us-east-1", "lambda", "CreateFunction", "control", 15, 15},
		{"us-east-1", "lambda", "GetFunction", "GetFunction", 100, 100},
		{"us-east-1", "lambda", "Invoke", "", 0, 0},
		{"us-east-1", "sfn", "StartSyncExecution", "", 0, 0},
		{"us-east-1", "sqs", "SendMessage", "", 0, 0},
	} {
		_, err := d.router.Invoke(t.Context(), wire.ScopeOf(Account, tt.region), wire.Principal{Admin: true}, tt.service, tt.operation, nil)
		require.ErrorContains(t, err, "NamedAndStopped")
		q, limited := d.req.Quota()
		require.Equal(t, tt.burst > 0, limited, tt.operation)
		if limited {
			bucket, burst, perSecond := q.Of(tt.operation, tt.region)
			require.Equal(t, []any{tt.bucket, tt.burst, tt.perSecond}, []any{bucket, burst, perSecond}, tt.operation)
		}
	}
}
