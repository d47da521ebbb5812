#!/bin/sh
# Makes sure that a Pulumi CLI of version $1 is there: bin/pulumi, or the one on PATH, or
# else the official release is fetched (seconds), or where the network does not allow that
# it is built from the Go module of tools/pulumi (minutes).
set -eu
want="v$1"
for have in bin/pulumi "$(command -v pulumi || true)"; do
  if [ -n "$have" ] && [ -x "$have" ] && [ "$(PULUMI_SKIP_UPDATE_CHECK=true "$have" version 2>/dev/null)" = "$want" ]; then
    exit 0
  fi
done
mkdir -p bin
if python3 scripts/fetch-pulumi.py "$1" bin; then
  exit 0
else
  code=$?
  [ "$code" = 3 ] || exit "$code"
fi
echo "building bin/pulumi $want from its Go module (once; a few minutes)"
cd tools/pulumi

# What judges the strength of a password, for two commands that set one, reads its word lists
# when the program begins: a third of what a start takes. Here it reads them when asked.
lazy=$(cd ../.. && pwd)/.bin/pulumi-lazy
rm -rf "$lazy"
mkdir -p "$lazy"
cp go.mod go.sum "$lazy"
for module in github.com/ccojocar/zxcvbn-go github.com/nbutton23/zxcvbn-go; do
  go mod download "$module"
  source=$(go list -m -f '{{.Dir}}' "$module")
  copy=$lazy/$module
  mkdir -p "$copy"
  cp -R "$source/." "$copy"
  chmod -R u+w "$copy"
  [ -f "$copy/go.mod" ] || echo "module $module" >"$copy/go.mod"
  sed 's/^func init() {$/func Load() {/' "$source/frequency/frequency.go" >"$copy/frequency/frequency.go"
  sed -e '/^func init() {$/,/^}$/d' -e 's/^func loadFrequencyList() {$/&\
	frequency.Load()/' "$source/matching/matching.go" >"$copy/matching/matching.go"
  go mod edit -replace "$module=$copy" "$lazy/go.mod"
done
go build -modfile "$lazy/go.mod" -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$want" \
  -o ../../bin/pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
