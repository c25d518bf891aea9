package server

import "log/slog"

// keptDescriptors is what the server needs beside its connections: the database, mails, webhooks and providers under way, metrics, files.
const keptDescriptors = 256

// fitConnections lowers how many connections may be open at a time where the system gives too few file descriptors for as many as configured: the last ones
// would be missing for the database (P52, P54).
func (s *Server) fitConnections() {
	limit, known := openFiles()
	allowed := s.connectionsWithin(limit)
	if !known || s.config.MaxConnections <= allowed {
		return
	}
	s.config.Log.Warn("fewer connections than configured: the system allows this process too few open files; raise that limit (LimitNOFILE in a systemd unit, ulimit -n) or lower --max-connections",
		slog.Int("configured", s.config.MaxConnections), slog.Int("connections", allowed), slog.Int("open_files", limit))
	s.config.MaxConnections = allowed
}

// connectionsWithin is how many connections so many descriptors leave room for.
func (s *Server) connectionsWithin(descriptors int) int {
	kept := keptDescriptors
	if s.config.TLS.HTTPListen != "" {
		kept += maxRedirected
	}
	return max(descriptors-kept, descriptors/2, 1)
}
