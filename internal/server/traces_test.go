package server

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCollectorHeaders(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]http.Header{
		"":                           {},
		"api-key=s3cret":             {"Api-Key": {"s3cret"}},
		"api-key=a%20b, tenant=acme": {"Api-Key": {"a b"}, "Tenant": {"acme"}},
		"api-key":                    nil,
		"api-key=%zz":                nil,
	} {
		got, err := collectorHeaders(list)
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (want == nil) {
			t.Errorf("%q: %v\n%s", list, err, diff)
		}
	}
}
