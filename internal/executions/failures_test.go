package executions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatternOf(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":                                    "",
		"flower 905: petal_length is missing": "flower <n>: petal_length is missing",
		`flower 5: petal_length must be a number, not "1.4 cm"`:                 `flower <n>: petal_length must be a number, not "..."`,
		"KeyError: 'a b' isn't there, can't go on":                              "KeyError: '...' isn't there, can't go on",
		"RequestId: 5b88936b-8fcd-4e7b-aa9b-e3ae2e6c81e2 Process exited":        "RequestId: <id> Process exited",
		"object 9f86d081884c7d65 of order-17 in S3, at -1.5e-3 or 2,000 or 3cm": "object <id> of order-<n> in S3, at <n> or <n> or <n>cm",
		"a deadbeef feed was added":                                             "a deadbeef feed was added",
		"order t07-312 of A17 and B9 in S3":                                     "order <id> of <id> and B9 in S3",
		"'amount'":                                                              "'amount'",
		`"order-17"`:                                                            `"order-<n>"`,
		"'a' or 'b'":                                                            "'...' or '...'",
	} {
		require.Equal(t, want, Alike(message))
	}
}

// What is shown of messages that say the same hides only the words in which they differ.
func TestShared(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		messages []string
		want     string
	}{
		"equal":             {[]string{`row 7 is "odd"`, `row 7 is "odd"`}, `row 7 is "odd"`},
		"one word":          {[]string{`order t1-17, is in "mm"`, `order t2-18, is in "mm"`, `order t1-17, is in "mm"`}, `order <id>, is in "mm"`},
		"more as they come": {[]string{`row 7 of 9 is "odd"`, `row 8 of 9 is "odd"`, `row 8 of 9 is "even"`}, `row <n> of 9 is "..."`},
		"words in quotes":   {[]string{`row 7 is "a b"`, `row 8 is "a b c"`, `row 9 is "a b"`}, `row <n> is "..."`},
		"quotes overlap":    {[]string{`"a b" of "c d"`, `"a e" of "c d"`}, `"..." of "..."`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown := c.messages[0]
			for _, m := range c.messages {
				shown = Shared(shown, m)
			}
			require.Equal(t, c.want, shown)
		})
	}
}

// The expression that failed is left out of its message when it is long.
func TestMessageOf(t *testing.T) {
	t.Parallel()
	said := func(expression string) string {
		return "The JSONata expression '" + expression + "' specified for the field 'Assign/failed' threw an error during evaluation. D3137: item 3 is there twice"
	}
	for cause, want := range map[string]string{
		"":        "",
		"no JSON": "no JSON",
		`{"errorType": "Bad", "errorMessage": "it is bad", "requestId": "1"}`: "it is bad",
		said("$f('x')"):                       said("$f('x')"),
		said(strings.Repeat("$f('x')\n", 40)): said("..."),
	} {
		require.Equal(t, want, MessageOf(cause))
	}
}
