package sqs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// A FIFO queue hands out the messages of a group in the order in which they were
// sent, and none while an earlier one of its group is hidden. So its index is by
// sequence, not by time, and an entry tells group and time.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html

// dedupFor is how long a deduplication id is remembered.
const dedupFor = 5 * time.Minute

func (q queue) fifo() bool { return strings.HasSuffix(q.Name, ".fifo") }

// fifoDefaults are the attributes that a FIFO queue has beyond those of all.
var fifoDefaults = map[string]string{
	"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue",
}

type fifoValue struct {
	Received      bool      `json:"r,omitempty"`
	Sent, Visible time.Time // UTC
	Group         string    `json:"g"`
}

func fifoEntry(q queue, key string, raw []byte) (entry, error) {
	var v fifoValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return entry{}, fmt.Errorf("index of queue %s: bad entry %q", q.Name, key)
	}
	return entry{key: key, message: key, visible: v.Visible, sent: v.Sent, received: v.Received, group: v.Group}, nil
}

var groupID = lazyregexp.New(`^[\x21-\x7e]{1,128}$`)

// checkFIFO applies what the kinds of queues differ in.
func checkFIFO(q queue, n newMessage) error {
	for _, id := range []struct {
		name  string
		value *string
	}{{"MessageGroupId", n.Group}, {"MessageDeduplicationId", n.Dedup}} {
		if id.value != nil && !groupID.MatchString(*id.value) {
			return parameterError("InvalidParameterValue", "Value %s for parameter %s is invalid. Reason: %[2]s can only include alphanumeric and punctuation "+
				"characters. 1 to 128 in length.", *id.value, id.name)
		}
	}
	const otherKind = "Value %v for parameter %s is invalid. Reason: The request include parameter that is not valid for this queue type."
	switch {
	case !q.fifo() && n.Dedup != nil:
		return parameterError("InvalidParameterValue", otherKind, *n.Dedup, "MessageDeduplicationId")
	case !q.fifo():
		return nil // a group makes a standard queue fair, and changes no order
	case n.Group == nil:
		return parameterError("MissingParameter", "The request must contain the parameter MessageGroupId.")
	case n.Dedup == nil && q.attribute("ContentBasedDeduplication") != "true":
		return parameterError("InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case n.Delay != nil && *n.Delay != 0:
		return parameterError("InvalidParameterValue", otherKind, *n.Delay, "DelaySeconds")
	}
	return nil
}

// dedupID is the id by which a message of a FIFO queue is known for five minutes.
func (n newMessage) dedupID() string {
	if n.Dedup != nil {
		return *n.Dedup
	}
	sum := sha256.Sum256([]byte(n.Body))
	return hex.EncodeToString(sum[:])
}

// sentBefore is what is remembered of a deduplication id.
type sentBefore struct {
	ID, Sequence string
	Until        time.Time
}

// known finds the message that was sent with the same deduplication id. Else the
// id is remembered for m, and some that are forgotten by now are removed.
func (s *Service) known(tx *store.Tx, q queue, m message) (old sentBefore, found bool, err error) {
	ids, times := q.key()+"|i|", q.key()+"|t|"
	id := ids + m.Dedup
	if q.attribute("DeduplicationScope") == "messageGroup" {
		id = ids + m.Group + "|" + m.Dedup
	}
	now := s.now()
	old, found, err = store.Get[sentBefore](tx, dedupBucket, id)
	if err != nil || (found && old.Until.After(now)) {
		return old, found, err
	}
	stale := map[string]string{}
	if err := tx.Scan(dedupBucket, times, "", func(key string, raw []byte) (bool, error) {
		var of string
		if key > times+fmt.Sprintf("%020d", now.UnixNano()) || len(stale) == stride {
			return false, nil
		}
		err := json.Unmarshal(raw, &of)
		stale[key] = of
		return err == nil, err
	}); err != nil {
		return old, false, err
	}
	for key, of := range stale {
		if err := tx.Delete(dedupBucket, key); err != nil {
			return old, false, err
		}
		if err := tx.Delete(dedupBucket, of); err != nil {
			return old, false, err
		}
	}
	until := now.Add(dedupFor)
	if err := store.Put(tx, dedupBucket, times+fmt.Sprintf("%020d|%s", until.UnixNano(), m.Sequence), id); err != nil {
		return old, false, err
	}
	return old, false, store.Put(tx, dedupBucket, id, sentBefore{ID: m.ID, Sequence: m.Sequence, Until: until})
}

// available calls fn for the entries of a FIFO queue that may be handed out, in
// their order, until it returns false. Those in mine are passed over: what one
// receive has taken holds up nobody but others. next is when another may be.
func (s *Service) available(tx *store.Tx, q queue, mine map[string]bool, fn func(entry) bool) (next time.Time, err error) {
	now, held := s.now(), map[string]bool{}
	err = entries(tx, q, func(e entry) bool {
		switch {
		case mine[e.key] || held[e.group]:
			return true
		case e.visible.After(now):
			held[e.group] = true
			if next.IsZero() || e.visible.Before(next) {
				next = e.visible
			}
			return true
		}
		return fn(e)
	})
	return next, err
}

// dueFIFO is due for FIFO queues.
func (s *Service) dueFIFO(tx *store.Tx, q queue, fn func(message) (bool, error)) (next time.Time, err error) {
	mine := map[string]bool{}
	for {
		var some []entry
		next, err = s.available(tx, q, mine, func(e entry) bool {
			some = append(some, e)
			return len(some) < stride
		})
		if err != nil {
			return next, err
		}
		for _, e := range some {
			mine[e.key] = true
			if more, err := s.offer(tx, q, e, fn); err != nil || !more {
				return next, err
			}
		}
		if len(some) < stride {
			return next, nil
		}
	}
}

// expired is the refusal of a receipt handle of a FIFO queue whose message is
// visible again, or was received by another since.
func expired(receipt *string) error {
	return parameterError("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", aws.ToString(receipt))
}
