package ui

import "time"

// How often the terminal reads and draws by itself. A rate is a promise to the rest
// of an account: what is asked of AWS comes out of buckets that all users of the
// account share (Step Functions refills ListExecutions with 5 tokens a second,
// DescribeExecution with 15, DescribeMapRun and ListMapRuns with few; SageMaker
// throttles Describe calls by account, too), so one terminal takes a small part.
const (
	// SpinEvery turns spinners: about as fast as one sees them turn smoothly.
	SpinEvery = 120 * time.Millisecond
	// BeatEvery is how often pages that show ages and durations are drawn, and look
	// for what is due: the finest unit shown.
	BeatEvery = time.Second

	// PlaceRetry is for the question where we are: a login may have come since.
	PlaceRetry = 10 * time.Second
	// RetryAfter leaves alone what could not be read: it rarely mends by itself, and
	// a refusal costs a token as an answer does.
	RetryAfter = 30 * time.Second

	// ListEvery is for the list of pipelines, a process or a listing of an object
	// store each; ListAway while nobody has pressed a key for Away.
	ListEvery = 10 * time.Second
	ListAway  = 30 * time.Second
	Away      = 2 * time.Minute
	// LiveMoving is for a row of the list where something moves, LiveQuiet for others:
	// a DescribeEndpoint and two or three ListExecutions for each row in sight. AwayTimes
	// as seldom while the user is away.
	LiveMoving = 10 * time.Second
	LiveQuiet  = 15 * time.Second
	// LiveTold is for a row whose pipeline tells of ends: what begins is looked for. After an
	// end it is LiveMoving.
	LiveTold  = 30 * time.Second
	AwayTimes = 3
	// LiveFresh is how old such an answer may be before the row says so: three missed
	// ones.
	LiveFresh = 45 * time.Second
	// LiveOpen is the same question for the one pipeline that is open.
	LiveOpen = 12 * time.Second
	// LiveHeard is how often it is asked when the pipeline tells of ends: at once, unless many
	// end.
	LiveHeard = 5 * time.Second
	// HeldEvery is for the state of a stack that somebody else changes, where looking
	// is reading files; RetryAfter elsewhere.
	HeldEvery = 5 * time.Second

	// RunsMoving is for the newest page of a pipeline's executions while any runs,
	// RunsQuiet while none does: one ListExecutions each. After RunsWhole of them all
	// that is shown is read, a page for each thousand.
	RunsMoving = 3 * time.Second
	RunsQuiet  = 10 * time.Second
	RunsWhole  = 10
	// RunsHeard is in place of RunsWhole where a pipeline tells of ends, and RunsQuiet of
	// RunsMoving: what is shown is told, and only what is new is looked for.
	RunsHeard = 60

	// FleetEvery is for executions of several pipelines, as long as nothing but a list is
	// asked for: a ListExecutions for each pipeline, and status that is chosen. Errors and
	// inputs cost a DescribeExecution for each execution: they are read when that is asked
	// for, and not by themselves.
	// An answer that takes long is one that waits for the quota, which others need too: the
	// page rests FleetRest times as long as it took, at most FleetMost.
	// FleetTold is in its place where all pipelines tell of ends.
	FleetEvery = 30 * time.Second
	FleetTold  = time.Minute
	FleetRest  = 10
	FleetMost  = time.Hour

	// LogsEvery is for the lines that a pipeline logs, while they are followed: a
	// FilterLogEvents for each of its log groups, which together take at most a third of
	// the account's quota.
	LogsEvery = 3 * time.Second

	// HealthEvery is for the metrics of the pipeline that is open: they are of whole
	// minutes, and some thirty of them cost 0.02 USD an hour.
	HealthEvery = time.Minute

	// PulseEvery is for the metrics of all pipelines, as long as the list shows them: eight of
	// each, at most 500 in a call. Of a hundred pipelines that is 0.1 USD an hour.
	PulseEvery = 5 * time.Minute

	// ExpressEvery is for an execution that has no history: one DescribeExecution.
	ExpressEvery = 3 * time.Second
	// ChildrenEvery is for the children of a Map Run that goes on: a ListExecutions
	// for each thousand.
	ChildrenEvery = 10 * time.Second
	// FailuresEvery is for its failures in groups: a listing, and a description of
	// each child that is looked at.
	FailuresEvery = 30 * time.Second

	// Once is for what does not change by itself.
	Once = time.Duration(0)
)
