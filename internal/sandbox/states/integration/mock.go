package integration

import (
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// replies are the types of the replies that mocks are checked against.
var replies = map[string]reflect.Type{
	"lambda.Invoke":                        reflect.TypeFor[lambda.InvokeOutput](),
	"lambda.GetFunction":                   reflect.TypeFor[lambda.GetFunctionOutput](),
	"lambda.GetFunctionConfiguration":      reflect.TypeFor[lambda.GetFunctionConfigurationOutput](),
	"lambda.ListFunctions":                 reflect.TypeFor[lambda.ListFunctionsOutput](),
	"s3.GetObject":                         reflect.TypeFor[s3.GetObjectOutput](),
	"s3.PutObject":                         reflect.TypeFor[s3.PutObjectOutput](),
	"s3.HeadObject":                        reflect.TypeFor[s3.HeadObjectOutput](),
	"s3.CopyObject":                        reflect.TypeFor[s3.CopyObjectOutput](),
	"s3.DeleteObject":                      reflect.TypeFor[s3.DeleteObjectOutput](),
	"s3.ListObjectsV2":                     reflect.TypeFor[s3.ListObjectsV2Output](),
	"s3.ListBuckets":                       reflect.TypeFor[s3.ListBucketsOutput](),
	"kms.Encrypt":                          reflect.TypeFor[kms.EncryptOutput](),
	"kms.Decrypt":                          reflect.TypeFor[kms.DecryptOutput](),
	"kms.GenerateDataKey":                  reflect.TypeFor[kms.GenerateDataKeyOutput](),
	"dynamodb.GetItem":                     reflect.TypeFor[dynamoReply](),
	"dynamodb.PutItem":                     reflect.TypeFor[dynamoReply](),
	"dynamodb.UpdateItem":                  reflect.TypeFor[dynamoReply](),
	"dynamodb.DeleteItem":                  reflect.TypeFor[dynamoReply](),
	"dynamodb.Query":                       reflect.TypeFor[dynamoReply](),
	"dynamodb.Scan":                        reflect.TypeFor[dynamoReply](),
	"sqs.SendMessage":                      reflect.TypeFor[sqs.SendMessageOutput](),
	"sqs.ReceiveMessage":                   reflect.TypeFor[sqs.ReceiveMessageOutput](),
	"eventbridge.PutEvents":                reflect.TypeFor[eventbridge.PutEventsOutput](),
	"sagemaker.CreateTransformJob":         reflect.TypeFor[sagemaker.CreateTransformJobOutput](),
	"sagemaker.DescribeTransformJob":       reflect.TypeFor[sagemaker.DescribeTransformJobOutput](),
	"sagemaker.DescribeEndpoint":           reflect.TypeFor[sagemaker.DescribeEndpointOutput](),
	"sagemakerruntime.InvokeEndpoint":      reflect.TypeFor[sagemakerruntime.InvokeEndpointOutput](),
	"sagemakerruntime.InvokeEndpointAsync": reflect.TypeFor[sagemakerruntime.InvokeEndpointAsyncOutput](),
	"sfn.StartExecution":                   reflect.TypeFor[sfn.StartExecutionOutput](),
	"sfn.DescribeExecution":                reflect.TypeFor[sfn.DescribeExecutionOutput](),
	"sfn.StartSyncExecution":               reflect.TypeFor[sfn.StartSyncExecutionOutput](),
	"sfn.ListExecutions":                   reflect.TypeFor[sfn.ListExecutionsOutput](),
	"sfn.StopExecution":                    reflect.TypeFor[sfn.StopExecutionOutput](),
}

// dynamoReply are the members that replies of DynamoDB share; a mock for the service
// can be tested, though the sandbox does not serve it. Source: its API model.
type dynamoReply struct {
	Attributes, Item      map[string]any
	Items                 []map[string]any
	Count, ScannedCount   int32
	LastEvaluatedKey      map[string]any
	ConsumedCapacity      *dynamoCapacity
	ItemCollectionMetrics *struct{ ItemCollectionKey map[string]any }
}

type dynamoCapacity struct {
	TableName                                            string
	CapacityUnits, ReadCapacityUnits, WriteCapacityUnits float64
	Table                                                *dynamoUnits
	GlobalSecondaryIndexes, LocalSecondaryIndexes        map[string]dynamoUnits
}

type dynamoUnits struct{ CapacityUnits, ReadCapacityUnits, WriteCapacityUnits float64 }

// blobs are the least lengths of binary members that the API models state.
var blobs = map[string]int{"CiphertextBlob": 1, "CiphertextForRecipient": 1, "Plaintext": 1}

// required are members that a reply always has; STRICT asks for them.
var required = map[string][]string{
	"sfn.StartExecution":     {"ExecutionArn", "StartDate"},
	"sfn.StopExecution":      {"StopDate"},
	"sfn.StartSyncExecution": {"ExecutionArn", "StartDate", "StopDate", "Status"},
	"sfn.DescribeExecution":  {"ExecutionArn", "StateMachineArn", "Status", "StartDate"},
	"sfn.ListExecutions":     {"Executions"},
}

// ranges are the limits of numbers that the API models state.
var ranges = map[string][2]float64{
	"MemorySize": {128, 10240}, "Timeout": {1, 900}, "ReservedConcurrentExecutions": {0, math32}, "Size": {512, 10240},
}

const math32 = 1<<31 - 1

func mockError(format string, args ...any) error {
	return wire.Errorf(400, "ValidationException", "Mock result schema validation error: "+format, args...)
}

// CheckMock checks a mocked result against the reply of the API that the
// task calls.
func CheckMock(resource string, v any, mode types.MockResponseValidationMode) error {
	if mode == types.MockResponseValidationModeNone {
		return nil
	}
	i, ok := asl.ParseIntegration(resource)
	if !ok || i.Pattern != "" {
		return nil
	}
	service, op := Target(i)
	t, known := replies[service+"."+op]
	if !known {
		return nil
	}
	o, isObject := v.(*value.Object)
	if !isObject {
		return mockError("The result must be an object")
	}
	if mode != types.MockResponseValidationModePresent {
		for _, name := range required[service+"."+op] {
			if _, ok := o.Get(name); !ok {
				return mockError("Required field '%s' is missing", name)
			}
		}
	}
	return checkMembers(o, t)
}

func checkMembers(o *value.Object, t reflect.Type) error {
	for i := range o.Len() {
		name, v := o.At(i)
		f, ok := t.FieldByName(name)
		if !ok || name == "ResultMetadata" || name == "Payload" {
			continue
		}
		if err := checkMember(name, v, f.Type); err != nil {
			return err
		}
	}
	return nil
}

var (
	readerType = reflect.TypeFor[io.ReadCloser]()
	timeType   = reflect.TypeFor[time.Time]()
)

// enumOf returns the values of an enumeration of the SDK, none of another type.
func enumOf(t reflect.Type) []string {
	m, ok := t.MethodByName("Values")
	if !ok || m.Type.NumIn() != 1 || m.Type.NumOut() != 1 {
		return nil
	}
	list := m.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	out := make([]string, list.Len())
	for i := range out {
		out[i] = list.Index(i).String()
	}
	return out
}

func checkMember(name string, v any, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	wrong := func(what string) error { return mockError("Field '%s' must be %s", name, what) }
	if t == readerType || t == timeType {
		if _, ok := v.(string); !ok {
			return wrong("a string")
		}
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		text, ok := v.(string)
		if !ok {
			return wrong("a string")
		}
		if allowed := enumOf(t); len(allowed) > 0 && !slices.Contains(allowed, text) {
			return mockError("Field '%s' is not an expected value", name)
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return wrong("a boolean")
		}
	case reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		n, ok := v.(value.Number)
		if !ok {
			return wrong("a number")
		}
		if r, ok := ranges[name]; ok && n.Float64() < r[0] {
			return mockError("Field '%s' is less than the minimum value", name)
		} else if ok && n.Float64() > r[1] {
			return mockError("Field '%s' exceeds the maximum value", name)
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			text, ok := v.(string)
			if !ok {
				return wrong("a string")
			}
			if len(text) < blobs[name] {
				return mockError("Field '%s' is smaller than the minimum length", name)
			}
			return nil
		}
		list, ok := v.([]any)
		if !ok {
			return wrong("an array")
		}
		for _, e := range list {
			if err := checkMember(name, e, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Map:
		if _, ok := v.(*value.Object); !ok {
			return wrong("an object")
		}
	case reflect.Struct:
		o, ok := v.(*value.Object)
		if !ok {
			return wrong("an object")
		}
		return checkMembers(o, t)
	}
	return nil
}
