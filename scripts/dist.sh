#!/bin/sh
# Cross-compiles release archives with checksums into dist/. $1: linker flags.
set -eu
rm -rf dist && mkdir dist
for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
  os=${target%/*} arch=${target#*/}
  dir="dist/pipelinetui_${os}_${arch}"
  mkdir "$dir"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -ldflags "$1" -o "$dir/pipelinetui" ./cmd/pipelinetui
  cp LICENSE README.md "$dir/"
  tar -C dist -czf "$dir.tar.gz" "${dir#dist/}"
  rm -r "$dir"
done
(cd dist && sha256sum *.tar.gz > SHA256SUMS && cat SHA256SUMS)
