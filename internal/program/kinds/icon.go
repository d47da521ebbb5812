package kinds

import "strings"

// Icon is a sign for what a resource is, one cell wide, with one for terminals that have
// ASCII only. The zero value is none.
type Icon struct{ Sign, ASCII string }

// icons are the signs by the service of a type, as the engine calls it: "s3" of
// "aws:s3/bucketV2:BucketV2".
var icons = map[string]Icon{
	"s3": {"▤", "B"}, "kms": {"¤", "K"}, "iam": {"§", "I"}, "sqs": {"≋", "Q"}, "sns": {"»", "N"},
	"lambda": {"λ", "L"}, "sagemaker": {"◆", "M"}, "appautoscaling": {"↕", "S"},
	"stepfunctions": {"◇", "F"}, "cloudwatch": {"≡", "="}, "scheduler": {"◷", "T"}, "index": {"·", "."}, "pulumi": {"·", "."},
}

// IconOf is the sign of a type; one that is not known has the sign of what is.
func IconOf(typ string) Icon {
	_, rest, _ := strings.Cut(typ, ":")
	service, _, _ := strings.Cut(rest, ":")
	service, _, _ = strings.Cut(service, "/")
	switch typ {
	case MetricAlarm:
		return Icon{"⚑", "!"}
	case EventRule, EventTarget:
		return Icon{"→", ">"}
	case Endpoint, FormerEndpoint:
		return Icon{"◉", "E"}
	}
	if icon, ok := icons[service]; ok {
		return icon
	}
	return Icon{"▫", "?"}
}
