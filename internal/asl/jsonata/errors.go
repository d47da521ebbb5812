package jsonata

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The evaluator words its errors in its own way; Step Functions shows those of
// the JSONata reference, by the same codes.
var (
	codeText   = regexp.MustCompile(`(?s)^([A-Z]\d{4}): (.*)$`)
	quotedText = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	funcName   = regexp.MustCompile(`^\$?(\w+):`)
	argNumber  = regexp.MustCompile(`argument (\d)`)
)

var plainTexts = map[string]string{
	"T1003": "Key in object structure must evaluate to a string",
	"T1006": "Attempted to invoke a non-function",
	"T1007": "Attempted to partially apply a non-function",
	"T1008": "Attempted to partially apply a non-function",
	"T2003": "The left side of the range operator (..) must evaluate to an integer",
	"T2004": "The right side of the range operator (..) must evaluate to an integer",
	"T2006": "The right side of the function application operator ~> must be a function",
	"T2008": "The expressions within an order-by clause must evaluate to numeric or string values",
	"D3138": "The $single() function expected exactly 1 matching result.  Instead it matched more.",
	"D3139": "The $single() function expected exactly 1 matching result.  Instead it matched 0.",
}

// reference words an error of the evaluator as the reference does.
func reference(err error) error {
	var limit *LimitError
	if errors.As(err, &limit) || errors.Is(err, ErrInternal) {
		return err
	}
	m := codeText.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	code, text := m[1], m[2]
	if plain, ok := plainTexts[code]; ok {
		return errors.New(code + ": " + plain)
	}
	if strings.HasPrefix(text, "the right operand") {
		code = "T2002" // the evaluator uses one code for both sides
	} else if strings.HasPrefix(text, "the left operand") {
		code = "T2001"
	}
	quoted := ""
	if q := quotedText.FindStringSubmatch(text); q != nil {
		quoted = q[1]
	}
	switch code {
	case "T2001":
		text = fmt.Sprintf("The left side of the \"%s\" operator must evaluate to a number", quoted)
	case "T2002":
		text = fmt.Sprintf("The right side of the \"%s\" operator must evaluate to a number", quoted)
	case "T2010":
		text = fmt.Sprintf("The expressions either side of operator \"%s\" must evaluate to numeric or string values", quoted)
	case "D3030":
		text = fmt.Sprintf("Unable to cast value to a number: \"%s\"", quoted)
	case "T0410", "T0411", "T0412":
		text = signatureText(code, text)
	}
	return errors.New(code + ": " + text)
}

func signatureText(code, text string) string {
	f := funcName.FindStringSubmatch(text)
	if f == nil {
		return text
	}
	arg := "1"
	if a := argNumber.FindStringSubmatch(text); a != nil {
		arg = a[1]
	} else if strings.Contains(text, "second argument") {
		arg = "2"
	}
	switch {
	case code == "T0411":
		return fmt.Sprintf("Context value is not a compatible type with argument %s of function \"%s\"", arg, f[1])
	case code == "T0412" && f[1] == "join":
		return fmt.Sprintf("Argument %s of function \"%s\" must be an array of \"string\"", arg, f[1])
	case code == "T0412" && f[1] == "merge":
		return fmt.Sprintf("Argument %s of function \"%s\" must be an array of \"object\"", arg, f[1])
	case code == "T0412":
		return fmt.Sprintf("Argument %s of function \"%s\" must be an array of \"number\"", arg, f[1])
	}
	return fmt.Sprintf("Argument %s of function \"%s\" does not match function signature", arg, f[1])
}

var syntaxTexts = map[string]string{
	"S0101": "String literal must be terminated by a matching quote",
	"S0105": "Quoted property name must be terminated with a backquote (`)",
	"S0106": "Comment has no closing tag",
	"S0207": "Unexpected end of expression",
	"S0212": "The left side of := must be a variable name (start with $)",
	"S0301": "Empty regular expressions are not allowed",
	"S0302": "No terminating / in regular expression",
}

var parserText = regexp.MustCompile(`(?s)^JSONata error ([A-Z]\d{4})(?: at token "(.*?)")?: (.*)$`)

// syntaxError words an error of the parser as the reference does, without its
// code, as Step Functions shows it.
func syntaxError(err error) error {
	m := parserText.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	if text, ok := syntaxTexts[m[1]]; ok {
		return errors.New(text)
	}
	if m[2] == "EOF" {
		return errors.New(syntaxTexts["S0207"])
	}
	return errors.New(strings.ToUpper(m[3][:1]) + m[3][1:])
}
