package stack

import "os"

// Alive tells whether a lock's owner runs on this host, as far as its number tells. One on another
// host is not known, and neither alive nor stale.
func (l Lock) Alive() bool {
	host, err := os.Hostname()
	return err == nil && l.PID > 0 && l.Host == host && !l.Broken && !l.Stale && !isStale(l)
}
