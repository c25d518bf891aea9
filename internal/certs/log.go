package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap gives the ACME library a logger that writes to ours. Its debug level is left out: it has what CAs and DNS servers were sent (P44). What it calls info is our debug:
// while a certificate is due it writes such lines for each handshake.
func newZap(log *slog.Logger) *zap.Logger { return zap.New(&zapCore{log: log}) }

// zapCore is a zapcore.Core over slog.
type zapCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

// Enabled leaves debug out.
func (c *zapCore) Enabled(level zapcore.Level) bool {
	return level > zapcore.DebugLevel && c.log.Enabled(context.Background(), slogLevel(level))
}

// With adds fields to every line.
func (c *zapCore) With(fields []zapcore.Field) zapcore.Core {
	return &zapCore{c.log, append(append([]zapcore.Field(nil), c.fields...), fields...)}
}

// Check takes entries that are enabled.
func (c *zapCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write writes an entry.
func (c *zapCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	attrs := []slog.Attr{slog.String("part", "certificates")}
	for _, f := range append(append([]zapcore.Field(nil), c.fields...), fields...) {
		encoder := zapcore.NewMapObjectEncoder()
		f.AddTo(encoder)
		for key, value := range encoder.Fields {
			attrs = append(attrs, slog.Any(key, value))
		}
	}
	c.log.LogAttrs(context.Background(), slogLevel(entry.Level), entry.Message, attrs...)
	return nil
}

// Sync has nothing to flush.
func (c *zapCore) Sync() error { return nil }

func slogLevel(level zapcore.Level) slog.Level {
	switch {
	case level >= zapcore.ErrorLevel:
		return slog.LevelError
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}
