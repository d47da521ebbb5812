package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// priceList serves AWS's price list in its own format, with the prices of machines in
// eu-north-1.
func priceList(t *testing.T, hour string) *httptest.Server {
	t.Helper()
	return priceListOf(t, "eu-north-1", hour)
}

func priceListOf(t *testing.T, region, hour string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		service, products, terms := parts[4], "", ""
		if strings.HasSuffix(r.URL.Path, "region_index.json") {
			_, _ = fmt.Fprintf(w, `{"regions":{%q:{"currentVersionUrl":"/offers/v1.0/aws/%s/1/%s/index.json"}}}`, region, service, region)
			return
		}
		if service == "AmazonSageMaker" {
			products = `"A":{"attributes":{"usagetype":"EUN1-Host:ml.m5.xlarge"}}`
			terms = `"A":{"A.B":{"priceDimensions":{"A.B.C":{"unit":"Hrs","beginRange":"0","endRange":"Inf","pricePerUnit":{"USD":"` + hour + `"}}}}}`
		}
		_, _ = fmt.Fprintf(w, `{"offerCode":%q,"publicationDate":"2027-01-05T00:00:00Z","products":{%s},"terms":{"OnDemand":{%s}}}`, service, products, terms)
	}))
	t.Cleanup(s.Close)
	return s
}

// Prices are got from AWS's list, whole or not at all, and a file that is damaged is told of.
func TestCostsRefresh(t *testing.T) {
	t.Parallel()
	w := newHome(t, t.TempDir())
	file := filepath.Join(w.home, "prices.json")
	w.run(t, "costs", "refresh", "--from", priceList(t, "0.2500000000").URL, "--regions", "eu-north-1,xx-south-9").
		ends(t, ExitOK, "1 price of 2 regions", "2027-01-05", "no AmazonSageMaker in xx-south-9", "AmazonSageMaker in eu-north-1")
	doc := w.run(t, "costs", "refresh", "--from", priceList(t, "0.2500000000").URL, "--regions", "eu-north-1", "-o", "json").ends(t, ExitOK).doc(t, "Prices")
	require.InDelta(t, 1, doc["prices"], 0)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(before), `"0.25"`)
	for _, bad := range []string{"free", "-1", "1e5"} {
		w.run(t, "costs", "refresh", "--from", priceList(t, bad).URL, "--regions", "eu-north-1").ends(t, ExitUsage, "not an amount")
	}
	w.run(t, "costs", "refresh", "--from", "ftp://nowhere").ends(t, ExitUsage, "no address of a price list")
	w.run(t, "costs", "refresh", "--read-only").ends(t, ExitUsage, "read-only")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "nothing was changed by what went wrong")
}

// Prices of other regions than those that are asked for stay, and are asked for without
// --regions; a file that is damaged is got anew, and the home is made.
func TestCostsRefreshKeeps(t *testing.T) {
	t.Parallel()
	w := newHome(t, filepath.Join(t.TempDir(), "home"))
	require.NoError(t, os.RemoveAll(w.home))
	refresh := func(region, hour string, more ...string) map[string]any {
		args := append([]string{"costs", "refresh", "--from", priceListOf(t, region, hour).URL, "-o", "json"}, more...)
		return w.run(t, args...).ends(t, ExitOK).doc(t, "Prices")
	}
	doc := refresh("ap-southeast-2", "0.3", "--regions", "ap-southeast-2,ap-southeast-2")
	require.Equal(t, []any{"ap-southeast-2"}, doc["regions"])
	doc = refresh("eu-north-1", "0.25", "--regions", "eu-north-1")
	require.Equal(t, []any{"ap-southeast-2"}, doc["kept"])
	require.InDelta(t, 1, doc["prices"], 0, "those that were read")
	file := filepath.Join(w.home, "prices.json")
	prices := func() *costs.Prices {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		p, err := costs.Parse("it", raw)
		require.NoError(t, err)
		return p
	}
	of := func(region string) string {
		x, ok := prices().Of(region, costs.Hosting("ml.m5.xlarge"))
		require.True(t, ok, region)
		return x.USD.Exact()
	}
	require.Equal(t, "0.3", of("ap-southeast-2"))
	require.Equal(t, "0.25", of("eu-north-1"))
	doc = refresh("ap-southeast-2", "0.4")
	require.Subset(t, doc["regions"], []any{"ap-southeast-2", "eu-north-1", "us-east-1"}, "all that there are prices for")
	require.Equal(t, "0.4", of("ap-southeast-2"))
	require.Equal(t, "0.25", of("eu-north-1"), "the list has none: what was there stays")
	require.NoError(t, os.WriteFile(file, []byte(`{"format":`), 0o600))
	doc = refresh("eu-north-1", "0.26", "--regions", "eu-north-1")
	require.NotContains(t, doc, "kept")
	require.Equal(t, []string{"eu-north-1"}, prices().Regions())
}

// What pipelines cost is told of one and of several, with what has no price; a price file
// that is damaged is no reason to count wrong.
func TestCosts(t *testing.T) {
	t.Parallel()
	w := newHome(t, t.TempDir())
	w.serve(t)
	t.Cleanup(func() { w.stop(); <-w.stopped })
	one, two := w.pipeline(t, "costs/one"), w.pipeline(t, "costs/two")
	w.run(t, "run", one.String(), "--input", `{}`, "--wait").ends(t, ExitOK)
	doc := w.run(t, "costs", one.String(), "-o", "json").ends(t, ExitOK).doc(t, "Costs")
	p := doc["pipelines"].([]any)[0].(map[string]any)
	require.Equal(t, "USD", p["currency"])
	require.Equal(t, true, p["estimate"])
	require.InDelta(t, 0, p["month"], 0, "its state has no endpoint")
	w.run(t, "costs", one.String()).ends(t, ExitOK, "By being there", "Used since", "an estimate in USD by prices of")
	w.run(t, "costs", "--all").ends(t, ExitOK, one.String(), two.String(), "A MONTH", "all together")
	rows, err := csv.NewReader(strings.NewReader(w.run(t, "costs", "--all", "--csv").ends(t, ExitOK).out.String())).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "pipeline", rows[0][0])
	w.run(t, "costs").ends(t, ExitUsage, "--all")
	w.run(t, "costs", "--all", "--csv", "-o", "json").ends(t, ExitUsage, "csv")
	w.run(t, "costs", "--all", "--since", "1s").ends(t, ExitUsage, "whole minutes")
	require.NoError(t, os.WriteFile(filepath.Join(w.home, "prices.json"), []byte(`{"format":`), 0o600))
	w.run(t, "costs", one.String()).ends(t, ExitError, "prices.json", "cannot be used", "costs refresh")
}

// A preview, and the question of an up, say what it will cost and what it adds; nothing that
// costs more than it may is begun.
func TestCostsOfUp(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "costup", "one", "two")
	doc := (&line{w: w, engine: &engine{}}).run(t, "preview", "-f", file, "-o", "json").ends(t, ExitOK).doc(t, "Deployment")
	c := doc["pipelines"].([]any)[0].(map[string]any)["costs"].(map[string]any)
	require.InDelta(t, 83.95, c["month"], 1e-9) // 0.115 x 730
	require.InDelta(t, 0, c["before"], 0)
	require.InDelta(t, 83.95, c["difference"], 1e-9)
	require.Equal(t, "us-east-1", c["region"])
	require.NotEmpty(t, c["sources"])
	use := c["perThousandExecutions"].(map[string]any)
	require.InDelta(t, 1000, use["executions"], 0)
	require.Equal(t, "state transitions", use["lines"].([]any)[0].(map[string]any)["what"])
	g := &engine{}
	(&line{w: w, engine: g, tty: true, typed: "yes\n"}).run(t, "up", "-f", file, "costup/one").
		ends(t, ExitOK, "costs about 83.95 USD a month (+83.95 to what is there)", "for 1,000 executions", "(estimate)")

	g = &engine{}
	for _, flag := range [][]string{{"--max-monthly-cost", "100"}, {"--max-monthly-cost=100", "--parallel", "1"}} {
		(&line{w: w, engine: g}).run(t, append([]string{"up", "-f", file, "--yes"}, flag...)...).
			ends(t, ExitUsage, "--max-monthly-cost", "about 167.90 USD a month", "100.00 USD is the most", "Counted are instances at the most that autoscaling may add")
	}
	limited := map[string]string{"PIPELINETUI_MAX_MONTHLY_COST": "99.50"}
	(&line{w: w, engine: g, environ: limited, tty: true, typed: "yes\n"}).run(t, "up", "-f", file).ends(t, ExitUsage, "167.90")
	(&line{w: w, engine: g}).run(t, "up", "-f", file, "--yes", "--max-monthly-cost", "much").ends(t, ExitUsage, `"much" is not an amount`)
	(&line{w: w, engine: g, environ: map[string]string{"PIPELINETUI_MAX_MONTHLY_COST": "-5"}}).run(t, "up", "-f", file, "--yes").
		ends(t, ExitUsage, "PIPELINETUI_MAX_MONTHLY_COST", "not an amount")
	// What has no price cannot be within, and autoscaling counts with the most.
	(&line{w: w, engine: g}).run(t, "up", "-f", file, "costup/one", "--set", "instanceType=ml.r5.large", "--yes", "--max-monthly-cost", "9999").
		ends(t, ExitUsage, "it is not known whether", "no price known for 1 x ml.r5.large in us-east-1")
	(&line{w: w, engine: g}).run(t, "up", "-f", file, "costup/one", "--set", "maxInstances=5", "--yes", "--max-monthly-cost", "400").ends(t, ExitUsage, "419.95")
	require.Empty(t, g.operations(), "nothing was begun")
	(&line{w: w, engine: g, environ: limited}).run(t, "up", "-f", file, "costup/one", "--yes").ends(t, ExitOK)
	(&line{w: w, engine: g, environ: limited}).run(t, "up", "-f", file, "--yes", "--max-monthly-cost", "200").ends(t, ExitOK)
}

// A limit that is below what is there already holds up nothing that makes it no dearer, and
// no way back.
func TestCostLimitBelowWhatIsThere(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "costless", "one")
	w.give(t, w.pipeline(t, "costless/one"), kinds.Endpoint) // an ml.m5.xlarge: 167.90
	limited := map[string]string{"PIPELINETUI_MAX_MONTHLY_COST": "50"}
	up := func(set string, environ map[string]string) *line {
		return (&line{w: w, engine: &engine{}, environ: environ}).run(t, "up", "-f", file, "--yes", "--set", set)
	}
	up("instanceType=ml.m5.large", limited).ends(t, ExitOK) // 83.95
	up("instanceType=ml.m5.xlarge", limited).ends(t, ExitOK)
	up("instanceType=ml.m5.2xlarge", limited).ends(t, ExitUsage, "setting maxMonthlyCost")
	up("initialInstances=3", limited).ends(t, ExitUsage, "50.00 USD is the most")
	up("instanceType=ml.r5.large", limited).ends(t, ExitUsage, "no price known for 1 x ml.r5.large")
}

// give adds resources of some types to the state of a pipeline.
func (w *world) give(t *testing.T, id spec.ID, types ...string) {
	t.Helper()
	file := filepath.Join("state", ".pulumi", "stacks", app.Project, id.StackName()+".json")
	raw, err := os.ReadFile(filepath.Join(w.home, file))
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(raw, &doc))
	latest := doc["checkpoint"].(map[string]any)["latest"].(map[string]any)
	list := latest["resources"].([]any)
	root := list[0].(map[string]any)["urn"].(string)
	for i, typ := range types {
		urn := strings.Replace(root, "::pulumi:pulumi:Stack::", "::pulumi:pulumi:Stack$"+typ+"::", 1) + fmt.Sprint(i)
		r := map[string]any{"urn": urn, "custom": true, "id": fmt.Sprint("id", i), "type": typ, "parent": root}
		if typ == kinds.StateMachine {
			r["inputs"] = map[string]any{"definitionString": machine}
		}
		list = append(list, r)
	}
	latest["resources"] = list
	w.write(t, file, doc)
}

// Lists and batches say what they cost; a batch says so before it starts.
func TestCostsOfListsAndBatches(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "costlist/one")
	w.give(t, id, kinds.Endpoint, kinds.Key, kinds.MetricAlarm, kinds.StateMachine)
	const month = 0.23*730 + 1 + 0.1 // an ml.m5.xlarge, a key, an alarm
	w.run(t, "list", "costlist/*", "--cost", "--quick").ends(t, ExitOK, "USD A MONTH", "IDLE", "169.00")
	doc := w.run(t, "list", "costlist/*", "--cost", "-o", "json").ends(t, ExitOK).doc(t, "PipelineList")
	require.InDelta(t, month, doc["pipelines"].([]any)[0].(map[string]any)["costs"].(map[string]any)["month"], 1e-9)
	plain := w.run(t, "list", "costlist/*").ends(t, ExitOK)
	require.NotContains(t, plain.out.String(), "USD A MONTH")
	w.run(t, "list", "costlist/*", "--columns", "pipeline,idle").ends(t, ExitOK, "IDLE")
	doc = w.run(t, "show", id.String(), "-o", "json").ends(t, ExitOK).doc(t, "Pipeline")
	require.InDelta(t, month, doc["costs"].(map[string]any)["month"], 1e-9)
	w.run(t, "show", id.String()).ends(t, ExitOK, "costs about 169.00 USD a month", "(estimate)")
	// An endpoint that cannot be asked is not one without instances.
	doc = w.run(t, "costs", id.String(), "-o", "json").doc(t, "Costs")
	used := doc["pipelines"].([]any)[0].(map[string]any)["used"].(map[string]any)
	require.Len(t, used["unknown"], 1)
	require.Contains(t, used["unknown"].([]any)[0], "the endpoint does not tell")
	l := w.run(t, "costs", "costlist/*", "--all=false")
	require.Contains(t, l.out.String(), "at least")

	inputs := filepath.Join(t.TempDir(), "inputs.jsonl")
	require.NoError(t, os.WriteFile(inputs, []byte("{}\n\n{}\n{}"), 0o600))
	l = w.run(t, "run", id.String(), "--inputs", inputs, "--batch", "b", "-o", "json").ends(t, ExitOK, "3 executions will cost about", "(an estimate")
	estimate := l.doc(t, "Batch")["estimate"].(map[string]any)
	require.InDelta(t, 3, estimate["executions"], 0)
	require.Positive(t, estimate["total"])
	require.Less(t, strings.Index(l.errs.String(), "will cost about"), strings.Index(l.errs.String(), "3 executions started"), "before it is started")
	n, known := itemsIn(t.Context(), inputs)
	require.True(t, known)
	require.EqualValues(t, 3, n)
	_, known = itemsIn(t.Context(), filepath.Dir(inputs))
	require.False(t, known)
}

func TestCountLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "\n\n": 0, "a": 1, "a\n": 1, "a\n \nb\r\n\r\nc": 3, strings.Repeat("x", 600<<10) + "\ny": 2} {
		n, err := countLines(t.Context(), strings.NewReader(text))
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}
