package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

// lacking are the resource types that our programs use and that the bridge's list
// (types.go) has to hold, each with what its line ties together. What is not there
// is added for the build; the folder itself is only read.
var lacking = []struct{ state, token, tf string }{
	{"iam.RolePoliciesExclusiveState", "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive", "aws_iam_role_policies_exclusive"},
	{"iam.RolePolicyAttachmentsExclusiveState", "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive", "aws_iam_role_policy_attachments_exclusive"},
	{"lambda.EventSourceMappingState", "aws:lambda/eventSourceMapping:EventSourceMapping", "aws_lambda_event_source_mapping"},
}

// edit replaces what is found once in a file.
type edit struct{ file, old, new string }

// bridgeEdits are the changes to the bridge's source that the build takes in.
func bridgeEdits(dir string) ([]edit, error) {
	types, err := os.ReadFile(filepath.Join(dir, "types.go"))
	if err != nil {
		return nil, err
	}
	const list = "var resourceTypes = []*resourceType{\n"
	lines := list
	for _, l := range lacking {
		if !strings.Contains(string(types), l.token) {
			lines += fmt.Sprintf("\trt[%s](%q, %q),\n", l.state, l.token, l.tf)
		}
	}
	if lines == list {
		return nil, nil
	}
	return []edit{
		{"types.go", list, lines},
		// These have no attribute id; the role's name is what they are found by.
		{
			"server.go", "\tif _, has := t.block.attr(\"id\"); has {\n",
			"\tif role, has := t.block.attr(\"role_name\"); has && strings.HasSuffix(t.tf, \"_exclusive\") {\n" +
				"\t\tif v := v.GetAttr(role.name); v.IsKnown() && !v.IsNull() {\n\t\t\tid = v.AsString()\n\t\t}\n\t}\n" +
				"\tif _, has := t.block.attr(\"id\"); has {\n",
		},
	}, nil
}

// buildBridge compiles the bridge, unless it is a program already, and returns the
// program's path.
func buildBridge(dir, to string) (string, error) {
	if info, err := os.Stat(dir); err != nil || info.Mode().IsRegular() {
		return dir, err
	}
	edits, err := bridgeEdits(dir)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, e := range edits {
		path := filepath.Join(dir, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if strings.Count(string(text), e.old) != 1 {
			return "", fmt.Errorf("%s is not as expected: %q is there %d times, not once", path, e.old, strings.Count(string(text), e.old))
		}
		replace[path] = filepath.Join(to, fmt.Sprintf("%d-%s", i, e.file))
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600); err != nil {
			return "", err
		}
	}
	overlay := filepath.Join(to, "overlay.json")
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, raw, 0o600)
	}
	if err != nil {
		return "", err
	}
	bin := filepath.Join(to, "awsbridge")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlay, "-o", bin, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the bridge in %s: %w\n%s", dir, err, out)
	}
	return bin, nil
}

// plugins puts stand-ins for the official plugins where the engine looks for
// them: the bridge as aws, and as aws-native the official one where ACCEPTANCE_NATIVE
// names it, else this test program.
func plugins(t *testing.T, h *home, bridge, provider string) {
	t.Helper()
	wanted, err := program.Plugins(t.Context())
	require.NoError(t, err)
	native, err := os.Executable()
	require.NoError(t, err)
	if os.Getenv("ACCEPTANCE_NATIVE") != "" {
		native = fileFrom(t, "ACCEPTANCE_NATIVE")
	} else {
		t.Log("ACCEPTANCE_NATIVE is not set: the embedded aws-native stands in for the official one")
	}
	for _, p := range wanted {
		dir := filepath.Join(h.dir, "pulumi-home", "plugins", "resource-"+p.Name+"-v"+p.Version)
		require.NoError(t, os.MkdirAll(dir, 0o700))
		exe := filepath.Join(dir, "pulumi-resource-"+p.Name)
		if p.Name == "aws-native" {
			require.NoError(t, os.Symlink(native, exe))
			continue
		}
		script := fmt.Sprintf("#!/bin/sh\nTF_AWS_PROVIDER='%s' exec '%s'\n", provider, bridge)
		require.NoError(t, os.WriteFile(exe, []byte(script), 0o700))
	}
}

// serveNative serves our provider aws-native as a plugin does: its port on the
// first line, until it is told to end.
func serveNative(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	servers, err := provider.Serve(ctx, provider.Config{AWS: cfg, Region: cfg.Region, PathStyle: true})
	if err != nil {
		return err
	}
	defer servers.Close()
	_, port, found := strings.Cut(servers.Attach(), "aws-native:")
	if !found {
		return errors.New("no server of aws-native")
	}
	fmt.Println(port)
	<-ctx.Done()
	return nil
}
