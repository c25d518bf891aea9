package certs

import (
	_ "github.com/caddyserver/certmagic"
	_ "github.com/libdns/acmedns"
	_ "github.com/libdns/rfc2136"
	_ "go.uber.org/zap/exp/zapslog"
)
