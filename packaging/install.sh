#!/bin/sh
# Installs pipelinetui @VERSION@: install.sh [FOLDER], ~/.local/bin if none is given.
# The archive must have the SHA-256 that the release's list says. PIPELINETUI_URL names a
# mirror; HTTPS_PROXY and SSL_CERT_FILE are obeyed by curl or wget.
set -eu
url=${PIPELINETUI_URL:-@URL@}
folder=${1:-$HOME/.local/bin}
fail() { echo "install.sh: $*" >&2; exit 1; }
case $(uname -s) in
  Linux) os=linux ;;
  Darwin) os=darwin ;;
  *) fail "there is no archive for $(uname -s): use the .zip of the release on Windows" ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) fail "there is no archive for $(uname -m)" ;;
esac
name=pipelinetui_${os}_${arch}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
get() {
  if command -v curl >/dev/null; then curl -fsSL --retry 3 -o "$work/$1" "$url/$1"
  elif command -v wget >/dev/null; then wget -q -O "$work/$1" "$url/$1"
  else fail "neither curl nor wget is here"; fi || fail "cannot download $url/$1"
}
get SHA256SUMS
get "$name.tar.gz"
want=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$name\.tar\.gz\$/\1/p" "$work/SHA256SUMS")
[ -n "$want" ] || fail "SHA256SUMS does not name $name.tar.gz"
if command -v sha256sum >/dev/null; then got=$(sha256sum "$work/$name.tar.gz"); else got=$(shasum -a 256 "$work/$name.tar.gz"); fi
[ "${got%% *}" = "$want" ] || fail "$name.tar.gz has the SHA-256 ${got%% *}, but it must be $want"
tar -C "$work" -xzf "$work/$name.tar.gz"
mkdir -p "$folder"
# Under its name only when it is whole: a program that runs is replaced, not written over.
cp "$work/$name/pipelinetui" "$folder/.pipelinetui.$$"
chmod 755 "$folder/.pipelinetui.$$"
mv -f "$folder/.pipelinetui.$$" "$folder/pipelinetui"
man=${XDG_DATA_HOME:-$HOME/.local/share}/man/man1
mkdir -p "$man" && cp "$work/$name/man/"*.1 "$man/"
"$folder/pipelinetui" --version
case ":$PATH:" in *":$folder:"*) ;; *) echo "add $folder to your PATH" ;; esac
