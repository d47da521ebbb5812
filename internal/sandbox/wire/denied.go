package wire

import (
	"net/http"
	"strings"
)

// Denied makes the refusal with AWS's text and the code of the action's service.
// because is the end of the sentence.
func Denied(p Principal, action, resource, because string) *Error {
	who := p.ARN
	if who == "" {
		who = p.Service
	}
	text := "User: " + who + " is not authorized to perform: " + action
	if resource != "" && resource != "*" {
		text += " on resource: " + resource
	}
	vendor, _, _ := strings.Cut(action, ":")
	if action == "iam:PassRole" {
		vendor = "" // asked by the service that the role is given to, never by IAM itself
	}
	switch vendor {
	case "s3", "iam", "sts", "cloudwatch":
		return Errorf(http.StatusForbidden, "AccessDenied", "%s %s", text, because)
	case "sqs":
		e := Errorf(http.StatusForbidden, "AccessDeniedException", "%s %s", text, because)
		e.QueryCode = "AccessDenied"
		return e
	case "lambda":
		return Errorf(http.StatusForbidden, "AccessDeniedException", "%s %s", text, because)
	}
	return Errorf(http.StatusBadRequest, "AccessDeniedException", "%s %s", text, because)
}
