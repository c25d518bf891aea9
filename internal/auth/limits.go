package auth

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// budget is so many uses in a row, and one more after each interval.
type budget struct {
	key      string
	interval time.Duration
	burst    int
}

// crowd is how many sources' budgets make up the budget of what they all use.
const crowd = 5

// accountName is what limits know an account by.
func accountName(u User) string { return cmp.Or(string(u.Email), string(u.ID)) }

// signInBudgets are what a try to prove a password counts against: the account from this source, the account from all sources, the source for all accounts, and
// the project. For a source that signed in to the account before only what is
// its own counts, so that nobody elsewhere can shut its user out (P29).
func signInBudgets(ctx context.Context, r Limits, c Caller, account string) ([]budget, error) {
	return tryBudgets(ctx, r, c, "sign-in", account)
}

// tryBudgets are signInBudgets for tries of another kind, which are counted apart.
func tryBudgets(ctx context.Context, r Limits, c Caller, kind, account string) ([]budget, error) {
	set, from := c.Project.Settings, source(c.Addr)
	own := budget{kind + "/account/" + account + "/" + from, set.SignInAccountInterval, set.SignInAccountBurst}
	known, err := r.IsKnownSource(ctx, c.Project.ID, Email(account), from)
	if err != nil {
		return nil, fmt.Errorf("known source: %w", err)
	}
	bySource := budget{kind + "/source/" + from, set.SignInSourceInterval, set.SignInSourceBurst}
	if known { // the source's own budget counts all the same, or its end would tell which accounts know the source (P28)
		return []budget{own, bySource}, nil
	}
	return []budget{
		own,
		bySource,
		{kind + "/account/" + account, set.SignInAccountInterval / crowd, set.SignInAccountBurst * crowd},
		{kind + "/project", set.SignInProjectInterval, set.SignInProjectBurst},
	}, nil
}

// takeSignInTry counts a try before any secret is checked (P29). refundSignInTry gives it back once the secret was right, so that only failures add up.
func (s *Service) takeSignInTry(ctx context.Context, c Caller, account string) error {
	return s.store.Count(ctx, func(tx Limits) error {
		budgets, err := signInBudgets(ctx, tx, c, account)
		if err != nil {
			return err
		}
		return s.takeAll(ctx, tx, c, budgets)
	})
}

func (s *Service) refundSignInTry(ctx context.Context, tx Limits, c Caller, account string) error {
	budgets, err := signInBudgets(ctx, tx, c, account)
	if err != nil {
		return err
	}
	return refundAll(ctx, tx, c, budgets)
}

// refundLater gives uses back after the commit of what they were counted for: inside, changes that have nothing else in common would meet on the budgets' rows. A
// client that leaves gets it nevertheless; what bounds it are the store's own waits, for with a shorter one right passwords would count as failures under load.
func (s *Service) refundLater(ctx context.Context, c Caller, budgets []budget) {
	ctx = context.WithoutCancel(ctx)
	if err := s.store.Count(ctx, func(l Limits) error { return refundAll(ctx, l, c, budgets) }); err != nil {
		s.log.WarnContext(ctx, "a right password stays counted as a failure", "error", err)
	}
}

// mailBudgets are what a mail that somebody asks for counts against: the mailbox from this source, looser the mailbox from all, so that one source cannot use up
// an address' mails, the source for all mailboxes, and the project.
func mailBudgets(ctx context.Context, r Reader, c Caller, to Email) ([]budget, error) {
	set, from := c.Project.Settings, source(c.Addr)
	own := []budget{
		{"mail/source/" + from + "/" + string(to), set.MailAddressInterval, set.MailAddressBurst},
		{"mail-source/" + from, set.MailSourceInterval, set.MailSourceBurst},
	}
	known, err := r.IsKnownSource(ctx, c.Project.ID, to, from)
	if err != nil {
		return nil, fmt.Errorf("known source: %w", err)
	}
	if known { // strangers elsewhere must not keep the owner from asking
		return own, nil
	}
	return append(own,
		budget{"mail/" + string(to), set.MailAddressInterval / crowd, set.MailAddressBurst * crowd},
		budget{"mail-project", set.MailProjectInterval, set.MailProjectBurst},
	), nil
}

// takeMailLimit counts one mail, or the wish for one, to an address. An admin's mails are not limited.
func (s *Service) takeMailLimit(ctx context.Context, tx Tx, c Caller, to Email) error {
	if c.IsAdmin() {
		return nil
	}
	budgets, err := mailBudgets(ctx, tx, c, to)
	if err != nil {
		return err
	}
	return s.takeAll(ctx, tx, c, budgets)
}

// signUpBudgets are what a try to make an account counts against.
func signUpBudgets(c Caller) []budget {
	set := c.Project.Settings
	return []budget{{"sign-up/source/" + source(c.Addr), set.SignUpSourceInterval, set.SignUpSourceBurst}}
}

// guessBudgets are what a wrong code, token or credential of 256 random bits counts against, and a question about an address.
func guessBudgets(c Caller) []budget {
	b := budget{"guess/source/" + source(c.Addr), time.Second, 1000} // for what is about no project
	if c.Project != nil {
		b.interval, b.burst = c.Project.Settings.GuessSourceInterval, c.Project.Settings.GuessSourceBurst
	}
	return []budget{b}
}

// guarded counts a use of a one-time secret before it is checked, does the work that checks it, and gives the use back unless the secret was wrong.
func (s *Service) guarded(ctx context.Context, c Caller, event Event, work func() error) error {
	if err := s.takeGuess(ctx, c); err != nil {
		return s.limited(ctx, c, event, err)
	}
	err := work()
	if isWrongGuess(err) {
		return err
	}
	ctx = context.WithoutCancel(ctx) // as in refundLater
	if refund := s.store.Count(ctx, func(tx Limits) error { return refundAll(ctx, tx, c, guessBudgets(c)) }); refund != nil && err == nil {
		s.log.WarnContext(ctx, "a use that did no harm stays counted", "error", refund) // the work is done and committed: its answer stands
	}
	return err
}

func (s *Service) takeGuess(ctx context.Context, c Caller) error {
	return s.store.Count(ctx, func(tx Limits) error { return s.takeAll(ctx, tx, c, guessBudgets(c)) })
}

// isWrongGuess tells whether the error says that a presented secret was none.
func isWrongGuess(err error) bool {
	switch CodeOf(err) {
	case CodeInvalidOOBCode, CodeExpiredOOBCode, CodeNoUserForID, CodeInvalidProviderResponse, CodeInvalidRefreshToken, CodeExpiredRefreshToken, CodeRefreshTokenUserGone,
		CodeInvalidPendingCredential, CodeInvalidPasskey, CodeInvalidSignInCode:
		return true
	}
	return false
}

// tooMany turns the refusal of a wrong secret of 256 random bits into CodeTooManyAttempts once its source has had too many. Such a secret cannot be guessed at any
// rate, and it is looked up by its hash: what is limited is the noise. So it is counted after it proved wrong, and whoever holds a right one is never shut out.
func (s *Service) tooMany(ctx context.Context, c Caller, err error) error {
	if !isWrongGuess(err) && CodeOf(err) != CodeAdminRequired {
		return err
	}
	b := guessBudgets(c)
	b[0].key = "noise/source/" + source(c.Addr) // apart from the codes of links, which would have to wait with it
	if taken := s.store.Count(ctx, func(tx Limits) error { return s.takeAll(ctx, tx, c, b) }); taken != nil {
		return taken
	}
	return err
}

// limited records a refusal for too many attempts; every other error goes through.
func (s *Service) limited(ctx context.Context, c Caller, event Event, err error) error {
	if CodeOf(err) == CodeTooManyAttempts {
		return s.deny(ctx, c, event, "", AsError(err))
	}
	return err
}

// takeAll counts one use against each budget, or fails with CodeTooManyAttempts; the caller's transaction then counts none.
func (s *Service) takeAll(ctx context.Context, tx Limits, c Caller, budgets []budget) error {
	now := s.now()
	for _, b := range budgets {
		if err := takeLimit(ctx, tx, c.projectID(), b.key, now, b.interval, b.burst); err != nil {
			return err
		}
	}
	return nil
}

// refundAll gives the uses back.
func refundAll(ctx context.Context, tx Limits, c Caller, budgets []budget) error {
	for _, b := range budgets {
		if err := tx.RefundLimit(ctx, c.projectID(), b.key, b.interval); err != nil {
			return err
		}
	}
	return nil
}
