#!/bin/sh
# A fleet in which something is wrong for two reasons: found, grouped, mended and verified by
# commands over all of it, on a sandbox of its own in which AWS's quotas count. What is wrong
# with inputs is exported, mended and run again; what was wrong with the code is redriven. The
# numbers of each step are checked. TENANTS and EXECUTIONS say how large it is, KEEP=1 leaves
# the folder.
set -eu
cd "$(dirname "$0")/.."
TENANTS=${TENANTS:-8}
EXECUTIONS=${EXECUTIONS:-640}
work=$(mktemp -d)
PIPELINETUI_HOME=$work/home
export PIPELINETUI_HOME
export PIPELINETUI_TEMPLATES=$work/templates
export PIPELINETUI_PULUMI=${PIPELINETUI_PULUMI:-$PWD/bin/pulumi}
ptui=bin/pipelinetui
say() { printf '\n%s  %s\n' "$(date +%T)" "$*"; }
finish() {
  code=$?
  $ptui sandbox stop >/dev/null 2>&1 || true
  [ -n "${KEEP:-}" ] && echo "left: $work" || rm -rf "$work"
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

# does runs a command and shows it; what it writes goes to a document of that name, whose
# numbers are checked. It has to end with the code that is given.
does() {
  name=$1 want=$2
  shift 2
  echo "   \$ pipelinetui $*"
  code=0
  $ptui "$@" -o json >"$work/$name.json" 2>"$work/$name.log" || code=$?
  if [ "$code" != "$want" ]; then
    tail -n 20 "$work/$name.log"
    echo "exit code $code, not $want"
    exit 1
  fi
}
check() { python3 scripts/fleet.py check "$work" "$1" "$work/$1.json"; }

say "$TENANTS tenants with $EXECUTIONS inputs, 5 % of them bad"
python3 scripts/fleet.py make "$work" "$TENANTS" "$EXECUTIONS"
$ptui sandbox start >/dev/null
does quotas 0 sandbox faults set --quotas

say "1. Make them"
does up 0 up -f "$work/fleet.yaml" --yes

say "2. Run all inputs, each pipeline its own"
does ran 10 run --inputs "$work/inputs" --batch monday --wait --yes
check ran

say "3. What failed, and is it one cause?"
does grouped 0 executions list --all --batch monday --group --limit 0
check grouped
$ptui executions list --all --batch monday --group --limit 0

say "4. What is wrong with inputs: export them, mend them, run them again"
does exported 0 executions export --all --batch monday --error InvalidFlower --inputs --out "$work/bad"
check exported
python3 scripts/fleet.py mend-inputs "$work/bad"
does again 0 run --inputs "$work/bad" --batch monday-mended --wait --yes
check again

say "5. What is wrong with the code: mend it, roll it out, redrive what it has failed"
python3 scripts/fleet.py mend-code "$work"
does mended 0 up -f "$work/fleet.yaml" --yes
does redriven 0 executions redrive --all --batch monday --error UnknownUnit --yes
check redriven

say "6. Wait for all of them, and see what is left"
does waited 10 run --inputs "$work/inputs" --batch monday --wait --yes
check waited
does left 0 executions list --all --batch monday --group --limit 0
check left
does listed 0 executions list --all --batch monday --limit 0
check listed
does report 0 executions report --all --since 24h --out "$work/fleet.html"
$ptui results list t00/iris --batch monday-mended --limit 3

say "All of it was found, mended and verified."
