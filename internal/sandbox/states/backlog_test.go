package states_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// What only computes makes records faster than a disk takes them. An execution waits
// then, so that what is held for the disk is bounded; and it goes on.
func TestExecutionsWaitForASlowDisk(t *testing.T) {
	t.Parallel()
	const (
		wide  = 250_000
		turns = 40
	)
	require.Greater(t, 4*turns*wide, 2*states.MaxUnwritten, "the history has four events a turn")
	definition := fmt.Sprintf(`{"StartAt":"Hold","States":{
		"Hold":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:hold","ResultPath":null,"Next":"Turn"},
		"Turn":{"Type":"Pass","Parameters":{"n.$":"States.MathAdd($.n, 1)","s.$":"$.s"},"Next":"More"},
		"More":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericLessThan":%d,"Next":"Turn"}],"Default":"Good"},
		"Good":{"Type":"Succeed"}}}`, turns)
	waits, release := make(chan int, 1), make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	var w *world
	w = newWorld(t, func(x *world) {
		x.lambda.all["hold"] = function{handle: func(json.RawMessage) (string, error) {
			held := make(chan struct{})
			go func() { // a transaction that is open keeps all others from being committed
				_ = w.db.Update(func(*store.Tx) error {
					close(held)
					<-release
					return nil
				})
			}()
			<-held
			return "1", nil
		}}
	})
	t.Cleanup(free)
	w.svc.Waits(func(unwritten int) {
		select {
		case waits <- unwritten:
		default:
		}
	})
	arn := w.start(w.machine("m", definition), "e", fmt.Sprintf(`{"n":0,"s":%q}`, strings.Repeat("a", wide)))
	select {
	case unwritten := <-waits:
		require.Less(t, unwritten, states.MaxUnwritten+(4<<20)) // and what one step adds
	case <-time.After(time.Minute):
		require.Fail(t, "nobody waits for the disk")
	}
	free()
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%.300v", got)
	require.Equal(t, turns, strings.Count(strings.Join(w.eventTypes(arn), " "), "PassStateEntered"))
}
