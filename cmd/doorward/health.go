package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// healthTime bounds the question; a server that takes longer is not well.
const healthTime = 5 * time.Second

type healthCmd struct {
	Config        string `help:"Configuration file (TOML)." placeholder:"FILE"`
	Listen        string `help:"${listen}" placeholder:"HOST:PORT"`
	MetricsListen string `help:"${metrics_listen}" placeholder:"HOST:PORT"`
	Ready         bool   `help:"Ask whether the database answers, too. Restart nothing because of that."`
}

func (healthCmd) Help() string {
	return `Asks the server on this machine, found by the same flags, variables and file as those of serve. Where metrics are served it asks there, which no flood of clients reaches. The exit code is 0 where all is well, else 1.

Example:

    doorward health --listen 127.0.0.1:8080 --ready`
}

// healthReport is what the server answers.
type healthReport struct {
	Status string   `json:"status"`
	Failed []string `json:"failed,omitempty"`
}

func (h healthCmd) Run(a *app) error {
	c := loadConfig(a.flags, a.env)
	if err := c.err(); err != nil {
		return err
	}
	address := c.listen
	if c.server.MetricsListen != "" {
		address = c.server.MetricsListen
	}
	path := "/healthz"
	if h.Ready {
		path = "/readyz"
	}
	report, err := a.askHealth("http://" + localAddress(address) + path)
	if err != nil {
		return err
	}
	return a.print(report, func(w io.Writer) { fmt.Fprintln(w, report.Status) })
}

func (a *app) askHealth(url string) (healthReport, error) {
	client := &http.Client{Timeout: healthTime, Transport: &http.Transport{DisableKeepAlives: true}} // past any proxy of the environment
	req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, url, nil)
	if err != nil {
		return healthReport{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return healthReport{}, fmt.Errorf("the server does not answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return healthReport{}, fmt.Errorf("the server does not answer in full: %w", err)
	}
	var report healthReport
	wellFormed := json.Unmarshal(body, &report) == nil && report.Status != ""
	switch {
	case !wellFormed && strings.Contains(string(body), "HTTP request to an HTTPS server"): // net/http's own words
		return healthReport{}, fmt.Errorf("the server speaks TLS at %s; set --metrics-listen, where health is asked without", url)
	case !wellFormed:
		return healthReport{}, fmt.Errorf("what answers at %s is no Doorward (status %d)", url, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return healthReport{}, fmt.Errorf("the server is %s: %s", plain(report.Status), plain(strings.Join(report.Failed, ", ")))
	}
	return report, nil
}

// localAddress is where a server that listens on address is reached from its own machine.
func localAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() && !ip.Is4In6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
