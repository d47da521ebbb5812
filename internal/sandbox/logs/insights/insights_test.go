package insights_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs/insights"
)

var start = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

func records() []insights.Record {
	var out []insights.Record
	for i, m := range []string{
		`{"level":"INFO","took":12,"user":{"name":"ann"},"tags":["a","b"]}`,
		`{"level":"ERROR","took":40.5,"user":{"name":"bob"}}`,
		`{"level":"ERROR","took":7,"user":{"name":"ann"}}`,
		`plain user=carl took=99 ms`,
	} {
		at := start.Add(time.Duration(i) * time.Minute)
		out = append(out, insights.Event(m, "1:g", "s", fmt.Sprint("p", i), at, at))
	}
	return out
}

func results(t *testing.T, query string, records ...insights.Record) (insights.Result, error) {
	t.Helper()
	q, err := insights.Parse(query, 0)
	require.NoError(t, err, query)
	for _, r := range records {
		if err := q.Add(r); err != nil {
			return insights.Result{}, err
		}
	}
	return q.End()
}

func run(t *testing.T, query string) string {
	t.Helper()
	found, err := results(t, query, records()...)
	require.NoError(t, err, query)
	var rows []string
	for _, row := range found.Rows {
		var fields []string
		for _, f := range row {
			if f.Name != "@ptr" {
				fields = append(fields, f.Name+"="+f.Value)
			}
		}
		rows = append(rows, strings.Join(fields, " "))
	}
	return strings.Join(rows, "; ")
}

// What commands and functions do is by
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html; how AWS
// writes numbers with many decimals is unsure.
func TestQueries(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		`fields level, took | filter ispresent(level)`:                                                "level=ERROR took=7; level=ERROR took=40.5; level=INFO took=12",
		`fields user.name as who | filter level = 'ERROR' and took > 10`:                              "who=bob",
		`filter level in ["INFO"] | display @timestamp, tags.1`:                                       "@timestamp=2026-01-02 03:04:00.000 tags.1=b",
		`filter @message like /user=(?<who>\w+)/ | parse /user=(?<who>\w+)/ | display who`:            "who=carl",
		`parse @message "user=* took=* ms" as who, ms | filter ms > 50 | display who, ms + 1 as more`: "who=carl more=100",
		`filter @message not like "plain" | stats count(*) as n, avg(took), max(took) by ` +
			`level | sort n desc`: "level=ERROR n=2 avg(took)=23.75 max(took)=40.5; level=INFO n=1 avg(took)=12 max(took)=12",
		`stats count(*)`: "count(*)=4",
		`stats count(took), count_distinct(user.name), sum(took), min(took), pct(took, 50)`: "count(took)=3 count_distinct(user.name)=2 " +
			"sum(took)=59.5 min(took)=7 pct(took, 50)=12",
		`stats count(*) as n by bin(2m) | sort n asc, bin(2m) desc`:                               "bin(2m)=2026-01-02 03:06:00.000 n=2; bin(2m)=2026-01-02 03:04:00.000 n=2",
		`stats latest(user.name) as l, earliest(user.name) as e`:                                  "l=ann e=ann",
		`sort took desc | limit 1 | display took`:                                                 "took=40.5",
		`fields user.name | filter ispresent(user.name) | dedup user.name | display user.name`:    "user.name=ann; user.name=bob",
		"# all errors\nfields @message\n| filter level =~ /^err/i | stats count(*) as `how many`": "how many=2",
		`filter took = 12 | display toupper(level) as a, strlen(level) as b, concat(level, "-", took) as c, coalesce(none, level) as d, substr(level, 1, 2) ` +
			`as e, replace(level, "N", "M") as f`: "a=INFO b=4 c=INFO-12 d=INFO e=NF f=IMFO",
		`filter took = 12 | display (took + 3) * 2 ^ 2 % 7 as x, abs(-3) as y, greatest(1, took, 5) as z, datefloor(@timestamp, 1h) as h, ` +
			`ispresent(none) as p`: "x=4 y=3 z=12 h=2026-01-02 03:00:00.000 p=0",
		`filter not (level = "INFO") and level != "x" | stats count(*) as n`: "n=3",
		`fields @message | filter @message like "a|b"`:                       "",
	} {
		require.Equal(t, want, run(t, query), query)
	}
	require.Equal(t, "@timestamp=2026-01-02 03:07:00.000 @message=plain user=carl took=99 ms", strings.Split(run(t, "limit 2"), "; ")[0], "the newest first")
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"", "test", "fields", "fields a b", "filter", "filter a =", "filter (a", "filter a like /(/", "filter a in [1", "filter nosuch(a)", "filter strlen()",
		"limit x", "limit 0", "stats a", "stats nosuch(a)", "stats count(*) by", "stats pct(a)", "sort", "sort a up", "parse @message", `parse @message "*"`,
		`parse @message "* *" as a`, "fields 'a", "fields a |", "| fields a", "filter a not 1", "fields a as", "dedup", "filter $",
		"filter " + strings.Repeat("(", 10_000), "filter " + strings.Repeat("not ", 10_000) + "a", "filter " + strings.Repeat("-", 10_000) + "a",
	} {
		_, err := insights.Parse(query, 0)
		var bad *insights.Error
		require.ErrorAs(t, err, &bad, query)
	}
}

func event(message string) insights.Record {
	return insights.Event(message, "1:g", "s", "p", start, start)
}

// value is the only one that a query gives of lines.
func value(t *testing.T, query string, lines ...string) string {
	t.Helper()
	var all []insights.Record
	for _, l := range lines {
		all = append(all, event(l))
	}
	found, err := results(t, query, all...)
	require.NoError(t, err, query)
	require.Len(t, found.Rows, 1, query)
	for _, f := range found.Rows[0] {
		if f.Name != "@ptr" {
			return f.Value
		}
	}
	return ""
}

// Words that Go reads as numbers are none.
func TestWordsThatAreNoNumbers(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"NaN", "inf", "-Infinity", "0x1p4", "1e999"} {
		line := `{"f":"` + word + `","x":1}`
		require.Empty(t, value(t, `stats pct(x, "`+word+`")`, line), word)
		require.Empty(t, value(t, `display substr(@message, f)`, line), word)
		require.Empty(t, value(t, `display substr(@message, 0, f)`, line), word)
		require.Empty(t, value(t, `display f + 1`, line), word)
		require.Empty(t, value(t, `display bin("`+word+`s")`, line), word)
		require.Empty(t, value(t, `stats sum(f)`, line), word)
		require.Equal(t, word, value(t, `stats max(f)`, line), word)
	}
	require.Empty(t, value(t, `stats sum(x)`, `{"x":1.7e308}`, `{"x":1.7e308}`), "more than a number can be")
}

// Fields of an event whose names begin with @ are not the system's.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
func TestFieldsOfTheSystem(t *testing.T) {
	t.Parallel()
	line := `{"@timestamp":"1999","@message":{"a":"mine"},"":{"@ptr":"spoofed"}}`
	require.Equal(t, "2026-01-02 03:04:00.000", value(t, `display @timestamp`, line))
	require.Equal(t, line, value(t, `display @message`, line))
	require.Equal(t, "1999", value(t, `display @@timestamp`, line))
	require.Equal(t, "mine", value(t, `display @@message.a`, line))
	found, err := results(t, "display x", event(line))
	require.NoError(t, err)
	require.Equal(t, [][]insights.Field{{{Name: "@ptr", Value: "p"}}}, found.Rows)
}

func TestLongNumbers(t *testing.T) {
	t.Parallel()
	lines := []string{`{"id":9007199254740993}`, `{"id":9007199254740992}`}
	require.Equal(t, "9007199254740993", value(t, `filter id = 9007199254740993 | display id`, lines...))
	require.Equal(t, "9007199254740993", value(t, `stats max(id)`, lines...))
	require.Equal(t, "9007199254740992", value(t, `parse @message '":*}' as n | stats min(n)`, lines...))
	require.Equal(t, "2", value(t, `stats count_distinct(id)`, lines...))
}

// What matched are events, whatever becomes of them.
func TestMatched(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]int{
		`stats count(*)`: 4, `fields @message`: 4, `limit 1`: 4, `filter level = "ERROR" | stats count(*) as n | filter n > 5`: 2,
		`filter level = "ERROR" | fields took | filter took > 10 | limit 1`: 1, `dedup level | filter level = "ERROR"`: 1,
	} {
		found, err := results(t, query, records()...)
		require.NoError(t, err, query)
		require.Equal(t, want, found.Matched, query)
		require.Equal(t, 4, found.Scanned, query)
	}
}

// A query ends with an error where it would need more memory than there is.
func TestBounds(t *testing.T) {
	t.Parallel()
	grow := "fields concat(@message,@message,@message,@message) as a" + strings.Repeat(" | fields concat(a,a,a,a) as a", 30)
	nested := strings.Repeat("replace(", 60) + "@message" + strings.Repeat(`,"x","xxxx")`, 60)
	big := strings.Repeat("x", 1<<20)
	for _, x := range []struct {
		query string
		lines int
	}{
		{grow, 1},
		{"fields " + nested + " as a", 1},
		{"display " + nested, 1},
		{"stats max(" + nested + ")", 1},
		{"sort @message", 300},
		{"limit 100 | stats count(*) by concat(@message, @ptr)", 20},
		{"fields @message | display @message, @message", 100},
		{"fields @message" + manyColumns(300), 1},
	} {
		q, err := insights.Parse(x.query, 0)
		require.NoError(t, err)
		for i := range x.lines {
			at := start.Add(time.Duration(i))
			r := insights.Record{"@message": big, "@timestamp": at, "@ptr": fmt.Sprint(i)}
			if err = q.Add(r); err != nil {
				break
			}
		}
		if err == nil {
			_, err = q.End()
		}
		var bad *insights.Error
		if strings.HasPrefix(x.query, "limit 100 | stats") {
			require.NoError(t, err, "20 MB are not too many")
			continue
		}
		require.ErrorAs(t, err, &bad, x.query[:min(60, len(x.query))])
	}
}

func manyColumns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", concat(@message, %d) as c%d", i, i)
	}
	return b.String()
}

// A query that shows the newest holds no more, however many there are.
func TestNewest(t *testing.T) {
	t.Parallel()
	q, err := insights.Parse("fields @message | limit 2", 0)
	require.NoError(t, err)
	big := strings.Repeat("x", 1<<20)
	for i := range 1000 {
		require.NoError(t, q.Add(insights.Record{"@message": big, "@timestamp": start.Add(time.Duration(i*7919%1000) * time.Second), "@ptr": fmt.Sprint(i * 7919 % 1000)}))
	}
	found, err := q.End()
	require.NoError(t, err)
	require.Len(t, found.Rows, 2)
	require.Equal(t, "999", found.Rows[0][1].Value)
	require.Equal(t, "998", found.Rows[1][1].Value)
}
