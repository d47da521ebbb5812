//go:build unix

package daemontest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// These benchmarks look at how the cost of one more grows with how many there are, and
// run against moto's server too where this machine has it (MOTO_PYTHON names the
// interpreter, python3 otherwise): the same calls by the same SDK.

// server is what a benchmark measures.
type server struct {
	c   *clients
	cpu func() time.Duration // processor time of the server's process so far
}

// sides are the sandbox and, where it is, moto.
func sides(b *testing.B, run func(b *testing.B, s server, moto bool)) {
	b.Helper()
	b.Run("sandbox", func(b *testing.B) {
		w := newWorld(b)
		run(b, server{connect(w.info), func() time.Duration { return w.cpu(b) }}, false)
		w.stop(b)
	})
	b.Run("moto", func(b *testing.B) { run(b, moto(b), true) })
}

// moto starts moto's server, or skips the benchmark.
func moto(b *testing.B) server {
	b.Helper()
	python := os.Getenv("MOTO_PYTHON")
	if python == "" {
		python = "python3"
	}
	version, err := exec.Command(python, "-c", "import moto.server; print(moto.__version__)").Output()
	if err != nil {
		b.Skip("moto's server is not on this machine")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	address := l.Addr().String()
	require.NoError(b, l.Close())
	host, port, err := net.SplitHostPort(address)
	require.NoError(b, err)
	d := &daemon{cmd: exec.Command(python, "-m", "moto.server", "-H", host, "-p", port)}
	d.cmd.Env = append(os.Environ(), "AWS_DEFAULT_REGION=us-east-1")
	require.NoError(b, d.cmd.Start())
	b.Cleanup(d.kill)
	for began := time.Now(); ; pause(b.Context(), 10*time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			break
		}
		require.Less(b, time.Since(began), time.Minute, "moto does not become ready")
		require.NoError(b, d.cmd.Process.Signal(syscall.Signal(0)), "moto ended by itself")
	}
	b.Logf("moto %s", strings.TrimSpace(string(version)))
	c := connect(sandbox.Info{Region: "us-east-1", Endpoint: "http://" + address, AccessKeyID: "test", SecretAccessKey: "test"})
	return server{c, func() time.Duration { return d.cpu(b) }}
}

// size reads a number from the environment: what a run is for decides how long it may take.
func size(b *testing.B, name string, standard int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err)
	return n
}

// BenchmarkDrain fills a queue and drains it, ten messages at a time. A message at the
// full queue's end must cost no more than one at its beginning: with the whole queue read
// for each call the first fifth took most of the time. Moto gets a hundredth of the messages
// and one caller.
func BenchmarkDrain(b *testing.B) {
	const parts = 5
	sides(b, func(b *testing.B, s server, moto bool) {
		n, callers := size(b, "BENCH_MESSAGES", 100_000), 16
		if moto {
			// It reads the whole queue for each call, and gives callers at the same time the
			// same messages: 5,000 took sixteen of them half an hour.
			n, callers = n/100, 1
		}
		n -= n % (10 * parts)
		q, err := s.c.sqs.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: aws.String("drained"), Attributes: map[string]string{"VisibilityTimeout": "3600"}})
		require.NoError(b, err)
		for range b.N {
			many(b, n/10, callers, func(ctx context.Context, i int) error {
				var batch []sqstypes.SendMessageBatchRequestEntry
				for j := range 10 {
					batch = append(batch, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(j)), MessageBody: aws.String(fmt.Sprintf(`{"id":%d}`, i*10+j))})
				}
				out, err := s.c.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: q.QueueUrl, Entries: batch})
				if err == nil && len(out.Failed) > 0 {
					err = fmt.Errorf("%d messages were not taken", len(out.Failed))
				}
				return err
			})
			began := time.Now()
			for part := range parts {
				before := s.cpu()
				drain(b, s.c, q.QueueUrl, n/parts, callers)
				b.ReportMetric(float64((s.cpu()-before).Microseconds())/float64(n/parts), fmt.Sprintf("cpu-µs/message-part-%d", part+1))
			}
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "messages/s")
			left, err := s.c.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl})
			require.NoError(b, err)
			require.Empty(b, left.Messages, "all are drained")
		}
	})
}

// drain receives and deletes n messages.
func drain(b *testing.B, c *clients, url *string, n, callers int) {
	b.Helper()
	many(b, n/10, callers, func(ctx context.Context, _ int) error {
		for got := 0; got < 10; {
			out, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: int32(10 - got)})
			if err != nil || len(out.Messages) == 0 {
				return err
			}
			var done []sqstypes.DeleteMessageBatchRequestEntry
			for i, m := range out.Messages {
				done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
			}
			if _, err := c.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: done}); err != nil {
				return err
			}
			got += len(done)
		}
		return nil
	})
}

// BenchmarkBranches makes machines of Parallel states with more and more branches: one
// branch must cost as much in a large machine as in a small one. 8,000 took 5.8 s before.
func BenchmarkBranches(b *testing.B) {
	sides(b, func(b *testing.B, s server, moto bool) {
		role := roleARN
		if moto {
			role = strings.Replace(role, "000000000000", "123456789012", 1)
		}
		_, err := s.c.sfn.ListStateMachines(b.Context(), &sfn.ListStateMachinesInput{}) // the server is warm
		require.NoError(b, err)
		for _, n := range []int{1000, 2000, 4000, 8000} {
			var text strings.Builder
			text.WriteString(`{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[`)
			for i := range n {
				if i > 0 {
					text.WriteByte(',')
				}
				fmt.Fprintf(&text, `{"StartAt":"S%[1]d","States":{"S%[1]d":{"Type":"Pass","End":true}}}`, i)
			}
			text.WriteString(`]}}}`)
			before, began := s.cpu(), time.Now()
			for i := range b.N {
				_, err := s.c.sfn.CreateStateMachine(b.Context(),
					&sfn.CreateStateMachineInput{Name: aws.String(fmt.Sprintf("m%d-%d", n, i)), Definition: aws.String(text.String()), RoleArn: &role})
				require.NoError(b, err)
			}
			b.ReportMetric(float64((s.cpu()-before).Microseconds())/float64(b.N*n), fmt.Sprintf("cpu-µs/branch-of-%d", n))
			b.ReportMetric(float64(time.Since(began).Milliseconds())/float64(b.N), fmt.Sprintf("ms-of-%d", n))
		}
	})
}

// slowBody begins to put an object and never sends the end of it. The request is signed:
// of others the body is not read.
func (w *world) slowBody(b *testing.B, i int) net.Conn {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, fmt.Sprintf("%s/%s/slow-%d", w.info.Endpoint, bucketName, i), http.NoBody)
	require.NoError(b, err)
	req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	req.ContentLength = 1_000_000
	keys := aws.Credentials{AccessKeyID: w.info.AccessKeyID, SecretAccessKey: w.info.SecretAccessKey}
	require.NoError(b, v4.NewSigner().SignHTTP(b.Context(), keys, req, "UNSIGNED-PAYLOAD", "s3", w.info.Region, time.Now(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }))
	conn, err := net.Dial("tcp", req.URL.Host)
	require.NoError(b, err)
	head := fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", req.URL.Path, req.URL.Host, req.ContentLength)
	for name, values := range req.Header {
		head += name + ": " + values[0] + "\r\n"
	}
	_, err = fmt.Fprint(conn, head+"\r\nx")
	require.NoError(b, err)
	return conn
}

// BenchmarkSlowBodies lets clients send bodies that never come to their end, and looks at
// what they cost those that do: own memory for each slow one, requests of others a second,
// and how long it takes until the slow ones are cut off (never, before).
func BenchmarkSlowBodies(b *testing.B) {
	const requests = 1000
	slow := size(b, "BENCH_SLOW", 500)
	w := newWorld(b)
	c := connect(w.info)
	_, err := c.s3.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("one"), Body: strings.NewReader("x")})
	require.NoError(b, err)
	get := func(ctx context.Context, _ int) error {
		out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("one")})
		if err != nil {
			return err
		}
		return out.Body.Close()
	}
	rate := func() float64 {
		began := time.Now()
		many(b, requests, 16, get)
		return requests / time.Since(began).Seconds()
	}
	for range b.N {
		b.ReportMetric(rate(), "requests/s-alone")
		before, began := w.memory(b), time.Now()
		var open []net.Conn
		for i := range slow {
			open = append(open, w.slowBody(b, i))
		}
		b.ReportMetric(rate(), "requests/s-beside")
		b.ReportMetric((w.memory(b)-before)*1024/float64(slow), "KiB/slow-body")
		for _, conn := range open {
			require.NoError(b, conn.SetReadDeadline(time.Now().Add(2*time.Minute)))
			if n, err := conn.Read(make([]byte, 64)); n == 0 {
				require.NotErrorIs(b, err, os.ErrDeadlineExceeded, "the daemon waits for a slow body without end")
			}
			_ = conn.Close()
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-to-be-cut")
	}
	w.stop(b)
}
