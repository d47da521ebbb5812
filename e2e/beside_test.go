//go:build unix

package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// besidePage answers for every setting that others can put on a pipeline's bucket or
// key whether it is taken back, or why it is left.
const besidePage = "../docs/decisions/0013-what-others-put-beside.md"

var besideRow = regexp.MustCompile("(?m)^\\| ([A-Z][A-Za-z]+) \\| (?:`([a-z-]+)`)? ?\\| *(.*?) *\\|$")

// keysOwn are the operations of KMS that set nothing on a key that exists: they read,
// compute, make another key or are about key stores.
var keysOwn = regexp.MustCompile(`^(List|Get|Describe|Generate|Derive)|^(Encrypt|Decrypt|ReEncrypt|Sign|Verify|VerifyMac|CreateKey)$|CustomKeyStore`)

// A setting that a newer API model brings has to be answered for before it passes.
func TestEverySettingBesideOursIsAnsweredFor(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(besidePage)
	require.NoError(t, err)
	golden, err := os.ReadFile("../internal/program/testdata/resources.golden")
	require.NoError(t, err)
	stack := []string{"key", "key-alias"} // those of kmsMode: customer; the golden is the default
	for line := range strings.Lines(string(golden)) {
		name, _, _ := strings.Cut(line, " ")
		stack = append(stack, name)
	}
	answered := map[string]bool{}
	for _, row := range besideRow.FindAllStringSubmatch(string(page), -1) {
		operation, resource, why := row[1], row[2], row[3]
		require.NotContains(t, answered, operation, "answered twice")
		answered[operation] = true
		require.True(t, resource != "" || why != "", "%s is neither taken back nor given a reason", operation)
		if resource != "" {
			require.Contains(t, stack, resource, "%s: not every stack has that resource", operation)
		}
	}
	asked := []string{}
	for name, op := range model.Of("s3").Operations {
		if (op.Method == "PUT" || op.Method == "POST") && strings.HasPrefix(op.URI, "/{Bucket}?") && name != "DeleteObjects" {
			asked = append(asked, name)
		}
	}
	for name := range model.Of("kms").Operations {
		if !keysOwn.MatchString(name) {
			asked = append(asked, name)
		}
	}
	slices.Sort(asked)
	for _, name := range asked {
		require.Contains(t, answered, name, "what if somebody does that to a bucket or key of ours? Answer in %s", besidePage)
		delete(answered, name)
	}
	require.Empty(t, answered, "no such operations")
}
