package cloudcontrol

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// How an alias goes over to another version is what CloudFormation's own handlers of the
// type do, texts included; they are public:
// https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions
// (statemachinealias: UpdateHandler, TrafficShiftingUtils, ResourceModelUtils). Two things
// there are not as CloudFormation's guide has them: ALL_AT_ONCE looks at no alarms, and what
// an alarm has turned back has failed with no error code.
const (
	linear    = "LINEAR"
	canary    = "CANARY"
	allAtOnce = "ALL_AT_ONCE"

	lookEvery  = time.Minute // GRADUAL_DEPLOYMENT_HANDLER_DELAY_SECONDS
	longestMin = 2100        // MAX_DEPLOYMENT_TIME_MINUTES
)

// preference is a DeploymentPreference.
type preference struct {
	StateMachineVersionArn, Type string
	Interval, Percentage         *int // minutes, percent
	Alarms                       []string
}

// deployment is how far the traffic of an alias was shifted, as it is kept with the request.
type deployment struct {
	From   string // the version that had all traffic
	Weight int    // the percentage that the new one has, or is about to have
	// Shifted is when it was given that; zero as long as nobody knows that it was.
	Shifted time.Time
	Failed  string // why the traffic goes back
}

// route is where a part of an alias's traffic goes.
type route struct {
	Version string `json:"stateMachineVersionArn"`
	Weight  int    `json:"weight"`
}

// String is the route as the handlers' messages have it.
func (r route) String() string {
	return fmt.Sprintf("RoutingConfigurationVersion(stateMachineVersionArn=%s, weight=%d)", r.Version, r.Weight)
}

func routesText(list []route) string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.String()
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// preferenceOf reads the preference of a model, nil if it has none.
func preferenceOf(m model) (*preference, error) {
	if m["DeploymentPreference"] == nil {
		return nil, nil
	}
	var p preference
	raw, err := json.Marshal(m["DeploymentPreference"])
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	var other *json.UnmarshalTypeError
	switch {
	case errors.As(err, &other):
		kinds := map[reflect.Kind]string{reflect.Int: "Integer", reflect.String: "String", reflect.Slice: "JSONArray", reflect.Struct: "JSONObject"}
		return nil, fail("ValidationException", "Model validation failed (#/%s: expected type: %s, found: JSON %s)",
			strings.TrimSuffix("DeploymentPreference/"+other.Field, "/"), kinds[other.Type.Kind()], other.Value)
	case err != nil:
		return nil, fail("ValidationException", "Model validation failed (#/DeploymentPreference: it cannot be read)")
	}
	return &p, nil
}

// checkAlias refuses what the type's schema does.
func checkAlias(m model) error {
	p, err := preferenceOf(m)
	if p == nil || err != nil {
		return err
	}
	bad := func(at, format string, args ...any) error {
		return fail("ValidationException", "Model validation failed (#/DeploymentPreference%s: %s)", at, fmt.Sprintf(format, args...))
	}
	within := func(name string, n *int, most int) error {
		switch {
		case n != nil && *n < 1:
			return bad("/"+name, "%d is not greater or equal to 1", *n)
		case n != nil && *n > most:
			return bad("/"+name, "%d is not less or equal to %d", *n, most)
		}
		return nil
	}
	fields, _ := m["DeploymentPreference"].(map[string]any)
	for name := range fields {
		if !slices.Contains([]string{"StateMachineVersionArn", "Type", "Interval", "Percentage", "Alarms"}, name) {
			return bad("", "extraneous key [%s] is not permitted", name)
		}
	}
	for _, name := range []string{"StateMachineVersionArn", "Type"} {
		if fields[name] == nil {
			return bad("", "required key [%s] not found", name)
		}
	}
	if !slices.Contains([]string{linear, canary, allAtOnce}, p.Type) {
		return bad("/Type", "failed validation constraint for keyword [enum]")
	}
	if err := within("Percentage", p.Percentage, 99); err != nil {
		return err
	}
	if err := within("Interval", p.Interval, longestMin); err != nil {
		return err
	}
	switch {
	case fields["Alarms"] != nil && len(p.Alarms) == 0:
		return bad("/Alarms", "expected minimum item count: 1, found: 0")
	case len(p.Alarms) > 100:
		return bad("/Alarms", "expected maximum item count: 100, found: %d", len(p.Alarms))
	case len(slices.Compact(slices.Sorted(slices.Values(p.Alarms)))) != len(p.Alarms):
		return bad("/Alarms", "array items are not unique")
	}
	return nil
}

// check is what a creation and the beginning of a deployment ask beyond the schema.
func (p *preference) check() error {
	if p.Type == allAtOnce {
		return nil
	}
	want := func(what, properties string) error {
		return fail("ValidationException", "Deployments of type '%s' require %s for traffic shifting. Configure the deployment preference with the %s and try again.", p.Type, what, properties)
	}
	switch {
	case p.Interval == nil && p.Percentage == nil:
		return want("an interval and percentage", "'interval' and 'percentage' properties")
	case p.Interval == nil:
		return want("an interval", "'interval' property")
	case p.Percentage == nil:
		return want("a percentage", "'percentage' property")
	}
	if long := (100 + *p.Percentage - 1) / *p.Percentage * *p.Interval; p.Type == linear && long > longestMin {
		return fail("ValidationException", "The linear deployment configured is estimated to take %d minutes, which exceeds the maximum allowable deployment time of %d minutes. "+
			"Configure the deployment preference to use a higher shift percentage or lower time interval and try again.", long, longestMin)
	}
	return nil
}

// next is the weight after one: a canary is one part and the rest, a linear deployment
// equal parts.
func (p *preference) next(weight int) int {
	if p.Type == canary && weight > 0 {
		return 100
	}
	return min(100, weight+*p.Percentage)
}

// routesOf reads routes as the API has them.
func routesOf(v any) (list []route) {
	raw, err := json.Marshal(v)
	if err != nil || json.Unmarshal(raw, &list) != nil {
		return nil // the service refuses what are none
	}
	return list
}

// routes are those of a deployment at a weight.
func (p *preference) routes(from string, weight int) []route {
	switch weight {
	case 0:
		return []route{{from, 100}}
	case 100:
		return []route{{p.StateMachineVersionArn, 100}}
	}
	return []route{{p.StateMachineVersionArn, weight}, {from, 100 - weight}}
}

// alias is an alias that is being updated.
type alias struct {
	*call
	arn, description string
}

func (a *alias) set(routes any) error {
	return a.do(sfn, "UpdateStateMachineAlias", map[string]any{"stateMachineAliasArn": a.arn, "routingConfiguration": routes, "description": a.description}, nil)
}

// reached keeps how far the deployment is.
func (a *alias) reached(at *deployment) error { return a.keep(func(r *request) { r.Deployment = at }) }

func (a *alias) routes() ([]route, error) {
	var x struct{ RoutingConfiguration []route }
	err := a.do(sfn, "DescribeStateMachineAlias", map[string]any{"stateMachineAliasArn": a.arn}, &x)
	return x.RoutingConfiguration, err
}

// deploy brings the alias's traffic to the version of a preference. What comes next is kept
// before it is done, so that a restart goes on with it.
func (a *alias) deploy(p *preference, was model) error {
	at := a.request.Deployment
	if at == nil {
		if err := p.check(); err != nil {
			return err
		}
		var err error
		if at, err = begun(p, was); err != nil {
			return err
		}
		if p.Type == allAtOnce || at.From == p.StateMachineVersionArn {
			return a.set(p.routes("", 100))
		}
	}
	for {
		over, err := a.advance(p, at)
		if over || err != nil {
			return err
		}
		if err := clock.Sleep(a.ctx, a.s.Clock, a.s.hasten(lookEvery)); err != nil {
			return err
		}
	}
}

// begun is a deployment at its beginning, which is an alias that leads to one version.
func begun(p *preference, was model) (*deployment, error) {
	now := routesOf(toAPI(was["RoutingConfiguration"]))
	switch {
	case p.Type != allAtOnce && len(now) > 1:
		return nil, fail("ValidationException", "Failed to start deployment of type '%s', invalid initial state detected. "+
			"Expected the alias to be routing 100%% of traffic towards one version, but it is currently routing traffic towards two. "+
			"Update the alias to route 100%% of traffic towards one version and try the deployment again.", p.Type)
	case len(now) == 0:
		return nil, fail("ValidationException", "The alias leads to no version")
	}
	return &deployment{From: now[0].Version}, nil
}

// advance is one look at a deployment: alarms first, and the next shift if it is time.
func (a *alias) advance(p *preference, at *deployment) (over bool, err error) {
	if err := a.mayGoOn(); err != nil {
		return false, err
	}
	if at.Failed != "" {
		return false, a.turnBack(p, at)
	}
	if at.Weight > 0 && at.Shifted.IsZero() {
		return a.shift(p, at)
	}
	if at.Weight > 0 {
		if err := a.undrifted(p, at); err != nil {
			return false, err
		}
	}
	on, err := a.alarmed(p.Alarms)
	switch {
	case wire.Transient(err):
		return false, nil // the next look asks again
	case err != nil:
		return false, err
	case len(on) > 0:
		at.Failed = fmt.Sprintf("Aborting deployment. The following CloudWatch alarms are in an 'ALARM' state: [%s].", strings.Join(on, ", "))
		return false, a.turnBack(p, at)
	case at.Weight > 0 && a.s.Clock.Now().Before(at.Shifted.Add(a.s.hasten(time.Duration(*p.Interval)*time.Minute))):
		return false, nil
	}
	at.Weight, at.Shifted = p.next(at.Weight), time.Time{}
	if err := a.reached(at); err != nil {
		return false, err
	}
	return a.shift(p, at)
}

// shift gives the new version the weight that was kept.
func (a *alias) shift(p *preference, at *deployment) (over bool, err error) {
	if err := a.set(p.routes(at.From, at.Weight)); err != nil {
		return false, err
	}
	at.Shifted = a.s.Clock.Now().UTC()
	return at.Weight == 100, a.reached(at)
}

// turnBack gives all traffic to the old version. Which code Cloud Control makes of a
// failure that has none is not known: unsure.
func (a *alias) turnBack(p *preference, at *deployment) error {
	if err := a.reached(at); err != nil {
		return err
	}
	if err := a.set(p.routes(at.From, 0)); err != nil {
		return err
	}
	return fail("GeneralServiceException", "%s", at.Failed)
}

// undrifted refuses to go on with an alias that somebody else has changed meanwhile.
func (a *alias) undrifted(p *preference, at *deployment) error {
	now, err := a.routes()
	if err != nil {
		return err
	}
	want := p.routes(at.From, at.Weight)
	byVersion := func(x, y route) int { return strings.Compare(x.Version, y.Version) }
	if slices.Equal(slices.SortedFunc(slices.Values(now), byVersion), slices.SortedFunc(slices.Values(want), byVersion)) {
		return nil
	}
	return fail("ValidationException", "Failed to continue deployment of type '%s', drift detected. Expected routing configuration: '%s', actual routing configuration: '%s'. "+
		"Ensure that UpdateStateMachineAlias is not being invoked elsewhere and try the deployment again.", p.Type, routesText(want), routesText(now))
}

// alarmed are those of the alarms that are in ALARM. What does not exist is not.
func (a *alias) alarmed(names []string) (on []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	type alarm struct{ AlarmName, StateValue string }
	var out struct{ MetricAlarms, CompositeAlarms []alarm }
	err = a.do("cloudwatch", "DescribeAlarms", map[string]any{"AlarmNames": names, "AlarmTypes": []string{"CompositeAlarm", "MetricAlarm"}}, &out)
	for _, x := range slices.Concat(out.MetricAlarms, out.CompositeAlarms) {
		if x.StateValue == "ALARM" {
			on = append(on, x.AlarmName)
		}
	}
	return on, err
}
