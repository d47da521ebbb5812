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
