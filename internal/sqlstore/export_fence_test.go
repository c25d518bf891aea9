package sqlstore

import "github.com/jackc/pgx/v5"

// Timeline is the highest that the store has seen.
func (s *Store) Timeline() uint32 { return s.fence.newest.Load() }

// RaiseTimeline is as if another server had been promoted to a timeline.
func (s *Store) RaiseTimeline(n uint32) { s.fence.raise(n) }

// SeparateHosts gives the hosts and the number of fallbacks of each.
func SeparateHosts(url string) (hosts []string, fallbacks []int, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range separateHosts(config) {
		hosts, fallbacks = append(hosts, h.Host), append(fallbacks, len(h.Fallbacks))
	}
	return hosts, fallbacks, nil
}
