//go:build unix

package daemontest

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"
)

// ticks is USER_HZ, in which Linux tells the time of processes.
const ticks = 100

// cpu is the processor time, of the user's and the kernel's, that the daemon itself
// has taken so far: other work on the machine hardly changes it. 0 where there is no
// /proc.
func (d *daemon) cpu(b *testing.B) time.Duration {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	_, rest, found := strings.Cut(string(raw), ") ") // behind the program's name
	if err != nil || !found {
		return 0
	}
	fields := strings.Fields(rest)
	var sum time.Duration
	for _, field := range fields[11:13] { // utime and stime of proc_pid_stat(5)
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		sum += time.Duration(n) * time.Second / ticks
	}
	return sum
}

// BenchmarkRealtime measures what one execution of the realtime template costs the
// daemon: a function, an endpoint, an object, 19 events. Functions run in processes of
// their own, which are not counted.
func BenchmarkRealtime(b *testing.B) {
	const n = 2000
	w := newWorld(b)
	c := connect(w.info)
	machine := w.realtime(b, c)
	start := func(ctx context.Context, i int) error {
		_, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{
			StateMachineArn: machine,
			Input:           aws.String(fmt.Sprintf(`{"id":%d,"sepal_length":7.0,"sepal_width":3.2,"petal_length":4.7,"petal_width":1.4}`, i)),
		})
		return err
	}
	many(b, 50, 16, start) // the functions' processes are there
	ended(b, c, machine)
	before := w.cpu(b)
	b.ResetTimer()
	for range b.N {
		many(b, n, 16, start)
		ended(b, c, machine)
	}
	b.StopTimer()
	b.ReportMetric(float64((w.cpu(b)-before).Microseconds())/float64(b.N*n)/1000, "cpu-ms/execution")
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "executions/s")
	list, err := c.list(b.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine, MaxResults: 1000, StatusFilter: "SUCCEEDED"})
	require.NoError(b, err)
	require.Len(b, list, b.N*n+50)
	history, err := c.sfn.GetExecutionHistory(b.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: list[0].ExecutionArn})
	require.NoError(b, err)
	require.Len(b, history.Events, 19)
	w.stop(b)
}

// realtime makes what the realtime template makes, and returns the machine's ARN.
func (w *world) realtime(b *testing.B, c *clients) *string {
	b.Helper()
	const example = "../../../examples/iris"
	ctx := b.Context()
	anyone := strings.Replace(trust, `"Service":`, `"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":{"Service":`, 1)
	_, err := c.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("crash"), PolicyDocument: &anyone})
	require.NoError(b, err)
	_, err = c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String("crash"), PolicyName: aws.String("realtime"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sagemaker:*","s3:*","logs:*","lambda:*","cloudwatch:*"],"Resource":"*"}]}`),
	})
	require.NoError(b, err)
	model, err := os.ReadFile(filepath.Join(example, "model.tar.gz"))
	require.NoError(b, err)
	_, err = c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("model.tar.gz"), Body: bytes.NewReader(model)})
	require.NoError(b, err)
	_, err = c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("preprocess"), Role: aws.String(roleARN), Runtime: lambdatypes.RuntimePython313, Handler: aws.String("index.handler"),
		Code: &lambdatypes.FunctionCode{ZipFile: zipped(b, filepath.Join(example, "preprocess"))}, Timeout: aws.Int32(30),
	})
	require.NoError(b, err)
	sm := c.sagemaker
	_, err = sm.CreateModel(ctx, &sagemaker.CreateModelInput{
		ModelName: aws.String("iris"), ExecutionRoleArn: aws.String(roleARN),
		PrimaryContainer: &smtypes.ContainerDefinition{Image: aws.String("sandbox/linear"), ModelDataUrl: aws.String("s3://" + bucketName + "/model.tar.gz")},
	})
	require.NoError(b, err)
	_, err = sm.CreateEndpointConfig(ctx, &sagemaker.CreateEndpointConfigInput{EndpointConfigName: aws.String("iris"), ProductionVariants: []smtypes.ProductionVariant{{
		VariantName: aws.String("primary"), ModelName: aws.String("iris"), InitialInstanceCount: aws.Int32(1), InstanceType: smtypes.ProductionVariantInstanceTypeMlM5Large,
	}}})
	require.NoError(b, err)
	_, err = sm.CreateEndpoint(ctx, &sagemaker.CreateEndpointInput{EndpointName: aws.String("iris"), EndpointConfigName: aws.String("iris")})
	require.NoError(b, err)
	for status := smtypes.EndpointStatusCreating; status != smtypes.EndpointStatusInService; pause(ctx, 10*time.Millisecond) {
		out, err := sm.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: aws.String("iris")})
		require.NoError(b, err)
		require.NotEqual(b, smtypes.EndpointStatusFailed, out.EndpointStatus, "%s", aws.ToString(out.FailureReason))
		status = out.EndpointStatus
	}
	definition, err := os.ReadFile("../../../templates/realtime/statemachine.asl.json")
	require.NoError(b, err)
	filled := strings.NewReplacer("${partition}", "aws", "${preprocessFunctionArn}", "preprocess", "${endpointName}", "iris", "${bucketName}", bucketName,
		"${accountId}", w.info.Account, `"${executionTimeoutSec}"`, "600", `"${preprocessTaskTimeoutSec}"`, "60", `"${invokeTimeoutSec}"`, "70").Replace(string(definition))
	return w.create(b, c, "realtime", filled)
}

// zipped is a folder's files as a ZIP archive.
func zipped(b *testing.B, dir string) []byte {
	b.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	require.NoError(b, z.AddFS(os.DirFS(dir)))
	require.NoError(b, z.Close())
	return buf.Bytes()
}
