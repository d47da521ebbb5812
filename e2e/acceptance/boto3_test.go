package acceptance

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBoto3 asks some three hundred questions with boto3, where it is installed,
// and wants AWS's answers: values, codes and texts.
func TestBoto3(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import boto3").Run() != nil {
		t.Skip("no boto3: pip install boto3")
	}
	h := newHome(t)
	vars := append(h.variables(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	checks := 0
	for _, name := range []string{"s3.py", "services.py"} {
		script, err := filepath.Abs(filepath.Join("testdata", "boto3", name))
		require.NoError(t, err)
		out, problems, code := h.run(vars, python, script)
		m := regexp.MustCompile(`(\d+) checks, `).FindStringSubmatch(out)
		if code != 0 || m == nil {
			t.Errorf("%s: exit code %d\n%s\n%s", name, code, out, problems)
			continue
		}
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		checks += n
	}
	require.GreaterOrEqual(t, checks, 180)
}
