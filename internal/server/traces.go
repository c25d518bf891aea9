package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// newTracer sends spans to the collector at endpoint, in batches.
func newTracer(ctx context.Context, endpoint string, log *slog.Logger) (*sdktrace.TracerProvider, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("collector of traces: %w", err)
	}
	if target.Path == "" || target.Path == "/" {
		target.Path = "/v1/traces" // OTLP 1.0, section "OTLP/HTTP Request"
	}
	headers, err := collectorHeaders(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, &collector{target.String(), headers, &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the headers are for this collector alone
	}})
	if err != nil {
		return nil, fmt.Errorf("collector of traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces not sent", slog.Any("error", err)) }))
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "doorward"))),
	), nil
}

// collectorHeaders reads OpenTelemetry's own variable, as "api-key=secret,other=escaped%20value".
func collectorHeaders(list string) (http.Header, error) {
	headers := http.Header{}
	for _, pair := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS must be as name=value,name=value")
		}
		headers.Set(strings.TrimSpace(name), value)
	}
	return headers, nil
}

// collector takes spans by OTLP over HTTP. OpenTelemetry's own client for that brings all of gRPC into the program, a twentieth of its size.
type collector struct {
	url     string
	headers http.Header
	client  *http.Client
}

// Start and Stop have nothing to do: each upload is a request of its own.
func (*collector) Start(context.Context) error { return nil }
func (*collector) Stop(context.Context) error  { return nil }

// UploadTraces sends one batch. What the collector does not take is lost, and the log says so.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans}) // the same bytes as an ExportTraceServiceRequest
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = c.headers.Clone()
	request.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", answer.Status)
	}
	return nil
}
