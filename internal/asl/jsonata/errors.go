package jsonata

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// The evaluator words its errors in its own way; Step Functions shows those of
// the JSONata reference, by the same codes.
var (
	codeText   = lazyregexp.New(`(?s)^([A-Z]\d{4}): (.*)$`)
	quotedText = lazyregexp.New(`"((?:[^"\\]|\\.)*)"`)
	funcName   = lazyregexp.New(`^\$?(\w+):`)
	argNumber  = lazyregexp.New(`argument (\d)`)
)

var plainTexts = map[string]string{
	"D1004": "Regular expression matches zero length string",
	"T1006": "Attempted to invoke a non-function",
	"T1007": "Attempted to partially apply a non-function",
	"T1008": "Attempted to partially apply a non-function",
	"T2003": "The left side of the range operator (..) must evaluate to an integer",
	"T2004": "The right side of the range operator (..) must evaluate to an integer",
	"T2006": "The right side of the function application operator ~> must be a function",
	"T2008": "The expressions within an order-by clause must evaluate to numeric or string values",
	"D3001": "Attempting to invoke string function on Infinity or NaN",
	"D3010": "Second argument of replace function cannot be an empty string",
	"D3011": "Fourth argument of replace function must evaluate to a positive number",
	"D3012": "Attempted to replace a matched string with a non-string value",
	"D3020": "Third argument of split function must evaluate to a positive number",
	"D3040": "Third argument of match function must evaluate to a positive number",
	"D3050": "The second argument of reduce function must be a function with at least two arguments",
	"D3070": "The single argument form of the sort function can only be applied to an array of strings or an array of numbers.  Use the second argument " +
		"to specify a comparison function",
	"D3080": "The picture string must only contain a maximum of two sub-pictures",
	"D3081": "The sub-picture must not contain more than one instance of the 'decimal-separator' character",
	"D3082": "The sub-picture must not contain more than one instance of the 'percent' character",
	"D3083": "The sub-picture must not contain more than one instance of the 'per-mille' character",
	"D3084": "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
	"D3085": "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'",
	"D3086": "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
	"D3087": "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character",
	"D3088": "The sub-picture must not contain a 'grouping-separator' at the end of the integer part",
	"D3089": "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character",
	"D3090": "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'",
	"D3091": "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'",
	"D3092": "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'",
	"D3093": "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'",
	"D3131": "In a decimal digit pattern, all digits must be from the same decimal group",
	"D3134": "The timezone integer format specifier cannot have more than four digits",
	"D3135": "No matching closing bracket ']' in date/time picture string",
	"D3136": "The date/time picture string is missing specifiers required to parse the timestamp",
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
	switch code {
	case "T0411":
		return fmt.Sprintf("Context value is not a compatible type with argument %s of function \"%s\"", arg, f[1])
	case "T0412": // from a function that another calls for each item; see evaluator.Check
		of := map[string]string{"join": "strings", "merge": "objects"}[f[1]]
		if of == "" {
			of = "numbers"
		}
		return fmt.Sprintf("Argument %s of function \"%s\" must be an array of \"%s\"", arg, f[1], of)
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

var parserText = lazyregexp.New(`(?s)^JSONata error ([A-Z]\d{4})(?: at token "(.*?)")?: (.*)$`)

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
	if m[2] == "EOF" && m[1] != "S0203" {
		return errors.New(syntaxTexts["S0207"])
	}
	return errors.New(strings.ToUpper(m[3][:1]) + m[3][1:])
}
