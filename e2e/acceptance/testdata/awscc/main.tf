# The resource types of Step Functions as AWS's Cloud Control has them, in two stages.

terraform {
  required_providers {
    awscc = { source = "hashicorp/awscc" }
  }
}

variable "region" { type = string }
variable "stage" { type = number }
variable "role" { type = string }
variable "group" { type = string }

provider "awscc" {
  region = var.region
}

locals {
  first = var.stage == 1
  definition = {
    StartAt = local.first ? "Begin" : "Start"
    States  = { (local.first ? "Begin" : "Start") = { Type = "Pass", End = true } }
  }
}

resource "awscc_stepfunctions_state_machine" "all" {
  state_machine_name = "all"
  state_machine_type = "STANDARD"
  role_arn           = var.role
  definition_string  = jsonencode(local.definition)
  logging_configuration = {
    level                  = local.first ? "ALL" : "OFF"
    include_execution_data = local.first
    destinations           = local.first ? [{ cloudwatch_logs_log_group = { log_group_arn = "${var.group}:*" } }] : null
  }
  tracing_configuration = { enabled = local.first }
  tags = local.first ? [{ key = "team", value = "botany" }, { key = "stage", value = "one" }] : [{ key = "stage", value = "two" }]
}

# What a machine is given nothing of: its name, type and all the rest are made up.
resource "awscc_stepfunctions_state_machine" "bare" {
  role_arn          = var.role
  definition_string = jsonencode(local.definition)
}

resource "awscc_stepfunctions_state_machine" "object" {
  state_machine_name       = "object"
  role_arn                 = var.role
  definition               = jsonencode({ StartAt = "$${first}", States = { A = { Type = "Pass", End = true } } })
  definition_substitutions = { first = "A" }
}

resource "awscc_stepfunctions_state_machine_version" "one" {
  state_machine_arn = awscc_stepfunctions_state_machine.all.arn
  description       = "the ${local.first ? "first" : "second"}"
  lifecycle { create_before_destroy = true }
}

resource "awscc_stepfunctions_state_machine_version" "bare" {
  state_machine_arn = awscc_stepfunctions_state_machine.bare.arn
}

resource "awscc_stepfunctions_state_machine_alias" "routed" {
  name        = "routed"
  description = local.first ? "as it began" : "as it went on"
  routing_configuration = [
    { state_machine_version_arn = awscc_stepfunctions_state_machine_version.one.arn, weight = 100 },
  ]
}

resource "awscc_stepfunctions_activity" "none" {
  count = 0
  name  = "none"
}

output "version" { value = awscc_stepfunctions_state_machine_version.one.arn }
