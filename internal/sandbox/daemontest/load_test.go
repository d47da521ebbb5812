//go:build unix

package daemontest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// started is an execution that somebody asked for.
type started struct {
	m        *machine
	name     string
	input    map[string]any
	text     string
	arn      string
	attempts int
	began    time.Time
}

// book is what the outside world knows: what was acknowledged, and what was
// asked for without an answer.
type book struct {
	mu         sync.Mutex
	executions []*started
	unanswered []*started
	objects    map[string]string // key -> body
	messages   map[string]bool   // body -> acknowledged
	roles      map[string]bool
	finished   map[string]int // activity tasks whose success was acknowledged, by execution
	wrong      []string
	n          int
}

func newBook() *book {
	return &book{objects: map[string]string{}, messages: map[string]bool{}, roles: map[string]bool{}, finished: map[string]int{}}
}

func (b *book) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

func (b *book) number() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	return b.n
}

// world is the daemon with what was made in it before the first kill.
type world struct {
	*daemon
	*book
	machines []*machine
	queue    string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{daemon: newDaemon(t), book: newBook(), machines: machines()}
	w.start(t)
	c, ctx := connect(w.info), t.Context()
	_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("crash"), AssumeRolePolicyDocument: &trust})
	require.NoError(t, err)
	_, err = c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("crash"), PolicyName: aws.String("all"), PolicyDocument: aws.String(policy)})
	require.NoError(t, err)
	_, err = c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
	require.NoError(t, err)
	_, err = c.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket:                  aws.String(bucketName),
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	require.NoError(t, err)
	q, err := c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("crash")})
	require.NoError(t, err)
	w.queue = *q.QueueUrl
	_, err = c.sfn.CreateActivity(ctx, &sfn.CreateActivityInput{Name: aws.String("crash")})
	require.NoError(t, err)
	for _, m := range w.machines {
		if m.name == "lambda" {
			w.function(t, c)
		}
		out, err := c.sfn.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: &m.name, Definition: &m.definition, RoleArn: aws.String(roleARN)})
		require.NoError(t, err, m.name)
		m.arn = *out.StateMachineArn
	}
	return w
}

func (w *world) function(t testing.TB, c *clients) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("handler.py")
	require.NoError(t, err)
	_, err = f.Write([]byte(functionCode))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	_, err = c.lambda.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("crash"), Role: aws.String(roleARN), Runtime: lambdatypes.RuntimePython313, Handler: aws.String("handler.handler"),
		Code: &lambdatypes.FunctionCode{ZipFile: b.Bytes()}, Timeout: aws.Int32(30),
	})
	require.NoError(t, err)
}

// load works until ctx ends: many callers, each one call after the other, with
// answered and unanswered calls told apart.
func (w *world) load(ctx context.Context, seed uint64) (wait func()) {
	c := connect(w.info)
	var wg sync.WaitGroup
	w.mu.Lock()
	again := w.unanswered
	w.unanswered = nil
	w.mu.Unlock()
	wg.Add(1)
	go func() {
		defer wg.Done()
		for _, s := range again {
			w.begin(ctx, c, s)
		}
	}()
	for i := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, i)) // a test's choices
		wg.Add(1)
		go func() {
			defer wg.Done()
			for ctx.Err() == nil {
				w.act(ctx, c, r)
				pause(ctx, time.Duration(r.IntN(30))*time.Millisecond)
			}
		}()
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		for ctx.Err() == nil {
			w.work(ctx, c)
		}
	}()
	return wg.Wait
}

// act makes one call.
func (w *world) act(ctx context.Context, c *clients, r *rand.Rand) {
	n := w.number()
	switch p := r.IntN(100); {
	case p < 70:
		m := w.machines[r.IntN(len(w.machines))]
		s := &started{m: m, name: fmt.Sprintf("e%06d", n)}
		s.input = m.input(r, s.name, n)
		s.text = encode(s.input)
		w.begin(ctx, c, s)
	case p < 80:
		key, body := fmt.Sprintf("own/%d", n), strings.Repeat(fmt.Sprint(n, " "), 1+r.IntN(20000))
		_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: strings.NewReader(body)})
		w.answered("PutObject", err, func() { w.objects[key] = body })
	case p < 92:
		body := fmt.Sprint("message ", n)
		_, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: &body})
		w.mu.Lock()
		w.messages[body] = false
		w.mu.Unlock()
		w.answered("SendMessage", err, func() { w.messages[body] = true })
	default:
		name := fmt.Sprint("r", n)
		_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
		w.answered("CreateRole", err, func() { w.roles[name] = true })
	}
}

// answered notes a call's success. That a service says no is a failure of the
// test: all calls are right.
func (w *world) answered(call string, err error, note func()) {
	switch {
	case err == nil:
		w.mu.Lock()
		defer w.mu.Unlock()
		note()
	case refused(err):
		w.complain("%s was refused: %v", call, err)
	}
}

// begin starts an execution. Without an answer it is asked for again in the next
// round, by the same name and with the same input, as the API allows.
func (w *world) begin(ctx context.Context, c *clients, s *started) {
	s.attempts++
	s.began = time.Now()
	out, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &s.m.arn, Name: &s.name, Input: &s.text})
	var exists *sfntypes.ExecutionAlreadyExists
	switch {
	case err == nil:
		s.arn = *out.ExecutionArn
	case errors.As(err, &exists) && s.attempts > 1: // it ended meanwhile
		s.arn = strings.Replace(s.m.arn, ":stateMachine:", ":execution:", 1) + ":" + s.name
	case refused(err):
		w.complain("StartExecution of %s %s was refused: %v", s.m.name, s.name, err)
		return
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unanswered = append(w.unanswered, s)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.executions = append(w.executions, s)
}

// work takes one task of the activity and finishes it.
func (w *world) work(ctx context.Context, c *clients) {
	task, err := c.sfn.GetActivityTask(ctx, &sfn.GetActivityTaskInput{ActivityArn: aws.String(activityARN)})
	if err != nil || task.TaskToken == nil {
		pause(ctx, 5*time.Millisecond)
		return
	}
	_, after, _ := strings.Cut(*task.Input, `"name":"`)
	name, _, _ := strings.Cut(after, `"`)
	_, err = c.sfn.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: task.TaskToken, Output: aws.String(encode(map[string]any{"done": name}))})
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.finished[name]++
	}
}
