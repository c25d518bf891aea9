package sqlstore

// Timeline is the highest that the store has seen.
func (s *Store) Timeline() uint32 { return s.postgres.fence.newest.Load() }

// RaiseTimeline is as if another server had been promoted to a timeline.
func (s *Store) RaiseTimeline(n uint32) { s.postgres.fence.raise(n) }
