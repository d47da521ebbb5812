package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Where the answers are written (below docs.aws.amazon.com).
const (
	basics     = "IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html"
	denyAllow  = "IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html"
	crossSides = "IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html"
	bounds     = "IAM/latest/UserGuide/access_policies_boundaries.html"
	principalE = "IAM/latest/UserGuide/reference_policies_elements_principal.html"
	operators  = "IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"
	multi      = "IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html"
	globalKeys = "IAM/latest/UserGuide/reference_policies_condition-keys.html"
	variables  = "IAM/latest/UserGuide/reference_policies_variables.html"
	kmsPolicy  = "kms/latest/developerguide/key-policies.html"
	kmsOverall = "kms/latest/developerguide/policy-evaluation.html"
	trusting   = "IAM/latest/UserGuide/id_roles_terms-and-concepts.html"
	notActionE = "IAM/latest/UserGuide/reference_policies_elements_notaction.html"
	notResE    = "IAM/latest/UserGuide/reference_policies_elements_notresource.html"
	notPrincE  = "IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"
	resources  = "IAM/latest/UserGuide/reference_policies_elements_resource.html"
)

// The answers.
const (
	yes      = "allowed"
	implicit = "implicit deny"
	explicit = "explicit deny"
)

// question is what may be asked of IAM: who wants what, and what the policies say.
// Statements leave out the outer braces' Version; several are joined by commas.
type question struct {
	who                          wire.Principal
	identity, boundary, resource string
	mode                         policy.Mode
	action, arn                  string
	keys                         map[string][]string
	want, source                 string
}

func (q *question) answer(t *testing.T) string {
	t.Helper()
	doc := func(statements string, kind policy.Kind) *policy.Document {
		return parse(t, `{"Version":"2012-10-17","Statement":[`+statements+`]}`, kind)
	}
	r := policy.NewRequest(q.who, q.action, q.arn, q.keys, now)
	var caller policy.Caller
	if q.identity != "" {
		caller.Policies = []*policy.Document{doc(q.identity, policy.Identity)}
	}
	if q.boundary != "" {
		caller.Boundary = doc(q.boundary, policy.Identity)
	}
	var g policy.Grant
	if q.resource != "" {
		kind := policy.Resource
		if strings.HasPrefix(q.action, "sts:") {
			kind = policy.Trust
		}
		g = doc(q.resource, kind).Grant(r)
	}
	err := policy.Decide(r, q.mode, g, func() error { return caller.Decide(r) })
	var denied *wire.DeniedError
	switch {
	case err == nil:
		return yes
	case !errors.As(err, &denied):
		t.Fatal(err)
	case denied.Explicit:
		return explicit
	}
	return implicit
}

func statement(effect, action, resource string, more ...string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":%q%s}`, effect, action, resource, strings.Join(append([]string{""}, more...), ","))
}

func trust(effect, principal string, more ...string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":"sts:AssumeRole","Principal":%s%s}`, effect, principal, strings.Join(append([]string{""}, more...), ","))
}

func to(principal string) string { return `"Principal":` + principal }

func when(operator, key, value string) string {
	return fmt.Sprintf(`"Condition":{%q:{%q:%s}}`, operator, key, value)
}

const (
	object  = "arn:aws:s3:::b/k"
	get     = "s3:GetObject"
	account = `{"AWS":"arn:aws:iam::123456789012:root"}`
	theRole = `{"AWS":"arn:aws:iam::123456789012:role/p/r"}`
	theSess = `{"AWS":"arn:aws:sts::123456789012:assumed-role/r/s"}`
	theUser = `{"AWS":"arn:aws:iam::123456789012:user/anne"}`
	all     = `"*"`
)

// both sides: every combination of what the identity policy, the boundary and the
// resource's policy say, within one account.
func sides() []question {
	var out []question
	says := func(effect string, more ...string) string {
		if effect == "" {
			return ""
		}
		return statement(effect, get, object, more...)
	}
	other := statement("Allow", "sqs:*", "*")
	for _, who := range []wire.Principal{session, user} {
		direct, role := theUser, ""
		if who.Role != "" {
			direct, role = theSess, theRole
		}
		for _, identity := range []string{"", "Allow", "Deny"} {
			for _, boundary := range []string{"none", "", "Allow", "Deny"} {
				for _, to2 := range []string{"", "Allow direct", "Allow role", "Allow account", "Deny"} {
					if to2 == "Allow role" && role == "" {
						continue
					}
					q := question{who: who, identity: says(identity), action: get, arn: object, source: basics}
					switch boundary {
					case "none":
					case "":
						q.boundary = other
					default:
						q.boundary = says(boundary)
					}
					switch to2 {
					case "Allow direct":
						q.resource = says("Allow", to(direct))
					case "Allow role":
						q.resource = says("Allow", to(role))
					case "Allow account":
						q.resource = says("Allow", to(account))
					case "Deny":
						q.resource = says("Deny", to(all))
					}
					open := boundary == "none" || boundary == "Allow"
					switch {
					case identity == "Deny" || boundary == "Deny" || to2 == "Deny":
						q.want = explicit
					case to2 == "Allow direct":
						q.want = yes // a boundary limits no Allow that names the user or the session
					case to2 == "Allow role" && open, identity == "Allow" && open:
						q.want = yes
					default:
						q.want = implicit
					}
					if boundary != "none" {
						q.source = bounds
					}
					out = append(out, q)
				}
			}
		}
	}
	return out
}

// foreign is a resource of another account: both sides have to allow.
func foreign() []question {
	var out []question
	const queue, send = "arn:aws:sqs:us-east-1:999999999999:q", "sqs:SendMessage"
	for _, identity := range []string{"", "Allow", "Deny"} {
		for _, resource := range []string{"", theRole, theSess, account, all, `{"AWS":"arn:aws:iam::123456789012:role/other"}`, `{"AWS":"888888888888"}`} {
			q := question{who: session, action: send, arn: queue, source: crossSides, want: implicit}
			if identity != "" {
				q.identity = statement(identity, send, queue)
			}
			if resource != "" {
				q.resource = statement("Allow", send, queue, to(resource))
			}
			granted := resource == theRole || resource == theSess || resource == account || resource == all
			switch {
			case identity == "Deny":
				q.want = explicit
			case identity == "Allow" && granted:
				q.want = yes
			}
			out = append(out, q)
		}
	}
	return out
}

// first are resources whose own policy has to speak: KMS keys and roles.
func first() []question {
	const key, decrypt = "arn:aws:kms:us-east-1:123456789012:key/k", "kms:Decrypt"
	const role, assume = "arn:aws:iam::123456789012:role/target", "sts:AssumeRole"
	allow, deny := statement("Allow", decrypt, key), statement("Deny", decrypt, key)
	may, mayNot, sqs := statement("Allow", assume, role), statement("Deny", assume, role), statement("Allow", "sqs:*", "*")
	k := func(identity, boundary, resource, want, source string) question {
		return question{who: session, identity: identity, boundary: boundary, resource: resource, mode: policy.ResourceFirst, action: decrypt, arn: key, want: want, source: source}
	}
	r := func(who wire.Principal, identity, boundary, trusts, want string) question {
		return question{who: who, identity: identity, boundary: boundary, resource: trusts, mode: policy.ResourceFirst, action: assume, arn: role, want: want, source: trusting}
	}
	return []question{
		k(allow, "", "", implicit, kmsPolicy),
		k(allow, "", statement("Allow", decrypt, "*", to(account)), yes, kmsPolicy),
		k("", "", statement("Allow", decrypt, "*", to(account)), implicit, kmsPolicy),
		k("", "", statement("Allow", decrypt, "*", to(theRole)), yes, kmsPolicy),
		k("", "", statement("Allow", decrypt, "*", to(theSess)), yes, kmsPolicy),
		k(deny, "", statement("Allow", decrypt, "*", to(theRole)), explicit, kmsOverall),
		k(deny, "", statement("Allow", decrypt, "*", to(theSess)), explicit, kmsOverall),
		k(allow, "", statement("Allow", decrypt, "*", to(account))+","+statement("Deny", "kms:*", "*", to(theRole)), explicit, kmsOverall),
		k(allow, sqs, statement("Allow", decrypt, "*", to(account)), implicit, bounds),
		k("", sqs, statement("Allow", decrypt, "*", to(theRole)), implicit, bounds),
		k(allow, "", statement("Allow", "kms:Encrypt", "*", to(account)), implicit, kmsPolicy),
		k(allow, "", statement("Allow", decrypt, "*", to(`{"AWS":"999999999999"}`)), implicit, kmsPolicy),
		r(session, "", "", trust("Allow", theRole), yes),
		r(session, mayNot, "", trust("Allow", theRole), explicit),
		r(session, mayNot, "", trust("Allow", theSess), explicit),
		r(session, mayNot, "", trust("Allow", account), explicit),
		r(session, "", sqs, trust("Allow", theRole), implicit),
		r(session, may, sqs, trust("Allow", account), implicit),
		r(session, may, "", trust("Allow", account), yes),
		r(session, "", "", trust("Allow", account), implicit),
		r(session, may, "", trust("Allow", `{"Service":"lambda.amazonaws.com"}`), implicit),
		r(session, may, "", trust("Allow", account)+","+trust("Deny", theRole), explicit),
		r(user, "", "", trust("Allow", theUser), yes),
		r(user, mayNot, "", trust("Allow", theUser), explicit),
		r(user, "", "", trust("Allow", `{"AWS":"arn:aws:iam::123456789012:user/bob"}`), implicit),
		r(service, "", "", trust("Allow", `{"Service":"events.amazonaws.com"}`), yes),
		r(service, "", "", trust("Allow", `{"Service":"lambda.amazonaws.com"}`), implicit),
		r(service, "", "", trust("Allow", account), implicit),
		r(service, "", "", trust("Allow", `{"Service":"events.amazonaws.com"}`)+","+trust("Deny", `"*"`), explicit),
	}
}

// one statement of an identity policy with a condition or an unusual element.
func single() []question {
	cond := func(operator, key, value, want, source string, have ...string) question {
		q := question{who: session, identity: statement("Allow", get, object, when(operator, key, value)), action: get, arn: object, want: want, source: source}
		if have != nil {
			q.keys = map[string][]string{key: have}
		}
		return q
	}
	body := func(elements, want, source string) question {
		return question{who: session, identity: `{"Effect":"Allow",` + elements + `}`, action: get, arn: object, want: want, source: source}
	}
	denyUnless := func(operator, key, value, want string) question {
		return question{
			who: session, identity: statement("Allow", "*", "*") + "," + statement("Deny", "s3:*", "*", when(operator, key, value)),
			action: get, arn: object, want: want, source: denyAllow,
		}
	}
	return []question{
		cond("StringEquals", "s3:prefix", `"a"`, yes, operators, "a"),
		cond("StringEquals", "s3:prefix", `"a"`, implicit, operators, "A"),
		cond("StringEquals", "s3:prefix", `["a","b"]`, yes, operators, "b"),
		cond("StringEquals", "s3:prefix", `"a"`, implicit, operators),
		cond("StringNotEquals", "s3:prefix", `"a"`, yes, operators),
		cond("StringNotEquals", "s3:prefix", `["a","b"]`, implicit, operators, "b"),
		cond("StringEqualsIfExists", "s3:prefix", `"a"`, yes, operators),
		cond("StringEqualsIgnoreCase", "s3:prefix", `"a"`, yes, operators, "A"),
		cond("StringLike", "s3:prefix", `"a*"`, yes, operators, "abc"),
		cond("StringLike", "s3:prefix", `"a?"`, implicit, operators, "abc"),
		cond("StringNotLike", "s3:prefix", `"a*"`, implicit, operators, "abc"),
		cond("NumericLessThan", "s3:max-keys", `"10"`, yes, operators, "9"),
		cond("NumericLessThan", "s3:max-keys", `"10"`, implicit, operators, "10"),
		cond("NumericLessThanEquals", "s3:max-keys", `"10"`, yes, operators, "10"),
		cond("NumericGreaterThan", "s3:max-keys", `10`, implicit, operators, "9.5"),
		cond("DateGreaterThan", "aws:CurrentTime", `"2020-01-01T00:00:00Z"`, yes, operators),
		cond("DateLessThan", "aws:CurrentTime", `"2020-01-01T00:00:00Z"`, implicit, operators),
		cond("DateGreaterThan", "aws:EpochTime", `"1577836800"`, yes, operators),
		cond("Bool", "aws:SecureTransport", `"true"`, yes, globalKeys),
		cond("Bool", "aws:SecureTransport", `"true"`, implicit, globalKeys, "false"),
		cond("Null", "s3:prefix", `"true"`, yes, operators),
		cond("Null", "s3:prefix", `"true"`, implicit, operators, "a"),
		cond("Null", "s3:prefix", `"false"`, yes, operators, "a"),
		cond("IpAddress", "aws:SourceIp", `"10.0.0.0/8"`, yes, operators, "10.1.2.3"),
		cond("IpAddress", "aws:SourceIp", `"10.0.0.0/8"`, implicit, operators, "11.1.2.3"),
		cond("NotIpAddress", "aws:SourceIp", `"10.0.0.0/8"`, yes, operators, "11.1.2.3"),
		cond("ArnLike", "aws:SourceArn", `"arn:aws:sqs:*:123456789012:*"`, yes, operators, "arn:aws:sqs:eu-west-1:123456789012:q"),
		cond("ArnEquals", "aws:SourceArn", `"arn:aws:sqs:*:123456789012:*"`, yes, operators, "arn:aws:sqs:eu-west-1:123456789012:q"),
		cond("ArnLike", "aws:SourceArn", `"arn:aws:sqs:*:1*:q"`, implicit, operators, "arn:aws:sqs:eu-west-1:2:q"),
		cond("ForAllValues:StringEquals", "aws:TagKeys", `["a","b"]`, yes, multi, "a"),
		cond("ForAllValues:StringEquals", "aws:TagKeys", `["a","b"]`, implicit, multi, "a", "c"),
		cond("ForAllValues:StringEquals", "aws:TagKeys", `["a","b"]`, yes, multi),
		cond("ForAnyValue:StringEquals", "aws:TagKeys", `["a","b"]`, yes, multi, "c", "a"),
		cond("ForAnyValue:StringEquals", "aws:TagKeys", `["a","b"]`, implicit, multi),
		cond("StringEquals", "aws:PrincipalAccount", `"123456789012"`, yes, globalKeys),
		cond("StringEquals", "aws:PrincipalType", `"AssumedRole"`, yes, globalKeys),
		cond("StringEquals", "aws:userid", `"AROAX:s"`, yes, globalKeys),
		cond("ArnEquals", "aws:PrincipalArn", `"arn:aws:iam::123456789012:role/p/r"`, yes, globalKeys),
		cond("ArnLike", "aws:PrincipalArn", `"arn:aws:sts::123456789012:assumed-role/r/s"`, implicit, globalKeys),
		cond("StringEquals", "aws:username", `"anne"`, implicit, globalKeys),
		cond("Bool", "aws:PrincipalIsAWSService", `"false"`, yes, globalKeys),
		cond("Bool", "aws:ViaAWSService", `"true"`, implicit, globalKeys),
		denyUnless("ArnNotEquals", "aws:PrincipalArn", `"arn:aws:iam::123456789012:role/p/r"`, yes),
		denyUnless("ArnEquals", "aws:PrincipalArn", `"arn:aws:iam::123456789012:role/p/r"`, explicit),
		denyUnless("StringNotEquals", "aws:RequestedRegion", `"eu-west-1"`, explicit),
		denyUnless("BoolIfExists", "aws:MultiFactorAuthPresent", `"false"`, explicit),
		denyUnless("Bool", "aws:MultiFactorAuthPresent", `"false"`, yes),
		body(`"NotAction":"s3:Delete*","Resource":"*"`, yes, notActionE),
		body(`"NotAction":"s3:Get*","Resource":"*"`, implicit, notActionE),
		body(`"Action":"*","NotResource":"arn:aws:s3:::b/*"`, implicit, notResE),
		body(`"Action":"*","NotResource":"arn:aws:s3:::c/*"`, yes, notResE),
		body(`"Action":"s3:get*","Resource":"arn:aws:s3:::b/?"`, yes, resources),
		body(`"Action":"s3:*","Resource":"arn:aws:s3:::b"`, implicit, resources),
		body(`"Action":"s3:*","Resource":"arn:aws:s3:::*"`, yes, resources),
		body(`"Action":"s3:*","Resource":"arn:*:s3:::b/k"`, yes, resources),
		body(`"Action":"s3:*","Resource":"arn:aws:s3:::${aws:userid}/*"`, implicit, variables),
		body(`"Action":"s3:*","Resource":"arn:aws:s3:::${aws:username, 'b'}/*"`, yes, variables),
	}
}

// principals are elements of resource policies.
func principalQuestions() []question {
	p := func(who wire.Principal, element, want, source string) question {
		return question{
			who: who, resource: `{"Effect":"Allow","Action":"s3:GetObject","Resource":"` + object + `",` + element + `}`, action: get,
			arn: object, want: want, source: source,
		}
	}
	return []question{
		p(user, to(all), yes, principalE),
		p(user, to(`{"AWS":"*"}`), yes, principalE),
		p(user, to(theUser), yes, principalE),
		p(user, to(`{"AWS":["arn:aws:iam::123456789012:user/bob","arn:aws:iam::123456789012:user/anne"]}`), yes, principalE),
		p(user, to(`{"AWS":"arn:aws:iam::123456789012:user/bob"}`), implicit, principalE),
		p(user, to(`{"AWS":"123456789012"}`), implicit, principalE),
		p(session, to(`{"AWS":"arn:aws:iam::123456789012:role/r"}`), implicit, principalE),
		p(session, to(theRole), yes, principalE),
		p(session, to(`{"Service":"events.amazonaws.com"}`), implicit, principalE),
		p(service, to(`{"Service":"events.amazonaws.com"}`), yes, principalE),
		p(service, to(`{"Service":"sns.amazonaws.com"}`), implicit, principalE),
		p(service, to(all), yes, principalE),
		p(user, `"NotPrincipal":`+theUser, implicit, notPrincE),
	}
}

// Every question has the answer that AWS's documentation gives.
func TestQuestions(t *testing.T) {
	t.Parallel()
	n := 0
	for name, list := range map[string][]question{
		"sides": sides(), "foreign": foreign(), "first": first(), "single": single(), "principals": principalQuestions(),
	} {
		for i := range list {
			q := &list[i]
			n++
			require.Equal(t, q.want, q.answer(t), "%s %d: %s wants %s on %s\nidentity %s\nboundary %s\nresource %s\nkeys %v\nsee docs.aws.amazon.com/%s",
				name, i, q.who.ARN, q.action, q.arn, q.identity, q.boundary, q.resource, q.keys, q.source)
		}
	}
	require.GreaterOrEqual(t, n, 150)
	t.Logf("%d questions", n)
}

// FuzzDecide reads any document: it is refused or can be asked.
func FuzzDecide(f *testing.F) {
	for _, q := range append(first(), single()...) {
		f.Add(`{"Version":"2012-10-17","Statement":[` + q.identity + `]}`)
		f.Add(`{"Version":"2012-10-17","Statement":[` + q.resource + `]}`)
	}
	for _, text := range []string{"", "{}", `{"Statement":{}}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:${x"}]}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []policy.Kind{policy.Identity, policy.Trust, policy.Resource} {
			doc, err := policy.Parse(text, kind)
			if err != nil {
				require.NotEmpty(t, err.Error())
				continue
			}
			for _, who := range []wire.Principal{session, user, service} {
				r := policy.NewRequest(who, get, object, map[string][]string{"s3:prefix": {"a"}}, now)
				_ = policy.Decide(r, policy.Either, doc.Grant(r), func() error { return policy.Caller{Policies: []*policy.Document{doc}}.Decide(r) })
			}
		}
	})
}
