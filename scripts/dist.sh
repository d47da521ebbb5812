#!/bin/sh
# Makes what is released in dist/: an archive for each system, .deb and .rpm, a Homebrew
# formula, a Scoop manifest, an installer, a bill of materials (CycloneDX), and the SHA-256
# of everything. $1: version, $2: linker flags.
#
# TARGETS are the systems ("linux/amd64 darwin/arm64"); PREBUILT is a binary of this very
# system to take in place of building one, for tests of the packaging.
set -eu
version=$1 ldflags=$2
plain=${version#v}
# A package's version begins with a digit: what is no release is 0.0.0~COMMIT.
case $plain in [0-9]*.*) ;; *) plain="0.0.0~$plain" ;; esac
host="$(go env GOOS)/$(go env GOARCH)"
targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}
url=https://github.com/pipelinetui/pipelinetui/releases/download/$version
rm -rf dist && mkdir dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

native=${PREBUILT:-}
if [ -z "$native" ]; then
  native=$work/pipelinetui
  go build -ldflags "$ldflags" -o "$native" ./cmd/pipelinetui
fi
# Pages and completions are the same everywhere: the program writes them itself.
mkdir -p "$work/man" "$work/completions"
"$native" docs --man "$work/man"
"$native" completion bash >"$work/completions/pipelinetui.bash"
"$native" completion zsh >"$work/completions/_pipelinetui"
"$native" completion fish >"$work/completions/pipelinetui.fish"
"$native" completion powershell >"$work/completions/pipelinetui.ps1"

for target in $targets; do
  os=${target%/*} arch=${target#*/} exe=pipelinetui
  [ "$os" = windows ] && exe=pipelinetui.exe
  name=pipelinetui_${os}_${arch}
  stage=$work/$name
  mkdir "$stage"
  if [ -n "${PREBUILT:-}" ] && [ "$target" = "$host" ]; then
    cp "$PREBUILT" "$stage/$exe"
  else
    CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -ldflags "$ldflags" -o "$stage/$exe" ./cmd/pipelinetui
  fi
  cp LICENSE README.md CHANGELOG.md "$stage/"
  cp -R "$work/man" "$work/completions" "$stage/"
  go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -version "$plain" -output "dist/$name.cdx.json" "$stage/$exe"
  if [ "$os" = windows ]; then
    python3 -c 'import shutil, sys; shutil.make_archive(sys.argv[1], "zip", sys.argv[2], sys.argv[3])' "dist/$name" "$work" "$name"
  else
    tar -C "$work" -czf "dist/$name.tar.gz" "$name"
  fi
  if [ "$os" = linux ]; then
    for kind in deb rpm; do
      sed "s|@STAGE@|$stage|; s|@ARCH@|$arch|; s|@VERSION@|$plain|" packaging/nfpm.yaml >"$work/nfpm.yaml"
      go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0 package -f "$work/nfpm.yaml" -p "$kind" -t dist/
    done
  fi
done

sed "s|@VERSION@|$version|g; s|@URL@|$url|g" packaging/install.sh >dist/install.sh
chmod +x dist/install.sh
cp packaging/Containerfile dist/
python3 scripts/manifests.py "$plain" "$url" dist
(cd dist && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
