package adminapi

import "time"

// NewOperator is what an operator token is created with.
type NewOperator struct {
	Name string `json:"name"`
}

// Operator is a credential for the whole instance, without the token itself.
type Operator struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

// OperatorList is every operator token of the instance.
type OperatorList struct {
	Operators []Operator `json:"operators"`
}

// CreatedOperator is a new operator token, which is told this once.
type CreatedOperator struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

func (a *API) listOperators(q request) (OperatorList, error) {
	tokens, err := a.admin.OperatorTokens(q.ctx, q.caller)
	if err != nil {
		return OperatorList{}, err
	}
	list := OperatorList{Operators: []Operator{}}
	for _, t := range tokens {
		list.Operators = append(list.Operators, Operator{t.Name, t.CreatedAt})
	}
	return list, nil
}

func (a *API) createOperator(q request, body NewOperator) (CreatedOperator, error) {
	plain, err := a.admin.CreateOperatorToken(q.ctx, q.caller, body.Name)
	return CreatedOperator{body.Name, plain}, err
}

func (a *API) deleteOperator(q request) error {
	return a.admin.DeleteOperatorToken(q.ctx, q.caller, q.path("name"))
}
