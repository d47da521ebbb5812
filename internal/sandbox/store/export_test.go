package store

// Waiting is the number of Batch calls that no commit has begun with.
func (d *DB) Waiting() int {
	d.batcher.mu.Lock()
	defer d.batcher.mu.Unlock()
	return len(d.batcher.queue)
}

// StayBusy keeps the store from ever being idle again.
func (d *DB) StayBusy() { d.idle.stop() }
