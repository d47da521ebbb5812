# One of each resource type of hashicorp/aws 5.100.0 whose service the sandbox has,
# as far as they concern inference pipelines. var.stage changes what can be changed.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "region" { type = string }
variable "stage" { type = number }

provider "aws" {
  region            = var.region
  s3_use_path_style = true
  default_tags { tags = { team = "botany" } }
}

locals {
  name   = "acc-${var.region}-${data.aws_caller_identity.me.account_id}"
  second = var.stage == 2
}

data "aws_caller_identity" "me" {}
data "aws_partition" "this" {}
data "aws_region" "here" {}

data "aws_iam_policy_document" "trust" {
  for_each = toset(["lambda", "states", "sagemaker", "events"])
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

# ---- IAM
resource "aws_iam_role" "all" {
  for_each             = data.aws_iam_policy_document.trust
  name                 = "${local.name}-${each.key}"
  path                 = "/acc/"
  description          = "stage ${var.stage}"
  assume_role_policy   = each.value.json
  max_session_duration = local.second ? 7200 : 3600
  permissions_boundary = local.second ? aws_iam_policy.wide.arn : null
  tags                 = { stage = var.stage }
}

resource "aws_iam_policy" "wide" {
  name = "${local.name}-wide"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = local.second ? ["s3:*", "sqs:*", "kms:*", "logs:*", "lambda:*", "sagemaker:*", "states:*", "events:*", "xray:*"] : ["*"], Resource = "*" }]
  })
}

resource "aws_iam_role_policy" "inline" {
  for_each = aws_iam_role.all
  name     = "inline"
  role     = each.value.id
  policy   = jsonencode({ Version = "2012-10-17", Statement = [{ Sid = "Stage${var.stage}", Effect = "Allow", Action = "*", Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "wide" {
  role       = aws_iam_role.all["lambda"].name
  policy_arn = aws_iam_policy.wide.arn
}

resource "aws_iam_role_policies_exclusive" "inline" {
  role_name    = aws_iam_role.all["states"].name
  policy_names = [aws_iam_role_policy.inline["states"].name]
}

resource "aws_iam_role_policy_attachments_exclusive" "none" {
  role_name   = aws_iam_role.all["states"].name
  policy_arns = []
}

# ---- KMS
resource "aws_kms_key" "own" {
  description             = "stage ${var.stage}"
  deletion_window_in_days = 7
  enable_key_rotation     = local.second
  tags                    = { stage = var.stage }
}

resource "aws_kms_alias" "own" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.own.key_id
}

resource "aws_kms_key_policy" "own" {
  key_id = aws_kms_key.own.id
  policy = jsonencode({
    Version = "2012-10-17"
    Id      = "stage-${var.stage}"
    Statement = [{
      Sid       = "root", Effect = "Allow", Action = "kms:*", Resource = "*"
      Principal = { AWS = "arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.me.account_id}:root" }
    }]
  })
}

# ---- S3
resource "aws_s3_bucket" "data" {
  bucket        = "${local.name}-data"
  force_destroy = true
  tags          = { stage = var.stage }
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id
  versioning_configuration { status = local.second ? "Suspended" : "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  bucket = aws_s3_bucket.data.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.own.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket                  = aws_s3_bucket.data.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = local.second
}

resource "aws_s3_bucket_ownership_controls" "data" {
  bucket = aws_s3_bucket.data.id
  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_policy" "data" {
  bucket = aws_s3_bucket.data.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Stage${var.stage}", Effect = "Deny", Action = "s3:DeleteBucketPolicy", Resource = aws_s3_bucket.data.arn
      Principal = { AWS = aws_iam_role.all["lambda"].arn }
    }]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  bucket = aws_s3_bucket.data.id
  rule {
    id     = "results"
    status = "Enabled"
    filter { prefix = "results/" }
    expiration { days = local.second ? 20 : 10 }
    noncurrent_version_expiration { noncurrent_days = 5 }
    abort_incomplete_multipart_upload { days_after_initiation = 3 }
  }
}

resource "aws_s3_object" "model" {
  bucket        = aws_s3_bucket.data.id
  key           = "models/model.json"
  content       = jsonencode({ format = "linear/v1", weights = [[1, var.stage]] })
  content_type  = "application/json"
  storage_class = "STANDARD"
  tags          = { stage = var.stage }
  depends_on    = [aws_s3_bucket_server_side_encryption_configuration.data]
}

resource "aws_s3_object_copy" "model" {
  bucket                 = aws_s3_bucket.data.id
  key                    = "models/copy.json"
  source                 = "${aws_s3_object.model.bucket}/${aws_s3_object.model.key}"
  kms_key_id             = aws_kms_key.own.arn
  server_side_encryption = "aws:kms"
  tagging_directive      = "REPLACE"
  tags                   = { stage = var.stage }
}

# ---- Logs
resource "aws_cloudwatch_log_group" "all" {
  for_each          = toset(["/aws/lambda/${local.name}", "/aws/vendedlogs/states/${local.name}"])
  name              = each.key
  retention_in_days = local.second ? 14 : 7
  kms_key_id        = local.second ? aws_kms_key.own.arn : null
  tags              = { stage = var.stage }
}

resource "aws_cloudwatch_log_stream" "own" {
  name           = "own"
  log_group_name = aws_cloudwatch_log_group.all["/aws/lambda/${local.name}"].name
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "errors"
  log_group_name = aws_cloudwatch_log_group.all["/aws/lambda/${local.name}"].name
  pattern        = local.second ? "[ip, ..., status = 5*, size]" : "{ $.level = \"ERROR\" }"
  metric_transformation {
    name          = "Errors"
    namespace     = "own"
    value         = "1"
    default_value = local.second ? null : 0
    unit          = "Count"
    dimensions    = local.second ? { Ip = "$ip" } : null
  }
}

resource "aws_cloudwatch_log_resource_policy" "events" {
  policy_name = local.name
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = local.second ? "arn:aws:logs:*:*:log-group:/aws/*" : "*"
      Principal = { Service = "events.amazonaws.com" }
    }]
  })
}

# ---- SQS
resource "aws_sqs_queue" "dead" {
  name                       = "${local.name}-dead"
  message_retention_seconds  = local.second ? 1209600 : 86400
  visibility_timeout_seconds = local.second ? 60 : 30
  kms_master_key_id          = aws_kms_key.own.arn
}

resource "aws_sqs_queue" "work" {
  name                      = "${local.name}-work"
  receive_wait_time_seconds = local.second ? 5 : 0
  sqs_managed_sse_enabled   = true
  redrive_policy            = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = local.second ? 5 : 3 })
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Stage${var.stage}", Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.dead.arn
      Principal = { Service = "events.amazonaws.com" }
    }]
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url            = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.work.arn] })
}

# ---- Lambda

resource "aws_lambda_function" "own" {
  function_name                  = local.name
  role                           = aws_iam_role.all["lambda"].arn
  filename                       = "function.zip"
  source_code_hash               = filebase64sha256("function.zip")
  handler                        = "index.handler"
  runtime                        = local.second ? "python3.13" : "python3.12"
  architectures                  = ["arm64"]
  memory_size                    = local.second ? 256 : 128
  timeout                        = 10 * var.stage
  publish                        = true
  reserved_concurrent_executions = local.second ? 5 : -1
  kms_key_arn                    = aws_kms_key.own.arn
  environment { variables = { STAGE = var.stage } }
  dead_letter_config { target_arn = aws_sqs_queue.dead.arn }
  tracing_config { mode = local.second ? "Active" : "PassThrough" }
  ephemeral_storage { size = 512 * var.stage }
  logging_config {
    log_format            = "JSON"
    application_log_level = local.second ? "DEBUG" : "INFO"
    system_log_level      = "WARN"
  }
  tags       = { stage = var.stage }
  depends_on = [aws_iam_role_policy.inline, aws_iam_role_policy_attachment.wide, aws_cloudwatch_log_group.all]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "stage ${var.stage}"
  function_name    = aws_lambda_function.own.function_name
  function_version = aws_lambda_function.own.version
}

resource "aws_lambda_permission" "events" {
  statement_id   = "events"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.own.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.failed.arn
  source_account = local.second ? data.aws_caller_identity.me.account_id : null
}

resource "aws_lambda_function_event_invoke_config" "own" {
  function_name                = aws_lambda_function.own.function_name
  maximum_retry_attempts       = var.stage - 1
  maximum_event_age_in_seconds = 60 * var.stage
}

# ---- SageMaker
resource "aws_sagemaker_model" "own" {
  name                     = "${local.name}-${var.stage}"
  execution_role_arn       = aws_iam_role.all["sagemaker"].arn
  enable_network_isolation = local.second
  primary_container {
    image          = "sandbox/linear"
    model_data_url = "s3://${aws_s3_bucket.data.bucket}/models/model.tar.gz"
    environment    = { STAGE = var.stage }
  }
  depends_on = [aws_s3_object.archive, aws_iam_role_policy.inline]
  lifecycle { create_before_destroy = true }
}

resource "aws_s3_object" "archive" {
  bucket     = aws_s3_bucket.data.id
  key        = "models/model.tar.gz"
  source     = "model.tar.gz"
  depends_on = [aws_s3_bucket_server_side_encryption_configuration.data]
}

resource "aws_sagemaker_endpoint_configuration" "own" {
  name        = "${local.name}-${var.stage}"
  kms_key_arn = aws_kms_key.own.arn
  production_variants {
    variant_name           = "AllTraffic"
    model_name             = aws_sagemaker_model.own.name
    instance_type          = "ml.m5.large"
    initial_instance_count = 1
    initial_variant_weight = 1
  }
  data_capture_config {
    enable_capture              = true
    initial_sampling_percentage = 50 * var.stage
    destination_s3_uri          = "s3://${aws_s3_bucket.data.bucket}/capture"
    capture_options { capture_mode = "InputAndOutput" }
  }
  tags = { stage = var.stage }
  lifecycle { create_before_destroy = true }
}

resource "aws_sagemaker_endpoint" "own" {
  name                 = local.name
  endpoint_config_name = aws_sagemaker_endpoint_configuration.own.name
  tags                 = { stage = var.stage }
}

# ---- Application Auto Scaling
resource "aws_appautoscaling_target" "own" {
  service_namespace  = "sagemaker"
  resource_id        = "endpoint/${aws_sagemaker_endpoint.own.name}/variant/AllTraffic"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  min_capacity       = 1
  max_capacity       = 1 + var.stage
}

resource "aws_appautoscaling_policy" "own" {
  name               = local.name
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.own.service_namespace
  resource_id        = aws_appautoscaling_target.own.resource_id
  scalable_dimension = aws_appautoscaling_target.own.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value = 50 * var.stage
    predefined_metric_specification { predefined_metric_type = "SageMakerVariantInvocationsPerInstance" }
    scale_in_cooldown  = 300
    scale_out_cooldown = 60
  }
}

# ---- Step Functions
resource "aws_sfn_state_machine" "own" {
  name       = local.name
  role_arn   = aws_iam_role.all["states"].arn
  definition = jsonencode({ StartAt = "Done", States = { Done = { Type = "Pass", Result = var.stage, End = true } } })
  publish    = true
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.all["/aws/vendedlogs/states/${local.name}"].arn}:*"
    level                  = local.second ? "ALL" : "ERROR"
    include_execution_data = local.second
  }
  tracing_configuration { enabled = local.second }
  encryption_configuration {
    type                              = "CUSTOMER_MANAGED_KMS_KEY"
    kms_key_id                        = aws_kms_key.own.arn
    kms_data_key_reuse_period_seconds = 300 * var.stage
  }
  tags       = { stage = var.stage }
  depends_on = [aws_iam_role_policy.inline]
}

resource "aws_sfn_alias" "live" {
  name        = "live"
  description = "stage ${var.stage}"
  routing_configuration {
    state_machine_version_arn = aws_sfn_state_machine.own.state_machine_version_arn
    weight                    = 100
  }
}

resource "aws_sfn_activity" "own" {
  name = local.name
  tags = { stage = var.stage }
}

# ---- EventBridge and CloudWatch
resource "aws_cloudwatch_event_rule" "failed" {
  name          = local.name
  description   = "stage ${var.stage}"
  state         = local.second ? "DISABLED" : "ENABLED"
  event_pattern = jsonencode({ source = ["aws.states"], detail = { status = local.second ? ["FAILED", "ABORTED"] : ["FAILED"] } })
  tags          = { stage = var.stage }
}

resource "aws_cloudwatch_event_target" "dead" {
  rule      = aws_cloudwatch_event_rule.failed.name
  target_id = "dead"
  arn       = aws_sqs_queue.dead.arn
  input_transformer {
    input_paths    = { arn = "$.detail.executionArn" }
    input_template = jsonencode({ arn = "<arn>", stage = var.stage })
  }
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  alarm_name          = local.name
  alarm_description   = "stage ${var.stage}"
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.own.arn }
  statistic           = "Sum"
  period              = 60 * var.stage
  evaluation_periods  = var.stage
  threshold           = var.stage
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = local.second ? "notBreaching" : "missing"
  tags                = { stage = var.stage }
}

output "count" { value = "${data.aws_region.here.name} ${data.aws_caller_identity.me.account_id}" }
