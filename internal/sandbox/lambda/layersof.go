package lambda

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxLayers is how many layers a function has.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxLayers = 5

// layersOf are the layers that a function is to have, which its maker has to be allowed
// to read, and their packages. The texts are recordings of AWS
// (https://github.com/localstack/localstack, test_lambda_api.snapshot.json, test_layer_function_exceptions).
func (s *Service) layersOf(ctx context.Context, req *wire.Request, arns []string) (layers []types.Layer, packages []string, err error) {
	if len(arns) > maxLayers {
		return nil, nil, errInvalid("Cannot reference more than %d layers.", maxLayers)
	}
	first := map[string]string{}
	for _, arn := range arns {
		l, ok := parseLayer(req.Scope, arn)
		if !ok || l.number == 0 || !wire.MeansARN(arn) {
			return nil, nil, errConstraint("["+strings.Join(arns, ", ")+"]", "layers",
				"Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member "+
					"must satisfy regular expression pattern: "+layerPattern+", Member must not be null]")
		}
		if l.scope.Region != req.Region || l.scope.Partition != req.Partition {
			return nil, nil, errInvalid("Layers are not in the same region as the function. Layers are expected to be in region %s.", req.Region)
		}
		if other, twice := first[l.key()]; twice {
			return nil, nil, errInvalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are "+
				"versions of the same layer.", other, arn)
		}
		first[l.key()] = arn
		if err := req.May(ctx, "lambda:GetLayerVersion", arn, nil); err != nil {
			return nil, nil, err
		}
		v, found, err := s.readLayer(l)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			return nil, nil, errInvalid("Layer version %s does not exist.", arn)
		}
		layers, packages = append(layers, types.Layer{Arn: aws.String(v.ref().arn()), CodeSize: v.Size}), append(packages, v.Package)
	}
	return layers, packages, nil
}

// layerPaths are the folders of layers that a runtime searches, by the variable that
// tells it; those of the last layer come first, since it covers the others. On AWS all
// layers lie in /opt; here each in a folder of its own.
// https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
var layerPaths = map[string][]string{
	"PATH": {"bin"}, "LD_LIBRARY_PATH": {"lib"}, "PYTHONPATH": {"python", "python/lib/python3.*/site-packages"}, "NODE_PATH": {"nodejs/node_modules", "nodejs/node*/node_modules"},
}

// withLayers adds the folders of a version's layers to the environment of its process.
func withLayers(vars map[string]string, trees []string) {
	for name, folders := range layerPaths {
		var found []string
		for i := len(trees) - 1; i >= 0; i-- {
			for _, folder := range folders {
				matches, _ := filepath.Glob(filepath.Join(trees[i], filepath.FromSlash(folder))) // the patterns are ours
				found = append(found, matches...)
			}
		}
		if vars[name] != "" {
			found = append(found, vars[name])
		}
		if len(found) > 0 {
			vars[name] = strings.Join(found, string(os.PathListSeparator))
		}
	}
}

// layerTrees are the extracted packages of a version's layers.
func (s *Service) layerTrees(v version) ([]string, error) {
	out := make([]string, 0, len(v.Layers))
	for _, name := range v.Layers {
		tree, err := s.packages.tree(name)
		if err != nil {
			return nil, err
		}
		out = append(out, tree)
	}
	return out, nil
}
