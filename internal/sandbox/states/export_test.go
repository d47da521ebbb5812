package states

// Idle waits until no execution runs, for benchmarks.
func (s *Service) Idle() { s.running.Wait() }
