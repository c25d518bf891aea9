package auth

import "testing"

// everyFacts gives all 2^9 combinations.
func everyFacts(yield func(joinFacts) bool) {
	for bits := range 1 << 9 {
		is := func(bit int) bool { return bits>>bit&1 == 1 }
		if !yield(joinFacts{is(0), is(1), is(2), is(3), is(4), is(5), is(6), is(7), is(8)}) {
			return
		}
	}
}

// TestDecideJoin holds every combination of facts against the policy, said once more in words (the contract's "same email, other credential", P2, P3, P5).
func TestDecideJoin(t *testing.T) {
	for f := range everyFacts {
		got := decideJoin(f)
		is := func(decisions ...joinDecision) bool {
			for _, d := range decisions {
				if got == d {
					return true
				}
			}
			return false
		}
		sameEmail := f.identityEmail && f.accountExists
		proven := sameEmail && f.identityVerified
		untouchable := f.accountIsInvitee || f.accountIsDisabled
		for property, holds := range map[string]bool{
			"there is a decision": is(joinSignIn, joinCreate, joinLink, joinTakeover, joinConfirm, joinRefuse, joinUnproven),
			"who has the identity is who signs in, whatever the email":        is(joinSignIn) == f.identityKnown,
			"an account opens to a new identity only by the provider's word":  proven || !is(joinLink, joinTakeover),
			"an invite is not accepted by a provider":                         !f.accountIsInvitee || !is(joinLink, joinTakeover),
			"nothing changes of a disabled account":                           !f.accountIsDisabled || !is(joinLink, joinTakeover),
			"what an unproven owner planted is never kept":                    !is(joinLink) || f.accountVerified,
			"what a proven owner has is never dropped":                        !is(joinTakeover) || !f.accountVerified,
			"verified on both sides is linked, without a question":            is(joinLink) == (!f.identityKnown && proven && !untouchable && f.accountVerified),
			"the proven owner gets the account that nobody proved":            is(joinTakeover) == (!f.identityKnown && proven && !untouchable && !f.accountVerified),
			"else who has the address decides":                                is(joinConfirm) == (!f.identityKnown && sameEmail && (!f.identityVerified || untouchable)),
			"no second account gets the address":                              !is(joinCreate) || !sameEmail,
			"a new account only where sign-up is open":                        !is(joinCreate) || f.signUpOpen,
			"who is new is refused only where sign-up is closed":              is(joinRefuse) == (!f.identityKnown && !sameEmail && !f.signUpOpen),
			"whether sign-up is open is nothing to those who have an account": is(joinCreate, joinRefuse, joinUnproven) || got == decideJoin(withSignUp(f, !f.signUpOpen)),
			"no new account waits for an address that it does not have":       is(joinUnproven) == (!f.identityKnown && !f.identityEmail && f.signUpOpen && f.addressNeeded),
		} {
			if !holds {
				t.Errorf("%+v is %s, against: %s", f, got, property)
			}
		}
	}
}

func withSignUp(f joinFacts, open bool) joinFacts {
	f.signUpOpen = open
	return f
}

// TestDecideJoinExamples names what happens most.
func TestDecideJoinExamples(t *testing.T) {
	for name, tt := range map[string]struct {
		facts joinFacts
		want  joinDecision
	}{
		"again":                       {joinFacts{identityKnown: true, identityEmail: true, accountExists: true}, joinSignIn},
		"again, sign-up closed since": {joinFacts{identityKnown: true}, joinSignIn},
		"new":                         {joinFacts{identityEmail: true, identityVerified: true, signUpOpen: true}, joinCreate},
		"new, without an address":     {joinFacts{signUpOpen: true}, joinCreate},
		"new, and could never verify": {joinFacts{signUpOpen: true, addressNeeded: true}, joinUnproven},
		"new, sign-up closed":         {joinFacts{identityEmail: true, identityVerified: true}, joinRefuse},
		"both verified":               {joinFacts{identityEmail: true, identityVerified: true, accountExists: true, accountVerified: true}, joinLink},
		"squatted":                    {joinFacts{identityEmail: true, identityVerified: true, accountExists: true, signUpOpen: true}, joinTakeover},
		"provider does not vouch":     {joinFacts{identityEmail: true, accountExists: true, accountVerified: true, signUpOpen: true}, joinConfirm},
		"nobody proved anything":      {joinFacts{identityEmail: true, accountExists: true, signUpOpen: true}, joinConfirm},
		"invited":                     {joinFacts{identityEmail: true, identityVerified: true, accountExists: true, accountIsInvitee: true}, joinConfirm},
		"disabled":                    {joinFacts{identityEmail: true, identityVerified: true, accountExists: true, accountVerified: true, accountIsDisabled: true}, joinConfirm},
	} {
		if got := decideJoin(tt.facts); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
