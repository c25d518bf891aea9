package auth

import (
	"errors"
	"testing"
)

// A panic in work beside a request costs that work, and no more (P46).
func TestCaught(t *testing.T) {
	if err := caught(func() error { panic("oh") }); err == nil {
		t.Error("a panic is no error")
	}
	failed := errors.New("failed")
	if err := caught(func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}
