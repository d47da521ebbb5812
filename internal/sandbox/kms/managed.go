package kms

import (
	"net/http"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// managedFor begins the description of a key that AWS keeps for a service.
const managedFor = "Default key that protects my data when no other key is defined for "

// managedAlias begins the alias of such a key.
const managedAlias = "alias/aws/"

// managedServices are those of the sandbox's services for which there is a key.
var managedServices = []string{"s3", "lambda", "sqs", "sns", "sagemaker", "secretsmanager", "ssm"}

// managedPolicy lets everybody in the account use the key, by way of the service
// only (https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key).
func managedPolicy(req *wire.Request, service string) string {
	return `{"Version":"2012-10-17","Id":"auto-` + service + `-2","Statement":[` +
		`{"Sid":"Allow access through ` + service + ` for all principals in the account that are authorized to use it","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey"],"Resource":"*",` +
		`"Condition":{"StringEquals":{"kms:CallerAccount":"` + req.Account + `","kms:ViaService":"` + service + "." + req.Region + `.amazonaws.com"}}},` +
		`{"Sid":"Allow direct access to key metadata to the account","Effect":"Allow","Principal":{"AWS":"` + req.Root() + `"},` +
		`"Action":["kms:Describe*","kms:Get*","kms:List*","kms:RevokeGrant"],"Resource":"*"}]}`
}

// ensureManaged makes the key that AWS keeps for a service in this account and
// region, when it is asked for by its alias for the first time.
func (s *Service) ensureManaged(req *wire.Request, ref *string) error {
	if ref == nil {
		return nil
	}
	_, service, ok := strings.Cut(*ref, managedAlias)
	if !ok || !slices.Contains(managedServices, service) {
		return nil
	}
	name := managedAlias + service
	have := false
	err := s.DB.View(func(tx *store.Tx) error {
		have = tx.GetRaw(aliasesBucket, req.Key(name)) != nil
		return nil
	})
	if err != nil || have {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(aliasesBucket, req.Key(name)) != nil {
			return nil
		}
		id := wire.NewID()
		k := key{
			ID: id, ARN: arn(req.Scope, "key/"+id), Description: managedFor + service, Created: s.now(), Managed: true,
			Policy: managedPolicy(req, service), Material: [][]byte{newMaterial()}, Rotation: true, RotationDays: 365, RotationSince: s.now(),
		}
		if err := store.Put(tx, keysBucket, k.ID, k); err != nil {
			return err
		}
		return store.Put(tx, aliasesBucket, req.Key(name), alias{Name: name, ARN: arn(req.Scope, name), KeyID: id, Created: s.now(), Updated: s.now()})
	})
}

// errManaged refuses to change a key that belongs to AWS.
func errManaged(k key) error {
	return wire.Errorf(http.StatusBadRequest, "AccessDeniedException", "The request is rejected because the key %s is managed by AWS.", k.ARN)
}
