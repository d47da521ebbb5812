package intrinsic

import (
	"crypto/md5"  // States.Hash offers it
	"crypto/sha1" // States.Hash offers it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Limits of the documentation.
const (
	maxArray  = 1000   // elements that ArrayRange may make
	maxBase64 = 10_000 // characters that Base64Encode, Base64Decode and Hash take
)

// errArguments is what a function makes of arguments that it does not take. Step
// Functions says no more than that.
var errArguments = errors.New("Invalid arguments")

type function struct {
	min, max int // number of arguments; max < 0 for no limit
	run      func(c *Call, args []any, env Env) (any, error)
}

// functions is never changed; a function variable breaks the initialisation
// cycle between Call.Eval and the table.
var functions map[string]function

func init() {
	functions = map[string]function{
		"Format":         {1, -1, format},
		"StringToJson":   {1, 1, stringToJSON},
		"JsonToString":   {1, 1, func(_ *Call, a []any, _ Env) (any, error) { return value.String(a[0]), nil }},
		"Array":          {0, -1, func(_ *Call, a []any, _ Env) (any, error) { return a, nil }},
		"ArrayPartition": {2, 2, arrayPartition},
		"ArrayContains":  {2, 2, arrayContains},
		"ArrayRange":     {3, 3, arrayRange},
		"ArrayGetItem":   {2, 2, arrayGetItem},
		"ArrayLength":    {1, 1, arrayLength},
		"ArrayUnique":    {1, 1, arrayUnique},
		"Base64Encode":   {1, 1, base64Encode},
		"Base64Decode":   {1, 1, base64Decode},
		"Hash":           {2, 2, hash},
		"JsonMerge":      {3, 3, jsonMerge},
		"MathRandom":     {2, 3, mathRandom},
		"MathAdd":        {2, 2, mathAdd},
		"StringSplit":    {2, 2, stringSplit},
		"UUID":           {0, 0, func(_ *Call, _ []any, env Env) (any, error) { return env.UUID(), nil }},
	}
}

func format(c *Call, args []any, _ Env) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	if c.Args[0].Ref == nil && c.Args[0].Call == nil {
		text = c.Args[0].template
	}
	parts := strings.Split(text, "{}")
	for _, part := range parts {
		if err := braces(part); err != nil {
			return nil, err
		}
	}
	if len(parts) != len(args) {
		return nil, errArguments
	}
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(strings.NewReplacer(openBrace, "{", closeBrace, "}").Replace(part))
		if i == len(parts)-1 {
			break
		}
		if formatted(&b, args[i+1]); b.Len() > maxResult {
			return nil, ErrTooLarge
		}
	}
	return b.String(), nil
}

// braces refuses a brace of a template that is neither escaped nor half of "{}".
func braces(part string) error {
	part = strings.NewReplacer(openBrace, "", closeBrace, "").Replace(part)
	switch i := strings.IndexAny(part, "{}"); {
	case i < 0:
		return nil
	case part[i] == '{':
		return errors.New("Invalid template in States.Format: matching '}' not found for '{'.")
	default:
		return errors.New("Invalid template in States.Format: matching '{' not found for '}'.")
	}
}

// formatted writes an argument as AWS does, which is as Java prints it: lists as
// [a, b] and objects as {key=value}, texts without quotes in both.
func formatted(b *strings.Builder, v any) {
	switch x := v.(type) {
	case string:
		b.WriteString(x)
	case []any:
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteString(", ")
			}
			formatted(b, e)
		}
		b.WriteByte(']')
	case *value.Object:
		b.WriteByte('{')
		for i := range x.Len() {
			k, e := x.At(i)
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(k + "=")
			formatted(b, e)
		}
		b.WriteByte('}')
	default:
		b.WriteString(value.String(v))
	}
}

func stringToJSON(_ *Call, args []any, _ Env) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	v, err := value.Parse(s)
	if err != nil {
		return nil, notJSON(err)
	}
	return v, nil
}

// notJSON words an error of StringToJson as AWS does, whose parser points at the
// character that it does not like.
func notJSON(err error) error {
	var at *value.SyntaxError
	if !errors.As(err, &at) {
		return err
	}
	return fmt.Errorf("Cannot convert String to Json in States.StringToJson, caused by: %s\n at [Source: REDACTED "+
		"(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]", at.Msg, at.Line, max(1, at.Column-1))
}

func list(v any) ([]any, error) {
	l, ok := v.([]any)
	if !ok {
		return nil, errArguments
	}
	return l, nil
}

// integer takes numbers with a fraction too, which is cut off.
func integer(v any) (int64, error) {
	n, ok := v.(value.Number)
	if !ok {
		return 0, errArguments
	}
	if i, ok := n.Int64(); ok {
		return i, nil
	}
	return Long(n.Float64()), nil
}

func arrayPartition(_ *Call, args []any, _ Env) (any, error) {
	l, err := list(args[0])
	if err != nil {
		return nil, err
	}
	size, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	if size <= 0 {
		return nil, errArguments
	}
	return Partition(l, size), nil
}

// Partition cuts l into chunks of size elements.
func Partition(l []any, size int64) []any {
	out := []any{}
	for int64(len(l)) > size {
		out = append(out, l[:size:size])
		l = l[size:]
	}
	if len(l) > 0 {
		out = append(out, l)
	}
	return out
}

func arrayContains(_ *Call, args []any, _ Env) (any, error) {
	l, err := list(args[0])
	if err != nil {
		return nil, err
	}
	for _, e := range l {
		if value.Equal(e, args[1]) {
			return true, nil
		}
	}
	return false, nil
}

func arrayRange(_ *Call, args []any, _ Env) (any, error) {
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = integer(args[i]); err != nil {
			return nil, err
		}
	}
	return Range(n[0], n[1], n[2])
}

// Range returns the numbers from first to last, both included, by step.
func Range(first, last, step int64) ([]any, error) {
	if step == 0 {
		return nil, errArguments
	}
	out := []any{}
	for i := first; (step > 0 && i <= last) || (step < 0 && i >= last); i += step {
		if len(out) == maxArray {
			return nil, errArguments
		}
		out = append(out, value.Int(i))
		if next := i + step; (next > i) != (step > 0) { // beyond what a long holds
			break
		}
	}
	return out, nil
}

func arrayGetItem(_ *Call, args []any, _ Env) (any, error) {
	l, err := list(args[0])
	if err != nil {
		return nil, err
	}
	i, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	switch {
	case len(l) == 0: // AWS finds null in an empty array, at any index
		return nil, nil
	case i < 0 || i >= int64(len(l)):
		return nil, errArguments
	}
	return l[i], nil
}

func arrayLength(_ *Call, args []any, _ Env) (any, error) {
	l, err := list(args[0])
	return value.Int(int64(len(l))), err
}

func arrayUnique(_ *Call, args []any, _ Env) (any, error) {
	l, err := list(args[0])
	if err != nil {
		return nil, err
	}
	out := []any{}
next:
	for _, e := range l {
		for _, seen := range out {
			if value.Equal(seen, e) {
				continue next
			}
		}
		out = append(out, e)
	}
	return out, nil
}

func shortText(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errArguments
	}
	if characters(s) > maxBase64 {
		return "", errArguments
	}
	return s, nil
}

func base64Encode(_ *Call, args []any, _ Env) (any, error) {
	s, err := shortText(args[0])
	return base64.StdEncoding.EncodeToString([]byte(s)), err
}

func base64Decode(_ *Call, args []any, _ Env) (any, error) {
	s, err := shortText(args[0])
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errArguments
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil // as Java decodes bytes that are no text
}

func hash(_ *Call, args []any, _ Env) (any, error) {
	algorithm, ok := args[1].(string)
	if !ok {
		return nil, errArguments
	}
	data, isText := args[0].(string)
	if !isText {
		data = value.String(args[0])
	}
	sum, ok := Hash(data, algorithm)
	if !ok || characters(data) > maxBase64 {
		return nil, errArguments
	}
	return sum, nil
}

// characters counts those of a text as Java does: in units of UTF-16.
func characters(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// Hash returns the digest of text in lower-case hexadecimal. Algorithms: MD5,
// SHA-1, SHA-256, SHA-384, SHA-512; ok is false for any other.
func Hash(text, algorithm string) (sum string, ok bool) {
	b := []byte(text)
	switch algorithm {
	case "MD5":
		s := md5.Sum(b) // asked for
		return hex.EncodeToString(s[:]), true
	case "SHA-1":
		s := sha1.Sum(b) // asked for
		return hex.EncodeToString(s[:]), true
	case "SHA-256":
		s := sha256.Sum256(b)
		return hex.EncodeToString(s[:]), true
	case "SHA-384":
		s := sha512.Sum384(b)
		return hex.EncodeToString(s[:]), true
	case "SHA-512":
		s := sha512.Sum512(b)
		return hex.EncodeToString(s[:]), true
	}
	return "", false
}

func jsonMerge(_ *Call, args []any, _ Env) (any, error) {
	a, ok1 := args[0].(*value.Object)
	b, ok2 := args[1].(*value.Object)
	if deep, _ := args[2].(bool); !ok1 || !ok2 || deep { // what is no boolean is no wish for a deep merge
		return nil, errArguments
	}
	out := a.Clone()
	for i := range b.Len() {
		out.Set(b.At(i))
	}
	return out, nil
}

func mathRandom(_ *Call, args []any, env Env) (any, error) {
	start, err := integer(args[0])
	if err != nil {
		return nil, err
	}
	end, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	if end <= start {
		return nil, errArguments
	}
	r := env.Random()
	if len(args) == 3 {
		seed, err := integer(args[2])
		if err != nil {
			return nil, err
		}
		r = Seeded(seed)
	}
	return value.Int(start + Long(r*(float64(end)-float64(start)))), nil
}

// Seeded returns the number in [0,1) that belongs to a seed, which is the first
// nextDouble of a java.util.Random of that seed: $random(42) on AWS is
// 0.7275636800328681 (github.com/floci-io/floci, issue 2662). The generator is
// documented bit by bit with that class.
func Seeded(seed int64) float64 {
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	state := (uint64(seed) ^ multiplier) & mask // bits matter, not sign
	next := func(bits uint) uint64 {
		state = (state*multiplier + 0xB) & mask
		return state >> (48 - bits)
	}
	high := next(26)
	return float64(high<<27+next(27)) / (1 << 53)
}

// Long is f as Java casts it to a long: cut towards zero, and at the ends.
func Long(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f < -1<<63:
		return math.MinInt64
	}
	return int64(f)
}

// mathAdd rounds its operands, which must be 32 bits wide like their sum.
func mathAdd(_ *Call, args []any, _ Env) (any, error) {
	sum := int64(0)
	for _, arg := range args {
		n, ok := arg.(value.Number)
		i := Long(math.Floor(n.Float64() + 0.5))
		if sum += i; !ok || i != int64(int32(i)) { // that is the question
			return nil, errArguments
		}
	}
	if sum != int64(int32(sum)) { // that is the question
		return nil, errArguments
	}
	return value.Int(sum), nil
}

// stringSplit cuts at any of the delimiter's characters and drops empty parts.
func stringSplit(_ *Call, args []any, _ Env) (any, error) {
	s, ok1 := args[0].(string)
	delimiters, ok2 := args[1].(string)
	if !ok1 || !ok2 {
		return nil, errArguments
	}
	out := []any{}
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(delimiters, r) }) {
		out = append(out, part)
	}
	return out, nil
}
