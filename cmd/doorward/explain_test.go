package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/adminapi"
)

// step makes a step of "name outcome" and pairs of facts.
func step(nameOutcome string, facts ...string) adminapi.DecisionStep {
	name, outcome, _ := strings.Cut(nameOutcome, " ")
	s := adminapi.DecisionStep{Step: name, Outcome: outcome, Facts: map[string]string{}}
	for i := 0; i+1 < len(facts); i += 2 {
		s.Facts[facts[i]] = facts[i+1]
	}
	return s
}

// TestStoryControlsNoTerminal: what strangers sent cannot do more than be read.
func TestStoryControlsNoTerminal(t *testing.T) {
	const evil = "a\x1b[2Jb\nc\u202Ed"
	var story bytes.Buffer
	tell(&story, adminapi.Decision{
		Reference: evil, Project: evil, Event: evil, Outcome: evil, Code: evil, UID: evil, Address: evil, UserAgent: evil, At: time.Unix(0, 0),
		Steps: []adminapi.DecisionStep{
			step("provider refused", "provider", evil, "step", evil, "reason", evil), step("provider_answer noted", "from", evil, "status", evil, "type", evil, "body", evil),
			step("limiter refused", "budget", evil, "source", evil, "wait_seconds", evil), step("token refused", "of", evil, "reason", evil), step(evil+" x", "of", evil),
		},
	})
	if strings.ContainsAny(story.String(), "\x1b\u202E") || strings.Contains(story.String(), "b\nc") {
		t.Errorf("%q", story.String())
	}
}
