//go:build unix

package console

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/signaltest"
)

func TestSignalsGoToWhoeverHoldsThem(t *testing.T) {
	t.Parallel()
	open := func() (context.Context, *Desk, chan os.Signal) {
		d := NewDesk()
		d.now = later()
		signals := make(chan os.Signal)
		ctx, stop := d.Open(t.Context(), signals)
		t.Cleanup(stop)
		return ctx, d, signals
	}
	// Nobody: the first ends the context, a second gives up.
	ctx, d, signals := open()
	signals <- os.Interrupt
	<-ctx.Done()
	signals <- syscall.SIGHUP // a terminal that is closed is told of twice
	select {
	case <-d.GivenUp():
		t.Fatal("given up for a second SIGHUP")
	default:
	}
	signals <- os.Interrupt
	<-d.GivenUp()
	// Somebody: it is theirs until they release.
	ctx, d, signals = open()
	held, release := d.Hold()
	signals <- syscall.SIGTERM
	require.Equal(t, syscall.SIGTERM, <-held)
	require.NoError(t, ctx.Err())
	release()
	signals <- syscall.SIGTERM
	<-ctx.Done()
}

// later is a clock on which a second and more passes between any two looks.
func later() func() time.Time {
	at := time.Unix(0, 0)
	return func() time.Time {
		at = at.Add(echo)
		return at
	}
}

// What sends a signal to a child and to its group sends it twice: that is asked once.
func TestTheSameSignalAgainAtOnceIsTheSameOne(t *testing.T) {
	t.Parallel()
	d := NewDesk()
	at := time.Unix(0, 0)
	d.now = func() time.Time { return at }
	held, release := d.Hold()
	defer release()
	d.deliver(os.Interrupt)
	at = at.Add(50 * time.Millisecond)
	d.deliver(os.Interrupt)
	require.Equal(t, os.Interrupt, <-held)
	require.Empty(t, held)
	d.deliver(syscall.SIGTERM) // another one is another one
	require.Equal(t, syscall.SIGTERM, <-held)
	at = at.Add(echo)
	d.deliver(syscall.SIGTERM)
	require.Equal(t, syscall.SIGTERM, <-held)
}

// A command that does not end although its context did is given up after a grace, unless
// somebody holds the signals by then.
func TestACommandThatDoesNotEndIsGivenUp(t *testing.T) {
	t.Parallel()
	d := NewDesk()
	_, release := d.Hold()
	d.giveUp()
	select {
	case <-d.GivenUp():
		t.Fatal("given up though it ends in good order")
	default:
	}
	release()
	release() // as often as one likes
	d.giveUp()
	d.giveUp()
	<-d.GivenUp()
}

// Holders nest: who held before holds again.
func TestHoldersNest(t *testing.T) {
	t.Parallel()
	d := NewDesk()
	d.now = later()
	outer, releaseOuter := d.Hold()
	inner, releaseInner := d.Hold()
	d.deliver(os.Interrupt)
	require.Equal(t, os.Interrupt, <-inner)
	releaseInner()
	for range cap(outer) + 1 { // more than it takes: nobody is held up
		d.deliver(syscall.SIGTERM)
	}
	require.Equal(t, syscall.SIGTERM, <-outer)
	releaseOuter()
}

func TestTheProcessesSignals(t *testing.T) { // a signal is the whole process's
	signaltest.Reset()
	signals, release := SystemSignals()
	defer release()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	select {
	case sig := <-signals:
		require.Equal(t, syscall.SIGHUP, sig)
	case <-time.After(time.Minute):
		t.Fatal("the signal did not come")
	}
}
