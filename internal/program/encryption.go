package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// encryptionBlock makes the pipeline's own KMS key, if kmsMode is customer:
// for bucket, logs, the function's environment, the state machine and the
// volumes of the endpoint. Otherwise the services use keys of their own.
func encryptionBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:     "encryption",
			Title:    "A KMS key of the pipeline's own (kmsMode: customer)",
			Reads:    []string{"kmsMode"},
			Provides: []string{"kmsKeyArn (kmsMode: customer)"},
			Exports:  []string{"kmsKeyArn"},
		},
		plan: planEncryption,
		add:  addEncryption,
	}
}

func planEncryption(p *plan) fault.List {
	if p.ownKey() {
		// The key's id is not known yet; the form is.
		p.provide("kmsKeyArn", p.arn("kms", "key/00000000-0000-0000-0000-000000000000"))
	}
	return nil
}

func addEncryption(b *build) error {
	if !b.ownKey() {
		return nil
	}
	policy, err := document(b.keyPolicy())
	if err != nil {
		return err
	}
	window := 7 // the least that KMS allows: a mistake can still be undone
	if b.pipe.Protect {
		window = 30
	}
	key, err := kms.NewKey(b.ctx, "key", &kms.KeyArgs{
		Description:          pulumi.String("pipelinetui: data of " + b.pipe.ID.String()),
		EnableKeyRotation:    pulumi.Bool(true),
		DeletionWindowInDays: pulumi.Int(window),
		Policy:               pulumi.String(policy),
		Tags:                 b.tags(),
	}, pulumi.Protect(b.pipe.Protect))
	if err != nil {
		return err
	}
	b.key = key
	if _, err := kms.NewAlias(b.ctx, "key-alias", &kms.AliasArgs{
		Name:        pulumi.String(b.names.KeyAlias),
		TargetKeyId: key.KeyId,
	}); err != nil {
		return err
	}
	b.output("kmsKeyArn", key.Arn)
	b.export("kmsKeyArn", key.Arn)
	return nil
}

// keyPolicy lets the account decide by IAM, and CloudWatch Logs use the key for
// the pipeline's log groups only, and alarms and events for its topics.
func (p *plan) keyPolicy() []statement {
	// Of a service in a region; others are called the same everywhere.
	// (region-info/lib/default.ts of the AWS CDK)
	_, suffix := spec.Partition(p.env.Region)
	policy := []statement{
		{
			Sid: "Account", Effect: "Allow",
			Principal: &principal{AWS: "arn:" + p.env.Partition + ":iam::" + p.env.Account + ":root"},
			Action:    oneOrMany{"kms:*"}, Resource: anything,
		},
		statement{
			Sid: "CloudWatchLogs", Effect: "Allow",
			Principal: &principal{Service: "logs." + p.env.Region + "." + suffix},
			Action:    oneOrMany{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"},
			Resource:  anything,
		}.when("ArnLike", "kms:EncryptionContext:aws:logs:arn",
			p.arn("logs", "log-group:/aws/lambda/"+p.names.Base+"-*"),
			p.arn("logs", "log-group:"+p.names.StatesLogs+"*"),
			p.arn("logs", "log-group:"+p.names.EndpointLogs)),
	}
	// (sns/latest/dg/sns-key-management.html, "Enable compatibility between event sources
	// from AWS services and encrypted topics": conditions on where a call comes from are not
	// supported for EventBridge)
	use := func(sid, service string) statement {
		return statement{
			Sid: sid, Effect: "Allow", Principal: &principal{Service: service},
			Action: oneOrMany{"kms:Decrypt", "kms:GenerateDataKey*"}, Resource: anything,
		}
	}
	if n, ok := p.notify(); ok && n.Topic == "" {
		policy = append(policy, use("Alarms", "cloudwatch.amazonaws.com").when("StringEquals", "aws:SourceAccount", p.env.Account))
	}
	if p.pushes() {
		policy = append(policy, use("Events", "events.amazonaws.com"))
	}
	return policy
}
