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

func run(t *testing.T, query string) string {
	t.Helper()
	q, err := insights.Parse(query)
	require.NoError(t, err, query)
	var rows []string
	for _, row := range q.Run(records(), 0).Rows {
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
		`fields level, took | filter ispresent(level)`:                                                        "level=ERROR took=7; level=ERROR took=40.5; level=INFO took=12",
		`fields user.name as who | filter level = 'ERROR' and took > 10`:                                      "who=bob",
		`filter level in ["INFO"] | display @timestamp, tags.1`:                                               "@timestamp=2026-01-02 03:04:00.000 tags.1=b",
		`filter @message like /user=(?<who>\w+)/ | parse /user=(?<who>\w+)/ | display who`:                    "who=carl",
		`parse @message "user=* took=* ms" as who, ms | filter ms > 50 | display who, ms + 1 as more`:         "who=carl more=100",
		`filter @message not like "plain" | stats count(*) as n, avg(took), max(took) by level | sort n desc`: "level=ERROR n=2 avg(took)=23.75 max(took)=40.5; level=INFO n=1 avg(took)=12 max(took)=12",
		`stats count(*)`: "count(*)=4",
		`stats count(took), count_distinct(user.name), sum(took), min(took), pct(took, 50)`:       "count(took)=3 count_distinct(user.name)=2 sum(took)=59.5 min(took)=7 pct(took, 50)=12",
		`stats count(*) as n by bin(2m) | sort n asc, bin(2m) desc`:                               "bin(2m)=2026-01-02 03:06:00.000 n=2; bin(2m)=2026-01-02 03:04:00.000 n=2",
		`stats latest(user.name) as l, earliest(user.name) as e`:                                  "l=ann e=ann",
		`sort took desc | limit 1 | display took`:                                                 "took=40.5",
		`fields user.name | filter ispresent(user.name) | dedup user.name | display user.name`:    "user.name=ann; user.name=bob",
		"# all errors\nfields @message\n| filter level =~ /^err/i | stats count(*) as `how many`": "how many=2",
		`filter took = 12 | display toupper(level) as a, strlen(level) as b, concat(level, "-", took) as c, coalesce(none, level) as d, substr(level, 1, 2) as e, replace(level, "N", "M") as f`: "a=INFO b=4 c=INFO-12 d=INFO e=NF f=IMFO",
		`filter took = 12 | display (took + 3) * 2 ^ 2 % 7 as x, abs(-3) as y, greatest(1, took, 5) as z, datefloor(@timestamp, 1h) as h, ispresent(none) as p`:                                  "x=4 y=3 z=12 h=2026-01-02 03:00:00.000 p=0",
		`filter not (level = "INFO") and level != "x" | stats count(*) as n`:                                                                                                                     "n=3",
		`fields @message | filter @message like "a|b"`: "",
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
		_, err := insights.Parse(query)
		var bad *insights.Error
		require.ErrorAs(t, err, &bad, query)
	}
}
