package executions

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Failure is one reason why children of a Map Run did not succeed.
type Failure struct {
	Status Status `json:"status"`
	Error  string `json:"error,omitempty"`
	// Message is the cause, or what it says if it is the JSON of a Lambda function.
	// Where the children say it with other numbers, ids or quoted values, these are
	// <n>, <id> and "...".
	Message string `json:"message,omitempty"`
	// Count is how many of the children that were looked at ended so; Example is
	// one of them, and ExampleMessage what it said, if that is not Message.
	Count          int    `json:"count"`
	Example        string `json:"example"` // ARN
	ExampleMessage string `json:"exampleMessage,omitempty"`
	// Members are all of them (ARNs), the example included.
	Members []string `json:"-"`
}

// Failures looks at up to limit children of a Map Run that did not succeed and
// groups them by status, error and message, whatever the numbers, ids and quoted
// values in it, the most frequent first and aborted ones last. It costs one DescribeExecution a child.
func (c *Client) Failures(ctx context.Context, mapRun string, limit int) ([]Failure, error) {
	list, err := c.Children(ctx, mapRun, []Status{Failed, TimedOut, Aborted}, limit)
	if err != nil {
		return nil, err
	}
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	var groups []Failure
	var patterns []string
	for _, e := range list {
		d, err := c.Describe(ctx, e.ARN)
		if err != nil {
			return nil, err
		}
		f := Failure{Status: d.Status, Error: d.Error, Message: MessageOf(d.Cause), Example: d.ARN}
		pattern := Alike(f.Message)
		i := 0
		for i < len(groups) && (groups[i].Status != f.Status || groups[i].Error != f.Error || patterns[i] != pattern) {
			i++
		}
		if i == len(groups) {
			groups, patterns = append(groups, f), append(patterns, pattern)
		}
		g := &groups[i]
		g.Members = append(g.Members, d.ARN)
		if g.Count++; g.Message != f.Message {
			g.Message, g.ExampleMessage = Shared(g.Message, f.Message), cmp.Or(g.ExampleMessage, g.Message)
		}
	}
	// Aborted ones come last: another failure was the reason.
	aborted := func(f Failure) int {
		if f.Status == Aborted {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(groups, func(a, b Failure) int { return cmp.Or(aborted(a)-aborted(b), b.Count-a.Count) })
	return groups, nil
}

// MessageOf takes the message out of a cause that is the JSON of a Lambda
// function's error, where the number of the request makes each different. Out of
// what a long expression says when it fails it leaves out the expression, which
// hides the message. Any other cause is returned as it is.
func MessageOf(cause string) string {
	if at := quotedExpression.FindStringSubmatchIndex(cause); at != nil && at[3]-at[2] > shownExpression {
		return cause[:at[2]] + "..." + cause[at[3]:]
	}
	var lambda struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(cause), &lambda) == nil && lambda.ErrorMessage != "" {
		return lambda.ErrorMessage
	}
	return cause
}

// quotedExpression is how Step Functions quotes the expression that failed; there may
// be quotes in it. One of up to shownExpression bytes stays.
var quotedExpression = lazyregexp.New(`(?s)The JSONata expression '(.*)' specified for the field '`)

const shownExpression = 120

// What differs between messages that say the same.
var (
	quotedText = lazyregexp.New(`"[^"\n]*"|\B'[^'\n]*'\B`)
	hexID      = lazyregexp.New(`\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b(?:0x)?[0-9a-f]*[a-f][0-9a-f]*\b`)
	// mixedID is letters and at least two digits, as of order A17-3: a word that names one thing.
	mixedID = lazyregexp.New(`\b[A-Za-z_]+[0-9](?:[A-Za-z_-]*[0-9])+[A-Za-z0-9_]*`)
	number  = lazyregexp.New(`(?:\B[-+])?\b[0-9]+(?:[.,][0-9]+)*(?:[eE][-+]?[0-9]+\b)?`)
)

// Alike is a message without what differs between items: quoted values, ids and
// numbers. Two that say the same are equal then. Of a message that is nothing but a quoted
// value, as Python's KeyError has it, the value is what it says, and stays.
func Alike(message string) string {
	if at := quotedText.FindStringIndex(message); at == nil || at[0] > 0 || at[1] < len(message) {
		message = quotedText.ReplaceAllStringFunc(message, func(s string) string { return s[:1] + "..." + s[:1] })
	}
	message = hexID.ReplaceAllStringFunc(message, func(s string) string {
		if len(s) < 8 || !strings.ContainsAny(s, "0123456789") {
			return s // a word
		}
		return "<id>"
	})
	message = mixedID.ReplaceAllString(message, "<id>")
	return number.ReplaceAllString(message, "<n>")
}

// Shared is what two messages that are Alike have in common: the words in which they differ
// are <n>, <id> and "...", the others stand as they are. The first may be the answer for
// others before.
func Shared(shown, message string) string {
	if shown == message {
		return shown
	}
	words, others := strings.Split(shown, " "), strings.Split(message, " ")
	if len(words) != len(others) {
		return Alike(message)
	}
	for i, other := range others {
		if words[i] == other {
			continue
		}
		if other = Alike(`_ ` + other)[2:]; words[i] != other && Alike(`_ ` + words[i])[2:] != other {
			return Alike(message) // what differs is more than a word
		}
		words[i] = other
	}
	return strings.Join(words, " ")
}
