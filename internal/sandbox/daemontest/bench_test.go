//go:build unix

package daemontest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// chain is a machine of n Pass states, or n Choice and Pass states in a loop.
func chain(n int) string {
	var b strings.Builder
	b.WriteString(`{"StartAt":"S1","States":{`)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `"S%d":{"Type":"Pass","Next":"S%d"},`, i, i+1)
	}
	fmt.Fprintf(&b, `"S%d":{"Type":"Pass","End":true}}}`, n)
	return b.String()
}

// loop makes 2n+3 transitions.
func loop(n int) string {
	return fmt.Sprintf(`{"StartAt":"Zero","States":{
		"Zero":{"Type":"Pass","Result":{"i":0},"Next":"More"},
		"More":{"Type":"Choice","Choices":[{"Variable":"$.i","NumericLessThan":%d,"Next":"Add"}],"Default":"End"},
		"Add":{"Type":"Pass","Parameters":{"i.$":"States.MathAdd($.i, 1)"},"Next":"More"},
		"End":{"Type":"Succeed"}}}`, n)
}

func (w *world) create(b *testing.B, c *clients, name, definition string) *string {
	b.Helper()
	out, err := c.sfn.CreateStateMachine(b.Context(), &sfn.CreateStateMachineInput{Name: &name, Definition: &definition, RoleArn: aws.String(roleARN)})
	require.NoError(b, err)
	return out.StateMachineArn
}

// many makes n calls from some callers at a time.
func many(b *testing.B, n, callers int, call func(ctx context.Context, i int) error) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := call(b.Context(), i); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
}

// ended waits until no execution of the machine runs, and calls each meanwhile.
func ended(b *testing.B, c *clients, machine *string, each ...func()) {
	b.Helper()
	for {
		for _, fn := range each {
			fn()
		}
		out, err := c.sfn.ListExecutions(b.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1})
		require.NoError(b, err)
		if len(out.Executions) == 0 {
			return
		}
		pause(b.Context(), 5*time.Millisecond)
	}
}

// span is the time from the first start to the last end of a machine's executions,
// which all must have succeeded.
func span(b *testing.B, c *clients, machine *string, want int) time.Duration {
	b.Helper()
	list, err := c.list(b.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine, MaxResults: 1000})
	require.NoError(b, err)
	require.Len(b, list, want)
	first, last := *list[0].StartDate, *list[0].StopDate
	for _, e := range list {
		require.Equal(b, types.ExecutionStatusSucceeded, e.Status)
		if e.StartDate.Before(first) {
			first = *e.StartDate
		}
		if e.StopDate.After(last) {
			last = *e.StopDate
		}
	}
	return last.Sub(first)
}

// memory is the daemon's own resident memory in MiB: what it has allocated. The
// pages of the store's file that the kernel keeps in memory are its cache.
func (d *daemon) memory(b *testing.B) float64 { return d.resident(b, "RssAnon:") }

// resident reads a line of the process's status (Linux).
func (d *daemon) resident(b *testing.B, line string) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	_, rest, found := strings.Cut(string(raw), line)
	if err != nil || !found {
		return 0
	}
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(b, err)
	return float64(kb) / 1024
}

// BenchmarkTransitions counts state transitions a second, all of them recorded.
func BenchmarkTransitions(b *testing.B) {
	cases := []struct {
		name, definition string
		executions, each int
	}{
		{"one_long", loop(6000), 1, 12003},
		{"1000_at_a_time", chain(100), 1000, 100},
		{"1000_loops", loop(50), 1000, 103},
		{"1000_tasks", `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{` + put(`"Key.$":"$.k"`, `"Body":"x"`) + `,"Next":"C"},"C":{"Type":"Pass","End":true}}}`, 1000, 3},
	}
	for _, tt := range cases {
		b.Run(tt.name, func(b *testing.B) {
			w := newWorld(b)
			c := connect(w.info)
			var took time.Duration
			for i := range b.N {
				machine := w.create(b, c, fmt.Sprint(tt.name, i), tt.definition)
				many(b, tt.executions, 16, func(ctx context.Context, n int) error {
					_, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Input: aws.String(fmt.Sprintf(`{"k":"k%d"}`, n))})
					return err
				})
				ended(b, c, machine)
				took += span(b, c, machine, tt.executions)
			}
			b.ReportMetric(float64(b.N*tt.executions*tt.each)/took.Seconds(), "transitions/s")
			b.ReportMetric(w.memory(b), "MiB")
			w.stop(b)
		})
	}
}

// BenchmarkRequests counts signed requests a second from 16 callers.
func BenchmarkRequests(b *testing.B) {
	const n = 3000
	body := strings.Repeat("x", 1024)
	for _, name := range []string{"StartExecution", "DescribeExecution", "PutObject", "GetObject"} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			c := connect(w.info)
			machine := w.create(b, c, "m", chain(1))
			one, err := c.sfn.StartExecution(b.Context(), &sfn.StartExecutionInput{StateMachineArn: machine})
			require.NoError(b, err)
			_, err = c.s3.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("one"), Body: strings.NewReader(body)})
			require.NoError(b, err)
			calls := map[string]func(ctx context.Context, i int) error{
				"StartExecution": func(ctx context.Context, _ int) error {
					_, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: machine})
					return err
				},
				"DescribeExecution": func(ctx context.Context, _ int) error {
					_, err := c.sfn.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: one.ExecutionArn})
					return err
				},
				"PutObject": func(ctx context.Context, i int) error {
					_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String(fmt.Sprint("k", i)), Body: strings.NewReader(body)})
					return err
				},
				"GetObject": func(ctx context.Context, _ int) error {
					out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String("one")})
					if err != nil {
						return err
					}
					return out.Body.Close()
				},
			}
			b.ResetTimer()
			for range b.N {
				many(b, n, 16, calls[name])
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "requests/s")
			b.StopTimer()
			ended(b, c, machine)
			w.stop(b)
		})
	}
}

// BenchmarkFinished lets 10,000 executions end and looks at the daemon's memory
// on the way, and at how long it takes to start with them and without.
func BenchmarkFinished(b *testing.B) {
	const n, step = 10_000, 2_000
	for range b.N {
		w := newWorld(b)
		c := connect(w.info)
		machine := w.create(b, c, "m", chain(5))
		b.ReportMetric(w.memory(b), "MiB-at-0")
		for done := 0; done < n; done += step {
			many(b, step, 16, func(ctx context.Context, _ int) error {
				_, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Input: aws.String(`{"some":"input","n":[1,2,3]}`)})
				return err
			})
			ended(b, c, machine)
			b.ReportMetric(w.memory(b), fmt.Sprintf("MiB-at-%d", done+step))
			b.ReportMetric(w.resident(b, "VmRSS:"), "MiB-with-cache")
		}
		w.stop(b)
		b.ReportMetric(best(b, w, w.stop), "ms-to-ready-after")
		b.ReportMetric(best(b, w, func(testing.TB) { w.kill() }), "ms-to-ready-after-kill")
		b.ReportMetric(best(b, w, func(testing.TB) { pause(b.Context(), time.Second); w.kill() }), "ms-to-ready-after-idle-kill")
		st, err := os.Stat(w.dir + "/data/store.db")
		require.NoError(b, err)
		b.ReportMetric(float64(st.Size())/(1<<20), "MiB-store")
		empty := &world{daemon: newDaemon(b)}
		b.ReportMetric(best(b, empty, empty.stop), "ms-to-ready-empty")
	}
}

// best is the shortest of some starts in milliseconds after such an end: what else runs
// on the machine can only make them longer.
func best(b *testing.B, w *world, end func(testing.TB)) float64 {
	b.Helper()
	w.start(b) // after another end
	end(b)
	out := time.Hour
	for range 8 {
		out = min(out, w.start(b))
		end(b)
	}
	return float64(out.Microseconds()) / 1000
}

// BenchmarkDistributedMap works through lines of JSON in batches: 100,000 by 100, and
// a million by 1,000, which before items were streamed took 946 MiB.
func BenchmarkDistributedMap(b *testing.B) {
	for _, c := range []struct {
		name, kind string
		n, batch   int
	}{{"EXPRESS", "EXPRESS", 100_000, 100}, {"STANDARD", "STANDARD", 100_000, 100}, {"million", "EXPRESS", 1_000_000, 1000}} {
		n, batch, kind := c.n, c.batch, c.kind
		b.Run(c.name, func(b *testing.B) {
			var lines strings.Builder
			for i := range n {
				fmt.Fprintf(&lines, `{"id":%d,"features":[5.1,3.5,1.4,0.2]}`+"\n", i)
			}
			w := newWorld(b)
			c := connect(w.info)
			_, err := c.s3.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String("in.jsonl"), Body: strings.NewReader(lines.String())})
			require.NoError(b, err)
			machine := w.create(b, c, "lines", fmt.Sprintf(`{"StartAt":"M","States":{"M":{"Type":"Map","Label":"M","MaxConcurrency":50,
				"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSONL"},"Parameters":{"Bucket":%q,"Key":"in.jsonl"}},
				"ItemBatcher":{"MaxItemsPerBatch":%d},
				"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":%q},"StartAt":"P","States":{
					"P":{"Type":"Pass","Parameters":{"n.$":"States.ArrayLength($.Items)"},"Next":"Q"},"Q":{"Type":"Pass","End":true}}},
				"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":%q,"Prefix":"out"}},"End":true}}}`, bucketName, batch, kind, bucketName))
			peak, before := 0.0, w.cpu(b)
			b.ResetTimer()
			for range b.N {
				res, err := c.sfn.StartExecution(b.Context(), &sfn.StartExecutionInput{StateMachineArn: machine})
				require.NoError(b, err)
				ended(b, c, machine, func() { peak = max(peak, w.memory(b)) })
				desc, err := c.sfn.DescribeExecution(b.Context(), &sfn.DescribeExecutionInput{ExecutionArn: res.ExecutionArn})
				require.NoError(b, err)
				require.Equal(b, types.ExecutionStatusSucceeded, desc.Status, "%s", aws.ToString(desc.Cause))
				runs, err := c.sfn.ListMapRuns(b.Context(), &sfn.ListMapRunsInput{ExecutionArn: res.ExecutionArn})
				require.NoError(b, err)
				run, err := c.sfn.DescribeMapRun(b.Context(), &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
				require.NoError(b, err)
				require.EqualValues(b, n, run.ItemCounts.Succeeded)
				require.EqualValues(b, n/batch, run.ExecutionCounts.Succeeded)
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "items/s")
			b.ReportMetric(float64(b.N*n/batch)/b.Elapsed().Seconds(), "children/s")
			b.StopTimer()
			b.ReportMetric(float64((w.cpu(b)-before).Microseconds())/float64(b.N*n), "cpu-µs/item")
			b.ReportMetric(peak, "MiB")
			w.stop(b)
		})
	}
}
