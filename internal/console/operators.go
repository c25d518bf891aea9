package console

import (
	"cmp"
	"slices"

	"github.com/doorward/doorward/internal/auth"
)

func operatorsPages() []page {
	return []page{
		{path: "/operators", room: roomOperators, entry: true, show: (*visit).operators,
			forms:   map[string]func(*visit) error{"invite": (*visit).inviteOperator},
			notices: map[string]string{"removed": "The operator is removed, and signed out everywhere."}},
		{path: "/operators/{operator}", room: roomOperators, show: (*visit).operator,
			forms: map[string]func(*visit) error{
				"disable": (*visit).disableOperator, "enable": (*visit).enableOperator, "reset-factors": (*visit).resetOperatorFactors, "remove": (*visit).removeOperator,
				"invite": (*visit).inviteOperator,
			},
			notices: map[string]string{
				"disabled": "The operator is disabled, and signed out everywhere.", "enabled": "The operator may sign in again.",
				"factors": "The second factors are removed. At the next sign-in the operator sets up a new one.",
			}},
	}
}

// operatorRow is an operator's account.
type operatorRow struct {
	auth.ConsoleOperator
	Self bool // it is the operator who looks
}

// State is the one word for the facts that keep an operator from signing in.
func (o operatorRow) State() string { return userRow{User: o.User}.State() }

// operatorsPage is what the list of operators shows.
type operatorsPage struct {
	Operators []operatorRow
	Invited   string // whom; Link is then to be handed on
	Link      string
}

func (v *visit) operatorRows() ([]operatorRow, error) {
	all, err := v.Admin.Operators(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	rows := make([]operatorRow, len(all))
	for i, o := range all {
		rows[i] = operatorRow{o, string(o.Email) == v.caller.OperatorName()}
	}
	return rows, nil
}

func (v *visit) operators() error { return v.showOperators("", "") }

func (v *visit) showOperators(invited, link string) error {
	rows, err := v.operatorRows()
	if err != nil {
		return err
	}
	return v.render("operators", "Operators", operatorsPage{rows, invited, link})
}

// inviteOperator shows the link at once and nowhere else: it is a secret, and belongs in no address.
func (v *visit) inviteOperator() error {
	o, link, err := v.Admin.InviteOperator(v.r.Context(), v.caller, v.field("email"))
	if err != nil {
		return onField(err, "email")
	}
	return v.showOperators(string(o.Email), link)
}

func (v *visit) operatorID() string { return v.r.PathValue("operator") }

func (v *visit) operator() error {
	o, err := v.shownOperator()
	if err != nil {
		return err
	}
	return v.render("operator", cmp.Or(string(o.Email), string(o.ID)), o)
}

// shownOperator finds the operator that the page is about.
func (v *visit) shownOperator() (operatorRow, error) {
	rows, err := v.operatorRows()
	if err != nil {
		return operatorRow{}, err
	}
	i := slices.IndexFunc(rows, func(o operatorRow) bool { return string(o.ID) == v.operatorID() })
	if i < 0 {
		return operatorRow{}, &auth.Error{Code: auth.CodeNotFound, Message: "there is no such operator"}
	}
	return rows[i], nil
}

func (v *visit) disableOperator() error {
	if _, err := v.Admin.DisableOperator(v.r.Context(), v.caller, v.operatorID()); err != nil {
		return err
	}
	return v.back(v.path("operators", v.operatorID()), "disabled")
}

func (v *visit) enableOperator() error {
	if _, err := v.Admin.EnableOperator(v.r.Context(), v.caller, v.operatorID()); err != nil {
		return err
	}
	return v.back(v.path("operators", v.operatorID()), "enabled")
}

func (v *visit) resetOperatorFactors() error {
	if _, err := v.Admin.ResetOperatorFactors(v.r.Context(), v.caller, v.operatorID()); err != nil {
		return err
	}
	return v.back(v.path("operators", v.operatorID()), "factors")
}

// removeOperator removes the operator whose address was typed.
func (v *visit) removeOperator() error {
	o, err := v.shownOperator()
	if err != nil {
		return err
	}
	if v.field("confirm") != typedName(o.User) {
		return badField("confirm", "what you typed is not the operator's address")
	}
	if err := v.Admin.DeleteOperator(v.r.Context(), v.caller, string(o.ID)); err != nil {
		return err
	}
	return v.back(v.path("operators"), "removed")
}
