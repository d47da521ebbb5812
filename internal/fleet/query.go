package fleet

import (
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Query is a choice of executions as it is typed: the fields are the flags of the command
// line that have their names.
type Query struct {
	// Patterns name pipelines; none are all (--all).
	Patterns []string
	Failed   bool
	Statuses []string
	// Since is a duration or a time.
	Since       string
	Name, Batch string
	Error       string
	Input       string
	// Group has those that failed alike as one.
	Group bool
	Limit int
}

// OptionError is what is wrong with one field of a query.
type OptionError struct {
	// Option is the name of its flag, without dashes; Value is what it was given.
	Option, Value string
	Err           error
}

// Error tells it with the name of the option.
func (e *OptionError) Error() string { return "--" + e.Option + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the value.
func (e *OptionError) Unwrap() error { return e.Err }

// Statuses are those that an execution of a pipeline may have.
func Statuses() []executions.Status {
	return []executions.Status{executions.Running, executions.Succeeded, executions.Failed, executions.TimedOut, executions.Aborted}
}

// ParseStatuses reads names of statuses, in any case; the error is an *OptionError.
func ParseStatuses(in []string) ([]executions.Status, error) {
	var out []executions.Status
	for _, s := range in {
		i := slices.IndexFunc(Statuses(), func(k executions.Status) bool { return strings.EqualFold(s, string(k)) })
		if i < 0 {
			return nil, &OptionError{"status", s, fault.New(fault.Invalid, "%q is not the status of an execution", s).
				WithHint("Use RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.")}
		}
		out = append(out, Statuses()[i])
	}
	return out, nil
}

// Choice reads what was typed; the error is an *OptionError. now is what durations count
// back from.
func (q Query) Choice(now time.Time) (c Choice, err error) {
	c = Choice{Patterns: q.Patterns, Name: q.Name, Batch: q.Batch, Error: q.Error, Input: q.Input, Limit: q.Limit, Described: q.Failed || q.Group}
	if c.Statuses, err = ParseStatuses(q.Statuses); err != nil {
		return c, err
	}
	if q.Failed || q.Group && len(q.Statuses) == 0 {
		c.Statuses = Failures()
	}
	if c.Since, err = executions.ParseSince(q.Since, now); err != nil {
		return c, &OptionError{"since", q.Since, err}
	}
	return c, c.Check()
}

// Args are the arguments of the command line that choose so; --group and --limit are those
// of a list alone.
func (q Query) Args() []string {
	out := slices.Clone(q.Patterns)
	if len(out) == 0 {
		out = []string{"--all"}
	}
	if q.Failed {
		out = append(out, "--failed")
	}
	for _, f := range q.options() {
		if *f.value != "" {
			out = append(out, "--"+f.name, *f.value)
		}
	}
	if len(q.Statuses) > 0 {
		out = append(out, "--status", strings.Join(q.Statuses, ","))
	}
	return out
}

// option is a field that is a text.
type option struct {
	name  string
	value *string
}

func (q *Query) options() []option {
	return []option{{"since", &q.Since}, {"name", &q.Name}, {"batch", &q.Batch}, {"error", &q.Error}, {"input", &q.Input}}
}

// ParseQuery reads a query from arguments, as a shell would have given them.
func ParseQuery(words []string) (Query, error) {
	var q Query
	all := false
	for i := 0; i < len(words); i++ {
		name, isFlag := strings.CutPrefix(words[i], "--")
		name, value, given := strings.Cut(name, "=")
		switch {
		case !isFlag:
			q.Patterns = append(q.Patterns, words[i])
			continue
		case name == "failed" && !given:
			q.Failed = true
			continue
		case name == "group" && !given:
			q.Group = true
			continue
		case name == "all" && !given:
			all = true
			continue
		}
		of := slices.IndexFunc(q.options(), func(o option) bool { return o.name == name })
		if of < 0 && name != "status" {
			return q, fault.New(fault.Invalid, "there is no option %s here", words[i]).
				WithHint("There are --failed, --status, --since, --name, --batch, --error, --input, --group and --all.")
		}
		if !given {
			if i++; i == len(words) {
				return q, fault.New(fault.Invalid, "--%s wants a value", name).WithHint("Write it behind --%s.", name)
			}
			value = words[i]
		}
		if name == "status" {
			q.Statuses = append(q.Statuses, strings.Split(value, ",")...)
			continue
		}
		*q.options()[of].value = value
	}
	if all && len(q.Patterns) > 0 {
		return q, fault.New(fault.Invalid, "--all and names cannot go together").WithHint("Leave one of them out.")
	}
	if q.Failed && len(q.Statuses) > 0 {
		return q, fault.New(fault.Invalid, "--failed and --status cannot go together").WithHint("Leave one of them out.")
	}
	return q, nil
}

// Words splits a line into arguments, as a POSIX shell does as far as quotes and backslashes
// go.
func Words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	begun, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune(`"\$`+"`", r) {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			begun, quote = true, r
		case r == ' ' || r == '\t':
			if begun {
				out = append(out, word.String())
				word.Reset()
				begun = false
			}
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, fault.New(fault.Invalid, "a quote is not closed").WithHint("End it with %c.", max(quote, '\''))
	}
	if begun {
		out = append(out, word.String())
	}
	return out, nil
}
