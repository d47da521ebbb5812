package app

import (
	"context"
	"errors"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// secretPlace is a secret of Secrets Manager or a parameter of Systems Manager as a
// pipeline's deployment sees it.
type secretPlace struct{ region, role, manager, parameter string }

// secretOf is where a reference leads: to the pipeline's own region, or to that of its
// ARN.
func secretOf(p *spec.Pipeline, s spec.Secret) secretPlace {
	at := secretPlace{p.Region, p.AssumeRole, s.SecretsManager, s.SSM}
	if a, err := arn.Parse(s.SecretsManager + s.SSM); err == nil {
		at.region = a.Region
	}
	return at
}

// referred are the values that references lead to, or why they can't be read.
type referred struct {
	mu    sync.Mutex
	found map[secretPlace]string
	wrong map[secretPlace]error
}

// readReferences reads what the pipelines of a request refer to, each place once, with
// the credentials and in the region of the pipeline. The values go to the engine alone.
func (a *App) readReferences(ctx context.Context, t *Target, op stack.Operation, pipelines []*spec.Pipeline) *referred {
	r := &referred{found: map[secretPlace]string{}, wrong: map[secretPlace]error{}}
	if op != stack.OperationUp && op != stack.OperationPreview {
		return r
	}
	places := map[secretPlace]bool{}
	for _, p := range pipelines {
		for _, path := range p.References() {
			places[secretOf(p, p.Secrets[path])] = true
		}
	}
	var g errgroup.Group
	g.SetLimit(objectChecks)
	for at := range places {
		g.Go(func() error {
			var text string
			cfg, err := t.awsConfig(ctx, at.region, at.role)
			if err == nil {
				text, err = at.read(ctx, cfg)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if err != nil {
				r.wrong[at] = err
			} else {
				r.found[at] = text
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return r
}

// of returns the values for a pipeline's program. What can't be read is an error that
// names the parameter, the reference and the way out.
func (r *referred) of(p *spec.Pipeline, t *spec.Template) (map[spec.SecretPath]string, error) {
	out := map[spec.SecretPath]string{}
	var errs fault.List
	for _, path := range p.References() {
		s := p.Secrets[path]
		at := secretOf(p, s)
		text, err := r.found[at], r.wrong[at]
		if err == nil {
			text, err = s.Pick(text)
		}
		if param, ok := t.Parameter(path.Parameter); ok && err == nil {
			err = param.CheckSecret(path, text)
		}
		if err != nil {
			errs = append(errs, fault.New(kindOf(err), "%s %s: %s", path, s, err).WithHint("%s", fault.HintOf(err)).Because(err))
			continue
		}
		out[path] = text
	}
	return out, errs.OrNil()
}

func kindOf(err error) fault.Kind {
	var list fault.List
	if errors.As(err, &list) {
		return fault.Invalid
	}
	return fault.KindOf(err)
}

// read gets the whole text of a secret or parameter.
func (at secretPlace) read(ctx context.Context, cfg aws.Config) (string, error) {
	if at.parameter != "" {
		out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &at.parameter, WithDecryption: aws.Bool(true)})
		if err != nil {
			return "", at.explain(err)
		}
		return aws.ToString(out.Parameter.Value), nil
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &at.manager})
	switch {
	case err != nil:
		return "", at.explain(err)
	case out.SecretString == nil:
		return "", fault.New(fault.Invalid, "the secret holds bytes, not text").WithHint("Store it with --secret-string; encode bytes as Base64.")
	}
	return *out.SecretString, nil
}

// explain is what an error of the two services means, with the way out.
func (at secretPlace) explain(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return awscfg.Classify(err)
	}
	what, action, create := "secret", "secretsmanager:GetSecretValue", "aws secretsmanager create-secret --name NAME --secret-string file://secret.txt"
	if at.parameter != "" {
		what, action, create = "parameter", "ssm:GetParameter", "aws ssm put-parameter --type SecureString --name NAME --value file://secret.txt"
	}
	switch api.ErrorCode() {
	case "ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound":
		return fault.New(fault.Invalid, "there is no such %s in region %s", what, at.region).Because(err).
			WithHint("Correct the reference, or create it: `%s --region %s`.", create, at.region)
	case "AccessDeniedException", "AccessDenied":
		return fault.New(fault.Denied, "it may not be read: %s", api.ErrorMessage()).Because(err).
			WithHint("Ask for %s on it (and kms:Decrypt on its key) for whoever deploys the pipeline.", action)
	case "DecryptionFailure", "InvalidKeyId":
		return fault.New(fault.Denied, "it can't be decrypted: %s", api.ErrorMessage()).Because(err).
			WithHint("Ask for kms:Decrypt on its key for whoever deploys the pipeline.")
	case "InvalidRequestException": // among others: it is marked for deletion
		return fault.New(fault.Invalid, "it can't be read: %s", api.ErrorMessage()).Because(err).
			WithHint("Restore it (`aws secretsmanager restore-secret`), or correct the reference.")
	}
	return awscfg.Classify(err)
}
