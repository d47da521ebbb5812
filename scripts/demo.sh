#!/bin/sh
# The main job, end to end, on the embedded sandbox: create acme/iris, run it over
# the 150 flowers of the Iris data set, read the predictions back from S3.
# `demo.sh clean` removes everything it made.
set -eu
cd "$(dirname "$0")/.."
ptui=bin/pipelinetui
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

if [ "${1:-}" = clean ]; then
  if $ptui list --quick -o json 2>/dev/null | grep -q '"acme/iris"'; then
    $ptui destroy acme/iris --yes
  fi
  if $ptui list --quick -o json 2>/dev/null | grep -q '"pipeline":'; then
    echo "other pipelines are left, so the sandbox stays"
  else
    $ptui sandbox reset --yes
  fi
  exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

say "1. Create acme/iris: bucket, roles, function, model, endpoint, state machine"
$ptui up -f examples/iris/pipelines.yaml --yes

say "2. Run one flower, state by state"
$ptui run acme/iris --input @examples/iris/one.json --watch

say "3. Run all 150 flowers of the data set as one batch"
$ptui run acme/iris --inputs examples/iris/flowers.jsonl --wait -o json > "$tmp/batch.json"

say "4. Read the predictions back from S3 and compare"
eval "$($ptui sandbox env)"
go run ./examples/iris/report examples/iris/flowers.jsonl "$tmp/batch.json"

say "Next"
cat <<'EOT'
  bin/pipelinetui list                                  what there is
  bin/pipelinetui show acme/iris                        outputs, resources, history
  bin/pipelinetui executions list acme/iris             the executions
  bin/pipelinetui run acme/iris --input '{"bad":1}' --watch     see one fail, and why
  bin/pipelinetui preview acme/iris --set preprocess.memoryMb=512
  eval "$(bin/pipelinetui sandbox env)"; aws s3 ls      any AWS tool works on the sandbox
  make demo-clean                                       remove everything
EOT
