package logstream

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Level is how serious a line is.
type Level int

// The levels. Unknown is that of a line that says none.
const (
	Unknown Level = iota
	Debug
	Info
	Warn
	Error
)

// levels are the words for them, as loggers write them.
var levels = map[string]Level{
	"TRACE": Debug, "DEBUG": Debug, "INFO": Info, "INFORMATION": Info, "NOTICE": Info,
	"WARN": Warn, "WARNING": Warn, "ERROR": Error, "ERR": Error, "FATAL": Error, "CRITICAL": Error, "PANIC": Error,
}

// ParseLevel reads a level; false if it is none.
func ParseLevel(text string) (Level, bool) {
	l, ok := levels[strings.ToUpper(text)]
	return l, ok
}

// String is the level's name, "" of Unknown.
func (l Level) String() string {
	return [...]string{"", "DEBUG", "INFO", "WARN", "ERROR"}[l]
}

// Parsed is a line taken apart.
type Parsed struct {
	Level   Level
	Message string
	// Fields are the other members of a line that is a JSON object, by name.
	Fields []Pair
}

// Pair is a field of a line. Value is a text, or JSON of anything else.
type Pair struct{ Name, Value string }

// Names under which loggers write level, message and time.
var (
	levelNames   = []string{"level", "severity", "lvl", "loglevel", "log_level", "levelname"}
	messageNames = []string{"message", "msg", "errorMessage"}
	timeNames    = []string{"timestamp", "time", "ts", "@timestamp", "event_timestamp"}
)

// word is a level at the beginning of a line, as Lambda's runtimes and most loggers write
// it; status is the code of a line of an access log; report and historyFailed tell of a
// function's and an execution's own records.
var (
	word   = lazyregexp.New(`^\W{0,2}(?:[-0-9T:.,Z/+ \t]{8,40}\s+)?(?:[0-9a-f-]{36}\s+)?\[?(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL)\b`)
	status = lazyregexp.New(`" (\d{3}) `)
	bad    = lazyregexp.New(`^Traceback \(most recent|^[\w.]*(Error|Exception)\b|Task timed out|errorMessage`)
)

// Parse takes a line apart: a JSON object into level, message and fields, what Step
// Functions writes of an execution by its type, any other by what it begins with.
func Parse(text string) Parsed {
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") {
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(trimmed), &members) == nil {
			return parseObject(members)
		}
	}
	p := Parsed{Message: text}
	if m := word.FindStringSubmatch(text); m != nil {
		p.Level = levels[m[1]]
		return p
	}
	if m := status.FindStringSubmatch(text); m != nil {
		code, _ := strconv.Atoi(m[1]) // three digits
		switch {
		case code >= 500:
			p.Level = Error
		case code >= 400:
			p.Level = Warn
		default:
			p.Level = Info
		}
		return p
	}
	if bad.MatchString(text) {
		p.Level = Error
	}
	return p
}

func parseObject(members map[string]json.RawMessage) (p Parsed) {
	take := func(names []string) string {
		for _, n := range names {
			if raw, ok := members[n]; ok {
				delete(members, n)
				return text(raw)
			}
		}
		return ""
	}
	p.Level = levels[strings.ToUpper(take(levelNames))]
	p.Message = take(messageNames)
	take(timeNames)
	if kind := text(members["type"]); p.Message == "" && kind != "" && members["execution_arn"] != nil {
		// A record of Step Functions (step-functions/latest/dg/cloudwatch-log-level.html).
		p.Message = kind
		delete(members, "type")
		p.Level = Info
		for _, end := range []string{"Failed", "TimedOut", "Aborted"} {
			if strings.HasSuffix(kind, end) {
				p.Level = Error
			}
		}
	}
	for name, raw := range members {
		p.Fields = append(p.Fields, Pair{name, text(raw)})
	}
	sort.Slice(p.Fields, func(i, j int) bool { return p.Fields[i].Name < p.Fields[j].Name })
	return p
}

// text is a JSON value as one reads it.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
