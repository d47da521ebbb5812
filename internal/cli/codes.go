package cli

import (
	"errors"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Every error has a stable code: that of the rule it breaks if it is about what was asked
// for, else that of its kind; findings about an account have codes of their own
// (preflight.Code). `explain` tells of each, and docs/errors.md is made of the
// same table.

// page is what is told of a code.
type page struct {
	code  string
	title string // one line, without a full stop
	what  string // what it means: why it is an error
	way   string // the way out
}

// kindCode is the code of a kind of error.
func kindCode(k fault.Kind) string { return hyphened(string(k)) }

// ruleCode is the code of a rule.
func ruleCode(rule spec.ProblemCode) string { return hyphened(string(rule)) }

// hyphened is how all codes are written: NotFound is not-found, atMost at-most.
func hyphened(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// errorCode is the code of an error. Of several it is that of the first one, which decides
// the exit code too.
func errorCode(err error) string {
	if problems := spec.Problems(err); len(problems) > 0 {
		return ruleCode(problems[0].Rule)
	}
	var setting *settings.Problem
	var usage *usageError
	switch {
	case errors.As(err, &setting):
		return ruleCode(settingProblem(setting).Rule)
	case errors.As(err, &usage) && usage.flags:
		return ruleCode(spec.CodeFlag)
	case errors.As(err, &usage):
		return usageCode
	}
	return kindCode(fault.KindOf(err))
}

// usageCode is the code of a command line that is none, but for its flags.
const usageCode = "usage"

// pages are all codes: first those of kinds, then those of rules.
var pages = []page{
	{
		usageCode, "the command line is none", "There is no such command, or it takes more or fewer arguments than were given.",
		"Run the command with --help. The shell completes names of commands: see `pipelinetui completion --help`.",
	},
	{
		"internal", "something that should not happen", "Neither what was asked for nor AWS is known to be at fault, or it is the program itself.",
		"Run it again with --debug, which shows the causes, and report what it says.",
	},
	{
		"invalid", "what was asked for cannot be done", "A value, a file or a combination of them is refused before anything is changed.",
		"The message says what is wrong with it, and the hint what is right.",
	},
	{"not-found", "there is nothing of that name", "A pipeline, an execution, a template or a resource is not there: in the backend, the account or the " +
		"region that was asked.", "Look with `pipelinetui list`, `executions list` or `templates list`; check --target, --backend, --profile and --region with `pipelinetui doctor`."},
	{
		"conflict", "it is there already, or has changed meanwhile", "A name is taken, or what a decision was based on is not as it was.",
		"Choose another name; or look again at what there is now, and decide again.",
	},
	{
		"locked", "another operation holds the pipeline",
		"Each pipeline is changed by one operation at a time. The message says who holds the lock, and since when.",
		"Wait for it. If that process has died, `pipelinetui cancel PIPELINE` clears its lock and finds what it left half done.",
	},
	{
		"denied", "a permission is missing", "AWS knows who asks and does not allow it: by a policy, a boundary, an organization's rule or a key's policy.",
		"The message names the action and mostly the resource: ask for it. `pipelinetui doctor` shows which identity is used.",
	},
	{
		"unauthenticated", "credentials are missing, wrong or expired", "AWS, or the Pulumi backend, does not know who asks.",
		"Log in (`aws sso login`, `pulumi login`) or set the variables of your credentials; `pipelinetui doctor` shows which are used.",
	},
	{"throttled", "a quota was used up", "AWS refuses calls beyond a rate, or resources beyond a number. Calls are repeated for a while " +
		"before this is told.", "Try again in a minute, with a smaller --parallel; or ask AWS for a higher quota."},
	{
		"canceled", "it was stopped", "You, or a signal, asked it to stop; or a question was answered with no.",
		"Nothing, if that was meant. What was begun is named; `pipelinetui list` shows how everything is.",
	},
	{"timeout", "the time to wait is over", "The time of --timeout, or a bound of the program's own, has passed. What is waited for goes on.", "Look again later, or wait longer."},
	{
		"unreachable", "there is no way to what was to be asked",
		"A name is not known to DNS, a connection is refused, cut or gives no answer, a certificate is not trusted, or a proxy refuses. Nothing is known of what is behind it.",
		"Check the network, HTTPS_PROXY and NO_PROXY, certificates (AWS_CA_BUNDLE, SSL_CERT_FILE), and the address: --region, --endpoint-url, --backend or the mirror. " +
			"`pipelinetui doctor` shows each with its source.",
	},
	{"unsupported", "it is known, and not possible here", "This template, target, backend or system cannot do it.", "The hint names another way, where there is one."},
	{
		"deployment", "a resource could not be created, changed or deleted",
		"The engine ran, and AWS refused something. Other resources may have been changed: their state is kept.",
		"Mend what the message says and run the same command again: it goes on where it ended. `pipelinetui show PIPELINE` shows what there is.",
	},
	{
		"not-ready", "the account would make the deployment fail",
		"It was asked before anything was changed, and a check found what AWS would refuse. No engine ran.",
		"Each finding has a code of its own and its way out: see `pipelinetui explain P200` and the like. `--ignore CODE` goes on all the same.",
	},
	{
		"execution", "an execution did not succeed", "It failed, was stopped or timed out by itself.",
		"`pipelinetui executions show PIPELINE NAME` shows each state with its input; `executions redrive` runs it again from where it failed.",
	},
	{
		"changes", "there are changes though none were expected", "The flag --expect-no-changes was given, and applying the spec would change something.",
		"Look at what is listed. `pipelinetui up` applies it; `refresh` tells whether it is drift.",
	},
	{
		"damaged", "a file of the program's own is not what it should be",
		"A state, a journal or a stored document cannot be read: it was cut off, or something else has written to it.",
		"The error names the file, what is lost and what mends it. Of a state, `pipelinetui cancel PIPELINE --restore` goes back to the newest copy " +
			"that is whole; keep the damaged file until you know what happened.",
	},
	{
		"output", "standard output does not take what is written", "What the command did is done, but its output is not whole: the disk is full or fails, or the " +
			"stream is closed.",
		"Make room, or write elsewhere, and look with a command that only reads; do not take what was written for the whole.",
	},

	{"unreadable", "a file cannot be read", "It is not there, or you may not read it.", "Check the path, from which folder it is meant, and its permissions."},
	{"encoding", "a text is not UTF-8", "It is in another encoding, or is no text at all but an archive, a spreadsheet or data.", "Save or export it as UTF-8."},
	{"size", "it is more than can be read", "A file, a text or its nesting is beyond a bound that protects memory.", "Divide it: several specs, or values in files of their own."},
	{"syntax", "it is neither YAML nor JSON", "A bracket, a quote or an indent is wrong.", "Look at the line that is named, and at the one before it."},
	{"yaml", "it is YAML that is not understood here", "Anchors across documents, tags of other programs and several documents in one file are refused, as " +
		"they read differently elsewhere.", "Write the value as it is meant."},
	{"duplicate", "it is there twice", "A key, an item or a pipeline may be there once; which of two would count is a guess.", "Remove one."},
	{
		"unknown-key", "there is no such key", "Unknown keys are refused, as a misspelled one would be without effect.",
		"The hint names the key that is likely meant; `pipelinetui schema` gives editors all of them.",
	},
	{
		"version", "another version of the spec", "The key apiVersion has to be pipelinetui/v1.",
		"Write `apiVersion: pipelinetui/v1`, or use the version of the program that the spec is for.",
	},
	{
		"type", "a value is of the wrong type", "A text where a number is needed, one value where a list is, and so on.",
		"The message says which type it has to be. Texts that look like numbers need quotes.",
	},
	{
		"missing", "something has to be given", "A parameter or a key without a default has no value.",
		"Give it in the spec, or with --set NAME=VALUE. `pipelinetui templates show TEMPLATE` lists what is required.",
	},
	{"name", "a name that cannot be one", "Tenant, model and env become parts of names on AWS: lower-case letters, digits and single hyphens, and not " +
		"too long together.", "Shorten it, or leave out what is not allowed. The message says the bound."},
	{"unknown-tenant", "a tenant that the spec does not list", "A spec that has `tenants` lists all of them.", "Add it there, or correct the name."},
	{
		"unknown-template", "there is no such template", "Neither the program nor your folders have it.",
		"`pipelinetui templates list` shows all; name folders of your own with the setting `templates`.",
	},
	{"unknown-parameter", "the template has no such parameter", "A misspelled parameter would be without effect.", "`pipelinetui templates show TEMPLATE` lists them."},
	{"unknown-region", "there is no such region", "It is no AWS region that the program knows.", "Check its spelling: us-east-1, not us-east-1a, which is a zone."},
	{
		"partition", "parts of different partitions of AWS", "Commercial regions, China and GovCloud share no accounts, roles or keys.",
		"Name roles, keys and images in the partition of the region.",
	},
	{
		"arn", "it is no ARN of the right kind", "An ARN has six parts, and its service and resource have to be what the parameter asks for.",
		"Copy it from the console, or from `aws` with --query.",
	},
	{"tag", "a tag that AWS refuses", "Keys and values have lengths and characters of their own, and keys that begin with aws: are AWS's.", "Shorten or rename it."},
	{"choice", "it is none of the choices", "The parameter takes one of a few values.", "The hint lists them, or names the nearest."},
	{"range", "a number is out of bounds", "AWS, or the template, takes no smaller or larger one.", "The message says the bounds."},
	{"length", "a text is too long or too short", "AWS, or the template, bounds it.", "The message says the bound."},
	{"pattern", "a text does not look as it has to", "It breaks the parameter's rule of form.", "The message says the rule in words, and mostly an example."},
	{"count", "too many or too few entries", "A list or map is bounded.", "The message says the bound."},
	{"secret", "a secret in a wrong place or form", "Secrets are references ({secret: {ssm: ...}} and others), so that no value stands in a " +
		"file or a state.", "`pipelinetui templates show TEMPLATE` says where they may stand, and in which forms."},
	{
		"artifact", "what a path leads to is not what is needed", "A file, folder or archive is missing, is of another kind, or is too large.",
		"Check the path, which starts at the spec's folder, and what the parameter takes.",
	},
	{"no-effect", "a value that another one switches off", "It would change nothing, so it is likely a mistake.", "Leave it out, or change what switches it off."},
	{"aws-name", "a name that AWS would refuse", "Names are made of tenant, model and env, and AWS bounds each kind.", "Shorten tenant, model or env."},
	{"name-clash", "two pipelines with one name on AWS", "After shortening, or by the way that names are joined, both would be the same resource.", "Rename one of them."},
	{
		"check", "a check that cannot be asked", "A check has a name, an input, and a condition in JSONata on the answer or a bound on its latency.",
		"The message says the place. A condition reads $answer, $output or $input: `condition: $answer.predictions[0] > 0`.",
	},
	{"flag", "a flag that is wrong", "There is no such flag, it does not take that value, or it does not go with others.", "Run the command with --help."},
	{
		"setting", "a setting that is wrong", "A value in the config file or the environment is none that the setting takes.",
		"`pipelinetui doctor` shows each setting with its source.",
	},
	{"template", "a template that is wrong", "Its folder does not hold what a template has to.", "`pipelinetui templates check DIR` names every finding with its place."},
	{"together", "parameters that belong together", "One of them was given without the others.", "Give all of them, or none."},
	{"conflicts", "parameters that exclude each other", "Both were given.", "Leave one out."},
	{"requires", "a parameter that needs another one", "It was given without what it builds on.", "Give that too."},
	{"forbid", "values that do not go together", "AWS, or the template, refuses the combination.", "The message says why, and which values go."},
	{"at-most", "one number beyond another", "A parameter may be at most what another one is.", "Lower the one, or raise the other."},
	{"handler", "a function without its handler", "The code does not define the function that Lambda is to call.", "Name it as file.function, and define it in that file."},
	{"region", "not in this region", "What was chosen is not there in the region of the pipeline.", "Choose another region, or another value."},
	{
		"rollout", "a rollout that cannot be", "Its steps, times or alarms do not go together, or the endpoint cannot take over bit by bit.",
		"The message says which value, and what goes.",
	},
	{
		"total", "a map that is too long in all", "AWS bounds how long names and values of such variables are together.",
		"Put long values into a file, S3 or a store of secrets, and name the place.",
	},
	{"model", "a model that the built-in server cannot serve", "The archive holds no model.json, or one that is not as it has to be.", "The message names the place in model.json."},

	// Checks of the account, as `preview --check` and `up` make them.
	{
		"P100", "credentials, or a tenant's role, that do not work", "Nothing else is asked of the account then.",
		"Run `pipelinetui doctor` to see which credentials are used. For a role (assumeRole), its trust policy has to name who asks, and they need sts:AssumeRole on it.",
	},
	{
		"P110", "a permission that is missing", "IAM's simulator says that who deploys may not do what an up needs; where it may not be asked, calls say so that can change nothing, " +
			"since what they bring is malformed or names what is not there, and an info names the actions of which there is no such call. It is a warning if an update needs it only for a part that changes, and an info where conditions of the policies decide by what only the request itself tells.",
		"Allow the action to who deploys, or deploy with a role that may.",
	},
	{
		"P200", "too few machines for endpoints", "All new pipelines of the region together want more machines of a type than the account's quota leaves. It is a " +
			"warning if they do only once they scale out.",
		"Ask for a higher quota in Service Quotas, or choose another instanceType.",
	},
	{
		"P210", "too few roles", "All new pipelines of the account together want more roles than its quota leaves.",
		"Ask for a higher quota in Service Quotas, or delete roles that nobody needs.",
	},
	{
		"P220", "too few buckets", "All new pipelines of the account together want more buckets than its quota leaves.",
		"Ask for a higher quota in Service Quotas, or delete buckets that nobody needs.",
	},
	{
		"P230", "too few concurrent executions of Lambda", "Functions of all pipelines of the region together reserve more calls at a time than the account may give away: " +
			"100 have to be left to the others, or all of an account that has fewer. It is a warning if those without a reservation would make more calls at a time than " +
			"are left when each pipeline runs once, of a batch as many as maxConcurrency says: Lambda throttles them then, and they are tried again.",
		"Ask for a higher quota of concurrent executions (10 in new accounts), lower preprocess.reservedConcurrency, or lower maxConcurrency.",
	},
	{
		"P240", "too few state machines", "All new pipelines of the region together want more state machines than the account's quota leaves.",
		"Ask for a higher quota in Service Quotas, or delete state machines that nobody needs.",
	},
	{
		"P250", "too few open Map Runs", "When all new pipelines of the region that have Map Runs run once, more are open than the account's quota leaves besides those that are. " +
			"It is a warning: those beyond it wait until others end.",
		"Run fewer of them at a time. AWS raises this quota for nobody.",
	},
	{"P300", "an image that is not in its registry", "The repository has no image of that tag or digest, or is not there.", "Push the image, or correct the parameter image."},
	{
		"P310", "an image for other machines", "None of the image's platforms is that of the machine type: Graviton machines need arm64, all others amd64.",
		"Build the image for that platform, or choose a machine of the other kind.",
	},
	{
		"P320", "a registry into which who deploys may not look",
		"The image is in another account, so that it is not known whether it is there and whether the endpoint's role may pull it.",
		"Let the repository's policy allow the account to pull, and who deploys ecr:BatchGetImage.",
	},
	{
		"P400", "model data that are not there, or may not be read", "There is no object at modelDataUrl; or, as a warning, " +
			"who deploys may not look, or the bucket is another account's: then its policy decides about the endpoint's role, which nobody can ask.",
		"Upload the data, correct modelDataUrl, or let the bucket's policy allow s3:GetObject.",
	},
	{
		"P500", "an endpoint's name that is taken", "There is an endpoint of the name that a new pipeline would give its own.",
		"Delete that endpoint if nobody needs it, or give the pipeline another name.",
	},
	{
		"P510", "a bucket's name that is taken", "There is a bucket of the name that a new pipeline would give its own; or, as a warning, who deploys may not look.",
		"Delete that bucket if nobody needs it, or give the pipeline another name.",
	},
	{
		"P520", "names that are taken", "Roles, functions, queues, topics, alarms, rules, log groups, the state machine, or the like: what a pipeline is about to make is there " +
			"already, and its stack does not have it. AWS refuses some of them in the middle of an update, and writes over others. The tag pipelinetui:stack tells whose they are: " +
			"another backend's stack of the same pipeline, another pipeline's, or nobody's. Every up asks for the names of what is not in its stack, on any target, and makes nothing if one is taken.",
		"Use the backend that has the stack (--backend, PIPELINETUI_HOME); if that is lost, or what is there is nobody's, delete it, or give the pipeline another name or env.",
	},
	{
		"P600", "a KMS key that cannot be used", "The pipeline's own key (kmsMode: customer), or the one that the model data in S3 " +
			"are encrypted under, is not there, or is disabled or about to be deleted.",
		"Enable the key, or write the model data again under another one.",
	},
	{
		"P700", "a machine type that the region may not have", "The region has no quota for endpoints on machines of that type.",
		"Choose another instanceType, or another region.",
	},
	{
		"P710", "subnets or security groups that are not right", "A subnet or a security group that the parameters name is not there, or they are not all of one VPC. " +
			"Of the target sandbox nothing is asked: it takes any.", "Correct subnets and securityGroups.",
	},
	{
		"P720", "a VPC without an endpoint of S3", "The VPC that the model runs in has no endpoint of S3 of its own, so that the model's data come through a NAT " +
			"gateway, or not at all.", "Make a gateway endpoint of S3 in the route tables of the subnets, if they have no NAT gateway.",
	},
	{"P800", "a clock that is wrong", "AWS refuses what is signed five minutes off, and this machine's clock is nearly so.", "Set the clock."},
	{
		"P900", "a question that could not be asked", "A permission to ask is missing, or there was no answer in time. It stops nothing.",
		"Allow the operation that is named to who deploys, to have it checked.",
	},
}

// pageOf finds the page of a code, as it is typed.
func pageOf(code string) (page, bool) {
	for _, p := range pages {
		if strings.EqualFold(p.code, code) {
			return p, true
		}
	}
	return page{}, false
}
