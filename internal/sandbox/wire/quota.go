package wire

// Quota is a token bucket of AWS for one or more operations of an account in a region.
type Quota struct {
	// Bucket tells buckets that operations share apart; "" is the operation's own.
	Bucket    string
	Burst     int
	PerSecond float64
	// LargeBurst and LargePerSecond are those of the three large regions; 0: the same.
	LargeBurst     int
	LargePerSecond float64
	// Unlimited: there is no quota of rate.
	Unlimited bool
}

// Of is the bucket that an operation takes from in a region.
func (q Quota) Of(operation, region string) (bucket string, burst int, perSecond float64) {
	bucket = q.Bucket
	if bucket == "" {
		bucket = operation
	}
	switch region {
	case "us-east-1", "us-west-2", "eu-west-1":
		if q.LargeBurst > 0 {
			return bucket, q.LargeBurst, q.LargePerSecond
		}
	}
	return bucket, q.Burst, q.PerSecond
}

// Quota is the published quota of the request's operation; ok is false if it has none.
func (r *Request) Quota() (q Quota, ok bool) {
	if r.svc == nil || len(r.svc.Quotas) == 0 {
		return Quota{}, false
	}
	q, ok = r.svc.Quotas[r.Operation]
	if !ok {
		q, ok = r.svc.Quotas[""]
	}
	return q, ok && !q.Unlimited
}

// Throttled is how the request's service refuses a call that comes too fast.
func (r *Request) Throttled() *Error {
	of := JSON10.Refusals()
	if r.svc != nil {
		of = r.svc.Refusals
	}
	e := *of.Throttled
	return &e
}
