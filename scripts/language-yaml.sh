#!/bin/sh
# Makes sure that bin/pulumi-language-yaml is there in version $1: Pulumi's language
# host for YAML programs, built from the Go module of tools/language-yaml. Ejected
# projects are tested with it.
set -eu
want="v$1"
bin=bin/pulumi-language-yaml
if [ -x "$bin" ] && go version -m "$bin" | grep -q "github.com/pulumi/pulumi-yaml[[:space:]]$want[[:space:]]"; then
  exit 0
fi
echo "building $bin $want from its Go module (once; a minute)"
mkdir -p bin
cd tools/language-yaml
go build -ldflags "-s -w -X github.com/pulumi/pulumi-yaml/pkg/version.Version=$want" \
  -o ../../$bin github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml
