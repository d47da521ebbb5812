package revisions

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// good is what is known of revisions that all answer as they should.
func good(int) (Verdict, error) { return Passed, nil }

// told is a ledger of a history in words, a revision each: "a" made of content a, ">2" brings
// revision 2 back, "!" behind it is one that was not brought to its end.
func told(t *testing.T, history string) *Ledger {
	t.Helper()
	l := &Ledger{}
	for _, word := range strings.Fields(history) {
		text, cut := strings.CutSuffix(word, "!")
		var origin *Origin
		c := Content{Image: text}
		if to, back := strings.CutPrefix(text, ">"); back {
			number, err := strconv.Atoi(to)
			require.NoError(t, err)
			origin, c = &Origin{RollbackTo: number}, l.Find(number).Content
			c.Code = "another rollout" // it need not be the same to the letter
		}
		step, err := l.Next(c, 50, nil)
		require.NoError(t, err)
		require.False(t, step.Same, word)
		next := &Ledger{Revisions: map[string]Record{}, Made: step.Made, Current: l.Current}
		for _, n := range step.Kept {
			next.Revisions[Key(n)] = *l.Find(n)
		}
		next.Revisions[Key(step.Number)] = Record{Content: c, Number: step.Number, Digest: c.Digest(), Origin: origin}
		if !cut {
			next.Current = step.Number
		}
		l = next
	}
	return l
}

// A rollback goes to what is known to be good, is not what runs, and is not what somebody
// has just fled from.
func TestBack(t *testing.T) {
	t.Parallel()
	p, f, b, n := Passed, Failed, Begun, HadNone
	for name, c := range map[string]struct {
		history string
		known   []Verdict // of revision 1 and so on
		want    int       // 0: there is none
	}{
		"the one before":                        {"a b c", []Verdict{n, n, n}, 2},
		"there is none before the first":        {"a", []Verdict{p}, 0},
		"the last update failed":                {"a b c!", []Verdict{n, n}, 2},
		"it failed, and what is live is bad":    {"a b c!", []Verdict{p, f}, 1},
		"a rollback that was cut off":           {"a b c >1!", []Verdict{n, n, n}, 1},
		"one of a revision that is bad":         {"a b c >1!", []Verdict{f, n, n}, 1},
		"after a check has turned 3 back":       {"a b c >2", []Verdict{p, p, f, p}, 1},
		"the same without notes":                {"a b c >2", []Verdict{n, n, n, n}, 1},
		"and the only other one has failed":     {"b c >1", []Verdict{p, f, p}, 0},
		"after an alarm has turned 3 back":      {"a b c! >2", []Verdict{n, n, "", n}, 1},
		"back twice":                            {"a b c >2 >1", []Verdict{n, n, n, n, n}, 0},
		"further back, then something new":      {"a b c >2 >1 d", []Verdict{n, n, n, n, n, n}, 5},
		"a rollback was taken back":             {"a b c >2 >3", []Verdict{n, n, n, n, n}, 4},
		"made again by an up":                   {"a b c >2 c d", []Verdict{n, n, n, n, n, n}, 5},
		"what is live was made twice":           {"a b a", []Verdict{n, n, n}, 2},
		"an update was killed before its check": {"a b c", []Verdict{p, b, p}, 1},
		"nothing is noted":                      {"a b c", []Verdict{p, "", p}, 1},
		"nothing is known":                      {"a b c", []Verdict{"", "", ""}, 0},
		"half a revision":                       {"a b! c", []Verdict{p, p, p}, 1},
		"a word of a newer version":             {"a b c", []Verdict{p, "doubted", p}, 1},
	} {
		l := told(t, c.history)
		to, err := l.Back(func(number int) (Verdict, error) {
			if number > len(c.known) {
				return "", nil
			}
			return c.known[number-1], nil
		})
		require.Equal(t, c.want, to, name)
		require.Equal(t, c.want == 0, err != nil, name)
		if err != nil {
			require.ErrorIs(t, err, fault.NotFound, name)
		}
	}
	_, err := told(t, "a b c >2").Back(func(number int) (Verdict, error) { return map[int]Verdict{1: Begun}[number], nil })
	require.ErrorContains(t, err, "3 was left by a rollback, 1 was cut off before its checks were asked")
	require.Contains(t, fault.HintOf(err), "--to N")

	_, err = (&Ledger{}).Back(good)
	require.ErrorIs(t, err, fault.NotFound)
	denied := errors.New("denied")
	_, err = told(t, "a b").Back(func(int) (Verdict, error) { return "", denied })
	require.ErrorIs(t, err, denied, "what is not known is not guessed")
	_, err = told(t, "a b c d").Get(9)
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorContains(t, err, "1 to 4 are kept")
}

// A ledger that is damaged, or of which some are not kept, ends no search in a circle.
func TestBackOfWhatIsNotKept(t *testing.T) {
	t.Parallel()
	l := &Ledger{Current: 9, Revisions: map[string]Record{}, Made: map[string]Made{Key(8): {}}}
	l.Revisions[Key(8)] = Record{Number: 8, Origin: &Origin{RollbackTo: 9}}
	l.Revisions[Key(9)] = Record{Number: 9, Origin: &Origin{RollbackTo: 2}}
	to, err := l.Back(good)
	require.ErrorIs(t, err, fault.NotFound, "%d was left", to)
	require.Equal(t, 8, l.Before())
}

// Notes of the first version are read, and nothing else is taken for a verdict.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	var got map[int]Verdict
	require.NoError(t, json.Unmarshal([]byte(`{"1": true, "2": false, "3": "begun", "4": "passed"}`), &got))
	require.Equal(t, map[int]Verdict{1: Passed, 2: Failed, 3: Begun, 4: Passed}, got)
	require.Error(t, json.Unmarshal([]byte(`{"1": 1}`), &got))
	raw, err := json.Marshal(got[3])
	require.NoError(t, err)
	require.Equal(t, `"begun"`, string(raw))
}
