package adminapi

import (
	"time"
)

// SecondFactor is a confirmed second factor of a user.
type SecondFactor struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"` // totp or passkey
	Name       string    `json:"name"`
	EnrolledAt time.Time `json:"enrolledAt"`
	LastUsedAt time.Time `json:"lastUsedAt,omitzero"`
}

// SecondFactorList is all that a user has, the oldest first.
type SecondFactorList struct {
	SecondFactors     []SecondFactor `json:"secondFactors"`
	RecoveryCodesLeft int            `json:"recoveryCodesLeft"`
}

// RemovedSecondFactors says how many second factors were removed.
type RemovedSecondFactors struct {
	Removed int `json:"removed"`
}

func (a *API) listSecondFactors(q request) (SecondFactorList, error) {
	factors, left, err := a.admin.SecondFactorsOf(q.ctx, q.caller, q.uid())
	list := SecondFactorList{make([]SecondFactor, len(factors)), left}
	for i, f := range factors {
		list.SecondFactors[i] = SecondFactor{string(f.ID), string(f.Kind), f.Name, f.ConfirmedAt, f.LastUsedAt}
	}
	return list, err
}

func (a *API) resetSecondFactors(q request) (RemovedSecondFactors, error) {
	n, err := a.admin.ResetSecondFactors(q.ctx, q.caller, q.uid())
	return RemovedSecondFactors{n}, err
}
