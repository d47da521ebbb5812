#!/bin/sh
# Makes sure that a Pulumi CLI of version $1 is there: bin/pulumi, or the one on
# PATH, or else bin/pulumi is built from the Go module of tools/pulumi.
set -eu
want="v$1"
for have in bin/pulumi "$(command -v pulumi || true)"; do
  if [ -n "$have" ] && [ -x "$have" ] && [ "$(PULUMI_SKIP_UPDATE_CHECK=true "$have" version 2>/dev/null)" = "$want" ]; then
    exit 0
  fi
done
echo "building bin/pulumi $want from its Go module (once; a few minutes)"
mkdir -p bin
cd tools/pulumi
go build -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$want" \
  -o ../../bin/pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
