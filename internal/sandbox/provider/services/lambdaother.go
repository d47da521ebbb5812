package services

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

type functionAliasArgs struct {
	Description     *string       `pulumi:"description" check:"len=0..256"`
	FunctionName    string        `pulumi:"functionName,required,replace"`
	FunctionVersion string        `pulumi:"functionVersion,required"`
	Name            *string       `pulumi:"name,replace,computed" check:"len=1..128;match=^[a-zA-Z0-9_-]*[a-zA-Z_-][a-zA-Z0-9_-]*$"`
	RoutingConfig   *aliasRouting `pulumi:"routingConfig"`
}

type aliasRouting struct {
	Weights map[string]float64 `pulumi:"additionalVersionWeights"`
}

type functionAliasState struct {
	functionAliasArgs
	Arn       string `pulumi:"arn"`
	InvokeArn string `pulumi:"invokeArn"`
}

func (r *aliasRouting) toAPI() *types.AliasRoutingConfiguration {
	if r == nil {
		return &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}
	}
	return &types.AliasRoutingConfiguration{AdditionalVersionWeights: r.Weights}
}

func lambdaAlias() Resource {
	return define(Def[functionAliasArgs, functionAliasState]{
		Type: "aws:lambda/alias:Alias", Title: "Lambda Alias", Named: &Naming{Property: "name", Max: 128},
		CreateFn: func(ctx context.Context, c *Call, in *functionAliasArgs) (string, error) {
			req := &lambda.CreateAliasInput{
				FunctionName: aws.String(in.FunctionName), FunctionVersion: aws.String(in.FunctionVersion), Name: in.Name, Description: set(in.Description),
			}
			if in.RoutingConfig != nil {
				req.RoutingConfig = in.RoutingConfig.toAPI()
			}
			out, err := c.Lambda().CreateAlias(ctx, req)
			if err != nil {
				return "", err
			}
			return deref(out.AliasArn), nil
		},
		ReadFn: func(ctx context.Context, c *Call, id string, last *functionAliasState) (*functionAliasState, error) {
			function, name, _ := cutLast(id, ":")
			out, err := c.Lambda().GetAlias(ctx, &lambda.GetAliasInput{FunctionName: aws.String(function), Name: aws.String(name)})
			if err != nil {
				return nil, gone(err, noFunction)
			}
			s := &functionAliasState{
				functionAliasArgs: functionAliasArgs{
					Description: set(out.Description), FunctionName: sameFunction(last.FunctionName, function),
					FunctionVersion: deref(out.FunctionVersion), Name: out.Name,
				},
				Arn: deref(out.AliasArn), InvokeArn: invokeARN(c, deref(out.AliasArn)),
			}
			if r := out.RoutingConfig; r != nil && len(r.AdditionalVersionWeights) > 0 {
				s.RoutingConfig = &aliasRouting{Weights: r.AdditionalVersionWeights}
			}
			return s, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *functionAliasState, in *functionAliasArgs) error {
			function, name, _ := cutLast(id, ":")
			_, err := c.Lambda().UpdateAlias(ctx, &lambda.UpdateAliasInput{
				FunctionName: aws.String(function), Name: aws.String(name), FunctionVersion: aws.String(in.FunctionVersion),
				Description: aws.String(deref(in.Description)), RoutingConfig: in.RoutingConfig.toAPI(),
			})
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *functionAliasState) error {
			function, name, _ := cutLast(id, ":")
			_, err := c.Lambda().DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: aws.String(function), Name: aws.String(name)})
			return gone(err, noFunction)
		},
		ImportFn: func(_ context.Context, c *Call, id string, o *functionAliasState) (string, error) {
			function, name, ok := strings.Cut(id, "/")
			if !ok {
				return id, nil
			}
			o.FunctionName = function
			return c.arn("lambda", "function:"+function+":"+name)
		},
	})
}

// sameFunction is how the program called the function, if arn is the function's
// ARN; else its name.
func sameFunction(given, arn string) string {
	_, name, _ := cutLast(arn, ":")
	if given == arn || given == name {
		return given
	}
	return name
}

type permissionArgs struct {
	Action              string  `pulumi:"action,required,replace" check:"match=^(lambda:[*]|lambda:[a-zA-Z]+|[*])$"`
	EventSourceToken    *string `pulumi:"eventSourceToken,replace" check:"len=1..256"`
	Function            string  `pulumi:"function,required,replace"`
	FunctionURLAuthType *string `pulumi:"functionUrlAuthType,replace" check:"enum=NONE|AWS_IAM"`
	Principal           string  `pulumi:"principal,required,replace"`
	PrincipalOrgID      *string `pulumi:"principalOrgId,replace"`
	Qualifier           *string `pulumi:"qualifier,replace" check:"len=1..128"`
	SourceAccount       *string `pulumi:"sourceAccount,replace" check:"match=^\\d{12}$"`
	SourceArn           *string `pulumi:"sourceArn,replace" check:"arn"`
	StatementID         *string `pulumi:"statementId,replace,computed" check:"len=1..100;match=^[a-zA-Z0-9_-]+$"`
	StatementIDPrefix   *string `pulumi:"statementIdPrefix,replace,computed,local" check:"len=1..74"`
}

type permissionState struct{ permissionArgs }

func lambdaPermission() Resource {
	return define(Def[permissionArgs, permissionState]{
		Type: "aws:lambda/permission:Permission", Title: "Lambda Permission",
		Named: &Naming{Property: "statementId", Prefix: "statementIdPrefix", Max: 100},
		CreateFn: func(ctx context.Context, c *Call, in *permissionArgs) (string, error) {
			_, err := c.Lambda().AddPermission(ctx, &lambda.AddPermissionInput{
				Action: aws.String(in.Action), FunctionName: aws.String(in.Function), Principal: aws.String(in.Principal), StatementId: in.StatementID,
				EventSourceToken: set(in.EventSourceToken), FunctionUrlAuthType: types.FunctionUrlAuthType(deref(in.FunctionURLAuthType)),
				PrincipalOrgID: set(in.PrincipalOrgID), Qualifier: set(in.Qualifier), SourceAccount: set(in.SourceAccount), SourceArn: set(in.SourceArn),
			})
			return idUnless(err, deref(in.StatementID))
		},
		ReadFn: readPermission,
		DeleteFn: func(ctx context.Context, c *Call, id string, last *permissionState) error {
			_, err := c.Lambda().RemovePermission(ctx, &lambda.RemovePermissionInput{
				FunctionName: aws.String(last.Function), StatementId: aws.String(id), Qualifier: set(last.Qualifier),
			})
			return gone(err, noFunction)
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *permissionState) (string, error) {
			function, sid, ok := cutLast(id, "/")
			if !ok {
				return "", fmt.Errorf("unexpected format of id %q, expected FUNCTION/STATEMENT_ID or FUNCTION:QUALIFIER/STATEMENT_ID", id)
			}
			name, qualifier, ok := strings.Cut(function, ":")
			if o.Function = name; ok {
				o.Qualifier = aws.String(qualifier)
			}
			return sid, nil
		},
	})
}

// resourceStatement is a statement of a function's policy as Lambda writes it.
type resourceStatement struct {
	Sid       string
	Action    string
	Principal json.RawMessage
	Condition map[string]map[string]string
}

// policyStatements reads the policy of a function or a layer.
func policyStatements(policy string) ([]resourceStatement, error) {
	var doc struct{ Statement []resourceStatement }
	if err := json.Unmarshal([]byte(policy), &doc); err != nil {
		return nil, fmt.Errorf("reading the policy: %w", err)
	}
	return doc.Statement, nil
}

// condition is the value of a condition, nil if the statement has none.
func (st *resourceStatement) condition(op, key string) *string {
	for k, v := range st.Condition[op] {
		if strings.EqualFold(k, key) {
			return set(&v)
		}
	}
	return nil
}

func readPermission(ctx context.Context, c *Call, id string, last *permissionState) (*permissionState, error) {
	out, err := c.Lambda().GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: aws.String(last.Function), Qualifier: set(last.Qualifier)})
	if err != nil {
		return nil, gone(err, noFunction)
	}
	statements, err := policyStatements(deref(out.Policy))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", last.Function, err)
	}
	for _, st := range statements {
		if st.Sid != id {
			continue
		}
		condition := st.condition
		return &permissionState{permissionArgs{
			Action: st.Action, EventSourceToken: condition("StringEquals", "lambda:EventSourceToken"), Function: last.Function,
			FunctionURLAuthType: condition("StringEquals", "lambda:FunctionUrlAuthType"), Principal: principalOf(st.Principal, last.Principal),
			PrincipalOrgID: condition("StringEquals", "aws:PrincipalOrgID"), Qualifier: last.Qualifier,
			SourceAccount: condition("StringEquals", "AWS:SourceAccount"), SourceArn: condition("ArnLike", "AWS:SourceArn"),
			StatementID: aws.String(id),
		}}, nil
	}
	return nil, ErrGone
}

// principalOf reads "*", {"Service": ...} or {"AWS": ...}; Lambda turns an
// account id into the ARN of its root.
func principalOf(raw json.RawMessage, last string) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var m map[string]string
	if json.Unmarshal(raw, &m) != nil {
		return last
	}
	for _, v := range m {
		root, ok := strings.CutSuffix(v, ":root")
		if _, account, found := cutLast(root, ":iam::"); ok && found && v != last {
			return account
		}
		return v
	}
	return last
}
