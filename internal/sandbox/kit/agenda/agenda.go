// Package agenda owns when what is kept in the store is to be done: keys by time, and
// lanes, so that what goes to one place waits for that place only. What a key stands for,
// the store knows.
package agenda

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
)

// PerLane is how many in one lane are done at the same time.
const PerLane = 16

// Agenda is a list of keys by time, and what is under way in lanes. It is safe for
// concurrent use; one goroutine waits for it.
type Agenda struct {
	mu    sync.Mutex
	list  appointments
	wake  bell.Bell
	lanes map[string]*lane
}

// New returns an empty agenda.
func New() *Agenda { return &Agenda{wake: bell.New(), lanes: map[string]*lane{}} }

type lane struct {
	busy    int
	waiting []string // keys, in order
}

type appointment struct {
	due time.Time
	key string
}

// appointments is a heap.
type appointments []appointment

func (a appointments) Len() int { return len(a) }
func (a appointments) Less(i, j int) bool {
	return a[i].due.Before(a[j].due) || a[i].due.Equal(a[j].due) && a[i].key < a[j].key
}
func (a appointments) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *appointments) Push(x any)   { *a = append(*a, x.(appointment)) } // only appointments are pushed
func (a *appointments) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// Add puts a key on the list.
func (a *Agenda) Add(key string, due time.Time) {
	a.mu.Lock()
	heap.Push(&a.list, appointment{due, key})
	a.mu.Unlock()
	a.wake.Ring()
}

// Reset forgets everything.
func (a *Agenda) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list, a.lanes = nil, map[string]*lane{}
}

// Next takes the first key that is due off the list. If none is due, it is "", and wait
// tells how long it is until one is.
func (a *Agenda) Next(now time.Time) (key string, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return "", bell.Forever
	}
	if wait := a.list[0].due.Sub(now); wait > 0 {
		return "", wait
	}
	return heap.Pop(&a.list).(appointment).key, 0 // as pushed
}

// Wait waits until a key is added, or for a time.
func (a *Agenda) Wait(ctx context.Context, c clock.Clock, wait time.Duration) {
	a.wake.Wait(ctx, c, wait)
}

// Do does a key and those behind it in its lane, if the lane has a place; else the key
// waits in the lane, and who leaves it goes on with the key.
func (a *Agenda) Do(ctx context.Context, name, key string, do func(key string)) {
	if !a.enter(name, key) {
		return
	}
	for key != "" && ctx.Err() == nil {
		do(key)
		key = a.leave(name)
	}
}

func (a *Agenda) enter(name, key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.lanes[name]
	if l == nil {
		l = &lane{}
		a.lanes[name] = l
	}
	if l.busy == PerLane {
		l.waiting = append(l.waiting, key)
		return false
	}
	l.busy++
	return true
}

// leave gives the place to the key that waits first, which it returns, or back.
func (a *Agenda) leave(name string) (key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.lanes[name]
	if l == nil { // it was forgotten
		return ""
	}
	if len(l.waiting) > 0 {
		key, l.waiting = l.waiting[0], l.waiting[1:]
		return key
	}
	if l.busy--; l.busy == 0 {
		delete(a.lanes, name)
	}
	return ""
}
