package evaluator

import "math"

var (
	errRangeLeft  = &JSONataError{Code: "T2003", Message: "The left side of the range operator (..) must evaluate to an integer"}
	errRangeRight = &JSONataError{Code: "T2004", Message: "The right side of the range operator (..) must evaluate to an integer"}
)

// evalRange makes [left..right]; both must be whole.
func evalRange(left, right any, env *Environment) (any, error) {
	lo, okLeft := ToFloat64(left)
	hi, okRight := ToFloat64(right)
	switch {
	case left != nil && !(okLeft && lo == math.Trunc(lo) && !math.IsInf(lo, 0)):
		return nil, errRangeLeft
	case right != nil && !(okRight && hi == math.Trunc(hi) && !math.IsInf(hi, 0)):
		return nil, errRangeRight
	case left == nil || right == nil || lo > hi:
		return nil, nil
	case hi-lo+1 > 1e7: // the reference's own bound, before that of memory
		return nil, &JSONataError{Code: "D2014", Message: "The size of the sequence allocated by the range operator (..) must not exceed 1e6.  Attempted to allocate " + FormatFloat(hi-lo+1) + "."}
	case hi-lo+1 > MaxElements:
		return nil, ErrMemory
	}
	n := int(hi-lo) + 1
	if err := env.meter.Elements(n); err != nil {
		return nil, err
	}
	if err := env.meter.Spend(n / 16); err != nil {
		return nil, err
	}
	out := make([]any, n)
	for i := range out {
		out[i] = lo + float64(i)
	}
	return out, nil
}
