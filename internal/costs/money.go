package costs

import (
	"math/big"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Currency is what all prices and amounts are in.
const Currency = "USD"

// Money is an amount in USD, kept exactly: sums and products of prices drift nowhere, and
// are rounded when they are shown. The zero value is nothing. It does not change.
type Money struct{ r *big.Rat }

// amountRule is how prices are written: what AWS's price list has at most, and no more.
var amountRule = lazyregexp.New(`^[0-9]{1,9}(\.[0-9]{1,14})?$`)

// ParseMoney reads an amount such as "0.0000166667". It is false for anything that is no
// such amount: signs, exponents and more digits than a price has.
func ParseMoney(text string) (Money, bool) {
	if !amountRule.MatchString(text) {
		return Money{}, false
	}
	r, ok := new(big.Rat).SetString(text)
	return Money{r}, ok
}

// boundRule is how a list of prices says from how many units on one holds: AWS's tiers
// begin at billions of GB-seconds and hundreds of billions of requests.
var boundRule = lazyregexp.New(`^[0-9]{1,30}(\.[0-9]{1,14})?$`)

// parseBound reads where a tier of prices begins, "" for nothing.
func parseBound(text string) (Quantity, bool) {
	if text == "" {
		return Quantity{}, true
	}
	if !boundRule.MatchString(text) {
		return Quantity{}, false
	}
	r, ok := new(big.Rat).SetString(text)
	return Quantity{r}, ok
}

func (m Money) rat() *big.Rat {
	if m.r == nil {
		return new(big.Rat)
	}
	return m.r
}

// Plus is the sum.
func (m Money) Plus(o Money) Money { return Money{new(big.Rat).Add(m.rat(), o.rat())} }

// Minus is the difference, which may be below zero.
func (m Money) Minus(o Money) Money { return Money{new(big.Rat).Sub(m.rat(), o.rat())} }

// Times is the price of so many.
func (m Money) Times(n Quantity) Money { return Money{new(big.Rat).Mul(m.rat(), n.rat())} }

// Cmp compares as big.Rat does: below 0 if m is less.
func (m Money) Cmp(o Money) int { return m.rat().Cmp(o.rat()) }

// Sign is -1, 0 or 1.
func (m Money) Sign() int { return m.rat().Sign() }

// String is the amount for a reader, without the currency: cents, and of less than a cent
// two digits that are not 0.
func (m Money) String() string {
	r := m.rat()
	cent := big.NewRat(1, 100)
	if abs := new(big.Rat).Abs(r); abs.Sign() > 0 && abs.Cmp(cent) < 0 {
		digits := 2
		for limit := cent; abs.Cmp(limit) < 0 && digits < 14; digits++ {
			limit = new(big.Rat).Quo(limit, big.NewRat(10, 1))
		}
		return strings.TrimSuffix(r.FloatString(digits+1), "0")
	}
	return r.FloatString(2)
}

// Signed is String with a sign in any case: what a change costs.
func (m Money) Signed() string {
	if m.Sign() > 0 {
		return "+" + m.String()
	}
	return m.String()
}

// Exact is the amount with all its digits, as a price is written.
func (m Money) Exact() string { return trimmed(m.rat().FloatString(14)) }

// MarshalJSON is a number with six decimals at most: what an estimate is good for, and less
// than any price of a single thing that is shown by itself (see Price).
func (m Money) MarshalJSON() ([]byte, error) { return []byte(trimmed(m.rat().FloatString(6))), nil }

func trimmed(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// Quantity is how many there are of something, exactly. The zero value is none.
type Quantity struct{ r *big.Rat }

// Whole is a whole number of something.
func Whole(n int64) Quantity { return Quantity{big.NewRat(n, 1)} }

// Measured is a quantity that was measured; what is no number, or below zero, is none.
func Measured(v float64) Quantity {
	r := new(big.Rat)
	if r.SetFloat64(v) == nil || r.Sign() < 0 {
		return Quantity{}
	}
	return Quantity{r}
}

func (q Quantity) rat() *big.Rat {
	if q.r == nil {
		return new(big.Rat)
	}
	return q.r
}

// Of is a product of quantities: instances times hours.
func (q Quantity) Of(o Quantity) Quantity { return Quantity{new(big.Rat).Mul(q.rat(), o.rat())} }

// And is the sum of both.
func (q Quantity) And(o Quantity) Quantity { return Quantity{new(big.Rat).Add(q.rat(), o.rat())} }

// Per is a part: milliseconds per 1,000.
func (q Quantity) Per(n int64) Quantity {
	return Quantity{new(big.Rat).Quo(q.rat(), big.NewRat(n, 1))}
}

// String has three decimals at most.
func (q Quantity) String() string { return trimmed(q.rat().FloatString(3)) }

// MarshalJSON is a number with three decimals at most.
func (q Quantity) MarshalJSON() ([]byte, error) { return []byte(q.String()), nil }
