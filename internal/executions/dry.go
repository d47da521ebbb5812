package executions

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// malformed is no state machine, so that a call with it changes nothing.
const malformed = "{"

// DryCreate asks to create a state machine from a definition that is none, for the error:
// whether who asks may not, or whether it is the definition (InvalidDefinition).
func DryCreate(ctx context.Context, cfg aws.Config, name, role string) error {
	_, err := sfn.NewFromConfig(cfg).CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: &name, RoleArn: &role, Definition: aws.String(malformed)})
	return err
}

// CountMachines is how many state machines an account has in a region.
func CountMachines(ctx context.Context, cfg aws.Config) (int, error) {
	n := 0
	pages := sfn.NewListStateMachinesPaginator(sfn.NewFromConfig(cfg), &sfn.ListStateMachinesInput{MaxResults: 1000})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return n, err
		}
		n += len(out.StateMachines)
	}
	return n, nil
}

// DryUpdate is the same for changing one.
func DryUpdate(ctx context.Context, cfg aws.Config, arn string) error {
	_, err := sfn.NewFromConfig(cfg).UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &arn, Definition: aws.String(malformed)})
	return err
}
