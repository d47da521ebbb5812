#!/bin/sh
# Holds the sandbox and the embedded providers against the real Terraform provider, by a
# bridge from Pulumi's protocol to it, and by Terraform itself (e2e/acceptance).
#
#   BRIDGE=folder    source of the bridge, or the program
#   PROVIDER=file    binary of hashicorp/aws 5.100.0; else the one on PATH or where
#                    Terraform looks for plugins itself
#   NATIVE=file      the official plugin pulumi-resource-aws-native, in place of the
#                    embedded provider of that name; may be left out
#   AWSCC=file       binary of hashicorp/awscc; may be left out
#   ALL=1            every template, and Terraform; without it one template, in full
#
# Exit code 3: one of the two is not given or not there. What is under test is bin/pipelinetui.
set -eu
cd "$(dirname "$0")/.."

bridge=${BRIDGE:-}
provider=${PROVIDER:-}
if [ -z "$provider" ]; then
  # Names and folders: developer.hashicorp.com/terraform/cli/config/config-file,
  # "Implied Local Mirror Directories" and "Provider Plugin Cache".
  name=terraform-provider-aws_v5.100.0
  provider=$(command -v "${name}_x5" || command -v "$name" || find "${TF_PLUGIN_CACHE_DIR:-$HOME/.terraform.d/plugin-cache}" \
    "$HOME/.terraform.d/plugins" "${XDG_DATA_HOME:-$HOME/.local/share}/terraform/plugins" \
    /usr/local/share/terraform/plugins /usr/share/terraform/plugins -type f -name "$name*" 2>/dev/null | head -n 1)
fi
if [ -z "$bridge" ] || [ -z "$provider" ]; then
  [ -n "$bridge" ] || echo "acceptance: left out: no bridge is given; name it by BRIDGE=folder" >&2
  [ -n "$provider" ] || echo "acceptance: left out: hashicorp/aws 5.100.0 not found; name its binary by PROVIDER=file" >&2
  exit 3
fi
here=$(pwd)
case $bridge in /*) ;; *) bridge=$here/$bridge ;; esac
case $provider in /*) ;; *) provider=$here/$provider ;; esac
native=${NATIVE:-}
awscc=${AWSCC:-}
case $native in /* | '') ;; *) native=$here/$native ;; esac
case $awscc in /* | '') ;; *) awscc=$here/$awscc ;; esac
[ -n "$native" ] || echo "acceptance: the official aws-native is not given (NATIVE=file): the embedded one takes its place" >&2
[ -n "$awscc" ] || echo "acceptance: left out: hashicorp/awscc is not given (AWSCC=file)" >&2
echo "acceptance: bridge $bridge, provider $provider"
ACCEPTANCE_BRIDGE=$bridge ACCEPTANCE_PROVIDER=$provider ACCEPTANCE_NATIVE=$native ACCEPTANCE_AWSCC=$awscc ACCEPTANCE_ALL=${ALL:-} \
  ACCEPTANCE_TOOL=$here/bin/pipelinetui \
  go test -count=1 -timeout 120m -v ./e2e/acceptance
