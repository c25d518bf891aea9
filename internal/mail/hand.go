package mail

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// hand is what a worker has under way. Only the worker's own loop uses it.
type hand struct {
	room, perProject int // how many mails it holds at most
	size             int
	byProject        map[auth.ProjectID]int
	ids              map[mailKey]bool
	silent           map[auth.ProjectID]silence
}

// mailKey tells mails apart across projects.
type mailKey struct {
	project auth.ProjectID
	id      auth.MailID
}

// silence is that a project's SMTP server gave no answer in time.
type silence struct {
	pause time.Duration
	until time.Time
}

// result is what the handling of a mail ended with.
type result struct {
	mail   auth.OutboxMail
	silent bool
}

// share is how many mails of one project there is room for.
type share struct {
	project auth.ProjectID
	n       int
}

func newHand(room, perProject int) *hand {
	return &hand{room: room, perProject: perProject, byProject: map[auth.ProjectID]int{}, ids: map[mailKey]bool{}, silent: map[auth.ProjectID]silence{}}
}

// divide gives out the room that is left among the projects that have something due.
func (h *hand) divide(due []auth.ProjectID, now time.Time) []share {
	h.forget(now)
	free := h.room - h.size
	var shares []share
	for _, p := range due {
		if n := min(free, h.limit(p, now)-h.byProject[p]); n > 0 {
			free -= n
			shares = append(shares, share{p, n})
		}
	}
	return shares
}

// limit is how many mails of a project may be in hand: once its server was silent, none for a while, and then a single one to see whether it answers.
func (h *hand) limit(p auth.ProjectID, now time.Time) int {
	switch s, silent := h.silent[p]; {
	case !silent:
		return h.perProject
	case now.Before(s.until):
		return 0
	}
	return 1
}

// forget drops the silences that are long over, of projects that have sent nothing since or are gone.
func (h *hand) forget(now time.Time) {
	for p, s := range h.silent {
		if h.byProject[p] == 0 && now.Sub(s.until) > maxBackoff {
			delete(h.silent, p)
		}
	}
}

// take puts a mail into the hand; false where it is there already.
func (h *hand) take(m auth.OutboxMail) bool {
	key := mailKey{m.Project, m.ID}
	if h.ids[key] {
		return false
	}
	h.ids[key] = true
	h.size++
	h.byProject[m.Project]++
	return true
}

func (h *hand) leave(r result, now time.Time) {
	p := r.mail.Project
	delete(h.ids, mailKey{p, r.mail.ID})
	h.size--
	if h.byProject[p]--; h.byProject[p] == 0 {
		delete(h.byProject, p)
	}
	s := h.silent[p]
	switch {
	case !r.silent:
		delete(h.silent, p)
	case !now.Before(s.until): // mails that were tried at the same time count as one
		s.pause = min(max(2*s.pause, firstSilence), maxSilence)
		h.silent[p] = silence{s.pause, now.Add(s.pause)}
	}
}
