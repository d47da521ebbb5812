package native_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/program/native"
)

// TestNamesAreThoseOfTheSDK reads the source of the SDK's package, which nobody imports:
// each property here has to have the name and the form that it has there.
func TestNamesAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	pkg, err := build.Import("github.com/pulumi/pulumi-aws-native/sdk/go/aws/sagemaker", ".", build.FindOnly)
	require.NoError(t, err)
	theirs := map[string]map[string]string{} // property -> form, by type
	for _, name := range []string{"endpoint.go", "pulumiTypes.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				theirs[spec.Name.Name] = propertiesOf(s)
			}
			return false
		})
	}
	seen := 0
	check := func(theirName string, ours reflect.Type) {
		require.Contains(t, theirs, theirName)
		for i := range ours.NumField() {
			tag := ours.Field(i).Tag.Get("pulumi")
			require.NotEmpty(t, tag, ours.Name())
			if tag == "deploymentConfig" { // given by its Properties
				require.Equal(t, "*EndpointDeploymentConfig", theirs[theirName][tag])
				continue
			}
			if tag == "excludeRetainedVariantProperties" { // given as values
				require.Equal(t, "[]EndpointVariantProperty", theirs[theirName][tag])
				continue
			}
			form := ours.Field(i).Type.String()
			form = strings.NewReplacer("native.", "Endpoint", "aws.Tag", "aws.Tag").Replace(form)
			require.Equal(t, theirs[theirName][tag], form, "%s.%s", theirName, tag)
			seen++
		}
	}
	check("endpointArgs", native.EndpointArgs{}.ElementType())
	for name, typ := range map[string]reflect.Type{
		"EndpointDeploymentConfig":      reflect.TypeFor[native.DeploymentConfig](),
		"EndpointAutoRollbackConfig":    reflect.TypeFor[native.AutoRollbackConfig](),
		"EndpointAlarm":                 reflect.TypeFor[native.Alarm](),
		"EndpointBlueGreenUpdatePolicy": reflect.TypeFor[native.BlueGreenUpdatePolicy](),
		"EndpointTrafficRoutingConfig":  reflect.TypeFor[native.TrafficRoutingConfig](),
		"EndpointCapacitySize":          reflect.TypeFor[native.CapacitySize](),
		"EndpointRollingUpdatePolicy":   reflect.TypeFor[native.RollingUpdatePolicy](),
	} {
		check(name, typ)
	}
	require.Greater(t, seen, 20)
	source, err := os.ReadFile(filepath.Join(pkg.Dir, "endpoint.go"))
	require.NoError(t, err)
	require.Contains(t, string(source), `"`+kinds.Endpoint+`"`)
	utilities, err := os.ReadFile(filepath.Join(pkg.Dir, "..", "internal", "pulumiUtilities.go"))
	require.NoError(t, err)
	require.Contains(t, string(utilities), `semver.MustParse("`+native.Version+`")`)
}

func propertiesOf(s *ast.StructType) map[string]string {
	out := map[string]string{}
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("pulumi")
		out[tag] = form(f.Type)
	}
	return out
}

// form is a type as reflection writes it.
func form(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return "*" + form(e.X)
	case *ast.ArrayType:
		return "[]" + form(e.Elt)
	case *ast.SelectorExpr:
		return form(e.X) + "." + e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
