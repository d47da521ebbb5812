package spec

import "github.com/invopop/jsonschema"

// notifyGroup is the group of parameters that say who is told of failures; a layer may say
// it by itself, as notify.
const (
	notifyGroup = "notify"
	notifyHelp  = "a map such as {email: [ops@example.com], slack: {ssm: /ops/slack}}"
)

// MadeTopic is what stands for a topic that the pipeline makes, beside the ARN of one that is there.
const MadeTopic = "made"

// Notify is who is told of failures of a pipeline, and of the ends of its batches.
type Notify struct {
	// Topic is the ARN of a topic that is there; "" if the pipeline makes its own.
	Topic string
	Email []string
	// Slack is whether there is a webhook.
	Slack bool
	// WindowSec is for how long failures are gathered for one notice.
	WindowSec int
}

// NotifyOf is who is told, by the pipeline's parameters; ok is false if nobody is. A
// secret webhook counts whether or not its value is known yet.
func NotifyOf(p *Pipeline) (n Notify, ok bool) {
	v := p.Parameters
	said := v.String(notifyGroup + ".topic")
	n.Email = v.Strings(notifyGroup + ".email")
	_, hidden := p.Secrets[SecretPath{Parameter: notifyGroup + ".slack"}]
	n.Slack = hidden || v.String(notifyGroup+".slack") != ""
	n.WindowSec = v.Int(notifyGroup + ".windowSec")
	if said != MadeTopic {
		n.Topic = said
	}
	return n, said != "" || len(n.Email) > 0 || n.Slack
}

// notifyField is notify in the JSON Schema.
func notifyField() field {
	secret := &jsonschema.Schema{
		Description: "Webhook of Slack: " + SecretForms + ", or text, which is kept as a secret.",
		Examples:    []any{map[string]any{ssmKey: "/ops/slack-webhook"}},
		AnyOf:       []*jsonschema.Schema{{Type: "string"}, {Type: "object"}},
	}
	o := object(
		field{"topic", &jsonschema.Schema{Type: "string", Description: "made, or the ARN of an SNS topic that is there.", Examples: []any{MadeTopic}}},
		field{"email", &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}, UniqueItems: true, Description: "Who gets e-mail; each has to confirm it once.", Examples: []any{[]string{"ops@example.com"}}}},
		field{"slack", secret},
		field{"windowSec", &jsonschema.Schema{Type: "integer", Description: "For how many seconds failures are gathered for one notice.", Examples: []any{60}}},
	)
	o.Description = "Who is told of failures; another way to write parameters.notify."
	o.Examples = []any{map[string]any{"email": []string{"ops@example.com"}}}
	return field{notifyGroup, o}
}
