package revisions

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func content(memory int) Content {
	return Content{Document: map[string]any{
		"tenant": "acme", "directory": "/anywhere", "parameters": map[string]any{"memoryMb": memory},
		"artifacts": map[string]any{"code": map[string]any{"object": "artifacts/code-1.zip", "sha256": "ab"}},
	}}
}

// grow brings a ledger to its next revision, as the engine would.
func grow(t *testing.T, l *Ledger, c Content, whole bool) *Ledger {
	t.Helper()
	step, err := l.Next(c, kept, nil)
	require.NoError(t, err)
	require.False(t, step.Same)
	next := &Ledger{Revisions: map[string]Record{}, Made: step.Made, Current: l.Current, CurrentMade: l.CurrentMade}
	for _, n := range step.Kept {
		next.Revisions[Key(n)] = *l.Find(n)
	}
	next.Revisions[Key(step.Number)] = Record{Content: c, Number: step.Number, Digest: c.Digest()}
	if whole {
		next.Current, next.CurrentMade = step.Number, Made{Machine: Key(step.Number)}
	}
	return next
}

func numbers(l *Ledger) []int {
	var out []int
	for _, r := range l.List() {
		out = append(out, r.Number)
	}
	return out
}

func TestKeepsTheNewestWholeOnes(t *testing.T) {
	t.Parallel()
	l := &Ledger{}
	for i := range 8 {
		l = grow(t, l, content(i), true)
	}
	require.Equal(t, []int{8, 7, 6, 5, 4}, numbers(l))
	made, ok := l.MadeOf(5)
	require.True(t, ok)
	require.Equal(t, "r5", made.Machine, "what was made is written down by the next one")

	// Those that fail push nobody out, and are bounded themselves; the live one stays.
	for i := range 9 {
		l = grow(t, l, content(100+i), false)
	}
	require.Equal(t, 8, l.Current)
	require.True(t, l.Complete(8))
	require.False(t, l.Complete(17))
	require.Subset(t, numbers(l), []int{8, 7, 6, 5})
	require.LessOrEqual(t, len(numbers(l)), 2*kept)
	to, err := l.Back(good)
	require.NoError(t, err)
	require.Equal(t, 8, to, "the last one failed: back to what is in service")
}

func TestSameContentIsTheSameRevision(t *testing.T) {
	t.Parallel()
	l := grow(t, &Ledger{}, content(1), true)
	elsewhere := content(1)
	elsewhere.Document["directory"] = "/another/checkout"
	// As the engine gives it back: numbers are floats, what is null is not there.
	raw, err := json.Marshal(elsewhere)
	require.NoError(t, err)
	var back Content
	require.NoError(t, json.Unmarshal(raw, &back))
	back.Document["region"] = nil
	step, err := l.Next(back, kept, nil)
	require.NoError(t, err)
	require.Equal(t, Step{Number: 1, Same: true}, step)

	for name, change := range map[string]func(*Content){
		"a parameter": func(c *Content) { c.Document["parameters"] = map[string]any{"memoryMb": 2} },
		"code":        func(c *Content) { c.Code = "sha256:cd" },
		"an object":   func(c *Content) { c.Objects = map[string]string{"model": "e"} },
		"an image":    func(c *Content) { c.Image = "accounts/churn:1" },
		"template":    func(c *Content) { c.Template.SHA256 = "ef" },
	} {
		c := content(1)
		change(&c)
		step, err := l.Next(c, kept, nil)
		require.NoError(t, err)
		require.Equal(t, 2, step.Number, name)
	}
}

// What an image's tag stands for is a part of the revision, however that names it.
func TestImageByDigest(t *testing.T) {
	t.Parallel()
	const repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/a/churn"
	with := func(image, digest string) Content {
		c := content(1)
		c.Document["parameters"] = map[string]any{"image": image}
		c.Image, c.ImageDigest = image, digest
		return c
	}
	tagged, pinned := with(repository+":1", "sha256:aa"), with(repository+"@sha256:aa", "sha256:aa")
	require.Equal(t, tagged.Digest(), pinned.Digest())
	require.Empty(t, Diff(tagged, pinned))
	require.Equal(t, repository+":1", tagged.Document["parameters"].(map[string]any)["image"], "it was only compared")
	require.Equal(t, []Difference{{Path: "image", Old: repository + "@sha256:aa", New: repository + "@sha256:bb"}}, Diff(tagged, with(repository+":1", "sha256:bb")))
	require.NotEqual(t, tagged.Digest(), with(repository+":1", "sha256:bb").Digest())
	require.NotEqual(t, tagged.Digest(), with(repository+":1", "").Digest())
	for _, x := range [][3]string{
		{"sandbox/linear", "", "sandbox/linear"},
		{repository + ":1", "", repository + ":1"},
		{repository, "sha256:aa", repository + "@sha256:aa"},
		{repository + ":1@sha256:bb", "sha256:aa", repository + "@sha256:bb"},
		{"localhost:5000/churn", "sha256:aa", "localhost:5000/churn@sha256:aa"},
	} {
		require.Equal(t, x[2], Pinned(x[0], x[1]))
	}
}

// A digest tells no secret, and a secret that changes makes a revision all the same.
func TestSecrets(t *testing.T) {
	t.Parallel()
	with := func(secret any) Content {
		c := content(1)
		c.Document["parameters"] = map[string]any{"env": map[string]any{"TOKEN": map[string]any{"secret": secret}}}
		return c
	}
	require.Equal(t, with("one").Digest(), with("two").Digest())
	require.Equal(t, with("one").Digest(), with(nil).Digest(), "as the state shows it")
	require.False(t, SameDocument(with("one").Document, with("two").Document))
	require.True(t, SameDocument(with("one").Document, with("one").Document))
	l := grow(t, &Ledger{}, with("one"), true)
	for _, same := range []bool{true, false} {
		step, err := l.Next(with("two"), kept, func() (bool, error) { return same, nil })
		require.NoError(t, err)
		require.Equal(t, same, step.Same)
	}
	locked := errors.New("no key")
	_, err := l.Next(with("two"), kept, func() (bool, error) { return false, locked })
	require.ErrorIs(t, err, locked)

	require.Empty(t, Diff(with("one"), with("two")), "not even that they differ")
	other := content(1)
	require.Equal(t, []Difference{
		{Path: "env.TOKEN", Old: "[secret]"}, {Path: "memoryMb", New: float64(1)},
	}, Diff(with("one"), other))
	// What a reference leads to is no secret.
	require.False(t, hasSecret(map[string]any{"a": map[string]any{"secret": map[string]any{"env": "X"}}}))
}

func TestReadRefusesWhatIsNoLedger(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`[]`, `{"revisions": {"r1": {"number": 2}}}`, `{"revisions": {"x": {}}}`, `{"revisions": 3}`} {
		_, err := Read([]byte(raw), 1, Made{})
		require.ErrorIs(t, err, fault.Damaged, raw)
		require.NotEmpty(t, fault.HintOf(err))
	}
	l, err := Read(nil, 0, Made{})
	require.NoError(t, err)
	require.Nil(t, l.Last())
}

func TestObjectsAreWhatKeptRevisionsNeed(t *testing.T) {
	t.Parallel()
	c := content(1)
	c.Template.Object = "artifacts/template-1.json"
	l := grow(t, &Ledger{}, c, true)
	require.Equal(t, map[string]bool{"artifacts/code-1.zip": true, "artifacts/template-1.json": true}, l.Objects())
}

// kept is what the setting is unless it is said otherwise.
const kept = 5

// TestKeepAsSet keeps as many as it is told.
func TestKeepAsSet(t *testing.T) {
	l := &Ledger{Current: 9, Revisions: map[string]Record{}, Made: map[string]Made{}}
	for n := 1; n <= 9; n++ {
		l.Revisions[Key(n)] = Record{Number: n}
		if n < 9 {
			l.Made[Key(n)] = Made{}
		}
	}
	for keep, want := range map[int][]int{2: {9}, 3: {8, 9}, 8: {3, 4, 5, 6, 7, 8, 9}} {
		s, err := l.Next(Content{Image: "new"}, keep, nil)
		require.NoError(t, err)
		require.Equal(t, want, s.Kept)
	}
}
