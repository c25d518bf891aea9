package adminapi

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// ConsoleOperator is the account of somebody who may do everything on the instance, and who signs in to the console.
type ConsoleOperator struct {
	UID           string    `json:"uid"`
	Email         string    `json:"email"`
	Name          string    `json:"name,omitempty"`
	Disabled      bool      `json:"disabled"`
	InvitePending bool      `json:"invitePending"`
	SecondFactors int       `json:"secondFactors"` // confirmed ones
	CreatedAt     time.Time `json:"createdAt"`
	LastSignInAt  time.Time `json:"lastSignInAt,omitzero"`
}

// ConsoleOperatorList is every operator's account, by address.
type ConsoleOperatorList struct {
	Operators []ConsoleOperator `json:"operators"`
}

// NewConsoleOperator is who is invited.
type NewConsoleOperator struct {
	Email string `json:"email"`
}

// InvitedConsoleOperator is an invited operator, with the one-time link under which the account is made.
type InvitedConsoleOperator struct {
	Operator ConsoleOperator `json:"operator"`
	Link     string          `json:"link"`
}

// ConsoleLink is the one-time link that opens the set-up of the console.
type ConsoleLink struct {
	Link string `json:"link"`
}

func consoleOperatorOf(o auth.ConsoleOperator) ConsoleOperator {
	return ConsoleOperator{
		UID: string(o.ID), Email: string(o.Email), Name: o.Name, Disabled: o.Disabled, InvitePending: o.InvitePending, SecondFactors: o.SecondFactors, CreatedAt: o.CreatedAt,
		LastSignInAt: o.LastSignInAt,
	}
}

func (a *API) createConsoleLink(q request) (ConsoleLink, error) {
	link, err := a.admin.SetupLink(q.ctx, q.caller)
	return ConsoleLink{link}, err
}

func (a *API) listConsoleOperators(q request) (ConsoleOperatorList, error) {
	operators, err := a.admin.Operators(q.ctx, q.caller)
	list := ConsoleOperatorList{make([]ConsoleOperator, len(operators))}
	for i, o := range operators {
		list.Operators[i] = consoleOperatorOf(o)
	}
	return list, err
}

func (a *API) inviteConsoleOperator(q request, body NewConsoleOperator) (InvitedConsoleOperator, error) {
	o, link, err := a.admin.InviteOperator(q.ctx, q.caller, body.Email)
	return InvitedConsoleOperator{consoleOperatorOf(o), link}, err
}

func (a *API) disableConsoleOperator(q request) (ConsoleOperator, error) {
	o, err := a.admin.DisableOperator(q.ctx, q.caller, q.path("operator"))
	return consoleOperatorOf(o), err
}

func (a *API) enableConsoleOperator(q request) (ConsoleOperator, error) {
	o, err := a.admin.EnableOperator(q.ctx, q.caller, q.path("operator"))
	return consoleOperatorOf(o), err
}

func (a *API) deleteConsoleOperator(q request) error {
	return a.admin.DeleteOperator(q.ctx, q.caller, q.path("operator"))
}

func (a *API) resetConsoleOperatorFactors(q request) (RemovedSecondFactors, error) {
	n, err := a.admin.ResetOperatorFactors(q.ctx, q.caller, q.path("operator"))
	return RemovedSecondFactors{n}, err
}
