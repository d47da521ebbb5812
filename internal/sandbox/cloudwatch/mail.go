package cloudwatch

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// mailText is what a topic's subscribers by e-mail get of an alarm: CloudWatch writes them a
// text where others get the document. The words and their order are those of the history that
// https://github.com/aws/aws-sdk-java/issues/1723 has of a published message, without the link
// to the console; for metric math and other alarms unsure.
func mailText(a action) string {
	after := a.After
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	at := after.StateUpdatedTimestamp.UTC().Format("Monday 02 January, 2006 15:04:05 MST")
	line("You are receiving this email because your Amazon CloudWatch Alarm \"%s\" in the %s region has entered the %s state, because \"%s\" at \"%s\".",
		*after.AlarmName, regionName(after.Scope.Region), after.StateValue, aws.ToString(after.StateReason), at)
	line("\nAlarm Details:")
	line("- Name:                       %s", *after.AlarmName)
	line("- Description:                %s", aws.ToString(after.AlarmDescription))
	line("- State Change:               %s -> %s", a.Before.StateValue, after.StateValue)
	line("- Reason for State Change:    %s", aws.ToString(after.StateReason))
	line("- Timestamp:                  %s", at)
	line("- AWS Account:                %s", after.Scope.Account)
	line("- Alarm Arn:                  %s", *after.AlarmArn)
	if after.MetricName != nil {
		line("\nThreshold:")
		line("- The alarm is in the ALARM state when the metric is %s %s for %d seconds.", after.ComparisonOperator, decimal(*after.Threshold), *after.EvaluationPeriods**after.Period)
		line("\nMonitored Metric:")
		line("- MetricNamespace:                     %s", *after.Namespace)
		line("- MetricName:                          %s", *after.MetricName)
		var dims []string
		for _, d := range after.Dimensions {
			dims = append(dims, *d.Name+" = "+*d.Value)
		}
		line("- Dimensions:                          [%s]", strings.Join(dims, ", "))
		line("- Period:                              %d seconds", *after.Period)
		line("- Statistic:                           %s", orText(string(after.Statistic), aws.ToString(after.ExtendedStatistic)))
		line("- Unit:                                %s", orText(string(after.Unit), "not specified"))
	}
	line("\nState Change Actions:")
	for _, kind := range []struct {
		state string
		all   []string
	}{{"OK", after.OKActions}, {"ALARM", after.AlarmActions}, {"INSUFFICIENT_DATA", after.InsufficientDataActions}} {
		shown := ""
		if len(kind.all) > 0 {
			shown = "[" + strings.Join(kind.all, ", ") + "]"
		}
		line("- %s: %s", kind.state, shown)
	}
	return b.String()
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
