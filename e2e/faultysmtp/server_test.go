package faultysmtp

import (
	"net/smtp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestModes sends one mail in each mode and looks at what the client was told and what was kept.
func TestModes(t *testing.T) {
	t.Parallel()
	var box box
	s, err := Start(box.keep)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, test := range []struct {
		mode    Mode
		told    bool
		kept    bool
		holding string // in the error
	}{
		{Working, true, true, ""},
		{Refusing, false, false, "refused"},
		{Temporary, false, false, "451"},
		{DroppingBefore, false, false, ""},
		{DroppingAfter, false, true, ""},
		{Working, true, true, ""},
	} {
		if err := s.Set(test.mode); err != nil {
			t.Fatal(err)
		}
		before := len(box.all())
		err := send(s, test.mode.String())
		if (err == nil) != test.told || (err != nil && !strings.Contains(err.Error(), test.holding)) {
			t.Errorf("%s: the client was told %v", test.mode, err)
		}
		kept := box.all()[before:]
		if (len(kept) == 1) != test.kept {
			t.Errorf("%s: kept %d mails", test.mode, len(kept))
		}
		if test.kept && (kept[0].Acknowledged != test.told || kept[0].To != "to@example.test" || kept[0].MessageID != "<"+test.mode.String()+">") {
			t.Errorf("%s: kept %+v", test.mode, kept[0])
		}
	}
}

func TestHangingEndsWithTheMode(t *testing.T) {
	t.Parallel()
	var box box
	s, err := Start(box.keep)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set(Hanging); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 3)
	for range 3 { // at each command
		go func() { ended <- send(s, "hung") }()
	}
	select {
	case err := <-ended:
		t.Fatalf("it did not hang: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := s.Set(Working); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-ended; err == nil {
			t.Error("the client was told that the mail is taken")
		}
	}
	if kept := box.all(); len(kept) != 0 {
		t.Errorf("kept %d mails", len(kept))
	}
}

func send(s *Server, id string) error {
	body := "Message-Id: <" + id + ">\r\nTo: to@example.test\r\n\r\nhello\r\n"
	return smtp.SendMail(s.Addr(), nil, "from@example.test", []string{"to@example.test"}, []byte(body))
}

type box struct {
	mu   sync.Mutex
	kept []Delivery
}

func (b *box) keep(d Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, d)
}

func (b *box) all() []Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.kept)
}
