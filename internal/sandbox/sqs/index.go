package sqs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// The index of a queue's messages by the time from which they are visible: what
// comes next is its first entry, however many there are. An entry's key is
// the queue's key, |visible|sequence, its value tells whether the message was received
// and when it was sent, so that counting needs no message.

func visiblePrefix(q queue) string { return q.key() + "|" }

func visibleKey(q queue, m message) string {
	if q.fifo() {
		return m.Key
	}
	return visiblePrefix(q) + fmt.Sprintf("%020d", m.Visible.UnixNano()) + "|" + strings.TrimPrefix(m.Key, q.key()+"|")
}

// entry is one of the index.
type entry struct {
	key, message  string // of the index, of the message's bucket
	visible, sent time.Time
	received      bool
	group         string // of a FIFO queue
}

func parseEntry(q queue, key string, raw []byte) (entry, error) {
	if q.fifo() {
		return fifoEntry(q, key, raw)
	}
	at, sequence, ok := strings.Cut(strings.TrimPrefix(key, visiblePrefix(q)), "|")
	visible, err1 := strconv.ParseInt(at, 10, 64)
	var value [2]int64
	err2 := json.Unmarshal(raw, &value)
	if !ok || err1 != nil || err2 != nil {
		return entry{}, fmt.Errorf("index of queue %s: bad entry %q", q.Name, key)
	}
	return entry{key: key, message: q.key() + "|" + sequence, visible: time.Unix(0, visible).UTC(), sent: time.Unix(0, value[1]).UTC(), received: value[0] == 1}, nil
}

// keep writes a message and its entry.
func keep(tx *store.Tx, q queue, m message) error {
	var value any = fifoValue{Received: m.Received > 0, Sent: m.Sent, Visible: m.Visible, Group: m.Group}
	if !q.fifo() {
		var received int64
		if m.Received > 0 {
			received = 1
		}
		value = [2]int64{received, m.Sent.UnixNano()}
	}
	if err := store.Put(tx, visibleBucket, visibleKey(q, m), value); err != nil {
		return err
	}
	return store.Put(tx, messagesBucket, m.Key, m)
}

// drop removes a message and its entry.
func drop(tx *store.Tx, q queue, m message) error {
	if err := tx.Delete(visibleBucket, visibleKey(q, m)); err != nil {
		return err
	}
	return tx.Delete(messagesBucket, m.Key)
}

// dropAll removes all messages of a queue, and what it remembers of those sent.
func dropAll(tx *store.Tx, q queue) error {
	if err := tx.DeletePrefix(dedupBucket, q.key()+"|"); err != nil {
		return err
	}
	if err := tx.DeletePrefix(visibleBucket, visiblePrefix(q)); err != nil {
		return err
	}
	return tx.DeletePrefix(messagesBucket, q.key()+"|")
}

// entries calls fn for the index's entries until it returns false: those that are
// visible first come first, of a FIFO queue those that were sent first.
func entries(tx *store.Tx, q queue, fn func(entry) bool) error {
	return tx.Scan(visibleBucket, visiblePrefix(q), "", func(key string, raw []byte) (bool, error) {
		e, err := parseEntry(q, key, raw)
		if err != nil {
			return false, err
		}
		return fn(e), nil
	})
}

// buildIndex makes the index of a store that was written before there was one.
func (s *Service) buildIndex() error {
	return s.DB.Update(func(tx *store.Tx) error {
		some := false
		err := tx.Scan(visibleBucket, "", "", func(string, []byte) (bool, error) { some = true; return false, nil })
		if err != nil || some {
			return err
		}
		queues, err := store.List[queue](tx, queuesBucket, "")
		if err != nil {
			return err
		}
		for _, q := range queues {
			messages, err := store.List[message](tx, messagesBucket, q.key()+"|")
			if err != nil {
				return err
			}
			for _, m := range messages {
				if err := keep(tx, q, m); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
