package adminapi

import "context"

// CreateConsoleLink gives a one-time link that opens the set-up of the console, and voids earlier ones. Only with Options.Local.
func (c *Client) CreateConsoleLink(ctx context.Context) (ConsoleLink, error) {
	return fetch[ConsoleLink](ctx, c, "POST", nil, "console", "link")
}

// ListConsoleOperators lists the operators' accounts.
func (c *Client) ListConsoleOperators(ctx context.Context) (ConsoleOperatorList, error) {
	return fetch[ConsoleOperatorList](ctx, c, "GET", nil, "console", "operators")
}

// InviteConsoleOperator makes an account that waits for its owner, and gives the link for it.
func (c *Client) InviteConsoleOperator(ctx context.Context, email string) (InvitedConsoleOperator, error) {
	return fetch[InvitedConsoleOperator](ctx, c, "POST", NewConsoleOperator{email}, "console", "operators")
}

// DisableConsoleOperator keeps an operator, named by uid or address, out.
func (c *Client) DisableConsoleOperator(ctx context.Context, operator string) (ConsoleOperator, error) {
	return fetch[ConsoleOperator](ctx, c, "POST", nil, "console", "operators", operator, "disable")
}

// EnableConsoleOperator lets a disabled operator in again.
func (c *Client) EnableConsoleOperator(ctx context.Context, operator string) (ConsoleOperator, error) {
	return fetch[ConsoleOperator](ctx, c, "POST", nil, "console", "operators", operator, "enable")
}

// DeleteConsoleOperator removes an operator's account.
func (c *Client) DeleteConsoleOperator(ctx context.Context, operator string) error {
	return c.do(ctx, "DELETE", nil, "console", "operators", operator)
}

// ResetConsoleOperatorFactors removes the second factors of an operator who lost them.
func (c *Client) ResetConsoleOperatorFactors(ctx context.Context, operator string) (RemovedSecondFactors, error) {
	return fetch[RemovedSecondFactors](ctx, c, "DELETE", nil, "console", "operators", operator, "second-factors")
}
