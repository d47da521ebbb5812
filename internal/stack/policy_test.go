package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// asAnalyzer makes the test binary a policy pack's runtime: the engine looks for a program
// pulumi-analyzer-policy-RUNTIME on PATH where it has no language of that name (NewPolicyAnalyzer
// in sdk/go/common/resource/plugin/analyzer_plugin.go) and reads its port from the first line.
const asAnalyzer = "PTEST_ANALYZER"

// analyzer are rules: nothing may have the name that is forbidden, and "one" is frowned on.
type analyzer struct {
	pulumirpc.UnimplementedAnalyzerServer
	forbidden string
}

func serveAnalyzer() error {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	pulumirpc.RegisterAnalyzerServer(server, &analyzer{forbidden: "two"})
	fmt.Println(lis.Addr().(*net.TCPAddr).Port) // TCP it is
	return server.Serve(lis)                    // until the engine ends the process
}

func (a *analyzer) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "1.0.0"}, nil
}

func (a *analyzer) GetAnalyzerInfo(context.Context, *emptypb.Empty) (*pulumirpc.AnalyzerInfo, error) {
	return &pulumirpc.AnalyzerInfo{
		Name: "house-rules", Version: "1.0.0", SupportsConfig: true, Policies: []*pulumirpc.PolicyInfo{
			{Name: "no-such-names", EnforcementLevel: pulumirpc.EnforcementLevel_MANDATORY, ConfigSchema: &pulumirpc.PolicyConfigSchema{}},
			{Name: "no-firsts", EnforcementLevel: pulumirpc.EnforcementLevel_ADVISORY},
		},
	}, nil
}

func (a *analyzer) Configure(_ context.Context, req *pulumirpc.ConfigureAnalyzerRequest) (*emptypb.Empty, error) {
	if v, ok := req.GetPolicyConfig()["no-such-names"].GetProperties().GetFields()["forbidden"]; ok {
		a.forbidden = v.GetStringValue()
	}
	return &emptypb.Empty{}, nil
}

func (a *analyzer) Analyze(_ context.Context, req *pulumirpc.AnalyzeRequest) (*pulumirpc.AnalyzeResponse, error) {
	found := func(policy, message string, level pulumirpc.EnforcementLevel) *pulumirpc.AnalyzeResponse {
		return &pulumirpc.AnalyzeResponse{Diagnostics: []*pulumirpc.AnalyzeDiagnostic{{
			PolicyName: policy, PolicyPackName: "house-rules", PolicyPackVersion: "1.0.0", Message: message, EnforcementLevel: level, Urn: req.GetUrn(),
		}}}
	}
	switch req.GetName() {
	case a.forbidden:
		return found("no-such-names", "nothing is called "+req.GetName()+" here", pulumirpc.EnforcementLevel_MANDATORY), nil
	case "one":
		return found("no-firsts", "think of another name", pulumirpc.EnforcementLevel_ADVISORY), nil
	}
	return &pulumirpc.AnalyzeResponse{}, nil
}

func (a *analyzer) AnalyzeStack(context.Context, *pulumirpc.AnalyzeStackRequest) (*pulumirpc.AnalyzeResponse, error) {
	return &pulumirpc.AnalyzeResponse{}, nil
}

// policyPack makes a pack of a runtime, and its configuration.
func policyPack(t *testing.T, runtime, config string) (pack, file string) {
	t.Helper()
	pack = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(pack, "PulumiPolicy.yaml"), []byte("runtime: "+runtime+"\nversion: 1.0.0\n"), 0o600))
	file = filepath.Join(pack, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	return pack, file
}

// What a policy pack forbids fails a preview and an update, in the words of the policy and
// under its name; what it advises against is a warning. Its configuration gets to it.
func TestPolicyPacks(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	bin := t.TempDir()
	script := "#!/bin/sh\n" + asAnalyzer + "=1 exec " + fault.Shell(self) + "\n"
	require.NoError(t, wholefile.WriteProgram(filepath.Join(bin, "pulumi-analyzer-policy-ptest"), []byte(script)))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	f := open(t, "")
	pack, config := policyPack(t, "ptest", `{"no-such-names": {"forbidden": "three"}}`)
	job := Job{Stack: testStack, Program: stashes(`{}`, "one", "two"), PolicyPacks: []string{pack}}

	run, err := f.Preview(t.Context(), job)
	_, events, err := wait(t, run, err)
	require.ErrorIs(t, err, fault.Deployment)
	require.Contains(t, err.Error(), "house-rules: no-such-names: nothing is called two here")
	said := map[string]Severity{}
	for _, e := range events {
		if e.Type == EventPolicy {
			said[e.Diagnostic.Message] = e.Diagnostic.Severity
		}
	}
	require.Equal(t, map[string]Severity{
		"house-rules: no-such-names: nothing is called two here": SeverityError, "house-rules: no-firsts: think of another name": SeverityWarning,
	}, said)

	run, err = f.Up(t.Context(), job)
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Deployment)
	require.Contains(t, err.Error(), "no-such-names")

	job.PolicyConfigs = []string{config}
	run, err = f.Up(t.Context(), job)
	res, _ := must(t, run, err)
	require.Equal(t, Succeeded, res.Outcome)

	none, _ := policyPack(t, "nosuchruntime", "{}")
	job.PolicyPacks, job.PolicyConfigs = []string{none}, nil
	run, err = f.Preview(t.Context(), job)
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Unsupported)
	require.Contains(t, err.Error(), "nosuchruntime")
	require.Contains(t, fault.HintOf(err), "official release")

	// what the script says that runs packs in JavaScript
	unread := "it looks like the policy pack's dependencies are not installed; try running npm install or yarn install in \"/pack\""
	err = f.classifyText("preview", "", "error: "+unread, 255, errors.New("exit status 255"))
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, fault.HintOf(err), "npm install")
}
