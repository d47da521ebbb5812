#!/bin/sh
# Installs a .deb into a Debian that has nothing but its base, and does there what somebody does
# first: `bare.sh DEB [PULUMI]`, as root, with debootstrap. PULUMI is a Pulumi CLI to put on the
# PATH there, for a deployment on the sandbox; without one that part is left out. SUITE is the
# Debian (bookworm), MIRROR where it comes from: without it that of this machine.
set -eu
deb=$1 pulumi=${2:-} suite=${SUITE:-bookworm}
fail() { echo "bare.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "wants to be root: it makes a root of its own"
command -v debootstrap >/dev/null || fail "debootstrap is not here: apt-get install debootstrap"
[ -f "$deb" ] || fail "there is no $deb: make dist"
mirror=${MIRROR:-$(sed -n 's/^deb \(\[[^]]*\] \)*\(http[^ ]*debian\/*\) .*/\2/p; s/^URIs: *\(http[^ ]*debian\/*\) *$/\1/p' \
  /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v security | head -n 1)}
root=$(mktemp -d)
clean() {
  # The sandbox that ran in there, if the last step did not come to its end.
  chroot "$root" pipelinetui sandbox stop >/dev/null 2>&1 || true
  umount "$root/proc" "$root/dev/pts" "$root/dev" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
step() { printf '\n== %s\n' "$*"; }

step "a bare Debian $suite"
debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || { tail -n 5 "$root.log"; fail "debootstrap fails"; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --make-private "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
cp "$deb" "$root/package.deb"
there() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=xterm-256color LANG=C.UTF-8 "$@"; }
for absent in go python3 git make curl pulumi; do
  there sh -c "command -v $absent" >/dev/null && fail "$absent is in the base already: this shows less than it is to"
done

step "install, with what is recommended left out"
there dpkg -i /package.deb
step "the program"
there pipelinetui --version
there sh -c 'ls /usr/share/man/man1/pipelinetui.1* /usr/share/bash-completion/completions/pipelinetui'
step "without a Pulumi CLI: one sentence"
if said=$(there pipelinetui list 2>&1); then fail "list does without a Pulumi CLI: $said"; fi
echo "$said"
case $said in *"doctor --yes"*) ;; *) fail "it does not say what to do" ;; esac
# opens waits until the full screen shows a text, and leaves it by its key.
opens() {
  rm -f "$root/keys" && mkfifo "$root/keys"
  : >"$root/screen"
  there timeout 60 script -qec 'stty rows 40 cols 120; exec pipelinetui' /dev/null <"$root/keys" >"$root/screen" &
  screen=$!
  exec 3>"$root/keys"
  until grep -q "$1" "$root/screen" || ! kill -0 "$screen" 2>/dev/null; do sleep 0.1; done
  kill -0 "$screen" 2>/dev/null && printf q >&3
  exec 3>&-
  wait "$screen" || fail "the full screen ends with $?"
  grep -q "$1" "$root/screen" || fail "the full screen does not show: $1"
}
step "the full screen says the same, and is left by q"
opens 'doctor --yes'
step "what needs none"
there pipelinetui templates list
there pipelinetui sandbox start
there pipelinetui sandbox status
if [ -n "$pulumi" ]; then
  step "with one: a pipeline on the sandbox, of a template that needs no Python"
  cp "$pulumi" "$root/usr/local/bin/pulumi"
  cp -R "$(dirname "$0")/../e2e/testdata/templates" "$root/templates"
  light() { there env PIPELINETUI_TEMPLATES=/templates pipelinetui "$@"; }
  light list
  opens 'No pipelines yet'
  light up acme/orders --template light --region us-east-1 --yes
  light run acme/orders --input '{"n": 1}' --wait
  light list
  light destroy acme/orders --yes
fi
there pipelinetui sandbox stop
step "remove"
there dpkg -r pipelinetui
there sh -c 'command -v pipelinetui' && fail "it is still there"
step "done"
