package costs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func builtinPrices(t *testing.T) *Prices {
	t.Helper()
	p, err := Builtin()
	require.NoError(t, err)
	return p
}

// Amounts are exact however often they are added, and rounded where they are shown.
func TestMoney(t *testing.T) {
	t.Parallel()
	usd := func(s string) Money {
		m, ok := ParseMoney(s)
		require.True(t, ok, s)
		return m
	}
	var sum Money
	for range 1000 {
		sum = sum.Plus(usd("0.1"))
	}
	require.Equal(t, "100.00", sum.String())
	require.Zero(t, sum.Cmp(usd("100")))
	require.Equal(t, "83.95", usd("0.115").Times(Whole(HoursAMonth)).String())
	require.Equal(t, "0.0000067", usd("0.0000067").String())
	require.Equal(t, "0.000025", usd("0.000025").String())
	require.Equal(t, "0.00", Money{}.String())
	require.Equal(t, "+0.50", usd("1").Minus(usd("0.5")).Signed())
	require.Equal(t, "-0.50", usd("0.5").Minus(usd("1")).Signed())
	for m, want := range map[string]string{"83.950": "83.95", "0.0000166667": "0.000017", "5": "5", "0": "0"} {
		raw, err := json.Marshal(usd(m))
		require.NoError(t, err)
		require.Equal(t, want, string(raw))
	}
	raw, err := json.Marshal(Price{USD: usd("0.0000166667"), Per: "GB-second", Source: Source{Text: "here"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"usd":0.0000166667,"per":"GB-second","source":{"text":"here"}}`, string(raw))
	for _, no := range []string{"", "-1", "1e9", "NaN", "Inf", "0x10", "1/3", "1_000", "12345678901", " 1", "1.", ".5", "0.123456789012345"} {
		_, ok := ParseMoney(no)
		require.False(t, ok, no)
	}
}

// The built-in file can be read, has the template's default machine, and names no source
// that it does not have.
func TestBuiltinPrices(t *testing.T) {
	t.Parallel()
	p := builtinPrices(t)
	x, ok := p.Of("us-east-1", Hosting("ml.m5.large"))
	require.True(t, ok)
	require.Equal(t, "0.115", x.USD.Exact())
	require.NotEmpty(t, x.Source.Text)
	_, ok = p.Of("mars-north-1", Hosting("ml.m5.large"))
	require.False(t, ok)
	_, ok = p.Of("us-east-1", Hosting("ml.nothing.large"))
	require.False(t, ok)
	require.Contains(t, p.Regions(), "eu-west-1")
	var doc fileDoc
	require.NoError(t, json.Unmarshal(builtin, &doc))
	used := map[string]bool{}
	for _, of := range doc.Regions {
		for _, x := range of {
			used[x.Source] = true
		}
	}
	for id := range doc.Sources {
		require.True(t, used[id], "nothing comes from %s", id)
	}
}

// A price file that is damaged, hostile or of another unit is refused, with what is wrong.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const good = `{"format":"pipelinetui/prices/v1","currency":"USD","date":"2026-01-31","sources":{"a":{"text":"here"}},
		"regions":{"us-east-1":{"kms/key":{"usd":"1","per":"month","source":"a"}}}}`
	p, err := Parse("the file", []byte(good))
	require.NoError(t, err)
	require.Equal(t, "2026-01-31", p.Date)
	for _, c := range []struct{ from, to, says string }{
		{good, "", "no price file"},
		{good, good[:40], "no price file"},
		{good, good + "{}", "after its end"},
		{good, "[]", "no price file"},
		{good, strings.Repeat(" ", MaxFile+1), "16 MB"},
		{"/v1", "/v9", "its format"},
		{`"USD"`, `"EUR"`, "its currency"},
		{"2026-01-31", "31.1.2026", "its date"},
		{`"per":"month"`, `"per":"hour"`, "not per month"},
		{`"usd":"1"`, `"usd":"-1"`, "not an amount"},
		{`"usd":"1"`, `"usd":"1e300"`, "not an amount"},
		{`"usd":"1"`, `"usd":1`, "no price file"},
		{`"source":"a"`, `"source":"b"`, "the source"},
		{"kms/key", "kms/chain", "nothing that is known"},
		{"kms/key", `sagemaker/hosting/ml.m5\u001b[2J`, "nothing that is known"},
		{"us-east-1", "../etc", "no region"},
		{`"text":"here"`, `"text":""`, "source"},
		{`"date"`, `"day"`, "unknown field"},
	} {
		_, err := Parse("the file", []byte(strings.Replace(good, c.from, c.to, 1)))
		require.ErrorIs(t, err, fault.Damaged, c.to)
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, "the file cannot be used")
		require.NotContains(t, err.Error(), "\x1b")
		require.Contains(t, fault.HintOf(err), "costs refresh")
	}
}

// Of two files the newer one counts, and what it lacks is in the older one.
func TestPricesOver(t *testing.T) {
	t.Parallel()
	read := func(date, key string) *Prices {
		p, err := Parse("it", []byte(`{"format":"pipelinetui/prices/v1","currency":"USD","date":"`+date+`","sources":{"a":{"text":"of `+date+`"}},
			"regions":{"us-east-1":{"kms/key":{"usd":"`+key+`","per":"month","source":"a"}}}}`))
		require.NoError(t, err)
		return p
	}
	older, newer := read("2020-01-01", "9"), read("2099-01-01", "7")
	for _, both := range []*Prices{older.Over(newer), newer.Over(older)} {
		x, ok := both.Of("us-east-1", Key)
		require.True(t, ok)
		require.Equal(t, "7", x.USD.Exact())
		require.Equal(t, "2099-01-01", both.Date)
	}
	x, ok := builtinPrices(t).Over(newer).Of("us-east-1", Alarm)
	require.True(t, ok)
	require.Equal(t, "0.1", x.USD.Exact())
}

func pipelineWith(values spec.Values) *spec.Pipeline {
	return &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Region: "us-east-1", Parameters: values}
}

// The fixed part is that of the machine, with the range of autoscaling and the alarms that
// it makes by itself.
func TestMonthly(t *testing.T) {
	t.Parallel()
	p := builtinPrices(t)
	one := PartsOf(pipelineWith(spec.Values{"endpointKind": "instance", "instanceType": "ml.m5.large", "initialInstances": 2}),
		[]string{kinds.Bucket, kinds.Endpoint, kinds.Key, kinds.MetricAlarm, kinds.MetricAlarm})
	f := p.Monthly(one)
	require.True(t, f.Complete())
	require.Equal(t, "169.10", f.Month.String()) // 2 x 0.115 x 730 + 2 x 0.10 + 1
	require.Zero(t, f.Month.Cmp(f.Most))
	require.Zero(t, f.Month.Cmp(f.Least))
	scaled := PartsOf(pipelineWith(spec.Values{"instanceType": "ml.m5.large", "initialInstances": 2, "minInstances": 1, "maxInstances": 4, "volumeGb": 10}),
		[]string{kinds.Endpoint, kinds.ScalingTarget, kinds.ScalingPolicy})
	f = p.Monthly(scaled)
	require.Equal(t, "2 x ml.m5.large (1 to 4)", f.Lines[0].What)
	require.Equal(t, "170.90", f.Month.String()) // 167.90 + 2 x 10 x 0.14 + 2 x 0.10
	require.Equal(t, "85.55", f.Least.String())
	require.Equal(t, "341.60", f.Most.String())
	require.Equal(t, "335.80", f.Lines[0].Most.String())
	// Nothing that has no price is taken for nothing.
	f = p.Monthly(Parts{Region: "us-east-1", Instance: "ml.unheard.large", Initial: 1, Keys: 1})
	require.Equal(t, []string{"no price known for 1 x ml.unheard.large in us-east-1"}, f.Unknown)
	require.Nil(t, f.Lines[0].Amount)
	require.Equal(t, "1.00", f.Month.String())
	f = p.Monthly(PartsOf(pipelineWith(spec.Values{"endpointKind": "serverless", "serverlessMemoryMb": 2048, "provisionedConcurrency": 3}), []string{kinds.Endpoint}))
	require.Len(t, f.Unknown, 1, "kept capacity has no price in the built-in file")
	// Without an endpoint yet it costs nothing, whatever the spec says.
	f = p.Monthly(PartsOf(pipelineWith(spec.Values{"instanceType": "ml.m5.large"}), []string{kinds.Bucket}))
	require.Empty(t, f.Lines)
	require.Zero(t, f.Month.Sign())
}

func machine(t *testing.T, text string) *asl.Machine {
	t.Helper()
	m, err := asl.Parse(text, asl.Options{})
	require.NoError(t, err)
	return m
}

const oneByOne = `{"QueryLanguage":"JSONata","StartAt":"Pre","States":{
	"Pre":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"arn:aws:lambda:us-east-1:000000000000:function:f-pre:live"},"Next":"Which"},
	"Which":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.short %}","Next":"Done"}],"Default":"Ask"},
	"Ask":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint","Arguments":{},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Long"}],"Next":"Store"},
	"Store":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:putObject","Arguments":{},"Next":"Done"},
	"Long":{"Type":"Pass","Next":"Longer"},"Longer":{"Type":"Pass","Next":"Ask"},
	"Done":{"Type":"Succeed"}}}`

// Each state on the longest way without errors is a transition.
// (aws.amazon.com/step-functions/pricing: "a state transition each time a step of your
// workflow is executed")
func TestExecutions(t *testing.T) {
	t.Parallel()
	p := builtinPrices(t)
	w := &Workload{Region: "us-east-1", Machine: machine(t, oneByOne), Arch: "arm64", Memory: 1024, Serverless: 2048}
	u := p.Executions(w, 1000, 0)
	require.True(t, u.Complete(), u.Unknown)
	amounts := map[string]string{}
	for _, l := range u.Lines {
		amounts[l.What] = l.Amount.String()
	}
	require.Equal(t, map[string]string{
		"state transitions":                        "0.13",   // 5 x 1000 x 0.000025
		"calls of the preprocess function":         "0.0002", // 1000 x 0.0000002
		"time of calls of the preprocess function": "0.0013", // 1000 x 0.1 s x 1 GB x 0.0000133334
		"answers of the serverless endpoint":       "0.004",  // 1000 x 0.1 s x 0.00004
		"objects written":                          "0.005",  // 1000 x 0.000005
	}, amounts)
	require.Contains(t, u.Lines[2].Basis, "assumed to take 100 ms")
	w.FunctionMS = 250
	require.Contains(t, p.Executions(w, 1000, 0).Lines[2].Basis, "250 ms, as measured")
	w.Region = "eu-north-1"
	u = p.Executions(w, 1000, 0)
	require.False(t, u.Complete())
	require.Equal(t, "0.13", u.Lines[0].Amount.String())
}

const dataSet = `{"QueryLanguage":"JSONata","StartAt":"All","States":{"All":{"Type":"Map","End":true,
	"ItemBatcher":{"MaxItemsPerBatch":100},"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSONL"},"Arguments":{"Bucket":"b","Key":"k"}},
	"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"Pre","States":{
		"Pre":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f"},"Assign":{"failed":[]},"Next":"Score"},
		"Score":{"Type":"Map","Items":"{% $states.input.records %}","ItemProcessor":{"StartAt":"Ask","States":{"Ask":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint","Arguments":{},"End":true}}},"Next":"Errors"},
		"Errors":{"Type":"Map","Items":"{% $failed %}","ItemProcessor":{"StartAt":"Put","States":{"Put":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:putObject","Arguments":{},"End":true}}},"End":true}}}}}}`

// A data set has a child for each batch, the last of which may be smaller; express ones
// are paid by request and time.
func TestExecutionsOfDataSet(t *testing.T) {
	t.Parallel()
	p := builtinPrices(t)
	w := &Workload{Region: "us-east-1", Machine: machine(t, dataSet), Arch: "arm64", Memory: 256}
	steps := func(items int64) string { return p.Executions(w, 1, items).Lines[0].Quantity.String() }
	require.Equal(t, "1", steps(0))
	require.Equal(t, "5", steps(1))               // the Map, 3 states of a child, 1 record
	require.Equal(t, "260", steps(250))           // 1 + 3 x 3 + 250 - the third child has 50 records
	require.Equal(t, "1030001", steps(1_000_000)) // about 26 USD
	require.Equal(t, "25.75", p.Executions(w, 1, 1_000_000).Lines[0].Amount.String())
	w.Machine = machine(t, strings.Replace(dataSet, `"STANDARD"`, `"EXPRESS"`, 1))
	u := p.Executions(w, 1, 1_000_000)
	require.Equal(t, "1", u.Lines[0].Quantity.String())
	require.Equal(t, "10000", u.Lines[1].Quantity.String())
	require.Equal(t, "0.01", u.Lines[1].Amount.String())
	require.Equal(t, ExpressTime, u.Lines[2].Item)
	require.Equal(t, "6312.5", u.Lines[2].Quantity.String()) // 10,000 x (1 call + 100 answers) x 0.1 s x 64 MB
}

// What is not told of the endpoint is not counted as nothing, and times are averages.
func TestUsedUnseen(t *testing.T) {
	t.Parallel()
	p := builtinPrices(t)
	for _, parts := range []Parts{{Region: "us-east-1", Instance: "ml.m5.large", Keys: 1}, {Region: "us-east-1", Memory: 2048, Kept: 1, Keys: 1}} {
		u := p.Used(parts, nil, Measures{Hours: HoursAMonth, EndpointHours: HoursAMonth, Unseen: true})
		require.False(t, u.Complete())
		require.Contains(t, u.Unknown[0], "the endpoint does not tell")
		require.Equal(t, "1.00", u.Total.String(), "the key")
		seen := p.Used(parts, nil, Measures{Hours: HoursAMonth, EndpointHours: HoursAMonth, Instances: 1})
		require.NotContains(t, strings.Join(seen.Unknown, ""), "does not tell")
		require.Greater(t, len(seen.Lines), len(u.Lines))
	}
	u := p.Used(Parts{Region: "us-east-1", Keys: 1}, nil, Measures{Hours: HoursAMonth, Unseen: true})
	require.True(t, u.Complete(), "there is no endpoint")
	w := &Workload{}
	Measures{Calls: 4, CallMS: 1000, Answers: 2, AnswerMS: 60}.Time(w)
	Measures{}.Time(w)
	Measures{}.Time(nil)
	require.Equal(t, Workload{FunctionMS: 250, ModelMS: 30}, *w)
}

// Only what costs more than before rises, or what nobody can say that of.
func TestRises(t *testing.T) {
	t.Parallel()
	p := builtinPrices(t)
	of := func(n int, instance string) Fixed {
		return p.Monthly(Parts{Region: "us-east-1", Instance: instance, Initial: n})
	}
	known, unknown := "ml.m5.large", "ml.r5.large"
	for _, c := range []struct {
		before, after []Fixed
		want          bool
	}{
		{[]Fixed{of(2, known)}, []Fixed{of(2, known)}, false},
		{[]Fixed{of(2, known)}, []Fixed{of(1, known)}, false},
		{[]Fixed{of(1, known)}, []Fixed{of(2, known)}, true},
		{[]Fixed{{}}, []Fixed{of(1, known)}, true},
		{[]Fixed{of(3, known), {}}, []Fixed{of(1, known), of(1, known)}, false},
		{[]Fixed{of(1, unknown)}, []Fixed{of(1, unknown)}, false},
		{[]Fixed{of(1, unknown)}, []Fixed{of(2, unknown)}, true},
		{[]Fixed{of(9, known)}, []Fixed{of(1, unknown)}, true},
		{[]Fixed{of(1, unknown), {}}, []Fixed{of(1, unknown), of(1, unknown)}, true},
	} {
		require.Equal(t, c.want, Rises(c.before, c.after))
	}
	p9 := p.Monthly(Parts{Region: "us-east-1", Instance: known, Initial: 1, Min: 1, Max: 9})
	require.True(t, Rises([]Fixed{of(2, known)}, []Fixed{p9}), "the most counts")
}

// A loop ends, and says that it was counted once.
func TestExecutionsLoop(t *testing.T) {
	t.Parallel()
	w := &Workload{Region: "us-east-1", Machine: machine(t, `{"StartAt":"Wait","States":{
		"Wait":{"Type":"Wait","Seconds":1,"Next":"Look"},
		"Look":{"Type":"Choice","Choices":[{"Variable":"$.done","BooleanEquals":true,"Next":"Done"}],"Default":"Wait"},
		"Done":{"Type":"Succeed"}}}`)}
	u := builtinPrices(t).Executions(w, 1, 0)
	require.Equal(t, "3", u.Lines[0].Quantity.String())
	require.Contains(t, u.Lines[0].Basis, "each loop once")
}
