package render

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Attention says what a plan costs that its signs do not: what is not served
// meanwhile, and what is lost. One sentence for each, none if all is harmless.
func Attention(rows []stack.Row) []string {
	var out []string
	replaced, deleted := 0, 0
	for _, r := range rows {
		for _, d := range r.Diagnostics {
			if d.Severity == stack.SeverityWarning {
				out = append(out, Line(d.Message, 0))
			}
		}
		if r.IsStack() || r.IsProvider() || r.Type == "pulumi:index:Stash" {
			continue
		}
		name := Line(r.Name, 0)
		switch r.Op {
		case stack.OpReplace, stack.OpDeleteReplaced, stack.OpCreateReplacement:
			replaced++
			switch r.Type {
			case "aws:sagemaker/endpoint:Endpoint":
				out = append(out, fmt.Sprintf("replacing %s means downtime: it is deleted first and made anew under the same name, and answers nothing for some minutes", name))
			case "aws:s3/bucketV2:BucketV2":
				out = append(out, fmt.Sprintf("replacing %s deletes the bucket with all inputs and results", name))
			case "aws-native:stepfunctions:StateMachine":
				out = append(out, fmt.Sprintf("replacing %s ends its running executions and deletes their history", name))
			}
		case stack.OpDelete:
			deleted++
			switch r.Type {
			case "aws:sagemaker/endpoint:Endpoint":
				out = append(out, fmt.Sprintf("deleting %s ends all inference through it", name))
			case "aws:s3/bucketV2:BucketV2":
				out = append(out, fmt.Sprintf("deleting %s deletes all inputs and results", name))
			case "aws:kms/key:Key":
				out = append(out, fmt.Sprintf("deleting %s makes what it encrypted unreadable after its waiting period", name))
			}
		}
	}
	if replaced+deleted > 0 {
		out = append(out, fmt.Sprintf("%s replaced, %d deleted", Count(replaced, "resource is", "resources are"), deleted))
	}
	return out
}
