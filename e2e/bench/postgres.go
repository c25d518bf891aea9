package main

import "github.com/doorward/doorward/e2e/pgcluster"

// startPostgres starts one server with an empty database, as durable as PostgreSQL is by default.
func startPostgres(dir string) (*pgcluster.Cluster, error) {
	return pgcluster.StartOne(dir, "doorward")
}
