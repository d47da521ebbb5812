#!/bin/sh
# Holds the sandbox and the embedded providers against the real Terraform provider, by a
# bridge from Pulumi's protocol to it, and by Terraform itself (e2e/acceptance).
#
#   BRIDGE=folder    source of the bridge, or the program; else a folder "bridge" beside
#                    this checkout, or one level up, whose Go module is awsbridge
#   PROVIDER=file    binary of hashicorp/aws 5.100.0; else where Terraform's mirrors are
#   ALL=1            every template, and Terraform; without it one template, in full
#
# Exit code 3: one of the two is not there. What is under test is bin/pipelinetui.
set -eu
cd "$(dirname "$0")/.."

bridge=${BRIDGE:-}
if [ -z "$bridge" ]; then
  for dir in ../*/bridge ../../*/bridge; do
    if grep -qs '^module awsbridge$' "$dir/go.mod"; then bridge=$dir; break; fi
  done
fi
provider=${PROVIDER:-}
if [ -z "$provider" ]; then
  provider=$(find "$HOME/.terraform.d" /opt /usr/local /usr/share -type f -name 'terraform-provider-aws_v5.100.0*' 2>/dev/null | head -n 1)
fi
if [ -z "$bridge" ] || [ -z "$provider" ]; then
  [ -n "$bridge" ] || echo "acceptance: no bridge found; name it by BRIDGE=folder" >&2
  [ -n "$provider" ] || echo "acceptance: hashicorp/aws 5.100.0 not found; name its binary by PROVIDER=file" >&2
  exit 3
fi
here=$(pwd)
case $bridge in /*) ;; *) bridge=$here/$bridge ;; esac
case $provider in /*) ;; *) provider=$here/$provider ;; esac
echo "acceptance: bridge $bridge, provider $provider"
ACCEPTANCE_BRIDGE=$bridge ACCEPTANCE_PROVIDER=$provider ACCEPTANCE_ALL=${ALL:-} ACCEPTANCE_TOOL=$here/bin/pipelinetui \
  go test -count=1 -timeout 120m -v ./e2e/acceptance
