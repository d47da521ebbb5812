package faults

import (
	"golang.org/x/time/rate"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// take takes a token of the account's and region's bucket of the operation, which its
// row names; g.mu must be held.
func (g *Gate) take(req *wire.Request) bool {
	q, limited := req.Quota()
	if !limited {
		return true
	}
	bucket, burst, perSecond := q.Of(req.Operation, req.Region)
	name := req.Key(req.Service + "." + bucket)
	b := g.buckets[name]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(perSecond), burst)
		g.buckets[name] = b
	}
	return b.AllowN(g.clk.Now(), 1)
}
