package sqlstore

import "context"

// Exec runs a statement past everything.
func Exec(ctx context.Context, s *Store, statement string) error {
	return s.rawUpdate(ctx, func(q *querier) error {
		_, err := q.exec(ctx, statement)
		return err
	})
}
